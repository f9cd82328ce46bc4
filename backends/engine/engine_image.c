/* SPDX-License-Identifier: MIT */
#include "backends/engine/engine_image.h"

#include "backends/engine/engine_app.h"
#include "backends/engine/engine_name.h"
#include "backends/engine/engine_pull.h"
#include "base/clock.h"
#include "base/text.h"

#define PATH_MAX_BYTES 4096

/* ---- Listing ---- */

/* Of an array the names that have a digest, or those that have none: malloc'ed, NULL-terminated;
 * borrowed text. Left out are Docker's "<none>", and the digests among Podman's tags. */
static char **read_names(const cJSON *names, bool digests)
{
    size_t most = names ? (size_t)cJSON_GetArraySize(names) : 0;
    char **list = calloc(most + 1, sizeof(*list));
    if (!list)
        return NULL;
    size_t count = 0;
    const cJSON *name;
    cJSON_ArrayForEach(name, names)
    {
        if (cJSON_IsString(name) && strncmp(name->valuestring, "<none>", 6) != 0 &&
            (strchr(name->valuestring, '@') != NULL) == digests)
            list[count++] = (char *)(uintptr_t)berth_engine_name_familiar(name->valuestring);
    }
    return list;
}

/* Go's year 1, of an image that does not tell, is far before what nanoseconds reach. */
static int64_t read_created(const cJSON *entry)
{
    int64_t seconds = berth_json_int(entry, "Created", 0);
    int64_t wall_ns;
    if (__builtin_mul_overflow(seconds, BERTH_NS_PER_S, &wall_ns))
        return seconds < 0 ? -1 : INT64_MAX;
    return wall_ns;
}

static int add_image(const cJSON *entry, struct berth_image_list *list, struct berth_error *err)
{
    BERTH_CLEANUP(free) char **tags = read_names(berth_json_get(entry, "RepoTags"), false);
    BERTH_CLEANUP(free) char **digests = read_names(berth_json_get(entry, "RepoDigests"), true);
    BERTH_CLEANUP(free) char *id = berth_text_dup(berth_json_string(entry, "Id", ""));
    if (!tags || !digests || !id)
        return berth_error_nomem(err);
    int64_t size = berth_json_int(entry, "Size", 0);
    const struct berth_image image = {
        .id = id,
        .tags = tags,
        .digests = digests,
        .created_ns = read_created(entry),
        .size_bytes = size,
        .virtual_size_bytes = berth_json_int(entry, "VirtualSize", size),
    };
    return berth_image_list_add(list, &image, err);
}

int berth_engine_images_parse(const cJSON *images, struct berth_image_list **ret_images,
                              struct berth_error *err)
{
    BERTH_CLEANUP(image_list) struct berth_image_list *list = NULL;
    int rc = berth_image_list_new(&list, err);
    const cJSON *entry;
    cJSON_ArrayForEach(entry, images)
    {
        if (rc == 0)
            rc = add_image(entry, list, err);
    }
    if (rc < 0)
        return rc;
    *ret_images = berth_steal(&list);
    return 0;
}

/* ---- One image ---- */

int berth_engine_image_inspect(struct berth_engine *engine, const char *reference,
                               cJSON **ret_image, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(PATH_MAX_BYTES);
    berth_engine_path_add(&path, "/images/", reference);
    berth_strbuf_adds(&path, "/json");
    int rc = berth_strbuf_check(&path, err);
    return rc < 0 ? rc : berth_engine_get_json(engine, berth_strbuf_str(&path), ret_image, err);
}

int berth_engine_image_remove(struct berth_engine *engine, const char *reference,
                              struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(PATH_MAX_BYTES);
    berth_engine_path_add(&path, "/images/", reference);
    int rc = berth_strbuf_check(&path, err);
    if (rc < 0)
        return rc;
    const struct berth_engine_request request = {.method = "DELETE",
                                                 .path = berth_strbuf_str(&path)};
    return berth_engine_call(engine, &request, NULL, err);
}

int berth_engine_image_tag(struct berth_engine *engine, const char *image, const char *reference,
                           struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(PATH_MAX_BYTES);
    struct berth_engine_name name = berth_engine_name_split(reference);
    berth_engine_path_add(&path, "/images/", image);
    berth_strbuf_adds(&path, "/tag?repo=");
    berth_strbuf_add_urlencoded(&path, name.repository, name.repository_len);
    berth_strbuf_adds(&path, "&tag=");
    berth_strbuf_add_urlencoded(&path, name.tag, name.tag_len);
    int rc = berth_strbuf_check(&path, err);
    if (rc < 0)
        return rc;
    const struct berth_engine_request request = {.method = "POST", .path = berth_strbuf_str(&path)};
    return berth_engine_call(engine, &request, NULL, err);
}

int berth_engine_image_digest(const cJSON *image, const char *reference, const char *prefer,
                              char **ret_digest, struct berth_error *err)
{
    struct berth_engine_name wanted = berth_engine_name_split(reference);
    const char *found = NULL;
    const cJSON *entry;
    cJSON_ArrayForEach(entry, berth_json_get(image, "RepoDigests"))
    {
        if (!cJSON_IsString(entry))
            continue;
        struct berth_engine_name name = berth_engine_name_split(entry->valuestring);
        if (name.digest_len == 0 || !berth_engine_name_same_repository(&name, &wanted))
            continue;
        if (!found || (prefer && strcmp(name.digest, prefer) == 0))
            found = name.digest;
    }
    char *digest = berth_text_dup(found);
    if (found && !digest)
        return berth_error_nomem(err);
    *ret_digest = digest;
    return 0;
}

/* ---- Pull ---- */

struct pulling {
    struct berth_pull pull;
    berth_pull_progress *progress;
    void *ctx;
};

static bool on_data(void *ctx, const char *data, size_t len)
{
    struct pulling *pulling = ctx;
    berth_pull_feed(&pulling->pull, data, len);
    return !pulling->progress || pulling->progress(pulling->ctx, pulling->pull.percent);
}

static void add_pull_path(const char *reference, struct berth_strbuf *path)
{
    struct berth_engine_name name = berth_engine_name_split(reference);
    berth_strbuf_adds(path, "/images/create?fromImage=");
    berth_strbuf_add_urlencoded(path, name.repository, name.repository_len);
    berth_strbuf_adds(path, "&tag=");
    /* Without any the engine would pull every tag. */
    if (name.digest_len > 0)
        berth_strbuf_add_urlencoded(path, name.digest, name.digest_len);
    else if (name.tag_len > 0)
        berth_strbuf_add_urlencoded(path, name.tag, name.tag_len);
    else
        berth_strbuf_adds(path, "latest");
}

/* The image that was pulled: by digest, as the tag may have moved on since. */
static int inspect_pulled(struct berth_engine *engine, const char *reference, const char *digest,
                          cJSON **ret_image, struct berth_error *err)
{
    if (digest[0]) {
        BERTH_CLEANUP(strbuf) struct berth_strbuf exact = BERTH_STRBUF_INIT(PATH_MAX_BYTES);
        struct berth_engine_name name = berth_engine_name_split(reference);
        berth_strbuf_add(&exact, name.repository, name.repository_len);
        berth_strbuf_addf(&exact, "@%s", digest);
        int rc = berth_engine_image_inspect(engine, berth_strbuf_str(&exact), ret_image, err);
        if (rc != BERTH_E_NOT_FOUND)
            return rc;
    }
    return berth_engine_image_inspect(engine, reference, ret_image, err);
}

static int pull(struct berth_engine *engine, const char *reference, struct pulling *pulling,
                struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(PATH_MAX_BYTES);
    add_pull_path(reference, &path);
    int rc = berth_strbuf_check(&path, err);
    if (rc < 0)
        return rc;
    const struct berth_engine_request request = {
        .method = "POST", .path = berth_strbuf_str(&path), .on_data = on_data, .ctx = pulling};
    rc = berth_engine_call(engine, &request, NULL, err);
    return rc < 0 ? rc : berth_pull_finish(&pulling->pull, err);
}

int berth_engine_image_pull(struct berth_engine *engine, const char *reference,
                            berth_pull_progress *progress, void *ctx, char **ret_digest,
                            char **ret_id, struct berth_error *err)
{
    BERTH_CLEANUP(free)
    struct pulling *pulling = calloc(1, sizeof(*pulling)); /* too large for a thread's stack */
    if (!pulling)
        return berth_error_nomem(err);
    *pulling = (struct pulling){.pull = BERTH_PULL_INIT, .progress = progress, .ctx = ctx};
    BERTH_CLEANUP(json) cJSON *image = NULL;
    int rc = pull(engine, reference, pulling, err);
    if (rc == 0)
        rc = inspect_pulled(engine, reference, pulling->pull.digest, &image, err);
    berth_pull_release(&pulling->pull);
    if (rc < 0)
        return rc;
    BERTH_CLEANUP(free) char *id = berth_text_dup(berth_json_string(image, "Id", ""));
    if (!id)
        return berth_error_nomem(err);
    rc = berth_engine_image_digest(image, reference, pulling->pull.digest, ret_digest, err);
    if (rc < 0)
        return rc;
    *ret_id = berth_steal(&id);
    return 0;
}
