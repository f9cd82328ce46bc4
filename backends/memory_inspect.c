/* SPDX-License-Identifier: MIT */
/* Inspect objects in the shape of Docker's (API 1.45, GET /containers/{id}/json, /nodes/{id}). */
#include "backends/memory_internal.h"

#include "base/clock.h"
#include "base/json.h"

#include <string.h>

/* "2026-01-20T15:30:00.123456789Z", as Go marshals UTC: no zeros at the end of the fraction. */
static void add_time(struct berth_json_writer *w, const char *name, int64_t wall_ns)
{
    char text[40] = "0001-01-01T00:00:00Z";
    if (wall_ns != 0) {
        time_t seconds = (time_t)(wall_ns / BERTH_NS_PER_S);
        struct tm utc;
        (void)gmtime_r(&seconds, &utc);
        size_t len = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
        int64_t fraction = wall_ns % BERTH_NS_PER_S;
        if (fraction != 0) {
            (void)snprintf(text + len, sizeof(text) - len, ".%09d", (int)fraction);
            len += 10;
            while (text[len - 1] == '0')
                len--;
        }
        (void)snprintf(text + len, sizeof(text) - len, "Z");
    }
    berth_json_add_string(w, name, text);
}

static void add_empty_object(struct berth_json_writer *w, const char *name)
{
    berth_json_open_object(w, name);
    berth_json_close_object(w);
}

static void add_empty_array(struct berth_json_writer *w, const char *name)
{
    berth_json_open_array(w, name);
    berth_json_close_array(w);
}

/* The words of the command, from the first one on or after it. */
static void add_words(struct berth_json_writer *w, const char *name, const char *command)
{
    berth_json_open_array(w, name);
    while (*command) {
        size_t len = strcspn(command, " ");
        berth_json_add_stringn(w, NULL, command, len);
        command += len + strspn(command + len, " ");
    }
    berth_json_close_array(w);
}

/* A process id that looks like one; no process has it. */
static int64_t pid_of(const struct berth_app *app)
{
    char digits[] = {app->id[0], app->id[1], app->id[2], app->id[3], '\0'};
    return 1000 + (int64_t)strtoul(digits, NULL, 16) % 30000;
}

static void add_state(struct berth_json_writer *w, const struct berth_app *app)
{
    bool paused = app->state == BERTH_APP_PAUSED;
    bool running = paused || app->state == BERTH_APP_RUNNING;
    berth_json_open_object(w, "State");
    berth_json_add_string(w, "Status", berth_app_state_name(app->state));
    berth_json_add_bool(w, "Running", running);
    berth_json_add_bool(w, "Paused", paused);
    berth_json_add_bool(w, "Restarting", false);
    berth_json_add_bool(w, "OOMKilled", false);
    berth_json_add_bool(w, "Dead", false);
    berth_json_add_int(w, "Pid", running ? pid_of(app) : 0);
    berth_json_add_int(w, "ExitCode", app->exit_code);
    berth_json_add_string(w, "Error", "");
    add_time(w, "StartedAt", app->started_ns);
    add_time(w, "FinishedAt", app->finished_ns);
    berth_json_close_object(w);
}

static void add_host_config(struct berth_json_writer *w, const struct memory_container *container)
{
    berth_json_open_object(w, "HostConfig");
    berth_json_add_null(w, "Binds");
    berth_json_add_string(w, "NetworkMode", "bridge");
    add_empty_object(w, "PortBindings");
    berth_json_open_object(w, "RestartPolicy");
    berth_json_add_string(w, "Name", "no");
    berth_json_add_int(w, "MaximumRetryCount", 0);
    berth_json_close_object(w);
    berth_json_add_bool(w, "AutoRemove", false);
    berth_json_open_array(w, "SecurityOpt");
    berth_json_add_string(w, NULL, "no-new-privileges");
    berth_json_close_array(w);
    berth_json_add_bool(w, "Privileged", false);
    berth_json_add_bool(w, "ReadonlyRootfs", false);
    berth_json_add_int(w, "Memory", container->memory_bytes);
    berth_json_add_int(w, "NanoCpus", container->cpu_nano);
    if (container->pids)
        berth_json_add_int(w, "PidsLimit", container->pids);
    else
        berth_json_add_null(w, "PidsLimit");
    berth_json_close_object(w);
}

static void add_config(struct berth_json_writer *w, const struct memory_container *container)
{
    const struct berth_app *app = container->app;
    berth_json_open_object(w, "Config");
    berth_json_add_stringn(w, "Hostname", app->id, 12);
    berth_json_add_string(w, "Domainname", "");
    berth_json_add_string(w, "User", container->run_as ? container->run_as : "");
    berth_json_add_bool(w, "AttachStdin", false);
    berth_json_add_bool(w, "AttachStdout", true);
    berth_json_add_bool(w, "AttachStderr", true);
    const struct memory_image *image = memory_image_by_id(app->image_id);
    if (image->port) {
        char port[16];
        (void)snprintf(port, sizeof(port), "%u/tcp", image->port);
        berth_json_open_object(w, "ExposedPorts");
        add_empty_object(w, port);
        berth_json_close_object(w);
    }
    berth_json_add_bool(w, "Tty", false);
    berth_json_add_bool(w, "OpenStdin", false);
    berth_json_open_array(w, "Env");
    berth_json_add_string(w, NULL,
                          "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    berth_json_close_array(w);
    add_words(w, "Cmd", app->command);
    berth_json_add_string(w, "Image",
                          container->image_config ? container->image_config : app->image);
    berth_json_add_null(w, "Volumes");
    berth_json_add_string(w, "WorkingDir", "");
    berth_json_add_null(w, "Entrypoint");
    berth_json_open_object(w, "Labels");
    for (size_t i = 0; i < app->label_count; i++)
        berth_json_add_string(w, app->labels[i].key, app->labels[i].value);
    berth_json_close_object(w);
    berth_json_close_object(w);
}

static void add_network_settings(struct berth_json_writer *w, const struct berth_app *app)
{
    berth_json_open_object(w, "NetworkSettings");
    berth_json_add_string(w, "Bridge", "");
    berth_json_add_string(w, "SandboxID", "");
    berth_json_open_object(w, "Ports");
    for (size_t i = 0; i < app->port_count; i++) {
        char port[16];
        (void)snprintf(port, sizeof(port), "%u/%s", app->ports[i].container_port,
                       app->ports[i].protocol);
        berth_json_add_null(w, port); /* exposed, not published */
    }
    berth_json_close_object(w);
    berth_json_open_object(w, "Networks");
    for (size_t i = 0; i < app->network_count; i++) {
        berth_json_open_object(w, app->networks[i]);
        berth_json_add_null(w, "IPAMConfig");
        berth_json_add_null(w, "Links");
        berth_json_add_null(w, "Aliases");
        berth_json_add_string(w, "NetworkID", "");
        berth_json_add_string(w, "EndpointID", "");
        berth_json_add_string(w, "Gateway", "");
        berth_json_add_string(w, "IPAddress", "");
        berth_json_add_int(w, "IPPrefixLen", 0);
        berth_json_add_string(w, "MacAddress", "");
        berth_json_close_object(w);
    }
    berth_json_close_object(w);
    berth_json_close_object(w);
}

void memory_inspect_add(const struct memory_container *container, struct berth_strbuf *body)
{
    const struct berth_app *app = container->app;
    size_t path_len = strcspn(app->command, " ");
    struct berth_json_writer writer = BERTH_JSON_WRITER(body);
    struct berth_json_writer *w = &writer;
    berth_json_open_object(w, NULL);
    berth_json_add_string(w, "Id", app->id);
    add_time(w, "Created", app->created_ns);
    berth_json_add_stringn(w, "Path", app->command, path_len);
    add_words(w, "Args", app->command + path_len + strspn(app->command + path_len, " "));
    add_state(w, app);
    berth_json_add_string(w, "Image", app->image_id);
    berth_json_add_string(w, "ResolvConfPath", "");
    berth_json_add_string(w, "HostnamePath", "");
    berth_json_add_string(w, "HostsPath", "");
    berth_json_add_string(w, "LogPath", "");
    char name[BERTH_ERROR_MESSAGE_MAX];
    (void)snprintf(name, sizeof(name), "/%s", app->engine_name);
    berth_json_add_string(w, "Name", name);
    berth_json_add_int(w, "RestartCount", 0);
    berth_json_add_string(w, "Driver", "memory");
    berth_json_add_string(w, "Platform", "linux");
    berth_json_add_string(w, "MountLabel", "");
    berth_json_add_string(w, "ProcessLabel", "");
    berth_json_add_string(w, "AppArmorProfile", "");
    berth_json_add_null(w, "ExecIDs");
    add_host_config(w, container);
    add_empty_array(w, "Mounts");
    add_config(w, container);
    add_network_settings(w, app);
    berth_json_close_object(w);
}

void memory_node_inspect_add(const struct memory *memory, struct berth_strbuf *body)
{
    struct berth_json_writer writer = BERTH_JSON_WRITER(body);
    struct berth_json_writer *w = &writer;
    berth_json_open_object(w, NULL);
    berth_json_add_string(w, "ID", memory->node_id);
    berth_json_open_object(w, "Version");
    berth_json_add_int(w, "Index", 1);
    berth_json_close_object(w);
    add_time(w, "CreatedAt", memory->opened_ns);
    add_time(w, "UpdatedAt", memory->opened_ns);
    berth_json_open_object(w, "Spec");
    add_empty_object(w, "Labels");
    berth_json_add_string(w, "Role", "worker");
    berth_json_add_string(w, "Availability", "active");
    berth_json_close_object(w);
    berth_json_open_object(w, "Description");
    berth_json_add_string(w, "Hostname", MEMORY_HOSTNAME);
    berth_json_open_object(w, "Platform");
    berth_json_add_string(w, "Architecture", "x86_64");
    berth_json_add_string(w, "OS", "linux");
    berth_json_close_object(w);
    berth_json_open_object(w, "Engine");
    berth_json_add_string(w, "EngineVersion", MEMORY_ENGINE_VERSION);
    berth_json_close_object(w);
    berth_json_close_object(w);
    berth_json_open_object(w, "Status");
    berth_json_add_string(w, "State", "ready");
    berth_json_close_object(w);
    berth_json_close_object(w);
}
