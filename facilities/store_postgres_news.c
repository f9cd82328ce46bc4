/* SPDX-License-Identifier: MIT */
/*
 * What gateways tell each other, by NOTIFY in the transaction of the change
 * and LISTEN on a connection of its own: "WRITER SUBJECT FACILITY KEY", the
 * facility "-" where there is none.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "base/thread.h"
#include "facilities/store_postgres.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>

#define CHANNEL     "berth"
#define PAYLOAD_MAX 1024
#define RETRY_MS    1000

static const char *const subjects[] = {
    [BERTH_NEWS_ALL] = "all",
    [BERTH_NEWS_IDENTITY] = "identity",
    [BERTH_NEWS_TOKENS] = "tokens",
    [BERTH_NEWS_APPROVALS] = "approvals",
};

#define SUBJECT_COUNT (sizeof(subjects) / sizeof(subjects[0]))

struct berth_pg_listener {
    struct berth_pg_server *server; /* borrowed */
    berth_news_fn *fn;
    void *ctx;
    int stop_fd; /* readable: to stop */
    pthread_t thread;
};

/* ---- Telling ---- */

int berth_pg_tell(struct berth_pg *pg, const char *own_id, const struct berth_store_news *news,
                  struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf payload = BERTH_STRBUF_INIT(PAYLOAD_MAX);
    berth_strbuf_addf(&payload, "%s %s %s %s", own_id, subjects[news->subject],
                      *news->facility ? news->facility : "-", news->key);
    int r = berth_strbuf_check(&payload, err);
    if (r < 0)
        return r;
    const struct berth_value value = berth_value_text(berth_strbuf_str(&payload));
    return berth_pg_run(pg, "SELECT pg_notify('" CHANNEL "', $1)", &value, 1, NULL, NULL, NULL,
                        err);
}

/* ---- Hearing ---- */

static bool parse_subject(const char *name, enum berth_news_subject *ret_subject)
{
    for (size_t i = 0; i < SUBJECT_COUNT; i++) {
        if (strcmp(subjects[i], name) == 0) {
            *ret_subject = (enum berth_news_subject)i;
            return true;
        }
    }
    return false;
}

static int pass_on(const struct berth_pg_listener *listener, char *payload)
{
    char *rest = payload;
    const char *writer = strsep(&rest, " ");
    const char *subject = strsep(&rest, " ");
    const char *facility = strsep(&rest, " ");
    struct berth_store_news news = {.facility = "", .key = ""};
    if (!rest || strcmp(writer, listener->server->id) == 0)
        return 0;
    if (parse_subject(subject, &news.subject)) {
        news.facility = strcmp(facility, "-") == 0 ? "" : facility;
        news.key = rest;
    } /* a newer berth's subject: it may be about anything */
    return listener->fn(&news, listener->ctx);
}

/* False: not all was taken in. */
static bool pass_all_on(const struct berth_pg_listener *listener, PGconn *conn)
{
    PGnotify *notify;
    bool is_taken = true;
    while ((notify = PQnotifies(conn))) {
        is_taken &= pass_on(listener, notify->extra) == 0;
        PQfreemem(notify);
    }
    return is_taken;
}

/* False: it is to stop. */
static bool wait_to_stop(const struct berth_pg_listener *listener, int timeout_ms)
{
    struct pollfd fd = {.fd = listener->stop_fd, .events = POLLIN};
    return poll(&fd, 1, timeout_ms) <= 0;
}

/* Returns when the connection is lost; false: it is to stop. */
static bool hear(const struct berth_pg_listener *listener, struct berth_pg *pg)
{
    static const struct berth_store_news all = {
        .subject = BERTH_NEWS_ALL, .facility = "", .key = ""};
    bool is_behind = true;
    for (;;) {
        struct pollfd fds[] = {{.fd = PQsocket(pg->conn), .events = POLLIN},
                               {.fd = listener->stop_fd, .events = POLLIN}};
        if (is_behind)
            is_behind = listener->fn(&all, listener->ctx) < 0;
        if (!pass_all_on(listener, pg->conn))
            is_behind = true;
        (void)poll(fds, 2, is_behind ? RETRY_MS : -1);
        if (fds[1].revents)
            return false;
        if (fds[0].revents && (!PQconsumeInput(pg->conn) || PQstatus(pg->conn) != CONNECTION_OK)) {
            (void)pass_all_on(listener, pg->conn);
            return true;
        }
    }
}

static void *listener_main(void *arg)
{
    const struct berth_pg_listener *listener = arg;
    bool deaf = false;
    bool go_on = true;
    while (go_on) {
        struct berth_pg pg = {0};
        struct berth_error err = BERTH_ERROR_INIT;
        int r = berth_pg_server_try(listener->server, &pg, &err);
        if (r == 0)
            r = berth_pg_exec(&pg, "LISTEN " CHANNEL, BERTH_PG_TIMEOUT_MS, &err);
        if (r == 0) {
            if (deaf)
                berth_log(BERTH_LOG_INFO, "the database can be reached again");
            deaf = false;
            go_on = hear(listener, &pg);
        } else {
            if (!deaf)
                berth_log_error(BERTH_LOG_WARNING, &err, "other gateways are not heard");
            deaf = true;
            go_on = wait_to_stop(listener, RETRY_MS);
        }
        berth_pg_close(&pg);
    }
    return NULL;
}

int berth_pg_listener_start(struct berth_pg_server *server, berth_news_fn *fn, void *ctx,
                            struct berth_pg_listener **ret_listener, struct berth_error *err)
{
    struct berth_pg_listener *listener = malloc(sizeof(*listener));
    if (!listener)
        return berth_error_nomem(err);
    *listener = (struct berth_pg_listener){.server = server, .fn = fn, .ctx = ctx};
    listener->stop_fd = eventfd(0, EFD_CLOEXEC);
    int r = listener->stop_fd < 0
                ? berth_error_set_errno(err, BERTH_E_INTERNAL, errno, "cannot make an eventfd")
                : berth_thread_start(&listener->thread, "store news", listener_main, listener, err);
    if (r < 0) {
        berth_fd_close(&listener->stop_fd);
        free(listener);
        return r;
    }
    *ret_listener = listener;
    return 0;
}

void berth_pg_listener_stop(struct berth_pg_listener *listener)
{
    (void)eventfd_write(listener->stop_fd, 1);
    (void)pthread_join(listener->thread, NULL);
    berth_fd_close(&listener->stop_fd);
    free(listener);
}
