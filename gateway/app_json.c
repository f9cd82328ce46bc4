/* SPDX-License-Identifier: MIT */
#include "gateway/app_json.h"

#include "base/clock.h"
#include "gateway/docker_ports.h"
#include "gateway/docker_text.h"

#include <string.h>

#define COMMAND_COLUMNS 20
#define MOUNT_COLUMNS   15

static void add_labels(struct berth_strbuf *out, const struct berth_app *app)
{
    for (size_t i = 0; i < app->label_count; i++) {
        if (i > 0)
            berth_strbuf_addc(out, ',');
        berth_strbuf_adds(out, app->labels[i].key);
        berth_strbuf_addc(out, '=');
        berth_strbuf_adds(out, app->labels[i].value);
    }
}

static void add_networks(struct berth_strbuf *out, const struct berth_app *app)
{
    for (size_t i = 0; i < app->network_count; i++) {
        if (i > 0)
            berth_strbuf_addc(out, ',');
        berth_strbuf_adds(out, app->networks[i]);
    }
}

static int compare_strings(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static void add_mounts(struct berth_strbuf *out, const struct berth_app *app)
{
    if (app->mount_count == 0)
        return;
    BERTH_CLEANUP(free) const char **shown = malloc(app->mount_count * sizeof(*shown));
    if (!shown) {
        out->failed = BERTH_E_NOMEM;
        return;
    }
    for (size_t i = 0; i < app->mount_count; i++)
        shown[i] = app->mounts[i].name[0] ? app->mounts[i].name : app->mounts[i].source;
    qsort(shown, app->mount_count, sizeof(*shown), compare_strings);
    for (size_t i = 0; i < app->mount_count; i++) {
        if (i > 0)
            berth_strbuf_addc(out, ',');
        berth_docker_add_shortened(out, shown[i], MOUNT_COLUMNS);
    }
}

static void add_local_volumes(struct berth_strbuf *out, const struct berth_app *app)
{
    size_t count = 0;
    for (size_t i = 0; i < app->mount_count; i++)
        if (strcmp(app->mounts[i].driver, "local") == 0)
            count++;
    berth_strbuf_addf(out, "%zu", count);
}

/* The listing tells the moment of creation in whole seconds, and docker counts from there. */
static int64_t whole_second(int64_t wall_ns)
{
    return wall_ns - wall_ns % BERTH_NS_PER_S;
}

void berth_app_json_add(struct berth_json_writer *w, const struct berth_app *app, int64_t now_ns,
                        int64_t *valid_until_ns)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(w->out->cap);
    int64_t created_ns = whole_second(app->created_ns);

    berth_json_open_object(w, NULL);
    berth_docker_add_quoted(&text, app->command, COMMAND_COLUMNS);
    berth_docker_add_member(w, "Command", &text);
    berth_clock_add_go(&text, created_ns);
    berth_docker_add_member(w, "CreatedAt", &text);
    berth_docker_add_short_id(&text, app->container);
    berth_docker_add_member(w, "ID", &text);
    berth_json_add_string(w, "Image", app->image);
    add_labels(&text, app);
    berth_docker_add_member(w, "Labels", &text);
    add_local_volumes(&text, app);
    berth_docker_add_member(w, "LocalVolumes", &text);
    add_mounts(&text, app);
    berth_docker_add_member(w, "Mounts", &text);
    berth_json_add_string(w, "Names", app->engine_name);
    add_networks(&text, app);
    berth_docker_add_member(w, "Networks", &text);
    berth_docker_add_ports(&text, app->ports, app->port_count);
    berth_docker_add_member(w, "Ports", &text);
    berth_docker_add_age(&text, created_ns, now_ns, valid_until_ns);
    berth_strbuf_adds(&text, " ago");
    berth_docker_add_member(w, "RunningFor", &text);
    berth_json_add_string(w, "Size", "0B"); /* docker asks for sizes with --size alone */
    berth_json_add_string(w, "State", berth_app_state_name(app->state));
    berth_docker_add_status(&text, app, now_ns, valid_until_ns);
    berth_docker_add_member(w, "Status", &text);
    berth_json_close_object(w);
}
