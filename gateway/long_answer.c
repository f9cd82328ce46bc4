/* SPDX-License-Identifier: MIT */
#include "gateway/long_answer.h"

#include "base/limits.h"
#include "facilities/facility.h"

static unsigned share_of(const struct berth_config *config, int64_t divisor)
{
    int64_t share = config->worker_threads / divisor;
    return share > 0 ? (unsigned)share : 1;
}

int berth_long_answer_join(struct berth_exchange *exchange, struct berth_error *err)
{
    struct berth *berth = exchange->berth;
    unsigned most = share_of(exchange->config, BERTH_WATCH_SHARE);
    int r = 0;
    if (__atomic_add_fetch(&berth->watchers, 1, __ATOMIC_RELAXED) > most) {
        r = berth_error_set(err, BERTH_E_BUSY,
                            "the gateway has %u long answers under way, the most that may be",
                            most);
        err->retry_after_s = BERTH_WATCH_RETRY_AFTER_S;
    }
    unsigned of_facility = share_of(exchange->config, BERTH_WATCH_OF_FACILITY);
    unsigned of_user = share_of(exchange->config, BERTH_WATCH_OF_USER);
    exchange->place.user = exchange->caller.user;
    if (r == 0) /* with auth = open, everybody is one */
        r = berth_changes_join(exchange->facility->changes, &exchange->place, of_facility,
                               exchange->caller.user[0] ? of_user : of_facility, err);
    if (r < 0)
        (void)__atomic_sub_fetch(&berth->watchers, 1, __ATOMIC_RELAXED);
    return r;
}

void berth_long_answer_leave(struct berth_exchange *exchange)
{
    berth_changes_leave(exchange->facility->changes, &exchange->place);
    (void)__atomic_sub_fetch(&exchange->berth->watchers, 1, __ATOMIC_RELAXED);
}

int berth_long_answer_confirm(struct berth_exchange *exchange, struct berth_error *err)
{
    struct berth_facility *facility = exchange->facility;
    int r = berth_changes_check(facility->changes, err);
    if (r == 0 && berth_facility_is_ended(facility))
        r = berth_error_set(err, BERTH_E_CANCELLED, "who may watch is settled otherwise now");
    if (r == 0 && facility->config.auth != BERTH_AUTH_OPEN)
        r = berth_identity_confirm(exchange->berth->identity, facility->config.id,
                                   &exchange->caller, err);
    return r;
}
