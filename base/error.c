/* SPDX-License-Identifier: MIT */
#include "base/error.h"

#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

BERTH_PRINTF(3, 0)
static void format_into(char *text, size_t size, const char *format, va_list args)
{
    /* By way of an array of its own: an argument may be the text that is replaced. */
    char made[BERTH_ERROR_MESSAGE_MAX];
    _Static_assert(BERTH_ERROR_DETAIL_MAX <= BERTH_ERROR_MESSAGE_MAX, "both texts must fit");
    int len = vsnprintf(made, size, format, args);
    size_t kept = len < 0 ? 0 : (size_t)len;
    if (kept >= size)
        kept = berth_text_utf8_prefix(made, size - 1);
    for (size_t i = 0; i < kept; i++)
        text[i] = berth_text_has_control(&made[i], 1) ? ' ' : made[i];
    text[kept] = '\0';
}

BERTH_PRINTF(4, 0)
static void fill(struct berth_error *err, enum berth_status status, const char *code,
                 const char *format, va_list args)
{
    format_into(err->message, sizeof(err->message), format, args);
    err->status = status;
    err->retry_after_s = 0;
    err->code = code;
    err->detail[0] = '\0';
}

int(berth_error_set)(struct berth_error *err, enum berth_status status, const char *format, ...)
{
    if (!err)
        return status;
    va_list args;
    va_start(args, format);
    fill(err, status, NULL, format, args);
    va_end(args);
    return status;
}

int(berth_error_set_coded)(struct berth_error *err, enum berth_status status, const char *code,
                           const char *format, ...)
{
    if (!err)
        return status;
    va_list args;
    va_start(args, format);
    fill(err, status, code, format, args);
    va_end(args);
    return status;
}

void berth_error_code(struct berth_error *err, const char *code)
{
    if (err)
        err->code = code;
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
    fill(err, status, NULL, format, args);
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

/* Appends as much as fits. */
static void join(char *text, size_t size, const char *more)
{
    size_t len = strlen(text);
    size_t more_len = strlen(more);
    if (more_len > size - 1 - len)
        more_len = berth_text_utf8_prefix(more, size - 1 - len);
    memcpy(text + len, more, more_len);
    text[len + more_len] = '\0';
}

int(berth_error_wrap)(struct berth_error *err, const char *format, ...)
{
    if (!err)
        return BERTH_E_INTERNAL;
    char message[BERTH_ERROR_MESSAGE_MAX];
    memcpy(message, err->message, sizeof(message));
    va_list args;
    va_start(args, format);
    format_into(err->message, sizeof(err->message), format, args);
    va_end(args);
    join(err->message, sizeof(err->message), ": ");
    join(err->message, sizeof(err->message), message);
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
        "ok",           "no_memory", "internal",    "io",          "invalid",  "too_large",
        "unauthorised", "forbidden", "not_found",   "exists",      "conflict", "unsupported",
        "throttled",    "busy",      "refused",     "unreachable", "timeout",  "no_space",
        "quota",        "cancelled", "port_in_use",
    };
    size_t index = (size_t)-status;
    return index < sizeof(names) / sizeof(names[0]) ? names[index] : "unknown";
}
