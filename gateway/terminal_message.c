/* SPDX-License-Identifier: MIT */
#include "gateway/terminal_message.h"

#include "base/clock.h"
#include "base/encoding.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/text.h"

#include <string.h>

/* ---- From a client ---- */

struct message {
    const cJSON *json;
    const char *text; /* that it was made of */
    size_t len;
};

void berth_terminal_input_release(struct berth_terminal_input *input)
{
    berth_strbuf_release(&input->data);
}

static bool has(const struct message *message, const char *part)
{
    return memmem(message->text, message->len, part, strlen(part)) != NULL;
}

/* A NUL, as keyboards make with Ctrl and space, comes out of the JSON as U+FFFD: where it was one,
 * it is one again. */
static int restore_nul(const struct message *message, struct berth_strbuf *data,
                       struct berth_error *err)
{
    static const char nul[] = "\\u0000";
    static const char stand_in[] = "\xef\xbf\xbd";
    char *at = berth_strbuf_check(data, NULL) == 0 && data->len > 0 ? data->data : NULL;
    if (!at || !has(message, nul) || !(at = strstr(at, stand_in)))
        return 0;
    if (has(message, stand_in) || has(message, "\\ufffd") || has(message, "\\uFFFD"))
        return berth_error_set(err, BERTH_E_INVALID,
                               "member data has U+0000 and U+FFFD: encode it in base64");
    char *to = at;
    while (*at) {
        bool is_nul = strncmp(at, stand_in, sizeof(stand_in) - 1) == 0;
        *to++ = is_nul ? '\0' : *at;
        at += is_nul ? sizeof(stand_in) - 1 : 1;
    }
    berth_strbuf_truncate(data, (size_t)(to - data->data));
    return 0;
}

static int read_stdin(const struct message *message, struct berth_terminal_input *input,
                      struct berth_error *err)
{
    const cJSON *json = message->json;
    const cJSON *data = berth_json_get(json, "data");
    const char *encoding = berth_json_string(json, "encoding", "utf8");
    if (!cJSON_IsString(data))
        return berth_error_set(err, BERTH_E_INVALID, "member data must be a text");
    if (strcmp(encoding, "utf8") == 0) {
        berth_strbuf_adds(&input->data, data->valuestring);
        int r = berth_strbuf_check(&input->data, err);
        return r < 0 ? r : restore_nul(message, &input->data, err);
    }
    if (strcmp(encoding, "base64") != 0)
        return berth_error_set(err, BERTH_E_INVALID, "member encoding must be utf8 or base64");
    int r = berth_base64_decode(data->valuestring, strlen(data->valuestring), &input->data, err);
    return r < 0 ? berth_error_wrap(err, "member data") : 0;
}

static int read_resize(const struct message *message, struct berth_terminal_input *input,
                       struct berth_error *err)
{
    int64_t cols = berth_json_int(message->json, "cols", 0);
    int64_t rows = berth_json_int(message->json, "rows", 0);
    if (cols < 1 || cols > BERTH_TERMINAL_SIZE_MAX || rows < 1 || rows > BERTH_TERMINAL_SIZE_MAX)
        return berth_error_set(err, BERTH_E_INVALID,
                               "members cols and rows must be whole numbers from 1 to %d",
                               BERTH_TERMINAL_SIZE_MAX);
    input->cols = (unsigned)cols;
    input->rows = (unsigned)rows;
    return 0;
}

static int read_signal(const struct message *message, struct berth_terminal_input *input,
                       struct berth_error *err)
{
    const char *name = berth_json_string(message->json, "name", "");
    for (size_t i = 0; berth_exec_signal_names[i]; i++) {
        if (strcmp(name, berth_exec_signal_names[i]) != 0)
            continue;
        input->number = (enum berth_exec_signal)i;
        return 0;
    }
    return berth_error_set(err, BERTH_E_INVALID,
                           "member name must be INT, TERM, KILL, HUP, QUIT, USR1 or USR2");
}

static int read_nothing(const struct message *message, struct berth_terminal_input *input,
                        struct berth_error *err)
{
    (void)message;
    (void)input;
    (void)err;
    return 0;
}

static const struct {
    const char *type;
    int (*read)(const struct message *message, struct berth_terminal_input *input,
                struct berth_error *err);
} words[] = {
    [BERTH_TERMINAL_STDIN] = {"stdin", read_stdin},
    [BERTH_TERMINAL_RESIZE] = {"resize", read_resize},
    [BERTH_TERMINAL_SIGNAL] = {"signal", read_signal},
    [BERTH_TERMINAL_CLOSE] = {"close", read_nothing},
    [BERTH_TERMINAL_PING] = {"ping", read_nothing},
};

int berth_terminal_parse(const char *text, size_t len, struct berth_terminal_input *ret_input,
                         struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *json = NULL;
    *ret_input = (struct berth_terminal_input){0};
    berth_strbuf_init(&ret_input->data, BERTH_TERMINAL_MESSAGE_MAX);
    int r = berth_json_parse(text, len, &json, err);
    if (r < 0)
        return r == BERTH_E_INVALID ? berth_error_wrap(err, "the message is no JSON") : r;
    const char *type = berth_json_string(json, "type", "");
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(type, words[i].type) != 0)
            continue;
        ret_input->word = (enum berth_terminal_word)i;
        const struct message message = {json, text, len};
        return words[i].read(&message, ret_input, err);
    }
    return berth_error_set(err, BERTH_E_INVALID,
                           "member type must be stdin, resize, signal, ping or close");
}

/* ---- To a client ---- */

size_t berth_terminal_split(const char *data, size_t len, bool *ret_is_text)
{
    size_t whole = berth_text_utf8_prefix(data, len);
    if (len - whole > 3) /* no character is that long: it is none */
        whole = len;
    *ret_is_text = berth_text_is_utf8(data, whole);
    return whole;
}

static void begin(struct berth_json_writer *w, const char *type)
{
    berth_json_open_object(w, NULL);
    berth_json_add_string(w, "type", type);
}

void berth_terminal_add_output(struct berth_strbuf *out, enum berth_output stream, const char *data,
                               size_t len, bool is_text)
{
    struct berth_json_writer w = BERTH_JSON_WRITER(out);
    begin(&w, stream == BERTH_OUTPUT_STDERR ? "stderr" : "stdout");
    if (is_text) {
        berth_json_add_stringn(&w, "data", data, len);
    } else {
        berth_strbuf_adds(out, ",\"data\":\"");
        berth_base64_encode(data, len, out);
        berth_strbuf_addc(out, '"');
    }
    berth_json_add_string(&w, "encoding", is_text ? "utf8" : "base64");
    berth_json_close_object(&w);
}

void berth_terminal_add_session(struct berth_strbuf *out, const char *id)
{
    struct berth_json_writer w = BERTH_JSON_WRITER(out);
    begin(&w, "session");
    berth_json_add_string(&w, "id", id);
    berth_json_close_object(&w);
}

void berth_terminal_add_exit(struct berth_strbuf *out, int code)
{
    struct berth_json_writer w = BERTH_JSON_WRITER(out);
    begin(&w, "exit");
    berth_json_add_int(&w, "code", code);
    berth_json_close_object(&w);
}

void berth_terminal_add_pong(struct berth_strbuf *out)
{
    struct berth_json_writer w = BERTH_JSON_WRITER(out);
    begin(&w, "pong");
    berth_json_close_object(&w);
}

/* The container API's word for an error, its code, and the status it has over HTTP. */
struct wording {
    const char *error;
    const char *code;
    int status;
};

static struct wording wording_of(enum berth_status status)
{
    switch (status) {
    case BERTH_E_INVALID:
    case BERTH_E_TOO_LARGE:
        return (struct wording){"validation_error", "INVALID_MESSAGE", 400};
    case BERTH_E_UNAUTHORISED:
    case BERTH_E_FORBIDDEN:
        return (struct wording){"auth_error", "ACCESS_REVOKED", 401};
    case BERTH_E_CONFLICT:
    case BERTH_E_CANCELLED:
    case BERTH_E_NOT_FOUND:
        return (struct wording){"state_error", "NOT_RUNNING", 422};
    case BERTH_E_TIMEOUT:
        return (struct wording){"timeout", "ENGINE_TIMEOUT", 408};
    default:
        return (struct wording){"io_error", "ENGINE_FAILED", 500};
    }
}

void berth_terminal_add_error(struct berth_strbuf *out, const struct berth_error *err,
                              const char *request_id)
{
    const struct wording wording = wording_of(err->status);
    struct berth_json_writer w = BERTH_JSON_WRITER(out);
    begin(&w, "error");
    berth_json_open_object(&w, "error");
    berth_json_add_string(&w, "error", wording.error);
    berth_json_add_string(&w, "code", wording.code);
    berth_json_add_string(&w, "message", err->message);
    berth_json_add_int(&w, "status", wording.status);
    berth_json_add_string(&w, "request_id", request_id);
    berth_strbuf_adds(out, ",\"timestamp\":\"");
    berth_clock_add_rfc3339(out, berth_clock_wall_ns(), 0);
    berth_strbuf_adds(out, "\",\"details\":{}");
    berth_json_close_object(&w);
    berth_json_close_object(&w);
}
