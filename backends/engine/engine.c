/* SPDX-License-Identifier: MIT */
/* An engine's life, what every request to it has in common, and its errors in our terms. */
#include "backends/engine/engine.h"

#include "backends/engine/engine_internal.h"
#include "base/text.h"

/* The connect phase alone; what is on the same machine or network answers at once. */
#define CONNECT_TIMEOUT_MS 5000

#define URL_MAX 8192

int berth_engine_open(const struct berth_engine_config *config, struct berth_engine **ret_engine,
                      struct berth_error *err)
{
    struct berth_endpoint endpoint;
    int rc = berth_endpoint_init(&endpoint, config, err);
    if (rc < 0)
        return rc;
    struct berth_engine *engine = calloc(1, sizeof(*engine));
    if (!engine) {
        berth_endpoint_release(&endpoint);
        return berth_error_nomem(err);
    }
    (void)pthread_mutex_init(&engine->lock, NULL);
    engine->endpoint = endpoint;
    engine->request_timeout_ms = config->request_timeout_ms;
    engine->idle_max = config->connections;
    engine->facility = berth_text_dup(config->facility);
    /* Counted by curl: each open has its close. */
    CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
    if (!engine->facility || code != CURLE_OK) {
        berth_engine_close(engine);
        return berth_error_nomem(err);
    }
    *ret_engine = engine;
    return 0;
}

void berth_engine_close(struct berth_engine *engine)
{
    if (!engine)
        return;
    while (engine->idle) {
        struct berth_engine_link *link = engine->idle;
        engine->idle = link->next;
        berth_engine_link_free(link);
    }
    berth_endpoint_release(&engine->endpoint);
    free(engine->facility);
    (void)pthread_mutex_destroy(&engine->lock);
    free(engine);
    curl_global_cleanup();
}

int64_t berth_engine_timeout_ms(const struct berth_engine *engine)
{
    return engine->request_timeout_ms;
}

void berth_engine_path_add(struct berth_strbuf *path, const char *prefix, const char *text)
{
    berth_strbuf_adds(path, prefix);
    while (*text) {
        size_t plain = strcspn(text, "/:@");
        berth_strbuf_add_urlencoded(path, text, plain);
        text += plain;
        if (*text)
            berth_strbuf_addc(path, *text++);
    }
}

/* ---- Version ---- */

int berth_engine_stranger(const struct berth_engine *engine, struct berth_error *err)
{
    return berth_error_set(err, BERTH_E_UNREACHABLE,
                           "engine of facility %s does not answer as a Docker engine does",
                           engine->facility);
}

int berth_engine_learn_version(struct berth_engine *engine, const char *version,
                               struct berth_error *err)
{
    int64_t minor = 0;
    if (!version || strncmp(version, "1.", 2) != 0 ||
        berth_text_parse_int(version + 2, 0, 9999, &minor, NULL) < 0) {
        (void)berth_engine_stranger(engine, err);
        berth_error_detail(err, "Api-Version: %s", version ? version : "missing");
        return BERTH_E_UNREACHABLE;
    }
    if (minor < BERTH_ENGINE_API_MINOR_MIN)
        return berth_error_set(err, BERTH_E_REFUSED,
                               "engine of facility %s is too old: it speaks API version %s, "
                               "1.%d (Docker 20.10) is needed",
                               engine->facility, version, BERTH_ENGINE_API_MINOR_MIN);
    BERTH_LOCK_SCOPE(held, &engine->lock);
    engine->api_minor =
        minor < BERTH_ENGINE_API_MINOR_MAX ? (int)minor : BERTH_ENGINE_API_MINOR_MAX;
    engine->version_stale = false;
    return 0;
}

void berth_engine_forget_version(struct berth_engine *engine)
{
    BERTH_LOCK_SCOPE(held, &engine->lock);
    engine->version_stale = true;
}

static int api_minor(struct berth_engine *engine)
{
    BERTH_LOCK_SCOPE(held, &engine->lock);
    return engine->api_minor;
}

/* ---- What every request has in common ---- */

static bool set_blob(CURL *easy, CURLoption option, char *text)
{
    struct curl_blob blob = {.data = text, .len = strlen(text), .flags = CURL_BLOB_COPY};
    return curl_easy_setopt(easy, option, &blob) == CURLE_OK;
}

/* As they are now: curl takes a kept connection only where they are the same. */
static bool set_credentials(const struct berth_endpoint *endpoint, CURL *easy)
{
    BERTH_CLEANUP(credentials)
    struct berth_credentials *now = berth_credential_store_take(endpoint->credentials);
    bool ok = true;
    ok &= curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) == CURLE_OK;
    ok &= set_blob(easy, CURLOPT_CAINFO_BLOB, now->ca);
    ok &= set_blob(easy, CURLOPT_SSLCERT_BLOB, now->certificate);
    ok &= set_blob(easy, CURLOPT_SSLKEY_BLOB, now->key);
    ok &= curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK;
    return ok;
}

static bool set_common(const struct berth_engine *engine, CURL *easy)
{
    const struct berth_endpoint *endpoint = &engine->endpoint;
    int64_t timeout_ms = engine->request_timeout_ms;
    bool ok = true;
    ok &= curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK;
    ok &= curl_easy_setopt(easy, CURLOPT_NOPROXY, "*") == CURLE_OK;
    ok &= curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK;
    ok &= curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK;
    ok &= curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK;
    ok &= curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L) == CURLE_OK;
    ok &= curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L) == CURLE_OK;
    ok &=
        curl_easy_setopt(
            easy, CURLOPT_CONNECTTIMEOUT_MS,
            (long)(timeout_ms < CONNECT_TIMEOUT_MS ? timeout_ms : CONNECT_TIMEOUT_MS)) == CURLE_OK;
    ok &= curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, endpoint->socket_path) == CURLE_OK;
    ok &= curl_easy_setopt(easy, CURLOPT_CONNECT_TO, endpoint->connect_to) == CURLE_OK;
    if (endpoint->credentials)
        return ok && set_credentials(endpoint, easy);
    if (!endpoint->tls_ca)
        return ok;
    /* The configured authority alone is trusted, not those of the system. */
    ok &= curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) == CURLE_OK;
    ok &= curl_easy_setopt(easy, CURLOPT_CAINFO, endpoint->tls_ca) == CURLE_OK;
    ok &= curl_easy_setopt(easy, CURLOPT_SSLCERT, endpoint->tls_cert) == CURLE_OK;
    ok &= curl_easy_setopt(easy, CURLOPT_SSLKEY, endpoint->tls_key) == CURLE_OK;
    ok &= curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK;
    return ok;
}

int berth_engine_prepare(struct berth_engine *engine, CURL *easy, const char *path,
                         struct berth_error *err)
{
    return berth_engine_prepare_as(engine, easy, path, 0, err);
}

int berth_engine_prepare_as(struct berth_engine *engine, CURL *easy, const char *path,
                            int wanted_minor, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf url = BERTH_STRBUF_INIT(URL_MAX);
    berth_strbuf_adds(&url, engine->endpoint.base_url);
    if (strcmp(path, BERTH_ENGINE_PING) != 0) {
        int minor = wanted_minor ? wanted_minor : api_minor(engine);
        if (minor == 0)
            return berth_error_set(err, BERTH_E_UNREACHABLE,
                                   "engine of facility %s has not answered yet", engine->facility);
        berth_strbuf_addf(&url, "/v1.%d", minor);
    }
    berth_strbuf_adds(&url, path);
    int rc = berth_strbuf_check(&url, err);
    if (rc < 0)
        return rc;
    if (curl_easy_setopt(easy, CURLOPT_URL, berth_strbuf_str(&url)) != CURLE_OK ||
        !set_common(engine, easy))
        return berth_error_nomem(err);
    return 0;
}

/* ---- Errors ---- */

int berth_engine_failure(const struct berth_engine *engine, CURLcode code, const char *text,
                         struct berth_error *err)
{
    switch (code) {
    case CURLE_OUT_OF_MEMORY:
        return berth_error_nomem(err);
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_OPERATION_TIMEDOUT: /* the connect phase: silence is watched elsewhere */
        berth_error_set(err, BERTH_E_UNREACHABLE, "engine of facility %s cannot be reached",
                        engine->facility);
        break;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
        berth_error_set(err, BERTH_E_UNREACHABLE,
                        "engine of facility %s cannot be reached: no TLS connection could be made",
                        engine->facility);
        break;
    default:
        berth_error_set(err, BERTH_E_UNREACHABLE,
                        "engine of facility %s broke off or garbled its answer", engine->facility);
    }
    const struct berth_endpoint *endpoint = &engine->endpoint;
    berth_error_detail(err, "%s: %s",
                       endpoint->socket_path ? endpoint->socket_path : endpoint->base_url,
                       text && text[0] ? text : curl_easy_strerror(code));
    return BERTH_E_UNREACHABLE;
}

int berth_engine_silence(const struct berth_engine *engine, int64_t silence_ms,
                         struct berth_error *err)
{
    return berth_error_set(err, BERTH_E_TIMEOUT,
                           "engine of facility %s did not answer within %.3g s", engine->facility,
                           (double)silence_ms / 1000.0);
}

int berth_engine_said(enum berth_status status, const char *message, struct berth_error *err)
{
    (void)berth_error_set(err, status, "%s", message);
    if (!err || berth_text_is_utf8(err->message, strlen(err->message)))
        return status;
    for (char *c = err->message; *c; c++)
        if ((unsigned char)*c >= 0x80)
            *c = '?';
    return status;
}

/*
 * Podman (4.3 at least) says 500 for what Docker has statuses of its own for, and gives the
 * cause beside the message.
 */
static enum berth_status status_of_cause(const char *cause)
{
    static const char *const conflicts[] = {"container state improper",
                                            "that name is already in use"};
    for (size_t i = 0; i < sizeof(conflicts) / sizeof(conflicts[0]); i++)
        if (strcmp(cause, conflicts[i]) == 0)
            return BERTH_E_CONFLICT;
    return BERTH_E_REFUSED;
}

static enum berth_status status_of_http(long status)
{
    if (status == 404)
        return BERTH_E_NOT_FOUND;
    if (status == 409)
        return BERTH_E_CONFLICT;
    return status >= 400 && status <= 599 ? BERTH_E_REFUSED : BERTH_E_UNREACHABLE;
}

int berth_engine_refusal(const struct berth_engine *engine, long status, const char *body,
                         size_t len, struct berth_error *err)
{
    enum berth_status ours = status_of_http(status);
    if (ours == BERTH_E_UNREACHABLE) {
        (void)berth_engine_stranger(engine, err);
        berth_error_detail(err, "status %ld", status);
        return ours;
    }
    BERTH_CLEANUP(json) cJSON *json = NULL;
    const char *message = "";
    if (berth_json_parse(body, len, &json, NULL) == 0)
        message = berth_json_string(json, "message", "");
    if (ours == BERTH_E_REFUSED)
        ours = status_of_cause(berth_json_string(json, "cause", ""));
    if (message[0])
        return berth_engine_said(ours, message, err);
    return berth_error_set(err, ours, "engine of facility %s answered with status %ld",
                           engine->facility, status);
}

int berth_engine_parse(const struct berth_engine *engine, const char *text, size_t len,
                       cJSON **ret_json, struct berth_error *err)
{
    struct berth_error why = BERTH_ERROR_INIT;
    int rc = berth_json_parse(text, len, ret_json, &why);
    if (rc == 0)
        return 0;
    if (rc == BERTH_E_NOMEM)
        return berth_error_nomem(err);
    berth_error_set(err, BERTH_E_UNREACHABLE,
                    "engine of facility %s broke off or garbled its answer", engine->facility);
    berth_error_detail(err, "%s", why.message);
    return BERTH_E_UNREACHABLE;
}
