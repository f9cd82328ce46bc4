/* SPDX-License-Identifier: MIT */
#include "backends/engine/engine_create.h"

#include "backends/engine/engine_container.h"
#include "backends/engine/engine_image.h"
#include "base/clock.h"
#include "base/text.h"

#define PATH_MAX_BYTES 4096
#define BODY_MAX_BYTES 65536

/*
 * What ordinary servers need to start as root and step down to their own user
 * (httpd, postgres, jupyter). Left out of Docker's own set: raw sockets, device
 * nodes, file capabilities, chroot and writing to the audit log.
 */
const char *const berth_engine_capabilities[] = {
    "CHOWN",  "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE",
    "SETGID", "SETUID",       NULL,
};

/* ---- The body ---- */

static void add_gpus(struct berth_json_writer *w, int64_t gpus)
{
    berth_json_open_array(w, "DeviceRequests");
    berth_json_open_object(w, NULL);
    berth_json_add_int(w, "Count", gpus);
    berth_json_open_array(w, "Capabilities");
    berth_json_open_array(w, NULL);
    berth_json_add_string(w, NULL, "gpu");
    berth_json_close_array(w);
    berth_json_close_array(w);
    berth_json_close_object(w);
    berth_json_close_array(w);
}

void berth_engine_create_labels(struct berth_json_writer *w, const char *member,
                                const struct berth_engine_scope *scope,
                                const struct berth_create_spec *spec)
{
    berth_json_open_object(w, member);
    berth_json_add_string(w, BERTH_LABEL_FACILITY, scope->facility);
    berth_json_add_string(w, BERTH_LABEL_APP, spec->app);
    berth_json_add_string(w, BERTH_LABEL_IMAGE, spec->image_label);
    berth_json_add_string(w, BERTH_LABEL_USER, spec->user);
    berth_json_close_object(w);
}

void berth_engine_create_capabilities(struct berth_json_writer *w, const char *drop,
                                      const char *add)
{
    berth_json_open_array(w, drop);
    berth_json_add_string(w, NULL, "ALL");
    berth_json_close_array(w);
    berth_json_open_array(w, add);
    for (size_t i = 0; berth_engine_capabilities[i]; i++)
        berth_json_add_string(w, NULL, berth_engine_capabilities[i]);
    berth_json_close_array(w);
}

/* No Init: the image's own process is process 1, as with `docker create`. */
static void add_host_config(struct berth_json_writer *w, const struct berth_create_spec *spec)
{
    berth_json_open_object(w, "HostConfig");
    berth_json_open_array(w, "SecurityOpt");
    berth_json_add_string(w, NULL, "no-new-privileges");
    berth_json_close_array(w);
    berth_engine_create_capabilities(w, "CapDrop", "CapAdd");
    if (spec->cpu_nano > 0)
        berth_json_add_int(w, "NanoCpus", spec->cpu_nano);
    if (spec->memory_bytes > 0) {
        /* Together with swap: else the engine allows as much swap again. */
        berth_json_add_int(w, "Memory", spec->memory_bytes);
        berth_json_add_int(w, "MemorySwap", spec->memory_bytes);
    }
    if (spec->pids > 0)
        berth_json_add_int(w, "PidsLimit", spec->pids);
    if (spec->gpus != 0)
        add_gpus(w, spec->gpus);
    berth_json_close_object(w);
}

void berth_engine_create_body(const struct berth_engine_scope *scope,
                              const struct berth_create_spec *spec, const char *image,
                              struct berth_strbuf *body)
{
    struct berth_json_writer w = BERTH_JSON_WRITER(body);
    berth_json_open_object(&w, NULL);
    berth_json_add_string(&w, "Image", image);
    if (spec->run_as)
        berth_json_add_string(&w, "User", spec->run_as);
    berth_engine_create_labels(&w, "Labels", scope, spec);
    add_host_config(&w, spec);
    berth_json_close_object(&w);
}

/* ---- The name ---- */

static int exists(const char *app, struct berth_error *err)
{
    return berth_error_set(err, BERTH_E_EXISTS, "app %s already exists", app);
}

int berth_engine_create_check_absent(struct berth_engine *engine,
                                     const struct berth_engine_scope *scope, const char *app,
                                     struct berth_error *err)
{
    const struct berth_app_pair labels[] = {{BERTH_LABEL_FACILITY, scope->facility},
                                            {BERTH_LABEL_APP, app}};
    BERTH_CLEANUP(json) cJSON *found = NULL;
    int rc = berth_engine_app_labelled(engine, labels, 2, &found, err);
    if (rc < 0)
        return rc;
    return cJSON_GetArraySize(found) > 0 ? exists(app, err) : 0;
}

int berth_engine_create_owner(struct berth_engine *engine, const struct berth_engine_scope *scope,
                              const char *name, bool *ret_ours, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(PATH_MAX_BYTES);
    berth_engine_app_path(name, "/json", &path);
    int rc = berth_strbuf_check(&path, err);
    BERTH_CLEANUP(json) cJSON *inspect = NULL;
    if (rc == 0)
        rc = berth_engine_get_json(engine, berth_strbuf_str(&path), &inspect, err);
    if (rc < 0)
        return rc;
    *ret_ours =
        berth_engine_in_scope(scope, berth_json_get(berth_json_get(inspect, "Config"), "Labels"));
    return 0;
}

/* POST /containers/create under that name. BERTH_E_CONFLICT: the name is taken. */
static int create_named(struct berth_engine *engine, const char *name, const char *body,
                        char **ret_id, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(PATH_MAX_BYTES);
    berth_strbuf_adds(&path, "/containers/create?name=");
    berth_strbuf_add_urlencoded(&path, name, strlen(name));
    int rc = berth_strbuf_check(&path, err);
    if (rc < 0)
        return rc;
    BERTH_CLEANUP(engine_response)
    struct berth_engine_response response = BERTH_ENGINE_RESPONSE_INIT;
    const struct berth_engine_request request = {
        .method = "POST", .path = berth_strbuf_str(&path), .body = body};
    rc = berth_engine_call(engine, &request, &response, err);
    BERTH_CLEANUP(json) cJSON *made = NULL;
    if (rc == 0)
        rc = berth_engine_parse(engine, berth_strbuf_str(&response.body), response.body.len, &made,
                                err);
    if (rc < 0)
        return rc;
    const char *told = berth_json_string(made, "Id", "");
    if (!told[0])
        return berth_engine_refusal(engine, response.status, "", 0, err);
    char *id = berth_text_dup(told);
    if (!id) {
        berth_engine_container_discard(engine, told);
        return berth_error_nomem(err);
    }
    *ret_id = id;
    return 0;
}

/*
 * The engine gives a name away before the container can be looked at, and takes
 * it back a moment after the container has gone. Within that time nobody knows
 * whose it is.
 */
#define NAME_TRIES    100
#define NAME_RETRY_MS 20

/* BERTH_E_CONFLICT: the name is taken; *ret_ours tells whether by the scope. */
static int create_or_ask(struct berth_engine *engine, const struct berth_engine_scope *scope,
                         const char *app, const char *body, char **ret_id, bool *ret_ours,
                         struct berth_error *err)
{
    const struct timespec pause = {.tv_nsec = NAME_RETRY_MS * BERTH_NS_PER_MS};
    for (int tries = 1;; tries++) {
        int rc = create_named(engine, app, body, ret_id, err);
        if (rc != BERTH_E_CONFLICT)
            return rc;
        int asked = berth_engine_create_owner(engine, scope, app, ret_ours, err);
        if (asked == 0)
            return rc;
        if (asked != BERTH_E_NOT_FOUND)
            return asked;
        if (tries == NAME_TRIES)
            return exists(app, err);
        (void)nanosleep(&pause, NULL);
    }
}

/* Creates under the app's name, or, where a stranger has it, under APP.FACILITY. */
static int create_somewhere(struct berth_engine *engine, const struct berth_engine_scope *scope,
                            const char *app, const char *body, char **ret_id,
                            struct berth_error *err)
{
    bool ours = false;
    int rc = create_or_ask(engine, scope, app, body, ret_id, &ours, err);
    if (rc != BERTH_E_CONFLICT)
        return rc;
    if (ours)
        return exists(app, err);
    BERTH_CLEANUP(strbuf) struct berth_strbuf name = BERTH_STRBUF_INIT(PATH_MAX_BYTES);
    berth_strbuf_addf(&name, "%s.%s", app, scope->facility);
    rc = create_named(engine, berth_strbuf_str(&name), body, ret_id, err);
    return rc == BERTH_E_CONFLICT ? exists(app, err) : rc;
}

/* ---- The image ---- */

bool berth_engine_is_image_id(const char *image)
{
    return strncmp(image, "sha256:", 7) == 0;
}

bool berth_engine_create_names(struct berth_engine *engine, const char *name, const char *id)
{
    BERTH_CLEANUP(json) cJSON *image = NULL;
    return berth_engine_image_inspect(engine, name, &image, NULL) == 0 &&
           strcmp(berth_json_string(image, "Id", ""), id) == 0;
}

int berth_engine_create_is_of(struct berth_engine *engine, const char *container,
                              const char *image_id, bool *ret_same, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(PATH_MAX_BYTES);
    berth_engine_app_path(container, "/json", &path);
    BERTH_CLEANUP(json) cJSON *inspect = NULL;
    int rc = berth_engine_get_json(engine, berth_strbuf_str(&path), &inspect, err);
    if (rc < 0)
        return rc;
    *ret_same = strcmp(berth_json_string(inspect, "Image", ""), image_id) == 0;
    return 0;
}

static int create_from(struct berth_engine *engine, const struct berth_engine_scope *scope,
                       const struct berth_create_spec *spec, const char *image, char **ret_id,
                       struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf body = BERTH_STRBUF_INIT(BODY_MAX_BYTES);
    berth_engine_create_body(scope, spec, image, &body);
    int rc = berth_strbuf_check(&body, err);
    if (rc < 0)
        return rc;
    return create_somewhere(engine, scope, spec->app, berth_strbuf_str(&body), ret_id, err);
}

/*
 * Runs the image id under its name. *ret_id stays NULL when the name has moved
 * to another image between look-up and creation.
 */
static int create_by_name(struct berth_engine *engine, const struct berth_engine_scope *scope,
                          const struct berth_create_spec *spec, char **ret_id,
                          struct berth_error *err)
{
    BERTH_CLEANUP(free) char *id = NULL;
    bool same = false;
    int rc = create_from(engine, scope, spec, spec->image_label, &id, err);
    if (rc < 0)
        return rc;
    rc = berth_engine_create_is_of(engine, id, spec->image, &same, err);
    if (rc < 0 || !same)
        berth_engine_container_discard(engine, id);
    else
        *ret_id = berth_steal(&id);
    return rc;
}

int berth_engine_create(struct berth_engine *engine, const struct berth_engine_scope *scope,
                        const struct berth_create_spec *spec, char **ret_id,
                        struct berth_error *err)
{
    int rc = berth_engine_create_check_absent(engine, scope, spec->app, err);
    if (rc < 0)
        return rc;
    if (berth_engine_is_image_id(spec->image) &&
        berth_engine_create_names(engine, spec->image_label, spec->image)) {
        char *id = NULL;
        rc = create_by_name(engine, scope, spec, &id, err);
        if (rc < 0)
            return rc;
        if (id) {
            *ret_id = id;
            return 0;
        }
    }
    return create_from(engine, scope, spec, spec->image, ret_id, err);
}
