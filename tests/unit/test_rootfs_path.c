/* SPDX-License-Identifier: MIT */
#include "backends/rootfs/rootfs_path.h"
#include "base/limits.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The tree that all of it is asked of, with @ for its path:
 *   default/ default/inner/                                 the default, and what is beneath it
 *   first/debian/ first/old -> debian, first/self -> .      a root
 *   first/out -> ../second, first/absolute -> @/first/debian, first/loop -> loop
 *   first/file, first/deep/er/, first/caf\xc3\xa9/, first/.hidden/
 *   second/alpine/ second/debian/                           another root
 *   firsts/                                                 beside them
 */
static char *top;

static void make_folder(const char *name)
{
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/%s", top, name);
    ck_assert_msg(mkdir(path, 0755) == 0, "%s: %m", path);
}

static void make_link(const char *name, const char *to)
{
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/%s", top, name);
    ck_assert_msg(symlink(to, path) == 0, "%s: %m", path);
}

static void make_tree(void)
{
    static const char *const folders[] = {
        "",
        "default",
        "default/inner",
        "first",
        "first/debian",
        "first/deep",
        "first/deep/er",
        "first/caf\xc3\xa9",
        "first/.hidden",
        "second",
        "second/alpine",
        "second/debian",
        "firsts",
    };
    char to[512];
    top = unit_scratch("roots");
    for (size_t i = 0; i < UNIT_COUNT(folders); i++)
        make_folder(folders[i]);
    (void)snprintf(to, sizeof(to), "%s/first/debian", top);
    make_link("first/old", "debian");
    make_link("first/self", ".");
    make_link("first/out", "../second");
    make_link("first/absolute", to);
    make_link("first/loop", "loop");
    (void)snprintf(to, sizeof(to), "%s/first/file", top);
    int fd = open(to, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(close(fd), 0);
}

/* text with the tree's path for each @. */
static const char *expand(const char *text, char *out, size_t size)
{
    size_t len = 0;
    out[0] = '\0';
    for (; *text; text++) {
        int added = *text == '@' ? snprintf(out + len, size - len, "%s", top)
                                 : snprintf(out + len, size - len, "%c", *text);
        len += (size_t)added;
        ck_assert_uint_lt(len, size);
    }
    return out;
}

struct row {
    const char *name;
    const char *asked;
    const char *path; /* NULL: refused */
    const char *why;  /* the message */
};

static void check_row(const struct row *row, bool by_name, const struct berth_rootfs_config *config)
{
    char asked[BERTH_ROOTFS_PATH_MAX + 16];
    char path[512];
    char why[1024];
    struct berth_error err = BERTH_ERROR_INIT;
    struct berth_rootfs_path found = BERTH_ROOTFS_PATH_INIT;
    if (row->asked)
        (void)expand(row->asked, asked, sizeof(asked));
    int rc = by_name ? berth_rootfs_path_find(config, row->asked, &found, &err)
                     : berth_rootfs_path_open(config, row->asked ? asked : NULL, &found, &err);
    if (!row->path) {
        ck_assert_msg(
            rc == (by_name && strstr(row->why, "is no root") ? BERTH_E_NOT_FOUND : BERTH_E_INVALID),
            "%s: %d", row->name, rc);
        ck_assert_msg(strcmp(err.message, expand(row->why, why, sizeof(why))) == 0, "%s: %s",
                      row->name, err.message);
        ck_assert_int_eq(found.fd, -1);
        ck_assert_ptr_null(found.path);
        return;
    }
    ck_assert_msg(rc == 0, "%s: %s", row->name, err.message);
    ck_assert_msg(strcmp(found.path, expand(row->path, path, sizeof(path))) == 0, "%s: %s",
                  row->name, found.path);
    struct stat by_fd;
    struct stat by_path;
    ck_assert_int_eq(fstat(found.fd, &by_fd), 0);
    ck_assert_int_eq(stat(found.path, &by_path), 0);
    ck_assert_uint_eq(by_fd.st_ino, by_path.st_ino);
    berth_rootfs_path_release(&found);
    berth_rootfs_path_release(&found);
}

static void check_rows(const struct row *rows, size_t count, bool by_name)
{
    char texts[4][512];
    char *roots[] = {texts[1], texts[2], texts[3]};
    make_tree();
    (void)expand("@/default/", texts[0], sizeof(texts[0]));
    (void)expand("@/first", texts[1], sizeof(texts[1]));
    (void)expand("@/gone", texts[2], sizeof(texts[2]));
    (void)expand("@/second//", texts[3], sizeof(texts[3]));
    const struct berth_rootfs_config config = {.rootfs = texts[0],
                                               .roots = {roots, UNIT_COUNT(roots)}};
    for (size_t i = 0; i < count; i++)
        check_row(&rows[i], by_name, &config);
    free(top);
}

#define OUTSIDE(path) "rootfs " path " is not beneath a root of this facility"

START_TEST(paths_stay_beneath_the_roots)
{
    static const struct row rows[] = {
        {"the default", NULL, "@/default", NULL},
        {"the default by its path", "@/default", "@/default", NULL},
        {"with slashes", "@/default///", "@/default", NULL},
        {"beneath the default", "@/default/inner", "@/default/inner", NULL},
        {"beneath a root", "@/first/debian", "@/first/debian", NULL},
        {"deep beneath", "@/first/deep//er/", "@/first/deep/er", NULL},
        {"dots that go nowhere", "@/first/./debian/.", "@/first/debian", NULL},
        {"beneath the last root", "@/second/alpine", "@/second/alpine", NULL},
        {"UTF-8", "@/first/caf\xc3\xa9", "@/first/caf\xc3\xa9", NULL},
        {"a link that stays", "@/first/old", "@/first/debian", NULL},
        {"empty", "", NULL, "rootfs must be an absolute path"},
        {"relative", "first/debian", NULL, "rootfs must be an absolute path"},
        {"elsewhere", "/etc", NULL, OUTSIDE("/etc")},
        {"all of the host", "/", NULL, OUTSIDE("/")},
        {"above", "@", NULL, OUTSIDE("@")},
        {"a name that only begins so", "@/firsts", NULL, OUTSIDE("@/firsts")},
        {"a root itself", "@/first", NULL, "rootfs @/first is a root itself, not beneath it"},
        {"by a dot", "@/first/.", NULL, "rootfs @/first/. is a root itself, not beneath it"},
        {"by a link", "@/first/self", NULL, "rootfs @/first/self is a root itself, not beneath it"},
        {"up", "@/first/../second/alpine", NULL, "rootfs must not contain .."},
        {"up at the end", "@/first/debian/..", NULL, "rootfs must not contain .."},
        {"a link out", "@/first/out/alpine", NULL,
         "rootfs @/first/out/alpine leads out of @/first"},
        {"an absolute link", "@/first/absolute", NULL,
         "rootfs @/first/absolute leads out of @/first"},
        {"a link to itself", "@/first/loop", NULL, "rootfs @/first/loop leads out of @/first"},
        {"a file", "@/first/file", NULL, "rootfs @/first/file is not a folder"},
        {"beneath a file", "@/first/file/x", NULL, "rootfs @/first/file/x is not a folder"},
        {"nothing", "@/first/none", NULL, "rootfs @/first/none does not exist"},
        {"beneath nothing", "@/default/none/x", NULL, "rootfs @/default/none/x does not exist"},
        {"a root that has gone", "@/gone/x", NULL,
         "rootfs @/gone/x is in @/gone, which cannot be opened"},
        {"control characters", "@/first/a\nb", NULL,
         "rootfs must be UTF-8 without control characters"},
        {"no UTF-8", "@/first/\xff", NULL, "rootfs must be UTF-8 without control characters"},
    };
    check_rows(rows, UNIT_COUNT(rows), false);
}
END_TEST

#define NO_NAME                                                                                    \
    "image must be the name of a folder: at most 255 bytes of UTF-8 without / and control "        \
    "characters, and no . to begin with"

START_TEST(images_are_folders_directly_in_a_root)
{
    static const struct row rows[] = {
        {"in the first root", "debian", "@/first/debian", NULL},
        {"in another", "alpine", "@/second/alpine", NULL},
        {"the default", "default", "@/default", NULL},
        {"a link that stays", "old", "@/first/debian", NULL},
        {"not what is in the default", "inner", NULL,
         "image inner is no root file system of this facility"},
        {"a part of the default's name", "fault", NULL,
         "image fault is no root file system of this facility"},
        {"nothing", "none", NULL, "image none is no root file system of this facility"},
        {"a file", "file", NULL, "image file is not a folder"},
        {"a link out", "out", NULL, "image out leads out of @/first"},
        {"a root itself", "self", NULL, "image self is a root itself, not beneath it"},
        {"empty", "", NULL, NO_NAME},
        {"a path", "deep/er", NULL, NO_NAME},
        {"up", "..", NULL, NO_NAME},
        {"here", ".", NULL, NO_NAME},
        {"hidden", ".hidden", NULL, NO_NAME},
        {"control characters", "a\tb", NULL, NO_NAME},
        {"no UTF-8", "\xc3", NULL, NO_NAME},
    };
    check_rows(rows, UNIT_COUNT(rows), true);
}
END_TEST

START_TEST(the_length_of_a_path_is_bounded)
{
    static char text[BERTH_ROOTFS_PATH_MAX + 2];
    struct berth_error err = BERTH_ERROR_INIT;
    struct berth_rootfs_path found = BERTH_ROOTFS_PATH_INIT;
    const struct berth_rootfs_config config = {.rootfs = "/nonexistent"};
    memset(text, 'a', sizeof(text) - 1);
    text[0] = '/';
    ck_assert_int_eq(berth_rootfs_path_open(&config, text, &found, &err), BERTH_E_INVALID);
    ck_assert_str_eq(err.message, "rootfs must be at most 4095 bytes long");
    text[BERTH_ROOTFS_PATH_MAX] = '\0';
    ck_assert_int_eq(berth_rootfs_path_open(&config, text, &found, &err), BERTH_E_INVALID);
    ck_assert_ptr_nonnull(strstr(err.message, "rootfs /aaa"));
}
END_TEST

START_TEST(without_a_default_a_path_must_be_given)
{
    struct berth_error err = BERTH_ERROR_INIT;
    struct berth_rootfs_path found = BERTH_ROOTFS_PATH_INIT;
    const struct berth_rootfs_config config = {0};
    ck_assert_int_eq(berth_rootfs_path_open(&config, NULL, &found, &err), BERTH_E_INVALID);
    ck_assert_str_eq(err.message, "rootfs is missing, and this facility has no default");
}
END_TEST

UNIT_SUITE("rootfs_path", paths_stay_beneath_the_roots, images_are_folders_directly_in_a_root,
           the_length_of_a_path_is_bounded, without_a_default_a_path_must_be_given)
