/* SPDX-License-Identifier: MIT */
/* Downloads: what is packed, what is read, and that no path leads out. */
#include "backends/files/files.h"

#include "backends/files/files_reader.h"
#include "base/folder.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static int home;
static int mount;

static void put_file(const char *name, const char *text)
{
    BERTH_CLEANUP(fd) int fd = openat(mount, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

/* mount/boot.py, mount/data/{a,b/c,empty/}, and links. */
static void make_mount(void)
{
    BERTH_CLEANUP(free) char *path = unit_scratch("home");
    ck_assert_int_eq(mkdir(path, 0700), 0);
    home = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_ge(home, 0);
    ck_assert_int_eq(berth_folder_make(home, "mount", 0755, &mount, NULL), 0);
    ck_assert_int_eq(mkdirat(mount, "data", 0755), 0);
    ck_assert_int_eq(mkdirat(mount, "data/b", 0755), 0);
    ck_assert_int_eq(mkdirat(mount, "data/empty", 0755), 0);
    put_file("boot.py", "print()");
    put_file("data/a", "");
    put_file("data/b/c", "content");
    put_file("../secret", "secret");
    ck_assert_int_eq(symlinkat("b/c", mount, "data/within"), 0);
    ck_assert_int_eq(symlinkat("../../secret", mount, "data/out"), 0);
    ck_assert_int_eq(symlinkat("/etc/passwd", mount, "data/absolute"), 0);
    ck_assert_int_eq(symlinkat("..", mount, "data/round"), 0);
    ck_assert_int_eq(symlinkat("nowhere", mount, "data/dangling"), 0);
    ck_assert_int_eq(mkfifoat(mount, "data/pipe", 0644), 0);
}

/* ---- Packing ---- */

struct sink {
    int fd;
    unsigned calls;
    int64_t most; /* bytes taken; -1: all */
};

static bool take(void *ctx, const char *data, size_t len)
{
    struct sink *sink = ctx;
    sink->calls++;
    if (sink->most >= 0 && (sink->most -= (int64_t)len) < 0)
        return false;
    return write(sink->fd, data, len) == (ssize_t)len;
}

static struct sink make_sink(int64_t most)
{
    struct sink sink = {.fd = memfd_create("zip", MFD_CLOEXEC), .most = most};
    ck_assert_int_ge(sink.fd, 0);
    return sink;
}

static int by_line(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* "path=content" of each entry, "path/" of each folder, sorted, each followed by a space. */
static void list_archive(int archive, char ret_list[1024])
{
    struct berth_files_reader reader = {0};
    struct berth_error err = BERTH_ERROR_INIT;
    char lines[16][1200];
    size_t count = 0;
    struct berth_files_entry entry;
    bool more = true;
    int rc = berth_files_reader_open(archive, &reader, &err);
    while (rc == 0 && (rc = berth_files_reader_next(&reader, &entry, &more, &err)) == 0 && more) {
        const void *data = "";
        size_t len = 0;
        if (!entry.is_folder)
            rc = berth_files_reader_data(&reader, &entry, &data, &len, &err);
        ck_assert_uint_lt(count, 16);
        (void)snprintf(lines[count++], sizeof(lines[0]), "%s%s%.*s ", entry.path,
                       entry.is_folder ? "/" : "=", (int)len, (const char *)data);
    }
    ck_assert_msg(rc == 0, "%s", err.message);
    berth_files_reader_close(&reader);
    qsort(lines, count, sizeof(lines[0]), by_line);
    ret_list[0] = '\0';
    for (size_t i = 0, used = 0; i < count; i++)
        used += (size_t)snprintf(ret_list + used, 1024 - used, "%s", lines[i]);
}

static void ck_packed(const char *path, const char *expected)
{
    char list[1024];
    struct berth_error err = BERTH_ERROR_INIT;
    struct sink sink = make_sink(-1);
    int rc = berth_files_pack(mount, path, take, &sink, &err);
    ck_assert_msg(rc == 0, "%s: %s", path, err.message);
    list_archive(sink.fd, list);
    ck_assert_str_eq(list, expected);
    berth_fd_close(&sink.fd);
}

START_TEST(folders_are_packed_relative_to_themselves)
{
    make_mount();
    ck_packed("data", "a= b/ b/c=content empty/ within=content ");
    ck_packed("data/b", "c=content ");
    ck_packed("data/b/", "c=content ");
    ck_packed("data/empty", "");
    ck_packed("data/round/data/b", "c=content ");
    ck_packed("", "boot.py=print() data/ data/a= data/b/ data/b/c=content data/empty/ "
                  "data/within=content ");
    ck_packed(".", "boot.py=print() data/ data/a= data/b/ data/b/c=content data/empty/ "
                   "data/within=content ");
}
END_TEST

START_TEST(names_that_are_no_text_are_escaped)
{
    make_mount();
    ck_assert_int_eq(mkdirat(mount, "names", 0755), 0);
    put_file("names/\xC3\xA9", "e");
    put_file("names/\xFF!", "x");
    ck_packed("names", "%FF!=x \xC3\xA9=e ");
}
END_TEST

/* Noise does not pack: the first blocks are handed over before the file is read to its end. */
static void put_noise(const char *name, size_t blocks)
{
    unsigned char block[4096];
    uint32_t state = 1;
    BERTH_CLEANUP(fd) int fd = openat(mount, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    ck_assert_int_ge(fd, 0);
    for (size_t i = 0; i < blocks; i++) {
        for (size_t j = 0; j < sizeof(block); j++)
            block[j] = (unsigned char)((state = state * 1664525 + 1013904223) >> 24);
        ck_assert_int_eq(write(fd, block, sizeof(block)), sizeof(block));
    }
}

/* The app cuts its file while it is packed, or writes more. */
struct change {
    struct sink sink;
    off_t size;
};

static bool change_and_take(void *ctx, const char *data, size_t len)
{
    struct change *change = ctx;
    BERTH_CLEANUP(fd) int fd = openat(mount, "big", O_WRONLY | O_CLOEXEC);
    if (len > 0 && change->size >= 0) {
        ck_assert_int_eq(ftruncate(fd, change->size), 0);
        change->size = -1;
    }
    return take(&change->sink, data, len);
}

START_TEST(a_file_that_changes_is_packed_as_long_as_it_was)
{
    static const off_t sizes[] = {0, 4097, 8 << 20};
    make_mount();
    for (size_t i = 0; i < UNIT_COUNT(sizes); i++) {
        struct change change = {make_sink(-1), sizes[i]};
        struct berth_files_reader reader = {0};
        struct berth_files_entry entry;
        struct berth_error err = BERTH_ERROR_INIT;
        bool more = true;
        const void *data;
        size_t len = 1;
        int64_t bytes = 0;
        put_noise("big", 1024);
        int rc = berth_files_pack(mount, "", change_and_take, &change, &err);
        ck_assert_msg(rc == 0, "%s", err.message);
        rc = berth_files_reader_open(change.sink.fd, &reader, &err);
        while (rc == 0 && more && len > 0) {
            rc = berth_files_reader_next(&reader, &entry, &more, &err);
            while (rc == 0 && more && len > 0 && strcmp(entry.path, "big") == 0) {
                rc = berth_files_reader_data(&reader, &entry, &data, &len, &err);
                bytes += (int64_t)len;
            }
        }
        ck_assert_msg(rc == 0, "%s", err.message);
        ck_assert_int_eq(bytes, 4 << 20);
        berth_files_reader_close(&reader);
        berth_fd_close(&change.sink.fd);
    }
}
END_TEST

START_TEST(packing_stops_when_nobody_takes_it)
{
    make_mount();
    put_noise("big", 1024);
    for (int64_t most = 0; most < 300000; most += 60000) {
        struct sink sink = make_sink(most);
        ck_assert_int_eq(berth_files_pack(mount, "", take, &sink, NULL), BERTH_E_CANCELLED);
        berth_fd_close(&sink.fd);
    }
}
END_TEST

/* ---- Paths ---- */

START_TEST(paths_stay_within)
{
    static const struct {
        const char *path;
        bool is_folder;
        int status;
        const char *code;
    } rows[] = {
        {"boot.py", false, 0, NULL},
        {"./data/../boot.py", false, 0, NULL},
        {"data/within", false, 0, NULL},
        {"", true, 0, NULL},
        {".", true, 0, NULL},
        {"data/round", true, 0, NULL},
        {"/boot.py", false, BERTH_E_INVALID, "PATH_ESCAPE"},
        {"/", true, BERTH_E_INVALID, "PATH_ESCAPE"},
        {"../secret", false, BERTH_E_INVALID, "PATH_ESCAPE"},
        {"data/../../secret", false, BERTH_E_INVALID, "PATH_ESCAPE"},
        {"..", true, BERTH_E_INVALID, "PATH_ESCAPE"},
        {"data/out", false, BERTH_E_INVALID, "PATH_ESCAPE"},
        {"data/absolute", false, BERTH_E_INVALID, "PATH_ESCAPE"},
        {"data/round/../secret", false, BERTH_E_INVALID, "PATH_ESCAPE"},
        {"nothing", false, BERTH_E_NOT_FOUND, "FILE_NOT_FOUND"},
        {"data/dangling", false, BERTH_E_NOT_FOUND, "FILE_NOT_FOUND"},
        {"boot.py/x", false, BERTH_E_NOT_FOUND, "FILE_NOT_FOUND"},
        {"data", false, BERTH_E_INVALID, "WRONG_KIND"},
        {"", false, BERTH_E_INVALID, "WRONG_KIND"},
        {"data/pipe", false, BERTH_E_INVALID, "WRONG_KIND"},
        {"boot.py", true, BERTH_E_INVALID, "WRONG_KIND"},
    };
    make_mount();
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct berth_error err = BERTH_ERROR_INIT;
        BERTH_CLEANUP(fd) int fd = -1;
        int rc = berth_files_open(mount, rows[i].path, rows[i].is_folder, &fd, &err);
        ck_assert_msg(rc == rows[i].status, "%s: %d: %s", rows[i].path, rc, err.message);
        if (rc < 0)
            ck_assert_msg(err.code && strcmp(err.code, rows[i].code) == 0, "%s: %s", rows[i].path,
                          err.message);
    }
}
END_TEST

UNIT_SUITE("files_pack", folders_are_packed_relative_to_themselves,
           names_that_are_no_text_are_escaped, a_file_that_changes_is_packed_as_long_as_it_was,
           packing_stops_when_nobody_takes_it, paths_stay_within)
