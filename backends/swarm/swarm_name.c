/* SPDX-License-Identifier: MIT */
#include "backends/swarm/swarm_name.h"

#include "base/encoding.h"
#include "base/strbuf.h"
#include "base/text.h"

#include <string.h>

#define DIGITS       12
#define READABLE_MAX (BERTH_SWARM_NAME_MAX - 1 - DIGITS)

bool berth_swarm_name_is_plain(const char *app)
{
    size_t len = strlen(app);
    if (len == 0 || len > BERTH_SWARM_NAME_MAX || !berth_is_alnum(app[0]) ||
        !berth_is_alnum(app[len - 1]))
        return false;
    for (size_t i = 0; i < len; i++)
        if (!berth_is_alnum(app[i]) && app[i] != '-' && app[i] != '_')
            return false;
    return true;
}

/* What can be kept of the name: other bytes become '-', and the ends are letters or digits. */
static size_t readable(const char *app, char *out)
{
    size_t len = 0;
    for (; *app && len < READABLE_MAX; app++) {
        bool kept = berth_is_alnum(*app) || *app == '-' || *app == '_';
        if (len > 0 || berth_is_alnum(*app))
            out[len++] = kept ? *app : '-';
    }
    while (len > 0 && !berth_is_alnum(out[len - 1]))
        len--;
    return len;
}

int berth_swarm_name_coded(const char *facility, const char *app,
                           char ret_name[static BERTH_SWARM_NAME_MAX + 1], struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(1024);
    BERTH_CLEANUP(strbuf) struct berth_strbuf hex = BERTH_STRBUF_INIT(128);
    unsigned char hash[BERTH_SHA256_BYTES];
    berth_strbuf_addf(&text, "%s/%s", facility, app); /* no facility's id holds a slash */
    int status = berth_strbuf_check(&text, err);
    if (status == 0)
        status = berth_sha256(berth_strbuf_str(&text), text.len, hash, err);
    if (status < 0)
        return status;
    berth_hex_encode(hash, sizeof(hash), &hex);
    status = berth_strbuf_check(&hex, err);
    if (status < 0)
        return status;
    char name[READABLE_MAX + 1];
    size_t len = readable(app, name);
    (void)snprintf(ret_name, BERTH_SWARM_NAME_MAX + 1, "%.*s%s%.*s", (int)len, name,
                   len > 0 ? "-" : "", DIGITS, berth_strbuf_str(&hex));
    return 0;
}
