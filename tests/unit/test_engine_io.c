/* SPDX-License-Identifier: MIT */
#include "backends/engine/engine_io.h"
#include "backends/engine/engine_timer.h"
#include "base/clock.h"
#include "base/thread.h"
#include "tests/unit/engine_server.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/resource.h>

/* ---- Timers ---- */

static unsigned take_first(struct berth_engine_timer **root, int64_t *ret_due_ms)
{
    struct berth_engine_timer *first = *root;
    *ret_due_ms = first->due_ms;
    berth_timer_heap_remove(root, first);
    return (unsigned)(uintptr_t)first->ctx;
}

START_TEST(heap_gives_timers_in_order)
{
    enum { COUNT = 500 };
    struct berth_engine_timer timers[COUNT] = {0};
    struct berth_engine_timer *root = NULL;
    unsigned random = 1;
    for (size_t i = 0; i < COUNT; i++) {
        random = random * 1103515245U + 12345U;
        timers[i].due_ms = random >> 16 & 0xFF;
        berth_timer_heap_add(&root, &timers[i]);
    }
    size_t left = COUNT;
    for (size_t i = 0; i < COUNT; i += 3, left--) { /* from the middle too */
        berth_timer_heap_remove(&root, &timers[i]);
        ck_assert(!berth_engine_timer_is_set(&timers[i]));
    }
    int64_t last_ms = -1;
    for (; root; left--) {
        int64_t due_ms;
        (void)take_first(&root, &due_ms);
        ck_assert_int_ge(due_ms, last_ms);
        last_ms = due_ms;
    }
    ck_assert_uint_eq(left, 0);
}
END_TEST

struct note {
    struct berth_engine_io *io;
    struct berth_engine_timer timer;
    struct note *other;
    char *log; /* of the test */
    char letter;
};

static void write_note(void *ctx)
{
    struct note *note = ctx;
    note->log[strlen(note->log)] = note->letter;
    if (note->other)
        berth_engine_timer_clear(note->io, &note->other->timer);
}

struct timers_test {
    struct berth_engine_io *io;
    struct note notes[4];
    bool is_over;
    char log[16];
};

static void set_timers(void *ctx)
{
    struct timers_test *test = ctx;
    static const int64_t delays_ms[] = {30, 10, 20, 1000};
    for (size_t i = 0; i < 4; i++) {
        struct note *note = &test->notes[i];
        *note = (struct note){.io = test->io, .log = test->log, .letter = (char)('a' + i)};
        note->timer = (struct berth_engine_timer){.run = write_note, .ctx = note};
        berth_engine_timer_set(test->io, &note->timer, delays_ms[i]);
    }
    test->notes[1].other = &test->notes[0];                      /* b clears a */
    berth_engine_timer_set(test->io, &test->notes[3].timer, 40); /* d moves */
}

static void nothing(void *ctx)
{
    (void)ctx;
}

static void look_at_timers(void *ctx)
{
    struct timers_test *test = ctx;
    test->is_over = !berth_engine_timer_is_set(&test->notes[3].timer);
}

START_TEST(timers_run_once_in_order_and_may_be_cleared_and_moved)
{
    struct timers_test test = {0};
    ck_assert_int_eq(berth_engine_io_open(&test.io, NULL), 0);
    berth_engine_io_call(test.io, set_timers, &test);
    while (!test.is_over) /* the last one has run */
        berth_engine_io_call(test.io, look_at_timers, &test);
    int64_t end_ms = berth_clock_monotonic_ms() + 40;
    while (berth_clock_monotonic_ms() < end_ms)
        berth_engine_io_call(test.io, nothing, NULL);
    berth_engine_io_close(test.io);
    ck_assert_str_eq(test.log, "bcd");
}
END_TEST

/* ---- Functions on the thread ---- */

struct counter {
    struct berth_engine_io *io;
    struct berth_engine_task task;
    unsigned runs;
    bool on_thread;
};

static void count(void *ctx)
{
    struct counter *counter = ctx;
    counter->runs++;
    counter->on_thread = berth_engine_io_on_thread(counter->io);
    berth_engine_io_call(counter->io, nothing, NULL); /* from the thread itself: no deadlock */
}

static void *call_often(void *ctx)
{
    struct counter *counter = ctx;
    for (int i = 0; i < 200; i++)
        berth_engine_io_call(counter->io, count, counter);
    return NULL;
}

START_TEST(calls_from_many_threads_run_one_at_a_time)
{
    struct counter counter = {0};
    ck_assert_int_eq(berth_engine_io_open(&counter.io, NULL), 0);
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, call_often, &counter), 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    ck_assert(!berth_engine_io_on_thread(counter.io));
    berth_engine_io_close(counter.io);
    ck_assert_uint_eq(counter.runs, 800);
    ck_assert(counter.on_thread);
}
END_TEST

static void post_twice(void *ctx)
{
    struct counter *counter = ctx;
    berth_engine_io_post(counter->io, &counter->task);
    berth_engine_io_post(counter->io, &counter->task);
}

static void post_and_withdraw(void *ctx)
{
    struct counter *counter = ctx;
    post_twice(ctx);
    berth_engine_io_withdraw(counter->io, &counter->task);
    berth_engine_io_withdraw(counter->io, &counter->task);
}

START_TEST(a_posted_task_runs_once_and_may_be_withdrawn)
{
    struct counter counter = {0};
    counter.task = (struct berth_engine_task){.run = count, .ctx = &counter};
    ck_assert_int_eq(berth_engine_io_open(&counter.io, NULL), 0);
    berth_engine_io_call(counter.io, post_and_withdraw, &counter);
    berth_engine_io_call(counter.io, nothing, NULL);
    ck_assert_uint_eq(counter.runs, 0);
    berth_engine_io_call(counter.io, post_twice, &counter);
    berth_engine_io_call(counter.io, nothing, NULL);
    ck_assert_uint_eq(counter.runs, 1);
    berth_engine_io_close(counter.io);
}
END_TEST

/* ---- Files of others ---- */

struct reader {
    struct berth_engine_io *io;
    struct berth_engine_file file;
    int failed;
    char text[8]; /* what has come, a byte a run */
    _Atomic size_t count;
};

static void read_byte(void *ctx)
{
    struct reader *reader = ctx;
    reader->failed |= read(reader->file.fd, reader->text + reader->count, 1) != 1;
    reader->count++;
}

static void add_file(void *ctx)
{
    struct reader *reader = ctx;
    reader->failed |= berth_engine_io_add(reader->io, &reader->file, NULL);
}

static void remove_file(void *ctx)
{
    struct reader *reader = ctx;
    berth_engine_io_remove(reader->io, &reader->file);
    berth_engine_io_remove(reader->io, &reader->file);
}

START_TEST(a_file_is_told_of_until_it_is_removed)
{
    struct reader reader = {0};
    int ends[2];
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    reader.file = (struct berth_engine_file){.fd = ends[0], .run = read_byte, .ctx = &reader};
    ck_assert_int_eq(berth_engine_io_open(&reader.io, NULL), 0);
    berth_engine_io_call(reader.io, add_file, &reader);
    ck_assert_int_eq(write(ends[1], "abc", 3), 3);
    while (reader.count < 3)
        (void)sched_yield();
    berth_engine_io_call(reader.io, remove_file, &reader);
    ck_assert_int_eq(write(ends[1], "d", 1), 1);
    berth_engine_io_call(reader.io, nothing, NULL);
    berth_engine_io_close(reader.io);
    ck_assert_int_eq(reader.failed, 0);
    ck_assert_str_eq(reader.text, "abc");
    berth_fd_close(&ends[0]);
    berth_fd_close(&ends[1]);
}
END_TEST

struct late {
    struct berth_engine_io *io;
    struct berth_engine_file file;
    struct berth_engine_timer timer;
    int far_end;
    bool is_seen;
    char log[4];
};

static void take_arrival(void *ctx)
{
    struct late *late = ctx;
    berth_engine_timer_clear(late->io, &late->timer);
    berth_engine_io_remove(late->io, &late->file);
    late->log[strlen(late->log)] = 'a';
}

static void run_out(void *ctx)
{
    struct late *late = ctx;
    late->log[strlen(late->log)] = 't';
}

/* It takes long, and what is waited for arrives meanwhile. */
static void be_late(void *ctx)
{
    struct late *late = ctx;
    (void)!berth_engine_io_add(late->io, &late->file, NULL);
    berth_engine_timer_set(late->io, &late->timer, 5);
    (void)!write(late->far_end, "x", 1);
    while (berth_clock_monotonic_ms() <= late->timer.due_ms)
        (void)sched_yield();
}

static void look_at_arrival(void *ctx)
{
    struct late *late = ctx;
    late->is_seen = strchr(late->log, 'a') != NULL;
}

START_TEST(what_has_arrived_goes_before_what_is_overdue)
{
    struct late late = {0};
    int ends[2];
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    late.file = (struct berth_engine_file){.fd = ends[0], .run = take_arrival, .ctx = &late};
    late.timer = (struct berth_engine_timer){.run = run_out, .ctx = &late};
    late.far_end = ends[1];
    ck_assert_int_eq(berth_engine_io_open(&late.io, NULL), 0);
    berth_engine_io_call(late.io, be_late, &late);
    while (!late.is_seen)
        berth_engine_io_call(late.io, look_at_arrival, &late);
    berth_engine_io_close(late.io);
    ck_assert_str_eq(late.log, "a");
    berth_fd_close(&ends[0]);
    berth_fd_close(&ends[1]);
}
END_TEST

/* ---- Transfers ---- */

enum moment { NEVER, AT_HEAD, AT_DATA, AT_DONE };

/* A transfer that frees itself at some moment, and what it saw. */
struct probe {
    struct berth_engine_io *io;
    struct berth_engine_transfer *transfer;
    enum moment free_at;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    long status;
    unsigned heads;
    size_t bytes; /* lock */
    bool done;    /* lock */
    CURLcode code;
    bool freed; /* lock */
    bool late;  /* lock: called after it was freed */
};

static void saw(struct probe *probe, enum moment moment)
{
    bool free_now = moment == probe->free_at;
    if (free_now)
        berth_engine_transfer_free(probe->transfer);
    BERTH_LOCK_SCOPE(held, &probe->lock);
    probe->late = probe->late || probe->freed;
    probe->freed = probe->freed || free_now;
    pthread_cond_broadcast(&probe->changed);
}

static void probe_head(void *ctx, long status)
{
    struct probe *probe = ctx;
    probe->status = status;
    probe->heads++;
    saw(probe, AT_HEAD);
}

static void probe_data(void *ctx, const char *data, size_t len)
{
    (void)data;
    struct probe *probe = ctx;
    {
        BERTH_LOCK_SCOPE(held, &probe->lock);
        probe->bytes += len;
    }
    saw(probe, AT_DATA);
}

static void probe_done(void *ctx, CURLcode code, const char *text)
{
    (void)text;
    struct probe *probe = ctx;
    {
        BERTH_LOCK_SCOPE(held, &probe->lock);
        probe->done = true;
        probe->code = code;
    }
    saw(probe, AT_DONE);
}

static const struct berth_engine_transfer_ops probe_ops = {
    .head = probe_head, .data = probe_data, .done = probe_done};

static void probe_start(struct probe *probe, struct berth_engine_io *io,
                        const struct engine_server *server, const char *path, enum moment free_at)
{
    *probe = (struct probe){.io = io, .free_at = free_at};
    pthread_mutex_init(&probe->lock, NULL);
    berth_cond_init(&probe->changed);
    CURL *easy = curl_easy_init();
    ck_assert_ptr_nonnull(easy);
    char url[128];
    (void)snprintf(url, sizeof(url), "http://engine%s", path);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH,
                     engine_server_endpoint(server) + strlen("unix://"));
    ck_assert_int_eq(
        berth_engine_transfer_start(io, easy, &probe_ops, probe, &probe->transfer, NULL), 0);
}

static bool probe_wait(struct probe *probe, const bool *flag, const size_t *bytes, size_t most)
{
    int64_t deadline_ms = berth_clock_monotonic_ms() + 30000;
    BERTH_LOCK_SCOPE(held, &probe->lock);
    while (!(flag && *flag) && !(bytes && *bytes >= most))
        if (!berth_cond_wait_until(&probe->changed, &probe->lock, deadline_ms))
            return false;
    return true;
}

START_TEST(a_transfer_tells_head_data_and_end)
{
    struct engine_server *server = engine_server_new();
    struct berth_engine_io *io;
    ck_assert_int_eq(berth_engine_io_open(&io, NULL), 0);
    struct probe probe;
    probe_start(&probe, io, server, "/_ping", NEVER);
    ck_assert(probe_wait(&probe, &probe.done, NULL, 0));
    ck_assert_int_eq(probe.code, CURLE_OK);
    ck_assert_int_eq(probe.status, 200);
    ck_assert_uint_eq(probe.bytes, 2);
    berth_engine_transfer_free(probe.transfer);

    engine_server_stop(server);
    probe_start(&probe, io, server, "/_ping", NEVER);
    ck_assert(probe_wait(&probe, &probe.done, NULL, 0));
    ck_assert_int_eq(probe.code, CURLE_COULDNT_CONNECT);
    berth_engine_transfer_free(probe.transfer);
    berth_engine_io_close(io);
    engine_server_free(server);
}
END_TEST

START_TEST(an_answer_has_one_head)
{
    struct engine_server *server = engine_server_new();
    engine_server_answer(server, "/x",
                         "HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n"
                         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: A\r\n\r\n"
                         "3\r\nabc\r\n0\r\nA: b\r\n\r\n");
    struct berth_engine_io *io;
    ck_assert_int_eq(berth_engine_io_open(&io, NULL), 0);
    struct probe probe;
    probe_start(&probe, io, server, "/x", NEVER);
    ck_assert(probe_wait(&probe, &probe.done, NULL, 0));
    ck_assert_int_eq(probe.code, CURLE_OK);
    ck_assert_int_eq(probe.status, 200);
    ck_assert_uint_eq(probe.heads, 1);
    ck_assert_uint_eq(probe.bytes, 3);
    berth_engine_transfer_free(probe.transfer);
    berth_engine_io_close(io);
    engine_server_free(server);
}
END_TEST

START_TEST(out_of_memory_leaves_nothing_behind)
{
    for (size_t n = 0;; n++) {
        struct berth_engine_io *io = NULL;
        unit_alloc_fail_after(n);
        int status = berth_engine_io_open(&io, NULL);
        bool failed = unit_alloc_restore();
        ck_assert_int_eq(status, failed ? BERTH_E_NOMEM : 0);
        berth_engine_io_close(io);
        if (!failed)
            break;
    }
    struct berth_engine_io *io;
    struct berth_engine_transfer *transfer = NULL;
    ck_assert_int_eq(berth_engine_io_open(&io, NULL), 0);
    CURL *easy = curl_easy_init();
    unit_alloc_fail_after(0);
    int status = berth_engine_transfer_start(io, easy, &probe_ops, NULL, &transfer, NULL);
    unit_alloc_restore();
    ck_assert_int_eq(status, BERTH_E_NOMEM);
    ck_assert_ptr_null(transfer);
    berth_engine_io_close(io);
}
END_TEST

START_TEST(a_transfer_may_be_freed_in_each_of_its_callbacks)
{
    struct engine_server *server = engine_server_new();
    struct berth_engine_io *io;
    ck_assert_int_eq(berth_engine_io_open(&io, NULL), 0);
    for (enum moment moment = AT_HEAD; moment <= AT_DONE; moment++) {
        struct probe probe;
        probe_start(&probe, io, server, "/_ping", moment);
        ck_assert_msg(probe_wait(&probe, &probe.freed, NULL, 0), "moment %d", moment);
        berth_engine_io_call(io, nothing, NULL);
        berth_engine_io_call(io, nothing, NULL);
        ck_assert_msg(!probe.late, "moment %d", moment);
        ck_assert_msg(probe.done == (moment == AT_DONE), "moment %d", moment);
    }
    berth_engine_io_close(io);
    engine_server_free(server);
}
END_TEST

START_TEST(freeing_from_elsewhere_ends_the_callbacks)
{
    struct engine_server *server = engine_server_new();
    struct berth_engine_io *io;
    ck_assert_int_eq(berth_engine_io_open(&io, NULL), 0);
    struct probe probe;
    for (int round = 0; round < 50; round++) {
        probe_start(&probe, io, server, "/events", NEVER);
        if (round % 2 == 0) { /* else it may not even have been sent yet */
            ck_assert(engine_server_wait_streams(server, "/events", 1));
            engine_server_chunk(server, "/events", "abc", 3);
        }
        berth_engine_transfer_free(probe.transfer);
        pthread_mutex_lock(&probe.lock);
        probe.freed = true;
        pthread_mutex_unlock(&probe.lock);
        engine_server_chunk(server, "/events", "def", 3);
        ck_assert(engine_server_wait_streams(server, "/events", 0));
        ck_assert(!probe.late && !probe.done);
    }
    berth_engine_io_close(io);
    engine_server_free(server);
}
END_TEST

START_TEST(many_streams_share_the_thread_and_one_that_floods_holds_up_no_other)
{
    enum { STREAMS = 60 };
    struct engine_server *server = engine_server_new();
    struct berth_engine_io *io;
    ck_assert_int_eq(berth_engine_io_open(&io, NULL), 0);
    static struct probe probes[STREAMS];
    char path[32];
    for (unsigned i = 0; i < STREAMS; i++) {
        (void)snprintf(path, sizeof(path), "/events?%02u", i);
        probe_start(&probes[i], io, server, path, NEVER);
    }
    ck_assert(engine_server_wait_streams(server, "/events", STREAMS));
    static char flood[1 << 20];
    memset(flood, 'x', sizeof(flood));
    engine_server_chunk(server, "/events?00", flood, sizeof(flood));
    engine_server_chunk(server, "/events?", "abc", 3);
    for (unsigned i = 0; i < STREAMS; i++)
        ck_assert(probe_wait(&probes[i], NULL, &probes[i].bytes, i ? 3 : sizeof(flood) + 3));
    for (unsigned i = 0; i < STREAMS; i++)
        berth_engine_transfer_free(probes[i].transfer);
    berth_engine_io_close(io);
    engine_server_free(server);
}
END_TEST

static void count_switches(void *ctx)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_THREAD, &usage);
    *(long *)ctx = usage.ru_nvcsw;
}

START_TEST(an_idle_thread_sleeps)
{
    struct engine_server *server = engine_server_new();
    struct berth_engine_io *io;
    ck_assert_int_eq(berth_engine_io_open(&io, NULL), 0);
    struct probe probe;
    probe_start(&probe, io, server, "/events", NEVER);
    ck_assert(engine_server_wait_streams(server, "/events", 1));
    long before;
    long after;
    berth_engine_io_call(io, nothing, NULL);
    berth_engine_io_call(io, count_switches, &before);
    const struct timespec second = {.tv_sec = 1};
    (void)nanosleep(&second, NULL); /* it is the absence of anything that is waited for */
    berth_engine_io_call(io, count_switches, &after);
    ck_assert_int_le(after - before, 20); /* one that polls has hundreds */
    berth_engine_transfer_free(probe.transfer);
    berth_engine_io_close(io);
    engine_server_free(server);
}
END_TEST

UNIT_SUITE("engine_io", heap_gives_timers_in_order,
           timers_run_once_in_order_and_may_be_cleared_and_moved,
           calls_from_many_threads_run_one_at_a_time, a_posted_task_runs_once_and_may_be_withdrawn,
           a_file_is_told_of_until_it_is_removed, what_has_arrived_goes_before_what_is_overdue,
           a_transfer_tells_head_data_and_end, an_answer_has_one_head,
           out_of_memory_leaves_nothing_behind, a_transfer_may_be_freed_in_each_of_its_callbacks,
           freeing_from_elsewhere_ends_the_callbacks,
           many_streams_share_the_thread_and_one_that_floods_holds_up_no_other,
           an_idle_thread_sleeps)
