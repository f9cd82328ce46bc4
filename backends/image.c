/* SPDX-License-Identifier: MIT */
#include "backends/image.h"

#include "base/text.h"

#include <stdbool.h>
#include <string.h>

static void free_strings(char **strings)
{
    for (size_t i = 0; strings && strings[i]; i++)
        free(strings[i]);
    free(strings);
}

/* A deep copy of a NULL-terminated array (NULL: an empty one), or NULL when out of memory. */
static char **copy_strings(char *const *strings)
{
    size_t count = 0;
    while (strings && strings[count])
        count++;
    char **copy = calloc(count + 1, sizeof(char *));
    for (size_t i = 0; copy && i < count; i++) {
        copy[i] = berth_text_dup(strings[i]);
        if (!copy[i]) {
            free_strings(copy);
            return NULL;
        }
    }
    return copy;
}

static void image_release(struct berth_image *image)
{
    free(image->id);
    free_strings(image->tags);
    free_strings(image->digests);
}

int berth_image_list_new(struct berth_image_list **ret_list, struct berth_error *err)
{
    struct berth_image_list *list = calloc(1, sizeof(*list));
    if (!list)
        return berth_error_nomem(err);
    list->refs = 1;
    *ret_list = list;
    return 0;
}

static bool make_room(struct berth_image_list *list)
{
    if (list->count < list->size)
        return true;
    size_t size = list->size ? list->size * 2 : 8;
    struct berth_image *items = realloc(list->items, size * sizeof(*items));
    if (!items)
        return false;
    list->items = items;
    list->size = size;
    return true;
}

int berth_image_list_add(struct berth_image_list *list, const struct berth_image *image,
                         struct berth_error *err)
{
    struct berth_image copy = *image;
    copy.id = berth_text_dup(image->id);
    copy.tags = copy_strings(image->tags);
    copy.digests = copy_strings(image->digests);
    if (!copy.id || !copy.tags || !copy.digests || !make_room(list)) {
        image_release(&copy);
        return berth_error_nomem(err);
    }
    list->items[list->count++] = copy;
    return 0;
}

/* The last one goes behind those that are as young, or younger. */
static void place_last(struct berth_image_list *list)
{
    struct berth_image last = list->items[list->count - 1];
    size_t at = list->count - 1;
    for (; at > 0 && list->items[at - 1].created_ns < last.created_ns; at--)
        list->items[at] = list->items[at - 1];
    list->items[at] = last;
}

/* The names that list lacks, borrowed; NULL when out of memory. */
static char **new_names(const struct berth_image_list *list, char *const *names)
{
    size_t count = 0;
    while (names[count])
        count++;
    char **fresh = calloc(count + 1, sizeof(char *));
    for (size_t kept = 0; fresh && *names; names++)
        if (!berth_image_list_find(list, *names))
            fresh[kept++] = *names;
    return fresh;
}

static int merge_one(struct berth_image_list *list, const struct berth_image *one,
                     struct berth_error *err)
{
    struct berth_image image = *one;
    BERTH_CLEANUP(free) char **tags = new_names(list, one->tags);
    BERTH_CLEANUP(free) char **digests = new_names(list, one->digests);
    if (!tags || !digests)
        return berth_error_nomem(err);
    bool is_pinned_alone = !one->tags[0] && digests[0] && !berth_image_list_find(list, one->id);
    if (!tags[0] && !is_pinned_alone)
        return 0;
    image.tags = tags;
    image.digests = digests;
    int status = berth_image_list_add(list, &image, err);
    if (status == 0)
        place_last(list);
    return status;
}

int berth_image_list_merge(struct berth_image_list *list, const struct berth_image_list *more,
                           struct berth_error *err)
{
    int status = 0;
    for (size_t i = 0; status == 0 && i < more->count; i++)
        status = merge_one(list, &more->items[i], err);
    return status;
}

struct berth_image_list *berth_image_list_ref(struct berth_image_list *list)
{
    (void)__atomic_fetch_add(&list->refs, 1, __ATOMIC_RELAXED);
    return list;
}

void berth_image_list_unref(struct berth_image_list *list)
{
    if (!list || __atomic_sub_fetch(&list->refs, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    for (size_t i = 0; i < list->count; i++)
        image_release(&list->items[i]);
    free(list->items);
    free(list);
}

static bool has_string(char *const *strings, const char *wanted)
{
    for (size_t i = 0; strings[i]; i++)
        if (strcmp(strings[i], wanted) == 0)
            return true;
    return false;
}

const struct berth_image *berth_image_list_find(const struct berth_image_list *list,
                                                const char *reference)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct berth_image *image = &list->items[i];
        if (strcmp(image->id, reference) == 0 || has_string(image->tags, reference) ||
            has_string(image->digests, reference))
            return image;
    }
    return NULL;
}
