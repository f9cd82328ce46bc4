/* SPDX-License-Identifier: MIT */
#include "facilities/store_queue.h"

#include "base/thread.h"

void berth_store_queue_init(struct berth_store_queue *queue)
{
    *queue = (struct berth_store_queue){.last = &queue->first};
    (void)pthread_mutex_init(&queue->mutex, NULL);
    berth_cond_init(&queue->work_cond);
}

void berth_store_queue_release(struct berth_store_queue *queue)
{
    (void)pthread_cond_destroy(&queue->work_cond);
    (void)pthread_mutex_destroy(&queue->mutex);
}

void berth_store_queue_add(struct berth_store_queue *queue, struct berth_store_request *request)
{
    berth_cond_init(&request->done_cond);
    BERTH_LOCK_SCOPE(lock, &queue->mutex);
    *queue->last = request;
    queue->last = &request->next;
    (void)pthread_cond_signal(&queue->work_cond);
}

int berth_store_queue_await(struct berth_store_queue *queue, struct berth_store_request *request,
                            struct berth_error *err)
{
    {
        BERTH_LOCK_SCOPE(lock, &queue->mutex);
        while (!request->done)
            (void)pthread_cond_wait(&request->done_cond, &queue->mutex);
    }
    (void)pthread_cond_destroy(&request->done_cond);
    if (request->result < 0 && err)
        *err = request->error;
    return request->result;
}

struct berth_store_request *berth_store_queue_take(struct berth_store_queue *queue)
{
    BERTH_LOCK_SCOPE(lock, &queue->mutex);
    while (!queue->first && !queue->stopping)
        (void)pthread_cond_wait(&queue->work_cond, &queue->mutex);
    struct berth_store_request *all = queue->first;
    queue->first = NULL;
    queue->last = &queue->first;
    return all;
}

void berth_store_queue_answer(struct berth_store_queue *queue, struct berth_store_request *request)
{
    BERTH_LOCK_SCOPE(lock, &queue->mutex);
    while (request) {
        /* Its owner may leave, and take it along, as soon as the lock is free. */
        struct berth_store_request *next = request->next;
        request->done = true;
        (void)pthread_cond_signal(&request->done_cond);
        request = next;
    }
}

void berth_store_queue_stop(struct berth_store_queue *queue)
{
    BERTH_LOCK_SCOPE(lock, &queue->mutex);
    queue->stopping = true;
    (void)pthread_cond_signal(&queue->work_cond);
}

void berth_store_fail_group(struct berth_store_request *from,
                            const struct berth_store_request *until, const struct berth_error *why)
{
    for (struct berth_store_request *request = from; request != until; request = request->next) {
        if (request->result < 0)
            continue;
        request->error = *why;
        request->result = why->status;
    }
}
