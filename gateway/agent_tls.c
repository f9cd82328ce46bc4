/* SPDX-License-Identifier: MIT */
#include "gateway/agent_tls.h"

#include "base/log.h"
#include "gateway/tls.h"

#include <openssl/ssl.h>
#include <string.h>

struct berth_agent_tls {
    struct berth_tls *tls;
    SSL_CTX *front; /* what a connection begins with: no certificate yet */
};

/* ---- Who is let in ---- */

bool berth_agent_tls_admits(const struct berth_subject *own, const struct berth_subject *client)
{
    if (!berth_subject_is_node(own))
        return true;
    return strcmp(client->unit, BERTH_SWARM_MANAGER_OU) == 0 && own->organisation[0] &&
           strcmp(client->organisation, own->organisation) == 0;
}

/* OpenSSL's verdict on a certificate of the chain, to which ours on the client's own is added. */
static int on_verify(int is_good, X509_STORE_CTX *chain)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx());
    X509 *certificate = X509_STORE_CTX_get_current_cert(chain);
    struct berth_subject client = {"", "", ""};
    struct berth_subject own;
    if (certificate)
        berth_subject_read(certificate, &client);
    if (!is_good) {
        berth_log(BERTH_LOG_WARNING, "a client was refused: certificate of %s (%s): %s",
                  client.name, client.unit,
                  X509_verify_cert_error_string(X509_STORE_CTX_get_error(chain)));
        return 0;
    }
    if (X509_STORE_CTX_get_error_depth(chain) > 0)
        return 1;
    berth_subject_read(SSL_get_certificate(ssl), &own);
    if (berth_agent_tls_admits(&own, &client))
        return 1;
    berth_log(BERTH_LOG_WARNING, "a client was refused: %s (%s) is no manager of this node's swarm",
              client.name, client.unit);
    X509_STORE_CTX_set_error(chain, X509_V_ERR_APPLICATION_VERIFICATION);
    return 0;
}

/* ---- The front ---- */

SSL_CTX *berth_agent_tls_context(struct berth_agent_tls *tls)
{
    return tls->front;
}

int berth_agent_tls_open(struct berth_credential_store *store, struct berth_agent_tls **ret_tls,
                         struct berth_error *err)
{
    BERTH_CLEANUP(agent_tls) struct berth_agent_tls *tls = calloc(1, sizeof(*tls));
    if (!tls)
        return berth_error_nomem(err);
    int r = berth_tls_open(store, on_verify, &tls->tls, err);
    if (r < 0)
        return r;
    tls->front = SSL_CTX_new(TLS_server_method());
    if (!tls->front || !berth_tls_prepare(tls->tls, tls->front))
        return berth_error_nomem(err);
    *ret_tls = berth_steal(&tls);
    return 0;
}

void berth_agent_tls_close(struct berth_agent_tls *tls)
{
    if (!tls)
        return;
    SSL_CTX_free(tls->front);
    berth_tls_close(tls->tls);
    free(tls);
}
