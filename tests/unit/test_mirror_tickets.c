/* SPDX-License-Identifier: MIT */
/* What is told in any order: old answers neither overwrite what is newer nor resurrect. */
#include "base/clock.h"
#include "facilities/mirror_internal.h"
#include "tests/unit/fake_backend.h"
#include "tests/unit/unit.h"

#include <string.h>

#define SECOND BERTH_NS_PER_S
#define LISTED (1000 * SECOND)

static struct fake fake;
static struct berth_mirror *mirror;

static void open_mirror(void)
{
    fake_init(&fake);
    ck_assert_int_eq(berth_mirror_open(&fake.head, NULL, &mirror, NULL), 0);
}

static void close_mirror(void)
{
    berth_mirror_free(mirror);
    fake_release(&fake);
}

/* UNKNOWN when there is none. */
static enum berth_app_state state_of(const char *id)
{
    char name[64];
    (void)snprintf(name, sizeof(name), "app-%s--ana", id);
    BERTH_CLEANUP(snapshot) struct berth_snapshot *snapshot = NULL;
    ck_assert_int_eq(berth_mirror_snapshot(mirror, false, &snapshot, NULL), 0);
    const struct berth_app *app = berth_snapshot_find(snapshot, name);
    return app ? app->state : BERTH_APP_UNKNOWN;
}

enum what { END, APP, GONE, LISTED_WITH, LISTED_WITHOUT, LOST, ASKED };

struct step {
    enum what what;
    uint64_t ticket;
    enum berth_app_state state;
};

static void take_step(const struct step *step)
{
    switch (step->what) {
    case APP:
        fake_tell_app(&fake, step->ticket, "1", step->state);
        break;
    case GONE:
        fake.sink->gone(fake.sink->ctx, step->ticket, "1", LISTED + SECOND);
        break;
    case LISTED_WITH:
    case LISTED_WITHOUT:
        fake_set(&fake, "1", step->what == LISTED_WITH ? step->state : BERTH_APP_UNKNOWN);
        fake_tell_listing(&fake, step->ticket, LISTED);
        break;
    case LOST:
        fake_tell_lost(&fake, "scripted", LISTED);
        break;
    case ASKED:
        fake_set(&fake, "1", step->state);
        mirror->tickets = step->ticket - 1;
        ck_assert_int_eq(berth_mirror_refresh(mirror, "1", NULL), 0);
        break;
    case END:
        break;
    }
}

START_TEST(old_answers_neither_overwrite_nor_resurrect)
{
    static const struct {
        const char *name;
        struct step steps[8];
        enum berth_app_state expected; /* UNKNOWN: there is no such app */
    } rows[] = {
        {"a newer row wins",
         {{LISTED_WITHOUT, 1, 0}, {APP, 2, BERTH_APP_CREATED}, {APP, 3, BERTH_APP_RUNNING}},
         BERTH_APP_RUNNING},
        {"an older row is ignored",
         {{LISTED_WITHOUT, 1, 0}, {APP, 3, BERTH_APP_RUNNING}, {APP, 2, BERTH_APP_CREATED}},
         BERTH_APP_RUNNING},
        {"a row of the same ticket counts",
         {{LISTED_WITHOUT, 1, 0}, {APP, 2, BERTH_APP_CREATED}, {APP, 2, BERTH_APP_RUNNING}},
         BERTH_APP_RUNNING},
        {"gone, then a late row",
         {{LISTED_WITH, 1, BERTH_APP_RUNNING}, {GONE, 3, 0}, {APP, 2, BERTH_APP_EXITED}},
         BERTH_APP_UNKNOWN},
        {"gone before it was known, then a late row",
         {{LISTED_WITHOUT, 1, 0}, {GONE, 3, 0}, {APP, 2, BERTH_APP_EXITED}},
         BERTH_APP_UNKNOWN},
        {"gone, then a late listing",
         {{LISTED_WITH, 1, BERTH_APP_RUNNING}, {GONE, 3, 0}, {LISTED_WITH, 2, BERTH_APP_RUNNING}},
         BERTH_APP_UNKNOWN},
        {"an event that it is gone counts with any ticket",
         {{LISTED_WITHOUT, 1, 0}, {APP, 5, BERTH_APP_RUNNING}, {GONE, 4, 0}},
         BERTH_APP_UNKNOWN},
        {"gone after a later row, then a row in between",
         {{LISTED_WITHOUT, 1, 0},
          {APP, 5, BERTH_APP_RUNNING},
          {GONE, 3, 0},
          {APP, 4, BERTH_APP_RUNNING}},
         BERTH_APP_UNKNOWN},
        {"a listing replaces what was learned before it",
         {{LISTED_WITHOUT, 1, 0}, {APP, 2, BERTH_APP_CREATED}, {LISTED_WITH, 3, BERTH_APP_RUNNING}},
         BERTH_APP_RUNNING},
        {"a listing keeps what was learned after it began",
         {{LISTED_WITHOUT, 1, 0}, {APP, 3, BERTH_APP_RUNNING}, {LISTED_WITH, 2, BERTH_APP_CREATED}},
         BERTH_APP_RUNNING},
        {"a listing without the app removes it",
         {{LISTED_WITH, 1, BERTH_APP_RUNNING}, {LISTED_WITHOUT, 2, 0}},
         BERTH_APP_UNKNOWN},
        {"a listing begun before the app was seen keeps it",
         {{LISTED_WITHOUT, 1, 0}, {APP, 3, BERTH_APP_RUNNING}, {LISTED_WITHOUT, 2, 0}},
         BERTH_APP_RUNNING},
        {"a row older than a listing without the app",
         {{LISTED_WITHOUT, 1, 0}, {LISTED_WITHOUT, 3, 0}, {APP, 2, BERTH_APP_RUNNING}},
         BERTH_APP_UNKNOWN},
        {"a row older than a listing with the app",
         {{LISTED_WITHOUT, 1, 0}, {LISTED_WITH, 3, BERTH_APP_RUNNING}, {APP, 2, BERTH_APP_CREATED}},
         BERTH_APP_RUNNING},
        {"listings in the wrong order",
         {{LISTED_WITH, 2, BERTH_APP_RUNNING}, {LISTED_WITHOUT, 1, 0}},
         BERTH_APP_RUNNING},
        {"listings in the wrong order, then a row in between",
         {{LISTED_WITHOUT, 3, 0}, {LISTED_WITHOUT, 1, 0}, {APP, 2, BERTH_APP_RUNNING}},
         BERTH_APP_UNKNOWN},
        {"a row before the first listing, asked for later than it",
         {{APP, 2, BERTH_APP_RUNNING}, {LISTED_WITH, 1, BERTH_APP_CREATED}},
         BERTH_APP_RUNNING},
        {"gone before the first listing is told",
         {{GONE, 2, 0}, {LISTED_WITH, 1, BERTH_APP_CREATED}},
         BERTH_APP_UNKNOWN},
        {"an answer without the app",
         {{LISTED_WITH, 1, BERTH_APP_RUNNING}, {ASKED, 2, BERTH_APP_UNKNOWN}},
         BERTH_APP_UNKNOWN},
        {"an old answer without the app",
         {{LISTED_WITHOUT, 1, 0}, {APP, 3, BERTH_APP_RUNNING}, {ASKED, 2, BERTH_APP_UNKNOWN}},
         BERTH_APP_RUNNING},
        {"an answer without the app, then a late row",
         {{LISTED_WITH, 1, BERTH_APP_RUNNING},
          {ASKED, 3, BERTH_APP_UNKNOWN},
          {APP, 2, BERTH_APP_EXITED}},
         BERTH_APP_UNKNOWN},
        {"an old answer with the app",
         {{LISTED_WITH, 1, BERTH_APP_RUNNING},
          {APP, 3, BERTH_APP_EXITED},
          {ASKED, 2, BERTH_APP_RUNNING}},
         BERTH_APP_EXITED},
        {"what is gone stays gone over a loss of contact",
         {{LISTED_WITH, 1, BERTH_APP_RUNNING},
          {GONE, 2, 0},
          {LOST, 0, 0},
          {LISTED_WITHOUT, 4, 0},
          {APP, 3, BERTH_APP_EXITED}},
         BERTH_APP_UNKNOWN},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        open_mirror();
        for (const struct step *step = rows[i].steps; step->what != END; step++)
            take_step(step);
        enum berth_app_state state = state_of("1");
        ck_assert_msg(state == rows[i].expected, "%s: %s", rows[i].name,
                      berth_app_state_name(state));
        close_mirror();
    }
}
END_TEST

START_TEST(tombstones_are_bounded_and_forgetting_them_resurrects_nothing)
{
    open_mirror();
    fake_tell_listing(&fake, fake_draw(&fake), LISTED);
    uint64_t early = fake_draw(&fake);
    char id[32];
    for (int i = 0; i < BERTH_MIRROR_TOMBSTONES + 100; i++) {
        (void)snprintf(id, sizeof(id), "%d", i);
        fake_tell_app(&fake, fake_draw(&fake), id, BERTH_APP_EXITED);
        fake.sink->gone(fake.sink->ctx, fake_draw(&fake), id, LISTED + SECOND);
    }
    ck_assert_uint_eq(mirror->known.gone_count, BERTH_MIRROR_TOMBSTONES);
    ck_assert_uint_eq(berth_pmap_count(mirror->known.entries), BERTH_MIRROR_TOMBSTONES);
    fake_tell_app(&fake, early, "0", BERTH_APP_RUNNING);
    ck_assert_int_eq(state_of("0"), BERTH_APP_UNKNOWN);
    fake_tell_app(&fake, fake_draw(&fake), "new", BERTH_APP_RUNNING);
    ck_assert_int_eq(state_of("new"), BERTH_APP_RUNNING);

    fake_tell_listing(&fake, fake_draw(&fake), LISTED + SECOND);
    ck_assert_uint_eq(berth_pmap_count(mirror->known.entries), 0);
    ck_assert_uint_eq(mirror->known.gone_count, 0);
    close_mirror();
}
END_TEST

UNIT_SUITE("mirror_tickets", old_answers_neither_overwrite_nor_resurrect,
           tombstones_are_bounded_and_forgetting_them_resurrects_nothing)
