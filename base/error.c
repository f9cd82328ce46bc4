/* SPDX-License-Identifier: MIT */
#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void berth_fd_close(int *fd)
{
    if (*fd < 0)
        return;
    int saved = errno;
    (void)close(*fd);
    errno = saved;
    *fd = -1;
}

/* Cuts a UTF-8 text that filled its array so that it does not end within a character. */
static void trim_partial_character(char *text, size_t size)
{
    size_t len = strlen(text);
    if (len + 1 < size)
        return;
    size_t start = len;
    while (start > 0 && ((unsigned char)text[start - 1] & 0xC0) == 0x80)
        start--;
    if (start > 0 && (unsigned char)text[start - 1] >= 0xC0)
        text[start - 1] = '\0';
}

static void BERTH_PRINTF(3, 0)
    format_into(char *text, size_t size, const char *format, va_list args)
{
    if (vsnprintf(text, size, format, args) < 0)
        text[0] = '\0';
    trim_partial_character(text, size);
}

int(berth_error_set)(struct berth_error *err, enum berth_status status, const char *format, ...)
{
    if (!err)
        return status;
    va_list args;
    va_start(args, format);
    err->status = status;
    err->retry_after_s = 0;
    err->detail[0] = '\0';
    format_into(err->message, sizeof(err->message), format, args);
    va_end(args);
    return status;
}

static enum berth_status status_of_errno(enum berth_status status, int errnum)
{
    if (errnum == ENOMEM)
        return BERTH_E_NOMEM;
    if (errnum == ENOSPC || errnum == EDQUOT)
        return BERTH_E_NO_SPACE;
    return status;
}

int(berth_error_set_errno)(struct berth_error *err, enum berth_status status, int errnum,
                           const char *format, ...)
{
    status = status_of_errno(status, errnum);
    if (!err)
        return status;
    va_list args;
    va_start(args, format);
    err->status = status;
    err->retry_after_s = 0;
    format_into(err->message, sizeof(err->message), format, args);
    va_end(args);
    char text[128];
    berth_error_detail(err, "%s", strerror_r(errnum, text, sizeof(text)));
    return status;
}

void berth_error_detail(struct berth_error *err, const char *format, ...)
{
    if (!err)
        return;
    va_list args;
    va_start(args, format);
    format_into(err->detail, sizeof(err->detail), format, args);
    va_end(args);
}

int(berth_error_wrap)(struct berth_error *err, const char *format, ...)
{
    if (!err)
        return BERTH_E_INTERNAL;
    char context[BERTH_ERROR_MESSAGE_MAX];
    char message[BERTH_ERROR_MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    format_into(context, sizeof(context), format, args);
    va_end(args);
    memcpy(message, err->message, sizeof(message));
    if (snprintf(err->message, sizeof(err->message), "%s: %s", context, message) < 0)
        err->message[0] = '\0';
    trim_partial_character(err->message, sizeof(err->message));
    return err->status;
}

int(berth_error_nomem)(struct berth_error *err)
{
    return berth_error_set(err, BERTH_E_NOMEM, "out of memory");
}

void berth_error_clear(struct berth_error *err)
{
    *err = (struct berth_error)BERTH_ERROR_INIT;
}

const char *berth_status_name(enum berth_status status)
{
    static const char *const names[] = {
        "ok",          "no_memory",    "internal",  "io",        "invalid",
        "too_large",   "unauthorised", "forbidden", "not_found", "exists",
        "conflict",    "unsupported",  "throttled", "busy",      "refused",
        "unreachable", "timeout",      "no_space",  "quota",     "cancelled",
    };
    size_t index = (size_t)-status;
    return index < sizeof(names) / sizeof(names[0]) ? names[index] : "unknown";
}
