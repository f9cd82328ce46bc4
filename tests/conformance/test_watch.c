/* SPDX-License-Identifier: MIT */
/* What a watch tells: everything there is, then what happens, in order and at its time. */
#include "base/clock.h"
#include "base/thread.h"
#include "tests/conformance/conformance.h"

#include <dirent.h>
#include <inttypes.h>
#include <string.h>

static void watch(struct fixture *fixture, struct recorder *recorder)
{
    struct berth_error err = BERTH_ERROR_INIT;
    recorder_init(recorder);
    ASSERT_OK(berth_backend_watch(fixture->backend, &recorder->sink, &err), &err);
}

static const struct record *first_of(const struct recorder *recorder, enum record_kind kind)
{
    for (size_t i = 0; i < recorder->count; i++)
        if (recorder->records[i].kind == kind)
            return &recorder->records[i];
    return NULL;
}

static bool has_kind(const struct recorder *recorder, const void *kind)
{
    return first_of(recorder, *(const enum record_kind *)kind) != NULL;
}

static void wait_kind(struct recorder *recorder, enum record_kind kind, const char *what)
{
    recorder_wait(recorder, has_kind, &kind, what);
}

START_TEST(first_comes_everything_there_is)
{
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    BERTH_CLEANUP(free) char *ana = app_create(&fixture, "ana");
    BERTH_CLEANUP(free) char *ben = app_create(&fixture, "ben");
    act_ok(&fixture, BERTH_VERB_START, ben);
    struct recorder recorder;
    int64_t before_ns = berth_clock_wall_ns();
    watch(&fixture, &recorder);
    recorder_wait_listing(&recorder);
    wait_kind(&recorder, RECORD_IMAGES, "the images");
    wait_kind(&recorder, RECORD_ALIVE, "that the engine answers");
    int64_t after_ns = berth_clock_wall_ns();
    fixture_close(&fixture);
    const struct record *listing = first_of(&recorder, RECORD_LISTING);
    ck_assert_uint_eq(listing->apps.count, 2);
    for (size_t i = 0; i < listing->apps.count; i++) {
        const struct berth_app *app = listing->apps.items[i];
        bool is_ben = strcmp(app->id, ben) == 0;
        ck_assert(is_ben || strcmp(app->id, ana) == 0);
        ck_assert_int_eq(app->state, is_ben ? BERTH_APP_RUNNING : first_state());
    }
    ck_assert(listing->at_ns >= before_ns && listing->at_ns <= after_ns);
    const struct record *images = first_of(&recorder, RECORD_IMAGES);
    ck_assert(!conformance_ops()->images ||
              berth_image_list_find(images->images, conformance_image()));
    recorder_release(&recorder);
}
END_TEST

/* ---- The life of an app ---- */

/* What is done, and the states the app goes through by it. */
static const struct {
    enum berth_verb verb;
    enum berth_app_state states[2];
    size_t count;
} life[] = {
    {BERTH_VERB_START, {BERTH_APP_RUNNING}, 1},
    {BERTH_VERB_PAUSE, {BERTH_APP_PAUSED}, 1},
    {BERTH_VERB_UNPAUSE, {BERTH_APP_RUNNING}, 1},
    {BERTH_VERB_RESTART, {BERTH_APP_EXITED, BERTH_APP_RUNNING}, 2},
    {BERTH_VERB_STOP, {BERTH_APP_EXITED}, 1},
    {BERTH_VERB_START, {BERTH_APP_RUNNING}, 1},
    {BERTH_VERB_KILL, {BERTH_APP_EXITED}, 1},
    {BERTH_VERB_START, {BERTH_APP_RUNNING}, 1},
    {BERTH_VERB_REMOVE, {BERTH_APP_EXITED}, 1},
};

/* A Docker engine answers a stop a moment before it takes down when the app ended; on a busy
 * machine that is a long one. */
#define LATE_NS (5 * BERTH_NS_PER_S)

struct step {
    enum berth_app_state state;
    int64_t after_ns; /* when the verb was called and had returned */
    int64_t before_ns;
};

static size_t live(struct fixture *fixture, const char *id, struct step *steps)
{
    size_t count = 0;
    for (size_t i = 0; i < COUNT(life); i++) {
        int64_t after_ns = berth_clock_wall_ns();
        act_ok(fixture, life[i].verb, id);
        int64_t before_ns = berth_clock_wall_ns();
        for (size_t k = 0; k < life[i].count; k++)
            steps[count++] = (struct step){life[i].states[k], after_ns, before_ns};
    }
    return count;
}

/* The changes told of the app, but for that it was made: not every engine calls that a change. */
static const struct record *next_change(const struct recorder *recorder, const char *id, size_t *at)
{
    while (*at < recorder->count) {
        const struct record *each = &recorder->records[(*at)++];
        if (each->kind == RECORD_CHANGED && strcmp(each->id, id) == 0 &&
            each->state != BERTH_APP_CREATED)
            return each;
    }
    return NULL;
}

START_TEST(changes_are_told_in_order_at_their_time)
{
    if (!apps_are_operated())
        return;
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    struct recorder recorder;
    watch(&fixture, &recorder);
    recorder_wait_listing(&recorder);
    BERTH_CLEANUP(free) char *id = app_create(&fixture, "ana");
    struct step steps[2 * COUNT(life)];
    size_t count = live(&fixture, id, steps);
    recorder_wait_gone(&recorder, id);
    fixture_close(&fixture);
    size_t at = 0;
    int64_t last_ns = 0;
    for (size_t i = 0; i < count; i++) {
        const struct record *change = next_change(&recorder, id, &at);
        if (change && change->state == BERTH_APP_PAUSED && steps[i].state != BERTH_APP_PAUSED) {
            /* Resumed at once, a Docker engine may hear from its runtime late, and then tells
             * of both once more. */
            (void)next_change(&recorder, id, &at);
            change = next_change(&recorder, id, &at);
        }
        ck_assert_msg(change != NULL, "change %zu (%s) was not told", i,
                      berth_app_state_name(steps[i].state));
        ck_assert_msg(change->state == steps[i].state, "change %zu is to %s, not %s", i,
                      berth_app_state_name(change->state), berth_app_state_name(steps[i].state));
        ck_assert_msg(change->at_ns > last_ns, "change %zu is not after the one before", i);
        ck_assert_msg(
            change->at_ns >= steps[i].after_ns && change->at_ns <= steps[i].before_ns + LATE_NS,
            "change %zu was not when it was made: %" PRId64 " ns before, %" PRId64 " ns after", i,
            steps[i].after_ns - change->at_ns, change->at_ns - steps[i].before_ns);
        last_ns = change->at_ns;
    }
    ck_assert_ptr_null(next_change(&recorder, id, &at));
    ck_assert(first_of(&recorder, RECORD_LOST) == NULL);
    recorder_release(&recorder);
}
END_TEST

START_TEST(apps_are_shown_as_they_become)
{
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    struct recorder recorder;
    watch(&fixture, &recorder);
    recorder_wait_listing(&recorder);
    BERTH_CLEANUP(free) char *id = app_create(&fixture, "ana");
    recorder_wait_state(&recorder, id, first_state());
    for (size_t i = 0; apps_are_operated() && life[i].verb != BERTH_VERB_REMOVE; i++) {
        act_ok(&fixture, life[i].verb, id);
        recorder_wait_state(&recorder, id, life[i].states[life[i].count - 1]);
    }
    int64_t before_ns = berth_clock_wall_ns();
    act_ok(&fixture, BERTH_VERB_REMOVE, id);
    int64_t after_ns = berth_clock_wall_ns();
    recorder_wait_gone(&recorder, id);
    fixture_close(&fixture);
    const struct record *gone = recorder_latest(&recorder, id);
    ck_assert(gone->at_ns >= before_ns && gone->at_ns <= after_ns + LATE_NS);
    recorder_release(&recorder);
}
END_TEST

static uint64_t tickets_drawn(struct recorder *recorder)
{
    BERTH_LOCK_SCOPE(guard, &recorder->lock);
    return recorder->tickets;
}

START_TEST(a_ticket_is_no_newer_than_what_it_stands_for)
{
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    struct recorder recorder;
    watch(&fixture, &recorder);
    recorder_wait_listing(&recorder);
    BERTH_CLEANUP(free) char *id = app_create(&fixture, "ana");
    recorder_wait_state(&recorder, id, first_state());
    act_ok(&fixture, BERTH_VERB_START, id);
    uint64_t started = tickets_drawn(&recorder);
    recorder_wait_state(&recorder, id, BERTH_APP_RUNNING);
    act_ok(&fixture, BERTH_VERB_REMOVE, id);
    uint64_t removed = tickets_drawn(&recorder);
    recorder_wait_gone(&recorder, id);
    fixture_close(&fixture);
    for (size_t i = 0; i < recorder.count; i++) {
        const struct record *each = &recorder.records[i];
        bool drawn = each->kind == RECORD_LISTING || each->kind == RECORD_APP ||
                     each->kind == RECORD_GONE || each->kind == RECORD_IMAGES;
        ck_assert(!drawn || (each->ticket > 0 && each->ticket <= recorder.tickets));
        if (each->kind != RECORD_APP)
            continue;
        /* Asked after the change, so it shows the change. */
        ck_assert(each->ticket <= removed);
        ck_assert(each->ticket <= started || each->state != BERTH_APP_CREATED ||
                  !apps_are_operated());
    }
    ck_assert(!recorder.overlapped);
    recorder_release(&recorder);
}
END_TEST

static bool shows_pulled(const struct recorder *recorder, const void *ctx)
{
    (void)ctx;
    const struct record *latest = NULL;
    for (size_t i = 0; i < recorder->count; i++)
        if (recorder->records[i].kind == RECORD_IMAGES)
            latest = &recorder->records[i];
    return latest && berth_image_list_find(latest->images, conformance_pullable());
}

static bool hides_pulled(const struct recorder *recorder, const void *ctx)
{
    return has_kind(recorder, &(enum record_kind){RECORD_IMAGES}) && !shows_pulled(recorder, ctx);
}

START_TEST(images_are_told_as_they_come_and_go)
{
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    if (!fixture.backend->ops->pull)
        return; /* the table says who must have it */
    struct recorder recorder;
    struct berth_error err = BERTH_ERROR_INIT;
    pullable_discard(&fixture);
    watch(&fixture, &recorder);
    recorder_wait(&recorder, hides_pulled, NULL, "the images before the pull");
    BERTH_CLEANUP(free) char *digest = NULL;
    BERTH_CLEANUP(free) char *id = NULL;
    ASSERT_OK(
        berth_backend_pull(fixture.backend, conformance_pullable(), NULL, NULL, &digest, &id, &err),
        &err);
    recorder_wait(&recorder, shows_pulled, NULL, "the image that was pulled");
    ASSERT_OK(berth_backend_image_remove(fixture.backend, conformance_pullable(), &err), &err);
    recorder_wait(&recorder, hides_pulled, NULL, "that the image was removed");
    fixture_close(&fixture);
    recorder_release(&recorder);
}
END_TEST

/* ---- The end ---- */

START_TEST(close_ends_the_watch)
{
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    BERTH_CLEANUP(free) char *id = app_create(&fixture, "ana");
    struct fixture watched = fixture_again(&fixture);
    struct recorder recorder;
    struct recorder witness;
    watch(&watched, &recorder);
    recorder_wait_listing(&recorder);
    watch(&fixture, &witness);
    recorder_wait_listing(&witness);
    fixture_leave(&watched);
    size_t told = recorder.count;
    act_ok(&fixture, apps_are_operated() ? BERTH_VERB_START : BERTH_VERB_KILL, id);
    if (apps_are_operated())
        recorder_wait_state(&witness, id, BERTH_APP_RUNNING);
    else
        recorder_wait_gone(&witness, id);
    ck_assert_uint_eq(recorder.count, told);
    recorder_release(&recorder);
    fixture_close(&fixture);
    recorder_release(&witness);
}
END_TEST

static size_t entries(const char *path)
{
    DIR *directory = opendir(path);
    ck_assert_ptr_nonnull(directory);
    size_t count = 0;
    while (readdir(directory))
        count++;
    (void)closedir(directory);
    return count;
}

/* A thread that was joined may be listed for a moment yet: among those before, too. */
static void wait_entries(const char *path, size_t most)
{
    int64_t deadline_ms = berth_clock_monotonic_ms() + PATIENCE_MS;
    while (entries(path) > most && berth_clock_monotonic_ms() < deadline_ms)
        (void)sched_yield();
    ck_assert_msg(entries(path) <= most, "%s: %zu entries, %zu before", path, entries(path), most);
}

static void open_watch_close(void)
{
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    struct recorder recorder;
    watch(&fixture, &recorder);
    recorder_wait_listing(&recorder);
    BERTH_CLEANUP(free) char *id = app_create(&fixture, "ana");
    recorder_wait_state(&recorder, id, first_state());
    fixture_close(&fixture);
    recorder_release(&recorder);
}

START_TEST(close_leaves_no_thread_and_no_file)
{
    open_watch_close(); /* what libraries keep for good is open by now */
    size_t files = entries("/proc/self/fd");
    size_t threads = entries("/proc/self/task");
    for (size_t i = 0; i < 3; i++)
        open_watch_close();
    wait_entries("/proc/self/fd", files);
    wait_entries("/proc/self/task", threads);
}
END_TEST

START_TEST(a_watch_may_end_before_it_began)
{
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    struct recorder recorder;
    watch(&fixture, &recorder);
    fixture_leave(&fixture);
    recorder_release(&recorder);
}
END_TEST

TCase *case_watch(void)
{
    TCase *tcase = tcase_create("watch");
    tcase_add_test(tcase, first_comes_everything_there_is);
    tcase_add_test(tcase, changes_are_told_in_order_at_their_time);
    tcase_add_test(tcase, apps_are_shown_as_they_become);
    tcase_add_test(tcase, a_ticket_is_no_newer_than_what_it_stands_for);
    tcase_add_test(tcase, images_are_told_as_they_come_and_go);
    tcase_add_test(tcase, close_ends_the_watch);
    tcase_add_test(tcase, close_leaves_no_thread_and_no_file);
    tcase_add_test(tcase, a_watch_may_end_before_it_began);
    return tcase;
}
