/* SPDX-License-Identifier: MIT */
#include "gateway/watch_events.h"

#include "base/text.h"
#include "facilities/containers.h"
#include "gateway/app_json.h"
#include "gateway/approval_json.h"
#include "gateway/docker_text.h"

#include <inttypes.h>
#include <string.h>

#define EPOCH_DIGITS 16 /* hexadecimal */

/* ---- Ids ---- */

uint64_t berth_watch_epoch(uint64_t mirror_epoch, const struct berth_caller *caller)
{
    bool sees_all = berth_caller_sees_all(caller);
    char view[BERTH_USER_MAX + 8];
    (void)snprintf(view, sizeof(view), "%c%s", caller->role >= BERTH_ROLE_RESEARCHER ? 'r' : 'v',
                   sees_all ? ":" : caller->user);  /* no name has a colon */
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
    for (const char *c = view; *c; c++)
        hash = (hash ^ (unsigned char)*c) * UINT64_C(1099511628211);
    return mirror_epoch ^ hash;
}

bool berth_watch_id_parse(const char *text, struct berth_watch_id *ret_id)
{
    static const char digits[] = "0123456789abcdef";
    struct berth_watch_id id = {0};
    int64_t sequence = 0;
    if (strspn(text, digits) != EPOCH_DIGITS || text[EPOCH_DIGITS] != ':')
        return false;
    for (size_t i = 0; i < EPOCH_DIGITS; i++)
        id.epoch = id.epoch << 4 | (uint64_t)(strchr(digits, text[i]) - digits);
    const char *number = text + EPOCH_DIGITS + 1;
    if (berth_text_parse_int(number, 0, INT64_MAX, &sequence, NULL) < 0)
        return false;
    id.sequence = (uint64_t)sequence;
    *ret_id = id;
    return true;
}

void berth_watch_add_id(struct berth_strbuf *out, const struct berth_watch_id *id)
{
    berth_strbuf_addf(out, "id: %016" PRIx64 ":%" PRIu64 "\n\n", id->epoch, id->sequence);
}

/* ---- Events ---- */

/* Up to its data, which JSON keeps on one line. */
static void open_event(struct berth_strbuf *out, const char *name)
{
    berth_strbuf_adds(out, "event: ");
    berth_strbuf_adds(out, name);
    berth_strbuf_adds(out, "\ndata: ");
}

static void close_event(struct berth_strbuf *out, const struct berth_watch_id *id)
{
    berth_strbuf_addc(out, '\n');
    if (id)
        berth_watch_add_id(out, id);
    else
        berth_strbuf_addc(out, '\n');
}

void berth_watch_add_app(struct berth_strbuf *out, const struct berth_watch_id *id,
                         const char *change, const struct berth_app *app, bool is_gone,
                         int64_t now_ns)
{
    struct berth_json_writer w = BERTH_JSON_WRITER(out);
    BERTH_CLEANUP(strbuf) struct berth_strbuf short_id = BERTH_STRBUF_INIT(out->cap);
    int64_t valid_until_ns = INT64_MAX;
    berth_docker_add_short_id(&short_id, app->id);
    open_event(out, "app");
    berth_json_open_object(&w, NULL);
    berth_json_add_string(&w, "change", change);
    berth_json_add_string(&w, "id", berth_strbuf_str(&short_id));
    berth_json_add_string(&w, "name", app->name);
    berth_json_add_string(&w, "user", app->user);
    if (is_gone) {
        berth_json_add_null(&w, "app");
    } else {
        berth_strbuf_adds(out, ",\"app\":");
        w.need_comma = false;
        berth_app_json_add(&w, app, now_ns, &valid_until_ns);
    }
    berth_json_close_object(&w);
    close_event(out, id);
}

void berth_watch_add_request(struct berth_strbuf *out, const struct berth_watch_id *id,
                             const struct berth_approval *request)
{
    struct berth_json_writer w = BERTH_JSON_WRITER(out);
    open_event(out, "image");
    berth_approval_json_add(&w, request);
    close_event(out, id);
}

void berth_watch_add_upload(struct berth_strbuf *out, const struct berth_watch_id *id,
                            const struct berth_app *app, const struct berth_upload_news *news)
{
    static const char *const phases[] = {
        [BERTH_UPLOAD_RECEIVING] = "receiving",
        [BERTH_UPLOAD_UNPACKING] = "unpacking",
        [BERTH_UPLOAD_DONE] = "done",
        [BERTH_UPLOAD_FAILED] = "failed",
    };
    struct berth_json_writer w = BERTH_JSON_WRITER(out);
    const char *cuid = berth_containers_cuid(app);
    open_event(out, "upload");
    berth_json_open_object(&w, NULL);
    berth_json_add_string(&w, "request_id", news->request_id);
    berth_json_add_string(&w, "cuid", cuid ? cuid : "");
    berth_json_add_string(&w, "name", app->name);
    berth_json_add_string(&w, "user", app->user);
    berth_json_add_string(&w, "phase", phases[news->phase]);
    berth_json_add_int(&w, "received_bytes", news->received_bytes);
    berth_json_add_int(&w, "archive_bytes", news->archive_bytes);
    berth_json_add_int(&w, "files", news->tally.files);
    berth_json_add_int(&w, "unpacked_bytes", news->tally.bytes);
    berth_json_close_object(&w);
    close_event(out, id);
}

void berth_watch_add_reason(struct berth_strbuf *out, const struct berth_watch_id *id,
                            const char *event, const char *reason)
{
    struct berth_json_writer w = BERTH_JSON_WRITER(out);
    open_event(out, event);
    berth_json_open_object(&w, NULL);
    berth_json_add_string(&w, "reason", reason);
    berth_json_close_object(&w);
    close_event(out, id);
}

void berth_watch_add_ready(struct berth_strbuf *out, const struct berth_watch_id *id, size_t apps)
{
    struct berth_json_writer w = BERTH_JSON_WRITER(out);
    open_event(out, "ready");
    berth_json_open_object(&w, NULL);
    berth_json_add_int(&w, "apps", (int64_t)apps);
    berth_json_close_object(&w);
    close_event(out, id);
}

void berth_watch_add_heartbeat(struct berth_strbuf *out)
{
    berth_strbuf_adds(out, ":\n\n");
}
