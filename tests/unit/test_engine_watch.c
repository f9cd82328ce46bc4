/* SPDX-License-Identifier: MIT */
#include "backends/engine/engine_watch.h"
#include "base/clock.h"
#include "base/thread.h"
#include "tests/unit/engine_server.h"
#include "tests/unit/unit.h"

#include <inttypes.h>
#include <stdarg.h>

#define WAIT_MS  30000
#define QUICK_MS 10000 /* far less than between two tries, or pings, of one that is in no hurry */
#define PING_MS  1000  /* so long an answer to a ping may take */
#define LINES    2048

/* ---- A sink that writes down what it is told ---- */

struct recorder {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    char *lines[LINES]; /* lock */
    size_t count;       /* lock */
    size_t read;        /* the test's: lines that expect() has passed */
    uint64_t tickets;   /* lock */
};

static void record(struct recorder *recorder, const char *format, ...) BERTH_PRINTF(2, 3);
static void record(struct recorder *recorder, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    BERTH_LOCK_SCOPE(held, &recorder->lock);
    ck_assert_uint_lt(recorder->count, LINES);
    ck_assert_int_ge(vasprintf(&recorder->lines[recorder->count++], format, args), 0);
    va_end(args);
    pthread_cond_broadcast(&recorder->changed);
}

static uint64_t on_ticket(void *ctx)
{
    struct recorder *recorder = ctx;
    BERTH_LOCK_SCOPE(held, &recorder->lock);
    return ++recorder->tickets;
}

static void on_listing(void *ctx, uint64_t ticket, const struct berth_app_list *apps,
                       int64_t as_of_ns)
{
    ck_assert_uint_gt(ticket, 0);
    ck_assert_int_le(as_of_ns, berth_clock_wall_ns());
    char text[200] = "";
    size_t len = 0;
    for (size_t i = 0; i < apps->count && apps->count < 3; i++) {
        const struct berth_app *app = apps->items[i];
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s %s %s %s at %" PRId64,
                                i ? "," : "", app->id, app->name, berth_app_state_name(app->state),
                                app->created_ns / BERTH_NS_PER_S);
    }
    record(ctx, "listing %zu:%s", apps->count, text);
}

static void on_app(void *ctx, uint64_t ticket, struct berth_app *app)
{
    ck_assert_uint_gt(ticket, 0);
    record(ctx, "app %s %s %s %s", app->id, app->name, berth_app_state_name(app->state),
           app->image);
}

static void on_gone(void *ctx, uint64_t ticket, const char *id, int64_t at_ns)
{
    ck_assert_uint_gt(ticket, 0);
    record(ctx, "gone %s %" PRId64, id, at_ns);
}

static void on_changed(void *ctx, const char *id, enum berth_app_state state, int64_t at_ns)
{
    record(ctx, "changed %s %s %" PRId64, id, berth_app_state_name(state), at_ns);
}

static void on_images(void *ctx, uint64_t ticket, struct berth_image_list *images)
{
    ck_assert_uint_gt(ticket, 0);
    record(ctx, "images %zu", images->count);
}

static void on_alive(void *ctx, int64_t at_ns)
{
    ck_assert_int_le(at_ns, berth_clock_wall_ns());
    record(ctx, "alive");
}

static void on_lost(void *ctx, const struct berth_error *why, int64_t last_alive_ns)
{
    record(ctx, "lost %s: %s (%s)", berth_status_name(why->status), why->message,
           last_alive_ns ? "was alive" : "never seen");
}

/* ---- The scene: a server, a thread, a client, a watch ---- */

struct scene {
    struct engine_server *server;
    struct berth_engine_io *io;
    struct berth_engine *engine;
    struct berth_engine_watch *watch;
    struct recorder recorder;
};

static void scene_open_with(struct scene *scene, int64_t timeout_ms)
{
    memset(scene, 0, sizeof(*scene));
    pthread_mutex_init(&scene->recorder.lock, NULL);
    berth_cond_init(&scene->recorder.changed);
    ck_assert_int_eq(curl_global_init(CURL_GLOBAL_DEFAULT), 0);
    scene->server = engine_server_new();
    ck_assert_int_eq(berth_engine_io_open(&scene->io, NULL), 0);
    const struct berth_engine_config config = {.facility = "demo",
                                               .endpoint = engine_server_endpoint(scene->server),
                                               .request_timeout_ms = timeout_ms,
                                               .connections = 2};
    ck_assert_int_eq(berth_engine_open(&config, &scene->engine, NULL), 0);
}

static void scene_open(struct scene *scene)
{
    scene_open_with(scene, WAIT_MS);
}

static void scene_watch(struct scene *scene, bool adopt)
{
    const struct berth_engine_scope scope = {.facility = "demo", .adopt = adopt};
    const struct berth_watch_sink sink = {.ctx = &scene->recorder,
                                          .ticket = on_ticket,
                                          .listing = on_listing,
                                          .app = on_app,
                                          .gone = on_gone,
                                          .changed = on_changed,
                                          .images = on_images,
                                          .alive = on_alive,
                                          .lost = on_lost};
    ck_assert_int_eq(
        berth_engine_watch_open(scene->io, scene->engine, &scope, &sink, &scene->watch, NULL), 0);
}

static void scene_close(struct scene *scene)
{
    berth_engine_watch_close(scene->watch);
    size_t count = scene->recorder.count; /* nothing comes any more */
    engine_server_free(scene->server);
    berth_engine_io_close(scene->io);
    ck_assert_uint_eq(scene->recorder.count, count);
    berth_engine_close(scene->engine);
    for (size_t i = 0; i < count; i++)
        free(scene->recorder.lines[i]);
}

static void fail_with_lines(const struct recorder *recorder, const char *start)
{
    for (size_t i = 0; i < recorder->count; i++)
        (void)fprintf(stderr, "%c %s\n", i < recorder->read ? '-' : '+', recorder->lines[i]);
    ck_abort_msg("was not told: %s", start);
}

/* The next line that begins so, waited for; those before it are passed over. */
static const char *expect_within(struct scene *scene, int64_t wait_ms, const char *start)
{
    struct recorder *recorder = &scene->recorder;
    int64_t deadline_ms = berth_clock_monotonic_ms() + wait_ms;
    BERTH_LOCK_SCOPE(held, &recorder->lock);
    for (size_t i = recorder->read;; i++) {
        while (i == recorder->count)
            if (!berth_cond_wait_until(&recorder->changed, &recorder->lock, deadline_ms))
                fail_with_lines(recorder, start);
        if (strncmp(recorder->lines[i], start, strlen(start)) == 0) {
            recorder->read = i + 1;
            return recorder->lines[i];
        }
    }
}

static const char *expect(struct scene *scene, const char *start)
{
    return expect_within(scene, WAIT_MS, start);
}

/* How many lines so far begin so. */
static unsigned told(struct scene *scene, const char *start)
{
    struct recorder *recorder = &scene->recorder;
    BERTH_LOCK_SCOPE(held, &recorder->lock);
    unsigned count = 0;
    for (size_t i = 0; i < recorder->count; i++)
        if (strncmp(recorder->lines[i], start, strlen(start)) == 0)
            count++;
    return count;
}

static void send_event(struct scene *scene, const char *type, const char *action, const char *id,
                       const char *attributes, int64_t at_ns)
{
    char line[512];
    int len = snprintf(line, sizeof(line),
                       "{\"Type\":\"%s\",\"Action\":\"%s\",\"Actor\":{\"ID\":\"%s\","
                       "\"Attributes\":{%s}},\"time\":1,\"timeNano\":%" PRId64 "}\n",
                       type, action, id, attributes, at_ns);
    engine_server_chunk(scene->server, "/events", line, (size_t)len);
}

#define OURS "\"berth.facility\":\"demo\""

static void container_event(struct scene *scene, const char *action, const char *id, int64_t at_ns)
{
    send_event(scene, "container", action, id, OURS, at_ns);
}

/* Two apps of ours, one of others; listed, and live. */
static void scene_live(struct scene *scene)
{
    engine_server_put(scene->server, "aaa", "httpd--ana", "demo", "running");
    engine_server_put(scene->server, "bbb", "httpd--ben", "demo", "exited");
    engine_server_put(scene->server, "ccc", "other", "elsewhere", "running");
    scene_watch(scene, false);
    expect(scene, "listing 2");
    expect(scene, "images 0");
    expect(scene, "alive");
}

/* ---- Following ---- */

START_TEST(lists_everything_once_the_stream_is_open)
{
    struct scene scene;
    scene_open(&scene);
    int64_t began_ms = berth_clock_monotonic_ms();
    scene_live(&scene);
    int64_t took_ms = berth_clock_monotonic_ms() - began_ms;
    ck_assert(engine_server_wait_streams(scene.server, "/v1.41/events", 1));
    ck_assert_uint_eq(engine_server_asked(scene.server, "/containers/ccc"), 0);
    ck_assert_uint_eq(engine_server_asked(scene.server, "since=1704067199.0"), 1); /* its clock */
    ck_assert(told(&scene, "lost") == 0 || took_ms >= PING_MS);
    scene_close(&scene);
}
END_TEST

START_TEST(adopts_what_has_no_facility)
{
    struct scene scene;
    scene_open(&scene);
    engine_server_put(scene.server, "aaa", "httpd--ana", "demo", "running");
    engine_server_put(scene.server, "ccc", "other", "elsewhere", "running");
    engine_server_put(scene.server, "ddd", "free--dora", NULL, "running");
    scene_watch(&scene, true);
    expect(&scene, "listing 2");
    expect(&scene, "alive");
    send_event(&scene, "container", "die", "ddd", "", 1700000000000000001);
    expect(&scene, "changed ddd exited 1700000000000000001");
    expect(&scene, "app ddd free--dora running");
    scene_close(&scene);
}
END_TEST

START_TEST(events_change_states_and_rows)
{
    static const struct {
        const char *action;
        const char *state; /* in changed, NULL: only the row changes */
    } rows[] = {
        {"create", "created"},
        {"start", "running"},
        {"die", "exited"},
        {"pause", "paused"},
        {"unpause", "running"},
        {"rename", NULL},
        {"health_status: healthy", NULL},
    };
    struct scene scene;
    scene_open(&scene);
    scene_live(&scene);
    char line[100];
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        char name[20];
        (void)snprintf(name, sizeof(name), "name%zu", i);
        engine_server_put(scene.server, "aaa", name, "demo",
                          rows[i].state ? rows[i].state : "dead");
        int64_t at_ns = 1700000000123456789 + (int64_t)i;
        container_event(&scene, rows[i].action, "aaa", at_ns);
        if (rows[i].state) {
            (void)snprintf(line, sizeof(line), "changed aaa %s %" PRId64, rows[i].state, at_ns);
            expect(&scene, line);
        }
        (void)snprintf(line, sizeof(line), "app aaa %s %s", name,
                       rows[i].state ? rows[i].state : "dead");
        expect(&scene, line);
    }
    scene_close(&scene);
}
END_TEST

START_TEST(a_new_container_appears_and_a_destroyed_one_goes)
{
    struct scene scene;
    scene_open(&scene);
    scene_live(&scene);
    engine_server_put(scene.server, "eee", "httpd--eva", "demo", "created");
    container_event(&scene, "create", "eee", 1700000000000000001);
    expect(&scene, "changed eee created 1700000000000000001");
    expect(&scene, "app eee httpd--eva created");
    engine_server_remove(scene.server, "eee");
    container_event(&scene, "destroy", "eee", 1700000000000000002);
    expect(&scene, "gone eee 1700000000000000002");
    scene_close(&scene);
}
END_TEST

START_TEST(one_that_is_gone_without_a_word_is_told)
{
    struct scene scene;
    scene_open(&scene);
    scene_live(&scene);
    engine_server_remove(scene.server, "aaa");
    container_event(&scene, "rename", "aaa", 1);
    expect(&scene, "gone aaa ");
    scene_close(&scene);
}
END_TEST

START_TEST(others_are_left_alone)
{
    struct scene scene;
    scene_open(&scene);
    scene_live(&scene);
    send_event(&scene, "container", "die", "ccc", "\"berth.facility\":\"elsewhere\"", 1);
    send_event(&scene, "container", "die", "fff", "", 1);
    send_event(&scene, "network", "connect", "net", "\"container\":\"ccc\"", 1);
    send_event(&scene, "volume", "create", "vol", "", 1);
    container_event(&scene, "die", "aaa", 1700000000000000003); /* and this one comes through */
    expect(&scene, "app aaa");
    ck_assert_uint_eq(told(&scene, "changed"), 1);
    ck_assert_uint_eq(told(&scene, "app "), 1);
    ck_assert_uint_eq(engine_server_asked(scene.server, "ccc"), 0);
    scene_close(&scene);
}
END_TEST

START_TEST(networks_and_commands_refresh_the_row_of_a_known_container)
{
    struct scene scene;
    scene_open(&scene);
    scene_live(&scene);
    send_event(&scene, "network", "connect", "net", "\"container\":\"aaa\"", 1);
    expect(&scene, "app aaa");
    container_event(&scene, "exec_die", "bbb", 1); /* nobody has asked lately */
    send_event(&scene, "network", "disconnect", "net", "\"container\":\"aaa\"", 1);
    expect(&scene, "app aaa");
    ck_assert_uint_eq(told(&scene, "app bbb"), 0);
    berth_engine_watch_touch(scene.watch);
    container_event(&scene, "exec_die", "bbb", 1);
    expect(&scene, "app bbb");
    scene_close(&scene);
}
END_TEST

START_TEST(a_burst_about_one_container_asks_twice)
{
    struct scene scene;
    scene_open(&scene);
    scene_live(&scene);
    engine_server_hold(scene.server, "/containers/aaa/json");
    container_event(&scene, "die", "aaa", 1700000000000000000);
    ck_assert(engine_server_wait_asked(scene.server, "/containers/aaa/json", 2)); /* 1: listing */
    for (int i = 1; i < 50; i++)
        container_event(&scene, i % 2 ? "start" : "die", "aaa", 1700000000000000000 + i);
    expect(&scene, "changed aaa running 1700000000000000049");
    engine_server_hold(scene.server, NULL);
    expect(&scene, "app aaa");
    expect(&scene, "app aaa");
    ck_assert_uint_eq(engine_server_asked(scene.server, "/containers/aaa/json"), 3);
    scene_close(&scene);
}
END_TEST

START_TEST(questions_are_a_few_at_a_time)
{
    enum { COUNT = 40 };
    struct scene scene;
    scene_open(&scene);
    char id[8];
    for (int i = 0; i < COUNT; i++) {
        (void)snprintf(id, sizeof(id), "id%03d", i);
        engine_server_put(scene.server, id, id, "demo", "running");
    }
    engine_server_delay(scene.server, 10);
    scene_watch(&scene, false);
    expect(&scene, "listing 40");
    ck_assert_uint_le(engine_server_most_at_once(scene.server), 9);
    for (int i = 0; i < COUNT; i++) {
        (void)snprintf(id, sizeof(id), "id%03d", i);
        container_event(&scene, "die", id, 1700000000000000000);
    }
    for (int i = 0; i < COUNT; i++)
        expect(&scene, "app id");
    ck_assert_uint_le(engine_server_most_at_once(scene.server), 9);
    scene_close(&scene);
}
END_TEST

START_TEST(events_may_come_in_pieces)
{
    struct scene scene;
    scene_open(&scene);
    scene_live(&scene);
    static const char line[] =
        "{\"Type\":\"container\",\"Action\":\"die\",\"Actor\":{\"ID\":\"aaa\","
        "\"Attributes\":{" OURS "}},\"timeNano\":1700000000000000007}\n";
    for (size_t i = 0; i < sizeof(line) - 1; i++)
        engine_server_chunk(scene.server, "/events", line + i, 1);
    expect(&scene, "changed aaa exited 1700000000000000007");
    expect(&scene, "app aaa");
    scene_close(&scene);
}
END_TEST

START_TEST(an_event_from_the_future_happens_now)
{
    struct scene scene;
    scene_open(&scene);
    scene_live(&scene);
    container_event(&scene, "die", "aaa", 4000000000000000000);
    const char *line = expect(&scene, "changed aaa exited ");
    int64_t at_ns = strtoll(line + strlen("changed aaa exited "), NULL, 10);
    ck_assert_int_le(at_ns, berth_clock_wall_ns());
    ck_assert_int_gt(at_ns, 1700000000000000000);
    scene_close(&scene);
}
END_TEST

START_TEST(image_events_list_images_and_rows_that_show_another_name)
{
    struct scene scene;
    scene_open(&scene);
    scene_live(&scene);
    engine_server_images(scene.server,
                         "[{\"Id\":\"sha256:0123456789abcdef\",\"RepoTags\":[\"web:1\"],"
                         "\"RepoDigests\":[],\"Created\":1,\"Size\":2}]");
    engine_server_put_image(scene.server, "bbb", "web:1");
    static const char events[] = "{\"Type\":\"image\",\"Action\":\"untag\",\"Actor\":{}}\n"
                                 "{\"Type\":\"image\",\"Action\":\"tag\",\"Actor\":{}}\n";
    engine_server_chunk(scene.server, "/events", events, sizeof(events) - 1);
    expect(&scene, "images 1");
    expect(&scene, "app bbb httpd--ben exited web:1");
    ck_assert_uint_eq(told(&scene, "app aaa"), 0);
    ck_assert_uint_eq(engine_server_asked(scene.server, "/images/json"), 2);
    scene_close(&scene);
}
END_TEST

START_TEST(what_events_did_not_tell_is_found_by_comparing)
{
    struct scene scene;
    scene_open(&scene);
    scene_live(&scene);
    engine_server_remove(scene.server, "aaa");
    engine_server_put(scene.server, "eee", "httpd--eva", "demo", "created");
    engine_server_put(scene.server, "bbb", "httpd--ben", "demo", "running");
    send_event(&scene, "image", "pull", "x", "", 1); /* names of images may have changed */
    expect(&scene, "images");
    int64_t deadline_ms = berth_clock_monotonic_ms() + WAIT_MS;
    while (berth_clock_monotonic_ms() < deadline_ms &&
           told(&scene, "gone aaa") + told(&scene, "app eee httpd--eva created") +
                   told(&scene, "app bbb httpd--ben running") <
               3)
        (void)usleep(1000);
    ck_assert_uint_eq(told(&scene, "gone aaa"), 1);
    ck_assert_uint_eq(told(&scene, "app eee httpd--eva created"), 1);
    ck_assert_uint_eq(told(&scene, "app bbb httpd--ben running"), 1);
    scene_close(&scene);
}
END_TEST

START_TEST(trouble_with_images_does_not_keep_apps_away)
{
    struct scene scene;
    scene_open(&scene);
    engine_server_answer(scene.server, "/images/json",
                         "HTTP/1.1 500 No\r\nContent-Length: 18\r\n\r\n{\"message\":\"oops\"}");
    engine_server_put(scene.server, "aaa", "httpd--ana", "demo", "running");
    scene_watch(&scene, false);
    expect(&scene, "listing 1");
    expect(&scene, "alive");
    scene_close(&scene);
}
END_TEST

START_TEST(a_container_that_hangs_keeps_no_other_away)
{
    static const char *const answers[] = {
        "", "HTTP/1.1 500 No\r\nContent-Length: 18\r\n\r\n{\"message\":\"oops\"}"};
    for (size_t i = 0; i < UNIT_COUNT(answers); i++) {
        struct scene scene;
        scene_open_with(&scene, answers[i][0] ? WAIT_MS : 4000);
        engine_server_answer(scene.server, "/containers/aaa/json", answers[i]);
        engine_server_put(scene.server, "aaa", "httpd--ana", "demo", "running");
        engine_server_put(scene.server, "bbb", "httpd--ben", "demo", "running");
        scene_watch(&scene, false);
        ck_assert(engine_server_wait_streams(scene.server, "/events", 1));
        unsigned lost = told(&scene, "lost");
        const char *listing = expect(&scene, "listing 2: ");
        ck_assert_ptr_nonnull(strstr(listing, "aaa httpd--ana running at 1700000000"));
        expect(&scene, "alive");
        engine_server_answer(scene.server, "", NULL);
        expect(&scene, "app aaa httpd--ana running");
        ck_assert_uint_eq(told(&scene, "lost"), lost);
        scene_close(&scene);
    }
}
END_TEST

START_TEST(a_container_that_cannot_be_looked_at_is_asked_about_again)
{
    struct scene scene;
    scene_open(&scene);
    scene_live(&scene);
    unsigned lost = told(&scene, "lost");
    engine_server_answer(scene.server, "/containers/aaa/json",
                         "HTTP/1.1 500 No\r\nContent-Length: 18\r\n\r\n{\"message\":\"oops\"}");
    container_event(&scene, "die", "aaa", 1700000000000000001);
    container_event(&scene, "die", "bbb", 1700000000000000001);
    expect(&scene, "app bbb");
    engine_server_answer(scene.server, "", NULL);
    expect(&scene, "app aaa");
    ck_assert_uint_eq(told(&scene, "lost"), lost);
    scene_close(&scene);
}
END_TEST

/* ---- Losing and finding again ---- */

START_TEST(an_engine_that_is_not_there_is_waited_for)
{
    struct scene scene;
    scene_open(&scene);
    engine_server_stop(scene.server);
    scene_watch(&scene, false);
    const char *lost = expect(&scene, "lost unreachable: ");
    ck_assert_ptr_nonnull(strstr(lost, "(never seen)"));
    (void)usleep(700000); /* several tries, one word */
    ck_assert_uint_eq(told(&scene, "lost"), 1);
    engine_server_start(scene.server);
    expect_within(&scene, QUICK_MS, "listing 0");
    expect(&scene, "alive");
    scene_close(&scene);
}
END_TEST

START_TEST(a_stream_that_breaks_is_opened_again)
{
    static const struct {
        const char *name;
        const char *last; /* sent before it ends */
        bool whole;
        const char *word; /* in the reason */
    } rows[] = {
        {"the engine ends it", "", true, "ended its stream"},
        {"the connection breaks", "", false, "broke off"},
        {"within a line, ended", "{\"Type\":", true, "middle of a line"},
        {"within a line, broken", "{\"Type\":", false, "broke off"},
    };
    struct scene scene;
    scene_open(&scene);
    scene_live(&scene);
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        if (rows[i].last[0])
            engine_server_chunk(scene.server, "/events", rows[i].last, strlen(rows[i].last));
        engine_server_put(scene.server, "aaa", "httpd--ana", "demo", i % 2 ? "running" : "exited");
        engine_server_end(scene.server, "/events", rows[i].whole);
        const char *lost = expect(&scene, "lost unreachable: ");
        ck_assert_msg(strstr(lost, rows[i].word), "%s: %s", rows[i].name, lost);
        ck_assert_msg(strstr(lost, "(was alive)"), "%s: %s", rows[i].name, lost);
        expect_within(&scene, QUICK_MS, "listing 2");
        expect(&scene, "images 0");
        expect(&scene, "alive");
    }
    scene_close(&scene);
}
END_TEST

START_TEST(garbage_on_the_stream_is_a_loss)
{
    static char long_line[BERTH_ENGINE_EVENT_MAX + 2];
    memset(long_line, ' ', sizeof(long_line) - 1);
    long_line[0] = '{';
    static const struct {
        const char *name;
        const char *bytes;
        const char *word;
    } rows[] = {
        {"no JSON", "<html>\n", "no event"},
        {"no event", "{\"Type\":\"container\"}\n", "no event"},
        {"half and another", "{\"Type\":\"x\"\n{}\n", "no event"},
        {"endless", long_line, "more than"},
    };
    struct scene scene;
    scene_open(&scene);
    scene_live(&scene);
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        engine_server_chunk(scene.server, "/events", rows[i].bytes, strlen(rows[i].bytes));
        const char *lost = expect(&scene, "lost unreachable: ");
        ck_assert_msg(strstr(lost, rows[i].word), "%s: %s", rows[i].name, lost);
        expect_within(&scene, QUICK_MS, "alive");
    }
    scene_close(&scene);
}
END_TEST

START_TEST(what_happened_meanwhile_is_told_before_the_listing)
{
    struct scene scene;
    scene_open(&scene);
    scene_live(&scene);
    container_event(&scene, "start", "aaa", 1700000000000000005);
    expect(&scene, "app aaa");
    engine_server_hold(scene.server, "/containers/json"); /* it speaks before it lists */
    engine_server_end(scene.server, "/events", true);
    expect(&scene, "lost");
    ck_assert(engine_server_wait_asked(scene.server, "since=1700000000.000000006", 1));
    ck_assert(engine_server_wait_streams(scene.server, "/events", 1));
    engine_server_put(scene.server, "aaa", "httpd--ana", "demo", "exited");
    engine_server_remove(scene.server, "bbb");
    container_event(&scene, "die", "aaa", 1700000000000000006);
    container_event(&scene, "destroy", "bbb", 1700000000000000007);
    expect(&scene, "changed aaa exited 1700000000000000006");
    expect(&scene, "gone bbb 1700000000000000007");
    engine_server_hold(scene.server, NULL);
    expect(&scene, "listing ");
    scene_close(&scene);
}
END_TEST

START_TEST(nothing_is_told_before_the_first_listing)
{
    struct scene scene;
    scene_open(&scene);
    engine_server_put(scene.server, "aaa", "httpd--ana", "demo", "running");
    engine_server_hold(scene.server, "/containers/json");
    scene_watch(&scene, false);
    ck_assert(engine_server_wait_streams(scene.server, "/events", 1));
    container_event(&scene, "die", "aaa", 1700000000000000006);
    ck_assert(engine_server_wait_asked(scene.server, "/containers/json", 1));
    engine_server_hold(scene.server, NULL);
    expect(&scene, "listing 1");
    ck_assert_uint_eq(scene.recorder.read, 1);
    expect(&scene, "app aaa"); /* the event was not lost */
    scene_close(&scene);
}
END_TEST

START_TEST(a_frozen_engine_is_noticed_while_somebody_reads)
{
    struct scene scene;
    scene_open(&scene);
    scene_live(&scene);
    unsigned before = told(&scene, "lost");
    engine_server_freeze(scene.server, true);
    int64_t frozen_ms = berth_clock_monotonic_ms();
    while (told(&scene, "lost") == before && berth_clock_monotonic_ms() < frozen_ms + WAIT_MS) {
        berth_engine_watch_touch(scene.watch);
        (void)usleep(20000);
    }
    expect(&scene, "lost timeout: ");
    ck_assert_int_lt(berth_clock_monotonic_ms() - frozen_ms, QUICK_MS);
    engine_server_freeze(scene.server, false);
    expect_within(&scene, QUICK_MS, "listing 2");
    expect(&scene, "alive");
    ck_assert_uint_eq(told(&scene, "lost"), before + 1);
    scene_close(&scene);
}
END_TEST

START_TEST(pings_are_rare_while_nobody_reads)
{
    struct scene scene;
    scene_open(&scene);
    scene_live(&scene);
    unsigned before = engine_server_asked(scene.server, "_ping");
    (void)usleep(1500000);
    ck_assert_uint_eq(engine_server_asked(scene.server, "_ping"), before);
    berth_engine_watch_touch(scene.watch);
    ck_assert(engine_server_wait_asked(scene.server, "_ping", before + 1));
    expect(&scene, "alive");
    scene_close(&scene);
}
END_TEST

START_TEST(an_engine_that_accepts_and_says_nothing_is_lost)
{
    static const struct {
        const char *target;
        const char *raw;
        const char *start;
    } rows[] = {
        {"_ping", "", "lost timeout: "},
        {"/containers/json", "", "lost timeout: "},
        {"/events", "HTTP/1.1 500 No\r\nContent-Length: 18\r\n\r\n{\"message\":\"oops\"}",
         "lost refused: "},
        {"/events", "garbage\r\n\r\n", "lost unreachable: "},
        {"_ping", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK", "lost unreachable: "},
        {"_ping", "HTTP/1.1 200 OK\r\nApi-Version: 1.12\r\nContent-Length: 2\r\n\r\nOK",
         "lost refused: "},
        {"/containers/json",
         "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n[{\"Id\":", "lost timeout: "},
        {"/containers/json", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
         "lost unreachable: "},
        {"/containers/aaa/json", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n<no>",
         "lost unreachable: "},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct scene scene;
        scene_open_with(&scene, strcmp(rows[i].start, "lost timeout: ") == 0 ? 1500 : WAIT_MS);
        engine_server_put(scene.server, "aaa", "httpd--ana", "demo", "running");
        engine_server_answer(scene.server, rows[i].target, rows[i].raw);
        scene_watch(&scene, false);
        expect(&scene, rows[i].start);
        engine_server_answer(scene.server, "", NULL);
        expect(&scene, "listing 1");
        scene_close(&scene);
    }
}
END_TEST

START_TEST(a_watch_that_lacks_memory_does_not_open)
{
    struct scene scene;
    scene_open(&scene);
    const struct berth_engine_scope scope = {.facility = "demo"};
    const struct berth_watch_sink sink = {.ctx = &scene.recorder}; /* never called */
    for (size_t n = 0; n < 2; n++) {
        unit_alloc_fail_after(n);
        int status =
            berth_engine_watch_open(scene.io, scene.engine, &scope, &sink, &scene.watch, NULL);
        ck_assert(unit_alloc_restore());
        ck_assert_int_eq(status, BERTH_E_NOMEM);
        ck_assert_ptr_null(scene.watch);
    }
    scene_close(&scene);
}
END_TEST

START_TEST(a_watch_may_be_closed_at_any_moment)
{
    for (int round = 0; round < 40; round++) {
        struct scene scene;
        scene_open(&scene);
        for (int i = 0; i < 5; i++) {
            char id[8];
            (void)snprintf(id, sizeof(id), "id%d", i);
            engine_server_put(scene.server, id, id, "demo", "running");
        }
        if (round % 4 == 3)
            engine_server_stop(scene.server);
        scene_watch(&scene, false);
        (void)usleep((useconds_t)round * 100);
        container_event(&scene, "die", "id1", 1700000000000000000);
        send_event(&scene, "image", "tag", "x", "", 1);
        berth_engine_watch_touch(scene.watch);
        scene_close(&scene);
    }
}
END_TEST

UNIT_SUITE("engine_watch", lists_everything_once_the_stream_is_open, adopts_what_has_no_facility,
           events_change_states_and_rows, a_new_container_appears_and_a_destroyed_one_goes,
           one_that_is_gone_without_a_word_is_told, others_are_left_alone,
           networks_and_commands_refresh_the_row_of_a_known_container,
           a_burst_about_one_container_asks_twice, questions_are_a_few_at_a_time,
           events_may_come_in_pieces, an_event_from_the_future_happens_now,
           image_events_list_images_and_rows_that_show_another_name,
           what_events_did_not_tell_is_found_by_comparing,
           trouble_with_images_does_not_keep_apps_away, a_container_that_hangs_keeps_no_other_away,
           a_container_that_cannot_be_looked_at_is_asked_about_again,
           an_engine_that_is_not_there_is_waited_for, a_stream_that_breaks_is_opened_again,
           garbage_on_the_stream_is_a_loss, what_happened_meanwhile_is_told_before_the_listing,
           nothing_is_told_before_the_first_listing,
           a_frozen_engine_is_noticed_while_somebody_reads, pings_are_rare_while_nobody_reads,
           an_engine_that_accepts_and_says_nothing_is_lost, a_watch_that_lacks_memory_does_not_open,
           a_watch_may_be_closed_at_any_moment)
