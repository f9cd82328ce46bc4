/* SPDX-License-Identifier: MIT */
#include "gateway/match.h"

#include "gateway/containers_error.h"
#include "gateway/dialect.h"
#include "gateway/minirun_error.h"

#include <string.h>

/* ---- Paths ---- */

/* A segment of a path that stands where a pattern has `*`. */
struct item {
    const char *text;
    size_t len;
};

static bool fits(const char *pattern, const char *path, struct item *item)
{
    *item = (struct item){.text = ""};
    while (*pattern) {
        if (*pattern == '*') {
            *item = (struct item){path, strcspn(path, "/")};
            path += item->len;
            pattern++;
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return *path == '\0';
}

static bool serves(const struct berth_route *route, const struct berth_facility *facility)
{
    return !route->dialect->serves || (facility && route->dialect->serves(facility));
}

/* What a path's routes are, as far as the facility serves them. */
struct finding {
    const struct berth_route *route; /* of the method, else the first */
    const struct berth_route *other; /* one that the facility does not serve */
    unsigned methods;                /* of all that it serves */
    struct item item;
};

static void find(const struct berth_exchange *exchange, const char *path, struct finding *ret_found)
{
    unsigned asked = exchange->method == BERTH_HEAD ? BERTH_GET : exchange->method;
    struct finding found = {0};
    for (const struct berth_route *route = berth_routes; route->path; route++) {
        struct item item;
        if (!fits(route->path, path, &item))
            continue;
        if (!serves(route, exchange->facility)) {
            found.other = route;
            continue;
        }
        found.methods |= route->methods;
        if (!found.route || ((route->methods & asked) && !(found.route->methods & asked))) {
            found.route = route;
            found.item = item;
        }
    }
    *ret_found = found;
}

static bool find_route(struct berth_exchange *exchange, const char *path)
{
    struct finding found;
    find(exchange, path, &found);
    if (!found.route)
        return false;
    exchange->route = found.route;
    exchange->allowed = found.methods;
    (void)snprintf(exchange->item, sizeof(exchange->item), "%.*s", (int)found.item.len,
                   found.item.text);
    return true;
}

/* ---- Facilities ---- */

static void keep_facility(struct berth_exchange *exchange, const struct berth_view *view,
                          const char *id, size_t len)
{
    struct berth_facility *facility = berth_view_find(view, id, len);
    berth_facility_unref(exchange->facility);
    exchange->facility = facility ? berth_facility_ref(facility) : NULL;
}

static void drop_facility(struct berth_exchange *exchange)
{
    berth_facility_unref(berth_steal(&exchange->facility));
}

/* The family of the facility's containers, or NULL. */
static const struct berth_dialect *family_of(const struct berth_facility *facility)
{
    static const struct berth_dialect *const families[] = {&berth_containers_dialect,
                                                           &berth_minirun_dialect};
    for (size_t i = 0; facility && i < sizeof(families) / sizeof(families[0]); i++)
        if (families[i]->serves(facility))
            return families[i];
    return NULL;
}

/* Nothing has that path. What the family of the facility's containers lacks is nobody's, whatever
 * another family has by that name. */
static int unknown(struct berth_exchange *exchange, const char *path, struct berth_error *err)
{
    struct finding found;
    find(exchange, path, &found);
    if (exchange->facility && found.other && *path && !family_of(exchange->facility))
        return berth_backend_unsupported(exchange->facility->backend, path, err);
    exchange->error_status = 404; /* where an unknown app is 400 */
    return berth_error_set_coded(err, BERTH_E_NOT_FOUND, "UNKNOWN_PATH",
                                 "there is no such endpoint; / has an outline of all");
}

/* What the root facility has at the root, if it has that. True: the path is answered for. */
static bool match_root(struct berth_exchange *exchange, const struct berth_view *view,
                       const char *path)
{
    const char *root = view->config->root_facility;
    if (!root || *path == '/')
        return false;
    keep_facility(exchange, view, root, strlen(root));
    if (find_route(exchange, path))
        return true;
    drop_facility(exchange);
    return false;
}

/* A client of the root facility's containers that has mistaken its path is told so in their
 * words, as far as it cannot have meant a facility. */
static bool is_of_root(struct berth_exchange *exchange, const struct berth_view *view,
                       const char *verb)
{
    const char *root = view->config->root_facility;
    struct finding found = {0};
    if (!root)
        return false;
    find(exchange, verb, &found);
    keep_facility(exchange, view, root, strlen(root));
    if (!found.route && family_of(exchange->facility))
        return true;
    drop_facility(exchange);
    return false;
}

int berth_match(struct berth_exchange *exchange, const struct berth_view *view,
                struct berth_error *err)
{
    const char *first = exchange->path + 1;
    /* The root facility first: what it has of /, /health and /healthz is its clients'. */
    if (match_root(exchange, view, first) || find_route(exchange, exchange->path))
        return 0;

    size_t len = strcspn(first, "/");
    const char *verb = first[len] == '/' ? first + len + 1 : "";
    keep_facility(exchange, view, first, len);
    if (!exchange->facility && is_of_root(exchange, view, verb))
        return unknown(exchange, first, err);
    if (!exchange->facility && *verb)
        return berth_error_set(err, BERTH_E_INVALID, "there is no facility %.*s",
                               len > BERTH_FACILITY_ID_MAX ? 0 : (int)len, first);
    /* A path of the gateway's own begins with a slash. */
    if (exchange->facility && first[len] == '/' && *verb != '/' && find_route(exchange, verb))
        return 0;
    return unknown(exchange, verb, err);
}

const struct berth_dialect *berth_match_dialect(const struct berth_exchange *exchange,
                                                const struct berth_error *err)
{
    if (exchange->route)
        return exchange->route->dialect;
    const struct berth_dialect *family = family_of(exchange->facility);
    if (family)
        return family;
    return exchange->facility || err->status == BERTH_E_INVALID ? &berth_apps_dialect
                                                                : &berth_gateway_dialect;
}
