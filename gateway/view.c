/* SPDX-License-Identifier: MIT */
#include "gateway/view.h"

#include <string.h>

int berth_view_new(struct berth_config *config, struct berth_view **ret_view,
                   struct berth_error *err)
{
    struct berth_view *view = calloc(1, sizeof(*view));
    struct berth_facility **facilities =
        calloc(config->facility_count + 1, sizeof(struct berth_facility *));
    if (!view || !facilities) {
        free(view);
        free(facilities);
        return berth_error_nomem(err);
    }
    view->refs = 1;
    view->config = berth_config_ref(config);
    view->facilities = facilities;
    *ret_view = view;
    return 0;
}

void berth_view_add(struct berth_view *view, struct berth_facility *facility)
{
    size_t i = view->facility_count++;
    for (; i > 0 && strcmp(view->facilities[i - 1]->config.id, facility->config.id) > 0; i--)
        view->facilities[i] = view->facilities[i - 1];
    view->facilities[i] = facility;
}

struct berth_view *berth_view_ref(struct berth_view *view)
{
    __atomic_add_fetch(&view->refs, 1, __ATOMIC_RELAXED);
    return view;
}

void berth_view_unref(struct berth_view *view)
{
    if (!view || __atomic_sub_fetch(&view->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    for (size_t i = 0; i < view->facility_count; i++)
        berth_facility_unref(view->facilities[i]);
    free(view->facilities);
    berth_config_unref(view->config);
    free(view);
}

/* A facility's id against the first len bytes of a path. */
static int compare_id(const char *id, size_t len, const struct berth_facility *facility)
{
    int order = strncmp(id, facility->config.id, len);
    return order ? order : -(int)(facility->config.id[len] != '\0');
}

struct berth_facility *berth_view_find(const struct berth_view *view, const char *id, size_t len)
{
    size_t low = 0;
    size_t high = view->facility_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_id(id, len, view->facilities[middle]);
        if (order == 0)
            return view->facilities[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}
