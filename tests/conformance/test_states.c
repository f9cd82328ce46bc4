/* SPDX-License-Identifier: MIT */
/* Every verb in every state an app of ours can be in: what it becomes, or that it is refused. */
#include "tests/conformance/conformance.h"

#include <string.h>

/* How an app gets into a state. */
static const struct {
    enum berth_app_state state;
    enum berth_verb path[2];
    size_t length;
} starts[] = {
    {BERTH_APP_CREATED, {0}, 0},
    {BERTH_APP_RUNNING, {BERTH_VERB_START}, 1},
    {BERTH_APP_PAUSED, {BERTH_VERB_START, BERTH_VERB_PAUSE}, 2},
    {BERTH_APP_EXITED, {BERTH_VERB_START, BERTH_VERB_KILL}, 2},
};

#define SAME    BERTH_APP_UNKNOWN /* nothing happens, which is no error */
#define REFUSED BERTH_APP_DEAD    /* BERTH_E_CONFLICT, and nothing happens */
#define GONE    BERTH_APP_REMOVING

/* In the order of starts: what the verb makes of it. */
static const struct {
    enum berth_verb verb;
    enum berth_app_state becomes[COUNT(starts)];
} rows[] = {
    {BERTH_VERB_START, {BERTH_APP_RUNNING, SAME, REFUSED, BERTH_APP_RUNNING}},
    {BERTH_VERB_STOP, {SAME, BERTH_APP_EXITED, BERTH_APP_EXITED, SAME}},
    {BERTH_VERB_PAUSE, {REFUSED, BERTH_APP_PAUSED, REFUSED, REFUSED}},
    {BERTH_VERB_UNPAUSE, {REFUSED, REFUSED, BERTH_APP_RUNNING, REFUSED}},
    {BERTH_VERB_RESTART,
     {BERTH_APP_RUNNING, BERTH_APP_RUNNING, BERTH_APP_RUNNING, BERTH_APP_RUNNING}},
    {BERTH_VERB_KILL, {REFUSED, BERTH_APP_EXITED, BERTH_APP_EXITED, REFUSED}},
    {BERTH_VERB_REMOVE, {GONE, GONE, GONE, GONE}},
    {BERTH_VERB_REMOVE_ENDED, {GONE, REFUSED, REFUSED, GONE}},
};

/* Compares what the verb did; returns true if the app is still there. */
static bool check_outcome(struct fixture *fixture, const struct berth_app *before,
                          enum berth_verb verb, enum berth_app_state becomes)
{
    struct berth_error err = BERTH_ERROR_INIT;
    int status = berth_backend_act(fixture->backend, verb, before->id, &err);
    int expected = becomes == REFUSED ? BERTH_E_CONFLICT : 0;
    const char *from = berth_app_state_name(before->state);
    ck_assert_msg(status == expected, "%s of a %s app: %s: %s", verb_name(verb), from,
                  berth_status_name((enum berth_status)status), err.message);
    if (status)
        ck_assert_msg(err.message[0] != '\0', "%s of a %s app: no message", verb_name(verb), from);
    BERTH_CLEANUP(app) struct berth_app *after = app_get(fixture, before->id);
    if (becomes == GONE) {
        ck_assert_msg(!after, "%s of a %s app left it there", verb_name(verb), from);
        return false;
    }
    ck_assert_msg(after != NULL, "%s of a %s app lost it", verb_name(verb), from);
    enum berth_app_state state = becomes == SAME || becomes == REFUSED ? before->state : becomes;
    ck_assert_msg(after->state == state, "%s of a %s app: it is %s, not %s", verb_name(verb), from,
                  berth_app_state_name(after->state), berth_app_state_name(state));
    if (becomes == SAME || becomes == REFUSED) {
        ck_assert_int_eq(after->started_ns, before->started_ns);
        ck_assert_int_eq(after->finished_ns, before->finished_ns);
    }
    if (becomes == BERTH_APP_EXITED)
        ck_assert_msg(after->finished_ns > before->started_ns, "%s of a %s app: no end",
                      verb_name(verb), from);
    if (verb == BERTH_VERB_RESTART || verb == BERTH_VERB_START)
        ck_assert_msg(becomes != BERTH_APP_RUNNING || after->started_ns > before->started_ns,
                      "%s of a %s app: not started anew", verb_name(verb), from);
    if (verb == BERTH_VERB_KILL && becomes == BERTH_APP_EXITED)
        ck_assert_int_eq(after->exit_code, 137);
    app_settle(fixture, before->id);
    return true;
}

/* One verb from one state, on an app of its own. */
START_TEST(verbs_do_as_the_table_says)
{
    size_t row = (size_t)_i / COUNT(starts);
    size_t start = (size_t)_i % COUNT(starts);
    if (!apps_are_operated() ||
        (rows[row].verb == BERTH_VERB_REMOVE_ENDED && !conformance_ops()->remove_ended))
        return; /* the table says who must have it */
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    BERTH_CLEANUP(free) char *id = app_create(&fixture, "ana");
    for (size_t i = 0; i < starts[start].length; i++)
        act_ok(&fixture, starts[start].path[i], id);
    BERTH_CLEANUP(app) struct berth_app *before = app_get(&fixture, id);
    ck_assert_ptr_nonnull(before);
    ck_assert_msg(before->state == starts[start].state, "it is %s, not %s",
                  berth_app_state_name(before->state), berth_app_state_name(starts[start].state));
    if (!check_outcome(&fixture, before, rows[row].verb, rows[row].becomes[start]))
        ck_assert_uint_eq(app_count(&fixture), 0);
}
END_TEST

START_TEST(kill_removes_what_is_not_operated)
{
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    struct berth_error err = BERTH_ERROR_INIT;
    if (apps_are_operated())
        return;
    BERTH_CLEANUP(free) char *id = app_create(&fixture, "ana");
    ASSERT_OK(berth_backend_act(fixture.backend, BERTH_VERB_KILL, id, &err), &err);
    ck_assert_ptr_null(app_get(&fixture, id));
    ck_assert_uint_eq(app_count(&fixture), 0);
    ASSERT_STATUS(berth_backend_act(fixture.backend, BERTH_VERB_KILL, id, &err), BERTH_E_NOT_FOUND,
                  &err);
}
END_TEST

START_TEST(unknown_ids_are_not_found)
{
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    struct berth_error err = BERTH_ERROR_INIT;
    for (size_t i = 0; i < COUNT(rows); i++) {
        int status = berth_backend_act(fixture.backend, rows[i].verb, unknown_id, &err);
        if (status == BERTH_E_UNSUPPORTED)
            continue; /* the table says who must have it */
        ck_assert_msg(status == BERTH_E_NOT_FOUND, "%s: %s: %s", verb_name(rows[i].verb),
                      berth_status_name((enum berth_status)status), err.message);
    }
    ck_assert_ptr_null(app_get(&fixture, unknown_id));
}
END_TEST

TCase *case_states(void)
{
    TCase *tcase = tcase_create("states");
    tcase_add_loop_test(tcase, verbs_do_as_the_table_says, 0, COUNT(rows) * COUNT(starts));
    tcase_add_test(tcase, kill_removes_what_is_not_operated);
    tcase_add_test(tcase, unknown_ids_are_not_found);
    return tcase;
}
