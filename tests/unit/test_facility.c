/* SPDX-License-Identifier: MIT */
/* Two facilities of one id on one store, as a reload has them: one retires, the other takes up. */
#include "facilities/facility.h"

#include "tests/unit/fake_backend.h"
#include "tests/unit/store_open.h"
#include "tests/unit/unit.h"

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

static struct berth_store *store;
static struct berth_uptime *uptime;

static const struct berth_caller admin = {.user = "root", .role = BERTH_ROLE_ADMIN};

static void open_store(void)
{
    BERTH_CLEANUP(free) char *dir = unit_scratch("data");
    const struct berth_uptime_config sampling = {.sample_interval_s = 600, .retention_days = 1};
    ck_assert_int_eq(unit_store_open(dir, &store, NULL), 0);
    ck_assert_int_eq(berth_uptime_open(store, &sampling, &uptime, NULL), 0);
}

static void close_store(void)
{
    berth_uptime_close(uptime);
    berth_store_close(store);
}

static struct berth_facility *open_facility(int64_t delay_ms)
{
    const struct berth_facility_config config = {
        .id = "demo",
        .backend = "memory",
        .engine = {.request_timeout_ms = 10000,
                   .max_inflight = 32,
                   .memory = {.verb_delay_ms = delay_ms}},
    };
    struct berth_facility *facility = NULL;
    ck_assert_int_eq(berth_facility_open(&config, store, uptime, &facility, NULL), 0);
    return facility;
}

static int approve(struct berth_approvals *approvals, const char *image, bool wait,
                   struct berth_error *err)
{
    struct berth_approval approval = {0};
    struct berth_image_ref ref;
    const struct berth_approval_key key = {.ref = &ref};
    ck_assert_int_eq(berth_image_ref_parse("image", image, NULL, &ref, NULL), 0);
    int r = berth_approvals_approve(approvals, &admin, &key, wait, &approval, err);
    if (r == 0)
        berth_approval_release(&approval);
    return r;
}

/* "IMAGE STATE" a line, newest first. */
static int append_request(const struct berth_approval *request, void *ctx,
                          struct berth_error *err __attribute__((unused)))
{
    berth_strbuf_addf(ctx, "%s %s\n", request->image, berth_approval_state_name(request->state));
    return 0;
}

static bool lists(struct berth_facility *facility, const char *expected)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(4096);
    ck_assert_int_eq(berth_approvals_list(facility->approvals, NULL, append_request, &text, NULL),
                     0);
    return strcmp(berth_strbuf_str(&text), expected) == 0;
}

START_TEST(the_next_takes_up_what_was_pulling)
{
    open_store();
    struct berth_facility *before = open_facility(1000);
    struct berth_facility *after = open_facility(0);
    ck_assert_int_eq(berth_facility_start(before, NULL), 0);
    ck_assert_int_eq(approve(before->approvals, "httpd", false, NULL), 0);
    ck_assert(lists(before, "httpd pulling\n"));
    berth_facility_retire(before);
    ck_assert_int_eq(berth_facility_start(after, NULL), 0);
    for (int i = 0; i < 1000 && !lists(after, "httpd approved\n"); i++)
        (void)usleep(10000);
    ck_assert(lists(after, "httpd approved\n"));
    berth_facility_unref(before);
    berth_facility_unref(after);
    close_store();
}
END_TEST

START_TEST(one_that_retires_begins_no_pull)
{
    struct berth_error err = BERTH_ERROR_INIT;
    open_store();
    struct berth_facility *before = open_facility(0);
    struct berth_facility *after = open_facility(0);
    ck_assert_int_eq(berth_facility_start(before, NULL), 0);
    berth_facility_retire(before);
    ck_assert_int_eq(berth_facility_start(after, NULL), 0);
    /* A request that came before the reload: nobody would pull what it decides. */
    ck_assert_int_eq(approve(before->approvals, "httpd", false, &err), BERTH_E_CANCELLED);
    ck_assert_str_eq(err.message, "the facility is closing and pulls no more: nothing was changed");
    ck_assert(lists(after, ""));
    ck_assert_int_eq(approve(after->approvals, "httpd", true, NULL), 0);
    ck_assert(lists(after, "httpd approved\n"));
    /* What need not be pulled is decided as ever. */
    ck_assert_int_eq(approve(before->approvals, "demo", false, NULL), 0);
    berth_facility_unref(before);
    berth_facility_unref(after);
    close_store();
}
END_TEST

/* ---- What is told of a pull ---- */

/* An engine that has the image once it was pulled, and takes its time to say so. */
static struct {
    struct berth_approvals *approvals;
    atomic_bool is_pulled;
    atomic_bool was_early; /* the request was approved before the image could be seen */
} late;

static int late_pull(struct berth_backend *backend __attribute__((unused)),
                     const char *reference __attribute__((unused)),
                     berth_pull_progress *progress __attribute__((unused)),
                     void *ctx __attribute__((unused)), char **ret_digest, char **ret_id,
                     struct berth_error *err __attribute__((unused)))
{
    *ret_digest = strdup("sha256:d1");
    *ret_id = strdup("sha256:1");
    late.is_pulled = true;
    return 0;
}

static int note_approved(const struct berth_approval *request, void *ctx,
                         struct berth_error *err __attribute__((unused)))
{
    *(bool *)ctx = request->state == BERTH_APPROVAL_APPROVED;
    return 0;
}

static bool is_approved(void)
{
    bool approved = false;
    ck_assert_int_eq(berth_approvals_list(late.approvals, NULL, note_approved, &approved, NULL), 0);
    return approved;
}

static int late_images(struct berth_backend *backend __attribute__((unused)),
                       struct berth_image_list **ret_images, struct berth_error *err)
{
    char id[] = "sha256:1";
    char tag[] = "httpd:latest";
    struct berth_image image = {
        .id = id, .tags = (char *[]){tag, NULL}, .digests = (char *[]){NULL}};
    struct berth_image_list *images = NULL;
    ck_assert_int_eq(berth_image_list_new(&images, err), 0);
    for (int i = 0; late.is_pulled && i < 20 && !late.was_early; i++) {
        late.was_early = is_approved();
        (void)usleep(10000);
    }
    if (late.is_pulled)
        ck_assert_int_eq(berth_image_list_add(images, &image, err), 0);
    *ret_images = images;
    return 0;
}

static int failing_pull(struct berth_backend *backend __attribute__((unused)),
                        const char *reference __attribute__((unused)),
                        berth_pull_progress *progress __attribute__((unused)),
                        void *ctx __attribute__((unused)),
                        char **ret_digest __attribute__((unused)),
                        char **ret_id __attribute__((unused)), struct berth_error *err)
{
    return berth_error_set(err, BERTH_E_REFUSED, "manifest unknown");
}

struct scene {
    struct fake fake;
    struct berth_backend_ops ops;
    struct berth_mirror *mirror;
    struct berth_changes *changes;
};

static void open_scene(struct scene *scene)
{
    open_store();
    fake_init(&scene->fake);
    scene->ops = *scene->fake.head.ops;
    scene->ops.images = late_images;
    scene->ops.pull = late_pull;
    scene->fake.head.ops = &scene->ops;
    ck_assert_int_eq(berth_changes_new(&scene->changes, NULL), 0);
    ck_assert_int_eq(berth_mirror_open(&scene->fake.head, NULL, &scene->mirror, NULL), 0);
    fake_tell_listing(&scene->fake, fake_draw(&scene->fake), 1);
    ck_assert_int_eq(berth_approvals_open(store, "demo", &scene->fake.head, scene->mirror,
                                          scene->changes, &late.approvals, NULL),
                     0);
}

static void close_scene(struct scene *scene)
{
    berth_approvals_close(late.approvals);
    berth_mirror_free(scene->mirror);
    berth_changes_free(scene->changes);
    fake_release(&scene->fake);
    close_store();
}

START_TEST(what_is_told_as_pulled_can_be_seen)
{
    struct scene scene;
    struct berth_snapshot *snapshot = NULL;
    open_scene(&scene);
    ck_assert_int_eq(approve(late.approvals, "httpd", false, NULL), 0);
    while (!is_approved())
        (void)usleep(1000);
    ck_assert_int_eq(berth_mirror_snapshot(scene.mirror, false, &snapshot, NULL), 0);
    ck_assert_uint_eq(snapshot->images->count, 1);
    ck_assert(!late.was_early);
    berth_snapshot_unref(snapshot);
    close_scene(&scene);
}
END_TEST

/* It may be over before anybody waits for it. */
START_TEST(who_waits_for_a_pull_is_told_how_it_failed)
{
    struct scene scene;
    open_scene(&scene);
    scene.ops.pull = failing_pull;
    for (int i = 0; i < 100; i++) {
        struct berth_error err = BERTH_ERROR_INIT;
        ck_assert_int_eq(approve(late.approvals, "httpd", true, &err), BERTH_E_REFUSED);
        ck_assert_str_eq(err.message, "image httpd:latest: manifest unknown");
    }
    close_scene(&scene);
}
END_TEST

UNIT_SUITE("facility", the_next_takes_up_what_was_pulling, one_that_retires_begins_no_pull,
           what_is_told_as_pulled_can_be_seen, who_waits_for_a_pull_is_told_how_it_failed)
