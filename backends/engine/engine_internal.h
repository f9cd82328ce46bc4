/* SPDX-License-Identifier: MIT */
/*
 * The engine client's own state. Included by engine*.c of this folder that
 * implement engine.h, and nowhere else.
 *
 * Threading: all fields but those under the lock are fixed after open.
 */
#ifndef BERTH_BACKENDS_ENGINE_ENGINE_INTERNAL_H
#define BERTH_BACKENDS_ENGINE_ENGINE_INTERNAL_H

#include "backends/engine/engine.h"
#include "base/thread.h"

/* Where an engine is, as curl wants it. All malloc'ed; NULL where it does not apply. */
struct berth_endpoint {
    char *base_url; /* "http://localhost", "https://host:2376" */
    char *socket_path;
    char *tls_ca;
    char *tls_cert;
    char *tls_key;
    struct berth_credential_store *credentials; /* borrowed */
    struct curl_slist *connect_to;              /* where the host of base_url really is */
};

/* BERTH_E_INVALID names what is wrong. */
BERTH_MUST_CHECK int berth_endpoint_init(struct berth_endpoint *endpoint,
                                         const struct berth_engine_config *config,
                                         struct berth_error *err);
void berth_endpoint_release(struct berth_endpoint *endpoint);

/* One kept connection: a curl handle that is driven by a multi handle of its own, since only
 * that can be waited for to the millisecond. */
struct berth_engine_link {
    CURLM *multi;
    CURL *easy;
    struct curl_slist *headers; /* of requests with a body */
    struct berth_engine_link *next;
};

struct berth_engine {
    char *facility;
    struct berth_endpoint endpoint;
    int64_t request_timeout_ms;
    pthread_mutex_t lock;
    int api_minor;                  /* lock; 0: not known yet */
    bool version_stale;             /* lock; ask again before the next call */
    struct berth_engine_link *idle; /* lock; the most recently used first */
    unsigned idle_count;            /* lock */
    unsigned idle_max;
};

/* BERTH_E_UNREACHABLE: something answers there, but no Docker engine. */
int berth_engine_stranger(const struct berth_engine *engine, struct berth_error *err);

void berth_engine_link_free(struct berth_engine_link *link);
BERTH_DEFINE_CLEANUP(engine_link, struct berth_engine_link *, berth_engine_link_free)

#endif
