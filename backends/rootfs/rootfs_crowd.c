/* SPDX-License-Identifier: MIT */
#include "backends/rootfs/rootfs_crowd.h"

#include "base/clock.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>

#define TEXT_MAX   (4U << 20) /* an environment, or the processes of an app */
#define PATH_BYTES (BERTH_ROOTFS_COUNTER_PATH_MAX + 32)
#define HANG_UP_MS 1000 /* until SIGKILL */
#define KILL_MS    1000
#define ROUND_MS   100 /* who is left is looked for anew */

/* ---- Who belongs ---- */

static bool read_proc(pid_t pid, const char *name, struct berth_strbuf *text)
{
    char path[64];
    berth_strbuf_clear(text);
    (void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    return berth_rootfs_slurp(path, text) && text->len > 0;
}

/* Of a process that has not ended; 0: it has. The command's name in its stat may hold anything. */
static pid_t session_of(pid_t pid, struct berth_strbuf *text)
{
    char state;
    int session;
    const char *rest = read_proc(pid, "stat", text) ? strrchr(text->data, ')') : NULL;
    if (!rest || sscanf(rest, ") %c %*d %*d %d", &state, &session) != 2)
        return 0;
    return state == 'Z' || state == 'X' ? 0 : (pid_t)session;
}

static bool has_mark(pid_t pid, const char *mark, struct berth_strbuf *text)
{
    char wanted[64];
    (void)snprintf(wanted, sizeof(wanted), BERTH_ROOTFS_MARK "=%s", mark);
    if (!read_proc(pid, "environ", text))
        return false;
    for (size_t at = 0; at < text->len; at += strlen(text->data + at) + 1)
        if (strcmp(text->data + at, wanted) == 0)
            return true;
    return false;
}

static bool belongs(const struct berth_rootfs_crowd *crowd, pid_t pid, struct berth_strbuf *text)
{
    pid_t session = session_of(pid, text);
    return session > 0 && (session == crowd->sessions[0] || session == crowd->sessions[1] ||
                           has_mark(pid, crowd->mark, text));
}

/* ---- All of them ---- */

/* Processes by pidfd, which no other can take over. */
struct found {
    struct pollfd *items;
    size_t count;
    size_t size;
};

static void found_release(struct found *found)
{
    for (size_t i = 0; i < found->count; i++)
        berth_fd_close(&found->items[i].fd);
    free(found->items);
    *found = (struct found){0};
}
BERTH_DEFINE_CLEANUP_VALUE(found, struct found, found_release)

static void add(struct found *found, int pidfd)
{
    if (found->count == found->size) {
        size_t size = found->size ? 2 * found->size : 16;
        struct pollfd *items = realloc(found->items, size * sizeof(*items));
        if (!items) {
            berth_fd_close(&pidfd);
            return;
        }
        found->items = items;
        found->size = size;
    }
    found->items[found->count++] = (struct pollfd){.fd = pidfd, .events = POLLIN};
}

/* What is looked at is the process of the pidfd, or has ended. */
static void find(const struct berth_rootfs_crowd *crowd, struct found *found)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf list = BERTH_STRBUF_INIT(TEXT_MAX);
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(TEXT_MAX);
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof(path), "%s/cgroup.procs", crowd->cgroup);
    if (!crowd->cgroup[0] || !berth_rootfs_slurp(path, &list))
        return;
    char *at = list.data;
    for (char *end; at && *at; at = end + (*end == '\n')) {
        pid_t pid = (pid_t)strtol(at, &end, 10);
        if (end == at)
            return;
        int pidfd = pid > 0 ? pidfd_open(pid, 0) : -1;
        if (pidfd >= 0 && belongs(crowd, pid, &text))
            add(found, pidfd);
        else
            berth_fd_close(&pidfd);
    }
}

static void find_all(const struct berth_rootfs_crowd *crowds, size_t count, struct found *found)
{
    found_release(found);
    for (size_t i = 0; i < count; i++)
        find(&crowds[i], found);
}

static void send_all(const struct found *found, int number)
{
    for (size_t i = 0; i < found->count; i++)
        (void)pidfd_send_signal(found->items[i].fd, number, NULL, 0);
}

/* Until none of them is left. */
static void await_end(struct found *found, int64_t until_ms)
{
    while (found->count > 0) {
        int64_t left_ms = until_ms - berth_clock_monotonic_ms();
        if (left_ms <= 0)
            return;
        (void)poll(found->items, found->count, (int)left_ms);
        for (size_t i = 0; i < found->count;) {
            if (!found->items[i].revents) {
                i++;
                continue;
            }
            berth_fd_close(&found->items[i].fd);
            found->items[i] = found->items[--found->count];
        }
    }
}

void berth_rootfs_crowds_end(const struct berth_rootfs_crowd *crowds, size_t count)
{
    BERTH_CLEANUP(found) struct found found = {0};
    find_all(crowds, count, &found);
    send_all(&found, SIGHUP);
    send_all(&found, SIGCONT);
    await_end(&found, berth_clock_monotonic_ms() + HANG_UP_MS);
    int64_t until_ms = berth_clock_monotonic_ms() + KILL_MS;
    for (;;) { /* what was started meanwhile, too */
        find_all(crowds, count, &found);
        if (found.count == 0 || berth_clock_monotonic_ms() >= until_ms)
            return;
        send_all(&found, SIGKILL);
        await_end(&found, berth_clock_monotonic_ms() + ROUND_MS);
    }
}
