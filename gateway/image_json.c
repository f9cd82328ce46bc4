/* SPDX-License-Identifier: MIT */
#include "gateway/image_json.h"

#include "base/clock.h"
#include "gateway/docker_text.h"

#include <string.h>

#define NONE                "<none>"
#define NOT_ASKED           "N/A" /* docker asks for none of these in a listing */
#define SIZE_DIGITS         3
#define VIRTUAL_SIZE_DIGITS 4

/* What the rows of one image share. */
struct rows {
    struct berth_json_writer *w;
    const struct berth_image *image;
    int64_t container_count;
    int64_t now_ns;
    int64_t *valid_until_ns;
    size_t count; /* written so far */
};

/* "name:tag" or "name@digest" in its two parts. */
struct reference {
    struct berth_docker_slice name; /* as docker shows it */
    const char *rest;               /* tag or digest */
    size_t index;                   /* in the engine's order */
};

/* Where the separator of a tag or digest stands, or NULL. */
static const char *find_separator(const char *text, char separator)
{
    const char *slash = strrchr(text, '/');
    return strchr(separator == ':' && slash ? slash : text, separator);
}

static int compare_names(const struct berth_docker_slice *a, const struct berth_docker_slice *b)
{
    int order = memcmp(a->text, b->text, a->len < b->len ? a->len : b->len);
    if (order != 0)
        return order;
    return a->len < b->len ? -1 : a->len > b->len;
}

static int compare_references(const void *left, const void *right)
{
    const struct reference *a = left, *b = right;
    int order = compare_names(&a->name, &b->name);
    if (order != 0)
        return order;
    return a->index < b->index ? -1 : a->index > b->index;
}

/* The references among texts (NULL-terminated), sorted by name. False when out of memory. */
static bool collect(char *const *texts, char separator, struct reference **ret_references,
                    size_t *ret_count)
{
    size_t size = 0, count = 0;
    while (texts[size])
        size++;
    struct reference *references = malloc((size + 1) * sizeof(*references));
    if (!references)
        return false;
    for (size_t i = 0; i < size; i++) {
        const char *at = find_separator(texts[i], separator);
        if (!at)
            continue;
        references[count++] = (struct reference){
            .name = berth_docker_familiar_name(texts[i], (size_t)(at - texts[i])),
            .rest = at + 1,
            .index = i,
        };
    }
    qsort(references, count, sizeof(*references), compare_references);
    *ret_references = references;
    *ret_count = count;
    return true;
}

/* Go's zero time, which docker shows for an image that does not tell when it was made. */
static void add_year_one(struct berth_strbuf *out)
{
    const time_t year_one = -62135596800;
    struct tm tm;
    if (!localtime_r(&year_one, &tm))
        return;
    long minutes = tm.tm_gmtoff / 60;
    berth_strbuf_addf(out, "%04d-%02d-%02d %02d:%02d:%02d %c%02ld%02ld %s", tm.tm_year + 1900,
                      tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                      minutes < 0 ? '-' : '+', labs(minutes) / 60, labs(minutes) % 60, tm.tm_zone);
}

static void add_row(struct rows *rows, struct berth_docker_slice name, const char *tag,
                    const char *digest)
{
    struct berth_json_writer *w = rows->w;
    const struct berth_image *image = rows->image;
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(w->out->cap);

    berth_json_open_object(w, NULL);
    berth_json_add_string(w, "Containers", NOT_ASKED);
    if (image->created_ns < 0)
        add_year_one(&text);
    else
        berth_clock_add_go(&text, image->created_ns);
    berth_docker_add_member(w, "CreatedAt", &text);
    if (image->created_ns >= 0) {
        berth_docker_add_age(&text, image->created_ns, rows->now_ns, rows->valid_until_ns);
        berth_strbuf_adds(&text, " ago");
    }
    berth_docker_add_member(w, "CreatedSince", &text);
    berth_json_add_string(w, "Digest", digest);
    berth_docker_add_short_id(&text, image->id);
    berth_docker_add_member(w, "ID", &text);
    berth_json_add_stringn(w, "Repository", name.text, name.len);
    berth_json_add_string(w, "SharedSize", NOT_ASKED);
    berth_docker_add_size(&text, (double)image->size_bytes, SIZE_DIGITS);
    berth_docker_add_member(w, "Size", &text);
    berth_json_add_string(w, "Tag", tag);
    berth_json_add_string(w, "UniqueSize", NOT_ASKED);
    berth_docker_add_size(&text, (double)image->size_bytes, VIRTUAL_SIZE_DIGITS);
    berth_docker_add_member(w, "VirtualSize", &text);
    berth_json_add_int(w, "CreatedContainerCount", rows->container_count);
    berth_json_close_object(w);
    rows->count++;
}

void berth_image_json_add(struct berth_json_writer *w, const struct berth_image *image,
                          size_t container_count, int64_t now_ns, int64_t *valid_until_ns)
{
    struct rows rows = {w, image, (int64_t)container_count, now_ns, valid_until_ns, 0};
    BERTH_CLEANUP(free) struct reference *tags = NULL;
    BERTH_CLEANUP(free) struct reference *digests = NULL;
    size_t tag_count = 0, digest_count = 0;
    if (!collect(image->tags, ':', &tags, &tag_count) ||
        !collect(image->digests, '@', &digests, &digest_count)) {
        w->out->failed = BERTH_E_NOMEM;
        return;
    }
    for (size_t i = 0; i < tag_count; i++)
        add_row(&rows, tags[i].name, tags[i].rest, NONE);
    for (size_t i = 0, tag = 0; i < digest_count; i++) {
        while (tag < tag_count && compare_names(&tags[tag].name, &digests[i].name) < 0)
            tag++;
        bool has_tag = tag < tag_count && compare_names(&tags[tag].name, &digests[i].name) == 0;
        bool again = i > 0 && compare_names(&digests[i - 1].name, &digests[i].name) == 0;
        if (!has_tag && !again)
            add_row(&rows, digests[i].name, NONE, "");
    }
    if (rows.count == 0)
        add_row(&rows, (struct berth_docker_slice){NONE, sizeof(NONE) - 1}, NONE, NONE);
}
