/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include "base/text.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define LOG_LINE_MAX 1024 /* bytes, newline included */

static const char *const level_words[] = {"DEBUG", "INFO", "WARNING", "ERROR"};
static const char *const level_names[] = {"debug", "info", "warning", "error"};

static _Atomic(enum berth_log_level) log_level = BERTH_LOG_INFO;

void berth_log_set_level(enum berth_log_level level)
{
    atomic_store_explicit(&log_level, level, memory_order_relaxed);
}

int berth_log_parse_level(const char *name, enum berth_log_level *ret_level,
                          struct berth_error *err)
{
    for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *ret_level = (enum berth_log_level)i;
            return 0;
        }
    }
    return berth_error_set(err, BERTH_E_INVALID, "must be debug, info, warning or error");
}

static bool is_logged(enum berth_log_level level)
{
    return level >= atomic_load_explicit(&log_level, memory_order_relaxed);
}

struct line {
    char text[LOG_LINE_MAX + 1];
    size_t len; /* of the text without newline: below LOG_LINE_MAX */
};

BERTH_PRINTF(2, 0) static void append_args(struct line *line, const char *format, va_list args)
{
    size_t room = LOG_LINE_MAX - line->len;
    int len = vsnprintf(line->text + line->len, room, format, args);
    if (len < 0)
        return;
    if ((size_t)len < room)
        line->len += (size_t)len;
    else
        line->len = berth_text_utf8_prefix(line->text, LOG_LINE_MAX - 1);
}

BERTH_PRINTF(2, 3) static void append(struct line *line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    append_args(line, format, args);
    va_end(args);
}

static void write_line(struct line *line)
{
    for (size_t i = 0; i < line->len; i++) {
        if (berth_text_has_control(&line->text[i], 1))
            line->text[i] = ' ';
    }
    line->text[line->len] = '\n';
    /* A log that cannot be written has nowhere to say so. */
    ssize_t written = write(STDERR_FILENO, line->text, line->len + 1);
    (void)written;
}

void berth_log(enum berth_log_level level, const char *format, ...)
{
    if (!is_logged(level))
        return;
    struct line line = {.len = 0};
    append(&line, "%s ", level_words[level]);
    va_list args;
    va_start(args, format);
    append_args(&line, format, args);
    va_end(args);
    write_line(&line);
}

void berth_log_error(enum berth_log_level level, const struct berth_error *err, const char *format,
                     ...)
{
    if (!is_logged(level))
        return;
    struct line line = {.len = 0};
    append(&line, "%s ", level_words[level]);
    va_list args;
    va_start(args, format);
    append_args(&line, format, args);
    va_end(args);
    append(&line, ": %s", err->message);
    if (err->detail[0])
        append(&line, " (%s)", err->detail);
    write_line(&line);
}
