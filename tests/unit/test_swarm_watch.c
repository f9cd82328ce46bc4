/* SPDX-License-Identifier: MIT */
/* The watch of a swarm, told what real managers answered (tests/data/swarm). */
#include "backends/swarm/swarm_internal.h"
#include "base/clock.h"
#include "base/thread.h"
#include "tests/unit/canned_server.h"
#include "tests/unit/unit.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define V          "/v1.41"
#define WAIT_MS    20000
#define NEWS_MAX   64
#define APPS_MAX   16
#define TEXT_MAX   512
#define BODY_MAX   (64U << 10)
#define STREAM_MS  1   /* a byte of a stream */
#define SILENCE_MS 900 /* at least, until an engine counts as silent */

/* ---- What was recorded ---- */

static void read_file(const char *version, const char *name, struct berth_strbuf *out)
{
    char path[TEXT_MAX];
    char piece[4096];
    size_t got;
    (void)snprintf(path, sizeof(path), "%s/swarm/%s/%s", UNIT_DATA, version, name);
    FILE *file = fopen(path, "r");
    ck_assert_msg(file != NULL, "%s", path);
    while ((got = fread(piece, 1, sizeof(piece), file)) > 0)
        berth_strbuf_add(out, piece, got);
    (void)fclose(file);
    ck_assert_int_eq(berth_strbuf_check(out, NULL), 0);
}

/* ---- A sink that keeps the apps, and the news after the first listing ---- */

struct recorder {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    cJSON *services; /* by which apps are named */
    uint64_t tickets;
    char apps[APPS_MAX][TEXT_MAX]; /* lock; of the listing, by name */
    size_t count;                  /* lock */
    bool is_listed;                /* lock */
    char news[NEWS_MAX][TEXT_MAX]; /* lock */
    size_t news_count;             /* lock */
    int64_t changed_ns;            /* lock; the time of the last exact change */
};

static const char *service_name(const struct recorder *recorder, const char *id)
{
    const cJSON *each;
    cJSON_ArrayForEach(each, recorder->services)
    {
        if (strcmp(berth_json_string(each, "ID", ""), id) == 0)
            return berth_json_string(berth_json_get(each, "Spec"), "Name", "");
    }
    return id;
}

static void describe(const struct recorder *recorder, const struct berth_app *app, char *out)
{
    (void)snprintf(out, TEXT_MAX, "%s %s%s%s", service_name(recorder, app->id),
                   berth_app_state_name(app->state), app->note[0] ? " " : "", app->note);
}

static void note(struct recorder *recorder, const char *format, ...) BERTH_PRINTF(2, 3);
static void note(struct recorder *recorder, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    ck_assert_uint_lt(recorder->news_count, NEWS_MAX);
    (void)vsnprintf(recorder->news[recorder->news_count++], TEXT_MAX, format, args);
    va_end(args);
    (void)pthread_cond_broadcast(&recorder->changed);
}

static uint64_t on_ticket(void *ctx)
{
    struct recorder *recorder = ctx;
    BERTH_LOCK_SCOPE(held, &recorder->lock);
    return ++recorder->tickets;
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void on_listing(void *ctx, uint64_t ticket, const struct berth_app_list *apps,
                       int64_t as_of_ns)
{
    struct recorder *recorder = ctx;
    (void)ticket;
    (void)as_of_ns;
    BERTH_LOCK_SCOPE(held, &recorder->lock);
    ck_assert_uint_le(apps->count, APPS_MAX);
    for (size_t i = 0; i < apps->count; i++)
        describe(recorder, apps->items[i], recorder->apps[i]);
    recorder->count = apps->count;
    qsort(recorder->apps, recorder->count, TEXT_MAX, compare_lines);
    recorder->is_listed = true;
    (void)pthread_cond_broadcast(&recorder->changed);
}

static void on_app(void *ctx, uint64_t ticket, struct berth_app *app)
{
    struct recorder *recorder = ctx;
    char text[TEXT_MAX];
    (void)ticket;
    BERTH_LOCK_SCOPE(held, &recorder->lock);
    describe(recorder, app, text);
    note(recorder, "app %s", text);
}

static void on_gone(void *ctx, uint64_t ticket, const char *id, int64_t at_ns)
{
    struct recorder *recorder = ctx;
    (void)ticket;
    (void)at_ns;
    BERTH_LOCK_SCOPE(held, &recorder->lock);
    note(recorder, "gone %s", service_name(recorder, id));
}

static void on_changed(void *ctx, const char *id, enum berth_app_state state, int64_t at_ns)
{
    struct recorder *recorder = ctx;
    BERTH_LOCK_SCOPE(held, &recorder->lock);
    recorder->changed_ns = at_ns;
    note(recorder, "changed %s %s", service_name(recorder, id), berth_app_state_name(state));
}

static void on_images(void *ctx, uint64_t ticket, struct berth_image_list *images)
{
    (void)ctx;
    (void)ticket;
    (void)images;
}

static void on_alive(void *ctx, int64_t at_ns)
{
    (void)ctx;
    (void)at_ns;
}

static void on_lost(void *ctx, const struct berth_error *why, int64_t last_alive_ns)
{
    struct recorder *recorder = ctx;
    (void)last_alive_ns;
    BERTH_LOCK_SCOPE(held, &recorder->lock);
    note(recorder, "lost %s", why->message);
}

/* ---- A watch of recorded answers ---- */

enum { NODES, SERVICES, TASKS, INFO, CONTAINERS, EVENTS, FILES };

struct scene {
    struct recorder recorder;
    struct berth_strbuf files[FILES]; /* "200 " and what was recorded */
    struct canned_rule rules[11];
    struct canned_server *manager;
    struct canned_server *node3; /* its engine, which runs nothing that is known */
    struct berth_engine_io *io;
    struct berth_backend *backend;
};

static const struct canned_rule node_rules[] = {
    {"GET /_ping", "200 OK", 2, 0},
    {"GET /_ping", "", 0, 0},
    {"GET " V "/events", "200 ..............................................................", 0,
     1000},
    {"GET " V "/containers/json", "200 []", 0, 0},
    {"GET " V "/images/json", "200 []", 0, 0},
    {0},
};

/* directory: "26.1" or "26.1/one-down", of the three files that differ. event: what the swarm's
 * stream says, or "". */
static struct scene *scene_new(const char *version, const char *directory, bool has_node3,
                               const char *event)
{
    static const char *const names[FILES] = {"nodes.json",        "services.json",   "tasks.json",
                                             "info-manager.json", "containers.json", ""};
    struct scene *scene = calloc(1, sizeof(*scene));
    ck_assert_ptr_nonnull(scene);
    (void)pthread_mutex_init(&scene->recorder.lock, NULL);
    berth_cond_init(&scene->recorder.changed);
    for (size_t i = 0; i < FILES; i++) {
        scene->files[i] = (struct berth_strbuf)BERTH_STRBUF_INIT(BODY_MAX);
        berth_strbuf_adds(&scene->files[i], "200 ");
        if (i < EVENTS)
            read_file(i < INFO ? directory : version, names[i], &scene->files[i]);
    }
    berth_strbuf_adds(&scene->files[EVENTS], event);
    for (size_t i = 0; i < 10000; i++) /* the stream goes on */
        berth_strbuf_addc(&scene->files[EVENTS], ' ');
    const char *services = berth_strbuf_str(&scene->files[SERVICES]) + 4;
    ck_assert_int_eq(berth_json_parse(services, strlen(services), &scene->recorder.services, NULL),
                     0);
    const struct canned_rule rules[] = {
        {"GET " V "/nodes", berth_strbuf_str(&scene->files[NODES]), 0, 0},
        {"GET " V "/services?filters=%7B%22label%22%3A%5B%22berth.pull", "200 []", 0, 0},
        {"GET " V "/services?", berth_strbuf_str(&scene->files[SERVICES]), 0, 0},
        {"GET " V "/tasks?", berth_strbuf_str(&scene->files[TASKS]), 0, 0},
        {"GET " V "/info", berth_strbuf_str(&scene->files[INFO]), 0, 0},
        {"GET " V "/containers/json", berth_strbuf_str(&scene->files[CONTAINERS]), 0, 0},
        {"GET " V "/containers/", "404 {\"message\":\"no such container\"}", 0, 0},
        {"GET " V "/images/json", "200 []", 0, 0},
        {"GET " V "/events?", berth_strbuf_str(&scene->files[EVENTS]), 0, STREAM_MS},
        {"GET " V "/services/", "404 {\"message\":\"no such service\"}", 0, 0},
        {0},
    };
    memcpy(scene->rules, rules, sizeof(rules));
    scene->manager = canned_server_new(scene->rules, "1.41");
    scene->node3 = canned_server_new(node_rules, "1.41");
    ck_assert_int_eq(berth_engine_io_open(&scene->io, NULL), 0);
    char hostname[] = "node3";
    BERTH_CLEANUP(free) char *engine = strdup(canned_server_endpoint(scene->node3));
    struct berth_node_endpoint endpoint = {.hostname = hostname, .engine = engine};
    const struct berth_backend_config config = {
        .facility = "demo",
        .engine = canned_server_endpoint(scene->manager),
        .request_timeout_ms = 5000,
        .max_inflight = 8,
        .nodes = {.items = &endpoint, .count = has_node3 ? 1 : 0},
        .io = scene->io};
    const struct berth_watch_sink sink = {
        .ctx = &scene->recorder,
        .ticket = on_ticket,
        .listing = on_listing,
        .app = on_app,
        .gone = on_gone,
        .changed = on_changed,
        .images = on_images,
        .alive = on_alive,
        .lost = on_lost,
    };
    ck_assert_int_eq(berth_backend_open(&berth_swarm_ops, &config, &scene->backend, NULL), 0);
    ck_assert_int_eq(berth_backend_watch(scene->backend, &sink, NULL), 0);
    return scene;
}

static void scene_free(struct scene *scene)
{
    berth_backend_close(scene->backend);
    berth_engine_io_close(scene->io);
    if (scene->manager)
        canned_server_free(scene->manager);
    canned_server_free(scene->node3);
    for (size_t i = 0; i < FILES; i++)
        berth_strbuf_release(&scene->files[i]);
    cJSON_Delete(scene->recorder.services);
    free(scene);
}

static void await_listing(struct scene *scene)
{
    int64_t until_ms = berth_clock_monotonic_ms() + WAIT_MS;
    BERTH_LOCK_SCOPE(held, &scene->recorder.lock);
    while (!scene->recorder.is_listed)
        ck_assert_msg(
            berth_cond_wait_until(&scene->recorder.changed, &scene->recorder.lock, until_ms),
            "there is no listing: %s; %s", scene->recorder.news[0],
            canned_server_asked(scene->manager));
}

/* Waits for news that begin so; returns their place. */
static size_t await_news(struct scene *scene, const char *news)
{
    int64_t until_ms = berth_clock_monotonic_ms() + WAIT_MS;
    struct recorder *recorder = &scene->recorder;
    BERTH_LOCK_SCOPE(held, &recorder->lock);
    for (size_t i = 0;; i++) {
        while (i == recorder->news_count)
            ck_assert_msg(berth_cond_wait_until(&recorder->changed, &recorder->lock, until_ms),
                          "there is no news: %s; last: %s", news,
                          i > 0 ? recorder->news[i - 1] : "");
        if (strncmp(recorder->news[i], news, strlen(news)) == 0)
            return i;
    }
}

/* ---- Listings ---- */

#define NOWHERE                                                                                    \
    "nowhere created Pending: no suitable node (scheduling constraints not satisfied on 3 nodes)"

START_TEST(what_managers_say_becomes_apps)
{
    static const struct {
        const char *version;
        const char *directory;
        const char *apps[APPS_MAX];
    } rows[] = {
        {"20.10",
         "20.10",
         {"job exited", "jobfail exited", "jobretry exited", "jobrun running",
          "missing exited Rejected: No such image: berth/missing:1", NOWHERE, "web running"}},
        {"26.1",
         "26.1",
         {"job exited", "jobfail exited", "jobretry exited", "jobrun running",
          "missing exited Rejected: No such image: berth/missing:1", NOWHERE, "web running"}},
        {"20.10",
         "20.10/one-down",
         {"fast running", "job running", "once unknown Unknown (node node2 is down)",
          "web running"}},
        {"26.1",
         "26.1/one-down",
         {"fast running", "job unknown Unknown (node node2 is down)", "once running",
          "web running"}},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct scene *scene = scene_new(rows[i].version, rows[i].directory, false, "");
        await_listing(scene);
        for (size_t k = 0; k < scene->recorder.count; k++)
            ck_assert_str_eq(scene->recorder.apps[k],
                             rows[i].apps[k] ? rows[i].apps[k] : "nothing more");
        ck_assert_ptr_null(rows[i].apps[scene->recorder.count]);
        scene_free(scene);
    }
}
END_TEST

/* ---- News ---- */

/* What it did since then nobody knows. */
START_TEST(what_ran_on_a_node_that_falls_silent_ran_until_it_answered_last)
{
    struct scene *scene = scene_new("26.1", "26.1", true, "");
    await_listing(scene);
    berth_backend_touch(scene->backend); /* so that it is pinged soon; it answers no more */
    size_t cut = await_news(scene, "changed web unknown");
    int64_t noticed_ns = berth_clock_wall_ns();
    size_t told = await_news(scene, "app web unknown Unknown (node node3 does not answer)");
    ck_assert_uint_eq(told, cut + 1);
    ck_assert_int_gt(scene->recorder.changed_ns, 0);
    ck_assert_int_gt(noticed_ns - scene->recorder.changed_ns, SILENCE_MS * BERTH_NS_PER_MS);
    scene_free(scene);
}
END_TEST

START_TEST(a_service_that_an_event_names_is_asked_about)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf events = BERTH_STRBUF_INIT(BODY_MAX);
    read_file("26.1", "events.jsonl", &events);
    char *end = strchr(events.data, '\n');
    ck_assert_ptr_nonnull(end);
    end[1] = '\0'; /* the creation of web, of which the manager knows nothing any more */
    struct scene *scene = scene_new("26.1", "26.1", false, events.data);
    await_listing(scene);
    (void)await_news(scene, "gone web");
    scene_free(scene);
}
END_TEST

/* ---- Nodes ---- */

START_TEST(nodes_are_not_asked_for_again_while_they_are_known)
{
    struct scene *scene = scene_new("26.1", "26.1", true, "");
    struct swarm *swarm = swarm_of(scene->backend);
    await_listing(scene);
    static const struct {
        const char *name;
        const char *ids[3];
        size_t count;
        bool is_asked;
    } rows[] = {
        {"known", {"70cuynfhnasitfq57oplvg5jm", "pcfh45bw0tos07sdl5qcdewqp"}, 2, false},
        {"of no node", {"", "pcfh45bw0tos07sdl5qcdewqp", ""}, 3, false},
        {"none", {0}, 0, false},
        {"new", {"pcfh45bw0tos07sdl5qcdewqp", "new0"}, 2, true},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(swarm_node_list) struct berth_swarm_node_list nodes = {0};
        size_t before = strlen(canned_server_asked(scene->manager));
        ck_assert_int_eq(berth_swarm_nodes_with(swarm, rows[i].ids, rows[i].count, &nodes, NULL),
                         0);
        const char *asked = canned_server_asked(scene->manager) + before;
        ck_assert_msg((strstr(asked, "GET " V "/nodes\n") != NULL) == rows[i].is_asked, "%s: %s",
                      rows[i].name, asked);
        ck_assert_uint_eq(nodes.count, 3);
    }
    canned_server_free(scene->manager);
    scene->manager = NULL;
    (void)await_news(scene, "lost ");
    BERTH_CLEANUP(swarm_node_list) struct berth_swarm_node_list nodes = {0};
    ck_assert_int_eq(berth_swarm_nodes_with(swarm, rows[0].ids, rows[0].count, &nodes, NULL),
                     BERTH_E_UNREACHABLE);
    scene_free(scene);
}
END_TEST

UNIT_SUITE("swarm_watch", what_managers_say_becomes_apps,
           what_ran_on_a_node_that_falls_silent_ran_until_it_answered_last,
           a_service_that_an_event_names_is_asked_about,
           nodes_are_not_asked_for_again_while_they_are_known)
