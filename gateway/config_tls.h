/* SPDX-License-Identifier: MIT */
/*
 * What of a configuration is about HTTPS: with a certificate and a key it is
 * served beside HTTP, or, where `listen =` is empty, alone.
 *
 * Threading: stateless.
 */
#ifndef BERTH_GATEWAY_CONFIG_TLS_H
#define BERTH_GATEWAY_CONFIG_TLS_H

#include "base/credentials.h"
#include "gateway/config.h"

/* Where MiniRun's certificates are, which are taken when nothing else is said. */
#define BERTH_TLS_CERT "/etc/minirun/cert.pem"
#define BERTH_TLS_KEY  "/etc/minirun/key.pem"

/* Fills in what is not said: the certificate, and where HTTPS listens. BERTH_E_INVALID: what is
 * said does not go together. */
BERTH_MUST_CHECK int berth_config_complete_tls(struct berth_config *config,
                                               struct berth_error *err);

/* Opens the certificates; NULL where HTTPS is not served. Errors: berth_credential_store_open(). */
BERTH_MUST_CHECK int berth_config_open_tls(const struct berth_config *config,
                                           struct berth_credential_store **ret_store,
                                           struct berth_error *err);

#endif
