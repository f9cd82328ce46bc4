/* SPDX-License-Identifier: MIT */
/* Which ticket each app's row was learned with: what keeps old answers from overwriting newer. */
#include "facilities/mirror_internal.h"

#include <string.h>

struct berth_ticket {
    unsigned refs;
    bool gone;
    uint64_t ticket;
    TAILQ_ENTRY(berth_ticket) link; /* while gone */
    char id[];
};

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct berth_ticket *)a)->id, ((const struct berth_ticket *)b)->id);
}

static int compare_key(const void *key, const void *value)
{
    return strcmp(key, ((const struct berth_ticket *)value)->id);
}

static void ref(void *value)
{
    ((struct berth_ticket *)value)->refs++;
}

static void unref(void *value)
{
    struct berth_ticket *entry = value;
    if (--entry->refs == 0)
        free(entry);
}

static const struct berth_pmap_type ticket_type = {
    .compare = compare, .compare_key = compare_key, .ref = ref, .unref = unref};

void berth_tickets_init(struct berth_tickets *tickets)
{
    *tickets = (struct berth_tickets){0};
    TAILQ_INIT(&tickets->gone);
}

void berth_tickets_release(struct berth_tickets *tickets)
{
    berth_pmap_unref(&ticket_type, tickets->entries);
    berth_tickets_init(tickets);
}

uint64_t berth_tickets_of(const struct berth_tickets *tickets, const char *id, bool present)
{
    const struct berth_ticket *entry = berth_pmap_find(&ticket_type, tickets->entries, id);
    uint64_t known = present ? 0 : tickets->floor;
    if (entry)
        known = entry->ticket;
    return known > tickets->base ? known : tickets->base;
}

static void set_gone(struct berth_tickets *tickets, struct berth_ticket *entry, bool gone)
{
    if (entry->gone) {
        TAILQ_REMOVE(&tickets->gone, entry, link);
        tickets->gone_count--;
    }
    entry->gone = gone;
    if (gone) {
        TAILQ_INSERT_TAIL(&tickets->gone, entry, link);
        tickets->gone_count++;
    }
}

static int add(struct berth_tickets *tickets, const char *id, uint64_t ticket, bool gone,
               struct berth_error *err)
{
    size_t bytes = strlen(id) + 1;
    struct berth_ticket *entry = malloc(sizeof(*entry) + bytes);
    if (!entry)
        return berth_error_nomem(err);
    entry->refs = 1;
    entry->gone = false;
    entry->ticket = ticket;
    memcpy(entry->id, id, bytes);
    struct berth_pmap_node *entries;
    int status = berth_pmap_put(&ticket_type, tickets->entries, entry, &entries, err);
    if (!status) {
        berth_pmap_unref(&ticket_type, tickets->entries);
        tickets->entries = entries;
        set_gone(tickets, entry, gone);
    }
    unref(entry);
    return status;
}

static int remove_entry(struct berth_tickets *tickets, struct berth_ticket *entry,
                        struct berth_error *err)
{
    struct berth_pmap_node *entries;
    int status = berth_pmap_remove(&ticket_type, tickets->entries, entry->id, &entries, err);
    if (status)
        return status;
    set_gone(tickets, entry, false);
    berth_pmap_unref(&ticket_type, tickets->entries);
    tickets->entries = entries;
    return 0;
}

/* Failing to forget is no failure of the caller's: the next call tries again. */
static void forget_oldest(struct berth_tickets *tickets)
{
    while (tickets->gone_count > BERTH_MIRROR_TOMBSTONES) {
        struct berth_ticket *oldest = TAILQ_FIRST(&tickets->gone);
        uint64_t ticket = oldest->ticket;
        if (remove_entry(tickets, oldest, NULL))
            return;
        if (ticket > tickets->floor)
            tickets->floor = ticket;
    }
}

int berth_tickets_put(struct berth_tickets *tickets, const char *id, uint64_t ticket, bool gone,
                      struct berth_error *err)
{
    struct berth_ticket *entry = berth_pmap_find(&ticket_type, tickets->entries, id);
    if (!entry) {
        int status = add(tickets, id, ticket, gone, err);
        if (status)
            return status;
    } else {
        if (ticket > entry->ticket)
            entry->ticket = ticket;
        set_gone(tickets, entry, gone);
    }
    forget_oldest(tickets);
    return 0;
}

struct rebase {
    uint64_t ticket;
    struct berth_ticket **old;
    size_t count;
};

static bool visit_old(void *value, void *ctx)
{
    struct berth_ticket *entry = value;
    struct rebase *rebase = ctx;
    if (entry->ticket <= rebase->ticket)
        rebase->old[rebase->count++] = entry;
    return true;
}

/* An entry that cannot be forgotten for want of memory does no harm: base outweighs it. */
void berth_tickets_rebase(struct berth_tickets *tickets, uint64_t ticket)
{
    tickets->base = ticket;
    size_t count = berth_pmap_count(tickets->entries);
    BERTH_CLEANUP(free)
    struct berth_ticket **old = count > 0 ? malloc(count * sizeof(struct berth_ticket *)) : NULL;
    if (!old)
        return;
    struct rebase rebase = {.ticket = ticket, .old = old};
    berth_pmap_walk(&ticket_type, tickets->entries, NULL, visit_old, &rebase);
    for (size_t i = 0; i < rebase.count; i++)
        if (remove_entry(tickets, old[i], NULL))
            return;
}
