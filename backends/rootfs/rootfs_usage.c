/* SPDX-License-Identifier: MIT */
#include "backends/rootfs/rootfs_usage.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#define FILE_MAX  (1U << 20)
#define PIECE     4096
#define PROC_PATH 64

/* ---- Files ---- */

bool berth_rootfs_slurp(const char *path, struct berth_strbuf *text)
{
    BERTH_CLEANUP(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    for (;;) {
        size_t room = text->cap - text->len < PIECE ? text->cap - text->len : PIECE;
        if (fd < 0 || room == 0 || !berth_strbuf_reserve(text, room))
            return false;
        ssize_t got = read(fd, text->data + text->len, room);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got == 0;
        text->len += (size_t)got;
        text->data[text->len] = '\0';
    }
}

static bool read_part(const struct berth_rootfs_counters *cgroup, enum berth_rootfs_counter part,
                      const char *name, struct berth_strbuf *text)
{
    char path[BERTH_ROOTFS_COUNTER_PATH_MAX + PROC_PATH];
    berth_strbuf_clear(text);
    if (!cgroup->paths[part][0])
        return false;
    (void)snprintf(path, sizeof(path), "%s/%s", cgroup->paths[part], name);
    return berth_rootfs_slurp(path, text);
}

static uint64_t read_number(const struct berth_rootfs_counters *cgroup,
                            enum berth_rootfs_counter part, const char *name, uint64_t otherwise)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(FILE_MAX);
    if (!read_part(cgroup, part, name, &text) || text.len == 0)
        return 0;
    char *end;
    uint64_t number = strtoull(text.data, &end, 10);
    return end == text.data ? otherwise : number; /* "max" */
}

/* The number of a line "name NUMBER", 0 without one. */
static uint64_t number_of(const struct berth_strbuf *text, const char *name, bool *ret_is_there)
{
    size_t len = strlen(name);
    for (const char *line = berth_strbuf_str(text); line && *line;) {
        if (strncmp(line, name, len) == 0 && line[len] == ' ') {
            *ret_is_there = true;
            return strtoull(line + len + 1, NULL, 10);
        }
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    *ret_is_there = false;
    return 0;
}

/* ---- Where it is ---- */

/* Whether a list with commas between has the word. */
static bool has_word(const char *list, size_t list_len, const char *word)
{
    size_t len = strlen(word);
    while (list_len > 0) {
        const char *comma = memchr(list, ',', list_len);
        size_t part = comma ? (size_t)(comma - list) : list_len;
        if (part == len && memcmp(list, word, len) == 0)
            return true;
        if (!comma)
            return false;
        list += part + 1;
        list_len -= part + 1;
    }
    return false;
}

struct mount {
    const char *root, *point, *type, *options; /* each ends at a space or the line's end */
    size_t root_len, point_len, type_len, options_len;
};

/* A line of mountinfo (proc(5)): "36 35 98:0 ROOT POINT opts [optional...] - TYPE source OPTIONS".
 */
static bool parse_mount(const char *line, size_t len, struct mount *mount)
{
    const char *fields[16];
    size_t lens[16];
    size_t count = 0;
    size_t dash = 0;
    const char *end = line + len;
    while (line < end && count < 16) {
        size_t part = strcspn(line, " \n");
        fields[count] = line;
        lens[count] = part;
        if (part == 1 && *line == '-' && count >= 6 && dash == 0)
            dash = count;
        count++;
        line += part + 1;
    }
    if (dash == 0 || dash + 3 >= count)
        return false;
    *mount = (struct mount){.root = fields[3],
                            .root_len = lens[3],
                            .point = fields[4],
                            .point_len = lens[4],
                            .type = fields[dash + 1],
                            .type_len = lens[dash + 1],
                            .options = fields[dash + 3],
                            .options_len = lens[dash + 3]};
    return true;
}

/* Where the hierarchy with that controller is mounted; NULL: version 2. */
static bool find_mount(const char *mounts, const char *controller, struct mount *ret_mount)
{
    const char *type = controller ? "cgroup" : "cgroup2";
    for (const char *line = mounts; *line;) {
        size_t len = strcspn(line, "\n");
        if (parse_mount(line, len, ret_mount) && ret_mount->type_len == strlen(type) &&
            memcmp(ret_mount->type, type, ret_mount->type_len) == 0 &&
            (!controller || has_word(ret_mount->options, ret_mount->options_len, controller)))
            return true;
        line += len + (line[len] == '\n');
    }
    return false;
}

/* The process's path in the hierarchy with that controller; NULL: version 2. */
static const char *find_path(const char *membership, const char *controller, size_t *ret_len)
{
    for (const char *line = membership; *line;) {
        size_t len = strcspn(line, "\n");
        const char *first = memchr(line, ':', len);
        const char *second =
            first ? memchr(first + 1, ':', len - (size_t)(first + 1 - line)) : NULL;
        if (second && (controller ? has_word(first + 1, (size_t)(second - first - 1), controller)
                                  : first == line + 1 && *line == '0' && second == first + 1)) {
            *ret_len = len - (size_t)(second + 1 - line);
            return second + 1;
        }
        line += len + (line[len] == '\n');
    }
    return NULL;
}

/* A mount may show a part of its hierarchy alone: its root is cut off the path. */
static bool join(const struct mount *mount, const char *path, size_t len, char *joined)
{
    size_t root = mount->root_len == 1 ? 0 : mount->root_len;
    if (len < root || memcmp(path, mount->root, root) != 0)
        root = 0;
    int total = snprintf(joined, BERTH_ROOTFS_COUNTER_PATH_MAX, "%.*s%.*s", (int)mount->point_len,
                         mount->point, (int)(len - root), path + root);
    bool fits = total > 0 && total < BERTH_ROOTFS_COUNTER_PATH_MAX;
    if (!fits)
        joined[0] = '\0';
    return fits;
}

void berth_rootfs_usage_find(const char *membership, const char *mounts,
                             struct berth_rootfs_counters *ret_cgroup)
{
    static const char *const controllers[] = {
        [BERTH_ROOTFS_COUNTER_CPU] = "cpuacct",
        [BERTH_ROOTFS_COUNTER_MEMORY] = "memory",
        [BERTH_ROOTFS_COUNTER_BLOCK] = "blkio",
        [BERTH_ROOTFS_COUNTER_PIDS] = "pids",
    };
    *ret_cgroup = (struct berth_rootfs_counters){0};
    for (size_t i = 0; i < BERTH_ROOTFS_COUNTER_PARTS; i++) {
        struct mount mount;
        size_t len = 0;
        const char *path = find_path(membership, controllers[i], &len);
        bool is_unified = !path || !find_mount(mounts, controllers[i], &mount);
        if (is_unified)
            path = find_path(membership, NULL, &len);
        if (is_unified && !(path && find_mount(mounts, NULL, &mount)))
            continue;
        ret_cgroup->is_unified[i] = is_unified;
        (void)join(&mount, path, len, ret_cgroup->paths[i]);
    }
}

bool berth_rootfs_usage_of(pid_t pid, struct berth_rootfs_counters *ret_cgroup)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf membership = BERTH_STRBUF_INIT(FILE_MAX);
    BERTH_CLEANUP(strbuf) struct berth_strbuf mounts = BERTH_STRBUF_INIT(FILE_MAX);
    char path[PROC_PATH];
    (void)snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
    if (!berth_rootfs_slurp(path, &membership) ||
        !berth_rootfs_slurp("/proc/self/mountinfo", &mounts))
        return false;
    berth_rootfs_usage_find(berth_strbuf_str(&membership), berth_strbuf_str(&mounts), ret_cgroup);
    return true;
}

/* ---- What it counts ---- */

static void read_cpu(const struct berth_rootfs_counters *cgroup, struct berth_strbuf *text,
                     struct berth_rootfs_usage *counts)
{
    bool ignored;
    if (!cgroup->is_unified[BERTH_ROOTFS_COUNTER_CPU])
        counts->cpu_ns = read_number(cgroup, BERTH_ROOTFS_COUNTER_CPU, "cpuacct.usage", 0);
    else if (read_part(cgroup, BERTH_ROOTFS_COUNTER_CPU, "cpu.stat", text))
        counts->cpu_ns = number_of(text, "usage_usec", &ignored) * 1000;
}

static void read_memory(const struct berth_rootfs_counters *cgroup, struct berth_strbuf *text,
                        struct berth_rootfs_usage *counts)
{
    bool is_unified = cgroup->is_unified[BERTH_ROOTFS_COUNTER_MEMORY];
    bool is_there = false;
    uint64_t usage = read_number(cgroup, BERTH_ROOTFS_COUNTER_MEMORY,
                                 is_unified ? "memory.current" : "memory.usage_in_bytes", 0);
    counts->memory_limit_bytes =
        read_number(cgroup, BERTH_ROOTFS_COUNTER_MEMORY,
                    is_unified ? "memory.max" : "memory.limit_in_bytes", UINT64_MAX);
    uint64_t cache = 0;
    if (read_part(cgroup, BERTH_ROOTFS_COUNTER_MEMORY, "memory.stat", text)) {
        cache = is_unified ? 0 : number_of(text, "total_inactive_file", &is_there);
        if (!is_there)
            cache = number_of(text, "inactive_file", &is_there);
    }
    counts->memory_bytes = cache < usage ? usage - cache : usage;
}

/* "8:0 Read 4096" and the like, of each device. */
static void add_blocks(const struct berth_strbuf *text, struct berth_rootfs_usage *counts)
{
    for (const char *line = berth_strbuf_str(text); *line;) {
        char word[16];
        uint64_t bytes;
        if (sscanf(line, "%*u:%*u %15s %" SCNu64, word, &bytes) == 2) {
            if (strcmp(word, "Read") == 0)
                counts->block_read_bytes += bytes;
            else if (strcmp(word, "Write") == 0)
                counts->block_write_bytes += bytes;
        }
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
}

/* "8:0 rbytes=4096 wbytes=0 rios=1 ...", of each device. */
static void add_unified_blocks(const struct berth_strbuf *text, struct berth_rootfs_usage *counts)
{
    static const char read_word[] = " rbytes=";
    static const char write_word[] = " wbytes=";
    const char *at = berth_strbuf_str(text);
    while ((at = strstr(at, read_word)))
        counts->block_read_bytes += strtoull(at += sizeof(read_word) - 1, NULL, 10);
    at = berth_strbuf_str(text);
    while ((at = strstr(at, write_word)))
        counts->block_write_bytes += strtoull(at += sizeof(write_word) - 1, NULL, 10);
}

static void read_blocks(const struct berth_rootfs_counters *cgroup, struct berth_strbuf *text,
                        struct berth_rootfs_usage *counts)
{
    if (cgroup->is_unified[BERTH_ROOTFS_COUNTER_BLOCK]) {
        if (read_part(cgroup, BERTH_ROOTFS_COUNTER_BLOCK, "io.stat", text))
            add_unified_blocks(text, counts);
        return;
    }
    if (read_part(cgroup, BERTH_ROOTFS_COUNTER_BLOCK, "blkio.throttle.io_service_bytes_recursive",
                  text))
        add_blocks(text, counts);
}

void berth_rootfs_usage_read(const struct berth_rootfs_counters *cgroup,
                             struct berth_rootfs_usage *ret_counts)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(FILE_MAX);
    struct berth_rootfs_usage counts = {0};
    read_cpu(cgroup, &text, &counts);
    read_memory(cgroup, &text, &counts);
    read_blocks(cgroup, &text, &counts);
    counts.pids = read_number(cgroup, BERTH_ROOTFS_COUNTER_PIDS, "pids.current", 0);
    *ret_counts = counts;
}

void berth_rootfs_usage_network(const char *text, uint64_t *ret_received, uint64_t *ret_sent)
{
    uint64_t received = 0;
    uint64_t sent = 0;
    for (const char *line = text; *line;) {
        char name[32];
        uint64_t in;
        uint64_t out;
        if (sscanf(line, " %31[^: ]: %" SCNu64 " %*u %*u %*u %*u %*u %*u %*u %" SCNu64, name, &in,
                   &out) == 3 &&
            strcmp(name, "lo") != 0) {
            received += in;
            sent += out;
        }
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    *ret_received = received;
    *ret_sent = sent;
}
