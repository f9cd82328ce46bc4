/* SPDX-License-Identifier: MIT */
/*
 * The naming rules, checked on the way in. Each refusal is BERTH_E_INVALID and
 * names the parameter and the rule ("parameter user must not contain --").
 *
 * Threading: stateless.
 */
#ifndef BERTH_FACILITIES_NAMING_H
#define BERTH_FACILITIES_NAMING_H

#include "base/error.h"
#include "base/limits.h"

/* Letters, digits, '-' and '_'; no "--", no leading '-' (a trailing one is fine: the last "--" of
 * an app's name is its delimiter all the same); 1 to BERTH_USER_MAX. */
BERTH_MUST_CHECK int berth_naming_check_user(const char *parameter, const char *user,
                                             struct berth_error *err);

/* [a-z0-9-]{1,32}, not a reserved word of the root. */
BERTH_MUST_CHECK int berth_naming_check_facility(const char *id, struct berth_error *err);

/* What an app may be called: engine container names (letters, digits, "_.-"), 1 to BERTH_APP_MAX.
 */
BERTH_MUST_CHECK int berth_naming_check_app(const char *parameter, const char *name,
                                            struct berth_error *err);

/* RFC 1123 host name, 1 to BERTH_HOSTNAME_MAX. */
BERTH_MUST_CHECK int berth_naming_check_hostname(const char *parameter, const char *hostname,
                                                 struct berth_error *err);

/* The tag of a reference that has none. */
#define BERTH_TAG_DEFAULT "latest"

/*
 * A parsed image reference (distribution/reference grammar): [domain/]path[:tag][@digest],
 * normalised: "docker.io/library/x" and "index.docker.io/library/x" are "x".
 */
struct berth_image_ref {
    char domain[BERTH_IMAGE_NAME_MAX + 1]; /* "" for docker.io, unless path would read otherwise */
    char path[BERTH_IMAGE_NAME_MAX + 1];   /* "httpd", "team/tool" */
    char tag[BERTH_TAG_MAX + 1];           /* never "" */
    char digest[BERTH_DIGEST_MAX + 1];     /* "sha256:…" or "" */
};

/*
 * Parses image with an optional version (NULL: none); a tag in image and a
 * version must agree. parameter names image in refusals ("image").
 */
BERTH_MUST_CHECK int berth_image_ref_parse(const char *parameter, const char *image,
                                           const char *version, struct berth_image_ref *ret_ref,
                                           struct berth_error *err);

/* "domain/path" as the user writes it: the key of an approval together with the tag. */
void berth_image_ref_name(const struct berth_image_ref *ref,
                          char ret_name[static BERTH_IMAGE_NAME_MAX + 1]);

/* "IMAGE--USER": the host dropped, '/' to '_'. BERTH_E_INVALID if longer than BERTH_APP_MAX. */
BERTH_MUST_CHECK int berth_image_ref_app_name(const struct berth_image_ref *ref, const char *user,
                                              char ret_name[static BERTH_APP_MAX + 1],
                                              struct berth_error *err);

/* What follows the last "--" of an app name, or "" where there is none. */
const char *berth_naming_user_of_app(const char *app);

#endif
