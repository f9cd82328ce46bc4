/* SPDX-License-Identifier: MIT */
#include "backends/engine/engine_sample.h"
#include "backends/engine/engine_stats.h"
#include "base/clock.h"
#include "base/thread.h"
#include "tests/unit/engine_server.h"
#include "tests/unit/unit.h"

#include <math.h>

/* ---- Samples ---- */

#define READ "\"read\":\"2024-01-01T00:00:00Z\""

static bool near(double a, double b)
{
    return fabs(a - b) <= 1e-9 * fmax(1, fabs(b));
}

START_TEST(samples_are_computed_as_the_docker_command_does)
{
    static const struct {
        const char *name;
        const char *line;
        struct berth_engine_sample want;
    } rows[] = {
        {"not running", "{\"read\":\"0001-01-01T00:00:00Z\",\"pids_stats\":{\"current\":3}}", {0}},
        {"running and nothing else", "{" READ "}", {.is_running = true}},
        {"cpu",
         "{" READ ",\"cpu_stats\":{\"cpu_usage\":{\"total_usage\":300},\"system_cpu_usage\":2000,"
         "\"online_cpus\":4},\"precpu_stats\":{\"cpu_usage\":{\"total_usage\":100},"
         "\"system_cpu_usage\":1000}}",
         {.is_running = true, .has_previous = true, .cpu_percent = 80}},
        {"cpu without the number of processors",
         "{" READ ",\"cpu_stats\":{\"cpu_usage\":{\"total_usage\":300,\"percpu_usage\":[1,2]},"
         "\"system_cpu_usage\":2000},\"precpu_stats\":{\"cpu_usage\":{\"total_usage\":100},"
         "\"system_cpu_usage\":1000}}",
         {.is_running = true, .has_previous = true, .cpu_percent = 40}},
        {"cpu that ran backwards",
         "{" READ ",\"cpu_stats\":{\"cpu_usage\":{\"total_usage\":50},\"system_cpu_usage\":2000,"
         "\"online_cpus\":4},\"precpu_stats\":{\"cpu_usage\":{\"total_usage\":100},"
         "\"system_cpu_usage\":1000}}",
         {.is_running = true, .has_previous = true}},
        {"the first sample of a stream",
         "{" READ ",\"cpu_stats\":{\"cpu_usage\":{\"total_usage\":300},\"system_cpu_usage\":600,"
         "\"online_cpus\":2},\"precpu_stats\":{\"cpu_usage\":{\"total_usage\":0}}}",
         {.is_running = true, .cpu_percent = 100}},
        {"memory, cgroup v1",
         "{" READ ",\"memory_stats\":{\"usage\":1000,\"limit\":4000,\"stats\":{\"inactive_file\":1,"
         "\"total_inactive_file\":200}}}",
         {.is_running = true,
          .memory_bytes = 800,
          .memory_limit_bytes = 4000,
          .memory_percent = 20}},
        {"memory, cgroup v2",
         "{" READ ",\"memory_stats\":{\"usage\":1000,\"limit\":4000,\"stats\":{"
         "\"inactive_file\":100}}}",
         {.is_running = true,
          .memory_bytes = 900,
          .memory_limit_bytes = 4000,
          .memory_percent = 22.5}},
        {"memory, more cache than use in v1",
         "{" READ ",\"memory_stats\":{\"usage\":1000,\"stats\":{\"inactive_file\":400,"
         "\"total_inactive_file\":1000}}}",
         {.is_running = true, .memory_bytes = 600}},
        {"memory, more cache than use",
         "{" READ ",\"memory_stats\":{\"usage\":1000,\"stats\":{\"inactive_file\":2000}}}",
         {.is_running = true, .memory_bytes = 1000}},
        {"networks",
         "{" READ ",\"networks\":{\"eth0\":{\"rx_bytes\":1,\"tx_bytes\":2},"
         "\"eth1\":{\"rx_bytes\":10,\"tx_bytes\":20}}}",
         {.is_running = true, .network_rx_bytes = 11, .network_tx_bytes = 22}},
        {"block devices",
         "{" READ ",\"blkio_stats\":{\"io_service_bytes_recursive\":["
         "{\"op\":\"Read\",\"value\":1},{\"op\":\"Write\",\"value\":2},{\"op\":\"read\","
         "\"value\":4},{\"op\":\"write\",\"value\":8},{\"op\":\"Sync\",\"value\":16},{\"op\":"
         "\"\",\"value\":32},{\"value\":64}]}}",
         {.is_running = true, .block_read_bytes = 5, .block_write_bytes = 10}},
        {"block devices, null",
         "{" READ ",\"blkio_stats\":{\"io_service_bytes_recursive\":null}}",
         {.is_running = true}},
        {"more than an engine can count",
         "{" READ ",\"memory_stats\":{\"usage\":1e308},\"pids_stats\":{\"current\":1e308}}",
         {.is_running = true, .memory_bytes = 0x1p64, .pids = UINT64_MAX - 2047}},
        {"processes", "{" READ ",\"pids_stats\":{\"current\":7}}", {.is_running = true, .pids = 7}},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct berth_engine_sample got;
        const struct berth_engine_sample *want = &rows[i].want;
        ck_assert_int_eq(berth_engine_sample_parse(rows[i].line, strlen(rows[i].line), &got, NULL),
                         0);
        bool same = got.is_running == want->is_running && got.has_previous == want->has_previous &&
                    near(got.cpu_percent, want->cpu_percent) &&
                    near(got.memory_percent, want->memory_percent) &&
                    near(got.memory_bytes, want->memory_bytes) &&
                    near(got.memory_limit_bytes, want->memory_limit_bytes) &&
                    near(got.network_rx_bytes, want->network_rx_bytes) &&
                    near(got.network_tx_bytes, want->network_tx_bytes) &&
                    near(got.block_read_bytes, want->block_read_bytes) &&
                    near(got.block_write_bytes, want->block_write_bytes) && got.pids == want->pids;
        ck_assert_msg(same, "%s", rows[i].name);
    }
}
END_TEST

START_TEST(what_is_no_sample_is_refused)
{
    static const char *const lines[] = {"", "{}", "[]", "{\"read\":1}", ("{" READ)};
    for (size_t i = 0; i < UNIT_COUNT(lines); i++) {
        struct berth_engine_sample sample;
        ck_assert_msg(berth_engine_sample_parse(lines[i], strlen(lines[i]), &sample, NULL) ==
                          BERTH_E_UNREACHABLE,
                      "%s", lines[i]);
    }
}
END_TEST

/* ---- The collector ---- */

#define WAIT_MS 3900 /* a question waits so long for a first sample, at least */

struct scene {
    struct engine_server *server;
    struct berth_engine_io *io;
    struct berth_engine *engine;
    struct berth_engine_stats *stats;
};

static void scene_open_keeping(struct scene *scene, int64_t keep_ms)
{
    ck_assert_int_eq(curl_global_init(CURL_GLOBAL_DEFAULT), 0);
    scene->server = engine_server_new();
    ck_assert_int_eq(berth_engine_io_open(&scene->io, NULL), 0);
    const struct berth_engine_config config = {.facility = "demo",
                                               .endpoint = engine_server_endpoint(scene->server),
                                               .request_timeout_ms = 30000,
                                               .connections = 2};
    ck_assert_int_eq(berth_engine_open(&config, &scene->engine, NULL), 0);
    ck_assert_int_eq(berth_engine_learn_version(scene->engine, "1.41", NULL), 0);
    ck_assert_int_eq(berth_engine_stats_new(scene->io, scene->engine, keep_ms, &scene->stats, NULL),
                     0);
}

static void scene_open(struct scene *scene)
{
    scene_open_keeping(scene, BERTH_ENGINE_STATS_KEEP_MS);
}

static void scene_close(struct scene *scene)
{
    berth_engine_stats_free(scene->stats);
    berth_engine_io_close(scene->io);
    berth_engine_close(scene->engine);
    engine_server_free(scene->server);
}

#define STOPPED "{\"read\":\"0001-01-01T00:00:00Z\"}\n"

static void send_sample(struct scene *scene, const char *id, bool has_previous, int pids)
{
    char target[64];
    char line[256];
    (void)snprintf(target, sizeof(target), "/containers/%s/stats", id);
    int len = snprintf(line, sizeof(line),
                       "{" READ ",\"precpu_stats\":{%s},\"pids_stats\":{\"current\":%d}}\n",
                       has_previous ? "\"system_cpu_usage\":5" : "", pids);
    engine_server_chunk(scene->server, target, line, (size_t)len);
}

/* A question on a thread of its own, since it waits. */
struct question {
    struct scene *scene;
    pthread_t thread;
    const struct berth_app *apps[3];
    size_t count;
    struct berth_stats_list stats;
    struct berth_error err;
    int status;
};

static void *ask(void *ctx)
{
    struct question *question = ctx;
    question->status = berth_engine_stats_ask(question->scene->stats, question->apps,
                                              question->count, &question->stats, &question->err);
    return NULL;
}

static const struct berth_app running_a = {
    .id = "aaa", .container = "aaa", .engine_name = "httpd--ana", .state = BERTH_APP_RUNNING};
static const struct berth_app paused_b = {
    .id = "bbb", .container = "bbb", .engine_name = "httpd--ben", .state = BERTH_APP_PAUSED};
static const struct berth_app exited_c = {
    .id = "ccc", .container = "ccc", .engine_name = "httpd--cem", .state = BERTH_APP_EXITED};

static void begin(struct question *question, struct scene *scene, const struct berth_app *a,
                  const struct berth_app *b, const struct berth_app *c)
{
    *question = (struct question){.scene = scene, .apps = {a, b, c}};
    question->count = c ? 3 : b ? 2 : 1;
    ck_assert_int_eq(pthread_create(&question->thread, NULL, ask, question), 0);
}

static void finish(struct question *question)
{
    pthread_join(question->thread, NULL);
}

/* "known 7, not known" and so on, or the error's name. */
static void expect(struct question *question, const char *want)
{
    char got[200] = "";
    size_t len = 0;
    if (question->status)
        (void)snprintf(got, sizeof(got), "%s", berth_status_name(question->status));
    for (size_t i = 0; i < question->stats.count; i++) {
        const struct berth_app_stats *item = &question->stats.items[i];
        ck_assert_str_eq(item->id, question->apps[i]->id);
        ck_assert_str_eq(item->name, question->apps[i]->engine_name);
        len += (size_t)snprintf(got + len, sizeof(got) - len, "%s%s", i ? ", " : "",
                                item->known ? "known" : "not known");
        if (item->known)
            len += (size_t)snprintf(got + len, sizeof(got) - len, " %d", (int)item->pids);
    }
    ck_assert_str_eq(got, want);
    berth_stats_list_release(&question->stats);
}

static void settle(struct question *question, const char *want)
{
    finish(question);
    expect(question, want);
}

START_TEST(the_first_question_waits_for_full_samples_and_others_do_not)
{
    struct scene scene;
    struct question question;
    scene_open(&scene);
    begin(&question, &scene, &running_a, &paused_b, &exited_c);
    ck_assert(engine_server_wait_streams(scene.server, "/v1.41/containers/aaa/stats?stream=1", 1));
    ck_assert(engine_server_wait_streams(scene.server, "/v1.41/containers/bbb/stats?stream=1", 1));
    send_sample(&scene, "aaa", false, 1);
    send_sample(&scene, "bbb", false, 2);
    send_sample(&scene, "aaa", true, 3);
    send_sample(&scene, "bbb", false, 4); /* an engine that never tells the previous one */
    settle(&question, "known 3, known 4, not known");
    ck_assert_uint_eq(engine_server_asked(scene.server, "ccc"), 0);

    int64_t start_ms = berth_clock_monotonic_ms();
    for (int i = 0; i < 100; i++) {
        question = (struct question){.scene = &scene, .apps = {&running_a, &paused_b}, .count = 2};
        (void)ask(&question);
        expect(&question, "known 3, known 4");
    }
    ck_assert_int_lt(berth_clock_monotonic_ms() - start_ms, WAIT_MS);
    ck_assert_uint_eq(engine_server_asked(scene.server, "stats"), 2);
    scene_close(&scene);
}
END_TEST

START_TEST(one_that_starts_later_is_waited_for_alone)
{
    struct scene scene;
    struct question question;
    scene_open(&scene);
    begin(&question, &scene, &running_a, NULL, NULL);
    ck_assert(engine_server_wait_streams(scene.server, "aaa", 1));
    send_sample(&scene, "aaa", true, 1);
    settle(&question, "known 1");
    begin(&question, &scene, &running_a, &paused_b, NULL);
    ck_assert(engine_server_wait_streams(scene.server, "bbb", 1));
    send_sample(&scene, "bbb", true, 2);
    settle(&question, "known 1, known 2");
    scene_close(&scene);
}
END_TEST

START_TEST(one_that_ends_is_not_known_and_may_start_again)
{
    struct scene scene;
    struct question question;
    scene_open(&scene);
    begin(&question, &scene, &running_a, NULL, NULL);
    ck_assert(engine_server_wait_streams(scene.server, "aaa", 1));
    engine_server_chunk(scene.server, "aaa", STOPPED, strlen(STOPPED));
    settle(&question, "not known");
    ck_assert(engine_server_wait_streams(scene.server, "aaa", 0));

    begin(&question, &scene, &running_a, NULL, NULL);
    ck_assert(engine_server_wait_streams(scene.server, "aaa", 1));
    send_sample(&scene, "aaa", true, 5);
    settle(&question, "known 5");
    engine_server_answer(scene.server, "aaa",
                         "HTTP/1.1 404 No\r\nContent-Length: 18\r\n\r\n{\"message\":\"oops\"}");
    engine_server_end(scene.server, "aaa", true); /* removed */

    for (;;) {
        begin(&question, &scene, &running_a, NULL, NULL);
        finish(&question);
        if (question.stats.count == 0 || !question.stats.items[0].known)
            break;
        berth_stats_list_release(&question.stats); /* from memory: its end was not seen yet */
    }
    expect(&question, "not known");
    scene_close(&scene);
}
END_TEST

START_TEST(what_cannot_be_learned_is_an_error_only_where_nothing_is_known)
{
    static const struct {
        const char *raw; /* the answer about aaa; NULL: its stream breaks */
        const char *want;
    } rows[] = {
        {"HTTP/1.1 500 No\r\nContent-Length: 18\r\n\r\n{\"message\":\"oops\"}", "refused"},
        {"garbage\r\n\r\n", "unreachable"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nno\n", "unreachable"},
        {NULL, "unreachable"},
    };
    struct scene scene;
    struct question question;
    scene_open(&scene);
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        engine_server_answer(scene.server, "aaa", rows[i].raw);
        begin(&question, &scene, &running_a, NULL, NULL);
        if (!rows[i].raw) {
            ck_assert(engine_server_wait_streams(scene.server, "aaa", 1));
            engine_server_end(scene.server, "aaa", false);
        }
        settle(&question, rows[i].want);
    }
    engine_server_answer(scene.server, "aaa", rows[0].raw);
    begin(&question, &scene, &running_a, &paused_b, NULL);
    ck_assert(engine_server_wait_streams(scene.server, "bbb", 1));
    send_sample(&scene, "bbb", true, 2);
    settle(&question, "not known, known 2");
    scene_close(&scene);
}
END_TEST

START_TEST(a_silent_engine_is_waited_for_in_bounds)
{
    struct scene scene;
    struct question question;
    scene_open(&scene);
    int64_t start_ms = berth_clock_monotonic_ms();
    begin(&question, &scene, &running_a, NULL, NULL);
    settle(&question, "timeout");
    int64_t took_ms = berth_clock_monotonic_ms() - start_ms;
    ck_assert_int_ge(took_ms, WAIT_MS);
    ck_assert_int_lt(took_ms, 2 * WAIT_MS);
    begin(&question, &scene, &running_a, NULL, NULL); /* but only once */
    settle(&question, "timeout");
    ck_assert_int_lt(berth_clock_monotonic_ms() - start_ms - took_ms, WAIT_MS);
    scene_close(&scene);
}
END_TEST

START_TEST(many_may_ask_at_once)
{
    struct scene scene;
    struct question questions[20];
    scene_open(&scene);
    for (size_t i = 0; i < UNIT_COUNT(questions); i++)
        begin(&questions[i], &scene, &running_a, &paused_b, NULL);
    ck_assert(engine_server_wait_streams(scene.server, "stats", 2));
    send_sample(&scene, "aaa", true, 1);
    send_sample(&scene, "bbb", true, 2);
    for (size_t i = 0; i < UNIT_COUNT(questions); i++)
        settle(&questions[i], "known 1, known 2");
    ck_assert_uint_eq(engine_server_asked(scene.server, "stats"), 2);
    scene_close(&scene);
}
END_TEST

START_TEST(streams_end_when_nobody_asks)
{
    struct scene scene;
    struct question question;
    scene_open_keeping(&scene, 4000); /* longer than anything here is held up */
    begin(&question, &scene, &running_a, &paused_b, NULL);
    ck_assert(engine_server_wait_streams(scene.server, "stats", 2));
    send_sample(&scene, "aaa", true, 1);
    send_sample(&scene, "bbb", true, 2);
    settle(&question, "known 1, known 2");
    while (engine_server_streams(scene.server, "bbb") > 0) {
        (void)usleep(50000);
        begin(&question, &scene, &running_a, NULL, NULL); /* about one of the two */
        settle(&question, "known 1");
    }
    ck_assert_uint_eq(engine_server_streams(scene.server, "aaa"), 1);
    ck_assert(engine_server_wait_streams(scene.server, "aaa", 0));
    scene_close(&scene);
}
END_TEST

START_TEST(out_of_memory_is_an_error)
{
    struct scene scene;
    scene_open(&scene);
    const struct berth_app *const stopped[] = {&exited_c};
    const struct berth_app *const running[] = {&running_a};
    struct berth_stats_list stats = {0};
    for (size_t n = 0;; n++) {
        unit_alloc_fail_after(n);
        int status = berth_engine_stats_ask(scene.stats, stopped, 1, &stats, NULL);
        bool failed = unit_alloc_restore();
        ck_assert_int_eq(status, failed ? BERTH_E_NOMEM : 0);
        if (!failed)
            break;
    }
    berth_stats_list_release(&stats);
    unit_alloc_fail_after(1);
    int status = berth_engine_stats_ask(scene.stats, running, 1, &stats, NULL);
    ck_assert(unit_alloc_restore());
    ck_assert_int_eq(status, BERTH_E_NOMEM);
    scene_close(&scene);
}
END_TEST

START_TEST(it_may_be_freed_with_streams_open)
{
    struct scene scene;
    struct question question;
    scene_open(&scene);
    begin(&question, &scene, &running_a, &paused_b, NULL);
    ck_assert(engine_server_wait_streams(scene.server, "stats", 2));
    send_sample(&scene, "aaa", true, 1);
    send_sample(&scene, "bbb", true, 2);
    settle(&question, "known 1, known 2");
    berth_engine_stats_free(scene.stats);
    scene.stats = NULL;
    ck_assert(engine_server_wait_streams(scene.server, "stats", 0));
    scene_close(&scene);
}
END_TEST

UNIT_SUITE("engine_stats", samples_are_computed_as_the_docker_command_does,
           what_is_no_sample_is_refused,
           the_first_question_waits_for_full_samples_and_others_do_not,
           one_that_starts_later_is_waited_for_alone,
           one_that_ends_is_not_known_and_may_start_again,
           what_cannot_be_learned_is_an_error_only_where_nothing_is_known,
           a_silent_engine_is_waited_for_in_bounds, many_may_ask_at_once,
           streams_end_when_nobody_asks, out_of_memory_is_an_error,
           it_may_be_freed_with_streams_open)
