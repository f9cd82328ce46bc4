/* SPDX-License-Identifier: MIT */
#include "gateway/agent.h"

#include "backends/engine/engine.h"
#include "base/log.h"
#include "base/thread.h"
#include "gateway/agent_http.h"
#include "gateway/notify.h"
#include "gateway/version.h"

#include <signal.h>

/* The gateway waits no longer for a node. */
#define ENGINE_SILENCE_MS 5000

static void announce(const struct berth_agent_options *options,
                     struct berth_credential_store *store, struct berth_engine *engine)
{
    BERTH_CLEANUP(credentials)
    struct berth_credentials *credentials = berth_credential_store_take(store);
    const struct berth_subject *subject = &credentials->subject;
    struct berth_error why = BERTH_ERROR_INIT;
    int minor = 0;
    berth_log(BERTH_LOG_INFO, "berth agent %s listens on %s as %s (%s)", BERTH_VERSION,
              options->listen, subject->name, subject->unit[0] ? subject->unit : "no unit");
    if (!berth_subject_is_node(subject))
        berth_log(BERTH_LOG_INFO,
                  "the certificate is none of a swarm's node: every client certificate of that "
                  "authority is let in");
    if (berth_engine_ping(engine, &minor, &why) < 0)
        berth_log_error(BERTH_LOG_WARNING, &why, "the engine does not answer yet");
}

static void reload(struct berth_credential_store *store)
{
    berth_notify_reloading();
    berth_credentials_unref(berth_credential_store_take(store));
    berth_notify("READY=1");
}

static void serve(struct berth_credential_store *store, const sigset_t *signals)
{
    berth_notify("READY=1\nSTATUS=serving");
    for (;;) {
        int number = 0;
        if (sigwait(signals, &number) != 0)
            continue;
        if (number != SIGHUP)
            break;
        reload(store);
    }
    berth_log(BERTH_LOG_INFO, "stopping");
    berth_notify("STOPPING=1\nSTATUS=waiting for requests under way");
}

int berth_agent_run(const struct berth_agent_options *options, struct berth_error *err)
{
    BERTH_CLEANUP(credential_store) struct berth_credential_store *store = NULL;
    BERTH_CLEANUP(engine) struct berth_engine *engine = NULL;
    BERTH_CLEANUP(agent_server) struct berth_agent_server *server = NULL;
    const struct berth_engine_config config = {
        .facility = "the agent", /* for messages */
        .endpoint = options->engine,
        .request_timeout_ms = ENGINE_SILENCE_MS,
        .connections = 16,
    };
    sigset_t signals;
    berth_thread_block_signals(&signals);
    int r = berth_credential_store_open(&options->files, &store, err);
    if (r == 0)
        r = berth_engine_open(&config, &engine, err);
    if (r == 0)
        r = berth_agent_server_open(options->listen, store, engine, &server, err);
    if (r < 0)
        return r;
    announce(options, store, engine);
    serve(store, &signals);
    return 0;
}
