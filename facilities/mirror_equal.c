/* SPDX-License-Identifier: MIT */
/* Whether what was told is news: what is as it was makes no snapshot and no news. */
#include "facilities/mirror_internal.h"

#include <string.h>

static bool strings_equal(const char *const *a, const char *const *b, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(a[i], b[i]) != 0)
            return false;
    return true;
}

static bool labels_equal(const struct berth_app *a, const struct berth_app *b)
{
    if (a->label_count != b->label_count)
        return false;
    for (size_t i = 0; i < a->label_count; i++)
        if (strcmp(a->labels[i].key, b->labels[i].key) != 0 ||
            strcmp(a->labels[i].value, b->labels[i].value) != 0)
            return false;
    return true;
}

static bool mounts_equal(const struct berth_app *a, const struct berth_app *b)
{
    if (a->mount_count != b->mount_count)
        return false;
    for (size_t i = 0; i < a->mount_count; i++) {
        const struct berth_app_mount *x = &a->mounts[i];
        const struct berth_app_mount *y = &b->mounts[i];
        if (strcmp(x->name, y->name) != 0 || strcmp(x->source, y->source) != 0 ||
            strcmp(x->driver, y->driver) != 0)
            return false;
    }
    return true;
}

static bool ports_equal(const struct berth_app *a, const struct berth_app *b)
{
    if (a->port_count != b->port_count)
        return false;
    for (size_t i = 0; i < a->port_count; i++) {
        const struct berth_app_port *x = &a->ports[i];
        const struct berth_app_port *y = &b->ports[i];
        if (x->container_port != y->container_port || x->host_port != y->host_port ||
            strcmp(x->ip, y->ip) != 0 || strcmp(x->protocol, y->protocol) != 0)
            return false;
    }
    return true;
}

bool berth_mirror_apps_equal(const struct berth_app *a, const struct berth_app *b)
{
    if (a == b)
        return true;
    const char *const texts[][2] = {
        {a->id, b->id},
        {a->name, b->name},
        {a->container, b->container},
        {a->note, b->note},
        {a->user, b->user},
        {a->image, b->image},
        {a->image_id, b->image_id},
        {a->image_label, b->image_label},
        {a->engine_name, b->engine_name},
        {a->command, b->command},
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (strcmp(texts[i][0], texts[i][1]) != 0)
            return false;
    return a->created_ns == b->created_ns && a->started_ns == b->started_ns &&
           a->finished_ns == b->finished_ns && a->state == b->state && a->health == b->health &&
           a->exit_code == b->exit_code && a->dead == b->dead && a->paused == b->paused &&
           labels_equal(a, b) && a->network_count == b->network_count &&
           strings_equal(a->networks, b->networks, a->network_count) && mounts_equal(a, b) &&
           ports_equal(a, b);
}

static bool lists_equal(char *const *a, char *const *b)
{
    size_t i = 0;
    for (; a[i] && b[i]; i++)
        if (strcmp(a[i], b[i]) != 0)
            return false;
    return !a[i] && !b[i];
}

bool berth_mirror_images_equal(const struct berth_image_list *a, const struct berth_image_list *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        const struct berth_image *x = &a->items[i];
        const struct berth_image *y = &b->items[i];
        if (strcmp(x->id, y->id) != 0 || x->created_ns != y->created_ns ||
            x->size_bytes != y->size_bytes || x->virtual_size_bytes != y->virtual_size_bytes ||
            !lists_equal(x->tags, y->tags) || !lists_equal(x->digests, y->digests))
            return false;
    }
    return true;
}
