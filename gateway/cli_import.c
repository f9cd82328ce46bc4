/* SPDX-License-Identifier: MIT */
/*
 * berth store import-minirun: this process reads the files, with its user's
 * rights, and has each container made as any command is carried out.
 */
#include "base/folder.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "gateway/cli.h"
#include "gateway/cli_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define SUFFIX     ".json"
#define MEMBER_MAX 4096 /* that is read: what is too long for a name is said where names are */

struct import {
    struct cli_peer *peer;
    const char *facility;
    const char *user; /* NULL: nobody in particular */
    int folder;
    unsigned imported, skipped, refused;
};

/* ---- A file ---- */

struct minirun_file {
    char *name, *rootfs, *command, *created_at;
};

#define AT(member) offsetof(struct minirun_file, member)

static const struct berth_json_field fields[] = {
    {"name", BERTH_JSON_STRING, AT(name), true, 0, MEMBER_MAX},
    {"rootfs", BERTH_JSON_STRING, AT(rootfs), false, 0, BERTH_MINIRUN_ROOTFS_MAX},
    {"command", BERTH_JSON_STRING, AT(command), false, 0, BERTH_MINIRUN_COMMAND_MAX},
    {"created_at", BERTH_JSON_STRING, AT(created_at), false, 0, MEMBER_MAX},
};
#define FIELD_COUNT (sizeof(fields) / sizeof(fields[0]))

static void minirun_file_release(struct minirun_file *file)
{
    berth_json_fields_release(fields, FIELD_COUNT, file);
}

BERTH_DEFINE_CLEANUP_VALUE(minirun_file, struct minirun_file, minirun_file_release)

/* Nothing is waited for, as what is no regular file might have it. */
static int read_text(int folder, const char *name, struct berth_strbuf *text,
                     struct berth_error *err)
{
    BERTH_CLEANUP(fd) int fd = -1;
    struct stat st;
    char chunk[8192];
    ssize_t len = 0;
    int r =
        berth_folder_open(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0, &fd, err);
    if (r < 0)
        return r;
    if (fstat(fd, &st) < 0)
        return berth_error_set_errno(err, BERTH_E_IO, errno, "%m");
    if (!S_ISREG(st.st_mode))
        return berth_error_set(err, BERTH_E_INVALID, "it is no regular file");
    if (st.st_size > BERTH_MINIRUN_FILE_MAX)
        return berth_error_set(err, BERTH_E_INVALID, "it has more than %d bytes",
                               BERTH_MINIRUN_FILE_MAX);
    do {
        len = read(fd, chunk, sizeof(chunk));
        if (len > 0)
            berth_strbuf_add(text, chunk, (size_t)len);
    } while (len > 0 || (len < 0 && errno == EINTR));
    return len < 0 ? berth_error_set_errno(err, BERTH_E_IO, errno, "%m")
                   : berth_strbuf_check(text, err);
}

/* As the gateway takes it; what is empty is not there. */
static int add_member(cJSON *request, const char *name, const char *value, struct berth_error *err)
{
    if (!value || *value == '\0' || cJSON_AddStringToObject(request, name, value))
        return 0;
    return berth_error_nomem(err);
}

static int make_request(const struct import *import, const char *name, cJSON *request,
                        struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(2 * BERTH_MINIRUN_FILE_MAX);
    BERTH_CLEANUP(json) cJSON *json = NULL;
    BERTH_CLEANUP(minirun_file) struct minirun_file file = {0};
    int r = read_text(import->folder, name, &text, err);
    if (r == 0)
        r = berth_json_parse(berth_strbuf_str(&text), text.len, &json, err);
    if (r == 0)
        r = berth_json_decode(json, fields, FIELD_COUNT, &file, err);
    if (r < 0)
        return r;
    const char *const members[][2] = {
        {"command", "store-import-minirun"},
        {"facility", import->facility},
        {"user", import->user},
        {"rootfs", file.rootfs},
        {"program", file.command},
        {"created_at", file.created_at},
    };
    for (size_t i = 0; r == 0 && i < sizeof(members) / sizeof(members[0]); i++)
        r = add_member(request, members[i][0], members[i][1], err);
    if (r == 0 && !cJSON_AddStringToObject(request, "name", file.name))
        r = berth_error_nomem(err);
    return r;
}

/* Nothing is drained: there is nothing to say. */
static int keep_text(struct berth_command_output *output, struct berth_error *err)
{
    return berth_strbuf_check(&output->text, err);
}

static void refuse(struct import *import, const char *name, const struct berth_error *why)
{
    bool is_readable = !berth_text_has_control(name, strlen(name));
    import->refused++;
    (void)fprintf(stderr, "berth: %s: %s\n",
                  is_readable ? name : "a file whose name has control characters", why->message);
}

/* A failure ends all: there is nobody who could carry requests out. */
static int import_file(struct import *import, const char *name, struct berth_error *err)
{
    struct berth_error why = BERTH_ERROR_INIT;
    BERTH_CLEANUP(command_output)
    struct berth_command_output output = BERTH_COMMAND_OUTPUT_INIT(keep_text, NULL);
    BERTH_CLEANUP(json) cJSON *request = cJSON_CreateObject();
    int r = request ? cli_reach(import->peer, err) : berth_error_nomem(err);
    if (r < 0)
        return r;
    r = make_request(import, name, request, &why);
    if (r == 0)
        r = cli_ask(import->peer, request, &output, &why);
    if (r == 0)
        import->imported++;
    else if (r == BERTH_E_EXISTS)
        import->skipped++;
    else
        refuse(import, name, &why);
    return 0;
}

/* ---- The folder ---- */

struct files {
    struct dirent **items;
    int count;
};

static void files_release(struct files *files)
{
    for (int i = 0; i < files->count; i++)
        free(files->items[i]);
    free(files->items);
}

BERTH_DEFINE_CLEANUP_VALUE(files, struct files, files_release)

static int is_container(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);
    return entry->d_name[0] != '.' && len > strlen(SUFFIX) &&
           strcmp(entry->d_name + len - strlen(SUFFIX), SUFFIX) == 0;
}

static int open_folder(const char *path, int *ret_folder, struct berth_error *err)
{
    BERTH_CLEANUP(fd) int top = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (top < 0)
        return berth_error_set_errno(err, BERTH_E_NOT_FOUND, errno, "%s: %m", path);
    int r = berth_folder_open(top, "containers", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, ret_folder,
                              err);
    if (r < 0 && r != BERTH_E_NOT_FOUND)
        return berth_error_wrap(err, "%s", path);
    if (r == BERTH_E_NOT_FOUND)
        *ret_folder = berth_fd_steal(&top);
    return 0;
}

static int import_all(struct import *import, struct berth_error *err)
{
    BERTH_CLEANUP(files) struct files files = {0};
    files.count = scandirat(import->folder, ".", &files.items, is_container, alphasort);
    if (files.count < 0)
        return berth_error_set_errno(err, BERTH_E_IO, errno, "the containers cannot be listed: %m");
    if (files.count > BERTH_MINIRUN_FILES_MAX)
        return berth_error_set(err, BERTH_E_INVALID, "there are more than %d containers",
                               BERTH_MINIRUN_FILES_MAX);
    int r = 0;
    for (int i = 0; r == 0 && i < files.count; i++)
        r = import_file(import, files.items[i]->d_name, err);
    return r;
}

/* ---- The command ---- */

static bool is_rootfs(const struct berth_facility_config *facility)
{
    const struct berth_backend_ops *ops = berth_backend_find(facility->backend);
    return ops && ops->attach;
}

/* The one that is asked for, or the only one. */
static int find_facility(const struct berth_config *config, const char *asked, const char **ret_id,
                         struct berth_error *err)
{
    size_t found = 0;
    for (size_t i = 0; i < config->facility_count; i++) {
        const struct berth_facility_config *facility = &config->facilities[i];
        if (!is_rootfs(facility) || (asked && strcmp(facility->id, asked) != 0))
            continue;
        *ret_id = facility->id;
        found++;
    }
    if (found == 0)
        return berth_error_set(err, BERTH_E_NOT_FOUND,
                               "there is no facility %s%swith backend = rootfs in %s",
                               asked ? asked : "", asked ? " " : "", config->path);
    if (found > 1)
        return berth_error_set(err, BERTH_E_INVALID,
                               "there are several facilities with backend = rootfs: --facility "
                               "says which");
    return 0;
}

int cli_run_store_import_minirun(const struct cli_invocation *invocation, struct berth_error *err)
{
    BERTH_CLEANUP(config) struct berth_config *config = NULL;
    BERTH_CLEANUP(fd) int folder = -1;
    struct import import = {.user = berth_json_string(invocation->request, "user", NULL)};
    int r = berth_config_load(invocation->config, &config, err);
    berth_log_set_level(BERTH_LOG_WARNING);
    if (r == 0)
        r = find_facility(config, berth_json_string(invocation->request, "facility", NULL),
                          &import.facility, err);
    if (r == 0)
        r = open_folder(berth_json_string(invocation->request, "dir", ""), &folder, err);
    if (r < 0)
        return r;
    BERTH_CLEANUP(cli_peer) struct cli_peer peer = CLI_PEER_INIT(config, BERTH_OPEN_ALL);
    import.peer = &peer;
    import.folder = folder;
    r = import_all(&import, err);
    if (import.imported + import.skipped + import.refused > 0 || r == 0)
        printf("%u imported, %u skipped, %u refused\n", import.imported, import.skipped,
               import.refused);
    if (r == 0 && import.refused > 0)
        *invocation->exit_code = BERTH_EXIT_FAILED;
    return r;
}
