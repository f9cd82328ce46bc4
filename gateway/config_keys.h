/* SPDX-License-Identifier: MIT */
/*
 * Every key of the configuration file: its type, bounds and default, in one
 * table per section. Reading, checking and docs/configuration.md go by it.
 *
 * Threading: const.
 */
#ifndef BERTH_GATEWAY_CONFIG_KEYS_H
#define BERTH_GATEWAY_CONFIG_KEYS_H

#include "gateway/config.h"

enum berth_config_type {
    BERTH_CONFIG_STRING,  /* char *; min and max bound the length */
    BERTH_CONFIG_STRINGS, /* struct berth_texts; the key may be repeated */
    BERTH_CONFIG_INT,     /* int64_t */
    BERTH_CONFIG_SECONDS, /* int64_t milliseconds, written in whole seconds */
    BERTH_CONFIG_SIZE,    /* int64_t bytes, written as 512, 64k, 10m or 2g; 0 where min is 0 */
    BERTH_CONFIG_CPUS,    /* int64_t CPUs × 10^9, written as 1.5 */
    BERTH_CONFIG_BOOL,    /* bool */
    BERTH_CONFIG_WORD,    /* int: the index of the word in `words` */
    BERTH_CONFIG_NODES, /* struct berth_node_endpoints; HOSTNAME in the key's name stands for any */
};

/* When a change of the key takes effect. */
enum berth_config_effect {
    BERTH_CONFIG_RELOAD,  /* with a reload */
    BERTH_CONFIG_REOPEN,  /* with a reload, which opens the facility anew */
    BERTH_CONFIG_RESTART, /* with a start of the gateway */
};

struct berth_config_key {
    const char *name;
    enum berth_config_type type;
    size_t offset; /* in struct berth_config, or in struct berth_facility_config */
    int64_t min;
    int64_t max;
    const char *otherwise;    /* the default, as it would be written; NULL: none */
    const char *const *words; /* NULL-terminated */
    /* What texts are taken, where not any; the message is as of berth_config_set. NULL: none. */
    int (*check)(const char *value, struct berth_error *err);
    enum berth_config_effect effect;
};

struct berth_config_section {
    const char *name; /* "gateway"; "facility" is written [facility ID] */
    const struct berth_config_key *keys;
    size_t count;
};

extern const struct berth_config_section berth_config_sections[];
extern const size_t berth_config_section_count;

const struct berth_config_section *berth_config_find_section(const char *name, size_t len);
const struct berth_config_key *berth_config_find_key(const struct berth_config_section *section,
                                                     const char *name);

#endif
