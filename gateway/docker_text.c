/* SPDX-License-Identifier: MIT */
#include "gateway/docker_text.h"

#include "base/clock.h"
#include "base/text.h"
#include "gateway/docker_unicode.h"

#include <inttypes.h>
#include <string.h>

#define MINUTE_S INT64_C(60)
#define HOUR_S   INT64_C(3600)
#define HALF_S   (HOUR_S / 2) /* hours are rounded to the nearest */
#define DAY_H    INT64_C(24)
#define WEEK_H   (7 * DAY_H)
#define MONTH_H  (30 * DAY_H)
#define YEAR_H   (365 * DAY_H)

#define SHORT_ID_LEN 12
#define ELLIPSIS     "\xe2\x80\xa6" /* U+2026 */

void berth_docker_add_member(struct berth_json_writer *w, const char *name,
                             struct berth_strbuf *text)
{
    berth_json_add_stringn(w, name, berth_strbuf_str(text), text->len);
    if (text->failed && !w->out->failed)
        w->out->failed = text->failed;
    berth_strbuf_clear(text);
}

static void add_number(struct berth_strbuf *out, uint64_t value)
{
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    berth_strbuf_add(out, digits + at, sizeof(digits) - at);
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void add_count(struct berth_strbuf *out, int64_t count, const char *unit)
{
    add_number(out, (uint64_t)count);
    berth_strbuf_adds(out, unit);
}

/* An age of an hour and more; returns the age in seconds at which the text changes. */
static int64_t add_hours(struct berth_strbuf *out, int64_t seconds)
{
    int64_t hours = (seconds + HALF_S) / HOUR_S;
    int64_t next_hours;
    if (hours == 1) {
        berth_strbuf_adds(out, "About an hour");
        next_hours = 2;
    } else if (hours < 2 * DAY_H) {
        add_count(out, hours, " hours");
        next_hours = hours + 1;
    } else if (hours < 2 * WEEK_H) {
        add_count(out, hours / DAY_H, " days");
        next_hours = (hours / DAY_H + 1) * DAY_H;
    } else if (hours < 2 * MONTH_H) {
        add_count(out, hours / WEEK_H, " weeks");
        next_hours = smaller((hours / WEEK_H + 1) * WEEK_H, 2 * MONTH_H);
    } else if (hours < 2 * YEAR_H) {
        add_count(out, hours / MONTH_H, " months");
        next_hours = smaller((hours / MONTH_H + 1) * MONTH_H, 2 * YEAR_H);
    } else {
        /* Years alone are cut, not rounded: half an hour short of two is "1 years". */
        int64_t years = seconds / HOUR_S / YEAR_H;
        add_count(out, years, " years");
        return (years + 1) * YEAR_H * HOUR_S;
    }
    return next_hours * HOUR_S - HALF_S;
}

static int64_t add_duration(struct berth_strbuf *out, int64_t seconds)
{
    if (seconds < 1) {
        berth_strbuf_adds(out, "Less than a second");
        return 1;
    }
    if (seconds == 1) {
        berth_strbuf_adds(out, "1 second");
        return 2;
    }
    if (seconds < MINUTE_S) {
        add_count(out, seconds, " seconds");
        return seconds + 1;
    }
    if (seconds >= HOUR_S)
        return add_hours(out, seconds);
    int64_t minutes = seconds / MINUTE_S;
    if (minutes == 1)
        berth_strbuf_adds(out, "About a minute");
    else
        add_count(out, minutes, " minutes");
    return (minutes + 1) * MINUTE_S;
}

void berth_docker_add_age(struct berth_strbuf *out, int64_t since_ns, int64_t now_ns,
                          int64_t *valid_until_ns)
{
    int64_t age_ns;
    if (__builtin_sub_overflow(now_ns, since_ns, &age_ns))
        age_ns = now_ns < since_ns ? INT64_MIN : INT64_MAX;
    int64_t next_s = add_duration(out, age_ns / BERTH_NS_PER_S);
    int64_t until_ns;
    if (__builtin_mul_overflow(next_s, BERTH_NS_PER_S, &until_ns) ||
        __builtin_add_overflow(since_ns, until_ns, &until_ns))
        return;
    *valid_until_ns = smaller(*valid_until_ns, until_ns);
}

static void add_scaled(struct berth_strbuf *out, double bytes, double base, int digits,
                       const char *const *units, size_t unit_count)
{
    size_t unit = 0;
    for (; bytes >= base && unit < unit_count - 1; unit++)
        bytes /= base;
    berth_strbuf_addf(out, "%.*g%s", digits, bytes, units[unit]);
}

void berth_docker_add_size(struct berth_strbuf *out, double bytes, int digits)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"};
    add_scaled(out, bytes, 1000, digits, units, sizeof(units) / sizeof(units[0]));
}

void berth_docker_add_binary_size(struct berth_strbuf *out, double bytes)
{
    static const char *const units[] = {"B",   "KiB", "MiB", "GiB", "TiB",
                                        "PiB", "EiB", "ZiB", "YiB"};
    add_scaled(out, bytes, 1024, 4, units, sizeof(units) / sizeof(units[0]));
}

/* One character of a NUL-terminated text. */
struct rune {
    uint32_t code;
    size_t len; /* bytes */
    bool valid; /* false: a byte that is no UTF-8 (RFC 3629), taken alone */
};

static struct rune next_rune(const char *text)
{
    const unsigned char *byte = (const unsigned char *)text;
    if (byte[0] < 0x80)
        return (struct rune){byte[0], 1, true};
    size_t len = berth_text_utf8_char(text, strnlen(text, 4));
    if (len == 0)
        return (struct rune){0xfffd, 1, false};
    uint32_t code = byte[0] & (0xffu >> (len + 1));
    for (size_t i = 1; i < len; i++)
        code = code << 6 | (byte[i] & 0x3fu);
    return (struct rune){code, len, true};
}

/* How many bytes of the text are shown in so many columns; less than all of them: cut. */
static size_t shown_bytes(const char *text, size_t columns)
{
    size_t width = 0, at = 0, kept = 0;
    while (text[at]) {
        struct rune rune = next_rune(text + at);
        width += rune.code >= 0x1100 && berth_docker_is_wide(rune.code) ? 2 : 1;
        if (width > columns)
            return kept;
        at += rune.len;
        if (width < columns)
            kept = at; /* leaves a column for the ellipsis */
    }
    return at;
}

void berth_docker_add_shortened(struct berth_strbuf *out, const char *text, size_t columns)
{
    size_t shown = shown_bytes(text, columns);
    berth_strbuf_add(out, text, shown);
    if (text[shown])
        berth_strbuf_adds(out, ELLIPSIS);
}

static void add_escaped(struct berth_strbuf *out, const char *bytes, struct rune rune)
{
    static const char named[] = "\a\b\f\n\r\t\v\"\\";
    static const char letters[] = "abfnrtv\"\\";
    const char *found = rune.code < 0x80 ? strchr(named, (int)rune.code) : NULL;
    if (found) {
        berth_strbuf_addc(out, '\\');
        berth_strbuf_addc(out, letters[found - named]);
    } else if (!rune.valid) {
        berth_strbuf_addf(out, "\\x%02x", (unsigned char)bytes[0]);
    } else if (berth_docker_is_printable(rune.code)) {
        berth_strbuf_add(out, bytes, rune.len);
    } else if (rune.code < ' ' || rune.code == 0x7f) {
        berth_strbuf_addf(out, "\\x%02" PRIx32, rune.code);
    } else if (rune.code < 0x10000) {
        berth_strbuf_addf(out, "\\u%04" PRIx32, rune.code);
    } else {
        berth_strbuf_addf(out, "\\U%08" PRIx32, rune.code);
    }
}

/* How many bytes from the start of text stand for themselves in a quoted string. */
static size_t plain_run(const char *text, size_t len)
{
    size_t run = 0;
    while (run < len && text[run] >= ' ' && text[run] < 0x7f && text[run] != '"' &&
           text[run] != '\\')
        run++;
    return run;
}

void berth_docker_add_quoted(struct berth_strbuf *out, const char *text, size_t columns)
{
    size_t shown = shown_bytes(text, columns);
    berth_strbuf_addc(out, '"');
    for (size_t at = 0; at < shown;) {
        size_t plain = plain_run(text + at, shown - at);
        berth_strbuf_add(out, text + at, plain);
        at += plain;
        if (at == shown)
            break;
        struct rune rune = next_rune(text + at);
        add_escaped(out, text + at, rune);
        at += rune.len;
    }
    if (text[shown])
        berth_strbuf_adds(out, ELLIPSIS);
    berth_strbuf_addc(out, '"');
}

void berth_docker_add_short_id(struct berth_strbuf *out, const char *id)
{
    const char *colon = strchr(id, ':');
    const char *start = colon ? colon + 1 : id;
    berth_strbuf_add(out, start, strnlen(start, SHORT_ID_LEN));
}

/* Skips prefix if the slice begins with it. */
static bool skip_prefix(struct berth_docker_slice *slice, const char *prefix)
{
    size_t len = strlen(prefix);
    if (slice->len < len || memcmp(slice->text, prefix, len) != 0)
        return false;
    slice->text += len;
    slice->len -= len;
    return true;
}

struct berth_docker_slice berth_docker_familiar_name(const char *name, size_t len)
{
    struct berth_docker_slice full = {name, len};
    if (!skip_prefix(&full, "docker.io/"))
        (void)skip_prefix(&full, "index.docker.io/");
    struct berth_docker_slice rest = full;
    if (skip_prefix(&rest, "library/") && !memchr(rest.text, '/', rest.len))
        return rest;
    return full;
}

void berth_docker_add_status(struct berth_strbuf *out, const struct berth_app *app, int64_t now_ns,
                             int64_t *valid_until_ns)
{
    static const char *const health[] = {
        [BERTH_HEALTH_NONE] = "",
        [BERTH_HEALTH_STARTING] = " (health: starting)",
        [BERTH_HEALTH_HEALTHY] = " (healthy)",
        [BERTH_HEALTH_UNHEALTHY] = " (unhealthy)",
    };
    if (app->note[0]) {
        berth_strbuf_adds(out, app->note);
        return;
    }
    switch (app->state) {
    case BERTH_APP_UNKNOWN:
        berth_strbuf_adds(out, "Unknown");
        break;
    case BERTH_APP_CREATED:
        berth_strbuf_adds(out, "Created");
        break;
    case BERTH_APP_RUNNING:
    case BERTH_APP_PAUSED:
        berth_strbuf_adds(out, "Up ");
        berth_docker_add_age(out, app->started_ns, now_ns, valid_until_ns);
        berth_strbuf_adds(out, app->state == BERTH_APP_PAUSED ? " (Paused)" : health[app->health]);
        break;
    case BERTH_APP_RESTARTING:
    case BERTH_APP_EXITED:
        if (app->state == BERTH_APP_EXITED && app->finished_ns == 0)
            break; /* docker says nothing of a container that never ended */
        berth_strbuf_addf(out, "%s (%d) ", app->state == BERTH_APP_EXITED ? "Exited" : "Restarting",
                          app->exit_code);
        berth_docker_add_age(out, app->finished_ns, now_ns, valid_until_ns);
        berth_strbuf_adds(out, " ago");
        break;
    case BERTH_APP_REMOVING:
        berth_strbuf_adds(out, "Removal In Progress");
        break;
    case BERTH_APP_DEAD:
        berth_strbuf_adds(out, "Dead");
        break;
    }
}
