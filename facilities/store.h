/* SPDX-License-Identifier: MIT */
/*
 * The store: what must survive. One set of statements serves every driver:
 * parameters are $1, $2, … bound by position, rows come back through a
 * callback, types are BIGINT and TEXT alone, writes use RETURNING and ON
 * CONFLICT. The schema is the driver's.
 *
 * Writes are jobs. The embedded driver has one writer thread that takes all
 * waiting jobs into one transaction (a savepoint each) and commits with
 * synchronous=FULL before any of them returns: durable before answered, and
 * many writers share one fsync. A job that fails is rolled back alone.
 *
 * Errors: BERTH_E_NO_SPACE (disk full; nothing changed), BERTH_E_IO,
 * BERTH_E_EXISTS (a unique key), BERTH_E_NOMEM, and whatever a job returns.
 *
 * Threading: any thread may read and write; a job must not touch the store
 * but through its own txn.
 */
#ifndef BERTH_FACILITIES_STORE_H
#define BERTH_FACILITIES_STORE_H

#include "base/strbuf.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct berth_store;
struct berth_txn;
struct berth_row;

enum berth_value_type { BERTH_VALUE_NULL, BERTH_VALUE_INT, BERTH_VALUE_TEXT };

struct berth_value {
    enum berth_value_type type;
    int64_t number;
    const char *text; /* borrowed for the call */
};

static inline struct berth_value berth_value_int(int64_t number)
{
    return (struct berth_value){.type = BERTH_VALUE_INT, .number = number};
}

/* NULL text is SQL NULL. */
static inline struct berth_value berth_value_text(const char *text)
{
    return (struct berth_value){.type = text ? BERTH_VALUE_TEXT : BERTH_VALUE_NULL, .text = text};
}

static inline struct berth_value berth_value_null(void)
{
    return (struct berth_value){.type = BERTH_VALUE_NULL};
}

/* Where a PostgreSQL server is, and who comes. NULL is unsaid; a member has the last word over
 * conninfo, which is libpq's: "host=db dbname=berth" or a URI. All are borrowed for the call. */
struct berth_postgres_config {
    const char *conninfo;
    const char *host;
    const char *port;
    const char *user;
    const char *password;
    const char *database;
    int64_t timeout_ms; /* for a statement, and to the next of a transaction; 0: 5 s, as befits
                           requests */
};

struct berth_store_config {
    const char *data_dir;
    struct berth_postgres_config postgres;
    bool fallback; /* where PostgreSQL cannot be reached, the embedded store serves */
};

/* Whether a server is named: otherwise the embedded store is meant. */
static inline bool berth_store_wants_postgres(const struct berth_store_config *config)
{
    return config->postgres.conninfo || config->postgres.host || config->postgres.database;
}

/*
 * Opens (or makes) the store and migrates its schema. BERTH_E_CONFLICT when
 * that is of a newer berth, BERTH_E_BUSY when another process holds
 * data_dir/berth.lock.
 */
BERTH_MUST_CHECK int berth_store_open(const struct berth_store_config *config,
                                      struct berth_store **ret_store, struct berth_error *err);
/* BERTH_E_INVALID for a connection string that libpq does not understand ("must be …"). What stands
 * in it is never told: it may be a password. */
BERTH_MUST_CHECK int berth_store_check_conninfo(const char *conninfo, struct berth_error *err);

/* Tries whether the store can be opened, and appends what it is to text, for people ("PostgreSQL
 * 15.18 at db:5432, database berth, schema 1"). Changes nothing. Nothing to try and to say of the
 * embedded one. */
BERTH_MUST_CHECK int berth_store_probe(const struct berth_store_config *config,
                                       struct berth_strbuf *text, struct berth_error *err);
/* Finishes waiting writes. NULL is fine. */
void berth_store_close(struct berth_store *store);
BERTH_DEFINE_CLEANUP(store, struct berth_store *, berth_store_close)

/*
 * A job: 0 commits it, negative rolls it back and is the call's result. After
 * a statement that failed, one that its row callback ended included, the
 * transaction does not commit, whatever the job returns.
 */
typedef int berth_store_job(struct berth_txn *txn, void *ctx, struct berth_error *err);

/* Runs job in a write transaction (on the writer thread); returns after the commit. */
BERTH_MUST_CHECK int berth_store_write(struct berth_store *store, berth_store_job *job, void *ctx,
                                       struct berth_error *err);

#define BERTH_STORE_REQUEST_ROOM 64

/* A write under way: in its caller's frame, and the store's own from begin to end. */
struct berth_store_request {
    struct berth_store_request *next;
    berth_store_job *job;
    void *ctx;
    pthread_cond_t done_cond;
    bool done;
    int result;
    bool may_repeat; /* the job does the same when it is run again after all it did was lost; may be
                        set between begin and end */
    struct berth_error error;
    _Alignas(max_align_t) char room[BERTH_STORE_REQUEST_ROOM]; /* of a driver over others */
};

/* The two halves of berth_store_write(), for a caller that has something else to do until the
 * commit. What is begun must be ended; job and ctx last until then. */
void berth_store_begin_write(struct berth_store *store, struct berth_store_request *request,
                             berth_store_job *job, void *ctx);
BERTH_MUST_CHECK int berth_store_end_write(struct berth_store *store,
                                           struct berth_store_request *request,
                                           struct berth_error *err);

/* Runs job in a read transaction on the caller's thread: one consistent view. */
BERTH_MUST_CHECK int berth_store_read(struct berth_store *store, berth_store_job *job, void *ctx,
                                      struct berth_error *err);

/* BERTH_E_NO_SPACE when the store's disk has less than 1 MiB left: asked before a change that is
 * made elsewhere and recorded here afterwards. Cheap. */
BERTH_MUST_CHECK int berth_store_check_space(struct berth_store *store, struct berth_error *err);

/* 0, or why another store stands in for the one that was asked for: BERTH_E_UNREACHABLE. */
int berth_store_condition(struct berth_store *store, struct berth_error *err);

/* Called per row; 0 goes on, negative ends the statement with that result. May be NULL. */
typedef int berth_row_fn(const struct berth_row *row, void *ctx, struct berth_error *err);

/*
 * Runs one statement. sql must be a string that lives as long as the program:
 * it is prepared once per connection and found again by its address. It has
 * parameters $1 to $count (at most 32), each used at least once, and where its use tells its type
 * (beside a column, not in "$1 IS NULL"). on_row may
 * run other statements, not the same. ret_changes (may be NULL): rows inserted, updated or deleted.
 */
BERTH_MUST_CHECK int berth_txn_run(struct berth_txn *txn, const char *sql,
                                   const struct berth_value *values, size_t count,
                                   berth_row_fn *on_row, void *ctx, int64_t *ret_changes,
                                   struct berth_error *err);

/* ---- Several gateways on one store ---- */

/* Whether other gateways may be on the same store. */
bool berth_store_is_shared(const struct berth_store *store);

/* What a change was about; BERTH_NEWS_ALL: much may have been missed. */
enum berth_news_subject {
    BERTH_NEWS_ALL,
    BERTH_NEWS_IDENTITY,  /* key: the user's name */
    BERTH_NEWS_TOKENS,    /* key: the token's id */
    BERTH_NEWS_APPROVALS, /* key: the request's id */
};

struct berth_store_news {
    enum berth_news_subject subject;
    const char *facility; /* "" where the change is the gateway's */
    const char *key;      /* which one, or "" */
};

/* Within a job: tells the other gateways, when and if the job is committed. At most 1 KiB of text.
 * The embedded store has no others, and does nothing. */
BERTH_MUST_CHECK int berth_txn_tell(struct berth_txn *txn, const struct berth_store_news *news,
                                    struct berth_error *err);

/* Called on a thread of the store; may use the store. What news points to lasts for the call.
 * Negative: it was not taken in, and BERTH_NEWS_ALL follows, again and again until that is. */
typedef int berth_news_fn(const struct berth_store_news *news, void *ctx);

/*
 * Has fn called with what other gateways tell (and not with what this one
 * does), in the order of their commits. Begins with BERTH_NEWS_ALL once it
 * hears, and so again after each time it could not. One listener a store,
 * until berth_store_deafen(). The embedded store never calls.
 */
BERTH_MUST_CHECK int berth_store_listen(struct berth_store *store, berth_news_fn *fn, void *ctx,
                                        struct berth_error *err);
/* Returns when the last call has ended; fine where nobody listens. Not to be called by fn. */
void berth_store_deafen(struct berth_store *store);

/*
 * Tries to be the one gateway on the store that does what name says
 * ("sampler:FACILITY"; at most 128 bytes), and says whether it is. It stays so until
 * berth_store_let_go(), the end of the store, or a loss of the connection:
 * ask again now and then, and within a job that depends on it ask
 * berth_txn_holds(), whose answer holds until the commit. Where it is held
 * already, asking costs nothing. With the embedded store, always.
 */
BERTH_MUST_CHECK int berth_store_hold(struct berth_store *store, const char *name, bool *ret_held,
                                      struct berth_error *err);
void berth_store_let_go(struct berth_store *store, const char *name);
bool berth_txn_holds(struct berth_txn *txn, const char *name);

/* Columns count from 0. NULL reads as 0 and as NULL. Text is valid within the callback. */
int64_t berth_row_int(const struct berth_row *row, int column);
const char *berth_row_text(const struct berth_row *row, int column);
bool berth_row_is_null(const struct berth_row *row, int column);

#endif
