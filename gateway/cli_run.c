/* SPDX-License-Identifier: MIT */
/*
 * berth run: the terminal of a container. The gateway starts it, so that it is in
 * the audit and in the mirror; its terminal is opened in this process, so that it
 * outlives the gateway.
 */
#include "base/clock.h"
#include "base/log.h"
#include "gateway/cli_internal.h"
#include "gateway/console.h"

#include <string.h>

/* Whoever runs it, by what the gateway said. */
struct running {
    const char *name;
    const char *id;
    bool was_running;
    int64_t asked_ns; /* wall: before it was started */
    struct berth_backend *backend;
};

static int find_facility(const struct berth_config *config, const char *id,
                         const struct berth_facility_config **ret_facility, struct berth_error *err)
{
    for (size_t i = 0; i < config->facility_count; i++) {
        if (strcmp(config->facilities[i].id, id) == 0) {
            *ret_facility = &config->facilities[i];
            return 0;
        }
    }
    return berth_error_set(err, BERTH_E_NOT_FOUND, "there is no facility %s in %s", id,
                           config->path);
}

/* Nothing is drained: there is one line. */
static int keep_text(struct berth_command_output *output, struct berth_error *err)
{
    return berth_strbuf_check(&output->text, err);
}

static int have_it_run(const struct cli_invocation *invocation, struct berth_config *config,
                       cJSON **ret_said, struct berth_error *err)
{
    BERTH_CLEANUP(command_output)
    struct berth_command_output output = BERTH_COMMAND_OUTPUT_INIT(keep_text, NULL);
    int r = cli_carry_out(invocation, config, &output, err);
    return r < 0 ? r
                 : berth_json_parse(berth_strbuf_str(&output.text), output.text.len, ret_said, err);
}

/* ---- What it printed before the terminal was open ---- */

static bool keep_log(void *ctx, enum berth_output stream, const char *data, size_t len)
{
    struct berth_strbuf *log = ctx;
    (void)stream;
    berth_strbuf_add(log, data, len);
    return !log->failed;
}

/* Of what it has printed since its start. */
static int read_log(const struct running *running, berth_logs_output *output, void *ctx)
{
    const struct berth_logs_spec spec = {.tail = -1, .since_ns = running->asked_ns};
    return berth_backend_logs(running->backend, running->id, &spec, output, ctx, NULL);
}

static void read_past(void *ctx, struct berth_strbuf *log)
{
    if (read_log(ctx, keep_log, log) < 0)
        berth_strbuf_clear(log);
}

/* ---- The terminal ---- */

static bool print_rest(void *ctx, enum berth_output stream, const char *data, size_t len)
{
    size_t *shown = ctx;
    size_t skipped = *shown < len ? *shown : len;
    (void)stream;
    *shown -= skipped;
    return skipped == len || fwrite(data + skipped, 1, len - skipped, stdout) == len - skipped;
}

/* One that ended while it was being attached to may have printed into its log alone. */
static void show_rest(const struct running *running, size_t shown)
{
    if (!running->was_running && read_log(running, print_rest, &shown) < 0)
        return; /* it is gone */
}

/* One that has ended before it could be attached to: what it printed, and its code. */
static int tell_end(const struct running *running, const struct berth_error *why, int *ret_code,
                    struct berth_error *err)
{
    BERTH_CLEANUP(app_list) struct berth_app_list apps = {0};
    int r = berth_backend_list(running->backend, running->id, &apps, err);
    if (r < 0)
        return r;
    if (running->was_running || apps.count != 1 || apps.items[0]->state != BERTH_APP_EXITED) {
        if (err)
            *err = *why;
        return why->status;
    }
    show_rest(running, 0);
    *ret_code = apps.items[0]->exit_code;
    return 0;
}

static int attach(const struct running *running, struct berth_console *console,
                  struct berth_exec **ret_exec, struct berth_error *err)
{
    unsigned cols;
    unsigned rows;
    berth_console_size(console, &cols, &rows);
    int r = berth_backend_attach(running->backend, running->id, cols, rows + running->was_running,
                                 ret_exec, err);
    if (r < 0 || !running->was_running)
        return r;
    /* Another size: what runs there shows itself anew. */
    return berth_exec_resize(*ret_exec, cols, rows, err);
}

static int run_console(const struct running *running, struct berth_console *console, int *ret_code,
                       struct berth_error *err)
{
    BERTH_CLEANUP(exec) struct berth_exec *exec = NULL;
    const struct berth_console_past past = {read_past, (void *)(uintptr_t)running};
    enum berth_console_end end = BERTH_CONSOLE_DETACHED;
    struct berth_error why = BERTH_ERROR_INIT;
    int r = attach(running, console, &exec, &why);
    if (r == BERTH_E_CONFLICT)
        return tell_end(running, &why, ret_code, err);
    if (r < 0) {
        if (err)
            *err = why;
        return r;
    }
    r = berth_console_run(console, exec, running->was_running ? NULL : &past, &end, err);
    if (r == 0 && end == BERTH_CONSOLE_ENDED && !console->has_printed)
        show_rest(running, console->shown);
    if (r == 0 && end == BERTH_CONSOLE_ENDED)
        return berth_exec_exit_code(exec, ret_code, err);
    if (r == 0 && console->has_terminal)
        (void)fprintf(stderr, "\nberth: detached; %s runs on\n", running->name);
    return r;
}

int cli_run_run(const struct cli_invocation *invocation, struct berth_error *err)
{
    BERTH_CLEANUP(config) struct berth_config *config = NULL;
    BERTH_CLEANUP(json) cJSON *said = NULL;
    BERTH_CLEANUP(backend) struct berth_backend *backend = NULL;
    BERTH_CLEANUP(console) struct berth_console console = {.signals = -1};
    const struct berth_facility_config *facility = NULL;
    if (geteuid() != 0)
        return berth_error_set(err, BERTH_E_FORBIDDEN,
                               "berth run is for root alone: it opens what containers are kept in");
    int64_t asked_ns = berth_clock_wall_ns();
    int r = berth_config_load(invocation->config, &config, err);
    berth_log_set_level(BERTH_LOG_WARNING);
    if (r == 0)
        r = have_it_run(invocation, config, &said, err);
    if (r == 0)
        r = find_facility(config, berth_json_string(invocation->request, "facility", ""), &facility,
                          err);
    if (r == 0) /* before the backend has threads */
        r = berth_console_open(STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, &console, err);
    if (r == 0)
        r = berth_backend_open(berth_backend_find(facility->backend), &facility->engine, &backend,
                               err);
    if (r < 0)
        return r;
    const struct running running = {
        .asked_ns = asked_ns,
        .name = berth_json_string(invocation->request, "name", ""),
        .id = berth_json_string(said, "id", ""),
        .was_running = berth_json_bool(said, "was_running", true),
        .backend = backend,
    };
    return run_console(&running, &console, invocation->exit_code, err);
}
