/* SPDX-License-Identifier: MIT */
/* What a watch knows of its engine, and how it learns it: listings, events, rows, images. */
#include "backends/engine/engine_watch_private.h"
#include "base/clock.h"
#include "base/log.h"

#define IMAGES_SETTLE_MS 200   /* after the first of several events about images */
#define IMAGES_RETRY_MS  5000  /* when the engine could not list them */
#define NETWORK_DELAY_MS 200   /* connects come with a start, whose row says the same */
#define EXEC_DELAY_MS    500   /* execs come in bursts */
#define INSPECTS_KEPT_MS 60000 /* nobody holds an inspect object for longer than that unasked */

/* ---- The rows ---- */

static int compare_rows(const void *a, const void *b)
{
    return strcmp(((const struct berth_app *)a)->id, ((const struct berth_app *)b)->id);
}

static int compare_id(const void *id, const void *row)
{
    return strcmp(id, ((const struct berth_app *)row)->id);
}

static void ref_row(void *row)
{
    (void)berth_app_ref(row);
}

static void unref_row(void *row)
{
    berth_app_unref(row);
}

const struct berth_pmap_type berth_watch_rows_type = {
    .compare = compare_rows, .compare_key = compare_id, .ref = ref_row, .unref = unref_row};

const struct berth_app *berth_watch_find_row(const struct berth_engine_watch *watch, const char *id)
{
    return berth_pmap_find(&berth_watch_rows_type, watch->rows, id);
}

/* Makes map the rows; both are references of the watch's. */
static void set_rows(struct berth_engine_watch *watch, struct berth_pmap_node *map)
{
    berth_pmap_unref(&berth_watch_rows_type, watch->rows);
    watch->rows = map;
}

static int put_row(struct berth_engine_watch *watch, struct berth_app *app, struct berth_error *err)
{
    struct berth_pmap_node *map;
    int status = berth_pmap_put(&berth_watch_rows_type, watch->rows, app, &map, err);
    if (!status)
        set_rows(watch, map);
    return status;
}

static int remove_row(struct berth_engine_watch *watch, const char *id, struct berth_error *err)
{
    struct berth_pmap_node *map;
    int status = berth_pmap_remove(&berth_watch_rows_type, watch->rows, id, &map, err);
    if (!status)
        set_rows(watch, map);
    return status;
}

static int replace_rows(struct berth_engine_watch *watch, const struct berth_app_list *apps,
                        struct berth_error *err)
{
    set_rows(watch, NULL);
    int status = 0;
    for (size_t i = 0; i < apps->count && !status; i++)
        status = put_row(watch, apps->items[i], err);
    return status;
}

/* ---- Single rows ---- */

static uint64_t draw_ticket(void *ctx)
{
    struct berth_engine_watch *watch = ctx;
    return watch->sink.ticket(watch->sink.ctx);
}

static void on_row(void *ctx, uint64_t ticket, struct berth_app *app)
{
    struct berth_engine_watch *watch = ctx;
    struct berth_error err = BERTH_ERROR_INIT;
    if (put_row(watch, app, &err))
        berth_watch_lose(watch, &err);
    else
        watch->sink.app(watch->sink.ctx, ticket, app);
}

static void on_row_gone(void *ctx, uint64_t ticket, const char *id)
{
    struct berth_engine_watch *watch = ctx;
    struct berth_error err = BERTH_ERROR_INIT;
    if (remove_row(watch, id, &err))
        berth_watch_lose(watch, &err);
    else
        watch->sink.gone(watch->sink.ctx, ticket, id, berth_clock_wall_ns());
}

static const struct berth_engine_refresh_ops refresh_ops = {
    .ticket = draw_ticket, .app = on_row, .gone = on_row_gone};

/* ---- Images ---- */

static void on_images(void *ctx, const struct berth_engine_answer *answer,
                      const struct berth_error *why);

static void fetch_images(struct berth_engine_watch *watch)
{
    struct berth_error err = BERTH_ERROR_INIT;
    watch->images_ticket = draw_ticket(watch);
    if (berth_engine_fetch_start(watch->io, watch->engine, "/images/json",
                                 berth_engine_timeout_ms(watch->engine), on_images, watch,
                                 &watch->images_fetch, &err))
        berth_watch_lose(watch, &err);
}

static void on_images_timer(void *ctx)
{
    struct berth_engine_watch *watch = ctx;
    if (watch->images_fetch || watch->state != BERTH_WATCH_LIVE)
        berth_engine_timer_set(watch->io, &watch->images_timer, IMAGES_SETTLE_MS);
    else
        fetch_images(watch);
}

static void tell_images(struct berth_engine_watch *watch)
{
    BERTH_CLEANUP(image_list) struct berth_image_list *images = berth_steal(&watch->images);
    if (images)
        watch->sink.images(watch->sink.ctx, watch->images_ticket, images);
}

static void tell_listing(struct berth_engine_watch *watch);

static void on_images(void *ctx, const struct berth_engine_answer *answer,
                      const struct berth_error *why)
{
    struct berth_engine_watch *watch = ctx;
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_CLEANUP(json) cJSON *json = NULL;
    if (why)
        err = *why;
    else if (!berth_engine_parse(watch->engine, answer->body, answer->len, &json, &err))
        (void)!berth_engine_images_parse(json, &watch->images, &err);
    if (err.status && err.status != BERTH_E_REFUSED) {
        berth_watch_lose(watch, &err);
        return;
    }
    berth_engine_fetch_free(berth_steal(&watch->images_fetch));
    if (err.status) { /* the engine lives, but has trouble with its images: apps go on */
        berth_log_error(BERTH_LOG_WARNING, &err, "the images cannot be listed");
        berth_engine_timer_set(watch->io, &watch->images_timer, IMAGES_RETRY_MS);
    }
    if (watch->state == BERTH_WATCH_LISTING) {
        tell_listing(watch);
        return;
    }
    tell_images(watch);
    berth_watch_check(watch); /* rows show the names of images */
}

/* ---- Listing ---- */

/* A row that lacks its times is of a container the engine could say little about: again. */
static int want_times(struct berth_engine_watch *watch, const struct berth_app_list *apps,
                      struct berth_error *err)
{
    int status = 0;
    for (size_t i = 0; i < apps->count && !status; i++)
        if (apps->items[i]->state != BERTH_APP_CREATED && apps->items[i]->started_ns == 0)
            status = berth_engine_refresh_want(watch->refresh, apps->items[i]->id, 0, err);
    return status;
}

/* When both the apps and the images are there. */
static void tell_listing(struct berth_engine_watch *watch)
{
    if (!watch->listed || watch->images_fetch)
        return;
    struct berth_error err = BERTH_ERROR_INIT;
    if (replace_rows(watch, watch->listed, &err) || want_times(watch, watch->listed, &err)) {
        berth_watch_lose(watch, &err);
        return;
    }
    watch->sink.listing(watch->sink.ctx, watch->listing_ticket, watch->listed,
                        watch->listing_as_of_ns);
    tell_images(watch);
    watch->listed = NULL;
    berth_engine_listing_free(berth_steal(&watch->listing));
    berth_engine_timer_set(watch->io, &watch->check_timer, BERTH_WATCH_CHECK_MS);
    berth_watch_live(watch);
    berth_engine_refresh_release(watch->refresh);
}

static void on_listing(void *ctx, const struct berth_app_list *apps, const struct berth_error *why)
{
    struct berth_engine_watch *watch = ctx;
    if (why) {
        berth_watch_lose(watch, why);
        return;
    }
    watch->listed = apps;
    tell_listing(watch);
}

void berth_watch_list(struct berth_engine_watch *watch)
{
    struct berth_error err = BERTH_ERROR_INIT;
    watch->listing_ticket = draw_ticket(watch);
    watch->listing_as_of_ns = berth_clock_wall_ns();
    if (berth_engine_listing_start(watch->io, watch->engine, &watch->scope, on_listing, watch,
                                   &watch->listing, &err))
        berth_watch_lose(watch, &err);
    else
        fetch_images(watch);
}

/* ---- Events ---- */

static int want(struct berth_engine_watch *watch, const struct berth_engine_event *event,
                int64_t delay_ms, struct berth_error *err)
{
    return berth_engine_refresh_want(watch->refresh, event->id, delay_ms, err);
}

/* The moment of the event for the sink: not in the gateway's future, however the clocks differ. */
static int64_t time_of(const struct berth_engine_event *event)
{
    int64_t now_ns = berth_clock_wall_ns();
    return event->at_ns > 0 && event->at_ns < now_ns ? event->at_ns : now_ns;
}

static int take_state(struct berth_engine_watch *watch, const struct berth_engine_event *event,
                      struct berth_error *err)
{
    if (watch->has_listed)
        watch->sink.changed(watch->sink.ctx, event->id, event->state, time_of(event));
    return want(watch, event, 0, err);
}

static int take_destroy(struct berth_engine_watch *watch, const struct berth_engine_event *event,
                        struct berth_error *err)
{
    if (watch->has_listed)
        watch->sink.gone(watch->sink.ctx, draw_ticket(watch), event->id, time_of(event));
    if (watch->state != BERTH_WATCH_LIVE)
        return want(watch, event, 0, err); /* the listing under way may still show it */
    berth_engine_refresh_drop(watch->refresh, event->id);
    return remove_row(watch, event->id, err);
}

static int take_container(struct berth_engine_watch *watch, const struct berth_engine_event *event,
                          struct berth_error *err)
{
    bool known = berth_watch_find_row(watch, event->id);
    if (!known && !berth_engine_in_scope(&watch->scope, event->labels))
        return 0;
    switch (event->kind) {
    case BERTH_EVENT_STATE:
        return take_state(watch, event, err);
    case BERTH_EVENT_DESTROY:
        return take_destroy(watch, event, err);
    case BERTH_EVENT_EXEC:
        if (!known || !berth_watch_touched_within(watch, INSPECTS_KEPT_MS))
            return 0;
        return want(watch, event, EXEC_DELAY_MS, err);
    default:
        return want(watch, event, 0, err);
    }
}

bool berth_watch_take_event(struct berth_engine_watch *watch,
                            const struct berth_engine_event *event)
{
    struct berth_error err = BERTH_ERROR_INIT;
    int status = 0;
    if (event->at_ns > 0)
        watch->since_ns = event->at_ns + 1;
    switch (event->kind) {
    case BERTH_EVENT_NONE:
        break;
    case BERTH_EVENT_IMAGE:
        if (!berth_engine_timer_is_set(&watch->images_timer))
            berth_engine_timer_set(watch->io, &watch->images_timer, IMAGES_SETTLE_MS);
        break;
    case BERTH_EVENT_NETWORK:
        if (berth_watch_find_row(watch, event->id))
            status = want(watch, event, NETWORK_DELAY_MS, &err);
        break;
    default:
        status = take_container(watch, event, &err);
    }
    if (status)
        berth_watch_lose(watch, &err);
    return status == 0;
}

/* ---- Life ---- */

int berth_watch_state_init(struct berth_engine_watch *watch, struct berth_error *err)
{
    watch->images_timer = (struct berth_engine_timer){.run = on_images_timer, .ctx = watch};
    berth_watch_check_init(watch);
    return berth_engine_refresh_new(watch->io, watch->engine, &watch->scope, &refresh_ops, watch,
                                    &watch->refresh, err);
}

void berth_watch_state_stop(struct berth_engine_watch *watch)
{
    berth_engine_listing_free(berth_steal(&watch->listing));
    watch->listed = NULL;
    berth_engine_fetch_free(berth_steal(&watch->images_fetch));
    berth_image_list_unref(berth_steal(&watch->images));
    berth_engine_timer_clear(watch->io, &watch->images_timer);
    berth_watch_check_stop(watch);
    berth_engine_refresh_clear(watch->refresh);
}

void berth_watch_state_release(struct berth_engine_watch *watch)
{
    berth_engine_refresh_free(watch->refresh);
    set_rows(watch, NULL);
}
