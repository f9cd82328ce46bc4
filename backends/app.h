/* SPDX-License-Identifier: MIT */
/*
 * One app as a backend lists it: what `docker ps`, the policy and the uptime
 * sampler need, in typed form. An app object is immutable and reference
 * counted; it is one allocation, since a facility may hold 100,000 of them.
 *
 * Threading: immutable after berth_app_new; ref and unref from any thread.
 */
#ifndef BERTH_BACKENDS_APP_H
#define BERTH_BACKENDS_APP_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

/* The engine's State.Status; UNKNOWN where nobody can tell (a node that does not answer). */
enum berth_app_state {
    BERTH_APP_UNKNOWN,
    BERTH_APP_CREATED,
    BERTH_APP_RUNNING,
    BERTH_APP_PAUSED,
    BERTH_APP_RESTARTING,
    BERTH_APP_REMOVING,
    BERTH_APP_EXITED,
    BERTH_APP_DEAD,
};

enum berth_app_health {
    BERTH_HEALTH_NONE,
    BERTH_HEALTH_STARTING,
    BERTH_HEALTH_HEALTHY,
    BERTH_HEALTH_UNHEALTHY,
};

/* "running", as the engine spells it; never NULL. */
const char *berth_app_state_name(enum berth_app_state state);
/* BERTH_APP_UNKNOWN for a word that is none. */
enum berth_app_state berth_app_state_parse(const char *name);

/* A published or exposed port, as in GET /containers/json. */
struct berth_app_port {
    const char *ip; /* "" where only exposed, else "0.0.0.0", "::", … */
    const char *protocol;
    uint16_t container_port;
    uint16_t host_port; /* 0: exposed, not published */
};

struct berth_app_pair {
    const char *key;
    const char *value;
};

/* A mount: name of the volume, or "" and the host path of a bind mount. */
struct berth_app_mount {
    const char *name;
    const char *source;
    const char *driver; /* "local" for local volumes */
};

/* No string is NULL. Times are wall nanoseconds, 0 for never. */
struct berth_app {
    const char *id;    /* the engine's identifier, 64 hexadecimal digits with Docker */
    const char *name;  /* IMAGE--USER (label berth.app); of an adopted app its engine name */
    const char *user;  /* label berth.user; of an adopted app what follows the last "--", or "" */
    const char *image; /* what `docker ps` shows in IMAGE */
    const char *image_id;
    const char *image_label; /* label berth.image: the reference asked for; "" when adopted */
    const char *engine_name; /* the container's name on the engine, without the slash */
    const char *command;     /* as the engine lists it, not cut */
    const char *container;   /* the container's id, what `docker ps` shows in ID; "" before there is
                                one; NULL given to berth_app_new: the same as id */
    const char *note;        /* what to show for a status that Docker has no words for, or "" */
    int64_t created_ns;
    int64_t started_ns;
    int64_t finished_ns;
    enum berth_app_state state;
    enum berth_app_health health;
    int exit_code;
    bool dead; /* State.Dead, State.Paused and the like where the state alone does not tell */
    bool paused;
    size_t label_count; /* sorted by key */
    const struct berth_app_pair *labels;
    size_t network_count; /* sorted */
    const char *const *networks;
    size_t mount_count; /* in a stable order */
    const struct berth_app_mount *mounts;
    size_t port_count; /* in a stable order */
    const struct berth_app_port *ports;
};

/* Copies everything fields points to (labels and networks are sorted; a NULL string becomes "",
 * container excepted); one reference. */
BERTH_MUST_CHECK int berth_app_new(const struct berth_app *fields, struct berth_app **ret_app,
                                   struct berth_error *err);
struct berth_app *berth_app_ref(struct berth_app *app);
void berth_app_unref(struct berth_app *app); /* NULL is fine */
BERTH_DEFINE_CLEANUP(app, struct berth_app *, berth_app_unref)

/* The value of a label, or NULL. */
const char *berth_app_label(const struct berth_app *app, const char *key);

/* A growable list that holds a reference on each app. */
struct berth_app_list {
    struct berth_app **items;
    size_t count;
    size_t size;
};

/* Takes the reference over, on failure too (it is dropped then). */
BERTH_MUST_CHECK int berth_app_list_add(struct berth_app_list *list, struct berth_app *app,
                                        struct berth_error *err);
void berth_app_list_release(struct berth_app_list *list);
BERTH_DEFINE_CLEANUP_VALUE(app_list, struct berth_app_list, berth_app_list_release)

#endif
