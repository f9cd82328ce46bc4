/* SPDX-License-Identifier: MIT */
/*
 * The parts of a swarm's watch. Included by swarm_watch*.c and nowhere else.
 *
 * Threading: everything on the I/O thread, but for the atomics.
 */
#ifndef BERTH_BACKENDS_SWARM_SWARM_WATCH_PRIVATE_H
#define BERTH_BACKENDS_SWARM_SWARM_WATCH_PRIVATE_H

#include "backends/engine/engine_fetch.h"
#include "backends/engine/engine_stream.h"
#include "backends/engine/engine_watch.h"
#include "backends/swarm/swarm_watch.h"
#include "base/pmap.h"

#include <stdatomic.h>

#define BERTH_SWARM_BUCKETS 1024
#define BERTH_SWARM_ASKS    4  /* services asked about one by one at once */
#define BERTH_SWARM_CHUNK   64 /* services in one question about tasks */

/* ---- The engine of one node ---- */

struct berth_swarm_link {
    struct berth_swarm_watch *watch;
    struct berth_swarm_endpoint *endpoint;
    struct berth_engine_watch *engine_watch;
    struct berth_pmap_node *by_id;   /* its containers; of berth_app */
    struct berth_pmap_node *by_task; /* the same, those that are of a task */
    bool is_live;                    /* all its containers are known */
    bool has_spoken;                 /* live or lost */
    struct berth_swarm_link *next;
};

/* ---- One app ---- */

struct berth_swarm_entry {
    struct berth_swarm_entry *next; /* in its bucket */
    char id[BERTH_SWARM_ID_MAX + 1];
    struct berth_swarm_service service; /* shape NULL: not known yet */
    struct berth_swarm_task task;       /* phase NONE: there is none */
    uint64_t ticket;                    /* of the last question that was answered about it */
    int64_t asked_ns;                   /* wall; when that was asked */
    int64_t changed_ms;                 /* monotonic; when its task changed last */
    int64_t due_ms;                     /* monotonic; its tasks are asked for then */
    char moved[BERTH_SWARM_ID_MAX + 1]; /* the task that it was moved away from last */
    bool is_wanted;                     /* ask about the service itself, too */
    bool is_asked;                      /* such a question is under way */
    bool is_seen;                       /* by the round */
};

/* A question about one service under way. */
struct berth_swarm_ask {
    struct berth_swarm_watch *watch;
    struct berth_engine_fetch *fetch; /* NULL: the slot is free */
    cJSON *service;
    uint64_t ticket;
    int64_t asked_ns;
    char id[BERTH_SWARM_ID_MAX + 1];
};

enum berth_swarm_watch_state {
    BERTH_SWARM_DOWN,     /* no contact */
    BERTH_SWARM_OPENING,  /* the stream of events is being opened */
    BERTH_SWARM_ROUND,    /* everything is being asked for, the first time since */
    BERTH_SWARM_GREETING, /* known; the nodes' engines have a moment to speak */
    BERTH_SWARM_LIVE,
};

struct berth_swarm_watch {
    struct swarm *swarm;
    struct berth_engine_io *io;
    struct berth_watch_sink sink;
    enum berth_swarm_watch_state state;

    /* swarm_watch.c: contact */
    struct berth_engine_stream *stream;
    struct berth_engine_timer retry_timer; /* from DOWN, while the manager's engine answers */
    struct berth_engine_timer open_timer;
    struct berth_engine_timer greet_timer;
    bool told_lost; /* and nothing since */
    int64_t alive_ns;

    /* swarm_watch_links.c: the nodes' engines */
    struct berth_swarm_link *links; /* the manager's first */
    struct berth_swarm_node_list nodes;

    /* swarm_watch_round.c: everything */
    struct berth_engine_fetch *round_fetch;
    cJSON *round_services;
    uint64_t round_ticket;
    int64_t round_as_of_ns;
    bool round_again; /* it was asked for while one was under way */
    struct berth_engine_timer round_timer;
    struct berth_engine_fetch *nodes_fetch;
    struct berth_engine_timer nodes_timer;

    /* swarm_watch_poll.c: single services */
    struct berth_engine_timer tick_timer;
    struct berth_swarm_ask asks[BERTH_SWARM_ASKS];
    struct berth_engine_fetch *poll_fetch;
    uint64_t poll_ticket;
    int64_t poll_asked_ns;
    char polled[BERTH_SWARM_CHUNK][BERTH_SWARM_ID_MAX + 1];
    size_t polled_count;
    _Atomic int64_t touched_ms;
    _Atomic int64_t passed_ms; /* when the links were told last */
    struct berth_engine_task touch_task;

    /* swarm_watch_rescue.c: the job that is being moved */
    struct berth_engine_fetch *rescue_fetch;
    char rescued[BERTH_SWARM_ID_MAX + 1];

    /* swarm_watch_entries.c */
    struct berth_swarm_entry *buckets[BERTH_SWARM_BUCKETS];
};

/* ---- swarm_watch.c ---- */

/* Contact is lost, or cannot be made: stops all but the links, and tells the sink. */
void berth_swarm_watch_lose(struct berth_swarm_watch *watch, const struct berth_error *why);
/* The manager's engine is there: connects to its swarm. */
void berth_swarm_watch_begin(struct berth_swarm_watch *watch);
/* The round is over, and what it found is in the entries. */
void berth_swarm_watch_known(struct berth_swarm_watch *watch);
/* A node's engine has spoken: the greeting may be over. */
void berth_swarm_watch_greet(struct berth_swarm_watch *watch);
/* The manager answered at wall_ns. */
void berth_swarm_watch_alive(struct berth_swarm_watch *watch, int64_t wall_ns);
bool berth_swarm_watch_is_read(const struct berth_swarm_watch *watch);

/* ---- swarm_watch_links.c ---- */

/* A link for each node whose engine can be reached and that has none. */
BERTH_MUST_CHECK int berth_swarm_links_ensure(struct berth_swarm_watch *watch,
                                              struct berth_error *err);
BERTH_MUST_CHECK int berth_swarm_link_open(struct berth_swarm_watch *watch,
                                           struct berth_swarm_endpoint *endpoint,
                                           struct berth_error *err);
void berth_swarm_links_close(struct berth_swarm_watch *watch);
void berth_swarm_links_touch(struct berth_swarm_watch *watch);
/* Tells the sink of the images of all nodes. */
void berth_swarm_links_tell_images(struct berth_swarm_watch *watch);
bool berth_swarm_links_have_spoken(const struct berth_swarm_watch *watch);
/* The link of the node's engine, or NULL. */
struct berth_swarm_link *berth_swarm_link_find(const struct berth_swarm_watch *watch,
                                               const struct berth_swarm_node *node);
/* The container of a task, borrowed, or NULL. */
const struct berth_app *berth_swarm_link_row(const struct berth_swarm_link *link, const char *task);

/* ---- swarm_watch_round.c ---- */

void berth_swarm_round_init(struct berth_swarm_watch *watch);
/* Asks for everything; one more time after, where it is under way. */
void berth_swarm_round_start(struct berth_swarm_watch *watch);
void berth_swarm_round_stop(struct berth_swarm_watch *watch);
/* Asks for the nodes alone. */
void berth_swarm_nodes_ask(struct berth_swarm_watch *watch);

/* ---- swarm_watch_poll.c ---- */

void berth_swarm_poll_init(struct berth_swarm_watch *watch);
/* Looks what is due, now and from now on. */
void berth_swarm_poll_wake(struct berth_swarm_watch *watch);
void berth_swarm_poll_stop(struct berth_swarm_watch *watch);
/* The service is to be asked about. */
BERTH_MUST_CHECK int berth_swarm_poll_want(struct berth_swarm_watch *watch, const char *service,
                                           struct berth_error *err);

/* ---- swarm_watch_rescue.c ---- */

/* Moves the entry's job off a node that is down, if that is its case and nothing else is being
 * moved. */
void berth_swarm_rescue(struct berth_swarm_watch *watch, struct berth_swarm_entry *entry);
void berth_swarm_rescue_stop(struct berth_swarm_watch *watch);

/* ---- swarm_watch_entries.c ---- */

struct berth_swarm_entry *berth_swarm_entry_find(struct berth_swarm_watch *watch, const char *id);
/* Finds it, or adds one of which nothing is known. */
BERTH_MUST_CHECK int berth_swarm_entry_get(struct berth_swarm_watch *watch, const char *id,
                                           struct berth_swarm_entry **ret_entry,
                                           struct berth_error *err);
void berth_swarm_entry_remove(struct berth_swarm_watch *watch, struct berth_swarm_entry *entry);
void berth_swarm_entries_clear(struct berth_swarm_watch *watch);
/* Until visit returns false; it may remove the entry it is given. */
void berth_swarm_entries_walk(struct berth_swarm_watch *watch,
                              bool (*visit)(struct berth_swarm_watch *watch,
                                            struct berth_swarm_entry *entry, void *ctx),
                              void *ctx);
/* Takes in what the manager said of its task; true if that is news. */
bool berth_swarm_entry_take(struct berth_swarm_entry *entry, const struct berth_swarm_task *task);
/* The app as it is known now, a reference. */
BERTH_MUST_CHECK int berth_swarm_entry_app(struct berth_swarm_watch *watch,
                                           const struct berth_swarm_entry *entry,
                                           struct berth_app **ret_app, struct berth_error *err);
/* Tells the sink of it, while live. False: contact was given up over it. */
bool berth_swarm_entry_tell(struct berth_swarm_watch *watch, const struct berth_swarm_entry *entry,
                            uint64_t ticket);
/* Tells the sink of it, while live: its node's engine has fallen silent, and answered last at
 * alive_ns (wall; 0: never). False as above. */
bool berth_swarm_entry_lose(struct berth_swarm_watch *watch, const struct berth_swarm_entry *entry,
                            int64_t alive_ns);
/* The service is no more: tells so, and removes the entry. */
void berth_swarm_entry_end(struct berth_swarm_watch *watch, struct berth_swarm_entry *entry,
                           uint64_t ticket, int64_t at_ns);
/* True if nothing of it changes but by an event. */
bool berth_swarm_entry_is_final(const struct berth_swarm_entry *entry);
/* True if it runs, and its node's own engine tells of its container. */
bool berth_swarm_entry_is_followed(const struct berth_swarm_watch *watch,
                                   const struct berth_swarm_entry *entry);

#endif
