/* SPDX-License-Identifier: MIT */
/*
 * A backend that does what a test scripts and says what a test tells it to, in
 * the order of the test: for the mirror and what stands on it.
 *
 * Threading: the verbs, and the functions below, from any thread.
 */
#ifndef BERTH_TESTS_UNIT_FAKE_BACKEND_H
#define BERTH_TESTS_UNIT_FAKE_BACKEND_H

#include "backends/backend.h"

struct fake {
    struct berth_backend head;
    const struct berth_watch_sink *sink;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct berth_app_list rows; /* what the engine holds */
    unsigned version;           /* what inspect says */
    size_t body_bytes;          /* of an inspect body; 0 is as many as it takes */
    unsigned inspects;
    unsigned touches;
    bool hold_inspect;
    unsigned hold_version; /* the last one whose inspect is held */
    int inspect_fails;
    int list_fails;
};

void fake_init(struct fake *fake);
void fake_release(struct fake *fake);

/* "app-ID--ana"; a reference of the caller's. */
struct berth_app *fake_app(const char *id, enum berth_app_state state);

/* The engine now has the app in this state; UNKNOWN: has it no more. */
void fake_set(struct fake *fake, const char *id, enum berth_app_state state);

/* Whether inspect waits, and until that many inspects were begun. */
void fake_hold_inspect(struct fake *fake, bool hold);
void fake_await_inspects(struct fake *fake, unsigned count);

/* ---- What the backend tells its sink ---- */

uint64_t fake_draw(struct fake *fake);
void fake_tell_app(struct fake *fake, uint64_t ticket, const char *id, enum berth_app_state state);
/* What the engine holds. */
void fake_tell_listing(struct fake *fake, uint64_t ticket, int64_t as_of_ns);
void fake_tell_lost(struct fake *fake, const char *why, int64_t last_alive_ns);

#endif
