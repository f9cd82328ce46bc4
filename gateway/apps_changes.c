/* SPDX-License-Identifier: MIT */
/* The endpoints of the facility API that change apps, one app or a batch. */
#include "base/json.h"
#include "base/thread.h"
#include "facilities/apps.h"
#include "gateway/apps_api.h"

#include <string.h>

#define BATCH_WIDTH 16 /* operations of one batch at once */

void berth_apps_success(struct berth_exchange *exchange, const char *name)
{
    if (!exchange->wants_json) {
        berth_exchange_text(exchange, 200, "Success");
        return;
    }
    struct berth_json_writer w = BERTH_JSON_WRITER(&exchange->body);
    exchange->content_type = BERTH_TYPE_JSON;
    berth_json_open_object(&w, NULL);
    berth_json_add_string(&w, "result", "success");
    berth_json_add_string(&w, "name", name);
    berth_json_close_object(&w);
}

/* ---- Batches ---- */

typedef int operation(struct berth_exchange *exchange, const char *name, struct berth_error *err);

struct batch_item {
    char name[BERTH_APP_MAX + 1];
    int result;
    struct berth_error err;
};

struct batch {
    struct berth_exchange *exchange;
    operation *run;
    size_t count;
    struct batch_item items[BERTH_BATCH_MAX];
};

static bool batch_has(const struct batch *batch, const char *name, size_t len)
{
    for (size_t i = 0; i < batch->count; i++)
        if (strncmp(batch->items[i].name, name, len) == 0 && batch->items[i].name[len] == '\0')
            return true;
    return false;
}

/* Takes the list apart: empty items are skipped, repeated ones count once. */
static int batch_parse(struct batch *batch, const char *list, struct berth_error *err)
{
    for (const char *item = list; item;) {
        size_t len = strcspn(item, ",");
        const char *next = item[len] ? item + len + 1 : NULL;
        if (len > BERTH_APP_MAX)
            return berth_error_set(err, BERTH_E_INVALID,
                                   "parameter name: an app's name has at most %d characters",
                                   BERTH_APP_MAX);
        if (len > 0 && !batch_has(batch, item, len)) {
            if (batch->count == BERTH_BATCH_MAX)
                return berth_error_set(err, BERTH_E_INVALID,
                                       "parameter name lists more than %d apps", BERTH_BATCH_MAX);
            memcpy(batch->items[batch->count++].name, item, len);
        }
        item = next;
    }
    if (batch->count == 0)
        return berth_error_set(err, BERTH_E_INVALID, "parameter name lists no app");
    return 0;
}

static void batch_task(void *ctx, size_t i)
{
    struct batch *batch = ctx;
    struct batch_item *item = &batch->items[i];
    item->result = batch->run(batch->exchange, item->name, &item->err);
}

static void batch_render_json(struct berth_exchange *exchange, const struct batch *batch,
                              size_t succeeded)
{
    struct berth_json_writer w = BERTH_JSON_WRITER(&exchange->body);
    exchange->content_type = BERTH_TYPE_JSON;
    berth_json_open_object(&w, NULL);
    berth_json_add_int(&w, "succeeded", (int64_t)succeeded);
    berth_json_add_int(&w, "total", (int64_t)batch->count);
    berth_json_open_array(&w, "items");
    for (size_t i = 0; i < batch->count; i++) {
        const struct batch_item *item = &batch->items[i];
        berth_json_open_object(&w, NULL);
        berth_json_add_string(&w, "name", item->name);
        berth_json_add_string(&w, "result", item->result == 0 ? "success" : "error");
        if (item->result < 0) {
            berth_json_add_string(&w, "code", berth_status_name(item->err.status));
            berth_json_add_string(&w, "error", item->err.message);
        }
        berth_json_close_object(&w);
    }
    berth_json_close_array(&w);
    berth_json_close_object(&w);
}

static int run_batch(struct berth_exchange *exchange, const char *list, operation *run,
                     struct berth_error *err)
{
    BERTH_CLEANUP(free) struct batch *batch = calloc(1, sizeof(*batch));
    if (!batch)
        return berth_error_nomem(err);
    batch->exchange = exchange;
    batch->run = run;
    int r = batch_parse(batch, list, err);
    if (r < 0)
        return r;
    berth_parallel_for(batch->count, BATCH_WIDTH, batch_task, batch);

    size_t succeeded = 0;
    for (size_t i = 0; i < batch->count; i++)
        succeeded += batch->items[i].result == 0;
    exchange->status = succeeded == batch->count ? 200 : 400;
    if (exchange->wants_json)
        batch_render_json(exchange, batch, succeeded);
    else
        berth_strbuf_addf(&exchange->body, "%zu/%zu succeeded", succeeded, batch->count);
    return 0;
}

/* One app, or as many as `name` lists. */
static int run_on_names(struct berth_exchange *exchange, operation *run, struct berth_error *err)
{
    const char *name = NULL;
    int r = berth_params_require(&exchange->params, "name", &name, err);
    if (r < 0)
        return r;
    exchange->target = name;
    if (strchr(name, ','))
        return run_batch(exchange, name, run, err);
    r = run(exchange, name, err);
    if (r == 0)
        berth_apps_success(exchange, name);
    return r;
}

/* ---- Verbs ---- */

static int act(struct berth_exchange *exchange, enum berth_verb verb, const char *name,
               struct berth_error *err)
{
    return berth_apps_act(exchange->facility, &exchange->caller, verb, name, err);
}

#define DEFINE_VERB(NAME, VERB)                                                                    \
    static int NAME##_one(struct berth_exchange *exchange, const char *name,                       \
                          struct berth_error *err)                                                 \
    {                                                                                              \
        return act(exchange, VERB, name, err);                                                     \
    }                                                                                              \
    int berth_apps_##NAME(struct berth_exchange *exchange, struct berth_error *err)                \
    {                                                                                              \
        return run_on_names(exchange, NAME##_one, err);                                            \
    }

DEFINE_VERB(start, BERTH_VERB_START)
DEFINE_VERB(stop, BERTH_VERB_STOP)
DEFINE_VERB(pause, BERTH_VERB_PAUSE)
DEFINE_VERB(unpause, BERTH_VERB_UNPAUSE)
DEFINE_VERB(restart, BERTH_VERB_RESTART)
DEFINE_VERB(kill, BERTH_VERB_KILL)
DEFINE_VERB(delete, BERTH_VERB_REMOVE)

static int hard_reset_one(struct berth_exchange *exchange, const char *name,
                          struct berth_error *err)
{
    return berth_apps_reset(exchange->facility, &exchange->caller, name, err);
}

int berth_apps_hard_reset(struct berth_exchange *exchange, struct berth_error *err)
{
    return run_on_names(exchange, hard_reset_one, err);
}

int berth_apps_create_app(struct berth_exchange *exchange, struct berth_error *err)
{
    const char *image = NULL;
    const char *user = NULL;
    struct berth_image_ref ref;
    int r = berth_params_require(&exchange->params, "image", &image, err);
    if (r == 0)
        r = berth_params_require(&exchange->params, "user", &user, err);
    if (r == 0)
        r = berth_image_ref_parse("image", image, berth_params_get(&exchange->params, "version"),
                                  &ref, err);
    if (r == 0)
        r = berth_naming_check_user("user", user, err);
    if (r < 0)
        return r;
    exchange->target = image;
    BERTH_CLEANUP(app) struct berth_app *app = NULL;
    r = berth_apps_create(exchange->facility, &exchange->caller, &ref, user, &app, err);
    if (r == 0)
        berth_apps_success(exchange, app->name);
    return r;
}
