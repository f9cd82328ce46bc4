/* SPDX-License-Identifier: MIT */
/*
 * Scope-bound ownership: BERTH_CLEANUP(type) on a local variable runs the
 * destructor declared with BERTH_DEFINE_CLEANUP when the scope ends.
 * berth_steal() hands the value on, so that the destructor finds nothing.
 *
 * Threading: plain macros; safe anywhere.
 */
#ifndef BERTH_BASE_CLEANUP_H
#define BERTH_BASE_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BERTH_MUST_CHECK         __attribute__((warn_unused_result))
#define BERTH_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))

/* For a pointer type: calls FREE(value) on a value that is not NULL. */
#define BERTH_DEFINE_CLEANUP(NAME, TYPE, FREE)                                                     \
    static inline void berth_cleanup_##NAME(TYPE *slot)                                            \
    {                                                                                              \
        if (*slot)                                                                                 \
            FREE(*slot);                                                                           \
    }

/* For a struct held by value: calls RELEASE(&value). */
#define BERTH_DEFINE_CLEANUP_VALUE(NAME, TYPE, RELEASE)                                            \
    static inline void berth_cleanup_##NAME(TYPE *slot)                                            \
    {                                                                                              \
        RELEASE(slot);                                                                             \
    }

/* "unused", as clang takes a variable that lives only to be released for one. */
#define BERTH_CLEANUP(NAME) __attribute__((cleanup(berth_cleanup_##NAME), unused))

/* Takes the value out of a slot, leaving NULL: for pointers. */
#define berth_steal(slot)                                                                          \
    (__extension__({                                                                               \
        __typeof__(*(slot)) berth_stolen = *(slot);                                                \
        *(slot) = NULL;                                                                            \
        berth_stolen;                                                                              \
    }))

static inline void berth_cleanup_free(void *slot)
{
    free(*(void **)slot);
}

/* File descriptors start at -1; closing keeps errno. */
void berth_fd_close(int *fd);

static inline int berth_fd_steal(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}

BERTH_DEFINE_CLEANUP_VALUE(fd, int, berth_fd_close)
BERTH_DEFINE_CLEANUP(file, FILE *, fclose)

#endif
