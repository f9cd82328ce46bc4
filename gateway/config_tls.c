/* SPDX-License-Identifier: MIT */
#include "gateway/config_tls.h"

#include "base/text.h"

#include <unistd.h>

#define LISTEN_TLS "127.0.0.1:8443"

static int set(char **slot, const char *value, struct berth_error *err)
{
    *slot = berth_text_dup(value);
    return *slot ? 0 : berth_error_nomem(err);
}

static int find_certificate(struct berth_config *config, struct berth_error *err)
{
    if (config->tls_cert || config->tls_key || access(BERTH_TLS_CERT, F_OK) < 0 ||
        access(BERTH_TLS_KEY, F_OK) < 0)
        return 0;
    int r = set(&config->tls_cert, BERTH_TLS_CERT, err);
    return r < 0 ? r : set(&config->tls_key, BERTH_TLS_KEY, err);
}

int berth_config_complete_tls(struct berth_config *config, struct berth_error *err)
{
    int r = find_certificate(config, err);
    if (r < 0)
        return r;
    if (!config->tls_cert != !config->tls_key)
        return berth_error_set(err, BERTH_E_INVALID,
                               "tls_cert and tls_key (TLS_CERT_PATH and TLS_KEY_PATH) must be set "
                               "together");
    if (!config->tls_cert && (config->listen_tls || config->tls_client_ca))
        return berth_error_set(err, BERTH_E_INVALID, "%s needs tls_cert and tls_key",
                               config->listen_tls ? "listen_tls" : "tls_client_ca");
    return config->tls_cert && !config->listen_tls ? set(&config->listen_tls, LISTEN_TLS, err) : 0;
}

int berth_config_open_tls(const struct berth_config *config,
                          struct berth_credential_store **ret_store, struct berth_error *err)
{
    const struct berth_credential_files files = {.ca = config->tls_client_ca,
                                                 .certificate = config->tls_cert,
                                                 .key = config->tls_key,
                                                 .is_server = true};
    *ret_store = NULL;
    return config->tls_cert ? berth_credential_store_open(&files, ret_store, err) : 0;
}
