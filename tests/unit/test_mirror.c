/* SPDX-License-Identifier: MIT */
/* The mirror against a backend that does and says what each test scripts. */
#include "base/clock.h"
#include "facilities/mirror_internal.h"
#include "tests/unit/fake_backend.h"
#include "tests/unit/unit.h"

#include <string.h>

#define SECOND BERTH_NS_PER_S
/* Listings stand here unless a test says otherwise: long ago, so that no time is in the future. */
#define LISTED (1000 * SECOND)

static struct berth_snapshot *take(struct berth_mirror *mirror)
{
    struct berth_error err = BERTH_ERROR_INIT;
    struct berth_snapshot *snapshot;
    ck_assert_msg(berth_mirror_snapshot(mirror, false, &snapshot, &err) == 0, "%s", err.message);
    return snapshot;
}

/* UNKNOWN when there is none. */
static enum berth_app_state state_of(struct berth_mirror *mirror, const char *id)
{
    char name[64];
    (void)snprintf(name, sizeof(name), "app-%s--ana", id);
    BERTH_CLEANUP(snapshot) struct berth_snapshot *snapshot = take(mirror);
    const struct berth_app *app = berth_snapshot_find(snapshot, name);
    return app ? app->state : BERTH_APP_UNKNOWN;
}

/* ---- An observer that writes down what it hears ---- */

struct diary {
    struct berth_mirror_observer observer;
    uint64_t sequence; /* of the last news */
    char text[4096];
};

static void note(struct diary *diary, const char *format, ...) BERTH_PRINTF(2, 3);

static void note(struct diary *diary, const char *format, ...)
{
    size_t used = strlen(diary->text);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(diary->text + used, sizeof(diary->text) - used, format, args);
    va_end(args);
}

/* Numbers follow on one another, up to where all was told. */
static void note_number(struct diary *diary, uint64_t sequence)
{
    if (sequence != ++diary->sequence)
        note(diary, "number %llu instead of %llu: ", (unsigned long long)sequence,
             (unsigned long long)diary->sequence);
}

static void hear_listing(void *ctx, struct berth_snapshot *snapshot, int64_t as_of_ns)
{
    note(ctx, "listing of %zu at %lld\n", berth_pmap_count(snapshot->by_id),
         (long long)(as_of_ns / SECOND));
}

static void hear_app(void *ctx, uint64_t sequence, const struct berth_app *before,
                     const struct berth_app *after, int64_t at_ns)
{
    note_number(ctx, sequence);
    note(ctx, "%s: %s to %s at %lld\n", before ? before->id : after->id,
         before ? berth_app_state_name(before->state) : "none",
         after ? berth_app_state_name(after->state) : "none", (long long)(at_ns / SECOND));
}

static void hear_changed(void *ctx, const struct berth_app *app, enum berth_app_state state,
                         int64_t at_ns)
{
    note(ctx, "%s: changed to %s at %lld\n", app->id, berth_app_state_name(state),
         (long long)(at_ns / SECOND));
}

static void hear_alive(void *ctx, int64_t at_ns)
{
    note(ctx, "alive at %lld\n", (long long)(at_ns / SECOND));
}

static void hear_lost(void *ctx, uint64_t sequence, const struct berth_error *why,
                      int64_t last_alive_ns)
{
    note_number(ctx, sequence);
    note(ctx, "lost at %lld%s\n", (long long)(last_alive_ns / SECOND),
         why->status == BERTH_E_UNREACHABLE ? "" : " for another reason");
}

static void hear_told(void *ctx, uint64_t sequence)
{
    ((struct diary *)ctx)->sequence = sequence;
}

static void diary_init(struct diary *diary)
{
    *diary = (struct diary){.observer = {.ctx = diary,
                                         .listing = hear_listing,
                                         .app = hear_app,
                                         .changed = hear_changed,
                                         .alive = hear_alive,
                                         .lost = hear_lost,
                                         .told = hear_told}};
}

/* ---- One fixture of all that ---- */

static struct fake fake;
static struct diary diary;
static struct berth_mirror *mirror;
static bool stop; /* atomic; ends the threads of a test */

#define LONG_MS INT64_C(30000) /* longer than anything here is held up */

static void open_mirror(void)
{
    stop = false;
    fake_init(&fake);
    diary_init(&diary);
    ck_assert_int_eq(berth_mirror_open(&fake.head, &diary.observer, &mirror, NULL), 0);
}

static void open_listed(void)
{
    open_mirror();
    fake_tell_listing(&fake, fake_draw(&fake), LISTED);
    diary.text[0] = '\0';
}

static void close_mirror(void)
{
    berth_mirror_free(mirror);
    fake_release(&fake);
}

/* ---- Waiting, losing, recovering ---- */

static void *list_when_asked_for(void *arg)
{
    (void)arg;
    while (__atomic_load_n(&fake.touches, __ATOMIC_RELAXED) == 0)
        (void)sched_yield();
    fake_tell_listing(&fake, fake_draw(&fake), LISTED);
    return NULL;
}

START_TEST(the_first_listing_is_waited_for)
{
    open_mirror();
    mirror->opened_ms += LONG_MS;
    fake_set(&fake, "1", BERTH_APP_RUNNING);
    pthread_t thread;
    ck_assert_int_eq(berth_thread_start(&thread, "lister", list_when_asked_for, NULL, NULL), 0);
    ck_assert_int_eq(state_of(mirror, "1"), BERTH_APP_RUNNING);
    (void)pthread_join(thread, NULL);
    close_mirror();
}
END_TEST

START_TEST(the_wait_ends)
{
    open_mirror();
    struct berth_error err = BERTH_ERROR_INIT;
    struct berth_snapshot *snapshot;
    int64_t begin_ms = berth_clock_monotonic_ms();
    ck_assert_int_eq(berth_mirror_snapshot(mirror, true, &snapshot, &err), BERTH_E_UNREACHABLE);
    int64_t waited_ms = berth_clock_monotonic_ms() - begin_ms;
    ck_assert_int_ge(waited_ms, BERTH_MIRROR_FIRST_LISTING_MS - 100);
    ck_assert_uint_gt(err.retry_after_s, 0);

    /* But once; the fastest of a few tells, as this thread may be held up. */
    int64_t fastest_ms = INT64_MAX;
    for (int i = 0; i < 5 && fastest_ms >= BERTH_MIRROR_FIRST_LISTING_MS - 100; i++) {
        begin_ms = berth_clock_monotonic_ms();
        ck_assert_int_eq(berth_mirror_snapshot(mirror, true, &snapshot, &err), BERTH_E_UNREACHABLE);
        waited_ms = berth_clock_monotonic_ms() - begin_ms;
        fastest_ms = waited_ms < fastest_ms ? waited_ms : fastest_ms;
    }
    ck_assert_int_lt(fastest_ms, BERTH_MIRROR_FIRST_LISTING_MS - 100);
    ck_assert_int_eq(berth_mirror_status(mirror, &err), BERTH_E_UNREACHABLE);
    close_mirror();
}
END_TEST

START_TEST(a_first_listing_that_failed_is_not_waited_for)
{
    open_mirror();
    mirror->opened_ms += LONG_MS;
    fake_tell_lost(&fake, "no such socket", 0);
    struct berth_error err = BERTH_ERROR_INIT;
    struct berth_snapshot *snapshot;
    int64_t begin_ms = berth_clock_monotonic_ms();
    ck_assert_int_eq(berth_mirror_snapshot(mirror, true, &snapshot, &err), BERTH_E_UNREACHABLE);
    ck_assert_int_lt(berth_clock_monotonic_ms() - begin_ms, LONG_MS);
    ck_assert_str_eq(err.message, "no such socket");
    ck_assert_uint_gt(err.retry_after_s, 0);
    ck_assert_str_eq(diary.text, "");
    close_mirror();
}
END_TEST

START_TEST(lost_contact_makes_the_snapshot_stale_until_the_next_listing)
{
    open_mirror();
    fake_set(&fake, "1", BERTH_APP_RUNNING);
    fake_tell_listing(&fake, fake_draw(&fake), LISTED);
    ck_assert_int_eq(berth_mirror_status(mirror, NULL), 0);
    BERTH_CLEANUP(snapshot) struct berth_snapshot *fresh = take(mirror);
    ck_assert(!fresh->stale);

    fake_tell_lost(&fake, "the engine is silent", LISTED + 5 * SECOND);
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_CLEANUP(snapshot) struct berth_snapshot *stale = NULL;
    ck_assert_int_eq(berth_mirror_snapshot(mirror, false, &stale, &err), BERTH_E_UNREACHABLE);
    ck_assert_str_eq(err.message, "the engine is silent");
    ck_assert_uint_gt(err.retry_after_s, 0);
    ck_assert_int_eq(berth_mirror_status(mirror, &err), BERTH_E_UNREACHABLE);
    ck_assert_int_eq(berth_mirror_snapshot(mirror, true, &stale, &err), 0);
    ck_assert(stale->stale);
    ck_assert_int_eq(stale->as_of_ns, LISTED + 5 * SECOND);
    ck_assert_uint_eq(stale->sequence, fresh->sequence + 1);
    ck_assert_ptr_nonnull(berth_snapshot_find(stale, "app-1--ana"));
    ck_assert(!fresh->stale);

    fake_tell_lost(&fake, "still silent", LISTED + 5 * SECOND);
    fake_tell_listing(&fake, fake_draw(&fake), LISTED + 60 * SECOND);
    ck_assert_int_eq(berth_mirror_status(mirror, NULL), 0);
    BERTH_CLEANUP(snapshot) struct berth_snapshot *again = take(mirror);
    ck_assert(!again->stale);
    ck_assert_uint_eq(again->sequence, fresh->sequence + 2);
    ck_assert_uint_eq(again->epoch, fresh->epoch);
    ck_assert_str_eq(diary.text, "listing of 1 at 1000\nlost at 1005\nlisting of 1 at 1060\n");
    close_mirror();
}
END_TEST

START_TEST(a_refresh_while_contact_is_lost_shows_in_stale_reads_alone)
{
    open_listed();
    fake_set(&fake, "1", BERTH_APP_RUNNING);
    fake_tell_lost(&fake, "the engine is silent", LISTED);
    diary.text[0] = '\0';
    ck_assert_int_eq(berth_mirror_refresh(mirror, "1", NULL), 0);
    BERTH_CLEANUP(snapshot) struct berth_snapshot *snapshot = NULL;
    ck_assert_int_eq(berth_mirror_snapshot(mirror, false, &snapshot, NULL), BERTH_E_UNREACHABLE);
    ck_assert_int_eq(berth_mirror_snapshot(mirror, true, &snapshot, NULL), 0);
    ck_assert(snapshot->stale);
    ck_assert_ptr_nonnull(berth_snapshot_find(snapshot, "app-1--ana"));
    ck_assert_str_eq(diary.text, "");
    close_mirror();
}
END_TEST

/* ---- What is published and told ---- */

START_TEST(a_listing_is_applied_as_a_difference)
{
    open_mirror();
    fake_set(&fake, "same", BERTH_APP_RUNNING);
    fake_set(&fake, "other", BERTH_APP_RUNNING);
    fake_set(&fake, "leaving", BERTH_APP_EXITED);
    fake_tell_listing(&fake, fake_draw(&fake), LISTED);
    BERTH_CLEANUP(snapshot) struct berth_snapshot *first = take(mirror);

    /* New objects of the same content are no change. */
    fake_set(&fake, "same", BERTH_APP_RUNNING);
    fake_tell_listing(&fake, fake_draw(&fake), LISTED + 10 * SECOND);
    BERTH_CLEANUP(snapshot) struct berth_snapshot *second = take(mirror);
    ck_assert_ptr_eq(second, first);

    fake_set(&fake, "other", BERTH_APP_PAUSED);
    fake_set(&fake, "leaving", BERTH_APP_UNKNOWN);
    fake_set(&fake, "coming", BERTH_APP_PAUSED);
    /* Listed twice is once. */
    ck_assert_int_eq(berth_app_list_add(&fake.rows, fake_app("coming", BERTH_APP_PAUSED), NULL), 0);
    fake_tell_listing(&fake, fake_draw(&fake), LISTED + 20 * SECOND);
    BERTH_CLEANUP(snapshot) struct berth_snapshot *third = take(mirror);
    ck_assert_uint_eq(third->sequence, first->sequence + 3);
    ck_assert_ptr_eq(berth_snapshot_find(third, "app-same--ana"),
                     berth_snapshot_find(first, "app-same--ana"));
    ck_assert_uint_eq(berth_pmap_count(third->by_age), 3);
    ck_assert_str_eq(diary.text, "listing of 3 at 1000\n"
                                 "coming: none to paused at 1020\n"
                                 "leaving: exited to none at 1020\n"
                                 "other: running to paused at 1020\n");
    close_mirror();
}
END_TEST

START_TEST(a_row_that_says_nothing_new_is_no_change)
{
    open_listed();
    fake_tell_app(&fake, fake_draw(&fake), "1", BERTH_APP_PAUSED);
    BERTH_CLEANUP(snapshot) struct berth_snapshot *before = take(mirror);
    diary.text[0] = '\0';
    fake_tell_app(&fake, fake_draw(&fake), "1", BERTH_APP_PAUSED);
    BERTH_CLEANUP(snapshot) struct berth_snapshot *after = take(mirror);
    ck_assert_ptr_eq(before, after);
    ck_assert_str_eq(diary.text, "");
    close_mirror();
}
END_TEST

/* Each member on its own must make a row differ. */
START_TEST(every_member_of_a_row_counts)
{
    struct berth_app_pair label = {"k", "v"};
    struct berth_app_pair label_key = {"l", "v"};
    struct berth_app_pair label_value = {"k", "w"};
    const char *network = "bridge";
    const char *network_other = "host";
    struct berth_app_mount mount = {"volume", "/s", "local"};
    struct berth_app_mount mount_name = {"other", "/s", "local"};
    struct berth_app_mount mount_source = {"volume", "/t", "local"};
    struct berth_app_mount mount_driver = {"volume", "/s", "nfs"};
    struct berth_app_port port = {"::", "tcp", 80, 8080};
    struct berth_app_port port_ip = {"0.0.0.0", "tcp", 80, 8080};
    struct berth_app_port port_protocol = {"::", "udp", 80, 8080};
    struct berth_app_port port_inner = {"::", "tcp", 81, 8080};
    struct berth_app_port port_outer = {"::", "tcp", 80, 8081};
    const struct berth_app base = {.id = "1",
                                   .name = "a--b",
                                   .label_count = 1,
                                   .labels = &label,
                                   .network_count = 1,
                                   .networks = &network,
                                   .mount_count = 1,
                                   .mounts = &mount,
                                   .port_count = 1,
                                   .ports = &port};
    struct berth_app rows[32];
    size_t count = 0;
#define DIFFERS(member, value)                                                                     \
    do {                                                                                           \
        rows[count] = base;                                                                        \
        rows[count++].member = (value);                                                            \
    } while (0)
    DIFFERS(name, "x--b");
    DIFFERS(user, "b");
    DIFFERS(image, "i");
    DIFFERS(image_id, "i");
    DIFFERS(image_label, "i");
    DIFFERS(engine_name, "e");
    DIFFERS(command, "c");
    DIFFERS(created_ns, 1);
    DIFFERS(started_ns, 1);
    DIFFERS(finished_ns, 1);
    DIFFERS(state, BERTH_APP_DEAD);
    DIFFERS(health, BERTH_HEALTH_HEALTHY);
    DIFFERS(exit_code, 1);
    DIFFERS(dead, true);
    DIFFERS(paused, true);
    DIFFERS(label_count, 0);
    DIFFERS(labels, &label_key);
    DIFFERS(labels, &label_value);
    DIFFERS(network_count, 0);
    DIFFERS(networks, &network_other);
    DIFFERS(mount_count, 0);
    DIFFERS(mounts, &mount_name);
    DIFFERS(mounts, &mount_source);
    DIFFERS(mounts, &mount_driver);
    DIFFERS(port_count, 0);
    DIFFERS(ports, &port_ip);
    DIFFERS(ports, &port_protocol);
    DIFFERS(ports, &port_inner);
    DIFFERS(ports, &port_outer);
#undef DIFFERS
    open_listed();
    for (size_t i = 0; i < count; i++) {
        BERTH_CLEANUP(app) struct berth_app *first = NULL;
        BERTH_CLEANUP(app) struct berth_app *second = NULL;
        ck_assert_int_eq(berth_app_new(&base, &first, NULL), 0);
        ck_assert_int_eq(berth_app_new(&rows[i], &second, NULL), 0);
        fake.sink->app(fake.sink->ctx, fake_draw(&fake), first);
        BERTH_CLEANUP(snapshot) struct berth_snapshot *before = take(mirror);
        fake.sink->app(fake.sink->ctx, fake_draw(&fake), second);
        BERTH_CLEANUP(snapshot) struct berth_snapshot *after = take(mirror);
        ck_assert_msg(after->sequence == before->sequence + 1, "row %zu", i);
    }
    close_mirror();
}
END_TEST

START_TEST(the_observer_is_told_in_order)
{
    open_mirror();
    fake_set(&fake, "1", BERTH_APP_RUNNING);
    fake_tell_app(&fake, fake_draw(&fake), "0", BERTH_APP_RUNNING); /* part of the listing, then */
    fake.sink->alive(fake.sink->ctx, LISTED);
    fake.sink->changed(fake.sink->ctx, "0", BERTH_APP_EXITED, LISTED);
    uint64_t listed = fake_draw(&fake);
    fake_tell_app(&fake, fake_draw(&fake), "2", BERTH_APP_RUNNING);
    fake_tell_listing(&fake, listed, LISTED);
    fake.sink->alive(fake.sink->ctx, LISTED + SECOND);
    fake.sink->changed(fake.sink->ctx, "1", BERTH_APP_PAUSED, LISTED + 2 * SECOND);
    fake.sink->changed(fake.sink->ctx, "stranger", BERTH_APP_PAUSED, LISTED + 2 * SECOND);
    fake.sink->gone(fake.sink->ctx, fake_draw(&fake), "1", LISTED + 3 * SECOND);
    fake.sink->gone(fake.sink->ctx, fake_draw(&fake), "1", LISTED + 4 * SECOND);
    fake_tell_lost(&fake, "scripted", LISTED + 5 * SECOND);
    fake_tell_lost(&fake, "scripted", LISTED + 5 * SECOND);
    fake.sink->alive(fake.sink->ctx, LISTED + 6 * SECOND);
    fake.sink->changed(fake.sink->ctx, "2", BERTH_APP_PAUSED, LISTED + 6 * SECOND);
    fake_tell_app(&fake, fake_draw(&fake), "3", BERTH_APP_RUNNING);
    fake_tell_listing(&fake, fake_draw(&fake), LISTED + 7 * SECOND);
    ck_assert_str_eq(diary.text, "listing of 2 at 1000\n"
                                 "alive at 1001\n"
                                 "1: changed to paused at 1002\n"
                                 "1: running to none at 1003\n"
                                 "lost at 1005\n"
                                 "listing of 1 at 1007\n");
    close_mirror();
}
END_TEST

START_TEST(changes_carry_the_time_the_row_tells)
{
    static const struct {
        const char *name;
        struct berth_app before; /* state UNKNOWN: there was none */
        struct berth_app after;
        int64_t expected_ns; /* 0: now */
    } rows[] = {
        {"started",
         {.state = BERTH_APP_CREATED},
         {.state = BERTH_APP_RUNNING, .started_ns = 2000},
         2000},
        {"started again",
         {.state = BERTH_APP_EXITED, .started_ns = 1500, .finished_ns = 1600},
         {.state = BERTH_APP_RUNNING, .started_ns = 2000, .finished_ns = 1600},
         2000},
        {"unpaused",
         {.state = BERTH_APP_PAUSED, .started_ns = 1500},
         {.state = BERTH_APP_RUNNING, .started_ns = 1500},
         0},
        {"paused",
         {.state = BERTH_APP_RUNNING, .started_ns = 1500},
         {.state = BERTH_APP_PAUSED, .started_ns = 1500},
         0},
        {"exited",
         {.state = BERTH_APP_RUNNING, .started_ns = 1500},
         {.state = BERTH_APP_EXITED, .started_ns = 1500, .finished_ns = 2000},
         2000},
        {"dead",
         {.state = BERTH_APP_RUNNING},
         {.state = BERTH_APP_DEAD, .finished_ns = 2000},
         2000},
        {"exited, and the row does not tell when",
         {.state = BERTH_APP_RUNNING},
         {.state = BERTH_APP_EXITED},
         0},
        {"new",
         {.state = BERTH_APP_UNKNOWN},
         {.state = BERTH_APP_CREATED, .created_ns = 2000},
         2000},
        {"new and running",
         {.state = BERTH_APP_UNKNOWN},
         {.state = BERTH_APP_RUNNING, .created_ns = 1990, .started_ns = 2000},
         2000},
        {"started before it was watched",
         {.state = BERTH_APP_UNKNOWN},
         {.state = BERTH_APP_RUNNING, .started_ns = 500},
         1000},
        {"started in the future",
         {.state = BERTH_APP_CREATED},
         {.state = BERTH_APP_RUNNING, .started_ns = 9000000000},
         0},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        open_listed();
        struct berth_app states[] = {rows[i].before, rows[i].after};
        for (size_t j = states[0].state == BERTH_APP_UNKNOWN ? 1 : 0; j < 2; j++) {
            states[j].id = "1";
            states[j].created_ns *= SECOND;
            states[j].started_ns *= SECOND;
            states[j].finished_ns *= SECOND;
            BERTH_CLEANUP(app) struct berth_app *app = NULL;
            ck_assert_int_eq(berth_app_new(&states[j], &app, NULL), 0);
            diary.text[0] = '\0';
            fake.sink->app(fake.sink->ctx, fake_draw(&fake), app);
        }
        const char *told = strstr(diary.text, " at ");
        ck_assert_msg(told != NULL, "%s: %s", rows[i].name, diary.text);
        long long at_s = strtoll(told + 4, NULL, 10);
        long long now_s = berth_clock_wall_ns() / SECOND;
        if (rows[i].expected_ns)
            ck_assert_msg(at_s == rows[i].expected_ns, "%s: %lld", rows[i].name, at_s);
        else
            ck_assert_msg(at_s >= now_s - 60 && at_s <= now_s, "%s: %lld", rows[i].name, at_s);
        close_mirror();
    }
}
END_TEST

START_TEST(images_are_published)
{
    open_listed();
    BERTH_CLEANUP(snapshot) struct berth_snapshot *before = take(mirror);
    ck_assert_uint_eq(before->images->count, 0);
    ck_assert_int_eq(berth_mirror_refresh_images(mirror, NULL), 0);
    BERTH_CLEANUP(snapshot) struct berth_snapshot *after = take(mirror);
    ck_assert_uint_eq(after->images->count, 1);
    ck_assert_uint_eq(after->sequence, before->sequence + 1);

    ck_assert_int_eq(berth_mirror_refresh_images(mirror, NULL), 0);
    BERTH_CLEANUP(snapshot) struct berth_snapshot *same = take(mirror);
    ck_assert_ptr_eq(same, after);

    BERTH_CLEANUP(image_list) struct berth_image_list *none = NULL;
    ck_assert_int_eq(berth_image_list_new(&none, NULL), 0);
    fake.sink->images(fake.sink->ctx, 1, none); /* asked for long ago */
    BERTH_CLEANUP(snapshot) struct berth_snapshot *late = take(mirror);
    ck_assert_ptr_eq(late, after);
    fake.sink->images(fake.sink->ctx, fake_draw(&fake), none);
    BERTH_CLEANUP(snapshot) struct berth_snapshot *last = take(mirror);
    ck_assert_uint_eq(last->images->count, 0);
    ck_assert_uint_eq(after->images->count, 1);
    close_mirror();
}
END_TEST

START_TEST(reads_pass_their_interest_on_now_and_then)
{
    open_listed();
    int64_t begin_ms = berth_clock_monotonic_ms();
    for (int i = 0; i < 1000; i++) {
        BERTH_CLEANUP(snapshot) struct berth_snapshot *snapshot = take(mirror);
    }
    int64_t took_ms = berth_clock_monotonic_ms() - begin_ms;
    ck_assert_uint_ge(fake.touches, 1);
    ck_assert_int_le(fake.touches, 1 + took_ms / BERTH_MIRROR_TOUCH_MS);
    close_mirror();
}
END_TEST

START_TEST(a_refresh_that_fails_changes_nothing)
{
    open_listed();
    fake_tell_app(&fake, fake_draw(&fake), "1", BERTH_APP_RUNNING);
    fake.list_fails = BERTH_E_TIMEOUT;
    struct berth_error err = BERTH_ERROR_INIT;
    ck_assert_int_eq(berth_mirror_refresh(mirror, "1", &err), BERTH_E_TIMEOUT);
    ck_assert_int_eq(state_of(mirror, "1"), BERTH_APP_RUNNING);
    close_mirror();
}
END_TEST

START_TEST(a_refresh_needs_no_slot)
{
    open_listed();
    fake.head.max_inflight = 0;
    fake_set(&fake, "1", BERTH_APP_RUNNING);
    ck_assert_int_eq(berth_mirror_refresh(mirror, "1", NULL), 0);
    ck_assert_int_eq(state_of(mirror, "1"), BERTH_APP_RUNNING);
    close_mirror();
}
END_TEST

START_TEST(without_memory_a_refresh_changes_nothing)
{
    open_listed();
    for (size_t n = 0;; n++) {
        enum berth_app_state state = n % 2 ? BERTH_APP_RUNNING : BERTH_APP_EXITED;
        fake_set(&fake, "1", state);
        BERTH_CLEANUP(snapshot) struct berth_snapshot *before = take(mirror);
        unit_alloc_fail_after(n);
        int status = berth_mirror_refresh(mirror, "1", NULL);
        bool failed = unit_alloc_restore();
        BERTH_CLEANUP(snapshot) struct berth_snapshot *after = take(mirror);
        if (!failed) {
            ck_assert_int_eq(status, 0);
            ck_assert_uint_eq(after->sequence, before->sequence + 1);
            break;
        }
        ck_assert_int_eq(status, BERTH_E_NOMEM);
        ck_assert_ptr_eq(after, before);
    }
    close_mirror();
}
END_TEST

START_TEST(without_memory_a_listing_changes_nothing)
{
    open_listed();
    fake_tell_app(&fake, fake_draw(&fake), "1", BERTH_APP_RUNNING);
    fake_tell_app(&fake, fake_draw(&fake), "2", BERTH_APP_RUNNING);
    fake_set(&fake, "2", BERTH_APP_EXITED);
    fake_set(&fake, "3", BERTH_APP_EXITED);
    for (size_t n = 0;; n++) {
        BERTH_CLEANUP(snapshot) struct berth_snapshot *before = take(mirror);
        struct berth_app_list *rows = &fake.rows;
        uint64_t ticket = fake_draw(&fake);
        (void)pthread_mutex_lock(&mirror->order_lock);
        unit_alloc_fail_after(n);
        int status = berth_mirror_apply_listing(mirror, ticket, rows, LISTED, NULL);
        bool failed = unit_alloc_restore();
        (void)pthread_mutex_unlock(&mirror->order_lock);
        BERTH_CLEANUP(snapshot) struct berth_snapshot *after = take(mirror);
        if (!status) {
            ck_assert_uint_eq(berth_pmap_count(after->by_id), 2);
            ck_assert_ptr_null(berth_snapshot_find(after, "app-1--ana"));
            break;
        }
        ck_assert(failed);
        ck_assert_int_eq(status, BERTH_E_NOMEM);
        ck_assert_ptr_eq(after, before);
    }
    close_mirror();
}
END_TEST

START_TEST(what_was_missed_without_memory_is_listed_again)
{
    open_listed();
    fake_set(&fake, "1", BERTH_APP_PAUSED);
    BERTH_CLEANUP(app) struct berth_app *app = fake_app("1", BERTH_APP_PAUSED);
    uint64_t ticket = fake_draw(&fake);
    unit_alloc_fail_after(0);
    fake.sink->app(fake.sink->ctx, ticket, app);
    ck_assert(unit_alloc_restore());

    fake.list_fails = BERTH_E_TIMEOUT; /* nobody is told what is known to be old */
    BERTH_CLEANUP(snapshot) struct berth_snapshot *old = NULL;
    ck_assert_int_eq(berth_mirror_snapshot(mirror, false, &old, NULL), BERTH_E_TIMEOUT);
    fake.list_fails = 0;
    ck_assert_int_eq(state_of(mirror, "1"), BERTH_APP_PAUSED);
    fake_set(&fake, "1", BERTH_APP_EXITED); /* and asked no more */
    ck_assert_int_eq(state_of(mirror, "1"), BERTH_APP_PAUSED);
    close_mirror();
}
END_TEST

/* ---- Threads ---- */

#define READERS 32
#define ROUNDS  400

static void *read_all_the_time(void *arg)
{
    uint64_t *reads = arg;
    uint64_t sequence = 0;
    while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
        BERTH_CLEANUP(snapshot) struct berth_snapshot *snapshot = take(mirror);
        ck_assert_uint_ge(snapshot->sequence, sequence);
        sequence = snapshot->sequence;
        size_t count = berth_snapshot_count_user(snapshot, "ana");
        ck_assert_uint_eq(count, berth_pmap_count(snapshot->by_name));
        ck_assert_uint_eq(count, berth_pmap_count(snapshot->by_id));
        ck_assert_uint_eq(count, berth_pmap_count(snapshot->by_age));
        /* "always" is never missing, whatever is listed, changed and removed around it. */
        ck_assert_ptr_nonnull(berth_snapshot_find(snapshot, "app-always--ana"));
        (*reads)++;
    }
    return NULL;
}

START_TEST(readers_see_whole_versions_while_writers_write)
{
    open_listed();
    fake_set(&fake, "always", BERTH_APP_RUNNING);
    fake_tell_listing(&fake, fake_draw(&fake), LISTED);
    pthread_t threads[READERS];
    uint64_t reads[READERS] = {0};
    for (size_t i = 0; i < READERS; i++)
        ck_assert_int_eq(
            berth_thread_start(&threads[i], "reader", read_all_the_time, &reads[i], NULL), 0);
    char id[16];
    for (int i = 0; i < ROUNDS; i++) {
        (void)snprintf(id, sizeof(id), "%d", i % 20);
        fake_tell_app(&fake, fake_draw(&fake), id, i % 3 ? BERTH_APP_RUNNING : BERTH_APP_EXITED);
        if (i % 7 == 0)
            fake.sink->gone(fake.sink->ctx, fake_draw(&fake), id, LISTED + SECOND);
        if (i % 50 == 0)
            fake_tell_listing(&fake, fake_draw(&fake), LISTED + SECOND);
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELEASE);
    for (size_t i = 0; i < READERS; i++)
        (void)pthread_join(threads[i], NULL);
    close_mirror();
}
END_TEST

#define CHANGERS 8

static void *change_and_read(void *arg)
{
    char id[16];
    (void)snprintf(id, sizeof(id), "%zu", (size_t)(uintptr_t)arg);
    for (int i = 0; i < ROUNDS; i++) {
        enum berth_app_state state = i % 3 == 0   ? BERTH_APP_RUNNING
                                     : i % 3 == 1 ? BERTH_APP_EXITED
                                                  : BERTH_APP_UNKNOWN;
        /* An id that is gone does not come back: each life has its own. */
        char life[32];
        (void)snprintf(life, sizeof(life), "%s-%d", id, i / 3);
        fake_set(&fake, life, state);
        ck_assert_int_eq(berth_mirror_refresh(mirror, life, NULL), 0);
        ck_assert_int_eq(state_of(mirror, life), state);
    }
    return NULL;
}

/* Reads the engine at one moment and tells of it at a later one, as slow answers do. */
static void *tell_late(void *arg)
{
    (void)arg;
    while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
        BERTH_CLEANUP(app_list) struct berth_app_list apps = {0};
        uint64_t ticket = fake_draw(&fake);
        ck_assert_int_eq(berth_backend_list(&fake.head, NULL, &apps, NULL), 0);
        for (int i = 0; i < 10; i++)
            (void)sched_yield();
        for (size_t i = 0; i < apps.count; i++)
            fake.sink->app(fake.sink->ctx, ticket, apps.items[i]);
        if (ticket % 3 == 0)
            fake.sink->listing(fake.sink->ctx, ticket, &apps, LISTED);
    }
    return NULL;
}

START_TEST(writes_are_read_whatever_comes_late)
{
    open_listed();
    pthread_t changers[CHANGERS];
    pthread_t late[2];
    for (size_t i = 0; i < UNIT_COUNT(late); i++)
        ck_assert_int_eq(berth_thread_start(&late[i], "late", tell_late, NULL, NULL), 0);
    for (size_t i = 0; i < CHANGERS; i++)
        ck_assert_int_eq(berth_thread_start(&changers[i], "changer", change_and_read,
                                            (void *)(uintptr_t)i, NULL),
                         0);
    for (size_t i = 0; i < CHANGERS; i++)
        (void)pthread_join(changers[i], NULL);
    __atomic_store_n(&stop, true, __ATOMIC_RELEASE);
    for (size_t i = 0; i < UNIT_COUNT(late); i++)
        (void)pthread_join(late[i], NULL);
    close_mirror();
}
END_TEST

/* ---- Size ---- */

#define MANY 100000

static size_t resident_kib(void)
{
    BERTH_CLEANUP(file) FILE *file = fopen("/proc/self/statm", "re");
    unsigned long pages = 0;
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fscanf(file, "%*u %lu", &pages), 1);
    return pages * (size_t)sysconf(_SC_PAGESIZE) / 1024;
}

START_TEST(many_apps)
{
    open_mirror();
    char id[65];
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(id, sizeof(id), "%064d", i);
        ck_assert_int_eq(berth_app_list_add(&fake.rows, fake_app(id, BERTH_APP_RUNNING), NULL), 0);
    }
    size_t before_kib = resident_kib();
    int64_t begin_ns = berth_clock_monotonic_ns();
    fake_tell_listing(&fake, fake_draw(&fake), LISTED);
    int64_t listed_ns = berth_clock_monotonic_ns();
    size_t after_kib = resident_kib();
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(id, sizeof(id), "%064d", i * 97);
        fake_tell_app(&fake, fake_draw(&fake), id, BERTH_APP_EXITED);
        diary.text[0] = '\0';
    }
    int64_t changed_ns = berth_clock_monotonic_ns();
    printf("%d apps: first listing %lld ms, %zu KiB of indexes; a change %lld us\n", MANY,
           (long long)((listed_ns - begin_ns) / 1000000), after_kib - before_kib,
           (long long)((changed_ns - listed_ns) / 1000000));
    ck_assert_uint_eq(mirror->sequence, 1001);
    close_mirror();
}
END_TEST

UNIT_SUITE("mirror", the_first_listing_is_waited_for, the_wait_ends,
           a_first_listing_that_failed_is_not_waited_for,
           lost_contact_makes_the_snapshot_stale_until_the_next_listing,
           a_refresh_while_contact_is_lost_shows_in_stale_reads_alone,
           a_listing_is_applied_as_a_difference, a_row_that_says_nothing_new_is_no_change,
           every_member_of_a_row_counts, the_observer_is_told_in_order,
           changes_carry_the_time_the_row_tells, images_are_published,
           reads_pass_their_interest_on_now_and_then, a_refresh_that_fails_changes_nothing,
           a_refresh_needs_no_slot, without_memory_a_refresh_changes_nothing,
           without_memory_a_listing_changes_nothing, what_was_missed_without_memory_is_listed_again,
           readers_see_whole_versions_while_writers_write, writes_are_read_whatever_comes_late,
           many_apps)
