/* SPDX-License-Identifier: MIT */
#include "gateway/cli.h"

#include "base/json.h"
#include "base/text.h"
#include "gateway/berth.h"
#include "gateway/commands.h"
#include "gateway/control.h"
#include "gateway/prompt.h"
#include "gateway/serve.h"
#include "gateway/version.h"

#include <string.h>

/* What a command line was parsed into. */
struct invocation {
    const struct cli_command *command;
    const char *config;
    cJSON *request; /* "command" and its arguments, for gateway/commands.h */
};

struct cli_option {
    const char *name; /* "--facility" */
    const char *member;
    bool takes_value;
    bool required;
};

struct cli_command {
    const char *words;   /* "user add" */
    const char *args[4]; /* members of the request, in order; all required */
    struct cli_option options[3];
    const char *usage; /* what follows the words */
    const char *help;
    int (*run)(const struct invocation *invocation, struct berth_error *err);
    bool asks_password;
    bool needs_engines; /* with no gateway running, facilities must be opened */
};

static int run_serve(const struct invocation *invocation, struct berth_error *err);
static int run_check_config(const struct invocation *invocation, struct berth_error *err);
static int run_version(const struct invocation *invocation, struct berth_error *err);
static int run_request(const struct invocation *invocation, struct berth_error *err);

/* clang-format off */
static const struct cli_command commands[] = {
    {"serve", {0}, {{0}}, "", "run the gateway until SIGTERM", run_serve, false, false},
    {"check-config", {0}, {{0}}, "", "say whether the configuration is valid", run_check_config, false, false},
    {"version", {0}, {{0}}, "", "print the version", run_version, false, false},
    {"user add", {"name"}, {{"--gateway-admin", "gateway_admin", false, false}},
     "NAME [--gateway-admin]", "add a user; the password is asked for, or read from stdin", run_request, true, false},
    {"user passwd", {"name"}, {{0}}, "NAME", "set a user's password", run_request, true, false},
    {"user remove", {"name"}, {{0}}, "NAME", "remove a user; the name stays taken", run_request, false, false},
    {"user list", {0}, {{0}}, "", "list users and their roles", run_request, false, false},
    {"user grant", {"name", "facility", "role"}, {{0}}, "NAME FACILITY ROLE",
     "give a role: viewer, researcher, operator or admin", run_request, false, false},
    {"user revoke", {"name", "facility"}, {{0}}, "NAME FACILITY", "take the role back", run_request, false, false},
    {"image list", {0}, {{"--facility", "facility", true, false}, {"--state", "state", true, false}},
     "[--facility ID] [--state STATE]", "list image requests", run_request, false, true},
    {"image approve", {"facility", "image"}, {{0}}, "FACILITY IMAGE",
     "approve an image, and pull it where it is not there", run_request, false, true},
    {"image reject", {"facility", "image"}, {{"--reason", "reason", true, true}},
     "FACILITY IMAGE --reason TEXT", "reject a request", run_request, false, true},
};
/* clang-format on */

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

/* ---- Help ---- */

static void print_help(FILE *out)
{
    (void)fprintf(out, "usage: berth COMMAND [ARGUMENTS] [--config FILE]\n\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        char line[64];
        (void)snprintf(line, sizeof(line), "%s %s", commands[i].words, commands[i].usage);
        (void)fprintf(out, "  %-46s %s\n", line, commands[i].help);
    }
    (void)fprintf(out, "\nThe configuration is --config FILE, else $BERTH_CONFIG, else "
                       "/etc/berth/berth.conf.\n");
}

static int usage_error(struct berth_error *err, const struct cli_command *command,
                       const char *format, ...) BERTH_PRINTF(3, 4);

static int usage_error(struct berth_error *err, const struct cli_command *command,
                       const char *format, ...)
{
    char message[256];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    if (command)
        return berth_error_set(err, BERTH_E_INVALID, "%s; usage: berth %s %s", message,
                               command->words, command->usage);
    return berth_error_set(err, BERTH_E_INVALID, "%s; berth --help lists the commands", message);
}

/* ---- Parsing ---- */

/* How many words of argv the command's name takes, or 0 where it is another. */
static int match_words(const struct cli_command *command, int argc, char **argv)
{
    const char *words = command->words;
    for (int i = 0; i < argc; i++) {
        size_t len = strlen(argv[i]);
        if (strncmp(words, argv[i], len) != 0 || (words[len] != ' ' && words[len] != '\0'))
            return 0;
        if (words[len] == '\0')
            return i + 1;
        words += len + 1;
    }
    return 0;
}

static int find_command(struct invocation *invocation, int argc, char **argv, int *ret_words,
                        struct berth_error *err)
{
    const char *names[COMMAND_COUNT];
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        int words = match_words(&commands[i], argc, argv);
        names[i] = commands[i].words;
        if (words > 0) {
            invocation->command = &commands[i];
            *ret_words = words;
            return 0;
        }
    }
    char given[64];
    bool is_pair = argc > 1 && argv[1][0] != '-';
    (void)snprintf(given, sizeof(given), "%s%s%s", argv[0], is_pair ? " " : "",
                   is_pair ? argv[1] : "");
    const char *nearest = berth_text_nearest(given, names, COMMAND_COUNT);
    if (!nearest)
        nearest = berth_text_nearest(argv[0], names, COMMAND_COUNT);
    if (nearest)
        return usage_error(err, NULL, "there is no command %s; did you mean %s?", given, nearest);
    return usage_error(err, NULL, "there is no command %s", given);
}

static int add_member(cJSON *request, const char *name, const char *value, struct berth_error *err)
{
    return cJSON_AddStringToObject(request, name, value) ? 0 : berth_error_nomem(err);
}

static int parse_option(struct invocation *invocation, char **argv, int argc, int *i,
                        struct berth_error *err)
{
    const char *name = argv[*i];
    bool is_config = strcmp(name, "--config") == 0;
    const struct cli_option *option = NULL;
    for (size_t n = 0; n < 3 && invocation->command->options[n].name; n++)
        if (strcmp(invocation->command->options[n].name, name) == 0)
            option = &invocation->command->options[n];
    if (!option && !is_config)
        return usage_error(err, invocation->command, "there is no option %s", name);
    if (option && !option->takes_value)
        return cJSON_AddTrueToObject(invocation->request, option->member) ? 0
                                                                          : berth_error_nomem(err);
    if (*i + 1 >= argc)
        return usage_error(err, invocation->command, "%s needs a value", name);
    const char *value = argv[++*i];
    if (is_config) {
        invocation->config = value;
        return 0;
    }
    if (berth_json_get(invocation->request, option->member))
        return usage_error(err, invocation->command, "%s is given twice", name);
    return add_member(invocation->request, option->member, value, err);
}

/* "user add" is "user-add" on the control socket. */
static int add_command_name(struct invocation *invocation, struct berth_error *err)
{
    char name[32];
    (void)snprintf(name, sizeof(name), "%s", invocation->command->words);
    for (char *space = name; (space = strchr(space, ' '));)
        *space = '-';
    return add_member(invocation->request, "command", name, err);
}

static int parse(struct invocation *invocation, int argc, char **argv, struct berth_error *err)
{
    int first = 0;
    size_t count = 0;
    int r = find_command(invocation, argc, argv, &first, err);
    if (r == 0)
        r = add_command_name(invocation, err);
    const struct cli_command *command = invocation->command;
    bool only_args = false;
    for (int i = first; r == 0 && i < argc; i++) {
        if (!only_args && strcmp(argv[i], "--") == 0)
            only_args = true;
        else if (!only_args && strncmp(argv[i], "--", 2) == 0)
            r = parse_option(invocation, argv, argc, &i, err);
        else if (count < 4 && command->args[count])
            r = add_member(invocation->request, command->args[count++], argv[i], err);
        else
            r = usage_error(err, command, "%s is one argument too many", argv[i]);
    }
    if (r < 0)
        return r;
    if (count < 4 && command->args[count])
        return usage_error(err, command, "an argument is missing");
    for (size_t n = 0; n < 3 && command->options[n].name; n++)
        if (command->options[n].required &&
            !berth_json_get(invocation->request, command->options[n].member))
            return usage_error(err, command, "%s is missing", command->options[n].name);
    return 0;
}

/* ---- Commands ---- */

static int run_serve(const struct invocation *invocation, struct berth_error *err)
{
    return berth_serve(invocation->config, err);
}

static int run_check_config(const struct invocation *invocation, struct berth_error *err)
{
    BERTH_CLEANUP(config) struct berth_config *config = NULL;
    int r = berth_config_load(invocation->config, &config, err);
    if (r == 0)
        printf("%s is valid: %zu facilit%s\n", config->path, config->facility_count,
               config->facility_count == 1 ? "y" : "ies");
    return r;
}

static int run_version(const struct invocation *invocation, struct berth_error *err)
{
    (void)invocation;
    (void)err;
    printf("berth %s\n", BERTH_VERSION);
    return 0;
}

/* With no gateway on the data directory, this process does what it would have done. */
static int run_here(const struct invocation *invocation, struct berth_config *config,
                    struct berth_strbuf *out, struct berth_error *err)
{
    static const struct berth_caller by = {.address = "command line"};
    BERTH_CLEANUP(berth) struct berth *berth = NULL;
    enum berth_open_mode mode =
        invocation->command->needs_engines ? BERTH_OPEN_ALL : BERTH_OPEN_PEOPLE;
    int r = berth_open(config, mode, &berth, err);
    return r == 0 ? berth_command_run(berth, &by, invocation->request, out, err) : r;
}

static int run_request(const struct invocation *invocation, struct berth_error *err)
{
    BERTH_CLEANUP(config) struct berth_config *config = NULL;
    BERTH_CLEANUP(strbuf) struct berth_strbuf out = BERTH_STRBUF_INIT(BERTH_COMMAND_OUTPUT_MAX);
    int r = berth_config_load(invocation->config, &config, err);
    if (r < 0)
        return r;
    berth_log_set_level(BERTH_LOG_WARNING);
    if (invocation->command->asks_password) {
        char *password = NULL;
        r = berth_prompt_password(berth_json_string(invocation->request, "name", ""), &password,
                                  err);
        if (r < 0)
            return r;
        r = add_member(invocation->request, "password", password, err);
        explicit_bzero(password, strlen(password));
        free(password);
    }
    if (r == 0)
        r = berth_control_ask(config->data_dir, invocation->request, &out, err);
    if (r == BERTH_E_UNREACHABLE)
        r = run_here(invocation, config, &out, err);
    if (r == 0)
        r = berth_strbuf_check(&out, err);
    if (r == 0)
        (void)fputs(berth_strbuf_str(&out), stdout);
    return r;
}

int berth_cli_run(int argc, char **argv)
{
    struct berth_error err = BERTH_ERROR_INIT;
    struct invocation invocation = {0};
    BERTH_CLEANUP(json) cJSON *request = cJSON_CreateObject();
    if (argc < 2) {
        print_help(stderr);
        return BERTH_EXIT_USAGE;
    }
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_help(stdout);
            return BERTH_EXIT_DONE;
        }
    }
    invocation.request = request;
    int code = BERTH_EXIT_USAGE;
    int r = request ? parse(&invocation, argc - 1, argv + 1, &err) : berth_error_nomem(&err);
    if (r == 0) {
        code = BERTH_EXIT_FAILED;
        r = invocation.command->run(&invocation, &err);
    }
    if (r == 0 && fflush(stdout) == 0)
        return BERTH_EXIT_DONE;
    (void)fprintf(stderr, "berth: %s\n", r < 0 ? err.message : "stdout cannot be written");
    if (r < 0 && err.detail[0])
        berth_log(BERTH_LOG_DEBUG, "%s", err.detail);
    return code;
}
