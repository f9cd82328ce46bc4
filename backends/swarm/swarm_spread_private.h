/* SPDX-License-Identifier: MIT */
/*
 * The parts of the spreading of images: the table (swarm_spread.c), the threads
 * and what they do through engines (swarm_spread_run.c) and through services
 * (swarm_spread_place.c). Included by swarm_spread*.c and nowhere else.
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

/* ---- swarm_spread.c; the caller holds the lock ---- */

/* A copy that can be seen to now, or NULL. */
struct berth_spread_copy *berth_spread_next(const struct berth_swarm_spread *spread);
/* What the copy waits for is what its node lacks. */
void berth_spread_set_trouble(struct berth_spread_copy *copy);
/* Frees the image if it is out of the table and nothing of it runs. */
void berth_spread_image_end(struct berth_spread_image *image);
/* Takes the copy out of its image and frees it. */
void berth_spread_copy_remove(struct berth_spread_copy *copy);

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
