/* SPDX-License-Identifier: MIT */
#include "backends/rootfs/rootfs_keeper.h"

#include "backends/rootfs/rootfs_spawn.h"
#include "base/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#define NAME "berth-keeper"
#define SELF "/proc/self/exe"

enum word { KEEP, DROP };

/* What it is told; a packet each. */
struct message {
    enum word word;
    struct berth_rootfs_crowd crowd;
};

struct berth_rootfs_keeper {
    pthread_mutex_t lock;
    int socket; /* lock; -1: it does not run */
    int pidfd;  /* lock */
};

/* ---- The gateway's side ---- */

int berth_rootfs_keeper_new(struct berth_rootfs_keeper **ret_keeper, struct berth_error *err)
{
    struct berth_rootfs_keeper *keeper = malloc(sizeof(*keeper));
    if (!keeper)
        return berth_error_nomem(err);
    *keeper = (struct berth_rootfs_keeper){.socket = -1, .pidfd = -1};
    pthread_mutex_init(&keeper->lock, NULL);
    *ret_keeper = keeper;
    return 0;
}

/* Under the lock. It ends by itself, when it has ended what is left. */
static void let_go(struct berth_rootfs_keeper *keeper)
{
    berth_fd_close(&keeper->socket);
    if (keeper->pidfd >= 0)
        (void)berth_rootfs_reap(keeper->pidfd);
    berth_fd_close(&keeper->pidfd);
}

void berth_rootfs_keeper_free(struct berth_rootfs_keeper *keeper)
{
    if (!keeper)
        return;
    let_go(keeper);
    pthread_mutex_destroy(&keeper->lock);
    free(keeper);
}

/* Under the lock. */
static int start(struct berth_rootfs_keeper *keeper, struct berth_error *err)
{
    static const char *const argv[] = {SELF, NAME, NULL};
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return berth_error_set_errno(err, BERTH_E_INTERNAL, errno, "no keeper can be started");
    const int files[] = {ends[1], -1, -1};
    pid_t pid;
    int rc = berth_rootfs_spawn(argv, files, 3, &pid, &keeper->pidfd, err);
    berth_fd_close(&ends[1]);
    if (rc < 0)
        berth_fd_close(&ends[0]);
    keeper->socket = ends[0];
    return rc;
}

static bool tell(struct berth_rootfs_keeper *keeper, enum word word,
                 const struct berth_rootfs_crowd *crowd)
{
    struct message message;
    memset(&message, 0, sizeof(message)); /* its padding too */
    message.word = word;
    message.crowd = *crowd;
    return keeper->socket >= 0 &&
           send(keeper->socket, &message, sizeof(message), MSG_NOSIGNAL) == sizeof(message);
}

int berth_rootfs_keeper_keep(struct berth_rootfs_keeper *keeper,
                             const struct berth_rootfs_crowd *crowd, struct berth_error *err)
{
    BERTH_LOCK_SCOPE(lock, &keeper->lock);
    if (tell(keeper, KEEP, crowd))
        return 0;
    let_go(keeper);
    int rc = start(keeper, err);
    if (rc == 0 && !tell(keeper, KEEP, crowd))
        rc = berth_error_set_errno(err, BERTH_E_INTERNAL, errno, "the keeper has ended");
    return rc;
}

void berth_rootfs_keeper_drop(struct berth_rootfs_keeper *keeper,
                              const struct berth_rootfs_crowd *crowd)
{
    BERTH_LOCK_SCOPE(lock, &keeper->lock);
    (void)tell(keeper, DROP, crowd);
}

/* ---- Its own ---- */

struct kept {
    struct berth_rootfs_crowd *items;
    size_t count;
    size_t size;
};

static struct berth_rootfs_crowd *find(const struct kept *kept, const char *mark)
{
    for (size_t i = 0; i < kept->count; i++)
        if (strcmp(kept->items[i].mark, mark) == 0)
            return &kept->items[i];
    return NULL;
}

static void keep(struct kept *kept, const struct berth_rootfs_crowd *crowd)
{
    struct berth_rootfs_crowd *known = find(kept, crowd->mark);
    if (!known && kept->count == kept->size) {
        size_t size = kept->size ? 2 * kept->size : 16;
        void *items = realloc(kept->items, size * sizeof(*kept->items));
        if (!items)
            return;
        kept->items = items;
        kept->size = size;
    }
    if (!known)
        known = &kept->items[kept->count++];
    *known = *crowd;
}

static void drop(struct kept *kept, const struct berth_rootfs_crowd *crowd)
{
    struct berth_rootfs_crowd *known = find(kept, crowd->mark);
    if (known)
        *known = kept->items[--kept->count];
}

/* Who ends the gateway's group or service means the gateway. */
static void ignore_signals(void)
{
    static const int numbers[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        (void)signal(numbers[i], SIG_IGN);
}

bool berth_rootfs_keeper_main(int argc, char **argv)
{
    if (argc != 2 || strcmp(argv[0], SELF) != 0 || strcmp(argv[1], NAME) != 0)
        return false;
    struct kept kept = {0};
    struct message message;
    ignore_signals();
    (void)prctl(PR_SET_NAME, NAME);
    for (;;) {
        ssize_t got = recv(STDIN_FILENO, &message, sizeof(message), 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got != sizeof(message))
            break;
        if (message.word == KEEP)
            keep(&kept, &message.crowd);
        else
            drop(&kept, &message.crowd);
    }
    berth_rootfs_crowds_end(kept.items, kept.count);
    free(kept.items);
    return true;
}
