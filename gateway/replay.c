/* SPDX-License-Identifier: MIT */
#include "gateway/replay.h"

#include "base/clock.h"
#include "facilities/idempotency.h"
#include "gateway/router.h"

#include <string.h>

static int64_t now_ms(void)
{
    return berth_clock_wall_ns() / BERTH_NS_PER_MS;
}

static bool is_key(const char *text)
{
    size_t len = strnlen(text, BERTH_IDEMPOTENCY_KEY_MAX + 1);
    for (size_t i = 0; i < len; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return false;
    return len > 0 && len <= BERTH_IDEMPOTENCY_KEY_MAX;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct berth_param *)a)->name, ((const struct berth_param *)b)->name);
}

/* The same parameters in another order, or escaped in another way, are the same request; the
 * body is compared as it is. */
static int digest_request(const struct berth_exchange *exchange, unsigned char *ret_digest,
                          struct berth_error *err)
{
    struct berth_param sorted[BERTH_PARAMS_MAX];
    size_t count = exchange->params.count;
    const struct berth_strbuf *body = &exchange->request_body;
    BERTH_CLEANUP(strbuf)
    struct berth_strbuf text = BERTH_STRBUF_INIT((size_t)3 * BERTH_TARGET_MAX + body->len);
    memcpy(sorted, exchange->params.items, count * sizeof(sorted[0]));
    if (count > 1)
        qsort(sorted, count, sizeof(sorted[0]), by_name);
    berth_strbuf_adds(&text, exchange->route->path);
    if (exchange->item[0]) {
        berth_strbuf_addc(&text, '\0');
        berth_strbuf_adds(&text, exchange->item);
    }
    for (size_t i = 0; i < count; i++) {
        berth_strbuf_addc(&text, '\0');
        berth_strbuf_adds(&text, sorted[i].name);
        berth_strbuf_addc(&text, '\0');
        berth_strbuf_adds(&text, sorted[i].value);
    }
    if (body->len > 0) {
        berth_strbuf_addc(&text, '\0');
        berth_strbuf_add(&text, body->data, body->len);
    }
    int r = berth_strbuf_check(&text, err);
    return r == 0 ? berth_sha256(text.data, text.len, ret_digest, err) : r;
}

/* A content type is ours and lives as long as the program. */
static const char *known_type(const char *type)
{
    static const char *const types[] = {BERTH_TYPE_JSON, BERTH_TYPE_PROBLEM};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (strcmp(types[i], type) == 0)
            return types[i];
    return BERTH_TYPE_TEXT;
}

static void replay(struct berth_exchange *exchange, const struct berth_kept_answer *answer)
{
    exchange->status = answer->status;
    exchange->content_type = known_type(answer->type);
    berth_strbuf_adds(&exchange->body, answer->text);
    berth_exchange_header(exchange, "Idempotency-Replayed", "true");
}

int berth_replay_begin(struct berth_exchange *exchange, bool *ret_replayed, struct berth_error *err)
{
    const char *text = berth_exchange_request_header(exchange, "Idempotency-Key");
    *ret_replayed = false;
    if (!text || exchange->method != BERTH_POST)
        return 0;
    if (!is_key(text))
        return berth_error_set(err, BERTH_E_INVALID,
                               "Idempotency-Key must be 1 to %d visible ASCII characters",
                               BERTH_IDEMPOTENCY_KEY_MAX);
    struct berth_idempotency_key key = {.caller = exchange->caller.user,
                                        .facility =
                                            exchange->facility ? exchange->facility->config.id : "",
                                        .key = text};
    BERTH_CLEANUP(kept_answer) struct berth_kept_answer answer = {0};
    int r = digest_request(exchange, key.request, err);
    if (r == 0)
        r = berth_idempotency_begin(exchange->berth->idempotency, &key, now_ms(), &answer,
                                    &exchange->flight, err);
    if (r == BERTH_E_CONFLICT)
        berth_error_code(err, "REQUEST_IN_PROGRESS");
    if (r == BERTH_E_EXISTS) {
        berth_error_code(err, "IDEMPOTENCY_KEY_REUSED");
        exchange->error_status = 422;
    }
    if (r == 0 && answer.text) {
        replay(exchange, &answer);
        *ret_replayed = true;
    }
    return r;
}

/* 5xx may go better next time; what is not text, or long, is not worth its place. */
static bool is_worth_keeping(const struct berth_exchange *exchange)
{
    return exchange->status < 500 && !exchange->shared && !exchange->body.failed &&
           exchange->body.len <= BERTH_IDEMPOTENCY_BODY_MAX;
}

void berth_replay_end(struct berth_exchange *exchange)
{
    struct berth_error err = BERTH_ERROR_INIT;
    if (!exchange->flight)
        return;
    BERTH_CLEANUP(free) char *type = strdup(exchange->content_type);
    BERTH_CLEANUP(free) char *text = strdup(berth_strbuf_str(&exchange->body));
    const struct berth_kept_answer answer = {exchange->status, type, text};
    bool is_kept = type && text && is_worth_keeping(exchange);
    if (berth_idempotency_end(exchange->berth->idempotency, berth_steal(&exchange->flight),
                              is_kept ? &answer : NULL, now_ms(), &err) < 0)
        berth_log(BERTH_LOG_WARNING, "an answer could not be kept for its Idempotency-Key: %s",
                  err.message);
}
