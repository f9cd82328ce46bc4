/* SPDX-License-Identifier: MIT */
/*
 * The backend contract: what a kind of container host must be able to do.
 *
 * A backend is a const struct berth_backend_ops and instances of it. Callers
 * use the dispatchers at the end of this header: they refuse a verb the
 * backend lacks ("start-app endpoint incompatible with swarm mode") and bound
 * how many callers wait on one engine (max_inflight). Backends are listed in
 * one array, in backends/registry.c. docs/adding-a-backend.md walks through it.
 *
 * Apps are addressed by the engine's id (struct berth_app.id), so that a name
 * that changes hands between look-up and action can never hit another app.
 *
 * Verbs block their caller until the engine has answered or was silent for
 * request_timeout_ms (stop, restart, remove and reset: their grace on top; pull:
 * until nothing moves for that long). Errors: BERTH_E_UNREACHABLE, BERTH_E_TIMEOUT,
 * BERTH_E_REFUSED (the engine's message is in the public one), BERTH_E_NOT_FOUND
 * (no such app), BERTH_E_CONFLICT (wrong state), BERTH_E_NOMEM, BERTH_E_CANCELLED.
 *
 * Threading: verbs may be called from any number of threads at once. open and
 * close are called once, with nothing else running.
 */
#ifndef BERTH_BACKENDS_BACKEND_H
#define BERTH_BACKENDS_BACKEND_H

#include "backends/app.h"
#include "backends/container.h"
#include "backends/exec.h"
#include "backends/files/files.h"
#include "backends/image.h"
#include "base/limits.h"
#include "base/strbuf.h"

#include <pthread.h>

/* Labels that berth puts on what it creates. */
#define BERTH_LABEL_FACILITY "berth.facility"
#define BERTH_LABEL_APP      "berth.app"
#define BERTH_LABEL_IMAGE    "berth.image"
#define BERTH_LABEL_USER     "berth.user"
/* Of what is no app, but there for a moment so that a node gets an image: the facility. */
#define BERTH_LABEL_PULL "berth.pull"

/* And on those of Compose projects. */
#define BERTH_LABEL_CREATED "berth.created" /* RFC 3339; whatever is made anew later */
#define BERTH_LABEL_TAGS    "berth.tags"    /* with commas between */
#define BERTH_LABEL_PORTS   "berth.ports"   /* of the host: "8080/tcp,9000/udp" */
#define BERTH_LABEL_BOOT    "berth.boot"    /* the file of its mount that it cannot start without */

/* On the container that stands for a project of its owner's compose file: its file. The others of
 * the project have an empty BERTH_LABEL_FACILITY: they are nobody's apps. */
#define BERTH_LABEL_PROJECT "berth.project"

/* The version of a program, with the terminating NUL. */
#define BERTH_VERSION_MAX 64

/* Seconds between SIGTERM and SIGKILL in stop, restart, remove and reset. */
#define BERTH_STOP_GRACE_S 10

/* What an app is in a swarm: a job that runs once, or a service that is kept running. */
enum berth_swarm_mode { BERTH_SWARM_JOB, BERTH_SWARM_SERVICE };

struct berth_backend;
struct berth_engine_io; /* backends/engine/engine_io.h: the thread of all long-lived streams */

/* The memory backend's delays and failures; zero is none. */
struct berth_memory_config {
    int64_t verb_delay_ms;
    int64_t app_count; /* apps made at the start */
};

/* A swarm node's engine: node.HOSTNAME of the configuration. */
struct berth_node_endpoint {
    const char *hostname;
    const char *engine; /* unix:///path or tcp://host:port */
};

struct berth_node_endpoints {
    struct berth_node_endpoint *items;
    size_t count;
};

enum berth_rootfs_mode { BERTH_ROOTFS_OVERLAY, BERTH_ROOTFS_READONLY };
enum berth_rootfs_network { BERTH_ROOTFS_NETWORK_NONE, BERTH_ROOTFS_NETWORK_HOST };

/* Where root file systems are, and how what is in them runs. Paths are absolute. */
struct berth_rootfs_config {
    const char *rootfs;       /* the default, or NULL; what lies beneath it may be run, too */
    struct berth_texts roots; /* folders: what lies beneath them may be run */
    int mode;                 /* enum berth_rootfs_mode */
    const char *runtime;      /* an OCI runtime; NULL: crun, where it usually is */
    const char *command;      /* what runs where nothing is said, as a shell would read it */
    int network;              /* enum berth_rootfs_network */
    const char *userns;       /* "HOSTUID:COUNT"; "none" or NULL: the host's own user ids */
    const char *seccomp;      /* the profile of system calls; NULL: the distribution's */
};

struct berth_backend_config {
    const char *facility; /* id: apps are marked with it, and only its apps are listed */
    const char *engine;   /* unix:///path or tcp://host:port; NULL where the backend has none */
    const char *tls_ca;   /* PEM files for tcp with mutual TLS, or NULL */
    const char *tls_cert;
    const char *tls_key;
    bool adopt; /* also list containers that berth did not create */
    int64_t request_timeout_ms;
    int64_t max_inflight;
    struct berth_node_endpoints nodes; /* swarm; tls_* hold for those that are tcp */
    int swarm_mode;                    /* enum berth_swarm_mode */
    const char *data_dir;              /* what a backend keeps is in its folder FACILITY */
    const char *compose;               /* compose: the program's path; NULL: where it usually is */
    struct berth_rootfs_config rootfs;
    struct berth_memory_config memory;
    struct berth_engine_io *io; /* borrowed; outlives the backend */
};

/* What the MiniRun API asks of an app. Strings are borrowed for the call. */
struct berth_rootfs_spec {
    const char *rootfs;  /* path of a root file system as asked; NULL: the facility's default */
    const char *command; /* as asked, to be split by POSIX shell quoting; NULL: the default */
    bool terminal;       /* the main process has one */
    int64_t created_ns;  /* wall: when it was made, elsewhere; 0: now */
};

/* What an app is made of. Strings are borrowed for the call. */
struct berth_create_spec {
    const char *app;
    const char *user;
    const char *image;       /* what to run: name:tag@digest, name:tag, or an image id */
    const char *image_label; /* name:tag[@digest], for the label berth.image: reset goes by it */
    int64_t cpu_nano;        /* CPUs × 10^9; 0 is no limit */
    int64_t memory_bytes;    /* 0 is no limit */
    int64_t pids;            /* 0 is no limit */
    const char *run_as;      /* "UID[:GID]" or NULL for the image's own user */
    int64_t gpus;            /* GPUs asked of the engine; 0 none, -1 all */

    /* compose: what the containers API asks for, made but not started; NULL: an app like any. */
    const struct berth_container_spec *container;

    /* rootfs: what the MiniRun API asks for; NULL: the root file system named image, the
     * facility's default command, with a terminal. */
    const struct berth_rootfs_spec *rootfs;
};

/* One app's resource use, as computed by `docker stats`. */
struct berth_app_stats {
    char *id;    /* the container's */
    char *name;  /* the engine's name of the container */
    bool known;  /* false: not running, all else is 0 and printed as docker prints it */
    bool silent; /* runs, but gave no sample in time: all else is 0, and printed as "--" */
    double cpu_percent;
    double memory_percent;
    double memory_bytes; /* without page cache, as docker counts */
    double memory_limit_bytes;
    double network_rx_bytes;
    double network_tx_bytes;
    double block_read_bytes;
    double block_write_bytes;
    uint64_t pids;
};

struct berth_stats_list {
    struct berth_app_stats *items;
    size_t count;
};

void berth_stats_list_release(struct berth_stats_list *list);
BERTH_DEFINE_CLEANUP_VALUE(stats_list, struct berth_stats_list, berth_stats_list_release)

/* "26.1.5+dfsg1" and the like. */
struct berth_versions {
    char engine[BERTH_VERSION_MAX];
    char compose[BERTH_VERSION_MAX];
};

/* One container host, in the terms of `docker node ls`. All malloc'ed, none NULL. */
struct berth_node {
    char *id;
    char *hostname;
    char *status;       /* "Ready", "Down", "Unknown" */
    char *availability; /* "Active", "Pause", "Drain" */
    char *manager_status;
    char *engine_version;
    char *tls_status;
    bool self;
};

struct berth_node_list {
    struct berth_node *items;
    size_t count;
};

void berth_node_list_release(struct berth_node_list *list);
BERTH_DEFINE_CLEANUP_VALUE(node_list, struct berth_node_list, berth_node_list_release)

/* What of an app's log is wanted. */
struct berth_logs_spec {
    int64_t tail;        /* so many lines from the end; -1: all */
    int64_t since_ns;    /* wall; 0: from the beginning */
    bool follow;         /* what comes, too, until the app ends */
    bool timestamps;     /* each line begins with its time, as `docker logs` prints it */
    const char *service; /* of a project: of that one alone, BERTH_E_INVALID where there is none;
                            NULL: of all */
};

/*
 * A piece of an app's output, cut anywhere; with len 0 when all that is there
 * has been told, and about once a second while nothing comes. Called in the caller's own thread,
 * and may block: what is not taken is not read from the engine. False ends the call with
 * BERTH_E_CANCELLED.
 */
typedef bool berth_logs_output(void *ctx, enum berth_output stream, const char *data, size_t len);

/* Progress of a pull; percent 0 to 100. Called from the pulling thread, often. False stops it. */
typedef bool berth_pull_progress(void *ctx, int percent);

/* How one node stands with an image that is to be on all of them. */
enum berth_copy_state {
    BERTH_COPY_WAITING, /* it will be got; why says what for it waits, if for more than its turn */
    BERTH_COPY_PULLING,
    BERTH_COPY_PRESENT,
    BERTH_COPY_FAILED,  /* why says how; it is tried again */
    BERTH_COPY_UNKNOWN, /* nobody has looked, and nobody will */
};

const char *berth_copy_state_name(enum berth_copy_state state);

struct berth_image_copy {
    char node[BERTH_HOSTNAME_MAX + 1]; /* its hostname */
    enum berth_copy_state state;
    int percent; /* 0 to 100 */
    char why[BERTH_COPY_WHY_MAX + 1];
};

struct berth_image_copies {
    struct berth_image_copy *items; /* by hostname */
    size_t count;
};

void berth_image_copies_release(struct berth_image_copies *copies);
BERTH_DEFINE_CLEANUP_VALUE(image_copies, struct berth_image_copies, berth_image_copies_release)

/*
 * What a backend tells whoever mirrors it, from one thread at a time per
 * watch. Functions must not block. Order: up to the first listing nothing is
 * known; after lost, a new listing follows when the engine is back.
 *
 * A ticket is drawn before the backend asks the engine, and handed over with
 * what it learned: an answer older than what is already known is ignored.
 */
struct berth_watch_sink {
    void *ctx;
    uint64_t (*ticket)(void *ctx);
    /* All apps of the facility; as_of_ns: wall time the listing was begun. */
    void (*listing)(void *ctx, uint64_t ticket, const struct berth_app_list *apps,
                    int64_t as_of_ns);
    /* One app as it is now; the sink takes its own reference. */
    void (*app)(void *ctx, uint64_t ticket, struct berth_app *app);
    /* The app is no more. */
    void (*gone)(void *ctx, uint64_t ticket, const char *id, int64_t at_ns);
    /* An exact change of state, told by the engine's own event, before app() shows it. */
    void (*changed)(void *ctx, const char *id, enum berth_app_state state, int64_t at_ns);
    void (*images)(void *ctx, uint64_t ticket, struct berth_image_list *images);
    /* The engine answered: all that was told is known to hold at this wall time. */
    void (*alive)(void *ctx, int64_t at_ns);
    /* Contact is lost; last_alive_ns: until then what was told held. */
    void (*lost)(void *ctx, const struct berth_error *why, int64_t last_alive_ns);
};

struct berth_backend_ops {
    const char *name; /* as in the configuration */

    /* create takes the place of an app of that name that has ended for good: whether it has is
     * asked of the backend, not of a mirror. */
    bool create_replaces;

    BERTH_MUST_CHECK int (*open)(const struct berth_backend_config *config,
                                 struct berth_backend **ret_backend, struct berth_error *err);
    /* Ends a watch too; no callback of the sink runs after it returns. */
    void (*close)(struct berth_backend *backend);

    /* Apps of the facility, or the one with that id (none: an empty list). Appends to apps. */
    int (*list)(struct berth_backend *backend, const char *id, struct berth_app_list *apps,
                struct berth_error *err);
    /* ret_id: malloc'ed. BERTH_E_EXISTS, BERTH_E_NOT_FOUND (image). Half-made things are removed.
     */
    int (*create)(struct berth_backend *backend, const struct berth_create_spec *spec,
                  char **ret_id, struct berth_error *err);
    int (*start)(struct berth_backend *backend, const char *id, struct berth_error *err);
    int (*stop)(struct berth_backend *backend, const char *id, struct berth_error *err);
    int (*pause)(struct berth_backend *backend, const char *id, struct berth_error *err);
    int (*unpause)(struct berth_backend *backend, const char *id, struct berth_error *err);
    int (*restart)(struct berth_backend *backend, const char *id, struct berth_error *err);
    int (*kill)(struct berth_backend *backend, const char *id, struct berth_error *err);
    /* Stops with the grace, then removes the app and its anonymous volumes. */
    int (*remove)(struct berth_backend *backend, const char *id, struct berth_error *err);
    /* Removes an app that does not run. BERTH_E_CONFLICT: it does, and runs on, whoever started it
     * meanwhile. */
    int (*remove_ended)(struct berth_backend *backend, const char *id, struct berth_error *err);
    /* remove, then create from spec. When only create failed, *ret_gone is true. */
    int (*reset)(struct berth_backend *backend, const char *id,
                 const struct berth_create_spec *spec, char **ret_id, bool *ret_gone,
                 struct berth_error *err);
    /* Of a spec with container->compose: whether its text may be (BERTH_E_INVALID, with the code
     * COMPOSE_REFUSED, names the path in it), and the images that it names: each once, that of
     * the service that stands for the project first. Asks no engine. */
    int (*plan)(struct berth_backend *backend, const struct berth_create_spec *spec,
                struct berth_texts *ret_images, struct berth_error *err);
    /* Changes what the app is made of, all or nothing; a running one is made anew and runs.
     * ret_id: malloc'ed, its id from now on. BERTH_E_PORT_IN_USE, BERTH_E_NOT_FOUND (image). */
    int (*update)(struct berth_backend *backend, const char *id,
                  const struct berth_container_change *change, char **ret_id,
                  struct berth_error *err);
    /* What the app was asked to be. Never asks the engine. */
    int (*describe)(struct berth_backend *backend, const struct berth_app *app,
                    struct berth_container *ret_container, struct berth_error *err);
    /* The containers of an app that is a project (BERTH_LABEL_PROJECT), as they are. */
    int (*services)(struct berth_backend *backend, const struct berth_app *app,
                    struct berth_services *ret_services, struct berth_error *err);
    /* Of the programs that the backend stands on. What cannot be told is "". */
    int (*versions)(struct berth_backend *backend, struct berth_versions *ret_versions,
                    struct berth_error *err);
    /* The engine's inspect object, byte for byte, appended to body. */
    int (*inspect)(struct berth_backend *backend, const char *id, struct berth_strbuf *body,
                   struct berth_error *err);
    /* Resource use of these apps, in their order; never waits longer than one engine sample
     * (about 2 s) for the slowest. */
    int (*stats)(struct berth_backend *backend, const struct berth_app *const *apps, size_t count,
                 struct berth_stats_list *ret_stats, struct berth_error *err);

    /* The app's output. Of an app with a terminal, all is stdout. */
    int (*logs)(struct berth_backend *backend, const char *id, const struct berth_logs_spec *spec,
                berth_logs_output *output, void *ctx, struct berth_error *err);

    /* Starts a process in a running app; waits until it runs. BERTH_E_CONFLICT: the app does not
     * run, or has no shell. */
    int (*exec)(struct berth_backend *backend, const char *id, const struct berth_exec_spec *spec,
                struct berth_exec **ret_exec, struct berth_error *err);
    /* The terminal of the app's main process, or its input and output where it has none; as if it
     * were exec's, but closing it ends nothing. Signals go to the foreground process group, where
     * there is no terminal to the main process. cols and rows 0: it keeps its size.
     * BERTH_E_CONFLICT: the app does not run. */
    int (*attach)(struct berth_backend *backend, const char *id, unsigned cols, unsigned rows,
                  struct berth_exec **ret_exec, struct berth_error *err);

    /* The app's own files, by paths relative to the folder they are in; the engine is not asked.
     * What is done, and refused, is in backends/files/files.h. BERTH_E_CONFLICT: it has none. */

    /* Unpacks a ZIP archive, a file that is open and can seek, over the app's files: all of it or
     * nothing. progress may be NULL. */
    int (*put_archive)(struct berth_backend *backend, const struct berth_app *app, int archive,
                       berth_files_progress *progress, void *ctx,
                       struct berth_files_tally *ret_tally, struct berth_error *err);
    /* A folder as ZIP archive. */
    int (*get_archive)(struct berth_backend *backend, const struct berth_app *app, const char *path,
                       berth_files_output *output, void *ctx, struct berth_error *err);
    /* A file, open for reading. */
    int (*get_file)(struct berth_backend *backend, const struct berth_app *app, const char *path,
                    int *ret_fd, struct berth_error *err);

    int (*images)(struct berth_backend *backend, struct berth_image_list **ret_images,
                  struct berth_error *err);
    /* reference: name:tag or name@digest. ret_digest: malloc'ed "sha256:…", or NULL where the
     * image has none; ret_id: malloc'ed image id. progress may be NULL. */
    int (*pull)(struct berth_backend *backend, const char *reference, berth_pull_progress *progress,
                void *ctx, char **ret_digest, char **ret_id, struct berth_error *err);
    int (*image_remove)(struct berth_backend *backend, const char *reference,
                        struct berth_error *err);
    /* Where apps run on several nodes: the image is to be on each from now on, those that come
     * later too, as if it had been pulled. digest: the one to get; NULL: the image has none.
     * is_old: it was so before the gateway started. Asks no engine. */
    int (*image_keep)(struct berth_backend *backend, const char *reference, const char *digest,
                      bool is_old, struct berth_error *err);
    /* It need not be any more; what is there stays. */
    void (*image_drop)(struct berth_backend *backend, const char *reference);
    /* How far each node is; nothing of an image that need not be there. Asks no engine. */
    int (*image_copies)(struct berth_backend *backend, const char *reference,
                        struct berth_image_copies *ret_copies, struct berth_error *err);

    int (*nodes)(struct berth_backend *backend, struct berth_node_list *ret_nodes,
                 struct berth_error *err);
    int (*node_inspect)(struct berth_backend *backend, const char *hostname,
                        struct berth_strbuf *body, struct berth_error *err);

    /* Starts telling sink; at most one watch at a time. The sink outlives close. */
    int (*watch)(struct berth_backend *backend, const struct berth_watch_sink *sink,
                 struct berth_error *err);
    /* Hint that somebody is reading (a frozen engine must be noticed within 2 s); cheap. */
    void (*touch)(struct berth_backend *backend);

    /* What is wrong although the engine answers, for /readyz; 0: nothing. Never asks the engine. */
    int (*condition)(struct berth_backend *backend, struct berth_error *err);
    /* For check-config: appends what an operator should know, a line each. Asks the engine, for
     * 2 s at most; one that is absent is a note, one that is of no use an error. */
    int (*check)(const struct berth_backend_config *config, struct berth_strbuf *notes,
                 struct berth_error *err);
};

/* The head of every instance; backends put it first in their own struct. */
struct berth_backend {
    const struct berth_backend_ops *ops;
    unsigned max_inflight;
    unsigned inflight; /* atomic: callers within a verb */
};

/* NULL-terminated. */
extern const struct berth_backend_ops *const berth_backends[];

/* By name, or NULL. */
const struct berth_backend_ops *berth_backend_find(const char *name);

/* ---- Dispatchers: same meaning as the verbs; BERTH_E_UNSUPPORTED and BERTH_E_BUSY besides ---- */

BERTH_MUST_CHECK int berth_backend_open(const struct berth_backend_ops *ops,
                                        const struct berth_backend_config *config,
                                        struct berth_backend **ret_backend,
                                        struct berth_error *err);
void berth_backend_close(struct berth_backend *backend); /* NULL is fine */
BERTH_DEFINE_CLEANUP(backend, struct berth_backend *, berth_backend_close)

/* The verbs that take an app and nothing else. */
enum berth_verb {
    BERTH_VERB_START,
    BERTH_VERB_STOP,
    BERTH_VERB_PAUSE,
    BERTH_VERB_UNPAUSE,
    BERTH_VERB_RESTART,
    BERTH_VERB_KILL,
    BERTH_VERB_REMOVE,
    BERTH_VERB_REMOVE_ENDED,
};

/* The facility API's name of it, such as start-app, which refusals and the audit use. */
const char *berth_verb_endpoint(enum berth_verb verb);

BERTH_MUST_CHECK int berth_backend_act(struct berth_backend *backend, enum berth_verb verb,
                                       const char *id, struct berth_error *err);
BERTH_MUST_CHECK int berth_backend_list(struct berth_backend *backend, const char *id,
                                        struct berth_app_list *apps, struct berth_error *err);
BERTH_MUST_CHECK int berth_backend_create(struct berth_backend *backend,
                                          const struct berth_create_spec *spec, char **ret_id,
                                          struct berth_error *err);
BERTH_MUST_CHECK int berth_backend_reset(struct berth_backend *backend, const char *id,
                                         const struct berth_create_spec *spec, char **ret_id,
                                         bool *ret_gone, struct berth_error *err);
BERTH_MUST_CHECK int berth_backend_update(struct berth_backend *backend, const char *id,
                                          const struct berth_container_change *change,
                                          char **ret_id, struct berth_error *err);
/* Not counted against max_inflight: they ask no engine. */
BERTH_MUST_CHECK int berth_backend_plan(struct berth_backend *backend,
                                        const struct berth_create_spec *spec,
                                        struct berth_texts *ret_images, struct berth_error *err);
BERTH_MUST_CHECK int berth_backend_describe(struct berth_backend *backend,
                                            const struct berth_app *app,
                                            struct berth_container *ret_container,
                                            struct berth_error *err);
BERTH_MUST_CHECK int berth_backend_services(struct berth_backend *backend,
                                            const struct berth_app *app,
                                            struct berth_services *ret_services,
                                            struct berth_error *err);
BERTH_MUST_CHECK int berth_backend_versions(struct berth_backend *backend,
                                            struct berth_versions *ret_versions,
                                            struct berth_error *err);
BERTH_MUST_CHECK int berth_backend_inspect(struct berth_backend *backend, const char *id,
                                           struct berth_strbuf *body, struct berth_error *err);
BERTH_MUST_CHECK int berth_backend_stats(struct berth_backend *backend,
                                         const struct berth_app *const *apps, size_t count,
                                         struct berth_stats_list *ret_stats,
                                         struct berth_error *err);
/* Counted against max_inflight until the first call of output; with follow not at all. */
BERTH_MUST_CHECK int berth_backend_logs(struct berth_backend *backend, const char *id,
                                        const struct berth_logs_spec *spec,
                                        berth_logs_output *output, void *ctx,
                                        struct berth_error *err);
/* Counted against max_inflight until it has started. */
BERTH_MUST_CHECK int berth_backend_exec(struct berth_backend *backend, const char *id,
                                        const struct berth_exec_spec *spec,
                                        struct berth_exec **ret_exec, struct berth_error *err);
/* Counted likewise. */
BERTH_MUST_CHECK int berth_backend_attach(struct berth_backend *backend, const char *id,
                                          unsigned cols, unsigned rows,
                                          struct berth_exec **ret_exec, struct berth_error *err);
/* Not counted against max_inflight, these three: no engine is asked. */
BERTH_MUST_CHECK int berth_backend_put_archive(struct berth_backend *backend,
                                               const struct berth_app *app, int archive,
                                               berth_files_progress *progress, void *ctx,
                                               struct berth_files_tally *ret_tally,
                                               struct berth_error *err);
BERTH_MUST_CHECK int berth_backend_get_archive(struct berth_backend *backend,
                                               const struct berth_app *app, const char *path,
                                               berth_files_output *output, void *ctx,
                                               struct berth_error *err);
BERTH_MUST_CHECK int berth_backend_get_file(struct berth_backend *backend,
                                            const struct berth_app *app, const char *path,
                                            int *ret_fd, struct berth_error *err);
BERTH_MUST_CHECK int berth_backend_images(struct berth_backend *backend,
                                          struct berth_image_list **ret_images,
                                          struct berth_error *err);
/* Not counted against max_inflight. */
BERTH_MUST_CHECK int berth_backend_pull(struct berth_backend *backend, const char *reference,
                                        berth_pull_progress *progress, void *ctx, char **ret_digest,
                                        char **ret_id, struct berth_error *err);
BERTH_MUST_CHECK int berth_backend_image_remove(struct berth_backend *backend,
                                                const char *reference, struct berth_error *err);
/* These three do nothing where the backend lacks them. */
BERTH_MUST_CHECK int berth_backend_image_keep(struct berth_backend *backend, const char *reference,
                                              const char *digest, bool is_old,
                                              struct berth_error *err);
void berth_backend_image_drop(struct berth_backend *backend, const char *reference);
BERTH_MUST_CHECK int berth_backend_image_copies(struct berth_backend *backend,
                                                const char *reference,
                                                struct berth_image_copies *ret_copies,
                                                struct berth_error *err);
BERTH_MUST_CHECK int berth_backend_nodes(struct berth_backend *backend,
                                         struct berth_node_list *ret_nodes,
                                         struct berth_error *err);
BERTH_MUST_CHECK int berth_backend_node_inspect(struct berth_backend *backend, const char *hostname,
                                                struct berth_strbuf *body, struct berth_error *err);
BERTH_MUST_CHECK int berth_backend_watch(struct berth_backend *backend,
                                         const struct berth_watch_sink *sink,
                                         struct berth_error *err);
void berth_backend_touch(struct berth_backend *backend);
/* 0 where the backend lacks it. */
BERTH_MUST_CHECK int berth_backend_condition(struct berth_backend *backend,
                                             struct berth_error *err);

/* BERTH_E_UNSUPPORTED with the fixed text, for an endpoint that this backend lacks. */
int berth_backend_unsupported(const struct berth_backend *backend, const char *endpoint,
                              struct berth_error *err);

#endif
