/* SPDX-License-Identifier: MIT */
/*
 * A facility: its backend, mirror, approvals and policy. When its settings
 * change, requests under way keep the version they began with and new ones get
 * another; both stand on one core while the engine is the same.
 *
 * Threading: versions and cores are shared and reference counted; their fields
 * do not change, but for the atomic ones and those with a lock. The last
 * reference may be given up by any thread that holds no lock, but not by one
 * of the backend's.
 */
#ifndef BERTH_FACILITIES_FACILITY_H
#define BERTH_FACILITIES_FACILITY_H

#include "facilities/changes.h"
#include "facilities/identity.h"
#include "facilities/mirror.h"
#include "facilities/uptime.h"

enum berth_auth_mode { BERTH_AUTH_USERS, BERTH_AUTH_OPEN };
enum berth_image_policy { BERTH_IMAGES_APPROVAL, BERTH_IMAGES_OPEN };

/* All strings are copied by berth_facility_open. */
struct berth_facility_config {
    const char *id;
    const char *title;   /* for people; "" is the id */
    const char *backend; /* name of the ops */
    enum berth_auth_mode auth;
    enum berth_image_policy image_policy;
    int64_t max_apps_per_user; /* 0: no bound */
    int64_t cpu_nano;          /* 0: no limit */
    int64_t memory_bytes;
    int64_t pids;
    int64_t gpus;
    const char *default_user_uid; /* "UID[:GID]" or NULL */
    struct berth_backend_config engine;
};

struct berth_creation;

/* What an engine is followed with: shared by the versions of a facility whose engine is the same.
 */
struct berth_facility_core {
    unsigned refs;                       /* atomic */
    unsigned stopping;                   /* atomic: 1 from berth_facility_stop on */
    struct berth_facility_config config; /* what it was opened by */
    struct berth_backend *backend;
    struct berth_mirror *mirror;
    struct berth_approvals *approvals;
    struct berth_changes *changes; /* for those who watch */
    struct berth_store *store;     /* borrowed */
    struct berth_uptime *uptime;   /* borrowed */
    pthread_mutex_t recording_lock;
    bool recording; /* under recording_lock: what the mirror sees goes to uptime */
    pthread_mutex_t creating_lock;
    struct berth_creation *creating; /* under creating_lock: what facilities/apps.c is making */
};

/* One version of a facility: its settings, which never change, and the core they are applied to. */
struct berth_facility {
    unsigned refs;  /* atomic */
    unsigned ended; /* atomic: 1 from berth_facility_end on */
    struct berth_facility_config config;
    struct berth_facility_core *core; /* a reference; it owns the six below */
    struct berth_backend *backend;
    struct berth_mirror *mirror;
    struct berth_approvals *approvals;
    struct berth_changes *changes;
    struct berth_store *store;
    struct berth_uptime *uptime;
};

/*
 * Opens backend, mirror and approvals; a backend that cannot be reached is no
 * error. Nothing is recorded or pulled before berth_facility_start, so that
 * another facility of that id may still be at work.
 */
BERTH_MUST_CHECK int berth_facility_open(const struct berth_facility_config *config,
                                         struct berth_store *store, struct berth_uptime *uptime,
                                         struct berth_facility **ret_facility,
                                         struct berth_error *err);
/* Another version: the same engine with other settings. What config says of the engine is not
 * looked at. */
BERTH_MUST_CHECK int berth_facility_renew(struct berth_facility *facility,
                                          const struct berth_facility_config *config,
                                          struct berth_facility **ret_facility,
                                          struct berth_error *err);
/* Waits for the first listing, or the first failure to get one; at most 2 s from the opening. */
void berth_facility_settle(struct berth_facility *facility);
/* Records uptime from now on, and takes up the pulls that were under way. Once for each core. */
BERTH_MUST_CHECK int berth_facility_start(struct berth_facility *facility, struct berth_error *err);
/* What would not end of itself, and goes by this version's settings, is to end. */
void berth_facility_end(struct berth_facility *facility);
/* As end, for all versions, and what waits for a pull or watches ends with BERTH_E_CANCELLED: the
 * facility is closing. Requests under way go on. */
void berth_facility_stop(struct berth_facility *facility);
/* As stop, and uptime is recorded no more: a facility of that id may be started. */
void berth_facility_retire(struct berth_facility *facility);
/* True once berth_facility_end or _stop has been called. */
bool berth_facility_is_ended(const struct berth_facility *facility);
struct berth_facility *berth_facility_ref(struct berth_facility *facility);
/* The last reference of all versions closes everything; never stops an app. */
void berth_facility_unref(struct berth_facility *facility);
BERTH_DEFINE_CLEANUP(facility, struct berth_facility *, berth_facility_unref)

#endif
