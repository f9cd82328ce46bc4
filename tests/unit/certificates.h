/* SPDX-License-Identifier: MIT */
/*
 * Certificates made for a test: an authority, and whom it vouches for. Keys are
 * elliptic (P-256), as a swarm's. What cannot be made ends the test.
 *
 * Threading: one thread.
 */
#ifndef BERTH_TESTS_UNIT_CERTIFICATES_H
#define BERTH_TESTS_UNIT_CERTIFICATES_H

#include <openssl/types.h>
#include <stdbool.h>

/* Whose certificate it is; NULL: the subject does not say. */
struct certificate_subject {
    const char *organisation;
    const char *unit;
    const char *name;
    const char *second_unit; /* a second OU after the first */
};

struct certificate {
    X509 *x509;
    EVP_PKEY *key;
};

/* Signed by issuer (NULL: by itself, an authority), for servers and clients. */
struct certificate certificate_make(const struct certificate_subject *subject,
                                    const struct certificate *issuer);
void certificate_release(struct certificate *certificate);

/* Into a file, over what is there; header: lines that come first within the key, as a swarm writes
 * them, or NULL. */
void certificate_write(const struct certificate *certificate, const char *path);
void certificate_write_key(const struct certificate *certificate, const char *header,
                           const char *path);
/* With a passphrase (PKCS #8). */
void certificate_write_locked_key(const struct certificate *certificate, const char *path);

void certificate_write_text(const char *text, const char *path);

#endif
