/* SPDX-License-Identifier: MIT */
#include "base/linelog.h"

#include "base/clock.h"
#include "base/strbuf.h"
#include "base/thread.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

static char *folder;
static char log_path[600];

static void make_folder(void)
{
    folder = unit_scratch("linelog");
    ck_assert_int_eq(mkdir(folder, 0700), 0);
    (void)snprintf(log_path, sizeof(log_path), "%s/log", folder);
}

static void free_folder(void)
{
    free(folder);
}

/* The content of log, or of log.n; NULL when there is no such file. */
static char *content(unsigned n)
{
    char path[620];
    (void)snprintf(path, sizeof(path), n ? "%s.%u" : "%s", log_path, n);
    BERTH_CLEANUP(file) FILE *file = fopen(path, "re");
    if (!file)
        return NULL;
    BERTH_CLEANUP(strbuf) struct berth_strbuf buf = BERTH_STRBUF_INIT(1 << 24);
    char part[4096];
    size_t len;
    while ((len = fread(part, 1, sizeof(part), file)) > 0)
        berth_strbuf_add(&buf, part, len);
    return berth_strbuf_steal(&buf, NULL);
}

static void assert_content(unsigned n, const char *expected)
{
    BERTH_CLEANUP(free) char *text = content(n);
    ck_assert_ptr_nonnull(text);
    ck_assert_str_eq(text, expected);
}

static struct berth_linelog *open_log(int64_t max_bytes, unsigned keep, size_t queue_bytes)
{
    const struct berth_linelog_config config = {
        .path = log_path, .max_bytes = max_bytes, .keep = keep, .queue_bytes = queue_bytes};
    struct berth_linelog *log = NULL;
    struct berth_error err = BERTH_ERROR_INIT;
    ck_assert_msg(berth_linelog_open(&config, &log, &err) == 0, "%s (%s)", err.message, err.detail);
    return log;
}

static bool write_text(struct berth_linelog *log, const char *line)
{
    return berth_linelog_write(log, line, strlen(line));
}

/* Waits until log holds the text, within 30 s. */
static void wait_for(const char *text)
{
    int64_t deadline_ms = berth_clock_monotonic_ms() + 30000;
    for (;;) {
        BERTH_CLEANUP(free) char *now = content(0);
        if (now && strstr(now, text))
            return;
        ck_assert_msg(berth_clock_monotonic_ms() < deadline_ms, "no \"%s\"", text);
        (void)sched_yield();
    }
}

/* ---- Tests ---- */

START_TEST(lines_are_appended_in_order)
{
    mode_t mask = umask(0);
    struct berth_linelog *log = open_log(4096, 1, 4096);
    (void)umask(mask);
    ck_assert(write_text(log, "one"));
    ck_assert(write_text(log, ""));
    ck_assert(berth_linelog_write(log, "two...", 3));
    berth_linelog_close(log);
    assert_content(0, "one\n\ntwo\n");
    struct stat status;
    ck_assert_int_eq(stat(log_path, &status), 0);
    ck_assert_int_eq(status.st_mode & 0777, 0640);

    log = open_log(4096, 1, 4096);
    ck_assert(write_text(log, "three"));
    berth_linelog_close(log);
    assert_content(0, "one\n\ntwo\nthree\n");
    berth_linelog_close(NULL);
}
END_TEST

START_TEST(settings_have_bounds)
{
    char long_path[PATH_MAX];
    memset(long_path, 'x', sizeof(long_path) - 1);
    long_path[sizeof(long_path) - 1] = '\0';
    const struct {
        const char *name;
        struct berth_linelog_config config;
        int expected;
    } rows[] = {
        {"least", {log_path, 4096, 0, 4096}, 0},
        {"most kept", {log_path, 4096, 100, 4096}, 0},
        {"too many kept", {log_path, 4096, 101, 4096}, BERTH_E_INVALID},
        {"file too small", {log_path, 4095, 1, 4096}, BERTH_E_INVALID},
        {"queue too small", {log_path, 4096, 1, 4095}, BERTH_E_INVALID},
        {"path too long", {long_path, 4096, 1, 4096}, BERTH_E_INVALID},
        {"no such folder", {"/nonexistent/berth/log", 4096, 1, 4096}, BERTH_E_IO},
        {"a folder", {folder, 4096, 1, 4096}, BERTH_E_IO},
        {"a device", {"/dev/null", 4096, 1, 4096}, BERTH_E_IO},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct berth_linelog *log = NULL;
        int r = berth_linelog_open(&rows[i].config, &log, NULL);
        ck_assert_msg(r == rows[i].expected, "%s: %d", rows[i].name, r);
        ck_assert_msg((log != NULL) == (r == 0), "%s", rows[i].name);
        berth_linelog_close(log);
    }
    char fifo[620];
    (void)snprintf(fifo, sizeof(fifo), "%s/fifo", folder);
    ck_assert_int_eq(mkfifo(fifo, 0600), 0);
    const struct berth_linelog_config config = {fifo, 4096, 1, 4096};
    struct berth_linelog *log = NULL;
    ck_assert_int_eq(berth_linelog_open(&config, &log, NULL), BERTH_E_IO);
}
END_TEST

START_TEST(out_of_memory_is_reported)
{
    const struct berth_linelog_config config = {log_path, 4096, 1, 4096};
    for (size_t n = 0;; n++) {
        struct berth_linelog *log = NULL;
        unit_alloc_fail_once_after(n);
        int r = berth_linelog_open(&config, &log, NULL);
        bool failed = unit_alloc_restore();
        ck_assert_int_eq(r, failed ? BERTH_E_NOMEM : 0);
        berth_linelog_close(log);
        if (!failed)
            return;
        ck_assert_ptr_null(log);
    }
}
END_TEST

/* Writes lines of 100 bytes (newline included) that begin with their number. */
static void write_numbered(struct berth_linelog *log, unsigned from, unsigned to)
{
    for (unsigned n = from; n < to; n++) {
        char line[100];
        (void)snprintf(line, sizeof(line), "%099u", n);
        while (!berth_linelog_write(log, line, 99))
            (void)sched_yield();
    }
}

START_TEST(full_files_are_rotated)
{
    struct berth_linelog *log = open_log(4100, 2, 1 << 20);
    write_numbered(log, 0, 200);
    berth_linelog_close(log);
    /* 41 lines a file: 200 are four full files, the oldest two gone, and one of 36. */
    static const unsigned first[] = {164, 123, 82};
    static const size_t count[] = {36, 41, 41};
    for (unsigned n = 0; n < 3; n++) {
        BERTH_CLEANUP(free) char *text = content(n);
        ck_assert_ptr_nonnull(text);
        ck_assert_uint_eq(strlen(text), count[n] * 100);
        for (unsigned line = 0; line < count[n]; line++)
            ck_assert_uint_eq(strtoul(text + line * 100, NULL, 10), first[n] + line);
    }
    ck_assert_ptr_null(content(3));
}
END_TEST

START_TEST(without_kept_files_the_old_one_goes)
{
    struct berth_linelog *log = open_log(4100, 0, 1 << 20);
    write_numbered(log, 0, 42);
    berth_linelog_close(log);
    BERTH_CLEANUP(free) char *text = content(0);
    ck_assert_uint_eq(strlen(text), 100);
    ck_assert_uint_eq(strtoul(text, NULL, 10), 41);
    ck_assert_ptr_null(content(1));
}
END_TEST

START_TEST(a_line_longer_than_a_file_has_one_for_itself)
{
    static char line[8001];
    memset(line, 'x', sizeof(line) - 1);
    struct berth_linelog *log = open_log(4096, 3, 1 << 20);
    ck_assert(write_text(log, "before"));
    ck_assert(write_text(log, line));
    ck_assert(write_text(log, "after"));
    berth_linelog_close(log);
    assert_content(2, "before\n");
    assert_content(0, "after\n");
    BERTH_CLEANUP(free) char *text = content(1);
    ck_assert_uint_eq(strlen(text), 8001);
}
END_TEST

START_TEST(a_file_that_cannot_be_moved_goes_on)
{
    char blocked[620];
    (void)snprintf(blocked, sizeof(blocked), "%s.1", log_path);
    ck_assert_int_eq(mkdir(blocked, 0700), 0);
    struct berth_linelog *log = open_log(4100, 1, 1 << 20);
    write_numbered(log, 0, 100);
    berth_linelog_close(log);
    BERTH_CLEANUP(free) char *text = content(0);
    ck_assert_uint_eq(strlen(text), 10000);
}
END_TEST

START_TEST(an_outside_rotation_is_followed)
{
    char moved[620];
    (void)snprintf(moved, sizeof(moved), "%s.old", log_path);
    struct berth_linelog *log = open_log(4096, 1, 4096);
    ck_assert(write_text(log, "old"));
    wait_for("old\n");
    ck_assert_int_eq(rename(log_path, moved), 0);
    berth_linelog_reopen(log);
    ck_assert(write_text(log, "new"));
    berth_linelog_close(log);
    assert_content(0, "new\n");
}
END_TEST

START_TEST(an_outside_truncation_leaves_no_hole)
{
    struct berth_linelog *log = open_log(4096, 1, 4096);
    ck_assert(write_text(log, "old"));
    wait_for("old\n");
    ck_assert_int_eq(truncate(log_path, 0), 0);
    ck_assert(write_text(log, "new"));
    berth_linelog_close(log);
    assert_content(0, "new\n");
}
END_TEST

/* The number that follows a notice's "dropped": in text; 0 when there is no notice. */
static uint64_t notice_in(const char *text)
{
    const char *notice = strstr(text, "\",\"dropped\":");
    return notice ? strtoull(notice + strlen("\",\"dropped\":"), NULL, 10) : 0;
}

START_TEST(a_notice_tells_of_dropped_lines)
{
    static char line[4096];
    memset(line, 'x', sizeof(line));
    struct berth_linelog *log = open_log(1 << 20, 1, 4096);
    ck_assert(!berth_linelog_write(log, line, 4096));
    ck_assert(!berth_linelog_write(log, line, 4096));
    ck_assert_uint_eq(berth_linelog_dropped(log), 2);
    ck_assert(write_text(log, "after"));
    wait_for("after\n");
    ck_assert(berth_linelog_write(log, line, 4095));
    berth_linelog_close(log);
    BERTH_CLEANUP(free) char *text = content(0);
    ck_assert_int_eq(strncmp(text, "{\"time\":\"", 9), 0);
    ck_assert_uint_eq(notice_in(text), 2);
    ck_assert_ptr_nonnull(strstr(text, "\"dropped\":2}\nafter\nxxx"));
    ck_assert_ptr_null(strstr(strstr(text, "after"), "dropped"));
}
END_TEST

static void wait_for_dropped(struct berth_linelog *log, uint64_t count)
{
    int64_t deadline_ms = berth_clock_monotonic_ms() + 30000;
    /* An assertion writes to a file of Check's, which the limit on files holds for too. */
    while (berth_linelog_dropped(log) < count && berth_clock_monotonic_ms() < deadline_ms)
        (void)sched_yield();
    ck_assert_uint_ge(berth_linelog_dropped(log), count);
}

/* Files may grow to limit_bytes: a stand-in for a full disk that writes a part before it fails. */
static void limit_files(rlim_t limit_bytes)
{
    struct rlimit limit;
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = limit_bytes;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

START_TEST(a_failing_disk_drops_whole_lines)
{
    (void)signal(SIGXFSZ, SIG_IGN);
    struct berth_linelog *log = open_log(INT64_C(1) << 30, 1, 1 << 20);
    static char filler[100001];
    memset(filler, 'x', sizeof(filler) - 1);
    ck_assert(write_text(log, filler));
    wait_for("x\n");
    limit_files(100010);
    write_numbered(log, 0, 10);
    wait_for_dropped(log, 10);
    limit_files(RLIM_INFINITY);
    ck_assert(write_text(log, "after"));
    berth_linelog_close(log);
    BERTH_CLEANUP(free) char *text = content(0);
    ck_assert_int_eq(strncmp(text + 100000, "\n{\"time\":\"", 10), 0);
    ck_assert_uint_eq(notice_in(text), 10);
    ck_assert_ptr_nonnull(strstr(text, "}\nafter\n"));
}
END_TEST

/* Standard error becomes a pipe; its reading end. */
static int redirect_stderr(void)
{
    int ends[2];
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    ck_assert_int_eq(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    ck_assert_int_eq(close(ends[1]), 0);
    return ends[0];
}

static struct berth_linelog *open_stderr(void)
{
    const struct berth_linelog_config config = {.queue_bytes = 4096};
    struct berth_linelog *log = NULL;
    ck_assert_int_eq(berth_linelog_open(&config, &log, NULL), 0);
    return log;
}

/* What comes until there is `end` in it. */
static void read_until(int fd, char *text, size_t size, const char *end)
{
    size_t len = 0;
    do {
        ssize_t got = read(fd, text + len, size - 1 - len);
        ck_assert_int_gt(got, 0);
        len += (size_t)got;
        text[len] = '\0';
    } while (!strstr(text, end));
}

START_TEST(standard_error_takes_lines)
{
    char text[64];
    int fd = redirect_stderr();
    struct berth_linelog *log = open_stderr();
    ck_assert(write_text(log, "one"));
    ck_assert(write_text(log, "two"));
    read_until(fd, text, sizeof(text), "two\n");
    ck_assert_str_eq(text, "one\ntwo\n");
    berth_linelog_close(log);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(nobody_waits_for_who_reads_standard_error)
{
    static char text[1 << 20];
    char line[100];
    int fd = redirect_stderr();
    struct berth_linelog *log = open_stderr();
    memset(line, 'x', sizeof(line));
    int64_t deadline_ms = berth_clock_monotonic_ms() + 30000;
    while (berth_linelog_write(log, line, sizeof(line)) || berth_linelog_dropped(log) < 7)
        ck_assert_int_lt(berth_clock_monotonic_ms(), deadline_ms);
    read_until(fd, text, sizeof(text), " lost)\n");
    char *notice = strrchr(text, '(');
    ck_assert_uint_ge(strtoul(notice + 1, NULL, 10), 7);
    ck_assert(notice == text || notice[-1] == '\n');
    ck_assert_int_eq(close(fd), 0);
    (void)signal(SIGPIPE, SIG_IGN);
    berth_linelog_close(log);
}
END_TEST

START_TEST(a_lost_file_is_made_anew)
{
    char moved[620];
    (void)snprintf(moved, sizeof(moved), "%s-moved", folder);
    struct berth_linelog *log = open_log(4096, 1, 4096);
    ck_assert_int_eq(rename(folder, moved), 0);
    berth_linelog_reopen(log);
    ck_assert(write_text(log, "lost"));
    wait_for_dropped(log, 1);
    ck_assert_int_eq(rename(moved, folder), 0);
    ck_assert(write_text(log, "back"));
    berth_linelog_close(log);
    BERTH_CLEANUP(free) char *text = content(0);
    ck_assert_uint_eq(notice_in(text), 1);
    ck_assert_ptr_nonnull(strstr(text, "}\nback\n"));
}
END_TEST

struct writers {
    struct berth_linelog *log;
    atomic_size_t refused;
};

#define WRITER_LINES 2000

static void write_many(void *ctx, size_t i)
{
    struct writers *writers = ctx;
    for (unsigned n = 0; n < WRITER_LINES; n++) {
        char line[64];
        int len = snprintf(line, sizeof(line), "writer %zu line %u", i, n);
        if (!berth_linelog_write(writers->log, line, (size_t)len))
            atomic_fetch_add(&writers->refused, 1);
        if (n % 500 == 0)
            berth_linelog_reopen(writers->log);
    }
}

START_TEST(each_line_of_many_threads_is_written_or_counted)
{
    struct writers writers = {.log = open_log(50000, 100, 4096)};
    berth_parallel_for(4, 4, write_many, &writers);
    ck_assert_uint_eq(berth_linelog_dropped(writers.log), writers.refused);
    /* One more line brings the last notice; the queue has room for it once it has been emptied. */
    uint64_t refused = writers.refused;
    while (!write_text(writers.log, "end")) {
        refused++;
        (void)sched_yield();
    }
    berth_linelog_close(writers.log);

    size_t lines = 0;
    uint64_t noticed = 0;
    for (unsigned n = 0; n <= 100; n++) {
        BERTH_CLEANUP(free) char *text = content(n);
        for (char *at = text; at && *at;) {
            char *end = strchr(at, '\n');
            ck_assert_ptr_nonnull(end);
            *end = '\0';
            noticed += notice_in(at);
            lines += strncmp(at, "writer ", 7) == 0;
            at = end + 1;
        }
    }
    ck_assert_uint_eq(lines, 4 * WRITER_LINES - writers.refused);
    ck_assert_uint_eq(noticed, refused);
}
END_TEST

Suite *unit_suite(void)
{
    const TTest *const tests[] = {lines_are_appended_in_order,
                                  settings_have_bounds,
                                  out_of_memory_is_reported,
                                  full_files_are_rotated,
                                  without_kept_files_the_old_one_goes,
                                  a_line_longer_than_a_file_has_one_for_itself,
                                  a_file_that_cannot_be_moved_goes_on,
                                  an_outside_rotation_is_followed,
                                  an_outside_truncation_leaves_no_hole,
                                  a_notice_tells_of_dropped_lines,
                                  a_failing_disk_drops_whole_lines,
                                  standard_error_takes_lines,
                                  nobody_waits_for_who_reads_standard_error,
                                  a_lost_file_is_made_anew,
                                  each_line_of_many_threads_is_written_or_counted};
    Suite *suite = suite_create("linelog");
    TCase *tcase = tcase_create("linelog");
    tcase_add_checked_fixture(tcase, make_folder, free_folder);
    for (size_t i = 0; i < UNIT_COUNT(tests); i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    return suite;
}
