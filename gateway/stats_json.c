/* SPDX-License-Identifier: MIT */
#include "gateway/stats_json.h"

#include "gateway/docker_text.h"

#include <inttypes.h>

#define DECIMAL_DIGITS 3

typedef void add_size(struct berth_strbuf *out, double bytes);

static void add_decimal_size(struct berth_strbuf *out, double bytes)
{
    berth_docker_add_size(out, bytes, DECIMAL_DIGITS);
}

static void add_pair(struct berth_strbuf *out, add_size *add, double first, double second)
{
    add(out, first);
    berth_strbuf_adds(out, " / ");
    add(out, second);
}

/* Adds what was gathered, or dashes where the engine was silent. */
static void add_sample(struct berth_json_writer *w, const char *name, struct berth_strbuf *text,
                       const char *dashes)
{
    if (dashes) {
        berth_strbuf_clear(text);
        berth_strbuf_adds(text, dashes);
    }
    berth_docker_add_member(w, name, text);
}

void berth_stats_json_add(struct berth_json_writer *w, const struct berth_app_stats *stats)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(w->out->cap);
    const char *dashes = stats->silent ? "--" : NULL;

    berth_json_open_object(w, NULL);
    add_pair(&text, add_decimal_size, stats->block_read_bytes, stats->block_write_bytes);
    add_sample(w, "BlockIO", &text, dashes);
    berth_strbuf_addf(&text, "%.2f%%", stats->cpu_percent);
    add_sample(w, "CPUPerc", &text, dashes);
    berth_docker_add_short_id(&text, stats->id);
    berth_docker_add_member(w, "Container", &text);
    berth_docker_add_short_id(&text, stats->id);
    berth_docker_add_member(w, "ID", &text);
    berth_strbuf_addf(&text, "%.2f%%", stats->memory_percent);
    add_sample(w, "MemPerc", &text, dashes);
    add_pair(&text, berth_docker_add_binary_size, stats->memory_bytes, stats->memory_limit_bytes);
    add_sample(w, "MemUsage", &text, stats->silent ? "-- / --" : NULL);
    berth_json_add_string(w, "Name", stats->name[0] ? stats->name : "--");
    add_pair(&text, add_decimal_size, stats->network_rx_bytes, stats->network_tx_bytes);
    add_sample(w, "NetIO", &text, dashes);
    berth_strbuf_addf(&text, "%" PRIu64, stats->pids);
    add_sample(w, "PIDs", &text, dashes);
    berth_json_close_object(w);
}
