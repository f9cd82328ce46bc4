/* SPDX-License-Identifier: MIT */
/* What the memory backend has beyond the contract (the conformance suite tests that). */
#include "backends/memory.h"
#include "backends/memory_control.h"
#include "base/clock.h"
#include "base/thread.h"
#include "tests/unit/unit.h"

#include <string.h>

#define TIMEOUT_MS  50
#define PATIENCE_MS 20000

static struct berth_backend *open_with(int64_t apps, bool adopt)
{
    const struct berth_backend_config config = {.facility = "lab",
                                                .adopt = adopt,
                                                .request_timeout_ms = TIMEOUT_MS,
                                                .max_inflight = 8,
                                                .memory = {.app_count = apps}};
    struct berth_backend *backend = NULL;
    struct berth_error err = BERTH_ERROR_INIT;
    ck_assert_msg(berth_backend_open(&berth_memory_ops, &config, &backend, &err) == 0, "%s",
                  err.message);
    return backend;
}

static int create(struct berth_backend *backend, const char *image, char **ret_id,
                  struct berth_error *err)
{
    const struct berth_create_spec spec = {
        .app = "demo--ana", .user = "ana", .image = image, .image_label = "demo:latest"};
    return berth_backend_create(backend, &spec, ret_id, err);
}

static char *created(struct berth_backend *backend)
{
    char *id = NULL;
    struct berth_error err = BERTH_ERROR_INIT;
    ck_assert_msg(create(backend, "demo:latest", &id, &err) == 0, "%s", err.message);
    return id;
}

static struct berth_app_list listed(struct berth_backend *backend)
{
    struct berth_app_list apps = {0};
    struct berth_error err = BERTH_ERROR_INIT;
    ck_assert_msg(berth_backend_list(backend, NULL, &apps, &err) == 0, "%s", err.message);
    return apps;
}

static size_t count_apps(struct berth_backend *backend)
{
    BERTH_CLEANUP(app_list) struct berth_app_list apps = listed(backend);
    return apps.count;
}

static enum berth_app_state state_of(struct berth_backend *backend, const char *id)
{
    BERTH_CLEANUP(app_list) struct berth_app_list apps = {0};
    ck_assert_int_eq(berth_backend_list(backend, id, &apps, NULL), 0);
    ck_assert_uint_eq(apps.count, 1);
    return apps.items[0]->state;
}

/* ---- Failures ---- */

START_TEST(verbs_fail_as_often_as_they_are_told)
{
    BERTH_CLEANUP(backend) struct berth_backend *backend = open_with(0, false);
    BERTH_CLEANUP(free) char *id = created(backend);
    berth_memory_fail(backend, BERTH_MEMORY_START, 2, BERTH_E_REFUSED, "no space left on device");
    for (size_t i = 0; i < 2; i++) {
        struct berth_error err = BERTH_ERROR_INIT;
        ck_assert_int_eq(berth_backend_act(backend, BERTH_VERB_START, id, &err), BERTH_E_REFUSED);
        ck_assert_str_eq(err.message, "no space left on device");
        ck_assert_int_eq(state_of(backend, id), BERTH_APP_CREATED);
    }
    ck_assert_int_eq(berth_backend_act(backend, BERTH_VERB_START, id, NULL), 0);
    ck_assert_int_eq(state_of(backend, id), BERTH_APP_RUNNING);
    ck_assert_uint_eq(berth_memory_calls(backend, BERTH_MEMORY_START), 3);
    ck_assert_uint_eq(berth_memory_calls(backend, BERTH_MEMORY_STOP), 0);
}
END_TEST

START_TEST(a_failed_create_leaves_reset_half_done)
{
    BERTH_CLEANUP(backend) struct berth_backend *backend = open_with(0, false);
    BERTH_CLEANUP(free) char *id = created(backend);
    const struct berth_create_spec spec = {
        .app = "demo--ana", .user = "ana", .image = "demo:latest", .image_label = "demo:latest"};
    char *anew = NULL;
    bool gone = true;
    berth_memory_fail(backend, BERTH_MEMORY_RESET, 1, BERTH_E_REFUSED, "no");
    ck_assert_int_eq(berth_backend_reset(backend, id, &spec, &anew, &gone, NULL), BERTH_E_REFUSED);
    ck_assert_uint_eq(count_apps(backend), 1);
    berth_memory_fail(backend, BERTH_MEMORY_CREATE, 1, BERTH_E_REFUSED, "no");
    ck_assert_int_eq(berth_backend_reset(backend, id, &spec, &anew, &gone, NULL), BERTH_E_REFUSED);
    ck_assert(gone);
    ck_assert_ptr_null(anew);
    ck_assert_uint_eq(count_apps(backend), 0);
}
END_TEST

START_TEST(a_slow_engine_delays_and_a_slower_one_times_out)
{
    BERTH_CLEANUP(backend) struct berth_backend *backend = open_with(0, false);
    BERTH_CLEANUP(free) char *id = created(backend);
    berth_memory_set_delay(backend, TIMEOUT_MS / 2);
    int64_t start_ms = berth_clock_monotonic_ms();
    ck_assert_int_eq(berth_backend_act(backend, BERTH_VERB_START, id, NULL), 0);
    ck_assert_int_ge(berth_clock_monotonic_ms() - start_ms, TIMEOUT_MS / 2);
    berth_memory_set_delay(backend, 1000 * TIMEOUT_MS);
    start_ms = berth_clock_monotonic_ms();
    ck_assert_int_eq(berth_backend_act(backend, BERTH_VERB_PAUSE, id, NULL), BERTH_E_TIMEOUT);
    int64_t took_ms = berth_clock_monotonic_ms() - start_ms;
    ck_assert(took_ms >= TIMEOUT_MS && took_ms < 1000 * TIMEOUT_MS);
    berth_memory_set_delay(backend, 10 * TIMEOUT_MS);
    /* Stopping has its grace on top. */
    ck_assert_int_eq(berth_backend_act(backend, BERTH_VERB_STOP, id, NULL), 0);
    berth_memory_set_delay(backend, 0);
    ck_assert_int_eq(state_of(backend, id), BERTH_APP_EXITED);
}
END_TEST

START_TEST(without_contact_verbs_fail)
{
    BERTH_CLEANUP(backend) struct berth_backend *backend = open_with(0, false);
    BERTH_CLEANUP(free) char *id = created(backend);
    struct berth_error err = BERTH_ERROR_INIT;
    berth_memory_set_contact(backend, BERTH_MEMORY_AWAY);
    ck_assert_int_eq(berth_backend_act(backend, BERTH_VERB_START, id, &err), BERTH_E_UNREACHABLE);
    berth_memory_set_contact(backend, BERTH_MEMORY_FROZEN);
    ck_assert_int_eq(berth_backend_act(backend, BERTH_VERB_START, id, &err), BERTH_E_TIMEOUT);
    berth_memory_set_contact(backend, BERTH_MEMORY_PRESENT);
    ck_assert_int_eq(state_of(backend, id), BERTH_APP_CREATED);
    ck_assert_uint_eq(berth_memory_calls(backend, BERTH_MEMORY_START), 2);
}
END_TEST

static void *thaw(void *backend)
{
    while (berth_memory_calls(backend, BERTH_MEMORY_STOP) == 0)
        (void)sched_yield();
    berth_memory_set_contact(backend, BERTH_MEMORY_PRESENT);
    return NULL;
}

START_TEST(an_engine_that_thaws_in_time_answers)
{
    BERTH_CLEANUP(backend) struct berth_backend *backend = open_with(0, false);
    BERTH_CLEANUP(free) char *id = created(backend);
    berth_memory_set_contact(backend, BERTH_MEMORY_FROZEN);
    pthread_t thread;
    ck_assert_int_eq(berth_thread_start(&thread, "thaw", thaw, backend, NULL), 0);
    /* stop: within the grace, however slow this machine is */
    ck_assert_int_eq(berth_backend_act(backend, BERTH_VERB_STOP, id, NULL), 0);
    (void)pthread_join(thread, NULL);
}
END_TEST

/* ---- What is done on the host ---- */

START_TEST(strangers_are_seen_by_who_adopts)
{
    for (int adopt = 0; adopt < 2; adopt++) {
        BERTH_CLEANUP(backend) struct berth_backend *backend = open_with(0, adopt);
        BERTH_CLEANUP(free) char *id = NULL;
        ck_assert_int_eq(
            berth_memory_create_outside(backend, "tool--x--eva", "demo:latest", &id, NULL), 0);
        BERTH_CLEANUP(app_list) struct berth_app_list apps = listed(backend);
        ck_assert_uint_eq(apps.count, adopt);
        int status = berth_backend_act(backend, BERTH_VERB_START, id, NULL);
        ck_assert_int_eq(status, adopt ? 0 : BERTH_E_NOT_FOUND);
        if (!adopt)
            continue;
        const struct berth_app *app = apps.items[0];
        ck_assert_str_eq(app->name, "tool--x--eva");
        ck_assert_str_eq(app->user, "eva");
        ck_assert_str_eq(app->image_label, "");
        ck_assert_uint_eq(app->label_count, 0);
    }
}
END_TEST

START_TEST(a_strangers_name_is_free_for_the_app)
{
    BERTH_CLEANUP(backend) struct berth_backend *backend = open_with(0, false);
    BERTH_CLEANUP(free) char *stranger = NULL;
    ck_assert_int_eq(
        berth_memory_create_outside(backend, "demo--ana", "demo:latest", &stranger, NULL), 0);
    BERTH_CLEANUP(free) char *id = created(backend);
    {
        BERTH_CLEANUP(app_list) struct berth_app_list apps = listed(backend);
        ck_assert_uint_eq(apps.count, 1);
        ck_assert_str_eq(apps.items[0]->name, "demo--ana");
        ck_assert_str_eq(apps.items[0]->engine_name, "demo--ana.lab");
    }
    char *again = NULL;
    ck_assert_int_eq(create(backend, "demo:latest", &again, NULL), BERTH_E_EXISTS);
    /* Ours has the longer name even when the shorter one is free again. */
    ck_assert_int_eq(berth_memory_act_outside(backend, BERTH_VERB_REMOVE, stranger, NULL), 0);
    ck_assert_int_eq(create(backend, "demo:latest", &again, NULL), BERTH_E_EXISTS);
    ck_assert_int_eq(berth_backend_act(backend, BERTH_VERB_REMOVE, id, NULL), 0);
    BERTH_CLEANUP(free) char *last = created(backend);
}
END_TEST

START_TEST(an_adopted_name_is_taken)
{
    BERTH_CLEANUP(backend) struct berth_backend *backend = open_with(0, true);
    BERTH_CLEANUP(free) char *stranger = NULL;
    ck_assert_int_eq(
        berth_memory_create_outside(backend, "demo--ana", "demo:latest", &stranger, NULL), 0);
    char *id = NULL;
    ck_assert_int_eq(create(backend, "demo:latest", &id, NULL), BERTH_E_EXISTS);
}
END_TEST

/* ---- The watch ---- */

struct told {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned listings;
    size_t listed; /* apps of the last one */
    unsigned lost;
    enum berth_status why;
    unsigned apps;
    unsigned changes;
    int64_t changed_ns; /* time of the last one */
    int64_t started_ns; /* of the app shown last */
    unsigned alive;
    uint64_t tickets;
};

static uint64_t on_ticket(void *ctx)
{
    struct told *told = ctx;
    BERTH_LOCK_SCOPE(guard, &told->lock);
    return ++told->tickets;
}

#define TELL(statement)                                                                            \
    do {                                                                                           \
        struct told *told = ctx;                                                                   \
        BERTH_LOCK_SCOPE(guard, &told->lock);                                                      \
        statement;                                                                                 \
        (void)pthread_cond_broadcast(&told->changed);                                              \
    } while (0)

static void on_listing(void *ctx, uint64_t ticket, const struct berth_app_list *apps,
                       int64_t as_of_ns)
{
    (void)ticket;
    (void)as_of_ns;
    TELL((told->listings++, told->listed = apps->count));
}

static void on_app(void *ctx, uint64_t ticket, struct berth_app *app)
{
    (void)ticket;
    TELL((told->apps++, told->started_ns = app->started_ns));
}

static void on_gone(void *ctx, uint64_t ticket, const char *id, int64_t at_ns)
{
    (void)ctx;
    (void)ticket;
    (void)id;
    (void)at_ns;
}

static void on_changed(void *ctx, const char *id, enum berth_app_state state, int64_t at_ns)
{
    (void)id;
    (void)state;
    TELL((told->changes++, told->changed_ns = at_ns));
}

static void on_images(void *ctx, uint64_t ticket, struct berth_image_list *images)
{
    (void)ctx;
    (void)ticket;
    (void)images;
}

static void on_alive(void *ctx, int64_t at_ns)
{
    (void)at_ns;
    TELL(told->alive++);
}

static void on_lost(void *ctx, const struct berth_error *why, int64_t last_alive_ns)
{
    (void)last_alive_ns;
    TELL((told->lost++, told->why = why->status));
}

static void watch(struct berth_backend *backend, struct told *told)
{
    *told = (struct told){0};
    (void)pthread_mutex_init(&told->lock, NULL);
    berth_cond_init(&told->changed);
    const struct berth_watch_sink sink = {.ctx = told,
                                          .ticket = on_ticket,
                                          .listing = on_listing,
                                          .app = on_app,
                                          .gone = on_gone,
                                          .changed = on_changed,
                                          .images = on_images,
                                          .alive = on_alive,
                                          .lost = on_lost};
    ck_assert_int_eq(berth_backend_watch(backend, &sink, NULL), 0);
}

/* Waits until *counter is at least wanted. */
static void wait_for(struct told *told, const unsigned *counter, unsigned wanted)
{
    int64_t deadline_ms = berth_clock_monotonic_ms() + PATIENCE_MS;
    BERTH_LOCK_SCOPE(guard, &told->lock);
    while (*counter < wanted)
        ck_assert_msg(berth_cond_wait_until(&told->changed, &told->lock, deadline_ms),
                      "waited for %u, got %u", wanted, *counter);
}

START_TEST(a_verb_returns_when_its_change_is_told)
{
    struct told told;
    BERTH_CLEANUP(backend) struct berth_backend *backend = open_with(0, false);
    watch(backend, &told);
    wait_for(&told, &told.listings, 1);
    BERTH_CLEANUP(free) char *id = created(backend);
    {
        BERTH_LOCK_SCOPE(guard, &told.lock);
        ck_assert_uint_eq(told.apps, 1);
        ck_assert_uint_eq(told.changes, 1);
    }
    ck_assert_int_eq(berth_memory_act_outside(backend, BERTH_VERB_START, id, NULL), 0);
    {
        BERTH_LOCK_SCOPE(guard, &told.lock);
        ck_assert_uint_eq(told.apps, 2);
        ck_assert_uint_eq(told.changes, 2);
        ck_assert_int_gt(told.changed_ns, 0);
        ck_assert_int_eq(told.changed_ns, told.started_ns);
    }
}
END_TEST

START_TEST(what_the_facility_does_not_see_is_not_told)
{
    struct told told;
    BERTH_CLEANUP(backend) struct berth_backend *backend = open_with(0, false);
    watch(backend, &told);
    wait_for(&told, &told.listings, 1);
    BERTH_CLEANUP(free) char *stranger = NULL;
    ck_assert_int_eq(
        berth_memory_create_outside(backend, "tool--eva", "demo:latest", &stranger, NULL), 0);
    BERTH_CLEANUP(free) char *id = created(backend); /* told after what came before it */
    BERTH_LOCK_SCOPE(guard, &told.lock);
    ck_assert_uint_eq(told.apps, 1);
    ck_assert_uint_eq(told.changes, 1);
}
END_TEST

START_TEST(lost_contact_is_told_and_ends_with_a_listing)
{
    static const struct {
        enum berth_memory_contact contact;
        enum berth_status why;
    } rows[] = {
        {BERTH_MEMORY_AWAY, BERTH_E_UNREACHABLE},
        {BERTH_MEMORY_FROZEN, BERTH_E_TIMEOUT},
    };
    struct told told;
    BERTH_CLEANUP(backend) struct berth_backend *backend = open_with(0, true);
    watch(backend, &told);
    wait_for(&told, &told.listings, 1);
    for (unsigned i = 0; i < UNIT_COUNT(rows); i++) {
        berth_memory_set_contact(backend, rows[i].contact);
        wait_for(&told, &told.lost, i + 1);
        ck_assert_int_eq(told.why, rows[i].why);
        /* What happens meanwhile is in the listing. */
        char name[16];
        BERTH_CLEANUP(free) char *id = NULL;
        (void)snprintf(name, sizeof(name), "demo--%u", i);
        ck_assert_int_eq(berth_memory_create_outside(backend, name, "demo:latest", &id, NULL), 0);
        berth_memory_set_contact(backend, BERTH_MEMORY_PRESENT);
        wait_for(&told, &told.listings, i + 2);
        ck_assert_uint_eq(told.listed, i + 1);
        ck_assert_uint_eq(told.changes, 0);
    }
}
END_TEST

START_TEST(an_engine_that_is_away_from_the_start_is_told_of)
{
    struct told told;
    BERTH_CLEANUP(backend) struct berth_backend *backend = open_with(3, false);
    berth_memory_set_contact(backend, BERTH_MEMORY_AWAY);
    watch(backend, &told);
    wait_for(&told, &told.lost, 1);
    ck_assert_uint_eq(told.listings, 0);
    berth_memory_set_contact(backend, BERTH_MEMORY_PRESENT);
    wait_for(&told, &told.listings, 1);
    ck_assert_uint_eq(told.listed, 3);
}
END_TEST

START_TEST(a_quiet_engine_is_known_to_be_alive)
{
    struct told told;
    BERTH_CLEANUP(backend) struct berth_backend *backend = open_with(0, false);
    watch(backend, &told);
    wait_for(&told, &told.alive, 3);
}
END_TEST

/* ---- The apps and images of the start ---- */

static int compare_names(const void *a, const void *b)
{
    return strcmp((*(struct berth_app *const *)a)->name, (*(struct berth_app *const *)b)->name);
}

START_TEST(a_facility_may_start_with_apps)
{
    enum { APPS = 1000 };
    BERTH_CLEANUP(backend) struct berth_backend *backend = open_with(APPS, false);
    BERTH_CLEANUP(app_list) struct berth_app_list apps = listed(backend);
    ck_assert_uint_eq(apps.count, APPS);
    BERTH_CLEANUP(image_list) struct berth_image_list *images = NULL;
    ck_assert_int_eq(berth_backend_images(backend, &images, NULL), 0);
    size_t running = 0;
    for (size_t i = 0; i < APPS; i++) {
        const struct berth_app *app = apps.items[i];
        ck_assert_uint_eq(strlen(app->id), 64);
        ck_assert(i == 0 || app->created_ns < apps.items[i - 1]->created_ns);
        ck_assert_ptr_nonnull(berth_image_list_find(images, app->image));
        ck_assert_ptr_nonnull(berth_image_list_find(images, app->image_id));
        ck_assert_str_eq(strstr(app->name, "--") + 2, app->user);
        ck_assert_ptr_null(strchr(app->name, '/'));
        ck_assert_str_eq(berth_app_label(app, BERTH_LABEL_FACILITY), "lab");
        ck_assert_int_gt(app->started_ns, app->created_ns);
        running += app->state == BERTH_APP_RUNNING;
        ck_assert_int_eq(app->finished_ns > app->started_ns, app->state == BERTH_APP_EXITED);
    }
    ck_assert_uint_eq(running, APPS * 3 / 4);
    qsort(apps.items, APPS, sizeof(struct berth_app *), compare_names);
    for (size_t i = 1; i < APPS; i++)
        ck_assert_str_ne(apps.items[i]->name, apps.items[i - 1]->name);
    ck_assert_int_eq(berth_backend_act(backend, BERTH_VERB_RESTART, apps.items[0]->id, NULL), 0);
}
END_TEST

START_TEST(the_registry_answers_as_one)
{
    static const struct {
        const char *reference;
        enum berth_status status;
        const char *message; /* how it begins */
    } rows[] = {
        {"httpd:latest", BERTH_OK, ""},
        {"httpd:2.4", BERTH_OK, ""},
        {"rocker/shiny:4.4", BERTH_OK, ""},
        {"registry.example.org:5000/lab/analysis:2.1", BERTH_OK, ""},
        {"httpd:1.3", BERTH_E_REFUSED, "manifest for httpd:1.3 not found"},
        {"httpd@sha256:00", BERTH_E_REFUSED, "manifest for httpd@sha256:00 not found"},
        {"nginx:latest", BERTH_E_REFUSED, "pull access denied for nginx, repository does not"},
        {"registry.example.org:5000/lab/none", BERTH_E_REFUSED,
         "pull access denied for registry.example.org:5000/lab/none, "},
    };
    BERTH_CLEANUP(backend) struct berth_backend *backend = open_with(0, false);
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(free) char *digest = NULL;
        BERTH_CLEANUP(free) char *id = NULL;
        struct berth_error err = BERTH_ERROR_INIT;
        int status = berth_backend_pull(backend, rows[i].reference, NULL, NULL, &digest, &id, &err);
        ck_assert_msg(status == rows[i].status, "%s: %s", rows[i].reference, err.message);
        ck_assert_msg(strncmp(err.message, rows[i].message, strlen(rows[i].message)) == 0, "%s: %s",
                      rows[i].reference, err.message);
    }
}
END_TEST

static bool is_held(struct berth_backend *backend, const char *reference)
{
    BERTH_CLEANUP(image_list) struct berth_image_list *images = NULL;
    ck_assert_int_eq(berth_backend_images(backend, &images, NULL), 0);
    return berth_image_list_find(images, reference) != NULL;
}

START_TEST(an_image_goes_with_its_last_tag)
{
    BERTH_CLEANUP(backend) struct berth_backend *backend = open_with(0, false);
    BERTH_CLEANUP(free) char *digest = NULL;
    BERTH_CLEANUP(free) char *id = NULL;
    ck_assert_int_eq(berth_backend_pull(backend, "demo:1.0", NULL, NULL, &digest, &id, NULL), 0);
    ck_assert(is_held(backend, "demo:1.0") && is_held(backend, "demo:latest"));
    ck_assert_int_eq(berth_backend_image_remove(backend, "demo:latest", NULL), 0);
    ck_assert(!is_held(backend, "demo:latest") && is_held(backend, "demo:1.0"));
    char *app = NULL;
    ck_assert_int_eq(create(backend, "demo:latest", &app, NULL), BERTH_E_NOT_FOUND);
    ck_assert_int_eq(create(backend, "demo:1.0", &app, NULL), 0);
    struct berth_error err = BERTH_ERROR_INIT;
    ck_assert_int_eq(berth_backend_image_remove(backend, "demo:1.0", &err), BERTH_E_CONFLICT);
    ck_assert_ptr_nonnull(
        strstr(err.message, "unable to remove repository reference \"demo:1.0\""));
    ck_assert_int_eq(berth_backend_image_remove(backend, id, &err), BERTH_E_CONFLICT);
    ck_assert_int_eq(berth_backend_act(backend, BERTH_VERB_REMOVE, app, NULL), 0);
    ck_assert_int_eq(berth_backend_image_remove(backend, "demo:1.0", NULL), 0);
    ck_assert(!is_held(backend, id));
    ck_assert_int_eq(berth_backend_image_remove(backend, "demo:1.0", NULL), BERTH_E_NOT_FOUND);
    free(app);
}
END_TEST

START_TEST(docker_ps_shows_the_name_without_digest)
{
    static const struct {
        const char *image;
        const char *shown;
    } rows[] = {
        {"demo:latest", "demo:latest"},
        {"demo", "demo"},
        {"demo:latest@sha256:5f2e60d1e4b52572990567465b8adf20c53ae924bc0fbf5060d334c6fb090d67",
         "demo:latest"},
        {"demo@sha256:5f2e60d1e4b52572990567465b8adf20c53ae924bc0fbf5060d334c6fb090d67", "demo"},
        {"sha256:20272a4d9db86a7981131904e0cbdef1f7d0bf1488c1ec263e30756378ff02cf", "20272a4d9db8"},
    };
    BERTH_CLEANUP(backend) struct berth_backend *backend = open_with(0, false);
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(free) char *id = NULL;
        ck_assert_msg(create(backend, rows[i].image, &id, NULL) == 0, "%s", rows[i].image);
        BERTH_CLEANUP(app_list) struct berth_app_list apps = listed(backend);
        ck_assert_str_eq(apps.items[0]->image, rows[i].shown);
        ck_assert_int_eq(berth_backend_act(backend, BERTH_VERB_REMOVE, id, NULL), 0);
    }
}
END_TEST

/* ---- Out of memory ---- */

START_TEST(running_out_of_memory_changes_nothing)
{
    struct told told;
    BERTH_CLEANUP(backend) struct berth_backend *backend = open_with(0, false);
    watch(backend, &told);
    wait_for(&told, &told.listings, 1);
    BERTH_CLEANUP(free) char *id = NULL;
    BERTH_CLEANUP(free) char *digest = NULL;
    BERTH_CLEANUP(free) char *image = NULL;
    enum { CREATE, START, REMOVE, PULL, STEPS };
    for (int step = CREATE; step < STEPS; step++) {
        bool failed = true;
        for (size_t n = 0; failed; n++) {
            int status = -1;
            unit_alloc_fail_after(n);
            if (step == CREATE)
                status = create(backend, "demo:latest", &id, NULL);
            else if (step == PULL)
                status =
                    berth_backend_pull(backend, "httpd:2.4", NULL, NULL, &digest, &image, NULL);
            else
                status = berth_backend_act(
                    backend, step == START ? BERTH_VERB_START : BERTH_VERB_REMOVE, id, NULL);
            failed = unit_alloc_restore();
            ck_assert_msg(status == (failed ? BERTH_E_NOMEM : 0), "step %d, allocation %zu", step,
                          n);
            if (!failed)
                break;
            ck_assert_uint_eq(count_apps(backend), step == START || step == REMOVE ? 1 : 0);
            if (step == START)
                ck_assert_int_eq(state_of(backend, id), BERTH_APP_CREATED);
            ck_assert(!is_held(backend, "httpd:2.4"));
        }
    }
}
END_TEST

START_TEST(running_out_of_memory_opens_nothing)
{
    const struct berth_backend_config config = {.facility = "lab",
                                                .request_timeout_ms = TIMEOUT_MS,
                                                .max_inflight = 8,
                                                .memory = {.app_count = 3}};
    for (size_t n = 0;; n++) {
        struct berth_backend *backend = NULL;
        unit_alloc_fail_after(n);
        int status = berth_backend_open(&berth_memory_ops, &config, &backend, NULL);
        if (!unit_alloc_restore()) {
            ck_assert_int_eq(status, 0);
            berth_backend_close(backend);
            break;
        }
        ck_assert_int_eq(status, BERTH_E_NOMEM);
        ck_assert_ptr_null(backend);
    }
}
END_TEST

UNIT_SUITE("memory", verbs_fail_as_often_as_they_are_told, a_failed_create_leaves_reset_half_done,
           a_slow_engine_delays_and_a_slower_one_times_out, without_contact_verbs_fail,
           an_engine_that_thaws_in_time_answers, strangers_are_seen_by_who_adopts,
           a_strangers_name_is_free_for_the_app, an_adopted_name_is_taken,
           a_verb_returns_when_its_change_is_told, what_the_facility_does_not_see_is_not_told,
           lost_contact_is_told_and_ends_with_a_listing,
           an_engine_that_is_away_from_the_start_is_told_of, a_quiet_engine_is_known_to_be_alive,
           a_facility_may_start_with_apps, the_registry_answers_as_one,
           an_image_goes_with_its_last_tag, docker_ps_shows_the_name_without_digest,
           running_out_of_memory_changes_nothing, running_out_of_memory_opens_nothing)
