/* SPDX-License-Identifier: MIT */
/*
 * Terminals: a process in an app, and what a client that comes back is to find.
 * One that was asked for with a session outlives its connection for a minute;
 * meanwhile nothing is read from it, so nothing of its output is lost.
 *
 * A terminal is attached to one connection at a time, whose thread alone uses
 * it (gateway/terminal_pump.h); one that is detached belongs to the thread here
 * that ends it when its minute is over, or its caller has lost the right.
 *
 * Threading: any thread.
 */
#ifndef BERTH_GATEWAY_TERMINAL_H
#define BERTH_GATEWAY_TERMINAL_H

#include "base/limits.h"
#include "base/strbuf.h"
#include "facilities/facility.h"

/* The start of a UTF-8 character whose rest has not come. */
struct berth_terminal_rest {
    char data[4];
    size_t len;
};

struct berth_terminal {
    struct berth_terminal *next; /* of those with a session; under the lock of the set */
    char id[37];                 /* of the session; "" without */
    bool is_attached;            /* under the lock */
    int64_t detached_ms;         /* under the lock; monotonic */
    int wake;                    /* readable once another connection wants it; -1 without session */
    struct berth_facility *facility; /* a reference */
    struct berth_caller caller;
    char app[BERTH_APP_MAX + 1];
    struct berth_exec *exec;
    bool tty;
    int64_t begun_ms;          /* monotonic */
    struct berth_strbuf input; /* for the process, which has had it up to input_at */
    size_t input_at;
    struct berth_strbuf replay;         /* records: stream, length, bytes */
    struct berth_terminal_rest rest[2]; /* of stdout and stderr */
};

struct berth_terminals;

BERTH_MUST_CHECK int berth_terminals_new(struct berth_identity *identity,
                                         struct berth_terminals **ret_terminals,
                                         struct berth_error *err);
/* Ends those that are detached; none is attached any more. NULL is fine. */
void berth_terminals_free(struct berth_terminals *terminals);

/* That of a connection. It lives on its thread's stack from join to leave; the strings are borrowed
 * for as long. */
struct berth_terminal_place {
    struct berth_terminal_place *next; /* under the lock of the set */
    const char *facility;
    const char *user;
    bool is_resumed; /* takes up one that is counted already: not bound as the user's */
};

/* How many connections there may be; those of a user with what he may resume in that facility. */
struct berth_terminal_bounds {
    unsigned of_gateway;
    unsigned of_facility;
    unsigned of_user;
};

/* Counts a connection in: BERTH_E_BUSY with retry_after_s. */
BERTH_MUST_CHECK int berth_terminals_join(struct berth_terminals *terminals,
                                          struct berth_terminal_place *place,
                                          const struct berth_terminal_bounds *bounds,
                                          struct berth_error *err);
/* Due for each that has joined. */
void berth_terminals_leave(struct berth_terminals *terminals,
                           const struct berth_terminal_place *place);

/* A terminal that is attached to its maker. */
BERTH_MUST_CHECK int berth_terminal_open(struct berth_terminals *terminals,
                                         struct berth_facility *facility,
                                         const struct berth_caller *caller, const char *app,
                                         const struct berth_exec_spec *spec, bool has_session,
                                         struct berth_terminal **ret_terminal,
                                         struct berth_error *err);
/* That of the session, from another connection if need be. BERTH_E_NOT_FOUND: there is none of
 * this caller in that app. */
BERTH_MUST_CHECK int berth_terminal_resume(struct berth_terminals *terminals,
                                           const struct berth_facility *facility,
                                           const struct berth_caller *caller, const char *app,
                                           const char *id, struct berth_terminal **ret_terminal,
                                           struct berth_error *err);
/* Gives it up; it waits for who resumes it. */
void berth_terminal_detach(struct berth_terminals *terminals, struct berth_terminal *terminal);
/* Ends it, for this reason. */
void berth_terminal_end(struct berth_terminals *terminals, struct berth_terminal *terminal,
                        const char *why);

/* Whether another connection wants it. */
bool berth_terminal_is_wanted(const struct berth_terminal *terminal);

/* Whether it may go on, as berth_long_answer_confirm(). */
BERTH_MUST_CHECK int berth_terminal_confirm(struct berth_terminals *terminals,
                                            struct berth_terminal *terminal,
                                            struct berth_error *err);

/* Remembers output that was read. */
void berth_terminal_keep(struct berth_terminal *terminal, enum berth_output stream,
                         const char *data, size_t len);

#endif
