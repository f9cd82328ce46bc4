/* SPDX-License-Identifier: MIT */
#include "gateway/auth.h"

#include "base/encoding.h"
#include "base/text.h"
#include "gateway/cors.h"

#include <string.h>
#include <strings.h>

/* challenge: what the Bearer scheme says beside its realm. */
static int demand_credentials(struct berth_exchange *exchange, const char *challenge,
                              struct berth_error *err)
{
    berth_exchange_header(exchange, "WWW-Authenticate", "Basic realm=\"berth\", charset=\"UTF-8\"");
    berth_exchange_header(exchange, "WWW-Authenticate", "Bearer realm=\"berth\"%s", challenge);
    return err->status;
}

/* What follows the scheme and its spaces; NULL when the header has another scheme. */
static const char *after_scheme(const char *header, const char *scheme)
{
    size_t len = strlen(scheme);
    if (strncasecmp(header, scheme, len) != 0 || header[len] != ' ')
        return NULL;
    return header + len + strspn(header + len, " ");
}

/* Splits BASE64(user:password); decoded holds both, wiped by the caller. */
static int split_basic(const char *text, struct berth_strbuf *decoded, char **ret_user,
                       char **ret_password, struct berth_error *err)
{
    int r = berth_base64_decode(text, strlen(text), decoded, NULL);
    if (r == BERTH_E_NOMEM)
        return berth_error_nomem(err);
    char *colon = r == 0 && decoded->len > 0 ? memchr(decoded->data, ':', decoded->len) : NULL;
    if (!colon || memchr(decoded->data, '\0', decoded->len))
        return berth_error_set(err, BERTH_E_UNAUTHORISED,
                               "the Authorization header is not valid Basic credentials");
    *colon = '\0';
    *ret_user = decoded->data;
    *ret_password = colon + 1;
    return 0;
}

static int verify_basic(struct berth_exchange *exchange, const char *text, const char *facility,
                        struct berth_error *err)
{
    struct berth_caller *caller = &exchange->caller;
    struct berth_identity *identity = exchange->berth->identity;
    struct berth_strbuf decoded = BERTH_STRBUF_INIT(BERTH_CREDENTIALS_MAX);
    char *user = NULL;
    char *password = NULL;
    int r = split_basic(text, &decoded, &user, &password, err);
    if (r == 0)
        caller->standing = berth_identity_standing(identity, user);
    if (r == 0)
        r = berth_identity_verify(identity, user, password, strlen(password), caller->address, err);
    /* Who was meant, for the log; what is no name may be a password in the wrong place. */
    if ((r == BERTH_E_UNAUTHORISED || r == BERTH_E_THROTTLED) && user &&
        berth_naming_check_user("user", user, NULL) == 0)
        berth_error_detail(err, "login as %s", user);
    if (r == 0) {
        (void)snprintf(caller->user, sizeof(caller->user), "%s", user);
        caller->role =
            berth_identity_role(identity, caller->user, facility, &caller->gateway_admin);
    }
    if (decoded.data)
        explicit_bzero(decoded.data, decoded.len);
    berth_strbuf_release(&decoded);
    return r;
}

static int verify(struct berth_exchange *exchange, const char *header, const char **ret_challenge,
                  struct berth_error *err)
{
    const char *facility = exchange->facility ? exchange->facility->config.id : "";
    if (strlen(header) > BERTH_CREDENTIALS_MAX)
        return berth_error_set(err, BERTH_E_UNAUTHORISED, "the Authorization header is too long");
    const char *text = after_scheme(header, "Basic");
    if (text)
        return verify_basic(exchange, text, facility, err);
    text = after_scheme(header, "Bearer");
    if (!text)
        return berth_error_set(err, BERTH_E_UNAUTHORISED,
                               "the Authorization header must use the Basic or Bearer scheme");
    *ret_challenge = ", error=\"invalid_token\"";
    return berth_identity_verify_token(exchange->berth->identity, text, facility, &exchange->caller,
                                       err);
}

int berth_auth_identify(struct berth_exchange *exchange, struct berth_error *err)
{
    const char *challenge = "";
    if (exchange->facility && exchange->facility->config.auth == BERTH_AUTH_OPEN) {
        exchange->caller.role = BERTH_ROLE_ADMIN;
        return 0;
    }
    const char *header = berth_exchange_request_header(exchange, "Authorization");
    int r = header ? verify(exchange, header, &challenge, err)
                   : berth_error_set(err, BERTH_E_UNAUTHORISED, "credentials are needed");
    return r == BERTH_E_UNAUTHORISED ? demand_credentials(exchange, challenge, err) : r;
}

/* The host of "scheme://host[:port]" or "host[:port]", without brackets and port. */
static bool host_of(const char *text, char *host, size_t size)
{
    const char *start = strstr(text, "://");
    start = start ? start + 3 : text;
    const char *end;
    if (*start == '[') {
        start++;
        end = strchr(start, ']');
        if (!end)
            return false;
    } else {
        end = start + strcspn(start, ":/?#");
    }
    size_t len = (size_t)(end - start);
    if (len == 0 || len >= size)
        return false;
    memcpy(host, start, len);
    host[len] = '\0';
    return true;
}

static bool is_loopback_name(const char *host)
{
    static const char suffix[] = ".localhost";
    size_t len = strlen(host);
    if (strcasecmp(host, "localhost") == 0 || strcmp(host, "::1") == 0)
        return true;
    if (len >= sizeof(suffix) && strcasecmp(host + len - (sizeof(suffix) - 1), suffix) == 0)
        return true;
    return strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == len;
}

/* "scheme://host:port" after its scheme, which an Origin has and a Host has not. */
static const char *authority_of(const char *origin)
{
    const char *start = strstr(origin, "://");
    return start ? start + 3 : origin;
}

/* Whether an Origin is the page of our own name; own may spell the scheme's port out. */
static bool is_same_origin(const struct berth_exchange *exchange, const char *origin)
{
    const char *own = berth_exchange_host(exchange);
    const char *authority = authority_of(origin);
    const char *scheme = exchange->origin_scheme;
    bool is_https = strncasecmp(origin, "https://", 8) == 0;
    if (!own || (scheme && (strcmp(scheme, "https") == 0) != is_https))
        return false;
    const char *port = is_https ? ":443" : ":80";
    size_t len = strlen(authority);
    return strncasecmp(own, authority, len) == 0 && (!own[len] || strcmp(own + len, port) == 0);
}

static bool is_own_origin(const struct berth_exchange *exchange, const char *origin)
{
    char host[BERTH_HOSTNAME_MAX + 1];
    if (!strstr(origin, "://") || strchr(origin, '@') || !host_of(origin, host, sizeof(host)))
        return false; /* "null" and the like: no browser sends a user with it */
    if (is_loopback_name(host))
        return true;
    if (is_same_origin(exchange, origin))
        return true;
    return berth_cors_lists(exchange->config, origin);
}

static int check_origin(const struct berth_exchange *exchange, struct berth_error *err)
{
    const char *origin = berth_exchange_request_header(exchange, "Origin");
    if (origin) {
        if (is_own_origin(exchange, origin))
            return 0;
        return berth_error_set(err, BERTH_E_FORBIDDEN,
                               "a page of another origin may not change anything here");
    }
    /* A browser says where a request comes from even where it sends no Origin. */
    const char *site = berth_exchange_request_header(exchange, "Sec-Fetch-Site");
    if (!site || strcasecmp(site, "same-origin") == 0 || strcasecmp(site, "none") == 0)
        return 0;
    return berth_error_set(err, BERTH_E_FORBIDDEN,
                           "a page of another site may not change anything here");
}

int berth_auth_check_browser(const struct berth_exchange *exchange, struct berth_error *err)
{
    /* What a page asks of a WebSocket it may read, wherever it comes from. */
    bool changes =
        exchange->is_upgrade || !(exchange->method & (BERTH_GET | BERTH_HEAD | BERTH_OPTIONS));
    if (changes) {
        int r = check_origin(exchange, err);
        if (r < 0)
            return r;
    }
    if (exchange->facility && exchange->facility->config.auth == BERTH_AUTH_OPEN &&
        !exchange->config->allow_open) {
        char host[BERTH_HOSTNAME_MAX + 1];
        const char *own = berth_exchange_host(exchange);
        if (own && (!host_of(own, host, sizeof(host)) || !is_loopback_name(host)))
            return berth_error_set(err, BERTH_E_FORBIDDEN,
                                   "a facility with auth = open answers to loopback names only");
    }
    return 0;
}
