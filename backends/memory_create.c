/* SPDX-License-Identifier: MIT */
/* How the memory engine's containers are made: by create, outside berth, and at the start. */
#include "backends/memory_internal.h"

#include "base/clock.h"
#include "base/encoding.h"
#include "base/limits.h"
#include "base/text.h"

#include <string.h>

int memory_new_id(char ret_id[static MEMORY_ID_LEN + 1], struct berth_error *err)
{
    unsigned char random[MEMORY_ID_LEN / 2];
    int status = berth_random_bytes(random, sizeof(random), err);
    if (status)
        return status;
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < sizeof(random); i++) {
        ret_id[2 * i] = digits[random[i] >> 4];
        ret_id[2 * i + 1] = digits[random[i] & 15];
    }
    ret_id[MEMORY_ID_LEN] = '\0';
    return 0;
}

static const char *user_of(const char *name)
{
    const char *user = "";
    for (const char *at = strstr(name, "--"); at; at = strstr(at + 1, "--"))
        user = at + 2;
    return user;
}

/* What `docker ps` shows: no digest, and an id cut to 12 digits. */
static void shown_image(const struct memory_image *image, const char *reference, char *ret_text,
                        size_t size)
{
    if (strcmp(reference, image->id) == 0)
        (void)snprintf(ret_text, size, "%.12s", image->id + strlen("sha256:"));
    else
        (void)snprintf(ret_text, size, "%.*s", (int)strcspn(reference, "@"), reference);
}

/* spec->app is the name on the engine where the app is not ours. */
static int container_new(struct memory *memory, const struct berth_create_spec *spec, bool ours,
                         const struct memory_image *image, const char *engine_name,
                         struct memory_container **ret_container, struct berth_error *err)
{
    char id[MEMORY_ID_LEN + 1];
    int status = memory_new_id(id, err);
    if (status)
        return status;
    char shown[BERTH_IMAGE_NAME_MAX + BERTH_TAG_MAX + 2];
    shown_image(image, spec->image, shown, sizeof(shown));
    const struct berth_app_pair labels[] = {{BERTH_LABEL_APP, spec->app},
                                            {BERTH_LABEL_FACILITY, memory->facility},
                                            {BERTH_LABEL_IMAGE, spec->image_label},
                                            {BERTH_LABEL_USER, spec->user}};
    const char *const networks[] = {"bridge"};
    struct berth_app fields = {.id = id,
                               .name = spec->app,
                               .user = ours ? spec->user : user_of(spec->app),
                               .image = shown,
                               .image_id = image->id,
                               .image_label = ours ? spec->image_label : "",
                               .engine_name = engine_name,
                               .command = image->command,
                               .created_ns = memory_now_locked(memory),
                               .state = BERTH_APP_CREATED,
                               .label_count = ours ? sizeof(labels) / sizeof(labels[0]) : 0,
                               .labels = labels,
                               .network_count = 1,
                               .networks = networks};
    BERTH_CLEANUP(memory_container)
    struct memory_container *container = calloc(1, sizeof(*container));
    if (!container)
        return berth_error_nomem(err);
    bool hidden = strcmp(shown, spec->image) != 0;
    container->image_config = hidden ? berth_text_dup(spec->image) : NULL;
    container->run_as = berth_text_dup(spec->run_as);
    if ((hidden && !container->image_config) || (spec->run_as && !container->run_as))
        return berth_error_nomem(err);
    container->cpu_nano = spec->cpu_nano;
    container->memory_bytes = spec->memory_bytes;
    container->pids = spec->pids;
    container->ours = ours;
    status = berth_app_new(&fields, &container->app, err);
    if (status)
        return status;
    *ret_container = berth_steal(&container);
    return 0;
}

/*
 * The name the container gets: the app's, or, where something the facility does not see has that
 * one, the app's and the facility's.
 */
static int choose_name_locked(const struct memory *memory, const struct berth_create_spec *spec,
                              char *ret_name, size_t size, struct berth_error *err)
{
    const struct memory_container *holder = memory_find_name_locked(memory, spec->app);
    (void)snprintf(ret_name, size, "%s.%s", spec->app, memory->facility);
    const struct memory_container *second = memory_find_name_locked(memory, ret_name);
    if (second || (holder && memory_visible(memory, holder)))
        return berth_error_set(err, BERTH_E_EXISTS, "app %s already exists", spec->app);
    if (!holder)
        (void)snprintf(ret_name, size, "%s", spec->app);
    return 0;
}

int memory_create_locked(struct memory *memory, const struct berth_create_spec *spec, bool ours,
                         char **ret_id, struct berth_error *err)
{
    const struct memory_image *image = memory_image_find_locked(memory, spec->image);
    if (!image)
        return berth_error_set(err, BERTH_E_NOT_FOUND, "No such image: %s", spec->image);
    char engine_name[BERTH_APP_MAX + 1 + BERTH_FACILITY_ID_MAX + 1];
    int status = choose_name_locked(memory, spec, engine_name, sizeof(engine_name), err);
    if (status)
        return status;
    BERTH_CLEANUP(memory_container) struct memory_container *container = NULL;
    status = container_new(memory, spec, ours, image, engine_name, &container, err);
    if (status)
        return status;
    const struct berth_app *app = container->app;
    BERTH_CLEANUP(free) char *id = berth_text_dup(app->id);
    struct memory_event *event =
        memory_event_new(MEMORY_EVENT_CHANGED, app->id, app->state, app->created_ns);
    if (!id || !event) {
        free(event);
        return berth_error_nomem(err);
    }
    status = memory_insert_locked(memory, container, err);
    if (status) {
        free(event);
        return status;
    }
    memory_tell_locked(memory, berth_steal(&container), event);
    *ret_id = berth_steal(&id);
    return 0;
}

/* ---- At the start ---- */

#define POPULATE_EXITED_EVERY 4 /* every fourth app has ended already */

/* Puts a container that was made i seconds after since_ns into the state it has at the start. */
static int settle(struct memory_container *container, int64_t created_ns, bool exited,
                  struct berth_error *err)
{
    struct berth_app fields = *container->app;
    struct berth_app_port port;
    fields.created_ns = created_ns;
    memory_fill_running(&fields, &port, created_ns + BERTH_NS_PER_S / 2);
    if (exited)
        memory_fill_exited(&fields, 0, created_ns + BERTH_NS_PER_S);
    struct berth_app *app;
    int status = berth_app_new(&fields, &app, err);
    if (!status)
        memory_show(container, app);
    return status;
}

static int populate_one(struct memory *memory, size_t i, int64_t created_ns,
                        struct berth_error *err)
{
    const struct memory_image *image = memory_image_at(i);
    char user[BERTH_USER_MAX + 1];
    char image_label[BERTH_IMAGE_NAME_MAX + 1];
    char app[BERTH_APP_MAX + 1];
    (void)snprintf(user, sizeof(user), "user%zu", i / MEMORY_IMAGES + 1);
    (void)snprintf(image_label, sizeof(image_label), "%s:latest", image->repository);
    (void)snprintf(app, sizeof(app), "%s--%s", image->app, user);
    struct berth_create_spec spec = {
        .app = app, .user = user, .image = image_label, .image_label = image_label};
    BERTH_CLEANUP(memory_container) struct memory_container *container = NULL;
    int status = container_new(memory, &spec, true, image, app, &container, err);
    if (!status)
        status = settle(container, created_ns,
                        i % POPULATE_EXITED_EVERY == POPULATE_EXITED_EVERY - 1, err);
    if (!status)
        status = memory_insert_locked(memory, container, err);
    if (!status)
        (void)berth_steal(&container);
    return status;
}

int memory_populate(struct memory *memory, int64_t count, struct berth_error *err)
{
    int64_t now = berth_clock_wall_ns();
    for (int64_t i = 0; i < count; i++) {
        int status = populate_one(memory, (size_t)i, now - (count - i) * BERTH_NS_PER_S, err);
        if (status)
            return status;
    }
    return 0;
}
