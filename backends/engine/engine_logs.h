/* SPDX-License-Identifier: MIT */
/*
 * The log of a container: its output as the engine kept it. The engine sends
 * stdout and stderr interleaved in frames, or, of a container with a terminal,
 * the bytes as they are (Engine API, "Attach to a container", stream format).
 *
 * Threading: stateless but for the engine; output is called in the caller's thread.
 */
#ifndef BERTH_BACKENDS_ENGINE_ENGINE_LOGS_H
#define BERTH_BACKENDS_ENGINE_ENGINE_LOGS_H

#include "backends/backend.h"
#include "backends/engine/engine.h"

/* As the verb logs. */
BERTH_MUST_CHECK int berth_engine_logs(struct berth_engine *engine, const char *id,
                                       const struct berth_logs_spec *spec,
                                       berth_logs_output *output, void *ctx,
                                       struct berth_error *err);

/* ---- For tests ---- */

/* Takes frames apart, in whatever pieces they come. */
struct berth_engine_frames {
    berth_logs_output *output;
    void *ctx;
    unsigned char head[8];
    size_t head_len;
    uint32_t left; /* bytes of the frame still to come */
    enum berth_output stream;
    bool garbled;
};

/* False: output has had enough, or that was no frame (garbled). */
bool berth_engine_frames_add(struct berth_engine_frames *frames, const char *data, size_t len);
/* Whether nothing is cut. */
bool berth_engine_frames_whole(const struct berth_engine_frames *frames);

#endif
