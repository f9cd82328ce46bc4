/* SPDX-License-Identifier: MIT */
/*
 * watch: the state a caller may see, then its changes as they come, for as
 * long as the client listens and its caller may (docs/facility-api.md).
 *
 * A watcher is a sequence number in the facility's ring of changes
 * (facilities/changes.h). A snapshot has a number too: whoever has been sent
 * it goes on with the changes after that number, and misses none.
 */
#include "base/clock.h"
#include "gateway/approval_json.h"
#include "gateway/apps_api.h"
#include "gateway/long_answer.h"
#include "gateway/stream.h"
#include "gateway/watch_events.h"

#include <inttypes.h>
#include <string.h>

#define BATCH    64    /* changes taken at once */
#define PIECE    16384 /* bytes collected before they are sent */
#define ID_MS    1000  /* between two ids that come without an event */
#define RETRY_MS 2000  /* until the client connects again */

struct watch {
    struct berth_exchange *exchange;
    struct berth_facility *facility;
    struct berth_stream stream;
    const char *user; /* whose apps; NULL for all */
    uint64_t epoch;
    uint64_t cursor; /* changes up to it have been sent, or are not for this caller */
    uint64_t known;  /* the sequence of the id that the client has */
    int64_t id_ms;   /* monotonic; when it was sent */
    int64_t sent_ms; /* monotonic; when anything was sent */
    bool is_lost;    /* contact, and the client knows */
};

/* ---- Sending ---- */

static int flush(struct watch *watch, struct berth_error *err)
{
    if (watch->stream.out.len == 0)
        return 0;
    int r = berth_stream_flush(&watch->stream, err);
    watch->sent_ms = berth_clock_monotonic_ms();
    return r;
}

static int flush_piece(struct watch *watch, struct berth_error *err)
{
    return watch->stream.out.len < PIECE ? 0 : flush(watch, err);
}

static struct berth_watch_id id_at(struct watch *watch, uint64_t sequence)
{
    watch->known = sequence;
    watch->id_ms = berth_clock_monotonic_ms();
    return (struct berth_watch_id){watch->epoch, sequence};
}

/* ---- The whole state ---- */

struct state {
    struct watch *watch;
    struct berth_error *err;
    struct berth_strbuf requests;
    int64_t now_ns;
    size_t apps;
    int result;
};

static bool send_app(const struct berth_app *app, void *ctx)
{
    struct state *state = ctx;
    state->apps++;
    berth_watch_add_app(&state->watch->stream.out, NULL, "present", app, false, state->now_ns);
    state->result = flush_piece(state->watch, state->err);
    return state->result == 0;
}

static int add_request(const struct berth_approval *approval, void *ctx,
                       struct berth_error *err __attribute__((unused)))
{
    struct state *state = ctx;
    if (berth_approval_is_visible(approval, &state->watch->exchange->caller))
        berth_watch_add_request(&state->requests, NULL, approval);
    return 0;
}

/* In the store's transaction, so nothing is sent meanwhile. */
static int collect_requests(struct state *state, struct berth_error *err)
{
    struct watch *watch = state->watch;
    if (watch->exchange->caller.role < BERTH_ROLE_RESEARCHER)
        return 0;
    int r = berth_approvals_list(watch->facility->approvals, NULL, add_request, state, err);
    return r < 0 ? r : berth_strbuf_check(&state->requests, err);
}

/*
 * end: what had been told before the snapshot was taken. It holds every app's
 * change up to end, and up to its own number, whichever is later; requests are
 * read after that, so that they do too.
 */
static int send_snapshot(struct watch *watch, struct berth_snapshot *snapshot, uint64_t end,
                         const char *reason, struct berth_error *err)
{
    uint64_t sequence = snapshot->sequence > end ? snapshot->sequence : end;
    struct state state = {.watch = watch, .err = err, .now_ns = berth_clock_wall_ns()};
    struct berth_strbuf *out = &watch->stream.out;
    berth_strbuf_init(&state.requests, out->cap);
    int r = berth_changes_await(watch->facility->changes, sequence, err);
    if (r == 0)
        r = collect_requests(&state, err);
    if (r == 0) {
        berth_watch_add_reason(out, NULL, "reset", reason);
        berth_snapshot_walk(snapshot, watch->user, send_app, &state);
        r = state.result;
    }
    if (r == 0) {
        struct berth_watch_id id = id_at(watch, sequence);
        berth_strbuf_add(out, berth_strbuf_str(&state.requests), state.requests.len);
        berth_watch_add_ready(out, &id, state.apps);
        watch->cursor = sequence;
        watch->is_lost = false;
        r = flush(watch, err);
    }
    berth_strbuf_release(&state.requests);
    return r;
}

static int send_lost(struct watch *watch, const struct berth_watch_id *id, const char *reason,
                     struct berth_error *err)
{
    if (watch->is_lost)
        return 0;
    watch->is_lost = true;
    berth_watch_add_reason(&watch->stream.out, id, "lost", reason);
    return flush(watch, err);
}

/* While contact is lost there is no state: it comes with the change that tells of contact. */
static int send_state(struct watch *watch, const char *reason, struct berth_error *err)
{
    BERTH_CLEANUP(snapshot) struct berth_snapshot *snapshot = NULL;
    struct berth_error why = BERTH_ERROR_INIT;
    uint64_t end = berth_changes_end(watch->facility->changes);
    int r = berth_mirror_snapshot(watch->facility->mirror, false, &snapshot, &why);
    if (r == 0)
        return send_snapshot(watch, snapshot, end, reason, err);
    if (r != BERTH_E_UNREACHABLE)
        return berth_error_set(err, why.status, "%s", why.message);
    watch->cursor = end;
    return send_lost(watch, NULL, why.message, err);
}

/* ---- Changes ---- */

static bool is_visible(const struct watch *watch, const struct berth_app *app)
{
    return app && (!watch->user || strcmp(app->user, watch->user) == 0);
}

/* As this caller sees it: an app that comes into its view is created, one that leaves is removed.
 */
static void add_app_change(struct watch *watch, const struct berth_change *change)
{
    bool was_there = is_visible(watch, change->before);
    bool is_there = is_visible(watch, change->after);
    if (!was_there && !is_there)
        return;
    struct berth_watch_id id = id_at(watch, change->sequence);
    const char *word = !was_there ? "created" : is_there ? "changed" : "removed";
    berth_watch_add_app(&watch->stream.out, &id, word, is_there ? change->after : change->before,
                        !is_there, berth_clock_wall_ns());
}

static void add_request_change(struct watch *watch, const struct berth_change *change)
{
    const struct berth_caller *caller = &watch->exchange->caller;
    if (caller->role < BERTH_ROLE_RESEARCHER ||
        (!change->was_approved && !berth_approval_is_visible(&change->request, caller)))
        return;
    struct berth_watch_id id = id_at(watch, change->sequence);
    berth_watch_add_request(&watch->stream.out, &id, &change->request);
}

static void add_upload_change(struct watch *watch, const struct berth_change *change)
{
    if (!is_visible(watch, change->after))
        return;
    struct berth_watch_id id = id_at(watch, change->sequence);
    berth_watch_add_upload(&watch->stream.out, &id, change->after, &change->upload);
}

static int send_change(struct watch *watch, const struct berth_change *change,
                       struct berth_error *err)
{
    struct berth_watch_id id;
    switch (change->kind) {
    case BERTH_CHANGE_APP:
        add_app_change(watch, change);
        break;
    case BERTH_CHANGE_REQUEST:
        add_request_change(watch, change);
        break;
    case BERTH_CHANGE_UPLOAD:
        add_upload_change(watch, change);
        break;
    case BERTH_CHANGE_LOST:
        id = id_at(watch, change->sequence);
        return send_lost(watch, &id, change->reason, err);
    case BERTH_CHANGE_LISTED:
        return send_state(watch, change->reason, err);
    }
    return flush_piece(watch, err);
}

/* All there is up to that number. What a snapshot has shown meanwhile is left out. */
static int send_changes(struct watch *watch, struct berth_change *const *changes, size_t count,
                        uint64_t up_to, struct berth_error *err)
{
    int r = 0;
    for (size_t i = 0; i < count && r == 0; i++) {
        if (changes[i]->sequence <= watch->cursor)
            continue;
        watch->cursor = changes[i]->sequence;
        r = send_change(watch, changes[i], err);
    }
    if (r == 0 && watch->cursor < up_to)
        watch->cursor = up_to;
    return r;
}

/* What others do moves the id too, now and then; and the connection is never silent for long. */
static void add_signs_of_life(struct watch *watch)
{
    int64_t now_ms = berth_clock_monotonic_ms();
    struct berth_strbuf *out = &watch->stream.out;
    if (watch->known != watch->cursor && now_ms - watch->id_ms >= ID_MS) {
        struct berth_watch_id id = id_at(watch, watch->cursor);
        berth_watch_add_id(out, &id);
    }
    if (out->len == 0 && now_ms - watch->sent_ms >= BERTH_WATCH_HEARTBEAT_MS)
        berth_watch_add_heartbeat(out);
}

static int step(struct watch *watch, struct berth_error *err)
{
    struct berth_change *changes[BATCH];
    size_t count = 0;
    uint64_t up_to = watch->cursor;
    int r = berth_changes_read(watch->facility->changes, &up_to, changes, BATCH,
                               berth_clock_monotonic_ms() + BERTH_STREAM_TICK_MS, &count, err);
    if (r < 0)
        return r;
    berth_mirror_touch(watch->facility->mirror);
    r = berth_long_answer_confirm(watch->exchange, err);
    if (r == 0 && berth_stream_is_gone(&watch->stream))
        r = berth_error_set(err, BERTH_E_IO, "the client is gone");
    if (r == 0)
        r = send_changes(watch, changes, count, up_to, err);
    for (size_t i = 0; i < count; i++)
        berth_change_unref(changes[i]);
    if (r == 0) {
        add_signs_of_life(watch);
        r = flush(watch, err);
    }
    return r;
}

/* ---- One watcher ---- */

/* Where the client wants to go on, if that can be; NULL, or why not. */
static const char *find_place(struct watch *watch)
{
    const char *text = berth_exchange_request_header(watch->exchange, "Last-Event-ID");
    struct berth_watch_id id;
    if (!text || !*text)
        text = berth_params_get(&watch->exchange->params, "last_event_id");
    if (!text || !*text)
        return "this is the beginning";
    if (!berth_watch_id_parse(text, &id))
        return "the last event id is not one of this endpoint";
    if (id.epoch != watch->epoch)
        return "the last event id is from another time or for another view";
    if (!berth_changes_hold(watch->facility->changes, id.sequence))
        return "the last event id is too old";
    watch->cursor = id.sequence;
    watch->known = id.sequence;
    return NULL;
}

static int run(struct watch *watch, struct berth_error *err)
{
    const char *reason = find_place(watch);
    berth_strbuf_addf(&watch->stream.out, "retry: %d\n\n", RETRY_MS);
    int r = flush(watch, err);
    if (r == 0 && reason)
        r = send_state(watch, reason, err);
    while (r == 0)
        r = step(watch, err);
    return r;
}

static int watch_until_the_end(struct berth_exchange *exchange, struct berth_error *err)
{
    struct watch watch = {.exchange = exchange, .facility = exchange->facility};
    watch.user = berth_caller_sees_all(&exchange->caller) ? NULL : exchange->caller.user;
    watch.epoch = berth_watch_epoch(berth_mirror_epoch(watch.facility->mirror), &exchange->caller);
    berth_stream_begin(&watch.stream, exchange);
    int r = run(&watch, err);
    if (r < 0 && r != BERTH_E_IO) {
        BERTH_CLEANUP(strbuf) struct berth_strbuf bye = BERTH_STRBUF_INIT(PIECE);
        berth_watch_add_reason(&bye, NULL, "bye", err->message);
        berth_stream_end(&watch.stream, &bye);
    }
    berth_stream_release(&watch.stream);
    return r == BERTH_E_IO ? 0 : r; /* clients come and go */
}

int berth_apps_watch(struct berth_exchange *exchange, struct berth_error *err)
{
    bool is_head = exchange->method == BERTH_HEAD;
    int r = is_head ? 0 : berth_long_answer_join(exchange, err);
    if (r < 0)
        return r;
    exchange->content_type = BERTH_TYPE_EVENTS;
    berth_exchange_header(exchange, "X-Accel-Buffering", "no"); /* a proxy's, which would wait */
    if (is_head) {
        exchange->has_no_end = true;
        exchange->must_close = true;
        return 0;
    }
    r = watch_until_the_end(exchange, err);
    berth_long_answer_leave(exchange);
    return r;
}
