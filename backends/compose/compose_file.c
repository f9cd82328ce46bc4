/* SPDX-License-Identifier: MIT */
#include "backends/compose/compose_file.h"

#include "backends/engine/engine_create.h"
#include "base/yaml_write.h"

#define TEXT_MAX_BYTES 16384

static const char header[] =
    "# Made by berth for an app of a facility; hard-reset-app writes it anew. `docker compose` in\n"
    "# this folder knows the project. The folder mount is what the app sees as /app.\n";

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

static void add_limits(struct berth_yaml_writer *w, const struct berth_create_spec *spec)
{
    if (spec->cpu_nano > 0) {
        char cpus[32];
        (void)snprintf(cpus, sizeof(cpus), "%lld.%09lld", (long long)(spec->cpu_nano / 1000000000),
                       (long long)(spec->cpu_nano % 1000000000));
        berth_yaml_add_plain(w, "cpus", cpus);
    }
    if (spec->memory_bytes > 0) {
        /* Together with swap: else the engine allows as much swap again. */
        berth_yaml_add_int(w, "mem_limit", spec->memory_bytes);
        berth_yaml_add_int(w, "memswap_limit", spec->memory_bytes);
    }
    if (spec->pids > 0)
        berth_yaml_add_int(w, "pids_limit", spec->pids);
    if (spec->gpus != 0)
        add_gpus(w, spec->gpus);
}

/* Relative to the file; Compose is not to make a folder that has gone. */
static void add_mount(struct berth_yaml_writer *w)
{
    berth_yaml_open_list(w, "volumes");
    berth_yaml_open_map(w, NULL);
    berth_yaml_add_plain(w, "type", "bind");
    berth_yaml_add_plain(w, "source", "./" BERTH_COMPOSE_MOUNT);
    berth_yaml_add_plain(w, "target", BERTH_COMPOSE_MOUNT_TARGET);
    berth_yaml_open_map(w, "bind");
    berth_yaml_add_plain(w, "create_host_path", "false");
    berth_yaml_close_map(w);
    berth_yaml_close_map(w);
    berth_yaml_close_list(w);
}

static int add_labels(struct berth_yaml_writer *w, const struct berth_compose_file *file)
{
    berth_yaml_open_map(w, "labels");
    int rc = add_text(w, BERTH_LABEL_FACILITY, file->facility);
    if (rc == 0)
        rc = add_text(w, BERTH_LABEL_APP, file->spec->app);
    if (rc == 0)
        rc = add_text(w, BERTH_LABEL_IMAGE, file->spec->image_label);
    if (rc == 0)
        rc = add_text(w, BERTH_LABEL_USER, file->spec->user);
    berth_yaml_close_map(w);
    return rc;
}

/* No network of its own: an engine has addresses for about thirty, and solo's apps are on the
 * same bridge. */
static int add_service(struct berth_yaml_writer *w, const struct berth_compose_file *file)
{
    berth_yaml_open_map(w, "app");
    int rc = add_text(w, "image", file->image);
    berth_yaml_add_plain(w, "pull_policy", "never");
    if (rc == 0)
        rc = add_text(w, "container_name", file->container);
    if (rc == 0 && file->spec->run_as)
        rc = add_text(w, "user", file->spec->run_as);
    berth_yaml_add_plain(w, "network_mode", "bridge");
    add_mount(w);
    add_limits(w, file->spec);
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
