/* SPDX-License-Identifier: MIT */
/* One SQLite connection: settings, errors, statements. */
#include "facilities/store_sqlite.h"

#include <errno.h>
#include <fcntl.h>

#define BUSY_TIMEOUT_MS 5000 /* for a backup tool that reads the file meanwhile */

struct berth_sqlite_statement {
    const char *sql; /* told apart by address */
    sqlite3_stmt *stmt;
    size_t parameters;
    /* SQLite numbers named parameters as they appear: which number $1, $2, … have. */
    int index[BERTH_STORE_PARAMETERS_MAX];
};

struct sqlite_row {
    struct berth_row base;
    sqlite3_stmt *stmt;
};

/* Full disk, quota, and the limit on the size of files. */
static bool is_no_space(int errnum)
{
    return errnum == ENOSPC || errnum == EDQUOT || errnum == EFBIG;
}

/*
 * Whether an input/output error has such a cause (SQLITE_FULL is given for
 * ENOSPC alone). A failed commit tells it through the journal's file only.
 */
static bool lacks_space(sqlite3 *db)
{
    sqlite3_file *journal = NULL;
    int errnum = 0;
    if (is_no_space(sqlite3_system_errno(db)))
        return true;
    return sqlite3_file_control(db, NULL, SQLITE_FCNTL_JOURNAL_POINTER, &journal) == SQLITE_OK &&
           journal && journal->pMethods &&
           journal->pMethods->xFileControl(journal, SQLITE_FCNTL_LAST_ERRNO, &errnum) ==
               SQLITE_OK &&
           is_no_space(errnum);
}

/* rc: extended result code of the last call on db, which is NULL when that was an open without
 * memory. */
static int set_error(sqlite3 *db, int rc, const char *sql, struct berth_error *err)
{
    int r = 0;
    switch (rc & 0xff) {
    case SQLITE_NOMEM:
        return berth_error_nomem(err);
    case SQLITE_FULL:
        r = BERTH_E_NO_SPACE;
        break;
    case SQLITE_IOERR:
        r = lacks_space(db) ? BERTH_E_NO_SPACE : BERTH_E_IO;
        break;
    case SQLITE_CONSTRAINT:
        r = rc == SQLITE_CONSTRAINT_UNIQUE || rc == SQLITE_CONSTRAINT_PRIMARYKEY ? BERTH_E_EXISTS
                                                                                 : BERTH_E_INTERNAL;
        break;
    case SQLITE_BUSY:
        r = BERTH_E_BUSY;
        break;
    case SQLITE_ERROR:
    case SQLITE_MISUSE:
    case SQLITE_MISMATCH:
    case SQLITE_RANGE:
    case SQLITE_READONLY:
        r = BERTH_E_INTERNAL;
        break;
    default:
        r = BERTH_E_IO;
        break;
    }
    static const struct {
        int status;
        const char *message;
    } messages[] = {
        {BERTH_E_NO_SPACE, "the disk is full: nothing was changed"},
        {BERTH_E_EXISTS, "there is one already"},
        {BERTH_E_BUSY, "another program holds the store"},
        {BERTH_E_INTERNAL, "the store refused a statement"},
        {BERTH_E_IO, "the store cannot be read or written"},
    };
    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
        if (messages[i].status == r)
            (void)berth_error_set(err, (enum berth_status)r, "%s", messages[i].message);
    if (err && r == BERTH_E_BUSY)
        err->retry_after_s = 1;
    berth_error_detail(err, "SQLite %d: %s [%s]", rc, db ? sqlite3_errmsg(db) : "", sql);
    return r;
}

int berth_sqlite_exec(struct berth_sqlite *conn, const char *sql, struct berth_error *err)
{
    int rc = sqlite3_exec(conn->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : set_error(conn->db, rc, sql, err);
}

void berth_sqlite_rollback(struct berth_sqlite *conn)
{
    if (berth_sqlite_in_transaction(conn))
        (void)sqlite3_exec(conn->db, "ROLLBACK", NULL, NULL, NULL);
}

int berth_sqlite_begin(struct berth_sqlite *conn, const char *sql, struct berth_error *err)
{
    /* To roll back takes memory too: what could not be ended then is ended now. */
    int r = berth_sqlite_in_transaction(conn) ? berth_sqlite_exec(conn, "ROLLBACK", err) : 0;
    return r < 0 ? r : berth_sqlite_exec(conn, sql, err);
}

/* SQLite keeps another mode where a file system has no shared memory. */
static int expect_wal(const struct berth_row *row, void *ctx __attribute__((unused)),
                      struct berth_error *err)
{
    const char *mode = berth_row_text(row, 0);
    if (mode && strcmp(mode, "wal") == 0)
        return 0;
    return berth_error_set(err, BERTH_E_IO,
                           "the file system of the data directory cannot hold the store: it must "
                           "be a local one");
}

/*
 * synchronous=FULL: a commit is on the disk before it returns. The cache is
 * small because the kernel's page cache holds the same.
 */
static int configure(struct berth_sqlite *conn, bool readonly, struct berth_error *err)
{
    (void)sqlite3_busy_timeout(conn->db, BUSY_TIMEOUT_MS);
    int r = berth_sqlite_exec(conn,
                              "PRAGMA cache_size = -512;"
                              "PRAGMA temp_store = MEMORY;"
                              "PRAGMA trusted_schema = OFF;",
                              err);
    if (r < 0 || readonly)
        return r;
    r = berth_sqlite_run(conn, "PRAGMA journal_mode = WAL", NULL, 0, expect_wal, NULL, NULL, err);
    if (r < 0)
        return r;
    return berth_sqlite_exec(conn,
                             "PRAGMA synchronous = FULL;"
                             "PRAGMA foreign_keys = ON;"
                             "PRAGMA journal_size_limit = 16777216;",
                             err);
}

/* SQLite would make it readable to all, and gives its companions the mode the database has. Its
 * entry in the directory is on the disk with the first commit: SQLite sees to that of the log,
 * which stands beside it. */
static int make_private(const char *path, struct berth_error *err)
{
    BERTH_CLEANUP(fd) int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno != EEXIST)
        return berth_error_set_errno(err, BERTH_E_IO, errno, "cannot make the database");
    return 0;
}

int berth_sqlite_open(struct berth_sqlite *conn, const char *path, bool readonly,
                      struct berth_error *err)
{
    int made = readonly ? 0 : make_private(path, err);
    if (made < 0)
        return made;
    struct berth_sqlite opened = {0};
    int flags = (readonly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE) | SQLITE_OPEN_NOMUTEX |
                SQLITE_OPEN_EXRESCODE;
    int rc = sqlite3_open_v2(path, &opened.db, flags, NULL);
    int r =
        rc == SQLITE_OK ? configure(&opened, readonly, err) : set_error(opened.db, rc, "open", err);
    if (r < 0)
        berth_sqlite_close(&opened);
    else
        *conn = opened;
    return r;
}

void berth_sqlite_close(struct berth_sqlite *conn)
{
    for (size_t i = 0; i < conn->count; i++)
        (void)sqlite3_finalize(conn->statements[i].stmt);
    free(conn->statements);
    (void)sqlite3_close(conn->db);
    *conn = (struct berth_sqlite){0};
}

static int make_room(struct berth_sqlite *conn, struct berth_error *err)
{
    if (conn->count < conn->size)
        return 0;
    size_t size = conn->size ? conn->size * 2 : 16;
    struct berth_sqlite_statement *statements =
        realloc(conn->statements, size * sizeof(*statements));
    if (!statements)
        return berth_error_nomem(err);
    conn->statements = statements;
    conn->size = size;
    return 0;
}

/* Fills the numbers of $1 to $n; false when a parameter has another name. */
static bool map_parameters(struct berth_sqlite_statement *statement)
{
    statement->parameters = (size_t)sqlite3_bind_parameter_count(statement->stmt);
    if (statement->parameters > BERTH_STORE_PARAMETERS_MAX)
        return false;
    for (size_t i = 0; i < statement->parameters; i++) {
        char name[24];
        (void)snprintf(name, sizeof(name), "$%zu", i + 1);
        statement->index[i] = sqlite3_bind_parameter_index(statement->stmt, name);
        if (statement->index[i] == 0)
            return false;
    }
    return true;
}

/* The statement of that address; valid until the next call. */
static int find_statement(struct berth_sqlite *conn, const char *sql,
                          const struct berth_sqlite_statement **ret_statement,
                          struct berth_error *err)
{
    for (size_t i = 0; i < conn->count; i++) {
        if (conn->statements[i].sql == sql) {
            *ret_statement = &conn->statements[i];
            return 0;
        }
    }
    int r = make_room(conn, err);
    if (r < 0)
        return r;
    struct berth_sqlite_statement *statement = &conn->statements[conn->count];
    *statement = (struct berth_sqlite_statement){.sql = sql};
    const char *tail = NULL;
    int rc =
        sqlite3_prepare_v3(conn->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement->stmt, &tail);
    if (rc != SQLITE_OK)
        return set_error(conn->db, rc, sql, err);
    if (!statement->stmt || *tail != '\0' || !map_parameters(statement)) {
        (void)sqlite3_finalize(statement->stmt);
        (void)berth_error_set(err, BERTH_E_INTERNAL, "the store refused a statement");
        berth_error_detail(err, "not one statement with parameters $1 to $n [%s]", sql);
        return BERTH_E_INTERNAL;
    }
    conn->count++;
    *ret_statement = statement;
    return 0;
}

static int bind(const struct berth_sqlite_statement *statement, size_t position,
                const struct berth_value *value)
{
    int index = statement->index[position];
    switch (value->type) {
    case BERTH_VALUE_INT:
        return sqlite3_bind_int64(statement->stmt, index, value->number);
    case BERTH_VALUE_TEXT:
        return sqlite3_bind_text(statement->stmt, index, value->text, -1, SQLITE_STATIC);
    case BERTH_VALUE_NULL:
        break;
    }
    return sqlite3_bind_null(statement->stmt, index);
}

static int64_t row_get_int(const struct berth_row *row, int column)
{
    return sqlite3_column_int64(((const struct sqlite_row *)row)->stmt, column);
}

static const char *row_get_text(const struct berth_row *row, int column)
{
    return (const char *)sqlite3_column_text(((const struct sqlite_row *)row)->stmt, column);
}

static bool row_is_null(const struct berth_row *row, int column)
{
    return sqlite3_column_type(((const struct sqlite_row *)row)->stmt, column) == SQLITE_NULL;
}

static const struct berth_row_ops row_ops = {
    .get_int = row_get_int,
    .get_text = row_get_text,
    .is_null = row_is_null,
};

static int step_all(struct berth_sqlite *conn, sqlite3_stmt *stmt, const char *sql,
                    berth_row_fn *on_row, void *ctx, struct berth_error *err)
{
    struct sqlite_row row = {.base.ops = &row_ops, .stmt = stmt};
    for (;;) {
        int rc = sqlite3_step(stmt);
        if (rc == SQLITE_DONE)
            return 0;
        if (rc != SQLITE_ROW)
            return set_error(conn->db, rc, sql, err);
        int r = on_row ? on_row(&row.base, ctx, err) : 0;
        if (r < 0)
            return r;
    }
}

int berth_sqlite_run(struct berth_sqlite *conn, const char *sql, const struct berth_value *values,
                     size_t count, berth_row_fn *on_row, void *ctx, int64_t *ret_changes,
                     struct berth_error *err)
{
    const struct berth_sqlite_statement *statement = NULL;
    int r = find_statement(conn, sql, &statement, err);
    if (r < 0)
        return r;
    sqlite3_stmt *stmt = statement->stmt;
    if (count != statement->parameters || sqlite3_stmt_busy(stmt)) {
        (void)berth_error_set(err, BERTH_E_INTERNAL, "the store refused a statement");
        berth_error_detail(err, "%zu values for %zu parameters, or run from its own rows [%s]",
                           count, statement->parameters, sql);
        return BERTH_E_INTERNAL;
    }
    for (size_t i = 0; i < count && r == 0; i++) {
        int rc = bind(statement, i, &values[i]);
        if (rc != SQLITE_OK)
            r = set_error(conn->db, rc, sql, err);
    }
    if (r == 0)
        r = step_all(conn, stmt, sql, on_row, ctx, err);
    if (r == 0 && ret_changes)
        *ret_changes = sqlite3_stmt_readonly(stmt) ? 0 : sqlite3_changes64(conn->db);
    (void)sqlite3_reset(stmt);
    (void)sqlite3_clear_bindings(stmt); /* the values were borrowed */
    return r;
}
