/* SPDX-License-Identifier: MIT */
/*
 * What an engine tells while it pulls (POST /images/create): a stream of JSON
 * objects, one a line. It is turned into a percentage over the layers, the
 * digest, and the error that may come after a status of 200.
 *
 * Threading: one owner at a time.
 */
#ifndef BERTH_BACKENDS_ENGINE_ENGINE_PULL_H
#define BERTH_BACKENDS_ENGINE_ENGINE_PULL_H

#include "base/limits.h"
#include "base/strbuf.h"

/* Layers beyond this many do not count in the percentage. Docker's own bound is 127. */
#define BERTH_PULL_LAYERS_MAX 256

struct berth_pull_layer {
    char id[16];
    double size; /* bytes; 0 while unknown */
    double done; /* fraction, 0 to 1 */
};

struct berth_pull {
    struct berth_strbuf line; /* the part of a line that has come so far */
    struct berth_pull_layer layers[BERTH_PULL_LAYERS_MAX];
    size_t layer_count;
    int percent;                       /* 0 to 100, never falls */
    char digest[BERTH_DIGEST_MAX + 1]; /* "" until told */
    bool failed;
    struct berth_error error; /* when failed */
};

#define BERTH_PULL_INIT                                                                            \
    {                                                                                              \
        .line = BERTH_STRBUF_INIT(BERTH_ENGINE_EVENT_MAX)                                          \
    }

void berth_pull_release(struct berth_pull *pull);
BERTH_DEFINE_CLEANUP_VALUE(pull, struct berth_pull, berth_pull_release)

/* Takes in a piece of the stream. */
void berth_pull_feed(struct berth_pull *pull, const char *data, size_t len);

/* At the end of the stream: 0, or what the engine reported, or BERTH_E_UNREACHABLE when it broke
 * off. */
BERTH_MUST_CHECK int berth_pull_finish(struct berth_pull *pull, struct berth_error *err);

#endif
