/* SPDX-License-Identifier: MIT */
/*
 * The server's side of TLS: which certificate it shows, and whose it takes.
 * Both are looked at for each connection, so that certificates may be renewed
 * while it runs; connections that are there go on as they began.
 *
 * TLS 1.2 and 1.3, with forward secrecy and authenticated encryption alone
 * (RFC 9325). Sessions are not resumed: that would be a connection without a
 * look at its certificate.
 *
 * Threading: connections are made on any thread; open and close with nothing
 * else running.
 */
#ifndef BERTH_GATEWAY_TLS_H
#define BERTH_GATEWAY_TLS_H

#include "base/credentials.h"

struct berth_tls;

/*
 * store is borrowed. Where it has authorities, a client must show a certificate
 * of theirs; verify, unless it is NULL, has the last word on each certificate of
 * the chain (SSL_CTX_set_verify(3)). BERTH_E_INVALID: the credentials are of no
 * use for TLS.
 */
BERTH_MUST_CHECK int berth_tls_open(struct berth_credential_store *store,
                                    int (*verify)(int is_good, X509_STORE_CTX *chain),
                                    struct berth_tls **ret_tls, struct berth_error *err);
void berth_tls_close(struct berth_tls *tls); /* NULL is fine */
BERTH_DEFINE_CLEANUP(tls, struct berth_tls *, berth_tls_close)

/* Has the connections of a context begin with what tls has by then; outlived by tls. False: out
 * of memory. */
bool berth_tls_prepare(struct berth_tls *tls, SSL_CTX *context);

#endif
