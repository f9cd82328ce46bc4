/* SPDX-License-Identifier: MIT */
/*
 * Image references. The grammar is the comment at the head of
 * github.com/distribution/reference/reference.go; what is a registry's name and
 * what is the default registry is decided as in normalize.go beside it.
 */
#include "base/text.h"
#include "facilities/naming.h"

#include <string.h>

#define DEFAULT_DOMAIN        "docker.io"
#define LEGACY_DEFAULT_DOMAIN "index.docker.io"
#define OFFICIAL_PREFIX       "library/"

/* Part of a text. */
struct part {
    const char *text;
    size_t len;
};

static bool part_is(struct part part, const char *text)
{
    return part.len == strlen(text) && memcmp(part.text, text, part.len) == 0;
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool has_upper(struct part part)
{
    for (size_t i = 0; i < part.len; i++)
        if (is_upper(part.text[i]))
            return true;
    return false;
}

static bool is_hex(struct part part, size_t digits)
{
    for (size_t i = 0; i < part.len; i++)
        if (!berth_is_digit(part.text[i]) && (part.text[i] < 'a' || part.text[i] > 'f'))
            return false;
    return part.len == digits;
}

/* splitDockerDomain: the part before the first '/' is a registry if it cannot be a namespace. */
static bool has_domain(struct part name)
{
    const char *slash = memchr(name.text, '/', name.len);
    if (!slash)
        return false;
    struct part first = {name.text, (size_t)(slash - name.text)};
    return memchr(first.text, '.', first.len) || memchr(first.text, ':', first.len) ||
           part_is(first, "localhost") || has_upper(first);
}

static bool is_port(struct part port)
{
    unsigned number = 0;
    for (size_t i = 0; i < port.len; i++) {
        if (!berth_is_digit(port.text[i]))
            return false;
        number = number * 10 + (unsigned)(port.text[i] - '0');
        if (number > 65535)
            return false;
    }
    return number > 0;
}

/* [IPv6], or components of letters, digits and inner dashes joined by dots; then :PORT or nothing.
 */
static bool is_domain(struct part domain)
{
    const char *at = domain.text;
    const char *end = domain.text + domain.len;
    if (at < end && *at == '[') {
        const char *close = memchr(at, ']', domain.len);
        if (!close || close == at + 1)
            return false;
        for (at++; at < close; at++)
            if (*at != ':' && !berth_is_digit(*at) && !strchr("abcdefABCDEF", *at))
                return false;
        at++;
    } else {
        for (;;) {
            const char *start = at;
            while (at < end && (berth_is_alnum(*at) || *at == '-'))
                at++;
            if (at == start || *start == '-' || at[-1] == '-')
                return false;
            if (at == end || *at != '.')
                break;
            at++;
        }
    }
    if (at == end)
        return true;
    return *at == ':' && is_port((struct part){at + 1, (size_t)(end - at - 1)});
}

/* alpha-numeric [separator alpha-numeric]*, where separator is '.', '_', '__' or dashes. */
static bool is_path_component(struct part component)
{
    const char *at = component.text;
    const char *end = at + component.len;
    for (;;) {
        const char *start = at;
        while (at < end && (berth_is_lower(*at) || berth_is_digit(*at)))
            at++;
        if (at == start)
            return false;
        if (at == end)
            return true;
        const char *separator = at;
        while (at < end && *at == *separator)
            at++;
        size_t len = (size_t)(at - separator);
        if (*separator != '-' && !(*separator == '.' && len == 1) &&
            !(*separator == '_' && len <= 2))
            return false;
    }
}

static bool is_path(struct part path)
{
    for (;;) {
        const char *slash = memchr(path.text, '/', path.len);
        size_t len = slash ? (size_t)(slash - path.text) : path.len;
        if (!is_path_component((struct part){path.text, len}))
            return false;
        if (!slash)
            return true;
        path.text += len + 1;
        path.len -= len + 1;
    }
}

/* Drops what means the default registry and its official images, unless that changes the meaning.
 */
static void normalise(struct part *domain, struct part *path)
{
    static const struct part docker_hub = {DEFAULT_DOMAIN, sizeof(DEFAULT_DOMAIN) - 1};
    const size_t prefix = sizeof(OFFICIAL_PREFIX) - 1;

    if (domain->len > 0 && !part_is(*domain, DEFAULT_DOMAIN) &&
        !part_is(*domain, LEGACY_DEFAULT_DOMAIN))
        return;
    if (path->len > prefix && memcmp(path->text, OFFICIAL_PREFIX, prefix) == 0 &&
        !memchr(path->text + prefix, '/', path->len - prefix)) {
        path->text += prefix;
        path->len -= prefix;
    }
    /* "docker.io/example.org/x" is not "example.org/x". */
    *domain = has_domain(*path) ? docker_hub : (struct part){"", 0};
}

static void copy(char *dest, struct part part)
{
    memcpy(dest, part.text, part.len);
    dest[part.len] = '\0';
}

static int parse_name(const char *parameter, struct part name, struct berth_image_ref *ref,
                      struct berth_error *err)
{
    struct part domain = {name.text, 0};
    struct part path = name;
    if (has_domain(name)) {
        domain.len = (size_t)((const char *)memchr(name.text, '/', name.len) - name.text);
        path.text += domain.len + 1;
        path.len -= domain.len + 1;
        if (!is_domain(domain))
            return berth_error_set(err, BERTH_E_INVALID,
                                   "parameter %s must name a registry before the first /, such as "
                                   "registry.example.org or 10.0.0.1:5000, or begin with the image",
                                   parameter);
    }
    if (has_upper(path))
        return berth_error_set(err, BERTH_E_INVALID,
                               "parameter %s must be in lower case: images have no capitals in "
                               "their names",
                               parameter);
    if (!is_path(path))
        return berth_error_set(err, BERTH_E_INVALID,
                               "parameter %s must be an image's name, such as httpd or team/tool: "
                               "letters a to z and digits, joined by one dot, one or two "
                               "underscores, or dashes",
                               parameter);
    normalise(&domain, &path);
    if (domain.len + (domain.len > 0) + path.len > BERTH_IMAGE_NAME_MAX)
        return berth_error_set(err, BERTH_E_INVALID,
                               "parameter %s must not name an image in more than %d characters",
                               parameter, BERTH_IMAGE_NAME_MAX);
    /* The engine takes these for the id of an image, whatever it is called. */
    if (domain.len == 0 && (is_hex(path, 64) || part_is(path, "sha256")))
        return berth_error_set(err, BERTH_E_INVALID,
                               "parameter %s must be an image's name, not its id", parameter);
    copy(ref->domain, domain);
    copy(ref->path, path);
    return 0;
}

/* `what` begins the refusal: "parameter version", "the tag in parameter image". */
static int parse_tag(const char *what, const char *parameter, struct part tag,
                     struct berth_image_ref *ref, struct berth_error *err)
{
    bool valid =
        tag.len >= 1 && tag.len <= BERTH_TAG_MAX && tag.text[0] != '.' && tag.text[0] != '-';
    for (size_t i = 0; valid && i < tag.len; i++)
        valid = berth_is_alnum(tag.text[i]) || strchr("_.-", tag.text[i]);
    if (!valid)
        return berth_error_set(err, BERTH_E_INVALID,
                               "%sparameter %s must consist of 1 to %d letters, digits, dots, "
                               "dashes and underscores, and begin with none of . and -",
                               what, parameter, BERTH_TAG_MAX);
    copy(ref->tag, tag);
    return 0;
}

/* The algorithms of the image specification's registered digests. */
static const struct {
    const char *prefix;
    size_t digits;
} digests[] = {
    {"sha256:", 64},
    {"sha384:", 96},
    {"sha512:", 128},
};

static int parse_digest(const char *parameter, struct part digest, struct berth_image_ref *ref,
                        struct berth_error *err)
{
    for (size_t i = 0; i < sizeof(digests) / sizeof(digests[0]); i++) {
        size_t prefix = strlen(digests[i].prefix);
        if (digest.len > prefix && memcmp(digest.text, digests[i].prefix, prefix) == 0 &&
            is_hex((struct part){digest.text + prefix, digest.len - prefix}, digests[i].digits)) {
            copy(ref->digest, digest);
            return 0;
        }
    }
    return berth_error_set(err, BERTH_E_INVALID,
                           "the digest in parameter %s must be sha256: and 64 hexadecimal digits "
                           "in lower case",
                           parameter);
}

int berth_image_ref_parse(const char *parameter, const char *image, const char *version,
                          struct berth_image_ref *ret_ref, struct berth_error *err)
{
    struct berth_image_ref ref = {.tag = BERTH_TAG_DEFAULT};
    if (image[0] == '\0')
        return berth_error_set(err, BERTH_E_INVALID, "parameter %s must not be empty", parameter);

    struct part name = {image, strcspn(image, "@")};
    const char *digest = image + name.len;
    const char *slash = memrchr(image, '/', name.len);
    const char *last = slash ? slash + 1 : image;
    const char *colon = memchr(last, ':', (size_t)(digest - last));
    if (colon)
        name.len = (size_t)(colon - image);

    int r = parse_name(parameter, name, &ref, err);
    if (r == 0 && colon)
        r = parse_tag("the tag in ", parameter,
                      (struct part){colon + 1, (size_t)(digest - colon - 1)}, &ref, err);
    if (r == 0 && *digest == '@')
        r = parse_digest(parameter, (struct part){digest + 1, strlen(digest + 1)}, &ref, err);
    if (r < 0)
        return r;
    if (version) {
        struct berth_image_ref named = ref;
        r = parse_tag("", "version", (struct part){version, strlen(version)}, &ref, err);
        if (r < 0)
            return r;
        if (colon && strcmp(named.tag, ref.tag) != 0)
            return berth_error_set(err, BERTH_E_INVALID,
                                   "parameter version must agree with the tag in parameter %s",
                                   parameter);
    }
    *ret_ref = ref;
    return 0;
}

void berth_image_ref_name(const struct berth_image_ref *ref,
                          char ret_name[static BERTH_IMAGE_NAME_MAX + 1])
{
    /* parse_name() bounds the sum. */
    char *end = mempcpy(ret_name, ref->domain, strlen(ref->domain));
    if (end != ret_name)
        *end++ = '/';
    memcpy(end, ref->path, strlen(ref->path) + 1);
}

int berth_image_ref_app_name(const struct berth_image_ref *ref, const char *user,
                             char ret_name[static BERTH_APP_MAX + 1], struct berth_error *err)
{
    char name[BERTH_APP_MAX + 1];
    int len = snprintf(name, sizeof(name), "%s--%s", ref->path, user);
    if (len < 0 || (size_t)len >= sizeof(name))
        return berth_error_set(err, BERTH_E_INVALID,
                               "the app's name IMAGE--USER must not be longer than %d characters",
                               BERTH_APP_MAX);
    for (char *slash = strchr(name, '/'); slash; slash = strchr(slash, '/'))
        *slash = '_';
    memcpy(ret_name, name, (size_t)len + 1);
    return 0;
}
