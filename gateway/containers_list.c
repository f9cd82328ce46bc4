/* SPDX-License-Identifier: MIT */
#include "gateway/containers_list.h"

#include "backends/compose/compose_project.h"
#include "base/body.h"
#include "base/encoding.h"
#include "base/text.h"
#include "gateway/containers_api.h"
#include "gateway/containers_error.h"
#include "gateway/containers_json.h"

#include <inttypes.h>
#include <string.h>

#define LIMIT_DEFAULT 50
#define CURSOR_MAX    96 /* as text */
#define PULLING_MAX   (1U << 20)

/* ---- Places ---- */

int berth_containers_place_compare(const struct berth_containers_place *a,
                                   const struct berth_containers_place *b)
{
    if (a->created_ns != b->created_ns)
        return a->created_ns > b->created_ns ? -1 : 1;
    return strcmp(a->cuid, b->cuid);
}

void berth_containers_cursor_add(struct berth_strbuf *out,
                                 const struct berth_containers_place *place)
{
    char text[CURSOR_MAX];
    int len = snprintf(text, sizeof(text), "%" PRId64 " %s", place->created_ns, place->cuid);
    berth_base64url_encode(text, (size_t)len, out);
}

/* RFC 4648 section 5 as section 4: other letters, and padding. */
static bool decode(const char *text, struct berth_strbuf *decoded)
{
    char standard[CURSOR_MAX + 4];
    size_t len = strnlen(text, CURSOR_MAX);
    if (text[len] != '\0')
        return false;
    for (size_t i = 0; i < len; i++)
        standard[i] = text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i];
    while (len % 4 != 0)
        standard[len++] = '=';
    return berth_base64_decode(standard, len, decoded, NULL) == 0;
}

int berth_containers_cursor_parse(const char *text, struct berth_containers_place *ret_place,
                                  struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf decoded = BERTH_STRBUF_INIT(CURSOR_MAX);
    struct berth_containers_place place = {0};
    char *space =
        decode(text, &decoded) && decoded.len > 0 ? memchr(decoded.data, ' ', decoded.len) : NULL;
    bool is_whole = space && strlen(decoded.data) == decoded.len;
    if (is_whole) {
        *space = '\0';
        is_whole = berth_text_parse_int(decoded.data, 0, INT64_MAX, &place.created_ns, NULL) == 0 &&
                   berth_compose_is_cuid(space + 1);
    }
    if (!is_whole)
        return berth_error_set_coded(err, BERTH_E_INVALID, "INVALID_CURSOR",
                                     "cursor is none that a listing gave");
    memcpy(place.cuid, space + 1, sizeof(place.cuid));
    *ret_place = place;
    return 0;
}

/* ---- The listing ---- */

/* What is asked for. */
struct filter {
    const char *status; /* words with commas between; NULL: any */
    const struct berth_params *params;
    int64_t limit;
    bool goes_on;
    struct berth_containers_place after;
};

struct entry {
    struct berth_containers_place place;
    const struct berth_app *app; /* borrowed from the snapshot; NULL: pulling */
    char *pulling;               /* its object */
};

struct listing {
    const struct filter *filter;
    struct entry *entries;
    size_t count;
    size_t size;
    bool failed;
};

static void release(struct listing *listing)
{
    for (size_t i = 0; i < listing->count; i++)
        free(listing->entries[i].pulling);
    free(listing->entries);
}

static struct entry *add_entry(struct listing *listing)
{
    if (listing->count == listing->size) {
        size_t size = listing->size ? listing->size * 2 : 64;
        struct entry *grown = reallocarray(listing->entries, size, sizeof(*grown));
        if (!grown) {
            listing->failed = true;
            return NULL;
        }
        listing->entries = grown;
        listing->size = size;
    }
    listing->entries[listing->count] = (struct entry){0};
    return &listing->entries[listing->count++];
}

/* Whether a list with commas between has the word. */
static bool lists(const char *list, const char *word)
{
    size_t len = strlen(word);
    for (;;) {
        size_t item = strcspn(list, ",");
        if (item == len && strncmp(list, word, len) == 0)
            return true;
        if (!list[item])
            return false;
        list += item + 1;
    }
}

static bool is_after(const struct filter *filter, const struct berth_containers_place *place)
{
    return !filter->goes_on || berth_containers_place_compare(&filter->after, place) < 0;
}

/* Every tag that is asked for. tags: with commas between. */
static bool has_tags(const struct filter *filter, const char *tags)
{
    for (size_t i = 0; i < filter->params->count; i++)
        if (strcmp(filter->params->items[i].name, "tag") == 0 &&
            !(tags && lists(tags, filter->params->items[i].value)))
            return false;
    return true;
}

static bool select_app(const struct berth_app *app, void *ctx)
{
    struct listing *listing = ctx;
    const struct filter *filter = listing->filter;
    const char *cuid = berth_containers_cuid(app);
    struct berth_containers_place place = {.created_ns = berth_containers_created_ns(app)};
    if (!cuid || (filter->status && !lists(filter->status, berth_containers_status(app))) ||
        !has_tags(filter, berth_app_label(app, BERTH_LABEL_TAGS)))
        return true;
    memcpy(place.cuid, cuid, sizeof(place.cuid));
    if (!is_after(filter, &place))
        return true;
    struct entry *entry = add_entry(listing);
    if (!entry)
        return false;
    entry->place = place;
    entry->app = app;
    return true;
}

/* Called under a lock: the object is made at once. */
static bool select_pulling(const struct berth_container_pulling *pulling, void *ctx)
{
    struct listing *listing = ctx;
    const struct filter *filter = listing->filter;
    struct berth_containers_place place = {.created_ns = pulling->begun_ns};
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(PULLING_MAX);
    struct berth_json_writer w = BERTH_JSON_WRITER(&text);
    for (size_t i = 0; i < pulling->spec->tags.count; i++)
        berth_strbuf_addf(&text, "%s%s", i ? "," : "", pulling->spec->tags.items[i]);
    memcpy(place.cuid, pulling->cuid, sizeof(place.cuid));
    if ((filter->status && !lists(filter->status, "pulling")) || !is_after(filter, &place) ||
        !has_tags(filter, text.len ? berth_strbuf_str(&text) : NULL))
        return true;
    berth_strbuf_clear(&text);
    berth_containers_json_add_pulling(&w, pulling);
    struct entry *entry = add_entry(listing);
    if (!entry)
        return false;
    entry->place = place;
    entry->pulling = berth_strbuf_steal(&text, NULL);
    listing->failed |= !entry->pulling;
    return !listing->failed;
}

static int compare_entries(const void *a, const void *b)
{
    return berth_containers_place_compare(&((const struct entry *)a)->place,
                                          &((const struct entry *)b)->place);
}

static int add_page(struct berth_exchange *exchange, const struct listing *listing,
                    struct berth_error *err)
{
    struct berth_json_writer w = BERTH_JSON_WRITER(&exchange->body);
    BERTH_CLEANUP(strbuf) struct berth_strbuf cursor = BERTH_STRBUF_INIT(CURSOR_MAX);
    size_t limit = (size_t)listing->filter->limit;
    size_t count = listing->count < limit ? listing->count : limit;
    int r = 0;
    berth_json_open_object(&w, NULL);
    berth_json_open_array(&w, "containers");
    for (size_t i = 0; r == 0 && i < count; i++) {
        const struct entry *entry = &listing->entries[i];
        if (entry->app)
            r = berth_containers_add(exchange, &w, entry->app, err);
        else
            berth_json_add_raw(&w, NULL, entry->pulling, strlen(entry->pulling));
    }
    berth_json_close_array(&w);
    if (count < listing->count)
        berth_containers_cursor_add(&cursor, &listing->entries[count - 1].place);
    berth_json_add_string(&w, "next_cursor", cursor.len ? berth_strbuf_str(&cursor) : NULL);
    berth_json_close_object(&w);
    exchange->content_type = BERTH_TYPE_JSON;
    return r == 0 ? berth_body_new(&exchange->body, &exchange->shared, err) : r;
}

/* Those that have arrived meanwhile are there as apps. */
static void drop_arrived(struct listing *listing, const struct berth_snapshot *snapshot,
                         const struct berth_caller *caller)
{
    const struct berth_app *app = NULL;
    size_t kept = 0;
    for (size_t i = 0; i < listing->count; i++) {
        if (berth_containers_find(snapshot, caller, listing->entries[i].place.cuid, &app, NULL) < 0)
            listing->entries[kept++] = listing->entries[i];
        else
            free(listing->entries[i].pulling);
    }
    listing->count = kept;
}

static int collect(struct berth_exchange *exchange, struct listing *listing,
                   struct berth_snapshot **ret_snapshot, struct berth_error *err)
{
    const struct berth_caller *caller = &exchange->caller;
    struct berth_snapshot *snapshot = NULL;
    /* First those on their way: what arrives meanwhile is in the snapshot. */
    berth_containers_walk_pulling(exchange->facility, caller, select_pulling, listing);
    int r = berth_mirror_snapshot(exchange->facility->mirror, false, &snapshot, err);
    if (r < 0)
        return r;
    drop_arrived(listing, snapshot, caller);
    berth_snapshot_walk(snapshot, berth_caller_sees_all(caller) ? NULL : caller->user, select_app,
                        listing);
    *ret_snapshot = snapshot;
    return listing->failed ? berth_error_nomem(err) : 0;
}

/* ---- Parameters ---- */

static int wrong(struct berth_exchange *exchange, const char *name, const char *code,
                 const char *rule, struct berth_error *err)
{
    berth_containers_error_parameter(exchange, name);
    return berth_error_set_coded(err, BERTH_E_INVALID, code, "%s %s", name, rule);
}

static bool are_statuses(const char *list)
{
    for (;;) {
        size_t len = strcspn(list, ",");
        if (!berth_containers_is_status(list, len))
            return false;
        if (!list[len])
            return true;
        list += len + 1;
    }
}

static int read_filter(struct berth_exchange *exchange, struct filter *filter,
                       struct berth_error *err)
{
    const struct berth_params *params = &exchange->params;
    const char *limit = berth_params_get(params, "limit");
    const char *cursor = berth_params_get(params, "cursor");
    *filter = (struct filter){.params = params,
                              .limit = LIMIT_DEFAULT,
                              .status = berth_params_get(params, "status"),
                              .goes_on = cursor != NULL};
    if (limit &&
        berth_text_parse_int(limit, 1, BERTH_CONTAINERS_PAGE_MAX, &filter->limit, NULL) < 0)
        return wrong(exchange, "limit", "INVALID_PARAMETER", "must be a whole number from 1 to 200",
                     err);
    if (filter->status && !are_statuses(filter->status))
        return wrong(exchange, "status", "INVALID_PARAMETER",
                     "must list words of created, running, paused, restarting, exited, dead, "
                     "pulling",
                     err);
    if (cursor && berth_containers_cursor_parse(cursor, &filter->after, NULL) < 0)
        return wrong(exchange, "cursor", "INVALID_CURSOR", "is none that a listing gave", err);
    return 0;
}

int berth_containers_get_list(struct berth_exchange *exchange, struct berth_error *err)
{
    BERTH_CLEANUP(snapshot) struct berth_snapshot *snapshot = NULL;
    struct filter filter;
    struct listing listing = {.filter = &filter};
    int r = read_filter(exchange, &filter, err);
    if (r == 0)
        r = collect(exchange, &listing, &snapshot, err);
    if (r == 0 && listing.count > 1)
        qsort(listing.entries, listing.count, sizeof(*listing.entries), compare_entries);
    if (r == 0)
        r = add_page(exchange, &listing, err);
    release(&listing);
    return r;
}
