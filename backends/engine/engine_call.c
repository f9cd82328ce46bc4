/* SPDX-License-Identifier: MIT */
/* Calls: kept connections, negotiation, and waiting that is bounded by silence. */
#include "backends/engine/engine_internal.h"
#include "base/clock.h"

/* How often on_data hears that nothing came. */
#define TICK_MS 1000

/* One request under way. */
struct transfer {
    const struct berth_engine_request *request;
    struct berth_strbuf *body;
    CURL *easy;
    int64_t moved_ms; /* monotonic: when the last byte came */
    bool head_done;   /* the empty line after the headers was seen */
    bool cancelled;
};

/* ---- Kept connections ---- */

void berth_engine_link_free(struct berth_engine_link *link)
{
    if (link->easy)
        curl_easy_cleanup(link->easy);
    if (link->multi)
        (void)curl_multi_cleanup(link->multi);
    curl_slist_free_all(link->headers);
    free(link);
}

static struct berth_engine_link *link_new(void)
{
    BERTH_CLEANUP(engine_link) struct berth_engine_link *link = calloc(1, sizeof(*link));
    if (!link)
        return NULL;
    link->multi = curl_multi_init();
    link->easy = curl_easy_init();
    link->headers = curl_slist_append(NULL, "Content-Type: application/json");
    return link->multi && link->easy && link->headers ? berth_steal(&link) : NULL;
}

static struct berth_engine_link *link_take(struct berth_engine *engine)
{
    {
        BERTH_LOCK_SCOPE(held, &engine->lock);
        struct berth_engine_link *link = engine->idle;
        if (link) {
            engine->idle = link->next;
            engine->idle_count--;
            return link;
        }
    }
    return link_new();
}

static void link_put(struct berth_engine *engine, struct berth_engine_link *link)
{
    curl_easy_reset(link->easy);
    {
        BERTH_LOCK_SCOPE(held, &engine->lock);
        if (engine->idle_count < engine->idle_max) {
            link->next = engine->idle;
            engine->idle = link;
            engine->idle_count++;
            return;
        }
    }
    berth_engine_link_free(link);
}

/* ---- One transfer ---- */

static bool is_success(long status)
{
    return (status >= 200 && status <= 299) || status == 304;
}

static long status_of(CURL *easy)
{
    long status = 0;
    (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

/* The head is complete: of an answer, or of one that only precedes it (100). */
static bool tell_head(struct transfer *transfer)
{
    const struct berth_engine_request *request = transfer->request;
    long status = status_of(transfer->easy);
    struct curl_header *type = NULL;
    if (!request->on_head || !is_success(status))
        return true;
    (void)curl_easy_header(transfer->easy, "Content-Type", 0, CURLH_HEADER, -1, &type);
    transfer->cancelled = !request->on_head(request->ctx, status, type ? type->value : "");
    return !transfer->cancelled;
}

static size_t on_header(char *data, size_t size, size_t count, void *ctx)
{
    struct transfer *transfer = ctx;
    transfer->moved_ms = berth_clock_monotonic_ms();
    transfer->head_done = data[0] == '\r' || data[0] == '\n';
    if (transfer->head_done && !tell_head(transfer))
        return CURL_WRITEFUNC_ERROR;
    return size * count;
}

static size_t on_body(char *data, size_t size, size_t count, void *ctx)
{
    struct transfer *transfer = ctx;
    size_t len = size * count;
    transfer->moved_ms = berth_clock_monotonic_ms();
    if (!transfer->request->on_data || !is_success(status_of(transfer->easy))) {
        berth_strbuf_add(transfer->body, data, len);
        return transfer->body->failed ? CURL_WRITEFUNC_ERROR : len;
    }
    if (!transfer->request->on_data(transfer->request->ctx, data, len))
        transfer->cancelled = true;
    transfer->moved_ms = berth_clock_monotonic_ms(); /* the silence was not the engine's */
    return transfer->cancelled ? CURL_WRITEFUNC_ERROR : len;
}

static bool set_request(struct berth_engine_link *link, struct transfer *transfer,
                        char error_text[CURL_ERROR_SIZE])
{
    const struct berth_engine_request *request = transfer->request;
    CURL *easy = link->easy;
    bool ok = true;
    ok &= curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error_text) == CURLE_OK;
    ok &= curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK;
    ok &= curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer) == CURLE_OK;
    ok &= curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK;
    ok &= curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer) == CURLE_OK;
    if (strcmp(request->method, "GET") == 0)
        return ok;
    /* POST wants a body, if only an empty one; for the others it changes nothing. */
    ok &=
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body ? request->body : "") == CURLE_OK;
    ok &= curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method) == CURLE_OK;
    if (request->body)
        ok &= curl_easy_setopt(easy, CURLOPT_HTTPHEADER, link->headers) == CURLE_OK;
    return ok;
}

/* Runs the transfer to its end: curl's verdict, or CURL_LAST when it was silent for limit_ms. */
static CURLcode wait_for(struct berth_engine_link *link, struct transfer *transfer,
                         int64_t limit_ms)
{
    for (;;) {
        int running = 0;
        int64_t looked_ms = berth_clock_monotonic_ms(); /* what has come by then is taken first */
        if (curl_multi_perform(link->multi, &running) != CURLM_OK)
            return CURLE_OUT_OF_MEMORY;
        if (running == 0)
            break;
        int64_t left_ms = transfer->moved_ms + limit_ms - looked_ms;
        if (left_ms <= 0)
            return CURL_LAST;
        int step_ms = left_ms < TICK_MS ? (int)left_ms : TICK_MS;
        int events = 0;
        if (curl_multi_poll(link->multi, NULL, 0, step_ms, &events) != CURLM_OK)
            return CURLE_OUT_OF_MEMORY;
        if (events == 0 && transfer->request->on_data &&
            !transfer->request->on_data(transfer->request->ctx, NULL, 0)) {
            transfer->cancelled = true;
            return CURLE_WRITE_ERROR;
        }
    }
    int left = 0;
    const CURLMsg *message = curl_multi_info_read(link->multi, &left);
    CURLcode code = message ? message->data.result : CURLE_GOT_NOTHING;
    /* Of a head that breaks off curl makes an answer without a body. */
    return code == CURLE_OK && !transfer->head_done ? CURLE_GOT_NOTHING : code;
}

static int error_of(const struct berth_engine *engine, CURLcode code,
                    const struct transfer *transfer, int64_t limit_ms, const char *error_text,
                    struct berth_error *err)
{
    if (transfer->cancelled)
        return berth_error_set(err, BERTH_E_CANCELLED, "cancelled");
    if (code == CURL_LAST)
        return berth_engine_silence(engine, limit_ms, err);
    if (transfer->body->failed == BERTH_E_NOMEM)
        return berth_error_nomem(err);
    return berth_engine_failure(engine, code, error_text, err);
}

/*
 * One request and its answer on the link. An answer of any status is success;
 * *ret_status tells. version (32 bytes, may be NULL) takes the header.
 */
static int run(struct berth_engine *engine, struct berth_engine_link *link,
               const struct berth_engine_request *request, struct berth_strbuf *body,
               long *ret_status, struct berth_error *err)
{
    char error_text[CURL_ERROR_SIZE] = "";
    struct transfer transfer = {.request = request,
                                .body = body,
                                .easy = link->easy,
                                .moved_ms = berth_clock_monotonic_ms()};
    int64_t limit_ms = engine->request_timeout_ms + request->grace_ms;
    int rc = berth_engine_prepare_as(engine, link->easy, request->path, request->api_minor, err);
    if (rc < 0)
        return rc;
    if (!set_request(link, &transfer, error_text) ||
        curl_multi_add_handle(link->multi, link->easy) != CURLM_OK)
        return berth_error_nomem(err);
    CURLcode code = wait_for(link, &transfer, limit_ms);
    (void)curl_multi_remove_handle(link->multi, link->easy);
    /* The handle outlives this frame, and closing it may complain too. */
    (void)curl_easy_setopt(link->easy, CURLOPT_ERRORBUFFER, NULL);
    if (code != CURLE_OK)
        return error_of(engine, code, &transfer, limit_ms, error_text, err);
    *ret_status = status_of(link->easy);
    return 0;
}

/* Gets a link, runs on it, and keeps it for the next when the engine answered. */
static int run_kept(struct berth_engine *engine, const struct berth_engine_request *request,
                    struct berth_strbuf *body, long *ret_status, struct berth_error *err)
{
    BERTH_CLEANUP(engine_link) struct berth_engine_link *link = link_take(engine);
    if (!link)
        return berth_error_nomem(err);
    int rc = run(engine, link, request, body, ret_status, err);
    if (rc == BERTH_E_UNREACHABLE || rc == BERTH_E_TIMEOUT)
        berth_engine_forget_version(engine);
    if (rc == 0)
        link_put(engine, berth_steal(&link));
    return rc;
}

/* ---- Negotiation ---- */

static int negotiate(struct berth_engine *engine, struct berth_error *err)
{
    BERTH_CLEANUP(engine_link) struct berth_engine_link *link = link_take(engine);
    if (!link)
        return berth_error_nomem(err);
    BERTH_CLEANUP(strbuf) struct berth_strbuf body = BERTH_STRBUF_INIT(BERTH_ENGINE_EVENT_MAX);
    const struct berth_engine_request ping = {.method = "GET", .path = BERTH_ENGINE_PING};
    long status = 0;
    int rc = run(engine, link, &ping, &body, &status, err);
    if (rc < 0)
        return rc;
    if (status != 200) {
        (void)berth_engine_stranger(engine, err);
        berth_error_detail(err, "status %ld for %s", status, ping.path);
        return BERTH_E_UNREACHABLE;
    }
    struct curl_header *header = NULL;
    (void)curl_easy_header(link->easy, BERTH_ENGINE_VERSION_HEADER, 0, CURLH_HEADER, -1, &header);
    rc = berth_engine_learn_version(engine, header ? header->value : NULL, err);
    if (rc == 0)
        link_put(engine, berth_steal(&link));
    return rc;
}

static int ensure_version(struct berth_engine *engine, struct berth_error *err)
{
    {
        BERTH_LOCK_SCOPE(held, &engine->lock);
        if (engine->api_minor != 0 && !engine->version_stale)
            return 0;
    }
    return negotiate(engine, err);
}

int berth_engine_ping(struct berth_engine *engine, int *ret_minor, struct berth_error *err)
{
    int rc = negotiate(engine, err);
    if (rc < 0)
        return rc;
    BERTH_LOCK_SCOPE(held, &engine->lock);
    *ret_minor = engine->api_minor;
    return 0;
}

/* "client version 1.45 is too new. Maximum supported API version is 1.41": the engine was
 * replaced while nobody called. It has done nothing yet. */
static bool refuses_version(long status, const struct berth_strbuf *body)
{
    return status == 400 && strstr(berth_strbuf_str(body), "\"client version ") != NULL;
}

/* ---- The call ---- */

void berth_engine_response_release(struct berth_engine_response *response)
{
    berth_strbuf_release(&response->body);
}

static int call(struct berth_engine *engine, const struct berth_engine_request *request,
                struct berth_engine_response *response, struct berth_error *err)
{
    size_t start = response->body.len;
    for (int attempt = 0;; attempt++) {
        long status = 0;
        int rc = ensure_version(engine, err);
        if (rc == 0)
            rc = run_kept(engine, request, &response->body, &status, err);
        if (rc < 0)
            return rc;
        bool is_outdated = attempt == 0 && refuses_version(status, &response->body);
        if (is_success(status) || (request->any_status && !is_outdated)) {
            response->status = status;
            return 0;
        }
        if (!is_outdated)
            return berth_engine_refusal(engine, status, berth_strbuf_str(&response->body) + start,
                                        response->body.len - start, err);
        berth_engine_forget_version(engine);
        berth_strbuf_truncate(&response->body, start);
    }
}

int berth_engine_call(struct berth_engine *engine, const struct berth_engine_request *request,
                      struct berth_engine_response *response, struct berth_error *err)
{
    if (response)
        return call(engine, request, response, err);
    BERTH_CLEANUP(engine_response)
    struct berth_engine_response ignored = BERTH_ENGINE_RESPONSE_INIT;
    return call(engine, request, &ignored, err);
}

int berth_engine_get_json(struct berth_engine *engine, const char *path, cJSON **ret_json,
                          struct berth_error *err)
{
    BERTH_CLEANUP(engine_response)
    struct berth_engine_response response = BERTH_ENGINE_RESPONSE_INIT;
    const struct berth_engine_request request = {.method = "GET", .path = path};
    int rc = berth_engine_call(engine, &request, &response, err);
    if (rc < 0)
        return rc;
    return berth_engine_parse(engine, berth_strbuf_str(&response.body), response.body.len, ret_json,
                              err);
}
