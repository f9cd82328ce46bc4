/* SPDX-License-Identifier: MIT */
/* From the words of the configuration to where curl connects. */
#include "backends/engine/engine_internal.h"
#include "base/text.h"

#include <errno.h>
#include <sys/un.h>

BERTH_DEFINE_CLEANUP(curl_url, CURLU *, curl_url_cleanup)
BERTH_DEFINE_CLEANUP(curl_text, char *, curl_free)

#define UNIX_SCHEME "unix://"
#define TCP_SCHEME  "tcp://"

/* What a docker host listens on without and with TLS. */
#define PORT_PLAIN "2375"
#define PORT_TLS   "2376"

#define CONNECT_TO_MAX 1024

void berth_endpoint_release(struct berth_endpoint *endpoint)
{
    free(endpoint->base_url);
    free(endpoint->socket_path);
    free(endpoint->tls_ca);
    free(endpoint->tls_cert);
    free(endpoint->tls_key);
    curl_slist_free_all(endpoint->connect_to);
    *endpoint = (struct berth_endpoint){0};
}

static int copy(char **slot, const char *text, struct berth_error *err)
{
    *slot = berth_text_dup(text);
    return *slot ? 0 : berth_error_nomem(err);
}

static int init_unix(struct berth_endpoint *endpoint, const char *path, struct berth_error *err)
{
    if (path[0] != '/')
        return berth_error_set(err, BERTH_E_INVALID,
                               "engine: unix:// must be followed by an absolute path");
    if (strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
        return berth_error_set(err, BERTH_E_INVALID, "engine: the socket's path is too long");
    int rc = copy(&endpoint->socket_path, path, err);
    return rc < 0 ? rc : copy(&endpoint->base_url, "http://localhost", err);
}

/* True when the URL has nothing but a host and a port. */
static bool is_bare(CURLU *url)
{
    static const CURLUPart extra[] = {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_QUERY,
                                      CURLUPART_FRAGMENT};
    for (size_t i = 0; i < sizeof(extra) / sizeof(extra[0]); i++) {
        BERTH_CLEANUP(curl_text) char *part = NULL;
        if (curl_url_get(url, extra[i], &part, 0) == CURLUE_OK)
            return false;
    }
    BERTH_CLEANUP(curl_text) char *path = NULL;
    return curl_url_get(url, CURLUPART_PATH, &path, 0) == CURLUE_OK && strcmp(path, "/") == 0;
}

/* The URL's host becomes the name that is to be verified; *ret_to says where it is. */
static int set_name(CURLU *url, const char *name, struct curl_slist **ret_to,
                    struct berth_error *err)
{
    BERTH_CLEANUP(curl_text) char *host = NULL;
    BERTH_CLEANUP(curl_text) char *port = NULL;
    BERTH_CLEANUP(strbuf) struct berth_strbuf to = BERTH_STRBUF_INIT(CONNECT_TO_MAX);
    if (curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
        curl_url_get(url, CURLUPART_PORT, &port, 0) != CURLUE_OK ||
        curl_url_set(url, CURLUPART_HOST, name, 0) != CURLUE_OK)
        return berth_error_set(err, BERTH_E_INVALID, "engine: %s is no name for a certificate",
                               name);
    berth_strbuf_addf(&to, "%s:%s:%s:%s", name, port, host, port);
    int rc = berth_strbuf_check(&to, err);
    if (rc < 0)
        return rc;
    *ret_to = curl_slist_append(NULL, berth_strbuf_str(&to));
    return *ret_to ? 0 : berth_error_nomem(err);
}

static int init_tcp(struct berth_endpoint *endpoint, const char *text, bool tls, const char *name,
                    struct berth_error *err)
{
    BERTH_CLEANUP(curl_url) CURLU *url = curl_url();
    if (!url)
        return berth_error_nomem(err);
    if (curl_url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK ||
        !is_bare(url))
        return berth_error_set(err, BERTH_E_INVALID,
                               "engine: tcp:// must be followed by HOST or HOST:PORT");
    BERTH_CLEANUP(curl_text) char *port = NULL;
    bool has_port = curl_url_get(url, CURLUPART_PORT, &port, 0) == CURLUE_OK;
    BERTH_CLEANUP(curl_text) char *whole = NULL;
    if (curl_url_set(url, CURLUPART_SCHEME, tls ? "https" : "http", 0) != CURLUE_OK ||
        (!has_port &&
         curl_url_set(url, CURLUPART_PORT, tls ? PORT_TLS : PORT_PLAIN, 0) != CURLUE_OK))
        return berth_error_nomem(err);
    int rc = name ? set_name(url, name, &endpoint->connect_to, err) : 0;
    if (rc < 0)
        return rc;
    if (curl_url_get(url, CURLUPART_URL, &whole, 0) != CURLUE_OK)
        return berth_error_nomem(err);
    size_t len = strlen(whole);
    if (len > 0 && whole[len - 1] == '/')
        whole[len - 1] = '\0'; /* paths bring their own */
    return copy(&endpoint->base_url, whole, err);
}

static int init_tls(struct berth_endpoint *endpoint, const struct berth_engine_config *config,
                    struct berth_error *err)
{
    const struct {
        const char *key;
        const char *file;
        char **slot;
    } files[] = {
        {"tls_ca", config->tls_ca, &endpoint->tls_ca},
        {"tls_cert", config->tls_cert, &endpoint->tls_cert},
        {"tls_key", config->tls_key, &endpoint->tls_key},
    };
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        if (!files[i].file)
            return berth_error_set(
                err, BERTH_E_INVALID,
                "engine: tls_ca, tls_cert and tls_key go together: %s is missing", files[i].key);
        if (access(files[i].file, R_OK) < 0)
            return berth_error_set_errno(err, BERTH_E_INVALID, errno,
                                         "engine: %s cannot be read: %s", files[i].key,
                                         files[i].file);
        int rc = copy(files[i].slot, files[i].file, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int init(struct berth_endpoint *endpoint, const struct berth_engine_config *config,
                struct berth_error *err)
{
    bool has_files = config->tls_ca || config->tls_cert || config->tls_key;
    bool tls = has_files || config->credentials;
    const char *text = config->endpoint;
    if (strncmp(text, UNIX_SCHEME, strlen(UNIX_SCHEME)) == 0) {
        if (tls)
            return berth_error_set(err, BERTH_E_INVALID, "engine: a unix socket has no TLS");
        return init_unix(endpoint, text + strlen(UNIX_SCHEME), err);
    }
    if (strncmp(text, TCP_SCHEME, strlen(TCP_SCHEME)) != 0)
        return berth_error_set(err, BERTH_E_INVALID,
                               "engine must be unix:///PATH or tcp://HOST[:PORT]");
    endpoint->credentials = config->credentials;
    if (has_files) {
        int rc = init_tls(endpoint, config, err);
        if (rc < 0)
            return rc;
    }
    return init_tcp(endpoint, text, tls, config->tls_name, err);
}

int berth_endpoint_init(struct berth_endpoint *endpoint, const struct berth_engine_config *config,
                        struct berth_error *err)
{
    struct berth_endpoint made = {0};
    int rc = init(&made, config, err);
    if (rc < 0) {
        berth_endpoint_release(&made);
        return rc;
    }
    *endpoint = made;
    return 0;
}
