/* SPDX-License-Identifier: MIT */
#include "gateway/serve.h"

#include "backends/engine/engine_io.h"
#include "base/clock.h"
#include "base/thread.h"
#include "gateway/berth.h"
#include "gateway/control.h"
#include "gateway/notify.h"
#include "gateway/reload.h"
#include "gateway/server.h"
#include "gateway/version.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

/* A gateway with many streams and terminals needs all descriptors it may have. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* Before anything else can fail: it is nowhere else. */
static void print_first_password(const char *password)
{
    printf("There was no user yet: `admin` was made, a gateway administrator.\n"
           "Its password is %s\n"
           "It is shown this once; `berth user passwd admin` sets another.\n",
           password);
    (void)fflush(stdout);
}

static void announce(struct berth *berth)
{
    BERTH_CLEANUP(view) struct berth_view *view = berth_take_view(berth);
    const struct berth_config *config = view->config;
    for (size_t i = 0; i < config->listen.count; i++)
        berth_log(BERTH_LOG_INFO, "listening on %s", config->listen.items[i]);
    if (config->listen_tls)
        berth_log(BERTH_LOG_INFO, "listening on %s with TLS", config->listen_tls);
    berth_log(BERTH_LOG_INFO, "berth %s serves %zu facilit%s; data in %s", BERTH_VERSION,
              view->facility_count, view->facility_count == 1 ? "y" : "ies", config->data_dir);
}

static void notify_ready(struct berth *berth)
{
    BERTH_CLEANUP(view) struct berth_view *view = berth_take_view(berth);
    berth_notify("READY=1\nSTATUS=serving %zu facilit%s", view->facility_count,
                 view->facility_count == 1 ? "y" : "ies");
}

static void reload(struct berth *berth)
{
    struct berth_error err = BERTH_ERROR_INIT;
    berth_notify_reloading();
    if (berth_reload(berth, &err) == 0) {
        notify_ready(berth);
        return;
    }
    berth_log_error(BERTH_LOG_ERROR, &err, "the configuration stays as it was");
    berth_notify("READY=1\nSTATUS=the configuration stays as it was: %s", err.message);
}

/* ---- The watchdog ---- */

/* The I/O thread is what nothing works without, and what nobody waits for: the service manager is
 * told that all is well while it turns round. */
struct pulse {
    struct berth_engine_io *io;
    struct berth_engine_task task;
    unsigned felt;       /* atomic */
    int64_t interval_ms; /* 0: nobody watches */
};

static void feel(void *ctx)
{
    struct pulse *pulse = ctx;
    __atomic_store_n(&pulse->felt, 1, __ATOMIC_RELAXED);
}

static void pulse_init(struct pulse *pulse, struct berth_engine_io *io)
{
    *pulse = (struct pulse){.io = io,
                            .task = {.run = feel, .ctx = pulse},
                            .felt = 1,
                            .interval_ms = berth_notify_watchdog_ms()};
}

static void pulse_check(struct pulse *pulse)
{
    if (!__atomic_exchange_n(&pulse->felt, 0, __ATOMIC_RELAXED))
        return;
    berth_notify("WATCHDOG=1");
    berth_engine_io_post(pulse->io, &pulse->task);
}

/* ---- Signals ---- */

/* The next signal, or 0 when interval_ms (0: never) has passed. */
static int next_signal(const sigset_t *signals, int64_t interval_ms)
{
    const struct timespec interval = {
        .tv_sec = interval_ms / 1000,
        .tv_nsec = interval_ms % 1000 * BERTH_NS_PER_MS,
    };
    int number;
    do {
        number =
            interval_ms > 0 ? sigtimedwait(signals, NULL, &interval) : sigwaitinfo(signals, NULL);
    } while (number < 0 && errno == EINTR);
    return number > 0 ? number : 0;
}

/* Returns when the gateway is to end. */
static void wait_for_end(struct berth *berth, struct pulse *pulse, const sigset_t *signals)
{
    for (;;) {
        pulse_check(pulse);
        int number = next_signal(signals, pulse->interval_ms);
        if (number == SIGHUP)
            reload(berth);
        else if (number != 0)
            return;
    }
}

/* From now on such a signal ends the program at once. */
static void restore_signals(void)
{
    sigset_t ending;
    (void)sigemptyset(&ending);
    (void)sigaddset(&ending, SIGTERM);
    (void)sigaddset(&ending, SIGINT);
    (void)pthread_sigmask(SIG_UNBLOCK, &ending, NULL);
}

/* Requests under way are answered; those that take too long are cut. What was answered is in the
 * store whatever happens. */
static void drain(struct berth *berth, struct berth_server *server)
{
    BERTH_CLEANUP(view) struct berth_view *view = berth_take_view(berth);
    int64_t timeout_ms = view->config->drain_timeout_ms;
    berth_log(BERTH_LOG_INFO, "stopping; apps go on running");
    berth_notify("STOPPING=1\nSTATUS=waiting for requests under way");
    restore_signals();
    berth_stop(berth);
    unsigned left = berth_server_drain(server, timeout_ms);
    if (left == 0)
        return;
    berth_log(BERTH_LOG_WARNING, "%u request%s not end within %lld s: the gateway ends without",
              left, left == 1 ? " did" : "s did", (long long)timeout_ms / 1000);
    (void)raise(SIGTERM);
}

int berth_serve(const char *config_path, struct berth_error *err)
{
    struct pulse pulse; /* before berth, whose I/O thread may look at it to the end */
    BERTH_CLEANUP(config) struct berth_config *config = NULL;
    BERTH_CLEANUP(berth) struct berth *berth = NULL;
    BERTH_CLEANUP(control) struct berth_control *control = NULL;
    BERTH_CLEANUP(server) struct berth_server *server = NULL;
    BERTH_CLEANUP(free) char *first_password = NULL;
    sigset_t signals;
    berth_thread_block_signals(&signals);
    raise_descriptor_limit();
    int r = berth_config_load(config_path, &config, err);
    if (r < 0)
        return r;
    berth_log_set_level(config->log_level);
    berth_config_warn(config);
    r = berth_open(config, BERTH_OPEN_ALL, &berth, err);
    if (r == 0)
        r = berth_add_first_user(berth, &first_password, err);
    if (first_password)
        print_first_password(first_password);
    if (r == 0)
        r = berth_control_open(berth, &control, err);
    if (r == 0)
        r = berth_server_open(berth, &server, err);
    if (r < 0)
        return r;
    announce(berth);
    berth_settle(berth);
    notify_ready(berth);
    pulse_init(&pulse, berth->io);
    wait_for_end(berth, &pulse, &signals);
    drain(berth, server);
    return 0;
}
