/* SPDX-License-Identifier: MIT */
#include "base/encoding.h"
#include "tests/unit/unit.h"

#include <string.h>

static const struct {
    const char *plain;
    const char *base64;
} base64_rows[] = {
    /* RFC 4648 section 10 */
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
    {"\xFB\xEF\xBE\xFF", "++++/w=="},
};

START_TEST(base64_goes_both_ways)
{
    for (size_t i = 0; i < UNIT_COUNT(base64_rows); i++) {
        const char *plain = base64_rows[i].plain;
        const char *base64 = base64_rows[i].base64;
        BERTH_CLEANUP(strbuf) struct berth_strbuf out = BERTH_STRBUF_INIT(100);
        berth_strbuf_adds(&out, ">");
        berth_base64_encode(plain, strlen(plain), &out);
        ck_assert_str_eq(berth_strbuf_str(&out) + 1, base64);
        berth_strbuf_truncate(&out, 1);
        ck_assert_int_eq(berth_base64_decode(base64, strlen(base64), &out, NULL), 0);
        ck_assert_uint_eq(out.len, 1 + strlen(plain));
        ck_assert_str_eq(berth_strbuf_str(&out) + 1, plain);
    }
}
END_TEST

START_TEST(malformed_base64_is_refused)
{
    static const char *const rows[] = {
        "Z",    "Zg",   "Zg=",  "Zg===",    "=",     "==",         "====",
        "Z===", "=Zg=", "Z=g=", "Zg==Zg==", " Zg==", "Zg==\n",     "Zm9v\n\n\n\n",
        "Zm9-", "Zm_v", "Zm 9", "Zh==",     "Zm9=",  "Zm\xC3\xA9",
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(strbuf) struct berth_strbuf out = BERTH_STRBUF_INIT(100);
        berth_strbuf_adds(&out, "kept");
        ck_assert_msg(berth_base64_decode(rows[i], strlen(rows[i]), &out, NULL) == BERTH_E_INVALID,
                      "%s", rows[i]);
        ck_assert_str_eq(berth_strbuf_str(&out), "kept");
        ck_assert_uint_eq(out.len, 4);
    }
}
END_TEST

START_TEST(base64_respects_the_cap)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf out = BERTH_STRBUF_INIT(8);
    berth_base64_encode("foobar", 6, &out);
    ck_assert_int_eq(berth_strbuf_check(&out, NULL), 0);
    berth_strbuf_clear(&out);
    berth_base64_encode("foobarb", 7, &out);
    ck_assert_int_eq(berth_strbuf_check(&out, NULL), BERTH_E_TOO_LARGE);
    berth_strbuf_clear(&out);
    ck_assert_int_eq(berth_base64_decode("Zm9vYmFyZm9v", 12, &out, NULL), BERTH_E_TOO_LARGE);
}
END_TEST

START_TEST(base64url_has_no_padding)
{
    static const struct {
        const char *plain;
        const char *base64url;
    } rows[] = {
        {"", ""}, {"f", "Zg"}, {"fo", "Zm8"}, {"foo", "Zm9v"}, {"\xFB\xEF\xBE\xFF", "----_w"}};
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(strbuf) struct berth_strbuf out = BERTH_STRBUF_INIT(100);
        berth_strbuf_adds(&out, "+/=");
        berth_base64url_encode(rows[i].plain, strlen(rows[i].plain), &out);
        ck_assert_str_eq(berth_strbuf_str(&out) + 3, rows[i].base64url);
        ck_assert(memcmp(out.data, "+/=", 3) == 0);
    }
    BERTH_CLEANUP(strbuf) struct berth_strbuf none = BERTH_STRBUF_INIT(100);
    berth_base64url_encode("", 0, &none);
    ck_assert_str_eq(berth_strbuf_str(&none), "");
}
END_TEST

static void assert_hex(const unsigned char *digest, const char *expected)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf out = BERTH_STRBUF_INIT(100);
    berth_hex_encode(digest, BERTH_SHA256_BYTES, &out);
    ck_assert_str_eq(berth_strbuf_str(&out), expected);
}

START_TEST(hex_is_lower_case)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf out = BERTH_STRBUF_INIT(7);
    berth_strbuf_adds(&out, ">");
    berth_hex_encode("\x00\xAF\x19", 3, &out);
    ck_assert_str_eq(berth_strbuf_str(&out), ">00af19");
    berth_hex_encode("", 0, &out);
    ck_assert_int_eq(berth_strbuf_check(&out, NULL), 0);
    berth_hex_encode("a", 1, &out);
    ck_assert_int_eq(berth_strbuf_check(&out, NULL), BERTH_E_TOO_LARGE);
}
END_TEST

START_TEST(digests_match_their_standards)
{
    unsigned char digest[BERTH_SHA256_BYTES];
    ck_assert_int_eq(berth_sha256("", 0, digest, NULL), 0);
    assert_hex(digest, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    ck_assert_int_eq(berth_sha256("abc", 3, digest, NULL), 0);
    assert_hex(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");

    /* RFC 4231, cases 1 and 2 */
    ck_assert_int_eq(berth_hmac_sha256("\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b"
                                       "\x0b\x0b\x0b\x0b\x0b\x0b",
                                       20, "Hi There", 8, digest, NULL),
                     0);
    assert_hex(digest, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    ck_assert_int_eq(berth_hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, digest, NULL),
                     0);
    assert_hex(digest, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    ck_assert_int_eq(berth_hmac_sha256(NULL, 0, NULL, 0, digest, NULL), 0);
    assert_hex(digest, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}
END_TEST

START_TEST(random_bytes_fill_the_array)
{
    /* Of 4096 bytes each half is all zero with a chance of 2^-16384. */
    static const unsigned char zero[2048];
    unsigned char bytes[4096 + 1] = {0};
    ck_assert_int_eq(berth_random_bytes(bytes, 4096, NULL), 0);
    ck_assert(memcmp(bytes, zero, 2048) != 0);
    ck_assert(memcmp(bytes + 2048, zero, 2048) != 0);
    ck_assert_uint_eq(bytes[4096], 0);
    ck_assert_int_eq(berth_random_bytes(NULL, 0, NULL), 0);
}
END_TEST

START_TEST(uuids_have_their_form)
{
    char before[37] = "";
    for (int n = 0; n < 100; n++) {
        char uuid[37];
        ck_assert_int_eq(berth_random_uuid(uuid, NULL), 0);
        for (size_t i = 0; i < 36; i++) {
            if (i == 8 || i == 13 || i == 18 || i == 23)
                ck_assert_int_eq(uuid[i], '-');
            else
                ck_assert_ptr_nonnull(memchr("0123456789abcdef", uuid[i], 16));
        }
        ck_assert_int_eq(uuid[36], '\0');
        ck_assert_int_eq(uuid[14], '4');
        ck_assert_ptr_nonnull(memchr("89ab", uuid[19], 4));
        ck_assert_str_ne(uuid, before);
        memcpy(before, uuid, sizeof(before));
    }
}
END_TEST

UNIT_SUITE("encoding", base64_goes_both_ways, malformed_base64_is_refused, base64_respects_the_cap,
           base64url_has_no_padding, hex_is_lower_case, digests_match_their_standards,
           random_bytes_fill_the_array, uuids_have_their_form)
