/* SPDX-License-Identifier: MIT */
#include "gateway/neighbours.h"

#include "base/log.h"
#include "facilities/approvals.h"

#include <stdlib.h>
#include <string.h>

static int hear_requests(struct berth_facility *facility, int64_t id, struct berth_error *err)
{
    int r = berth_approvals_hear(facility->approvals, id, err);
    return r < 0 ? berth_error_wrap(err, "images of facility %s", facility->config.id) : 0;
}

/* Of a facility that this gateway serves too. */
static int hear_request(struct berth *berth, const struct berth_store_news *news,
                        struct berth_error *err)
{
    BERTH_CLEANUP(view) struct berth_view *view = berth_take_view(berth);
    struct berth_facility *facility = berth_view_find(view, news->facility, strlen(news->facility));
    return facility ? hear_requests(facility, strtoll(news->key, NULL, 10), err) : 0;
}

static int hear_all(struct berth *berth, struct berth_error *err)
{
    BERTH_CLEANUP(view) struct berth_view *view = berth_take_view(berth);
    int r = berth_identity_reload(berth->identity, err);
    for (size_t i = 0; r == 0 && i < view->facility_count; i++)
        r = hear_requests(view->facilities[i], 0, err);
    return r;
}

static int hear(struct berth *berth, const struct berth_store_news *news, struct berth_error *err)
{
    switch (news->subject) {
    case BERTH_NEWS_ALL:
        return hear_all(berth, err);
    case BERTH_NEWS_IDENTITY:
        return berth_identity_reload(berth->identity, err);
    case BERTH_NEWS_TOKENS:
        return berth_tokens_reload(berth_identity_tokens(berth->identity), err);
    case BERTH_NEWS_APPROVALS:
        return hear_request(berth, news, err);
    }
    return 0;
}

static int on_news(const struct berth_store_news *news, void *ctx)
{
    struct berth_error err = BERTH_ERROR_INIT;
    int r = hear(ctx, news, &err);
    if (r < 0)
        berth_log_error(BERTH_LOG_ERROR, &err,
                        "what another gateway changed is not known here yet");
    return r;
}

int berth_neighbours_open(struct berth *berth, struct berth_error *err)
{
    return berth_store_listen(berth->store, on_news, berth, err);
}

void berth_neighbours_close(struct berth *berth)
{
    if (berth->store)
        berth_store_deafen(berth->store);
}
