/* SPDX-License-Identifier: MIT */
#include "base/strbuf.h"
#include "facilities/naming.h"
#include "tests/unit/unit.h"

#include <string.h>

/* A text of count times c, good until 16 more were made. */
static const char *repeat(char c, size_t count)
{
    static char texts[16][512];
    static size_t next;
    char *text = texts[next++ % UNIT_COUNT(texts)];
    ck_assert_uint_lt(count, sizeof(texts[0]));
    memset(text, c, count);
    text[count] = '\0';
    return text;
}

/* refusal: a part of the message that is expected, or NULL where the text is fine. */
struct name_row {
    const char *text;
    const char *refusal;
};

static void check_names(int (*check)(const char *parameter, const char *text,
                                     struct berth_error *err),
                        const struct name_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct berth_error err = BERTH_ERROR_INIT;
        int r = check("who", rows[i].text, &err);
        if (!rows[i].refusal) {
            ck_assert_msg(r == 0, "'%s': %s", rows[i].text, err.message);
            continue;
        }
        ck_assert_msg(r == BERTH_E_INVALID, "'%s' was taken", rows[i].text);
        ck_assert_msg(strstr(err.message, "parameter who"), "'%s': %s", rows[i].text, err.message);
        ck_assert_msg(strstr(err.message, rows[i].refusal), "'%s': %s", rows[i].text, err.message);
    }
}

START_TEST(users)
{
    const struct name_row rows[] = {
        {"ana", NULL},
        {"Ana_2", NULL},
        {"_", NULL},
        {"7", NULL},
        {"a-b-c", NULL},
        {"ana-", NULL},
        {repeat('u', BERTH_USER_MAX), NULL},
        {repeat('u', BERTH_USER_MAX + 1), "longer than 64"},
        {"", "empty"},
        {"-", "begin with -"},
        {"-ana", "begin with -"},
        {"ana--b", "contain --"},
        {"ana--", "contain --"},
        {"ana b", "consist of"},
        {"ana.b", "consist of"},
        {"ana/b", "consist of"},
        {"ana\n", "consist of"},
        {"an\xC3\xA4", "consist of"},
    };
    check_names(berth_naming_check_user, rows, UNIT_COUNT(rows));
}
END_TEST

START_TEST(apps)
{
    const struct name_row rows[] = {
        {"jupyter--ana", NULL},
        {"team_tool--ana", NULL},
        {"a.b-c_d", NULL},
        {"X", NULL},
        {repeat('a', BERTH_APP_MAX), NULL},
        {repeat('a', BERTH_APP_MAX + 1), "longer than 321"},
        {"", "empty"},
        {".a", "begin with a letter"},
        {"-a", "begin with a letter"},
        {"_a", "begin with a letter"},
        {"a/b", "consist of"},
        {"a,b", "consist of"},
        {"a%", "consist of"},
        {"../a", "consist of"},
    };
    check_names(berth_naming_check_app, rows, UNIT_COUNT(rows));
}
END_TEST

START_TEST(hostnames)
{
    const char *label = repeat('l', 63);
    struct berth_strbuf longest = BERTH_STRBUF_INIT(4096);
    berth_strbuf_addf(&longest, "%s.%s.%s.%.61s", label, label, label, label);
    ck_assert_uint_eq(longest.len, BERTH_HOSTNAME_MAX);
    const struct name_row rows[] = {
        {"node1", NULL},
        {"Node-1.example.org", NULL},
        {"10.0.0.1", NULL},
        {"1a", NULL},
        {label, NULL},
        {repeat('l', 64), "63 characters between"},
        {berth_strbuf_str(&longest), NULL},
        {repeat('l', BERTH_HOSTNAME_MAX + 1), "longer than 253"},
        {"", "empty"},
        {".", "host name"},
        {"a.", "host name"},
        {".a", "host name"},
        {"a..b", "host name"},
        {"-a", "host name"},
        {"a-", "host name"},
        {"a-.b", "host name"},
        {"a.-b", "host name"},
        {"a_b", "host name"},
        {"a b", "host name"},
    };
    check_names(berth_naming_check_hostname, rows, UNIT_COUNT(rows));
    berth_strbuf_release(&longest);
}
END_TEST

START_TEST(facilities)
{
    const struct name_row rows[] = {
        {"genomics", NULL},
        {"lab-2", NULL},
        {"0", NULL},
        {"healthy", NULL},
        {repeat('f', BERTH_FACILITY_ID_MAX), NULL},
        {repeat('f', BERTH_FACILITY_ID_MAX + 1), "1 to 32"},
        {"", "1 to 32"},
        {"Lab", "lower-case"},
        {"lab_2", "consist of"},
        {"lab/2", "consist of"},
        {"admin", "reserved"},
        {"api", "reserved"},
        {"containers", "reserved"},
        {"create-app", "reserved"},
        {"get-app-status", "reserved"},
        {"health", "reserved"},
        {"healthz", "reserved"},
        {"livez", "reserved"},
        {"login", "reserved"},
        {"metrics", "reserved"},
        {"openapi", "reserved"},
        {"readyz", "reserved"},
        {"static", "reserved"},
        {"watch", "reserved"},
        {"ws", "reserved"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct berth_error err = BERTH_ERROR_INIT;
        int r = berth_naming_check_facility(rows[i].text, &err);
        ck_assert_msg(r == (rows[i].refusal ? BERTH_E_INVALID : 0), "'%s': %s", rows[i].text,
                      err.message);
        if (rows[i].refusal)
            ck_assert_msg(strstr(err.message, rows[i].refusal), "'%s': %s", rows[i].text,
                          err.message);
    }
}
END_TEST

START_TEST(user_of_app)
{
    static const struct {
        const char *app;
        const char *user;
    } rows[] = {
        {"jupyter--ana", "ana"},
        {"a--b--ana", "ana"}, /* an image may hold -- */
        {"a---ana", "ana"},   /* or end in - where a host does not follow the grammar */
        {"a--ana-", "ana-"},  /* a user may end in - */
        {"a--ana-b", "ana-b"},
        {"a----ana", "ana"},
        {"a--", ""},
        {"a-ana", ""},
        {"a", ""},
        {"", ""},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++)
        ck_assert_msg(strcmp(berth_naming_user_of_app(rows[i].app), rows[i].user) == 0, "%s: '%s'",
                      rows[i].app, berth_naming_user_of_app(rows[i].app));
}
END_TEST

#define HEX32  "0123456789abcdef0123456789abcdef"
#define SHA256 "sha256:" HEX32 HEX32

START_TEST(references_are_parsed)
{
    const char *long_path = repeat('p', BERTH_IMAGE_NAME_MAX);
    const char *long_tag = repeat('t', BERTH_TAG_MAX);
    const struct {
        const char *image;
        const char *version;
        const char *domain;
        const char *path;
        const char *tag;
        const char *digest;
    } rows[] = {
        {"httpd", NULL, "", "httpd", "latest", ""},
        {"httpd", "2.4", "", "httpd", "2.4", ""},
        {"httpd:2.4", NULL, "", "httpd", "2.4", ""},
        {"httpd:2.4", "2.4", "", "httpd", "2.4", ""},
        {"httpd@" SHA256, NULL, "", "httpd", "latest", SHA256},
        {"httpd:2@" SHA256, "2", "", "httpd", "2", SHA256},
        {"h@sha384:" HEX32 HEX32 HEX32, NULL, "", "h", "latest", "sha384:" HEX32 HEX32 HEX32},
        {"h@sha512:" HEX32 HEX32 HEX32 HEX32, NULL, "", "h", "latest",
         "sha512:" HEX32 HEX32 HEX32 HEX32},
        {"team/tool", NULL, "", "team/tool", "latest", ""},
        {"a/b/c/d", NULL, "", "a/b/c/d", "latest", ""},
        {"library/httpd", NULL, "", "httpd", "latest", ""},
        {"docker.io/httpd", NULL, "", "httpd", "latest", ""},
        {"docker.io/library/httpd:2", NULL, "", "httpd", "2", ""},
        {"index.docker.io/library/httpd", NULL, "", "httpd", "latest", ""},
        {"index.docker.io/team/tool", NULL, "", "team/tool", "latest", ""},
        {"docker.io/library/a/b", NULL, "", "library/a/b", "latest", ""},
        {"docker.io/example.org/x", NULL, "docker.io", "example.org/x", "latest", ""},
        {"docker.io/localhost/x", NULL, "docker.io", "localhost/x", "latest", ""},
        {"library/example.org", NULL, "", "example.org", "latest", ""},
        {"quay.io/library/x", NULL, "quay.io", "library/x", "latest", ""},
        {"localhost/x", NULL, "localhost", "x", "latest", ""},
        {"localhost:5000/x:1", NULL, "localhost:5000", "x", "1", ""},
        {"localhost:5000", NULL, "", "localhost", "5000", ""},
        {"host:5000/team/name:tag", NULL, "host:5000", "team/name", "tag", ""},
        {"host:65535/x", NULL, "host:65535", "x", "latest", ""},
        {"Registry/x", NULL, "Registry", "x", "latest", ""},
        {"EXAMPLE.org/x", NULL, "EXAMPLE.org", "x", "latest", ""},
        {"[::1]:5000/x", NULL, "[::1]:5000", "x", "latest", ""},
        {"[2001:DB8::1]/x", NULL, "[2001:DB8::1]", "x", "latest", ""},
        {"10.0.0.1:80/x", NULL, "10.0.0.1:80", "x", "latest", ""},
        {"a.b_c__d-e--f---g", NULL, "", "a.b_c__d-e--f---g", "latest", ""},
        {"x", "_.-A", "", "x", "_.-A", ""},
        {"quay.io/sha256", "1", "quay.io", "sha256", "1", ""},
        {HEX32 "/" HEX32, NULL, "", HEX32 "/" HEX32, "latest", ""},
        {long_path, long_tag, "", long_path, long_tag, ""},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct berth_error err = BERTH_ERROR_INIT;
        struct berth_image_ref ref;
        const char *image = rows[i].image;
        ck_assert_msg(berth_image_ref_parse("image", image, rows[i].version, &ref, &err) == 0,
                      "%s: %s", image, err.message);
        ck_assert_msg(strcmp(ref.domain, rows[i].domain) == 0, "%s: %s", image, ref.domain);
        ck_assert_msg(strcmp(ref.path, rows[i].path) == 0, "%s: %s", image, ref.path);
        ck_assert_msg(strcmp(ref.tag, rows[i].tag) == 0, "%s: %s", image, ref.tag);
        ck_assert_msg(strcmp(ref.digest, rows[i].digest) == 0, "%s: %s", image, ref.digest);

        /* What is parsed names itself: parsing the name again gives the same. */
        char name[BERTH_IMAGE_NAME_MAX + 1];
        berth_image_ref_name(&ref, name);
        struct berth_image_ref again;
        ck_assert_msg(berth_image_ref_parse("image", name, ref.tag, &again, &err) == 0, "%s: %s",
                      name, err.message);
        ck_assert_str_eq(again.domain, ref.domain);
        ck_assert_str_eq(again.path, ref.path);
        ck_assert_str_eq(again.tag, ref.tag);
    }
}
END_TEST

START_TEST(references_are_refused)
{
    const char *long_path = repeat('p', BERTH_IMAGE_NAME_MAX - 4);
    struct berth_strbuf long_name = BERTH_STRBUF_INIT(4096);
    berth_strbuf_addf(&long_name, "a.b:1/%s", long_path);
    const struct {
        const char *image;
        const char *version;
        const char *refusal;
    } rows[] = {
        {"", NULL, "parameter image must not be empty"},
        {"Jupyter", NULL, "parameter image must be in lower case"},
        {"team/Tool", NULL, "parameter image must be in lower case"},
        {"quay.io/Team/tool", NULL, "parameter image must be in lower case"},
        {"/x", NULL, "parameter image must be an image's name"},
        {"x/", NULL, "parameter image must be an image's name"},
        {"a//b", NULL, "parameter image must be an image's name"},
        {"quay.io/", NULL, "parameter image must be an image's name"},
        {"-x", NULL, "parameter image must be an image's name"},
        {"x-", NULL, "parameter image must be an image's name"},
        {"x_", NULL, "parameter image must be an image's name"},
        {"a..b", NULL, "parameter image must be an image's name"},
        {"a___b", NULL, "parameter image must be an image's name"},
        {"a._b", NULL, "parameter image must be an image's name"},
        {"a-_b", NULL, "parameter image must be an image's name"},
        {"a b", NULL, "parameter image must be an image's name"},
        {"a\nb", NULL, "parameter image must be an image's name"},
        {"\xC3\xA4", NULL, "parameter image must be an image's name"},
        {":1", NULL, "parameter image must be an image's name"},
        {"@" SHA256, NULL, "parameter image must be an image's name"},
        {"../etc", NULL, "name a registry"},
        {"./x", NULL, "name a registry"},
        {"a.b-/x", NULL, "name a registry"},
        {"-a.b/x", NULL, "name a registry"},
        {"a_b.c/x", NULL, "name a registry"},
        {"http://a.b/x", NULL, "name a registry"},
        {"a.b:/x", NULL, "name a registry"},
        {"a.b:0/x", NULL, "name a registry"},
        {"a.b:65536/x", NULL, "name a registry"},
        {"a.b:99999999999999999999/x", NULL, "name a registry"},
        {"a.b:5x/x", NULL, "name a registry"},
        {"[]:5000/x", NULL, "name a registry"},
        {"[::g]:5000/x", NULL, "name a registry"},
        {"[::1/x", NULL, "name a registry"},
        {"[::1]x/x", NULL, "name a registry"},
        {"x:", NULL, "the tag in parameter image must consist"},
        {"x:.1", NULL, "the tag in parameter image must consist"},
        {"x:-1", NULL, "the tag in parameter image must consist"},
        {"x:1:2", NULL, "the tag in parameter image must consist"},
        {"x:a b", NULL, "the tag in parameter image must consist"},
        {"x", "", "parameter version must consist"},
        {"x", "1/2", "parameter version must consist"},
        {"x", SHA256, "parameter version must consist"},
        {"x", repeat('t', BERTH_TAG_MAX + 1), "parameter version must consist of 1 to 128"},
        {"x:1", "2", "parameter version must agree with the tag in parameter image"},
        {"x:latest", "2", "parameter version must agree"},
        {"x@", NULL, "the digest in parameter image"},
        {"x@sha256:", NULL, "the digest in parameter image"},
        {"x@sha256:" HEX32, NULL, "the digest in parameter image"},
        {"x@" SHA256 "0", NULL, "the digest in parameter image"},
        {"x@" SHA256 "@" SHA256, NULL, "the digest in parameter image"},
        {"x@sha256:" HEX32 "0123456789ABCDEF0123456789ABCDEF", NULL, "lower case"},
        {"x@md5:" HEX32, NULL, "the digest in parameter image"},
        {"x@sha512:" HEX32 HEX32, NULL, "the digest in parameter image"},
        {HEX32 HEX32, NULL, "not its id"},
        {"docker.io/library/" HEX32 HEX32, NULL, "not its id"},
        {SHA256, NULL, "not its id"},
        {repeat('p', BERTH_IMAGE_NAME_MAX + 1), NULL, "more than 255"},
        {berth_strbuf_str(&long_name), NULL, "more than 255"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct berth_error err = BERTH_ERROR_INIT;
        struct berth_image_ref ref = {.path = "untouched"};
        ck_assert_msg(berth_image_ref_parse("image", rows[i].image, rows[i].version, &ref, &err) ==
                          BERTH_E_INVALID,
                      "'%s' '%s' was taken", rows[i].image, rows[i].version);
        ck_assert_msg(strstr(err.message, rows[i].refusal), "'%s': %s", rows[i].image, err.message);
        ck_assert_str_eq(ref.path, "untouched");
    }
    berth_strbuf_release(&long_name);
}
END_TEST

START_TEST(app_names)
{
    static const struct {
        const char *image;
        const char *user;
        const char *app;
    } rows[] = {
        {"httpd", "ana", "httpd--ana"},
        {"host:5000/team/name:tag", "ana", "team_name--ana"},
        {"a/b/c", "ana", "a_b_c--ana"},
        {"a--b/c", "ana", "a--b_c--ana"},
        {"httpd@" SHA256, "Ana-", "httpd--Ana-"},
        {"docker.io/library/httpd", "ana", "httpd--ana"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct berth_image_ref ref;
        char app[BERTH_APP_MAX + 1];
        ck_assert_int_eq(berth_image_ref_parse("image", rows[i].image, NULL, &ref, NULL), 0);
        ck_assert_int_eq(berth_image_ref_app_name(&ref, rows[i].user, app, NULL), 0);
        ck_assert_str_eq(app, rows[i].app);
        ck_assert_str_eq(berth_naming_user_of_app(app), rows[i].user);
        ck_assert_int_eq(berth_naming_check_app("name", app, NULL), 0);
    }
}
END_TEST

START_TEST(longest_app_name)
{
    struct berth_image_ref ref;
    char app[BERTH_APP_MAX + 1];
    ck_assert_int_eq(
        berth_image_ref_parse("image", repeat('p', BERTH_IMAGE_NAME_MAX), NULL, &ref, NULL), 0);
    ck_assert_int_eq(berth_image_ref_app_name(&ref, repeat('u', BERTH_USER_MAX), app, NULL), 0);
    ck_assert_uint_eq(strlen(app), BERTH_APP_MAX);
    ck_assert_int_eq(berth_image_ref_app_name(&ref, repeat('u', BERTH_USER_MAX + 1), app, NULL),
                     BERTH_E_INVALID);
}
END_TEST

UNIT_SUITE("naming", users, apps, hostnames, facilities, user_of_app, references_are_parsed,
           references_are_refused, app_names, longest_app_name)
