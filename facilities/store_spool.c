/* SPDX-License-Identifier: MIT */
#include "facilities/store_spool.h"

#include "base/encoding.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "facilities/store_driver.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK         200 /* statements in one transaction */
#define ARGUMENTS_MAX (4U << 20)

/* A statement's text, kept as long as connections of the server's store know it by its address. */
struct text {
    struct text *next;
    char sql[];
};

struct berth_store_spool {
    struct berth_store *keep;
    char source[37]; /* which spool this is, to a server */
    struct text *texts;
};

/* One statement that waits; its values are the arguments', a JSON array of null, "iNUMBER" and
 * "tTEXT". */
struct item {
    int64_t id;
    char hold[BERTH_STORE_SPOOL_HOLD_MAX + 1];
    const char *sql;
    cJSON *arguments;
};

struct chunk {
    struct berth_store_spool *spool;
    struct item items[CHUNK];
    size_t count;
    size_t from; /* what is to be run of it */
    size_t until;
    int64_t last_id; /* which the server has */
    int64_t run;     /* how many were */
};

static void chunk_release(struct chunk *chunk)
{
    for (size_t i = 0; i < chunk->count; i++)
        cJSON_Delete(chunk->items[i].arguments);
    chunk->count = 0;
}
BERTH_DEFINE_CLEANUP_VALUE(chunk, struct chunk, chunk_release)

/* ---- Adding ---- */

static void write_value(struct berth_json_writer *w, const struct berth_value *value)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(ARGUMENTS_MAX);
    switch (value->type) {
    case BERTH_VALUE_NULL:
        berth_json_add_null(w, NULL);
        return;
    case BERTH_VALUE_INT:
        berth_strbuf_addf(&text, "i%" PRId64, value->number);
        break;
    case BERTH_VALUE_TEXT:
        berth_strbuf_addf(&text, "t%s", value->text);
        break;
    }
    berth_json_add_string(w, NULL, berth_strbuf_str(&text));
    if (text.failed)
        w->out->failed = text.failed;
}

int berth_store_spool_add(struct berth_txn *txn, const char *hold, const char *sql,
                          const struct berth_value *values, size_t count, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf arguments = BERTH_STRBUF_INIT(ARGUMENTS_MAX);
    struct berth_json_writer w = BERTH_JSON_WRITER(&arguments);
    berth_json_open_array(&w, NULL);
    for (size_t i = 0; i < count; i++)
        write_value(&w, &values[i]);
    berth_json_close_array(&w);
    int r = berth_strbuf_check(&arguments, err);
    if (r < 0)
        return r;
    const struct berth_value row[] = {berth_value_text(hold), berth_value_text(sql),
                                      berth_value_text(berth_strbuf_str(&arguments))};
    return berth_txn_run(txn, "INSERT INTO spool (hold, statement, arguments) VALUES ($1, $2, $3)",
                         row, 3, NULL, NULL, NULL, err);
}

/* ---- Opening ---- */

static int take_source(const struct berth_row *row, void *ctx, struct berth_error *err)
{
    struct berth_store_spool *spool = ctx;
    const char *source = berth_row_text(row, 0);
    if (!source || strlen(source) >= sizeof(spool->source))
        return berth_error_set(err, BERTH_E_INTERNAL, "the spool has no name");
    memcpy(spool->source, source, strlen(source) + 1);
    return 0;
}

static int name_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    struct berth_store_spool *spool = ctx;
    const struct berth_value fresh = berth_value_text(spool->source);
    int r = berth_txn_run(txn,
                          "INSERT INTO store_note (name, value) VALUES ('spool', $1)"
                          " ON CONFLICT (name) DO NOTHING",
                          &fresh, 1, NULL, NULL, NULL, err);
    return r < 0 ? r
                 : berth_txn_run(txn, "SELECT value FROM store_note WHERE name = 'spool'", NULL, 0,
                                 take_source, spool, NULL, err);
}

int berth_store_spool_open(struct berth_store *keep, struct berth_store_spool **ret_spool,
                           struct berth_error *err)
{
    BERTH_CLEANUP(store_spool) struct berth_store_spool *spool = calloc(1, sizeof(*spool));
    if (!spool)
        return berth_error_nomem(err);
    spool->keep = keep;
    int r = berth_random_uuid(spool->source, err);
    if (r == 0)
        r = berth_store_write(keep, name_job, spool, err);
    if (r == 0)
        *ret_spool = berth_steal(&spool);
    return r;
}

void berth_store_spool_close(struct berth_store_spool *spool)
{
    if (!spool)
        return;
    while (spool->texts) {
        struct text *text = spool->texts;
        spool->texts = text->next;
        free(text);
    }
    free(spool);
}

/* ---- Reading what waits ---- */

static int keep_text(struct berth_store_spool *spool, const char *sql, const char **ret_sql,
                     struct berth_error *err)
{
    struct text *text = spool->texts;
    while (text && strcmp(text->sql, sql) != 0)
        text = text->next;
    if (!text) {
        size_t size = strlen(sql) + 1;
        text = malloc(sizeof(*text) + size);
        if (!text)
            return berth_error_nomem(err);
        memcpy(text->sql, sql, size);
        text->next = spool->texts;
        spool->texts = text;
    }
    *ret_sql = text->sql;
    return 0;
}

static int take_item(const struct berth_row *row, void *ctx, struct berth_error *err)
{
    struct chunk *chunk = ctx;
    struct item *item = &chunk->items[chunk->count];
    const char *arguments = berth_row_text(row, 3);
    *item = (struct item){.id = berth_row_int(row, 0)};
    (void)snprintf(item->hold, sizeof(item->hold), "%s", berth_row_text(row, 1));
    int r = keep_text(chunk->spool, berth_row_text(row, 2), &item->sql, err);
    if (r == 0)
        r = berth_json_parse(arguments, strlen(arguments), &item->arguments, err);
    if (r == 0)
        chunk->count++;
    return r;
}

static int read_chunk_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    struct chunk *chunk = ctx;
    const struct berth_value limit = berth_value_int(CHUNK);
    return berth_txn_run(txn,
                         "SELECT id, hold, statement, arguments FROM spool ORDER BY id LIMIT $1",
                         &limit, 1, take_item, chunk, NULL, err);
}

/* ---- Delivering ---- */

static int take_number(const struct berth_row *row, void *ctx,
                       struct berth_error *err __attribute__((unused)))
{
    *(int64_t *)ctx = berth_row_int(row, 0);
    return 0;
}

static int run_item(struct berth_txn *server, const struct item *item, struct berth_error *err)
{
    struct berth_value values[BERTH_STORE_PARAMETERS_MAX];
    size_t count = 0;
    const cJSON *argument;
    cJSON_ArrayForEach(argument, item->arguments)
    {
        const char *text = cJSON_GetStringValue(argument);
        if (count == BERTH_STORE_PARAMETERS_MAX)
            return berth_error_set(err, BERTH_E_INTERNAL, "the spool holds a malformed statement");
        values[count++] = !text            ? berth_value_null()
                          : text[0] == 'i' ? berth_value_int(strtoll(text + 1, NULL, 10))
                                           : berth_value_text(text + 1);
    }
    return berth_txn_run(server, item->sql, values, count, NULL, NULL, NULL, err);
}

static int note_last(struct berth_txn *server, const struct chunk *chunk, int64_t last_id,
                     struct berth_error *err)
{
    const struct berth_value values[] = {berth_value_text(chunk->spool->source),
                                         berth_value_int(last_id)};
    return berth_txn_run(server,
                         "INSERT INTO spool_delivered (source, last_id) VALUES ($1, $2)"
                         " ON CONFLICT (source) DO UPDATE SET last_id = excluded.last_id",
                         values, 2, NULL, NULL, NULL, err);
}

static int deliver_job(struct berth_txn *server, void *ctx, struct berth_error *err)
{
    struct chunk *chunk = ctx;
    const struct berth_value source = berth_value_text(chunk->spool->source);
    int r = berth_txn_run(server, "SELECT last_id FROM spool_delivered WHERE source = $1", &source,
                          1, take_number, &chunk->last_id, NULL, err);
    chunk->run = 0;
    for (size_t i = chunk->from; r == 0 && i < chunk->until; i++) {
        const struct item *item = &chunk->items[i];
        if (item->id <= chunk->last_id || (item->hold[0] && !berth_txn_holds(server, item->hold)))
            continue;
        r = run_item(server, item, err);
        chunk->run++;
    }
    return r < 0 ? r : note_last(server, chunk, chunk->items[chunk->until - 1].id, err);
}

static int forget_job(struct berth_txn *txn, void *ctx, struct berth_error *err)
{
    const struct chunk *chunk = ctx;
    const struct berth_value last = berth_value_int(chunk->items[chunk->until - 1].id);
    return berth_txn_run(txn, "DELETE FROM spool WHERE id <= $1", &last, 1, NULL, NULL, NULL, err);
}

/* As one transaction. */
static int deliver_part(struct chunk *chunk, struct berth_store *server, size_t from, size_t until,
                        struct berth_error *err)
{
    chunk->from = from;
    chunk->until = until;
    int r = berth_store_write(server, deliver_job, chunk, err);
    return r < 0 ? r : berth_store_write(chunk->spool->keep, forget_job, chunk, err);
}

/* Whether it is the statement that is at fault, not the server or the moment. */
static bool is_refused(int r)
{
    return r == BERTH_E_EXISTS || r == BERTH_E_INTERNAL || r == BERTH_E_CONFLICT ||
           r == BERTH_E_INVALID;
}

static int skip_job(struct berth_txn *server, void *ctx, struct berth_error *err)
{
    const struct chunk *chunk = ctx;
    return note_last(server, chunk, chunk->items[chunk->until - 1].id, err);
}

static int deliver_one(struct chunk *chunk, struct berth_store *server, size_t at,
                       struct berth_error *err)
{
    struct berth_error why = BERTH_ERROR_INIT;
    int r = deliver_part(chunk, server, at, at + 1, &why);
    if (is_refused(r)) {
        berth_log_error(BERTH_LOG_ERROR, &why, "left out of what was kept for the server: %s",
                        chunk->items[at].sql);
        chunk->run = 0;
        r = berth_store_write(server, skip_job, chunk, &why);
        if (r == 0)
            r = berth_store_write(chunk->spool->keep, forget_job, chunk, &why);
    }
    if (r < 0 && err)
        *err = why;
    return r;
}

static int deliver_chunk(struct chunk *chunk, struct berth_store *server, int64_t *count,
                         struct berth_error *err)
{
    int r = deliver_part(chunk, server, 0, chunk->count, err);
    if (!is_refused(r)) {
        *count += r == 0 ? chunk->run : 0;
        return r;
    }
    r = 0;
    for (size_t i = 0; r == 0 && i < chunk->count; i++) {
        r = deliver_one(chunk, server, i, err);
        *count += r == 0 ? chunk->run : 0;
    }
    return r;
}

int berth_store_spool_deliver(struct berth_store_spool *spool, struct berth_store *server,
                              int64_t *ret_count, struct berth_error *err)
{
    int64_t count = 0;
    for (;;) {
        BERTH_CLEANUP(chunk) struct chunk chunk = {.spool = spool};
        int r = berth_store_read(spool->keep, read_chunk_job, &chunk, err);
        if (r == 0 && chunk.count > 0)
            r = deliver_chunk(&chunk, server, &count, err);
        if (r < 0)
            return r;
        if (chunk.count == 0)
            break;
    }
    *ret_count = count;
    return 0;
}
