/* SPDX-License-Identifier: MIT */
/* The dispatchers, over a backend that has nothing and one that hangs. */
#include "backends/backend.h"
#include "base/thread.h"
#include "tests/unit/unit.h"

#include <string.h>

START_TEST(backends_are_found_by_name)
{
    for (size_t i = 0; berth_backends[i]; i++)
        ck_assert_ptr_eq(berth_backend_find(berth_backends[i]->name), berth_backends[i]);
    ck_assert_ptr_nonnull(berth_backend_find("memory"));
    ck_assert_ptr_nonnull(berth_backend_find("solo"));
    ck_assert_ptr_null(berth_backend_find("Memory"));
    ck_assert_ptr_null(berth_backend_find(""));
}
END_TEST

/* ---- A backend that lacks everything ---- */

#define ASSERT_UNSUPPORTED(call, endpoint)                                                         \
    do {                                                                                           \
        struct berth_error err = BERTH_ERROR_INIT;                                                 \
        ck_assert_int_eq((call), BERTH_E_UNSUPPORTED);                                             \
        ck_assert_int_eq(err.status, BERTH_E_UNSUPPORTED);                                         \
        ck_assert_str_eq(err.message, endpoint " endpoint incompatible with swarm mode");          \
    } while (0)

START_TEST(missing_verbs_are_refused_by_their_endpoint)
{
    static const struct berth_backend_ops ops = {.name = "swarm"};
    struct berth_backend lacking = {.ops = &ops, .max_inflight = 1};
    struct berth_backend *b = &lacking;
    ASSERT_UNSUPPORTED(berth_backend_act(b, BERTH_VERB_START, "1", &err), "start-app");
    ASSERT_UNSUPPORTED(berth_backend_act(b, BERTH_VERB_STOP, "1", &err), "stop-app");
    ASSERT_UNSUPPORTED(berth_backend_act(b, BERTH_VERB_PAUSE, "1", &err), "pause-app");
    ASSERT_UNSUPPORTED(berth_backend_act(b, BERTH_VERB_UNPAUSE, "1", &err), "unpause-app");
    ASSERT_UNSUPPORTED(berth_backend_act(b, BERTH_VERB_RESTART, "1", &err), "restart-app");
    ASSERT_UNSUPPORTED(berth_backend_act(b, BERTH_VERB_KILL, "1", &err), "kill-app");
    ASSERT_UNSUPPORTED(berth_backend_act(b, BERTH_VERB_REMOVE, "1", &err), "delete-app");
    ASSERT_UNSUPPORTED(berth_backend_list(b, NULL, NULL, &err), "get-app-status");
    ASSERT_UNSUPPORTED(berth_backend_create(b, NULL, NULL, &err), "create-app");
    ASSERT_UNSUPPORTED(berth_backend_reset(b, "1", NULL, NULL, NULL, &err), "hard-reset-app");
    ASSERT_UNSUPPORTED(berth_backend_inspect(b, "1", NULL, &err), "get-app-info");
    ASSERT_UNSUPPORTED(berth_backend_stats(b, NULL, 0, NULL, &err), "get-app-stats");
    ASSERT_UNSUPPORTED(berth_backend_attach(b, "1", 80, 24, NULL, &err), "attach");
    ASSERT_UNSUPPORTED(berth_backend_images(b, NULL, &err), "get-images");
    ASSERT_UNSUPPORTED(berth_backend_pull(b, "a:1", NULL, NULL, NULL, NULL, &err), "request-image");
    ASSERT_UNSUPPORTED(berth_backend_image_remove(b, "a:1", &err), "remove-image");
    ASSERT_UNSUPPORTED(berth_backend_nodes(b, NULL, &err), "get-node-status");
    ASSERT_UNSUPPORTED(berth_backend_node_inspect(b, "host", NULL, &err), "get-node-info");
    ASSERT_UNSUPPORTED(berth_backend_watch(b, NULL, &err), "watch");
    ASSERT_UNSUPPORTED(berth_backend_unsupported(b, "get-shares", &err), "get-shares");
    berth_backend_touch(b);
    ck_assert_uint_eq(lacking.inflight, 0);
}
END_TEST

/* ---- A backend whose verbs hang until they are let go ---- */

struct hanging {
    struct berth_backend head;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned inside;
    bool let_go;
};

static int hang(struct berth_backend *backend)
{
    struct hanging *hanging = (struct hanging *)(void *)backend;
    BERTH_LOCK_SCOPE(guard, &hanging->lock);
    hanging->inside++;
    (void)pthread_cond_broadcast(&hanging->changed);
    while (!hanging->let_go)
        (void)pthread_cond_wait(&hanging->changed, &hanging->lock);
    hanging->inside--;
    return 0;
}

static int hanging_start(struct berth_backend *backend, const char *id, struct berth_error *err)
{
    (void)id;
    (void)err;
    return hang(backend);
}

static int hanging_images(struct berth_backend *backend, struct berth_image_list **ret_images,
                          struct berth_error *err)
{
    (void)ret_images;
    (void)err;
    return hang(backend);
}

static int quick_pull(struct berth_backend *backend, const char *reference,
                      berth_pull_progress *progress, void *ctx, char **ret_digest, char **ret_id,
                      struct berth_error *err)
{
    (void)backend;
    (void)reference;
    (void)progress;
    (void)ctx;
    (void)ret_digest;
    (void)ret_id;
    (void)err;
    return 0;
}

static int quick_logs(struct berth_backend *backend, const char *id,
                      const struct berth_logs_spec *spec, berth_logs_output *output, void *ctx,
                      struct berth_error *err)
{
    (void)backend;
    (void)id;
    (void)spec;
    (void)err;
    (void)output(ctx, BERTH_OUTPUT_STDOUT, "a\n", 2);
    (void)output(ctx, BERTH_OUTPUT_STDOUT, "b\n", 2);
    return 0;
}

static const struct berth_backend_ops hanging_ops = {
    .name = "hanging",
    .start = hanging_start,
    .images = hanging_images,
    .logs = quick_logs,
    .pull = quick_pull,
};

static void *call_start(void *arg)
{
    ck_assert_int_eq(berth_backend_act(arg, BERTH_VERB_START, "1", NULL), 0);
    return NULL;
}

START_TEST(callers_past_the_bound_are_refused)
{
    enum { BOUND = 3 };
    struct hanging hanging = {.head = {.ops = &hanging_ops, .max_inflight = BOUND}};
    (void)pthread_mutex_init(&hanging.lock, NULL);
    berth_cond_init(&hanging.changed);
    pthread_t threads[BOUND];
    for (size_t i = 0; i < BOUND; i++)
        ck_assert_int_eq(berth_thread_start(&threads[i], "caller", call_start, &hanging.head, NULL),
                         0);
    (void)pthread_mutex_lock(&hanging.lock);
    while (hanging.inside < BOUND)
        (void)pthread_cond_wait(&hanging.changed, &hanging.lock);
    (void)pthread_mutex_unlock(&hanging.lock);

    struct berth_error err = BERTH_ERROR_INIT;
    ck_assert_int_eq(berth_backend_act(&hanging.head, BERTH_VERB_START, "1", &err), BERTH_E_BUSY);
    ck_assert_uint_eq(err.retry_after_s, 1);
    ck_assert_str_ne(err.message, "");
    ck_assert_int_eq(berth_backend_images(&hanging.head, NULL, NULL), BERTH_E_BUSY);
    ck_assert_int_eq(berth_backend_pull(&hanging.head, "a:1", NULL, NULL, NULL, NULL, NULL), 0);
    ck_assert_uint_eq(hanging.head.inflight, BOUND);

    (void)pthread_mutex_lock(&hanging.lock);
    hanging.let_go = true;
    (void)pthread_cond_broadcast(&hanging.changed);
    (void)pthread_mutex_unlock(&hanging.lock);
    for (size_t i = 0; i < BOUND; i++)
        (void)pthread_join(threads[i], NULL);
    ck_assert_uint_eq(hanging.head.inflight, 0);
    ck_assert_int_eq(berth_backend_act(&hanging.head, BERTH_VERB_START, "1", NULL), 0);
    (void)pthread_cond_destroy(&hanging.changed);
    (void)pthread_mutex_destroy(&hanging.lock);
}
END_TEST

/* Somebody else's call, while a log's reader takes its time. */
static bool start_meanwhile(void *ctx, enum berth_output stream, const char *data, size_t len)
{
    (void)stream;
    (void)data;
    (void)len;
    ck_assert_int_eq(berth_backend_act(ctx, BERTH_VERB_START, "1", NULL), 0);
    return true;
}

START_TEST(readers_of_logs_hold_up_nobody)
{
    static const struct berth_logs_spec whole = {.tail = -1};
    static const struct berth_logs_spec followed = {.tail = -1, .follow = true};
    struct hanging hanging = {.head = {.ops = &hanging_ops, .max_inflight = 1}, .let_go = true};
    struct berth_backend *backend = &hanging.head;
    (void)pthread_mutex_init(&hanging.lock, NULL);
    berth_cond_init(&hanging.changed);
    ck_assert_int_eq(berth_backend_logs(backend, "1", &whole, start_meanwhile, backend, NULL), 0);
    ck_assert_uint_eq(backend->inflight, 0);
    ck_assert_int_eq(berth_backend_logs(backend, "1", &followed, start_meanwhile, backend, NULL),
                     0);
    ck_assert_uint_eq(backend->inflight, 0);
    backend->inflight = 1; /* until the engine answers, a whole one counts */
    ck_assert_int_eq(berth_backend_logs(backend, "1", &whole, start_meanwhile, backend, NULL),
                     BERTH_E_BUSY);
    (void)pthread_cond_destroy(&hanging.changed);
    (void)pthread_mutex_destroy(&hanging.lock);
}
END_TEST

/* ---- Lists ---- */

START_TEST(lists_are_released_empty)
{
    struct berth_stats_list stats = {.items = calloc(2, sizeof(*stats.items)), .count = 2};
    struct berth_node_list nodes = {.items = calloc(2, sizeof(*nodes.items)), .count = 2};
    ck_assert(stats.items && nodes.items);
    stats.items[0].id = strdup("1");
    stats.items[1].name = strdup("demo--ana");
    nodes.items[0].hostname = strdup("one"); /* half-made entries go too */
    nodes.items[1].tls_status = strdup("Ready");
    berth_stats_list_release(&stats);
    berth_node_list_release(&nodes);
    ck_assert(!stats.items && stats.count == 0);
    ck_assert(!nodes.items && nodes.count == 0);
    berth_stats_list_release(&stats);
    berth_node_list_release(&nodes);
    berth_backend_close(NULL);
}
END_TEST

UNIT_SUITE("backend", backends_are_found_by_name, missing_verbs_are_refused_by_their_endpoint,
           callers_past_the_bound_are_refused, readers_of_logs_hold_up_nobody,
           lists_are_released_empty)
