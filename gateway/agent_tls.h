/* SPDX-License-Identifier: MIT */
/*
 * The agent's side of mutual TLS (gateway/tls.h), and whom it lets in.
 *
 * A client must show a certificate for clients of the authority. Where the
 * agent's own is that of a node of a swarm, the client's must be that of a
 * manager of the same swarm.
 *
 * Threading: connections are made on any thread; open and close with nothing
 * else running.
 */
#ifndef BERTH_GATEWAY_AGENT_TLS_H
#define BERTH_GATEWAY_AGENT_TLS_H

#include "base/credentials.h"

struct berth_agent_tls;

/* store is borrowed. BERTH_E_INVALID: the credentials are of no use for TLS. */
BERTH_MUST_CHECK int berth_agent_tls_open(struct berth_credential_store *store,
                                          struct berth_agent_tls **ret_tls,
                                          struct berth_error *err);
void berth_agent_tls_close(struct berth_agent_tls *tls); /* NULL is fine */
BERTH_DEFINE_CLEANUP(agent_tls, struct berth_agent_tls *, berth_agent_tls_close)

/* What connections are made from; borrowed. */
SSL_CTX *berth_agent_tls_context(struct berth_agent_tls *tls);

/* Whether a client with this certificate is let in, its chain being in order. */
bool berth_agent_tls_admits(const struct berth_subject *own, const struct berth_subject *client);

#endif
