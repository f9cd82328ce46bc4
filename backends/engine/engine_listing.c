/* SPDX-License-Identifier: MIT */
#include "backends/engine/engine_listing.h"

#include "backends/engine/engine_fetch.h"
#include "base/log.h"

#define PATH_MAX_BYTES     4096
#define INSPECTS_AT_ONCE   8
#define INSPECT_SILENCE_MS 5000

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

/* What the list says of a container, in the form of its inspect object. */
static int inspect_of_entry(const cJSON *entry, cJSON **ret_inspect, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(BERTH_ENGINE_EVENT_MAX);
    struct berth_json_writer w = BERTH_JSON_WRITER(&text);
    const cJSON *name = cJSON_GetArrayItem(berth_json_get(entry, "Names"), 0);
    time_t created = (time_t)berth_json_int(entry, "Created", 0);
    struct tm utc;
    char created_text[32] = "";
    if (gmtime_r(&created, &utc))
        (void)strftime(created_text, sizeof(created_text), "%Y-%m-%dT%H:%M:%SZ", &utc);
    berth_json_open_object(&w, NULL);
    berth_json_add_string(&w, "Id", berth_json_string(entry, "Id", ""));
    berth_json_add_string(&w, "Name", cJSON_IsString(name) ? name->valuestring : "");
    berth_json_add_string(&w, "Image", berth_json_string(entry, "ImageID", ""));
    berth_json_add_string(&w, "Created", created_text);
    berth_json_open_object(&w, "State");
    berth_json_add_string(&w, "Status", berth_json_string(entry, "State", ""));
    berth_json_close_object(&w);
    berth_json_open_object(&w, "Config");
    berth_json_open_object(&w, "Labels");
    const cJSON *label;
    cJSON_ArrayForEach(label, berth_json_get(entry, "Labels"))
    {
        if (cJSON_IsString(label))
            berth_json_add_string(&w, label->string, label->valuestring);
    }
    berth_json_close_object(&w);
    berth_json_close_object(&w);
    berth_json_close_object(&w);
    int status = berth_strbuf_check(&text, err);
    return status ? status : berth_json_parse(berth_strbuf_str(&text), text.len, ret_inspect, err);
}

/* answer NULL: the engine had none. */
static int add_app(struct slot *slot, const struct berth_engine_answer *answer,
                   struct berth_error *err)
{
    struct berth_engine_listing *listing = slot->listing;
    BERTH_CLEANUP(json) cJSON *inspect = NULL;
    struct berth_app *app;
    int status = answer
                     ? berth_engine_parse(listing->engine, answer->body, answer->len, &inspect, err)
                     : inspect_of_entry(slot->entry, &inspect, err);
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
    int status = why ? why->status : 0;
    if (why)
        err = *why;
    bool is_stuck = status == BERTH_E_TIMEOUT || status == BERTH_E_REFUSED;
    if (is_stuck)
        berth_log_error(BERTH_LOG_WARNING, why, "container %.12s cannot be looked at",
                        berth_json_string(slot->entry, "Id", ""));
    if (is_stuck || !status)
        status = add_app(slot, answer, &err);
    if (status && status != BERTH_E_NOT_FOUND) {
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
    int64_t silence_ms = berth_engine_timeout_ms(listing->engine);
    if (silence_ms > INSPECT_SILENCE_MS)
        silence_ms = INSPECT_SILENCE_MS;
    return berth_engine_fetch_start(listing->io, listing->engine, berth_strbuf_str(&path),
                                    silence_ms, on_inspect, slot, &slot->fetch, err);
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
