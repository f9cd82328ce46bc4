/* SPDX-License-Identifier: MIT */
/*
 * The log of a project of several services: the lines of all its containers,
 * each under its service's name as `docker compose logs` prints it, in the
 * order of the engine's timestamps.
 *
 * Each container is read by a thread of its own, which offers one line at a
 * time and waits until the caller's thread has taken it: what is not taken is
 * not read from the engine.
 */
#include "backends/compose/compose_internal.h"
#include "backends/compose/compose_own.h"
#include "backends/engine/engine_host.h"
#include "backends/engine/engine_logs.h"
#include "base/clock.h"
#include "base/thread.h"

#include <string.h>

#define TICK_MS     1000
#define SERVICE_MAX 63
#define ID_MAX      64 /* of a container */

/* "2026-11-22T10:00:00.123456789Z ", as the engine writes it: always as long. */
#define STAMP_LEN 31

/* An engine tells a long line in pieces of so many bytes, with the first's stamp before each. */
#define PIECE_BYTES 16384U
#define PIECE_END   (STAMP_LEN + PIECE_BYTES) /* there another stamp may follow */

#define CUT_BYTES  (STAMP_LEN + 4 * PIECE_BYTES) /* a longer line is told as several */
#define LINE_BYTES (CUT_BYTES + STAMP_LEN + 1)   /* with what may be a stamp */

struct merge;

/* What of a line has come; without stamps but the first. */
struct partial {
    struct berth_strbuf text;
    size_t told; /* bytes of the engine's piece, its stamp included */
};

/* One container. */
struct source {
    struct merge *merge;
    char id[ID_MAX + 1];
    char service[SERVICE_MAX + 1];
    pthread_t thread;
    bool was_started;
    struct partial partial[2]; /* of stdout and stderr; its thread's */
    struct berth_strbuf line;  /* offered: of the caller's thread until it is taken */
    enum berth_output stream;
    bool is_offered;   /* lock */
    bool is_reading;   /* lock */
    bool has_told_all; /* lock; since a line was taken last */
    int result;        /* lock, once it reads no more */
    struct berth_error err;
};

struct merge {
    struct berth_engine *engine;
    struct berth_logs_spec spec; /* with timestamps */
    bool shows_stamps;
    bool shows_service;
    int width; /* of the longest name */
    pthread_mutex_t lock;
    pthread_cond_t offered; /* or ended */
    pthread_cond_t taken;   /* or stopped */
    bool has_stopped;       /* lock */
    struct source *sources;
    size_t count;
};

/* ---- The threads ---- */

/* False: nobody wants it any more. */
static bool offer(struct source *source, enum berth_output stream)
{
    struct merge *merge = source->merge;
    struct berth_strbuf *line = &source->partial[stream == BERTH_OUTPUT_STDERR].text;
    BERTH_LOCK_SCOPE(held, &merge->lock);
    source->stream = stream;
    berth_strbuf_clear(&source->line);
    berth_strbuf_add(&source->line, berth_strbuf_str(line), line->len);
    berth_strbuf_clear(line);
    source->is_offered = true;
    source->has_told_all = false;
    (void)pthread_cond_signal(&merge->offered);
    while (source->is_offered && !merge->has_stopped)
        (void)pthread_cond_wait(&merge->taken, &merge->lock);
    return !merge->has_stopped;
}

static bool told_all(struct source *source)
{
    struct merge *merge = source->merge;
    BERTH_LOCK_SCOPE(held, &merge->lock);
    source->has_told_all = true;
    (void)pthread_cond_signal(&merge->offered);
    return !merge->has_stopped;
}

/* Where more of the line comes: the next part has the stamp, too. */
static bool cut(struct source *source, enum berth_output stream)
{
    struct berth_strbuf *text = &source->partial[stream == BERTH_OUTPUT_STDERR].text;
    char stamp[STAMP_LEN];
    memcpy(stamp, text->data, sizeof(stamp));
    berth_strbuf_addc(text, '\n');
    if (!offer(source, stream))
        return false;
    berth_strbuf_add(text, stamp, sizeof(stamp));
    return true;
}

/* Takes out the stamp of a piece that goes on with a line. */
static void drop_stamp(struct partial *partial)
{
    struct berth_strbuf *text = &partial->text;
    if (partial->told != PIECE_END + STAMP_LEN ||
        memcmp(text->data, text->data + text->len - STAMP_LEN, STAMP_LEN) != 0)
        return;
    berth_strbuf_truncate(text, text->len - STAMP_LEN);
    partial->told = STAMP_LEN;
}

static bool is_stamp_due(const struct partial *partial)
{
    return partial->told >= PIECE_END && partial->told < PIECE_END + STAMP_LEN;
}

static bool is_full(const struct partial *partial)
{
    return partial->text.len >= CUT_BYTES && !is_stamp_due(partial);
}

/* How much of the next bytes is looked at together, of one that is not full. */
static size_t part_of(const struct partial *partial, size_t len)
{
    size_t most = is_stamp_due(partial) ? PIECE_END + STAMP_LEN - partial->told
                                        : CUT_BYTES - partial->text.len;
    if (partial->told < PIECE_END && PIECE_END - partial->told < most)
        most = PIECE_END - partial->told;
    return len < most ? len : most;
}

static bool on_output(void *ctx, enum berth_output stream, const char *data, size_t len)
{
    struct source *source = ctx;
    struct partial *partial = &source->partial[stream == BERTH_OUTPUT_STDERR];
    if (len == 0)
        return told_all(source);
    while (len > 0) {
        if (data[0] == '\n') {
            berth_strbuf_addc(&partial->text, '\n');
            if (!offer(source, stream))
                return false;
            partial->told = 0;
            data++;
            len--;
            continue;
        }
        if (is_full(partial) && !cut(source, stream))
            return false;
        const char *end = memchr(data, '\n', len);
        size_t part = part_of(partial, end ? (size_t)(end - data) : len);
        berth_strbuf_add(&partial->text, data, part);
        if (partial->text.failed)
            return false;
        partial->told += part;
        drop_stamp(partial);
        data += part;
        len -= part;
    }
    return true;
}

static void *read_source(void *ctx)
{
    struct source *source = ctx;
    struct merge *merge = source->merge;
    struct berth_error err = BERTH_ERROR_INIT;
    int r = berth_engine_logs(merge->engine, source->id, &merge->spec, on_output, source, &err);
    for (int i = 0; r == 0 && i < 2; i++) {
        if (source->partial[i].text.len == 0)
            continue;
        berth_strbuf_addc(&source->partial[i].text, '\n');
        (void)offer(source, i ? BERTH_OUTPUT_STDERR : BERTH_OUTPUT_STDOUT);
    }
    BERTH_LOCK_SCOPE(held, &merge->lock);
    source->result = r;
    source->err = err;
    source->is_reading = false;
    (void)pthread_cond_signal(&merge->offered);
    return NULL;
}

/* ---- The caller's thread ---- */

static bool is_earlier(const struct source *a, const struct source *b)
{
    const char *text_a = berth_strbuf_str(&a->line);
    const char *text_b = berth_strbuf_str(&b->line);
    return strncmp(text_a, text_b, STAMP_LEN) < 0;
}

/* Under the lock: the line that is next. NULL while a container that may have an earlier one has
 * not said; *ret_settled: nothing is offered, and all have told what there is. */
static struct source *choose(struct merge *merge, bool *ret_settled, bool *ret_ended)
{
    struct source *next = NULL;
    bool is_waiting = false;
    *ret_settled = *ret_ended = true;
    for (size_t i = 0; i < merge->count; i++) {
        struct source *source = &merge->sources[i];
        if (source->is_offered) {
            if (!next || is_earlier(source, next))
                next = source;
            *ret_ended = false;
        } else if (source->is_reading) {
            /* What is followed is told as it comes; what is there is told in its order. */
            is_waiting |= !source->has_told_all || !merge->spec.follow;
            *ret_settled &= source->has_told_all;
            *ret_ended = false;
        }
    }
    if (next)
        *ret_settled = false;
    return is_waiting ? NULL : next;
}

/* "web    | text", as a terminal of `docker compose logs` shows it. */
static void add_line(const struct merge *merge, const struct source *source,
                     struct berth_strbuf *out)
{
    const char *text = berth_strbuf_str(&source->line);
    size_t len = source->line.len;
    if (!merge->shows_stamps && len >= STAMP_LEN) {
        text += STAMP_LEN;
        len -= STAMP_LEN;
    }
    if (merge->shows_service)
        berth_strbuf_addf(out, "%-*s | ", merge->width, source->service);
    berth_strbuf_add(out, text, len);
}

static void stop(struct merge *merge)
{
    BERTH_LOCK_SCOPE(held, &merge->lock);
    merge->has_stopped = true;
    (void)pthread_cond_broadcast(&merge->taken);
}

/* Waits for the next line and adds it to out, which stays empty when a second has passed or all
 * that is there has been told. False: all have ended. */
static bool take(struct merge *merge, bool *is_told, enum berth_output *ret_stream,
                 struct berth_strbuf *out)
{
    int64_t deadline_ms = berth_clock_monotonic_ms() + TICK_MS;
    bool is_settled, has_ended;
    BERTH_LOCK_SCOPE(held, &merge->lock);
    struct source *next;
    while (!(next = choose(merge, &is_settled, &has_ended)) && !has_ended) {
        if (is_settled && !*is_told)
            break;
        if (!berth_cond_wait_until(&merge->offered, &merge->lock, deadline_ms))
            break;
    }
    *is_told = !next;
    if (next) {
        *ret_stream = next->stream;
        add_line(merge, next, out);
        next->is_offered = false;
        (void)pthread_cond_broadcast(&merge->taken);
    }
    return next || !has_ended;
}

static int run(struct merge *merge, berth_logs_output *output, void *ctx, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf out = BERTH_STRBUF_INIT(LINE_BYTES + SERVICE_MAX + 8);
    enum berth_output stream = BERTH_OUTPUT_STDOUT;
    bool is_told = false;
    while (take(merge, &is_told, &stream, &out)) {
        if (!output(ctx, stream, berth_strbuf_str(&out), out.len))
            return berth_error_set(err, BERTH_E_CANCELLED, "the log is not wanted any more");
        berth_strbuf_clear(&out);
    }
    for (size_t i = 0; i < merge->count; i++) {
        const struct source *source = &merge->sources[i];
        if (source->result == 0 || source->result == BERTH_E_NOT_FOUND)
            continue; /* one that was removed meanwhile has no more to say */
        if (err)
            *err = source->err;
        return source->result;
    }
    return 0;
}

/* ---- Beginning and end ---- */

static int start(struct merge *merge, struct berth_error *err)
{
    for (size_t i = 0; i < merge->count; i++) {
        struct source *source = &merge->sources[i];
        source->is_reading = true;
        int r = berth_thread_start(&source->thread, "project-log", read_source, source, err);
        source->was_started = r == 0;
        if (r < 0) {
            source->is_reading = false;
            return r;
        }
    }
    return 0;
}

static int set_sources(struct merge *merge, const cJSON *entries, struct berth_error *err)
{
    merge->sources = calloc((size_t)cJSON_GetArraySize(entries) + 1, sizeof(*merge->sources));
    if (!merge->sources)
        return berth_error_nomem(err);
    const cJSON *entry;
    cJSON_ArrayForEach(entry, entries)
    {
        const cJSON *labels = berth_json_get(entry, "Labels");
        const char *service = berth_json_string(labels, BERTH_COMPOSE_SERVICE_LABEL, "");
        if (merge->spec.service && strcmp(service, merge->spec.service) != 0)
            continue;
        struct source *source = &merge->sources[merge->count++];
        source->merge = merge;
        (void)snprintf(source->id, sizeof(source->id), "%s", berth_json_string(entry, "Id", ""));
        (void)snprintf(source->service, sizeof(source->service), "%s", service);
        int width = (int)strlen(source->service);
        merge->width = width > merge->width ? width : merge->width;
        berth_strbuf_init(&source->line, LINE_BYTES);
        berth_strbuf_init(&source->partial[0].text, LINE_BYTES);
        berth_strbuf_init(&source->partial[1].text, LINE_BYTES);
    }
    return merge->spec.service && merge->count == 0
               ? berth_compose_unknown_service(merge->spec.service, err)
               : 0;
}

static void release(struct merge *merge)
{
    for (size_t i = 0; i < merge->count; i++) {
        struct source *source = &merge->sources[i];
        if (source->was_started)
            (void)pthread_join(source->thread, NULL);
        berth_strbuf_release(&source->line);
        berth_strbuf_release(&source->partial[0].text);
        berth_strbuf_release(&source->partial[1].text);
    }
    free(merge->sources);
    (void)pthread_cond_destroy(&merge->taken);
    (void)pthread_cond_destroy(&merge->offered);
    (void)pthread_mutex_destroy(&merge->lock);
}

int berth_compose_logs(struct berth_backend *backend, const char *id,
                       const struct berth_logs_spec *spec, berth_logs_output *output, void *ctx,
                       struct berth_error *err)
{
    struct berth_compose *compose = berth_compose_of(backend);
    struct berth_compose_kind kind;
    BERTH_CLEANUP(json) cJSON *entries = NULL;
    int r = berth_compose_find_kind(compose, id, &kind, err);
    if (r < 0)
        return r;
    if (!kind.is_project)
        return berth_engine_host_logs(backend, id, spec, output, ctx, err);
    r = berth_compose_containers(compose, kind.cuid, &entries, err);
    if (r < 0)
        return r;
    struct merge merge = {.engine = compose->host.engine,
                          .spec = *spec,
                          .shows_stamps = spec->timestamps,
                          .shows_service = !spec->service};
    merge.spec.timestamps = true;
    (void)pthread_mutex_init(&merge.lock, NULL);
    berth_cond_init(&merge.offered);
    berth_cond_init(&merge.taken);
    r = set_sources(&merge, entries, err);
    if (r == 0)
        r = start(&merge, err);
    if (r == 0)
        r = run(&merge, output, ctx, err);
    stop(&merge);
    release(&merge);
    return r;
}
