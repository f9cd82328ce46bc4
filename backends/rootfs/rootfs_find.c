/* SPDX-License-Identifier: MIT */
/* Finds apps, and how they stand: what is written of a run is compared with what runs. */
#include "backends/rootfs/rootfs_internal.h"
#include "base/clock.h"
#include "base/folder.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define STAT_BYTES 1024
#define PATH_BYTES 64

/* ---- Processes ---- */

/* proc(5): the third field is the state, the 22nd the start; the second ends with the last ")". */
static bool read_stat(pid_t pid, char *ret_state, uint64_t *ret_start)
{
    char path[PATH_BYTES];
    char text[STAT_BYTES + 1];
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    BERTH_CLEANUP(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, STAT_BYTES);
    if (got <= 0)
        return false;
    text[got] = '\0';
    const char *at = strrchr(text, ')');
    return at && sscanf(at,
                        ") %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d "
                        "%*d %" SCNu64,
                        ret_state, ret_start) == 2;
}

void berth_rootfs_process_note(pid_t pid, struct berth_rootfs_process *ret_process)
{
    char state;
    uint64_t start = 0;
    (void)read_stat(pid, &state, &start);
    *ret_process = (struct berth_rootfs_process){.pid = pid, .start = start};
}

bool berth_rootfs_process_lives(const struct berth_rootfs_process *process)
{
    char state;
    uint64_t start;
    if (process->pid <= 0 || !read_stat(process->pid, &state, &start) || start != process->start)
        return false;
    if (state != 'Z' && state != 'X')
        return true;
    siginfo_t how; /* a child of ours is waited for by nobody else */
    (void)waitid(P_PID, (id_t)process->pid, &how, WEXITED | WNOHANG);
    return false;
}

int berth_rootfs_process_open(const struct berth_rootfs_process *process, int *ret_fd,
                              struct berth_error *err)
{
    BERTH_CLEANUP(fd) int fd = process->pid > 0 ? pidfd_open(process->pid, 0) : -1;
    /* Looked at once it is held: from then on the number is nobody else's. */
    if (fd < 0 || !berth_rootfs_process_lives(process))
        return berth_error_set(err, BERTH_E_NOT_FOUND, "the process has ended");
    *ret_fd = berth_fd_steal(&fd);
    return 0;
}

/* ---- How a run stands ---- */

/* What conmon has left of its end. */
static bool read_exit(const struct berth_rootfs *rootfs, const char *id,
                      struct berth_rootfs_state *state)
{
    char text[16];
    struct stat status;
    int64_t code;
    BERTH_CLEANUP(fd) int fd = openat(rootfs->states, id, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    ssize_t got = fd < 0 || fstat(fd, &status) < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (got <= 0)
        return false;
    text[got] = '\0';
    text[strcspn(text, "\n")] = '\0';
    if (berth_text_parse_int(text, 0, BERTH_ROOTFS_EXIT_UNKNOWN, &code, NULL) < 0)
        code = BERTH_ROOTFS_EXIT_UNKNOWN;
    state->state = BERTH_APP_EXITED;
    state->exit_code = (int)code;
    /* Files are dated by a clock that ticks coarsely: it was this late at most, and no earlier than
     * whoever asked for the end did. */
    struct timespec tick = {0};
    (void)clock_getres(CLOCK_REALTIME_COARSE, &tick);
    state->finished_ns =
        status.st_mtim.tv_sec * BERTH_NS_PER_S + status.st_mtim.tv_nsec + tick.tv_nsec;
    return true;
}

static void end_unseen(struct berth_rootfs_state *state, int64_t finished_ns)
{
    state->state = BERTH_APP_EXITED;
    state->is_unseen = true;
    state->exit_code = BERTH_ROOTFS_EXIT_UNKNOWN;
    state->finished_ns = finished_ns > state->started_ns ? finished_ns : state->started_ns;
}

/* When the machine was started: what ran before had ended by then. */
static int64_t boot_ns(void)
{
    struct timespec up = {0};
    (void)clock_gettime(CLOCK_BOOTTIME, &up);
    return berth_clock_wall_ns() - (up.tv_sec * BERTH_NS_PER_S + up.tv_nsec);
}

/* Of a state that says that it runs. */
static void check_run(struct berth_rootfs *rootfs, const char *id, struct berth_rootfs_state *state)
{
    if (read_exit(rootfs, id, state))
        return;
    if (strcmp(state->boot, rootfs->boot) != 0) {
        state->init = state->conmon = (struct berth_rootfs_process){0};
        end_unseen(state, boot_ns());
    } else if (berth_rootfs_process_lives(&state->conmon) ||
               berth_rootfs_process_lives(&state->init))
        state->state = berth_rootfs_is_frozen(id) ? BERTH_APP_PAUSED : BERTH_APP_RUNNING;
    else if (!read_exit(rootfs, id, state)) /* it may have ended since */
        end_unseen(state, berth_clock_wall_ns());
}

static int read_written(const struct berth_rootfs *rootfs, const char *id,
                        struct berth_rootfs_state *ret_state, struct berth_error *err)
{
    struct berth_rootfs_state state = {.state = BERTH_APP_CREATED};
    int rc = berth_rootfs_state_read(rootfs->states, id, &state, err);
    if (rc == BERTH_E_NOT_FOUND || rc == BERTH_E_INVALID) /* it was never started, or lost */
        state = (struct berth_rootfs_state){.state = BERTH_APP_CREATED};
    else if (rc < 0)
        return rc;
    *ret_state = state;
    return 0;
}

/* Whoever starts it anew, or removes it, writes first and then takes away what conmon left: an end
 * that nobody saw is one if what is written is the same behind it. */
int berth_rootfs_look(struct berth_rootfs *rootfs, struct berth_rootfs_app *app,
                      struct berth_error *err)
{
    struct berth_rootfs_state written;
    int rc = read_written(rootfs, app->id, &written, err);
    while (rc == 0) {
        const struct berth_rootfs_state before = written;
        app->state = before;
        if (before.state == BERTH_APP_RUNNING || before.state == BERTH_APP_PAUSED)
            check_run(rootfs, app->id, &app->state);
        if (!app->state.is_unseen)
            break;
        rc = read_written(rootfs, app->id, &written, err);
        if (written.state == before.state && written.started_ns == before.started_ns)
            break;
    }
    return rc;
}

/* ---- Apps ---- */

bool berth_rootfs_is_id(const char *text)
{
    return strlen(text) == BERTH_ROOTFS_ID_SIZE - 1 &&
           strspn(text, "0123456789abcdef") == BERTH_ROOTFS_ID_SIZE - 1;
}

int berth_rootfs_unknown(const char *id, struct berth_error *err)
{
    return berth_error_set(err, BERTH_E_NOT_FOUND, "No such container: %s", id);
}

void berth_rootfs_app_release(struct berth_rootfs_app *app)
{
    berth_rootfs_record_release(&app->record);
    berth_fd_close(&app->folder);
    free(app->path);
    app->path = NULL;
}

static int open_folder(const struct berth_rootfs *rootfs, const char *id,
                       struct berth_rootfs_app *app, struct berth_error *err)
{
    if (!berth_rootfs_is_id(id))
        return berth_rootfs_unknown(id, err);
    (void)snprintf(app->id, sizeof(app->id), "%s", id);
    if (asprintf(&app->path, "%s/%s", rootfs->path, id) < 0) {
        app->path = NULL;
        return berth_error_nomem(err);
    }
    int rc = berth_folder_open(rootfs->root, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0,
                               &app->folder, err);
    return rc == BERTH_E_NOT_FOUND ? berth_rootfs_unknown(id, err) : rc;
}

static int find(struct berth_rootfs *rootfs, const char *id, bool is_locked, int64_t wait_ms,
                struct berth_rootfs_app *ret_app, struct berth_error *err)
{
    BERTH_CLEANUP(rootfs_app) struct berth_rootfs_app app = BERTH_ROOTFS_APP_INIT;
    int rc = open_folder(rootfs, id, &app, err);
    if (rc == 0 && is_locked)
        rc = berth_folder_lock(app.folder, wait_ms, err);
    if (rc == 0)
        rc = berth_rootfs_record_read(app.folder, &app.record, err);
    if (rc == BERTH_E_NOT_FOUND)
        return berth_rootfs_unknown(id, err);
    if (rc == 0)
        rc = berth_rootfs_look(rootfs, &app, err);
    if (rc < 0)
        return rc;
    /* Removed meanwhile, it has no state, as one that was never started: the record goes first. */
    if (faccessat(app.folder, BERTH_ROOTFS_RECORD, F_OK, 0) < 0 && errno == ENOENT)
        return berth_rootfs_unknown(id, err);
    *ret_app = app;
    app = (struct berth_rootfs_app)BERTH_ROOTFS_APP_INIT;
    return 0;
}

int berth_rootfs_find(struct berth_rootfs *rootfs, const char *id, struct berth_rootfs_app *ret_app,
                      struct berth_error *err)
{
    return find(rootfs, id, false, 0, ret_app, err);
}

int berth_rootfs_take(struct berth_rootfs *rootfs, const char *id, int64_t wait_ms,
                      struct berth_rootfs_app *ret_app, struct berth_error *err)
{
    return find(rootfs, id, true, wait_ms, ret_app, err);
}

/* ---- Listing ---- */

/* As a container is listed. */
int berth_rootfs_show(const struct berth_rootfs *rootfs, const struct berth_rootfs_app *app,
                      struct berth_app **ret_app, struct berth_error *err)
{
    const struct berth_rootfs_record *record = &app->record;
    const struct berth_app_pair labels[] = {
        {BERTH_LABEL_APP, record->name},
        {BERTH_LABEL_FACILITY, rootfs->facility},
        {BERTH_LABEL_IMAGE, record->image},
        {BERTH_LABEL_USER, record->user},
    };
    const char *const networks[] = {rootfs->config.network == BERTH_ROOTFS_NETWORK_HOST ? "host"
                                                                                        : "none"};
    const struct berth_app_mount mount = {.name = "", .source = app->path, .driver = ""};
    const struct berth_app fields = {
        .id = app->id,
        .name = record->name,
        .user = record->user,
        .image = record->rootfs,
        .image_id = "",
        .image_label = record->image,
        .engine_name = record->name,
        .command = record->command,
        .created_ns = record->created_ns,
        .started_ns = app->state.started_ns,
        .finished_ns = app->state.finished_ns,
        .state = app->state.state,
        .exit_code = app->state.state == BERTH_APP_EXITED ? app->state.exit_code : 0,
        .paused = app->state.state == BERTH_APP_PAUSED,
        .labels = labels,
        .label_count = sizeof(labels) / sizeof(labels[0]),
        .networks = networks,
        .network_count = 1,
        .mounts = &mount,
        .mount_count = 1,
    };
    return berth_app_new(&fields, ret_app, err);
}

static int list_one(struct berth_rootfs *rootfs, const char *id, struct berth_app **ret_app,
                    struct berth_error *err)
{
    BERTH_CLEANUP(rootfs_app) struct berth_rootfs_app app = BERTH_ROOTFS_APP_INIT;
    int rc = berth_rootfs_find(rootfs, id, &app, err);
    return rc < 0 ? rc : berth_rootfs_show(rootfs, &app, ret_app, err);
}

static int compare_ages(const void *left, const void *right)
{
    const struct berth_app *a = *(struct berth_app *const *)left;
    const struct berth_app *b = *(struct berth_app *const *)right;
    if (a->created_ns != b->created_ns)
        return a->created_ns < b->created_ns ? 1 : -1;
    return strcmp(a->id, b->id);
}

static int list_all(struct berth_rootfs *rootfs, struct berth_app_list *apps,
                    struct berth_error *err)
{
    BERTH_CLEANUP(dir) DIR *list = NULL;
    size_t first = apps->count;
    int rc = berth_folder_list(rootfs->root, &list, err);
    const struct dirent *entry;
    while (rc == 0 && (entry = readdir(list))) {
        struct berth_app *app = NULL;
        if (!berth_rootfs_is_id(entry->d_name))
            continue;
        rc = list_one(rootfs, entry->d_name, &app, err);
        if (rc == 0)
            rc = berth_app_list_add(apps, app, err);
        else if (rc == BERTH_E_NOT_FOUND || rc == BERTH_E_CONFLICT)
            rc = 0; /* being made or removed; or spoilt, which the mender tells of */
    }
    if (apps->count > first)
        qsort(apps->items + first, apps->count - first, sizeof(struct berth_app *), compare_ages);
    return rc;
}

int berth_rootfs_list(struct berth_backend *backend, const char *id, struct berth_app_list *apps,
                      struct berth_error *err)
{
    struct berth_rootfs *rootfs = berth_rootfs_of(backend);
    struct berth_app *app = NULL;
    if (!id)
        return list_all(rootfs, apps, err);
    int rc = list_one(rootfs, id, &app, err);
    if (rc == BERTH_E_NOT_FOUND)
        return 0;
    return rc < 0 ? rc : berth_app_list_add(apps, app, err);
}
