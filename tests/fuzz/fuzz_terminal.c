/* SPDX-License-Identifier: MIT */
/* A message of a terminal's client, which has been found to be UTF-8. */
#include "base/encoding.h"
#include "base/limits.h"
#include "base/text.h"
#include "gateway/terminal_message.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

/* What was read is what any message that says it in another way is read as. */
static void check_stdin(const struct berth_strbuf *data)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf again = BERTH_STRBUF_INIT(2 * data->len + 256);
    BERTH_CLEANUP(terminal_input) struct berth_terminal_input input;
    berth_strbuf_adds(&again, "{\"encoding\":\"base64\",\"type\":\"stdin\",\"data\":\"");
    berth_base64_encode(berth_strbuf_str(data), data->len, &again);
    berth_strbuf_adds(&again, "\"}");
    FUZZ_CHECK(berth_terminal_parse(berth_strbuf_str(&again), again.len, &input, NULL) == 0);
    FUZZ_CHECK(input.word == BERTH_TERMINAL_STDIN && input.data.len == data->len);
    FUZZ_CHECK(memcmp(berth_strbuf_str(&input.data), berth_strbuf_str(data), data->len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input rest = {data, size};
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_CLEANUP(free) char *text = fuzz_rest(&rest);
    if (!berth_text_is_utf8(text, strlen(text)))
        return 0;
    BERTH_CLEANUP(terminal_input) struct berth_terminal_input input;
    int r = berth_terminal_parse(text, strlen(text), &input, &err);
    fuzz_check_error(r, &err);
    if (r < 0)
        return 0;
    FUZZ_CHECK(!input.data.failed && input.data.len <= size);
    switch (input.word) {
    case BERTH_TERMINAL_STDIN:
        check_stdin(&input.data);
        break;
    case BERTH_TERMINAL_RESIZE:
        FUZZ_CHECK(input.cols >= 1 && input.cols <= BERTH_TERMINAL_SIZE_MAX);
        FUZZ_CHECK(input.rows >= 1 && input.rows <= BERTH_TERMINAL_SIZE_MAX);
        break;
    case BERTH_TERMINAL_SIGNAL:
        FUZZ_CHECK(input.number <= BERTH_EXEC_KILL);
        break;
    case BERTH_TERMINAL_CLOSE:
    case BERTH_TERMINAL_PING:
        break;
    }
    return 0;
}
