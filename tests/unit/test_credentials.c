/* SPDX-License-Identifier: MIT */
#include "base/credentials.h"

#include "tests/unit/certificates.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct certificate_subject authority_subject = {.name = "authority"};
static const struct certificate_subject node_subject = {
    .organisation = "swarm", .unit = BERTH_SWARM_WORKER_OU, .name = "node"};

/* An authority, a node's certificate, and files that hold them. */
struct files {
    struct certificate authority, node;
    char *ca, *certificate, *key;
};

static struct files make_files(void)
{
    struct files files = {.authority = certificate_make(&authority_subject, NULL),
                          .ca = unit_scratch("ca"),
                          .certificate = unit_scratch("cert"),
                          .key = unit_scratch("key")};
    files.node = certificate_make(&node_subject, &files.authority);
    certificate_write(&files.authority, files.ca);
    certificate_write(&files.node, files.certificate);
    certificate_write_key(&files.node, NULL, files.key);
    return files;
}

static void release_files(struct files *files)
{
    certificate_release(&files->authority);
    certificate_release(&files->node);
    free(files->ca);
    free(files->certificate);
    free(files->key);
}

static int open_store(const struct files *files, struct berth_credential_store **ret_store,
                      struct berth_error *err)
{
    const struct berth_credential_files paths = {files->ca, files->certificate, files->key, false};
    return berth_credential_store_open(&paths, ret_store, err);
}

/* ---- Subjects ---- */

START_TEST(subjects_are_read)
{
    static const char long_name[] =
        "0123456789012345678901234567890123456789012345678901234567890123"; /* 64 */
    static const struct {
        const char *what;
        struct certificate_subject given;
        const char *organisation, *unit, *name;
        bool is_node;
    } rows[] = {
        {"a worker", {"s", "swarm-worker", "n", NULL}, "s", "swarm-worker", "n", true},
        {"a manager", {"s", "swarm-manager", "n", NULL}, "s", "swarm-manager", "n", true},
        {"another unit", {"s", "swarm-ca", "n", NULL}, "s", "swarm-ca", "n", false},
        {"a unit in capitals", {"s", "SWARM-MANAGER", "n", NULL}, "s", "SWARM-MANAGER", "n", false},
        {"nothing said", {NULL, NULL, NULL, NULL}, "", "", "", false},
        {"two units", {"s", "swarm-manager", "n", "swarm-worker"}, "s", "", "n", false},
        {"as long as can be", {NULL, NULL, long_name, NULL}, "", "", long_name, false},
        {"a name in two lines", {"s", "swarm-worker", "a\nb", NULL}, "s", "swarm-worker", "", true},
        {"not ASCII", {"\xC3\xA4", NULL, "n", NULL}, "\xC3\xA4", "", "n", false},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct certificate made = certificate_make(&rows[i].given, NULL);
        struct berth_subject subject;
        berth_subject_read(made.x509, &subject);
        ck_assert_msg(strcmp(subject.organisation, rows[i].organisation) == 0, "%s", rows[i].what);
        ck_assert_msg(strcmp(subject.unit, rows[i].unit) == 0, "%s", rows[i].what);
        ck_assert_msg(strcmp(subject.name, rows[i].name) == 0, "%s", rows[i].what);
        ck_assert_msg(berth_subject_is_node(&subject) == rows[i].is_node, "%s", rows[i].what);
        certificate_release(&made);
    }
}
END_TEST

/* ---- Files ---- */

START_TEST(files_are_read)
{
    struct files files = make_files();
    struct berth_credential_store *store = NULL;
    struct berth_error err = BERTH_ERROR_INIT;
    ck_assert_msg(open_store(&files, &store, &err) == 0, "%s", err.message);
    struct berth_credentials *taken = berth_credential_store_take(store);
    ck_assert_str_eq(taken->subject.name, "node");
    ck_assert(berth_subject_is_node(&taken->subject));
    ck_assert_ptr_nonnull(strstr(taken->ca, "BEGIN CERTIFICATE"));
    ck_assert_ptr_nonnull(strstr(taken->certificate, "BEGIN CERTIFICATE"));
    ck_assert_ptr_nonnull(strstr(taken->key, "BEGIN EC PRIVATE KEY"));
    struct berth_credentials *again = berth_credential_store_take(store);
    ck_assert_ptr_eq(again, taken); /* unchanged files are not read again */
    berth_credential_store_close(store);
    ck_assert_str_eq(taken->subject.name, "node"); /* what was taken stays */
    berth_credentials_unref(again);
    berth_credentials_unref(taken);
    release_files(&files);
}
END_TEST

/* Docker writes headers into the key that OpenSSL refuses: what is handed out has none. */
START_TEST(a_swarms_key_is_handed_out_without_its_headers)
{
    struct files files = make_files();
    struct berth_credential_store *store = NULL;
    certificate_write_key(&files.node, "kek-version: 0\nraft-dek: CiBq\n", files.key);
    ck_assert_int_eq(open_store(&files, &store, NULL), 0);
    struct berth_credentials *taken = berth_credential_store_take(store);
    ck_assert_ptr_null(strchr(taken->key, ':'));
    ck_assert_ptr_nonnull(strstr(taken->key, "BEGIN EC PRIVATE KEY"));
    berth_credentials_unref(taken);
    berth_credential_store_close(store);
    release_files(&files);
}
END_TEST

static void spoil_nothing(struct files *files)
{
    (void)files;
}

static void spoil_key_is_missing(struct files *files)
{
    ck_assert_int_eq(unlink(files->key), 0);
}

static void spoil_ca_is_a_key(struct files *files)
{
    certificate_write_key(&files->node, NULL, files->ca);
}

static void spoil_certificate_is_text(struct files *files)
{
    certificate_write_text("no certificate\n", files->certificate);
}

static void spoil_certificate_is_cut(struct files *files)
{
    ck_assert_int_eq(truncate(files->certificate, 100), 0);
}

static void spoil_key_is_text(struct files *files)
{
    certificate_write_text("no key\n", files->key);
}

static void spoil_key_is_a_certificate(struct files *files)
{
    certificate_write(&files->node, files->key);
}

static void spoil_key_is_of_another(struct files *files)
{
    certificate_write_key(&files->authority, NULL, files->key);
}

static void spoil_key_is_locked(struct files *files)
{
    certificate_write_locked_key(&files->node, files->key);
}

static void spoil_key_is_locked_by_a_swarm(struct files *files)
{
    certificate_write_key(&files->node, "Proc-Type: 4,ENCRYPTED\n", files->key);
}

static void spoil_key_is_empty(struct files *files)
{
    certificate_write_text("", files->key);
}

static void spoil_ca_is_large(struct files *files)
{
    ck_assert_int_eq(truncate(files->ca, (1 << 20) + 1), 0);
}

static void spoil_ca_is_a_folder(struct files *files)
{
    free(files->ca);
    files->ca = strdup("/");
}

static const struct {
    void (*spoil)(struct files *files);
    const char *key, *why; /* "key: path why"; NULL: it is good */
} spoilt[] = {
    {spoil_nothing, NULL, NULL},
    {spoil_key_is_missing, "tls_key", "is not there"},
    {spoil_ca_is_a_key, "tls_ca", "has no certificate in PEM"},
    {spoil_certificate_is_text, "tls_cert", "has no certificate in PEM"},
    {spoil_certificate_is_cut, "tls_cert", "has no certificate in PEM"},
    {spoil_key_is_text, "tls_key", "is no key in PEM"},
    {spoil_key_is_a_certificate, "tls_key", "is no private key"},
    {spoil_key_is_of_another, "tls_key", "is not the key of the certificate in tls_cert"},
    {spoil_key_is_locked, "tls_key", "is encrypted: give one that is not"},
    {spoil_key_is_locked_by_a_swarm, "tls_key", "is encrypted: give one that is not"},
    {spoil_key_is_empty, "tls_key", "is no key in PEM"},
    {spoil_ca_is_large, "tls_ca", "is no file of certificates"},
    {spoil_ca_is_a_folder, "tls_ca", "is no file of certificates"},
};

START_TEST(what_is_wrong_is_said)
{
    for (size_t i = 0; i < UNIT_COUNT(spoilt); i++) {
        struct files files = make_files();
        struct berth_credential_store *store = NULL;
        struct berth_error err = BERTH_ERROR_INIT;
        char said[1024];
        spoilt[i].spoil(&files);
        const char *path = files.key;
        if (spoilt[i].key && strcmp(spoilt[i].key, "tls_key") != 0)
            path = strcmp(spoilt[i].key, "tls_ca") == 0 ? files.ca : files.certificate;
        int r = open_store(&files, &store, &err);
        ck_assert_int_eq(r, spoilt[i].key ? BERTH_E_INVALID : 0);
        (void)snprintf(said, sizeof(said), "%s: %s %s", spoilt[i].key ? spoilt[i].key : "", path,
                       spoilt[i].why ? spoilt[i].why : "");
        if (r < 0)
            ck_assert_str_eq(err.message, said);
        berth_credential_store_close(store);
        release_files(&files);
    }
}
END_TEST

START_TEST(all_three_or_none)
{
    static const struct {
        struct berth_credential_files files;
        const char *said;
    } rows[] = {
        {{.ca = "/a"}, "tls_ca, tls_cert and tls_key go together: tls_cert is missing"},
        {{.ca = "/a", .certificate = "/b"},
         "tls_ca, tls_cert and tls_key go together: tls_key is missing"},
        {{.certificate = "/b", .key = "/c"},
         "tls_ca, tls_cert and tls_key go together: tls_ca is missing"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct berth_credential_store *store = NULL;
        struct berth_error err = BERTH_ERROR_INIT;
        ck_assert_int_eq(berth_credential_store_open(&rows[i].files, &store, &err),
                         BERTH_E_INVALID);
        ck_assert_str_eq(err.message, rows[i].said);
    }
}
END_TEST

/* ---- Change ---- */

static const char *name_now(struct berth_credential_store *store)
{
    static char name[65];
    struct berth_credentials *taken = berth_credential_store_take(store);
    (void)snprintf(name, sizeof(name), "%s", taken->subject.name);
    berth_credentials_unref(taken);
    return name;
}

START_TEST(renewed_files_count_at_once)
{
    static const struct certificate_subject next = {.organisation = "swarm", .name = "renewed"};
    struct files files = make_files();
    struct berth_credential_store *store = NULL;
    struct certificate renewed = certificate_make(&next, &files.authority);
    ck_assert_int_eq(open_store(&files, &store, NULL), 0);
    ck_assert_str_eq(name_now(store), "node");
    certificate_write(&renewed, files.certificate);
    ck_assert_str_eq(name_now(store), "node"); /* the key is still the old one's */
    certificate_write_key(&renewed, NULL, files.key);
    ck_assert_str_eq(name_now(store), "renewed");
    berth_credential_store_close(store);
    certificate_release(&renewed);
    release_files(&files);
}
END_TEST

START_TEST(spoilt_files_change_nothing)
{
    for (size_t i = 1; i < UNIT_COUNT(spoilt) - 1; i++) {
        struct files files = make_files();
        struct berth_credential_store *store = NULL;
        ck_assert_int_eq(open_store(&files, &store, NULL), 0);
        spoilt[i].spoil(&files);
        ck_assert_str_eq(name_now(store), "node");
        certificate_write(&files.authority, files.ca);
        certificate_write(&files.node, files.certificate);
        certificate_write_key(&files.node, NULL, files.key);
        ck_assert_str_eq(name_now(store), "node");
        berth_credential_store_close(store);
        release_files(&files);
    }
}
END_TEST

/* Whatever cannot be had, nothing is half there. */
START_TEST(out_of_memory)
{
    struct files files = make_files();
    for (size_t n = 0;; n++) {
        struct berth_credential_store *store = NULL;
        unit_alloc_fail_after(n);
        int r = open_store(&files, &store, NULL);
        bool has_failed = unit_alloc_restore();
        ck_assert_int_eq(r, has_failed ? BERTH_E_NOMEM : 0);
        berth_credential_store_close(store);
        if (!has_failed)
            break;
        ck_assert_ptr_null(store);
    }
    release_files(&files);
}
END_TEST

UNIT_SUITE("credentials", subjects_are_read, files_are_read,
           a_swarms_key_is_handed_out_without_its_headers, what_is_wrong_is_said, all_three_or_none,
           renewed_files_count_at_once, spoilt_files_change_nothing, out_of_memory)
