/* SPDX-License-Identifier: MIT */
/*
 * Values of the configuration: parsing, checking and releasing them by the
 * types of config_keys.h. No message names the key: the caller prepends it.
 *
 * Threading: stateless.
 */
#ifndef BERTH_GATEWAY_CONFIG_VALUES_H
#define BERTH_GATEWAY_CONFIG_VALUES_H

#include "gateway/config_keys.h"

/* Writes one value into target (a struct berth_config or facility config). */
BERTH_MUST_CHECK int berth_config_set(const struct berth_config_key *key, void *target,
                                      const char *value, struct berth_error *err);

/* The same for a key of type BERTH_CONFIG_NODES: one more node. */
BERTH_MUST_CHECK int berth_config_set_node(const struct berth_config_key *key, void *target,
                                           const char *hostname, const char *value,
                                           struct berth_error *err);

/* Writes every default of the section that target's zeroed memory does not stand for. */
BERTH_MUST_CHECK int berth_config_set_defaults(const struct berth_config_section *section,
                                               void *target, struct berth_error *err);

/* True if both have the same value. */
bool berth_config_is_equal(const struct berth_config_key *key, const void *a, const void *b);

/* Gives target the value that source has. */
BERTH_MUST_CHECK int berth_config_copy(const struct berth_config_key *key, void *target,
                                       const void *source, struct berth_error *err);

/* Frees what the keys of the section put into target. */
void berth_config_release(const struct berth_config_section *section, void *target);

/* "ADDRESS:PORT", "unix:/PATH", or nothing: none. */
BERTH_MUST_CHECK int berth_config_check_listener(const char *value, struct berth_error *err);
/* "ADDRESS:PORT". */
BERTH_MUST_CHECK int berth_config_check_tls_listener(const char *value, struct berth_error *err);
/* "https://HOST" or "http://HOST:PORT", as a browser writes it. */
BERTH_MUST_CHECK int berth_config_check_origin(const char *value, struct berth_error *err);
/* What berth_proxy_parse takes. */
BERTH_MUST_CHECK int berth_config_check_proxy(const char *value, struct berth_error *err);
/* The name of a backend. */
BERTH_MUST_CHECK int berth_config_check_backend(const char *value, struct berth_error *err);
/* "unix:///PATH" or "tcp://...": the rest is for the backend to judge. */
BERTH_MUST_CHECK int berth_config_check_engine(const char *value, struct berth_error *err);
BERTH_MUST_CHECK int berth_config_check_node(const char *value, struct berth_error *err);
/* "UID" or "UID:GID". */
BERTH_MUST_CHECK int berth_config_check_uid(const char *value, struct berth_error *err);
/* An absolute path. */
BERTH_MUST_CHECK int berth_config_check_path(const char *value, struct berth_error *err);
/* What berth_words_split takes. */
BERTH_MUST_CHECK int berth_config_check_command(const char *value, struct berth_error *err);
/* What berth_rootfs_userns_parse takes. */
BERTH_MUST_CHECK int berth_config_check_userns(const char *value, struct berth_error *err);

#endif
