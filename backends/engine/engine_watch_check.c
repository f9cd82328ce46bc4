/* SPDX-License-Identifier: MIT */
/* Compares the engine's list with what the sink was told, since events can be lost and the names
 * of images change without one that names the containers. */
#include "backends/engine/engine_name.h"
#include "backends/engine/engine_watch_private.h"

#define CHECK_AGAIN_MS 200 /* asked for while one is under way */

static bool has_name(const cJSON *entry, const char *engine_name)
{
    const cJSON *name;
    cJSON_ArrayForEach(name, berth_json_get(entry, "Names"))
    {
        if (cJSON_IsString(name) && name->valuestring[0] == '/' &&
            strcmp(name->valuestring + 1, engine_name) == 0)
            return true;
    }
    return false;
}

static bool has_image(const cJSON *entry, const struct berth_app *row)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf shown = BERTH_STRBUF_INIT(BERTH_WATCH_PATH_MAX);
    berth_engine_image_shown(berth_json_string(entry, "Image", ""), row->image_id, &shown);
    return strcmp(berth_strbuf_str(&shown), row->image) == 0;
}

static bool matches(const cJSON *entry, const struct berth_app *row)
{
    return berth_engine_app_state(berth_json_string(entry, "State", "")) == row->state &&
           has_name(entry, row->engine_name) && has_image(entry, row);
}

/* The ids of the list in order, for those rows that it lacks. */
struct check {
    struct berth_engine_watch *watch;
    const char **ids;
    size_t count;
    int status;
    struct berth_error err;
};

static int compare_ids(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool want_if_missing(void *row, void *ctx)
{
    struct check *check = ctx;
    const char *id = ((const struct berth_app *)row)->id;
    if (!bsearch(&id, check->ids, check->count, sizeof(id), compare_ids))
        check->status = berth_engine_refresh_want(check->watch->refresh, id, 0, &check->err);
    return check->status == 0;
}

static int compare(struct check *check, const cJSON *list)
{
    const cJSON *entry;
    cJSON_ArrayForEach(entry, list)
    {
        const char *id = berth_json_string(entry, "Id", "");
        if (!berth_engine_in_scope(&check->watch->scope, berth_json_get(entry, "Labels")))
            continue;
        check->ids[check->count++] = id;
        const struct berth_app *row = berth_watch_find_row(check->watch, id);
        if (row && matches(entry, row))
            continue;
        int status = berth_engine_refresh_want(check->watch->refresh, id, 0, &check->err);
        if (status)
            return status;
    }
    qsort(check->ids, check->count, sizeof(*check->ids), compare_ids);
    berth_pmap_walk(&berth_watch_rows_type, check->watch->rows, NULL, want_if_missing, check);
    return check->status;
}

static int check_answer(struct berth_engine_watch *watch, const struct berth_engine_answer *answer,
                        struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *list = NULL;
    int status = berth_engine_parse(watch->engine, answer->body, answer->len, &list, err);
    if (status)
        return status;
    struct check check = {.watch = watch};
    check.ids = calloc((size_t)cJSON_GetArraySize(list) + 1, sizeof(*check.ids));
    if (!check.ids)
        return berth_error_nomem(err);
    status = compare(&check, list);
    free(check.ids);
    if (status)
        *err = check.err;
    return status;
}

static void on_list(void *ctx, const struct berth_engine_answer *answer,
                    const struct berth_error *why)
{
    struct berth_engine_watch *watch = ctx;
    struct berth_error err = BERTH_ERROR_INIT;
    if (why)
        err = *why;
    else
        (void)!check_answer(watch, answer, &err);
    if (err.status) {
        berth_watch_lose(watch, &err);
        return;
    }
    berth_engine_fetch_free(berth_steal(&watch->check_fetch));
    if (!berth_engine_timer_is_set(&watch->check_timer))
        berth_engine_timer_set(watch->io, &watch->check_timer, BERTH_WATCH_CHECK_MS);
}

static int start(struct berth_engine_watch *watch, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(BERTH_WATCH_PATH_MAX);
    berth_engine_app_list_path(&watch->scope, NULL, &path);
    int status = berth_strbuf_check(&path, err);
    if (status)
        return status;
    return berth_engine_fetch_start(watch->io, watch->engine, berth_strbuf_str(&path),
                                    berth_engine_timeout_ms(watch->engine), on_list, watch,
                                    &watch->check_fetch, err);
}

void berth_watch_check(struct berth_engine_watch *watch)
{
    if (watch->check_fetch) {
        berth_engine_timer_set(watch->io, &watch->check_timer, CHECK_AGAIN_MS);
        return;
    }
    berth_engine_timer_clear(watch->io, &watch->check_timer);
    struct berth_error err = BERTH_ERROR_INIT;
    if (start(watch, &err))
        berth_watch_lose(watch, &err);
}

static void on_check_timer(void *ctx)
{
    berth_watch_check(ctx);
}

void berth_watch_check_init(struct berth_engine_watch *watch)
{
    watch->check_timer = (struct berth_engine_timer){.run = on_check_timer, .ctx = watch};
}

void berth_watch_check_stop(struct berth_engine_watch *watch)
{
    berth_engine_fetch_free(berth_steal(&watch->check_fetch));
    berth_engine_timer_clear(watch->io, &watch->check_timer);
}
