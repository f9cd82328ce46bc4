/* SPDX-License-Identifier: MIT */
#include "backends/engine/engine_fetch.h"

struct berth_engine_fetch {
    struct berth_engine_io *io;
    struct berth_engine *engine;
    struct berth_engine_transfer *transfer;
    struct berth_engine_timer silence;
    int64_t silence_ms;
    long status;
    struct berth_strbuf body;
    struct curl_slist *headers; /* of a POST */
    berth_engine_fetch_done *done;
    void *ctx;
};

/* Nothing comes after it: the transfer is over and the limit is off. */
static void finish(struct berth_engine_fetch *fetch, const struct berth_engine_answer *answer,
                   const struct berth_error *err)
{
    berth_engine_timer_clear(fetch->io, &fetch->silence);
    fetch->done(fetch->ctx, answer, err); /* may free the fetch */
}

static void on_silence(void *ctx)
{
    struct berth_engine_fetch *fetch = ctx;
    struct berth_error err = BERTH_ERROR_INIT;
    berth_engine_silence(fetch->engine, fetch->silence_ms, &err);
    berth_engine_transfer_free(berth_steal(&fetch->transfer));
    finish(fetch, NULL, &err);
}

static void on_head(void *ctx, long status)
{
    struct berth_engine_fetch *fetch = ctx;
    fetch->status = status;
}

static void on_data(void *ctx, const char *data, size_t len)
{
    struct berth_engine_fetch *fetch = ctx;
    berth_engine_timer_set(fetch->io, &fetch->silence, fetch->silence_ms);
    berth_strbuf_add(&fetch->body, data, len);
}

static void on_done(void *ctx, CURLcode code, const char *text)
{
    struct berth_engine_fetch *fetch = ctx;
    struct berth_error err = BERTH_ERROR_INIT;
    if (code != CURLE_OK)
        berth_engine_failure(fetch->engine, code, text, &err);
    else if (fetch->status < 200 || fetch->status > 299)
        berth_engine_refusal(fetch->engine, fetch->status, berth_strbuf_str(&fetch->body),
                             fetch->body.len, &err);
    else
        (void)!berth_strbuf_check(&fetch->body, &err);
    const struct berth_engine_answer answer = {
        .body = berth_strbuf_str(&fetch->body), .len = fetch->body.len, .fetch = fetch};
    finish(fetch, err.status ? NULL : &answer, err.status ? &err : NULL);
}

static const struct berth_engine_transfer_ops transfer_ops = {
    .head = on_head, .data = on_data, .done = on_done};

/* Makes it a POST of that JSON. */
static int set_post(struct berth_engine_fetch *fetch, CURL *easy, const char *post,
                    struct berth_error *err)
{
    fetch->headers = curl_slist_append(NULL, "Content-Type: application/json");
    if (!fetch->headers || curl_easy_setopt(easy, CURLOPT_HTTPHEADER, fetch->headers) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, post) != CURLE_OK)
        return berth_error_nomem(err);
    return 0;
}

static int start_transfer(struct berth_engine_fetch *fetch, const char *path, const char *post,
                          struct berth_error *err)
{
    CURL *easy = curl_easy_init();
    if (!easy)
        return berth_error_nomem(err);
    int status = berth_engine_prepare(fetch->engine, easy, path, err);
    if (!status && post)
        status = set_post(fetch, easy, post, err);
    if (status) {
        curl_easy_cleanup(easy);
        return status;
    }
    return berth_engine_transfer_start(fetch->io, easy, &transfer_ops, fetch, &fetch->transfer,
                                       err);
}

int berth_engine_fetch_start(struct berth_engine_io *io, struct berth_engine *engine,
                             const char *path, int64_t silence_ms, berth_engine_fetch_done *done,
                             void *ctx, struct berth_engine_fetch **ret_fetch,
                             struct berth_error *err)
{
    return berth_engine_fetch_post(io, engine, path, NULL, silence_ms, done, ctx, ret_fetch, err);
}

int berth_engine_fetch_post(struct berth_engine_io *io, struct berth_engine *engine,
                            const char *path, const char *post, int64_t silence_ms,
                            berth_engine_fetch_done *done, void *ctx,
                            struct berth_engine_fetch **ret_fetch, struct berth_error *err)
{
    struct berth_engine_fetch *fetch = calloc(1, sizeof(*fetch));
    if (!fetch)
        return berth_error_nomem(err);
    *fetch = (struct berth_engine_fetch){.io = io,
                                         .engine = engine,
                                         .silence = {.run = on_silence, .ctx = fetch},
                                         .silence_ms = silence_ms,
                                         .body = BERTH_STRBUF_INIT(BERTH_ENGINE_ANSWER_MAX),
                                         .done = done,
                                         .ctx = ctx};
    int status = start_transfer(fetch, path, post, err);
    if (status) {
        curl_slist_free_all(fetch->headers);
        free(fetch);
        return status;
    }
    berth_engine_timer_set(io, &fetch->silence, silence_ms);
    *ret_fetch = fetch;
    return 0;
}

void berth_engine_fetch_free(struct berth_engine_fetch *fetch)
{
    if (!fetch)
        return;
    berth_engine_timer_clear(fetch->io, &fetch->silence);
    berth_engine_transfer_free(fetch->transfer);
    curl_slist_free_all(fetch->headers);
    berth_strbuf_release(&fetch->body);
    free(fetch);
}

const char *berth_engine_answer_header(const struct berth_engine_answer *answer, const char *name)
{
    return berth_engine_transfer_header(answer->fetch->transfer, name);
}
