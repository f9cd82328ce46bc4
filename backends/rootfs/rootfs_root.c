/* SPDX-License-Identifier: MIT */
/*
 * Mount namespaces belong to threads: the caller's process stays in the
 * host's, while a thread of its own is in another, and so is what it starts.
 * There, all is mounted within a tmpfs in place of /dev/shm, which every host
 * has and nothing that is started needs: the root of a user namespace could not
 * pass through the folders that lead to the app's.
 *
 * Layers are named as /proc/self/fd/N: no path of the host shows in an app's
 * list of mounts, and what was looked up is what is mounted.
 */
#include "backends/rootfs/rootfs_root.h"

#include "backends/rootfs/rootfs_internal.h"
#include "backends/rootfs/rootfs_path.h"
#include "backends/rootfs/rootfs_userns.h"
#include "base/folder.h"
#include "base/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define UPPER_MODE  0755 /* of / in the app */
#define WORK_MODE   0700
#define STACK_BYTES 16384
#define LOWER_AT    "/dev/shm/lower"

static int refused(struct berth_error *err, int errnum, const char *what)
{
    return berth_error_set_errno(err, BERTH_E_REFUSED, errnum, "%s: %s", what,
                                 strerrordesc_np(errnum));
}

static int userns_of(const struct berth_rootfs_config *config,
                     struct berth_rootfs_userns *ret_userns, struct berth_error *err)
{
    return berth_rootfs_userns_parse(config->userns ? config->userns : "none", ret_userns, err);
}

/* ---- The folders ---- */

/* The app's root owns /. */
static int make_upper(int app, const struct berth_rootfs_config *config, struct berth_error *err)
{
    struct berth_rootfs_userns userns;
    BERTH_CLEANUP(fd) int upper = -1;
    int rc = userns_of(config, &userns, err);
    if (rc == 0)
        rc = berth_folder_make(app, BERTH_ROOTFS_UPPER, UPPER_MODE, &upper, err);
    if (rc == 0 && (fchown(upper, userns.first, userns.first) < 0 ||
                    fchmod(upper, UPPER_MODE) < 0)) /* whatever the umask */
        rc = berth_error_set_errno(err, BERTH_E_IO, errno, "%s cannot be given to the app",
                                   BERTH_ROOTFS_UPPER);
    return rc;
}

int berth_rootfs_root_make(int app, const struct berth_rootfs_config *config,
                           struct berth_error *err)
{
    BERTH_CLEANUP(fd) int work = -1;
    int rc = make_upper(app, config, err);
    return rc < 0 ? rc : berth_folder_make(app, BERTH_ROOTFS_WORK, WORK_MODE, &work, err);
}

int berth_rootfs_root_clear(int app, const struct berth_rootfs_config *config,
                            struct berth_error *err)
{
    int rc = berth_folder_remove(app, BERTH_ROOTFS_UPPER, err);
    if (rc == 0)
        rc = berth_folder_remove(app, BERTH_ROOTFS_WORK, err);
    return rc < 0 ? rc : berth_rootfs_root_make(app, config, err);
}

/* ---- A user namespace that maps the lower layer ---- */

/* It runs on the memory of the thread that made it, its thread-local variables too: no function of
 * the C library that touches these, and none of a sanitizer. */
__attribute__((no_sanitize("address", "thread", "undefined"))) static int wait_to_end(void *unused)
{
    (void)unused;
    while (syscall(SYS_ppoll, NULL, 0, NULL, NULL, 0) < 0)
        ;
    return 0;
}

static int write_map(pid_t pid, const char *name, const struct berth_rootfs_userns *userns)
{
    char path[64];
    char map[64];
    (void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    int len =
        snprintf(map, sizeof(map), "0 %" PRIu32 " %" PRIu32 "\n", userns->first, userns->count);
    BERTH_CLEANUP(fd) int fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd >= 0 && write(fd, map, (size_t)len) == len ? 0 : -1;
}

static int open_of(pid_t pid, const struct berth_rootfs_userns *userns, struct berth_error *err)
{
    char path[64];
    int fd = -1;
    (void)snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
    if (write_map(pid, "uid_map", userns) == 0 && write_map(pid, "gid_map", userns) == 0)
        fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? refused(err, errno, "user namespace") : fd;
}

/* A namespace is made with a process in it, and lives as long as it is open. */
static int open_userns(const struct berth_rootfs_userns *userns, int *ret_fd,
                       struct berth_error *err)
{
    BERTH_CLEANUP(free) char *stack = malloc(STACK_BYTES);
    if (!stack)
        return berth_error_nomem(err);
    /* Without a signal at its end, it is no child that others wait for. */
    pid_t pid = clone(wait_to_end, stack + STACK_BYTES, CLONE_VM | CLONE_NEWUSER, NULL);
    if (pid < 0)
        return refused(err, errno, "user namespace");
    int fd = open_of(pid, userns, err);
    (void)kill(pid, SIGKILL);
    while (waitpid(pid, NULL, __WCLONE) < 0 && errno == EINTR)
        ;
    if (fd < 0)
        return fd;
    *ret_fd = fd;
    return 0;
}

/* Another mount of the folder, with its owners mapped, that is nowhere yet. */
static int map_owners(const struct berth_rootfs_userns *userns, int folder, int *ret_tree,
                      struct berth_error *err)
{
    BERTH_CLEANUP(fd) int namespace = -1;
    int rc = open_userns(userns, &namespace, err);
    if (rc < 0)
        return rc;
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP | MOUNT_ATTR_RDONLY,
                              .userns_fd = (uint64_t) namespace};
    BERTH_CLEANUP(fd)
    int tree = open_tree(folder, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
    if (tree < 0 || mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
        return refused(err, errno, "the root file system's owners cannot be mapped");
    *ret_tree = berth_fd_steal(&tree);
    return 0;
}

int berth_rootfs_root_check(const struct berth_rootfs_config *config, int folder,
                            struct berth_error *err)
{
    struct berth_rootfs_userns userns;
    BERTH_CLEANUP(fd) int tree = -1;
    int rc = userns_of(config, &userns, err);
    return rc < 0 || userns.count == 0 ? rc : map_owners(&userns, folder, &tree, err);
}

/* Puts a mapped mount of the lower layer where an overlay can find it. */
static int map_lower(const struct berth_rootfs_userns *userns, int *lower, struct berth_error *err)
{
    BERTH_CLEANUP(fd) int tree = -1;
    int rc = map_owners(userns, *lower, &tree, err);
    if (rc < 0)
        return rc;
    if (mkdir(LOWER_AT, WORK_MODE) < 0 ||
        move_mount(tree, "", AT_FDCWD, LOWER_AT, MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return refused(err, errno, LOWER_AT);
    int mapped = open(LOWER_AT, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (mapped < 0)
        return refused(err, errno, LOWER_AT);
    berth_fd_close(lower);
    *lower = mapped;
    return 0;
}

/* ---- Mounting ---- */

/* What is mounted at one time, open. */
struct layers {
    int lower, upper, work, files;
};

static void close_layers(struct layers *layers)
{
    berth_fd_close(&layers->lower);
    berth_fd_close(&layers->upper);
    berth_fd_close(&layers->work);
    berth_fd_close(&layers->files);
}
BERTH_DEFINE_CLEANUP_VALUE(layers, struct layers, close_layers)

static int open_layers(const struct berth_rootfs_root *root, struct layers *layers,
                       struct berth_error *err)
{
    const int flags = O_PATH | O_DIRECTORY | O_NOFOLLOW;
    BERTH_CLEANUP(rootfs_path) struct berth_rootfs_path lower = BERTH_ROOTFS_PATH_INIT;
    BERTH_CLEANUP(fd) int app = open(root->app, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (app < 0)
        return berth_error_set_errno(err, BERTH_E_IO, errno, "%s cannot be opened", root->app);
    int rc = berth_rootfs_path_open(root->config, root->rootfs, &lower, err);
    if (rc == 0)
        rc = berth_folder_open(app, BERTH_ROOTFS_UPPER, flags, 0, &layers->upper, err);
    if (rc == 0)
        rc = berth_folder_open(app, BERTH_ROOTFS_WORK, flags, 0, &layers->work, err);
    if (rc == 0)
        rc = berth_folder_open(app, BERTH_ROOTFS_MOUNT, flags, 0, &layers->files, err);
    if (rc == 0)
        layers->lower = berth_fd_steal(&lower.fd);
    return rc;
}

static int mount_layers(const struct layers *layers, struct berth_error *err)
{
    char options[160];
    char files[64];
    (void)snprintf(options, sizeof(options),
                   "lowerdir=/proc/self/fd/%d,upperdir=/proc/self/fd/%d,workdir=/proc/self/fd/%d",
                   layers->lower, layers->upper, layers->work);
    (void)snprintf(files, sizeof(files), "/proc/self/fd/%d", layers->files);
    if (mkdir(BERTH_ROOTFS_ROOT_AT, WORK_MODE) < 0 || mkdir(BERTH_ROOTFS_FILES_FROM, WORK_MODE) < 0)
        return refused(err, errno, "/dev/shm");
    if (mount("overlay", BERTH_ROOTFS_ROOT_AT, "overlay", MS_NODEV | MS_NOSUID, options) < 0)
        return refused(err, errno, "the root file system cannot be overlaid");
    if (mount(files, BERTH_ROOTFS_FILES_FROM, NULL, MS_BIND, NULL) < 0)
        return refused(err, errno, "the app's files cannot be mounted");
    return 0;
}

/* In the new namespace, where all is opened anew: what is open in another cannot be mounted. */
static int mount_root(const struct berth_rootfs_root *root, struct berth_error *err)
{
    struct berth_rootfs_userns userns;
    BERTH_CLEANUP(layers) struct layers layers = {-1, -1, -1, -1};
    int rc = userns_of(root->config, &userns, err);
    if (rc == 0)
        rc = open_layers(root, &layers, err);
    if (rc < 0)
        return rc;
    if (mount("tmpfs", "/dev/shm", "tmpfs", MS_NODEV | MS_NOSUID | MS_NOEXEC, "mode=0711") < 0)
        return refused(err, errno, "/dev/shm");
    if (userns.count > 0)
        rc = map_lower(&userns, &layers.lower, err);
    return rc < 0 ? rc : mount_layers(&layers, err);
}

/* ---- The thread ---- */

struct run {
    const struct berth_rootfs_root *root;
    int (*start)(void *ctx, struct berth_error *err);
    void *ctx;
    int rc;
    struct berth_error *err;
};

static void *run_apart(void *arg)
{
    struct run *run = arg;
    /* What the host unmounts goes here, too; what is mounted here stays here. */
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
        run->rc = refused(run->err, errno, "mount namespace");
    else
        run->rc = mount_root(run->root, run->err);
    if (run->rc == 0)
        run->rc = run->start(run->ctx, run->err);
    return NULL;
}

int berth_rootfs_root_run(const struct berth_rootfs_root *root,
                          int (*start)(void *ctx, struct berth_error *err), void *ctx,
                          struct berth_error *err)
{
    pthread_t thread;
    struct run run = {.root = root, .start = start, .ctx = ctx, .err = err};
    int rc = berth_thread_start(&thread, "rootfs", run_apart, &run, err);
    if (rc < 0)
        return rc;
    (void)pthread_join(thread, NULL);
    return run.rc;
}
