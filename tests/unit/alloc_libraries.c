/* SPDX-License-Identifier: MIT */
/* The allocations of cJSON and SQLite, and passwords hashed at no cost but an allocation. */
#include "tests/unit/alloc_libraries.h"

#include "tests/unit/unit.h"

#include <cjson/cJSON.h>
#include <crypt.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

static sqlite3_mem_methods sqlite_methods;

static void *sqlite_malloc(int size)
{
    return unit_alloc_may() ? sqlite_methods.xMalloc(size) : NULL;
}

static void *sqlite_realloc(void *old, int size)
{
    return unit_alloc_may() ? sqlite_methods.xRealloc(old, size) : NULL;
}

void unit_alloc_libraries(void)
{
    cJSON_Hooks hooks = {.malloc_fn = malloc, .free_fn = free}; /* malloc of this file: wrapped */
    cJSON_InitHooks(&hooks);
    ck_assert_int_eq(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &sqlite_methods), SQLITE_OK);
    sqlite3_mem_methods counted = sqlite_methods;
    counted.xMalloc = sqlite_malloc;
    counted.xRealloc = sqlite_realloc;
    ck_assert_int_eq(sqlite3_config(SQLITE_CONFIG_MALLOC, &counted), SQLITE_OK);
    /* Without memory of its own each small piece is an allocation. */
    ck_assert_int_eq(sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0), SQLITE_OK);
    ck_assert_int_eq(sqlite3_initialize(), SQLITE_OK);
}

char *__wrap_crypt_ra(const char *phrase, const char *setting, void **data, int *size);

char *__wrap_crypt_ra(const char *phrase, const char *setting __attribute__((unused)), void **data,
                      int *size)
{
    static const char prefix[] = "$y$cheap$";
    size_t need = sizeof(prefix) + strlen(phrase);
    char *made = malloc(need);
    if (!made) {
        errno = ENOMEM;
        return NULL;
    }
    memcpy(made, prefix, sizeof(prefix) - 1);
    memcpy(made + sizeof(prefix) - 1, phrase, strlen(phrase) + 1);
    *data = made;
    *size = (int)need;
    return made;
}
