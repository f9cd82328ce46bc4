/* SPDX-License-Identifier: MIT */
#include "backends/engine/engine_name.h"

#include <string.h>

#define SHORT_ID_LEN 12

struct berth_engine_name berth_engine_name_split(const char *reference)
{
    struct berth_engine_name name = {.repository = reference, .tag = "", .digest = ""};
    size_t len = strcspn(reference, "@");
    if (reference[len] == '@') {
        name.digest = reference + len + 1;
        name.digest_len = strlen(name.digest);
    }
    /* A colon before the last slash belongs to the host. */
    name.repository_len = len;
    for (size_t i = len; i > 0 && reference[i - 1] != '/'; i--) {
        if (reference[i - 1] == ':') {
            name.repository_len = i - 1;
            name.tag = reference + i;
            name.tag_len = len - i;
        }
    }
    return name;
}

static void drop_prefix(const char **text, size_t *len, const char *prefix)
{
    size_t prefix_len = strlen(prefix);
    if (*len > prefix_len && memcmp(*text, prefix, prefix_len) == 0) {
        *text += prefix_len;
        *len -= prefix_len;
    }
}

/* docker.io/library/httpd is httpd. */
static const char *familiar_part(const char *text, size_t *ret_len)
{
    drop_prefix(&text, ret_len, "index.docker.io/");
    drop_prefix(&text, ret_len, "docker.io/");
    const char *path = text;
    size_t path_len = *ret_len;
    drop_prefix(&path, &path_len, "library/");
    if (memchr(path, '/', path_len))
        return text;
    *ret_len = path_len;
    return path;
}

/* The repository as people write it. */
static const char *familiar(const struct berth_engine_name *name, size_t *ret_len)
{
    *ret_len = name->repository_len;
    return familiar_part(name->repository, ret_len);
}

const char *berth_engine_name_familiar(const char *reference)
{
    size_t len = berth_engine_name_split(reference).repository_len;
    return familiar_part(reference, &len);
}

bool berth_engine_name_same_repository(const struct berth_engine_name *a,
                                       const struct berth_engine_name *b)
{
    size_t a_len;
    size_t b_len;
    const char *a_text = familiar(a, &a_len);
    const char *b_text = familiar(b, &b_len);
    return a_len == b_len && memcmp(a_text, b_text, a_len) == 0;
}

static const char *short_id(const char *id, size_t *ret_len)
{
    const char *colon = strchr(id, ':');
    const char *digits = colon ? colon + 1 : id;
    *ret_len = strnlen(digits, SHORT_ID_LEN);
    return digits;
}

void berth_engine_image_shown(const char *image, const char *image_id, struct berth_strbuf *out)
{
    if (!image[0]) {
        berth_strbuf_adds(out, "<no image>");
        return;
    }
    size_t image_len;
    size_t id_len;
    const char *short_image = short_id(image, &image_len);
    const char *short_image_id = short_id(image_id, &id_len);
    if (image_len == id_len && memcmp(short_image, short_image_id, id_len) == 0) {
        berth_strbuf_add(out, short_image_id, id_len);
        return;
    }
    struct berth_engine_name name = berth_engine_name_split(image);
    size_t len;
    const char *repository = familiar(&name, &len);
    berth_strbuf_add(out, repository, len);
    if (name.tag_len > 0) {
        berth_strbuf_addc(out, ':');
        berth_strbuf_add(out, name.tag, name.tag_len);
    }
}
