/* SPDX-License-Identifier: MIT */
#include "backends/rootfs/rootfs_record.h"

#include "base/clock.h"
#include "base/folder.h"
#include "base/json.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define FILE_MODE         0600
#define FILE_MAX          (64U << 20) /* variables are bounded where they come from */
#define PIECE_BYTES       4096
#define NANOSECOND_DIGITS 9

/* ---- Files ---- */

static int read_json(int folder, const char *name, cJSON **ret_json, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(FILE_MAX);
    BERTH_CLEANUP(fd) int fd = -1;
    char piece[PIECE_BYTES];
    ssize_t got;
    int rc = berth_folder_open(folder, name, O_RDONLY | O_NOFOLLOW, 0, &fd, err);
    if (rc < 0)
        return rc;
    while ((got = read(fd, piece, sizeof(piece))) > 0)
        berth_strbuf_add(&text, piece, (size_t)got);
    if (got < 0)
        return berth_error_set_errno(err, BERTH_E_IO, errno, "%s cannot be read", name);
    rc = berth_strbuf_check(&text, err);
    return rc < 0 ? rc : berth_json_parse(berth_strbuf_str(&text), text.len, ret_json, err);
}

/* As people read it. */
static char *print(const cJSON *json)
{
    return cJSON_Print(json);
}

static void add_time(cJSON *json, const char *name, int64_t wall_ns)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(64);
    if (wall_ns == 0)
        return;
    berth_clock_add_rfc3339(&text, wall_ns, NANOSECOND_DIGITS);
    (void)cJSON_AddStringToObject(json, name, berth_strbuf_str(&text));
}

static int64_t get_time(const cJSON *json, const char *name)
{
    const char *text = berth_json_string(json, name, "");
    int64_t wall_ns = 0;
    return berth_clock_parse_rfc3339(text, strlen(text), &wall_ns, NULL) == 0 ? wall_ns : 0;
}

/* ---- The record ---- */

void berth_rootfs_record_release(struct berth_rootfs_record *record)
{
    free(record->name);
    free(record->user);
    free(record->image);
    free(record->rootfs);
    free(record->command);
    free(record->run_as);
    berth_container_release(&record->asked);
    *record = (struct berth_rootfs_record){0};
}

static bool get_text(const cJSON *json, const char *name, char **slot)
{
    const char *value = berth_json_string(json, name, NULL);
    return value && (*slot = berth_text_dup(value));
}

static bool get_env(const cJSON *list, struct berth_container *asked)
{
    size_t count = (size_t)cJSON_GetArraySize(list);
    const cJSON *entry;
    if (count > 0 && !(asked->env = calloc(count, sizeof(*asked->env))))
        return false;
    cJSON_ArrayForEach(entry, list)
    {
        struct berth_container_variable *variable = &asked->env[asked->env_count++];
        variable->name = berth_text_dup(entry->string);
        variable->value = berth_text_dup(cJSON_GetStringValue(entry));
        if (!variable->name || !variable->value)
            return false;
    }
    return true;
}

static bool get_tags(const cJSON *list, struct berth_container *asked)
{
    size_t count = (size_t)cJSON_GetArraySize(list);
    const cJSON *entry;
    if (count > 0 && !(asked->tags = calloc(count, sizeof(*asked->tags))))
        return false;
    cJSON_ArrayForEach(entry, list)
    {
        asked->tags[asked->tag_count] = berth_text_dup(cJSON_GetStringValue(entry));
        if (!asked->tags[asked->tag_count++])
            return false;
    }
    return true;
}

static bool decode(const cJSON *json, struct berth_rootfs_record *record)
{
    const char *run_as = berth_json_string(json, "run_as", NULL);
    struct berth_container *asked = &record->asked;
    record->terminal = berth_json_bool(json, "terminal", false);
    record->created_ns = get_time(json, "created");
    asked->updated_ns = get_time(json, "updated");
    asked->cpu_nano = berth_json_int(json, "cpu_nano", 0);
    asked->memory_bytes = berth_json_int(json, "memory_bytes", 0);
    asked->pids = berth_json_int(json, "pids", 0);
    return get_text(json, "name", &record->name) && get_text(json, "user", &record->user) &&
           get_text(json, "image", &record->image) && get_text(json, "rootfs", &record->rootfs) &&
           get_text(json, "command", &record->command) &&
           (!run_as || (record->run_as = berth_text_dup(run_as))) &&
           get_env(berth_json_get(json, "env"), asked) &&
           get_tags(berth_json_get(json, "tags"), asked);
}

int berth_rootfs_record_read(int folder, struct berth_rootfs_record *ret_record,
                             struct berth_error *err)
{
    BERTH_CLEANUP(rootfs_record) struct berth_rootfs_record record = {0};
    BERTH_CLEANUP(json) cJSON *json = NULL;
    int rc = read_json(folder, BERTH_ROOTFS_RECORD, &json, err);
    if (rc == BERTH_E_INVALID || (rc == 0 && !decode(json, &record)))
        return berth_error_set(err, BERTH_E_CONFLICT, "%s cannot be understood",
                               BERTH_ROOTFS_RECORD);
    if (rc < 0)
        return rc;
    *ret_record = record;
    record = (struct berth_rootfs_record){0};
    return 0;
}

static bool add_asked(cJSON *json, const struct berth_container *asked)
{
    cJSON *env = cJSON_AddObjectToObject(json, "env");
    cJSON *tags = cJSON_AddArrayToObject(json, "tags");
    bool is_added = env && tags;
    for (size_t i = 0; is_added && i < asked->env_count; i++)
        is_added = cJSON_AddStringToObject(env, asked->env[i].name, asked->env[i].value);
    for (size_t i = 0; is_added && i < asked->tag_count; i++)
        is_added = cJSON_AddItemToArray(tags, cJSON_CreateString(asked->tags[i]));
    return is_added && cJSON_AddNumberToObject(json, "cpu_nano", (double)asked->cpu_nano) &&
           cJSON_AddNumberToObject(json, "memory_bytes", (double)asked->memory_bytes) &&
           cJSON_AddNumberToObject(json, "pids", (double)asked->pids);
}

static cJSON *encode(const struct berth_rootfs_record *record)
{
    BERTH_CLEANUP(json) cJSON *json = cJSON_CreateObject();
    bool is_added = cJSON_AddStringToObject(json, "name", record->name) &&
                    cJSON_AddStringToObject(json, "user", record->user) &&
                    cJSON_AddStringToObject(json, "image", record->image) &&
                    cJSON_AddStringToObject(json, "rootfs", record->rootfs) &&
                    cJSON_AddStringToObject(json, "command", record->command) &&
                    cJSON_AddBoolToObject(json, "terminal", record->terminal) &&
                    (!record->run_as || cJSON_AddStringToObject(json, "run_as", record->run_as)) &&
                    add_asked(json, &record->asked);
    add_time(json, "created", record->created_ns);
    add_time(json, "updated", record->asked.updated_ns);
    return is_added ? berth_steal(&json) : NULL;
}

int berth_rootfs_record_write(int folder, const struct berth_rootfs_record *record,
                              struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *json = encode(record);
    BERTH_CLEANUP(free) char *text = json ? print(json) : NULL;
    if (!text)
        return berth_error_nomem(err);
    return berth_folder_write(folder, BERTH_ROOTFS_RECORD, text, strlen(text), FILE_MODE, err);
}

/* ---- The state ---- */

static void state_name(const char *id, char *name, size_t size)
{
    (void)snprintf(name, size, "%s" BERTH_ROOTFS_STATE_SUFFIX, id);
}

static void get_process(const cJSON *json, const char *name, struct berth_rootfs_process *process)
{
    const cJSON *entry = berth_json_get(json, name);
    process->pid = (pid_t)berth_json_int(entry, "pid", 0);
    process->start = (uint64_t)berth_json_int(entry, "start", 0);
}

int berth_rootfs_state_read(int states, const char *id, struct berth_rootfs_state *ret_state,
                            struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *json = NULL;
    char name[BERTH_ROOTFS_ID_SIZE + 8];
    struct berth_rootfs_state state = {0};
    state_name(id, name, sizeof(name));
    int rc = read_json(states, name, &json, err);
    if (rc < 0)
        return rc;
    state.state = berth_app_state_parse(berth_json_string(json, "state", ""));
    state.is_starting = berth_json_bool(json, "starting", false);
    state.started_ns = get_time(json, "started");
    state.finished_ns = get_time(json, "finished");
    state.exit_code = (int)berth_json_int(json, "exit_code", 0);
    get_process(json, "init", &state.init);
    get_process(json, "conmon", &state.conmon);
    (void)snprintf(state.boot, sizeof(state.boot), "%s", berth_json_string(json, "boot", ""));
    (void)snprintf(state.runtime, sizeof(state.runtime), "%s",
                   berth_json_string(json, "runtime", ""));
    *ret_state = state;
    return 0;
}

static bool add_process(cJSON *json, const char *name, const struct berth_rootfs_process *process)
{
    if (process->pid == 0)
        return true;
    cJSON *entry = cJSON_AddObjectToObject(json, name);
    return entry && cJSON_AddNumberToObject(entry, "pid", process->pid) &&
           cJSON_AddNumberToObject(entry, "start", (double)process->start);
}

static cJSON *encode_state(const struct berth_rootfs_state *state)
{
    BERTH_CLEANUP(json) cJSON *json = cJSON_CreateObject();
    bool is_added = cJSON_AddStringToObject(json, "state", berth_app_state_name(state->state)) &&
                    cJSON_AddNumberToObject(json, "exit_code", state->exit_code) &&
                    (!state->is_starting || cJSON_AddTrueToObject(json, "starting")) &&
                    add_process(json, "init", &state->init) &&
                    add_process(json, "conmon", &state->conmon) &&
                    cJSON_AddStringToObject(json, "boot", state->boot) &&
                    cJSON_AddStringToObject(json, "runtime", state->runtime);
    add_time(json, "started", state->started_ns);
    add_time(json, "finished", state->finished_ns);
    return is_added ? berth_steal(&json) : NULL;
}

static int write_whole(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t done = write(fd, text, len);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -1;
        text += done;
        len -= (size_t)done;
    }
    return 0;
}

void berth_rootfs_state_remove(int states, const char *id)
{
    char name[BERTH_ROOTFS_ID_SIZE + 8];
    char draft[sizeof(name) + 1];
    state_name(id, name, sizeof(name));
    (void)snprintf(draft, sizeof(draft), ".%s", name);
    (void)unlinkat(states, id, 0);
    (void)unlinkat(states, draft, 0);
    (void)unlinkat(states, name, 0); /* last: it is what is watched for */
}

int berth_rootfs_state_write(int states, const char *id, const struct berth_rootfs_state *state,
                             struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *json = encode_state(state);
    BERTH_CLEANUP(free) char *text = json ? print(json) : NULL;
    BERTH_CLEANUP(fd) int fd = -1;
    char name[BERTH_ROOTFS_ID_SIZE + 8];
    char draft[sizeof(name) + 1];
    if (!text)
        return berth_error_nomem(err);
    state_name(id, name, sizeof(name));
    (void)snprintf(draft, sizeof(draft), ".%s", name); /* the app's lock is held */
    int rc = berth_folder_open(states, draft, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, FILE_MODE,
                               &fd, err);
    if (rc < 0)
        return rc;
    if (write_whole(fd, text, strlen(text)) == 0 && renameat(states, draft, states, name) == 0)
        return 0;
    rc = berth_error_set_errno(err, BERTH_E_IO, errno, "the state of an app cannot be written");
    (void)unlinkat(states, draft, 0);
    return rc;
}
