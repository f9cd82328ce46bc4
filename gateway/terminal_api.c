/* SPDX-License-Identifier: MIT */
#include "gateway/terminal_api.h"

#include "backends/compose/compose_project.h"
#include "base/text.h"
#include "facilities/containers.h"
#include "gateway/terminal_pump.h"

#include <string.h>

#define COLS_DEFAULT 80
#define ROWS_DEFAULT 24
#define NEW_SESSION  "new"
#define DIRECTORY    "/app" /* that of each container */

static int read_size(const struct berth_params *params, const char *name, unsigned otherwise,
                     unsigned *ret_value, struct berth_error *err)
{
    const char *text = berth_params_get(params, name);
    int64_t value = otherwise;
    if (text && berth_text_parse_int(text, 1, BERTH_TERMINAL_SIZE_MAX, &value, err) < 0)
        return berth_error_wrap(err, "parameter %s", name);
    *ret_value = (unsigned)value;
    return 0;
}

static int check_upgrade(struct berth_exchange *exchange, struct berth_error *err)
{
    if (exchange->is_upgrade && exchange->method == BERTH_GET)
        return 0;
    berth_exchange_header(exchange, "Upgrade", "websocket");
    exchange->error_status = 426;
    return berth_error_set(err, BERTH_E_INVALID, "a terminal is a WebSocket: ask for an upgrade");
}

static int read_params(const struct berth_params *params, struct berth_exec_spec *spec,
                       struct berth_error *err)
{
    int r = read_size(params, "cols", COLS_DEFAULT, &spec->cols, err);
    if (r == 0)
        r = read_size(params, "rows", ROWS_DEFAULT, &spec->rows, err);
    if (r == 0)
        r = berth_params_bool(params, "tty", true, &spec->tty, err);
    return r;
}

static unsigned share_of(const struct berth_exchange *exchange, int64_t eighths)
{
    int64_t share = exchange->config->worker_threads * eighths / BERTH_TERMINAL_SHARE;
    return share > 0 ? (unsigned)share : 1;
}

/* With auth = open, everybody is one. */
static int join(struct berth_exchange *exchange, struct berth_terminal_place *place,
                struct berth_error *err)
{
    const char *session = berth_params_get(&exchange->params, "session");
    bool is_known = exchange->caller.user[0];
    const struct berth_terminal_bounds bounds = {
        .of_gateway = share_of(exchange, BERTH_TERMINAL_OF_GATEWAY),
        .of_facility = share_of(exchange, BERTH_TERMINAL_OF_FACILITY),
        .of_user =
            share_of(exchange, is_known ? BERTH_TERMINAL_OF_USER : BERTH_TERMINAL_OF_FACILITY),
    };
    *place = (struct berth_terminal_place){
        .facility = exchange->facility->config.id,
        .user = exchange->caller.user,
        .is_resumed = session && strcmp(session, NEW_SESSION) != 0,
    };
    return berth_terminals_join(exchange->berth->terminals, place, &bounds, err);
}

static int connect_terminal(struct berth_exchange *exchange, const char *app,
                            const struct berth_exec_spec *spec, struct berth_error *err)
{
    struct berth_terminals *terminals = exchange->berth->terminals;
    const char *session = berth_params_get(&exchange->params, "session");
    bool is_new = !session || strcmp(session, NEW_SESSION) == 0;
    struct berth_terminal *terminal = NULL;
    int r = is_new ? berth_terminal_open(terminals, exchange->facility, &exchange->caller, app,
                                         spec, session != NULL, &terminal, err)
                   : berth_terminal_resume(terminals, exchange->facility, &exchange->caller, app,
                                           session, &terminal, err);
    return r < 0 ? r : berth_terminal_pump(exchange, terminal, !is_new, err);
}

static int connect_app(struct berth_exchange *exchange, const struct berth_exec_spec *spec,
                       struct berth_error *err)
{
    return connect_terminal(exchange, exchange->item, spec, err);
}

/* The name of the app that has the cuid. */
static int name_of(struct berth_exchange *exchange, char *ret_app, size_t size,
                   struct berth_error *err)
{
    BERTH_CLEANUP(snapshot) struct berth_snapshot *snapshot = NULL;
    const struct berth_app *app = NULL;
    int r = berth_mirror_snapshot(exchange->facility->mirror, false, &snapshot, err);
    if (r == 0)
        r = berth_containers_find(snapshot, &exchange->caller, exchange->item, &app, err);
    if (r == 0)
        (void)snprintf(ret_app, size, "%s", app->name);
    return r;
}

static int connect_container(struct berth_exchange *exchange, const struct berth_exec_spec *spec,
                             struct berth_error *err)
{
    struct berth_exec_spec own = *spec;
    char app[BERTH_APP_MAX + 1];
    own.directory = DIRECTORY;
    if (!berth_compose_is_cuid(exchange->item))
        return connect_app(exchange, &own, err);
    int r = name_of(exchange, app, sizeof(app), err);
    if (r == 0)
        r = connect_terminal(exchange, app, &own, err);
    if ((r == BERTH_E_NOT_FOUND || r == BERTH_E_CONFLICT) && !exchange->is_sent)
        return berth_terminal_refuse(exchange, err);
    return r;
}

static int open_terminal(struct berth_exchange *exchange,
                         int (*connect)(struct berth_exchange *exchange,
                                        const struct berth_exec_spec *spec,
                                        struct berth_error *err),
                         struct berth_error *err)
{
    static const char *const shell[] = {"/bin/sh", "-c"};
    const char *command = berth_params_get(&exchange->params, "cmd");
    const char *argv[] = {shell[0], shell[1], command, NULL};
    struct berth_exec_spec spec = {
        .argv = command ? argv : NULL,
        .service = berth_params_get(&exchange->params, "service"),
    };
    struct berth_terminal_place place;
    exchange->target = exchange->item;
    int r = read_params(&exchange->params, &spec, err);
    if (r == 0)
        r = check_upgrade(exchange, err);
    if (r == 0)
        r = join(exchange, &place, err);
    if (r < 0)
        return r;
    r = connect(exchange, &spec, err);
    berth_terminals_leave(exchange->berth->terminals, &place);
    return r;
}

int berth_apps_open_terminal(struct berth_exchange *exchange, struct berth_error *err)
{
    return open_terminal(exchange, connect_app, err);
}

int berth_containers_open_terminal(struct berth_exchange *exchange, struct berth_error *err)
{
    return open_terminal(exchange, connect_container, err);
}
