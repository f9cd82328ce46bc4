/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/connection.h"

#include "tests/fuzz/fuzz.h"

#include <string.h>
#include <strings.h>

#define ANSWER_MAX ((size_t)1 << 24)

const struct mg_request_info *__wrap_mg_get_request_info(const struct mg_connection *connection);
const char *__wrap_mg_get_header(const struct mg_connection *connection, const char *name);
int __wrap_mg_read(struct mg_connection *connection, void *buffer, size_t size);
int __wrap_mg_read_some(struct mg_connection *connection, void *data, size_t size);
int __wrap_mg_get_socket(const struct mg_connection *connection);
int __wrap_mg_write(struct mg_connection *connection, const void *data, size_t size);
void __wrap_mg_disable_connection_keep_alive(struct mg_connection *connection);

const struct mg_request_info *__wrap_mg_get_request_info(const struct mg_connection *connection)
{
    return &connection->info;
}

const char *__wrap_mg_get_header(const struct mg_connection *connection, const char *name)
{
    const struct mg_request_info *info = &connection->info;
    for (int i = 0; i < info->num_headers; i++)
        if (strcasecmp(info->http_headers[i].name, name) == 0)
            return info->http_headers[i].value;
    return NULL;
}

int __wrap_mg_read(struct mg_connection *connection, void *buffer, size_t size)
{
    if (size > connection->body_left)
        size = connection->body_left;
    memcpy(buffer, connection->body, size);
    connection->body += size;
    connection->body_left -= size;
    return (int)size;
}

int __wrap_mg_read_some(struct mg_connection *connection, void *data, size_t size)
{
    int len = __wrap_mg_read(connection, data, size);
    return len > 0 ? len : -1;
}

int __wrap_mg_get_socket(const struct mg_connection *connection)
{
    (void)connection;
    return -1;
}

int __wrap_mg_write(struct mg_connection *connection, const void *data, size_t size)
{
    berth_strbuf_add(&connection->answer, data, size);
    return (int)size;
}

void __wrap_mg_disable_connection_keep_alive(struct mg_connection *connection)
{
    connection->is_closing = true;
}

/* ---- Taking a request apart ---- */

/* The line at *cursor without its end, NUL-terminated in place; NULL after the last. */
static char *next_line(char **cursor)
{
    char *line = *cursor;
    char *newline = strchr(line, '\n');
    if (!newline)
        return NULL;
    *cursor = newline + 1;
    *newline = '\0';
    if (newline > line && newline[-1] == '\r')
        newline[-1] = '\0';
    return line;
}

static bool is_visible(const char *text)
{
    for (; *text; text++)
        if (*text < ' ' || *text > '~')
            return false;
    return true;
}

/* Splits at the first space. */
static char *cut_word(char *text)
{
    char *space = strchr(text, ' ');
    if (space)
        *space++ = '\0';
    return space;
}

static bool read_request_line(struct mg_request_info *info, char *line)
{
    static const char *const methods[] = {"GET",   "HEAD",   "POST",    "PUT",
                                          "PATCH", "DELETE", "OPTIONS", "PROPFIND"};
    char *target = cut_word(line);
    char *version = target ? cut_word(target) : NULL;
    bool is_known = false;
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        is_known = is_known || strcmp(line, methods[i]) == 0;
    if (!version || !is_known || (target[0] != '/' && strcmp(target, "*") != 0) ||
        (strcmp(version, "HTTP/1.0") != 0 && strcmp(version, "HTTP/1.1") != 0))
        return false;
    info->request_method = line;
    info->http_version = version + sizeof("HTTP/") - 1;
    info->request_uri = target;
    char *query = strchr(target, '?');
    if (query)
        *query++ = '\0';
    info->query_string = query;
    info->local_uri = info->local_uri_raw = target;
    return true;
}

static bool read_header(struct mg_request_info *info, char *line)
{
    char *colon = strchr(line, ':');
    if (!colon || colon == line || memchr(line, ' ', (size_t)(colon - line)))
        return false;
    *colon = '\0';
    if (info->num_headers == MG_MAX_HEADERS)
        return true; /* civetweb drops these */
    struct mg_header *header = &info->http_headers[info->num_headers++];
    header->name = line;
    header->value = colon + 1 + strspn(colon + 1, " ");
    return true;
}

bool fuzz_connection_read(struct mg_connection *connection, const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    struct mg_request_info *info = &connection->info;
    *connection = (struct mg_connection){.answer = BERTH_STRBUF_INIT(ANSWER_MAX)};
    connection->text = fuzz_rest(&input);
    (void)snprintf(info->remote_addr, sizeof(info->remote_addr), "192.0.2.%u",
                   size ? data[size - 1] : 0U);
    char *cursor = connection->text;
    char *line = next_line(&cursor);
    if (!line || !is_visible(line) || !read_request_line(info, line))
        return false;
    for (line = next_line(&cursor); line && *line; line = next_line(&cursor))
        if (!is_visible(line) || !read_header(info, line))
            return false;
    if (!line)
        return false;
    connection->body = cursor;
    connection->body_left = strlen(cursor);
    const char *length = __wrap_mg_get_header(connection, "Content-Length");
    info->content_length = length ? strtoll(length, NULL, 10) : -1;
    return !length || info->content_length >= 0;
}

void fuzz_connection_release(struct mg_connection *connection)
{
    free(connection->text);
    berth_strbuf_release(&connection->answer);
}
