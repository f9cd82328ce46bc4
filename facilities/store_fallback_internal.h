/* SPDX-License-Identifier: MIT */
/*
 * Between the parts of the store that falls back: what goes where
 * (store_fallback.c), what is held (store_fallback_hold.c), and the thread that
 * looks after the server and the copy (store_fallback_server.c). Included
 * nowhere else.
 */
#ifndef BERTH_FACILITIES_STORE_FALLBACK_INTERNAL_H
#define BERTH_FACILITIES_STORE_FALLBACK_INTERNAL_H

#include "base/thread.h"
#include "facilities/store_driver.h"
#include "facilities/store_fallback.h"
#include "facilities/store_fallback_policy.h"
#include "facilities/store_spool.h"

enum berth_fallback_mode {
    BERTH_FALLBACK_SERVER, /* all goes to the server */
    BERTH_FALLBACK_COPY,   /* under the copy; what may change is spooled */
    BERTH_FALLBACK_ALONE,  /* there is no copy: the embedded store serves */
};

/* What this gateway does alone among several. */
struct held {
    struct held *next;
    bool is_again; /* held of the server again; the thread's own */
    char name[BERTH_STORE_SPOOL_HOLD_MAX + 1];
};

struct fallback_store {
    struct berth_store base;
    struct berth_fallback_config config; /* its strings are the store's own */
    struct berth_store *copy;
    struct berth_store_spool *spool;
    pthread_t thread;
    bool has_thread;
    bool hears; /* the server is listened to; of the opening, then the thread's own */

    pthread_mutex_t mutex;
    pthread_cond_t changed;
    enum berth_fallback_mode mode;
    struct berth_store *server; /* NULL until it was reached; stays then */
    struct berth_store *alone;  /* likewise, once it serves */
    int64_t fallen_ns;          /* wall */
    int64_t grace_ms;           /* monotonic; until then what is not held here is left to others */
    unsigned writing;           /* to the copy */
    bool is_rejoining;          /* writes to the copy wait */
    uint64_t changes;           /* of what the copy holds, as far as is known here */
    uint64_t copied;            /* the copy is as new as that one */
    bool stopping;
    struct held *held;
    berth_news_fn *fn;
    void *fn_ctx;
    unsigned calling; /* fn */
    uint64_t missed;  /* times that fn may have missed something */
    uint64_t retold;  /* BERTH_NEWS_ALL was taken in after so many of them */
};

struct fallback_txn {
    struct berth_txn base;
    struct berth_txn *under;
    enum berth_fallback_mode mode;
    bool tells;                                /* of what the copy holds */
    char hold[BERTH_STORE_SPOOL_HOLD_MAX + 1]; /* what the statements that follow depend on */
};

/* A job as that of a store below. */
struct fallback_job {
    struct fallback_store *store;
    enum berth_fallback_mode mode;
    berth_store_job *job;
    void *ctx;
    bool has_begun;
    bool tells;
};

static inline struct fallback_store *fallback(struct berth_store *store)
{
    return (struct fallback_store *)store;
}

/* ---- store_fallback.c ---- */

/* The store that serves now; one that is written to is given back by leaving it. */
struct berth_store *berth_fallback_enter(struct fallback_store *store, bool writes,
                                         enum berth_fallback_mode *ret_mode);
/* The server was there: its copy is what counts from now on. */
void berth_fallback_fall(struct fallback_store *store, const struct berth_error *why);
/* To whom listens: what that one says of it, 0 where nobody does. */
int berth_fallback_tell(struct fallback_store *store, const struct berth_store_news *news);
/* Of other gateways: ctx is the store. */
int berth_fallback_on_news(const struct berth_store_news *news, void *ctx);

/* ---- store_fallback_hold.c ---- */

int berth_fallback_hold(struct berth_store *base, const char *name, bool *ret_held,
                        struct berth_error *err);
void berth_fallback_let_go(struct berth_store *base, const char *name);
bool berth_fallback_holds(struct berth_txn *base, const char *name);
/* Takes up at the server what this gateway held, before another does. */
BERTH_MUST_CHECK int berth_fallback_hold_again(struct fallback_store *store,
                                               struct berth_error *err);
/* A job of the copy: remembers what was held before a restart; ctx is the store. */
int berth_fallback_read_holds(struct berth_txn *txn, void *ctx, struct berth_error *err);

/* ---- store_fallback_server.c ---- */

BERTH_MUST_CHECK int berth_fallback_reach(struct fallback_store *store, struct berth_error *err);
/* Once the server was reached: listens to it, from then on. */
BERTH_MUST_CHECK int berth_fallback_hear(struct fallback_store *store, struct berth_error *err);
/* What changes while it is made makes another one due. */
BERTH_MUST_CHECK int berth_fallback_make_copy(struct fallback_store *store,
                                              struct berth_error *err);
void *berth_fallback_look_after(void *arg);

#endif
