/* SPDX-License-Identifier: MIT */
#include "tests/unit/certificates.h"

#include "tests/unit/unit.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#define YEAR_S (365L * 24 * 3600)

static void add_entry(X509_NAME *name, const char *field, const char *value)
{
    if (value)
        ck_assert_int_eq(X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8,
                                                    (const unsigned char *)value, -1, -1, 0),
                         1);
}

static void add_extension(X509 *x509, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    ck_assert_ptr_nonnull(extension);
    ck_assert_int_eq(X509_add_ext(x509, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

struct certificate certificate_make(const struct certificate_subject *subject,
                                    const struct certificate *issuer)
{
    static long serial = 1;
    struct certificate made = {.x509 = X509_new(), .key = EVP_EC_gen("P-256")};
    ck_assert(made.x509 && made.key);
    X509_NAME *name = X509_get_subject_name(made.x509);
    add_entry(name, "O", subject->organisation);
    add_entry(name, "OU", subject->unit);
    add_entry(name, "OU", subject->second_unit);
    add_entry(name, "CN", subject->name);
    ck_assert_int_eq(X509_set_version(made.x509, X509_VERSION_3), 1);
    ck_assert_int_eq(ASN1_INTEGER_set(X509_get_serialNumber(made.x509), serial++), 1);
    ck_assert_ptr_nonnull(X509_gmtime_adj(X509_getm_notBefore(made.x509), -60));
    ck_assert_ptr_nonnull(X509_gmtime_adj(X509_getm_notAfter(made.x509), YEAR_S));
    ck_assert_int_eq(X509_set_pubkey(made.x509, made.key), 1);
    ck_assert_int_eq(
        X509_set_issuer_name(made.x509, issuer ? X509_get_subject_name(issuer->x509) : name), 1);
    if (issuer)
        add_extension(made.x509, NID_ext_key_usage, "serverAuth,clientAuth");
    else
        add_extension(made.x509, NID_basic_constraints, "critical,CA:TRUE");
    ck_assert_int_ne(X509_sign(made.x509, issuer ? issuer->key : made.key, EVP_sha256()), 0);
    return made;
}

void certificate_release(struct certificate *certificate)
{
    X509_free(certificate->x509);
    EVP_PKEY_free(certificate->key);
}

#define PATH_SIZE 4096

static FILE *begin_file(const char *path, char beside[static PATH_SIZE])
{
    (void)snprintf(beside, PATH_SIZE, "%s.new", path);
    FILE *file = fopen(beside, "we");
    ck_assert_msg(file != NULL, "%s", beside);
    return file;
}

/* Replaces the file whole, as a swarm does: it is another one even within a tick of the clock. */
static void end_file(FILE *file, const char *beside, const char *path)
{
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(rename(beside, path), 0);
}

void certificate_write(const struct certificate *certificate, const char *path)
{
    char beside[PATH_SIZE];
    FILE *file = begin_file(path, beside);
    ck_assert_int_eq(PEM_write_X509(file, certificate->x509), 1);
    end_file(file, beside, path);
}

void certificate_write_key(const struct certificate *certificate, const char *header,
                           const char *path)
{
    unsigned char *der = NULL;
    int len = i2d_PrivateKey(certificate->key, &der);
    char beside[PATH_SIZE];
    FILE *file = begin_file(path, beside);
    ck_assert_int_gt(len, 0);
    ck_assert_int_gt(PEM_write(file, "EC PRIVATE KEY", header ? header : "", der, len), 0);
    end_file(file, beside, path);
    OPENSSL_free(der);
}

void certificate_write_locked_key(const struct certificate *certificate, const char *path)
{
    char beside[PATH_SIZE];
    FILE *file = begin_file(path, beside);
    ck_assert_int_eq(PEM_write_PKCS8PrivateKey(file, certificate->key, EVP_aes_128_cbc(), "secret",
                                               (int)strlen("secret"), NULL, NULL),
                     1);
    end_file(file, beside, path);
}

void certificate_write_text(const char *text, const char *path)
{
    char beside[PATH_SIZE];
    FILE *file = begin_file(path, beside);
    ck_assert_int_ne(fputs(text, file), EOF);
    end_file(file, beside, path);
}
