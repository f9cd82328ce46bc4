/* SPDX-License-Identifier: MIT */
#include "backends/engine/engine_io.h"

#include "backends/engine/engine_timer.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"

#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#define EVENTS_PER_ROUND 1024

struct berth_engine_transfer {
    struct berth_engine_io *io;
    CURL *easy;
    const struct berth_engine_transfer_ops *ops;
    void *ctx;
    struct berth_engine_transfer *next; /* in io->starting or io->dead */
    bool added;                         /* curl's multi handle knows it */
    bool has_head;
    bool is_dead; /* freed by its owner from within a callback of curl */
    char text[CURL_ERROR_SIZE];
};

struct berth_engine_io {
    pthread_t thread;
    int epoll_fd;
    int wake_fd;
    CURLM *multi;

    pthread_mutex_t lock;
    struct berth_engine_task *first_task; /* lock */
    struct berth_engine_task **last_task; /* lock; where the next one hangs */
    bool stop;                            /* lock */

    /* The thread's own. */
    struct berth_engine_timer *timers;
    struct berth_engine_file *files; /* few: one a facility */
    int64_t curl_due_ms;             /* when curl wants to be called; -1 never */
    struct berth_engine_transfer *starting;
    struct berth_engine_transfer *dead;
    bool in_curl; /* curl forbids to add and remove handles within its callbacks */
};

bool berth_engine_io_on_thread(const struct berth_engine_io *io)
{
    return pthread_equal(pthread_self(), io->thread);
}

/* ---- Tasks ---- */

static void wake(struct berth_engine_io *io)
{
    const uint64_t one = 1;
    if (write(io->wake_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
        berth_log(BERTH_LOG_ERROR, "the I/O thread cannot be woken");
}

void berth_engine_io_post(struct berth_engine_io *io, struct berth_engine_task *task)
{
    {
        BERTH_LOCK_SCOPE(held, &io->lock);
        if (task->queued)
            return;
        task->queued = true;
        task->next = NULL;
        *io->last_task = task;
        io->last_task = &task->next;
    }
    wake(io);
}

void berth_engine_io_withdraw(struct berth_engine_io *io, struct berth_engine_task *task)
{
    BERTH_LOCK_SCOPE(held, &io->lock);
    if (!task->queued)
        return;
    struct berth_engine_task **at = &io->first_task;
    while (*at != task)
        at = &(*at)->next;
    *at = task->next;
    if (!task->next)
        io->last_task = at;
    task->queued = false;
}

static struct berth_engine_task *take_task(struct berth_engine_io *io)
{
    BERTH_LOCK_SCOPE(held, &io->lock);
    struct berth_engine_task *task = io->first_task;
    if (task) {
        io->first_task = task->next;
        if (!io->first_task)
            io->last_task = &io->first_task;
        task->queued = false;
    }
    return task;
}

static void run_tasks(struct berth_engine_io *io)
{
    struct berth_engine_task *task;
    while ((task = take_task(io)))
        task->run(task->ctx);
}

struct call {
    void (*run)(void *ctx);
    void *ctx;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool done; /* lock */
};

static void run_call(void *ctx)
{
    struct call *call = ctx;
    call->run(call->ctx);
    BERTH_LOCK_SCOPE(held, &call->lock);
    call->done = true;
    pthread_cond_signal(&call->cond);
}

void berth_engine_io_call(struct berth_engine_io *io, void (*run)(void *ctx), void *ctx)
{
    if (berth_engine_io_on_thread(io)) {
        run(ctx);
        return;
    }
    struct call call = {.run = run,
                        .ctx = ctx,
                        .lock = PTHREAD_MUTEX_INITIALIZER,
                        .cond = PTHREAD_COND_INITIALIZER};
    struct berth_engine_task task = {.run = run_call, .ctx = &call};
    berth_engine_io_post(io, &task);
    pthread_mutex_lock(&call.lock);
    while (!call.done)
        pthread_cond_wait(&call.cond, &call.lock);
    pthread_mutex_unlock(&call.lock);
    pthread_cond_destroy(&call.cond);
    pthread_mutex_destroy(&call.lock);
}

/* ---- Timers ---- */

void berth_engine_timer_set(struct berth_engine_io *io, struct berth_engine_timer *timer,
                            int64_t delay_ms)
{
    berth_engine_timer_clear(io, timer);
    timer->due_ms = berth_clock_monotonic_ms() + delay_ms;
    berth_timer_heap_add(&io->timers, timer);
}

void berth_engine_timer_clear(struct berth_engine_io *io, struct berth_engine_timer *timer)
{
    if (timer->at)
        berth_timer_heap_remove(&io->timers, timer);
}

/* Those due at now_ms: what they set for a later moment waits for the next round. */
static void run_timers(struct berth_engine_io *io, int64_t now_ms)
{
    while (io->timers && io->timers->due_ms <= now_ms) {
        struct berth_engine_timer *timer = io->timers;
        berth_timer_heap_remove(&io->timers, timer);
        timer->run(timer->ctx);
    }
}

/* ---- Transfers ---- */

/* Out of curl's hands and freed; not within a callback of curl. */
static void destroy_transfer(struct berth_engine_transfer *transfer)
{
    if (transfer->added)
        curl_multi_remove_handle(transfer->io->multi, transfer->easy);
    curl_easy_cleanup(transfer->easy);
    free(transfer);
}

static void tell_head(struct berth_engine_transfer *transfer)
{
    long status = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    if (transfer->has_head || status < 200) /* trailers, or an interim answer */
        return;
    transfer->has_head = true;
    if (transfer->ops->head)
        transfer->ops->head(transfer->ctx, status);
}

static size_t on_header(char *data, size_t size, size_t count, void *ctx)
{
    struct berth_engine_transfer *transfer = ctx;
    size_t len = size * count;
    if (transfer->is_dead)
        return 0;
    if (len <= 2 && len > 0 && (data[0] == '\r' || data[0] == '\n'))
        tell_head(transfer);
    return transfer->is_dead ? 0 : len;
}

static size_t on_data(char *data, size_t size, size_t count, void *ctx)
{
    struct berth_engine_transfer *transfer = ctx;
    size_t len = size * count;
    if (!transfer->is_dead && len > 0)
        transfer->ops->data(transfer->ctx, data, len);
    return transfer->is_dead ? 0 : len;
}

struct start {
    struct berth_engine_io *io;
    struct berth_engine_transfer *transfer;
};

static void start_on_thread(void *ctx)
{
    struct start *start = ctx;
    start->transfer->next = start->io->starting;
    start->io->starting = start->transfer;
}

int berth_engine_transfer_start(struct berth_engine_io *io, CURL *easy,
                                const struct berth_engine_transfer_ops *ops, void *ctx,
                                struct berth_engine_transfer **ret_transfer,
                                struct berth_error *err)
{
    struct berth_engine_transfer *transfer = calloc(1, sizeof(*transfer));
    if (!transfer) {
        curl_easy_cleanup(easy);
        return berth_error_nomem(err);
    }
    transfer->io = io;
    transfer->easy = easy;
    transfer->ops = ops;
    transfer->ctx = ctx;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->text);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    *ret_transfer = transfer;
    berth_engine_io_call(io, start_on_thread, &(struct start){io, transfer});
    return 0;
}

static void unlink_starting(struct berth_engine_io *io, struct berth_engine_transfer *transfer)
{
    struct berth_engine_transfer **at = &io->starting;
    while (*at && *at != transfer)
        at = &(*at)->next;
    if (*at)
        *at = transfer->next;
}

static void free_on_thread(void *ctx)
{
    struct berth_engine_transfer *transfer = ctx;
    struct berth_engine_io *io = transfer->io;
    unlink_starting(io, transfer);
    if (!io->in_curl) {
        destroy_transfer(transfer);
        return;
    }
    transfer->is_dead = true;
    transfer->next = io->dead;
    io->dead = transfer;
}

void berth_engine_transfer_free(struct berth_engine_transfer *transfer)
{
    if (transfer)
        berth_engine_io_call(transfer->io, free_on_thread, transfer);
}

const char *berth_engine_transfer_header(struct berth_engine_transfer *transfer, const char *name)
{
    struct curl_header *header = NULL;
    if (curl_easy_header(transfer->easy, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
        return NULL;
    return header->value;
}

static void bury_dead(struct berth_engine_io *io)
{
    while (io->dead) {
        struct berth_engine_transfer *transfer = io->dead;
        io->dead = transfer->next;
        destroy_transfer(transfer);
    }
}

/* Hands the new transfers to curl; one that curl does not take is done at once. */
static void add_starting(struct berth_engine_io *io)
{
    while (io->starting) {
        struct berth_engine_transfer *transfer = io->starting;
        io->starting = transfer->next;
        transfer->added = curl_multi_add_handle(io->multi, transfer->easy) == CURLM_OK;
        if (!transfer->added)
            transfer->ops->done(transfer->ctx, CURLE_OUT_OF_MEMORY, "");
    }
}

static void finish_done(struct berth_engine_io *io)
{
    int left;
    CURLMsg *message;
    while ((message = curl_multi_info_read(io->multi, &left))) {
        struct berth_engine_transfer *transfer = NULL;
        CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
        curl_multi_remove_handle(io->multi, transfer->easy);
        transfer->added = false;
        transfer->ops->done(transfer->ctx, code, transfer->text); /* may free it */
    }
}

/* Until nothing is left that a callback has begun or ended. */
static void settle(struct berth_engine_io *io)
{
    do {
        bury_dead(io);
        finish_done(io);
        add_starting(io);
    } while (io->starting || io->dead);
}

/* ---- Curl's wishes ---- */

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *known)
{
    (void)easy;
    struct berth_engine_io *io = ctx;
    if (what == CURL_POLL_REMOVE) {
        (void)epoll_ctl(io->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
        return 0;
    }
    struct epoll_event event = {.data.fd = fd};
    if (what & CURL_POLL_IN)
        event.events |= EPOLLIN;
    if (what & CURL_POLL_OUT)
        event.events |= EPOLLOUT;
    if (epoll_ctl(io->epoll_fd, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) < 0)
        berth_log(BERTH_LOG_ERROR, "a connection to an engine cannot be polled");
    curl_multi_assign(io->multi, fd, io);
    return 0;
}

static int on_curl_timer(CURLM *multi, long timeout_ms, void *ctx)
{
    (void)multi;
    struct berth_engine_io *io = ctx;
    io->curl_due_ms = timeout_ms < 0 ? -1 : berth_clock_monotonic_ms() + timeout_ms;
    return 0;
}

static void run_curl(struct berth_engine_io *io, int fd, int what)
{
    int running;
    io->in_curl = true;
    curl_multi_socket_action(io->multi, fd, what, &running);
    io->in_curl = false;
    settle(io);
}

static void run_curl_timer(struct berth_engine_io *io, int64_t now_ms)
{
    if (io->curl_due_ms < 0 || io->curl_due_ms > now_ms)
        return;
    io->curl_due_ms = -1;
    run_curl(io, CURL_SOCKET_TIMEOUT, 0);
}

/* ---- Files of others ---- */

int berth_engine_io_add(struct berth_engine_io *io, struct berth_engine_file *file,
                        struct berth_error *err)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = file->fd};
    if (epoll_ctl(io->epoll_fd, EPOLL_CTL_ADD, file->fd, &event) < 0)
        return berth_error_set_errno(err, BERTH_E_INTERNAL, errno, "a file cannot be polled");
    file->next = io->files;
    io->files = file;
    return 0;
}

void berth_engine_io_remove(struct berth_engine_io *io, struct berth_engine_file *file)
{
    struct berth_engine_file **slot = &io->files;
    while (*slot && *slot != file)
        slot = &(*slot)->next;
    if (!*slot)
        return;
    *slot = file->next;
    (void)epoll_ctl(io->epoll_fd, EPOLL_CTL_DEL, file->fd, NULL);
}

static struct berth_engine_file *find_file(const struct berth_engine_io *io, int fd)
{
    struct berth_engine_file *file = io->files;
    while (file && file->fd != fd)
        file = file->next;
    return file;
}

/* ---- The loop ---- */

static int until_next(const struct berth_engine_io *io)
{
    int64_t due_ms = io->curl_due_ms;
    if (io->timers && (due_ms < 0 || io->timers->due_ms < due_ms))
        due_ms = io->timers->due_ms;
    if (due_ms < 0)
        return -1;
    int64_t left_ms = due_ms - berth_clock_monotonic_ms();
    if (left_ms < 0)
        return 0;
    return left_ms < INT_MAX ? (int)left_ms : INT_MAX;
}

static void run_event(struct berth_engine_io *io, const struct epoll_event *event)
{
    if (event->data.fd == io->wake_fd) {
        uint64_t count;
        (void)!read(io->wake_fd, &count, sizeof(count));
        run_tasks(io);
        settle(io);
        return;
    }
    struct berth_engine_file *file = find_file(io, event->data.fd);
    if (file) {
        file->run(file->ctx);
        settle(io);
        return;
    }
    int what = 0;
    if (event->events & EPOLLIN)
        what |= CURL_CSELECT_IN;
    if (event->events & EPOLLOUT)
        what |= CURL_CSELECT_OUT;
    if (event->events & (EPOLLERR | EPOLLHUP))
        what |= CURL_CSELECT_ERR;
    run_curl(io, event->data.fd, what);
}

static bool must_stop(struct berth_engine_io *io)
{
    BERTH_LOCK_SCOPE(held, &io->lock);
    return io->stop;
}

static void *run_thread(void *ctx)
{
    struct berth_engine_io *io = ctx;
    struct epoll_event events[EVENTS_PER_ROUND];
    while (!must_stop(io)) {
        int64_t looked_ms = berth_clock_monotonic_ms();
        int count = epoll_wait(io->epoll_fd, events, EVENTS_PER_ROUND, until_next(io));
        for (int i = 0; i < count; i++)
            run_event(io, &events[i]);
        /* What has arrived goes before what is overdue, also what arrived while an event was seen
         * to: a limit on silence must not strike because we were late. */
        run_curl_timer(io, looked_ms);
        run_timers(io, looked_ms);
        settle(io);
    }
    return NULL;
}

/* ---- Life ---- */

static void free_io(struct berth_engine_io *io)
{
    if (io->multi)
        curl_multi_cleanup(io->multi);
    berth_fd_close(&io->wake_fd);
    berth_fd_close(&io->epoll_fd);
    pthread_mutex_destroy(&io->lock);
    free(io);
}

static int set_up_polling(struct berth_engine_io *io, struct berth_error *err)
{
    io->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    io->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = io->wake_fd};
    if (io->epoll_fd < 0 || io->wake_fd < 0 ||
        epoll_ctl(io->epoll_fd, EPOLL_CTL_ADD, io->wake_fd, &event) < 0)
        return berth_error_set_errno(err, BERTH_E_INTERNAL, errno, "the I/O thread cannot poll");
    return 0;
}

static int set_up_curl(struct berth_engine_io *io, struct berth_error *err)
{
    io->multi = curl_multi_init();
    if (!io->multi)
        return berth_error_nomem(err);
    curl_multi_setopt(io->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    curl_multi_setopt(io->multi, CURLMOPT_SOCKETDATA, io);
    curl_multi_setopt(io->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    curl_multi_setopt(io->multi, CURLMOPT_TIMERDATA, io);
    curl_multi_setopt(io->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    return 0;
}

int berth_engine_io_open(struct berth_engine_io **ret_io, struct berth_error *err)
{
    struct berth_engine_io *io = calloc(1, sizeof(*io));
    if (!io)
        return berth_error_nomem(err);
    pthread_mutex_init(&io->lock, NULL);
    io->last_task = &io->first_task;
    io->epoll_fd = -1;
    io->wake_fd = -1;
    io->curl_due_ms = -1;
    int status = set_up_polling(io, err);
    if (!status)
        status = set_up_curl(io, err);
    if (!status)
        status = berth_thread_start(&io->thread, "engine-io", run_thread, io, err);
    if (status) {
        free_io(io);
        return status;
    }
    *ret_io = io;
    return 0;
}

void berth_engine_io_close(struct berth_engine_io *io)
{
    if (!io)
        return;
    {
        BERTH_LOCK_SCOPE(held, &io->lock);
        io->stop = true;
    }
    wake(io);
    pthread_join(io->thread, NULL);
    free_io(io);
}
