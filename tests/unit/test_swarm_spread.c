/* SPDX-License-Identifier: MIT */
/* Images on all nodes: the table of who lacks what, and what swarm's own words say of a pull. */
#include "backends/swarm/swarm_spread_private.h"
#include "tests/unit/unit.h"

#include <string.h>

#define MINUTE_MS 60000
#define DIGEST    "sha256:00"

/* ---- A table of its own: nothing here starts a thread or asks anybody ---- */

struct table {
    struct berth_engine_io *io;
    struct swarm swarm;
    struct berth_swarm_spread spread;
    char told[512];
};

/* "n1" is the manager; "n2" has an endpoint of its own; others have none. */
static struct table *table_new(void)
{
    char hostname[] = "n2";
    char engine[] = "unix:///nowhere/n2.sock";
    struct berth_node_endpoint endpoint = {.hostname = hostname, .engine = engine};
    const struct berth_backend_config config = {.facility = "demo",
                                                .engine = "unix:///nowhere/n1.sock",
                                                .request_timeout_ms = 1000,
                                                .max_inflight = 1,
                                                .nodes = {.items = &endpoint, .count = 1}};
    const struct berth_engine_config manager = {.facility = "demo",
                                                .endpoint = config.engine,
                                                .request_timeout_ms = 1000,
                                                .connections = 1};
    struct table *table = calloc(1, sizeof(*table));
    ck_assert_ptr_nonnull(table);
    ck_assert_int_eq(berth_engine_io_open(&table->io, NULL), 0);
    struct berth_backend_config whole = config;
    whole.io = table->io;
    ck_assert_int_eq(berth_engine_open(&manager, &table->swarm.manager, NULL), 0);
    ck_assert_int_eq(
        berth_swarm_nodes_open(&whole, table->swarm.manager, &table->swarm.nodes, NULL), 0);
    berth_swarm_nodes_set_self(table->swarm.nodes, "id1");
    table->spread.swarm = &table->swarm;
    (void)pthread_mutex_init(&table->spread.lock, NULL);
    return table;
}

static void table_free(struct table *table)
{
    while (table->spread.images)
        berth_spread_image_remove(&table->spread, table->spread.images);
    berth_swarm_node_list_release(&table->spread.nodes);
    berth_swarm_nodes_close(table->swarm.nodes);
    berth_engine_close(table->swarm.manager);
    berth_engine_io_close(table->io);
    (void)pthread_mutex_destroy(&table->spread.lock);
    free(table);
}

/* "n1 n2! n3~ n4-": ready, down, drained, paused; the digit is the id's, too. */
static void set_nodes(struct table *table, const char *text, int64_t now_ms)
{
    struct berth_swarm_node_list nodes = {.items = calloc(8, sizeof(*nodes.items))};
    ck_assert_ptr_nonnull(nodes.items);
    for (const char *at = text; *at; at += strspn(at, " ")) {
        struct berth_swarm_node *node = &nodes.items[nodes.count++];
        size_t len = strcspn(at, " ");
        char mark = at[len - 1];
        (void)snprintf(node->id, sizeof(node->id), "id%c", at[1]);
        (void)snprintf(node->hostname, sizeof(node->hostname), "n%c", at[1]);
        (void)snprintf(node->status, sizeof(node->status), mark == '!' ? "down" : "ready");
        (void)snprintf(node->availability, sizeof(node->availability), "%s",
                       mark == '~'   ? "drain"
                       : mark == '-' ? "pause"
                                     : "active");
        at += len;
    }
    berth_spread_set_nodes(&table->spread, &nodes, now_ms);
}

static struct berth_spread_image *keep(struct table *table, const char *reference, bool is_old)
{
    struct berth_spread_image *image;
    ck_assert_int_eq(berth_spread_image_get(&table->spread, reference, is_old, &image, NULL), 0);
    ck_assert_int_eq(berth_spread_image_settle(image, DIGEST, NULL), 0);
    return image;
}

/* "n1 waiting, n2 failed (why)" */
static const char *told(struct table *table, const char *reference)
{
    BERTH_CLEANUP(image_copies) struct berth_image_copies copies = {0};
    size_t len = 0;
    ck_assert_int_eq(berth_swarm_spread_copies(&table->spread, reference, &copies, NULL), 0);
    table->told[0] = '\0';
    for (size_t i = 0; i < copies.count; i++) {
        const struct berth_image_copy *copy = &copies.items[i];
        len += (size_t)snprintf(table->told + len, sizeof(table->told) - len, "%s%s %s%s%s%s",
                                i > 0 ? ", " : "", copy->node, berth_copy_state_name(copy->state),
                                copy->why[0] ? " (" : "", copy->why, copy->why[0] ? ")" : "");
    }
    return table->told;
}

/* All that is to be done ends like this; returns how many that was. */
static size_t see_to_all(struct table *table, int status, const char *why, int64_t now_ms)
{
    struct berth_spread_copy *copy;
    size_t left;
    size_t count = 0;
    while ((copy = berth_spread_next(&table->spread, &left))) {
        berth_spread_copy_begin(copy);
        berth_spread_copy_end(copy, copy->image->generation, status, why, now_ms);
        count++;
    }
    return count;
}

/* ---- Nodes ---- */

START_TEST(every_node_gets_it_that_may_be_used)
{
    struct table *table = table_new();
    set_nodes(table, "n1 n2! n3~ n4- n5", 0);
    keep(table, "a:1", false);
    ck_assert_uint_eq(see_to_all(table, 0, "", 0), 2);
    ck_assert_str_eq(told(table, "a:1"),
                     "n1 present, n2 waiting (node n2 is down), n3 waiting (node n3 is drained), "
                     "n4 waiting (node n4 is paused), n5 present");
    ck_assert_str_eq(told(table, "b:1"), "");
    set_nodes(table, "n1 n2 n3 n4! n5", 0);
    ck_assert_str_eq(told(table, "a:1"), "n1 present, n2 waiting, n3 waiting, "
                                         "n4 waiting (node n4 is down), n5 present");
    ck_assert_uint_eq(see_to_all(table, 0, "", 0), 2);
    table_free(table);
}
END_TEST

START_TEST(nodes_that_come_get_it_and_nodes_that_go_are_forgotten)
{
    struct table *table = table_new();
    keep(table, "a:1", false);
    ck_assert_str_eq(told(table, "a:1"), "");
    set_nodes(table, "n1 n2", 0);
    ck_assert_uint_eq(see_to_all(table, 0, "", 0), 2);
    set_nodes(table, "n2 n3", 0);
    ck_assert_str_eq(told(table, "a:1"), "n2 present, n3 waiting");
    ck_assert_uint_eq(see_to_all(table, 0, "", 0), 1);
    set_nodes(table, "n1 n2 n3", 0); /* it may have lost everything meanwhile */
    ck_assert_str_eq(told(table, "a:1"), "n1 waiting, n2 present, n3 present");
    table_free(table);
}
END_TEST

START_TEST(what_was_kept_before_is_known_of_nodes_that_can_be_asked_alone)
{
    struct table *table = table_new();
    keep(table, "a:1", true);
    set_nodes(table, "n1 n2 n3 n4!", 0);
    ck_assert_str_eq(told(table, "a:1"), "n1 waiting, n2 waiting, n3 unknown (node n3 has no "
                                         "endpoint), n4 unknown (node n4 has no endpoint)");
    ck_assert_uint_eq(see_to_all(table, 0, "", 0), 2);
    set_nodes(table, "n1 n2 n3 n4 n5", 0); /* one is back, one is new: both are seen to */
    ck_assert_str_eq(told(table, "a:1"), "n1 present, n2 present, n3 unknown (node n3 has no "
                                         "endpoint), n4 waiting, n5 waiting");
    table_free(table);
}
END_TEST

START_TEST(a_node_that_goes_while_it_is_seen_to_is_forgotten_at_the_end)
{
    struct table *table = table_new();
    size_t count;
    set_nodes(table, "n1", 0);
    struct berth_spread_image *image = keep(table, "a:1", false);
    struct berth_spread_copy *copy = berth_spread_next(&table->spread, &count);
    berth_spread_copy_begin(copy);
    set_nodes(table, "n2", 0);
    ck_assert_str_eq(told(table, "a:1"), "n2 waiting");
    set_nodes(table, "n1 n2", 0); /* it is back, as another: the old is still at work */
    ck_assert_str_eq(told(table, "a:1"), "n1 waiting, n2 waiting");
    berth_spread_copy_end(copy, image->generation, 0, "", 0);
    ck_assert_str_eq(told(table, "a:1"), "n1 waiting, n2 waiting");
    table_free(table);
}
END_TEST

/* ---- Failures ---- */

START_TEST(what_fails_is_tried_again_after_ever_longer)
{
    static const int64_t minutes[] = {1, 2, 4, 8, 16, 32, 60, 60};
    struct table *table = table_new();
    int64_t now_ms = 1000;
    set_nodes(table, "n1", now_ms);
    keep(table, "a:1", false);
    for (size_t i = 0; i < UNIT_COUNT(minutes); i++) {
        ck_assert_uint_eq(see_to_all(table, BERTH_E_REFUSED, "no", now_ms), 1);
        ck_assert_str_eq(told(table, "a:1"), "n1 failed (no)");
        set_nodes(table, "n1", now_ms + minutes[i] * MINUTE_MS - 1);
        ck_assert_str_eq(told(table, "a:1"), "n1 failed (no)");
        now_ms += minutes[i] * MINUTE_MS;
        set_nodes(table, "n1", now_ms);
        ck_assert_str_eq(told(table, "a:1"), "n1 waiting (no)");
    }
    ck_assert_uint_eq(see_to_all(table, 0, "", now_ms), 1);
    ck_assert_str_eq(told(table, "a:1"), "n1 present");
    table_free(table);
}
END_TEST

START_TEST(a_node_that_is_back_is_tried_at_once_and_as_if_it_never_failed)
{
    struct table *table = table_new();
    set_nodes(table, "n1", 0);
    keep(table, "a:1", false);
    ck_assert_uint_eq(see_to_all(table, BERTH_E_REFUSED, "no", 0), 1);
    set_nodes(table, "n1!", 1);
    ck_assert_str_eq(told(table, "a:1"), "n1 failed (no)");
    set_nodes(table, "n1", 2);
    ck_assert_uint_eq(see_to_all(table, BERTH_E_REFUSED, "no", 2), 1);
    set_nodes(table, "n1", 2 + MINUTE_MS);
    ck_assert_uint_eq(see_to_all(table, 0, "", 0), 1);
    table_free(table);
}
END_TEST

START_TEST(a_node_that_falls_while_it_is_seen_to_has_not_failed)
{
    struct table *table = table_new();
    size_t count;
    set_nodes(table, "n1", 0);
    struct berth_spread_image *image = keep(table, "a:1", false);
    struct berth_spread_copy *copy = berth_spread_next(&table->spread, &count);
    berth_spread_copy_begin(copy);
    ck_assert_str_eq(told(table, "a:1"), "n1 pulling");
    ck_assert_ptr_null(berth_spread_next(&table->spread, &count));
    set_nodes(table, "n1!", 0);
    ck_assert_str_eq(told(table, "a:1"), "n1 pulling");
    berth_spread_copy_end(copy, image->generation, BERTH_E_CANCELLED, "given up", 0);
    ck_assert_str_eq(told(table, "a:1"), "n1 waiting (node n1 is down)");
    table_free(table);
}
END_TEST

/* ---- Images ---- */

START_TEST(another_digest_is_got_by_all_again)
{
    struct table *table = table_new();
    size_t count;
    set_nodes(table, "n1 n2", 0);
    struct berth_spread_image *image = keep(table, "a:1", false);
    ck_assert_uint_eq(see_to_all(table, 0, "", 0), 2);
    keep(table, "a:1", false);
    ck_assert_str_eq(told(table, "a:1"), "n1 present, n2 present");
    ck_assert_int_eq(berth_spread_image_settle(image, "sha256:11", NULL), 0);
    ck_assert_str_eq(told(table, "a:1"), "n1 waiting, n2 waiting");

    uint64_t generation = image->generation;
    struct berth_spread_copy *copy = berth_spread_next(&table->spread, &count);
    berth_spread_copy_begin(copy);
    ck_assert_int_eq(berth_spread_image_settle(image, NULL, NULL), 0);
    berth_spread_copy_end(copy, generation, 0, "", 0); /* that was the one before */
    ck_assert_str_eq(told(table, "a:1"), "n1 waiting, n2 waiting");
    table_free(table);
}
END_TEST

START_TEST(an_image_that_is_dropped_is_seen_to_no_more)
{
    struct table *table = table_new();
    size_t count;
    set_nodes(table, "n1 n2", 0);
    struct berth_spread_image *image = keep(table, "a:1", false);
    keep(table, "b:1", false);
    struct berth_spread_copy *copy = berth_spread_next(&table->spread, &count);
    ck_assert_uint_eq(count, 4);
    while (copy->image != image) { /* of the other one */
        berth_spread_copy_begin(copy);
        berth_spread_copy_end(copy, copy->image->generation, 0, "", 0);
        copy = berth_spread_next(&table->spread, &count);
    }
    berth_spread_copy_begin(copy);
    berth_spread_image_remove(&table->spread, image);
    ck_assert_ptr_null(berth_spread_image_find(&table->spread, "a:1"));
    ck_assert_str_eq(told(table, "a:1"), "");
    set_nodes(table, "n2", 0);
    berth_spread_copy_end(copy, 1, 0, "", 0); /* frees it */
    ck_assert_uint_eq(see_to_all(table, 0, "", 0), 0);
    ck_assert_str_eq(told(table, "b:1"), "n2 present");
    table_free(table);
}
END_TEST

START_TEST(the_managers_pull_counts_as_one_of_all)
{
    struct table *table = table_new();
    struct berth_spread_image *image;
    size_t pending;
    set_nodes(table, "n1 n2 n3! n4", 0);
    ck_assert_int_eq(berth_spread_image_get(&table->spread, "a:1", false, &image, NULL), 0);
    berth_spread_image_begin(image);
    ck_assert_ptr_null(
        berth_spread_next(&table->spread, &pending)); /* of which there is none yet */
    berth_spread_image_pulled(table->swarm.nodes, image, 60);
    ck_assert_str_eq(told(table, "a:1"),
                     "n1 pulling, n2 waiting, n3 waiting (node n3 is down), n4 waiting");
    ck_assert_int_eq(berth_spread_image_percent(image, &pending), (60 + 100) / 4);
    ck_assert_uint_eq(pending, 3);
    ck_assert_int_eq(berth_spread_image_settle(image, DIGEST, NULL), 0);
    ck_assert_str_eq(told(table, "a:1"),
                     "n1 present, n2 waiting, n3 waiting (node n3 is down), n4 waiting");
    ck_assert_uint_eq(see_to_all(table, 0, "", 0), 2);
    ck_assert_int_eq(berth_spread_image_percent(image, &pending), 100);
    berth_spread_image_begin(image);
    berth_spread_image_pulled(table->swarm.nodes, image, 10);
    berth_spread_image_unpull(image); /* it failed */
    ck_assert_str_eq(told(table, "a:1"),
                     "n1 waiting, n2 waiting, n3 waiting (node n3 is down), n4 waiting");
    ck_assert_uint_eq(pending, 0);
    table_free(table);
}
END_TEST

/* ---- Services that bring an image ---- */

START_TEST(a_task_says_whether_the_image_is_there)
{
    static const struct {
        const char *name;
        struct berth_swarm_task task;
        int judged;
        bool is_refused;
        const char *message;
    } rows[] = {
        {"none yet", {.phase = BERTH_TASK_NONE}, 0, false, ""},
        {"assigned", {.phase = BERTH_TASK_WAITING, .state = "assigned"}, 0, false, ""},
        {"pulling", {.phase = BERTH_TASK_WAITING, .state = "preparing"}, 0, false, ""},
        {"pulled", {.phase = BERTH_TASK_WAITING, .state = "ready"}, 1, false, ""},
        {"to start", {.phase = BERTH_TASK_WAITING, .state = "starting"}, 1, false, ""},
        {"no such command",
         {.phase = BERTH_TASK_ENDED, .state = "failed", .container = "c1", .why = "starting"},
         1,
         false,
         ""},
        {"no container",
         {.phase = BERTH_TASK_ENDED, .state = "failed", .why = "disk full"},
         BERTH_E_REFUSED,
         false,
         "disk full"},
        {"not pulled",
         {.phase = BERTH_TASK_ENDED, .state = "rejected", .why = "No such image: a:1"},
         BERTH_E_REFUSED,
         true,
         "No such image: a:1"},
        {"ended",
         {.phase = BERTH_TASK_ENDED, .state = "shutdown"},
         BERTH_E_REFUSED,
         false,
         "the task was ended"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct berth_error err = BERTH_ERROR_INIT;
        bool is_refused = false;
        int judged = berth_spread_place_judge(&rows[i].task, &is_refused, &err);
        ck_assert_msg(judged == rows[i].judged, "%s", rows[i].name);
        ck_assert_msg(is_refused == rows[i].is_refused, "%s", rows[i].name);
        ck_assert_str_eq(err.message, rows[i].message);
    }
}
END_TEST

START_TEST(what_brings_an_image_is_bound_to_its_node_and_runs_nothing)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf body = BERTH_STRBUF_INIT(4096);
    berth_spread_place_body("demo", "berth-pull-1", "a:1@sha256:0", "n1", &body);
    ck_assert_str_eq(berth_strbuf_str(&body),
                     "{\"Name\":\"berth-pull-1\",\"Labels\":{\"berth.pull\":\"demo\"},"
                     "\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"a:1@sha256:0\","
                     "\"Labels\":{\"berth.pull\":\"demo\"},"
                     "\"Command\":[\"/berth/image-is-here\"]},"
                     "\"RestartPolicy\":{\"Condition\":\"none\"},"
                     "\"Placement\":{\"Constraints\":[\"node.id==n1\"]},"
                     "\"LogDriver\":{\"Name\":\"none\"}},"
                     "\"Mode\":{\"Replicated\":{\"Replicas\":1}}}");
}
END_TEST

UNIT_SUITE("swarm_spread", every_node_gets_it_that_may_be_used,
           nodes_that_come_get_it_and_nodes_that_go_are_forgotten,
           what_was_kept_before_is_known_of_nodes_that_can_be_asked_alone,
           a_node_that_goes_while_it_is_seen_to_is_forgotten_at_the_end,
           what_fails_is_tried_again_after_ever_longer,
           a_node_that_is_back_is_tried_at_once_and_as_if_it_never_failed,
           a_node_that_falls_while_it_is_seen_to_has_not_failed, another_digest_is_got_by_all_again,
           an_image_that_is_dropped_is_seen_to_no_more, the_managers_pull_counts_as_one_of_all,
           a_task_says_whether_the_image_is_there,
           what_brings_an_image_is_bound_to_its_node_and_runs_nothing)
