/* SPDX-License-Identifier: MIT */
#include "backends/compose/compose_file.h"

#include "backends/engine/engine_create.h"
#include "base/yaml_write.h"

#include <string.h>

#define NANO           INT64_C(1000000000)
#define TEXT_MAX_BYTES (256U << 10)

static const char header[] =
    "# Made by berth for an app of a facility, and written anew with each change of it. `docker\n"
    "# compose` in this folder knows the project. The folder mount is what the app sees as /app.\n";

/* Compose replaces $NAME in every text; $$ is a dollar. */
static int add_text(struct berth_yaml_writer *w, const char *name, const char *value)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(TEXT_MAX_BYTES);
    for (; *value; value++)
        berth_strbuf_adds(&text, *value == '$' ? "$$" : (const char[]){*value, '\0'});
    int rc = berth_strbuf_check(&text, NULL);
    if (rc == 0)
        berth_yaml_add_string(w, name, berth_strbuf_str(&text));
    return rc;
}

/* The same as the engine client gives a container that it makes itself. */
static void add_restraints(struct berth_yaml_writer *w)
{
    berth_yaml_open_list(w, "security_opt");
    berth_yaml_add_plain(w, NULL, "no-new-privileges");
    berth_yaml_close_list(w);
    berth_yaml_open_list(w, "cap_drop");
    berth_yaml_add_plain(w, NULL, "ALL");
    berth_yaml_close_list(w);
    berth_yaml_open_list(w, "cap_add");
    for (size_t i = 0; berth_engine_capabilities[i]; i++)
        berth_yaml_add_plain(w, NULL, berth_engine_capabilities[i]);
    berth_yaml_close_list(w);
}

static void add_gpus(struct berth_yaml_writer *w, int64_t gpus)
{
    berth_yaml_open_map(w, "deploy");
    berth_yaml_open_map(w, "resources");
    berth_yaml_open_map(w, "reservations");
    berth_yaml_open_list(w, "devices");
    berth_yaml_open_map(w, NULL);
    if (gpus < 0)
        berth_yaml_add_plain(w, "count", "all");
    else
        berth_yaml_add_int(w, "count", gpus);
    berth_yaml_open_list(w, "capabilities");
    berth_yaml_add_plain(w, NULL, "gpu");
    berth_yaml_close_list(w);
    berth_yaml_close_map(w);
    berth_yaml_close_list(w);
    berth_yaml_close_map(w);
    berth_yaml_close_map(w);
    berth_yaml_close_map(w);
}

static void add_limits(struct berth_yaml_writer *w, const struct berth_compose_service *service)
{
    const struct berth_container *asked = &service->asked;
    if (asked->cpu_nano > 0) {
        char cpus[32];
        (void)snprintf(cpus, sizeof(cpus), "%lld.%09lld", (long long)(asked->cpu_nano / NANO),
                       (long long)(asked->cpu_nano % NANO));
        berth_yaml_add_plain(w, "cpus", cpus);
    }
    if (asked->memory_bytes > 0) {
        /* Together with swap: else the engine allows as much swap again. */
        berth_yaml_add_int(w, "mem_limit", asked->memory_bytes);
        berth_yaml_add_int(w, "memswap_limit", asked->memory_bytes);
    }
    if (asked->pids > 0)
        berth_yaml_add_int(w, "pids_limit", asked->pids);
    if (service->gpus != 0)
        add_gpus(w, service->gpus);
}

/* Relative to the file; Compose is not to make what has gone. */
static void add_bind(struct berth_yaml_writer *w, const char *source, const char *target,
                     bool read_only)
{
    berth_yaml_open_map(w, NULL);
    berth_yaml_add_plain(w, "type", "bind");
    berth_yaml_add_plain(w, "source", source);
    berth_yaml_add_plain(w, "target", target);
    if (read_only)
        berth_yaml_add_plain(w, "read_only", "true");
    berth_yaml_open_map(w, "bind");
    berth_yaml_add_plain(w, "create_host_path", "false");
    berth_yaml_close_map(w);
    berth_yaml_close_map(w);
}

static void add_mounts(struct berth_yaml_writer *w, const struct berth_compose_service *service)
{
    berth_yaml_open_list(w, "volumes");
    add_bind(w, "./" BERTH_COMPOSE_MOUNT, BERTH_COMPOSE_MOUNT_TARGET, false);
    if (service->boots)
        add_bind(w, "./" BERTH_COMPOSE_START, BERTH_COMPOSE_START_TARGET, true);
    berth_yaml_close_list(w);
}

/* In place of what the image would run. */
static void add_start(struct berth_yaml_writer *w)
{
    berth_yaml_add_plain(w, "init", "true");
    berth_yaml_add_plain(w, "working_dir", BERTH_COMPOSE_MOUNT_TARGET);
    berth_yaml_open_list(w, "entrypoint");
    berth_yaml_add_plain(w, NULL, "python3");
    berth_yaml_add_plain(w, NULL, "-I");
    berth_yaml_add_plain(w, NULL, BERTH_COMPOSE_START_TARGET);
    berth_yaml_close_list(w);
}

static bool has_variable(const struct berth_container *asked, const char *name)
{
    for (size_t i = 0; i < asked->env_count; i++)
        if (strcmp(asked->env[i].name, name) == 0)
            return true;
    return false;
}

/* Names are not replaced in, values are. */
static int add_env(struct berth_yaml_writer *w, const struct berth_compose_file *file)
{
    const struct berth_container *asked = &file->service->asked;
    BERTH_CLEANUP(strbuf) struct berth_strbuf tags = BERTH_STRBUF_INIT(TEXT_MAX_BYTES);
    berth_compose_service_join_tags(file->service, &tags);
    int rc = berth_strbuf_check(&tags, NULL);
    berth_yaml_open_map(w, "environment");
    if (rc == 0)
        rc = add_text(w, BERTH_COMPOSE_CUID_VARIABLE, file->cuid);
    if (rc == 0)
        rc = add_text(w, BERTH_COMPOSE_TAGS_VARIABLE, berth_strbuf_str(&tags));
    /* The user has no entry in the image's list of users, which would tell. */
    if (rc == 0 && file->service->boots && !has_variable(asked, "HOME"))
        rc = add_text(w, "HOME", BERTH_COMPOSE_MOUNT_TARGET);
    for (size_t i = 0; rc == 0 && i < asked->env_count; i++)
        rc = add_text(w, asked->env[i].name, asked->env[i].value);
    berth_yaml_close_map(w);
    return rc;
}

static void add_ports(struct berth_yaml_writer *w, const struct berth_container *asked)
{
    berth_yaml_open_list(w, "ports");
    for (size_t i = 0; i < asked->port_count; i++) {
        char published[8];
        (void)snprintf(published, sizeof(published), "%u", asked->ports[i].host);
        berth_yaml_open_map(w, NULL);
        berth_yaml_add_string(w, "published", published); /* a text: it may be a range */
        berth_yaml_add_int(w, "target", asked->ports[i].container);
        berth_yaml_add_plain(w, "protocol", berth_protocol_name(asked->ports[i].protocol));
        berth_yaml_close_map(w);
    }
    berth_yaml_close_list(w);
}

static int add_labels(struct berth_yaml_writer *w, const struct berth_compose_file *file)
{
    const struct berth_compose_service *service = file->service;
    BERTH_CLEANUP(strbuf) struct berth_strbuf tags = BERTH_STRBUF_INIT(TEXT_MAX_BYTES);
    BERTH_CLEANUP(strbuf) struct berth_strbuf ports = BERTH_STRBUF_INIT(TEXT_MAX_BYTES);
    berth_compose_service_join_tags(service, &tags);
    berth_compose_service_join_ports(service, &ports);
    const struct berth_app_pair labels[] = {
        {BERTH_LABEL_FACILITY, file->facility},        {BERTH_LABEL_APP, service->app},
        {BERTH_LABEL_IMAGE, service->image_label},     {BERTH_LABEL_USER, service->user},
        {BERTH_LABEL_CREATED, service->created},       {BERTH_LABEL_TAGS, berth_strbuf_str(&tags)},
        {BERTH_LABEL_PORTS, berth_strbuf_str(&ports)}, {BERTH_LABEL_BOOT, BERTH_COMPOSE_BOOT},
    };
    int rc = tags.failed ? tags.failed : ports.failed;
    berth_yaml_open_map(w, "labels");
    for (size_t i = 0; rc == 0 && i < sizeof(labels) / sizeof(labels[0]) - !service->boots; i++)
        rc = add_text(w, labels[i].key, labels[i].value);
    berth_yaml_close_map(w);
    return rc;
}

/* No network of its own: an engine has addresses for about thirty, and solo's apps are on the
 * same bridge. */
static int add_service(struct berth_yaml_writer *w, const struct berth_compose_file *file)
{
    const struct berth_compose_service *service = file->service;
    berth_yaml_open_map(w, "app");
    int rc = add_text(w, "image", service->image);
    berth_yaml_add_plain(w, "pull_policy", "never");
    if (rc == 0)
        rc = add_text(w, "container_name", service->container);
    if (rc == 0 && service->run_as)
        rc = add_text(w, "user", service->run_as);
    if (service->boots)
        add_start(w);
    if (rc == 0)
        rc = add_env(w, file);
    berth_yaml_add_plain(w, "network_mode", "bridge");
    if (service->asked.port_count > 0)
        add_ports(w, &service->asked);
    add_mounts(w, service);
    add_limits(w, service);
    add_restraints(w);
    if (rc == 0)
        rc = add_labels(w, file);
    berth_yaml_close_map(w);
    return rc;
}

int berth_compose_file_write(const struct berth_compose_file *file, struct berth_strbuf *out,
                             struct berth_error *err)
{
    struct berth_yaml_writer w;
    berth_strbuf_adds(out, header);
    berth_yaml_open(&w, out);
    berth_yaml_add_plain(&w, "name", file->cuid);
    berth_yaml_open_map(&w, "services");
    int rc = add_service(&w, file);
    berth_yaml_close_map(&w);
    int closed = berth_yaml_close(&w, err);
    if (rc == 0)
        return closed;
    return rc == BERTH_E_NOMEM
               ? berth_error_nomem(err)
               : berth_error_set(err, BERTH_E_TOO_LARGE, "a text of the app is too long");
}
