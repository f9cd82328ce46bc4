/* SPDX-License-Identifier: MIT */
/*
 * The memory backend's parts, for its own files alone:
 *
 *   memory.c          the verbs, open and close, delays and failures
 *   memory_state.c    containers: the set of them, and how they change
 *   memory_create.c   how they come
 *   memory_exec.c     a shell in them
 *   memory_images.c   the registry, and the images pulled from it
 *   memory_inspect.c  inspect objects
 *   memory_logs.c     what the apps have said
 *   memory_stats.c    resource use, and the host
 *   memory_watch.c    the thread that tells the sink
 *
 * Threading: functions named ..._locked are called with memory->lock held; the
 * lock is never held while the sink is called.
 */
#ifndef BERTH_BACKENDS_MEMORY_INTERNAL_H
#define BERTH_BACKENDS_MEMORY_INTERNAL_H

#include "backends/memory_control.h"

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#define MEMORY_ID_LEN 64

/* The engine whose manners these are. */
#define MEMORY_ENGINE_VERSION "26.1.5"
#define MEMORY_HOSTNAME       "memory"

/* How many images the registry has. */
#define MEMORY_IMAGES 10

/* What the engine holds of an image, as bits. */
enum { MEMORY_HELD = 1, MEMORY_HELD_LATEST = 2, MEMORY_HELD_VERSION = 4 };

/* A line of an app's log, with its newline. */
struct memory_line {
    struct memory_line *next;
    int64_t at_ns; /* wall */
    enum berth_output stream;
    char text[];
};

/* A container. What everyone may see is in app, replaced whole when it changes. */
struct memory_container {
    struct berth_app *app;
    char *image_config; /* the reference it was created from; NULL: as app->image shows it */
    char *run_as;       /* or NULL */
    int64_t cpu_nano;
    int64_t memory_bytes;
    int64_t pids;
    struct memory_line *log; /* oldest first */
    uint64_t log_count;      /* lines ever written */
    bool ours;               /* has the facility's label */
    UT_hash_handle by_id;    /* key: app->id; in the order of creation */
    UT_hash_handle by_name;  /* key: app->engine_name */
};

struct memory_exec; /* memory_exec.c */

struct memory_failure {
    unsigned times;
    enum berth_status status;
    char message[BERTH_ERROR_MESSAGE_MAX];
};

/* What the engine's event stream would say. */
enum memory_event_kind {
    MEMORY_EVENT_CHANGED, /* of state; the app follows as it is by then */
    MEMORY_EVENT_GONE,
    MEMORY_EVENT_IMAGES,
};

struct memory_event {
    enum memory_event_kind kind;
    enum berth_app_state state;
    int64_t at_ns;
    struct memory_event *next;
    char id[MEMORY_ID_LEN + 1];
};

enum memory_watch_state { MEMORY_WATCH_NEW, MEMORY_WATCH_IN_CONTACT, MEMORY_WATCH_LOST };

struct memory_watch {
    struct berth_watch_sink sink; /* set before the thread starts */
    pthread_t thread;
    bool active;           /* the thread runs; of open, watch and close alone */
    int64_t last_alive_ns; /* of the thread alone, as is the next */
    int64_t next_alive_ms;

    pthread_cond_t wake; /* something to tell, or ending */
    bool ending;
    enum memory_watch_state state; /* as the sink knows it */
    struct memory_event *first;
    struct memory_event **last; /* where the next one goes */
    uint64_t queued;            /* events ever queued … */
    uint64_t told;              /* … and dealt with */
};

struct memory {
    struct berth_backend head;
    char *facility;
    bool adopt;
    int64_t request_timeout_ms;
    int64_t opened_ns; /* wall */
    char node_id[MEMORY_ID_LEN + 1];

    pthread_mutex_t lock;   /* guards all below */
    pthread_cond_t changed; /* contact, or events told */
    struct memory_container *by_id;
    struct memory_container *by_name;
    unsigned held[MEMORY_IMAGES];    /* MEMORY_HELD…, in the registry's order */
    struct berth_image_list *images; /* the same as a list; immutable, replaced whole */
    int64_t last_ns;                 /* the engine's clock never gives one time twice */
    enum berth_memory_contact contact;
    int64_t verb_delay_ms;
    struct memory_failure failures[BERTH_MEMORY_VERBS];
    uint64_t calls[BERTH_MEMORY_VERBS];
    struct memory_exec *execs; /* all that are open */
    struct memory_watch watch;
};

static inline struct memory *memory_of(struct berth_backend *backend)
{
    return (struct memory *)(void *)backend;
}

/* ---- memory.c ---- */

/* 0, or what a call without contact ends with. */
int memory_contact_locked(const struct memory *memory, struct berth_error *err);

/* Waits delay_ms as for a slow engine, for silence_ms at most; BERTH_E_TIMEOUT,
 * BERTH_E_UNREACHABLE. Gives the lock up meanwhile. */
BERTH_MUST_CHECK int memory_wait_locked(struct memory *memory, int64_t delay_ms, int64_t silence_ms,
                                        struct berth_error *err);

/* A call reaches the engine: returns with the lock held, or fails without it. */
BERTH_MUST_CHECK int memory_enter(struct memory *memory, enum berth_memory_verb verb,
                                  struct berth_error *err);
/* Gives the lock up once the sink knows what the call did; passes status on. */
int memory_leave(struct memory *memory, int status);

/* ---- memory_state.c ---- */

/* Wall time, later than any given out before. */
int64_t memory_now_locked(struct memory *memory);

bool memory_visible(const struct memory *memory, const struct memory_container *container);

void memory_container_free(struct memory_container *container); /* NULL is fine */
BERTH_DEFINE_CLEANUP(memory_container, struct memory_container *, memory_container_free)

/* Takes the container over unless it fails. */
BERTH_MUST_CHECK int memory_insert_locked(struct memory *memory, struct memory_container *container,
                                          struct berth_error *err);
void memory_containers_free(struct memory *memory);

/* Of those the facility sees; BERTH_E_NOT_FOUND. */
BERTH_MUST_CHECK int memory_find_locked(struct memory *memory, const char *id,
                                        struct memory_container **ret_container,
                                        struct berth_error *err);
/* Of all on the engine, by id or by the name there; NULL. */
struct memory_container *memory_find_any_locked(const struct memory *memory, const char *id);
struct memory_container *memory_find_name_locked(const struct memory *memory, const char *name);
/* One made of that image, or NULL. */
const struct memory_container *memory_user_locked(const struct memory *memory,
                                                  const char *image_id);

/* A paused container runs too, as the engine sees it. */
bool memory_runs(const struct memory_container *container);

/* Appends what the facility sees, newest first. */
BERTH_MUST_CHECK int memory_list_locked(struct memory *memory, struct berth_app_list *apps,
                                        struct berth_error *err);

/* container is gone after BERTH_VERB_REMOVE. */
BERTH_MUST_CHECK int memory_act_locked(struct memory *memory, enum berth_verb verb,
                                       struct memory_container *container, struct berth_error *err);

/* What a container shows once it was started or has ended; port is borrowed by fields. */
void memory_fill_running(struct berth_app *fields, struct berth_app_port *port, int64_t at_ns);
void memory_fill_exited(struct berth_app *fields, int exit_code, int64_t at_ns);
/* Takes over app, which differs in neither id nor name: the keys, which live in it, move. */
void memory_show(struct memory_container *container, struct berth_app *app);

/* ---- memory_create.c ---- */

BERTH_MUST_CHECK int memory_new_id(char ret_id[static MEMORY_ID_LEN + 1], struct berth_error *err);

/* ours: with berth's labels. ret_id: malloc'ed. */
BERTH_MUST_CHECK int memory_create_locked(struct memory *memory,
                                          const struct berth_create_spec *spec, bool ours,
                                          char **ret_id, struct berth_error *err);

/* Makes the apps a facility has at the start, most of them running. */
BERTH_MUST_CHECK int memory_populate(struct memory *memory, int64_t count, struct berth_error *err);

/* ---- memory_images.c ---- */

/* An image of the registry: repository:latest and repository:version are the same one. */
struct memory_image {
    const char *repository;
    const char *version;
    const char *app; /* what the names of its apps begin with */
    const char *id;
    const char *digest;
    int64_t created_s; /* wall */
    int64_t size_bytes;
    const char *command; /* of its containers, as the engine lists it */
    uint16_t port;       /* exposed tcp port, 0 for none */
};

/* The image the engine holds by that reference (name:tag@digest, name:tag, name@digest, id). */
const struct memory_image *memory_image_find_locked(const struct memory *memory,
                                                    const char *reference);
/* NULL for an id that is none of the registry's. */
const struct memory_image *memory_image_by_id(const char *id);
/* The i-th of the registry, going round. */
const struct memory_image *memory_image_at(size_t i);

/* The images there are at the start: of an empty facility the first alone, else all. */
BERTH_MUST_CHECK int memory_images_init(struct memory *memory, bool all, struct berth_error *err);

int memory_images(struct berth_backend *backend, struct berth_image_list **ret_images,
                  struct berth_error *err);
int memory_pull(struct berth_backend *backend, const char *reference, berth_pull_progress *progress,
                void *ctx, char **ret_digest, char **ret_id, struct berth_error *err);
int memory_image_remove(struct berth_backend *backend, const char *reference,
                        struct berth_error *err);

/* ---- memory_stats.c ---- */

int memory_stats(struct berth_backend *backend, const struct berth_app *const *apps, size_t count,
                 struct berth_stats_list *ret_stats, struct berth_error *err);
int memory_nodes(struct berth_backend *backend, struct berth_node_list *ret_nodes,
                 struct berth_error *err);

/* ---- memory_logs.c ---- */

/* NULL: out of memory. Lines are made before the change they tell of, as events are. */
struct memory_line *memory_line_new(enum berth_output stream, int64_t at_ns, const char *text);
/* Takes the line over. */
void memory_log_locked(struct memory *memory, struct memory_container *container,
                       struct memory_line *line);
void memory_log_free(struct memory_container *container);
int memory_logs(struct berth_backend *backend, const char *id, const struct berth_logs_spec *spec,
                berth_logs_output *output, void *ctx, struct berth_error *err);

/* ---- memory_exec.c ---- */

int memory_exec(struct berth_backend *backend, const char *id, const struct berth_exec_spec *spec,
                struct berth_exec **ret_exec, struct berth_error *err);
/* Some app has ended: those within look whether it was theirs. */
void memory_exec_wake_locked(struct memory *memory);

/* ---- memory_inspect.c ---- */

void memory_inspect_add(const struct memory_container *container, struct berth_strbuf *body);
void memory_node_inspect_add(const struct memory *memory, struct berth_strbuf *body);

/* ---- memory_watch.c ---- */

int memory_watch(struct berth_backend *backend, const struct berth_watch_sink *sink,
                 struct berth_error *err);
void memory_watch_end(struct memory *memory);

/* Events are made before the change they tell of, so that running out of memory changes nothing. */
struct memory_event *memory_event_new(enum memory_event_kind kind, const char *id,
                                      enum berth_app_state state, int64_t at_ns);
/* Takes the event over; about: whom it is about, NULL for the images. Without contact nothing is
 * queued: the next listing shows it. */
void memory_tell_locked(struct memory *memory, const struct memory_container *about,
                        struct memory_event *event);

#endif
