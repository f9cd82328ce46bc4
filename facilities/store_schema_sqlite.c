/* SPDX-License-Identifier: MIT */
/*
 * The embedded schema and its migrations. Times: …_ms milliseconds, …_ns
 * nanoseconds, since 1970 UTC. Names that are reserved words of PostgreSQL
 * (user, grant, from, to) are avoided, so that statements serve both drivers.
 */
#include "facilities/store_sqlite.h"

/*
 * One entry per version, never changed once released; the entry's place is
 * its version. Each runs in one transaction with the change of user_version.
 */
static const char *const migrations[] = {
    /*
     * user_account: removed_ms makes a tombstone, which keeps the name alone
     * (password_hash ''). generation grows with every change of the user or
     * of a grant, so that whoever keeps copies knows which is newer.
     */
    "CREATE TABLE user_account ("
    " name TEXT PRIMARY KEY,"
    " password_hash TEXT NOT NULL,"
    " gateway_admin INTEGER NOT NULL," /* 0 or 1 */
    " generation INTEGER NOT NULL,"
    " created_ms INTEGER NOT NULL,"
    " removed_ms INTEGER"
    ") STRICT, WITHOUT ROWID;"

    "CREATE TABLE user_grant ("
    " user_name TEXT NOT NULL REFERENCES user_account (name),"
    " facility TEXT NOT NULL,"
    " role TEXT NOT NULL," /* berth_role_name() */
    " PRIMARY KEY (user_name, facility)"
    ") STRICT, WITHOUT ROWID;"

    /* See approvals.h; NULL where nothing is known, requested_by '' in open mode. */
    "CREATE TABLE image_request ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " facility TEXT NOT NULL,"
    " image TEXT NOT NULL," /* berth_image_ref_name() */
    " tag TEXT NOT NULL,"
    " state TEXT NOT NULL," /* berth_approval_state_name() */
    " digest TEXT,"
    " image_id TEXT,"
    " requested_by TEXT,"
    " requested_ns INTEGER NOT NULL,"
    " decided_by TEXT,"
    " decided_ns INTEGER,"
    " reason TEXT,"
    " error TEXT,"
    " UNIQUE (facility, image, tag)"
    ") STRICT;"

    /* One state of one app from from_ms until to_ms; NULL while it holds. */
    "CREATE TABLE uptime_span ("
    " id INTEGER PRIMARY KEY,"
    " facility TEXT NOT NULL,"
    " app TEXT NOT NULL,"
    " state TEXT NOT NULL," /* berth_app_state_name() */
    " from_ms INTEGER NOT NULL,"
    " to_ms INTEGER"
    ") STRICT;"
    "CREATE INDEX uptime_span_app ON uptime_span (facility, app, from_ms);"
    "CREATE INDEX uptime_span_end ON uptime_span (to_ms, facility);" /* open ones, retention */

    /* Until when the open spans of the facility are known to hold. */
    "CREATE TABLE uptime_watermark ("
    " facility TEXT PRIMARY KEY,"
    " at_ms INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;"

    /* See audit.h; caller, address and request_id are NULL for the gateway itself. */
    "CREATE TABLE audit ("
    " id INTEGER PRIMARY KEY,"
    " at_ms INTEGER NOT NULL,"
    " caller TEXT,"
    " address TEXT,"
    " request_id TEXT,"
    " facility TEXT NOT NULL,"
    " action TEXT NOT NULL,"
    " target TEXT NOT NULL,"
    " status TEXT NOT NULL," /* berth_status_name() */
    " detail TEXT"
    ") STRICT;"
    "CREATE INDEX audit_facility ON audit (facility, at_ms);",

    /*
     * See tokens.h. digest: SHA-256 of the token in hexadecimal. facility and
     * role are both NULL where the token may do all that its user may.
     */
    "CREATE TABLE api_token ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " user_name TEXT NOT NULL REFERENCES user_account (name),"
    " digest TEXT NOT NULL UNIQUE,"
    " label TEXT NOT NULL,"
    " facility TEXT,"
    " role TEXT,"
    " created_ms INTEGER NOT NULL,"
    " expires_ms INTEGER,"
    " used_ms INTEGER"
    ") STRICT;"
    "CREATE INDEX api_token_user ON api_token (user_name);",

    /* See idempotency.h; caller is '' in open mode, request a digest in hexadecimal. */
    "CREATE TABLE kept_answer ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " caller TEXT NOT NULL,"
    " facility TEXT NOT NULL,"
    " idempotency_key TEXT NOT NULL,"
    " request TEXT NOT NULL,"
    " status INTEGER NOT NULL,"
    " type TEXT NOT NULL,"
    " body TEXT NOT NULL,"
    " created_ms INTEGER NOT NULL,"
    " UNIQUE (caller, facility, idempotency_key)"
    ") STRICT;"
    "CREATE INDEX kept_answer_caller ON kept_answer (caller, facility, id);"
    "CREATE INDEX kept_answer_created ON kept_answer (created_ms);",

    /* The spans of an app lie scattered in the table, as they began: the index has all of them. */
    ("DROP INDEX uptime_span_app;"
     "CREATE INDEX uptime_span_app ON uptime_span (facility, app, from_ms, state, to_ms);"),

    /* See store_spool.h and store_fallback.h. */
    "CREATE TABLE spool ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " hold TEXT NOT NULL,"
    " statement TEXT NOT NULL,"
    " arguments TEXT NOT NULL"
    ") STRICT;"
    "CREATE TABLE spool_delivered ("
    " source TEXT PRIMARY KEY,"
    " last_id INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE store_note ("
    " name TEXT PRIMARY KEY,"
    " value TEXT NOT NULL"
    ") STRICT, WITHOUT ROWID;",
};

#define LATEST ((int64_t)(sizeof(migrations) / sizeof(migrations[0])))

static int get_version(const struct berth_row *row, void *ctx,
                       struct berth_error *err __attribute__((unused)))
{
    *(int64_t *)ctx = berth_row_int(row, 0);
    return 0;
}

static int migrate_to(struct berth_sqlite *conn, int64_t version, struct berth_error *err)
{
    char set_version[64];
    (void)snprintf(set_version, sizeof(set_version), "PRAGMA user_version = %lld",
                   (long long)version);
    int r = berth_sqlite_exec(conn, migrations[version - 1], err);
    return r < 0 ? r : berth_sqlite_exec(conn, set_version, err);
}

int berth_sqlite_migrate(struct berth_sqlite *conn, struct berth_error *err)
{
    for (;;) {
        int64_t version = 0;
        int r = berth_sqlite_exec(conn, "BEGIN IMMEDIATE", err);
        if (r < 0)
            return r;
        r = berth_sqlite_run(conn, "PRAGMA user_version", NULL, 0, get_version, &version, NULL,
                             err);
        if (r == 0 && version > LATEST)
            r = berth_error_set(err, BERTH_E_CONFLICT,
                                "the database is of a newer berth (its schema has version %lld, "
                                "this berth knows %lld)",
                                (long long)version, (long long)LATEST);
        bool done = version >= LATEST;
        if (r == 0 && !done)
            r = migrate_to(conn, version + 1, err);
        if (r == 0)
            r = berth_sqlite_exec(conn, "COMMIT", err);
        if (r < 0)
            berth_sqlite_rollback(conn);
        if (r < 0 || done)
            return r;
    }
}
