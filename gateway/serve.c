/* SPDX-License-Identifier: MIT */
#include "gateway/serve.h"

#include "gateway/berth.h"
#include "gateway/control.h"
#include "gateway/reload.h"
#include "gateway/server.h"
#include "gateway/version.h"

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

/* Signals are waited for by the main thread alone; threads inherit the mask. */
static void block_signals(sigset_t *signals)
{
    (void)sigemptyset(signals);
    (void)sigaddset(signals, SIGTERM);
    (void)sigaddset(signals, SIGINT);
    (void)sigaddset(signals, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, signals, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
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
    berth_log(BERTH_LOG_INFO, "berth %s serves %zu facilities; data in %s", BERTH_VERSION,
              view->facility_count, config->data_dir);
}

static void reload(struct berth *berth)
{
    struct berth_error err = BERTH_ERROR_INIT;
    if (berth_reload(berth, &err) < 0)
        berth_log_error(BERTH_LOG_ERROR, &err, "the configuration stays as it was");
}

/* Returns when the gateway is to end. */
static void wait_for_end(struct berth *berth, const sigset_t *signals)
{
    for (;;) {
        int number = 0;
        if (sigwait(signals, &number) != 0)
            continue;
        if (number != SIGHUP)
            return;
        reload(berth);
    }
}

int berth_serve(const char *config_path, struct berth_error *err)
{
    BERTH_CLEANUP(config) struct berth_config *config = NULL;
    BERTH_CLEANUP(berth) struct berth *berth = NULL;
    BERTH_CLEANUP(control) struct berth_control *control = NULL;
    BERTH_CLEANUP(server) struct berth_server *server = NULL;
    BERTH_CLEANUP(free) char *first_password = NULL;
    sigset_t signals;
    block_signals(&signals);
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
    wait_for_end(berth, &signals);
    berth_log(BERTH_LOG_INFO, "stopping; apps go on running");
    berth_stop(berth);
    return 0;
}
