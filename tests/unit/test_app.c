/* SPDX-License-Identifier: MIT */
#include "backends/app.h"
#include "tests/unit/unit.h"

#include <string.h>

START_TEST(states_have_the_engines_names)
{
    static const struct {
        const char *name;
        enum berth_app_state state;
    } rows[] = {
        {"unknown", BERTH_APP_UNKNOWN},       {"created", BERTH_APP_CREATED},
        {"running", BERTH_APP_RUNNING},       {"paused", BERTH_APP_PAUSED},
        {"restarting", BERTH_APP_RESTARTING}, {"removing", BERTH_APP_REMOVING},
        {"exited", BERTH_APP_EXITED},         {"dead", BERTH_APP_DEAD},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        ck_assert_str_eq(berth_app_state_name(rows[i].state), rows[i].name);
        ck_assert_int_eq(berth_app_state_parse(rows[i].name), rows[i].state);
    }
    static const char *const others[] = {"", "Running", "running ", "up"};
    for (size_t i = 0; i < UNIT_COUNT(others); i++)
        ck_assert_int_eq(berth_app_state_parse(others[i]), BERTH_APP_UNKNOWN);
    ck_assert_str_eq(berth_app_state_name((enum berth_app_state)99), "unknown");
}
END_TEST

/* ---- One app with something in every field ---- */

static const struct berth_app_pair labels[] = {
    {"zone", "north"}, {"berth.user", "ana"}, {"berth.app", "demo--ana"}, {"empty", ""}};
static const char *const networks[] = {"web", "bridge", "db"};
static const struct berth_app_mount mounts[] = {{"data", "/var/lib/data", "local"},
                                                {"", "/srv/shared", ""}};
static const struct berth_app_port ports[] = {{"0.0.0.0", "tcp", 80, 8080}, {"", "udp", 53, 0}};

static const struct berth_app whole = {
    .id = "0123456789abcdef",
    .name = "demo--ana",
    .user = "ana",
    .image = "demo:latest",
    .image_id = "sha256:77",
    .image_label = "demo:latest",
    .engine_name = "demo--ana",
    .command = "sleep 3600",
    .created_ns = 1,
    .started_ns = 2,
    .finished_ns = 3,
    .state = BERTH_APP_PAUSED,
    .health = BERTH_HEALTH_HEALTHY,
    .exit_code = -4,
    .dead = true,
    .paused = true,
    .label_count = UNIT_COUNT(labels),
    .labels = labels,
    .network_count = UNIT_COUNT(networks),
    .networks = networks,
    .mount_count = UNIT_COUNT(mounts),
    .mounts = mounts,
    .port_count = UNIT_COUNT(ports),
    .ports = ports,
};

static struct berth_app *app_new(const struct berth_app *fields)
{
    struct berth_app *app = NULL;
    struct berth_error err = BERTH_ERROR_INIT;
    ck_assert_msg(berth_app_new(fields, &app, &err) == 0, "%s", err.message);
    return app;
}

START_TEST(new_copies_every_field)
{
    BERTH_CLEANUP(app) struct berth_app *app = app_new(&whole);
    const char *const texts[][2] = {
        {app->id, whole.id},
        {app->name, whole.name},
        {app->user, whole.user},
        {app->image, whole.image},
        {app->image_id, whole.image_id},
        {app->image_label, whole.image_label},
        {app->engine_name, whole.engine_name},
        {app->command, whole.command},
    };
    for (size_t i = 0; i < UNIT_COUNT(texts); i++) {
        ck_assert_str_eq(texts[i][0], texts[i][1]);
        ck_assert_ptr_ne(texts[i][0], texts[i][1]);
    }
    ck_assert_int_eq(app->created_ns, 1);
    ck_assert_int_eq(app->started_ns, 2);
    ck_assert_int_eq(app->finished_ns, 3);
    ck_assert_int_eq(app->state, BERTH_APP_PAUSED);
    ck_assert_int_eq(app->health, BERTH_HEALTH_HEALTHY);
    ck_assert_int_eq(app->exit_code, -4);
    ck_assert(app->dead && app->paused);
}
END_TEST

START_TEST(labels_and_networks_are_sorted)
{
    BERTH_CLEANUP(app) struct berth_app *app = app_new(&whole);
    static const char *const keys[] = {"berth.app", "berth.user", "empty", "zone"};
    static const char *const values[] = {"demo--ana", "ana", "", "north"};
    ck_assert_uint_eq(app->label_count, UNIT_COUNT(keys));
    for (size_t i = 0; i < UNIT_COUNT(keys); i++) {
        ck_assert_str_eq(app->labels[i].key, keys[i]);
        ck_assert_str_eq(app->labels[i].value, values[i]);
        ck_assert_str_eq(berth_app_label(app, keys[i]), values[i]);
    }
    ck_assert_ptr_null(berth_app_label(app, "berth"));
    static const char *const sorted[] = {"bridge", "db", "web"};
    ck_assert_uint_eq(app->network_count, UNIT_COUNT(sorted));
    for (size_t i = 0; i < UNIT_COUNT(sorted); i++)
        ck_assert_str_eq(app->networks[i], sorted[i]);
}
END_TEST

START_TEST(mounts_and_ports_keep_their_order)
{
    BERTH_CLEANUP(app) struct berth_app *app = app_new(&whole);
    ck_assert_uint_eq(app->mount_count, UNIT_COUNT(mounts));
    for (size_t i = 0; i < UNIT_COUNT(mounts); i++) {
        ck_assert_str_eq(app->mounts[i].name, mounts[i].name);
        ck_assert_str_eq(app->mounts[i].source, mounts[i].source);
        ck_assert_str_eq(app->mounts[i].driver, mounts[i].driver);
    }
    ck_assert_uint_eq(app->port_count, UNIT_COUNT(ports));
    for (size_t i = 0; i < UNIT_COUNT(ports); i++) {
        ck_assert_str_eq(app->ports[i].ip, ports[i].ip);
        ck_assert_str_eq(app->ports[i].protocol, ports[i].protocol);
        ck_assert_uint_eq(app->ports[i].container_port, ports[i].container_port);
        ck_assert_uint_eq(app->ports[i].host_port, ports[i].host_port);
    }
}
END_TEST

START_TEST(missing_text_is_empty)
{
    BERTH_CLEANUP(app) struct berth_app *app = app_new(&(struct berth_app){.id = "1"});
    const char *const texts[] = {app->name,        app->user,        app->image,  app->image_id,
                                 app->image_label, app->engine_name, app->command};
    for (size_t i = 0; i < UNIT_COUNT(texts); i++)
        ck_assert_str_eq(texts[i], "");
    ck_assert_ptr_null(berth_app_label(app, "any"));
}
END_TEST

START_TEST(text_said_twice_is_kept_once)
{
    BERTH_CLEANUP(app) struct berth_app *app = app_new(&whole);
    ck_assert_ptr_eq(app->engine_name, app->name);
    ck_assert_ptr_eq(berth_app_label(app, "berth.app"), app->name);
    ck_assert_ptr_eq(berth_app_label(app, "berth.user"), app->user);
    ck_assert_ptr_eq(app->image_label, app->image);
}
END_TEST

/* More different texts than are remembered: the rest is right all the same. */
START_TEST(many_labels_fit)
{
    enum { MANY = 200 };
    char text[MANY][16];
    struct berth_app_pair pairs[MANY];
    for (size_t i = 0; i < MANY; i++) {
        (void)snprintf(text[i], sizeof(text[i]), "key%03zu", MANY - 1 - i);
        pairs[i] = (struct berth_app_pair){text[i], text[i]};
    }
    BERTH_CLEANUP(app)
    struct berth_app *app =
        app_new(&(struct berth_app){.id = "1", .label_count = MANY, .labels = pairs});
    for (size_t i = 0; i < MANY; i++) {
        ck_assert_str_eq(app->labels[i].key, text[MANY - 1 - i]);
        ck_assert_str_eq(berth_app_label(app, text[i]), text[i]);
    }
}
END_TEST

START_TEST(an_app_is_one_allocation)
{
    unit_alloc_fail_after(1);
    struct berth_app *app = NULL;
    int status = berth_app_new(&whole, &app, NULL);
    ck_assert(!unit_alloc_restore());
    ck_assert_int_eq(status, 0);
    berth_app_unref(app);

    app = NULL;
    unit_alloc_fail_after(0);
    status = berth_app_new(&whole, &app, NULL);
    ck_assert(unit_alloc_restore());
    ck_assert_int_eq(status, BERTH_E_NOMEM);
    ck_assert_ptr_null(app);
}
END_TEST

START_TEST(lists_hold_references)
{
    struct berth_app *app = app_new(&whole);
    struct berth_app_list list = {0};
    for (size_t i = 0; i < 40; i++)
        ck_assert_int_eq(berth_app_list_add(&list, berth_app_ref(app), NULL), 0);
    berth_app_unref(app);
    ck_assert_uint_eq(list.count, 40);
    for (size_t i = 0; i < list.count; i++)
        ck_assert_str_eq(list.items[i]->name, "demo--ana");
    berth_app_list_release(&list);
    ck_assert_uint_eq(list.count, 0);
    ck_assert_ptr_null(list.items);
    berth_app_unref(NULL);
}
END_TEST

START_TEST(a_list_that_cannot_grow_drops_the_app)
{
    struct berth_app_list list = {0};
    struct berth_app *app = app_new(&whole);
    unit_alloc_fail_after(0);
    int status = berth_app_list_add(&list, app, NULL); /* a leak is the sanitizer's to find */
    ck_assert(unit_alloc_restore());
    ck_assert_int_eq(status, BERTH_E_NOMEM);
    ck_assert_uint_eq(list.count, 0);
    berth_app_list_release(&list);
}
END_TEST

UNIT_SUITE("app", states_have_the_engines_names, new_copies_every_field,
           labels_and_networks_are_sorted, mounts_and_ports_keep_their_order, missing_text_is_empty,
           text_said_twice_is_kept_once, many_labels_fit, an_app_is_one_allocation,
           lists_hold_references, a_list_that_cannot_grow_drops_the_app)
