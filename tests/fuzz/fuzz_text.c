/* SPDX-License-Identifier: MIT */
/*
 * Small parsers and docker's text formats. The lines of the input: two times in
 * nanoseconds; a number, digits and columns; a text (at least to the end).
 */
#include "base/clock.h"
#include "base/encoding.h"
#include "base/limits.h"
#include "base/text.h"
#include "base/words.h"
#include "gateway/docker_text.h"
#include "gateway/docker_unicode.h"
#include "tests/fuzz/fuzz.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* Text that moves with the clock is the same up to, and not at, the moment it names. */
static void check_age(int64_t since_ns, int64_t now_ns)
{
    int64_t valid_until_ns = INT64_MAX;
    int64_t ignored_ns = INT64_MAX;
    BERTH_CLEANUP(strbuf) struct berth_strbuf now = BERTH_STRBUF_INIT(256);
    BERTH_CLEANUP(strbuf) struct berth_strbuf last = BERTH_STRBUF_INIT(256);
    BERTH_CLEANUP(strbuf) struct berth_strbuf next = BERTH_STRBUF_INIT(256);
    berth_docker_add_age(&now, since_ns, now_ns, &valid_until_ns);
    fuzz_check_line(&now, 32);
    FUZZ_CHECK_MSG(valid_until_ns > now_ns || valid_until_ns == INT64_MAX, berth_strbuf_str(&now));
    if (valid_until_ns == INT64_MAX)
        return;
    berth_docker_add_age(&last, since_ns, valid_until_ns - 1, &ignored_ns);
    berth_docker_add_age(&next, since_ns, valid_until_ns, &ignored_ns);
    FUZZ_CHECK_MSG(strcmp(berth_strbuf_str(&now), berth_strbuf_str(&last)) == 0,
                   berth_strbuf_str(&last));
    FUZZ_CHECK_MSG(strcmp(berth_strbuf_str(&now), berth_strbuf_str(&next)) != 0,
                   berth_strbuf_str(&next));
}

static void check_time(int64_t wall_ns)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(256);
    struct berth_error err = BERTH_ERROR_INIT;
    int64_t again_ns = -1;
    berth_clock_add_rfc3339(&text, wall_ns, 9);
    fuzz_check_line(&text, 40);
    int r = berth_clock_parse_rfc3339(berth_strbuf_str(&text), text.len, &again_ns, &err);
    int64_t expected_ns = wall_ns < 0 ? 0 : wall_ns;
    FUZZ_CHECK_MSG((r == 0 && again_ns == expected_ns) ||
                       wall_ns / BERTH_NS_PER_S >= INT64_MAX / BERTH_NS_PER_S,
                   berth_strbuf_str(&text));
    berth_clock_add_go(&text, wall_ns);
    berth_clock_add_local(&text, wall_ns);
    fuzz_check_line(&text, 200);
}

static void check_sizes(double bytes, int digits)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(256);
    berth_docker_add_size(&text, bytes, digits);
    fuzz_check_line(&text, 40);
    berth_strbuf_clear(&text);
    berth_docker_add_binary_size(&text, bytes);
    fuzz_check_line(&text, 40);
}

static void check_shown(const char *text, size_t columns)
{
    size_t len = strlen(text);
    BERTH_CLEANUP(strbuf) struct berth_strbuf out = BERTH_STRBUF_INIT(len * 10 + 64);
    berth_docker_add_shortened(&out, text, columns);
    FUZZ_CHECK(!out.failed && out.len <= len + 3 && out.len <= columns * 4);
    FUZZ_CHECK(!berth_text_is_utf8(text, len) ||
               berth_text_is_utf8(berth_strbuf_str(&out), out.len));
    berth_strbuf_clear(&out);
    berth_docker_add_quoted(&out, text, columns);
    fuzz_check_line(&out, columns * 10 + 5);
    berth_strbuf_clear(&out);
    berth_docker_add_short_id(&out, text);
    FUZZ_CHECK(!out.failed && out.len <= 12);
    struct berth_docker_slice name = berth_docker_familiar_name(text, len);
    FUZZ_CHECK(name.text >= text && name.text + name.len <= text + len);
}

static void check_numbers(const char *text)
{
    struct berth_error err = BERTH_ERROR_INIT;
    int64_t value = 0;
    bool flag = false;
    int r = berth_text_parse_int(text, -100, INT64_MAX, &value, &err);
    fuzz_check_error(r, &err);
    if (r == 0) {
        char again[32];
        (void)snprintf(again, sizeof(again), "%" PRId64, value);
        FUZZ_CHECK(value >= -100 && strlen(again) <= strlen(text));
    }
    berth_error_clear(&err);
    r = berth_text_parse_size(text, &value, &err);
    fuzz_check_error(r, &err);
    FUZZ_CHECK(r < 0 || value >= 0);
    berth_error_clear(&err);
    fuzz_check_error(berth_text_parse_bool(text, &flag, &err), &err);
    berth_error_clear(&err);
    fuzz_check_error(berth_clock_parse_rfc3339(text, strlen(text), &value, &err), &err);
    if (err.status == 0)
        check_time(value);
}

static void check_base64(const char *text)
{
    size_t len = strlen(text);
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_CLEANUP(strbuf) struct berth_strbuf bytes = BERTH_STRBUF_INIT(len + 8);
    BERTH_CLEANUP(strbuf) struct berth_strbuf again = BERTH_STRBUF_INIT(2 * len + 8);
    if (berth_base64_decode(text, len, &bytes, &err) == 0) {
        berth_base64_encode(berth_strbuf_str(&bytes), bytes.len, &again);
        FUZZ_CHECK_MSG(strcmp(berth_strbuf_str(&again), text) == 0, berth_strbuf_str(&again));
    }
    berth_strbuf_clear(&again);
    berth_strbuf_clear(&bytes);
    berth_base64_encode(text, len, &again);
    FUZZ_CHECK(berth_base64_decode(berth_strbuf_str(&again), again.len, &bytes, &err) == 0);
    FUZZ_CHECK(strcmp(berth_strbuf_str(&bytes), text) == 0);
}

static void check_text(const char *text)
{
    static const char *const names[] = {"listen", "engine", "image_policy", "auth"};
    size_t len = strlen(text);
    size_t at = 0;
    while (at < len) {
        size_t step = berth_text_utf8_char(text + at, len - at);
        FUZZ_CHECK(step <= 4 && step <= len - at);
        if (step == 0)
            break;
        at += step;
    }
    FUZZ_CHECK((at == len) == berth_text_is_utf8(text, len));
    size_t prefix = berth_text_utf8_prefix(text, len / 2);
    FUZZ_CHECK(prefix <= len / 2 && (at < len || berth_text_is_utf8(text, prefix)));
    (void)berth_text_nearest(text, names, sizeof(names) / sizeof(names[0]));
    struct berth_error err = BERTH_ERROR_INIT;
    if (berth_text_is_utf8(text, len) && len > 0)
        fuzz_check_error(berth_error_set(&err, BERTH_E_INVALID, "%s", text), &err);
}

/* Words put between single quotes are the same words again. */
static void check_words(const char *text)
{
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_CLEANUP(words) struct berth_words words = BERTH_WORDS_INIT;
    BERTH_CLEANUP(words) struct berth_words again = BERTH_WORDS_INIT;
    BERTH_CLEANUP(strbuf) struct berth_strbuf quoted = BERTH_STRBUF_INIT(1 << 20);
    int rc = berth_words_split(text, &words, &err);
    fuzz_check_error(rc, &err);
    if (rc < 0)
        return;
    for (size_t i = 0; i < words.count; i++) {
        berth_strbuf_adds(&quoted, i ? " '" : "'");
        for (const char *c = words.items[i]; *c; c++)
            berth_strbuf_add(&quoted, *c == '\'' ? "'\\''" : c, *c == '\'' ? 4 : 1);
        berth_strbuf_adds(&quoted, "'");
    }
    rc = berth_words_split(berth_strbuf_str(&quoted), &again, &err);
    FUZZ_CHECK(rc == 0 || quoted.len > BERTH_COMMAND_MAX);
    if (rc < 0)
        return;
    FUZZ_CHECK(again.count == words.count);
    for (size_t i = 0; i < words.count; i++)
        FUZZ_CHECK_MSG(strcmp(again.items[i], words.items[i]) == 0, words.items[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    BERTH_CLEANUP(free) char *times = fuzz_line(&input);
    BERTH_CLEANUP(free) char *numbers = fuzz_line(&input);
    BERTH_CLEANUP(free) char *text = fuzz_rest(&input);
    char *at = times;
    int64_t since_ns = strtoll(at, &at, 10);
    int64_t now_ns = strtoll(at, &at, 10);
    check_age(since_ns, now_ns);
    check_time(now_ns);
    at = numbers;
    double bytes = strtod(at, &at);
    unsigned digits = (unsigned)strtoul(at, &at, 10) % 17 + 1;
    size_t columns = strtoul(at, &at, 10) % 200 + 2;
    if (isfinite(bytes) && bytes >= 0)
        check_sizes(bytes, (int)digits);
    check_shown(text, columns);
    check_numbers(text);
    check_base64(text);
    check_text(text);
    check_words(text);
    (void)berth_docker_is_wide((uint32_t)since_ns);
    (void)berth_docker_is_printable((uint32_t)since_ns);
    return 0;
}
