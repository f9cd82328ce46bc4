/* SPDX-License-Identifier: MIT */
#include "backends/rootfs/rootfs_usage.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define V1_MOUNTS                                                                                  \
    "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"                          \
    "33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"         \
    "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"                            \
    "39 31 0:36 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"                                \
    "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n"
#define V2_MOUNT "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"

START_TEST(counters_are_where_they_are_mounted)
{
    static const struct {
        const char *name, *membership, *mounts;
        const char *paths[BERTH_ROOTFS_COUNTER_PARTS];
        unsigned unified; /* how many of them */
    } rows[] = {
        {"version 1",
         "5:memory:/berth/demo/a\n3:cpu,cpuacct:/berth/demo/a\n2:pids:/berth/demo/a\n",
         V1_MOUNTS,
         {"/sys/fs/cgroup/cpu,cpuacct/berth/demo/a", "/sys/fs/cgroup/memory/berth/demo/a", "",
          "/sys/fs/cgroup/pids/berth/demo/a"},
         0},
        {"version 2",
         "0::/berth/demo/a\n",
         "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
         {"/sys/fs/cgroup/berth/demo/a", "/sys/fs/cgroup/berth/demo/a",
          "/sys/fs/cgroup/berth/demo/a", "/sys/fs/cgroup/berth/demo/a"},
         4},
        {"hybrid",
         "3:cpu,cpuacct:/berth/a\n2:pids:/berth/a\n0::/berth/a\n",
         V1_MOUNTS V2_MOUNT,
         {"/sys/fs/cgroup/cpu,cpuacct/berth/a", "/sys/fs/cgroup/unified/berth/a",
          "/sys/fs/cgroup/unified/berth/a", "/sys/fs/cgroup/pids/berth/a"},
         2},
        {"a mount of a part",
         "2:pids:/docker/x/berth/a\n",
         "39 31 0:36 /docker/x /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n",
         {"", "", "", "/sys/fs/cgroup/pids/berth/a"},
         0},
        {"nothing", "", "", {"", "", "", ""}, 0},
        {"garbage", "::\n:\n0\n0:\n", "1 2 3\n- - - - - - - -\n", {"", "", "", ""}, 0},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct berth_rootfs_counters counters;
        unsigned unified = 0;
        berth_rootfs_usage_find(rows[i].membership, rows[i].mounts, &counters);
        for (size_t part = 0; part < BERTH_ROOTFS_COUNTER_PARTS; part++) {
            ck_assert_msg(strcmp(counters.paths[part], rows[i].paths[part]) == 0, "%s: %s, not %s",
                          rows[i].name, counters.paths[part], rows[i].paths[part]);
            unified += counters.is_unified[part];
        }
        ck_assert_msg(unified == rows[i].unified, "%s", rows[i].name);
    }
}
END_TEST

static struct berth_rootfs_counters make_counters(const char *const files[][2], size_t count,
                                                  bool is_unified)
{
    struct berth_rootfs_counters counters = {0};
    char *folder = unit_scratch("counters");
    ck_assert_int_eq(mkdir(folder, 0700), 0);
    for (size_t i = 0; i < BERTH_ROOTFS_COUNTER_PARTS; i++) {
        (void)snprintf(counters.paths[i], sizeof(counters.paths[i]), "%s", folder);
        counters.is_unified[i] = is_unified;
    }
    for (size_t i = 0; i < count; i++) {
        char path[512];
        (void)snprintf(path, sizeof(path), "%s/%s", folder, files[i][0]);
        FILE *file = fopen(path, "we");
        ck_assert_ptr_nonnull(file);
        ck_assert_int_ge(fputs(files[i][1], file), 0);
        ck_assert_int_eq(fclose(file), 0);
    }
    free(folder);
    return counters;
}

START_TEST(version_1_counts)
{
    static const char *const files[][2] = {
        {"cpuacct.usage", "1234567890\n"},
        {"memory.usage_in_bytes", "10000\n"},
        {"memory.limit_in_bytes", "9223372036854771712\n"},
        {"memory.stat", "cache 1\ninactive_file 1000\ntotal_inactive_file 4000\n"},
        {"blkio.throttle.io_service_bytes_recursive",
         "8:0 Read 4096\n8:0 Write 512\n8:0 Sync 1\n8:0 Total 4609\n8:16 Read 4\nTotal 9\n"},
        {"pids.current", "3\n"},
    };
    struct berth_rootfs_counters counters = make_counters(files, UNIT_COUNT(files), false);
    struct berth_rootfs_usage usage;
    berth_rootfs_usage_read(&counters, &usage);
    ck_assert_uint_eq(usage.cpu_ns, 1234567890);
    ck_assert_uint_eq(usage.memory_bytes, 6000);
    ck_assert_uint_eq(usage.memory_limit_bytes, 9223372036854771712U);
    ck_assert_uint_eq(usage.block_read_bytes, 4100);
    ck_assert_uint_eq(usage.block_write_bytes, 512);
    ck_assert_uint_eq(usage.pids, 3);
}
END_TEST

START_TEST(version_2_counts)
{
    static const char *const files[][2] = {
        {"cpu.stat", "usage_usec 1234567\nuser_usec 1\n"},
        {"memory.current", "10000\n"},
        {"memory.max", "max\n"},
        {"memory.stat", "anon 1\ninactive_file 4000\nactive_file 2\n"},
        {"io.stat", "8:0 rbytes=4096 wbytes=512 rios=1 wios=2 dbytes=9 dios=0\n"
                    "8:16 rbytes=4 wbytes=0 rios=0 wios=0 dbytes=0 dios=0\n"},
        {"pids.current", "3\n"},
    };
    struct berth_rootfs_counters counters = make_counters(files, UNIT_COUNT(files), true);
    struct berth_rootfs_usage usage;
    berth_rootfs_usage_read(&counters, &usage);
    ck_assert_uint_eq(usage.cpu_ns, 1234567000);
    ck_assert_uint_eq(usage.memory_bytes, 6000);
    ck_assert_uint_eq(usage.memory_limit_bytes, UINT64_MAX);
    ck_assert_uint_eq(usage.block_read_bytes, 4100);
    ck_assert_uint_eq(usage.block_write_bytes, 512);
    ck_assert_uint_eq(usage.pids, 3);
}
END_TEST

START_TEST(what_is_not_there_is_0)
{
    struct berth_rootfs_counters counters = make_counters(NULL, 0, true);
    struct berth_rootfs_usage usage;
    berth_rootfs_usage_read(&counters, &usage);
    ck_assert_uint_eq(usage.cpu_ns + usage.memory_bytes + usage.memory_limit_bytes +
                          usage.block_read_bytes + usage.pids,
                      0);
    counters = (struct berth_rootfs_counters){0};
    berth_rootfs_usage_read(&counters, &usage);
    ck_assert_uint_eq(usage.pids, 0);
}
END_TEST

START_TEST(the_network_without_its_loopback)
{
    static const char text[] = "Inter-|   Receive                   |  Transmit\n"
                               " face |bytes    packets errs drop fifo frame compressed multicast|"
                               "bytes    packets errs drop fifo colls carrier compressed\n"
                               "    lo:    7000      10    0    0    0     0          0         0 "
                               "    7000      10    0    0    0     0       0          0\n"
                               "  eth0:    1500      10    0    0    0     0          0         0 "
                               "     700      10    0    0    0     0       0          0\n"
                               "eth1:18446744073709551000 1 0 0 0 0 0 0 3 1 0 0 0 0 0 0\n";
    uint64_t received;
    uint64_t sent;
    berth_rootfs_usage_network(text, &received, &sent);
    ck_assert_uint_eq(received, 1500 + 18446744073709551000U);
    ck_assert_uint_eq(sent, 703);
}
END_TEST

START_TEST(the_kernel_says_where_we_are)
{
    struct berth_rootfs_counters counters;
    ck_assert(berth_rootfs_usage_of(getpid(), &counters));
    ck_assert(!berth_rootfs_usage_of(0x7fffffff, &counters));
}
END_TEST

UNIT_SUITE("rootfs_usage", counters_are_where_they_are_mounted, version_1_counts, version_2_counts,
           what_is_not_there_is_0, the_network_without_its_loopback, the_kernel_says_where_we_are)
