/* SPDX-License-Identifier: MIT */
/*
 * A facility: its backend, mirror, approvals and policy; and the set of all
 * facilities of a gateway.
 *
 * Threading: a facility is shared and reference counted; its fields do not
 * change after berth_facility_open, but for the atomic ones and the one with a lock.
 */
#ifndef BERTH_FACILITIES_FACILITY_H
#define BERTH_FACILITIES_FACILITY_H

#include "facilities/approvals.h"
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

struct berth_facility {
    unsigned refs;     /* atomic */
    unsigned stopping; /* atomic: 1 from berth_facility_stop on */
    struct berth_facility_config config;
    struct berth_backend *backend;
    struct berth_mirror *mirror;
    struct berth_approvals *approvals;
    struct berth_store *store;   /* borrowed */
    struct berth_uptime *uptime; /* borrowed */
    pthread_mutex_t creating_lock;
    struct berth_creation *creating; /* under creating_lock: what facilities/apps.c is making */
};

/* Opens backend, mirror and approvals; a backend that cannot be reached is no error. */
BERTH_MUST_CHECK int berth_facility_open(const struct berth_facility_config *config,
                                         struct berth_store *store, struct berth_uptime *uptime,
                                         struct berth_facility **ret_facility,
                                         struct berth_error *err);
/* What waits for a pull ends with BERTH_E_CANCELLED: the gateway is stopping. */
void berth_facility_stop(struct berth_facility *facility);
struct berth_facility *berth_facility_ref(struct berth_facility *facility);
/* The last reference closes everything; never stops an app. */
void berth_facility_unref(struct berth_facility *facility);
BERTH_DEFINE_CLEANUP(facility, struct berth_facility *, berth_facility_unref)

#endif
