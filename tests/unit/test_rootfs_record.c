/* SPDX-License-Identifier: MIT */
#include "backends/rootfs/rootfs_record.h"
#include "base/clock.h"
#include "base/folder.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define ID "00000000000000000000000000000000000000000000000000000000000000ff"

static int open_scratch(void)
{
    BERTH_CLEANUP(free) char *path = unit_scratch("app");
    ck_assert_int_eq(mkdir(path, 0700), 0);
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_ge(folder, 0);
    return folder;
}

/* ---- The record ---- */

static char name[] = "webapp";
static char user[] = "ana";
static char image[] = "busybox";
static char rootfs[] = "/srv/roots/\"quoted\" ü";
static char command[] = "/bin/sh -c 'echo \"$1\"\n'";
static char run_as[] = "1000:1000";
static char key[] = "GREETING";
static char value[] = "";
static char tag[] = "web";

static struct berth_rootfs_record make_record(void)
{
    static struct berth_container_variable env[] = {{key, value}};
    static char *tags[] = {tag};
    return (struct berth_rootfs_record){
        .name = name,
        .user = user,
        .image = image,
        .rootfs = rootfs,
        .command = command,
        .run_as = run_as,
        .terminal = true,
        .created_ns = INT64_C(1768921200123456789),
        .asked = {.env = env,
                  .env_count = 1,
                  .tags = tags,
                  .tag_count = 1,
                  .cpu_nano = 500000000,
                  .memory_bytes = INT64_C(1) << 40,
                  .pids = 50,
                  .updated_ns = INT64_C(1768921200123456790)},
    };
}

START_TEST(a_record_is_read_as_it_was_written)
{
    BERTH_CLEANUP(fd) int folder = open_scratch();
    BERTH_CLEANUP(rootfs_record) struct berth_rootfs_record read = {0};
    const struct berth_rootfs_record written = make_record();
    struct berth_error err = BERTH_ERROR_INIT;
    ck_assert_int_eq(berth_rootfs_record_write(folder, &written, &err), 0);
    ck_assert_msg(berth_rootfs_record_read(folder, &read, &err) == 0, "%s", err.message);
    ck_assert_str_eq(read.name, name);
    ck_assert_str_eq(read.user, user);
    ck_assert_str_eq(read.image, image);
    ck_assert_str_eq(read.rootfs, rootfs);
    ck_assert_str_eq(read.command, command);
    ck_assert_str_eq(read.run_as, run_as);
    ck_assert(read.terminal);
    ck_assert_int_eq(read.created_ns, written.created_ns);
    ck_assert_uint_eq(read.asked.env_count, 1);
    ck_assert_str_eq(read.asked.env[0].name, key);
    ck_assert_str_eq(read.asked.env[0].value, value);
    ck_assert_uint_eq(read.asked.tag_count, 1);
    ck_assert_str_eq(read.asked.tags[0], tag);
    ck_assert_int_eq(read.asked.cpu_nano, written.asked.cpu_nano);
    ck_assert_int_eq(read.asked.memory_bytes, written.asked.memory_bytes);
    ck_assert_int_eq(read.asked.pids, written.asked.pids);
    ck_assert_int_eq(read.asked.updated_ns, written.asked.updated_ns);
}
END_TEST

START_TEST(what_is_no_record_is_refused)
{
    static const struct {
        const char *name;
        const char *text; /* NULL: there is none */
        int status;
    } rows[] = {
        {"none", NULL, BERTH_E_NOT_FOUND},
        {"nothing", "", BERTH_E_CONFLICT},
        {"half of it", "{\"name\": \"webapp\", \"us", BERTH_E_CONFLICT},
        {"another kind", "[]", BERTH_E_CONFLICT},
        {"no name", "{\"user\": \"ana\"}", BERTH_E_CONFLICT},
        {"a list that is none",
         "{\"name\": \"a\", \"user\": \"\", \"image\": \"a\", \"rootfs\": \"/a\", \"command\": "
         "\"/a\", \"env\": {\"A\": 1}}",
         BERTH_E_CONFLICT},
    };
    BERTH_CLEANUP(fd) int folder = open_scratch();
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct berth_rootfs_record record = {0};
        if (rows[i].text)
            ck_assert_int_eq(berth_folder_write(folder, BERTH_ROOTFS_RECORD, rows[i].text,
                                                strlen(rows[i].text), 0600, NULL),
                             0);
        ck_assert_msg(berth_rootfs_record_read(folder, &record, NULL) == rows[i].status, "%s",
                      rows[i].name);
        ck_assert_ptr_null(record.name);
    }
}
END_TEST

/* ---- The state ---- */

START_TEST(a_state_is_read_as_it_was_written)
{
    BERTH_CLEANUP(fd) int states = open_scratch();
    const struct berth_rootfs_state written = {
        .state = BERTH_APP_RUNNING,
        .is_starting = true,
        .started_ns = INT64_C(1768921200123456789),
        .finished_ns = INT64_C(1768921100000000001),
        .exit_code = 137,
        .init = {4711, UINT64_C(123456789012)},
        .conmon = {4710, UINT64_C(123456789011)},
        .boot = "0d7e1b9c-6a29-4b8b-9d4a-1de0f6b4a0c1",
        .runtime = "/usr/bin/crun",
    };
    struct berth_rootfs_state read;
    ck_assert_int_eq(berth_rootfs_state_read(states, ID, &read, NULL), BERTH_E_NOT_FOUND);
    ck_assert_int_eq(berth_rootfs_state_write(states, ID, &written, NULL), 0);
    ck_assert_int_eq(berth_rootfs_state_read(states, ID, &read, NULL), 0);
    ck_assert_int_eq(read.state, written.state);
    ck_assert(read.is_starting && !read.is_unseen);
    ck_assert_int_eq(read.started_ns, written.started_ns);
    ck_assert_int_eq(read.finished_ns, written.finished_ns);
    ck_assert_int_eq(read.exit_code, written.exit_code);
    ck_assert_int_eq(read.init.pid, written.init.pid);
    ck_assert_uint_eq(read.init.start, written.init.start);
    ck_assert_int_eq(read.conmon.pid, written.conmon.pid);
    ck_assert_uint_eq(read.conmon.start, written.conmon.start);
    ck_assert_str_eq(read.boot, written.boot);
    ck_assert_str_eq(read.runtime, written.runtime);
    const struct berth_rootfs_state created = {.state = BERTH_APP_CREATED};
    ck_assert_int_eq(berth_rootfs_state_write(states, ID, &created, NULL), 0);
    ck_assert_int_eq(berth_rootfs_state_read(states, ID, &read, NULL), 0);
    ck_assert_int_eq(read.state, BERTH_APP_CREATED);
    ck_assert_int_eq(read.started_ns, 0);
    ck_assert_int_eq(read.init.pid, 0);
}
END_TEST

UNIT_SUITE("rootfs_record", a_record_is_read_as_it_was_written, what_is_no_record_is_refused,
           a_state_is_read_as_it_was_written)
