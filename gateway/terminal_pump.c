/* SPDX-License-Identifier: MIT */
#include "gateway/terminal_pump.h"

#include "base/clock.h"
#include "gateway/containers_error.h"
#include "gateway/terminal_message.h"
#include "gateway/websocket.h"

#include <poll.h>
#include <string.h>

#define TICK_MS     500
#define PIECE       16384
#define REST_MS     200  /* for which a cut character waits for its rest */
#define FAREWELL_MS 2000 /* for a client to take what it is told last */
#define RECORD_HEAD (1 + sizeof(uint32_t))
#define TURN        16           /* pieces or messages, before the other direction has its turn */
#define MESSAGE_MAX (256U << 10) /* of ours: a piece, each byte escaped */
#define HEADERS_MAX 1024

/* What becomes of the terminal. */
enum fate {
    GOES_ON,
    ENDS,     /* the process, or whoever closes it */
    DETACHED, /* the client is gone and may come back */
};

struct link {
    struct berth_exchange *exchange;
    struct berth_terminal *terminal;
    struct berth_ws ws;
    struct berth_strbuf message;
    size_t replay_at; /* what of the replay has been sent */
    size_t replay_end;
    int64_t rest_ms; /* monotonic: since when characters wait for their rest; 0: none */
    int64_t checked_ms;
    bool is_readable; /* the process may have printed something */
    enum fate fate;
    char why[BERTH_ERROR_MESSAGE_MAX];
};

/* ---- To the client ---- */

static void send_message(struct link *link)
{
    berth_ws_send(&link->ws, berth_strbuf_str(&link->message), link->message.len);
    berth_strbuf_clear(&link->message);
}

static void conclude(struct link *link, enum fate fate, enum berth_ws_close code, const char *why)
{
    if (link->fate != GOES_ON)
        return;
    link->fate = fate;
    (void)snprintf(link->why, sizeof(link->why), "%s", why);
    berth_ws_close(&link->ws, code, why);
}

static void lose_client(struct link *link, const char *why)
{
    bool may_return = link->terminal->id[0] && !link->ws.client_closed;
    conclude(link, may_return ? DETACHED : ENDS, BERTH_WS_NORMAL, why);
}

static void flush(struct link *link)
{
    struct berth_error err = BERTH_ERROR_INIT;
    if (berth_ws_flush(&link->ws, &err) < 0)
        lose_client(link, err.message);
}

/* What overtakes output. */
static void send_first(struct link *link)
{
    berth_ws_send_first(&link->ws, berth_strbuf_str(&link->message), link->message.len);
    berth_strbuf_clear(&link->message);
}

/* In the words of its API. */
static void add_error(struct link *link, const struct berth_error *err)
{
    const struct berth_exchange *exchange = link->exchange;
    struct berth_json_writer w = BERTH_JSON_WRITER(&link->message);
    if (exchange->route->dialect != &berth_containers_dialect) {
        berth_terminal_add_error(&link->message, err, exchange->caller.request_id);
        return;
    }
    berth_json_open_object(&w, NULL);
    berth_json_add_string(&w, "type", "error");
    berth_containers_error_add(&w, "error", exchange, err);
    berth_json_close_object(&w);
}

/* About a message; the terminal goes on. */
static void send_error(struct link *link, const struct berth_error *err)
{
    add_error(link, err);
    send_first(link);
}

/* About the terminal: behind all of its output. */
static void fail(struct link *link, const struct berth_error *err, enum berth_ws_close code)
{
    add_error(link, err);
    send_message(link);
    conclude(link, ENDS, code, err->message);
}

/* Sends data as far as it is whole; the rest waits, unless it is the last. */
static void send_output(struct link *link, enum berth_output stream, const char *data, size_t len,
                        bool is_last)
{
    struct berth_terminal_rest *rest = &link->terminal->rest[stream == BERTH_OUTPUT_STDERR];
    char joined[PIECE + sizeof(rest->data)];
    bool is_text = false;
    memcpy(joined, rest->data, rest->len);
    memcpy(joined + rest->len, data, len);
    len += rest->len;
    size_t whole = berth_terminal_split(joined, len, &is_text);
    if (is_last && whole < len) {
        is_text = false;
        whole = len;
    }
    rest->len = len - whole;
    memcpy(rest->data, joined + whole, rest->len);
    if (rest->len > 0 && link->rest_ms == 0)
        link->rest_ms = berth_clock_monotonic_ms();
    if (whole == 0)
        return;
    berth_terminal_add_output(&link->message, stream, joined, whole, is_text);
    send_message(link);
}

static void send_rests(struct link *link)
{
    send_output(link, BERTH_OUTPUT_STDOUT, "", 0, true);
    send_output(link, BERTH_OUTPUT_STDERR, "", 0, true);
    link->rest_ms = 0;
}

/* The next of what was kept for a client that came back. */
static void send_replay(struct link *link)
{
    const char *record = link->terminal->replay.data + link->replay_at;
    uint32_t len;
    memcpy(&len, record + 1, sizeof(len));
    send_output(link, (enum berth_output)record[0], record + RECORD_HEAD, len, false);
    link->replay_at += RECORD_HEAD + len;
}

static void end_of_output(struct link *link)
{
    struct berth_error err = BERTH_ERROR_INIT;
    int code = 0;
    send_rests(link);
    int r = berth_exec_exit_code(link->terminal->exec, &code, &err);
    if (r < 0) {
        fail(link, &err, r == BERTH_E_CANCELLED ? BERTH_WS_GOING_AWAY : BERTH_WS_INTERNAL);
        return;
    }
    berth_terminal_add_exit(&link->message, code);
    send_message(link);
    char why[32];
    (void)snprintf(why, sizeof(why), "exit %d", code);
    conclude(link, ENDS, BERTH_WS_NORMAL, why);
}

/* Reads on while the client takes what comes; false: there is nothing now. */
static bool move_output(struct link *link)
{
    flush(link);
    struct berth_terminal *terminal = link->terminal;
    if (link->fate != GOES_ON || !berth_ws_is_free(&link->ws))
        return false;
    if (link->replay_at < link->replay_end) {
        send_replay(link);
        return true;
    }
    struct berth_error err = BERTH_ERROR_INIT;
    struct berth_exec_output output = {0};
    char data[PIECE];
    if (link->is_readable &&
        berth_exec_read(terminal->exec, data, sizeof(data), &output, &err) < 0) {
        fail(link, &err, BERTH_WS_INTERNAL);
        return true;
    }
    link->is_readable = output.len > 0;
    if (output.len > 0) {
        berth_terminal_keep(terminal, output.stream, data, output.len);
        link->rest_ms = 0;
        send_output(link, output.stream, data, output.len, false);
    } else if (output.has_ended) {
        end_of_output(link);
    } else if (link->rest_ms > 0 && berth_clock_monotonic_ms() - link->rest_ms >= REST_MS) {
        send_rests(link);
    } else {
        return false;
    }
    return true;
}

/* ---- From the client ---- */

static void take_signal(struct link *link, enum berth_exec_signal number)
{
    struct berth_error err = BERTH_ERROR_INIT;
    if (link->terminal->tty && (number == BERTH_EXEC_INT || number == BERTH_EXEC_QUIT)) {
        /* What was typed before it is gone, as with the keys for it. */
        berth_strbuf_clear(&link->terminal->input);
        link->terminal->input_at = 0;
    }
    if (berth_exec_signal(link->terminal->exec, number, &err) < 0)
        send_error(link, &err);
}

static void take_message(struct link *link, const struct berth_strbuf *text)
{
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_CLEANUP(terminal_input) struct berth_terminal_input input;
    if (berth_terminal_parse(berth_strbuf_str(text), text->len, &input, &err) < 0) {
        send_error(link, &err);
        return;
    }
    switch (input.word) {
    case BERTH_TERMINAL_STDIN:
        berth_strbuf_add(&link->terminal->input, berth_strbuf_str(&input.data), input.data.len);
        if (berth_strbuf_check(&link->terminal->input, &err) < 0)
            fail(link, &err, BERTH_WS_INTERNAL);
        break;
    case BERTH_TERMINAL_RESIZE:
        if (berth_exec_resize(link->terminal->exec, input.cols, input.rows, &err) < 0)
            send_error(link, &err);
        break;
    case BERTH_TERMINAL_SIGNAL:
        take_signal(link, input.number);
        break;
    case BERTH_TERMINAL_CLOSE:
        conclude(link, ENDS, BERTH_WS_NORMAL, "closed by the client");
        break;
    case BERTH_TERMINAL_PING:
        berth_terminal_add_pong(&link->message);
        send_first(link);
        break;
    }
}

static size_t waiting_input(const struct link *link)
{
    return link->terminal->input.len - link->terminal->input_at;
}

static bool is_held(const struct link *link)
{
    return waiting_input(link) >= BERTH_TERMINAL_INPUT_MAX || link->ws.control.len > PIECE;
}

/* True while there may be more. */
static bool move_messages(struct link *link)
{
    const struct berth_strbuf *text = NULL;
    struct berth_error err = BERTH_ERROR_INIT;
    if (link->fate != GOES_ON || is_held(link))
        return false;
    int r = berth_ws_receive(&link->ws, &text, &err);
    if (r < 0) {
        if (r == BERTH_E_IO)
            lose_client(link, err.message);
        else
            conclude(link, ENDS, BERTH_WS_PROTOCOL, err.message);
        return false;
    }
    if (text)
        take_message(link, text);
    return text != NULL;
}

static void move_input(struct link *link)
{
    struct berth_terminal *terminal = link->terminal;
    struct berth_error err = BERTH_ERROR_INIT;
    size_t written = 0;
    if (link->fate != GOES_ON || waiting_input(link) == 0)
        return;
    /* Who reads no more has ended, which its output tells. */
    if (berth_exec_write(terminal->exec, terminal->input.data + terminal->input_at,
                         waiting_input(link), &written, &err) < 0)
        written = waiting_input(link);
    terminal->input_at += written;
    if (waiting_input(link) == 0) {
        berth_strbuf_clear(&terminal->input);
        terminal->input_at = 0;
    } else if (terminal->input_at >= BERTH_TERMINAL_INPUT_MAX / 2) {
        size_t left = waiting_input(link);
        memmove(terminal->input.data, terminal->input.data + terminal->input_at, left);
        berth_strbuf_truncate(&terminal->input, left);
        terminal->input_at = 0;
    }
}

/* ---- Both ---- */

/* Now and then: whether it may go on, and whether anybody is there. */
static void check(struct link *link)
{
    struct berth_error err = BERTH_ERROR_INIT;
    int64_t now_ms = berth_clock_monotonic_ms();
    if (link->fate != GOES_ON || now_ms - link->checked_ms < TICK_MS)
        return;
    link->checked_ms = now_ms;
    int r = berth_terminal_confirm(link->exchange->berth->terminals, link->terminal, &err);
    if (r < 0)
        fail(link, &err, r == BERTH_E_CANCELLED ? BERTH_WS_GOING_AWAY : BERTH_WS_POLICY);
    if (now_ms - link->ws.moved_ms >= BERTH_TERMINAL_SILENCE_MS)
        lose_client(link, "the client is silent");
    if (now_ms - link->ws.moved_ms >= BERTH_TERMINAL_PING_MS &&
        now_ms - link->ws.pinged_ms >= BERTH_TERMINAL_PING_MS)
        berth_ws_ping(&link->ws);
    berth_mirror_touch(link->exchange->facility->mirror);
}

static void wait_for_events(struct link *link, int timeout_ms)
{
    struct pollfd fds[3] = {
        {.fd = berth_ws_fd(&link->ws), .events = POLLRDHUP},
        {.fd = berth_exec_fd(link->terminal->exec)},
        {.fd = link->terminal->wake, .events = POLLIN},
    };
    if (!is_held(link))
        fds[0].events |= POLLIN;
    if (berth_ws_has_more(&link->ws))
        fds[0].events |= POLLOUT;
    if (berth_ws_is_free(&link->ws))
        fds[1].events |= POLLIN;
    if (waiting_input(link) > 0)
        fds[1].events |= POLLOUT;
    if (fds[1].events == 0)
        fds[1].fd = -1; /* its end is not asked for yet, and would be told at once */
    (void)poll(fds, 3, timeout_ms);
    link->is_readable |= fds[1].revents != 0;
    if (is_held(link) && (fds[0].revents & (POLLRDHUP | POLLHUP | POLLERR)))
        lose_client(link, "the client is gone");
    if (fds[2].revents & POLLIN)
        conclude(link, DETACHED, BERTH_WS_TAKEN_OVER, "the terminal goes on elsewhere");
}

/* True if there may be more. */
static bool take_turn(struct link *link, bool (*move)(struct link *link))
{
    for (int i = 0; i < TURN; i++)
        if (!move(link))
            return false;
    return true;
}

static void run(struct link *link)
{
    while (link->fate == GOES_ON) {
        check(link);
        bool has_more = take_turn(link, move_messages);
        move_input(link);
        has_more |= take_turn(link, move_output);
        flush(link);
        if (link->fate == GOES_ON)
            wait_for_events(link, has_more ? 0 : link->rest_ms > 0 ? REST_MS : TICK_MS);
    }
}

/* What is still to be said, and then the client's own close: who closes first with something
 * unread would cut what is on its way. */
static void part(struct link *link)
{
    int64_t deadline_ms = berth_clock_monotonic_ms() + FAREWELL_MS;
    while (!link->ws.client_closed || berth_ws_has_more(&link->ws)) {
        struct berth_error err = BERTH_ERROR_INIT;
        const struct berth_strbuf *ignored = NULL;
        int64_t left_ms = deadline_ms - berth_clock_monotonic_ms();
        struct pollfd poll_fd = {.fd = berth_ws_fd(&link->ws), .events = POLLIN};
        if (left_ms <= 0 || berth_ws_flush(&link->ws, &err) < 0)
            return;
        if (berth_ws_receive(&link->ws, &ignored, &err) < 0 && !link->ws.client_closed)
            return;
        if (link->ws.client_closed && !berth_ws_has_more(&link->ws))
            return;
        poll_fd.events |= berth_ws_has_more(&link->ws) ? POLLOUT : 0;
        if (!ignored)
            (void)poll(&poll_fd, 1, (int)left_ms);
    }
}

static int upgrade(struct link *link, struct berth_error *err)
{
    struct berth_exchange *exchange = link->exchange;
    char headers[HEADERS_MAX];
    (void)snprintf(headers, sizeof(headers), "X-Request-Id: %s\r\n", exchange->caller.request_id);
    berth_strbuf_init(&link->message, MESSAGE_MAX);
    int r =
        berth_ws_open(&link->ws, exchange->connection, BERTH_TERMINAL_MESSAGE_MAX, headers, err);
    if (r < 0)
        return r;
    exchange->is_sent = true;
    exchange->status = 101;
    return 0;
}

static void release(struct link *link)
{
    berth_ws_release(&link->ws);
    berth_strbuf_release(&link->message);
}

static void greet(struct link *link, bool is_resumed)
{
    if (is_resumed) {
        memset(link->terminal->rest, 0, sizeof(link->terminal->rest));
        link->replay_end = link->terminal->replay.len;
    }
    if (link->terminal->id[0]) {
        berth_terminal_add_session(&link->message, link->terminal->id);
        send_message(link);
    }
}

int berth_terminal_pump(struct berth_exchange *exchange, struct berth_terminal *terminal,
                        bool is_resumed, struct berth_error *err)
{
    struct berth_terminals *terminals = exchange->berth->terminals;
    struct link link = {.exchange = exchange, .terminal = terminal, .is_readable = true};
    int r = upgrade(&link, err);
    if (r < 0) {
        release(&link);
        berth_terminal_end(terminals, terminal, "no connection was made");
        return r;
    }
    greet(&link, is_resumed);
    run(&link);
    if (link.fate == DETACHED)
        berth_terminal_detach(terminals, terminal);
    else
        berth_terminal_end(terminals, terminal, link.why);
    part(&link);
    release(&link);
    return 0;
}

int berth_terminal_refuse(struct berth_exchange *exchange, struct berth_error *err)
{
    struct link link = {.exchange = exchange};
    int status = err->status;
    int r = upgrade(&link, err);
    if (r == 0) {
        fail(&link, err, BERTH_WS_POLICY);
        part(&link);
    }
    release(&link);
    return r < 0 ? r : status;
}
