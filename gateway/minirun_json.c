/* SPDX-License-Identifier: MIT */
#include "gateway/minirun_json.h"

#include "base/clock.h"
#include "base/text.h"
#include "facilities/minirun.h"

#include <inttypes.h>
#include <string.h>

void berth_minirun_json_open(struct berth_json_writer *w, const char *message)
{
    berth_json_open_object(w, NULL);
    berth_json_add_bool(w, "success", true);
    berth_json_add_string(w, "message", message);
}

void berth_minirun_json_close(struct berth_json_writer *w)
{
    berth_json_close_object(w);
}

/* The three words of the API; what nobody can tell is none of them. */
static const char *status_of(const struct berth_app *app)
{
    if (app->state == BERTH_APP_UNKNOWN || app->state == BERTH_APP_CREATED)
        return berth_app_state_name(app->state);
    return berth_minirun_is_running(app) ? "running" : "stopped";
}

static void add_time(struct berth_json_writer *w, const char *name, int64_t wall_ns)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(64);
    berth_clock_add_rfc3339(&text, wall_ns, 0);
    berth_json_add_string(w, name, berth_strbuf_str(&text));
}

void berth_minirun_json_add(struct berth_json_writer *w, const char *name,
                            const struct berth_app *app)
{
    bool has_ended = app->state == BERTH_APP_EXITED || app->state == BERTH_APP_DEAD;
    berth_json_open_object(w, name);
    berth_json_add_string(w, "name", app->name);
    berth_json_add_string(w, "rootfs", app->image);
    berth_json_add_string(w, "command", app->command);
    berth_json_add_string(w, "status", status_of(app));
    add_time(w, "created_at", app->created_ns);
    if (app->started_ns > 0)
        add_time(w, "started_at", app->started_ns);
    if (has_ended && app->finished_ns > 0)
        add_time(w, "finished_at", app->finished_ns);
    if (has_ended)
        berth_json_add_int(w, "exit_code", app->exit_code);
    berth_json_close_object(w);
}

void berth_minirun_add_uptime(struct berth_strbuf *out, int64_t seconds)
{
    int64_t minutes = seconds / 60;
    if (minutes >= 60)
        berth_strbuf_addf(out, "%" PRId64 "h", minutes / 60);
    if (minutes > 0)
        berth_strbuf_addf(out, "%" PRId64 "m", minutes % 60);
    berth_strbuf_addf(out, "%" PRId64 "s", seconds % 60);
}

void berth_minirun_add_word(struct berth_strbuf *out, const char *word)
{
    const char *c = word;
    while (*c && (berth_is_alnum(*c) || strchr("/._-+,:@%", *c)))
        c++;
    if (*word && !*c) {
        berth_strbuf_adds(out, word);
        return;
    }
    berth_strbuf_addc(out, '\'');
    for (c = word; *c; c++) {
        if (*c == '\'')
            berth_strbuf_adds(out, "'\\''");
        else
            berth_strbuf_addc(out, *c);
    }
    berth_strbuf_addc(out, '\'');
}
