/* SPDX-License-Identifier: MIT */
/*
 * How the files of the policy walk through a compose file: a table of rules a
 * map, a function a kind of value.
 *
 * Threading: a walk belongs to its caller.
 */
#ifndef BERTH_BACKENDS_COMPOSE_COMPOSE_POLICY_INTERNAL_H
#define BERTH_BACKENDS_COMPOSE_COMPOSE_POLICY_INTERNAL_H

#include "backends/compose/compose_policy.h"

#define BERTH_POLICY_PATH_MAX 320
#define BERTH_POLICY_KEY_MAX  64 /* of a key in it */

/* What of the mount a service sees, or a secret or configuration is read from. */
struct berth_policy_bind {
    char *source; /* relative to the mount, "" for itself; normal: no ".", no "//" */
    char *where;  /* in the file */
    bool is_writable;
    struct berth_policy_bind *next;
};

struct berth_policy_walk {
    const struct berth_compose_policy *policy;
    const cJSON *file;
    struct berth_strbuf path; /* of what is looked at: "services.web.ports[0]" */
    const char *entry;        /* what it is called: the key of the map_of around it */
    struct berth_policy_bind *binds;
    int64_t containers;
    int64_t replicas; /* of the service that is looked at */
    int64_t gpus;     /* asked for so far; all of them are INT32_MAX */
    struct berth_error *err;
};

struct berth_policy_rule;
typedef int berth_policy_check(struct berth_policy_walk *w, const cJSON *value,
                               const struct berth_policy_rule *rule);

struct berth_policy_rule {
    const char *key; /* NULL at the end of a table */
    berth_policy_check *check;
    const void *of; /* a table of rules, a list of words, as check wants it */
    int64_t min, max;
};

/* "PATH: why", which is BERTH_E_INVALID. */
int berth_policy_refuse(struct berth_policy_walk *w, const char *format, ...) BERTH_PRINTF(2, 3);

/* The path is longer by a key or an index until leave; enter gives what leave wants. */
size_t berth_policy_enter(struct berth_policy_walk *w, const char *key);
size_t berth_policy_enter_item(struct berth_policy_walk *w, size_t index);
void berth_policy_leave(struct berth_policy_walk *w, size_t before);

/* ---- Kinds of values; null stands for none, but in pairs ---- */

/* of: struct berth_policy_rule[]. What is not in the table is refused, but for x-…. */
berth_policy_check berth_policy_map;
/* of: struct berth_policy_rule, of every value whatever its key. */
berth_policy_check berth_policy_map_of;
/* of: struct berth_policy_rule, of every item. */
berth_policy_check berth_policy_list_of;
berth_policy_check berth_policy_scalar;  /* a text, number, or truth value */
berth_policy_check berth_policy_text;    /* a text */
berth_policy_check berth_policy_texts;   /* a scalar, or a list of them */
berth_policy_check berth_policy_flag;    /* a truth value */
berth_policy_check berth_policy_whole;   /* a number from min to max */
berth_policy_check berth_policy_word;    /* of: const char *const[], NULL at the end */
berth_policy_check berth_policy_pairs;   /* a map of scalars, or a list of NAME=VALUE */
berth_policy_check berth_policy_labels;  /* the same, of labels that are not berth's */
berth_policy_check berth_policy_empty;   /* a map that is empty */
berth_policy_check berth_policy_seconds; /* a duration of min seconds at least */

/* ---- compose_policy_service.c ---- */

berth_policy_check berth_policy_service;
/* How many containers it is, as far as it says so in numbers that are allowed. */
int64_t berth_policy_replicas(const cJSON *service);

/* ---- compose_policy_mounts.c ---- */

berth_policy_check berth_policy_volumes;
berth_policy_check berth_policy_env_file;
/* The file of a secret or a configuration. */
berth_policy_check berth_policy_file;
/* Whether what one container can change leads elsewhere for another. */
int berth_policy_check_binds(struct berth_policy_walk *w);
void berth_policy_release_binds(struct berth_policy_walk *w);

#endif
