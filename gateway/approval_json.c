/* SPDX-License-Identifier: MIT */
#include "gateway/approval_json.h"

#include "base/clock.h"

#include <string.h>

static void add_time(struct berth_json_writer *w, const char *name, int64_t wall_ns)
{
    if (wall_ns == 0) {
        berth_json_add_null(w, name);
        return;
    }
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(64);
    berth_clock_add_rfc3339(&text, wall_ns, 0);
    berth_json_add_string(w, name, berth_strbuf_str(&text));
}

static void add_text(struct berth_json_writer *w, const char *name, const char *text)
{
    if (text)
        berth_json_add_string(w, name, text);
    else
        berth_json_add_null(w, name);
}

static void add_nodes(struct berth_json_writer *w, const struct berth_image_copies *copies)
{
    berth_json_open_array(w, "nodes");
    for (size_t i = 0; i < copies->count; i++) {
        const struct berth_image_copy *copy = &copies->items[i];
        berth_json_open_object(w, NULL);
        berth_json_add_string(w, "node", copy->node);
        berth_json_add_string(w, "state", berth_copy_state_name(copy->state));
        berth_json_add_int(w, "percent", copy->percent);
        add_text(w, "error", copy->why[0] ? copy->why : NULL);
        berth_json_close_object(w);
    }
    berth_json_close_array(w);
}

void berth_approval_json_add(struct berth_json_writer *w, const struct berth_approval *approval)
{
    berth_json_open_object(w, NULL);
    berth_json_add_int(w, "id", approval->id);
    add_text(w, "image", approval->image);
    add_text(w, "tag", approval->tag);
    add_text(w, "digest", approval->digest);
    berth_json_add_string(w, "state", berth_approval_state_name(approval->state));
    berth_json_add_int(w, "percent", approval->percent);
    add_text(w, "requested_by", approval->requested_by);
    add_time(w, "requested_at", approval->requested_ns);
    add_text(w, "decided_by", approval->decided_by);
    add_time(w, "decided_at", approval->decided_ns);
    add_text(w, "reason", approval->reason);
    add_text(w, "error", approval->error);
    if (approval->copies.count > 0)
        add_nodes(w, &approval->copies);
    berth_json_close_object(w);
}

bool berth_approval_is_visible(const struct berth_approval *approval,
                               const struct berth_caller *caller)
{
    bool is_own = approval->requested_by && strcmp(approval->requested_by, caller->user) == 0;
    return is_own || approval->state == BERTH_APPROVAL_APPROVED || berth_caller_sees_all(caller);
}
