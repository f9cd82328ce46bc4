/* SPDX-License-Identifier: MIT */
/* Names of users, facilities, apps and hosts. Image references: naming_image.c. */
#include "facilities/naming.h"

#include "base/text.h"

#include <string.h>

/* Length of the run of characters of the name's alphabet: letters, digits and those in `extra`. */
static size_t span(const char *text, const char *extra)
{
    size_t len = 0;
    while (berth_is_alnum(text[len]) || (text[len] != '\0' && strchr(extra, text[len])))
        len++;
    return len;
}

static int check_length(const char *parameter, const char *text, size_t max,
                        struct berth_error *err)
{
    if (text[0] == '\0')
        return berth_error_set(err, BERTH_E_INVALID, "parameter %s must not be empty", parameter);
    if (strnlen(text, max + 1) > max)
        return berth_error_set(err, BERTH_E_INVALID,
                               "parameter %s must not be longer than %zu characters", parameter,
                               max);
    return 0;
}

/*
 * A '-' at the end is allowed: the user is what follows the last "--" of an
 * app's name, and since a user neither begins with '-' nor holds "--", the
 * last "--" is always the delimiter, whatever the image before it ends in.
 */
int berth_naming_check_user(const char *parameter, const char *user, struct berth_error *err)
{
    int r = check_length(parameter, user, BERTH_USER_MAX, err);
    if (r < 0)
        return r;
    if (user[span(user, "-_")] != '\0')
        return berth_error_set(
            err, BERTH_E_INVALID,
            "parameter %s must consist of letters a to z, digits, dashes and underscores",
            parameter);
    if (user[0] == '-')
        return berth_error_set(err, BERTH_E_INVALID, "parameter %s must not begin with -",
                               parameter);
    if (strstr(user, "--"))
        return berth_error_set(err, BERTH_E_INVALID, "parameter %s must not contain --", parameter);
    return 0;
}

/* First words of the root's paths, and of a facility's own, which the root facility has there. */
static const char *const reserved_words[] = {
    "admin",
    "api",
    "approve-image",
    "assets",
    "containers",
    "create-app",
    "dashboard",
    "delete-app",
    "docs",
    "get-app-info",
    "get-app-logs",
    "get-app-names",
    "get-app-stats",
    "get-app-status",
    "get-image-requests",
    "get-images",
    "get-node-info",
    "get-node-names",
    "get-node-status",
    "get-uptime-summary",
    "get-users",
    "hard-reset-app",
    "health",
    "healthz",
    "kill-app",
    "livez",
    "login",
    "logout",
    "metrics",
    "openapi",
    "pause-app",
    "readyz",
    "reject-image",
    "remove-image",
    "request-image",
    "restart-app",
    "start-app",
    "static",
    "stop-app",
    "unpause-app",
    "version",
    "watch",
    "ws",
};

int berth_naming_check_facility(const char *id, struct berth_error *err)
{
    size_t len = 0;
    while (berth_is_lower(id[len]) || berth_is_digit(id[len]) || id[len] == '-')
        len++;
    if (len == 0 || len > BERTH_FACILITY_ID_MAX || id[len] != '\0')
        return berth_error_set(
            err, BERTH_E_INVALID,
            "a facility id must consist of 1 to %d lower-case letters a to z, digits and dashes",
            BERTH_FACILITY_ID_MAX);
    for (size_t i = 0; i < sizeof(reserved_words) / sizeof(reserved_words[0]); i++)
        if (strcmp(id, reserved_words[i]) == 0)
            return berth_error_set(err, BERTH_E_INVALID,
                                   "\"%s\" is a reserved word and cannot be a facility id", id);
    return 0;
}

int berth_naming_check_app(const char *parameter, const char *name, struct berth_error *err)
{
    int r = check_length(parameter, name, BERTH_APP_MAX, err);
    if (r < 0)
        return r;
    if (name[span(name, "_.-")] != '\0')
        return berth_error_set(
            err, BERTH_E_INVALID,
            "parameter %s must consist of letters a to z, digits, dots, dashes and underscores",
            parameter);
    if (!berth_is_alnum(name[0]))
        return berth_error_set(err, BERTH_E_INVALID,
                               "parameter %s must begin with a letter or digit", parameter);
    return 0;
}

#define HOSTNAME_LABEL_MAX 63 /* RFC 1123 section 2.1, RFC 1035 section 2.3.4 */

int berth_naming_check_hostname(const char *parameter, const char *hostname,
                                struct berth_error *err)
{
    int r = check_length(parameter, hostname, BERTH_HOSTNAME_MAX, err);
    if (r < 0)
        return r;
    for (const char *label = hostname;; label++) {
        size_t len = span(label, "-");
        if (len > HOSTNAME_LABEL_MAX)
            return berth_error_set(
                err, BERTH_E_INVALID,
                "parameter %s must not have more than %d characters between two dots", parameter,
                HOSTNAME_LABEL_MAX);
        bool well_formed = len > 0 && label[0] != '-' && label[len - 1] != '-';
        label += len;
        if (!well_formed || (*label != '.' && *label != '\0'))
            return berth_error_set(err, BERTH_E_INVALID,
                                   "parameter %s must be a host name: letters a to z, digits and "
                                   "inner dashes, in parts joined by dots",
                                   parameter);
        if (*label == '\0')
            return 0;
    }
}

const char *berth_naming_user_of_app(const char *app)
{
    const char *user = "";
    for (const char *at = strstr(app, "--"); at; at = strstr(at + 1, "--"))
        user = at + 2;
    return user;
}
