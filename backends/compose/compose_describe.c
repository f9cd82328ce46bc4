/* SPDX-License-Identifier: MIT */
/* The project's file, written and read: nothing else says what an app was asked to be. */
#include "backends/compose/compose_internal.h"
#include "base/clock.h"
#include "base/folder.h"
#include "base/yaml_read.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_MODE      0600
#define START_MODE     0444
#define PIECE_BYTES    16384
#define PATH_MAX_BYTES (BERTH_CUID_SIZE + 32)

static int read_text(int fd, struct berth_strbuf *text, int64_t *ret_changed_ns,
                     struct berth_error *err)
{
    char piece[PIECE_BYTES];
    struct stat status;
    ssize_t got;
    while ((got = read(fd, piece, sizeof(piece))) > 0)
        berth_strbuf_add(text, piece, (size_t)got);
    if (got < 0 || fstat(fd, &status) < 0)
        return berth_error_set_errno(err, BERTH_E_IO, errno, "%s cannot be read",
                                     BERTH_COMPOSE_FILE);
    if (ret_changed_ns)
        *ret_changed_ns = status.st_mtim.tv_sec * BERTH_NS_PER_S + status.st_mtim.tv_nsec;
    return berth_strbuf_check(text, err);
}

static int read_at(int folder, const char *path, struct berth_strbuf *text, int64_t *ret_changed_ns,
                   struct berth_error *err)
{
    BERTH_CLEANUP(fd) int fd = -1;
    int rc = berth_folder_open(folder, path, O_RDONLY | O_NOFOLLOW, 0, &fd, err);
    return rc < 0 ? rc : read_text(fd, text, ret_changed_ns, err);
}

int berth_compose_read_file(int folder, const char *path, struct berth_compose_service *ret_service,
                            int64_t *ret_changed_ns, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(BERTH_COMPOSE_FILE_MAX);
    int rc = read_at(folder, path, &text, ret_changed_ns, err);
    return rc < 0 ? rc
                  : berth_compose_file_read(berth_strbuf_str(&text), text.len, ret_service, err);
}

int berth_compose_read_tree(int folder, const char *path, cJSON **ret_file, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(BERTH_COMPOSE_FILE_MAX);
    int rc = read_at(folder, path, &text, NULL, err);
    return rc < 0 ? rc : berth_yaml_parse(berth_strbuf_str(&text), text.len, ret_file, err);
}

/* Whatever the umask: the app's user reads it. */
static int write_start(int folder, struct berth_error *err)
{
    int rc = berth_folder_write(folder, BERTH_COMPOSE_START, berth_compose_start_text,
                                strlen(berth_compose_start_text), START_MODE, err);
    if (rc == 0 && fchmodat(folder, BERTH_COMPOSE_START, START_MODE, 0) < 0)
        rc = berth_error_set_errno(err, BERTH_E_IO, errno, "%s cannot be opened to the app",
                                   BERTH_COMPOSE_START);
    return rc;
}

int berth_compose_write_file(const struct berth_compose *compose,
                             const struct berth_compose_project *project,
                             const struct berth_compose_service *service, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(BERTH_COMPOSE_FILE_MAX);
    const struct berth_compose_file file = {
        .facility = compose->host.facility, .cuid = project->cuid, .service = service};
    int rc = berth_compose_file_write(&file, &text, err);
    if (rc == 0 && service->boots)
        rc = write_start(project->folder, err);
    return rc < 0 ? rc
                  : berth_folder_write(project->folder, BERTH_COMPOSE_FILE, berth_strbuf_str(&text),
                                       text.len, FILE_MODE, err);
}

int berth_compose_describe(struct berth_backend *backend, const struct berth_app *app,
                           struct berth_container *ret_container, struct berth_error *err)
{
    const struct berth_compose *compose = berth_compose_of(backend);
    BERTH_CLEANUP(compose_service) struct berth_compose_service service = {0};
    const char *cuid = berth_app_label(app, BERTH_COMPOSE_LABEL);
    char path[PATH_MAX_BYTES];
    int64_t changed_ns = 0;
    if (!cuid || !berth_compose_is_cuid(cuid)) /* adopted: nobody has asked us for it */
        return berth_error_set(err, BERTH_E_CONFLICT, "app %s was not created here", app->name);
    (void)snprintf(path, sizeof(path), "%s/%s", cuid, BERTH_COMPOSE_FILE);
    int rc = berth_compose_read_file(compose->root, path, &service, &changed_ns, err);
    if (rc < 0)
        return rc;
    service.asked.updated_ns = changed_ns;
    *ret_container = service.asked;
    service.asked = (struct berth_container){0};
    return 0;
}
