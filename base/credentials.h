/* SPDX-License-Identifier: MIT */
/*
 * TLS credentials in PEM files: the authority that is trusted, a certificate
 * and its key. They are read anew when the files change, so that certificates
 * which are renewed under a running program count from the next connection on;
 * where the new ones are no good, the old ones stay.
 *
 * The files may be those that Docker's swarm makes and renews on each node.
 * OpenSSL refuses such a key for the headers that swarm writes into it (RFC
 * 1421 section 4.6: "kek-version", "raft-dek"), so what is handed out is written
 * anew without them.
 *
 * Threading: take from any thread; open and close with nothing else running.
 * What was taken never changes.
 */
#ifndef BERTH_BASE_CREDENTIALS_H
#define BERTH_BASE_CREDENTIALS_H

#include "base/cleanup.h"
#include "base/error.h"

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>

/* Where Docker keeps a node's own. */
#define BERTH_SWARM_CERTIFICATES "/var/lib/docker/swarm/certificates"

/* OU of a node's certificate. */
#define BERTH_SWARM_MANAGER_OU "swarm-manager"
#define BERTH_SWARM_WORKER_OU  "swarm-worker"

/* Whose a certificate is; "" where it does not say. */
struct berth_subject {
    char organisation[65]; /* O: in a swarm, which one */
    char unit[65];         /* OU: in a swarm, the node's role */
    char name[65];         /* CN: in a swarm, the node's id */
};

void berth_subject_read(const X509 *certificate, struct berth_subject *ret_subject);

/* True if it is that of a node of a swarm. */
bool berth_subject_is_node(const struct berth_subject *subject);

/* All text is NUL-terminated PEM. */
struct berth_credentials {
    char *ca;          /* NULL where a server asks for no certificate */
    char *certificate; /* with the chain that follows it in the file */
    char *key;
    struct berth_subject subject;
    unsigned refs; /* atomic; private */
};

struct berth_credentials *berth_credentials_ref(struct berth_credentials *credentials);
void berth_credentials_unref(struct berth_credentials *credentials); /* NULL is fine */
BERTH_DEFINE_CLEANUP(credentials, struct berth_credentials *, berth_credentials_unref)

/* Paths, copied. */
struct berth_credential_files {
    const char *ca;
    const char *certificate;
    const char *key;

    /* Those of a server: ca, which may be NULL, is for its clients (tls_client_ca); the key must
     * not be open to everybody, and the certificate must hold today. */
    bool is_server;
};

struct berth_credential_store;

/*
 * Reads the files; all NULL: those of the swarm that this host is a node of.
 * BERTH_E_INVALID names the file and what to do about it: one is missing, may
 * not be read, is no PEM, is encrypted, or the key is not the certificate's.
 */
BERTH_MUST_CHECK int berth_credential_store_open(const struct berth_credential_files *files,
                                                 struct berth_credential_store **ret_store,
                                                 struct berth_error *err);
void berth_credential_store_close(struct berth_credential_store *store); /* NULL is fine */
BERTH_DEFINE_CLEANUP(credential_store, struct berth_credential_store *,
                     berth_credential_store_close)

/* What is good now, a reference; looks whether the files have changed (three calls of stat). New
 * ones that are no good are said to the log, once. */
struct berth_credentials *berth_credential_store_take(struct berth_credential_store *store);

#endif
