/* SPDX-License-Identifier: MIT */
/*
 * The answers of the MiniRun API: an envelope of success, message and data,
 * and what stands in it.
 *
 * Threading: stateless.
 */
#ifndef BERTH_GATEWAY_MINIRUN_JSON_H
#define BERTH_GATEWAY_MINIRUN_JSON_H

#include "backends/app.h"
#include "base/json.h"

/* Opens the envelope: what is added next is its member "data". */
void berth_minirun_json_open(struct berth_json_writer *w, const char *message);
void berth_minirun_json_close(struct berth_json_writer *w);

/* Adds a container's object under that name, NULL in an array. */
void berth_minirun_json_add(struct berth_json_writer *w, const char *name,
                            const struct berth_app *app);

/* Appends a duration as people read it: "1h30m45s", "30m5s", "0s". */
void berth_minirun_add_uptime(struct berth_strbuf *out, int64_t seconds);

/* Appends a word of a shell's command line, in quotes where it needs them. */
void berth_minirun_add_word(struct berth_strbuf *out, const char *word);

#endif
