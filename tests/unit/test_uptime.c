/* SPDX-License-Identifier: MIT */
/* Scenarios of observations, written to a real store and read back as samples. */
#include "base/clock.h"
#include "tests/unit/store_open.h"
#include "tests/unit/unit.h"
#include "tests/unit/uptime_fixture.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#define MINUTE 60
#define HOUR   3600

enum what { END, IS, GONE, ALIVE, LOST, WRITTEN, REOPENED, KILLED };

struct step {
    enum what what;
    int64_t at_ms; /* within the day */
    enum berth_app_state state;
};

#define RUNNING(at)                                                                                \
    {                                                                                              \
        IS, (at), BERTH_APP_RUNNING                                                                \
    }
#define EXITED(at)                                                                                 \
    {                                                                                              \
        IS, (at), BERTH_APP_EXITED                                                                 \
    }
#define STATE(at, how)                                                                             \
    {                                                                                              \
        IS, (at), (how)                                                                            \
    }
#define GONE_AT(at)                                                                                \
    {                                                                                              \
        GONE, (at), 0                                                                              \
    }
#define ALIVE_AT(at)                                                                               \
    {                                                                                              \
        ALIVE, (at), 0                                                                             \
    }
#define LOST_AT(at)                                                                                \
    {                                                                                              \
        LOST, (at), 0                                                                              \
    }
#define WRITE                                                                                      \
    {                                                                                              \
        WRITTEN, 0, 0                                                                              \
    }
#define REOPEN                                                                                     \
    {                                                                                              \
        REOPENED, 0, 0                                                                             \
    }
#define KILL                                                                                       \
    {                                                                                              \
        KILLED, 0, 0                                                                               \
    }

struct scenario {
    const char *name;
    int64_t day_s; /* 00:00 UTC */
    int64_t interval_s;
    enum berth_uptime_window window;
    int64_t now_ms; /* within the day */
    struct step steps[12];
    const char *expected;
};

static const struct scenario scenarios[] = {
    {"a span begins with a sample, then the grid",
     JUNE_20,
     600,
     BERTH_UPTIME_DAY,
     AT(10, 35, 0),
     {RUNNING(AT(10, 3, 5)), ALIVE_AT(AT(10, 35, 0))},
     "12:03:05+ 12:10:00+ 12:20:00+ 12:30:00+"},
    {"a beginning on the grid is one sample",
     JUNE_20,
     600,
     BERTH_UPTIME_DAY,
     AT(10, 25, 0),
     {RUNNING(AT(10, 0, 0)), ALIVE_AT(AT(10, 25, 0))},
     "12:00:00+ 12:10:00+ 12:20:00+"},
    {"an app is false from its end on",
     JUNE_20,
     600,
     BERTH_UPTIME_DAY,
     AT(10, 35, 0),
     {RUNNING(AT(10, 0, 0)), EXITED(AT(10, 15, 30)), ALIVE_AT(AT(10, 35, 0))},
     "12:00:00+ 12:10:00+ 12:15:30- 12:20:00- 12:30:00-"},
    {"what ends on the grid is what begins there",
     JUNE_20,
     600,
     BERTH_UPTIME_DAY,
     AT(10, 25, 0),
     {RUNNING(AT(10, 0, 0)), EXITED(AT(10, 20, 0)), ALIVE_AT(AT(10, 25, 0))},
     "12:00:00+ 12:10:00+ 12:20:00-"},
    {"every state but running is false",
     JUNE_20,
     600,
     BERTH_UPTIME_DAY,
     AT(10, 25, 0),
     {STATE(AT(10, 1, 0), BERTH_APP_CREATED), STATE(AT(10, 2, 0), BERTH_APP_RUNNING),
      STATE(AT(10, 3, 0), BERTH_APP_PAUSED), STATE(AT(10, 4, 0), BERTH_APP_RESTARTING),
      STATE(AT(10, 5, 0), BERTH_APP_REMOVING), STATE(AT(10, 6, 0), BERTH_APP_EXITED),
      STATE(AT(10, 7, 0), BERTH_APP_DEAD)},
     "12:01:00- 12:02:00+ 12:03:00- 12:04:00- 12:05:00- 12:06:00- 12:07:00-"},
    {"what nobody can tell is no sample",
     JUNE_20,
     600,
     BERTH_UPTIME_DAY,
     AT(10, 45, 0),
     {RUNNING(AT(10, 5, 0)), STATE(AT(10, 15, 0), BERTH_APP_UNKNOWN), RUNNING(AT(10, 35, 0)),
      ALIVE_AT(AT(10, 45, 0))},
     "12:05:00+ 12:10:00+ 12:35:00+ 12:40:00+"},
    {"the same state again is no change",
     JUNE_20,
     600,
     BERTH_UPTIME_DAY,
     AT(10, 25, 0),
     {RUNNING(AT(10, 5, 0)), RUNNING(AT(10, 7, 0)), ALIVE_AT(AT(10, 25, 0))},
     "12:05:00+ 12:10:00+ 12:20:00+"},
    {"nor later than the change",
     JUNE_20,
     600,
     BERTH_UPTIME_DAY,
     AT(10, 25, 0),
     {EXITED(AT(10, 0, 0)), RUNNING(AT(10, 5, 0)), RUNNING(AT(10, 12, 0)), ALIVE_AT(AT(10, 25, 0))},
     "12:00:00- 12:05:00+ 12:10:00+ 12:20:00+"},
    {"samples end where contact is proven no more",
     JUNE_20,
     600,
     BERTH_UPTIME_DAY,
     AT(10, 35, 0),
     {RUNNING(AT(10, 0, 0)), ALIVE_AT(AT(10, 15, 0))},
     "12:00:00+ 12:10:00+"},
    {"contact proven right at the grid counts",
     JUNE_20,
     600,
     BERTH_UPTIME_DAY,
     AT(10, 35, 0),
     {RUNNING(AT(10, 0, 0)), ALIVE_AT(AT(10, 20, 0))},
     "12:00:00+ 12:10:00+ 12:20:00+"},
    {"proof of contact does not turn back",
     JUNE_20,
     600,
     BERTH_UPTIME_DAY,
     AT(10, 35, 0),
     {RUNNING(AT(10, 0, 0)), ALIVE_AT(AT(10, 15, 0)), ALIVE_AT(AT(10, 5, 0))},
     "12:00:00+ 12:10:00+"},
    {"samples end with now",
     JUNE_20,
     600,
     BERTH_UPTIME_DAY,
     AT(10, 15, 0),
     {RUNNING(AT(10, 0, 0)), ALIVE_AT(AT(10, 35, 0))},
     "12:00:00+ 12:10:00+"},
    {"a window has its first sample on the grid",
     JUNE_20,
     600,
     BERTH_UPTIME_HOUR,
     AT(10, 35, 0),
     {RUNNING(AT(8, 5, 0)), ALIVE_AT(AT(10, 35, 0))},
     "11:40:00+ 11:50:00+ 12:00:00+ 12:10:00+ 12:20:00+ 12:30:00+"},
    {"a window leaves out what ended before",
     JUNE_20,
     600,
     BERTH_UPTIME_HOUR,
     AT(10, 35, 0),
     {RUNNING(AT(8, 5, 0)), EXITED(AT(8, 10, 0)), RUNNING(AT(8, 15, 0)), EXITED(AT(10, 15, 0)),
      ALIVE_AT(AT(10, 35, 0))},
     "11:40:00+ 11:50:00+ 12:00:00+ 12:10:00+ 12:15:00- 12:20:00- 12:30:00-"},
    {"a window takes in what begins with it",
     JUNE_20,
     600,
     BERTH_UPTIME_HOUR,
     AT(10, 35, 0),
     {EXITED(AT(9, 0, 0)), RUNNING(AT(9, 35, 0)), EXITED(AT(9, 45, 0))},
     "11:35:00+ 11:40:00+ 11:45:00-"},
    {"the grid stands on the epoch",
     JUNE_20,
     7,
     BERTH_UPTIME_HOUR,
     AT(10, 0, 20),
     {RUNNING(AT(10, 0, 1)), ALIVE_AT(AT(10, 0, 20))},
     "12:00:01+ 12:00:06+ 12:00:13+ 12:00:20+"},
    {"a loss of contact is a gap",
     JUNE_20,
     600,
     BERTH_UPTIME_DAY,
     AT(11, 5, 0),
     {RUNNING(AT(10, 0, 0)), ALIVE_AT(AT(10, 25, 0)), LOST_AT(AT(10, 22, 0)),
      RUNNING(AT(10, 51, 0)), ALIVE_AT(AT(11, 5, 0))},
     "12:00:00+ 12:10:00+ 12:20:00+ 12:51:00+ 13:00:00+"},
    {"a loss told late does not turn time back",
     JUNE_20,
     600,
     BERTH_UPTIME_DAY,
     AT(11, 5, 0),
     {RUNNING(AT(10, 0, 0)), EXITED(AT(10, 12, 0)), LOST_AT(AT(10, 5, 0)), RUNNING(AT(10, 51, 0))},
     "12:00:00+ 12:10:00+ 12:51:00+"},
    {"an app that is gone has no samples",
     JUNE_20,
     600,
     BERTH_UPTIME_DAY,
     AT(11, 5, 0),
     {RUNNING(AT(10, 0, 0)), GONE_AT(AT(10, 15, 0)), ALIVE_AT(AT(11, 5, 0))},
     "12:00:00+ 12:10:00+"},
    {"gone on the grid is gone",
     JUNE_20,
     600,
     BERTH_UPTIME_DAY,
     AT(11, 5, 0),
     {RUNNING(AT(10, 0, 0)), GONE_AT(AT(10, 20, 0)), ALIVE_AT(AT(11, 5, 0))},
     "12:00:00+ 12:10:00+"},
    {"another app of the same name goes on",
     JUNE_20,
     600,
     BERTH_UPTIME_DAY,
     AT(11, 5, 0),
     {RUNNING(AT(10, 0, 0)), GONE_AT(AT(10, 15, 0)), STATE(AT(10, 40, 7), BERTH_APP_CREATED),
      RUNNING(AT(10, 40, 8)), ALIVE_AT(AT(11, 5, 0))},
     "12:00:00+ 12:10:00+ 12:40:07- 12:40:08+ 12:50:00+ 13:00:00+"},
    {"states of one millisecond: the last holds",
     JUNE_20,
     600,
     BERTH_UPTIME_DAY,
     AT(10, 15, 0),
     {STATE(AT(10, 0, 1), BERTH_APP_CREATED), RUNNING(AT(10, 0, 1)), EXITED(AT(10, 0, 1)),
      RUNNING(AT(10, 0, 1)), ALIVE_AT(AT(10, 15, 0))},
     "12:00:01+ 12:10:00+"},
    {"states of one second: the last holds",
     JUNE_20,
     600,
     BERTH_UPTIME_DAY,
     AT(10, 15, 0),
     {STATE(AT(10, 0, 1) + 100, BERTH_APP_CREATED), RUNNING(AT(10, 0, 1) + 900),
      ALIVE_AT(AT(10, 15, 0))},
     "12:00:01+ 12:10:00+"},
    {"gone in the millisecond it came",
     JUNE_20,
     600,
     BERTH_UPTIME_DAY,
     AT(10, 15, 0),
     {RUNNING(AT(10, 0, 1)), GONE_AT(AT(10, 0, 1)), ALIVE_AT(AT(10, 15, 0))},
     ""},
    {"an older change counts from the newer one on",
     JUNE_20,
     600,
     BERTH_UPTIME_DAY,
     AT(10, 45, 0),
     {RUNNING(AT(10, 0, 0)), EXITED(AT(10, 25, 0)), RUNNING(AT(10, 15, 0)),
      ALIVE_AT(AT(10, 45, 0))},
     "12:00:00+ 12:10:00+ 12:20:00+ 12:25:00+ 12:30:00+ 12:40:00+"},
    {"an older end counts from the newer beginning on",
     JUNE_20,
     600,
     BERTH_UPTIME_DAY,
     AT(10, 45, 0),
     {RUNNING(AT(10, 25, 0)), GONE_AT(AT(10, 15, 0)), ALIVE_AT(AT(10, 45, 0))},
     ""},
    {"the event tells the time better than berth's own look",
     JUNE_20,
     600,
     BERTH_UPTIME_DAY,
     AT(10, 35, 0),
     {RUNNING(AT(10, 0, 0)), EXITED(AT(10, 20, 5)), EXITED(AT(10, 19, 58)),
      ALIVE_AT(AT(10, 35, 0))},
     "12:00:00+ 12:10:00+ 12:19:58- 12:20:00- 12:30:00-"},
    {"twice better",
     JUNE_20,
     600,
     BERTH_UPTIME_DAY,
     AT(10, 35, 0),
     {RUNNING(AT(10, 0, 0)), EXITED(AT(10, 20, 5)), EXITED(AT(10, 20, 2)), WRITE,
      EXITED(AT(10, 19, 58)), RUNNING(AT(10, 25, 0)), ALIVE_AT(AT(10, 35, 0))},
     "12:00:00+ 12:10:00+ 12:19:58- 12:20:00- 12:25:00+ 12:30:00+"},
    {"the event tells of the very beginning",
     JUNE_20,
     600,
     BERTH_UPTIME_DAY,
     AT(10, 15, 0),
     {STATE(AT(10, 0, 0), BERTH_APP_CREATED), RUNNING(AT(10, 0, 9)), RUNNING(AT(10, 0, 0)),
      ALIVE_AT(AT(10, 15, 0))},
     "12:00:00+ 12:10:00+"},
    {"an event before the last state but one tells nothing",
     JUNE_20,
     600,
     BERTH_UPTIME_DAY,
     AT(10, 35, 0),
     {RUNNING(AT(10, 12, 0)), EXITED(AT(10, 20, 5)), EXITED(AT(10, 11, 0)),
      ALIVE_AT(AT(10, 35, 0))},
     "12:12:00+ 12:20:00+ 12:20:05- 12:30:00-"},
    {"nothing is known before the first look",
     JUNE_20,
     600,
     BERTH_UPTIME_DAY,
     AT(10, 35, 0),
     {RUNNING(AT(10, 12, 0)), RUNNING(AT(10, 5, 0)), ALIVE_AT(AT(10, 35, 0))},
     "12:12:00+ 12:20:00+ 12:30:00+"},
    {"a restart of the gateway is a gap",
     JUNE_20,
     600,
     BERTH_UPTIME_DAY,
     AT(11, 5, 0),
     {RUNNING(AT(10, 0, 0)), WRITE, ALIVE_AT(AT(10, 22, 0)), REOPEN, RUNNING(AT(10, 51, 0)),
      ALIVE_AT(AT(11, 5, 0))},
     "12:00:00+ 12:10:00+ 12:20:00+ 12:51:00+ 13:00:00+"},
    {"a short restart misses no sample",
     JUNE_20,
     600,
     BERTH_UPTIME_DAY,
     AT(10, 35, 0),
     {RUNNING(AT(10, 0, 0)), ALIVE_AT(AT(10, 22, 0)), REOPEN, RUNNING(AT(10, 22, 3)),
      ALIVE_AT(AT(10, 35, 0))},
     "12:00:00+ 12:10:00+ 12:20:00+ 12:22:03+ 12:30:00+"},
    {"a killed gateway knows until its last watermark",
     JUNE_20,
     600,
     BERTH_UPTIME_DAY,
     AT(11, 5, 0),
     {RUNNING(AT(10, 0, 0)), ALIVE_AT(AT(10, 12, 0)), WRITE, ALIVE_AT(AT(10, 25, 0)), KILL,
      RUNNING(AT(10, 51, 0)), ALIVE_AT(AT(11, 5, 0))},
     "12:00:00+ 12:10:00+ 12:51:00+ 13:00:00+"},
    {"killed right after the beginning",
     JUNE_20,
     600,
     BERTH_UPTIME_DAY,
     AT(11, 5, 0),
     {RUNNING(AT(10, 0, 5)), WRITE, ALIVE_AT(AT(10, 25, 0)), KILL, EXITED(AT(10, 51, 0))},
     "12:00:05+ 12:51:00-"},
    {"killed twice",
     JUNE_20,
     600,
     BERTH_UPTIME_DAY,
     AT(11, 5, 0),
     {RUNNING(AT(10, 0, 0)), ALIVE_AT(AT(10, 12, 0)), WRITE, KILL, RUNNING(AT(10, 31, 0)),
      ALIVE_AT(AT(10, 42, 0)), WRITE, KILL, RUNNING(AT(11, 1, 0))},
     "12:00:00+ 12:10:00+ 12:31:00+ 12:40:00+ 13:01:00+"},
    {"in spring an hour is missing",
     MARCH_31,
     600,
     BERTH_UPTIME_DAY,
     AT(1, 15, 0),
     {RUNNING(AT(0, 35, 0)), ALIVE_AT(AT(1, 15, 0))},
     "01:35:00+ 01:40:00+ 01:50:00+ 03:00:00+ 03:10:00+"},
    {"in autumn an hour is there twice",
     OCTOBER_29,
     1200,
     BERTH_UPTIME_DAY,
     AT(2, 5, 0),
     {RUNNING(AT(0, 0, 0)), ALIVE_AT(AT(2, 5, 0))},
     "02:00:00+ 02:20:00+ 02:40:00+ 03:00:00+"},
    {"down in the first of the two hours",
     OCTOBER_29,
     1200,
     BERTH_UPTIME_DAY,
     AT(2, 25, 0),
     {RUNNING(AT(0, 0, 0)), EXITED(AT(0, 15, 0)), RUNNING(AT(0, 25, 0)), ALIVE_AT(AT(2, 25, 0))},
     "02:00:00+ 02:15:00- 02:20:00- 02:25:00+ 02:40:00+ 03:00:00+ 03:20:00+"},
    {"down in the second of the two hours",
     OCTOBER_29,
     1200,
     BERTH_UPTIME_DAY,
     AT(2, 25, 0),
     {RUNNING(AT(0, 0, 0)), EXITED(AT(1, 15, 0)), RUNNING(AT(1, 25, 0)), ALIVE_AT(AT(2, 25, 0))},
     "02:00:00+ 02:15:00- 02:20:00- 02:25:00+ 02:40:00+ 03:00:00+ 03:20:00+"},
    {"a gap in one of the two hours",
     OCTOBER_29,
     1200,
     BERTH_UPTIME_DAY,
     AT(2, 5, 0),
     {RUNNING(AT(0, 0, 0)), LOST_AT(AT(0, 25, 0)), RUNNING(AT(1, 35, 0)), ALIVE_AT(AT(2, 5, 0))},
     "02:00:00+ 02:20:00+ 02:35:00+ 02:40:00+ 03:00:00+"},
};

static void take_step(const struct scenario *scenario, const struct step *step)
{
    int64_t at_ms = scenario->day_s * 1000 + step->at_ms;
    switch (step->what) {
    case IS:
        observe("app--ana", step->state, at_ms);
        break;
    case GONE:
        gone("app--ana", at_ms);
        break;
    case ALIVE:
        alive(at_ms);
        break;
    case LOST:
        lost(at_ms);
        break;
    case WRITTEN:
        free(summarise("demo", "app--ana", BERTH_UPTIME_HOUR, at_ms));
        break;
    case REOPENED:
        close_recorder();
        open_recorder(scenario->interval_s, 36500);
        break;
    case KILLED:
    case END:
        break;
    }
}

/* Steps up to the next kill, in a process that does not live to close anything. */
static const struct step *live_until_killed(const struct scenario *scenario,
                                            const struct step *step)
{
    const struct step *killed = step;
    while (killed->what != END && killed->what != KILLED)
        killed++;
    if (killed->what == END)
        return step;
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        open_recorder(scenario->interval_s, 36500);
        for (; step < killed; step++)
            take_step(scenario, step);
        (void)kill(getpid(), SIGKILL);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    return live_until_killed(scenario, killed + 1);
}

/* A store of several gateways tells nothing of a state that was seen at one moment alone, before
 * its recorder was killed. */
static const char *expected_of(const struct scenario *scenario)
{
    bool is_other = strcmp(scenario->name, "killed right after the beginning") == 0;
    return unit_store_server() && is_other ? "12:51:00-" : scenario->expected;
}

START_TEST(spans_become_samples)
{
    for (size_t i = 0; i < UNIT_COUNT(scenarios); i++) {
        set_up();
        const struct scenario *scenario = &scenarios[i];
        const struct step *step = live_until_killed(scenario, scenario->steps);
        open_recorder(scenario->interval_s, 36500);
        for (; step->what != END; step++)
            take_step(scenario, step);
        int64_t now_ms = scenario->day_s * 1000 + scenario->now_ms;
        ck_summary(scenario->name, "app--ana", scenario->window, now_ms, expected_of(scenario));
        tear_down();
    }
}
END_TEST

START_TEST(the_summary_is_an_object_of_local_times)
{
    set_up();
    open_recorder(600, 36500);
    BERTH_CLEANUP(strbuf) struct berth_strbuf json = BERTH_STRBUF_INIT(4096);
    int64_t midnight_ms = (JUNE_20 - 2 * HOUR) * 1000; /* of Berlin */
    observe("app--ana", BERTH_APP_RUNNING, midnight_ms - 5000);
    observe("app--ana", BERTH_APP_EXITED, midnight_ms + 10 * MINUTE * 1000 + 7000);
    berth_strbuf_adds(&json, "body: ");
    ck_assert_int_eq(berth_uptime_summary(uptime, "demo", "app--ana", BERTH_UPTIME_MONTH,
                                          (midnight_ms + 1000000) * BERTH_NS_PER_MS, &json, NULL),
                     0);
    ck_assert_str_eq(json.data, "body: {\"2023-06-19T23:59:55\":true,\"2023-06-20T00:00:00\":true,"
                                "\"2023-06-20T00:10:00\":true,\"2023-06-20T00:10:07\":false}");

    berth_strbuf_clear(&json);
    ck_assert_int_eq(berth_uptime_summary(uptime, "demo", "nobody--ana", BERTH_UPTIME_MONTH,
                                          midnight_ms * BERTH_NS_PER_MS, &json, NULL),
                     0);
    ck_assert_str_eq(json.data, "{}");

    BERTH_CLEANUP(strbuf) struct berth_strbuf small = BERTH_STRBUF_INIT(40);
    berth_strbuf_adds(&small, "body: ");
    ck_assert_int_eq(berth_uptime_summary(uptime, "demo", "app--ana", BERTH_UPTIME_MONTH,
                                          (midnight_ms + 1000000) * BERTH_NS_PER_MS, &small, NULL),
                     BERTH_E_TOO_LARGE);
    ck_assert_str_eq(small.data, "body: ");
    tear_down();
}
END_TEST

START_TEST(windows_have_names)
{
    static const struct {
        const char *text;
        int expected; /* -1: refused */
    } rows[] = {
        {"hour", BERTH_UPTIME_HOUR},
        {"day", BERTH_UPTIME_DAY},
        {"week", BERTH_UPTIME_WEEK},
        {"month", BERTH_UPTIME_MONTH},
        {"", -1},
        {"year", -1},
        {"Hour", -1},
        {"hours", -1},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        enum berth_uptime_window window = BERTH_UPTIME_HOUR;
        struct berth_error err = BERTH_ERROR_INIT;
        int status = berth_uptime_parse_window(rows[i].text, &window, &err);
        if (rows[i].expected < 0) {
            ck_assert_msg(status == BERTH_E_INVALID, "%s", rows[i].text);
            ck_assert_ptr_nonnull(strstr(err.message, "duration"));
        } else {
            ck_assert_msg(status == 0 && (int)window == rows[i].expected, "%s", rows[i].text);
        }
    }
}
END_TEST

START_TEST(windows_have_lengths)
{
    static const struct {
        enum berth_uptime_window window;
        int64_t days;
        size_t samples; /* one a day, at 02:00 local time */
    } rows[] = {{BERTH_UPTIME_DAY, 1, 1}, {BERTH_UPTIME_WEEK, 7, 7}, {BERTH_UPTIME_MONTH, 31, 31}};
    set_up();
    open_recorder(86400, 36500);
    int64_t now_ms = JUNE_20 * 1000 + AT(12, 0, 0);
    observe("app--ana", BERTH_APP_RUNNING, now_ms - AT(60 * 24, 0, 0));
    alive(now_ms);
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(free)
        char *text = summarise("demo", "app--ana", rows[i].window, now_ms);
        ck_assert_uint_eq((strlen(text) + 1) / strlen("02:00:00+ "), rows[i].samples);
    }
    tear_down();
}
END_TEST

START_TEST(facilities_and_apps_are_apart)
{
    set_up();
    open_recorder(600, 36500);
    int64_t day_ms = JUNE_20 * 1000;
    berth_uptime_observe(uptime, "a", "x--ana", BERTH_APP_RUNNING,
                         (day_ms + AT(10, 1, 0)) * BERTH_NS_PER_MS);
    berth_uptime_observe(uptime, "b", "x--ana", BERTH_APP_EXITED,
                         (day_ms + AT(10, 2, 0)) * BERTH_NS_PER_MS);
    berth_uptime_observe(uptime, "a", "x--an", BERTH_APP_EXITED,
                         (day_ms + AT(10, 3, 0)) * BERTH_NS_PER_MS);
    berth_uptime_alive(uptime, "b", (day_ms + AT(10, 15, 0)) * BERTH_NS_PER_MS);
    berth_uptime_lost(uptime, "c", (day_ms + AT(10, 15, 0)) * BERTH_NS_PER_MS);
    berth_uptime_gone(uptime, "c", "x--ana", (day_ms + AT(10, 15, 0)) * BERTH_NS_PER_MS);
    static const struct {
        const char *facility;
        const char *app;
        const char *expected;
    } rows[] = {
        {"a", "x--ana", "12:01:00+"}, {"b", "x--ana", "12:02:00- 12:10:00-"},
        {"a", "x--an", "12:03:00-"},  {"b", "x--an", ""},
        {"c", "x--ana", ""},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(free)
        char *text =
            summarise(rows[i].facility, rows[i].app, BERTH_UPTIME_DAY, day_ms + AT(10, 30, 0));
        ck_assert_msg(strcmp(text, rows[i].expected) == 0, "%s/%s: %s", rows[i].facility,
                      rows[i].app, text);
    }
    tear_down();
}
END_TEST

START_TEST(the_future_is_not_known)
{
    set_up();
    open_recorder(600, 36500);
    int64_t before_ms = berth_clock_wall_ns() / BERTH_NS_PER_MS;
    observe("app--ana", BERTH_APP_RUNNING, before_ms + AT(24, 0, 0));
    alive(before_ms + AT(24, 0, 0));
    int64_t after_ms = berth_clock_wall_ns() / BERTH_NS_PER_MS;
    BERTH_CLEANUP(free)
    char *text = summarise("demo", "app--ana", BERTH_UPTIME_DAY, before_ms + AT(23, 0, 0));
    ck_assert_str_ne(text, "");
    /* One sample where it began; one more if the grid was met meanwhile. */
    ck_assert_uint_le(strlen(text), 2 * strlen("12:00:00+ "));
    (void)pthread_mutex_lock(&uptime->lock);
    ck_assert_int_le(berth_uptime_find(uptime, "demo")->alive_ms, after_ms);
    (void)pthread_mutex_unlock(&uptime->lock);
    tear_down();
}
END_TEST

START_TEST(without_memory_a_summary_leaves_its_buffer)
{
    set_up();
    open_recorder(600, 36500);
    int64_t now_ms = JUNE_20 * 1000;
    observe("app--ana", BERTH_APP_RUNNING, now_ms - AT(100, 0, 0));
    alive(now_ms);
    free(summarise("demo", "app--ana", BERTH_UPTIME_MONTH, now_ms));
    for (size_t n = 0;; n++) {
        BERTH_CLEANUP(strbuf) struct berth_strbuf json = BERTH_STRBUF_INIT(1U << 20);
        berth_strbuf_adds(&json, "body: ");
        unit_alloc_fail_after(n);
        int status = berth_uptime_summary(uptime, "demo", "app--ana", BERTH_UPTIME_MONTH,
                                          now_ms * BERTH_NS_PER_MS, &json, NULL);
        bool failed = unit_alloc_restore();
        if (!failed) {
            ck_assert_int_eq(status, 0);
            break;
        }
        ck_assert_int_eq(status, BERTH_E_NOMEM);
        ck_assert_str_eq(json.data, "body: ");
    }
    tear_down();
}
END_TEST

UNIT_SUITE("uptime", spans_become_samples, the_summary_is_an_object_of_local_times,
           windows_have_names, windows_have_lengths, facilities_and_apps_are_apart,
           the_future_is_not_known, without_memory_a_summary_leaves_its_buffer)
