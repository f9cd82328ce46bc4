/* SPDX-License-Identifier: MIT */
#include "base/pmap.h"

#include "base/thread.h"
#include "tests/unit/unit.h"

#include <stdatomic.h>
#include <string.h>

/* ---- Values: counted, and counting each other ---- */

struct item {
    atomic_uint refs;
    unsigned key;
    unsigned version; /* tells items of one key apart */
};

static atomic_size_t live_items;
static _Thread_local size_t comparisons;

static struct item *item_new(unsigned key, unsigned version)
{
    struct item *item = malloc(sizeof(*item));
    atomic_init(&item->refs, 1);
    item->key = key;
    item->version = version;
    atomic_fetch_add(&live_items, 1);
    return item;
}

static void item_ref(void *value)
{
    struct item *item = value;
    atomic_fetch_add(&item->refs, 1);
}

static void item_unref(void *value)
{
    struct item *item = value;
    if (atomic_fetch_sub(&item->refs, 1) == 1) {
        free(item);
        atomic_fetch_sub(&live_items, 1);
    }
}

static int compare_keys(unsigned a, unsigned b)
{
    comparisons++;
    return (a > b) - (a < b);
}

static int item_compare(const void *a, const void *b)
{
    return compare_keys(((const struct item *)a)->key, ((const struct item *)b)->key);
}

static int item_compare_key(const void *key, const void *value)
{
    return compare_keys(*(const unsigned *)key, ((const struct item *)value)->key);
}

static const struct berth_pmap_type item_type = {
    .compare = item_compare,
    .compare_key = item_compare_key,
    .ref = item_ref,
    .unref = item_unref,
};

/* ---- Steps that replace the caller's version by the next ---- */

static int put(struct berth_pmap_node **map, unsigned key, unsigned version)
{
    struct item *item = item_new(key, version);
    struct berth_pmap_node *next;
    int r = berth_pmap_put(&item_type, *map, item, &next, NULL);
    item_unref(item);
    if (r < 0)
        return r;
    berth_pmap_unref(&item_type, *map);
    *map = next;
    return 0;
}

static int take_out(struct berth_pmap_node **map, unsigned key)
{
    struct berth_pmap_node *next;
    int r = berth_pmap_remove(&item_type, *map, &key, &next, NULL);
    if (r < 0)
        return r;
    berth_pmap_unref(&item_type, *map);
    *map = next;
    return 0;
}

static struct berth_pmap_node *range(unsigned count)
{
    struct berth_pmap_node *map = NULL;
    for (unsigned key = 0; key < count; key++) {
        if (put(&map, key, 0) != 0)
            ck_abort_msg("put %u", key);
    }
    return map;
}

/* ---- The model: what a version must hold ---- */

#define KEYS 400

struct model {
    unsigned version[KEYS]; /* 0: absent */
    size_t count;
};

struct walker {
    const struct model *model;
    unsigned next_key;
    size_t seen;
};

static bool check_item(void *value, void *ctx)
{
    const struct item *item = value;
    struct walker *walker = ctx;
    for (; walker->next_key < item->key; walker->next_key++) {
        if (walker->model->version[walker->next_key] != 0)
            ck_abort_msg("key %u is missing", walker->next_key);
    }
    if (item->key != walker->next_key || walker->model->version[item->key] != item->version)
        ck_abort_msg("key %u version %u", item->key, item->version);
    walker->next_key++;
    walker->seen++;
    return true;
}

static void check_version(const struct berth_pmap_node *map, const struct model *model)
{
    struct walker walker = {.model = model};
    ck_assert_uint_eq(berth_pmap_count(map), model->count);
    berth_pmap_walk(&item_type, map, NULL, check_item, &walker);
    ck_assert_uint_eq(walker.seen, model->count);
    for (unsigned key = 0; key < KEYS; key++) {
        const struct item *item = berth_pmap_find(&item_type, map, &key);
        if ((item ? item->version : 0) != model->version[key])
            ck_abort_msg("find %u", key);
    }
}

static uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

#define KEPT 32

START_TEST(versions_match_a_model)
{
    static struct model models[KEPT];
    static struct model model;
    struct berth_pmap_node *kept[KEPT] = {NULL};
    struct berth_pmap_node *map = NULL;
    uint32_t random = 2463534242;
    for (unsigned op = 1; op <= 20000; op++) {
        unsigned key = next_random(&random) % KEYS;
        /* Long phases of growth and of shrinking, down to empty. */
        bool growing = op / 2000 % 2 == 0;
        if (next_random(&random) % 8 < (growing ? 6 : 1)) {
            ck_assert_int_eq(put(&map, key, op), 0);
            model.count += model.version[key] == 0;
            model.version[key] = op;
        } else {
            ck_assert_int_eq(take_out(&map, key), 0);
            model.count -= model.version[key] != 0;
            model.version[key] = 0;
        }
        if (op % 50 == 0) {
            unsigned slot = next_random(&random) % KEPT;
            check_version(kept[slot], &models[slot]);
            berth_pmap_unref(&item_type, kept[slot]);
            kept[slot] = berth_pmap_ref(map);
            models[slot] = model;
        }
    }
    check_version(map, &model);
    berth_pmap_unref(&item_type, map);
    for (unsigned slot = 0; slot < KEPT; slot++) {
        check_version(kept[slot], &models[slot]);
        berth_pmap_unref(&item_type, kept[slot]);
    }
    ck_assert_uint_eq(live_items, 0);
}
END_TEST

START_TEST(the_empty_map_is_null)
{
    unsigned key = 1;
    ck_assert_uint_eq(berth_pmap_count(NULL), 0);
    ck_assert_ptr_null(berth_pmap_find(&item_type, NULL, &key));
    ck_assert_ptr_null(berth_pmap_ref(NULL));
    berth_pmap_unref(&item_type, NULL);
    struct berth_pmap_node *map = NULL;
    ck_assert_int_eq(take_out(&map, 1), 0);
    ck_assert_ptr_null(map);
    ck_assert_int_eq(put(&map, 1, 1), 0);
    ck_assert_int_eq(take_out(&map, 1), 0);
    ck_assert_ptr_null(map);
    ck_assert_uint_eq(live_items, 0);
}
END_TEST

START_TEST(removing_what_is_absent_gives_the_same_version)
{
    struct berth_pmap_node *map = range(10);
    struct berth_pmap_node *same;
    unsigned absent = 10;
    ck_assert_int_eq(berth_pmap_remove(&item_type, map, &absent, &same, NULL), 0);
    ck_assert_ptr_eq(same, map);
    berth_pmap_unref(&item_type, same);
    ck_assert_uint_eq(berth_pmap_count(map), 10);
    berth_pmap_unref(&item_type, map);
    ck_assert_uint_eq(live_items, 0);
}
END_TEST

struct collector {
    unsigned keys[20];
    size_t count;
    size_t most;
};

static bool collect(void *value, void *ctx)
{
    struct collector *collector = ctx;
    collector->keys[collector->count++] = ((const struct item *)value)->key;
    return collector->count < collector->most;
}

START_TEST(a_walk_begins_and_ends_where_it_is_told)
{
    static const struct {
        const char *name;
        int from; /* -1: NULL */
        size_t most;
        size_t expected;
        unsigned first;
    } rows[] = {
        {"all", -1, 20, 10, 1},
        {"first three", -1, 3, 3, 1},
        {"from a key", 5, 20, 8, 5},
        {"from between keys", 6, 20, 7, 7},
        {"from before all", 0, 20, 10, 1},
        {"from the last", 19, 20, 1, 19},
        {"from past all", 20, 20, 0, 0},
        {"two from a key", 9, 2, 2, 9},
    };
    struct berth_pmap_node *map = NULL;
    for (unsigned key = 1; key < 20; key += 2)
        ck_assert_int_eq(put(&map, key, 0), 0);
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct collector collector = {.most = rows[i].most};
        unsigned from = (unsigned)rows[i].from;
        berth_pmap_walk(&item_type, map, rows[i].from < 0 ? NULL : &from, collect, &collector);
        ck_assert_msg(collector.count == rows[i].expected, "%s: %zu", rows[i].name,
                      collector.count);
        for (size_t k = 0; k < collector.count; k++)
            ck_assert_msg(collector.keys[k] == rows[i].first + 2 * k, "%s: [%zu] %u", rows[i].name,
                          k, collector.keys[k]);
    }
    berth_pmap_unref(&item_type, map);
}
END_TEST

static bool count_item(void *value, void *ctx)
{
    size_t *count = ctx;
    *count += value != NULL;
    return true;
}

START_TEST(a_walk_looks_for_its_start_alone)
{
    struct berth_pmap_node *map = range(1000);
    unsigned from = 10;
    size_t count = 0;
    comparisons = 0;
    berth_pmap_walk(&item_type, map, &from, count_item, &count);
    ck_assert_uint_eq(count, 990);
    ck_assert_uint_le(comparisons, 25);
    berth_pmap_unref(&item_type, map);
}
END_TEST

/* Of n values none is deeper than log(n) / log(4/3): below 2.41 log2(n). */
static void check_depth(const struct berth_pmap_node *map, unsigned keys)
{
    size_t log2 = 1;
    while ((size_t)1 << log2 < berth_pmap_count(map))
        log2++;
    for (unsigned key = 0; key < keys; key++) {
        comparisons = 0;
        (void)berth_pmap_find(&item_type, map, &key);
        if (comparisons > log2 * 241 / 100 + 1)
            ck_abort_msg("key %u of %zu took %zu comparisons", key, berth_pmap_count(map),
                         comparisons);
    }
}

START_TEST(no_order_of_operations_makes_it_deep)
{
    enum { COUNT = 5000 };
    struct berth_pmap_node *ascending = range(COUNT);
    check_depth(ascending, COUNT);
    struct berth_pmap_node *descending = NULL;
    for (unsigned key = COUNT; key-- > 0;)
        ck_assert_int_eq(put(&descending, key, 0), 0);
    check_depth(descending, COUNT);

    /* From both ends inwards: each value lands beneath an inner side. */
    struct berth_pmap_node *inwards = NULL;
    for (unsigned key = 0; key < COUNT; key++)
        ck_assert_int_eq(put(&inwards, key % 2 ? COUNT - key : key, 0), 0);
    check_depth(inwards, COUNT);
    berth_pmap_unref(&item_type, inwards);

    for (unsigned key = 0; key < COUNT * 9 / 10; key++)
        ck_assert_int_eq(take_out(&ascending, key), 0);
    check_depth(ascending, COUNT);
    for (unsigned key = COUNT; key-- > COUNT / 10;)
        ck_assert_int_eq(take_out(&descending, key), 0);
    check_depth(descending, COUNT);
    berth_pmap_unref(&item_type, ascending);
    berth_pmap_unref(&item_type, descending);
    ck_assert_uint_eq(live_items, 0);
}
END_TEST

/* Each node holds a reference to its value: a leaked node shows as a leaked value. */
static void fail_each_allocation(struct berth_pmap_node *map, struct item *item, bool removing,
                                 void (*fail_after)(size_t successes))
{
    unsigned key = item->key;
    size_t count = berth_pmap_count(map);
    for (size_t n = 0;; n++) {
        struct berth_pmap_node *next = map;
        fail_after(n);
        int r = removing ? berth_pmap_remove(&item_type, map, &key, &next, NULL)
                         : berth_pmap_put(&item_type, map, item, &next, NULL);
        bool failed = unit_alloc_restore();
        ck_assert_int_eq(r, failed ? BERTH_E_NOMEM : 0);
        ck_assert_uint_eq(berth_pmap_count(map), count);
        if (!failed) {
            berth_pmap_unref(&item_type, next);
            return;
        }
        ck_assert_ptr_eq(next, map);
    }
}

START_TEST(a_failed_allocation_changes_and_leaks_nothing)
{
    static struct model model;
    struct berth_pmap_node *map = NULL;
    for (unsigned key = 0; key < 100; key++) {
        /* Every put and most removals of the ends rotate somewhere as the map grows. */
        for (unsigned target = 0; target <= key; target++) {
            struct item *item = item_new(target, 5000);
            fail_each_allocation(map, item, false, unit_alloc_fail_after);
            fail_each_allocation(map, item, false, unit_alloc_fail_once_after);
            fail_each_allocation(map, item, true, unit_alloc_fail_after);
            fail_each_allocation(map, item, true, unit_alloc_fail_once_after);
            ck_assert_uint_eq(item->refs, 1);
            item_unref(item);
        }
        ck_assert_int_eq(put(&map, key, key + 1), 0);
        model.version[key] = key + 1;
        model.count++;
        ck_assert_uint_eq(live_items, model.count);
    }
    check_version(map, &model);
    berth_pmap_unref(&item_type, map);
    ck_assert_uint_eq(live_items, 0);
}
END_TEST

/* ---- Threads: readers and writers on shared versions ---- */

struct shared {
    pthread_mutex_t mutex;
    struct berth_pmap_node *published; /* guarded by mutex; of 200 keys, whatever happens */
    atomic_bool bad;
};

static struct berth_pmap_node *take_published(struct shared *shared)
{
    BERTH_LOCK_SCOPE(lock, &shared->mutex);
    return berth_pmap_ref(shared->published);
}

static void work_on_shared(void *ctx, size_t i)
{
    struct shared *shared = ctx;
    uint32_t random = (uint32_t)(88172645 + i);
    for (int n = 0; n < 200; n++) {
        struct berth_pmap_node *map = take_published(shared);
        size_t count = 0;
        berth_pmap_walk(&item_type, map, NULL, count_item, &count);
        unsigned key = next_random(&random) % 200;
        if (count != 200 || take_out(&map, key) != 0 || berth_pmap_count(map) != 199 ||
            put(&map, key, (unsigned)n) != 0 || berth_pmap_count(map) != 200)
            atomic_store(&shared->bad, true);
        {
            BERTH_LOCK_SCOPE(lock, &shared->mutex);
            struct berth_pmap_node *old = shared->published;
            shared->published = map;
            map = old;
        }
        berth_pmap_unref(&item_type, map);
    }
}

START_TEST(versions_are_shared_between_threads)
{
    struct shared shared = {.mutex = PTHREAD_MUTEX_INITIALIZER, .published = range(200)};
    berth_parallel_for(8, 4, work_on_shared, &shared);
    ck_assert(!shared.bad);
    berth_pmap_unref(&item_type, shared.published);
    ck_assert_uint_eq(live_items, 0);
}
END_TEST

START_TEST(a_map_is_built_from_values_in_order)
{
    struct item *items[300];
    for (unsigned i = 0; i < UNIT_COUNT(items); i++)
        items[i] = item_new(2 * i, i);
    for (unsigned count = 0; count <= UNIT_COUNT(items); count++) {
        struct berth_pmap_node *map = NULL;
        ck_assert_int_eq(berth_pmap_build(&item_type, (void *const *)items, count, &map, NULL), 0);
        ck_assert_uint_eq(berth_pmap_count(map), count);
        check_depth(map, count);
        for (unsigned i = 0; i < count; i++) {
            unsigned key = 2 * i;
            ck_assert_ptr_eq(berth_pmap_find(&item_type, map, &key), items[i]);
        }
        /* It goes on as one that was put together. */
        for (unsigned i = 0; i < count; i++)
            ck_assert_int_eq(i % 3 ? put(&map, 2 * i + 1, i) : take_out(&map, 2 * i), 0);
        check_depth(map, 2 * count);
        berth_pmap_unref(&item_type, map);
    }
    for (unsigned i = 0; i < UNIT_COUNT(items); i++)
        item_unref(items[i]);
    ck_assert_uint_eq(live_items, 0);
}
END_TEST

START_TEST(a_map_that_cannot_be_built_leaks_nothing)
{
    struct item *items[9];
    for (unsigned i = 0; i < UNIT_COUNT(items); i++)
        items[i] = item_new(i, i);
    struct berth_pmap_node *map = NULL;
    for (size_t n = 0; n < UNIT_COUNT(items); n++) {
        unit_alloc_fail_after(n);
        int r = berth_pmap_build(&item_type, (void *const *)items, UNIT_COUNT(items), &map, NULL);
        ck_assert(unit_alloc_restore());
        ck_assert_int_eq(r, BERTH_E_NOMEM);
        ck_assert_ptr_null(map);
    }
    for (unsigned i = 0; i < UNIT_COUNT(items); i++) {
        ck_assert_uint_eq(items[i]->refs, 1);
        item_unref(items[i]);
    }
}
END_TEST

UNIT_SUITE("pmap", a_map_is_built_from_values_in_order, a_map_that_cannot_be_built_leaks_nothing,
           versions_match_a_model, the_empty_map_is_null,
           removing_what_is_absent_gives_the_same_version, a_walk_begins_and_ends_where_it_is_told,
           a_walk_looks_for_its_start_alone, no_order_of_operations_makes_it_deep,
           a_failed_allocation_changes_and_leaks_nothing, versions_are_shared_between_threads)
