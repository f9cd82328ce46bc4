/* SPDX-License-Identifier: MIT */
#include "backends/rootfs/rootfs_log.h"
#include "base/clock.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <string.h>

#define EVERYTHING (-1)
#define T0         "2026-01-20T15:30:00.000000001+01:00 "
#define T1         "2026-01-20T15:30:01.000000000+01:00 "

struct taken {
    char out[512];
    char err[512];
    unsigned calls_left; /* 0: any number */
    unsigned flushes;
};

static bool take(void *ctx, enum berth_output stream, const char *data, size_t len)
{
    struct taken *taken = ctx;
    char *to = stream == BERTH_OUTPUT_STDERR ? taken->err : taken->out;
    size_t used = strlen(to);
    ck_assert_uint_lt(used + len, sizeof(taken->out));
    if (len == 0)
        taken->flushes++;
    else
        memcpy(to + used, data, len);
    to[used + len] = '\0';
    return taken->calls_left == 0 || --taken->calls_left > 0;
}

START_TEST(a_record_is_told_from_what_is_none)
{
    static const struct {
        const char *name;
        const char *line;
        enum berth_output stream; /* 0: it is none */
        bool is_partial;
        const char *text;
    } rows[] = {
        {"whole", T0 "stdout F ready", BERTH_OUTPUT_STDOUT, false, "ready"},
        {"part", T0 "stderr P $ ", BERTH_OUTPUT_STDERR, true, "$ "},
        {"empty", T0 "stdout F ", BERTH_OUTPUT_STDOUT, false, ""},
        {"spaces", T0 "stdout F  a  b ", BERTH_OUTPUT_STDOUT, false, " a  b "},
        {"UTC", "2026-01-20T14:30:00Z stdout F x", BERTH_OUTPUT_STDOUT, false, "x"},
        {"no time", "stdout F ready", 0, false, ""},
        {"no such time", "2026-13-20T14:30:00Z stdout F x", 0, false, ""},
        {"no such stream", T0 "stdin F ready", 0, false, ""},
        {"no such tag", T0 "stdout X ready", 0, false, ""},
        {"longer tag", T0 "stdout FF ready", 0, false, ""},
        {"cut in its tag", T0 "stdout F", 0, false, ""},
        {"cut in its time", "2026-01-20T15", 0, false, ""},
        {"nothing", "", 0, false, ""},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct berth_rootfs_log_record record = {0};
        bool is_one = berth_rootfs_log_parse(rows[i].line, strlen(rows[i].line), &record);
        ck_assert_msg(is_one == (rows[i].stream != 0), "%s", rows[i].name);
        if (!is_one)
            continue;
        ck_assert_msg(record.stream == rows[i].stream && record.is_partial == rows[i].is_partial &&
                          record.len == strlen(rows[i].text) &&
                          memcmp(record.text, rows[i].text, record.len) == 0,
                      "%s", rows[i].name);
    }
}
END_TEST

static const char log_text[] =
    T0 "stdout F ready\n" T0 "stderr F up\n" T1 "stdout P long \n"
       "what a crash has left\n" T1 "stderr F other\n" T1 "stdout F line\n" T1 "stdout P $ \n";

static void add(struct taken *taken, const struct berth_logs_spec *spec, size_t piece)
{
    BERTH_CLEANUP(rootfs_log) struct berth_rootfs_log log;
    struct berth_error err = BERTH_ERROR_INIT;
    const size_t len = sizeof(log_text) - 1;
    berth_rootfs_log_init(&log, spec, take, taken);
    for (size_t at = 0; at < len; at += piece) {
        size_t part = len - at < piece ? len - at : piece;
        ck_assert_int_eq(berth_rootfs_log_add(&log, log_text + at, part, &err), 0);
    }
    ck_assert_int_eq(berth_rootfs_log_flush(&log, &err), 0);
}

START_TEST(a_log_comes_in_any_pieces)
{
    for (size_t piece = 1; piece < sizeof(log_text); piece++) {
        struct taken taken = {0};
        add(&taken, &(struct berth_logs_spec){.tail = EVERYTHING}, piece);
        ck_assert_str_eq(taken.out, "ready\nlong line\n$ ");
        ck_assert_str_eq(taken.err, "up\nother\n");
        ck_assert_uint_eq(taken.flushes, 1);
    }
}
END_TEST

START_TEST(times_begin_lines_and_leave_out_older_ones)
{
    struct taken taken = {0};
    struct berth_logs_spec spec = {.tail = EVERYTHING, .timestamps = true};
    add(&taken, &spec, sizeof(log_text));
    ck_assert_str_eq(taken.out, "2026-01-20T14:30:00.000000001Z ready\n"
                                "2026-01-20T14:30:01.000000000Z long line\n"
                                "2026-01-20T14:30:01.000000000Z $ ");
    taken = (struct taken){0};
    ck_assert_int_eq(berth_clock_parse_rfc3339(T1, strlen(T1) - 1, &spec.since_ns, NULL), 0);
    add(&taken, &spec, sizeof(log_text));
    ck_assert_str_eq(taken.err, "2026-01-20T14:30:01.000000000Z other\n");
}
END_TEST

START_TEST(who_has_enough_gets_no_more)
{
    BERTH_CLEANUP(rootfs_log) struct berth_rootfs_log log;
    struct berth_error err = BERTH_ERROR_INIT;
    struct taken taken = {.calls_left = 1};
    berth_rootfs_log_init(&log, &(struct berth_logs_spec){.tail = EVERYTHING}, take, &taken);
    ck_assert_int_eq(berth_rootfs_log_add(&log, log_text, sizeof(log_text) - 1, &err),
                     BERTH_E_CANCELLED);
    ck_assert_str_eq(taken.out, "ready\n");
    ck_assert_str_eq(taken.err, "");
}
END_TEST

START_TEST(a_line_too_long_for_a_record_is_left_out)
{
    BERTH_CLEANUP(rootfs_log) struct berth_rootfs_log log;
    struct berth_error err = BERTH_ERROR_INIT;
    struct taken taken = {0};
    char piece[1000];
    memset(piece, 'x', sizeof(piece));
    berth_rootfs_log_init(&log, &(struct berth_logs_spec){.tail = EVERYTHING}, take, &taken);
    ck_assert_int_eq(berth_rootfs_log_add(&log, T0 "stdout F ", strlen(T0 "stdout F "), &err), 0);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(berth_rootfs_log_add(&log, piece, sizeof(piece), &err), 0);
    const char *rest = "\n" T1 "stdout F next\n";
    ck_assert_int_eq(berth_rootfs_log_add(&log, rest, strlen(rest), &err), 0);
    ck_assert_int_eq(berth_rootfs_log_flush(&log, &err), 0);
    ck_assert_str_eq(taken.out, "next\n");
}
END_TEST

/* ---- The tail ---- */

static int make_file(const char *text, size_t len)
{
    char *path = unit_scratch("log");
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    free(path);
    ck_assert_int_ge(file, 0);
    ck_assert_int_eq(write(file, text, len), (ssize_t)len);
    return file;
}

static int64_t seek(int file, int64_t tail)
{
    struct berth_error err = BERTH_ERROR_INIT;
    int64_t at = -1;
    ck_assert_int_eq(berth_rootfs_log_seek(file, &tail, &at, &err), 0);
    return at;
}

START_TEST(the_tail_counts_printed_lines)
{
    static const struct {
        int64_t tail;
        const char *begins; /* with these records; NULL: at the end */
    } rows[] = {
        {0, NULL},
        {1, T1 "stdout P $ "},
        {2, T1 "stdout F line"},
        {3, T1 "stdout P long"}, /* the line that it belongs to was counted */
        {4, T0 "stderr F up"},
        {5, T0 "stdout F ready"},
        {6, T0 "stdout F ready"},
        {EVERYTHING, T0 "stdout F ready"},
    };
    BERTH_CLEANUP(fd) int file = make_file(log_text, sizeof(log_text) - 1);
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        const char *begin = rows[i].begins ? strstr(log_text, rows[i].begins) : NULL;
        size_t expected = begin ? (size_t)(begin - log_text) : sizeof(log_text) - 1;
        ck_assert_msg(seek(file, rows[i].tail) == (int64_t)expected, "tail %d: %d, not %zu",
                      (int)rows[i].tail, (int)seek(file, rows[i].tail), expected);
    }
}
END_TEST

/* Records of all lengths, so that blocks begin and end anywhere within them. */
START_TEST(the_tail_of_a_big_file)
{
    enum { LINES = 5000 };
    static int64_t begins[LINES + 1];
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(1 << 24);
    for (int i = 0; i < LINES; i++) {
        begins[i] = (int64_t)text.len;
        berth_strbuf_addf(&text, T0 "stdout F %0*d\n", 1 + i % 97, i);
    }
    begins[LINES] = (int64_t)text.len;
    BERTH_CLEANUP(fd) int file = make_file(text.data, text.len);
    for (int tail = 0; tail <= LINES; tail += tail < 1000 ? 1 : 97)
        ck_assert_int_eq(seek(file, tail), begins[LINES - tail]);
    ck_assert_int_eq(seek(file, LINES + 1), 0);
}
END_TEST

START_TEST(a_record_that_is_being_written)
{
    static const char text[] = T0 "stdout F one\n" T0 "stdout F two\n" T1 "stdo";
    BERTH_CLEANUP(fd) int file = make_file(text, sizeof(text) - 1);
    ck_assert_int_eq(seek(file, 1), (int64_t)strlen(T0 "stdout F one\n"));
    BERTH_CLEANUP(fd) int empty = make_file("", 0);
    ck_assert_int_eq(ftruncate(empty, 0), 0);
    ck_assert_int_eq(seek(empty, 1), 0);
}
END_TEST

UNIT_SUITE("rootfs_log", a_record_is_told_from_what_is_none, a_log_comes_in_any_pieces,
           times_begin_lines_and_leave_out_older_ones, who_has_enough_gets_no_more,
           a_line_too_long_for_a_record_is_left_out, the_tail_counts_printed_lines,
           the_tail_of_a_big_file, a_record_that_is_being_written)
