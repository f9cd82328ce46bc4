/* SPDX-License-Identifier: MIT */
/* The files of apps. What an archive may hold is tested in tests/unit/test_files.c. */
#include "tests/conformance/conformance.h"
#include "tests/unit/zip_maker.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static bool has_files(void)
{
    return conformance_ops()->put_archive != NULL;
}

static int upload(struct fixture *fixture, const struct berth_app *app, const char *name,
                  const char *text, struct berth_error *err)
{
    struct berth_files_tally tally = {0};
    BERTH_CLEANUP(fd) int archive = zip_of(&(struct zip_entry){.name = name, .text = text});
    int rc = berth_backend_put_archive(fixture->backend, app, archive, NULL, NULL, &tally, err);
    if (rc == 0) {
        ck_assert_int_eq(tally.files, 1);
        ck_assert_int_eq(tally.bytes, (int64_t)strlen(text));
    }
    return rc;
}

static void ck_file(struct fixture *fixture, const struct berth_app *app, const char *path,
                    const char *expected)
{
    struct berth_error err = BERTH_ERROR_INIT;
    char text[64] = "";
    BERTH_CLEANUP(fd) int fd = -1;
    ASSERT_OK(berth_backend_get_file(fixture->backend, app, path, &fd, &err), &err);
    ck_assert_int_ge(read(fd, text, sizeof(text) - 1), 0);
    ck_assert_str_eq(text, expected);
}

static bool take(void *ctx, const char *data, size_t len)
{
    berth_strbuf_add(ctx, data, len);
    return true;
}

START_TEST(files_go_in_and_come_out)
{
    if (!has_files())
        return;
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    BERTH_CLEANUP(free) char *id = app_create(&fixture, "ana");
    BERTH_CLEANUP(app) struct berth_app *app = app_get(&fixture, id);
    BERTH_CLEANUP(strbuf) struct berth_strbuf zip = BERTH_STRBUF_INIT(1 << 20);
    BERTH_CLEANUP(fd) int fd = -1;
    ASSERT_OK(upload(&fixture, app, "data/a.txt", "first", &err), &err);
    ASSERT_OK(upload(&fixture, app, "data/b.txt", "second", &err), &err);
    ASSERT_OK(upload(&fixture, app, "data/a.txt", "third", &err), &err);
    ck_file(&fixture, app, "data/a.txt", "third");
    ck_file(&fixture, app, "data/b.txt", "second");
    ASSERT_OK(berth_backend_get_archive(fixture.backend, app, "data", take, &zip, &err), &err);
    ck_assert_uint_gt(zip.len, 100);
    ck_assert_int_eq(memcmp(zip.data, "PK\3\4", 4), 0);

    ASSERT_STATUS(upload(&fixture, app, "../a.txt", "out", &err), BERTH_E_INVALID, &err);
    ck_assert_str_eq(err.code, "PATH_ESCAPE");
    ASSERT_STATUS(berth_backend_get_file(fixture.backend, app, "../compose.yaml", &fd, &err),
                  BERTH_E_INVALID, &err);
    ASSERT_STATUS(berth_backend_get_file(fixture.backend, app, "none", &fd, &err),
                  BERTH_E_NOT_FOUND, &err);
    ASSERT_STATUS(berth_backend_get_archive(fixture.backend, app, "data/a.txt", take, &zip, &err),
                  BERTH_E_INVALID, &err);
}
END_TEST

START_TEST(files_go_with_their_app)
{
    if (!has_files())
        return;
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_CLEANUP(fixture) struct fixture fixture = fixture_open();
    BERTH_CLEANUP(free) char *id = app_create(&fixture, "ana");
    BERTH_CLEANUP(app) struct berth_app *app = app_get(&fixture, id);
    BERTH_CLEANUP(fd) int fd = -1;
    ASSERT_OK(upload(&fixture, app, "a.txt", "text", &err), &err);
    act_ok(&fixture, BERTH_VERB_REMOVE, id);
    ASSERT_STATUS(upload(&fixture, app, "a.txt", "text", &err), BERTH_E_CONFLICT, &err);
    ASSERT_STATUS(berth_backend_get_file(fixture.backend, app, "a.txt", &fd, &err),
                  BERTH_E_CONFLICT, &err);
}
END_TEST

TCase *case_files(void)
{
    TCase *tcase = tcase_create("files");
    tcase_add_test(tcase, files_go_in_and_come_out);
    tcase_add_test(tcase, files_go_with_their_app);
    return tcase;
}
