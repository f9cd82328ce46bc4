/* SPDX-License-Identifier: MIT */
#include "gateway/proxies.h"

#include "base/text.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#define HOPS_MAX  32 /* of one request; more is nobody's configuration */
#define VALUE_MAX 255

/* ---- Addresses ---- */

/* IPv4 becomes IPv6 as RFC 4291 section 2.5.5.2 maps it. */
static bool parse_address(const char *text, struct in6_addr *ret_address)
{
    struct in_addr in4;
    if (inet_pton(AF_INET6, text, ret_address) == 1)
        return true;
    if (inet_pton(AF_INET, text, &in4) != 1)
        return false;
    memset(ret_address, 0, sizeof(*ret_address));
    memset(&ret_address->s6_addr[10], 0xff, 2);
    memcpy(&ret_address->s6_addr[12], &in4, sizeof(in4));
    return true;
}

static void print_address(const struct in6_addr *address, char text[static INET6_ADDRSTRLEN])
{
    bool is_mapped = IN6_IS_ADDR_V4MAPPED(address);
    if (!inet_ntop(is_mapped ? AF_INET : AF_INET6,
                   is_mapped ? &address->s6_addr[12] : address->s6_addr, text, INET6_ADDRSTRLEN))
        text[0] = '\0';
}

static bool is_within(const struct in6_addr *address, const struct berth_proxy *proxy)
{
    unsigned bytes = proxy->bits / 8;
    unsigned rest = proxy->bits % 8;
    unsigned char mask = (unsigned char)(0xff00U >> rest);
    if (memcmp(address->s6_addr, proxy->prefix.s6_addr, bytes) != 0)
        return false;
    return rest == 0 || ((address->s6_addr[bytes] ^ proxy->prefix.s6_addr[bytes]) & mask) == 0;
}

int berth_proxy_parse(const char *text, struct berth_proxy *ret_proxy, struct berth_error *err)
{
    struct berth_proxy proxy = {.is_unix = strcmp(text, BERTH_PEER_UNIX) == 0, .bits = 128};
    char address[INET6_ADDRSTRLEN];
    size_t len = strcspn(text, "/");
    int64_t bits = 0;
    bool valid = proxy.is_unix;
    if (!valid && len < sizeof(address)) {
        memcpy(address, text, len);
        address[len] = '\0';
        valid = parse_address(address, &proxy.prefix);
        int64_t most = strchr(address, ':') ? 128 : 32;
        if (valid && text[len] == '/') {
            valid = berth_text_parse_int(text + len + 1, 0, most, &bits, NULL) == 0;
            proxy.bits = (unsigned)(128 - most + bits);
        }
    }
    if (!valid)
        return berth_error_set(
            err, BERTH_E_INVALID,
            "must be an address, a network such as 10.0.0.0/8 or fd00::/8, or " BERTH_PEER_UNIX);
    *ret_proxy = proxy;
    return 0;
}

static bool trusts(const struct berth_proxy *proxies, size_t count, const struct in6_addr *address)
{
    for (size_t i = 0; i < count; i++)
        if (!proxies[i].is_unix && is_within(address, &proxies[i]))
            return true;
    return false;
}

bool berth_proxies_trust(const struct berth_proxy *proxies, size_t count, const char *address)
{
    struct in6_addr in6;
    if (strcmp(address, BERTH_PEER_UNIX) != 0)
        return parse_address(address, &in6) && trusts(proxies, count, &in6);
    for (size_t i = 0; i < count; i++)
        if (proxies[i].is_unix)
            return true;
    return false;
}

/* ---- One hop ---- */

struct hop {
    struct in6_addr address;
    char host[VALUE_MAX + 1];
    char scheme[sizeof(((struct berth_origin *)NULL)->scheme)];
};

/* "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]" or "[2001:db8::1]:80". */
static bool parse_node(const char *text, struct in6_addr *ret_address)
{
    char address[INET6_ADDRSTRLEN];
    bool is_bracketed = text[0] == '[';
    const char *start = text + is_bracketed;
    const char *colon = strchr(start, ':');
    bool is_bare = !is_bracketed && colon && strchr(colon + 1, ':');
    size_t len = strcspn(start, is_bracketed ? "]" : (is_bare ? "" : ":"));
    if (len >= sizeof(address) || (is_bracketed && start[len] != ']'))
        return false;
    const char *rest = start + len + is_bracketed;
    int64_t port;
    if (*rest && (*rest != ':' || berth_text_parse_int(rest + 1, 0, 65535, &port, NULL) < 0))
        return false;
    memcpy(address, start, len);
    address[len] = '\0';
    return parse_address(address, ret_address) && (!is_bracketed || strchr(address, ':'));
}

/* A name or address with or without a port, of characters that are harmless anywhere. */
static bool is_host(const char *text)
{
    static const char set[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._[]:";
    return *text && text[strspn(text, set)] == '\0';
}

static bool is_scheme(const char *text)
{
    return strcasecmp(text, "http") == 0 || strcasecmp(text, "https") == 0;
}

static void set_scheme(struct hop *hop, const char *text)
{
    (void)snprintf(hop->scheme, sizeof(hop->scheme), "%s",
                   strcasecmp(text, "https") == 0 ? "https" : "http");
}

/* ---- Forwarded ---- */

static bool is_token_char(char c)
{
    return c > ' ' && c < 0x7f && !strchr("\"(),/:;<=>?@[\\]{}", c);
}

/* Reads a token or a quoted string (RFC 9110 section 5.6) into value; NULL when it is neither. */
static const char *read_value(const char *at, char value[static VALUE_MAX + 1])
{
    size_t len = 0;
    bool is_quoted = *at == '"';
    at += is_quoted;
    while (is_quoted ? *at && *at != '"' : is_token_char(*at)) {
        at += is_quoted && *at == '\\' && at[1];
        if (len == VALUE_MAX)
            return NULL;
        value[len++] = *at++;
    }
    if (is_quoted ? *at != '"' : len == 0)
        return NULL;
    value[len] = '\0';
    return at + is_quoted;
}

/* Takes one pair into the hop; seen counts what it had already. False: malformed. */
static bool take_pair(struct hop *hop, const char *name, const char *value, unsigned *seen)
{
    static const char *const names[] = {"for", "host", "proto"};
    unsigned bit = 0;
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcasecmp(name, names[i]) == 0)
            bit = 1U << i;
    if (bit == 0)
        return true; /* by, and what extensions there are */
    if (*seen & bit)
        return false;
    *seen |= bit;
    if (bit == 1)
        return parse_node(value, &hop->address);
    if (bit == 2) {
        memcpy(hop->host, value, strlen(value) + 1);
        return is_host(value);
    }
    set_scheme(hop, value);
    return is_scheme(value);
}

/* One element, "for=192.0.2.1;proto=https". NULL: malformed. */
static const char *read_element(const char *at, struct hop *hop)
{
    char name[VALUE_MAX + 1];
    char value[VALUE_MAX + 1];
    unsigned seen = 0;
    *hop = (struct hop){0};
    for (;;) {
        at += strspn(at, " \t");
        at = *at == '"' ? NULL : read_value(at, name);
        if (!at || *at++ != '=')
            return NULL;
        at = read_value(at, value);
        if (!at || !take_pair(hop, name, value, &seen))
            return NULL;
        at += strspn(at, " \t");
        if (*at != ';')
            return seen & 1 ? at : NULL; /* a hop that does not say for whom says nothing */
        at++;
    }
}

/* All hops of a list, each read by read; false when one is malformed, or there are too many. */
static bool read_hops(const char *at, const char *(*read)(const char *at, struct hop *hop),
                      struct hop *hops, size_t *ret_count)
{
    size_t count = 0;
    for (;;) {
        at += strspn(at, " \t,");
        if (*at == '\0')
            break;
        if (count == HOPS_MAX || !(at = read(at, &hops[count])) || (*at && *at != ','))
            return false;
        count++;
    }
    *ret_count = count;
    return count > 0;
}

/* One item of X-Forwarded-For. */
static const char *read_item(const char *at, struct hop *hop)
{
    char text[VALUE_MAX + 1];
    size_t len = strcspn(at, ", \t");
    if (len > VALUE_MAX)
        return NULL;
    memcpy(text, at, len);
    text[len] = '\0';
    *hop = (struct hop){0};
    if (!parse_node(text, &hop->address))
        return NULL;
    return at + len + strspn(at + len, " \t");
}

/* ---- The client ---- */

/* The hop of the right-most address that is no proxy's; where all are, the first. */
static bool find_client(const struct berth_proxy *proxies, size_t count, const char *list,
                        const char *(*read)(const char *at, struct hop *hop), struct hop *ret_hop)
{
    struct hop hops[HOPS_MAX];
    size_t n = 0;
    if (!read_hops(list, read, hops, &n))
        return false;
    while (n > 1 && trusts(proxies, count, &hops[n - 1].address))
        n--;
    *ret_hop = hops[n - 1];
    return true;
}

/* The last item of a list: what the nearest proxy says. */
static void copy_last(const char *list, char *value, size_t size)
{
    const char *comma = strrchr(list, ',');
    const char *start = comma ? comma + 1 : list;
    start += strspn(start, " \t");
    size_t len = strcspn(start, " \t");
    if (len >= size || start[len + strspn(start + len, " \t")] != '\0')
        len = 0;
    memcpy(value, start, len);
    value[len] = '\0';
}

/* X-Forwarded-For, with what -Host and -Proto say beside it. */
static bool find_x_client(const struct berth_proxy *proxies, size_t count,
                          const struct berth_forwarded *headers, struct hop *ret_hop)
{
    char scheme[16];
    if (!find_client(proxies, count, headers->x_for, read_item, ret_hop))
        return false;
    copy_last(headers->x_host, ret_hop->host, sizeof(ret_hop->host));
    copy_last(headers->x_proto, scheme, sizeof(scheme));
    if (!is_host(ret_hop->host))
        ret_hop->host[0] = '\0';
    if (is_scheme(scheme))
        set_scheme(ret_hop, scheme);
    return true;
}

bool berth_proxies_resolve(const struct berth_proxy *proxies, size_t count,
                           const struct berth_forwarded *headers, struct berth_origin *ret_origin)
{
    struct hop hop;
    struct hop other;
    bool has_forwarded = *headers->forwarded != '\0';
    bool has_x = *headers->x_for != '\0';
    bool found = has_forwarded ? find_client(proxies, count, headers->forwarded, read_element, &hop)
                               : has_x && find_x_client(proxies, count, headers, &hop);
    /* A proxy writes one of the two and may pass on the other as a client sent it. */
    if (found && has_forwarded && has_x)
        found = find_x_client(proxies, count, headers, &other) &&
                memcmp(&hop.address, &other.address, sizeof(hop.address)) == 0;
    if (!found)
        return false;
    print_address(&hop.address, ret_origin->address);
    memcpy(ret_origin->host, hop.host, sizeof(hop.host));
    memcpy(ret_origin->scheme, hop.scheme, sizeof(hop.scheme));
    return true;
}
