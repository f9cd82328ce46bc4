/* SPDX-License-Identifier: MIT */
/*
 * All apps of a scope, asked for on the I/O thread: one listing and an inspect
 * for each, a few at a time. (berth_engine_app_list() for those who may wait.)
 *
 * A container that the engine cannot say more about (one that hangs in its
 * runtime holds up its inspect for ever) must not keep the others away: after
 * 5 s at most it is told as the list shows it, without exact times.
 *
 * Threading: all functions and the callback on the I/O thread.
 */
#ifndef BERTH_BACKENDS_ENGINE_ENGINE_LISTING_H
#define BERTH_BACKENDS_ENGINE_ENGINE_LISTING_H

#include "backends/engine/engine_app.h"
#include "backends/engine/engine_io.h"

struct berth_engine_listing;

/* Called once, with the apps (they live as long as the listing) or with NULL and what went wrong.
 * May free the listing. */
typedef void berth_engine_listing_done(void *ctx, const struct berth_app_list *apps,
                                       const struct berth_error *err);

/* scope outlives the listing. Containers that disappear meanwhile are left out. */
BERTH_MUST_CHECK int berth_engine_listing_start(struct berth_engine_io *io,
                                                struct berth_engine *engine,
                                                const struct berth_engine_scope *scope,
                                                berth_engine_listing_done *done, void *ctx,
                                                struct berth_engine_listing **ret_listing,
                                                struct berth_error *err);

/* Ends it if need be, without done, and frees it; due after done too. NULL is fine. */
void berth_engine_listing_free(struct berth_engine_listing *listing);

#endif
