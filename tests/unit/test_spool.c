/* SPDX-License-Identifier: MIT */
/* Output that becomes a file as a whole, or not at all. */
#include "gateway/spool.h"

#include "tests/unit/unit.h"

#include <dirent.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char *folder;

static char *path_in(const char *name)
{
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = malloc(size);
    ck_assert_ptr_nonnull(path);
    (void)snprintf(path, size, "%s/%s", folder, name);
    return path;
}

static void make_folder(void)
{
    folder = unit_scratch("reports");
    ck_assert_int_eq(mkdir(folder, 0700), 0);
}

static void add(struct berth_spool *spool, const char *text)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf buffer = BERTH_STRBUF_INIT(1 << 20);
    berth_strbuf_adds(&buffer, text);
    ck_assert_int_eq(berth_spool_add(spool, &buffer, NULL), 0);
    ck_assert_uint_eq(buffer.len, 0);
}

static void ck_content(const char *path, const char *expected)
{
    char text[256] = "";
    BERTH_CLEANUP(file) FILE *file = fopen(path, "re");
    ck_assert_ptr_nonnull(file);
    size_t len = fread(text, 1, sizeof(text) - 1, file);
    ck_assert_uint_eq(len, strlen(expected));
    ck_assert_str_eq(text, expected);
}

static size_t count_files(void)
{
    DIR *dir = opendir(folder);
    ck_assert_ptr_nonnull(dir);
    size_t count = 0;
    for (const struct dirent *entry; (entry = readdir(dir));)
        count += entry->d_name[0] != '.';
    (void)closedir(dir);
    return count;
}

START_TEST(a_file_is_made_and_replaced)
{
    make_folder();
    BERTH_CLEANUP(free) char *path = path_in("report");
    BERTH_CLEANUP(spool) struct berth_spool spool = BERTH_SPOOL_INIT;
    struct stat stat_of;
    (void)umask(0002);
    ck_assert_int_eq(berth_spool_save(&spool, path, NULL), 0);
    ck_content(path, "");
    add(&spool, "one ");
    add(&spool, "two");
    ck_assert_int_eq(berth_spool_save(&spool, path, NULL), 0);
    ck_content(path, "one two");
    ck_assert_int_eq(stat(path, &stat_of), 0);
    ck_assert_uint_eq(stat_of.st_mode & 07777, 0640);
    (void)umask(0077);
    ck_assert_int_eq(berth_spool_save(&spool, path, NULL), 0);
    ck_assert_int_eq(stat(path, &stat_of), 0);
    ck_assert_uint_eq(stat_of.st_mode & 07777, 0600);
    ck_assert_uint_eq(count_files(), 1);
    free(folder);
}
END_TEST

START_TEST(a_link_is_replaced_and_not_followed)
{
    make_folder();
    BERTH_CLEANUP(free) char *path = path_in("report");
    BERTH_CLEANUP(free) char *other = path_in("other");
    BERTH_CLEANUP(spool) struct berth_spool spool = BERTH_SPOOL_INIT;
    add(&spool, "other");
    ck_assert_int_eq(berth_spool_save(&spool, other, NULL), 0);
    ck_assert_int_eq(symlink("other", path), 0);
    add(&spool, " and more");
    ck_assert_int_eq(berth_spool_save(&spool, path, NULL), 0);
    ck_content(path, "other and more");
    ck_content(other, "other");
    free(folder);
}
END_TEST

START_TEST(what_cannot_be_written_stays_as_it_was)
{
    make_folder();
    BERTH_CLEANUP(free) char *path = path_in("report");
    BERTH_CLEANUP(free) char *nowhere = path_in("no/such/report");
    BERTH_CLEANUP(spool) struct berth_spool spool = BERTH_SPOOL_INIT;
    struct berth_error err = BERTH_ERROR_INIT;
    add(&spool, "text");
    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert_int_eq(berth_spool_save(&spool, path, &err), BERTH_E_INVALID);
    ck_assert_ptr_nonnull(strstr(err.message, "is no file"));
    ck_assert_int_eq(berth_spool_save(&spool, nowhere, &err), BERTH_E_IO);
    ck_assert_ptr_nonnull(strstr(err.message, "No such file or directory"));
    ck_assert_uint_eq(count_files(), 1);
    ck_assert_int_eq(berth_spool_save(&spool, "/dev/null", &err), BERTH_E_INVALID);
    free(folder);
}
END_TEST

START_TEST(printing_to_a_full_disk_fails)
{
    BERTH_CLEANUP(spool) struct berth_spool spool = BERTH_SPOOL_INIT;
    struct berth_error err = BERTH_ERROR_INIT;
    add(&spool, "text");
    BERTH_CLEANUP(file) FILE *full = fopen("/dev/full", "we");
    ck_assert_ptr_nonnull(full);
    (void)setvbuf(full, NULL, _IONBF, 0);
    ck_assert_int_eq(berth_spool_print(&spool, full, &err), BERTH_E_NO_SPACE);
}
END_TEST

static void fill(struct berth_strbuf *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        berth_strbuf_addc(text, (char)('a' + i % 26));
}

START_TEST(what_is_long_is_all_there)
{
    static const size_t pieces[] = {7, BERTH_SPOOL_MEMORY_MAX - 7, 1, BERTH_SPOOL_MEMORY_MAX + 5,
                                    30};
    make_folder();
    BERTH_CLEANUP(free) char *path = path_in("report");
    BERTH_CLEANUP(spool) struct berth_spool spool = BERTH_SPOOL_INIT;
    BERTH_CLEANUP(strbuf) struct berth_strbuf all = BERTH_STRBUF_INIT(8 << 20);
    for (size_t i = 0; i < UNIT_COUNT(pieces); i++) {
        BERTH_CLEANUP(strbuf) struct berth_strbuf piece = BERTH_STRBUF_INIT(4 << 20);
        fill(&piece, pieces[i]);
        berth_strbuf_add(&all, piece.data, piece.len);
        ck_assert_int_eq(berth_spool_add(&spool, &piece, NULL), 0);
        ck_assert_uint_eq(piece.len, 0);
        ck_assert(!spool.file == (i < 2)); /* up to the bound */
    }
    ck_assert_int_eq(berth_spool_save(&spool, path, NULL), 0);
    BERTH_CLEANUP(free) char *read = malloc(all.len + 1);
    BERTH_CLEANUP(file) FILE *file = fopen(path, "re");
    ck_assert(read && file);
    ck_assert_uint_eq(fread(read, 1, all.len + 1, file), all.len);
    ck_assert(memcmp(read, all.data, all.len) == 0);
    free(folder);
}
END_TEST

START_TEST(what_is_short_needs_no_file)
{
    struct rlimit limit;
    BERTH_CLEANUP(spool) struct berth_spool spool = BERTH_SPOOL_INIT;
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(4 << 20);
    struct berth_error err = BERTH_ERROR_INIT;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    const struct rlimit none = {.rlim_cur = 0, .rlim_max = limit.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    berth_strbuf_adds(&text, "secret");
    ck_assert_int_eq(berth_spool_add(&spool, &text, &err), 0);
    fill(&text, BERTH_SPOOL_MEMORY_MAX);
    ck_assert_int_eq(berth_spool_add(&spool, &text, &err), BERTH_E_IO);
    ck_assert_ptr_nonnull(strstr(err.message, "a temporary file cannot be made"));
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0); /* who looks for leaks opens files */
}
END_TEST

UNIT_SUITE("spool", a_file_is_made_and_replaced, a_link_is_replaced_and_not_followed,
           what_cannot_be_written_stays_as_it_was, printing_to_a_full_disk_fails,
           what_is_long_is_all_there, what_is_short_needs_no_file)
