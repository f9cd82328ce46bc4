/* SPDX-License-Identifier: MIT */
#include "gateway/multipart.h"

#include "tests/unit/unit.h"

#include <string.h>

#define TYPE "multipart/form-data; boundary=AbC"

static int take(void *ctx, const char *data, size_t len, struct berth_error *err)
{
    berth_strbuf_add(ctx, data, len);
    return berth_strbuf_check(ctx, err);
}

/* The file that the body has, in pieces of so many bytes. */
static int read_form(const char *type, const char *body, size_t piece, struct berth_strbuf *file,
                     struct berth_error *err)
{
    BERTH_CLEANUP(multipart) struct berth_multipart multipart = {0};
    size_t len = strlen(body);
    int r = berth_multipart_begin(&multipart, type, err);
    for (size_t at = 0; r == 0 && at < len; at += piece)
        r = berth_multipart_feed(&multipart, body + at, len - at < piece ? len - at : piece, take,
                                 file, err);
    return r == 0 ? berth_multipart_finish(&multipart, err) : r;
}

START_TEST(the_file_is_found_however_the_body_is_cut)
{
    static const struct {
        const char *name;
        const char *type;
        const char *body;
        const char *file;
    } rows[] = {
        {"one", TYPE,
         "--AbC\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.zip\"\r\n"
         "Content-Type: application/zip\r\n\r\nPK\r\n--AbC--\r\n",
         "PK"},
        {"quoted boundary", "Multipart/Form-Data; charset=utf-8; boundary=\"A b\"",
         "--A b\r\ncontent-disposition:form-data;filename=x\r\n\r\nPK\r\n--A b--", "PK"},
        {"fields around it", TYPE,
         "preamble\r\n--AbC  \r\nContent-Disposition: form-data; name=\"; "
         "filename=x\"\r\n\r\nno\r\n"
         "--AbC\r\nContent-Disposition: form-data; name=f; filename*=UTF-8''x\r\n\r\nyes\r\n"
         "--AbC\r\n\r\nno headers\r\n--AbC--\r\nepilogue",
         "yes"},
        {"empty file", TYPE,
         "--AbC\r\nContent-Disposition: form-data; filename=x\r\n\r\n\r\n--AbC--", ""},
        {"what looks like a boundary", TYPE,
         "--AbC\r\nContent-Disposition: form-data; filename=x\r\n\r\n"
         "\r\n--Ab\r\n\r\n--AbX\r--AbC\n--AbC\r\n--AbC--",
         "\r\n--Ab\r\n\r\n--AbX\r--AbC\n--AbC"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++)
        for (size_t piece = 1; piece <= strlen(rows[i].body); piece++) {
            struct berth_error err = BERTH_ERROR_INIT;
            BERTH_CLEANUP(strbuf) struct berth_strbuf file = BERTH_STRBUF_INIT(4096);
            int r = read_form(rows[i].type, rows[i].body, piece, &file, &err);
            ck_assert_msg(r == 0, "%s in pieces of %zu: %s", rows[i].name, piece, err.message);
            ck_assert_msg(strcmp(berth_strbuf_str(&file), rows[i].file) == 0, "%s: %s",
                          rows[i].name, berth_strbuf_str(&file));
        }
}
END_TEST

START_TEST(malformed_forms_are_refused)
{
    static const struct {
        const char *type;
        const char *body;
        const char *message;
    } rows[] = {
        {"multipart/form-data", "", "the form has no boundary"},
        {"multipart/form-data; boundary=", "", "the form has a malformed boundary"},
        {"multipart/form-data; boundary=\"A", "", "the form has a malformed boundary"},
        {TYPE, "", "the form is cut short"},
        {TYPE, "--AbC--", "the form has no file"},
        {TYPE, "--AbC\r\nContent-Disposition: form-data; name=x\r\n\r\nv\r\n--AbC--",
         "the form has no file"},
        {TYPE, "--AbC\r\nContent-Disposition: form-data; filename=x\r\n\r\nPK",
         "the form is cut short"},
        {TYPE, "--AbCd\r\n\r\n", "the form has a malformed boundary"},
        {TYPE,
         "--AbC\r\nContent-Disposition: form-data; filename=x\r\n\r\nPK\r\n"
         "--AbC\r\nContent-Disposition: form-data; filename=y\r\n\r\nPK\r\n--AbC--",
         "the form has more than one file"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct berth_error err = BERTH_ERROR_INIT;
        BERTH_CLEANUP(strbuf) struct berth_strbuf file = BERTH_STRBUF_INIT(4096);
        ck_assert_int_eq(read_form(rows[i].type, rows[i].body, 4096, &file, &err), BERTH_E_INVALID);
        ck_assert_str_eq(err.message, rows[i].message);
    }
}
END_TEST

START_TEST(headers_are_bounded)
{
    for (int over = 0; over < 2; over++) {
        struct berth_error err = BERTH_ERROR_INIT;
        BERTH_CLEANUP(strbuf) struct berth_strbuf file = BERTH_STRBUF_INIT(4096);
        BERTH_CLEANUP(strbuf) struct berth_strbuf body = BERTH_STRBUF_INIT(20000);
        berth_strbuf_adds(&body, "--AbC\r\nContent-Disposition: form-data; filename=x\r\nX: ");
        while (body.len < (size_t)(5 + BERTH_MULTIPART_HEAD_MAX + over))
            berth_strbuf_addc(&body, 'x');
        berth_strbuf_adds(&body, "\r\n\r\nPK\r\n--AbC--");
        ck_assert_int_eq(read_form(TYPE, berth_strbuf_str(&body), 4096, &file, &err),
                         over ? BERTH_E_INVALID : 0);
    }
}
END_TEST

START_TEST(forms_are_known_by_their_type)
{
    ck_assert(berth_multipart_is("multipart/form-data"));
    ck_assert(berth_multipart_is("Multipart/Form-Data; boundary=x"));
    ck_assert(!berth_multipart_is("multipart/form-data-x"));
    ck_assert(!berth_multipart_is("application/zip"));
    ck_assert(!berth_multipart_is(NULL));
}
END_TEST

UNIT_SUITE("multipart", the_file_is_found_however_the_body_is_cut, malformed_forms_are_refused,
           headers_are_bounded, forms_are_known_by_their_type)
