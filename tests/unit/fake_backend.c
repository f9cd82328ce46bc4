/* SPDX-License-Identifier: MIT */
#include "tests/unit/fake_backend.h"

#include "base/clock.h"
#include "base/thread.h"

#include <check.h>
#include <string.h>

static int fake_list(struct berth_backend *backend, const char *id, struct berth_app_list *apps,
                     struct berth_error *err)
{
    struct fake *fake = (struct fake *)backend;
    BERTH_LOCK_SCOPE(guard, &fake->lock);
    if (fake->list_fails)
        return berth_error_set(err, (enum berth_status)fake->list_fails, "scripted");
    int status = 0;
    for (size_t i = 0; i < fake->rows.count && !status; i++)
        if (!id || strcmp(fake->rows.items[i]->id, id) == 0)
            status = berth_app_list_add(apps, berth_app_ref(fake->rows.items[i]), err);
    return status;
}

static int fake_inspect(struct berth_backend *backend, const char *id, struct berth_strbuf *body,
                        struct berth_error *err)
{
    struct fake *fake = (struct fake *)backend;
    BERTH_LOCK_SCOPE(guard, &fake->lock);
    fake->inspects++;
    unsigned version = fake->version;
    (void)pthread_cond_broadcast(&fake->changed);
    while (fake->hold_inspect && version <= fake->hold_version)
        (void)pthread_cond_wait(&fake->changed, &fake->lock);
    if (fake->inspect_fails)
        return berth_error_set(err, (enum berth_status)fake->inspect_fails, "scripted");
    berth_strbuf_addf(body, "%s %u", id, version);
    if (body->len < fake->body_bytes)
        berth_strbuf_addf(body, "%*s", (int)(fake->body_bytes - body->len), "");
    return 0;
}

static int fake_images(struct berth_backend *backend, struct berth_image_list **ret_images,
                       struct berth_error *err)
{
    (void)backend;
    char id[] = "sha256:1";
    char tag[] = "httpd:latest";
    struct berth_image image = {
        .id = id, .tags = (char *[]){tag, NULL}, .digests = (char *[]){NULL}};
    BERTH_CLEANUP(image_list) struct berth_image_list *images = NULL;
    int status = berth_image_list_new(&images, err);
    if (!status)
        status = berth_image_list_add(images, &image, err);
    if (!status)
        *ret_images = berth_steal(&images);
    return status;
}

static int fake_watch(struct berth_backend *backend, const struct berth_watch_sink *sink,
                      struct berth_error *err)
{
    (void)err;
    ((struct fake *)backend)->sink = sink;
    return 0;
}

static void fake_touch(struct berth_backend *backend)
{
    (void)__atomic_add_fetch(&((struct fake *)backend)->touches, 1, __ATOMIC_RELAXED);
}

static const struct berth_backend_ops fake_ops = {
    .name = "fake",
    .list = fake_list,
    .inspect = fake_inspect,
    .images = fake_images,
    .watch = fake_watch,
    .touch = fake_touch,
};

void fake_init(struct fake *fake)
{
    *fake = (struct fake){.head = {.ops = &fake_ops, .max_inflight = 32}, .hold_version = ~0U};
    (void)pthread_mutex_init(&fake->lock, NULL);
    (void)pthread_cond_init(&fake->changed, NULL);
}

void fake_release(struct fake *fake)
{
    berth_app_list_release(&fake->rows);
    (void)pthread_cond_destroy(&fake->changed);
    (void)pthread_mutex_destroy(&fake->lock);
}

struct berth_app *fake_app(const char *id, enum berth_app_state state)
{
    char name[64];
    (void)snprintf(name, sizeof(name), "app-%s--ana", id);
    struct berth_app fields = {
        .id = id, .name = name, .user = "ana", .state = state, .created_ns = 10 * BERTH_NS_PER_S};
    struct berth_app *app;
    ck_assert_int_eq(berth_app_new(&fields, &app, NULL), 0);
    return app;
}

void fake_set(struct fake *fake, const char *id, enum berth_app_state state)
{
    struct berth_app *app = state == BERTH_APP_UNKNOWN ? NULL : fake_app(id, state);
    BERTH_LOCK_SCOPE(guard, &fake->lock);
    for (size_t i = 0; i < fake->rows.count; i++) {
        if (strcmp(fake->rows.items[i]->id, id) != 0)
            continue;
        berth_app_unref(fake->rows.items[i]);
        if (app)
            fake->rows.items[i] = app;
        else
            fake->rows.items[i] = fake->rows.items[--fake->rows.count];
        return;
    }
    if (app)
        ck_assert_int_eq(berth_app_list_add(&fake->rows, app, NULL), 0);
}

void fake_hold_inspect(struct fake *fake, bool hold)
{
    BERTH_LOCK_SCOPE(guard, &fake->lock);
    fake->hold_inspect = hold;
    (void)pthread_cond_broadcast(&fake->changed);
}

void fake_await_inspects(struct fake *fake, unsigned count)
{
    BERTH_LOCK_SCOPE(guard, &fake->lock);
    while (fake->inspects < count)
        (void)pthread_cond_wait(&fake->changed, &fake->lock);
}

void fake_tell_app(struct fake *fake, uint64_t ticket, const char *id, enum berth_app_state state)
{
    BERTH_CLEANUP(app) struct berth_app *app = fake_app(id, state);
    fake->sink->app(fake->sink->ctx, ticket, app);
}

uint64_t fake_draw(struct fake *fake)
{
    return fake->sink->ticket(fake->sink->ctx);
}

void fake_tell_listing(struct fake *fake, uint64_t ticket, int64_t as_of_ns)
{
    fake->sink->listing(fake->sink->ctx, ticket, &fake->rows, as_of_ns);
}

void fake_tell_lost(struct fake *fake, const char *why, int64_t last_alive_ns)
{
    struct berth_error err = BERTH_ERROR_INIT;
    (void)berth_error_set(&err, BERTH_E_TIMEOUT, "%s", why);
    fake->sink->lost(fake->sink->ctx, &err, last_alive_ns);
}
