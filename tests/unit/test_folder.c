/* SPDX-License-Identifier: MIT */
#include "base/folder.h"

#include "tests/unit/unit.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* An empty folder of the test's. */
static int open_scratch(void)
{
    BERTH_CLEANUP(free) char *path = unit_scratch("folder");
    ck_assert_int_eq(mkdir(path, 0700), 0);
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_ge(folder, 0);
    return folder;
}

static void put(int folder, const char *name, const char *text)
{
    BERTH_CLEANUP(fd) int fd = openat(folder, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static const char *get(int folder, const char *name)
{
    static char text[64];
    BERTH_CLEANUP(fd) int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
    text[got > 0 ? got : 0] = '\0';
    return text;
}

static size_t count(int folder)
{
    BERTH_CLEANUP(dir) DIR *list = NULL;
    size_t found = 0;
    ck_assert_int_eq(berth_folder_list(folder, &list, NULL), 0);
    while (readdir(list))
        found++;
    return found - 2; /* . and .. */
}

START_TEST(no_path_leads_out)
{
    BERTH_CLEANUP(fd) int top = open_scratch();
    BERTH_CLEANUP(fd) int folder = -1;
    ck_assert_int_eq(berth_folder_make(top, "inner", 0700, &folder, NULL), 0);
    put(top, "outside", "secret");
    put(folder, "inside", "mine");
    ck_assert_int_eq(mkdirat(folder, "deep", 0700), 0);
    ck_assert_int_eq(symlinkat("../outside", folder, "up"), 0);
    ck_assert_int_eq(symlinkat("/etc/passwd", folder, "root"), 0);
    ck_assert_int_eq(symlinkat("/proc/self/root", folder, "magic"), 0);
    ck_assert_int_eq(symlinkat("../inside", folder, "deep/back"), 0);
    static const struct {
        const char *path;
        int status;
    } rows[] = {
        {"inside", 0},
        {"./inside", 0},
        {"deep/../inside", 0},
        {"deep/back", 0},
        {"absent", BERTH_E_NOT_FOUND},
        {"inside/below", BERTH_E_NOT_FOUND},
        {"../outside", BERTH_E_INVALID},
        {"deep/../../outside", BERTH_E_INVALID},
        {"up", BERTH_E_INVALID},
        {"root", BERTH_E_INVALID},
        {"magic/etc/passwd", BERTH_E_INVALID},
        {"/etc/passwd", BERTH_E_INVALID},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(fd) int fd = -1;
        int rc = berth_folder_open(folder, rows[i].path, O_RDONLY, 0, &fd, NULL);
        ck_assert_msg(rc == rows[i].status, "%s: %s", rows[i].path,
                      berth_status_name((enum berth_status)rc));
        ck_assert((fd >= 0) == (rc == 0));
        ck_assert(rc < 0 || (fcntl(fd, F_GETFD) & FD_CLOEXEC));
    }
}
END_TEST

START_TEST(a_file_is_replaced_whole)
{
    BERTH_CLEANUP(fd) int folder = open_scratch();
    ck_assert_int_eq(berth_folder_write(folder, "file", "one", 3, 0600, NULL), 0);
    ck_assert_str_eq(get(folder, "file"), "one");
    BERTH_CLEANUP(fd) int before = openat(folder, "file", O_RDONLY | O_CLOEXEC);
    ck_assert_int_eq(berth_folder_write(folder, "file", "", 0, 0600, NULL), 0);
    ck_assert_str_eq(get(folder, "file"), "");
    char text[8] = "";
    ck_assert_int_eq(read(before, text, sizeof(text)), 3); /* who reads it reads one or the other */
    ck_assert_uint_eq(count(folder), 1);

    ck_assert_int_eq(mkdirat(folder, "taken", 0700), 0);
    ck_assert_int_lt(berth_folder_write(folder, "taken", "x", 1, 0600, NULL), 0);
    ck_assert_uint_eq(count(folder), 2); /* no draft is left */
}
END_TEST

START_TEST(all_within_goes_and_nothing_else)
{
    BERTH_CLEANUP(fd) int top = open_scratch();
    BERTH_CLEANUP(fd) int folder = -1;
    ck_assert_int_eq(berth_folder_make(top, "inner", 0700, &folder, NULL), 0);
    ck_assert_int_eq(mkdirat(top, "kept", 0700), 0);
    put(top, "kept/file", "kept");
    put(folder, "file", "x");
    put(folder, ".hidden", "x");
    ck_assert_int_eq(symlinkat("../kept", folder, "link"), 0);
    ck_assert_int_eq(mkfifoat(folder, "fifo", 0600), 0);
    BERTH_CLEANUP(fd) int deepest = dup(folder);
    char name[201] = "";
    memset(name, 'd', sizeof(name) - 1);
    for (int depth = 0; depth < 40; depth++) { /* deeper than a path may be long */
        ck_assert_int_eq(mkdirat(deepest, name, 0700), 0);
        put(deepest, "file", "x");
        int next = openat(deepest, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        berth_fd_close(&deepest);
        deepest = next;
    }
    ck_assert_int_eq(berth_folder_clear(folder, NULL), 0);
    ck_assert_uint_eq(count(folder), 0);
    ck_assert_int_eq(berth_folder_remove(top, "inner", NULL), 0);
    ck_assert_int_eq(berth_folder_remove(top, "inner", NULL), 0); /* there is none: fine */
    ck_assert(!berth_folder_has(top, "inner"));
    ck_assert_str_eq(get(top, "kept/file"), "kept");
}
END_TEST

START_TEST(a_link_is_not_a_folder)
{
    BERTH_CLEANUP(fd) int top = open_scratch();
    BERTH_CLEANUP(fd) int fd = -1;
    ck_assert_int_eq(mkdirat(top, "kept", 0700), 0);
    put(top, "kept/file", "kept");
    ck_assert_int_eq(symlinkat("kept", top, "link"), 0);
    ck_assert_int_lt(berth_folder_remove(top, "link", NULL), 0);
    ck_assert_int_lt(berth_folder_make(top, "link", 0700, &fd, NULL), 0);
    ck_assert_str_eq(get(top, "kept/file"), "kept");
    ck_assert(berth_folder_has(top, "link"));
    ck_assert_int_eq(berth_folder_unlink(top, "link", NULL), 0);
    ck_assert_int_eq(berth_folder_unlink(top, "link", NULL), 0);
    ck_assert(!berth_folder_has(top, "link"));
}
END_TEST

UNIT_SUITE("folder", no_path_leads_out, a_file_is_replaced_whole, all_within_goes_and_nothing_else,
           a_link_is_not_a_folder)
