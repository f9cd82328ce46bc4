/* SPDX-License-Identifier: MIT */
/* Allocation failure on demand: the linker sends calls of malloc and its kin here (--wrap). */
#include "tests/unit/unit.h"

#include <errno.h>
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

void unit_alloc_fail_after(size_t successes)
{
    alloc_state.left = successes;
    alloc_state.failed = false;
    alloc_state.once = false;
    alloc_state.counting = true;
}

void unit_alloc_fail_once_after(size_t successes)
{
    unit_alloc_fail_after(successes);
    alloc_state.once = true;
}

bool unit_alloc_restore(void)
{
    alloc_state.counting = false;
    return alloc_state.failed;
}

static bool may_allocate(void)
{
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
    return may_allocate() ? __real_malloc(size) : NULL;
}

void *__wrap_calloc(size_t count, size_t size)
{
    return may_allocate() ? __real_calloc(count, size) : NULL;
}

void *__wrap_realloc(void *old, size_t size)
{
    return may_allocate() ? __real_realloc(old, size) : NULL;
}

char *__wrap_strdup(const char *text)
{
    return may_allocate() ? __real_strdup(text) : NULL;
}

char *__wrap_strndup(const char *text, size_t size)
{
    return may_allocate() ? __real_strndup(text, size) : NULL;
}
