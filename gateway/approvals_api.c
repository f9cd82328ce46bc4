/* SPDX-License-Identifier: MIT */
/* Requesting images, and deciding on requests. */
#include "base/json.h"
#include "base/text.h"
#include "facilities/apps.h"
#include "gateway/approval_json.h"
#include "gateway/apps_api.h"

static void answer_approval(struct berth_exchange *exchange, const struct berth_approval *approval,
                            int status)
{
    struct berth_json_writer w = BERTH_JSON_WRITER(&exchange->body);
    exchange->status = status;
    exchange->content_type = BERTH_TYPE_JSON;
    berth_approval_json_add(&w, approval);
}

static int parse_image(struct berth_exchange *exchange, struct berth_image_ref *ret_ref,
                       struct berth_error *err)
{
    const char *image = NULL;
    int r = berth_params_require(&exchange->params, "image", &image, err);
    if (r < 0)
        return r;
    exchange->target = image;
    return berth_image_ref_parse("image", image, berth_params_get(&exchange->params, "version"),
                                 ret_ref, err);
}

/* `id`, or `image` and `version`. */
static int parse_key(struct berth_exchange *exchange, struct berth_image_ref *ref,
                     struct berth_approval_key *ret_key, struct berth_error *err)
{
    const char *id = berth_params_get(&exchange->params, "id");
    if (!id) {
        int r = parse_image(exchange, ref, err);
        if (r == 0)
            *ret_key = (struct berth_approval_key){.ref = ref};
        return r;
    }
    if (berth_params_get(&exchange->params, "image"))
        return berth_error_set(err, BERTH_E_INVALID, "parameters id and image exclude each other");
    exchange->target = id;
    int64_t number = 0;
    if (berth_text_parse_int(id, 1, INT64_MAX, &number, NULL) < 0)
        return berth_error_set(err, BERTH_E_INVALID, "parameter id must be a positive number");
    *ret_key = (struct berth_approval_key){.id = number};
    return 0;
}

int berth_images_request(struct berth_exchange *exchange, struct berth_error *err)
{
    struct berth_image_ref ref;
    struct berth_facility *facility = exchange->facility;
    int r = parse_image(exchange, &ref, err);
    if (r < 0)
        return r;
    if (facility->config.image_policy == BERTH_IMAGES_OPEN) {
        r = berth_apps_pull(facility, &exchange->caller, &ref, err);
        if (r == 0)
            berth_apps_success(exchange, exchange->target);
        return r;
    }
    BERTH_CLEANUP(approval) struct berth_approval approval = {0};
    r = berth_approvals_request(facility->approvals, &exchange->caller, &ref, &approval, err);
    if (r == 0)
        answer_approval(exchange, &approval, 202);
    return r;
}

struct requests {
    struct berth_json_writer w;
    const struct berth_caller *by;
};

static int add_request(const struct berth_approval *approval, void *ctx, struct berth_error *err)
{
    struct requests *requests = ctx;
    (void)err;
    if (berth_approval_is_visible(approval, requests->by))
        berth_approval_json_add(&requests->w, approval);
    return 0;
}

int berth_images_get_requests(struct berth_exchange *exchange, struct berth_error *err)
{
    const char *name = berth_params_get(&exchange->params, "state");
    const struct berth_backend *backend = exchange->facility->backend;
    enum berth_approval_state state = BERTH_APPROVAL_PENDING;
    if (!backend->ops->images)
        return berth_backend_unsupported(backend, "get-image-requests", err);
    if (name && berth_approval_state_parse(name, &state, NULL) < 0)
        return berth_error_set(
            err, BERTH_E_INVALID,
            "parameter state must be pending, pulling, approved, rejected, failed or removed");
    struct requests requests = {BERTH_JSON_WRITER(&exchange->body), &exchange->caller};
    exchange->content_type = BERTH_TYPE_JSON;
    berth_json_open_array(&requests.w, NULL);
    int r = berth_approvals_list(exchange->facility->approvals, name ? &state : NULL, add_request,
                                 &requests, err);
    berth_json_close_array(&requests.w);
    return r;
}

int berth_images_approve(struct berth_exchange *exchange, struct berth_error *err)
{
    struct berth_image_ref ref;
    struct berth_approval_key key;
    bool wait = false;
    int r = parse_key(exchange, &ref, &key, err);
    if (r == 0)
        r = berth_params_bool(&exchange->params, "wait", false, &wait, err);
    if (r < 0)
        return r;
    BERTH_CLEANUP(approval) struct berth_approval approval = {0};
    r = berth_approvals_approve(exchange->facility->approvals, &exchange->caller, &key, wait,
                                &approval, err);
    if (r == 0)
        answer_approval(exchange, &approval, approval.state == BERTH_APPROVAL_APPROVED ? 200 : 202);
    return r;
}

int berth_images_reject(struct berth_exchange *exchange, struct berth_error *err)
{
    struct berth_image_ref ref;
    struct berth_approval_key key;
    const char *reason = berth_params_get(&exchange->params, "reason");
    int r = parse_key(exchange, &ref, &key, err);
    if (r < 0)
        return r;
    BERTH_CLEANUP(approval) struct berth_approval approval = {0};
    r = berth_approvals_reject(exchange->facility->approvals, &exchange->caller, &key,
                               reason ? reason : "", &approval, err);
    if (r == 0)
        answer_approval(exchange, &approval, 200);
    return r;
}

int berth_images_remove(struct berth_exchange *exchange, struct berth_error *err)
{
    struct berth_image_ref ref;
    struct berth_approval_key key;
    bool purge = false;
    int r = parse_key(exchange, &ref, &key, err);
    if (r == 0)
        r = berth_params_bool(&exchange->params, "purge", false, &purge, err);
    if (r < 0)
        return r;
    BERTH_CLEANUP(approval) struct berth_approval approval = {0};
    r = berth_approvals_remove(exchange->facility->approvals, &exchange->caller, &key, purge,
                               &approval, err);
    if (r == 0)
        answer_approval(exchange, &approval, 200);
    return r;
}
