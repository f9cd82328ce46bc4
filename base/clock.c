/* SPDX-License-Identifier: MIT */
#include "base/clock.h"

#include "base/text.h"

void berth_clock_init(void)
{
    tzset();
}

static int64_t clock_ns(clockid_t id)
{
    struct timespec now;
    (void)clock_gettime(id, &now);
    return now.tv_sec * BERTH_NS_PER_S + now.tv_nsec;
}

int64_t berth_clock_monotonic_ms(void)
{
    return clock_ns(CLOCK_MONOTONIC) / BERTH_NS_PER_MS;
}

int64_t berth_clock_monotonic_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

int64_t berth_clock_wall_ns(void)
{
    return clock_ns(CLOCK_REALTIME);
}

struct timespec berth_clock_deadline(int64_t timeout_ms)
{
    if (timeout_ms < 0)
        timeout_ms = 0;
    struct timespec at;
    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += timeout_ms / 1000;
    at.tv_nsec += timeout_ms % 1000 * BERTH_NS_PER_MS;
    if (at.tv_nsec >= BERTH_NS_PER_S) {
        at.tv_sec++;
        at.tv_nsec -= BERTH_NS_PER_S;
    }
    return at;
}

/* ---- Parsing ---- */

struct reader {
    const char *at;
    const char *end;
    bool bad;
};

static int read_digits(struct reader *in, int count)
{
    int value = 0;
    for (; count > 0; count--) {
        if (in->at == in->end || !berth_is_digit(*in->at)) {
            in->bad = true;
            return 0;
        }
        value = value * 10 + (*in->at++ - '0');
    }
    return value;
}

/* Takes one character out of a set; '\0' when the next is none of them. */
static char read_any(struct reader *in, const char *set)
{
    if (in->at < in->end) {
        for (; *set; set++) {
            if (*in->at == *set) {
                in->at++;
                return *set;
            }
        }
    }
    return '\0';
}

static void read_expected(struct reader *in, const char *set)
{
    if (!read_any(in, set))
        in->bad = true;
}

/* One or more digits of a fraction, as nanoseconds. */
static int64_t read_fraction_ns(struct reader *in)
{
    int64_t ns = 0;
    int64_t unit = BERTH_NS_PER_S / 10;
    const char *start = in->at;
    for (; in->at < in->end && berth_is_digit(*in->at); in->at++) {
        ns += (*in->at - '0') * unit;
        unit /= 10;
    }
    if (in->at == start)
        in->bad = true;
    return ns;
}

/* 'Z', or the zone's seconds east of UTC. */
static int read_zone(struct reader *in)
{
    if (read_any(in, "Zz"))
        return 0;
    char sign = read_any(in, "+-");
    int hours = read_digits(in, 2);
    read_expected(in, ":");
    int minutes = read_digits(in, 2);
    if (!sign || hours > 23 || minutes > 59)
        in->bad = true;
    int seconds = hours * 3600 + minutes * 60;
    return sign == '-' ? -seconds : seconds;
}

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static bool is_date(int year, int month, int day)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (month < 1 || month > 12 || day < 1)
        return false;
    return day <= lengths[month - 1] + (month == 2 && is_leap(year));
}

/*
 * Days from 1970-01-01 in the Gregorian calendar. Years are counted from March,
 * so that the leap day is their last. (timegm() would take libc's lock.)
 */
static int64_t days_from_epoch(int year, int month, int day)
{
    if (month <= 2) {
        year--;
        month += 12;
    }
    int64_t leaps = year / 4 - year / 100 + year / 400;
    int64_t in_year = (153 * (month - 3) + 2) / 5 + day - 1;
    return INT64_C(365) * year + leaps + in_year - 719468;
}

int berth_clock_parse_rfc3339(const char *text, size_t len, int64_t *ret_wall_ns,
                              struct berth_error *err)
{
    struct reader in = {.at = text, .end = text + len};
    int year = read_digits(&in, 4);
    read_expected(&in, "-");
    int month = read_digits(&in, 2);
    read_expected(&in, "-");
    int day = read_digits(&in, 2);
    read_expected(&in, "Tt");
    int hour = read_digits(&in, 2);
    read_expected(&in, ":");
    int minute = read_digits(&in, 2);
    read_expected(&in, ":");
    int second = read_digits(&in, 2);
    int64_t fraction_ns = read_any(&in, ".") ? read_fraction_ns(&in) : 0;
    int zone_s = read_zone(&in);
    if (in.bad || in.at != in.end || !is_date(year, month, day) || hour > 23 || minute > 59 ||
        second > 60)
        return berth_error_set(err, BERTH_E_INVALID,
                               "must be a time such as 2026-01-20T15:30:00Z (RFC 3339)");

    int64_t wall_s =
        days_from_epoch(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - zone_s;
    if (wall_s >= INT64_MAX / BERTH_NS_PER_S)
        return berth_error_set(err, BERTH_E_INVALID, "must be a time before the year 2262");
    *ret_wall_ns = wall_s < 0 ? 0 : wall_s * BERTH_NS_PER_S + fraction_ns;
    return 0;
}

/* ---- Formatting ---- */

struct local_time {
    struct tm tm;
    int64_t ns; /* of the second */
};

static struct local_time to_local(int64_t wall_ns)
{
    struct local_time local = {.ns = wall_ns % BERTH_NS_PER_S};
    time_t wall_s = wall_ns / BERTH_NS_PER_S;
    if (local.ns < 0) {
        local.ns += BERTH_NS_PER_S;
        wall_s--;
    }
    /* Nanoseconds reach the years 1677 to 2262: localtime_r cannot fail. */
    (void)localtime_r(&wall_s, &local.tm);
    return local;
}

/* Writes value with leading zeros; returns what follows it. */
static char *put_digits(char *at, int64_t value, int count)
{
    for (int i = count - 1; i >= 0; i--) {
        at[i] = (char)('0' + value % 10);
        value /= 10;
    }
    return at + count;
}

static char *put_char(char *at, char c)
{
    *at = c;
    return at + 1;
}

static char *put_date_time(char *at, const struct tm *tm, char between)
{
    at = put_digits(at, tm->tm_year + 1900, 4);
    at = put_digits(put_char(at, '-'), tm->tm_mon + 1, 2);
    at = put_digits(put_char(at, '-'), tm->tm_mday, 2);
    at = put_digits(put_char(at, between), tm->tm_hour, 2);
    at = put_digits(put_char(at, ':'), tm->tm_min, 2);
    return put_digits(put_char(at, ':'), tm->tm_sec, 2);
}

/* "+01:00", or "+0100" without a colon. */
static char *put_offset(char *at, long east_s, bool colon)
{
    long minutes = (east_s < 0 ? -east_s : east_s) / 60;
    at = put_char(at, east_s < 0 ? '-' : '+');
    at = put_digits(at, minutes / 60, 2);
    if (colon)
        at = put_char(at, ':');
    return put_digits(at, minutes % 60, 2);
}

/* The digits of a fraction of a second behind a point; none at all for 0. */
static char *put_fraction(char *at, int64_t ns, int digits)
{
    if (digits == 0)
        return at;
    for (int cut = digits; cut < 9; cut++)
        ns /= 10;
    return put_digits(put_char(at, '.'), ns, digits);
}

#define TIME_TEXT_MAX 48 /* the longest, with nine digits of fraction and an offset, is 35 */

void berth_clock_add_rfc3339(struct berth_strbuf *buf, int64_t wall_ns, int digits)
{
    struct local_time local = to_local(wall_ns);
    char text[TIME_TEXT_MAX];
    char *at = put_date_time(text, &local.tm, 'T');
    at = put_fraction(at, local.ns, digits);
    if (local.tm.tm_gmtoff == 0)
        at = put_char(at, 'Z');
    else
        at = put_offset(at, local.tm.tm_gmtoff, true);
    berth_strbuf_add(buf, text, (size_t)(at - text));
}

void berth_clock_add_utc(struct berth_strbuf *buf, int64_t wall_ns, int digits)
{
    int64_t ns = wall_ns % BERTH_NS_PER_S;
    time_t seconds = (time_t)(wall_ns / BERTH_NS_PER_S);
    struct tm tm;
    char text[TIME_TEXT_MAX];
    if (ns < 0) {
        ns += BERTH_NS_PER_S;
        seconds--;
    }
    if (!gmtime_r(&seconds, &tm))
        return;
    char *at = put_date_time(text, &tm, 'T');
    at = put_char(put_fraction(at, ns, digits), 'Z');
    berth_strbuf_add(buf, text, (size_t)(at - text));
}

void berth_clock_add_http(struct berth_strbuf *buf, int64_t wall_ns)
{
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t seconds = (time_t)(wall_ns / BERTH_NS_PER_S);
    struct tm tm;
    char text[] = "Thu, 01 Jan 1970 00:00:00 GMT";
    if (!gmtime_r(&seconds, &tm))
        return;
    memcpy(text, days[tm.tm_wday], 3);
    (void)put_digits(text + 5, tm.tm_mday, 2);
    memcpy(text + 8, months[tm.tm_mon], 3);
    (void)put_digits(text + 12, tm.tm_year + 1900, 4);
    (void)put_digits(text + 17, tm.tm_hour, 2);
    (void)put_digits(text + 20, tm.tm_min, 2);
    (void)put_digits(text + 23, tm.tm_sec, 2);
    berth_strbuf_add(buf, text, sizeof(text) - 1);
}

void berth_clock_add_local(struct berth_strbuf *buf, int64_t wall_ns)
{
    struct local_time local = to_local(wall_ns);
    char text[TIME_TEXT_MAX];
    char *at = put_date_time(text, &local.tm, 'T');
    berth_strbuf_add(buf, text, (size_t)(at - text));
}

void berth_clock_add_go(struct berth_strbuf *buf, int64_t wall_ns)
{
    struct local_time local = to_local(wall_ns);
    char text[TIME_TEXT_MAX];
    char *at = put_date_time(text, &local.tm, ' ');
    at = put_offset(put_char(at, ' '), local.tm.tm_gmtoff, false);
    at = put_char(at, ' ');
    berth_strbuf_add(buf, text, (size_t)(at - text));
    berth_strbuf_adds(buf, local.tm.tm_zone);
}
