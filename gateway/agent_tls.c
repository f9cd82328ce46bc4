/* SPDX-License-Identifier: MIT */
#include "gateway/agent_tls.h"

#include "base/log.h"
#include "base/thread.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <string.h>

struct berth_agent_tls {
    struct berth_credential_store *store;
    SSL_CTX *front; /* what a connection begins with: no certificate yet */
    pthread_mutex_t lock;
    struct berth_credentials *credentials; /* lock; what `current` was made from */
    SSL_CTX *current;                      /* lock */
};

static void free_bio(BIO *bio)
{
    (void)BIO_free(bio);
}

BERTH_DEFINE_CLEANUP(bio, BIO *, free_bio)
BERTH_DEFINE_CLEANUP(x509, X509 *, X509_free)
BERTH_DEFINE_CLEANUP(pkey, EVP_PKEY *, EVP_PKEY_free)
BERTH_DEFINE_CLEANUP(ssl_ctx, SSL_CTX *, SSL_CTX_free)

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

/* ---- Contexts ---- */

static SSL_CTX *new_context(void)
{
    BERTH_CLEANUP(ssl_ctx) SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (!context || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_num_tickets(context, 0) != 1)
        return NULL;
    (void)SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION |
                                           SSL_OP_NO_RENEGOTIATION |
                                           SSL_OP_CIPHER_SERVER_PREFERENCE);
    (void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, on_verify);
    return berth_steal(&context);
}

/* All certificates of the text: to be trusted, and named to clients. */
static bool add_authorities(SSL_CTX *context, const char *text)
{
    BERTH_CLEANUP(bio) BIO *bio = BIO_new_mem_buf(text, -1);
    size_t count = 0;
    while (bio) {
        BERTH_CLEANUP(x509) X509 *authority = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        if (!authority)
            break;
        if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority) != 1 ||
            SSL_CTX_add_client_CA(context, authority) != 1)
            return false;
        count++;
    }
    ERR_clear_error(); /* of the end of the text */
    return count > 0;
}

static bool add_certificates(SSL_CTX *context, const char *text)
{
    BERTH_CLEANUP(bio) BIO *bio = BIO_new_mem_buf(text, -1);
    bool is_first = true;
    while (bio) {
        BERTH_CLEANUP(x509) X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        if (!certificate)
            break;
        if ((is_first ? SSL_CTX_use_certificate(context, certificate)
                      : (int)SSL_CTX_add1_chain_cert(context, certificate)) != 1)
            return false;
        is_first = false;
    }
    ERR_clear_error();
    return !is_first;
}

static bool add_key(SSL_CTX *context, const char *text)
{
    BERTH_CLEANUP(bio) BIO *bio = BIO_new_mem_buf(text, -1);
    BERTH_CLEANUP(pkey)
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
    return key && SSL_CTX_use_PrivateKey(context, key) == 1;
}

static SSL_CTX *make_context(const struct berth_credentials *credentials)
{
    BERTH_CLEANUP(ssl_ctx) SSL_CTX *context = new_context();
    if (!context || !add_authorities(context, credentials->ca) ||
        !add_certificates(context, credentials->certificate) || !add_key(context, credentials->key))
        return NULL;
    return berth_steal(&context);
}

/* ---- Connections ---- */

/* Sees that the context is that of the credentials there are now. Those that are no good for TLS
 * change nothing. */
static bool refresh(struct berth_agent_tls *tls)
{
    BERTH_CLEANUP(credentials)
    struct berth_credentials *now = berth_credential_store_take(tls->store);
    BERTH_LOCK_SCOPE(held, &tls->lock);
    if (now == tls->credentials)
        return true;
    SSL_CTX *made = make_context(now);
    if (!made) {
        berth_log(BERTH_LOG_ERROR, "the certificates cannot be used: %s",
                  ERR_reason_error_string(ERR_peek_last_error()));
        ERR_clear_error();
    }
    if (!made && !tls->current)
        return false;
    berth_credentials_unref(tls->credentials);
    tls->credentials = berth_steal(&now); /* looked at, good or not */
    if (made) {
        SSL_CTX_free(tls->current);
        tls->current = made;
    }
    return true;
}

/* Before anything is decided: from here on the connection is one of the context there is now. */
static int on_hello(SSL *ssl, int *alert, void *ctx)
{
    struct berth_agent_tls *tls = ctx;
    (void)alert;
    (void)refresh(tls);
    BERTH_LOCK_SCOPE(held, &tls->lock);
    return SSL_set_SSL_CTX(ssl, tls->current) ? SSL_CLIENT_HELLO_SUCCESS : SSL_CLIENT_HELLO_ERROR;
}

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
    (void)pthread_mutex_init(&tls->lock, NULL);
    tls->store = store;
    tls->front = new_context();
    if (!tls->front)
        return berth_error_nomem(err);
    SSL_CTX_set_client_hello_cb(tls->front, on_hello, tls);
    if (!refresh(tls))
        return berth_error_set(err, BERTH_E_INVALID, "the certificates are of no use for TLS");
    *ret_tls = berth_steal(&tls);
    return 0;
}

void berth_agent_tls_close(struct berth_agent_tls *tls)
{
    if (!tls)
        return;
    SSL_CTX_free(tls->current);
    SSL_CTX_free(tls->front);
    berth_credentials_unref(tls->credentials);
    (void)pthread_mutex_destroy(&tls->lock);
    free(tls);
}
