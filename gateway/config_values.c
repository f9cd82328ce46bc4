/* SPDX-License-Identifier: MIT */
/* From the text of a key's value to what the program goes by. */
#include "gateway/config_values.h"

#include "backends/rootfs/rootfs_userns.h"
#include "base/clock.h"
#include "base/text.h"
#include "base/words.h"
#include "gateway/config_keys.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>
#include <sys/un.h>

/* ---- Texts with a form of their own ---- */

static bool is_port(const char *text)
{
    int64_t port;
    return berth_text_parse_int(text, 1, 65535, &port, NULL) == 0;
}

/* "127.0.0.1", "[::1]" or "localhost"; host is cut in place. */
static bool is_listening_host(char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    size_t len = strlen(host);
    if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
        host[len - 1] = '\0';
        return inet_pton(AF_INET6, host + 1, address) == 1;
    }
    return strcmp(host, "localhost") == 0 || inet_pton(AF_INET, host, address) == 1;
}

static bool is_listener(const char *value)
{
    static const char prefix[] = "unix:";
    if (strncmp(value, prefix, sizeof(prefix) - 1) == 0) {
        /* The server takes its listeners as one list, with ',' between and ':' within. */
        const char *path = value + sizeof(prefix) - 1;
        return path[0] == '/' && !strpbrk(path, ",:") &&
               strlen(path) < sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;
    }
    char host[INET6_ADDRSTRLEN + 2];
    const char *colon = strrchr(value, ':');
    if (!colon || (size_t)(colon - value) >= sizeof(host) || !is_port(colon + 1))
        return false;
    memcpy(host, value, (size_t)(colon - value));
    host[colon - value] = '\0';
    return is_listening_host(host);
}

int berth_config_check_tls_listener(const char *value, struct berth_error *err)
{
    if (is_listener(value) && strncmp(value, "unix:", 5) != 0)
        return 0;
    return berth_error_set(err, BERTH_E_INVALID,
                           "must be ADDRESS:PORT, such as 0.0.0.0:8443 or [::]:8443");
}

int berth_config_check_listener(const char *value, struct berth_error *err)
{
    if (value[0] == '\0' || is_listener(value))
        return 0;
    return berth_error_set(err, BERTH_E_INVALID,
                           "must be ADDRESS:PORT, such as 127.0.0.1:8080 or [::]:8080, or "
                           "unix:/PATH without , and : and at most %zu bytes long",
                           sizeof(((struct sockaddr_un *)NULL)->sun_path) - 2);
}

/* A host and maybe a port; the rest of the form is the browser's own affair. */
static bool is_authority(const char *text)
{
    static const char host[] = "abcdefghijklmnopqrstuvwxyz0123456789-._[]:";
    const char *colon = strrchr(text, ':');
    bool has_port = colon && !strchr(colon, ']');
    return *text && *text != ':' && text[strspn(text, host)] == '\0' &&
           (!has_port || is_port(colon + 1));
}

int berth_config_check_origin(const char *value, struct berth_error *err)
{
    static const char scheme[] = "https://";
    static const char plain[] = "http://";
    if ((strncmp(value, scheme, sizeof(scheme) - 1) == 0 &&
         is_authority(value + sizeof(scheme) - 1)) ||
        (strncmp(value, plain, sizeof(plain) - 1) == 0 && is_authority(value + sizeof(plain) - 1)))
        return 0;
    return berth_error_set(err, BERTH_E_INVALID,
                           "must be https://HOST or http://HOST, with :PORT where it has one, in "
                           "lower case and without a path");
}

int berth_config_check_proxy(const char *value, struct berth_error *err)
{
    struct berth_proxy proxy;
    return berth_proxy_parse(value, &proxy, err);
}

int berth_config_check_backend(const char *value, struct berth_error *err)
{
    if (berth_backend_find(value))
        return 0;
    BERTH_CLEANUP(strbuf) struct berth_strbuf names = BERTH_STRBUF_INIT(256);
    for (size_t i = 0; berth_backends[i]; i++)
        berth_strbuf_addf(&names, "%s%s", i ? ", " : "", berth_backends[i]->name);
    return berth_error_set(err, BERTH_E_INVALID, "must be one of %s", berth_strbuf_str(&names));
}

int berth_config_check_engine(const char *value, struct berth_error *err)
{
    if (strncmp(value, "unix:///", 8) == 0 || (strncmp(value, "tcp://", 6) == 0 && value[6]))
        return 0;
    return berth_error_set(err, BERTH_E_INVALID, "must be unix:///PATH or tcp://HOST:PORT");
}

int berth_config_check_node(const char *value, struct berth_error *err)
{
    int64_t port;
    bool is_agent =
        strncmp(value, "agent", 5) == 0 &&
        (value[5] == '\0' ||
         (value[5] == ':' && berth_text_parse_int(value + 6, 1, 65535, &port, NULL) == 0));
    if (is_agent || berth_config_check_engine(value, NULL) == 0)
        return 0;
    return berth_error_set(err, BERTH_E_INVALID,
                           "must be unix:///PATH, tcp://HOST:PORT, agent or agent:PORT");
}

/* What the engine takes for a user id: at most 2^31 - 1. */
static bool is_id(const char *text, size_t len)
{
    char digits[16];
    int64_t id;
    if (len == 0 || len >= sizeof(digits) || strspn(text, "0123456789") < len)
        return false;
    memcpy(digits, text, len);
    digits[len] = '\0';
    return berth_text_parse_int(digits, 0, INT32_MAX, &id, NULL) == 0;
}

int berth_config_check_uid(const char *value, struct berth_error *err)
{
    size_t uid = strcspn(value, ":");
    const char *gid = value[uid] ? value + uid + 1 : NULL;
    if (is_id(value, uid) && (!gid || is_id(gid, strlen(gid))))
        return 0;
    return berth_error_set(err, BERTH_E_INVALID, "must be UID or UID:GID, in digits");
}

int berth_config_check_path(const char *value, struct berth_error *err)
{
    if (value[0] == '/')
        return 0;
    return berth_error_set(err, BERTH_E_INVALID, "must be an absolute path");
}

int berth_config_check_command(const char *value, struct berth_error *err)
{
    BERTH_CLEANUP(words) struct berth_words words = BERTH_WORDS_INIT;
    return berth_words_split(value, &words, err);
}

int berth_config_check_userns(const char *value, struct berth_error *err)
{
    struct berth_rootfs_userns userns;
    return berth_rootfs_userns_parse(value, &userns, err);
}

/* ---- Values ---- */

static int set_string(const struct berth_config_key *key, char **slot, const char *value,
                      struct berth_error *err)
{
    size_t len = strlen(value);
    if (len < (size_t)key->min || len > (size_t)key->max)
        return berth_error_set(err, BERTH_E_INVALID,
                               "must be %" PRId64 " to %" PRId64 " characters long", key->min,
                               key->max);
    int r = key->check ? key->check(value, err) : 0;
    if (r < 0)
        return r;
    char *copy = berth_text_dup(value);
    if (!copy)
        return berth_error_nomem(err);
    free(*slot);
    *slot = copy;
    return 0;
}

static int add_to_strings(const struct berth_config_key *key, struct berth_texts *list,
                          const char *value, struct berth_error *err)
{
    char *copy = NULL;
    int r = set_string(key, &copy, value, err);
    if (r < 0)
        return r;
    char **grown = reallocarray(list->items, list->count + 1, sizeof(*grown));
    if (!grown) {
        free(copy);
        return berth_error_nomem(err);
    }
    list->items = grown;
    list->items[list->count++] = copy;
    return 0;
}

static int parse_int(const struct berth_config_key *key, const char *value, int64_t *ret_number,
                     struct berth_error *err)
{
    if (berth_text_parse_int(value, key->min, key->max, ret_number, NULL) < 0)
        return berth_error_set(err, BERTH_E_INVALID,
                               "must be a whole number from %" PRId64 " to %" PRId64, key->min,
                               key->max);
    return 0;
}

static int parse_size(const struct berth_config_key *key, const char *value, int64_t *ret_bytes,
                      struct berth_error *err)
{
    int64_t bytes = 0;
    bool is_zero = strcmp(value, "0") == 0;
    if ((!is_zero && berth_text_parse_size(value, &bytes, NULL) < 0) || bytes < key->min ||
        bytes > key->max)
        return berth_error_set(err, BERTH_E_INVALID,
                               "must be a size such as 64k, 10m or 2g, from %" PRId64 " to %" PRId64
                               " bytes",
                               key->min, key->max);
    *ret_bytes = bytes;
    return 0;
}

/* Digits, a point and up to nine digits: no floating point, so that 0.1 is exact. */
static int parse_cpus(const struct berth_config_key *key, const char *value, int64_t *ret_nano,
                      struct berth_error *err)
{
    int64_t nano = 0;
    int64_t unit = BERTH_NS_PER_S;
    size_t whole = strspn(value, "0123456789");
    size_t fraction = value[whole] == '.' ? strspn(value + whole + 1, "0123456789") : 0;
    size_t len = whole + (value[whole] == '.' ? 1 + fraction : 0);
    bool valid = whole > 0 && whole <= 4 && fraction <= 9 && value[len] == '\0';
    for (size_t i = 0; valid && i < whole; i++)
        nano = nano * 10 + (value[i] - '0') * BERTH_NS_PER_S;
    for (size_t i = 0; valid && i < fraction; i++)
        nano += (value[whole + 1 + i] - '0') * (unit /= 10);
    if (!valid || nano > key->max * BERTH_NS_PER_S)
        return berth_error_set(err, BERTH_E_INVALID,
                               "must be a number of CPUs such as 1.5, up to %" PRId64, key->max);
    *ret_nano = nano;
    return 0;
}

static int parse_word(const struct berth_config_key *key, const char *value, int *ret_index,
                      struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf list = BERTH_STRBUF_INIT(256);
    for (int i = 0; key->words[i]; i++) {
        if (strcmp(key->words[i], value) == 0) {
            *ret_index = i;
            return 0;
        }
        berth_strbuf_addf(&list, "%s%s", i ? ", " : "", key->words[i]);
    }
    return berth_error_set(err, BERTH_E_INVALID, "must be one of %s", berth_strbuf_str(&list));
}

int berth_config_set(const struct berth_config_key *key, void *target, const char *value,
                     struct berth_error *err)
{
    void *slot = (char *)target + key->offset;
    int64_t number = 0;
    int r = 0;
    switch (key->type) {
    case BERTH_CONFIG_STRING:
        return set_string(key, slot, value, err);
    case BERTH_CONFIG_STRINGS:
        return add_to_strings(key, slot, value, err);
    case BERTH_CONFIG_WORD:
        return parse_word(key, value, slot, err);
    case BERTH_CONFIG_BOOL:
        if (berth_text_parse_bool(value, slot, NULL) < 0)
            return berth_error_set(err, BERTH_E_INVALID, "must be yes or no");
        return 0;
    case BERTH_CONFIG_INT:
        r = parse_int(key, value, &number, err);
        break;
    case BERTH_CONFIG_SECONDS:
        r = parse_int(key, value, &number, err);
        number *= 1000;
        break;
    case BERTH_CONFIG_SIZE:
        r = parse_size(key, value, &number, err);
        break;
    case BERTH_CONFIG_CPUS:
        r = parse_cpus(key, value, &number, err);
        break;
    case BERTH_CONFIG_NODES:
        return berth_error_set(err, BERTH_E_INTERNAL, "needs a hostname");
    }
    if (r == 0)
        memcpy(slot, &number, sizeof(number));
    return r;
}

static void release_node(struct berth_node_endpoint *node)
{
    free((void *)(uintptr_t)node->hostname);
    free((void *)(uintptr_t)node->engine);
}

int berth_config_set_node(const struct berth_config_key *key, void *target, const char *hostname,
                          const char *value, struct berth_error *err)
{
    struct berth_node_endpoints *nodes =
        (struct berth_node_endpoints *)(void *)((char *)target + key->offset);
    BERTH_CLEANUP(free) char *engine = NULL;
    for (size_t i = 0; i < nodes->count; i++)
        if (strcmp(nodes->items[i].hostname, hostname) == 0)
            return berth_error_set(err, BERTH_E_INVALID, "is given twice");
    int r = set_string(key, &engine, value, err);
    if (r < 0)
        return r;
    struct berth_node_endpoint *grown =
        reallocarray(nodes->items, nodes->count + 1, sizeof(*grown));
    if (!grown)
        return berth_error_nomem(err);
    nodes->items = grown;
    struct berth_node_endpoint *node = &grown[nodes->count];
    node->hostname = berth_text_dup(hostname);
    if (!node->hostname)
        return berth_error_nomem(err);
    node->engine = berth_steal(&engine);
    nodes->count++;
    return 0;
}

int berth_config_set_defaults(const struct berth_config_section *section, void *target,
                              struct berth_error *err)
{
    for (size_t i = 0; i < section->count; i++) {
        const struct berth_config_key *key = &section->keys[i];
        /* A repeatable key has its default only where the file names none. */
        if (!key->otherwise || key->type == BERTH_CONFIG_STRINGS)
            continue;
        int r = berth_config_set(key, target, key->otherwise, err);
        if (r < 0) {
            (void)berth_error_wrap(err, "default of %s", key->name);
            return r;
        }
    }
    return 0;
}

static bool strings_equal(const struct berth_texts *a, const struct berth_texts *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->items[i], b->items[i]) != 0)
            return false;
    return true;
}

static bool texts_equal(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool nodes_equal(const struct berth_node_endpoints *a, const struct berth_node_endpoints *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->items[i].hostname, b->items[i].hostname) != 0 ||
            strcmp(a->items[i].engine, b->items[i].engine) != 0)
            return false;
    return true;
}

bool berth_config_is_equal(const struct berth_config_key *key, const void *a, const void *b)
{
    const void *left = (const char *)a + key->offset;
    const void *right = (const char *)b + key->offset;
    switch (key->type) {
    case BERTH_CONFIG_STRING:
        return texts_equal(*(char *const *)left, *(char *const *)right);
    case BERTH_CONFIG_STRINGS:
        return strings_equal(left, right);
    case BERTH_CONFIG_NODES:
        return nodes_equal(left, right);
    case BERTH_CONFIG_WORD:
        return *(const int *)left == *(const int *)right;
    case BERTH_CONFIG_BOOL:
        return *(const bool *)left == *(const bool *)right;
    case BERTH_CONFIG_INT:
    case BERTH_CONFIG_SECONDS:
    case BERTH_CONFIG_SIZE:
    case BERTH_CONFIG_CPUS:
        break;
    }
    return *(const int64_t *)left == *(const int64_t *)right;
}

static void release_value(const struct berth_config_key *key, void *slot)
{
    if (key->type == BERTH_CONFIG_STRING) {
        free(*(char **)slot);
        *(char **)slot = NULL;
    } else if (key->type == BERTH_CONFIG_STRINGS) {
        berth_texts_release(slot);
    } else if (key->type == BERTH_CONFIG_NODES) {
        struct berth_node_endpoints *nodes = slot;
        for (size_t n = 0; n < nodes->count; n++)
            release_node(&nodes->items[n]);
        free(nodes->items);
        *nodes = (struct berth_node_endpoints){0};
    }
}

int berth_config_copy(const struct berth_config_key *key, void *target, const void *source,
                      struct berth_error *err)
{
    void *slot = (char *)target + key->offset;
    const void *from = (const char *)source + key->offset;
    int r = 0;
    release_value(key, slot);
    switch (key->type) {
    case BERTH_CONFIG_STRING:
        return *(char *const *)from ? set_string(key, slot, *(char *const *)from, err) : 0;
    case BERTH_CONFIG_STRINGS:
        for (size_t i = 0; r == 0 && i < ((const struct berth_texts *)from)->count; i++)
            r = add_to_strings(key, slot, ((const struct berth_texts *)from)->items[i], err);
        return r;
    case BERTH_CONFIG_NODES:
        for (size_t i = 0; r == 0 && i < ((const struct berth_node_endpoints *)from)->count; i++) {
            const struct berth_node_endpoint *node =
                &((const struct berth_node_endpoints *)from)->items[i];
            r = berth_config_set_node(key, target, node->hostname, node->engine, err);
        }
        return r;
    case BERTH_CONFIG_WORD:
        memcpy(slot, from, sizeof(int));
        return 0;
    case BERTH_CONFIG_BOOL:
        memcpy(slot, from, sizeof(bool));
        return 0;
    case BERTH_CONFIG_INT:
    case BERTH_CONFIG_SECONDS:
    case BERTH_CONFIG_SIZE:
    case BERTH_CONFIG_CPUS:
        break;
    }
    memcpy(slot, from, sizeof(int64_t));
    return 0;
}

void berth_config_release(const struct berth_config_section *section, void *target)
{
    for (size_t i = 0; i < section->count; i++)
        release_value(&section->keys[i], (char *)target + section->keys[i].offset);
}
