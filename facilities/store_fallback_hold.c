/* SPDX-License-Identifier: MIT */
/*
 * What one gateway does alone among several. It is remembered here, and over
 * restarts where it lasts, so that the same one goes on while the server is
 * away and has the first try when that is back.
 */
#include "base/clock.h"
#include "base/log.h"
#include "facilities/store_fallback_internal.h"

#include <string.h>

/* The caller holds the mutex. */
static struct held **find_held(struct fallback_store *store, const char *name)
{
    struct held **link = &store->held;
    while (*link && strcmp((*link)->name, name) != 0)
        link = &(*link)->next;
    return link;
}

static bool is_held(struct fallback_store *store, const char *name)
{
    BERTH_LOCK_SCOPE(lock, &store->mutex);
    return *find_held(store, name) != NULL;
}

struct note {
    const char *name; /* "hold …" */
    bool is_set;
};

static int note_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    const struct note *note = ctx;
    const struct berth_value name = berth_value_text(note->name);
    return note->is_set
               ? berth_txn_run(txn,
                               "INSERT INTO store_note (name, value) VALUES ('hold ' || $1, '')"
                               " ON CONFLICT (name) DO NOTHING",
                               &name, 1, NULL, NULL, NULL, err)
               : berth_txn_run(txn, "DELETE FROM store_note WHERE name = 'hold ' || $1", &name, 1,
                               NULL, NULL, NULL, err);
}

/* What lasts is known after a restart too. */
static void keep_note(struct fallback_store *store, const char *name, bool is_set)
{
    struct note note = {name, is_set};
    struct berth_error err = BERTH_ERROR_INIT;
    if (berth_fallback_is_lasting(name) &&
        berth_store_write(store->copy, note_job, &note, &err) < 0)
        berth_log_error(BERTH_LOG_WARNING, &err, "%s", name);
}

static int remember(struct fallback_store *store, const char *name, struct berth_error *err)
{
    struct held *held = calloc(1, sizeof(*held));
    if (!held)
        return berth_error_nomem(err);
    (void)snprintf(held->name, sizeof(held->name), "%s", name);
    BERTH_LOCK_SCOPE(lock, &store->mutex);
    if (*find_held(store, name)) {
        free(held);
        return 0;
    }
    held->next = store->held;
    store->held = held;
    return 0;
}

static bool forget(struct fallback_store *store, const char *name)
{
    BERTH_LOCK_SCOPE(lock, &store->mutex);
    struct held **link = find_held(store, name);
    struct held *held = *link;
    if (!held)
        return false;
    *link = held->next;
    free(held);
    return true;
}

/* Of the server: what it says is remembered. */
static int hold_at_server(struct fallback_store *store, const char *name, bool *ret_held,
                          struct berth_error *err)
{
    bool was_held = is_held(store, name);
    bool held = false;
    if (!was_held) {
        BERTH_LOCK_SCOPE(lock, &store->mutex);
        if (berth_fallback_is_lasting(name) && berth_clock_monotonic_ms() < store->grace_ms) {
            *ret_held = false;
            return 0;
        }
    }
    int r = berth_store_hold(store->server, name, &held, err);
    if (r == 0 && held && !was_held)
        r = remember(store, name, err);
    if (r < 0)
        return r;
    if (!held && was_held)
        (void)forget(store, name);
    if (held != was_held)
        keep_note(store, name, held);
    *ret_held = held;
    return 0;
}

int berth_fallback_hold(struct berth_store *base, const char *name, bool *ret_held,
                        struct berth_error *err)
{
    struct fallback_store *store = fallback(base);
    struct berth_error why = BERTH_ERROR_INIT;
    enum berth_fallback_mode mode;
    (void)berth_fallback_enter(store, false, &mode);
    int r = mode == BERTH_FALLBACK_SERVER ? hold_at_server(store, name, ret_held, &why) : 0;
    if (r == BERTH_E_UNREACHABLE) {
        berth_fallback_fall(store, &why);
        (void)berth_fallback_enter(store, false, &mode);
        r = 0;
    }
    if (r < 0 && err)
        *err = why;
    if (r == 0 && mode != BERTH_FALLBACK_SERVER)
        *ret_held = mode == BERTH_FALLBACK_ALONE || !berth_fallback_is_lasting(name) ||
                    is_held(store, name);
    return r;
}

void berth_fallback_let_go(struct berth_store *base, const char *name)
{
    struct fallback_store *store = fallback(base);
    enum berth_fallback_mode mode;
    (void)berth_fallback_enter(store, false, &mode);
    if (forget(store, name))
        keep_note(store, name, false);
    if (mode == BERTH_FALLBACK_SERVER)
        berth_store_let_go(store->server, name);
}

bool berth_fallback_holds(struct berth_txn *base, const char *name)
{
    struct fallback_txn *txn = (struct fallback_txn *)base;
    (void)snprintf(txn->hold, sizeof(txn->hold), "%s", name);
    if (txn->mode == BERTH_FALLBACK_SERVER)
        return berth_txn_holds(txn->under, name);
    return txn->mode == BERTH_FALLBACK_ALONE || is_held(fallback(base->store), name);
}

/* ---- From before ---- */

static int take_note(const struct berth_row *row, void *ctx, struct berth_error *err)
{
    struct fallback_store *store = ctx;
    return remember(store, berth_row_text(row, 0) + strlen("hold "), err);
}

int berth_fallback_read_holds(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    return berth_txn_run(txn, "SELECT name FROM store_note WHERE name LIKE 'hold %'", NULL, 0,
                         take_note, ctx, NULL, err);
}

/* Takes up what this gateway held, before another does. */
int berth_fallback_hold_again(struct fallback_store *store, struct berth_error *err)
{
    int r = 0;
    for (;;) {
        char name[BERTH_STORE_SPOOL_HOLD_MAX + 1] = "";
        bool held = false;
        {
            BERTH_LOCK_SCOPE(lock, &store->mutex);
            struct held *next = store->held;
            while (next && next->is_again)
                next = next->next;
            if (next) {
                next->is_again = true;
                memcpy(name, next->name, sizeof(name));
            }
        }
        if (!name[0])
            break;
        r = berth_store_hold(store->server, name, &held, err);
        if (r == 0 && !held && forget(store, name))
            keep_note(store, name, false);
        if (r < 0)
            break;
    }
    BERTH_LOCK_SCOPE(lock, &store->mutex);
    for (struct held *each = store->held; each; each = each->next)
        each->is_again = false;
    return r;
}
