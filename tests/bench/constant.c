/* SPDX-License-Identifier: MIT */
/*
 * The floor to compare with: civetweb with the gateway's options and a handler
 * that answers a constant. usage: constant PORT BYTES
 */
#include <civetweb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct constant {
    char *answer;
    size_t len;
};

static int on_request(struct mg_connection *connection, void *ctx)
{
    const struct constant *constant = ctx;
    (void)mg_write(connection, constant->answer, constant->len);
    return 200;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    size_t bytes = strtoul(argv[2], NULL, 10);
    struct constant constant = {.answer = malloc(bytes + 256)};
    if (!constant.answer)
        return 1;
    int head = snprintf(constant.answer, 256,
                        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                        "Content-Length: %zu\r\n\r\n",
                        bytes);
    memset(constant.answer + head, 'x', bytes);
    constant.len = (size_t)head + bytes;

    char listen[64];
    (void)snprintf(listen, sizeof(listen), "127.0.0.1:%s", argv[1]);
    const char *options[] = {"listening_ports",
                             listen,
                             "num_threads",
                             "256",
                             "tcp_nodelay",
                             "1",
                             "enable_keep_alive",
                             "yes",
                             "keep_alive_timeout_ms",
                             "15000",
                             "decode_url",
                             "no",
                             NULL};
    (void)mg_init_library(0);
    struct mg_context *context = mg_start(NULL, NULL, options);
    if (!context)
        return 1;
    mg_set_request_handler(context, "**", on_request, &constant);
    sigset_t ends;
    int number = 0;
    (void)sigemptyset(&ends);
    (void)sigaddset(&ends, SIGTERM);
    (void)sigaddset(&ends, SIGINT);
    (void)sigprocmask(SIG_BLOCK, &ends, NULL);
    (void)sigwait(&ends, &number);
    mg_stop(context);
    free(constant.answer);
    return 0;
}
