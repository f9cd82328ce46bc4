/* SPDX-License-Identifier: MIT */
#include "gateway/containers_archive.h"

#include "backends/files/files.h"
#include "base/limits.h"
#include "facilities/containers.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>

bool berth_containers_is_archive(const struct berth_exchange *exchange)
{
    static const char zip[] = "application/zip";
    const char *type = berth_exchange_request_header(exchange, "Content-Type");
    return type && strncasecmp(type, zip, sizeof(zip) - 1) == 0 &&
           strchr("; \t", type[sizeof(zip) - 1]);
}

static int refuse(struct berth_error *err, const char *why)
{
    return berth_error_set_coded(err, BERTH_E_INVALID, "COMPOSE_REFUSED", "%s", why);
}

/* As a file, which is how archives are read. */
static int open_body(const struct berth_strbuf *body, int *ret_fd, struct berth_error *err)
{
    BERTH_CLEANUP(fd) int fd = memfd_create("archive", MFD_CLOEXEC);
    if (fd < 0)
        return berth_error_set_errno(err, BERTH_E_IO, errno, "the archive cannot be kept");
    for (size_t done = 0; done < body->len;) {
        ssize_t written = write(fd, body->data + done, body->len - done);
        if (written <= 0)
            return berth_error_set_errno(err, BERTH_E_IO, errno, "the archive cannot be kept");
        done += (size_t)written;
    }
    *ret_fd = berth_fd_steal(&fd);
    return 0;
}

/* By the first of the names that Compose itself looks for. */
static int read_compose(int archive, struct berth_strbuf *text, struct berth_error *err)
{
    static const char *const names[] = {"compose.yaml", "compose.yml", "docker-compose.yml",
                                        "docker-compose.yaml", NULL};
    int r = BERTH_E_NOT_FOUND;
    for (size_t i = 0; names[i] && r == BERTH_E_NOT_FOUND; i++)
        r = berth_files_peek(archive, names[i], text, err);
    if (r == BERTH_E_NOT_FOUND)
        return refuse(err, "the archive has no compose.yaml in its top folder");
    if (r == BERTH_E_TOO_LARGE)
        return refuse(err, "the compose file is too long");
    if (r == 0 && strlen(berth_strbuf_str(text)) != text->len)
        return refuse(err, "the compose file has a NUL in it");
    return r;
}

int berth_containers_create_of_archive(struct berth_exchange *exchange, struct berth_app **ret_app,
                                       struct berth_error *err)
{
    BERTH_CLEANUP(fd) int archive = -1;
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(BERTH_COMPOSE_TEXT_MAX);
    int r = open_body(&exchange->request_body, &archive, err);
    if (r == 0)
        r = read_compose(archive, &text, err);
    if (r < 0)
        return r;
    const struct berth_container_request request = {
        .spec = {.compose = berth_strbuf_str(&text), .archive = &archive}};
    return berth_containers_create(exchange->facility, &exchange->caller, &request, ret_app, err);
}
