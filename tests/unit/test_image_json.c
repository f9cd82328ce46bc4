/* SPDX-License-Identifier: MIT */
/* The expected objects were printed by docker 26.1 for the same images. */
#include "base/clock.h"
#include "gateway/image_json.h"
#include "tests/unit/unit.h"

#include <string.h>

#define TEXT_CAP 65536
#define NOW_NS   (INT64_C(1795309000) * BERTH_NS_PER_S)
#define SECOND   BERTH_NS_PER_S
#define DAY      (86400 * SECOND)
#define ID       "sha256:7769ddf7d1d39922c521152b10c300ee88ddb4ec6a0d353c6a6e37d00247dacd"
#define DIGEST_A "@sha256:aaaa"
#define DIGEST_B "@sha256:bbbb"
#define REFS_MAX 6

static char id[] = ID;

/* References separated by blanks, and "REPOSITORY TAG DIGEST" of each row. */
static const struct {
    const char *name;
    const char *tags;
    const char *digests;
    const char *rows[REFS_MAX];
} reference_rows[] = {
    {"a tag", "httpd:2.4", "", {"httpd 2.4 <none>"}},
    {"a tag with a digest", "httpd:2.4", "httpd" DIGEST_A, {"httpd 2.4 <none>"}},
    {"tags of one repository, in their order",
     "x/y:2 x/y:10 x/y:1",
     "",
     {"x/y 2 <none>", "x/y 10 <none>", "x/y 1 <none>"}},
    {"repositories, sorted",
     "bb:latest localhost:5000/q:2 a:1 bb:0",
     "",
     {"a 1 <none>", "bb latest <none>", "bb 0 <none>", "localhost:5000/q 2 <none>"}},
    {"a name that begins another", "ab:1 a:1", "", {"a 1 <none>", "ab 1 <none>"}},
    {"names with their default host and folder",
     "docker.io/library/httpd:1 docker.io/team/tool:1",
     "",
     {"httpd 1 <none>", "team/tool 1 <none>"}},
    {"a digest alone", "", "httpd" DIGEST_A, {"httpd <none> "}},
    {"two digests of one repository", "", "httpd" DIGEST_A " httpd" DIGEST_B, {"httpd <none> "}},
    {"digests beside another repository's tag",
     "m:1",
     "z" DIGEST_A " m" DIGEST_A " a" DIGEST_B,
     {"m 1 <none>", "a <none> ", "z <none> "}},
    {"neither", "", "", {"<none> <none> <none>"}},
    {"a port is no tag", "localhost:5000/q", "", {"<none> <none> <none>"}},
};

struct references {
    char text[256];
    char *items[REFS_MAX + 1];
};

static void split(struct references *references, const char *text)
{
    (void)snprintf(references->text, sizeof(references->text), "%s", text);
    char *rest = references->text;
    size_t count = 0;
    while (rest && *rest)
        references->items[count++] = strsep(&rest, " ");
    references->items[count] = NULL;
}

static cJSON *render(const struct berth_image *image, int64_t *valid_until_ns)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf buf = BERTH_STRBUF_INIT(TEXT_CAP);
    struct berth_json_writer w = BERTH_JSON_WRITER(&buf);
    berth_json_open_array(&w, NULL);
    berth_image_json_add(&w, image, 2, NOW_NS, valid_until_ns);
    berth_json_close_array(&w);
    ck_assert_int_eq(berth_strbuf_check(&buf, NULL), 0);
    cJSON *json = NULL;
    ck_assert_int_eq(berth_json_parse(berth_strbuf_str(&buf), buf.len, &json, NULL), 0);
    return json;
}

START_TEST(each_tag_has_a_row)
{
    for (size_t i = 0; i < UNIT_COUNT(reference_rows); i++) {
        struct references tags, digests;
        split(&tags, reference_rows[i].tags);
        split(&digests, reference_rows[i].digests);
        struct berth_image image = {.id = id, .tags = tags.items, .digests = digests.items};
        int64_t valid_until_ns = INT64_MAX;
        BERTH_CLEANUP(json) cJSON *json = render(&image, &valid_until_ns);
        const cJSON *row = json->child;
        size_t count = 0;
        for (; row && reference_rows[i].rows[count]; row = row->next, count++) {
            BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(TEXT_CAP);
            berth_strbuf_addf(&text, "%s %s %s", berth_json_string(row, "Repository", "?"),
                              berth_json_string(row, "Tag", "?"),
                              berth_json_string(row, "Digest", "?"));
            ck_assert_msg(strcmp(berth_strbuf_str(&text), reference_rows[i].rows[count]) == 0,
                          "%s, row %zu: %s", reference_rows[i].name, count,
                          berth_strbuf_str(&text));
        }
        ck_assert_msg(!row && !reference_rows[i].rows[count], "%s: rows", reference_rows[i].name);
    }
}
END_TEST

START_TEST(the_object_is_docker_s)
{
    struct references tags, digests;
    split(&tags, "bb:latest");
    split(&digests, "");
    struct berth_image image = {
        .id = id,
        .tags = tags.items,
        .digests = digests.items,
        .created_ns = NOW_NS - 8 * DAY,
        .size_bytes = 1007950123,
        .virtual_size_bytes = 1007950123,
    };
    BERTH_CLEANUP(strbuf) struct berth_strbuf buf = BERTH_STRBUF_INIT(TEXT_CAP);
    struct berth_json_writer w = BERTH_JSON_WRITER(&buf);
    int64_t valid_until_ns = INT64_MAX;
    berth_image_json_add(&w, &image, 2, NOW_NS, &valid_until_ns);
    ck_assert_str_eq(berth_strbuf_str(&buf), "{\"Containers\":\"N/A\","
                                             "\"CreatedAt\":\"2026-11-14 00:56:40 +0000 UTC\","
                                             "\"CreatedSince\":\"8 days ago\","
                                             "\"Digest\":\"<none>\","
                                             "\"ID\":\"7769ddf7d1d3\","
                                             "\"Repository\":\"bb\","
                                             "\"SharedSize\":\"N/A\","
                                             "\"Size\":\"1.01GB\","
                                             "\"Tag\":\"latest\","
                                             "\"UniqueSize\":\"N/A\","
                                             "\"VirtualSize\":\"1.008GB\","
                                             "\"CreatedContainerCount\":2}");
    ck_assert_int_eq(valid_until_ns, NOW_NS + DAY - DAY / 48);
}
END_TEST

START_TEST(images_may_be_of_no_age)
{
    static const struct {
        const char *name;
        int64_t created_ns;
        const char *since;
        const char *at;
        bool moves;
    } rows[] = {
        {"the epoch", 0, "56 years ago", "1970-01-01 00:00:00 +0000 UTC", true},
        {"year 1", -1, "", "0001-01-01 00:00:00 +0000 UTC", false},
        {"now", NOW_NS, "Less than a second ago", "2026-11-22 00:56:40 +0000 UTC", true},
    };
    char *none[] = {NULL};
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct berth_image image = {
            .id = id, .tags = none, .digests = none, .created_ns = rows[i].created_ns};
        int64_t valid_until_ns = INT64_MAX;
        BERTH_CLEANUP(json) cJSON *json = render(&image, &valid_until_ns);
        ck_assert_str_eq(berth_json_string(json->child, "CreatedSince", "?"), rows[i].since);
        ck_assert_str_eq(berth_json_string(json->child, "CreatedAt", "?"), rows[i].at);
        ck_assert_msg((valid_until_ns < INT64_MAX) == rows[i].moves, "%s", rows[i].name);
    }
}
END_TEST

START_TEST(failed_allocations_fail_the_answer)
{
    struct references tags, digests;
    split(&tags, "bb:latest bb:1");
    split(&digests, "a" DIGEST_A);
    struct berth_image image = {.id = id, .tags = tags.items, .digests = digests.items};
    for (size_t n = 0;; n++) {
        BERTH_CLEANUP(strbuf) struct berth_strbuf buf = BERTH_STRBUF_INIT(TEXT_CAP);
        struct berth_json_writer w = BERTH_JSON_WRITER(&buf);
        int64_t valid_until_ns = INT64_MAX;
        unit_alloc_fail_once_after(n);
        berth_image_json_add(&w, &image, 0, NOW_NS, &valid_until_ns);
        bool failed = unit_alloc_restore();
        ck_assert_int_eq(berth_strbuf_check(&buf, NULL), failed ? BERTH_E_NOMEM : 0);
        if (!failed)
            break;
    }
}
END_TEST

UNIT_SUITE("image_json", each_tag_has_a_row, the_object_is_docker_s, images_may_be_of_no_age,
           failed_allocations_fail_the_answer)
