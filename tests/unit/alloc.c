/* SPDX-License-Identifier: MIT */
/* Allocation failure on demand: the linker sends calls of malloc and its kin here (--wrap). */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t size);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t size);

static _Thread_local struct {
    bool counting;
    bool failed;
    bool once;
    size_t left;
} alloc_state;

/* The same for all threads together. */
static struct {
    bool on; /* set before there are threads */
    _Atomic bool counting;
    _Atomic bool failed;
    _Atomic size_t made;
    /* Set while nothing is counted: */
    bool once;
    size_t successes;
} alloc_everywhere;

static void fail_after(size_t successes, bool once)
{
    if (alloc_everywhere.on) {
        alloc_everywhere.successes = successes;
        alloc_everywhere.once = once;
        atomic_store(&alloc_everywhere.made, 0);
        atomic_store(&alloc_everywhere.failed, false);
        atomic_store(&alloc_everywhere.counting, true);
        return;
    }
    alloc_state.left = successes;
    alloc_state.failed = false;
    alloc_state.once = once;
    alloc_state.counting = true;
}

void unit_alloc_fail_after(size_t successes)
{
    fail_after(successes, false);
}

void unit_alloc_fail_once_after(size_t successes)
{
    fail_after(successes, true);
}

bool unit_alloc_restore(void)
{
    if (alloc_everywhere.on) {
        atomic_store(&alloc_everywhere.counting, false);
        return atomic_load(&alloc_everywhere.failed);
    }
    alloc_state.counting = false;
    return alloc_state.failed;
}

void unit_alloc_everywhere(void)
{
    alloc_everywhere.on = true;
}

static bool may_allocate_everywhere(void)
{
    if (!atomic_load(&alloc_everywhere.counting))
        return true;
    size_t nth = atomic_fetch_add(&alloc_everywhere.made, 1);
    if (nth < alloc_everywhere.successes ||
        (alloc_everywhere.once && nth > alloc_everywhere.successes))
        return true;
    atomic_store(&alloc_everywhere.failed, true);
    errno = ENOMEM;
    return false;
}

bool unit_alloc_may(void)
{
    if (alloc_everywhere.on)
        return may_allocate_everywhere();
    if (!alloc_state.counting)
        return true;
    if (alloc_state.left == 0) {
        alloc_state.failed = true;
        alloc_state.counting = !alloc_state.once;
        errno = ENOMEM;
        return false;
    }
    alloc_state.left--;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return unit_alloc_may() ? __real_malloc(size) : NULL;
}

void *__wrap_calloc(size_t count, size_t size)
{
    return unit_alloc_may() ? __real_calloc(count, size) : NULL;
}

void *__wrap_realloc(void *old, size_t size)
{
    return unit_alloc_may() ? __real_realloc(old, size) : NULL;
}

char *__wrap_strdup(const char *text)
{
    return unit_alloc_may() ? __real_strdup(text) : NULL;
}

char *__wrap_strndup(const char *text, size_t size)
{
    return unit_alloc_may() ? __real_strndup(text, size) : NULL;
}
