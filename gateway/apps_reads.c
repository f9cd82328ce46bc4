/* SPDX-License-Identifier: MIT */
/*
 * The endpoints of the facility API that read. All come from the mirror's
 * snapshot; whole listings are rendered once per snapshot and view, and shared.
 */
#include "base/clock.h"
#include "base/json.h"
#include "facilities/apps.h"
#include "gateway/app_json.h"
#include "gateway/apps_api.h"
#include "gateway/body_cache.h"
#include "gateway/image_json.h"
#include "gateway/stats_json.h"

#include <inttypes.h>
#include <string.h>

/* ---- Snapshots and views ---- */

/* What a listing is rendered from. */
struct view {
    struct berth_snapshot *snapshot;
    const char *user;            /* whose apps; NULL for all */
    const struct berth_app *app; /* the one that an answer about one app is about */
    struct berth_json_writer w;
    int64_t now_ns;
    int64_t valid_until_ns;
};

/* `?stale=ok` takes the last snapshot while the engine is away, marked as such. */
static int take_snapshot(struct berth_exchange *exchange, struct berth_snapshot **ret_snapshot,
                         struct berth_error *err)
{
    const char *stale = berth_params_get(&exchange->params, "stale");
    if (stale && strcmp(stale, "ok") != 0)
        return berth_error_set(err, BERTH_E_INVALID, "parameter stale must be ok");
    struct berth_snapshot *snapshot = NULL;
    int r = berth_mirror_snapshot(exchange->facility->mirror, stale != NULL, &snapshot, err);
    if (r < 0)
        return r;
    if (snapshot->stale) {
        int64_t age_ns = berth_clock_wall_ns() - snapshot->as_of_ns;
        if (age_ns < 0) /* the clock was set back */
            age_ns = 0;
        berth_exchange_header(exchange, "Age", "%" PRId64, age_ns / BERTH_NS_PER_S);
        berth_exchange_header(exchange, "Warning", "110 berth \"the engine cannot be reached\"");
    }
    *ret_snapshot = snapshot;
    return 0;
}

static const char *view_user(const struct berth_exchange *exchange)
{
    return berth_caller_sees_all(&exchange->caller) ? NULL : exchange->caller.user;
}

typedef void renderer(struct view *view);

/* Answers with what render makes of the snapshot, made now or for an earlier request. The name
 * tells views of one kind apart. */
static int answer_view(struct berth_exchange *exchange, const char *kind, const char *name,
                       struct view *view, renderer *render, struct berth_error *err)
{
    const struct berth_body_key key = {
        .kind = kind,
        .facility = exchange->facility->config.id,
        .view = name,
        .epoch = view->snapshot->epoch,
        .sequence = view->snapshot->sequence,
    };
    view->now_ns = berth_clock_wall_ns();
    exchange->content_type = BERTH_TYPE_JSON;
    exchange->shared = berth_body_cache_get(exchange->berth->bodies, &key, view->now_ns);
    if (exchange->shared)
        return 0;

    view->w = (struct berth_json_writer)BERTH_JSON_WRITER(&exchange->body);
    view->valid_until_ns = INT64_MAX;
    render(view);
    int r = berth_body_new(&exchange->body, &exchange->shared, err);
    if (r == 0)
        berth_body_cache_put(exchange->berth->bodies, &key, exchange->shared, view->valid_until_ns);
    return r;
}

/* The listing of that kind, of one user's apps or of all. */
static int answer_listing(struct berth_exchange *exchange, const char *kind, const char *user,
                          renderer *render, struct berth_error *err)
{
    BERTH_CLEANUP(snapshot) struct berth_snapshot *snapshot = NULL;
    int r = take_snapshot(exchange, &snapshot, err);
    if (r < 0)
        return r;
    struct view view = {.snapshot = snapshot, .user = user};
    return answer_view(exchange, kind, user ? user : "", &view, render, err);
}

/* ---- Names and users ---- */

static bool add_name(const struct berth_app *app, void *ctx)
{
    struct view *view = ctx;
    berth_json_add_string(&view->w, NULL, app->name);
    return true;
}

static void render_names(struct view *view)
{
    berth_json_open_array(&view->w, NULL);
    berth_snapshot_walk(view->snapshot, view->user, add_name, view);
    berth_json_close_array(&view->w);
}

int berth_apps_get_names(struct berth_exchange *exchange, struct berth_error *err)
{
    const char *user = view_user(exchange);
    const char *asked = berth_params_get(&exchange->params, "user");
    if (asked) {
        int r = berth_naming_check_user("user", asked, err);
        if (r < 0)
            return r;
        if (user && strcmp(user, asked) != 0) {
            exchange->content_type = BERTH_TYPE_JSON;
            berth_strbuf_adds(&exchange->body, "[]"); /* nothing of others is there to see */
            return berth_body_new(&exchange->body, &exchange->shared, err);
        }
        user = asked;
    }
    return answer_listing(exchange, "names", user, render_names, err);
}

/* The index by user holds each user's apps together. */
struct users {
    struct view *view;
    const char *last;
};

static bool add_user(const struct berth_app *app, void *ctx)
{
    struct users *users = ctx;
    if (app->user[0] && (!users->last || strcmp(users->last, app->user) != 0)) {
        berth_json_add_string(&users->view->w, NULL, app->user);
        users->last = app->user;
    }
    return true;
}

static void render_users(struct view *view)
{
    struct users users = {.view = view};
    berth_json_open_array(&view->w, NULL);
    if (view->user)
        berth_snapshot_walk(view->snapshot, view->user, add_user, &users);
    else
        berth_snapshot_walk_by_user(view->snapshot, add_user, &users);
    berth_json_close_array(&view->w);
}

int berth_apps_get_users(struct berth_exchange *exchange, struct berth_error *err)
{
    return answer_listing(exchange, "users", view_user(exchange), render_users, err);
}

/* ---- Status ---- */

static bool add_status(const struct berth_app *app, void *ctx)
{
    struct view *view = ctx;
    berth_app_json_add(&view->w, app, view->now_ns, &view->valid_until_ns);
    return true;
}

static void render_status(struct view *view)
{
    berth_strbuf_reserve(view->w.out, 16384);
    berth_json_open_array(&view->w, NULL);
    berth_snapshot_walk(view->snapshot, view->user, add_status, view);
    berth_json_close_array(&view->w);
}

static void render_one_status(struct view *view)
{
    (void)add_status(view->app, view);
}

int berth_apps_get_status(struct berth_exchange *exchange, struct berth_error *err)
{
    const char *name = berth_params_get(&exchange->params, "name");
    if (!name)
        return answer_listing(exchange, "status", view_user(exchange), render_status, err);

    BERTH_CLEANUP(snapshot) struct berth_snapshot *snapshot = NULL;
    const struct berth_app *app = NULL;
    exchange->target = name;
    int r = take_snapshot(exchange, &snapshot, err);
    if (r == 0)
        r = berth_apps_find(snapshot, &exchange->caller, name, &app, err);
    if (r < 0)
        return r;
    struct view view = {.snapshot = snapshot, .app = app};
    return answer_view(exchange, "app", app->id, &view, render_one_status, err);
}

/* ---- Statistics ---- */

struct selection {
    const struct berth_app **apps;
    size_t count;
    size_t size;
    bool failed;
};

static bool select_app(const struct berth_app *app, void *ctx)
{
    struct selection *selection = ctx;
    if (selection->count == selection->size) {
        size_t size = selection->size ? selection->size * 2 : 64;
        const struct berth_app **grown =
            reallocarray(selection->apps, size, sizeof(*selection->apps));
        if (!grown) {
            selection->failed = true;
            return false;
        }
        selection->apps = grown;
        selection->size = size;
    }
    selection->apps[selection->count++] = app;
    return true;
}

static int answer_stats(struct berth_exchange *exchange, const struct selection *selection,
                        bool is_list, struct berth_error *err)
{
    BERTH_CLEANUP(stats_list) struct berth_stats_list stats = {0};
    int r = berth_backend_stats(exchange->facility->backend, selection->apps, selection->count,
                                &stats, err);
    if (r < 0)
        return r;
    struct berth_json_writer w = BERTH_JSON_WRITER(&exchange->body);
    exchange->content_type = BERTH_TYPE_JSON;
    if (is_list)
        berth_json_open_array(&w, NULL);
    for (size_t i = 0; i < stats.count; i++)
        berth_stats_json_add(&w, &stats.items[i]);
    if (is_list)
        berth_json_close_array(&w);
    return 0;
}

int berth_apps_get_stats(struct berth_exchange *exchange, struct berth_error *err)
{
    const char *name = berth_params_get(&exchange->params, "name");
    BERTH_CLEANUP(snapshot) struct berth_snapshot *snapshot = NULL;
    exchange->target = name;
    int r = take_snapshot(exchange, &snapshot, err);
    if (r < 0)
        return r;
    if (name) {
        const struct berth_app *app = NULL;
        r = berth_apps_find(snapshot, &exchange->caller, name, &app, err);
        const struct selection one = {.apps = &app, .count = 1};
        return r < 0 ? r : answer_stats(exchange, &one, false, err);
    }
    struct selection selection = {0};
    berth_snapshot_walk(snapshot, view_user(exchange), select_app, &selection);
    r = selection.failed ? berth_error_nomem(err) : answer_stats(exchange, &selection, true, err);
    free(selection.apps);
    return r;
}

/* ---- Inspect ---- */

int berth_apps_get_info(struct berth_exchange *exchange, struct berth_error *err)
{
    const char *name = NULL;
    bool fresh = false;
    BERTH_CLEANUP(snapshot) struct berth_snapshot *snapshot = NULL;
    const struct berth_app *app = NULL;
    int r = berth_params_require(&exchange->params, "name", &name, err);
    if (r == 0)
        r = berth_params_bool(&exchange->params, "fresh", false, &fresh, err);
    if (r < 0)
        return r;
    exchange->target = name;
    r = take_snapshot(exchange, &snapshot, err);
    if (r == 0)
        r = berth_apps_find(snapshot, &exchange->caller, name, &app, err);
    if (r == 0)
        r = berth_mirror_inspect(exchange->facility->mirror, app, fresh, &exchange->shared, err);
    if (r == BERTH_E_NOT_FOUND)
        return berth_apps_unknown(name, err);
    if (r < 0)
        return r;
    exchange->content_type = BERTH_TYPE_JSON;
    return 0;
}

/* ---- Uptime ---- */

/* Uptime outlives the app: who may see it goes by the name. */
static int check_uptime_visible(struct berth_exchange *exchange, const char *name,
                                struct berth_error *err)
{
    bool known = false;
    int r = berth_naming_check_app("name", name, err);
    if (r < 0)
        return r;
    const char *user = view_user(exchange);
    if (user && strcmp(berth_naming_user_of_app(name), user) != 0)
        return berth_apps_unknown(name, err);
    r = berth_uptime_known(exchange->berth->uptime, exchange->facility->config.id, name, &known,
                           err);
    return r == 0 && !known ? berth_apps_unknown(name, err) : r;
}

int berth_apps_get_uptime(struct berth_exchange *exchange, struct berth_error *err)
{
    const char *name = NULL;
    const char *duration = NULL;
    enum berth_uptime_window window = BERTH_UPTIME_HOUR;
    int r = berth_params_require(&exchange->params, "name", &name, err);
    if (r == 0)
        r = berth_params_require(&exchange->params, "duration", &duration, err);
    if (r == 0)
        r = berth_uptime_parse_window(duration, &window, err);
    if (r < 0)
        return r;
    exchange->target = name;
    r = check_uptime_visible(exchange, name, err);
    if (r < 0)
        return r;
    exchange->content_type = BERTH_TYPE_JSON;
    return berth_uptime_summary(exchange->berth->uptime, exchange->facility->config.id, name,
                                window, berth_clock_wall_ns(), &exchange->body, err);
}

/* ---- Images ---- */

/* An image of the list, and how many of the facility's apps run it. */
struct tally {
    const char *image_id;
    size_t index;
    size_t count;
};

struct tallies {
    struct tally *items; /* by image id */
    size_t count;
};

static int compare_tallies(const void *a, const void *b)
{
    const struct tally *left = a;
    const struct tally *right = b;
    return strcmp(left->image_id, right->image_id);
}

static int compare_indices(const void *a, const void *b)
{
    const struct tally *left = a;
    const struct tally *right = b;
    return (left->index > right->index) - (left->index < right->index);
}

static bool count_image(const struct berth_app *app, void *ctx)
{
    const struct tallies *tallies = ctx;
    const struct tally wanted = {.image_id = app->image_id};
    struct tally *tally =
        bsearch(&wanted, tallies->items, tallies->count, sizeof(wanted), compare_tallies);
    if (tally)
        tally->count++;
    return true;
}

static void render_images(struct view *view)
{
    const struct berth_image_list *images = view->snapshot->images;
    BERTH_CLEANUP(free) struct tally *items = calloc(images->count + 1, sizeof(*items));
    if (!items) {
        view->w.out->failed = BERTH_E_NOMEM;
        return;
    }
    for (size_t i = 0; i < images->count; i++)
        items[i] = (struct tally){.image_id = images->items[i].id, .index = i};
    qsort(items, images->count, sizeof(*items), compare_tallies);
    struct tallies tallies = {items, images->count};
    berth_snapshot_walk(view->snapshot, NULL, count_image, &tallies);
    qsort(items, images->count, sizeof(*items), compare_indices);
    berth_json_open_array(&view->w, NULL);
    for (size_t i = 0; i < images->count; i++)
        berth_image_json_add(&view->w, &images->items[i], items[i].count, view->now_ns,
                             &view->valid_until_ns);
    berth_json_close_array(&view->w);
}

int berth_apps_get_images(struct berth_exchange *exchange, struct berth_error *err)
{
    const struct berth_backend *backend = exchange->facility->backend;
    if (!backend->ops->images)
        return berth_backend_unsupported(backend, "get-images", err);
    return answer_listing(exchange, "images", NULL, render_images, err);
}
