/* SPDX-License-Identifier: MIT */
/* Images: what is there, how it comes, and how it goes. */
#include "backends/engine/engine_name.h"
#include "base/clock.h"
#include "tests/conformance/conformance.h"

#include <string.h>

static struct berth_image_list *images_get(struct fixture *fixture)
{
    struct berth_error err = BERTH_ERROR_INIT;
    struct berth_image_list *images = NULL;
    ASSERT_OK(berth_backend_images(fixture->backend, &images, &err), &err);
    return images;
}

static bool is_held(struct fixture *fixture, const char *reference)
{
    BERTH_CLEANUP(image_list) struct berth_image_list *images = images_get(fixture);
    return berth_image_list_find(images, reference) != NULL;
}

struct pulled {
    char *digest;
    char *id;
};

static void pulled_release(struct pulled *pulled)
{
    free(pulled->digest);
    free(pulled->id);
}

BERTH_DEFINE_CLEANUP_VALUE(pulled, struct pulled, pulled_release)

static struct pulled pull(struct fixture *fixture, const char *reference)
{
    struct pulled pulled = {0};
    struct berth_error err = BERTH_ERROR_INIT;
    ASSERT_OK(berth_backend_pull(fixture->backend, reference, NULL, NULL, &pulled.digest,
                                 &pulled.id, &err),
              &err);
    ck_assert_ptr_nonnull(pulled.digest);
    ck_assert_ptr_nonnull(pulled.id);
    ck_assert_int_eq(strncmp(pulled.digest, "sha256:", strlen("sha256:")), 0);
    return pulled;
}

/* NULL once nothing is held of the pullable image's repository. */
static const struct berth_image *find_pulled(const struct berth_image_list *images)
{
    struct berth_engine_name wanted = berth_engine_name_split(conformance_pullable());
    for (size_t i = 0; i < images->count; i++) {
        char **digests = images->items[i].digests;
        struct berth_engine_name name = berth_engine_name_split(digests[0] ? digests[0] : "");
        if (berth_engine_name_same_repository(&name, &wanted))
            return &images->items[i];
    }
    return NULL;
}

/* BERTH_E_CONFLICT for a while: a container that was just removed may hold it for a moment. */
static void remove_image(struct fixture *fixture, const char *reference)
{
    struct berth_error err = BERTH_ERROR_INIT;
    int64_t until_ms = berth_clock_monotonic_ms() + PATIENCE_MS;
    int status;
    do
        status = berth_backend_image_remove(fixture->backend, reference, &err);
    while (status == BERTH_E_CONFLICT && !apps_are_operated() &&
           berth_clock_monotonic_ms() < until_ms && usleep(100000) == 0);
    ck_assert_msg(status == 0 || status == BERTH_E_NOT_FOUND, "%s", err.message);
}

/* Podman keeps it under its digest when its tag is removed, if it was pulled by both. */
void pullable_discard(struct fixture *fixture)
{
    remove_image(fixture, conformance_pullable());
    BERTH_CLEANUP(image_list) struct berth_image_list *images = images_get(fixture);
    const struct berth_image *left = find_pulled(images);
    if (left)
        remove_image(fixture, left->id);
}

START_TEST(the_images_are_listed)
{
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    BERTH_CLEANUP(image_list) struct berth_image_list *images = images_get(&fixture);
    const struct berth_image *image = berth_image_list_find(images, conformance_image());
    ck_assert_msg(image != NULL, "no image %s", conformance_image());
    ck_assert_int_eq(strncmp(image->id, "sha256:", strlen("sha256:")), 0);
    ck_assert_uint_eq(strlen(image->id), strlen("sha256:") + 64);
    ck_assert_int_gt(image->size_bytes, 0);
    ck_assert_int_ge(image->virtual_size_bytes, image->size_bytes);
    ck_assert_int_gt(image->created_ns, 0);
    ck_assert_ptr_eq(berth_image_list_find(images, image->id), image);
}
END_TEST

START_TEST(an_app_is_made_of_an_image_id)
{
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    BERTH_CLEANUP(image_list) struct berth_image_list *images = images_get(&fixture);
    const struct berth_image *image = berth_image_list_find(images, conformance_image());
    ck_assert_ptr_nonnull(image);
    struct berth_create_spec spec = spec_for("ana");
    spec.image = image->id;
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_CLEANUP(free) char *id = NULL;
    ASSERT_OK(berth_backend_create(fixture.backend, &spec, &id, &err), &err);
    app_wait(&fixture, id);
    BERTH_CLEANUP(app) struct berth_app *app = app_get(&fixture, id);
    ck_assert_str_eq(app->image_id, image->id);
    ck_assert_str_eq(app->image_label, conformance_image());
}
END_TEST

START_TEST(a_pulled_image_is_held_by_tag_and_digest)
{
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    const char *reference = conformance_pullable();
    pullable_discard(&fixture);
    ck_assert(!is_held(&fixture, reference));
    BERTH_CLEANUP(pulled) struct pulled pulled = pull(&fixture, reference);
    char by_digest[512];
    (void)snprintf(by_digest, sizeof(by_digest), "%.*s@%s", (int)strcspn(reference, ":"), reference,
                   pulled.digest);
    BERTH_CLEANUP(image_list) struct berth_image_list *images = images_get(&fixture);
    const struct berth_image *image = berth_image_list_find(images, reference);
    ck_assert_msg(image != NULL, "%s is not there", reference);
    ck_assert_str_eq(image->id, pulled.id);
    ck_assert_msg(berth_image_list_find(images, by_digest) == image, "no %s", by_digest);
    /* Again, by either name: the same image. */
    BERTH_CLEANUP(pulled) struct pulled again = pull(&fixture, reference);
    ck_assert_str_eq(again.digest, pulled.digest);
    BERTH_CLEANUP(pulled) struct pulled exact = pull(&fixture, by_digest);
    ck_assert_str_eq(exact.digest, pulled.digest);
    ck_assert_str_eq(exact.id, pulled.id);
    pullable_discard(&fixture);
    ck_assert(!is_held(&fixture, reference));
}
END_TEST

/* Podman tells a pinned image by one of the names it has itself: by tag or by digest. */
static void check_repository(const char *told, const char *pinned)
{
    struct berth_engine_name name = berth_engine_name_split(told);
    struct berth_engine_name wanted = berth_engine_name_split(pinned);
    ck_assert_msg(berth_engine_name_same_repository(&name, &wanted), "%s is not %s", told, pinned);
}

START_TEST(an_app_is_made_of_a_pinned_image)
{
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    const char *reference = conformance_pullable();
    BERTH_CLEANUP(pulled) struct pulled pulled = pull(&fixture, reference);
    char pinned[512];
    (void)snprintf(pinned, sizeof(pinned), "%s@%s", reference, pulled.digest);
    struct berth_create_spec spec = spec_for("ana");
    spec.image = pinned;
    spec.image_label = reference;
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_CLEANUP(free) char *id = NULL;
    ASSERT_OK(berth_backend_create(fixture.backend, &spec, &id, &err), &err);
    app_wait(&fixture, id);
    BERTH_CLEANUP(app) struct berth_app *app = app_get(&fixture, id);
    ck_assert_str_eq(app->image_id, pulled.id);
    ck_assert_str_eq(app->image_label, reference);
    BERTH_CLEANUP(json) cJSON *json = app_inspect(&fixture, id);
    const char *told = berth_json_string(berth_json_get(json, "Config"), "Image", "");
    if (strcmp(told, pinned) == 0)
        ck_assert_str_eq(app->image, reference);
    else
        check_repository(told, pinned);
    /* An image in use stays. */
    ASSERT_STATUS(berth_backend_image_remove(fixture.backend, reference, &err), BERTH_E_CONFLICT,
                  &err);
    ck_assert(is_held(&fixture, reference));
    act_ok(&fixture, BERTH_VERB_REMOVE, id);
    pullable_discard(&fixture);
}
END_TEST

struct progress {
    size_t calls;
    int last;
    bool falls;
    bool outside;
};

static bool on_progress(void *ctx, int percent)
{
    struct progress *progress = ctx;
    progress->calls++;
    progress->falls |= percent < progress->last;
    progress->outside |= percent < 0 || percent > 100;
    progress->last = percent;
    return true;
}

START_TEST(a_pull_tells_its_progress)
{
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    pullable_discard(&fixture);
    struct progress progress = {0};
    BERTH_CLEANUP(pulled) struct pulled pulled = {0};
    struct berth_error err = BERTH_ERROR_INIT;
    ASSERT_OK(berth_backend_pull(fixture.backend, conformance_pullable(), on_progress, &progress,
                                 &pulled.digest, &pulled.id, &err),
              &err);
    ck_assert_uint_gt(progress.calls, 0);
    ck_assert(!progress.outside);
    ck_assert(!progress.falls);
    pullable_discard(&fixture);
}
END_TEST

static bool on_progress_stop(void *ctx, int percent)
{
    (void)ctx;
    (void)percent;
    return false;
}

START_TEST(a_pull_can_be_cancelled)
{
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    pullable_discard(&fixture);
    BERTH_CLEANUP(pulled) struct pulled pulled = {0};
    struct berth_error err = BERTH_ERROR_INIT;
    ASSERT_STATUS(berth_backend_pull(fixture.backend, conformance_pullable(), on_progress_stop,
                                     NULL, &pulled.digest, &pulled.id, &err),
                  BERTH_E_CANCELLED, &err);
    ck_assert_ptr_null(pulled.digest);
    ck_assert_ptr_null(pulled.id);
    pullable_discard(&fixture);
}
END_TEST

START_TEST(what_nobody_has_is_refused)
{
    static const char *const references[] = {
        "berth-no-such-image:latest",
        "berth-no-such-image@sha256:"
        "00000000000000000000000000000000000000000000000000000000000000ff",
    };
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    for (size_t i = 0; i < COUNT(references); i++) {
        BERTH_CLEANUP(pulled) struct pulled pulled = {0};
        struct berth_error err = BERTH_ERROR_INIT;
        ASSERT_STATUS(berth_backend_pull(fixture.backend, references[i], NULL, NULL, &pulled.digest,
                                         &pulled.id, &err),
                      BERTH_E_REFUSED, &err);
        ck_assert_str_ne(err.message, "");
        ASSERT_STATUS(berth_backend_image_remove(fixture.backend, references[i], &err),
                      BERTH_E_NOT_FOUND, &err);
    }
}
END_TEST

TCase *case_images(void)
{
    TCase *tcase = tcase_create("images");
    if (!conformance_ops()->pull)
        return tcase; /* the table says who must have it */
    tcase_add_test(tcase, the_images_are_listed);
    tcase_add_test(tcase, an_app_is_made_of_an_image_id);
    tcase_add_test(tcase, a_pulled_image_is_held_by_tag_and_digest);
    tcase_add_test(tcase, an_app_is_made_of_a_pinned_image);
    tcase_add_test(tcase, a_pull_tells_its_progress);
    tcase_add_test(tcase, a_pull_can_be_cancelled);
    tcase_add_test(tcase, what_nobody_has_is_refused);
    return tcase;
}
