/* SPDX-License-Identifier: MIT */
/* Apps as one allocation: the count of references, the struct, its arrays, then the text. */
#include "backends/app.h"

#include "backends/backend.h"

#include <string.h>

struct app_block {
    unsigned refs; /* atomic */
    struct berth_app app;
};

static const char *const state_names[] = {
    [BERTH_APP_UNKNOWN] = "unknown",       [BERTH_APP_CREATED] = "created",
    [BERTH_APP_RUNNING] = "running",       [BERTH_APP_PAUSED] = "paused",
    [BERTH_APP_RESTARTING] = "restarting", [BERTH_APP_REMOVING] = "removing",
    [BERTH_APP_EXITED] = "exited",         [BERTH_APP_DEAD] = "dead",
};

#define STATE_COUNT (sizeof(state_names) / sizeof(state_names[0]))

const char *berth_app_state_name(enum berth_app_state state)
{
    return (size_t)state < STATE_COUNT ? state_names[state] : state_names[BERTH_APP_UNKNOWN];
}

enum berth_app_state berth_app_state_parse(const char *name)
{
    for (size_t i = 0; i < STATE_COUNT; i++)
        if (strcmp(state_names[i], name) == 0)
            return (enum berth_app_state)i;
    return BERTH_APP_UNKNOWN;
}

/*
 * Lays text out behind the arrays. The same code runs twice: with next NULL it
 * only measures, then it copies. Labels mostly repeat the app's own fields, so
 * text seen before is not laid out again: of 100,000 apps that saves megabytes.
 */
#define PACKER_SEEN_MAX 24

struct packer {
    char *next; /* NULL while measuring */
    size_t size;
    size_t seen_count;
    struct {
        const char *source;
        const char *packed;
    } seen[PACKER_SEEN_MAX];
};

/* What every app of ours says is not laid out at all. */
static const char *find_common(const char *text)
{
    static const char *const common[] = {BERTH_LABEL_APP,   BERTH_LABEL_FACILITY,
                                         BERTH_LABEL_IMAGE, BERTH_LABEL_USER,
                                         "bridge",          "tcp"};
    for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++)
        if (common[i][0] == text[0] && strcmp(common[i], text) == 0)
            return common[i];
    return NULL;
}

static const char *pack(struct packer *packer, const char *text)
{
    if (!text || text[0] == '\0')
        return "";
    const char *common = find_common(text);
    if (common)
        return common;
    for (size_t i = 0; i < packer->seen_count; i++)
        if (packer->seen[i].source[0] == text[0] && strcmp(packer->seen[i].source, text) == 0)
            return packer->seen[i].packed;
    size_t bytes = strlen(text) + 1;
    char *packed = packer->next;
    packer->size += bytes;
    if (packed) {
        memcpy(packed, text, bytes);
        packer->next += bytes;
    }
    if (packer->seen_count < PACKER_SEEN_MAX) {
        packer->seen[packer->seen_count].source = text;
        packer->seen[packer->seen_count].packed = packed;
        packer->seen_count++;
    }
    return packed;
}

struct app_arrays {
    struct berth_app_pair *labels;
    const char **networks;
    struct berth_app_mount *mounts;
    struct berth_app_port *ports;
};

static size_t arrays_size(const struct berth_app *fields)
{
    return fields->label_count * sizeof(struct berth_app_pair) +
           fields->network_count * sizeof(const char *) +
           fields->mount_count * sizeof(struct berth_app_mount) +
           fields->port_count * sizeof(struct berth_app_port);
}

/* Every element is aligned as a pointer is, so the arrays follow one another without gaps. */
static char *place_arrays(char *place, const struct berth_app *fields, struct app_arrays *arrays)
{
    arrays->labels = (struct berth_app_pair *)(void *)place;
    arrays->networks = (const char **)(void *)(arrays->labels + fields->label_count);
    arrays->mounts = (struct berth_app_mount *)(void *)(arrays->networks + fields->network_count);
    arrays->ports = (struct berth_app_port *)(void *)(arrays->mounts + fields->mount_count);
    return (char *)(arrays->ports + fields->port_count);
}

/* Where a packed text goes; while measuring there are no arrays yet, and it goes nowhere. */
#define SLOT(member) (arrays ? &(member) : &nowhere)

static void pack_strings(struct packer *packer, const struct berth_app *fields,
                         struct berth_app *app, struct app_arrays *arrays)
{
    const char *nowhere;
    *SLOT(app->id) = pack(packer, fields->id);
    *SLOT(app->name) = pack(packer, fields->name);
    *SLOT(app->user) = pack(packer, fields->user);
    *SLOT(app->image) = pack(packer, fields->image);
    *SLOT(app->image_id) = pack(packer, fields->image_id);
    *SLOT(app->image_label) = pack(packer, fields->image_label);
    *SLOT(app->engine_name) = pack(packer, fields->engine_name);
    *SLOT(app->command) = pack(packer, fields->command);
    *SLOT(app->container) = pack(packer, fields->container ? fields->container : fields->id);
    *SLOT(app->note) = pack(packer, fields->note);
    for (size_t i = 0; i < fields->label_count; i++) {
        *SLOT(arrays->labels[i].key) = pack(packer, fields->labels[i].key);
        *SLOT(arrays->labels[i].value) = pack(packer, fields->labels[i].value);
    }
    for (size_t i = 0; i < fields->network_count; i++)
        *SLOT(arrays->networks[i]) = pack(packer, fields->networks[i]);
    for (size_t i = 0; i < fields->mount_count; i++) {
        *SLOT(arrays->mounts[i].name) = pack(packer, fields->mounts[i].name);
        *SLOT(arrays->mounts[i].source) = pack(packer, fields->mounts[i].source);
        *SLOT(arrays->mounts[i].driver) = pack(packer, fields->mounts[i].driver);
    }
    for (size_t i = 0; i < fields->port_count; i++) {
        *SLOT(arrays->ports[i].ip) = pack(packer, fields->ports[i].ip);
        *SLOT(arrays->ports[i].protocol) = pack(packer, fields->ports[i].protocol);
        if (arrays) {
            arrays->ports[i].container_port = fields->ports[i].container_port;
            arrays->ports[i].host_port = fields->ports[i].host_port;
        }
    }
}

#undef SLOT

static int compare_pairs(const void *a, const void *b)
{
    return strcmp(((const struct berth_app_pair *)a)->key, ((const struct berth_app_pair *)b)->key);
}

static int compare_strings(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int berth_app_new(const struct berth_app *fields, struct berth_app **ret_app,
                  struct berth_error *err)
{
    struct packer measure = {0};
    pack_strings(&measure, fields, NULL, NULL);
    size_t fixed = sizeof(struct app_block) + arrays_size(fields);
    struct app_block *block = malloc(fixed + measure.size);
    if (!block)
        return berth_error_nomem(err);
    block->refs = 1;
    struct berth_app *app = &block->app;
    *app = *fields;
    struct app_arrays arrays;
    struct packer copy = {.next = place_arrays((char *)(block + 1), fields, &arrays)};
    pack_strings(&copy, fields, app, &arrays);
    if (fields->label_count > 1)
        qsort(arrays.labels, fields->label_count, sizeof(*arrays.labels), compare_pairs);
    if (fields->network_count > 1)
        qsort(arrays.networks, fields->network_count, sizeof(*arrays.networks), compare_strings);
    app->labels = arrays.labels;
    app->networks = arrays.networks;
    app->mounts = arrays.mounts;
    app->ports = arrays.ports;
    *ret_app = app;
    return 0;
}

static struct app_block *block_of(struct berth_app *app)
{
    return (struct app_block *)(void *)((char *)app - offsetof(struct app_block, app));
}

struct berth_app *berth_app_ref(struct berth_app *app)
{
    (void)__atomic_fetch_add(&block_of(app)->refs, 1, __ATOMIC_RELAXED);
    return app;
}

void berth_app_unref(struct berth_app *app)
{
    if (app && __atomic_sub_fetch(&block_of(app)->refs, 1, __ATOMIC_ACQ_REL) == 0)
        free(block_of(app));
}

static int compare_key(const void *key, const void *pair)
{
    return strcmp(key, ((const struct berth_app_pair *)pair)->key);
}

const char *berth_app_label(const struct berth_app *app, const char *key)
{
    if (app->label_count == 0)
        return NULL;
    const struct berth_app_pair *pair =
        bsearch(key, app->labels, app->label_count, sizeof(*app->labels), compare_key);
    return pair ? pair->value : NULL;
}

int berth_app_list_add(struct berth_app_list *list, struct berth_app *app, struct berth_error *err)
{
    if (list->count == list->size) {
        size_t size = list->size ? list->size * 2 : 16;
        struct berth_app **items = realloc(list->items, size * sizeof(struct berth_app *));
        if (!items) {
            berth_app_unref(app);
            return berth_error_nomem(err);
        }
        list->items = items;
        list->size = size;
    }
    list->items[list->count++] = app;
    return 0;
}

void berth_app_list_release(struct berth_app_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        berth_app_unref(list->items[i]);
    free(list->items);
    *list = (struct berth_app_list){0};
}
