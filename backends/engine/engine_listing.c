/* SPDX-License-Identifier: MIT */
#include "backends/engine/engine_listing.h"

#include "backends/engine/engine_fetch.h"

#define PATH_MAX_BYTES   4096
#define INSPECTS_AT_ONCE 8

/* One inspect under way. */
struct slot {
    struct berth_engine_listing *listing;
    struct berth_engine_fetch *fetch;
    cJSON *entry; /* of the container in the engine's list; NULL: the slot is free */
};

struct berth_engine_listing {
    struct berth_engine_io *io;
    struct berth_engine *engine;
    const struct berth_engine_scope *scope;
    struct berth_engine_fetch *fetch;
    cJSON *entries; /* those not begun with; each is freed as soon as its app is made */
    struct slot slots[INSPECTS_AT_ONCE];
    struct berth_app_list apps;
    berth_engine_listing_done *done;
    void *ctx;
};

static void release_slot(struct slot *slot)
{
    berth_engine_fetch_free(berth_steal(&slot->fetch));
    cJSON_Delete(berth_steal(&slot->entry));
}

static void fail(struct berth_engine_listing *listing, const struct berth_error *err)
{
    for (size_t i = 0; i < INSPECTS_AT_ONCE; i++)
        release_slot(&listing->slots[i]);
    listing->done(listing->ctx, NULL, err); /* may free the listing */
}

static int add_app(struct slot *slot, const struct berth_engine_answer *answer,
                   struct berth_error *err)
{
    struct berth_engine_listing *listing = slot->listing;
    BERTH_CLEANUP(json) cJSON *inspect = NULL;
    struct berth_app *app;
    int status = berth_engine_parse(listing->engine, answer->body, answer->len, &inspect, err);
    if (!status)
        status = berth_engine_app_parse(listing->scope, slot->entry, inspect, &app, err);
    return status ? status : berth_app_list_add(&listing->apps, app, err);
}

static void go_on(struct berth_engine_listing *listing);

static void on_inspect(void *ctx, const struct berth_engine_answer *answer,
                       const struct berth_error *why)
{
    struct slot *slot = ctx;
    struct berth_engine_listing *listing = slot->listing;
    struct berth_error err = BERTH_ERROR_INIT;
    int status = why ? why->status : add_app(slot, answer, &err);
    if (status && status != BERTH_E_NOT_FOUND) {
        if (why)
            err = *why;
        fail(listing, &err);
        return;
    }
    release_slot(slot);
    go_on(listing);
}

static int start_inspect(struct slot *slot, struct berth_error *err)
{
    struct berth_engine_listing *listing = slot->listing;
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(PATH_MAX_BYTES);
    berth_engine_app_path(berth_json_string(slot->entry, "Id", ""), "/json", &path);
    int status = berth_strbuf_check(&path, err);
    if (status)
        return status;
    return berth_engine_fetch_start(listing->io, listing->engine, berth_strbuf_str(&path),
                                    berth_engine_timeout_ms(listing->engine), on_inspect, slot,
                                    &slot->fetch, err);
}

/* The next container of the scope, out of the list; NULL at the end. */
static cJSON *next_entry(struct berth_engine_listing *listing)
{
    cJSON *entry;
    while ((entry = cJSON_DetachItemFromArray(listing->entries, 0))) {
        if (berth_engine_in_scope(listing->scope, berth_json_get(entry, "Labels")))
            return entry;
        cJSON_Delete(entry);
    }
    return NULL;
}

/* Fills the free slots; done when nothing is left and nothing under way. */
static void go_on(struct berth_engine_listing *listing)
{
    bool busy = false;
    for (size_t i = 0; i < INSPECTS_AT_ONCE; i++) {
        struct slot *slot = &listing->slots[i];
        if (!slot->entry) {
            slot->entry = next_entry(listing);
            struct berth_error err = BERTH_ERROR_INIT;
            if (slot->entry && start_inspect(slot, &err)) {
                fail(listing, &err);
                return;
            }
        }
        busy = busy || slot->entry;
    }
    if (!busy)
        listing->done(listing->ctx, &listing->apps, NULL); /* may free the listing */
}

static void on_list(void *ctx, const struct berth_engine_answer *answer,
                    const struct berth_error *why)
{
    struct berth_engine_listing *listing = ctx;
    struct berth_error err = BERTH_ERROR_INIT;
    if (why)
        err = *why;
    else if (!berth_engine_parse(listing->engine, answer->body, answer->len, &listing->entries,
                                 &err) &&
             !cJSON_IsArray(listing->entries))
        berth_error_set(&err, BERTH_E_UNREACHABLE, "the engine's list of containers is no list");
    berth_engine_fetch_free(berth_steal(&listing->fetch));
    if (err.status)
        fail(listing, &err);
    else
        go_on(listing);
}

int berth_engine_listing_start(struct berth_engine_io *io, struct berth_engine *engine,
                               const struct berth_engine_scope *scope,
                               berth_engine_listing_done *done, void *ctx,
                               struct berth_engine_listing **ret_listing, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(PATH_MAX_BYTES);
    berth_engine_app_list_path(scope, NULL, &path);
    int status = berth_strbuf_check(&path, err);
    if (status)
        return status;
    struct berth_engine_listing *listing = calloc(1, sizeof(*listing));
    if (!listing)
        return berth_error_nomem(err);
    *listing = (struct berth_engine_listing){
        .io = io, .engine = engine, .scope = scope, .done = done, .ctx = ctx};
    for (size_t i = 0; i < INSPECTS_AT_ONCE; i++)
        listing->slots[i].listing = listing;
    status = berth_engine_fetch_start(io, engine, berth_strbuf_str(&path),
                                      berth_engine_timeout_ms(engine), on_list, listing,
                                      &listing->fetch, err);
    if (status) {
        free(listing);
        return status;
    }
    *ret_listing = listing;
    return 0;
}

void berth_engine_listing_free(struct berth_engine_listing *listing)
{
    if (!listing)
        return;
    for (size_t i = 0; i < INSPECTS_AT_ONCE; i++)
        release_slot(&listing->slots[i]);
    berth_engine_fetch_free(listing->fetch);
    cJSON_Delete(listing->entries);
    berth_app_list_release(&listing->apps);
    free(listing);
}
