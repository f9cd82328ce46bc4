/* SPDX-License-Identifier: MIT */
/*
 * Image references and names. The lines of the input: image, version ("" for
 * none), user, app, host, facility.
 */
#include "facilities/naming.h"

#include "backends/engine/engine_name.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

/* Refused: one line that names the parameter. */
static bool is_accepted(int r, const struct berth_error *err, const char *word)
{
    fuzz_check_error(r, err);
    FUZZ_CHECK(r == 0 || r == BERTH_E_INVALID);
    if (r < 0)
        FUZZ_CHECK_MSG(strstr(err->message, word), err->message);
    return r == 0;
}

static void write_reference(const struct berth_image_ref *ref, struct berth_strbuf *out)
{
    char name[BERTH_IMAGE_NAME_MAX + 1];
    berth_image_ref_name(ref, name);
    FUZZ_CHECK(name[0] && ref->path[0] && ref->tag[0]);
    berth_strbuf_addf(out, "%s:%s", name, ref->tag);
    if (ref->digest[0])
        berth_strbuf_addf(out, "@%s", ref->digest);
    FUZZ_CHECK(!out->failed);
}

/* What is understood is written in the normal form, which means the same and is its own. */
static void check_reference(const struct berth_image_ref *ref)
{
    struct berth_error err = BERTH_ERROR_INIT;
    struct berth_image_ref again;
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(4096);
    write_reference(ref, &text);
    int r = berth_image_ref_parse("image", berth_strbuf_str(&text), NULL, &again, &err);
    FUZZ_CHECK_MSG(r == 0, berth_strbuf_str(&text));
    FUZZ_CHECK_MSG(strcmp(ref->domain, again.domain) == 0, berth_strbuf_str(&text));
    FUZZ_CHECK_MSG(strcmp(ref->path, again.path) == 0, berth_strbuf_str(&text));
    FUZZ_CHECK_MSG(strcmp(ref->tag, again.tag) == 0, berth_strbuf_str(&text));
    FUZZ_CHECK_MSG(strcmp(ref->digest, again.digest) == 0, berth_strbuf_str(&text));

    /* The engine's client cuts it up in the same places. */
    struct berth_engine_name name = berth_engine_name_split(berth_strbuf_str(&text));
    FUZZ_CHECK(name.tag_len == strlen(ref->tag) && memcmp(name.tag, ref->tag, name.tag_len) == 0);
    FUZZ_CHECK(name.digest_len == strlen(ref->digest));
    FUZZ_CHECK(berth_engine_name_same_repository(&name, &name));
}

/* Whose app it is can be read off its name. */
static void check_app_name(const struct berth_image_ref *ref, const char *user)
{
    struct berth_error err = BERTH_ERROR_INIT;
    char name[BERTH_APP_MAX + 1];
    int r = berth_image_ref_app_name(ref, user, name, &err);
    FUZZ_CHECK(r == 0);
    FUZZ_CHECK_MSG(berth_naming_check_app("name", name, &err) == 0, name);
    FUZZ_CHECK_MSG(strcmp(berth_naming_user_of_app(name), user) == 0, name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    BERTH_CLEANUP(free) char *image = fuzz_line(&input);
    BERTH_CLEANUP(free) char *version = fuzz_line(&input);
    BERTH_CLEANUP(free) char *user = fuzz_line(&input);
    BERTH_CLEANUP(free) char *app = fuzz_line(&input);
    BERTH_CLEANUP(free) char *host = fuzz_line(&input);
    BERTH_CLEANUP(free) char *facility = fuzz_line(&input);
    struct berth_error err = BERTH_ERROR_INIT;
    struct berth_image_ref ref;
    int r = berth_image_ref_parse("image", image, version[0] ? version : NULL, &ref, &err);
    bool is_image = is_accepted(r, &err, "parameter ") ||
                    (strstr(err.message, "parameter version") &&
                     berth_image_ref_parse("image", image, NULL, &ref, NULL) == 0);
    if (is_image)
        check_reference(&ref);

    berth_error_clear(&err);
    r = berth_naming_check_user("user", user, &err);
    if (is_accepted(r, &err, "parameter user") && is_image)
        check_app_name(&ref, user);

    berth_error_clear(&err);
    r = berth_naming_check_app("name", app, &err);
    if (is_accepted(r, &err, "parameter name"))
        FUZZ_CHECK(strlen(app) <= BERTH_APP_MAX);
    const char *owner = berth_naming_user_of_app(app);
    FUZZ_CHECK(owner[0] == '\0' || !strstr(owner, "--"));

    berth_error_clear(&err);
    r = berth_naming_check_hostname("hostname", host, &err);
    if (is_accepted(r, &err, "parameter hostname"))
        FUZZ_CHECK(strlen(host) <= BERTH_HOSTNAME_MAX);

    berth_error_clear(&err);
    r = berth_naming_check_facility(facility, &err);
    if (is_accepted(r, &err, "facility id"))
        FUZZ_CHECK(strlen(facility) <= BERTH_FACILITY_ID_MAX && !strchr(facility, '/'));

    BERTH_CLEANUP(strbuf) struct berth_strbuf shown = BERTH_STRBUF_INIT(size + 64);
    berth_engine_image_shown(image, app, &shown);
    FUZZ_CHECK(!shown.failed);
    return 0;
}
