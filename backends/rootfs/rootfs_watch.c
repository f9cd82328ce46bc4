/* SPDX-License-Identifier: MIT */
/*
 * Tells a sink what becomes of apps, on the I/O thread. Two things wake it:
 * the folder of states (inotify), where every change leaves a file, made by
 * this instance, by another, or by conmon at an app's end; and the end of a
 * conmon (pidfd), whether or not it could leave one. Nothing is polled for what
 * berth and conmon do; what others do to an app's cgroup is looked at with each
 * proof of life.
 */
#include "backends/engine/engine_io.h"
#include "backends/rootfs/rootfs_inside.h"
#include "base/clock.h"
#include "base/folder.h"
#include "base/log.h"
#include "base/text.h"
#include "base/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#define ALIVE_BUSY_MS 900   /* between two proofs of life while somebody reads, */
#define ALIVE_IDLE_MS 10000 /* and while nobody does */
#define BUSY_FOR_MS   5000  /* after a touch */

/* What the sink was told of an app. */
struct known {
    UT_hash_handle hh;
    char id[BERTH_ROOTFS_ID_SIZE];
    enum berth_app_state state;
    int64_t started_ns;
    int64_t finished_ns;
    struct berth_rootfs_process process; /* whose end is waited for */
    int ended;                           /* its pidfd; -1: none */
    int folder;                          /* inotify's number of the app's; -1: not watched */
    bool is_listed;                      /* by the listing that is made */
};

struct berth_rootfs_watch {
    struct berth_rootfs *rootfs;
    struct berth_watch_sink sink;
    struct berth_engine_file file; /* events below */
    struct berth_engine_task begin;
    struct berth_engine_task touched;
    struct berth_engine_timer alive;
    int events;   /* epoll: news, and all pidfds */
    int news;     /* inotify */
    int states;   /* its number of the folder of states */
    bool contact; /* the sink has had a listing, and nothing was lost since */
    struct known *apps;
    _Atomic int64_t touched_ms;
};

/* ---- What is known ---- */

static void stop_waiting(struct berth_rootfs_watch *watch, struct known *known)
{
    if (known->folder >= 0)
        (void)inotify_rm_watch(watch->news, known->folder);
    known->folder = -1;
    berth_fd_close(&known->ended); /* which takes it out of the epoll, too */
    known->process = (struct berth_rootfs_process){0};
}

static void forget(struct berth_rootfs_watch *watch, struct known *known)
{
    HASH_DEL(watch->apps, known);
    stop_waiting(watch, known);
    free(known);
}

static struct known *find_known(const struct berth_rootfs_watch *watch, const char *id)
{
    struct known *known;
    HASH_FIND_STR(watch->apps, id, known);
    return known;
}

static struct known *add_known(struct berth_rootfs_watch *watch, const char *id)
{
    struct known *known = calloc(1, sizeof(*known));
    if (!known)
        return NULL;
    (void)snprintf(known->id, sizeof(known->id), "%s", id);
    known->ended = known->folder = -1;
    HASH_ADD_STR(watch->apps, id, known);
    if (known->hh.tbl)
        return known;
    free(known);
    return NULL;
}

static bool is_same(const struct berth_rootfs_process *a, const struct berth_rootfs_process *b)
{
    return a->pid == b->pid && a->start == b->start;
}

/* Waits for the end of conmon, which outlives its app by a moment; where it has died, for that of
 * the app. */
static void wait_for(struct berth_rootfs_watch *watch, struct known *known,
                     const struct berth_rootfs_app *app)
{
    static const struct berth_rootfs_process none;
    const struct berth_rootfs_state *state = &app->state;
    const struct berth_rootfs_process *process = &none;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = known};
    if (berth_rootfs_process_lives(&state->conmon))
        process = &state->conmon;
    else if (berth_rootfs_runs(app))
        process = &state->init;
    if (is_same(&known->process, process))
        return;
    stop_waiting(watch, known);
    if (process->pid == 0 || berth_rootfs_process_open(process, &known->ended, NULL) < 0)
        return;
    if (epoll_ctl(watch->events, EPOLL_CTL_ADD, known->ended, &event) < 0)
        berth_log(BERTH_LOG_ERROR, "facility %s: the end of app %s cannot be waited for",
                  watch->rootfs->facility, app->record.name);
    else
        known->process = *process;
    known->folder = inotify_add_watch(watch->news, app->path, IN_MOVED_TO | IN_ONLYDIR);
    berth_rootfs_keep_log(app->folder);
}

/* ---- Telling ---- */

static bool runs(enum berth_app_state state)
{
    return state == BERTH_APP_RUNNING || state == BERTH_APP_PAUSED;
}

/* All that has happened between two looks, in its order. Of a run that has come and gone, or of one
 * that was followed by another, the state tells no more than a time. */
static void tell_changes(struct berth_rootfs_watch *watch, struct known *known,
                         const struct berth_rootfs_state *state, int64_t now_ns)
{
    const struct berth_watch_sink *sink = &watch->sink;
    enum berth_app_state before = known->state;
    bool is_anew = state->started_ns != known->started_ns;
    if (runs(before) && is_anew) {
        int64_t at_ns =
            state->finished_ns < state->started_ns ? state->finished_ns : state->started_ns;
        sink->changed(sink->ctx, known->id, BERTH_APP_EXITED, at_ns);
    }
    if (is_anew) {
        sink->changed(sink->ctx, known->id, BERTH_APP_RUNNING, state->started_ns);
        before = BERTH_APP_RUNNING;
    }
    if (before != state->state)
        sink->changed(sink->ctx, known->id, state->state,
                      state->state == BERTH_APP_EXITED ? state->finished_ns : now_ns);
}

static void note(struct known *known, const struct berth_rootfs_state *state)
{
    known->state = state->state;
    known->started_ns = state->started_ns;
    known->finished_ns = state->finished_ns;
}

static void tell_gone(struct berth_rootfs_watch *watch, const char *id)
{
    const struct berth_watch_sink *sink = &watch->sink;
    struct known *known = find_known(watch, id);
    if (!known)
        return;
    forget(watch, known);
    sink->gone(sink->ctx, sink->ticket(sink->ctx), id, berth_clock_wall_ns());
}

static void lose(struct berth_rootfs_watch *watch, const struct berth_error *why);

/* Looks at one app, and tells what is new. */
static void look_at(struct berth_rootfs_watch *watch, const char *id)
{
    const struct berth_watch_sink *sink = &watch->sink;
    BERTH_CLEANUP(rootfs_app) struct berth_rootfs_app app = BERTH_ROOTFS_APP_INIT;
    BERTH_CLEANUP(app) struct berth_app *shown = NULL;
    struct berth_error err = BERTH_ERROR_INIT;
    uint64_t ticket = sink->ticket(sink->ctx);
    int rc = berth_rootfs_find(watch->rootfs, id, &app, &err);
    if (rc == BERTH_E_NOT_FOUND || rc == BERTH_E_CONFLICT) { /* removed, or spoilt by hand */
        tell_gone(watch, id);
        return;
    }
    if (rc == 0)
        rc = berth_rootfs_show(watch->rootfs, &app, &shown, &err);
    struct known *known = rc < 0 ? NULL : find_known(watch, id);
    if (rc == 0 && known)
        tell_changes(watch, known, &app.state, berth_clock_wall_ns());
    else if (rc == 0 && !(known = add_known(watch, id)))
        rc = berth_error_nomem(&err);
    if (rc < 0) {
        lose(watch, &err);
        return;
    }
    note(known, &app.state);
    wait_for(watch, known, &app);
    sink->app(sink->ctx, ticket, shown);
    /* One that is being started is whoever's work who does it. */
    if (!app.state.is_starting && berth_rootfs_is_littered(&app))
        (void)!berth_rootfs_mend(watch->rootfs, NULL);
}

/* ---- The listing ---- */

static int list_known(struct berth_rootfs_watch *watch, const struct berth_app_list *apps,
                      struct berth_error *err)
{
    for (size_t i = 0; i < apps->count; i++) {
        const struct berth_app *shown = apps->items[i];
        BERTH_CLEANUP(rootfs_app) struct berth_rootfs_app app = BERTH_ROOTFS_APP_INIT;
        struct known *known = find_known(watch, shown->id);
        if (!known && !(known = add_known(watch, shown->id)))
            return berth_error_nomem(err);
        known->is_listed = true;
        known->state = shown->state;
        known->started_ns = shown->started_ns;
        known->finished_ns = shown->finished_ns;
        if (berth_rootfs_find(watch->rootfs, shown->id, &app, NULL) == 0)
            wait_for(watch, known, &app);
    }
    return 0;
}

/* Of which the listing says that they are gone. */
static void forget_unlisted(struct berth_rootfs_watch *watch)
{
    struct known *known;
    struct known *next;
    HASH_ITER(hh, watch->apps, known, next)
    {
        if (!known->is_listed)
            forget(watch, known);
        else
            known->is_listed = false;
    }
}

static void list(struct berth_rootfs_watch *watch)
{
    const struct berth_watch_sink *sink = &watch->sink;
    BERTH_CLEANUP(app_list) struct berth_app_list apps = {0};
    BERTH_CLEANUP(image_list) struct berth_image_list *images = NULL;
    struct berth_error err = BERTH_ERROR_INIT;
    uint64_t ticket = sink->ticket(sink->ctx);
    int64_t as_of_ns = berth_clock_wall_ns();
    int rc = berth_rootfs_list(&watch->rootfs->head, NULL, &apps, &err);
    if (rc == 0)
        rc = list_known(watch, &apps, &err);
    if (rc < 0) {
        lose(watch, &err);
        return;
    }
    forget_unlisted(watch);
    watch->contact = true;
    sink->listing(sink->ctx, ticket, &apps, as_of_ns);
    sink->alive(sink->ctx, as_of_ns);
}

/* What is on our own disk can be lost, too: all is listed anew once it can be read. */
static void lose(struct berth_rootfs_watch *watch, const struct berth_error *why)
{
    if (watch->contact)
        watch->sink.lost(watch->sink.ctx, why, berth_clock_wall_ns());
    watch->contact = false;
    berth_engine_timer_set(watch->rootfs->io, &watch->alive, ALIVE_BUSY_MS);
}

/* ---- What wakes it ---- */

/* "ID" and "ID.json"; all else in the folder is a draft. */
static void on_name(struct berth_rootfs_watch *watch, const char *name)
{
    char id[BERTH_ROOTFS_ID_SIZE];
    size_t len = strcspn(name, ".");
    if (len != BERTH_ROOTFS_ID_SIZE - 1 ||
        (name[len] != '\0' && strcmp(name + len, BERTH_ROOTFS_STATE_SUFFIX) != 0))
        return;
    (void)snprintf(id, sizeof(id), "%s", name);
    if (watch->contact && berth_rootfs_is_id(id))
        look_at(watch, id);
}

/* conmon has begun a new log. */
static void on_log(struct berth_rootfs_watch *watch, int number)
{
    struct known *known;
    struct known *next;
    HASH_ITER(hh, watch->apps, known, next)
    {
        BERTH_CLEANUP(fd) int folder = -1;
        if (known->folder == number &&
            berth_folder_open(watch->rootfs->root, known->id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW,
                              0, &folder, NULL) == 0)
            berth_rootfs_keep_log(folder);
    }
}

static void on_news(struct berth_rootfs_watch *watch)
{
    char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    ssize_t got;
    while ((got = read(watch->news, buffer, sizeof(buffer))) > 0) {
        for (ssize_t at = 0; at < got;) {
            const struct inotify_event *event = (const void *)(buffer + at);
            if (event->mask & IN_Q_OVERFLOW)
                list(watch);
            else if (event->len > 0 && event->wd == watch->states)
                on_name(watch, event->name);
            else if (event->len > 0 && strcmp(event->name, BERTH_ROOTFS_LOG) == 0)
                on_log(watch, event->wd);
            at += (ssize_t)(sizeof(*event) + event->len);
        }
    }
}

static void on_end(struct berth_rootfs_watch *watch, struct known *known)
{
    char id[BERTH_ROOTFS_ID_SIZE];
    memcpy(id, known->id, sizeof(id));
    stop_waiting(watch, known);
    look_at(watch, id);
}

static void on_events(void *ctx)
{
    struct berth_rootfs_watch *watch = ctx;
    struct epoll_event event;
    on_news(watch); /* first: an end is told with its exit code */
    /* One at a time: what is told of one may make another go. */
    while (epoll_wait(watch->events, &event, 1, 0) == 1) {
        if (!event.data.ptr)
            on_news(watch);
        else
            on_end(watch, event.data.ptr);
    }
}

static bool is_busy(const struct berth_rootfs_watch *watch)
{
    int64_t touched_ms = atomic_load_explicit(&watch->touched_ms, memory_order_relaxed);
    return berth_clock_monotonic_ms() - touched_ms < BUSY_FOR_MS;
}

/* Somebody may have frozen or thawed an app by hand: nothing tells of that. */
static void check_pauses(struct berth_rootfs_watch *watch)
{
    struct known *known;
    struct known *next;
    HASH_ITER(hh, watch->apps, known, next)
    {
        if (runs(known->state) &&
            berth_rootfs_is_frozen(known->id) != (known->state == BERTH_APP_PAUSED))
            look_at(watch, known->id);
    }
}

static void on_alive(void *ctx)
{
    struct berth_rootfs_watch *watch = ctx;
    if (!watch->contact)
        list(watch);
    else
        check_pauses(watch);
    if (watch->contact)
        watch->sink.alive(watch->sink.ctx, berth_clock_wall_ns());
    berth_engine_timer_set(watch->rootfs->io, &watch->alive,
                           is_busy(watch) ? ALIVE_BUSY_MS : ALIVE_IDLE_MS);
}

void berth_rootfs_touch(struct berth_backend *backend)
{
    struct berth_rootfs *rootfs = berth_rootfs_of(backend);
    struct berth_rootfs_watch *watch = rootfs->watch;
    if (!watch)
        return;
    int64_t now_ms = berth_clock_monotonic_ms();
    int64_t before_ms = atomic_exchange_explicit(&watch->touched_ms, now_ms, memory_order_relaxed);
    if (now_ms - before_ms >= BUSY_FOR_MS)
        berth_engine_io_post(rootfs->io, &watch->touched);
}

void berth_rootfs_tell(struct berth_rootfs *rootfs)
{
    if (rootfs->watch)
        berth_engine_io_call(rootfs->io, on_events, rootfs->watch);
}

/* ---- Life ---- */

static void on_begin(void *ctx)
{
    struct berth_rootfs_watch *watch = ctx;
    const struct berth_watch_sink *sink = &watch->sink;
    BERTH_CLEANUP(image_list) struct berth_image_list *images = NULL;
    struct berth_error err = BERTH_ERROR_INIT;
    if (berth_engine_io_add(watch->rootfs->io, &watch->file, &err) < 0)
        berth_log_error(BERTH_LOG_ERROR, &err, "facility %s cannot be watched",
                        watch->rootfs->facility);
    list(watch);
    if (berth_image_list_new(&images, NULL) == 0)
        sink->images(sink->ctx, sink->ticket(sink->ctx), images);
    berth_engine_timer_set(watch->rootfs->io, &watch->alive, ALIVE_BUSY_MS);
}

static void free_watch(struct berth_rootfs_watch *watch)
{
    struct known *known;
    struct known *next;
    HASH_ITER(hh, watch->apps, known, next)
    forget(watch, known);
    berth_fd_close(&watch->news);
    berth_fd_close(&watch->events);
    free(watch);
}

static int open_watch(struct berth_rootfs_watch *watch, struct berth_error *err)
{
    struct epoll_event event = {.events = EPOLLIN};
    watch->events = epoll_create1(EPOLL_CLOEXEC);
    watch->news = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (watch->events < 0 || watch->news < 0 ||
        (watch->states = inotify_add_watch(watch->news, watch->rootfs->states_path,
                                           IN_MOVED_TO | IN_DELETE)) < 0 ||
        epoll_ctl(watch->events, EPOLL_CTL_ADD, watch->news, &event) < 0)
        return berth_error_set_errno(err, BERTH_E_INTERNAL, errno,
                                     "the folder of states cannot be watched");
    return 0;
}

int berth_rootfs_watch(struct berth_backend *backend, const struct berth_watch_sink *sink,
                       struct berth_error *err)
{
    struct berth_rootfs *rootfs = berth_rootfs_of(backend);
    struct berth_rootfs_watch *watch = calloc(1, sizeof(*watch));
    if (!watch)
        return berth_error_nomem(err);
    watch->rootfs = rootfs;
    watch->sink = *sink;
    watch->events = watch->news = -1;
    watch->touched_ms = -BUSY_FOR_MS;
    watch->begin = (struct berth_engine_task){.run = on_begin, .ctx = watch};
    watch->touched = (struct berth_engine_task){.run = on_alive, .ctx = watch};
    watch->alive = (struct berth_engine_timer){.run = on_alive, .ctx = watch};
    int rc = open_watch(watch, err);
    if (rc < 0) {
        free_watch(watch);
        return rc;
    }
    watch->file = (struct berth_engine_file){.fd = watch->events, .run = on_events, .ctx = watch};
    rootfs->watch = watch;
    berth_engine_io_post(rootfs->io, &watch->begin);
    return 0;
}

static void on_end_of_watch(void *ctx)
{
    struct berth_rootfs_watch *watch = ctx;
    struct berth_engine_io *io = watch->rootfs->io;
    berth_engine_io_withdraw(io, &watch->begin);
    berth_engine_io_withdraw(io, &watch->touched);
    berth_engine_timer_clear(io, &watch->alive);
    berth_engine_io_remove(io, &watch->file);
}

void berth_rootfs_watch_end(struct berth_rootfs *rootfs)
{
    struct berth_rootfs_watch *watch = rootfs->watch;
    if (!watch)
        return;
    berth_engine_io_call(rootfs->io, on_end_of_watch, watch);
    rootfs->watch = NULL;
    free_watch(watch);
}
