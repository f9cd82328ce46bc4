/* SPDX-License-Identifier: MIT */
#include "backends/rootfs/rootfs_inside.h"

#include "backends/rootfs/rootfs_exec_start.h"
#include "backends/rootfs/rootfs_keeper.h"
#include "backends/rootfs/rootfs_stats.h"
#include "backends/rootfs/rootfs_usage.h"
#include "base/folder.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>

int berth_rootfs_inside_open(struct berth_rootfs *rootfs, struct berth_error *err)
{
    int rc = berth_rootfs_keeper_new(&rootfs->keeper, err);
    return rc < 0 ? rc : berth_rootfs_stats_new(&rootfs->stats, err);
}

void berth_rootfs_inside_close(struct berth_rootfs *rootfs)
{
    berth_rootfs_keeper_free(rootfs->keeper);
    berth_rootfs_stats_free(rootfs->stats);
}

int berth_rootfs_need_running(const struct berth_rootfs_app *app, struct berth_error *err)
{
    if (!berth_rootfs_runs(app))
        return berth_error_set(err, BERTH_E_CONFLICT, "Container %s is not running", app->id);
    if (app->state.state == BERTH_APP_PAUSED)
        return berth_error_set(err, BERTH_E_CONFLICT, "Container %s is paused", app->id);
    return 0;
}

int berth_rootfs_signal_number(enum berth_exec_signal number)
{
    static const int numbers[] = {
        [BERTH_EXEC_HUP] = SIGHUP,   [BERTH_EXEC_INT] = SIGINT,   [BERTH_EXEC_QUIT] = SIGQUIT,
        [BERTH_EXEC_USR1] = SIGUSR1, [BERTH_EXEC_USR2] = SIGUSR2, [BERTH_EXEC_TERM] = SIGTERM,
        [BERTH_EXEC_KILL] = SIGKILL,
    };
    return numbers[number];
}

pid_t berth_rootfs_foreground(pid_t pid)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(4096);
    char path[64];
    int group;
    int foreground;
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    const char *rest =
        berth_rootfs_slurp(path, &text) ? strrchr(berth_strbuf_str(&text), ')') : NULL;
    if (!rest || sscanf(rest, ") %*c %*d %d %*d %*d %d", &group, &foreground) != 2)
        return 0;
    return foreground > 1 ? foreground : group;
}

/* ---- What is left behind ---- */

bool berth_rootfs_is_strewn(const struct berth_rootfs_app *app)
{
    BERTH_CLEANUP(dir) DIR *list = NULL;
    const struct dirent *entry;
    bool is_strewn = false;
    if (berth_folder_list(app->folder, &list, NULL) < 0)
        return false;
    while (!is_strewn && (entry = readdir(list)))
        is_strewn = entry->d_name[0] == '.' && strcmp(entry->d_name, ".") != 0 &&
                    strcmp(entry->d_name, "..") != 0;
    return is_strewn;
}

int berth_rootfs_tidy(const struct berth_rootfs_app *app, struct berth_error *err)
{
    BERTH_CLEANUP(fd) int mount = -1;
    int rc = berth_rootfs_exec_tidy(app->folder, err);
    if (rc == 0)
        rc = berth_folder_open(app->folder, BERTH_ROOTFS_MOUNT, O_RDONLY | O_DIRECTORY | O_NOFOLLOW,
                               0, &mount, err);
    return rc < 0 ? rc : berth_files_recover(app->folder, mount, err);
}
