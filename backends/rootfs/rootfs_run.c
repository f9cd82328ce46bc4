/* SPDX-License-Identifier: MIT */
/*
 * A run of an app: conmon, which has the runtime create its container, and the
 * runtime's start. What conmon and its caller say to each other over two pipes
 * is in conmon's src/conmon.c: it waits for a byte on the start pipe, and tells
 * on the sync pipe which process the container's first is, or what went wrong.
 */
#include "backends/rootfs/rootfs_internal.h"
#include "backends/rootfs/rootfs_root.h"
#include "base/clock.h"
#include "base/folder.h"
#include "base/json.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#define ANSWER_MAX 8192
#define SYNC_FILE  3
#define START_FILE 4
#define KILL_MS    2000 /* until a process that was killed has ended */

#define NUMBER(text)  #text
#define AS_TEXT(text) NUMBER(text)

/* ---- The runtime ---- */

/* What it says of a failure, without the newline at its end. */
static int refuse(const struct berth_strbuf *said, const char *what, struct berth_error *err)
{
    const char *text = berth_strbuf_str(said);
    size_t len = said->len;
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == ' '))
        len--;
    if (len == 0)
        return berth_error_set(err, BERTH_E_REFUSED, "the runtime cannot %s the app", what);
    return berth_error_set(err, BERTH_E_REFUSED, "%.*s", (int)len, text);
}

/* Runs "runtime VERB [FLAG] ID". */
static int run_runtime(const struct berth_rootfs *rootfs, const char *runtime, const char *verb,
                       const char *flag, const char *id, struct berth_error *err)
{
    static const char *const nothing[] = {NULL};
    BERTH_CLEANUP(strbuf) struct berth_strbuf out = BERTH_STRBUF_INIT(BERTH_PROCESS_OUTPUT_MAX);
    BERTH_CLEANUP(strbuf) struct berth_strbuf said = BERTH_STRBUF_INIT(BERTH_PROCESS_OUTPUT_MAX);
    const char *argv[5] = {runtime, verb};
    size_t count = 2;
    int code;
    if (flag)
        argv[count++] = flag;
    argv[count] = id;
    const struct berth_process process = {.argv = argv,
                                          .envp = nothing,
                                          .directory = -1,
                                          .handed_on = -1,
                                          .timeout_ms = rootfs->request_timeout_ms};
    int rc = berth_process_run(&process, &out, &said, &code, err);
    if (rc < 0)
        return rc;
    return code == 0 ? 0 : refuse(&said, verb, err);
}

/* ---- The end of a run ---- */

bool berth_rootfs_is_littered(const struct berth_rootfs_app *app)
{
    const struct berth_rootfs_state *state = &app->state;
    if (state->is_starting || state->is_unseen)
        return true;
    return !berth_rootfs_runs(app) && !berth_rootfs_process_lives(&state->conmon) &&
           berth_rootfs_has_cgroup(app->id);
}

/* Waits for a process's end; false: the time is up. */
static bool await_process(const struct berth_rootfs_process *process, int64_t deadline_ms)
{
    BERTH_CLEANUP(fd) int fd = -1;
    if (berth_rootfs_process_open(process, &fd, NULL) < 0)
        return true;
    for (;;) {
        struct pollfd polled = {.fd = fd, .events = POLLIN};
        int64_t left_ms = deadline_ms - berth_clock_monotonic_ms();
        if (left_ms <= 0)
            return false;
        if (poll(&polled, 1, left_ms > INT32_MAX ? INT32_MAX : (int)left_ms) > 0)
            return !berth_rootfs_process_lives(process); /* which waits for a child, too */
    }
}

int berth_rootfs_await_cleared(struct berth_rootfs *rootfs, const struct berth_rootfs_app *app,
                               struct berth_error *err)
{
    int64_t deadline_ms = berth_clock_monotonic_ms() + rootfs->request_timeout_ms;
    if (await_process(&app->state.conmon, deadline_ms))
        return 0;
    return berth_error_set(err, BERTH_E_TIMEOUT, "what the app ran in is not cleared away in time");
}

int berth_rootfs_await_end(struct berth_rootfs *rootfs, struct berth_rootfs_app *app,
                           int64_t wait_ms, bool *ret_ended, struct berth_error *err)
{
    BERTH_CLEANUP(fd) int news = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    BERTH_CLEANUP(fd) int conmon = -1;
    BERTH_CLEANUP(fd) int init = -1;
    int64_t deadline_ms = berth_clock_monotonic_ms() + wait_ms;
    if (news < 0 || inotify_add_watch(news, rootfs->states_path, IN_MOVED_TO) < 0)
        return berth_error_set_errno(err, BERTH_E_INTERNAL, errno, "an end cannot be waited for");
    (void)!berth_rootfs_process_open(&app->state.conmon, &conmon, NULL);
    if (conmon < 0) /* nobody but itself will tell of it */
        (void)!berth_rootfs_process_open(&app->state.init, &init, NULL);
    for (;;) {
        char events[4096];
        int rc = berth_rootfs_look(rootfs, app, err);
        int64_t left_ms = deadline_ms - berth_clock_monotonic_ms();
        *ret_ended = !berth_rootfs_runs(app);
        if (rc < 0 || *ret_ended || left_ms <= 0)
            return rc;
        struct pollfd polled[] = {{.fd = news, .events = POLLIN},
                                  {.fd = conmon, .events = POLLIN},
                                  {.fd = init, .events = POLLIN}};
        (void)poll(polled, 3, left_ms > INT32_MAX ? INT32_MAX : (int)left_ms);
        (void)!read(news, events, sizeof(events));
        if (polled[1].revents) {
            berth_fd_close(&conmon);
            (void)!berth_rootfs_process_open(&app->state.init, &init, NULL);
        }
    }
}

/* Its arguments begin with these. */
static const char conmon_mark[] = "--sync\0--cid";

static bool is_conmon_of(const struct berth_rootfs_app *app, const char *process)
{
    char path[300];
    char text[512];
    (void)snprintf(path, sizeof(path), "/proc/%s/cmdline", process);
    BERTH_CLEANUP(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text));
    const char *at = got <= 0 ? NULL : memchr(text, '\0', (size_t)got);
    size_t left = at ? (size_t)(text + got - ++at) : 0;
    return left >= sizeof(conmon_mark) + sizeof(app->id) &&
           memcmp(at, conmon_mark, sizeof(conmon_mark)) == 0 &&
           memcmp(at + sizeof(conmon_mark), app->id, sizeof(app->id)) == 0;
}

/* Waits for its end: what it asked of the kernel last, such as a cgroup, may be on its way yet. */
static void kill_member(pid_t pid, pid_t session)
{
    BERTH_CLEANUP(fd) int fd = pid > 0 && getsid(pid) == session ? pidfd_open(pid, 0) : -1;
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    if (fd >= 0 && getsid(pid) == session && pidfd_send_signal(fd, SIGKILL, NULL, 0) == 0)
        (void)poll(&polled, 1, KILL_MS);
}

/* A conmon that was started for the app, and whose number nobody has noted, with the runtime that
 * it has started: they are a session. */
static void kill_strays(const struct berth_rootfs_app *app)
{
    BERTH_CLEANUP(dir) DIR *list = opendir("/proc");
    const struct dirent *entry;
    pid_t session = 0;
    while (list && session == 0 && (entry = readdir(list)))
        if (berth_is_digit(entry->d_name[0]) && is_conmon_of(app, entry->d_name))
            session = (pid_t)strtol(entry->d_name, NULL, 10);
    if (session == 0)
        return;
    (void)kill(session, SIGKILL); /* first: it starts no more */
    rewinddir(list);
    while ((entry = readdir(list)))
        kill_member((pid_t)strtol(entry->d_name, NULL, 10), session);
}

int berth_rootfs_sweep(struct berth_rootfs *rootfs, struct berth_rootfs_app *app,
                       struct berth_error *err)
{
    struct berth_rootfs_state *state = &app->state;
    if (!berth_rootfs_is_littered(app))
        return 0;
    if (strcmp(state->boot, rootfs->boot) == 0) {
        if (state->is_starting)
            kill_strays(app);
        /* That it knows none is what is wanted. */
        (void)!run_runtime(rootfs, state->runtime, "delete", "--force", app->id, NULL);
        /* There may be one in some trees alone, where it was cut short. */
        if (!berth_rootfs_drop_cgroup(app->id))
            return berth_error_set(err, BERTH_E_REFUSED,
                                   "what the app ran in cannot be cleared away");
    }
    state->is_starting = state->is_unseen = false;
    state->conmon = state->init = (struct berth_rootfs_process){0};
    return berth_rootfs_state_write(rootfs->states, app->id, state, err);
}

/* ---- Starting conmon ---- */

struct launch {
    struct berth_rootfs *rootfs;
    struct berth_rootfs_app *app;
    int sync[2];         /* conmon tells */
    int start[2];        /* conmon waits */
    const char *program; /* conmon's path */
    struct berth_rootfs_process conmon;
};

static void launch_release(struct launch *launch)
{
    for (size_t i = 0; i < 2; i++) {
        berth_fd_close(&launch->sync[i]);
        berth_fd_close(&launch->start[i]);
    }
}
BERTH_DEFINE_CLEANUP_VALUE(launch, struct launch, launch_release)

/* What runs in the app's mount namespace. */
static int start_conmon(void *ctx, struct berth_error *err)
{
    static const char *const envp[] = {"_OCI_SYNCPIPE=" AS_TEXT(SYNC_FILE),
                                       "_OCI_STARTPIPE=" AS_TEXT(START_FILE), NULL};
    struct launch *launch = ctx;
    const struct berth_rootfs_app *app = launch->app;
    BERTH_CLEANUP(strbuf) struct berth_strbuf log = BERTH_STRBUF_INIT(PATH_MAX);
    BERTH_CLEANUP(strbuf) struct berth_strbuf pid_file = BERTH_STRBUF_INIT(PATH_MAX);
    berth_strbuf_addf(&log, "k8s-file:%s/%s", app->path, BERTH_ROOTFS_LOG);
    berth_strbuf_addf(&pid_file, "%s/%s", app->path, BERTH_ROOTFS_PID);
    int rc = berth_strbuf_check(&log, err);
    if (rc == 0)
        rc = berth_strbuf_check(&pid_file, err);
    if (rc < 0)
        return rc;
    const char *const argv[] = {
        launch->program, "--sync", "--cid", app->id, "--cuuid", app->id, "--bundle", app->path,
        "--runtime", app->state.runtime, "--log-path", berth_strbuf_str(&log), "--log-size-max",
        AS_TEXT(BERTH_ROOTFS_LOG_BYTES), "--no-sync-log", "--log-level", "error", "--full-attach",
        "--container-pidfile", berth_strbuf_str(&pid_file), "--exit-dir",
        launch->rootfs->states_path,
        /* What the runtime keeps of it goes even while no gateway runs. */
        "--exit-command", app->state.runtime, "--exit-command-arg", "delete", "--exit-command-arg",
        "--force", "--exit-command-arg", app->id, app->record.terminal ? "--terminal" : NULL, NULL};
    const int files[] = {launch->sync[1], launch->start[0]};
    const struct berth_process process = {.argv = argv, .envp = envp, .directory = -1};
    pid_t pid;
    rc = berth_process_start(&process, files, 2, &pid, err);
    if (rc == 0)
        berth_rootfs_process_note(pid, &launch->conmon);
    return rc;
}

/* Reads what conmon says, up to the end of the line. */
static int read_answer(struct launch *launch, struct berth_strbuf *answer, struct berth_error *err)
{
    int64_t deadline_ms = berth_clock_monotonic_ms() + launch->rootfs->request_timeout_ms;
    for (;;) {
        struct pollfd polled = {.fd = launch->sync[0], .events = POLLIN};
        char piece[1024];
        int64_t left_ms = deadline_ms - berth_clock_monotonic_ms();
        if (left_ms <= 0)
            return berth_error_set(err, BERTH_E_TIMEOUT, "the app is not created in time");
        if (poll(&polled, 1, left_ms > INT32_MAX ? INT32_MAX : (int)left_ms) <= 0)
            continue;
        ssize_t got = read(launch->sync[0], piece, sizeof(piece));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return answer->len > 0
                       ? 0
                       : berth_error_set(err, BERTH_E_REFUSED, "conmon has ended without a word");
        berth_strbuf_add(answer, piece, (size_t)got);
        if (memchr(piece, '\n', (size_t)got))
            return berth_strbuf_check(answer, err);
    }
}

/* Lets conmon go on, and learns of the container's first process. */
static int await_container(struct launch *launch, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf answer = BERTH_STRBUF_INIT(ANSWER_MAX);
    BERTH_CLEANUP(json) cJSON *told = NULL;
    berth_fd_close(&launch->sync[1]);
    berth_rootfs_keep_apart(launch->conmon.pid);
    if (write(launch->start[1], "", 1) < 0)
        return berth_error_set_errno(err, BERTH_E_INTERNAL, errno, "conmon cannot be told");
    int rc = read_answer(launch, &answer, err);
    if (rc == 0)
        rc = berth_json_parse(berth_strbuf_str(&answer), answer.len, &told, err);
    if (rc < 0)
        return rc;
    pid_t pid = (pid_t)berth_json_int(told, "pid", -1);
    if (pid <= 0) {
        BERTH_CLEANUP(strbuf) struct berth_strbuf said = BERTH_STRBUF_INIT(ANSWER_MAX);
        berth_strbuf_adds(&said, berth_json_string(told, "message", ""));
        return refuse(&said, "create", err);
    }
    berth_rootfs_process_note(pid, &launch->app->state.init);
    return 0;
}

/* ---- A run ---- */

/* What the run before has left in the folder. */
static int clear_folder(const struct berth_rootfs *rootfs, const struct berth_rootfs_app *app,
                        struct berth_error *err)
{
    static const char *const names[] = {BERTH_ROOTFS_ATTACH, BERTH_ROOTFS_CTL, "winsz",
                                        BERTH_ROOTFS_PID};
    if (unlinkat(rootfs->states, app->id, 0) < 0 && errno != ENOENT)
        return berth_error_set_errno(err, BERTH_E_IO, errno, "the run before cannot be forgotten");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (unlinkat(app->folder, names[i], 0) < 0 && errno != ENOENT)
            return berth_error_set_errno(err, BERTH_E_IO, errno, "%s cannot be removed", names[i]);
    return 0;
}

static int launch(struct launch *launch, struct berth_error *err)
{
    struct berth_rootfs *rootfs = launch->rootfs;
    struct berth_rootfs_app *app = launch->app;
    if (pipe2(launch->sync, O_CLOEXEC) < 0 || pipe2(launch->start, O_CLOEXEC) < 0)
        return berth_error_set_errno(err, BERTH_E_INTERNAL, errno, "no pipe can be made");
    const struct berth_rootfs_root root = {
        .config = &rootfs->config, .rootfs = app->record.rootfs, .app = app->path};
    int rc = berth_rootfs_root_run(&root, start_conmon, launch, err);
    if (rc == 0)
        rc = await_container(launch, err);
    if (rc < 0)
        return rc;
    app->state.started_ns = berth_clock_wall_ns();
    return run_runtime(rootfs, app->state.runtime, "start", NULL, app->id, err);
}

/* It was not to be: nothing of it stays. */
static void undo(struct launch *launch, const struct berth_rootfs_state *before)
{
    struct berth_rootfs *rootfs = launch->rootfs;
    struct berth_rootfs_app *app = launch->app;
    bool has_container = app->state.init.pid > 0;
    app->state = *before;
    if (launch->conmon.pid > 0) {
        if (has_container)
            (void)!run_runtime(rootfs, app->state.runtime, "delete", "--force", app->id, NULL);
        if (!await_process(&launch->conmon,
                           berth_clock_monotonic_ms() + rootfs->request_timeout_ms)) {
            kill_strays(app); /* the runtime may be at it yet */
            (void)!run_runtime(rootfs, app->state.runtime, "delete", "--force", app->id, NULL);
        }
    }
    (void)!clear_folder(rootfs, app, NULL);
    (void)!berth_rootfs_state_write(rootfs->states, app->id, before, NULL);
}

/* A run before may be on its way out, or have left something. How it ended is written before what
 * tells of it is taken away: who looks in between would see an end that nobody saw. */
static int make_way(struct berth_rootfs *rootfs, struct berth_rootfs_app *app,
                    struct berth_error *err)
{
    int rc = berth_rootfs_sweep(rootfs, app, err);
    if (rc == 0)
        rc = berth_rootfs_await_cleared(rootfs, app, err);
    if (rc == 0 && app->state.state == BERTH_APP_EXITED)
        rc = berth_rootfs_state_write(rootfs->states, app->id, &app->state, err);
    if (rc == 0)
        rc = clear_folder(rootfs, app, err);
    return rc < 0 ? rc : berth_rootfs_prepare(rootfs, app, err);
}

int berth_rootfs_run(struct berth_rootfs *rootfs, struct berth_rootfs_app *app,
                     struct berth_error *err)
{
    BERTH_CLEANUP(launch)
    struct launch this = {.rootfs = rootfs, .app = app, .sync = {-1, -1}, .start = {-1, -1}};
    int rc = make_way(rootfs, app, err);
    if (rc < 0)
        return rc;
    struct berth_rootfs_state *state = &app->state;
    const char *runtime = NULL;
    rc = berth_rootfs_find_tools(rootfs, &this.program, &runtime, err);
    if (rc < 0)
        return rc;
    state->init = state->conmon = (struct berth_rootfs_process){0};
    (void)snprintf(state->boot, sizeof(state->boot), "%s", rootfs->boot);
    (void)snprintf(state->runtime, sizeof(state->runtime), "%s", runtime);
    const struct berth_rootfs_state before = *state; /* with what it takes to clear away after it */
    state->is_starting = true;
    rc = berth_rootfs_state_write(rootfs->states, app->id, state, err);
    if (rc == 0)
        rc = launch(&this, err);
    if (rc == 0) {
        state->state = BERTH_APP_RUNNING;
        state->is_starting = false;
        state->conmon = this.conmon;
        rc = berth_rootfs_state_write(rootfs->states, app->id, state, err);
    }
    if (rc < 0)
        undo(&this, &before);
    return rc;
}
