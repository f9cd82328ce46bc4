/* SPDX-License-Identifier: MIT */
#include "backends/image.h"
#include "tests/unit/unit.h"

#include <string.h>

/* Arrays of the caller's that the list must not keep. */
static int add_aged(struct berth_image_list *list, const char *id_text, const char *tag_text,
                    const char *digest_text, int64_t created_ns)
{
    char id[64];
    char tag[64];
    char digest[64];
    (void)snprintf(id, sizeof(id), "%s", id_text);
    (void)snprintf(tag, sizeof(tag), "%s", tag_text);
    (void)snprintf(digest, sizeof(digest), "%s", digest_text);
    char *tags[] = {tag[0] ? tag : NULL, NULL};
    char *digests[] = {digest[0] ? digest : NULL, NULL};
    const struct berth_image image = {.id = id,
                                      .tags = tags,
                                      .digests = digests,
                                      .created_ns = created_ns,
                                      .size_bytes = 6,
                                      .virtual_size_bytes = 7};
    return berth_image_list_add(list, &image, NULL);
}

static int add(struct berth_image_list *list, const char *id, const char *tag, const char *digest)
{
    return add_aged(list, id, tag, digest, 5);
}

static struct berth_image_list *list_new(void)
{
    struct berth_image_list *list = NULL;
    ck_assert_int_eq(berth_image_list_new(&list, NULL), 0);
    return list;
}

START_TEST(images_are_copied)
{
    BERTH_CLEANUP(image_list) struct berth_image_list *list = list_new();
    for (size_t i = 0; i < 20; i++)
        ck_assert_int_eq(add(list, "sha256:aa", "httpd:2.4", "httpd@sha256:bb"), 0);
    ck_assert_uint_eq(list->count, 20);
    for (size_t i = 0; i < list->count; i++) {
        const struct berth_image *image = &list->items[i];
        ck_assert_str_eq(image->id, "sha256:aa");
        ck_assert_str_eq(image->tags[0], "httpd:2.4");
        ck_assert_ptr_null(image->tags[1]);
        ck_assert_str_eq(image->digests[0], "httpd@sha256:bb");
        ck_assert_ptr_null(image->digests[1]);
        ck_assert_int_eq(image->created_ns, 5);
        ck_assert_int_eq(image->size_bytes, 6);
        ck_assert_int_eq(image->virtual_size_bytes, 7);
    }
}
END_TEST

START_TEST(arrays_may_be_missing)
{
    BERTH_CLEANUP(image_list) struct berth_image_list *list = list_new();
    char id[] = "sha256:aa";
    ck_assert_int_eq(berth_image_list_add(list, &(struct berth_image){.id = id}, NULL), 0);
    ck_assert_ptr_nonnull(list->items[0].tags);
    ck_assert_ptr_null(list->items[0].tags[0]);
    ck_assert_ptr_nonnull(list->items[0].digests);
    ck_assert_ptr_null(list->items[0].digests[0]);
}
END_TEST

START_TEST(images_are_found_by_each_name)
{
    static const struct {
        const char *reference;
        int index; /* -1: none */
    } rows[] = {
        {"sha256:aa", 0},
        {"httpd:2.4", 0},
        {"httpd@sha256:11", 0},
        {"sha256:bb", 1},
        {"team/tool:latest", 1},
        {"sha256:cc", 2},
        {"only@sha256:33", 2},
        {"httpd", -1},
        {"httpd:latest", -1},
        {"sha256:a", -1},
        {"", -1},
    };
    BERTH_CLEANUP(image_list) struct berth_image_list *list = list_new();
    ck_assert_int_eq(add(list, "sha256:aa", "httpd:2.4", "httpd@sha256:11"), 0);
    ck_assert_int_eq(add(list, "sha256:bb", "team/tool:latest", ""), 0);
    ck_assert_int_eq(add(list, "sha256:cc", "", "only@sha256:33"), 0);
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        const struct berth_image *found = berth_image_list_find(list, rows[i].reference);
        const struct berth_image *expected = rows[i].index < 0 ? NULL : &list->items[rows[i].index];
        ck_assert_msg(found == expected, "'%s'", rows[i].reference);
    }
}
END_TEST

START_TEST(references_keep_the_list)
{
    struct berth_image_list *list = list_new();
    ck_assert_ptr_eq(berth_image_list_ref(list), list);
    ck_assert_int_eq(add(list, "sha256:aa", "httpd:2.4", ""), 0);
    berth_image_list_unref(list);
    ck_assert_str_eq(list->items[0].id, "sha256:aa");
    berth_image_list_unref(list);
    berth_image_list_unref(NULL);
}
END_TEST

START_TEST(running_out_of_memory_adds_nothing)
{
    struct berth_image_list *list = NULL;
    unit_alloc_fail_after(0);
    int status = berth_image_list_new(&list, NULL);
    ck_assert(unit_alloc_restore());
    ck_assert_int_eq(status, BERTH_E_NOMEM);
    ck_assert_ptr_null(list);
    list = list_new();
    for (size_t n = 0;; n++) {
        unit_alloc_fail_after(n);
        status = add(list, "sha256:aa", "httpd:2.4", "httpd@sha256:11");
        bool failed = unit_alloc_restore();
        if (!failed)
            break;
        ck_assert_int_eq(status, BERTH_E_NOMEM);
        ck_assert_uint_eq(list->count, 0);
    }
    ck_assert_int_eq(status, 0);
    ck_assert_uint_eq(list->count, 1);
    berth_image_list_unref(list);
}
END_TEST

START_TEST(what_another_engine_has_besides_is_added_by_age)
{
    static const struct {
        const char *name;
        const char *id;
        const char *tag;
        const char *digest;
        int64_t created_ns;
        const char *merged; /* the ids */
    } rows[] = {
        {"new", "n", "b:1", "", 5, "y n o"},
        {"as old as another", "n", "b:1", "", 2, "y o n"},
        {"the same", "y", "a:1", "a@1", 9, "y o"},
        {"the same by another name", "y", "b:1", "a@1", 9, "y y o"},
        {"another of that name", "n", "a:1", "a@2", 5, "y o"},
        {"by its digest alone", "n", "", "b@1", 5, "y n o"},
        {"the same, by its digest alone", "y", "", "b@1", 9, "y o"},
        {"without a name", "n", "", "", 5, "y o"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(image_list) struct berth_image_list *list = list_new();
        BERTH_CLEANUP(image_list) struct berth_image_list *more = list_new();
        char merged[100] = "";
        ck_assert_int_eq(add_aged(list, "y", "a:1", "a@1", 9), 0);
        ck_assert_int_eq(add_aged(list, "o", "old:1", "", 2), 0);
        ck_assert_int_eq(
            add_aged(more, rows[i].id, rows[i].tag, rows[i].digest, rows[i].created_ns), 0);
        ck_assert_int_eq(berth_image_list_merge(list, more, NULL), 0);
        for (size_t k = 0; k < list->count; k++) {
            size_t len = strlen(merged);
            (void)snprintf(merged + len, sizeof(merged) - len, "%s%s", k > 0 ? " " : "",
                           list->items[k].id);
        }
        ck_assert_msg(strcmp(merged, rows[i].merged) == 0, "%s: %s", rows[i].name, merged);
    }
}
END_TEST

UNIT_SUITE("image", what_another_engine_has_besides_is_added_by_age, images_are_copied,
           arrays_may_be_missing, images_are_found_by_each_name, references_keep_the_list,
           running_out_of_memory_adds_nothing)
