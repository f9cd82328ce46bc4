/* SPDX-License-Identifier: MIT */
#include "facilities/idempotency.h"

#include "tests/unit/store_open.h"
#include "tests/unit/unit.h"

#include <string.h>

#define NOW INT64_C(1700000000000)

struct fixture {
    char *dir;
    struct berth_store *store;
    struct berth_idempotency *kept;
};

static void open_fixture(struct fixture *f)
{
    struct berth_error err = BERTH_ERROR_INIT;
    if (!f->dir)
        f->dir = unit_scratch("data");
    ck_assert_msg(unit_store_open(f->dir, &f->store, &err) == 0, "%s", err.message);
    ck_assert_int_eq(berth_idempotency_new(f->store, &f->kept, &err), 0);
}

static void close_fixture(struct fixture *f)
{
    berth_idempotency_free(f->kept);
    berth_store_close(f->store);
}

static void release_fixture(struct fixture *f)
{
    close_fixture(f);
    free(f->dir);
}
BERTH_DEFINE_CLEANUP_VALUE(fixture, struct fixture, release_fixture)

static struct berth_idempotency_key key_of(const char *caller, const char *facility,
                                           const char *key, unsigned char request)
{
    struct berth_idempotency_key made = {.caller = caller, .facility = facility, .key = key};
    memset(made.request, request, sizeof(made.request));
    return made;
}

static int begin(struct fixture *f, const struct berth_idempotency_key *key, int64_t now_ms,
                 struct berth_kept_answer *ret_answer, struct berth_idempotency_flight **ret_flight)
{
    struct berth_error err = BERTH_ERROR_INIT;
    int r = berth_idempotency_begin(f->kept, key, now_ms, ret_answer, ret_flight, &err);
    ck_assert_int_eq(err.status, r);
    return r;
}

/* A request that is answered with text at once. */
static void answer(struct fixture *f, const struct berth_idempotency_key *key, int64_t now_ms,
                   const char *text)
{
    char type[] = "text/plain";
    char body[64];
    struct berth_kept_answer found = {0};
    struct berth_idempotency_flight *flight = NULL;
    ck_assert_int_eq(begin(f, key, now_ms, &found, &flight), 0);
    ck_assert_ptr_null(found.text);
    ck_assert_ptr_nonnull(flight);
    (void)snprintf(body, sizeof(body), "%s", text);
    const struct berth_kept_answer made = {200, type, body};
    ck_assert_int_eq(berth_idempotency_end(f->kept, flight, &made, now_ms, NULL), 0);
}

/* True if the answer of the key is text; NULL: if there is none. */
static bool replays(struct fixture *f, const struct berth_idempotency_key *key, int64_t now_ms,
                    const char *text)
{
    BERTH_CLEANUP(kept_answer) struct berth_kept_answer found = {0};
    struct berth_idempotency_flight *flight = NULL;
    ck_assert_int_eq(begin(f, key, now_ms, &found, &flight), 0);
    ck_assert((found.text == NULL) == (flight != NULL));
    if (flight)
        ck_assert_int_eq(berth_idempotency_end(f->kept, flight, NULL, now_ms, NULL), 0);
    else
        ck_assert(found.status == 200 && strcmp(found.type, "text/plain") == 0);
    return text ? found.text && strcmp(found.text, text) == 0 : !found.text;
}

START_TEST(an_answer_is_kept_for_a_day_and_over_a_restart)
{
    BERTH_CLEANUP(fixture) struct fixture f = {0};
    open_fixture(&f);
    const struct berth_idempotency_key key = key_of("ana", "lab", "k", 1);
    answer(&f, &key, NOW, "first");
    ck_assert(replays(&f, &key, NOW + 1, "first"));
    close_fixture(&f);
    open_fixture(&f);
    ck_assert(replays(&f, &key, NOW + BERTH_IDEMPOTENCY_MS - 1, "first"));
    ck_assert(replays(&f, &key, NOW + BERTH_IDEMPOTENCY_MS, NULL));
    answer(&f, &key, NOW + BERTH_IDEMPOTENCY_MS, "second");
    ck_assert(replays(&f, &key, NOW + BERTH_IDEMPOTENCY_MS, "second"));
}
END_TEST

START_TEST(a_key_is_its_callers_in_its_facility)
{
    BERTH_CLEANUP(fixture) struct fixture f = {0};
    open_fixture(&f);
    const struct berth_idempotency_key rows[] = {
        key_of("ana", "lab", "k", 1), key_of("ben", "lab", "k", 2), key_of("ana", "demo", "k", 3),
        key_of("ana", "lab", "K", 4), key_of("", "lab", "k", 5),
    };
    char text[16];
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        (void)snprintf(text, sizeof(text), "answer %zu", i);
        answer(&f, &rows[i], NOW, text);
    }
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        (void)snprintf(text, sizeof(text), "answer %zu", i);
        ck_assert(replays(&f, &rows[i], NOW, text));
    }
    struct berth_kept_answer found = {0};
    struct berth_idempotency_flight *flight = NULL;
    const struct berth_idempotency_key other = key_of("ana", "lab", "k", 9);
    ck_assert_int_eq(begin(&f, &other, NOW, &found, &flight), BERTH_E_EXISTS);
    ck_assert(!found.text && !flight);
    ck_assert(replays(&f, &rows[0], NOW, "answer 0"));
}
END_TEST

/* What was old when the request began is not any more when its answer comes. */
START_TEST(a_clock_set_back_costs_no_answer)
{
    BERTH_CLEANUP(fixture) struct fixture f = {0};
    open_fixture(&f);
    struct berth_idempotency_key key = key_of("ana", "lab", "k", 1);
    answer(&f, &key, NOW, "first");
    struct berth_kept_answer found = {0};
    struct berth_idempotency_flight *flight = NULL;
    key = key_of("ana", "lab", "k", 2);
    ck_assert_int_eq(begin(&f, &key, NOW + BERTH_IDEMPOTENCY_MS, &found, &flight), 0);
    char type[] = "text/plain";
    char text[] = "second";
    const struct berth_kept_answer second = {200, type, text};
    ck_assert_int_eq(berth_idempotency_end(f.kept, flight, &second, NOW + 1, NULL), 0);
    ck_assert(replays(&f, &key, NOW + 1, "second"));
}
END_TEST

START_TEST(while_the_first_is_under_way_others_wait)
{
    BERTH_CLEANUP(fixture) struct fixture f = {0};
    open_fixture(&f);
    const struct berth_idempotency_key key = key_of("ana", "lab", "k", 1);
    const struct berth_idempotency_key own = key_of("ben", "lab", "k", 1);
    struct berth_kept_answer found = {0};
    struct berth_idempotency_flight *first = NULL;
    struct berth_idempotency_flight *second = NULL;
    ck_assert_int_eq(begin(&f, &key, NOW, &found, &first), 0);
    ck_assert_int_eq(begin(&f, &key, NOW, &found, &second), BERTH_E_CONFLICT);
    ck_assert_ptr_null(second);
    ck_assert(replays(&f, &own, NOW, NULL));

    /* What was not worth keeping leaves the key free. */
    ck_assert_int_eq(berth_idempotency_end(f.kept, first, NULL, NOW, NULL), 0);
    ck_assert(replays(&f, &key, NOW, NULL));
}
END_TEST

START_TEST(the_newest_of_a_caller_are_kept)
{
    BERTH_CLEANUP(fixture) struct fixture f = {0};
    char name[32];
    open_fixture(&f);
    const struct berth_idempotency_key bens = key_of("ben", "lab", "k", 1);
    answer(&f, &bens, NOW, "ben's");
    for (int i = 0; i < BERTH_IDEMPOTENCY_KEPT_MAX + 1; i++) {
        (void)snprintf(name, sizeof(name), "key %d", i);
        const struct berth_idempotency_key key = key_of("ana", "lab", name, 1);
        answer(&f, &key, NOW, name);
    }
    const struct berth_idempotency_key gone = key_of("ana", "lab", "key 0", 1);
    const struct berth_idempotency_key oldest = key_of("ana", "lab", "key 1", 1);
    ck_assert(replays(&f, &gone, NOW, NULL));
    ck_assert(replays(&f, &oldest, NOW, "key 1"));
    ck_assert(replays(&f, &bens, NOW, "ben's"));
}
END_TEST

START_TEST(out_of_memory_leaves_nothing_under_way)
{
    BERTH_CLEANUP(fixture) struct fixture f = {0};
    open_fixture(&f);
    const struct berth_idempotency_key key = key_of("ana", "lab", "k", 1);
    answer(&f, &key, NOW, "first");
    for (size_t n = 0;; n++) {
        struct berth_kept_answer found = {0};
        struct berth_idempotency_flight *flight = NULL;
        unit_alloc_fail_after(n);
        int r = berth_idempotency_begin(f.kept, &key, NOW, &found, &flight, NULL);
        if (!unit_alloc_restore()) {
            ck_assert_int_eq(r, 0);
            berth_kept_answer_release(&found);
            break;
        }
        ck_assert_int_eq(r, BERTH_E_NOMEM);
        ck_assert(!found.text && !flight);
    }
    ck_assert(replays(&f, &key, NOW, "first"));
}
END_TEST

UNIT_SUITE("idempotency", an_answer_is_kept_for_a_day_and_over_a_restart,
           a_key_is_its_callers_in_its_facility, a_clock_set_back_costs_no_answer,
           while_the_first_is_under_way_others_wait, the_newest_of_a_caller_are_kept,
           out_of_memory_leaves_nothing_under_way)
