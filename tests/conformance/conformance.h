/* SPDX-License-Identifier: MIT */
/*
 * One suite over every backend: what backend.h promises, tried through the
 * dispatchers alone. The environment says on what:
 *
 *   BERTH_TEST_BACKEND  name of the backend
 *   BERTH_TEST_ENGINE   its engine (unix:///path), where it has one
 *   BERTH_TEST_IMAGE    an image that engine holds; its containers print the lines "ready"
 *                       on stdout and "up" on stderr, run until they are stopped, and end
 *                       at once on SIGTERM
 *   BERTH_TEST_PULL     name:tag of an image the engine can pull
 *   BERTH_TEST_SWARM    says that the engine is a swarm's manager, for backend swarm
 *   BERTH_TEST_ROOTFS   a root file system with a shell, for the backend of that name; it needs
 *                       neither engine nor images
 *   BERTH_TEST_COMPOSE  Docker Compose version 2, for the backend of that name
 *
 * Each test has a facility of its own on that engine, and leaves nothing of it.
 *
 * Threading: fixtures belong to one test; a recorder is locked.
 */
#ifndef BERTH_TESTS_CONFORMANCE_CONFORMANCE_H
#define BERTH_TESTS_CONFORMANCE_CONFORMANCE_H

#include "backends/backend.h"
#include "base/json.h"

#include <check.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* How long anything may take that a test waits for. */
#define PATIENCE_MS 60000

/* ---- The backend under test ---- */

const struct berth_backend_ops *conformance_ops(void);
const char *conformance_image(void);
/* As apps show it. */
const char *conformance_shown_image(void);
const char *conformance_pullable(void);

struct fixture {
    char facility[33];
    char data_dir[64]; /* where a backend may keep files */
    struct berth_engine_io *io;
    struct berth_backend *backend;
};

/* A facility without apps. */
struct fixture fixture_open(void);
/* Ends what it runs and removes its apps. */
void fixture_close(struct fixture *fixture);
BERTH_DEFINE_CLEANUP_VALUE(fixture, struct fixture, fixture_close)

/* A port of this host where nobody listens, and that no other test is given until this one ends:
 * suites on other engines of the host may run beside this one. */
uint16_t port_claim(void);

/* Another instance for the same facility. */
struct fixture fixture_again(const struct fixture *fixture);

/* Closes the backend and leaves its apps. */
void fixture_leave(struct fixture *fixture);

/* ---- Short cuts; whatever fails fails the test ---- */

/* An app named test--USER of the test's image; its name holds until the next call. */
struct berth_create_spec spec_for(const char *user);

/* malloc'ed id. An app that starts by itself runs by then. */
char *app_create(struct fixture *fixture, const char *user);

/* Where a backend has no such verb: start is done (app_create has waited for it), and remove is
 * kill. */
void act_ok(struct fixture *fixture, enum berth_verb verb, const char *id);
/* One that runs may not be ready to take a signal yet, where starting takes no longer than that:
 * waits until it has said so. */
void app_settle(struct fixture *fixture, const char *id);

/* False: apps start when they are created, and go when they are killed. */
bool apps_are_operated(void);
/* Ends an app behind the backend's back, through BERTH_TEST_ENGINE, and waits until it shows. */
void app_end(struct fixture *fixture, const char *id);
/* What an app is after app_create. */
enum berth_app_state first_state(void);
/* Until an app that starts by itself has its container. */
void app_wait(struct fixture *fixture, const char *id);
/* Of conformance_pullable() nothing is there before a test and after it. An engine may complete a
 * pull that was cancelled a moment after it was asked to remove the image. */
void pullable_discard(struct fixture *fixture);

/* The app as list tells it, a reference; NULL if there is none. */
struct berth_app *app_get(struct fixture *fixture, const char *id);
enum berth_app_state app_state(struct fixture *fixture, const char *id);
size_t app_count(struct fixture *fixture);
cJSON *app_inspect(struct fixture *fixture, const char *id);

const char *verb_name(enum berth_verb verb);

/* An id that no app has. */
extern const char *const unknown_id;

#define ASSERT_OK(call, err)                                                                       \
    do {                                                                                           \
        int assert_ok_status = (call);                                                             \
        ck_assert_msg(assert_ok_status == 0, "%s: %s: %s (%s)", #call,                             \
                      berth_status_name((enum berth_status)assert_ok_status), (err)->message,      \
                      (err)->detail);                                                              \
    } while (0)

#define ASSERT_STATUS(call, expected, err)                                                         \
    do {                                                                                           \
        int assert_status = (call);                                                                \
        ck_assert_msg(assert_status == (expected), "%s: %s, not %s: %s", #call,                    \
                      berth_status_name((enum berth_status)assert_status),                         \
                      berth_status_name(expected), assert_status ? (err)->message : "");           \
    } while (0)

/* ---- What a watch told ---- */

enum record_kind {
    RECORD_LISTING,
    RECORD_APP,
    RECORD_GONE,
    RECORD_CHANGED,
    RECORD_IMAGES,
    RECORD_ALIVE,
    RECORD_LOST,
};

struct record {
    enum record_kind kind;
    uint64_t ticket;
    int64_t at_ns;
    char id[80];
    enum berth_app_state state;
    struct berth_app *app;           /* APP: a reference */
    struct berth_app_list apps;      /* LISTING: references */
    struct berth_image_list *images; /* IMAGES: a reference */
};

struct recorder {
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t grown;
    struct record *records;
    size_t count;
    size_t size;
    uint64_t tickets; /* drawn */
    unsigned inside;  /* callbacks running */
    bool overlapped;  /* two at once */
    struct berth_watch_sink sink;
};

void recorder_init(struct recorder *recorder);
void recorder_release(struct recorder *recorder);

/* Waits until `holds` does, looking at the records under the lock; fails the test (saying what) if
 * that takes too long. */
void recorder_wait(struct recorder *recorder,
                   bool (*holds)(const struct recorder *recorder, const void *ctx), const void *ctx,
                   const char *what);

/* What a mirror would know of an app: the row or the end with the highest ticket. NULL: nothing;
 * kind is RECORD_APP or RECORD_GONE. */
const struct record *recorder_latest(const struct recorder *recorder, const char *id);

void recorder_wait_listing(struct recorder *recorder);
void recorder_wait_state(struct recorder *recorder, const char *id, enum berth_app_state state);
void recorder_wait_gone(struct recorder *recorder, const char *id);

/* ---- The tests ---- */

TCase *case_table(void);
TCase *case_apps(void);
TCase *case_states(void);
TCase *case_images(void);
TCase *case_exec(void);
TCase *case_files(void);
TCase *case_host(void);
TCase *case_logs(void);
TCase *case_sharing(void);
TCase *case_watch(void);
TCase *case_containers(void);
TCase *case_projects(void);

#endif
