/* SPDX-License-Identifier: MIT */
/* Two gateways on one store: what each changes, records and pulls. */
#include "base/clock.h"
#include "base/thread.h"
#include "facilities/facility.h"
#include "facilities/idempotency.h"
#include "facilities/uptime_internal.h"
#include "tests/unit/shared_store.h"
#include "tests/unit/unit.h"

#include <string.h>

static const struct berth_caller admin = {.user = "root", .role = BERTH_ROLE_ADMIN};

/* ---- Users and tokens ---- */

static int on_identity(const struct berth_store_news *news, void *ctx)
{
    ck_assert_int_ne(news->subject, BERTH_NEWS_APPROVALS);
    ck_assert_int_eq(berth_identity_reload(ctx, NULL), 0);
    return 0;
}

struct people {
    struct berth_store *stores[SHARED_GATEWAYS];
    struct berth_identity *here;
    struct berth_identity *there;
};

static void nap_until(int64_t deadline_ms, const char *what)
{
    ck_assert_msg(berth_clock_monotonic_ms() < deadline_ms, "%s", what);
    (void)nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
}

/* Until the other gateway has heard of it. */
#define AWAIT(condition)                                                                           \
    do {                                                                                           \
        int64_t deadline_ms = berth_clock_monotonic_ms() + 30000;                                  \
        while (!(condition))                                                                       \
            nap_until(deadline_ms, #condition);                                                    \
    } while (0)

static void open_people(struct people *people)
{
    shared_open(people->stores);
    ck_assert_int_eq(berth_identity_open(people->stores[0], &people->here, NULL), 0);
    ck_assert_int_eq(berth_identity_open(people->stores[1], &people->there, NULL), 0);
    ck_assert_int_eq(berth_store_listen(people->stores[1], on_identity, people->there, NULL), 0);
    ck_assert_int_eq(berth_identity_add(people->here, NULL, "root", "correct horse", true, NULL),
                     0);
    ck_assert_int_eq(berth_identity_add(people->here, NULL, "ana", "battery staple", false, NULL),
                     0);
    AWAIT(berth_identity_has(people->there, "ana"));
}

static void close_people(struct people *people)
{
    berth_store_deafen(people->stores[1]);
    berth_identity_close(people->there);
    berth_identity_close(people->here);
    shared_close();
}

static int log_in(struct berth_identity *identity, const char *password)
{
    return berth_identity_verify(identity, "ana", password, strlen(password), "192.0.2.1", NULL);
}

static enum berth_role role_of(struct berth_identity *identity)
{
    bool is_admin = false;
    return berth_identity_role(identity, "ana", "lab", &is_admin);
}

START_TEST(a_change_of_a_user_counts_at_the_other_gateway)
{
    struct people people;
    open_people(&people);
    ck_assert_int_eq(log_in(people.there, "battery staple"), 0);
    struct berth_caller caller = {.user = "ana",
                                  .standing = berth_identity_standing(people.there, "ana")};
    ck_assert_int_eq(
        berth_identity_grant(people.here, NULL, "ana", "lab", BERTH_ROLE_OPERATOR, NULL), 0);
    AWAIT(role_of(people.there) == BERTH_ROLE_OPERATOR);
    ck_assert_int_eq(berth_identity_confirm(people.there, "lab", &caller, NULL),
                     BERTH_E_UNAUTHORISED);
    caller.role = BERTH_ROLE_OPERATOR;
    ck_assert_int_eq(berth_identity_confirm(people.there, "lab", &caller, NULL), 0);

    ck_assert_int_eq(berth_identity_set_password(people.here, NULL, "ana", "another one", NULL), 0);
    AWAIT(berth_identity_confirm(people.there, "lab", &caller, NULL) == BERTH_E_UNAUTHORISED);
    ck_assert_int_eq(log_in(people.there, "battery staple"), BERTH_E_UNAUTHORISED);
    ck_assert_int_eq(log_in(people.there, "another one"), 0);
    ck_assert_int_eq(berth_identity_remove(people.here, NULL, "ana", NULL), 0);
    AWAIT(!berth_identity_has(people.there, "ana"));
    ck_assert_int_eq(berth_identity_add(people.there, NULL, "ana", "battery staple", false, NULL),
                     BERTH_E_EXISTS);
    close_people(&people);
}
END_TEST

static int use(struct berth_identity *identity, const char *text, struct berth_caller *caller)
{
    *caller = (struct berth_caller){.address = "192.0.2.1"};
    return berth_identity_verify_token(identity, text, "", caller, NULL);
}

/* Without a wrong token's being counted. */
static bool knows(struct berth_identity *identity, const char *user, size_t tokens)
{
    BERTH_CLEANUP(free) struct berth_token *list = NULL;
    size_t count = 0;
    ck_assert_int_eq(berth_tokens_list(berth_identity_tokens(identity), user, &list, &count, NULL),
                     0);
    return count == tokens;
}

START_TEST(tokens_are_shared)
{
    struct people people;
    open_people(&people);
    struct berth_token wanted = {.user = "ana"};
    char text[BERTH_TOKEN_SIZE];
    char own[BERTH_TOKEN_SIZE];
    struct berth_caller caller;
    struct berth_tokens *here = berth_identity_tokens(people.here);
    ck_assert_int_eq(
        berth_tokens_create(berth_identity_tokens(people.there), NULL, &wanted, own, NULL), 0);
    ck_assert_int_eq(berth_tokens_create(here, NULL, &wanted, text, NULL), 0);
    AWAIT(knows(people.there, "ana", 2));
    ck_assert_int_eq(use(people.there, text, &caller), 0);
    ck_assert_int_eq(berth_tokens_revoke(here, NULL, caller.token_id, NULL), 0);
    AWAIT(berth_identity_confirm(people.there, "", &caller, NULL) == BERTH_E_UNAUTHORISED);
    ck_assert_int_eq(use(people.there, text, &caller), BERTH_E_UNAUTHORISED);
    ck_assert_int_eq(use(people.there, own, &caller), 0);
    ck_assert_int_eq(berth_identity_remove(people.here, NULL, "ana", NULL), 0);
    AWAIT(knows(people.there, "ana", 0));
    ck_assert_int_eq(use(people.there, own, &caller), BERTH_E_UNAUTHORISED);
    close_people(&people);
}
END_TEST

/* ---- Idempotency-Key ---- */

START_TEST(a_key_is_under_way_at_both_gateways)
{
    struct berth_store *stores[SHARED_GATEWAYS];
    struct berth_idempotency *gateways[SHARED_GATEWAYS];
    struct berth_idempotency_flight *flights[SHARED_GATEWAYS] = {NULL};
    const struct berth_idempotency_key key = {.caller = "ana", .facility = "lab", .key = "k1"};
    BERTH_CLEANUP(kept_answer) struct berth_kept_answer kept = {0};
    char type[] = "text/plain";
    char body[] = "Success";
    const struct berth_kept_answer answer = {.status = 200, .type = type, .text = body};
    shared_open(stores);
    for (size_t i = 0; i < SHARED_GATEWAYS; i++)
        ck_assert_int_eq(berth_idempotency_new(stores[i], &gateways[i], NULL), 0);
    ck_assert_int_eq(berth_idempotency_begin(gateways[0], &key, 1, &kept, &flights[0], NULL), 0);
    ck_assert_int_eq(berth_idempotency_begin(gateways[1], &key, 1, &kept, &flights[1], NULL),
                     BERTH_E_CONFLICT);
    ck_assert_int_eq(berth_idempotency_end(gateways[0], flights[0], &answer, 1, NULL), 0);
    ck_assert_int_eq(berth_idempotency_begin(gateways[1], &key, 2, &kept, &flights[1], NULL), 0);
    ck_assert_ptr_null(flights[1]);
    ck_assert_str_eq(kept.text, "Success");
    for (size_t i = 0; i < SHARED_GATEWAYS; i++)
        berth_idempotency_free(gateways[i]);
    shared_close();
}
END_TEST

/* ---- Facilities ---- */

struct gateways {
    struct berth_store *stores[SHARED_GATEWAYS];
    struct berth_uptime *uptimes[SHARED_GATEWAYS];
    struct berth_facility *facilities[SHARED_GATEWAYS];
};

static int on_request(const struct berth_store_news *news, void *ctx)
{
    struct berth_facility *facility = ctx;
    ck_assert_int_eq(news->subject, BERTH_NEWS_APPROVALS);
    ck_assert_str_eq(news->facility, "demo");
    ck_assert_int_eq(berth_approvals_hear(facility->approvals, strtoll(news->key, NULL, 10), NULL),
                     0);
    return 0;
}

/* step_ms: each of the eleven steps in which the first pulls an image; the other does so at once.
 */
static void open_gateways(struct gateways *gateways, int64_t step_ms)
{
    const struct berth_uptime_config sampling = {.sample_interval_s = 600, .retention_days = 1};
    struct berth_facility_config config = {
        .id = "demo",
        .backend = "memory",
        .engine = {.request_timeout_ms = 10000, .max_inflight = 32},
    };
    shared_open(gateways->stores);
    for (size_t i = 0; i < SHARED_GATEWAYS; i++) {
        config.engine.memory.verb_delay_ms = i == 0 ? step_ms : 0;
        ck_assert_int_eq(
            berth_uptime_open(gateways->stores[i], &sampling, &gateways->uptimes[i], NULL), 0);
        ck_assert_int_eq(berth_facility_open(&config, gateways->stores[i], gateways->uptimes[i],
                                             &gateways->facilities[i], NULL),
                         0);
        ck_assert_int_eq(berth_facility_start(gateways->facilities[i], NULL), 0);
        ck_assert_int_eq(
            berth_store_listen(gateways->stores[i], on_request, gateways->facilities[i], NULL), 0);
    }
}

static void close_gateway(struct gateways *gateways, size_t i)
{
    berth_store_deafen(gateways->stores[i]);
    berth_facility_stop(gateways->facilities[i]);
    berth_facility_unref(gateways->facilities[i]);
    berth_uptime_close(gateways->uptimes[i]);
    berth_store_close(gateways->stores[i]);
}

static int approve(struct berth_facility *facility, bool wait)
{
    BERTH_CLEANUP(approval) struct berth_approval approval = {0};
    struct berth_image_ref ref;
    const struct berth_approval_key key = {.ref = &ref};
    ck_assert_int_eq(berth_image_ref_parse("image", "httpd", NULL, &ref, NULL), 0);
    return berth_approvals_approve(facility->approvals, &admin, &key, wait, &approval, NULL);
}

static int count_row(const struct berth_row *row, void *ctx,
                     struct berth_error *err __attribute__((unused)))
{
    *(int64_t *)ctx = berth_row_int(row, 0);
    return 0;
}

static int count_pulls_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    return berth_txn_run(txn, "SELECT count(*) FROM audit WHERE action = 'pull-image'", NULL, 0,
                         count_row, ctx, NULL, err);
}

static int64_t count_pulls(struct berth_store *store)
{
    int64_t count = -1;
    ck_assert_int_eq(berth_store_read(store, count_pulls_job, &count, NULL), 0);
    return count;
}

/* The engine of a gateway has the image that it has pulled. */
static bool has_image(struct berth_facility *facility)
{
    BERTH_CLEANUP(image_list) struct berth_image_list *images = NULL;
    ck_assert_int_eq(berth_backend_images(facility->backend, &images, NULL), 0);
    return berth_image_list_find(images, "httpd:latest") != NULL;
}

/* How many of the changes from *sequence on say that. */
static size_t count_approved(struct berth_facility *facility, uint64_t *sequence)
{
    struct berth_change *changes[16];
    size_t count = 0;
    size_t seen = 0;
    ck_assert_int_eq(berth_changes_read(facility->changes, sequence, changes, UNIT_COUNT(changes),
                                        berth_clock_monotonic_ms() + 100, &count, NULL),
                     0);
    for (size_t i = 0; i < count; i++) {
        seen += changes[i]->kind == BERTH_CHANGE_REQUEST &&
                changes[i]->request.state == BERTH_APPROVAL_APPROVED;
        berth_change_unref(changes[i]);
    }
    return seen;
}

START_TEST(one_gateway_pulls_and_both_know)
{
    struct gateways gateways;
    open_gateways(&gateways, 300); /* so that the other still finds it under way */
    ck_assert_int_eq(approve(gateways.facilities[0], false), 0);
    /* The other joins it, and ends with it. It is made by who is first to hold it. */
    ck_assert_int_eq(approve(gateways.facilities[1], true), 0);
    ck_assert(has_image(gateways.facilities[0]) != has_image(gateways.facilities[1]));
    ck_assert_int_eq(count_pulls(gateways.stores[0]), 1);

    /* Those who watch the other gateway have seen it once. */
    uint64_t sequence = 0;
    AWAIT(count_approved(gateways.facilities[1], &sequence) == 1);
    for (size_t i = 0; i < SHARED_GATEWAYS; i++)
        close_gateway(&gateways, i);
    shared_close();
}
END_TEST

START_TEST(a_pull_is_taken_over)
{
    struct gateways gateways;
    open_gateways(&gateways, 1000);
    ck_assert_int_eq(approve(gateways.facilities[0], false), 0);
    close_gateway(&gateways, 0); /* with the pull under way */
    ck_assert_int_eq(approve(gateways.facilities[1], true), 0);
    ck_assert(has_image(gateways.facilities[1]));
    ck_assert_int_eq(count_pulls(gateways.stores[1]), 1);
    close_gateway(&gateways, 1);
    shared_close();
}
END_TEST

/* ---- Uptime ---- */

/* "STATE FROM-TO" a span, in tenths of a second after base_ms. */
struct spans {
    struct berth_strbuf text;
    int64_t base_ms;
};

static int append_span(const struct berth_row *row, void *ctx,
                       struct berth_error *err __attribute__((unused)))
{
    struct spans *spans = ctx;
    berth_strbuf_addf(&spans->text, "%s%s %lld-", spans->text.len ? ", " : "",
                      berth_row_text(row, 0),
                      (long long)(berth_row_int(row, 1) - spans->base_ms) / 100);
    if (!berth_row_is_null(row, 2))
        berth_strbuf_addf(&spans->text, "%lld",
                          (long long)(berth_row_int(row, 2) - spans->base_ms) / 100);
    return 0;
}

static int read_spans_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    return berth_txn_run(txn,
                         "SELECT state, from_ms, to_ms FROM uptime_span ORDER BY app, from_ms, id",
                         NULL, 0, append_span, ctx, NULL, err);
}

static bool holds_spans(struct berth_store *store, int64_t base_ms, const char *expected)
{
    struct spans spans = {.text = BERTH_STRBUF_INIT(4096), .base_ms = base_ms};
    ck_assert_int_eq(berth_store_read(store, read_spans_job, &spans, NULL), 0);
    bool is_equal = strcmp(berth_strbuf_str(&spans.text), expected) == 0;
    berth_strbuf_release(&spans.text);
    return is_equal;
}

struct recorders {
    struct berth_store *stores[SHARED_GATEWAYS];
    struct berth_uptime *uptimes[SHARED_GATEWAYS];
    int64_t base_ms; /* of what both have seen */
};

static void open_recorder(struct recorders *recorders, size_t i)
{
    const struct berth_uptime_config sampling = {.sample_interval_s = 1, .retention_days = 1};
    ck_assert_int_eq(
        berth_uptime_open(recorders->stores[i], &sampling, &recorders->uptimes[i], NULL), 0);
    BERTH_LOCK_SCOPE(guard, &recorders->uptimes[i]->lock);
    recorders->uptimes[i]->flush_ms = 60000; /* however long its thread is held up */
}

static void see(struct recorders *recorders, size_t i, const char *app, enum berth_app_state state,
                int64_t tenths)
{
    berth_uptime_observe(recorders->uptimes[i], "demo", app, state,
                         (recorders->base_ms + tenths * 100) * BERTH_NS_PER_MS);
}

static void both_see(struct recorders *recorders, const char *app, enum berth_app_state state,
                     int64_t tenths)
{
    see(recorders, 0, app, state, tenths);
    see(recorders, 1, app, state, tenths);
}

START_TEST(another_goes_on_recording)
{
    struct recorders recorders = {.base_ms = berth_clock_wall_ns() / BERTH_NS_PER_MS - 60000};
    shared_open(recorders.stores);
    open_recorder(&recorders, 0);
    see(&recorders, 0, "a", BERTH_APP_RUNNING, 0);
    AWAIT(holds_spans(recorders.stores[0], recorders.base_ms, "running 0-"));
    open_recorder(&recorders, 1);
    both_see(&recorders, "a", BERTH_APP_RUNNING, 10);
    both_see(&recorders, "b", BERTH_APP_RUNNING, 20);
    AWAIT(holds_spans(recorders.stores[0], recorders.base_ms, "running 0-, running 20-"));

    /* What happens while nobody records is known to the one that goes on; b was there before. */
    shared_drop_holds(recorders.stores[0]);
    see(&recorders, 1, "b", BERTH_APP_EXITED, 100);
    AWAIT(holds_spans(recorders.stores[1], recorders.base_ms,
                      "running 0-, running 20-100, exited 100-"));

    /* The one before does not know it yet, and writes nothing all the same. */
    both_see(&recorders, "a", BERTH_APP_EXITED, 200);
    see(&recorders, 0, "c", BERTH_APP_RUNNING, 300);
    AWAIT(holds_spans(recorders.stores[1], recorders.base_ms,
                      "running 0-200, exited 200-, running 20-100, exited 100-"));
    berth_uptime_close(recorders.uptimes[0]);
    ck_assert(holds_spans(recorders.stores[1], recorders.base_ms,
                          "running 0-200, exited 200-, running 20-100, exited 100-"));
    berth_uptime_close(recorders.uptimes[1]);
    shared_close();
}
END_TEST

START_TEST(who_does_not_record_tells_all_the_same)
{
    struct recorders recorders = {.base_ms = berth_clock_wall_ns() / BERTH_NS_PER_MS - 60000};
    BERTH_CLEANUP(strbuf) struct berth_strbuf recorded = BERTH_STRBUF_INIT(1 << 20);
    BERTH_CLEANUP(strbuf) struct berth_strbuf followed = BERTH_STRBUF_INIT(1 << 20);
    shared_open(recorders.stores);
    open_recorder(&recorders, 0);
    see(&recorders, 0, "a", BERTH_APP_RUNNING, 0);
    AWAIT(holds_spans(recorders.stores[0], recorders.base_ms, "running 0-"));
    open_recorder(&recorders, 1);
    both_see(&recorders, "a", BERTH_APP_EXITED, 200);
    int64_t now_ns = (recorders.base_ms + 60000) * BERTH_NS_PER_MS;
    for (size_t i = 0; i < SHARED_GATEWAYS; i++)
        berth_uptime_alive(recorders.uptimes[i], "demo", now_ns);
    ck_assert_int_eq(berth_uptime_summary(recorders.uptimes[0], "demo", "a", BERTH_UPTIME_HOUR,
                                          now_ns, &recorded, NULL),
                     0);
    ck_assert_int_eq(berth_uptime_summary(recorders.uptimes[1], "demo", "a", BERTH_UPTIME_HOUR,
                                          now_ns, &followed, NULL),
                     0);
    ck_assert_str_eq(berth_strbuf_str(&recorded), berth_strbuf_str(&followed));
    ck_assert_uint_gt(recorded.len, 1000); /* a sample a second */
    for (size_t i = 0; i < SHARED_GATEWAYS; i++)
        berth_uptime_close(recorders.uptimes[i]);
    shared_close();
}
END_TEST

UNIT_SUITE("several", another_goes_on_recording, who_does_not_record_tells_all_the_same,
           a_change_of_a_user_counts_at_the_other_gateway, tokens_are_shared,
           a_key_is_under_way_at_both_gateways, one_gateway_pulls_and_both_know,
           a_pull_is_taken_over)
