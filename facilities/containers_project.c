/* SPDX-License-Identifier: MIT */
/* Projects of their owner's compose file: each image that it names is one that policy allows. */
#include "facilities/containers_internal.h"

/* An image of the file, and what policy makes of it. */
struct image {
    struct berth_image_ref ref;
    struct berth_approval approval;
    struct berth_strbuf label;
};

struct images {
    struct image *items;
    struct berth_project_image *planned; /* points into items, and the plan's texts */
    size_t count;
};

static void release_images(struct images *images)
{
    for (size_t i = 0; i < images->count; i++) {
        berth_approval_release(&images->items[i].approval);
        berth_strbuf_release(&images->items[i].label);
    }
    free(images->items);
    free(images->planned);
}
BERTH_DEFINE_CLEANUP_VALUE(images, struct images, release_images)

static int admit(struct berth_facility *facility, const struct berth_caller *by,
                 const struct berth_snapshot *snapshot, const char *name, struct image *image,
                 struct berth_project_image *ret_planned, struct berth_error *err)
{
    int r = berth_image_ref_parse("image", name, NULL, &image->ref, err);
    if (r == BERTH_E_INVALID)
        berth_error_code(err, "INVALID_IMAGE");
    if (r == 0)
        r = berth_apps_make_reference(facility, &image->ref, &image->approval, &image->label, err);
    if (r == 0)
        r = berth_apps_bring(facility, by, snapshot, &image->ref, NULL, err);
    if (r < 0)
        return r;
    const char *label = berth_strbuf_str(&image->label);
    const char *id = image->approval.image_id;
    *ret_planned = (struct berth_project_image){
        .name = name, .image = id ? berth_apps_pin(snapshot, label, id) : label, .label = label};
    return 0;
}

static int admit_all(struct berth_facility *facility, const struct berth_caller *by,
                     const struct berth_texts *names, struct images *images,
                     struct berth_error *err)
{
    BERTH_CLEANUP(snapshot) struct berth_snapshot *snapshot = NULL;
    int r = berth_mirror_snapshot(facility->mirror, false, &snapshot, err);
    if (r < 0)
        return r;
    images->items = calloc(names->count, sizeof(*images->items));
    images->planned = calloc(names->count, sizeof(*images->planned));
    if (!images->items || !images->planned)
        return berth_error_nomem(err);
    for (; r == 0 && images->count < names->count; images->count++) {
        struct image *image = &images->items[images->count];
        image->label = (struct berth_strbuf)BERTH_STRBUF_INIT(1024);
        r = admit(facility, by, snapshot, names->items[images->count], image,
                  &images->planned[images->count], err);
    }
    return r;
}

/* What the text of container needs, and whether it may have it. */
static int plan(struct berth_facility *facility, const struct berth_caller *by,
                struct berth_create_spec *spec, struct berth_container_spec *container,
                struct berth_texts *names, struct images *images, struct berth_error *err)
{
    *spec = berth_apps_base_spec(facility);
    spec->container = container;
    int r = berth_backend_plan(facility->backend, spec, names, err);
    if (r == 0)
        r = admit_all(facility, by, names, images, err);
    container->images = images->planned;
    container->image_count = images->count;
    return r;
}

int berth_containers_create_project(struct berth_facility *facility, const struct berth_caller *by,
                                    const struct berth_container_request *request,
                                    struct berth_apps_order *order, struct berth_app **ret_app,
                                    struct berth_error *err)
{
    BERTH_CLEANUP(texts) struct berth_texts names = {0};
    BERTH_CLEANUP(images) struct images images = {0};
    struct berth_container_spec container = request->spec;
    struct berth_create_spec spec;
    int r = plan(facility, by, &spec, &container, &names, &images, err);
    if (r < 0)
        return r;
    order->container = &container;
    order->ref = &images.items[0].ref;
    return berth_apps_make(facility, by, order, ret_app, err);
}

int berth_containers_change_project(struct berth_facility *facility, const struct berth_caller *by,
                                    const struct berth_app *app,
                                    const struct berth_container_request *request,
                                    struct berth_container_change *change, struct berth_error *err)
{
    BERTH_CLEANUP(texts) struct berth_texts names = {0};
    BERTH_CLEANUP(images) struct images images = {0};
    struct berth_container_spec container = request->spec;
    struct berth_create_spec spec;
    int r = plan(facility, by, &spec, &container, &names, &images, err);
    if (r < 0)
        return r;
    spec.app = app->name;
    spec.user = app->user;
    spec.image = images.planned[0].image;
    spec.image_label = images.planned[0].label;
    change->project = &spec;
    return berth_containers_update(facility, by, app, change, err);
}
