/* SPDX-License-Identifier: MIT */
#include "base/credentials.h"

#include "base/log.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "base/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_MAX (1U << 20)

enum { CA, CERTIFICATE, KEY, FILE_COUNT };

static const char *const file_keys[][FILE_COUNT] = {
    {"tls_ca", "tls_cert", "tls_key"}, {"tls_client_ca", "tls_cert", "tls_key"}, /* of a server */
};

/* What tells one state of a file from another. */
struct stamp {
    struct timespec changed;
    ino_t inode;
    off_t size;
};

struct berth_credential_store {
    char *paths[FILE_COUNT]; /* NULL: a server's CA that is not wanted */
    bool is_server;
    bool is_of_swarm; /* where Docker keeps them, rather than where somebody said */
    pthread_mutex_t lock;
    struct stamp stamps[FILE_COUNT];   /* lock; of what was read last, good or not */
    struct berth_credentials *current; /* lock */
};

static void free_bio(BIO *bio)
{
    (void)BIO_free(bio);
}

BERTH_DEFINE_CLEANUP(bio, BIO *, free_bio)
BERTH_DEFINE_CLEANUP(x509, X509 *, X509_free)
BERTH_DEFINE_CLEANUP(pkey, EVP_PKEY *, EVP_PKEY_free)

/* ---- Subjects ---- */

/* An entry that is too long, or has a NUL in it, is as good as none. */
static void read_entry(const X509_NAME *name, int nid, char *out, size_t size)
{
    unsigned char *text = NULL;
    out[0] = '\0';
    int at = X509_NAME_get_index_by_NID(name, nid, -1);
    if (at < 0 || X509_NAME_get_index_by_NID(name, nid, at) >= 0) /* of two, neither */
        return;
    const ASN1_STRING *data = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
    int len = ASN1_STRING_to_UTF8(&text, data);
    if (len > 0 && (size_t)len < size && !berth_text_has_control((char *)text, (size_t)len)) {
        memcpy(out, text, (size_t)len);
        out[len] = '\0';
    }
    OPENSSL_free(text);
}

void berth_subject_read(const X509 *certificate, struct berth_subject *ret_subject)
{
    const X509_NAME *name = X509_get_subject_name(certificate);
    read_entry(name, NID_organizationName, ret_subject->organisation,
               sizeof(ret_subject->organisation));
    read_entry(name, NID_organizationalUnitName, ret_subject->unit, sizeof(ret_subject->unit));
    read_entry(name, NID_commonName, ret_subject->name, sizeof(ret_subject->name));
}

bool berth_subject_is_node(const struct berth_subject *subject)
{
    return strcmp(subject->unit, BERTH_SWARM_MANAGER_OU) == 0 ||
           strcmp(subject->unit, BERTH_SWARM_WORKER_OU) == 0;
}

/* ---- References ---- */

struct berth_credentials *berth_credentials_ref(struct berth_credentials *credentials)
{
    (void)__atomic_add_fetch(&credentials->refs, 1, __ATOMIC_RELAXED);
    return credentials;
}

void berth_credentials_unref(struct berth_credentials *credentials)
{
    if (!credentials || __atomic_sub_fetch(&credentials->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    if (credentials->key)
        explicit_bzero(credentials->key, strlen(credentials->key));
    free(credentials->ca);
    free(credentials->certificate);
    free(credentials->key);
    free(credentials);
}

/* ---- Files ---- */

static const char *key_of(const struct berth_credential_store *store, int file)
{
    return file_keys[store->is_server][file];
}

static int refuse(const struct berth_credential_store *store, int file, const char *why,
                  struct berth_error *err)
{
    ERR_clear_error();
    return berth_error_set(err, BERTH_E_INVALID, "%s: %s %s", key_of(store, file),
                           store->paths[file], why);
}

static int refuse_errno(const struct berth_credential_store *store, int file, int errnum,
                        struct berth_error *err)
{
    const char *why = "cannot be read";
    if (errnum == EACCES || errnum == EPERM)
        why = store->is_of_swarm ? "cannot be read: that takes root or CAP_DAC_READ_SEARCH, or "
                                   "certificates of your own in tls_ca, tls_cert and tls_key"
                                 : "cannot be read by this user";
    else if (errnum == ENOENT)
        why = store->is_of_swarm
                  ? "is not there: this host is in no swarm, or Docker keeps its data "
                    "elsewhere; tls_ca, tls_cert and tls_key say where"
                  : "is not there";
    return berth_error_set_errno(err, BERTH_E_INVALID, errnum, "%s: %s %s", key_of(store, file),
                                 store->paths[file], why);
}

static int read_file(const struct berth_credential_store *store, int file, struct stamp *stamp,
                     struct berth_strbuf *text, struct berth_error *err)
{
    BERTH_CLEANUP(fd) int fd = open(store->paths[file], O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return refuse_errno(store, file, errno, err);
    if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX)
        return refuse(store, file, "is no file of certificates", err);
    if (store->is_server && file == KEY && (st.st_mode & (S_IROTH | S_IWOTH)))
        return refuse(store, file, "may be read by everybody on this host: chmod o= it", err);
    *stamp = (struct stamp){st.st_mtim, st.st_ino, st.st_size};
    for (;;) {
        char piece[4096];
        ssize_t len = read(fd, piece, sizeof(piece));
        if (len < 0 && errno != EINTR)
            return refuse_errno(store, file, errno, err);
        if (len > 0)
            berth_strbuf_add(text, piece, (size_t)len);
        explicit_bzero(piece, sizeof(piece));
        if (len == 0)
            return berth_strbuf_check(text, err);
    }
}

static BIO *open_text(const struct berth_strbuf *text)
{
    return BIO_new_mem_buf(berth_strbuf_str(text), (int)text->len);
}

/* The first certificate of a file. */
static int read_certificate(const struct berth_credential_store *store, int file,
                            const struct berth_strbuf *text, X509 **ret_certificate,
                            struct berth_error *err)
{
    BERTH_CLEANUP(bio) BIO *bio = open_text(text);
    if (!bio)
        return berth_error_nomem(err);
    *ret_certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    return *ret_certificate ? 0 : refuse(store, file, "has no certificate in PEM", err);
}

/* What a PEM file holds first. */
struct block {
    char *name;
    char *header;
    unsigned char *data;
    long len;
};

static void block_release(struct block *block)
{
    OPENSSL_free(block->name);
    OPENSSL_free(block->header);
    OPENSSL_clear_free(block->data, (size_t)block->len);
}

BERTH_DEFINE_CLEANUP_VALUE(block, struct block, block_release)

static int refuse_encrypted(const struct berth_credential_store *store, struct berth_error *err)
{
    return refuse(
        store, KEY,
        store->is_of_swarm
            ? "is encrypted, as the swarm is locked when it starts: give certificates of "
              "your own in tls_ca, tls_cert and tls_key, or turn the lock off with docker "
              "swarm update --autolock=false"
            : "is encrypted: give one that is not",
        err);
}

/* The key, checked against the certificate, and its PEM without headers. */
static int read_key(const struct berth_credential_store *store, const struct berth_strbuf *text,
                    const X509 *certificate, char **ret_pem, struct berth_error *err)
{
    BERTH_CLEANUP(bio) BIO *in = open_text(text);
    BERTH_CLEANUP(bio) BIO *out = BIO_new(BIO_s_secmem());
    BERTH_CLEANUP(block) struct block block = {0};
    if (!in || !out)
        return berth_error_nomem(err);
    if (PEM_read_bio(in, &block.name, &block.header, &block.data, &block.len) != 1)
        return refuse(store, KEY, "is no key in PEM", err);
    if (strstr(block.name, "ENCRYPTED") || strstr(block.header, "ENCRYPTED"))
        return refuse_encrypted(store, err);
    const unsigned char *der = block.data;
    BERTH_CLEANUP(pkey) EVP_PKEY *key = d2i_AutoPrivateKey(NULL, &der, block.len);
    if (!key)
        return refuse(store, KEY, "is no private key", err);
    if (X509_check_private_key(certificate, key) != 1)
        return refuse(store, KEY, "is not the key of the certificate in tls_cert", err);
    char *pem;
    if (PEM_write_bio(out, block.name, "", block.data, block.len) <= 0)
        return berth_error_nomem(err);
    long len = BIO_get_mem_data(out, &pem);
    *ret_pem = strndup(pem, (size_t)len);
    return *ret_pem ? 0 : berth_error_nomem(err);
}

/* A server that shows one which does not hold today is refused by its clients. */
static int check_dates(const struct berth_credential_store *store, const X509 *certificate,
                       struct berth_error *err)
{
    if (!store->is_server)
        return 0;
    if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0)
        return refuse(store, CERTIFICATE, "has expired", err);
    if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0)
        return refuse(store, CERTIFICATE, "does not hold yet", err);
    return 0;
}

/* The authorities, where there are to be any. */
static int load_ca(const struct berth_credential_store *store, struct stamp *stamp,
                   struct berth_strbuf *text, struct berth_error *err)
{
    BERTH_CLEANUP(x509) X509 *authority = NULL;
    if (!store->paths[CA])
        return 0;
    int r = read_file(store, CA, stamp, text, err);
    return r < 0 ? r : read_certificate(store, CA, text, &authority, err);
}

static int load(const struct berth_credential_store *store, struct stamp stamps[static FILE_COUNT],
                struct berth_credentials *credentials, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf ca = BERTH_STRBUF_INIT(FILE_MAX);
    BERTH_CLEANUP(strbuf) struct berth_strbuf chain = BERTH_STRBUF_INIT(FILE_MAX);
    BERTH_CLEANUP(strbuf) struct berth_strbuf key = BERTH_STRBUF_INIT(FILE_MAX);
    BERTH_CLEANUP(x509) X509 *certificate = NULL;
    int r = load_ca(store, &stamps[CA], &ca, err);
    if (r == 0)
        r = read_file(store, CERTIFICATE, &stamps[CERTIFICATE], &chain, err);
    if (r == 0)
        r = read_certificate(store, CERTIFICATE, &chain, &certificate, err);
    if (r == 0)
        r = check_dates(store, certificate, err);
    if (r == 0)
        r = read_file(store, KEY, &stamps[KEY], &key, err);
    if (r == 0)
        r = read_key(store, &key, certificate, &credentials->key, err);
    if (key.data)
        explicit_bzero(key.data, key.len);
    if (r < 0)
        return r;
    berth_subject_read(certificate, &credentials->subject);
    if (store->paths[CA])
        credentials->ca = berth_strbuf_steal(&ca, NULL);
    credentials->certificate = berth_strbuf_steal(&chain, NULL);
    bool is_whole = credentials->certificate && (credentials->ca || !store->paths[CA]);
    return is_whole ? 0 : berth_error_nomem(err);
}

/* ---- The store ---- */

/* Under the lock, or before anybody else knows the store. */
static int reload(struct berth_credential_store *store, struct berth_error *err)
{
    BERTH_CLEANUP(credentials) struct berth_credentials *fresh = calloc(1, sizeof(*fresh));
    if (!fresh)
        return berth_error_nomem(err);
    fresh->refs = 1;
    int r = load(store, store->stamps, fresh, err);
    if (r < 0)
        return r;
    berth_credentials_unref(store->current);
    store->current = berth_steal(&fresh);
    return 0;
}

/* A file that is not there for a moment is as good as unchanged. */
static bool has_changed(const struct berth_credential_store *store)
{
    for (int i = 0; i < FILE_COUNT; i++) {
        const struct stamp *known = &store->stamps[i];
        struct stat st;
        if (store->paths[i] && stat(store->paths[i], &st) == 0 &&
            (st.st_ino != known->inode || st.st_size != known->size ||
             st.st_mtim.tv_sec != known->changed.tv_sec ||
             st.st_mtim.tv_nsec != known->changed.tv_nsec))
            return true;
    }
    return false;
}

struct berth_credentials *berth_credential_store_take(struct berth_credential_store *store)
{
    struct berth_error why = BERTH_ERROR_INIT;
    BERTH_LOCK_SCOPE(held, &store->lock);
    if (has_changed(store)) {
        if (reload(store, &why) == 0)
            berth_log(BERTH_LOG_INFO, "the certificate in %s was read anew",
                      store->paths[CERTIFICATE]);
        else
            berth_log_error(BERTH_LOG_WARNING, &why, "the certificate stays what it was");
    }
    return berth_credentials_ref(store->current);
}

static int set_paths(struct berth_credential_store *store,
                     const struct berth_credential_files *files, struct berth_error *err)
{
    const char *const given[FILE_COUNT] = {files->ca, files->certificate, files->key};
    static const char *const of_swarm[FILE_COUNT] = {
        BERTH_SWARM_CERTIFICATES "/swarm-root-ca.crt",
        BERTH_SWARM_CERTIFICATES "/swarm-node.crt",
        BERTH_SWARM_CERTIFICATES "/swarm-node.key",
    };
    store->is_server = files->is_server;
    store->is_of_swarm = !store->is_server && !given[CA] && !given[CERTIFICATE] && !given[KEY];
    for (int i = 0; i < FILE_COUNT; i++) {
        if (store->is_server && i == CA && !given[i])
            continue;
        if (!store->is_of_swarm && !given[i])
            return berth_error_set(
                err, BERTH_E_INVALID, "%s and tls_key go together: %s is missing",
                store->is_server ? "tls_cert" : "tls_ca, tls_cert", key_of(store, i));
        store->paths[i] = berth_text_dup(store->is_of_swarm ? of_swarm[i] : given[i]);
        if (!store->paths[i])
            return berth_error_nomem(err);
    }
    return 0;
}

int berth_credential_store_open(const struct berth_credential_files *files,
                                struct berth_credential_store **ret_store, struct berth_error *err)
{
    BERTH_CLEANUP(credential_store)
    struct berth_credential_store *store = calloc(1, sizeof(*store));
    if (!store)
        return berth_error_nomem(err);
    (void)pthread_mutex_init(&store->lock, NULL);
    int r = set_paths(store, files, err);
    if (r == 0)
        r = reload(store, err);
    if (r < 0)
        return r;
    *ret_store = berth_steal(&store);
    return 0;
}

void berth_credential_store_close(struct berth_credential_store *store)
{
    if (!store)
        return;
    berth_credentials_unref(store->current);
    for (int i = 0; i < FILE_COUNT; i++)
        free(store->paths[i]);
    (void)pthread_mutex_destroy(&store->lock);
    free(store);
}
