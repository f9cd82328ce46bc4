/* SPDX-License-Identifier: MIT */
/* ws/APP: a terminal in an app. All that can be wrong is said before the upgrade. */
#include "base/text.h"
#include "facilities/apps.h"
#include "gateway/apps_api.h"
#include "gateway/terminal_pump.h"

#include <string.h>

#define COLS_DEFAULT 80
#define ROWS_DEFAULT 24
#define NEW_SESSION  "new"

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

static int connect_terminal(struct berth_exchange *exchange, const struct berth_exec_spec *spec,
                            struct berth_error *err)
{
    struct berth_terminals *terminals = exchange->berth->terminals;
    const char *session = berth_params_get(&exchange->params, "session");
    bool is_new = !session || strcmp(session, NEW_SESSION) == 0;
    struct berth_terminal *terminal = NULL;
    int r = is_new ? berth_terminal_open(terminals, exchange->facility, &exchange->caller,
                                         exchange->item, spec, session != NULL, &terminal, err)
                   : berth_terminal_resume(terminals, exchange->facility, &exchange->caller,
                                           exchange->item, session, &terminal, err);
    return r < 0 ? r : berth_terminal_pump(exchange, terminal, !is_new, err);
}

int berth_apps_open_terminal(struct berth_exchange *exchange, struct berth_error *err)
{
    static const char *const shell[] = {"/bin/sh", "-c", NULL, NULL};
    const char *command = berth_params_get(&exchange->params, "cmd");
    const char *argv[] = {shell[0], shell[1], command, NULL};
    struct berth_exec_spec spec = {.argv = command ? argv : NULL};
    exchange->target = exchange->item;
    int r = read_params(&exchange->params, &spec, err);
    if (r == 0)
        r = check_upgrade(exchange, err);
    if (r == 0)
        r = berth_terminals_join(exchange->berth->terminals, exchange->facility,
                                 share_of(exchange, BERTH_TERMINAL_OF_GATEWAY),
                                 share_of(exchange, BERTH_TERMINAL_OF_FACILITY), err);
    if (r < 0)
        return r;
    r = connect_terminal(exchange, &spec, err);
    berth_terminals_leave(exchange->berth->terminals, exchange->facility);
    return r;
}
