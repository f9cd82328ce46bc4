/* SPDX-License-Identifier: MIT */
/*
 * The parts of the spreading of images: what others do with it (swarm_spread.c),
 * its table (swarm_spread_table.c), the threads and what they do through engines
 * (swarm_spread_run.c) and through services (swarm_spread_place.c). Included by
 * swarm_spread*.c, their test, and nowhere else.
 *
 * Threading: everything of the table is guarded by the spread's lock.
 */
#ifndef BERTH_BACKENDS_SWARM_SWARM_SPREAD_PRIVATE_H
#define BERTH_BACKENDS_SWARM_SWARM_SPREAD_PRIVATE_H

#include "backends/swarm/swarm_name.h"
#include "backends/swarm/swarm_spread.h"

#define BERTH_SPREAD_AT_ONCE 8 /* copies under way in one facility */

struct berth_spread_image;

struct berth_spread_copy {
    struct berth_spread_copy *next;
    struct berth_spread_image *image;
    struct berth_swarm_node node;
    const char *trouble; /* why the node cannot get it now (static), or NULL */
    enum berth_copy_state state;
    int percent;
    unsigned failures;
    int64_t retry_ms; /* monotonic; of a failed one */
    bool is_running;
    bool is_gone; /* while running: freed at its end */
    char why[BERTH_COPY_WHY_MAX + 1];
};

struct berth_spread_image {
    struct berth_spread_image *next;
    char *reference;
    char *digest;        /* NULL: not known yet, or it has none */
    bool is_settled;     /* the digest is what it is */
    bool is_old;         /* kept before the gateway started */
    bool is_gone;        /* out of the table: freed at the end of its last run */
    uint64_t generation; /* grows with each digest */
    unsigned running;    /* copies */
    struct berth_spread_copy *copies;
};

/* One copy under way, on its thread's stack. */
struct berth_spread_errand {
    struct berth_spread_errand *next; /* lock */
    struct berth_swarm_spread *spread;
    struct berth_spread_copy *copy; /* lock; it stays until the errand's end */
    struct berth_swarm_node node;
    uint64_t generation;
    bool has_digest;
    struct berth_strbuf reference; /* name:tag or name@digest */
    struct berth_strbuf exact;     /* name@digest, or the reference where there is no digest */
    struct berth_strbuf pinned;    /* name:tag@digest */
    char service[BERTH_SWARM_NAME_MAX + 1]; /* lock; the name of the one it made, or "" */
};

struct berth_swarm_spread {
    struct swarm *swarm;
    char token[17]; /* of this run of the gateway, in the names of services */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct berth_swarm_node_list nodes;
    bool has_nodes;
    struct berth_spread_image *images;
    struct berth_spread_errand *errands;
    uint64_t services; /* made so far: numbers their names */
    int64_t sweep_ms;  /* monotonic; when services left behind are looked for; INT64_MAX: never */
    pthread_t workers[BERTH_SPREAD_AT_ONCE];
    unsigned worker_count;
    unsigned idle_workers;
    bool is_stopping;
};

/* ---- swarm_spread_table.c: no I/O; the caller holds the lock ---- */

/* NULL: it is not to be anywhere. */
struct berth_spread_image *berth_spread_image_find(const struct berth_swarm_spread *spread,
                                                   const char *reference);
/* Finds it, or adds one. */
BERTH_MUST_CHECK int berth_spread_image_get(struct berth_swarm_spread *spread,
                                            const char *reference, bool is_old,
                                            struct berth_spread_image **ret_image,
                                            struct berth_error *err);
/* The digest is known, NULL where there is none: nodes are to have that and no other. Where the
 * manager was at it, it has it. */
BERTH_MUST_CHECK int berth_spread_image_settle(struct berth_spread_image *image, const char *digest,
                                               struct berth_error *err);
/* Takes it out of the table. What runs for it is told by is_gone, and frees it at its end. */
void berth_spread_image_remove(struct berth_swarm_spread *spread, struct berth_spread_image *image);

/* The manager begins to pull it, is so far, and gave up. */
void berth_spread_image_begin(struct berth_spread_image *image);
void berth_spread_image_pulled(struct berth_swarm_nodes *nodes, struct berth_spread_image *image,
                               int percent);
void berth_spread_image_unpull(struct berth_spread_image *image);
/* How far all are together; *ret_pending: how many may still get there. */
int berth_spread_image_percent(const struct berth_spread_image *image, size_t *ret_pending);

/* Takes over the nodes as they are now; copies whose time has come are tried again. */
void berth_spread_set_nodes(struct berth_swarm_spread *spread, struct berth_swarm_node_list *nodes,
                            int64_t now_ms);

/* A copy that can be seen to now, or NULL; *ret_count: of how many. */
struct berth_spread_copy *berth_spread_next(const struct berth_swarm_spread *spread,
                                            size_t *ret_count);
/* It is seen to; and was, with that outcome: generation is what its image's was at the beginning,
 * why is the reason of a failure. The copy may be gone then, and its image, too. */
void berth_spread_copy_begin(struct berth_spread_copy *copy);
void berth_spread_copy_end(struct berth_spread_copy *copy, uint64_t generation, int status,
                           const char *why, int64_t now_ms);

/* ---- swarm_spread_run.c ---- */

/* Threads for what there is to do; the caller holds the lock. */
void berth_spread_wake(struct berth_swarm_spread *spread);
/* False: the errand is to be given up. */
bool berth_spread_goes_on(struct berth_spread_errand *errand);

/* ---- swarm_spread_place.c ---- */

/* Has swarm itself get the image on the node. *ret_refused: the node could not get it. */
BERTH_MUST_CHECK int berth_spread_place(struct berth_spread_errand *errand, bool *ret_refused,
                                        struct berth_error *err);
/* Appends the body of the service. */
void berth_spread_place_body(const char *facility, const char *service, const char *image,
                             const char *node, struct berth_strbuf *body);
/* What a task says of the image: 1 it is there, 0 not yet, or an error (*ret_refused as above). */
BERTH_MUST_CHECK int berth_spread_place_judge(const struct berth_swarm_task *task,
                                              bool *ret_refused, struct berth_error *err);
/* Removes the services that an earlier run, or a manager that did not answer, left behind. */
BERTH_MUST_CHECK int berth_spread_sweep(struct berth_swarm_spread *spread, struct berth_error *err);

#endif
