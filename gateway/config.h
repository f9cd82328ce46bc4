/* SPDX-License-Identifier: MIT */
/*
 * The configuration: INI files, the environment and a .env file, checked as a
 * whole before anything starts. docs/configuration.md lists every key with its
 * default and bounds, and is checked against the table in config_keys.c.
 *
 * A section, key or value that is not understood is BERTH_E_INVALID with file,
 * line and the nearest known word. Secrets may come from files (KEY_FILE).
 *
 * Threading: a configuration is immutable once loaded, and reference counted.
 */
#ifndef BERTH_GATEWAY_CONFIG_H
#define BERTH_GATEWAY_CONFIG_H

#include "base/log.h"
#include "base/strbuf.h"
#include "facilities/facility.h"
#include "facilities/store.h"
#include "gateway/proxies.h"

/* The file that is read where none is named. */
#define BERTH_CONFIG_PATH "/etc/berth/berth.conf"

/* Of which requests stderr tells. */
enum berth_log_requests { BERTH_REQUESTS_NONE, BERTH_REQUESTS_MINIRUN, BERTH_REQUESTS_ALL };

/* Strings are malloc'ed or NULL where nothing is set. */
struct berth_config {
    unsigned refs; /* atomic */
    char *path;    /* the file it was loaded from */

    /* [gateway] */
    struct berth_texts listen; /* "127.0.0.1:8080", "unix:/path" */
    char *listen_tls;          /* "0.0.0.0:8443" */
    char *tls_cert;
    char *tls_key;
    char *tls_client_ca;
    char *data_dir;
    char *root_facility;
    struct berth_texts cors_origins;
    struct berth_texts trusted_proxies;
    struct berth_proxy *proxies; /* the same, parsed */
    char *env_file;
    int64_t worker_threads;
    bool allow_open;
    bool development;

    /* [store] */
    char *postgres; /* a libpq connection string */
    bool fallback;

    /* [limits] */
    int64_t requests_per_second; /* 0: no bound */
    int64_t burst;
    int64_t max_body_bytes;
    int64_t max_upload_bytes; /* 0: no bound */
    int64_t request_timeout_ms;
    int64_t drain_timeout_ms; /* how long a gateway that ends waits for requests under way */

    struct berth_uptime_config uptime; /* [uptime] */

    /* [log] */
    enum berth_log_level log_level;
    char *log_file;
    int64_t log_max_bytes;
    int64_t log_keep;
    int log_requests; /* enum berth_log_requests */

    /* The environment: a gateway administrator to make sure of. */
    char *app_user;
    char *app_pass;
    char *db_host; /* the five of PostgreSQL */
    char *db_port;
    char *db_user;
    char *db_password;
    char *db_name;

    struct berth_facility_config *facilities; /* strings owned by the configuration */
    size_t facility_count;
};

/*
 * Loads path (NULL: $BERTH_CONFIG, else /etc/berth/berth.conf), beside it the
 * files of facilities.d and .env, and the environment, and checks it all.
 */
BERTH_MUST_CHECK int berth_config_load(const char *path, struct berth_config **ret_config,
                                       struct berth_error *err);

/*
 * Loads the files of running anew, checked as a whole both for themselves and
 * with what cannot change while the gateway runs: keys that take effect at a
 * start keep their values, and the names of those that differ are appended to
 * waiting ("listen, data_dir").
 */
BERTH_MUST_CHECK int berth_config_reload(const struct berth_config *running,
                                         struct berth_config **ret_config,
                                         struct berth_strbuf *waiting, struct berth_error *err);

/* What becomes of a facility when its section changes from one to the other. */
enum berth_config_change {
    BERTH_CONFIG_SAME,
    BERTH_CONFIG_RENEWED,  /* other settings on the same engine */
    BERTH_CONFIG_REOPENED, /* what the engine is opened by has changed */
};

enum berth_config_change berth_config_compare(const struct berth_facility_config *from,
                                              const struct berth_facility_config *to);

struct berth_config *berth_config_ref(struct berth_config *config);
void berth_config_unref(struct berth_config *config);
BERTH_DEFINE_CLEANUP(config, struct berth_config *, berth_config_unref)

/* What the store is to be opened by; borrowed from the configuration. */
struct berth_store_config berth_config_store(const struct berth_config *config);

/* Logs what is valid but without effect; for those who are about to serve. */
void berth_config_warn(const struct berth_config *config);

/* True if every listener is a loopback address or a unix socket. */
bool berth_config_is_local(const struct berth_config *config);

#endif
