/* SPDX-License-Identifier: MIT */
/* A connection that has become a stream: bytes from the client to the engine, and back. */
#include "gateway/agent_internal.h"

#include <civetweb.h>
#include <civetweb_stream.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#define PIECE_BYTES 16384 /* a record of TLS */

/* A client that vanished without a word is noticed after a minute. */
#define QUIET_S    30
#define PROBE_S    10
#define PROBES_MAX 3

/* What one side has sent and the other has not yet taken. Nothing is read before all is taken. */
struct lane {
    char data[PIECE_BYTES];
    size_t start;
    size_t end;
};

struct stream {
    struct berth_agent_answer *answer;
    struct berth_engine_hijack *engine;
    struct lane up;   /* from the client */
    struct lane down; /* from the engine */
    bool is_deaf;     /* the engine takes nothing any more; what it has said is still to come */
    bool has_ended;   /* the engine says nothing any more */
    bool client_is_gone;
};

static bool is_empty(const struct lane *lane)
{
    return lane->start == lane->end;
}

static void fill(struct lane *lane, size_t len)
{
    lane->start = 0;
    lane->end = len;
}

/* Each moves what goes without waiting; true: something did. */

static bool read_client(struct stream *stream)
{
    if (!is_empty(&stream->up))
        return false;
    int len = mg_read_some(stream->answer->connection, stream->up.data, PIECE_BYTES);
    stream->client_is_gone |= len < 0;
    if (len > 0)
        fill(&stream->up, (size_t)len);
    return len > 0;
}

static bool write_engine(struct stream *stream)
{
    struct lane *up = &stream->up;
    size_t len = 0;
    if (is_empty(up))
        return false;
    if (!stream->is_deaf && berth_engine_hijack_write(stream->engine, up->data + up->start,
                                                      up->end - up->start, &len, NULL) < 0)
        stream->is_deaf = true;
    if (stream->is_deaf)
        len = up->end - up->start;
    up->start += len;
    return len > 0;
}

static bool read_engine(struct stream *stream)
{
    size_t len = 0;
    bool has_ended = false;
    if (stream->has_ended || !is_empty(&stream->down))
        return false;
    stream->has_ended = berth_engine_hijack_read(stream->engine, stream->down.data, PIECE_BYTES,
                                                 &len, &has_ended, NULL) < 0 ||
                        has_ended;
    fill(&stream->down, len);
    return len > 0 || stream->has_ended;
}

static bool write_client(struct stream *stream)
{
    struct lane *down = &stream->down;
    if (is_empty(down))
        return false;
    int len = mg_write_some(stream->answer->connection, down->data + down->start,
                            down->end - down->start);
    stream->client_is_gone |= len < 0;
    if (len > 0)
        down->start += (size_t)len;
    return len > 0;
}

/* Until one side has something to say, or room to hear it. */
static void wait_for_news(struct stream *stream)
{
    bool is_said = is_empty(&stream->up);
    bool is_heard = is_empty(&stream->down);
    struct pollfd polls[] = {
        {.fd = mg_get_socket(stream->answer->connection),
         .events = (short)((is_said ? POLLIN : 0) | (is_heard ? 0 : POLLOUT))},
        {.fd = berth_engine_hijack_fd(stream->engine),
         .events = (short)((is_said ? 0 : POLLOUT) | (is_heard ? POLLIN : 0))},
    };
    if (stream->has_ended || !polls[1].events)
        polls[1].fd = -1; /* that it has hung up would be told again and again */
    if (poll(polls, 2, BERTH_AGENT_TICK_MS) > 0)
        stream->client_is_gone |= (polls[0].revents & (POLLERR | POLLHUP | POLLNVAL)) != 0;
}

static void carry(struct stream *stream)
{
    while (!stream->client_is_gone && !(stream->has_ended && is_empty(&stream->down)) &&
           !berth_agent_is_draining(stream->answer->server)) {
        bool has_moved = read_client(stream);
        has_moved |= write_engine(stream);
        has_moved |= read_engine(stream);
        has_moved |= write_client(stream);
        if (!has_moved && !stream->client_is_gone)
            wait_for_news(stream);
    }
}

static void watch_over(int fd)
{
    static const struct {
        int level, option, value;
    } options[] = {
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, QUIET_S},
        {IPPROTO_TCP, TCP_KEEPINTVL, PROBE_S},
        {IPPROTO_TCP, TCP_KEEPCNT, PROBES_MAX},
    };
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        (void)setsockopt(fd, options[i].level, options[i].option, &options[i].value,
                         sizeof(options[i].value));
}

void berth_agent_stream(struct berth_agent_answer *answer, struct berth_engine_hijack *engine)
{
    struct stream stream = {.answer = answer, .engine = engine};
    answer->status = 101;
    mg_disable_connection_keep_alive(answer->connection);
    watch_over(mg_get_socket(answer->connection));
    berth_strbuf_adds(&answer->out, "HTTP/1.1 101 UPGRADED\r\n"
                                    "Content-Type: application/vnd.docker.raw-stream\r\n"
                                    "Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
    if (berth_agent_answer_flush(answer))
        carry(&stream);
}
