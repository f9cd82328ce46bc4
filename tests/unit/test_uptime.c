/* SPDX-License-Identifier: MIT */
/* Scenarios of observations, written to a real store and read back as samples. */
#include "base/clock.h"
#include "base/json.h"
#include "facilities/uptime_internal.h"
#include "tests/unit/unit.h"

#include <signal.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/wait.h>

#define MINUTE 60
#define HOUR   3600

/* Offsets into the day of a scenario, in seconds; ms adds milliseconds. */
#define AT(hour, minute, second) (((hour)*3600 + (minute)*60 + (second)) * INT64_C(1000))

extern char **environ;

static struct berth_store *store;
static struct berth_uptime *uptime;
static char *data_dir;

/* The zone all tests are in; they have a process each. */
static void use_zone(void)
{
    static char zone[] = "TZ=Europe/Berlin";
    static char *variables[2] = {zone, NULL};
    environ = variables;
    berth_clock_init();
}

static void open_recorder(int64_t interval_s, int64_t retention_days)
{
    const struct berth_uptime_config config = {.sample_interval_s = interval_s,
                                               .retention_days = retention_days};
    struct berth_error err = BERTH_ERROR_INIT;
    ck_assert_msg(berth_store_open(data_dir, &store, &err) == 0, "%s", err.message);
    ck_assert_msg(berth_uptime_open(store, &config, &uptime, &err) == 0, "%s", err.message);
}

static void close_recorder(void)
{
    berth_uptime_close(uptime);
    berth_store_close(store);
}

static void set_up(void)
{
    data_dir = unit_scratch("data");
    use_zone();
}

static void tear_down(void)
{
    close_recorder();
    free(data_dir);
}

static void observe(const char *app, enum berth_app_state state, int64_t at_ms)
{
    berth_uptime_observe(uptime, "demo", app, state, at_ms * BERTH_NS_PER_MS);
}

static void alive(int64_t at_ms)
{
    berth_uptime_alive(uptime, "demo", at_ms * BERTH_NS_PER_MS);
}

/* The summary as "12:00:00+ 12:10:00-", the date left out; malloc'ed. */
static char *summarise(const char *facility, const char *app, enum berth_uptime_window window,
                       int64_t now_ms)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf json = BERTH_STRBUF_INIT(64U << 20);
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(64U << 20);
    struct berth_error err = BERTH_ERROR_INIT;
    int status =
        berth_uptime_summary(uptime, facility, app, window, now_ms * BERTH_NS_PER_MS, &json, &err);
    ck_assert_msg(status == 0, "%s", err.message);
    BERTH_CLEANUP(json) cJSON *object = NULL;
    ck_assert_int_eq(berth_json_parse(json.data, json.len, &object, NULL), 0);
    ck_assert(cJSON_IsObject(object));
    for (const cJSON *sample = object->child; sample; sample = sample->next) {
        ck_assert(cJSON_IsBool(sample));
        ck_assert_uint_eq(strlen(sample->string), strlen("2023-06-20T13:50:45"));
        berth_strbuf_addf(&text, "%s%s%c", text.len ? " " : "", sample->string + 11,
                          cJSON_IsTrue(sample) ? '+' : '-');
    }
    return strdup(berth_strbuf_str(&text));
}

static void ck_summary(const char *name, const char *app, enum berth_uptime_window window,
                       int64_t now_ms, const char *expected)
{
    BERTH_CLEANUP(free) char *text = summarise("demo", app, window, now_ms);
    ck_assert_msg(strcmp(text, expected) == 0, "%s:\nis     %s\nwanted %s", name, text, expected);
}

/* ---- Scenarios ---- */

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

#define JUNE_20    INT64_C(1687219200) /* 2023: Berlin is at +02:00 */
#define OCTOBER_29 INT64_C(1698537600) /* 2023: 03:00 becomes 02:00, at 01:00 UTC */
#define MARCH_31   INT64_C(1711843200) /* 2024: 02:00 becomes 03:00, at 01:00 UTC */

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
     {RUNNING(AT(10, 0, 0)), ALIVE_AT(AT(10, 22, 0)), REOPEN, RUNNING(AT(10, 51, 0)),
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
        berth_uptime_gone(uptime, "demo", "app--ana", at_ms * BERTH_NS_PER_MS);
        break;
    case ALIVE:
        alive(at_ms);
        break;
    case LOST:
        berth_uptime_lost(uptime, "demo", at_ms * BERTH_NS_PER_MS);
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
        ck_summary(scenario->name, "app--ana", scenario->window, now_ms, scenario->expected);
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

static bool is_known(const char *app)
{
    bool known;
    ck_assert_int_eq(berth_uptime_known(uptime, "demo", app, &known, NULL), 0);
    return known;
}

START_TEST(apps_are_known_while_their_spans_are_kept)
{
    set_up();
    open_recorder(600, 36500);
    int64_t now_ms = berth_clock_wall_ns() / BERTH_NS_PER_MS;
    observe("present--ana", BERTH_APP_EXITED, now_ms - AT(72, 0, 0));
    alive(now_ms);
    observe("gone--ana", BERTH_APP_RUNNING, now_ms - AT(12, 0, 0));
    berth_uptime_gone(uptime, "demo", "gone--ana", (now_ms - AT(11, 0, 0)) * BERTH_NS_PER_MS);
    observe("old--ana", BERTH_APP_RUNNING, now_ms - AT(72, 0, 0));
    berth_uptime_gone(uptime, "demo", "old--ana", (now_ms - AT(25, 0, 0)) * BERTH_NS_PER_MS);
    ck_assert(is_known("present--ana"));
    ck_assert(is_known("gone--ana"));
    ck_assert(is_known("old--ana"));
    ck_assert(!is_known("never--ana"));
    close_recorder();
    open_recorder(600, 1);
    ck_assert(is_known("present--ana"));
    ck_assert(is_known("gone--ana"));
    ck_assert(!is_known("old--ana"));
    tear_down();
}
END_TEST

/* ---- Beside the store's own connections ---- */

static sqlite3 *open_beside(void)
{
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/berth.db", data_dir);
    sqlite3 *db;
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    (void)sqlite3_busy_timeout(db, 10000);
    return db;
}

static void run_beside(sqlite3 *db, const char *sql)
{
    char *why = NULL;
    (void)sqlite3_exec(db, sql, NULL, NULL, &why);
    ck_assert_msg(!why, "%s: %s", sql, why);
}

static int64_t count_beside(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement;
    ck_assert_int_eq(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_step(statement), SQLITE_ROW);
    int64_t count = sqlite3_column_int64(statement, 0);
    (void)sqlite3_finalize(statement);
    return count;
}

static void nap(void)
{
    (void)nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
}

START_TEST(spans_past_the_retention_are_deleted)
{
    set_up();
    open_recorder(600, 36500);
    int64_t now_ms = berth_clock_wall_ns() / BERTH_NS_PER_MS;
    char app[32];
    /* More than two batches of them. */
    for (int i = 0; i < 2 * BERTH_UPTIME_PURGE_ROWS + 10; i++) {
        (void)snprintf(app, sizeof(app), "app--%d", i);
        observe(app, BERTH_APP_RUNNING, now_ms - AT(72, 0, 0));
        observe(app, BERTH_APP_EXITED, now_ms - AT(48, 0, 0) + i);
    }
    alive(now_ms);
    close_recorder();
    sqlite3 *db = open_beside();
    ck_assert_int_eq(count_beside(db, "SELECT count(*) FROM uptime_span"),
                     2 * (2 * BERTH_UPTIME_PURGE_ROWS + 10));
    open_recorder(600, 1);
    while (count_beside(db, "SELECT count(*) FROM uptime_span WHERE state = 'running'") > 0)
        nap();
    ck_assert_int_eq(count_beside(db, "SELECT count(*) FROM uptime_span"),
                     2 * BERTH_UPTIME_PURGE_ROWS + 10);
    (void)sqlite3_close(db);
    tear_down();
}
END_TEST

START_TEST(a_watermark_is_written_with_every_sample)
{
    set_up();
    open_recorder(1, 36500);
    int64_t day_ms = JUNE_20 * 1000;
    sqlite3 *db = open_beside();
    alive(day_ms);
    while (count_beside(db, "SELECT count(*) FROM uptime_watermark") == 0)
        nap();
    ck_assert_int_eq(count_beside(db, "SELECT at_ms FROM uptime_watermark"), day_ms);
    alive(day_ms + 500);
    alive(day_ms + 400);
    while (count_beside(db, "SELECT at_ms FROM uptime_watermark") == day_ms)
        nap();
    ck_assert_int_eq(count_beside(db, "SELECT at_ms FROM uptime_watermark"), day_ms + 500);
    (void)sqlite3_close(db);
    tear_down();
}
END_TEST

START_TEST(rows_grow_with_changes_alone)
{
    set_up();
    open_recorder(600, 36500);
    int64_t day_ms = JUNE_20 * 1000;
    for (int64_t at_ms = 0; at_ms < AT(20, 0, 0); at_ms += AT(0, 1, 0)) {
        observe("app--ana", BERTH_APP_RUNNING, day_ms + at_ms);
        alive(day_ms + at_ms);
    }
    observe("app--ana", BERTH_APP_EXITED, day_ms + AT(20, 0, 0));
    observe("app--ana", BERTH_APP_RUNNING, day_ms + AT(20, 0, 0)); /* no length */
    free(summarise("demo", "app--ana", BERTH_UPTIME_HOUR, day_ms));
    sqlite3 *db = open_beside();
    ck_assert_int_eq(count_beside(db, "SELECT count(*) FROM uptime_span"), 2);
    ck_assert_int_eq(count_beside(db, "SELECT count(*) FROM uptime_watermark"), 1);
    (void)sqlite3_close(db);
    tear_down();
}
END_TEST

START_TEST(what_cannot_be_written_is_kept_and_written_later)
{
    set_up();
    open_recorder(600, 36500);
    int64_t day_ms = JUNE_20 * 1000;
    int64_t now_ms = day_ms + AT(10, 45, 0);
    observe("app--ana", BERTH_APP_RUNNING, day_ms + AT(10, 0, 0));
    alive(day_ms + AT(10, 15, 0));
    ck_summary("before", "app--ana", BERTH_UPTIME_DAY, now_ms, "12:00:00+ 12:10:00+");
    sqlite3 *db = open_beside();
    run_beside(db, "CREATE TRIGGER full BEFORE INSERT ON uptime_span"
                   " BEGIN SELECT RAISE(ABORT, 'scripted'); END");
    observe("app--ana", BERTH_APP_EXITED, day_ms + AT(10, 15, 0));
    observe("app--ana", BERTH_APP_RUNNING, day_ms + AT(10, 25, 0));
    alive(now_ms);
    /* Until then only what is written is said, and nothing of it that may have ended. */
    ck_summary("while it cannot", "app--ana", BERTH_UPTIME_DAY, now_ms, "12:00:00+ 12:10:00+");
    int64_t asked_ms = berth_clock_monotonic_ms();
    ck_summary("again", "app--ana", BERTH_UPTIME_DAY, now_ms, "12:00:00+ 12:10:00+");
    ck_assert_int_lt(berth_clock_monotonic_ms() - asked_ms, BERTH_UPTIME_FLUSH_MS);
    run_beside(db, "DROP TRIGGER full");
    while (count_beside(db, "SELECT count(*) FROM uptime_span") < 3)
        nap();
    ck_summary("after", "app--ana", BERTH_UPTIME_DAY, now_ms,
               "12:00:00+ 12:10:00+ 12:15:00- 12:20:00- 12:25:00+ 12:30:00+ 12:40:00+");
    (void)sqlite3_close(db);
    tear_down();
}
END_TEST

#define APPS 100

/* The queue is full: what does not fit is a gap, from the end of what is known to the last state.
 */
START_TEST(past_the_bound_the_present_is_kept)
{
    set_up();
    open_recorder(600, 36500);
    int64_t day_ms = JUNE_20 * 1000;
    char app[32];
    for (int i = 0; i < APPS; i++) {
        (void)snprintf(app, sizeof(app), "app--%d", i);
        observe(app, BERTH_APP_RUNNING, day_ms + AT(10, 0, 0));
    }
    free(summarise("demo", "app--1", BERTH_UPTIME_DAY, day_ms));
    sqlite3 *db = open_beside();
    run_beside(db, "CREATE TRIGGER full BEFORE INSERT ON uptime_span"
                   " BEGIN SELECT RAISE(ABORT, 'scripted'); END");
    for (int i = 0; i < BERTH_UPTIME_QUEUE_MAX; i++) /* of another app, and nothing else fits */
        observe("busy--ana", i % 2 ? BERTH_APP_PAUSED : BERTH_APP_RUNNING, day_ms + i);
    for (int i = 0; i < APPS; i++) {
        (void)snprintf(app, sizeof(app), "app--%d", i);
        observe(app, BERTH_APP_EXITED, day_ms + AT(10, 15, 0));
        if (i % 4 == 1)
            observe(app, BERTH_APP_PAUSED, day_ms + AT(10, 25, 0));
        if (i % 4 == 2)
            berth_uptime_gone(uptime, "demo", app, (day_ms + AT(10, 25, 0)) * BERTH_NS_PER_MS);
        if (i % 4 != 2)
            observe(app, BERTH_APP_RUNNING, day_ms + AT(10, 35, 0));
    }
    observe("new--ana", BERTH_APP_RUNNING, day_ms + AT(10, 20, 0));
    alive(day_ms + AT(10, 45, 0));
    ck_assert_uint_eq(uptime->queue_count, BERTH_UPTIME_QUEUE_MAX);
    ck_assert_int_eq(count_beside(db, "SELECT at_ms FROM uptime_watermark"), day_ms + AT(10, 0, 0));
    run_beside(db, "DROP TRIGGER full");
    while (count_beside(db, "SELECT count(*) FROM uptime_span WHERE app = 'new--ana'") == 0)
        nap();
    int64_t now_ms = day_ms + AT(10, 45, 0);
    for (int i = 0; i < APPS; i++) {
        (void)snprintf(app, sizeof(app), "app--%d", i);
        ck_summary(app, app, BERTH_UPTIME_DAY, now_ms,
                   i % 4 == 2 ? "12:00:00+ 12:10:00+" : "12:00:00+ 12:10:00+ 12:35:00+ 12:40:00+");
    }
    ck_summary("new", "new--ana", BERTH_UPTIME_DAY, now_ms, "12:20:00+ 12:30:00+ 12:40:00+");
    ck_assert(!berth_uptime_find_track(berth_uptime_find(uptime, "demo"), "app--2"));
    (void)sqlite3_close(db);
    tear_down();
}
END_TEST

START_TEST(lost_while_behind)
{
    set_up();
    open_recorder(600, 36500);
    int64_t day_ms = JUNE_20 * 1000;
    observe("app--ana", BERTH_APP_RUNNING, day_ms + AT(10, 0, 0));
    free(summarise("demo", "app--ana", BERTH_UPTIME_DAY, day_ms));
    sqlite3 *db = open_beside();
    run_beside(db, "CREATE TRIGGER full BEFORE INSERT ON uptime_span"
                   " BEGIN SELECT RAISE(ABORT, 'scripted'); END");
    for (int i = 0; i < BERTH_UPTIME_QUEUE_MAX; i++)
        observe("busy--ana", i % 2 ? BERTH_APP_PAUSED : BERTH_APP_RUNNING, day_ms + i);
    observe("app--ana", BERTH_APP_EXITED, day_ms + AT(10, 15, 0));
    berth_uptime_lost(uptime, "demo", (day_ms + AT(10, 25, 0)) * BERTH_NS_PER_MS);
    observe("app--ana", BERTH_APP_RUNNING, day_ms + AT(10, 35, 0));
    alive(day_ms + AT(10, 45, 0));
    run_beside(db, "DROP TRIGGER full");
    while (count_beside(db, "SELECT count(*) FROM uptime_span WHERE app = 'app--ana'") < 2)
        nap();
    ck_summary("lost", "app--ana", BERTH_UPTIME_DAY, day_ms + AT(10, 45, 0),
               "12:00:00+ 12:10:00+ 12:35:00+ 12:40:00+");
    (void)sqlite3_close(db);
    tear_down();
}
END_TEST

/* ---- Threads ---- */

#define THREADS 4
#define CHANGES 50

static void *change_and_read(void *arg)
{
    char app[32];
    (void)snprintf(app, sizeof(app), "app--%zu", (size_t)(uintptr_t)arg);
    int64_t day_ms = JUNE_20 * 1000;
    for (int i = 0; i < CHANGES; i++) {
        int64_t at_ms = day_ms + AT(0, i, 0);
        observe(app, i % 2 ? BERTH_APP_EXITED : BERTH_APP_RUNNING, at_ms);
        if (i % 10 == 0)
            alive(at_ms);
        BERTH_CLEANUP(free) char *text = summarise("demo", app, BERTH_UPTIME_DAY, at_ms);
        /* All before is there: one sample a minute. */
        ck_assert_uint_eq((strlen(text) + 1) / strlen("02:00:00+ "), (size_t)i + 1);
    }
    return NULL;
}

START_TEST(a_summary_sees_all_that_was_observed_before)
{
    set_up();
    open_recorder(86400, 36500);
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(berth_thread_start(&threads[i], "observer", change_and_read,
                                            (void *)(uintptr_t)i, NULL),
                         0);
    for (size_t i = 0; i < THREADS; i++)
        (void)pthread_join(threads[i], NULL);
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

START_TEST(without_memory_a_change_is_recorded_later)
{
    set_up();
    open_recorder(600, 36500);
    int64_t day_ms = JUNE_20 * 1000;
    observe("app--ana", BERTH_APP_RUNNING, day_ms + AT(10, 0, 0));
    unit_alloc_fail_after(0);
    observe("app--ana", BERTH_APP_EXITED, day_ms + AT(10, 15, 0));
    ck_assert(unit_alloc_restore());
    alive(day_ms + AT(10, 25, 0));
    ck_summary("one change", "app--ana", BERTH_UPTIME_DAY, day_ms + AT(10, 25, 0),
               "12:00:00+ 12:10:00+ 12:15:00- 12:20:00-");
    unit_alloc_fail_after(0);
    observe("new--ana", BERTH_APP_RUNNING, day_ms + AT(10, 30, 0));
    ck_assert(unit_alloc_restore());
    observe("new--ana", BERTH_APP_RUNNING, day_ms + AT(10, 35, 0));
    ck_summary("a new app", "new--ana", BERTH_UPTIME_DAY, day_ms + AT(10, 45, 0), "12:35:00+");
    tear_down();
}
END_TEST

/* ---- Size ---- */

#define MANY 10000

/* 10,000 apps with 20 spans each, of which one changes its state every ten minutes of a month. */
START_TEST(a_month_of_many)
{
    set_up();
    open_recorder(600, 36500);
    int64_t now_ms = JUNE_20 * 1000;
    sqlite3 *db = open_beside();
    run_beside(db, "PRAGMA synchronous = OFF; BEGIN");
    sqlite3_stmt *insert;
    ck_assert_int_eq(sqlite3_prepare_v2(db,
                                        "INSERT INTO uptime_span"
                                        " (facility, app, state, from_ms, to_ms)"
                                        " VALUES ('demo', 'app--' || ?1, ?2, ?3, ?4)",
                                        -1, &insert, NULL),
                     SQLITE_OK);
    for (int app = 0; app < MANY; app++) {
        int spans = app == MANY / 2 ? 4464 : 20;
        int64_t step_ms = AT(31 * 24, 0, 0) / spans;
        for (int i = 0; i < spans; i++) {
            int64_t from_ms = now_ms - (spans - i) * step_ms + app;
            (void)sqlite3_bind_int(insert, 1, app);
            (void)sqlite3_bind_text(insert, 2, i % 2 ? "exited" : "running", -1, SQLITE_STATIC);
            (void)sqlite3_bind_int64(insert, 3, from_ms);
            (void)sqlite3_bind_int64(insert, 4, from_ms + step_ms);
            ck_assert_int_eq(sqlite3_step(insert), SQLITE_DONE);
            (void)sqlite3_reset(insert);
        }
    }
    (void)sqlite3_finalize(insert);
    run_beside(db, "COMMIT");
    (void)sqlite3_close(db);
    static const int apps[] = {17, MANY / 2};
    for (size_t i = 0; i < UNIT_COUNT(apps); i++) {
        char app[32];
        (void)snprintf(app, sizeof(app), "app--%d", apps[i]);
        int64_t best_ns = INT64_MAX;
        size_t bytes = 0;
        for (int round = 0; round < 5; round++) {
            BERTH_CLEANUP(strbuf) struct berth_strbuf json = BERTH_STRBUF_INIT(64U << 20);
            int64_t begin_ns = berth_clock_monotonic_ns();
            ck_assert_int_eq(berth_uptime_summary(uptime, "demo", app, BERTH_UPTIME_MONTH,
                                                  now_ms * BERTH_NS_PER_MS, &json, NULL),
                             0);
            int64_t spent_ns = berth_clock_monotonic_ns() - begin_ns;
            best_ns = spent_ns < best_ns ? spent_ns : best_ns;
            bytes = json.len;
        }
        printf("a month of %s among %d apps: %.2f ms, %zu bytes\n", app, MANY,
               (double)best_ns / 1e6, bytes);
    }
    tear_down();
}
END_TEST

UNIT_SUITE("uptime", spans_become_samples, the_summary_is_an_object_of_local_times,
           windows_have_names, windows_have_lengths, facilities_and_apps_are_apart,
           the_future_is_not_known, apps_are_known_while_their_spans_are_kept,
           spans_past_the_retention_are_deleted, a_watermark_is_written_with_every_sample,
           rows_grow_with_changes_alone, what_cannot_be_written_is_kept_and_written_later,
           past_the_bound_the_present_is_kept, lost_while_behind,
           a_summary_sees_all_that_was_observed_before, without_memory_a_summary_leaves_its_buffer,
           without_memory_a_change_is_recorded_later, a_month_of_many)
