/* SPDX-License-Identifier: MIT */
/*
 * Every allocation of every change to a facility fails in turn, in whatever
 * thread it is made: the change is done, or it is BERTH_E_NOMEM and all is as
 * before; then it can be done. What the sanitizers say of leaks counts too.
 */
#include "backends/memory_control.h"
#include "base/clock.h"
#include "facilities/apps.h"
#include "facilities/audit.h"
#include "facilities/idempotency.h"
#include "tests/unit/alloc_libraries.h"
#include "tests/unit/store_open.h"
#include "tests/unit/unit.h"

#include <string.h>

#define ADDRESS   "192.0.2.1"
#define PASSWORD  "correct horse"
#define SETTLE_MS 5000

static const struct berth_caller admin = {
    .user = "root", .role = BERTH_ROLE_ADMIN, .gateway_admin = true, .address = ADDRESS};

/* ---- All there is ---- */

struct world {
    char *dir;
    struct berth_store *store;
    struct berth_uptime *uptime;
    struct berth_identity *identity;
    struct berth_idempotency *kept;
    struct berth_facility *facility;
    unsigned round; /* for names that are used once */
    char name[64];
    char token[BERTH_TOKEN_SIZE];
    int64_t token_id;
};

static int open_parts(struct world *world, struct berth_error *err)
{
    const struct berth_uptime_config sampling = {.sample_interval_s = 600, .retention_days = 1};
    const struct berth_facility_config config = {
        .id = "demo",
        .backend = "memory",
        .image_policy = BERTH_IMAGES_APPROVAL,
        .engine = {.request_timeout_ms = 10000, .max_inflight = 32},
    };
    int r = unit_store_open(world->dir, &world->store, err);
    if (r == 0)
        r = berth_uptime_open(world->store, &sampling, &world->uptime, err);
    if (r == 0)
        r = berth_identity_open(world->store, &world->identity, err);
    if (r == 0)
        r = berth_idempotency_new(world->store, &world->kept, err);
    if (r == 0)
        r = berth_facility_open(&config, world->store, world->uptime, &world->facility, err);
    return r;
}

static void close_parts(struct world *world)
{
    berth_facility_unref(berth_steal(&world->facility));
    berth_idempotency_free(berth_steal(&world->kept));
    berth_identity_close(berth_steal(&world->identity));
    berth_uptime_close(berth_steal(&world->uptime));
    berth_store_close(berth_steal(&world->store));
}

static void open_world(struct world *world)
{
    struct berth_error err = BERTH_ERROR_INIT;
    *world = (struct world){.dir = unit_scratch("data")};
    ck_assert_msg(open_parts(world, &err) == 0, "%s", err.message);
    ck_assert_int_eq(berth_identity_add(world->identity, &admin, "root", PASSWORD, true, NULL), 0);
    ck_assert_int_eq(berth_identity_add(world->identity, &admin, "ana", PASSWORD, false, NULL), 0);
}

static void close_world(struct world *world)
{
    close_parts(world);
    free(world->dir);
}

/* ---- What can be seen of it ---- */

static const char *const tables[] = {
    "SELECT name, password_hash, gateway_admin || ' ' || generation || ' ' ||"
    " (removed_ms IS NULL) FROM user_account ORDER BY name",
    "SELECT user_name, facility, role FROM user_grant ORDER BY user_name, facility",
    "SELECT user_name, label, digest FROM api_token ORDER BY id",
    "SELECT image || ':' || tag, state || coalesce(reason, ''), coalesce(digest, '') FROM"
    " image_request ORDER BY id",
    "SELECT action, target, status FROM audit ORDER BY id",
    "SELECT idempotency_key, body, caller FROM kept_answer ORDER BY id",
};

static int add_row(const struct berth_row *row, void *ctx,
                   struct berth_error *err __attribute__((unused)))
{
    berth_strbuf_addf(ctx, "%s|%s|%s\n", berth_row_text(row, 0), berth_row_text(row, 1),
                      berth_row_text(row, 2));
    return 0;
}

static int dump_tables(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    int r = 0;
    for (size_t i = 0; i < UNIT_COUNT(tables) && r == 0; i++)
        r = berth_txn_run(txn, tables[i], NULL, 0, add_row, ctx, NULL, err);
    return r;
}

static void add_user(const struct berth_user *user, void *ctx)
{
    berth_strbuf_addf(ctx, "user %s %d", user->name, user->gateway_admin);
    for (size_t i = 0; i < user->grant_count; i++)
        berth_strbuf_addf(ctx, " %s=%s", user->grants[i].facility,
                          berth_role_name(user->grants[i].role));
    berth_strbuf_addc(ctx, '\n');
}

static bool add_app(const struct berth_app *app, void *ctx)
{
    berth_strbuf_addf(ctx, "%s %s %s %s\n", app->name, app->id, berth_app_state_name(app->state),
                      app->image);
    return true;
}

/* The apps and images that readers see, once they are those of the engine. */
static void add_facility(struct world *world, struct berth_strbuf *out)
{
    int64_t deadline_ms = berth_clock_monotonic_ms() + SETTLE_MS;
    for (;;) {
        BERTH_CLEANUP(strbuf) struct berth_strbuf seen = BERTH_STRBUF_INIT(1U << 20);
        BERTH_CLEANUP(strbuf) struct berth_strbuf held = BERTH_STRBUF_INIT(1U << 20);
        BERTH_CLEANUP(app_list) struct berth_app_list apps = {0};
        BERTH_CLEANUP(snapshot) struct berth_snapshot *snapshot = NULL;
        struct berth_error err = BERTH_ERROR_INIT;
        int r = berth_mirror_snapshot(world->facility->mirror, false, &snapshot, &err);
        if (r == 0) {
            berth_snapshot_walk(snapshot, NULL, add_app, &seen);
            ck_assert_int_eq(berth_backend_list(world->facility->backend, NULL, &apps, NULL), 0);
            for (size_t i = 0; i < apps.count; i++)
                (void)add_app(apps.items[i], &held);
            if (strcmp(berth_strbuf_str(&seen), berth_strbuf_str(&held)) == 0) {
                berth_strbuf_addf(out, "%simages %zu\n", berth_strbuf_str(&seen),
                                  snapshot->images->count);
                return;
            }
        }
        ck_assert_msg(berth_clock_monotonic_ms() < deadline_ms, "%d %s: seen %s, held %s", r,
                      err.message, berth_strbuf_str(&seen), berth_strbuf_str(&held));
        (void)sched_yield();
    }
}

static char *describe(struct world *world)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf out = BERTH_STRBUF_INIT(16U << 20);
    int64_t deadline_ms = berth_clock_monotonic_ms() + SETTLE_MS;
    do { /* until pulls have ended */
        ck_assert_int_lt(berth_clock_monotonic_ms(), deadline_ms);
        berth_strbuf_clear(&out);
        ck_assert_int_eq(berth_store_read(world->store, dump_tables, &out, NULL), 0);
    } while (strstr(berth_strbuf_str(&out), "|pulling|"));
    berth_identity_walk(world->identity, add_user, &out);
    add_facility(world, &out);
    while (__atomic_load_n(&world->facility->backend->inflight, __ATOMIC_SEQ_CST) > 0)
        ck_assert_int_lt(berth_clock_monotonic_ms(), deadline_ms); /* a pull's last question */
    char *text = berth_strbuf_steal(&out, NULL);
    ck_assert_ptr_nonnull(text);
    return text;
}

/* ---- What is done to it ---- */

enum guarantee {
    WHOLE,       /* done, or nothing is changed */
    MAY_BE_DONE, /* an engine was at work: the change may stand, and the message says so */
    STOPS,       /* the same; and it stops the app first, which may be all that was done */
};

struct operation {
    const char *name;
    /* Makes it possible, with all the memory there is; may be NULL. */
    void (*prepare)(struct world *world);
    int (*run)(struct world *world, struct berth_error *err);
    enum guarantee guarantee;
};

static const char *next_name(struct world *world, const char *prefix)
{
    (void)snprintf(world->name, sizeof(world->name), "%s%u", prefix, world->round++);
    return world->name;
}

static void name_user(struct world *world)
{
    (void)next_name(world, "user");
}

static int add_the_user(struct world *world, struct berth_error *err)
{
    return berth_identity_add(world->identity, &admin, world->name, PASSWORD, false, err);
}

static void make_user(struct world *world)
{
    name_user(world);
    ck_assert_int_eq(add_the_user(world, NULL), 0);
    ck_assert_int_eq(
        berth_identity_grant(world->identity, &admin, world->name, "demo", BERTH_ROLE_VIEWER, NULL),
        0);
}

static int set_password(struct world *world, struct berth_error *err)
{
    char password[64];
    (void)snprintf(password, sizeof(password), "%s-%u", PASSWORD, world->round++);
    return berth_identity_set_password(world->identity, &admin, "ana", password, err);
}

static int grant(struct world *world, struct berth_error *err)
{
    return berth_identity_grant(world->identity, &admin, world->name, "demo", BERTH_ROLE_ADMIN,
                                err);
}

static int revoke_role(struct world *world, struct berth_error *err)
{
    return berth_identity_grant(world->identity, &admin, world->name, "demo", BERTH_ROLE_NONE, err);
}

static int remove_user(struct world *world, struct berth_error *err)
{
    return berth_identity_remove(world->identity, &admin, world->name, err);
}

static int ensure_admin(struct world *world, struct berth_error *err)
{
    return berth_identity_ensure_admin(world->identity, world->name, PASSWORD, err);
}

static int verify(struct world *world, struct berth_error *err)
{
    return berth_identity_verify(world->identity, "root", PASSWORD, strlen(PASSWORD), ADDRESS, err);
}

static int create_token(struct world *world, struct berth_error *err)
{
    const struct berth_token wanted = {.user = "ana", .label = "script"};
    return berth_tokens_create(berth_identity_tokens(world->identity), &admin, &wanted,
                               world->token, err);
}

static void find_token(struct world *world)
{
    BERTH_CLEANUP(free) struct berth_token *list = NULL;
    size_t count = 0;
    struct berth_tokens *tokens = berth_identity_tokens(world->identity);
    ck_assert_int_eq(berth_tokens_list(tokens, "ana", &list, &count, NULL), 0);
    if (count == 0) {
        ck_assert_int_eq(create_token(world, NULL), 0);
        find_token(world);
        return;
    }
    world->token_id = list[count - 1].id;
}

static void clear_tokens(struct world *world)
{
    find_token(world);
    ck_assert_int_eq(
        berth_tokens_revoke(berth_identity_tokens(world->identity), &admin, world->token_id, NULL),
        0);
}

static void make_token(struct world *world)
{
    clear_tokens(world);
    find_token(world);
}

static int revoke_token(struct world *world, struct berth_error *err)
{
    return berth_tokens_revoke(berth_identity_tokens(world->identity), &admin, world->token_id,
                               err);
}

static int use_token(struct world *world, struct berth_error *err)
{
    struct berth_caller caller = {.address = ADDRESS};
    return berth_identity_verify_token(world->identity, world->token, "demo", &caller, err);
}

static int list_tokens(struct world *world, struct berth_error *err)
{
    BERTH_CLEANUP(free) struct berth_token *list = NULL;
    size_t count = 0;
    return berth_tokens_list(berth_identity_tokens(world->identity), "ana", &list, &count, err);
}

static void name_key(struct world *world)
{
    (void)next_name(world, "key");
}

static int answer_once(struct world *world, struct berth_error *err)
{
    const struct berth_idempotency_key key = {
        .caller = "ana", .facility = "demo", .key = world->name};
    BERTH_CLEANUP(kept_answer) struct berth_kept_answer answer = {0};
    char type[] = "text/plain";
    char text[] = "Success";
    const struct berth_kept_answer made = {.status = 200, .type = type, .text = text};
    struct berth_idempotency_flight *flight = NULL;
    int r = berth_idempotency_begin(world->kept, &key, 1, &answer, &flight, err);
    if (r < 0 || !flight)
        return r;
    return berth_idempotency_end(world->kept, flight, &made, 1, err);
}

static int write_audit(struct world *world, struct berth_error *err)
{
    struct berth_audit_entry entry = {
        .by = &admin, .facility = "demo", .action = "test", .target = "none"};
    struct berth_store_request request;
    berth_audit_begin_write(world->store, &request, &entry);
    return berth_store_end_write(world->store, &request, err);
}

/* ---- Images ---- */

static struct berth_image_ref image(const char *name)
{
    struct berth_image_ref ref = {0};
    (void)!berth_image_ref_parse("image", name, NULL, &ref, NULL);
    return ref;
}

static void withdraw(struct world *world, const char *name, bool purge)
{
    BERTH_CLEANUP(approval) struct berth_approval approval = {0};
    const struct berth_image_ref ref = image(name);
    const struct berth_approval_key key = {.ref = &ref};
    int r =
        berth_approvals_remove(world->facility->approvals, &admin, &key, purge, &approval, NULL);
    ck_assert(r == 0 || r == BERTH_E_NOT_FOUND);
}

static int request(struct world *world, const char *name, struct berth_error *err)
{
    BERTH_CLEANUP(approval) struct berth_approval approval = {0};
    const struct berth_image_ref ref = image(name);
    return berth_approvals_request(world->facility->approvals, &admin, &ref, &approval, err);
}

static int approve(struct world *world, const char *name, struct berth_error *err)
{
    BERTH_CLEANUP(approval) struct berth_approval approval = {0};
    const struct berth_image_ref ref = image(name);
    const struct berth_approval_key key = {.ref = &ref};
    return berth_approvals_approve(world->facility->approvals, &admin, &key, true, &approval, err);
}

static void withdraw_httpd(struct world *world)
{
    withdraw(world, "httpd:2.4", true);
}

static void ask_for_httpd(struct world *world)
{
    withdraw_httpd(world);
    ck_assert_int_eq(request(world, "httpd:2.4", NULL), 0);
}

static void approve_httpd(struct world *world)
{
    ck_assert_int_eq(approve(world, "httpd:2.4", NULL), 0);
}

static int request_httpd(struct world *world, struct berth_error *err)
{
    return request(world, "httpd:2.4", err);
}

static int pull_httpd(struct world *world, struct berth_error *err)
{
    return approve(world, "httpd:2.4", err);
}

static int reject_httpd(struct world *world, struct berth_error *err)
{
    BERTH_CLEANUP(approval) struct berth_approval approval = {0};
    const struct berth_image_ref ref = image("httpd:2.4");
    const struct berth_approval_key key = {.ref = &ref};
    return berth_approvals_reject(world->facility->approvals, &admin, &key, "no", &approval, err);
}

static int purge_httpd(struct world *world, struct berth_error *err)
{
    BERTH_CLEANUP(approval) struct berth_approval approval = {0};
    const struct berth_image_ref ref = image("httpd:2.4");
    const struct berth_approval_key key = {.ref = &ref};
    return berth_approvals_remove(world->facility->approvals, &admin, &key, true, &approval, err);
}

static void withdraw_demo(struct world *world)
{
    withdraw(world, "demo:latest", false);
}

static int approve_demo(struct world *world, struct berth_error *err)
{
    return approve(world, "demo:latest", err);
}

static int count_request(const struct berth_approval *approval __attribute__((unused)), void *ctx,
                         struct berth_error *err __attribute__((unused)))
{
    ++*(int *)ctx;
    return 0;
}

static int list_requests(struct world *world, struct berth_error *err)
{
    int count = 0;
    return berth_approvals_list(world->facility->approvals, NULL, count_request, &count, err);
}

/* ---- Apps ---- */

#define APP "demo--ana"

/* Behind berth's back, and seen by readers when describe() returns. */
static void act_outside(struct world *world, enum berth_verb verb)
{
    BERTH_CLEANUP(app_list) struct berth_app_list apps = {0};
    ck_assert_int_eq(berth_backend_list(world->facility->backend, NULL, &apps, NULL), 0);
    for (size_t i = 0; i < apps.count; i++)
        (void)!berth_memory_act_outside(world->facility->backend, verb, apps.items[i]->id, NULL);
    free(describe(world));
}

static void remove_app(struct world *world)
{
    act_outside(world, BERTH_VERB_REMOVE);
}

static int create_app(struct world *world, struct berth_error *err)
{
    BERTH_CLEANUP(app) struct berth_app *app = NULL;
    const struct berth_image_ref ref = image("demo:latest");
    return berth_apps_create(world->facility, &admin, &ref, "ana", &app, err);
}

static void make_app(struct world *world)
{
    free(describe(world));
    int r = create_app(world, NULL);
    ck_assert_msg(r == 0 || r == BERTH_E_EXISTS, "%d", r);
}

static void make_stopped(struct world *world)
{
    make_app(world);
    act_outside(world, BERTH_VERB_STOP);
}

static void make_running(struct world *world)
{
    make_app(world);
    act_outside(world, BERTH_VERB_UNPAUSE);
    act_outside(world, BERTH_VERB_START);
}

static void make_paused(struct world *world)
{
    make_running(world);
    act_outside(world, BERTH_VERB_PAUSE);
}

#define ACT(function, verb)                                                                        \
    static int function(struct world *world, struct berth_error *err)                              \
    {                                                                                              \
        return berth_apps_act(world->facility, &admin, verb, APP, err);                            \
    }
ACT(start_app, BERTH_VERB_START)
ACT(stop_app, BERTH_VERB_STOP)
ACT(pause_app, BERTH_VERB_PAUSE)
ACT(unpause_app, BERTH_VERB_UNPAUSE)
ACT(restart_app, BERTH_VERB_RESTART)
ACT(kill_app, BERTH_VERB_KILL)
ACT(delete_app, BERTH_VERB_REMOVE)

static int reset_app(struct world *world, struct berth_error *err)
{
    return berth_apps_reset(world->facility, &admin, APP, err);
}

static int inspect_app(struct world *world, struct berth_error *err)
{
    BERTH_CLEANUP(snapshot) struct berth_snapshot *snapshot = NULL;
    BERTH_CLEANUP(body) struct berth_body *inspect = NULL;
    const struct berth_app *app = NULL;
    int r = berth_mirror_snapshot(world->facility->mirror, false, &snapshot, err);
    if (r == 0)
        r = berth_apps_find(snapshot, &admin, APP, &app, err);
    return r == 0 ? berth_mirror_inspect(world->facility->mirror, app, true, &inspect, err) : r;
}

static int summarise(struct world *world, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf json = BERTH_STRBUF_INIT(1U << 20);
    return berth_uptime_summary(world->uptime, "demo", APP, BERTH_UPTIME_DAY, berth_clock_wall_ns(),
                                &json, err);
}

static int find_approval(struct world *world, struct berth_error *err)
{
    BERTH_CLEANUP(approval) struct berth_approval approval = {0};
    const struct berth_image_ref ref = image("demo:latest");
    return berth_approvals_find(world->facility->approvals, &ref, &approval, err);
}

static const struct operation operations[] = {
    {"user add", name_user, add_the_user, WHOLE},
    {"user passwd", NULL, set_password, WHOLE},
    {"user grant", make_user, grant, WHOLE},
    {"user revoke", make_user, revoke_role, WHOLE},
    {"user remove", make_user, remove_user, WHOLE},
    {"ensure administrator", name_user, ensure_admin, WHOLE},
    {"password", NULL, verify, WHOLE},
    {"token create", clear_tokens, create_token, WHOLE},
    {"token use", make_token, use_token, WHOLE},
    {"token list", make_token, list_tokens, WHOLE},
    {"token revoke", make_token, revoke_token, WHOLE},
    {"idempotency", name_key, answer_once, WHOLE},
    {"audit", NULL, write_audit, WHOLE},
    {"request-image", withdraw_httpd, request_httpd, WHOLE},
    {"reject-image", ask_for_httpd, reject_httpd, WHOLE},
    {"approve-image, to be pulled", ask_for_httpd, pull_httpd, MAY_BE_DONE},
    {"get-image-requests", NULL, list_requests, WHOLE},
    {"remove-image", approve_httpd, purge_httpd, MAY_BE_DONE},
    {"approve-image", withdraw_demo, approve_demo, WHOLE},
    {"find approval", NULL, find_approval, WHOLE},
    {"create-app", remove_app, create_app, MAY_BE_DONE},
    {"start-app", make_stopped, start_app, MAY_BE_DONE},
    {"pause-app", make_running, pause_app, MAY_BE_DONE},
    {"unpause-app", make_paused, unpause_app, MAY_BE_DONE},
    {"restart-app", make_running, restart_app, STOPS},
    {"stop-app", make_running, stop_app, MAY_BE_DONE},
    {"kill-app", make_running, kill_app, MAY_BE_DONE},
    {"get-app-info", make_running, inspect_app, WHOLE},
    {"get-uptime-summary", make_running, summarise, WHOLE},
    {"hard-reset-app", make_running, reset_app, STOPS},
    {"delete-app", make_running, delete_app, STOPS},
};

/* ---- Each allocation of each ---- */

static void check_failed(const struct operation *operation, size_t n, int r,
                         const struct berth_error *err, const char *before, const char *after)
{
    ck_assert_msg(r == BERTH_E_NOMEM, "%s, allocation %zu: %d %s [%s]", operation->name, n, r,
                  err->message, err->detail);
    if (strcmp(before, after) == 0)
        return;
    bool is_said = strcmp(err->message, "out of memory") != 0;
    ck_assert_msg(operation->guarantee == STOPS || (operation->guarantee == MAY_BE_DONE && is_said),
                  "%s, allocation %zu: \"%s\", but before:\n%safter:\n%s", operation->name, n,
                  err->message, before, after);
}

/* Until it has all the memory it wants. */
static void try_until_done(struct world *world, const struct operation *operation,
                           void (*fail_after)(size_t successes))
{
    for (size_t n = 0;; n++) {
        struct berth_error err = BERTH_ERROR_INIT;
        if (operation->prepare)
            operation->prepare(world);
        BERTH_CLEANUP(free) char *before = describe(world);
        fail_after(n);
        int r = operation->run(world, &err);
        bool failed = unit_alloc_restore();
        BERTH_CLEANUP(free) char *after = describe(world);
        if (r < 0)
            check_failed(operation, n, r, &err, before, after);
        if (failed)
            continue;
        ck_assert_msg(r == 0, "%s: %d %s", operation->name, r, err.message);
        return;
    }
}

START_TEST(a_change_is_whole_or_none)
{
    const struct operation *operation = &operations[_i];
    struct world world;
    unit_alloc_libraries();
    unit_alloc_everywhere();
    open_world(&world);
    if (operation->run != approve_demo)
        ck_assert_int_eq(approve_demo(&world, NULL), 0);
    try_until_done(&world, operation, unit_alloc_fail_after);
    try_until_done(&world, operation, unit_alloc_fail_once_after);
    close_world(&world);
}
END_TEST

static void (*const starts_fail_after[])(size_t successes) = {unit_alloc_fail_after,
                                                              unit_alloc_fail_once_after};

START_TEST(a_start_is_whole_or_none)
{
    struct world world;
    unit_alloc_libraries();
    unit_alloc_everywhere();
    open_world(&world);
    ck_assert_int_eq(approve_demo(&world, NULL), 0);
    ck_assert_int_eq(create_app(&world, NULL), 0);
    ck_assert_int_eq(create_token(&world, NULL), 0);
    BERTH_CLEANUP(free) char *before = describe(&world);
    bool failed = true;
    for (size_t n = 0; failed; n++) {
        struct berth_error err = BERTH_ERROR_INIT;
        close_parts(&world);
        starts_fail_after[_i](n);
        int r = open_parts(&world, &err);
        failed = unit_alloc_restore();
        ck_assert_msg(r == 0 || (failed && r == BERTH_E_NOMEM), "allocation %zu: %d %s", n, r,
                      err.message);
        if (r < 0)
            continue;
        /* The engine in memory begins anew: its apps are no part of what is kept. */
        BERTH_CLEANUP(free) char *after = describe(&world);
        ck_assert_msg(strncmp(before, after, strstr(before, APP) - before) == 0,
                      "allocation %zu: before:\n%safter:\n%s", n, before, after);
    }
    close_world(&world);
}
END_TEST

Suite *unit_suite(void)
{
    Suite *suite = suite_create("out_of_memory");
    TCase *tcase = tcase_create("out_of_memory");
    tcase_add_loop_test(tcase, a_change_is_whole_or_none, 0, (int)UNIT_COUNT(operations));
    tcase_add_loop_test(tcase, a_start_is_whole_or_none, 0, (int)UNIT_COUNT(starts_fail_after));
    suite_add_tcase(suite, tcase);
    return suite;
}
