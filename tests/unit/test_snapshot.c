/* SPDX-License-Identifier: MIT */
#include "facilities/mirror_internal.h"
#include "tests/unit/unit.h"

#include <string.h>

static struct berth_app *make_app(const char *id, const char *name, const char *user,
                                  int64_t created_ns)
{
    struct berth_app fields = {.id = id, .name = name, .user = user, .created_ns = created_ns};
    struct berth_app *app;
    ck_assert_int_eq(berth_app_new(&fields, &app, NULL), 0);
    return app;
}

static void put(struct berth_index *index, const char *id, const char *name, const char *user,
                int64_t created_ns)
{
    BERTH_CLEANUP(app) struct berth_app *app = make_app(id, name, user, created_ns);
    ck_assert_int_eq(berth_index_change(index, berth_index_find(index, id), app, NULL), 0);
}

static struct berth_snapshot *snapshot_of(const struct berth_index *index)
{
    BERTH_CLEANUP(image_list) struct berth_image_list *images = NULL;
    ck_assert_int_eq(berth_image_list_new(&images, NULL), 0);
    struct berth_snapshot *snapshot;
    ck_assert_int_eq(berth_snapshot_new(index, images, &snapshot, NULL), 0);
    return snapshot;
}

/* The ids that a walk visits, "a b c"; it is stopped after `most` of them. */
struct visits {
    size_t most;
    size_t count;
    char ids[256];
};

static bool visit(const struct berth_app *app, void *ctx)
{
    struct visits *visits = ctx;
    size_t used = strlen(visits->ids);
    (void)snprintf(visits->ids + used, sizeof(visits->ids) - used, "%s%s", used ? " " : "",
                   app->id);
    return ++visits->count < visits->most;
}

static void fill(struct berth_index *index)
{
    put(index, "c", "httpd--ana", "ana", 30);
    put(index, "a", "jupyter--ana", "ana", 10);
    put(index, "d", "jupyter--bob", "bob", 40);
    put(index, "b", "shell--ana", "ana", 30);
    put(index, "e", "loose", "", 20);
}

START_TEST(walks_go_from_newest_to_oldest)
{
    static const struct {
        const char *name;
        const char *user;
        size_t most;
        const char *expected;
    } rows[] = {
        {"all", NULL, 100, "d b c e a"},        {"one user, equal ages by id", "ana", 100, "b c a"},
        {"another user", "bob", 100, "d"},      {"apps of nobody", "", 100, "e"},
        {"a user without apps", "an", 100, ""}, {"a user past the last", "zoe", 100, ""},
        {"all, stopped", NULL, 2, "d b"},       {"one user, stopped", "ana", 1, "b"},
    };
    BERTH_CLEANUP(index) struct berth_index index = {0};
    fill(&index);
    BERTH_CLEANUP(snapshot) struct berth_snapshot *snapshot = snapshot_of(&index);
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct visits visits = {.most = rows[i].most};
        berth_snapshot_walk(snapshot, rows[i].user, visit, &visits);
        ck_assert_msg(strcmp(visits.ids, rows[i].expected) == 0, "%s: %s", rows[i].name,
                      visits.ids);
    }
    ck_assert_uint_eq(berth_snapshot_count_user(snapshot, "ana"), 3);
    ck_assert_uint_eq(berth_snapshot_count_user(snapshot, "zoe"), 0);
}
END_TEST

START_TEST(names_are_found_whole)
{
    static const struct {
        const char *name;
        const char *found; /* id, or NULL */
    } rows[] = {
        {"jupyter--ana", "a"},  {"jupyter--bob", "d"},   {"loose", "e"}, {"jupyter", NULL},
        {"jupyter--an", NULL},  {"jupyter--anab", NULL}, {"", NULL},     {"zzz", NULL},
        {"jupyter--Ana", NULL},
    };
    BERTH_CLEANUP(index) struct berth_index index = {0};
    fill(&index);
    BERTH_CLEANUP(snapshot) struct berth_snapshot *snapshot = snapshot_of(&index);
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        const struct berth_app *app = berth_snapshot_find(snapshot, rows[i].name);
        ck_assert_msg((app != NULL) == (rows[i].found != NULL), "%s", rows[i].name);
        if (app)
            ck_assert_str_eq(app->id, rows[i].found);
    }
}
END_TEST

START_TEST(of_namesakes_the_newest_is_found)
{
    BERTH_CLEANUP(index) struct berth_index index = {0};
    put(&index, "1-old", "httpd--ana", "ana", 10);
    put(&index, "2-new", "httpd--ana", "ana", 20);
    put(&index, "3-older", "httpd--ana", "ana", 5);
    BERTH_CLEANUP(snapshot) struct berth_snapshot *snapshot = snapshot_of(&index);
    ck_assert_str_eq(berth_snapshot_find(snapshot, "httpd--ana")->id, "2-new");
    ck_assert_uint_eq(berth_snapshot_count_user(snapshot, "ana"), 3);
}
END_TEST

START_TEST(a_change_moves_the_app_in_every_order)
{
    BERTH_CLEANUP(index) struct berth_index index = {0};
    fill(&index);
    BERTH_CLEANUP(snapshot) struct berth_snapshot *before = snapshot_of(&index);
    put(&index, "a", "renamed--bob", "bob", 50);
    BERTH_CLEANUP(snapshot) struct berth_snapshot *after = snapshot_of(&index);

    ck_assert_ptr_null(berth_snapshot_find(after, "jupyter--ana"));
    ck_assert_str_eq(berth_snapshot_find(after, "renamed--bob")->id, "a");
    struct visits all = {.most = 100};
    berth_snapshot_walk(after, NULL, visit, &all);
    ck_assert_str_eq(all.ids, "a d b c e");
    struct visits bob = {.most = 100};
    berth_snapshot_walk(after, "bob", visit, &bob);
    ck_assert_str_eq(bob.ids, "a d");
    ck_assert_uint_eq(berth_snapshot_count_user(after, "ana"), 2);
    ck_assert_uint_eq(berth_pmap_count(after->by_id), 5);

    struct visits old = {.most = 100};
    berth_snapshot_walk(before, NULL, visit, &old);
    ck_assert_str_eq(old.ids, "d b c e a");
    ck_assert_str_eq(berth_snapshot_find(before, "jupyter--ana")->id, "a");
}
END_TEST

START_TEST(a_removed_app_is_in_no_order)
{
    BERTH_CLEANUP(index) struct berth_index index = {0};
    fill(&index);
    ck_assert_int_eq(berth_index_change(&index, berth_index_find(&index, "b"), NULL, NULL), 0);
    BERTH_CLEANUP(snapshot) struct berth_snapshot *snapshot = snapshot_of(&index);
    struct visits all = {.most = 100};
    berth_snapshot_walk(snapshot, NULL, visit, &all);
    ck_assert_str_eq(all.ids, "d c e a");
    ck_assert_ptr_null(berth_snapshot_find(snapshot, "shell--ana"));
    ck_assert_ptr_null(berth_index_find(&index, "b"));
    ck_assert_uint_eq(berth_snapshot_count_user(snapshot, "ana"), 2);
}
END_TEST

START_TEST(a_snapshot_holds_what_it_shows)
{
    BERTH_CLEANUP(index) struct berth_index index = {0};
    fill(&index);
    struct berth_snapshot *snapshot = snapshot_of(&index);
    BERTH_CLEANUP(snapshot) struct berth_snapshot *second = berth_snapshot_ref(snapshot);
    berth_snapshot_unref(snapshot);
    berth_index_release(&index);
    ck_assert_str_eq(berth_snapshot_find(second, "httpd--ana")->id, "c");
}
END_TEST

UNIT_SUITE("snapshot", walks_go_from_newest_to_oldest, names_are_found_whole,
           of_namesakes_the_newest_is_found, a_change_moves_the_app_in_every_order,
           a_removed_app_is_in_no_order, a_snapshot_holds_what_it_shows)
