/* SPDX-License-Identifier: MIT */
/* The memory engine's images: a registry that never changes, and what was pulled from it. */
#include "backends/memory_internal.h"

#include "base/text.h"

#include <string.h>

/* Newest first, as the engine lists images; the first is there from the start. */
static const struct memory_image registry[MEMORY_IMAGES] = {
    {"demo", "1.0", "demo",
     "sha256:20272a4d9db86a7981131904e0cbdef1f7d0bf1488c1ec263e30756378ff02cf",
     "sha256:5f2e60d1e4b52572990567465b8adf20c53ae924bc0fbf5060d334c6fb090d67", 1748854800, 4261550,
     "sleep 3600", 0},
    {"jupyter", "7.2", "jupyter",
     "sha256:d29177588ac6c872238520c3920dce9d78576e566c5bdb13406c9f8d6d4643ab",
     "sha256:4cc8e96c5c77c05006fce840f752424780e924c0b1ff4f08ac5f1708abe55743", 1746531120,
     1618452311, "tini -g -- start-notebook.py", 8888},
    {"httpd", "2.4", "httpd",
     "sha256:011c2742a4beff0c60627d59c320c9e1bbffdfd1f082fc39477be82ba622c99c",
     "sha256:5f0bb6a29b551d84b43a6d49d54c160f215865d4d7df2fd23afcb1bd455da0b0", 1744127760,
     148301842, "httpd-foreground", 80},
    {"rstudio", "4.4", "rstudio",
     "sha256:79eb9e899ca8794060ced2ce55ec8ffcfeac8c02b6d9566d9956d8c070635063",
     "sha256:5c6672c8a19fa1cf2a650b06cf7fff976f7cb42f2219d3beb237a865fb662596", 1741873440,
     2104873920, "/init", 8787},
    {"postgres", "16", "postgres",
     "sha256:6c20d35a388d578e983a4f5f929968bad3334e2c9e0d31e8b7d5a4d3d45ee10d",
     "sha256:3bd9e435eb09d5bf07f7e840e9bd1200a75ac5d0f17582ea248fd2d1b06b66ff", 1739966580,
     432619077, "docker-entrypoint.sh postgres", 5432},
    {"python", "3.12", "python",
     "sha256:761eadbb9345edf9aa441a9616cd7c6944dc5e4da6160e442cb4dc805b001b7f",
     "sha256:c3f1f8aadbe173b615626332515e405b867a34721303a27d4661abeca9ad551f", 1738742940,
     1017354872, "python3", 0},
    {"jupyter-lab", "4.2", "jupyter-lab",
     "sha256:c0246f02b7a41854b0e31322d57fb9ba3513a131688e0e7230126cb838fdfe7b",
     "sha256:189bb875539573c5b4acc0ace3d668e073931b9b7dc28e01bd471286aa3f73cd", 1736241600,
     1433920104, "tini -g -- start-notebook.py", 8888},
    {"rocker/shiny", "4.4", "rocker_shiny",
     "sha256:fff48be6aa880a4ab388e771e955edc3652a791bba207a6fe200b8c032fb88b2",
     "sha256:d9d0a25bf03fb8e6a593402c51f31bd469ff9b4d2447537ef66b752ec1549aff", 1733217900,
     1702846233, "/init", 3838},
    {"xterm", "397", "xterm",
     "sha256:1733cc140ef38a077a7147d319692a26a8f9e7429cdaed55cc5660c01f17d874",
     "sha256:94b14b6634ebe1d75c41d1eb508c125e5ee10b29b6c7790529c97af43ead4cc4", 1730101260,
     96468992, "xterm", 0},
    {"registry.example.org:5000/lab/analysis", "2.1", "lab_analysis",
     "sha256:effff2d9bab8c707ce8db98a9ad02c8c962fa1ebf7998ab02b1cec366b6f9879",
     "sha256:4a6781e8c672552fee3dc013d9bb4b7a2ea22a9c067d580ede72b67d782f3e77", 1727350800,
     611207552, "analysis serve", 8080},
};

static bool equals(const char *text, size_t len, const char *other)
{
    return strlen(other) == len && memcmp(text, other, len) == 0;
}

/* A reference taken apart: repository[:tag][@digest]. */
struct reference_parts {
    size_t repository_len;
    const char *tag; /* tag_len bytes; "latest" where none is given */
    size_t tag_len;
    const char *digest; /* or NULL */
};

static struct reference_parts split_reference(const char *reference)
{
    struct reference_parts parts = {.tag = "latest", .tag_len = strlen("latest")};
    const char *at = strchr(reference, '@');
    size_t name_len = at ? (size_t)(at - reference) : strlen(reference);
    parts.digest = at ? at + 1 : NULL;
    parts.repository_len = name_len;
    for (size_t i = name_len; i > 0 && reference[i - 1] != '/'; i--) {
        if (reference[i - 1] != ':')
            continue;
        parts.repository_len = i - 1;
        parts.tag = reference + i;
        parts.tag_len = name_len - i;
        break;
    }
    return parts;
}

/*
 * Which image of the registry is meant, and by which of its names (MEMORY_HELD: by digest or id,
 * where the engine does not look at the tag). MEMORY_IMAGES if none.
 */
static size_t resolve(const char *reference, unsigned *ret_name)
{
    struct reference_parts parts = split_reference(reference);
    for (size_t i = 0; i < MEMORY_IMAGES; i++) {
        const struct memory_image *image = &registry[i];
        if (strcmp(reference, image->id) == 0) {
            *ret_name = MEMORY_HELD;
            return i;
        }
        if (!equals(reference, parts.repository_len, image->repository))
            continue;
        if (parts.digest && strcmp(parts.digest, image->digest) == 0)
            *ret_name = MEMORY_HELD;
        else if (!parts.digest && equals(parts.tag, parts.tag_len, "latest"))
            *ret_name = MEMORY_HELD_LATEST;
        else if (!parts.digest && equals(parts.tag, parts.tag_len, image->version))
            *ret_name = MEMORY_HELD_VERSION;
        else
            return MEMORY_IMAGES;
        return i;
    }
    return MEMORY_IMAGES;
}

const struct memory_image *memory_image_find_locked(const struct memory *memory,
                                                    const char *reference)
{
    unsigned name;
    size_t i = resolve(reference, &name);
    return i < MEMORY_IMAGES && (memory->held[i] & name) ? &registry[i] : NULL;
}

const struct memory_image *memory_image_by_id(const char *id)
{
    for (size_t i = 0; i < MEMORY_IMAGES; i++)
        if (strcmp(registry[i].id, id) == 0)
            return &registry[i];
    return NULL;
}

const struct memory_image *memory_image_at(size_t i)
{
    return &registry[i % MEMORY_IMAGES];
}

static int add_image(struct berth_image_list *list, const struct memory_image *image, unsigned held,
                     struct berth_error *err)
{
    char latest[BERTH_ERROR_MESSAGE_MAX];
    char version[BERTH_ERROR_MESSAGE_MAX];
    char digest[BERTH_ERROR_MESSAGE_MAX];
    (void)snprintf(latest, sizeof(latest), "%s:latest", image->repository);
    (void)snprintf(version, sizeof(version), "%s:%s", image->repository, image->version);
    (void)snprintf(digest, sizeof(digest), "%s@%s", image->repository, image->digest);
    char *tags[3] = {NULL};
    char *digests[] = {digest, NULL};
    size_t tag_count = 0;
    if (held & MEMORY_HELD_VERSION)
        tags[tag_count++] = version;
    if (held & MEMORY_HELD_LATEST)
        tags[tag_count++] = latest;
    char *id = berth_text_dup(image->id);
    if (!id)
        return berth_error_nomem(err);
    struct berth_image fields = {.id = id,
                                 .tags = tags,
                                 .digests = digests,
                                 .created_ns = image->created_s * INT64_C(1000000000),
                                 .size_bytes = image->size_bytes,
                                 .virtual_size_bytes = image->size_bytes};
    int status = berth_image_list_add(list, &fields, err);
    free(id);
    return status;
}

static int build_list(const unsigned held[static MEMORY_IMAGES], struct berth_image_list **ret_list,
                      struct berth_error *err)
{
    BERTH_CLEANUP(image_list) struct berth_image_list *list = NULL;
    int status = berth_image_list_new(&list, err);
    for (size_t i = 0; !status && i < MEMORY_IMAGES; i++)
        if (held[i])
            status = add_image(list, &registry[i], held[i], err);
    if (status)
        return status;
    *ret_list = berth_steal(&list);
    return 0;
}

/* Holds these bits of image i from now on, and tells the sink. */
static int hold_locked(struct memory *memory, size_t i, unsigned held, struct berth_error *err)
{
    if (memory->held[i] == held)
        return 0;
    unsigned all[MEMORY_IMAGES];
    memcpy(all, memory->held, sizeof(all));
    all[i] = held;
    struct memory_event *event = memory_event_new(MEMORY_EVENT_IMAGES, "", BERTH_APP_UNKNOWN, 0);
    if (!event)
        return berth_error_nomem(err);
    struct berth_image_list *list;
    int status = build_list(all, &list, err);
    if (status) {
        free(event);
        return status;
    }
    berth_image_list_unref(memory->images);
    memory->images = list;
    memory->held[i] = held;
    memory_tell_locked(memory, NULL, event);
    return 0;
}

int memory_images_init(struct memory *memory, bool all, struct berth_error *err)
{
    for (size_t i = 0; i < (all ? MEMORY_IMAGES : 1); i++)
        memory->held[i] = MEMORY_HELD | MEMORY_HELD_LATEST;
    return build_list(memory->held, &memory->images, err);
}

int memory_images(struct berth_backend *backend, struct berth_image_list **ret_images,
                  struct berth_error *err)
{
    struct memory *memory = memory_of(backend);
    int status = memory_enter(memory, BERTH_MEMORY_IMAGES, err);
    if (status)
        return status;
    *ret_images = berth_image_list_ref(memory->images);
    return memory_leave(memory, 0);
}

/* As the registry of the field answers: a repository it does not have may be a private one. */
static int refuse_pull(const char *reference, struct berth_error *err)
{
    struct reference_parts parts = split_reference(reference);
    for (size_t i = 0; i < MEMORY_IMAGES; i++)
        if (equals(reference, parts.repository_len, registry[i].repository))
            return berth_error_set(err, BERTH_E_REFUSED,
                                   "manifest for %s not found: manifest unknown: manifest unknown",
                                   reference);
    return berth_error_set(err, BERTH_E_REFUSED,
                           "pull access denied for %.*s, repository does not exist or may require "
                           "'docker login': denied: requested access to the resource is denied",
                           (int)parts.repository_len, reference);
}

#define PULL_STEP_PERCENT 10

/* One verb delay a step. The lock is held on return, and not while progress is told. */
static int transfer_locked(struct memory *memory, berth_pull_progress *progress, void *ctx,
                           struct berth_error *err)
{
    for (int percent = 0; percent <= 100; percent += PULL_STEP_PERCENT) {
        if (progress) {
            (void)pthread_mutex_unlock(&memory->lock);
            bool go_on = progress(ctx, percent);
            (void)pthread_mutex_lock(&memory->lock);
            if (!go_on)
                return berth_error_set(err, BERTH_E_CANCELLED, "the pull was cancelled");
        }
        int status =
            memory_wait_locked(memory, memory->verb_delay_ms, memory->request_timeout_ms, err);
        if (status)
            return status;
    }
    return 0;
}

static int pull_locked(struct memory *memory, const char *reference, berth_pull_progress *progress,
                       void *ctx, char **ret_digest, char **ret_id, struct berth_error *err)
{
    unsigned name;
    size_t i = resolve(reference, &name);
    if (i == MEMORY_IMAGES)
        return refuse_pull(reference, err);
    int status = transfer_locked(memory, progress, ctx, err);
    if (status)
        return status;
    BERTH_CLEANUP(free) char *digest = berth_text_dup(registry[i].digest);
    BERTH_CLEANUP(free) char *id = berth_text_dup(registry[i].id);
    if (!digest || !id)
        return berth_error_nomem(err);
    status = hold_locked(memory, i, memory->held[i] | MEMORY_HELD | name, err);
    if (status)
        return status;
    *ret_digest = berth_steal(&digest);
    *ret_id = berth_steal(&id);
    return 0;
}

int memory_pull(struct berth_backend *backend, const char *reference, berth_pull_progress *progress,
                void *ctx, char **ret_digest, char **ret_id, struct berth_error *err)
{
    struct memory *memory = memory_of(backend);
    int status = memory_enter(memory, BERTH_MEMORY_PULL, err);
    if (status)
        return status;
    return memory_leave(memory,
                        pull_locked(memory, reference, progress, ctx, ret_digest, ret_id, err));
}

static int remove_locked(struct memory *memory, const char *reference, struct berth_error *err)
{
    unsigned name;
    size_t i = resolve(reference, &name);
    if (i == MEMORY_IMAGES || !(memory->held[i] & name))
        return berth_error_set(err, BERTH_E_NOT_FOUND, "No such image: %s", reference);
    unsigned tags = memory->held[i] & (MEMORY_HELD_LATEST | MEMORY_HELD_VERSION);
    if (name != MEMORY_HELD && tags != name) /* another tag keeps the image */
        return hold_locked(memory, i, memory->held[i] & ~name, err);
    const struct memory_container *user = memory_user_locked(memory, registry[i].id);
    if (user)
        return berth_error_set(err, BERTH_E_CONFLICT,
                               "conflict: unable to remove repository reference \"%s\" (must "
                               "force) - container %.12s is using its referenced image %.12s",
                               reference, user->app->id, registry[i].id + strlen("sha256:"));
    return hold_locked(memory, i, 0, err);
}

int memory_image_remove(struct berth_backend *backend, const char *reference,
                        struct berth_error *err)
{
    struct memory *memory = memory_of(backend);
    int status = memory_enter(memory, BERTH_MEMORY_IMAGE_REMOVE, err);
    if (status)
        return status;
    return memory_leave(memory, remove_locked(memory, reference, err));
}
