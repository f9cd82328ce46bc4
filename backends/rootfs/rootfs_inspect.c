/* SPDX-License-Identifier: MIT */
/* The verb inspect: an object in the shape of Docker's (API 1.45, GET /containers/{id}/json). */
#include "backends/rootfs/rootfs_inside.h"
#include "base/clock.h"
#include "base/folder.h"
#include "base/json.h"
#include "base/words.h"

#include <inttypes.h>

#define OOM_FILE      "oom" /* conmon's, in its folder */
#define HOSTNAME_SIZE 12
#define TEXT_MAX      (64U << 10)

static void add_time(struct berth_json_writer *w, const char *name, int64_t wall_ns)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(64);
    berth_clock_add_utc(&text, wall_ns, 9);
    berth_json_add_string(w, name, wall_ns ? berth_strbuf_str(&text) : "0001-01-01T00:00:00Z");
}

static void add_words(struct berth_json_writer *w, const char *name,
                      const struct berth_words *words, size_t first)
{
    berth_json_open_array(w, name);
    for (size_t i = first; i < words->count; i++)
        berth_json_add_string(w, NULL, words->items[i]);
    berth_json_close_array(w);
}

static void add_joined(struct berth_json_writer *w, const char *name, const char *first,
                       const char *between, const char *second)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(TEXT_MAX);
    berth_strbuf_adds(&text, first);
    berth_strbuf_adds(&text, between);
    berth_strbuf_adds(&text, second);
    berth_json_add_string(w, name, berth_strbuf_str(&text));
}

static void add_state(struct berth_json_writer *w, const struct berth_rootfs_app *app)
{
    const struct berth_rootfs_state *state = &app->state;
    bool runs = berth_rootfs_runs(app);
    berth_json_open_object(w, "State");
    berth_json_add_string(w, "Status", berth_app_state_name(state->state));
    berth_json_add_bool(w, "Running", runs);
    berth_json_add_bool(w, "Paused", state->state == BERTH_APP_PAUSED);
    berth_json_add_bool(w, "Restarting", false);
    berth_json_add_bool(w, "OOMKilled", !runs && berth_folder_has(app->folder, OOM_FILE));
    berth_json_add_bool(w, "Dead", false);
    berth_json_add_int(w, "Pid", runs ? state->init.pid : 0);
    berth_json_add_int(w, "ExitCode", state->exit_code);
    berth_json_add_string(w, "Error", "");
    add_time(w, "StartedAt", state->started_ns);
    add_time(w, "FinishedAt", state->finished_ns);
    berth_json_close_object(w);
}

static const char *network_of(const struct berth_rootfs *rootfs)
{
    return rootfs->config.network == BERTH_ROOTFS_NETWORK_HOST ? "host" : "none";
}

static void add_host_config(struct berth_json_writer *w, const struct berth_rootfs *rootfs,
                            const struct berth_rootfs_app *app)
{
    const struct berth_container *asked = &app->record.asked;
    berth_json_open_object(w, "HostConfig");
    berth_json_add_string(w, "NetworkMode", network_of(rootfs));
    berth_json_add_bool(w, "Privileged", false);
    berth_json_add_bool(w, "ReadonlyRootfs", rootfs->config.mode == BERTH_ROOTFS_READONLY);
    berth_json_add_string(w, "Runtime", app->state.runtime);
    berth_json_add_int(w, "Memory", asked->memory_bytes);
    berth_json_add_int(w, "NanoCpus", asked->cpu_nano);
    if (asked->pids > 0)
        berth_json_add_int(w, "PidsLimit", asked->pids);
    else
        berth_json_add_null(w, "PidsLimit");
    berth_json_close_object(w);
}

static void add_mounts(struct berth_json_writer *w, const struct berth_rootfs_app *app)
{
    berth_json_open_array(w, "Mounts");
    berth_json_open_object(w, NULL);
    berth_json_add_string(w, "Type", "bind");
    add_joined(w, "Source", app->path, "/", BERTH_ROOTFS_MOUNT);
    berth_json_add_string(w, "Destination", "/app");
    berth_json_add_string(w, "Mode", "");
    berth_json_add_bool(w, "RW", true);
    berth_json_add_string(w, "Propagation", "rprivate");
    berth_json_close_object(w);
    berth_json_close_array(w);
}

static void add_config(struct berth_json_writer *w, const struct berth_rootfs *rootfs,
                       const struct berth_rootfs_app *app, const struct berth_words *words)
{
    const struct berth_rootfs_record *record = &app->record;
    berth_json_open_object(w, "Config");
    berth_json_add_stringn(w, "Hostname", app->id, HOSTNAME_SIZE);
    berth_json_add_string(w, "User", record->run_as ? record->run_as : "");
    berth_json_add_bool(w, "Tty", record->terminal);
    berth_json_add_bool(w, "OpenStdin", record->terminal);
    berth_json_open_array(w, "Env");
    for (size_t i = 0; i < record->asked.env_count; i++)
        add_joined(w, NULL, record->asked.env[i].name, "=", record->asked.env[i].value);
    berth_json_close_array(w);
    add_words(w, "Cmd", words, 0);
    berth_json_add_string(w, "Image", record->image);
    berth_json_open_object(w, "Labels");
    berth_json_add_string(w, BERTH_LABEL_APP, record->name);
    berth_json_add_string(w, BERTH_LABEL_FACILITY, rootfs->facility);
    berth_json_add_string(w, BERTH_LABEL_IMAGE, record->image);
    berth_json_add_string(w, BERTH_LABEL_USER, record->user);
    berth_json_close_object(w);
    berth_json_close_object(w);
}

static void add_app(struct berth_json_writer *w, const struct berth_rootfs *rootfs,
                    const struct berth_rootfs_app *app, const struct berth_words *words)
{
    const struct berth_rootfs_record *record = &app->record;
    berth_json_open_object(w, NULL);
    berth_json_add_string(w, "Id", app->id);
    add_time(w, "Created", record->created_ns);
    berth_json_add_string(w, "Path", words->count > 0 ? words->items[0] : "");
    add_words(w, "Args", words, 1);
    add_state(w, app);
    berth_json_add_string(w, "Image", record->rootfs);
    add_joined(w, "LogPath", app->path, "/", BERTH_ROOTFS_LOG);
    add_joined(w, "Name", "/", record->name, "");
    berth_json_add_int(w, "RestartCount", 0);
    berth_json_add_string(w, "Driver", "overlay");
    berth_json_add_string(w, "Platform", "linux");
    add_host_config(w, rootfs, app);
    add_mounts(w, app);
    add_config(w, rootfs, app, words);
    berth_json_open_object(w, "NetworkSettings");
    berth_json_open_object(w, "Networks");
    berth_json_open_object(w, network_of(rootfs));
    berth_json_close_object(w);
    berth_json_close_object(w);
    berth_json_close_object(w);
    berth_json_close_object(w);
}

int berth_rootfs_inspect(struct berth_backend *backend, const char *id, struct berth_strbuf *body,
                         struct berth_error *err)
{
    struct berth_rootfs *rootfs = berth_rootfs_of(backend);
    BERTH_CLEANUP(rootfs_app) struct berth_rootfs_app app = BERTH_ROOTFS_APP_INIT;
    BERTH_CLEANUP(words) struct berth_words words = BERTH_WORDS_INIT;
    struct berth_json_writer w = BERTH_JSON_WRITER(body);
    int rc = berth_rootfs_find(rootfs, id, &app, err);
    if (rc == 0)
        rc = berth_words_split(app.record.command, &words, err);
    if (rc < 0)
        return rc;
    add_app(&w, rootfs, &app, &words);
    return berth_strbuf_check(body, err);
}
