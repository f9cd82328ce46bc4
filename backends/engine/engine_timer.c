/* SPDX-License-Identifier: MIT */
#include "backends/engine/engine_timer.h"

/* Hangs timer where slot points. */
static void hang(struct berth_engine_timer **slot, struct berth_engine_timer *timer)
{
    *slot = timer;
    if (timer)
        timer->at = slot;
}

/* Makes one tree of two; either may be NULL. The result hangs nowhere yet. */
static struct berth_engine_timer *meld(struct berth_engine_timer *a, struct berth_engine_timer *b)
{
    if (!a)
        return b;
    if (!b)
        return a;
    if (b->due_ms < a->due_ms) {
        struct berth_engine_timer *first = b;
        b = a;
        a = first;
    }
    hang(&b->next, a->child);
    hang(&a->child, b);
    return a;
}

/* Makes one tree of a list of siblings: melds pairs from the left, then the pairs from the right.
 */
static struct berth_engine_timer *meld_siblings(struct berth_engine_timer *list)
{
    struct berth_engine_timer *pairs = NULL; /* linked by next, last pair first */
    while (list) {
        struct berth_engine_timer *a = list;
        struct berth_engine_timer *b = a->next;
        list = b ? b->next : NULL;
        a->next = NULL;
        if (b)
            b->next = NULL;
        struct berth_engine_timer *pair = meld(a, b);
        pair->next = pairs;
        pairs = pair;
    }
    struct berth_engine_timer *tree = NULL;
    while (pairs) {
        struct berth_engine_timer *pair = pairs;
        pairs = pair->next;
        pair->next = NULL;
        tree = meld(tree, pair);
    }
    return tree;
}

void berth_timer_heap_add(struct berth_engine_timer **root, struct berth_engine_timer *timer)
{
    timer->child = NULL;
    timer->next = NULL;
    hang(root, meld(*root, timer));
}

void berth_timer_heap_remove(struct berth_engine_timer **root, struct berth_engine_timer *timer)
{
    hang(timer->at, timer->next); /* out of its list of siblings; the root has none */
    timer->next = NULL;
    struct berth_engine_timer *orphans = meld_siblings(timer->child);
    timer->child = NULL;
    timer->at = NULL;
    hang(root, meld(*root, orphans));
}
