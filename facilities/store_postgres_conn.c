/* SPDX-License-Identifier: MIT */
/* One PostgreSQL connection: settings, waiting with a limit, errors, statements. */
#include "facilities/store_postgres.h"

#include "base/clock.h"
#include "base/strbuf.h"
#include "base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>

#define SERVER_VERSION_MIN 120000
#define LOCK_TIMEOUT_MS    4500 /* within the statement's, so that the two are told apart */
#define GRACE_MS           500  /* for the server to say that it has taken too long */

/* The time for a statement, LOCK_TIMEOUT_MS, and the time between two statements of a transaction:
 * whoever dies on the way must not keep the others from writing for long. */
#define SESSION                                                                                    \
    "SET search_path = " BERTH_PG_SCHEMA ";"                                                       \
    "SET statement_timeout = %" PRId64 ";"                                                         \
    "SET lock_timeout = %d;"                                                                       \
    "SET idle_in_transaction_session_timeout = %" PRId64 ";"                                       \
    "SET tcp_keepalives_idle = 10;"                                                                \
    "SET tcp_keepalives_interval = 5;"                                                             \
    "SET tcp_keepalives_count = 3;"                                                                \
    "SELECT set_config('synchronous_commit', 'on', false)"                                         \
    " WHERE current_setting('synchronous_commit') = 'off'"

struct berth_pg_statement {
    const char *sql; /* told apart by address */
    char name[16];
};

struct pg_row {
    struct berth_row base;
    const PGresult *result;
    int number;
};

BERTH_DEFINE_CLEANUP(pg_result, PGresult *, PQclear)

/* ---- Settings ---- */

static void free_value(char *value)
{
    explicit_bzero(value, strlen(value)); /* it may be the password */
    free(value);
}

void berth_pg_settings_release(struct berth_pg_settings *settings)
{
    for (size_t i = 0; i < settings->count; i++)
        free_value(settings->values[i]);
    *settings = (struct berth_pg_settings){0};
}

/* Whether a password has a '/' in it: libpq takes what stands before it for host and port, and the
 * rest for the database. */
static bool is_cut_short(const char *conninfo)
{
    const char *authority = strstr(conninfo, "://");
    const char *path = authority ? strchr(authority + 3, '/') : NULL;
    bool is_uri = authority && authority == conninfo + strcspn(conninfo, ":=");
    return is_uri && path && memchr(path, '@', strcspn(path, "?"));
}

/* libpq would say what it stumbled over: a piece of the text. */
int berth_store_check_conninfo(const char *conninfo, struct berth_error *err)
{
    if (!strchr(conninfo, '=') && !strstr(conninfo, "://"))
        return 0; /* the name of a database */
    PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
    bool valid = options != NULL && !is_cut_short(conninfo);
    for (const PQconninfoOption *option = options; option && option->keyword; option++)
        if (strcmp(option->keyword, "host") == 0 && option->val && strchr(option->val, '@'))
            valid = false; /* a password with '@' in it, half of which is taken for the host */
    PQconninfoFree(options);
    return valid ? 0
                 : berth_error_set(err, BERTH_E_INVALID,
                                   "must be a connection string of libpq, as host=db dbname=berth "
                                   "or postgresql://user@db/berth (where characters of a password "
                                   "that are no letters and digits are written %%XX)");
}

int berth_pg_settings_init(struct berth_pg_settings *settings,
                           const struct berth_postgres_config *config, struct berth_error *err)
{
    /* The first dbname is taken apart where it is a connection string; what comes later has the
     * last word. */
    const struct {
        const char *keyword;
        const char *value;
    } all[] = {
        {"connect_timeout", "5"},
        {"gssencmode", "disable"},
        {"keepalives_idle", "10"},
        {"keepalives_interval", "5"},
        {"keepalives_count", "3"},
        {"tcp_user_timeout", "10000"},
        {"target_session_attrs", "read-write"},
        {"dbname", config->conninfo},
        {"host", config->host},
        {"port", config->port},
        {"user", config->user},
        {"password", config->password},
        {"dbname", config->database},
        {"client_encoding", "UTF8"},
        {"fallback_application_name", "berth"},
    };
    if (config->conninfo && berth_store_check_conninfo(config->conninfo, err) < 0) {
        (void)berth_error_wrap(err, "the settings of PostgreSQL");
        return BERTH_E_INVALID;
    }
    struct berth_pg_settings made = {.timeout_ms = config->timeout_ms > 0 ? config->timeout_ms
                                                                          : BERTH_PG_TIMEOUT_MS};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (!all[i].value)
            continue;
        made.keywords[made.count] = all[i].keyword;
        made.values[made.count] = berth_text_dup(all[i].value);
        if (!made.values[made.count++]) {
            made.count--;
            berth_pg_settings_release(&made);
            return berth_error_nomem(err);
        }
    }
    *settings = made;
    return 0;
}

/* ---- Errors ---- */

/* libpq ends its lines, of which there may be several, with a line feed. */
static const char *first_line(const char *text, char *buffer, size_t size)
{
    (void)snprintf(buffer, size, "%.*s", (int)strcspn(text, "\n"), text);
    return buffer;
}

int berth_pg_lose(struct berth_pg *pg, struct berth_error *err)
{
    char line[256];
    pg->lost = true;
    (void)berth_error_set(err, BERTH_E_UNREACHABLE, "the database cannot be reached");
    if (err)
        err->retry_after_s = 1;
    berth_error_detail(err, "PostgreSQL: %s",
                       first_line(PQerrorMessage(pg->conn), line, sizeof(line)));
    return BERTH_E_UNREACHABLE;
}

struct meaning {
    const char *sqlstate; /* or the two characters of a class */
    int status;
    const char *message;
};

#define REFUSED "the store refused a statement"

/* The first that fits. Appendix A of PostgreSQL's manual. */
static const struct meaning meanings[] = {
    {"23505", BERTH_E_EXISTS, "there is one already"},
    {"53100", BERTH_E_NO_SPACE, "the disk of the database is full: nothing was changed"},
    {"53200", BERTH_E_BUSY, "the database is out of memory: nothing was changed"},
    {"55P03", BERTH_E_BUSY, "another gateway holds the store"},
    {"57014", BERTH_E_TIMEOUT, "the database took too long: nothing was changed"},
    {"40", BERTH_E_BUSY, "the store was changed by others meanwhile: nothing was changed"},
    {"08P01", BERTH_E_INTERNAL, REFUSED},
    {"08", BERTH_E_UNREACHABLE, "the database cannot be reached"},
    {"53", BERTH_E_UNREACHABLE, "the database takes no more connections"},
    {"57P", BERTH_E_UNREACHABLE, "the database is shutting down"},
    {"58", BERTH_E_IO, "the database cannot read or write its files"},
    {"XX", BERTH_E_IO, "the database is damaged or defective"},
    {"", BERTH_E_INTERNAL, REFUSED},
};

static int set_error(struct berth_pg *pg, const PGresult *result, const char *sql,
                     struct berth_error *err)
{
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    if (!sqlstate && PQstatus(pg->conn) == CONNECTION_BAD)
        return berth_pg_lose(pg, err);
    if (!sqlstate && PQresultStatus(result) == PGRES_FATAL_ERROR) /* libpq's own */
        return berth_error_nomem(err);
    if (!sqlstate)
        sqlstate = ""; /* an empty statement */
    const struct meaning *meaning = meanings;
    while (strncmp(meaning->sqlstate, sqlstate, strlen(meaning->sqlstate)) != 0)
        meaning++;
    (void)berth_error_set(err, (enum berth_status)meaning->status, "%s", meaning->message);
    if (err && (meaning->status == BERTH_E_BUSY || meaning->status == BERTH_E_UNREACHABLE))
        err->retry_after_s = 1;
    berth_error_detail(err, "PostgreSQL %s: %s [%s]", sqlstate, primary ? primary : "", sql);
    if (meaning->status == BERTH_E_UNREACHABLE)
        pg->lost = true;
    return meaning->status;
}

/* ---- Waiting ---- */

/* Until the server has said something, or all was sent to it; false: the time is up, or it is
 * gone. */
static bool wait_for_server(struct berth_pg *pg, short events, int64_t deadline_ms)
{
    for (;;) {
        int64_t left_ms = deadline_ms - berth_clock_monotonic_ms();
        if (left_ms < 0)
            left_ms = 0; /* what has come by then has */
        struct pollfd fd = {.fd = PQsocket(pg->conn), .events = events};
        int r = poll(&fd, 1, (int)left_ms);
        if (r > 0)
            return true;
        if (left_ms == 0 || (r < 0 && errno != EINTR))
            return false;
    }
}

/* The next result, NULL when there is none any more. */
static int next_result(struct berth_pg *pg, int64_t deadline_ms, PGresult **ret_result,
                       struct berth_error *err)
{
    for (;;) {
        int unsent = PQflush(pg->conn);
        if (unsent < 0)
            return berth_pg_lose(pg, err);
        if (!PQisBusy(pg->conn))
            break;
        if (!wait_for_server(pg, unsent ? POLLIN | POLLOUT : POLLIN, deadline_ms)) {
            (void)berth_pg_lose(pg, err);
            pg->silent = true;
            berth_error_detail(err, "PostgreSQL was silent for too long");
            return BERTH_E_UNREACHABLE;
        }
        if (!PQconsumeInput(pg->conn))
            return berth_pg_lose(pg, err);
    }
    *ret_result = PQgetResult(pg->conn);
    return 0;
}

/* What came of that which was sent: the first error, or else the last result. */
static int finish(struct berth_pg *pg, const char *sql, int64_t timeout_ms, PGresult **ret_result,
                  struct berth_error *err)
{
    int64_t deadline_ms = berth_clock_monotonic_ms() + timeout_ms + GRACE_MS;
    BERTH_CLEANUP(pg_result) PGresult *kept = NULL;
    bool failed = false;
    for (;;) {
        PGresult *result = NULL;
        int r = next_result(pg, deadline_ms, &result, err);
        if (r < 0)
            return r;
        if (!result)
            break;
        if (failed) {
            PQclear(result);
            continue;
        }
        PQclear(kept);
        kept = result;
        ExecStatusType status = PQresultStatus(kept);
        failed = status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK;
    }
    if (failed)
        return set_error(pg, kept, sql, err);
    if (!kept) /* an end without a word: it is the connection's */
        return berth_pg_lose(pg, err);
    if (ret_result)
        *ret_result = berth_steal(&kept);
    return 0;
}

int berth_pg_exec(struct berth_pg *pg, const char *sql, int64_t timeout_ms, struct berth_error *err)
{
    return PQsendQuery(pg->conn, sql) ? finish(pg, sql, timeout_ms, NULL, err)
                                      : berth_pg_lose(pg, err);
}

void berth_pg_rollback(struct berth_pg *pg)
{
    if (berth_pg_is_open(pg) && PQtransactionStatus(pg->conn) != PQTRANS_IDLE &&
        berth_pg_exec(pg, "ROLLBACK", BERTH_PG_TIMEOUT_MS, NULL) < 0)
        pg->lost = true;
}

/* ---- Opening ---- */

static int check_server(const struct berth_pg *pg, struct berth_error *err)
{
    const char *encoding = PQparameterStatus(pg->conn, "server_encoding");
    if (PQserverVersion(pg->conn) < SERVER_VERSION_MIN)
        return berth_error_set(
            err, BERTH_E_INVALID, "PostgreSQL must be of version %d or newer; this one is %s",
            SERVER_VERSION_MIN / 10000, PQparameterStatus(pg->conn, "server_version"));
    if (!encoding || strcmp(encoding, "UTF8") != 0)
        return berth_error_set(err, BERTH_E_INVALID,
                               "the database %s must have the encoding UTF8; it has %s",
                               PQdb(pg->conn), encoding ? encoding : "none");
    return 0;
}

static int configure(struct berth_pg *pg, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf sql = BERTH_STRBUF_INIT(1024);
    berth_strbuf_addf(&sql, SESSION, pg->timeout_ms, LOCK_TIMEOUT_MS, pg->timeout_ms);
    if (PQserverVersion(pg->conn) >= 140000)
        berth_strbuf_adds(&sql, "; SET idle_session_timeout = 0");
    int r = berth_strbuf_check(&sql, err);
    if (r == 0)
        r = check_server(pg, err);
    if (r == 0 && PQsetnonblocking(pg->conn, 1) < 0)
        r = berth_pg_lose(pg, err);
    return r == 0 ? berth_pg_exec(pg, berth_strbuf_str(&sql), BERTH_PG_TIMEOUT_MS, err) : r;
}

int berth_pg_open(const struct berth_pg_settings *settings, struct berth_pg *ret_pg,
                  struct berth_error *err)
{
    char line[BERTH_ERROR_MESSAGE_MAX];
    struct berth_pg pg = {
        .conn = PQconnectdbParams(settings->keywords, (const char *const *)settings->values, 1),
        .timeout_ms = settings->timeout_ms};
    if (!pg.conn)
        return berth_error_nomem(err);
    int r = 0;
    if (PQstatus(pg.conn) != CONNECTION_OK) {
        r = berth_error_set(err, BERTH_E_UNREACHABLE, "the database cannot be reached: %s",
                            first_line(PQerrorMessage(pg.conn), line, sizeof(line)));
        if (err)
            err->retry_after_s = 1;
    }
    if (r == 0)
        r = configure(&pg, err);
    if (r < 0)
        berth_pg_close(&pg);
    else
        *ret_pg = pg;
    return r;
}

void berth_pg_close(struct berth_pg *pg)
{
    free(pg->statements);
    if (pg->conn)
        PQfinish(pg->conn);
    *pg = (struct berth_pg){0};
}

/* ---- Statements ---- */

static int make_room(struct berth_pg *pg, struct berth_error *err)
{
    if (pg->count < pg->size)
        return 0;
    size_t size = pg->size ? pg->size * 2 : 16;
    struct berth_pg_statement *statements = realloc(pg->statements, size * sizeof(*statements));
    if (!statements)
        return berth_error_nomem(err);
    pg->statements = statements;
    pg->size = size;
    return 0;
}

/* The name of the statement of that address, for this connection; valid until the next call. */
static int find_statement(struct berth_pg *pg, const char *sql, const char **ret_name,
                          struct berth_error *err)
{
    for (size_t i = 0; i < pg->count; i++) {
        if (pg->statements[i].sql == sql) {
            *ret_name = pg->statements[i].name;
            return 0;
        }
    }
    int r = make_room(pg, err);
    if (r < 0)
        return r;
    struct berth_pg_statement *statement = &pg->statements[pg->count];
    statement->sql = sql;
    (void)snprintf(statement->name, sizeof(statement->name), "s%zu", pg->count);
    if (!PQsendPrepare(pg->conn, statement->name, sql, 0, NULL))
        return berth_pg_lose(pg, err);
    r = finish(pg, sql, pg->timeout_ms, NULL, err);
    if (r < 0)
        return r;
    pg->count++;
    *ret_name = statement->name;
    return 0;
}

/* Values as libpq takes them: text, and texts that are well-formed. */
struct arguments {
    const char *texts[BERTH_STORE_PARAMETERS_MAX];
    char numbers[BERTH_STORE_PARAMETERS_MAX][24];
    char *mended[BERTH_STORE_PARAMETERS_MAX];
    size_t count;
};

static void release_arguments(struct arguments *arguments)
{
    for (size_t i = 0; i < arguments->count; i++)
        free(arguments->mended[i]);
}
BERTH_DEFINE_CLEANUP_VALUE(arguments, struct arguments, release_arguments)

/* PostgreSQL keeps well-formed text alone: what an engine said may be none. */
static int mend_text(const char *text, size_t len, char **ret_text, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf mended = BERTH_STRBUF_INIT(3 * len + 1);
    for (size_t at = 0; at < len;) {
        size_t bytes = berth_text_utf8_char(text + at, len - at);
        if (bytes > 0)
            berth_strbuf_add(&mended, text + at, bytes);
        else
            berth_strbuf_adds(&mended, "\xEF\xBF\xBD"); /* U+FFFD */
        at += bytes > 0 ? bytes : 1;
    }
    int r = berth_strbuf_check(&mended, err);
    if (r == 0)
        *ret_text = berth_strbuf_steal(&mended, NULL);
    return r;
}

static int set_arguments(struct arguments *arguments, const struct berth_value *values,
                         size_t count, struct berth_error *err)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < count; i++) {
        const struct berth_value *value = &values[i];
        const char *text = NULL;
        size_t len;
        arguments->mended[i] = NULL;
        arguments->count = i + 1;
        switch (value->type) {
        case BERTH_VALUE_INT:
            (void)snprintf(arguments->numbers[i], sizeof(arguments->numbers[i]), "%lld",
                           (long long)value->number);
            text = arguments->numbers[i];
            break;
        case BERTH_VALUE_TEXT:
            text = value->text;
            len = strlen(text);
            if (!berth_text_is_utf8(text, len)) {
                r = mend_text(text, len, &arguments->mended[i], err);
                text = arguments->mended[i];
            }
            break;
        case BERTH_VALUE_NULL:
            break;
        }
        arguments->texts[i] = text;
    }
    return r;
}

static const struct pg_row *pg_row(const struct berth_row *row)
{
    return (const struct pg_row *)row;
}

static bool row_is_null(const struct berth_row *row, int column)
{
    return PQgetisnull(pg_row(row)->result, pg_row(row)->number, column);
}

static const char *row_get_text(const struct berth_row *row, int column)
{
    return row_is_null(row, column) ? NULL
                                    : PQgetvalue(pg_row(row)->result, pg_row(row)->number, column);
}

static int64_t row_get_int(const struct berth_row *row, int column)
{
    const char *text = row_get_text(row, column);
    return text ? strtoll(text, NULL, 10) : 0;
}

static const struct berth_row_ops row_ops = {
    .get_int = row_get_int,
    .get_text = row_get_text,
    .is_null = row_is_null,
};

static int give_rows(const PGresult *result, berth_row_fn *on_row, void *ctx,
                     struct berth_error *err)
{
    struct pg_row row = {.base.ops = &row_ops, .result = result};
    int count = on_row ? PQntuples(result) : 0;
    int r = 0;
    for (; r == 0 && row.number < count; row.number++)
        r = on_row(&row.base, ctx, err);
    return r;
}

/* The rows of a statement that reads are no changes. */
static int64_t changes_of(PGresult *result)
{
    return strncmp(PQcmdStatus(result), "SELECT", 6) == 0 ? 0
                                                          : strtoll(PQcmdTuples(result), NULL, 10);
}

int berth_pg_run(struct berth_pg *pg, const char *sql, const struct berth_value *values,
                 size_t count, berth_row_fn *on_row, void *ctx, int64_t *ret_changes,
                 struct berth_error *err)
{
    const char *name = NULL;
    BERTH_CLEANUP(arguments) struct arguments arguments;
    BERTH_CLEANUP(pg_result) PGresult *result = NULL;
    arguments.count = 0;
    int r = set_arguments(&arguments, values, count, err);
    if (r == 0)
        r = find_statement(pg, sql, &name, err);
    if (r < 0)
        return r;
    if (!PQsendQueryPrepared(pg->conn, name, (int)count, arguments.texts, NULL, NULL, 0))
        return berth_pg_lose(pg, err);
    r = finish(pg, sql, pg->timeout_ms, &result, err);
    if (r == 0)
        r = give_rows(result, on_row, ctx, err);
    if (r == 0 && ret_changes)
        *ret_changes = changes_of(result);
    return r;
}
