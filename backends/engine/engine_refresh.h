/* SPDX-License-Identifier: MIT */
/*
 * The rows that have to be asked for anew after events: a queue of containers,
 * a few asked about at a time, each at most once at a time. Events that come
 * while a container is being asked about lead to one more question, however
 * many they are.
 *
 * A row is two answers, the inspect object first: the engine holds a
 * container's lock while it changes it, but tells of the change, and answers
 * the call that made it, before its list shows it. Having waited for the lock,
 * the list that is asked for next is up to date.
 *
 * Threading: all functions and callbacks on the I/O thread.
 */
#ifndef BERTH_BACKENDS_ENGINE_ENGINE_REFRESH_H
#define BERTH_BACKENDS_ENGINE_ENGINE_REFRESH_H

#include "backends/engine/engine_app.h"
#include "backends/engine/engine_io.h"

struct berth_engine_refresh;

/* app and gone may call any function here, free included. */
struct berth_engine_refresh_ops {
    /* Drawn before the engine is asked. */
    uint64_t (*ticket)(void *ctx);
    /* The row; the reference is lent. */
    void (*app)(void *ctx, uint64_t ticket, struct berth_app *app);
    /* The engine knows no such container. */
    void (*gone)(void *ctx, uint64_t ticket, const char *id);
};

/* engine, scope and ops outlive it. It starts held: nothing is asked before release. */
BERTH_MUST_CHECK int berth_engine_refresh_new(struct berth_engine_io *io,
                                              struct berth_engine *engine,
                                              const struct berth_engine_scope *scope,
                                              const struct berth_engine_refresh_ops *ops, void *ctx,
                                              struct berth_engine_refresh **ret_refresh,
                                              struct berth_error *err);
void berth_engine_refresh_free(struct berth_engine_refresh *refresh); /* NULL is fine */

/* Lets the questions go out. */
void berth_engine_refresh_release(struct berth_engine_refresh *refresh);

/* The container is to be asked about, at the latest delay_ms from now. BERTH_E_NOMEM. */
BERTH_MUST_CHECK int berth_engine_refresh_want(struct berth_engine_refresh *refresh, const char *id,
                                               int64_t delay_ms, struct berth_error *err);

/* It is gone: no more about it. */
void berth_engine_refresh_drop(struct berth_engine_refresh *refresh, const char *id);

/* Forgets all, and holds again. */
void berth_engine_refresh_clear(struct berth_engine_refresh *refresh);

#endif
