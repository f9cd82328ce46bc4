/* SPDX-License-Identifier: MIT */
#include "gateway/tls.h"

#include "base/log.h"
#include "base/thread.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

/* Of TLS 1.2; those of 1.3 are all good. */
#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL"

struct berth_tls {
    struct berth_credential_store *store;
    int (*verify)(int is_good, X509_STORE_CTX *chain);
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

/* ---- Contexts ---- */

static bool set_up(SSL_CTX *context)
{
    if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(context, CIPHERS) != 1 || SSL_CTX_set_num_tickets(context, 0) != 1)
        return false;
    (void)SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION |
                                           SSL_OP_NO_RENEGOTIATION |
                                           SSL_OP_CIPHER_SERVER_PREFERENCE);
    (void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    return true;
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

static SSL_CTX *make_context(const struct berth_tls *tls,
                             const struct berth_credentials *credentials)
{
    BERTH_CLEANUP(ssl_ctx) SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (!context || !set_up(context) || !add_certificates(context, credentials->certificate) ||
        !add_key(context, credentials->key))
        return NULL;
    if (credentials->ca) {
        if (!add_authorities(context, credentials->ca))
            return NULL;
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, tls->verify);
    }
    return berth_steal(&context);
}

/* ---- Connections ---- */

/* Sees that the context is that of the credentials there are now. Those that are no good for TLS
 * change nothing. */
static bool refresh(struct berth_tls *tls)
{
    BERTH_CLEANUP(credentials)
    struct berth_credentials *now = berth_credential_store_take(tls->store);
    BERTH_LOCK_SCOPE(held, &tls->lock);
    if (now == tls->credentials)
        return true;
    SSL_CTX *made = make_context(tls, now);
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

/* What SSL_set_SSL_CTX(3) leaves as it was. */
static void take_settings(SSL *ssl, SSL_CTX *context)
{
    SSL_set_verify(ssl, SSL_CTX_get_verify_mode(context), SSL_CTX_get_verify_callback(context));
}

/* Before anything is decided: from here on the connection is one of the context there is now. */
static int on_hello(SSL *ssl, int *alert, void *ctx)
{
    struct berth_tls *tls = ctx;
    (void)alert;
    (void)refresh(tls);
    BERTH_LOCK_SCOPE(held, &tls->lock);
    if (!SSL_set_SSL_CTX(ssl, tls->current))
        return SSL_CLIENT_HELLO_ERROR;
    take_settings(ssl, tls->current);
    return SSL_CLIENT_HELLO_SUCCESS;
}

bool berth_tls_prepare(struct berth_tls *tls, SSL_CTX *context)
{
    if (!set_up(context))
        return false;
    SSL_CTX_set_client_hello_cb(context, on_hello, tls);
    /* civetweb's would put its own context back. */
    (void)SSL_CTX_set_tlsext_servername_callback(context, NULL);
    return true;
}

int berth_tls_open(struct berth_credential_store *store,
                   int (*verify)(int is_good, X509_STORE_CTX *chain), struct berth_tls **ret_tls,
                   struct berth_error *err)
{
    BERTH_CLEANUP(tls) struct berth_tls *tls = calloc(1, sizeof(*tls));
    if (!tls)
        return berth_error_nomem(err);
    (void)pthread_mutex_init(&tls->lock, NULL);
    tls->store = store;
    tls->verify = verify;
    if (!refresh(tls))
        return berth_error_set(err, BERTH_E_INVALID, "the certificates are of no use for TLS");
    *ret_tls = berth_steal(&tls);
    return 0;
}

void berth_tls_close(struct berth_tls *tls)
{
    if (!tls)
        return;
    SSL_CTX_free(tls->current);
    berth_credentials_unref(tls->credentials);
    (void)pthread_mutex_destroy(&tls->lock);
    free(tls);
}
