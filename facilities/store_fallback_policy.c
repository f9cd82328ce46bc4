/* SPDX-License-Identifier: MIT */
#include "facilities/store_fallback_policy.h"

#include <stddef.h>
#include <string.h>

#define LASTING "sampler:"

struct rule {
    const char *table;
    unsigned reading;
    unsigned writing;
};

static const struct rule rules[] = {
    {"user_account", BERTH_FALLBACK_RUN, BERTH_FALLBACK_REFUSE},
    {"user_grant", BERTH_FALLBACK_RUN, BERTH_FALLBACK_REFUSE},
    {"api_token", BERTH_FALLBACK_RUN, BERTH_FALLBACK_REFUSE},
    {"image_request", BERTH_FALLBACK_RUN, BERTH_FALLBACK_REFUSE},
    {"kept_answer", BERTH_FALLBACK_RUN, BERTH_FALLBACK_RUN | BERTH_FALLBACK_SPOOL},
    {"uptime_span", BERTH_FALLBACK_UNKNOWN, BERTH_FALLBACK_SPOOL},
    {"uptime_watermark", BERTH_FALLBACK_UNKNOWN, BERTH_FALLBACK_SPOOL},
    {"audit", BERTH_FALLBACK_UNKNOWN, BERTH_FALLBACK_SPOOL},
};

static const struct rule *find_rule(const char *at)
{
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        size_t len = strlen(rules[i].table);
        if (strncmp(at, rules[i].table, len) == 0 && (at[len] == ' ' || at[len] == '\0'))
            return &rules[i];
    }
    return NULL;
}

unsigned berth_fallback_policy(const char *sql)
{
    static const char *const verbs[] = {"INSERT INTO ", "UPDATE ", "DELETE FROM "};
    if (strncmp(sql, "SELECT ", 7) == 0) {
        const char *from = strstr(sql, " FROM ");
        const struct rule *rule = from ? find_rule(from + 6) : NULL;
        return rule ? rule->reading : BERTH_FALLBACK_RUN;
    }
    /* When a token was used last is no change of what it may do. */
    if (strncmp(sql, "UPDATE api_token SET used_ms ", 29) == 0)
        return BERTH_FALLBACK_RUN | BERTH_FALLBACK_SPOOL;
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        size_t len = strlen(verbs[i]);
        const struct rule *rule = strncmp(sql, verbs[i], len) == 0 ? find_rule(sql + len) : NULL;
        if (rule)
            return rule->writing;
    }
    return BERTH_FALLBACK_REFUSE;
}

bool berth_fallback_is_lasting(const char *name)
{
    return strncmp(name, LASTING, strlen(LASTING)) == 0;
}
