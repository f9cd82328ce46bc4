/* SPDX-License-Identifier: MIT */
/*
 * What a client that has a part of a file asks for (RFC 9110 sections 13 and
 * 14): whether it has changed, and which bytes of it.
 *
 * Threading: stateless.
 */
#ifndef BERTH_GATEWAY_RANGES_H
#define BERTH_GATEWAY_RANGES_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#define BERTH_FILE_TAG_SIZE 80

/* What tells one version of a file from another. */
struct berth_file_version {
    char etag[BERTH_FILE_TAG_SIZE]; /* strong, quotes included */
    int64_t modified_s;             /* wall */
};

/* bytes [from, from + len) of the file. */
struct berth_range {
    int64_t from;
    int64_t len;
    bool is_part;
};

void berth_file_version_of(const struct stat *status, struct berth_file_version *ret_version);

/* If-None-Match, or If-Modified-Since where there is none of it: the client has this version. Both
 * may be NULL. */
bool berth_ranges_is_known(const struct berth_file_version *version, const char *if_none_match,
                           const char *if_modified_since);

/*
 * Which bytes of a file of that size Range asks for: all where there is no
 * Range, where If-Range says another version, and where it is malformed or asks
 * for several parts, which a server may answer so. BERTH_E_INVALID: what is
 * asked for lies past the end.
 */
BERTH_MUST_CHECK int berth_ranges_choose(const struct berth_file_version *version, int64_t size,
                                         const char *range, const char *if_range,
                                         struct berth_range *ret_range, struct berth_error *err);

#endif
