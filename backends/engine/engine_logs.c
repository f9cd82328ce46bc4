/* SPDX-License-Identifier: MIT */
#include "backends/engine/engine_logs.h"

#include "backends/engine/engine_app.h"
#include "base/clock.h"

#include <inttypes.h>
#include <string.h>

#define PATH_MAX_BYTES 512

/* Longer than any log is followed: an app may be silent for as long as it likes. */
#define FOLLOW_GRACE_MS (INT64_C(100) * 365 * 24 * 3600 * 1000)

/* ---- Frames ---- */

/* A byte that names the stream, three that are 0, the length in network order. */
static bool begin_frame(struct berth_engine_frames *frames)
{
    const unsigned char *head = frames->head;
    frames->head_len = 0;
    if (head[0] > 2 || head[1] || head[2] || head[3]) {
        frames->garbled = true;
        return false;
    }
    frames->stream = head[0] == 2 ? BERTH_OUTPUT_STDERR : BERTH_OUTPUT_STDOUT;
    frames->left = (uint32_t)head[4] << 24 | (uint32_t)head[5] << 16 | (uint32_t)head[6] << 8 |
                   (uint32_t)head[7];
    return true;
}

bool berth_engine_frames_add(struct berth_engine_frames *frames, const char *data, size_t len)
{
    while (len > 0) {
        size_t part;
        if (frames->left == 0) {
            part = sizeof(frames->head) - frames->head_len;
            part = part < len ? part : len;
            memcpy(frames->head + frames->head_len, data, part);
            frames->head_len += part;
            if (frames->head_len == sizeof(frames->head) && !begin_frame(frames))
                return false;
        } else {
            part = frames->left < len ? frames->left : len;
            if (!frames->output(frames->ctx, frames->stream, data, part))
                return false;
            frames->left -= (uint32_t)part;
        }
        data += part;
        len -= part;
    }
    return true;
}

bool berth_engine_frames_whole(const struct berth_engine_frames *frames)
{
    return !frames->garbled && frames->head_len == 0 && frames->left == 0;
}

/* ---- The call ---- */

static bool on_framed(void *ctx, const char *data, size_t len)
{
    struct berth_engine_frames *frames = ctx;
    return berth_engine_frames_add(frames, data, len) &&
           frames->output(frames->ctx, BERTH_OUTPUT_STDOUT, NULL, 0);
}

static bool on_plain(void *ctx, const char *data, size_t len)
{
    struct berth_engine_frames *frames = ctx;
    return (len == 0 || frames->output(frames->ctx, BERTH_OUTPUT_STDOUT, data, len)) &&
           frames->output(frames->ctx, BERTH_OUTPUT_STDOUT, NULL, 0);
}

static int has_terminal(struct berth_engine *engine, const char *id, bool *ret_has,
                        struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(PATH_MAX_BYTES);
    BERTH_CLEANUP(json) cJSON *inspect = NULL;
    berth_engine_app_path(id, "/json", &path);
    int rc = berth_strbuf_check(&path, err);
    if (rc == 0)
        rc = berth_engine_get_json(engine, berth_strbuf_str(&path), &inspect, err);
    if (rc == 0)
        *ret_has = berth_json_bool(berth_json_get(inspect, "Config"), "Tty", false);
    return rc;
}

static void add_query(const struct berth_logs_spec *spec, struct berth_strbuf *path)
{
    berth_strbuf_adds(path, "?stdout=1&stderr=1");
    if (spec->follow)
        berth_strbuf_adds(path, "&follow=1");
    if (spec->timestamps)
        berth_strbuf_adds(path, "&timestamps=1");
    if (spec->tail >= 0)
        berth_strbuf_addf(path, "&tail=%" PRId64, spec->tail);
    if (spec->since_ns > 0)
        berth_strbuf_addf(path, "&since=%" PRId64 ".%09" PRId64, spec->since_ns / BERTH_NS_PER_S,
                          spec->since_ns % BERTH_NS_PER_S);
}

int berth_engine_logs(struct berth_engine *engine, const char *id,
                      const struct berth_logs_spec *spec, berth_logs_output *output, void *ctx,
                      struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(PATH_MAX_BYTES);
    struct berth_engine_frames frames = {.output = output, .ctx = ctx};
    bool is_plain = false;
    int rc = has_terminal(engine, id, &is_plain, err);
    if (rc < 0)
        return rc;
    berth_engine_app_path(id, "/logs", &path);
    add_query(spec, &path);
    rc = berth_strbuf_check(&path, err);
    if (rc < 0)
        return rc;
    const struct berth_engine_request request = {
        .method = "GET",
        .path = berth_strbuf_str(&path),
        .grace_ms = spec->follow ? FOLLOW_GRACE_MS : 0,
        .on_data = is_plain ? on_plain : on_framed,
        .ctx = &frames,
    };
    rc = berth_engine_call(engine, &request, NULL, err);
    if (frames.garbled || (rc == 0 && !berth_engine_frames_whole(&frames)))
        return berth_error_set(err, BERTH_E_UNREACHABLE,
                               "the engine broke off or garbled its answer");
    return rc;
}
