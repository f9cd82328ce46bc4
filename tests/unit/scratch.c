/* SPDX-License-Identifier: MIT */
/* Directories that vanish with the test. */
#include "tests/unit/unit.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PATH_SIZE 512

static struct {
    pid_t owner; /* children of a test inherit the handler, not the directory */
    unsigned count;
    char root[PATH_SIZE / 2];
} scratch;

static int remove_entry(const char *path, const struct stat *status __attribute__((unused)),
                        int type __attribute__((unused)), struct FTW *ftw __attribute__((unused)))
{
    return remove(path);
}

static void remove_root(void)
{
    if (scratch.owner == getpid())
        (void)nftw(scratch.root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

char *unit_scratch(const char *name)
{
    if (scratch.owner != getpid()) {
        const char *tmpdir = getenv("TMPDIR");
        int len = snprintf(scratch.root, sizeof(scratch.root), "%s/berth-unit-XXXXXX",
                           tmpdir ? tmpdir : "/tmp");
        ck_assert(len > 0 && (size_t)len < sizeof(scratch.root));
        ck_assert_ptr_nonnull(mkdtemp(scratch.root));
        scratch.owner = getpid();
        ck_assert_int_eq(atexit(remove_root), 0);
    }
    char *path = malloc(PATH_SIZE);
    ck_assert_ptr_nonnull(path);
    int len = snprintf(path, PATH_SIZE, "%s/%u-%s", scratch.root, scratch.count++, name);
    ck_assert(len > 0 && len < PATH_SIZE);
    return path;
}
