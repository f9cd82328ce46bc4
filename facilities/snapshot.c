/* SPDX-License-Identifier: MIT */
/* Snapshots and their four indexes: orders over the same apps, as persistent maps. */
#include "facilities/mirror_internal.h"

#include <string.h>

/* What the orders look at. A NULL id stands before every other. */
struct order_key {
    const char *name;
    const char *user;
    const char *id;
    int64_t created_ns;
};

static struct order_key key_of(const struct berth_app *app)
{
    return (struct order_key){
        .name = app->name, .user = app->user, .id = app->id, .created_ns = app->created_ns};
}

static int compare_ids(const char *a, const char *b)
{
    if (!a || !b)
        return (a != NULL) - (b != NULL);
    return strcmp(a, b);
}

static int compare_age(const struct order_key *a, const struct order_key *b)
{
    if (a->created_ns != b->created_ns)
        return a->created_ns > b->created_ns ? -1 : 1;
    return compare_ids(a->id, b->id);
}

static int key_by_name(const void *key, const void *value)
{
    const struct order_key *a = key;
    const struct berth_app *b = value;
    int order = strcmp(a->name, b->name);
    return order ? order : compare_ids(a->id, b->id);
}

static int key_by_id(const void *key, const void *value)
{
    return strcmp(((const struct order_key *)key)->id, ((const struct berth_app *)value)->id);
}

static int key_by_age(const void *key, const void *value)
{
    struct order_key b = key_of(value);
    return compare_age(key, &b);
}

static int key_by_user_age(const void *key, const void *value)
{
    const struct order_key *a = key;
    struct order_key b = key_of(value);
    int order = strcmp(a->user, b.user);
    return order ? order : compare_age(a, &b);
}

/* compare_X(a, b) is key_by_X(key of a, b). */
#define DEFINE_COMPARE(order)                                                                      \
    static int compare_by_##order(const void *a, const void *b)                                    \
    {                                                                                              \
        struct order_key key = key_of(a);                                                          \
        return key_by_##order(&key, b);                                                            \
    }

DEFINE_COMPARE(name)
DEFINE_COMPARE(id)
DEFINE_COMPARE(age)
DEFINE_COMPARE(user_age)

static void ref_app(void *app)
{
    (void)berth_app_ref(app);
}

static void unref_app(void *app)
{
    berth_app_unref(app);
}

#define MAP_TYPE(order)                                                                            \
    {                                                                                              \
        .compare = compare_by_##order, .compare_key = key_by_##order, .ref = ref_app,              \
        .unref = unref_app                                                                         \
    }

static const struct berth_pmap_type name_type = MAP_TYPE(name);
static const struct berth_pmap_type id_type = MAP_TYPE(id);
static const struct berth_pmap_type age_type = MAP_TYPE(age);
static const struct berth_pmap_type user_age_type = MAP_TYPE(user_age);

void berth_index_release(struct berth_index *index)
{
    berth_pmap_unref(&name_type, index->by_name);
    berth_pmap_unref(&id_type, index->by_id);
    berth_pmap_unref(&age_type, index->by_age);
    berth_pmap_unref(&user_age_type, index->by_user_age);
    *index = (struct berth_index){0};
}

struct berth_index berth_index_copy(const struct berth_index *index)
{
    return (struct berth_index){
        .by_name = berth_pmap_ref(index->by_name),
        .by_id = berth_pmap_ref(index->by_id),
        .by_age = berth_pmap_ref(index->by_age),
        .by_user_age = berth_pmap_ref(index->by_user_age),
    };
}

struct berth_app *berth_index_find(const struct berth_index *index, const char *id)
{
    struct order_key key = {.id = id};
    return berth_pmap_find(&id_type, index->by_id, &key);
}

void berth_index_walk(const struct berth_index *index, bool (*visit)(void *app, void *ctx),
                      void *ctx)
{
    berth_pmap_walk(&id_type, index->by_id, NULL, visit, ctx);
}

static int change_map(const struct berth_pmap_type *type, struct berth_pmap_node **map,
                      const struct berth_app *before, struct berth_app *after,
                      struct berth_error *err)
{
    /* Putting replaces what stands under the same key: most changes need no removal. */
    if (before && (!after || type->compare(before, after) != 0)) {
        struct order_key key = key_of(before);
        struct berth_pmap_node *without;
        int status = berth_pmap_remove(type, *map, &key, &without, err);
        if (status)
            return status;
        berth_pmap_unref(type, *map);
        *map = without;
    }
    if (!after)
        return 0;
    struct berth_pmap_node *with;
    int status = berth_pmap_put(type, *map, after, &with, err);
    if (status)
        return status;
    berth_pmap_unref(type, *map);
    *map = with;
    return 0;
}

int berth_index_change(struct berth_index *index, const struct berth_app *before,
                       struct berth_app *after, struct berth_error *err)
{
    int status = change_map(&name_type, &index->by_name, before, after, err);
    if (!status)
        status = change_map(&id_type, &index->by_id, before, after, err);
    if (!status)
        status = change_map(&age_type, &index->by_age, before, after, err);
    if (!status)
        status = change_map(&user_age_type, &index->by_user_age, before, after, err);
    return status;
}

/* qsort gives pointers to the pointers. */
static int compare_indirect(const void *a, const void *b, void *type)
{
    return ((const struct berth_pmap_type *)type)
        ->compare(*(struct berth_app *const *)a, *(struct berth_app *const *)b);
}

static int build_map(const struct berth_pmap_type *type, struct berth_app **apps, size_t count,
                     struct berth_pmap_node **map, struct berth_error *err)
{
    struct berth_pmap_type order = *type;
    qsort_r(apps, count, sizeof(*apps), compare_indirect, &order);
    return berth_pmap_build(type, (void *const *)apps, count, map, err);
}

int berth_index_build(struct berth_index *index, struct berth_app **apps, size_t count,
                      struct berth_error *err)
{
    int status = build_map(&name_type, apps, count, &index->by_name, err);
    if (!status)
        status = build_map(&id_type, apps, count, &index->by_id, err);
    if (!status)
        status = build_map(&age_type, apps, count, &index->by_age, err);
    if (!status)
        status = build_map(&user_age_type, apps, count, &index->by_user_age, err);
    return status;
}

int berth_snapshot_new(const struct berth_index *index, struct berth_image_list *images,
                       struct berth_snapshot **ret_snapshot, struct berth_error *err)
{
    struct berth_snapshot *snapshot = calloc(1, sizeof(*snapshot));
    if (!snapshot)
        return berth_error_nomem(err);
    struct berth_index copy = berth_index_copy(index);
    snapshot->refs = 1;
    snapshot->by_name = copy.by_name;
    snapshot->by_id = copy.by_id;
    snapshot->by_age = copy.by_age;
    snapshot->by_user_age = copy.by_user_age;
    snapshot->images = berth_image_list_ref(images);
    *ret_snapshot = snapshot;
    return 0;
}

struct berth_snapshot *berth_snapshot_ref(struct berth_snapshot *snapshot)
{
    (void)__atomic_fetch_add(&snapshot->refs, 1, __ATOMIC_RELAXED);
    return snapshot;
}

void berth_snapshot_unref(struct berth_snapshot *snapshot)
{
    if (!snapshot || __atomic_sub_fetch(&snapshot->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    struct berth_index index = {.by_name = snapshot->by_name,
                                .by_id = snapshot->by_id,
                                .by_age = snapshot->by_age,
                                .by_user_age = snapshot->by_user_age};
    berth_index_release(&index);
    berth_image_list_unref(snapshot->images);
    free(snapshot);
}

/* One name may stand for two while the older is being removed: the newest is the app. */
struct find_by_name {
    const char *name;
    const struct berth_app *found;
};

static bool visit_namesake(void *value, void *ctx)
{
    const struct berth_app *app = value;
    struct find_by_name *find = ctx;
    if (strcmp(app->name, find->name) != 0)
        return false;
    if (!find->found || app->created_ns > find->found->created_ns)
        find->found = app;
    return true;
}

const struct berth_app *berth_snapshot_find(const struct berth_snapshot *snapshot, const char *name)
{
    struct order_key from = {.name = name};
    struct find_by_name find = {.name = name};
    berth_pmap_walk(&name_type, snapshot->by_name, &from, visit_namesake, &find);
    return find.found;
}

struct walk {
    const char *user;
    bool (*visit)(const struct berth_app *app, void *ctx);
    void *ctx;
};

static bool visit_any(void *value, void *ctx)
{
    const struct walk *walk = ctx;
    return walk->visit(value, walk->ctx);
}

static bool visit_own(void *value, void *ctx)
{
    const struct walk *walk = ctx;
    const struct berth_app *app = value;
    return strcmp(app->user, walk->user) == 0 && walk->visit(app, walk->ctx);
}

void berth_snapshot_walk(const struct berth_snapshot *snapshot, const char *user,
                         bool (*visit)(const struct berth_app *app, void *ctx), void *ctx)
{
    struct walk walk = {.user = user, .visit = visit, .ctx = ctx};
    if (user) {
        struct order_key from = {.user = user, .created_ns = INT64_MAX};
        berth_pmap_walk(&user_age_type, snapshot->by_user_age, &from, visit_own, &walk);
    } else {
        berth_pmap_walk(&age_type, snapshot->by_age, NULL, visit_any, &walk);
    }
}

static bool count_app(const struct berth_app *app, void *ctx)
{
    (void)app;
    (*(size_t *)ctx)++;
    return true;
}

void berth_snapshot_walk_by_user(const struct berth_snapshot *snapshot,
                                 bool (*visit)(const struct berth_app *app, void *ctx), void *ctx)
{
    struct walk walk = {.visit = visit, .ctx = ctx};
    berth_pmap_walk(&user_age_type, snapshot->by_user_age, NULL, visit_any, &walk);
}

size_t berth_snapshot_count_user(const struct berth_snapshot *snapshot, const char *user)
{
    size_t count = 0;
    berth_snapshot_walk(snapshot, user, count_app, &count);
    return count;
}

void berth_snapshot_walk_by_name(const struct berth_snapshot *snapshot, const char *from,
                                 bool (*visit)(const struct berth_app *app, void *ctx), void *ctx)
{
    struct walk walk = {.visit = visit, .ctx = ctx};
    struct order_key key = {.name = from};
    berth_pmap_walk(&name_type, snapshot->by_name, &key, visit_any, &walk);
}
