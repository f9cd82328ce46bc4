/* SPDX-License-Identifier: MIT */
/* Creating the service of an app: its name, its image pinned, limits and defaults. */
#include "backends/swarm/swarm_internal.h"

#include "backends/engine/engine_create.h"
#include "backends/engine/engine_image.h"
#include "backends/swarm/swarm_name.h"
#include "base/clock.h"
#include "base/text.h"

#define BODY_MAX_BYTES 65536

/* ---- The body ---- */

static void add_container(struct berth_json_writer *w, const struct berth_engine_scope *scope,
                          const struct berth_create_spec *spec, const char *image)
{
    berth_json_open_object(w, "ContainerSpec");
    berth_json_add_string(w, "Image", image);
    if (spec->run_as)
        berth_json_add_string(w, "User", spec->run_as);
    berth_engine_create_labels(w, "Labels", scope, spec);
    berth_engine_create_capabilities(w, "CapabilityDrop", "CapabilityAdd");
    berth_json_open_object(w, "Privileges");
    berth_json_add_bool(w, "NoNewPrivileges", true);
    berth_json_close_object(w);
    berth_json_add_int(w, "StopGracePeriod", BERTH_STOP_GRACE_S * BERTH_NS_PER_S);
    berth_json_close_object(w);
}

/* Services have no limit on swap: MemoryBytes is the memory alone. GPUs are what the nodes call a
 * generic resource of kind "gpu". */
static void add_resources(struct berth_json_writer *w, const struct berth_create_spec *spec)
{
    berth_json_open_object(w, "Resources");
    berth_json_open_object(w, "Limits");
    if (spec->cpu_nano > 0)
        berth_json_add_int(w, "NanoCPUs", spec->cpu_nano);
    if (spec->memory_bytes > 0)
        berth_json_add_int(w, "MemoryBytes", spec->memory_bytes);
    if (spec->pids > 0)
        berth_json_add_int(w, "Pids", spec->pids);
    berth_json_close_object(w);
    if (spec->gpus > 0) {
        berth_json_open_object(w, "Reservations");
        berth_json_open_array(w, "GenericResources");
        berth_json_open_object(w, NULL);
        berth_json_open_object(w, "DiscreteResourceSpec");
        berth_json_add_string(w, "Kind", "gpu");
        berth_json_add_int(w, "Value", spec->gpus);
        berth_json_close_object(w);
        berth_json_close_object(w);
        berth_json_close_array(w);
        berth_json_close_object(w);
    }
    berth_json_close_object(w);
}

static void add_mode(struct berth_json_writer *w, enum berth_swarm_mode mode)
{
    berth_json_open_object(w, "Mode");
    if (mode == BERTH_SWARM_JOB) {
        berth_json_open_object(w, "ReplicatedJob");
        berth_json_add_int(w, "MaxConcurrent", 1);
        berth_json_add_int(w, "TotalCompletions", 1);
    } else {
        berth_json_open_object(w, "Replicated");
        berth_json_add_int(w, "Replicas", 1);
    }
    berth_json_close_object(w);
    berth_json_close_object(w);
}

void berth_swarm_create_body(const struct berth_engine_scope *scope, enum berth_swarm_mode mode,
                             const struct berth_create_spec *spec, const char *name,
                             const char *image, struct berth_strbuf *body)
{
    struct berth_json_writer w = BERTH_JSON_WRITER(body);
    berth_json_open_object(&w, NULL);
    berth_json_add_string(&w, "Name", name);
    berth_engine_create_labels(&w, "Labels", scope, spec);
    berth_json_open_object(&w, "TaskTemplate");
    add_container(&w, scope, spec, image);
    add_resources(&w, spec);
    berth_json_open_object(&w, "RestartPolicy");
    berth_json_add_string(&w, "Condition", mode == BERTH_SWARM_JOB ? "none" : "any");
    berth_json_close_object(&w);
    berth_json_close_object(&w);
    add_mode(&w, mode);
    berth_json_close_object(&w);
}

/* ---- The image ---- */

static bool is_image_id(const char *image)
{
    return strncmp(image, "sha256:", 7) == 0;
}

/* The image's own description from the first engine that has it, the manager's first. */
static int find_image(struct swarm *swarm, const char *reference, cJSON **ret_image,
                      struct berth_error *err)
{
    struct berth_swarm_endpoint *endpoint;
    for (size_t i = 0; (endpoint = berth_swarm_nodes_at(swarm->nodes, i)); i++) {
        struct berth_error why = BERTH_ERROR_INIT;
        int status = berth_swarm_endpoint_check(swarm->nodes, endpoint, &why);
        if (status == 0)
            status = berth_engine_image_inspect(endpoint->engine, reference, ret_image, &why);
        if (status == 0)
            return 0;
        if (i == 0 && status != BERTH_E_NOT_FOUND) { /* without its manager nothing goes */
            if (err)
                *err = why;
            return status;
        }
    }
    return berth_error_set(err, BERTH_E_NOT_FOUND, "no node of the swarm has image %s", reference);
}

/* What the service runs: pinned to the digest it has here, so that all nodes run the same; what
 * has no digest came from no registry, and is run by what it was given as. */
static int pin(struct swarm *swarm, const char *image, struct berth_strbuf *pinned,
               struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *found = NULL;
    BERTH_CLEANUP(free) char *digest = NULL;
    int status = find_image(swarm, image, &found, err);
    if (status < 0)
        return status;
    berth_strbuf_adds(pinned, image);
    if (!is_image_id(image) && !strchr(image, '@'))
        status = berth_engine_image_digest(found, image, NULL, &digest, err);
    if (digest)
        berth_strbuf_addf(pinned, "@%s", digest);
    return status < 0 ? status : berth_strbuf_check(pinned, err);
}

/* ---- What is there already ---- */

static int exists(const char *app, struct berth_error *err)
{
    return berth_error_set(err, BERTH_E_EXISTS, "app %s already exists", app);
}

/* Whether the service is a job whose end has come: by the manager, or, which is sooner, by the
 * engine of its node. The manager may be so late that it does not even know yet that it began. */
static int has_ended(struct swarm *swarm, const char *id, bool *ret_ended, struct berth_error *err)
{
    BERTH_CLEANUP(swarm_found) struct berth_swarm_found found = {0};
    BERTH_CLEANUP(app_list) struct berth_app_list apps = {0};
    int status = berth_swarm_find(swarm, id, &found, err);
    if (status == 0 && found.service.is_job && found.task.container[0] &&
        found.task.phase != BERTH_TASK_ENDED)
        status = berth_swarm_list(&swarm->head, id, &apps, err);
    if (status < 0)
        return status;
    *ret_ended =
        found.service.is_job && (found.task.phase == BERTH_TASK_ENDED ||
                                 (apps.count > 0 && apps.items[0]->state == BERTH_APP_EXITED));
    return 0;
}

/* Removes a job of the app that has ended; whatever else it is, is in the way. */
static int make_way(struct swarm *swarm, const char *app, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(BERTH_SWARM_PATH_MAX);
    BERTH_CLEANUP(json) cJSON *services = NULL;
    berth_swarm_services_path(&swarm->scope, app, &path);
    int status = berth_strbuf_check(&path, err);
    if (status == 0)
        status = berth_swarm_get_json(swarm, berth_strbuf_str(&path), &services, err);
    const cJSON *each;
    cJSON_ArrayForEach(each, services)
    {
        const char *id = berth_json_string(each, "ID", "");
        bool is_over = false;
        if (status == 0)
            status = has_ended(swarm, id, &is_over, err);
        if (status == BERTH_E_NOT_FOUND) {
            status = 0;
            continue;
        }
        if (status == 0)
            status = is_over ? berth_swarm_remove_service(swarm, each, err) : exists(app, err);
    }
    return status;
}

/* ---- Creating ---- */

/* BERTH_E_CONFLICT: the name is taken. */
static int create_named(struct swarm *swarm, const struct berth_create_spec *spec, const char *name,
                        const char *image, char **ret_id, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf body = BERTH_STRBUF_INIT(BODY_MAX_BYTES);
    BERTH_CLEANUP(engine_response)
    struct berth_engine_response response = BERTH_ENGINE_RESPONSE_INIT;
    BERTH_CLEANUP(json) cJSON *made = NULL;
    berth_swarm_create_body(&swarm->scope, swarm->mode, spec, name, image, &body);
    int status = berth_strbuf_check(&body, err);
    if (status < 0)
        return status;
    const struct berth_engine_request request = {
        .method = "POST", .path = "/services/create", .body = berth_strbuf_str(&body)};
    status = berth_swarm_call(swarm, &request, &response, err);
    if (status == 0)
        status = berth_engine_parse(swarm->manager, berth_strbuf_str(&response.body),
                                    response.body.len, &made, err);
    if (status < 0)
        return status;
    const char *told = berth_json_string(made, "ID", "");
    if (!told[0])
        return berth_engine_refusal(swarm->manager, response.status, "", 0, err);
    char *id = berth_text_dup(told);
    if (!id) {
        (void)!berth_swarm_remove_service(swarm, made, NULL);
        return berth_error_nomem(err);
    }
    *ret_id = id;
    return 0;
}

/* Whether the service of that name is one of the facility's. */
static int owner_is_ours(struct swarm *swarm, const char *name, bool *ret_ours,
                         struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(BERTH_SWARM_PATH_MAX);
    BERTH_CLEANUP(json) cJSON *service = NULL;
    berth_swarm_service_path(name, &path);
    int status = berth_swarm_get_json(swarm, berth_strbuf_str(&path), &service, err);
    if (status < 0)
        return status;
    *ret_ours = berth_engine_in_scope(&swarm->scope,
                                      berth_json_get(berth_json_get(service, "Spec"), "Labels"));
    return 0;
}

/* Under the app's own name, or, where swarm does not take it or a stranger has it, a coded one. */
static int create_somewhere(struct swarm *swarm, const struct berth_create_spec *spec,
                            const char *image, char **ret_id, struct berth_error *err)
{
    char coded[BERTH_SWARM_NAME_MAX + 1];
    if (berth_swarm_name_is_plain(spec->app)) {
        bool is_ours = false;
        int status = create_named(swarm, spec, spec->app, image, ret_id, err);
        if (status != BERTH_E_CONFLICT)
            return status;
        status = owner_is_ours(swarm, spec->app, &is_ours, err);
        if (status < 0 && status != BERTH_E_NOT_FOUND)
            return status;
        if (is_ours || status == BERTH_E_NOT_FOUND) /* gone again: somebody is at it right now */
            return exists(spec->app, err);
    }
    int status = berth_swarm_name_coded(swarm->facility, spec->app, coded, err);
    if (status == 0)
        status = create_named(swarm, spec, coded, image, ret_id, err);
    return status == BERTH_E_CONFLICT ? exists(spec->app, err) : status;
}

int berth_swarm_create(struct berth_backend *backend, const struct berth_create_spec *spec,
                       char **ret_id, struct berth_error *err)
{
    struct swarm *swarm = swarm_of(backend);
    BERTH_CLEANUP(strbuf) struct berth_strbuf image = BERTH_STRBUF_INIT(BERTH_SWARM_PATH_MAX);
    if (spec->gpus < 0)
        return berth_error_set(err, BERTH_E_REFUSED,
                               "app_gpus = -1 (all) is not possible in a swarm: give a number");
    int status = pin(swarm, spec->image, &image, err);
    if (status == 0)
        status = make_way(swarm, spec->app, err);
    return status < 0 ? status
                      : create_somewhere(swarm, spec, berth_strbuf_str(&image), ret_id, err);
}
