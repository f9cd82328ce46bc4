/* SPDX-License-Identifier: MIT */
/*
 * The requests that wait for a driver's one writer thread. Internal to the
 * drivers of the store.
 *
 * Threading: any thread adds and awaits; the writer alone takes and answers.
 */
#ifndef BERTH_FACILITIES_STORE_QUEUE_H
#define BERTH_FACILITIES_STORE_QUEUE_H

#include "facilities/store.h"

struct berth_store_queue {
    pthread_mutex_t mutex; /* guards the rest, and `done` of requests */
    pthread_cond_t work_cond;
    struct berth_store_request *first;
    struct berth_store_request **last;
    bool stopping;
};

void berth_store_queue_init(struct berth_store_queue *queue);
void berth_store_queue_release(struct berth_store_queue *queue);

void berth_store_queue_add(struct berth_store_queue *queue, struct berth_store_request *request);
/* Returns when the request is answered, with what came of it. */
BERTH_MUST_CHECK int berth_store_queue_await(struct berth_store_queue *queue,
                                             struct berth_store_request *request,
                                             struct berth_error *err);

/* All that wait, once there is something; NULL when there is nothing and the writer is to stop. */
struct berth_store_request *berth_store_queue_take(struct berth_store_queue *queue);
void berth_store_queue_answer(struct berth_store_queue *queue, struct berth_store_request *request);
void berth_store_queue_stop(struct berth_store_queue *queue);

/* Fails the requests of a transaction that did not fail by themselves. */
void berth_store_fail_group(struct berth_store_request *from,
                            const struct berth_store_request *until, const struct berth_error *why);

#endif
