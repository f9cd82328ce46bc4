/* SPDX-License-Identifier: MIT */
/*
 * What a watcher is sent, as server-sent events (the WHATWG's HTML standard,
 * section 9.2): docs/facility-api.md has the list. What fails is noted in the
 * buffer.
 *
 * Threading: stateless.
 */
#ifndef BERTH_GATEWAY_WATCH_EVENTS_H
#define BERTH_GATEWAY_WATCH_EVENTS_H

#include "facilities/changes.h"

/*
 * "EPOCH:SEQUENCE": where a watcher stands. The epoch is the mirror's, made
 * another for each view, so that nobody resumes in a view that has missed what
 * the other one showed.
 */
struct berth_watch_id {
    uint64_t epoch;
    uint64_t sequence;
};

/* The id of what that caller sees. */
uint64_t berth_watch_epoch(uint64_t mirror_epoch, const struct berth_caller *caller);

/* False for what is no id. */
bool berth_watch_id_parse(const char *text, struct berth_watch_id *ret_id);

/* Below, a NULL id leaves the watcher's where it is. */

/* The id alone, which is no event. */
void berth_watch_add_id(struct berth_strbuf *out, const struct berth_watch_id *id);

/* change: "present", "created", "changed" or "removed"; is_gone: app is what is no more. */
void berth_watch_add_app(struct berth_strbuf *out, const struct berth_watch_id *id,
                         const char *change, const struct berth_app *app, bool is_gone,
                         int64_t now_ns);
void berth_watch_add_request(struct berth_strbuf *out, const struct berth_watch_id *id,
                             const struct berth_approval *request);
/* An upload to the app. */
void berth_watch_add_upload(struct berth_strbuf *out, const struct berth_watch_id *id,
                            const struct berth_app *app, const struct berth_upload_news *news);
/* An event that has nothing but a reason. */
void berth_watch_add_reason(struct berth_strbuf *out, const struct berth_watch_id *id,
                            const char *event, const char *reason);
void berth_watch_add_ready(struct berth_strbuf *out, const struct berth_watch_id *id, size_t apps);

/* A comment, which keeps the connection known to all on its way. */
void berth_watch_add_heartbeat(struct berth_strbuf *out);

#endif
