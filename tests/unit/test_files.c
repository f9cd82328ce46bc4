/* SPDX-License-Identifier: MIT */
/* Uploads: what is unpacked, what is refused, and that nothing changes by half. */
#include "backends/files/files.h"

#include "base/folder.h"
#include "base/limits.h"
#include "tests/unit/unit.h"
#include "tests/unit/zip_maker.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

/* A folder with an app's files in it, as they are beside each other. */
struct place {
    int home;
    int mount;
};

static struct place make_place(void)
{
    struct place place;
    BERTH_CLEANUP(free) char *path = unit_scratch("home");
    ck_assert_int_eq(mkdir(path, 0700), 0);
    place.home = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_ge(place.home, 0);
    ck_assert_int_eq(berth_folder_make(place.home, "mount", 0755, &place.mount, NULL), 0);
    return place;
}

static void put_file(int folder, const char *name, const char *text)
{
    BERTH_CLEANUP(fd) int fd = openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static void ck_file(int folder, const char *name, const char *expected)
{
    char text[256] = "";
    BERTH_CLEANUP(fd) int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    ck_assert_msg(fd >= 0, "%s is not there", name);
    ck_assert_int_ge(read(fd, text, sizeof(text) - 1), 0);
    ck_assert_str_eq(text, expected);
}

static unsigned count_entries(int folder)
{
    BERTH_CLEANUP(dir) DIR *list = NULL;
    ck_assert_int_eq(berth_folder_list(folder, &list, NULL), 0);
    unsigned count = 0;
    while (readdir(list))
        count++;
    return count - 2;
}

/* Nothing but the mount is left beside it. */
static void ck_clean(const struct place *place)
{
    ck_assert_uint_eq(count_entries(place->home), 1);
}

static int upload(const struct place *place, int archive, struct berth_error *err)
{
    BERTH_CLEANUP(files_upload) struct berth_files_upload upload = BERTH_FILES_UPLOAD_INIT;
    int rc = berth_files_stage(place->home, place->mount, archive, NULL, NULL, &upload, err);
    return rc < 0 ? rc : berth_files_move(&upload, place->mount, err);
}

static void upload_ok(const struct place *place, int archive)
{
    struct berth_error err = BERTH_ERROR_INIT;
    int rc = upload(place, archive, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    ck_clean(place);
}

static void ck_refused_as(const struct place *place, int archive, const char *code,
                          const char *says, const char *what)
{
    struct berth_error err = BERTH_ERROR_INIT;
    int rc = upload(place, archive, &err);
    ck_assert_msg(rc < 0, "%s: accepted", what);
    ck_assert_msg(err.code && strcmp(err.code, code) == 0, "%s: %s: %s", what,
                  err.code ? err.code : "?", err.message);
    ck_assert_msg(strstr(err.message, says) != NULL, "%s: %s", what, err.message);
    ck_clean(place);
    ck_assert_msg(count_entries(place->mount) == 0, "%s: left something", what);
}

static void ck_refused(const struct place *place, int archive, const char *code, const char *what)
{
    ck_refused_as(place, archive, code, "", what);
}

/* ---- What is taken ---- */

START_TEST(files_come_with_folders_modes_and_times)
{
    struct place place = make_place();
    struct zip_maker zip;
    struct stat status;
    zip_begin(&zip);
    zip_add(&zip, &(struct zip_entry){.name = "boot.py", .text = "print()"});
    zip_add(&zip, &(struct zip_entry){.name = "./a/b/run", .text = "#!", .mode = S_IFREG | 04755});
    zip_add(&zip, &(struct zip_entry){.name = "a/", .mode = S_IFDIR | 0700});
    zip_add(&zip, &(struct zip_entry){.name = "empty/", .mode = S_IFDIR | 0777});
    zip_add(&zip, &(struct zip_entry){.name = "a//b/\xC3\xA9", .text = "e"});
    BERTH_CLEANUP(fd) int archive = zip_end(&zip);
    upload_ok(&place, archive);
    ck_file(place.mount, "boot.py", "print()");
    ck_file(place.mount, "a/b/\xC3\xA9", "e");
    ck_assert_int_eq(fstatat(place.mount, "a/b/run", &status, 0), 0);
    ck_assert_uint_eq(status.st_mode, S_IFREG | 0755);
    ck_assert_int_eq(status.st_mtim.tv_nsec, 0);
    ck_assert_int_lt(status.st_mtim.tv_sec, 1704200000);
    ck_assert_int_eq(fstatat(place.mount, "empty", &status, 0), 0);
    ck_assert_uint_eq(status.st_mode, S_IFDIR | 0755);
    ck_assert_int_eq(fstatat(place.mount, "boot.py", &status, 0), 0);
    ck_assert_uint_eq(status.st_mode, S_IFREG | 0644);
}
END_TEST

START_TEST(an_upload_merges)
{
    struct place place = make_place();
    struct zip_maker zip;
    BERTH_CLEANUP(fd) int kept = -1;
    put_file(place.mount, "old", "old");
    put_file(place.mount, "boot.py", "old");
    ck_assert_int_eq(berth_folder_make(place.mount, "data", 0700, &kept, NULL), 0);
    put_file(place.mount, "data/old", "old");
    put_file(place.mount, "data/both", "old");
    zip_begin(&zip);
    zip_add(&zip, &(struct zip_entry){.name = "boot.py", .text = "new"});
    zip_add(&zip, &(struct zip_entry){.name = "data/both", .text = "new"});
    zip_add(&zip, &(struct zip_entry){.name = "data/more/new", .text = "new"});
    BERTH_CLEANUP(fd) int archive = zip_end(&zip);
    upload_ok(&place, archive);
    ck_file(place.mount, "old", "old");
    ck_file(place.mount, "boot.py", "new");
    ck_file(place.mount, "data/old", "old");
    ck_file(place.mount, "data/both", "new");
    ck_file(place.mount, "data/more/new", "new");
    struct stat status;
    ck_assert_int_eq(fstat(kept, &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777, 0700);
}
END_TEST

START_TEST(an_empty_archive_changes_nothing)
{
    struct place place = make_place();
    struct zip_maker zip;
    zip_begin(&zip);
    BERTH_CLEANUP(fd) int archive = zip_end(&zip);
    upload_ok(&place, archive);
    ck_assert_uint_eq(count_entries(place.mount), 0);
}
END_TEST

START_TEST(zip64_is_read)
{
    struct place place = make_place();
    struct zip_maker zip;
    zip_begin(&zip);
    zip_add(&zip, &(struct zip_entry){.name = "a", .text = "64"});
    BERTH_CLEANUP(fd) int archive = zip_end_64(&zip);
    upload_ok(&place, archive);
    ck_file(place.mount, "a", "64");
}
END_TEST

/* ---- What is refused ---- */

#define LONG_255                                                                                   \
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789ab" \
    "cdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef01234567" \
    "89abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde"

START_TEST(hostile_entries_are_refused)
{
    static const struct {
        const char *what;
        const char *code;
        struct zip_entry entry;
        const char *says;
    } rows[] = {
        {"traversal", "PATH_ESCAPE", {.name = "../x"}, ""},
        {"traversal within", "PATH_ESCAPE", {.name = "a/../../x"}, ""},
        {"traversal that stays", "PATH_ESCAPE", {.name = "a/../x"}, ""},
        {"traversal of a folder", "PATH_ESCAPE", {.name = "..", .mode = S_IFDIR | 0755}, ""},
        {"absolute", "PATH_ESCAPE", {.name = "/etc/x"}, ""},
        {"drive", "PATH_ESCAPE", {.name = "C:/x"}, ""},
        {"backslash", "PATH_ESCAPE", {.name = "a\\..\\x"}, ""},
        {"backslash alone", "PATH_ESCAPE", {.name = "a\\b"}, ""},
        {"another name in the local header", "PATH_ESCAPE", {.name = "a", .local = "../x"}, ""},
        {"link",
         "BAD_ARCHIVE",
         {.name = "l", .text = "/etc", .mode = S_IFLNK | 0777},
         "has a link"},
        {"link within",
         "BAD_ARCHIVE",
         {.name = "l", .text = "a", .mode = S_IFLNK | 0777},
         "has a link"},
        {"device", "BAD_ARCHIVE", {.name = "d", .mode = S_IFCHR | 0666}, "neither file nor folder"},
        {"block device",
         "BAD_ARCHIVE",
         {.name = "d", .mode = S_IFBLK | 0666},
         "neither file nor folder"},
        {"socket",
         "BAD_ARCHIVE",
         {.name = "s", .mode = S_IFSOCK | 0666},
         "neither file nor folder"},
        {"checksum", "BAD_ARCHIVE", {.name = "a", .text = "text", .crc_off = 1}, ""},
        {"longer than it says", "BAD_ARCHIVE", {.name = "a", .text = "text", .claimed = 2}, ""},
        {"shorter than it says", "BAD_ARCHIVE", {.name = "a", .text = "text", .claimed = 8}, ""},
        {"encrypted",
         "BAD_ARCHIVE",
         {.name = "a", .text = "0123456789abcdef", .flags = 1},
         "is encrypted"},
        {"not UTF-8", "BAD_ARCHIVE", {.name = "\x81.txt"}, ""},
        {"control character", "BAD_ARCHIVE", {.name = "a\nb"}, ""},
        {"NUL", "BAD_ARCHIVE", {.name = "a\0b", .name_len = 3}, ""},
        {"long name", "BAD_ARCHIVE", {.name = LONG_255 "f"}, ""},
        {"no name", "BAD_ARCHIVE", {.name = ""}, ""},
        {"a file named as the folder", "BAD_ARCHIVE", {.name = ".", .text = "x"}, ""},
        {"method bzip2",
         "BAD_ARCHIVE",
         {.name = "a", .text = "BZh9", .method = 12},
         "another method than deflate"},
        {"method LZMA",
         "BAD_ARCHIVE",
         {.name = "a", .text = "LZMA", .method = 14},
         "another method than deflate"},
        {"method PPMd",
         "BAD_ARCHIVE",
         {.name = "a", .text = "PPMd", .method = 98},
         "another method than deflate"},
        {"method unknown",
         "BAD_ARCHIVE",
         {.name = "a", .text = "x", .method = 77},
         "another method than deflate"},
        {"bomb by what it says",
         "BAD_ARCHIVE",
         {.name = "a", .text = "x", .claimed = 0x7FFFFFFF},
         "200 times"},
    };
    struct place place = make_place();
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(fd) int archive = zip_of(&rows[i].entry);
        ck_refused_as(&place, archive, rows[i].code, rows[i].says, rows[i].what);
    }
}
END_TEST

START_TEST(hostile_pairs_are_refused)
{
    static const struct {
        const char *what;
        struct zip_entry first;
        struct zip_entry second;
    } rows[] = {
        {"twice", {.name = "a", .text = "1"}, {.name = "a", .text = "2"}},
        {"twice, written otherwise", {.name = "b/a", .text = "1"}, {.name = "./b//a", .text = "2"}},
        {"file, then folder", {.name = "a"}, {.name = "a/", .mode = S_IFDIR | 0755}},
        {"folder, then file", {.name = "a/", .mode = S_IFDIR | 0755}, {.name = "a"}},
        {"file, then what is beneath it", {.name = "a"}, {.name = "a/b"}},
        {"what is beneath, then the file", {.name = "a/b"}, {.name = "a"}},
        {"shared content", {.name = "a", .text = "1"}, {.name = "b", .text = "1", .shares = true}},
        {"good, then bad", {.name = "a", .text = "1"}, {.name = "b", .text = "2", .crc_off = 1}},
    };
    struct place place = make_place();
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct zip_maker zip;
        zip_begin(&zip);
        zip_add(&zip, &rows[i].first);
        zip_add(&zip, &rows[i].second);
        BERTH_CLEANUP(fd) int archive = zip_end(&zip);
        ck_refused(&place, archive, "BAD_ARCHIVE", rows[i].what);
    }
}
END_TEST

/* A path of so many folders within each other and a file. */
static void nest(struct berth_strbuf *path, unsigned depth)
{
    berth_strbuf_clear(path);
    for (unsigned i = 1; i < depth; i++)
        berth_strbuf_adds(path, "d/");
    berth_strbuf_adds(path, "f");
}

START_TEST(names_are_bounded)
{
    struct place place = make_place();
    BERTH_CLEANUP(strbuf) struct berth_strbuf path = BERTH_STRBUF_INIT(4096);
    BERTH_CLEANUP(fd) int widest = zip_of(&(struct zip_entry){.name = LONG_255, .text = "x"});
    nest(&path, BERTH_FILES_DEPTH_MAX + 1);
    BERTH_CLEANUP(fd)
    int too_deep = zip_of(&(struct zip_entry){.name = berth_strbuf_str(&path)});
    ck_refused(&place, too_deep, "BAD_ARCHIVE", "too deep");
    nest(&path, BERTH_FILES_DEPTH_MAX);
    BERTH_CLEANUP(fd)
    int deepest = zip_of(&(struct zip_entry){.name = berth_strbuf_str(&path), .text = "deep"});
    berth_strbuf_clear(&path);
    while (path.len < BERTH_FILES_PATH_MAX - 1)
        berth_strbuf_addc(&path, path.len % 200 == 199 ? '/' : 'x');
    berth_strbuf_adds(&path, "yy");
    BERTH_CLEANUP(fd) int too_long = zip_of(&(struct zip_entry){.name = berth_strbuf_str(&path)});
    ck_refused(&place, too_long, "BAD_ARCHIVE", "too long");
    berth_strbuf_truncate(&path, BERTH_FILES_PATH_MAX);
    BERTH_CLEANUP(fd) int longest = zip_of(&(struct zip_entry){.name = berth_strbuf_str(&path)});
    upload_ok(&place, widest);
    upload_ok(&place, deepest);
    upload_ok(&place, longest);
}
END_TEST

START_TEST(entries_are_counted)
{
    struct place place = make_place();
    struct zip_maker zip;
    zip_begin(&zip);
    for (unsigned i = 0; i < 3; i++)
        zip_add(&zip, &(struct zip_entry){.name = "d/", .mode = S_IFDIR | 0755});
    BERTH_CLEANUP(fd) int lies = zip_end_counted(&zip, 2);
    ck_refused(&place, lies, "BAD_ARCHIVE", "more than its end says");
    zip_begin(&zip);
    zip_add(&zip, &(struct zip_entry){.name = "a"});
    BERTH_CLEANUP(fd) int boasts = zip_end_counted(&zip, 2);
    ck_refused(&place, boasts, "BAD_ARCHIVE", "fewer than its end says");
    zip_begin(&zip);
    for (int i = 0; i <= BERTH_ARCHIVE_ENTRIES_MAX; i++)
        zip_add(&zip, &(struct zip_entry){.name = "d/", .mode = S_IFDIR | 0755});
    BERTH_CLEANUP(fd) int many = zip_end_64(&zip);
    ck_refused(&place, many, "BAD_ARCHIVE", "one too many");
    zip_begin(&zip);
    for (int i = 0; i < BERTH_ARCHIVE_ENTRIES_MAX; i++)
        zip_add(&zip, &(struct zip_entry){.name = "d/", .mode = S_IFDIR | 0755});
    BERTH_CLEANUP(fd) int most = zip_end_64(&zip);
    upload_ok(&place, most);
}
END_TEST

START_TEST(cut_archives_are_refused)
{
    struct place place = make_place();
    struct zip_maker zip;
    zip_begin(&zip);
    zip_add(&zip, &(struct zip_entry){.name = "a", .text = "text"});
    zip_add(&zip, &(struct zip_entry){.name = "b/c", .text = "more"});
    BERTH_CLEANUP(fd) int archive = zip_end(&zip);
    off_t len = lseek(archive, 0, SEEK_END);
    for (off_t at = len - 1; at >= 0; at--) {
        ck_assert_int_eq(ftruncate(archive, at), 0);
        ck_refused(&place, archive, "BAD_ARCHIVE", "cut");
    }
}
END_TEST

/* ---- What the app has there ---- */

START_TEST(what_is_of_another_kind_is_not_replaced)
{
    struct place place = make_place();
    BERTH_CLEANUP(fd) int folder = -1;
    ck_assert_int_eq(berth_folder_make(place.mount, "folder", 0755, &folder, NULL), 0);
    put_file(place.mount, "folder/precious", "old");
    put_file(place.mount, "file", "old");
    ck_assert_int_eq(symlinkat("folder", place.mount, "link"), 0);
    static const struct zip_entry entries[] = {
        {.name = "folder", .text = "new"},
        {.name = "file/new", .text = "new"},
        {.name = "folder/precious/new", .text = "new"},
        {.name = "link/new", .text = "new"},
    };
    for (size_t i = 0; i < UNIT_COUNT(entries); i++) {
        struct berth_error err = BERTH_ERROR_INIT;
        struct zip_maker zip;
        zip_begin(&zip);
        zip_add(&zip, &(struct zip_entry){.name = "another", .text = "new"});
        zip_add(&zip, &entries[i]);
        BERTH_CLEANUP(fd) int archive = zip_end(&zip);
        ck_assert_int_eq(upload(&place, archive, &err), BERTH_E_EXISTS);
        ck_assert_str_eq(err.code, "FILE_CONFLICT");
        ck_clean(&place);
        ck_assert_uint_eq(count_entries(place.mount), 3);
        ck_file(place.mount, "folder/precious", "old");
        ck_file(place.mount, "file", "old");
    }
}
END_TEST

START_TEST(links_are_replaced_and_not_followed)
{
    struct place place = make_place();
    put_file(place.home, "outside", "old");
    ck_assert_int_eq(symlinkat("../outside", place.mount, "out"), 0);
    ck_assert_int_eq(symlinkat("nowhere", place.mount, "dangling"), 0);
    struct zip_maker zip;
    zip_begin(&zip);
    zip_add(&zip, &(struct zip_entry){.name = "out", .text = "new"});
    zip_add(&zip, &(struct zip_entry){.name = "dangling", .text = "new"});
    BERTH_CLEANUP(fd) int archive = zip_end(&zip);
    struct berth_error err = BERTH_ERROR_INIT;
    ck_assert_int_eq(upload(&place, archive, &err), 0);
    ck_file(place.home, "outside", "old");
    ck_file(place.mount, "out", "new");
    ck_file(place.mount, "dangling", "new");
    ck_assert(!berth_folder_has(place.mount, "nowhere"));
}
END_TEST

/* ---- Cut short ---- */

static struct berth_files_upload staged(const struct place *place, const char *name,
                                        const char *text)
{
    struct berth_files_upload upload = BERTH_FILES_UPLOAD_INIT;
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_CLEANUP(fd) int archive = zip_of(&(struct zip_entry){.name = name, .text = text});
    int rc = berth_files_stage(place->home, place->mount, archive, NULL, NULL, &upload, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    return upload;
}

START_TEST(what_was_not_whole_is_removed)
{
    struct place place = make_place();
    struct berth_files_upload dead = staged(&place, "a/b/c", "new");
    BERTH_CLEANUP(files_upload) struct berth_files_upload alive = staged(&place, "d", "new");
    berth_fd_close(&dead.stage); /* and with it the lock */
    ck_assert(!berth_files_is_cut_short(place.home));
    ck_assert_int_eq(berth_files_recover(place.home, place.mount, NULL), 0);
    ck_assert_uint_eq(count_entries(place.mount), 0);
    ck_assert_uint_eq(count_entries(place.home), 2);
    ck_assert_int_eq(berth_files_move(&alive, place.mount, NULL), 0);
    ck_file(place.mount, "d", "new");
    ck_clean(&place);
}
END_TEST

/* As a process leaves it that is killed once the upload is whole. */
static void leave_journal(const struct place *place, struct berth_files_upload *upload)
{
    char journal[64];
    (void)snprintf(journal, sizeof(journal), ".uploaded.%s", strrchr(upload->name, '.') + 1);
    ck_assert_int_eq(renameat(place->home, upload->name, place->home, journal), 0);
    berth_fd_close(&upload->stage);
}

START_TEST(what_was_whole_is_completed)
{
    struct place place = make_place();
    BERTH_CLEANUP(fd) int folder = -1;
    BERTH_CLEANUP(fd) int obstacle = -1;
    ck_assert_int_eq(berth_folder_make(place.mount, "a", 0755, &folder, NULL), 0);
    put_file(folder, "old", "old");
    struct berth_files_upload upload = staged(&place, "a/b/c", "new");
    leave_journal(&place, &upload);
    /* The app puts something into the way before the gateway is back. */
    ck_assert_int_eq(berth_folder_make(folder, "b", 0755, &obstacle, NULL), 0);
    ck_assert_int_eq(mkdirat(obstacle, "c", 0755), 0);
    ck_assert(berth_files_is_cut_short(place.home));
    struct berth_error err = BERTH_ERROR_INIT;
    int rc = berth_files_recover(place.home, place.mount, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    ck_file(place.mount, "a/old", "old");
    ck_file(place.mount, "a/b/c", "new");
    ck_clean(&place);
}
END_TEST

START_TEST(a_link_that_comes_into_the_way_is_set_aside)
{
    struct place place = make_place();
    BERTH_CLEANUP(fd) int outside = -1;
    ck_assert_int_eq(berth_folder_make(place.home, "outside", 0755, &outside, NULL), 0);
    struct berth_files_upload upload = staged(&place, "a/b", "new");
    leave_journal(&place, &upload);
    ck_assert_int_eq(symlinkat("../outside", place.mount, "a"), 0);
    ck_assert_int_eq(berth_files_recover(place.home, place.mount, NULL), 0);
    ck_assert_uint_eq(count_entries(outside), 0);
    ck_file(place.mount, "a/b", "new");
}
END_TEST

static bool stop_at_once(void *ctx, const struct berth_files_tally *done)
{
    unsigned *calls = ctx;
    ++*calls;
    return done->files > 0;
}

START_TEST(an_upload_can_be_stopped)
{
    struct place place = make_place();
    struct berth_files_upload upload = BERTH_FILES_UPLOAD_INIT;
    unsigned calls = 0;
    BERTH_CLEANUP(fd) int archive = zip_of(&(struct zip_entry){.name = "a", .text = "x"});
    ck_assert_int_eq(
        berth_files_stage(place.home, place.mount, archive, stop_at_once, &calls, &upload, NULL),
        BERTH_E_CANCELLED);
    ck_assert_uint_eq(calls, 1);
    ck_clean(&place);
}
END_TEST

START_TEST(without_memory_nothing_changes)
{
    struct place place = make_place();
    BERTH_CLEANUP(fd) int archive = zip_of(&(struct zip_entry){.name = "a/b", .text = "x"});
    for (size_t n = 0;; n++) {
        struct berth_files_upload upload = BERTH_FILES_UPLOAD_INIT;
        struct berth_error err = BERTH_ERROR_INIT;
        unit_alloc_fail_after(n);
        int rc = berth_files_stage(place.home, place.mount, archive, NULL, NULL, &upload, &err);
        bool failed = unit_alloc_restore();
        berth_files_upload_release(&upload);
        ck_clean(&place);
        ck_assert_int_eq(rc, failed ? BERTH_E_NOMEM : 0);
        if (!failed)
            break;
    }
}
END_TEST

UNIT_SUITE("files", files_come_with_folders_modes_and_times, an_upload_merges,
           an_empty_archive_changes_nothing, zip64_is_read, hostile_entries_are_refused,
           hostile_pairs_are_refused, names_are_bounded, entries_are_counted,
           cut_archives_are_refused, what_is_of_another_kind_is_not_replaced,
           links_are_replaced_and_not_followed, what_was_not_whole_is_removed,
           what_was_whole_is_completed, a_link_that_comes_into_the_way_is_set_aside,
           an_upload_can_be_stopped, without_memory_nothing_changes)
