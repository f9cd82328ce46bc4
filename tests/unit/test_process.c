/* SPDX-License-Identifier: MIT */
#include "base/process.h"

#include "base/clock.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TIMEOUT_MS  40000
#define PATIENCE_MS 30000 /* less than the minute that what is to be ended would go on */

static const char *const no_env[] = {NULL};

/* Runs sh -c script; the outputs have room for cap bytes each. */
static int run(const char *script, size_t cap, struct berth_strbuf *out, struct berth_strbuf *err,
               int *ret_code)
{
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    const struct berth_process process = {
        .argv = argv, .envp = no_env, .directory = -1, .handed_on = -1, .timeout_ms = TIMEOUT_MS};
    struct berth_error why = BERTH_ERROR_INIT;
    *out = (struct berth_strbuf)BERTH_STRBUF_INIT(cap);
    *err = (struct berth_strbuf)BERTH_STRBUF_INIT(cap);
    int rc = berth_process_run(&process, out, err, ret_code, &why);
    ck_assert_msg(rc == 0, "%s: %s", script, why.message);
    return rc;
}

START_TEST(a_program_is_run_to_its_end)
{
    static const struct {
        const char *name;
        const char *script;
        int code;
        const char *out;
        const char *complaints;
    } rows[] = {
        {"nothing", ":", 0, "", ""},
        {"both outputs", "echo a; echo b >&2; exit 3", 3, "a\n", "b\n"},
        {"a signal", "kill -TERM $$", 128 + SIGTERM, "", ""},
        {"no input", "read -r line; echo \"$?\"", 0, "1\n", ""},
        {"no environment but the shell's own", "env | grep -vE '^(PWD|SHLVL|_|OLDPWD)='", 1, "",
         ""},
        {"signals as they are by default", "kill -PIPE $$", 128 + SIGPIPE, "", ""},
        {"the root folder", "pwd", 0, "/\n", ""},
        {"no file of ours", "ls /proc/self/fd | grep -c '^[4-9]\\|^..'", 1, "0\n", ""},
    };
    BERTH_CLEANUP(fd) int ours = open("/dev/null", O_RDONLY); /* without O_CLOEXEC */
    ck_assert_int_ge(ours, 0);
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct berth_strbuf out;
        struct berth_strbuf complaints;
        int code = -1;
        (void)run(rows[i].script, 4096, &out, &complaints, &code);
        ck_assert_msg(code == rows[i].code, "%s: %d", rows[i].name, code);
        ck_assert_msg(strcmp(berth_strbuf_str(&out), rows[i].out) == 0, "%s: %s", rows[i].name,
                      berth_strbuf_str(&out));
        ck_assert_msg(strcmp(berth_strbuf_str(&complaints), rows[i].complaints) == 0, "%s: %s",
                      rows[i].name, berth_strbuf_str(&complaints));
        berth_strbuf_release(&out);
        berth_strbuf_release(&complaints);
    }
}
END_TEST

START_TEST(output_past_the_bound_is_dropped)
{
    struct berth_strbuf out;
    struct berth_strbuf complaints;
    int code = -1;
    (void)run("i=0; while [ $i -lt 20000 ]; do echo 0123456789; i=$((i + 1)); done; exit 4", 25,
              &out, &complaints, &code);
    ck_assert_int_eq(code, 4);
    ck_assert_str_eq(berth_strbuf_str(&out), "0123456789\n0123456789\n012");
    berth_strbuf_release(&out);
    berth_strbuf_release(&complaints);
}
END_TEST

START_TEST(a_program_that_is_not_there_is_told)
{
    const char *const argv[] = {"/nonexistent/program", NULL};
    const struct berth_process process = {
        .argv = argv, .envp = no_env, .directory = -1, .handed_on = -1, .timeout_ms = TIMEOUT_MS};
    BERTH_CLEANUP(strbuf) struct berth_strbuf out = BERTH_STRBUF_INIT(64);
    BERTH_CLEANUP(strbuf) struct berth_strbuf complaints = BERTH_STRBUF_INIT(64);
    int code = -1;
    ck_assert_int_eq(berth_process_run(&process, &out, &complaints, &code, NULL),
                     BERTH_E_NOT_FOUND);
    ck_assert_int_eq(code, -1);
}
END_TEST

/* Whatever of it still holds the outputs open. All of it has the pipe, which ends with the last of
 * it, however far it has come by then. */
START_TEST(what_takes_too_long_is_ended_with_all_it_started)
{
    const char *const argv[] = {"/bin/sh", "-c", "sleep 60 & trap '' TERM; wait", NULL};
    int ends[2];
    char byte;
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    const struct berth_process process = {
        .argv = argv, .envp = no_env, .directory = -1, .handed_on = ends[1], .timeout_ms = 500};
    BERTH_CLEANUP(strbuf) struct berth_strbuf out = BERTH_STRBUF_INIT(64);
    BERTH_CLEANUP(strbuf) struct berth_strbuf complaints = BERTH_STRBUF_INIT(64);
    int code = -1;
    int64_t began_ms = berth_clock_monotonic_ms();
    ck_assert_int_eq(berth_process_run(&process, &out, &complaints, &code, NULL), BERTH_E_TIMEOUT);
    berth_fd_close(&ends[1]);
    ck_assert_int_eq(read(ends[0], &byte, 1), 0);
    ck_assert_int_lt(berth_clock_monotonic_ms() - began_ms, PATIENCE_MS);
    berth_fd_close(&ends[0]);
}
END_TEST

START_TEST(what_it_leaves_behind_does_not_hold_us_up)
{
    struct berth_strbuf out;
    struct berth_strbuf complaints;
    int code = -1;
    int64_t began_ms = berth_clock_monotonic_ms();
    (void)run("sleep 60 & exit 5", 64, &out, &complaints, &code);
    ck_assert_int_eq(code, 5);
    ck_assert_int_lt(berth_clock_monotonic_ms() - began_ms, PATIENCE_MS);
    berth_strbuf_release(&out);
    berth_strbuf_release(&complaints);
}
END_TEST

START_TEST(folder_and_file_are_handed_on)
{
    BERTH_CLEANUP(free) char *path = unit_scratch("note");
    char folder[256];
    (void)snprintf(folder, sizeof(folder), "%s", path);
    *strrchr(folder, '/') = '\0';
    BERTH_CLEANUP(fd) int directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    BERTH_CLEANUP(fd) int note = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    const char *const argv[] = {"/bin/sh", "-c", "pwd -P; echo written >&3", NULL};
    const struct berth_process process = {.argv = argv,
                                          .envp = no_env,
                                          .directory = directory,
                                          .handed_on = note,
                                          .timeout_ms = TIMEOUT_MS};
    BERTH_CLEANUP(strbuf) struct berth_strbuf out = BERTH_STRBUF_INIT(256);
    BERTH_CLEANUP(strbuf) struct berth_strbuf complaints = BERTH_STRBUF_INIT(256);
    char text[16] = "";
    int code = -1;
    ck_assert_int_eq(berth_process_run(&process, &out, &complaints, &code, NULL), 0);
    ck_assert_int_eq(code, 0);
    out.data[out.len - 1] = '\0'; /* the line's end */
    ck_assert_str_eq(berth_strbuf_str(&out), folder);
    ck_assert_int_eq(pread(note, text, sizeof(text) - 1, 0), 8);
    ck_assert_str_eq(text, "written\n");
}
END_TEST

/* Files that have the numbers of each other: none is lost on the way. */
START_TEST(what_is_started_has_its_files)
{
    int one[2];
    int other[2];
    ck_assert_int_eq(pipe2(one, O_CLOEXEC) | pipe2(other, O_CLOEXEC), 0);
    const int files[] = {other[1], one[1]};
    const char *const argv[] = {"/bin/sh", "-c", "echo $$ >&4; echo said; echo three >&3; exit 7",
                                NULL};
    const struct berth_process process = {.argv = argv, .envp = no_env, .directory = -1};
    pid_t pid = 0;
    ck_assert_int_eq(berth_process_start(&process, files, 2, &pid, NULL), 0);
    berth_fd_close(&one[1]);
    berth_fd_close(&other[1]);
    char text[32] = "";
    ck_assert_int_eq(read(other[0], text, sizeof(text) - 1), 6);
    ck_assert_str_eq(text, "three\n");
    ck_assert_int_gt(read(one[0], text, sizeof(text) - 1), 0);
    ck_assert_int_eq(strtol(text, NULL, 10), pid);
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    berth_fd_close(&one[0]);
    berth_fd_close(&other[0]);
}
END_TEST

START_TEST(what_is_started_leads_a_session)
{
    const char *const argv[] = {"/bin/sleep", "60", NULL};
    const struct berth_process process = {.argv = argv, .envp = no_env, .directory = -1};
    pid_t pid = 0;
    ck_assert_int_eq(berth_process_start(&process, NULL, 0, &pid, NULL), 0);
    ck_assert_int_eq(getsid(pid), pid);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    const char *const nowhere[] = {"/nowhere/program", NULL};
    const struct berth_process absent = {.argv = nowhere, .envp = no_env, .directory = -1};
    ck_assert_int_eq(berth_process_start(&absent, NULL, 0, &pid, NULL), BERTH_E_NOT_FOUND);
}
END_TEST

UNIT_SUITE("process", a_program_is_run_to_its_end, output_past_the_bound_is_dropped,
           a_program_that_is_not_there_is_told, what_takes_too_long_is_ended_with_all_it_started,
           what_it_leaves_behind_does_not_hold_us_up, folder_and_file_are_handed_on,
           what_is_started_has_its_files, what_is_started_leads_a_session)
