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

#define ARGS_MAX    4
#define OPTIONS_MAX 4

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
    const char *words;          /* "user add" */
    const char *args[ARGS_MAX]; /* members of the request, in order; all required */
    struct cli_option options[OPTIONS_MAX];
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
    {"token create", {"name"},
     {{"--label", "label", true, false}, {"--expires", "expires", true, false},
      {"--facility", "facility", true, false}, {"--role", "role", true, false}},
     "NAME [--label TEXT] [--expires 90d] [--facility ID --role ROLE]",
     "make an API token and print it, this once", run_request, false, false},
    {"token list", {"name"}, {{0}}, "NAME", "list a user's tokens", run_request, false, false},
    {"token revoke", {"id"}, {{0}}, "ID", "end a token", run_request, false, false},
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
        char line[96];
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

/* "add, passwd, remove": the second words of the commands that begin with the first. */
static size_t list_second_words(const char *first, char *list, size_t size)
{
    size_t used = 0;
    size_t len = strlen(first);
    for (size_t i = 0; i < COMMAND_COUNT && used < size; i++)
        if (strncmp(commands[i].words, first, len) == 0 && commands[i].words[len] == ' ')
            used += (size_t)snprintf(list + used, size - used, "%s%s", used ? ", " : "",
                                     commands[i].words + len + 1);
    return used;
}

static int unknown_command(int argc, char **argv, struct berth_error *err)
{
    const char *names[COMMAND_COUNT];
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        names[i] = commands[i].words;
    char given[64];
    bool is_pair = argc > 1 && argv[1][0] != '-';
    (void)snprintf(given, sizeof(given), "%s%s%s", argv[0], is_pair ? " " : "",
                   is_pair ? argv[1] : "");
    const char *nearest = berth_text_nearest(given, names, COMMAND_COUNT);
    char list[128];
    if (!nearest && list_second_words(argv[0], list, sizeof(list)) > 0)
        return usage_error(err, NULL, "%s needs one of %s", argv[0], list);
    if (!nearest)
        nearest = berth_text_nearest(argv[0], names, COMMAND_COUNT);
    if (nearest)
        return usage_error(err, NULL, "there is no command %s; did you mean %s?", given, nearest);
    return usage_error(err, NULL, "there is no command %s", given);
}

static int find_command(struct invocation *invocation, int argc, char **argv, int *ret_words,
                        struct berth_error *err)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        int words = match_words(&commands[i], argc, argv);
        if (words > 0) {
            invocation->command = &commands[i];
            *ret_words = words;
            return 0;
        }
    }
    return unknown_command(argc, argv, err);
}

static int add_member(cJSON *request, const char *name, const char *value, struct berth_error *err)
{
    return cJSON_AddStringToObject(request, name, value) ? 0 : berth_error_nomem(err);
}

static const struct cli_option *find_option(const struct cli_command *command, const char *name)
{
    static const struct cli_option config = {"--config", NULL, true, false};
    for (size_t i = 0; i < OPTIONS_MAX && command->options[i].name; i++)
        if (strcmp(command->options[i].name, name) == 0)
            return &command->options[i];
    return strcmp(name, config.name) == 0 ? &config : NULL;
}

static int unknown_option(const struct cli_command *command, const char *name,
                          struct berth_error *err)
{
    const char *names[OPTIONS_MAX + 1] = {"--config"};
    size_t count = 1;
    for (size_t i = 0; i < OPTIONS_MAX && command->options[i].name; i++)
        names[count++] = command->options[i].name;
    const char *nearest = berth_text_nearest(name, names, count);
    if (nearest)
        return usage_error(err, command, "there is no option %s; did you mean %s?", name, nearest);
    return usage_error(err, command, "there is no option %s", name);
}

/* "--name", "--name value" or "--name=value", at argv[*i]. */
static int parse_option(struct invocation *invocation, char **argv, int argc, int *i,
                        struct berth_error *err)
{
    const struct cli_command *command = invocation->command;
    char name[64];
    (void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(argv[*i], "="), argv[*i]);
    const char *value = strchr(argv[*i], '=');
    const struct cli_option *option = find_option(command, name);
    if (!option)
        return unknown_option(command, name, err);
    if (!option->takes_value && value)
        return usage_error(err, command, "%s takes no value", name);
    if (option->takes_value && !value && *i + 1 >= argc)
        return usage_error(err, command, "%s needs a value", name);
    if (option->member ? berth_json_get(invocation->request, option->member) != NULL
                       : invocation->config != NULL)
        return usage_error(err, command, "%s is given twice", name);
    if (!option->takes_value)
        return cJSON_AddTrueToObject(invocation->request, option->member) ? 0
                                                                          : berth_error_nomem(err);
    value = value ? value + 1 : argv[++*i];
    if (option->member)
        return add_member(invocation->request, option->member, value, err);
    invocation->config = value;
    return 0;
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
        else if (count < ARGS_MAX && command->args[count])
            r = add_member(invocation->request, command->args[count++], argv[i], err);
        else
            r = usage_error(err, command, "%s is one argument too many", argv[i]);
    }
    if (r < 0)
        return r;
    if (count < ARGS_MAX && command->args[count])
        return usage_error(err, command, "an argument is missing");
    for (size_t n = 0; n < OPTIONS_MAX && command->options[n].name; n++)
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

/* What the backend has to say of its engine, a line each. */
static int check_backend(const struct berth_facility_config *facility, struct berth_error *err)
{
    const struct berth_backend_ops *ops = berth_backend_find(facility->backend);
    BERTH_CLEANUP(strbuf) struct berth_strbuf notes = BERTH_STRBUF_INIT(65536);
    if (!ops || !ops->check)
        return 0;
    int r = ops->check(&facility->engine, &notes, err);
    if (r < 0)
        return berth_error_wrap(err, "facility %s", facility->id);
    const char *line = berth_strbuf_str(&notes);
    while (*line) {
        int len = (int)strcspn(line, "\n");
        printf("facility %s: %.*s\n", facility->id, len, line);
        line += len + 1;
    }
    return 0;
}

static int run_check_config(const struct invocation *invocation, struct berth_error *err)
{
    BERTH_CLEANUP(config) struct berth_config *config = NULL;
    int r = berth_config_load(invocation->config, &config, err);
    for (size_t i = 0; r == 0 && i < config->facility_count; i++)
        r = check_backend(&config->facilities[i], err);
    if (r == 0) {
        berth_config_warn(config);
        printf("%s is valid: %zu facilit%s\n", config->path, config->facility_count,
               config->facility_count == 1 ? "y" : "ies");
    }
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
    BERTH_CLEANUP(fd) int fd = -1;
    if (r == 0)
        r = berth_control_connect(config->data_dir, &fd, err);
    if (r == 0)
        r = berth_control_ask(fd, invocation->request, &out, err);
    else if (r == BERTH_E_UNREACHABLE)
        r = run_here(invocation, config, &out, err);
    if (r == 0)
        r = berth_strbuf_check(&out, err);
    if (r == 0)
        (void)fputs(berth_strbuf_str(&out), stdout);
    return r;
}

static bool asks_for_help(int argc, char **argv)
{
    if (strcmp(argv[1], "help") == 0)
        return true;
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

static int run(struct invocation *invocation, int argc, char **argv, struct berth_error *err)
{
    if (argc == 2 && strcmp(argv[1], "--version") == 0)
        return run_version(invocation, err) == 0 ? BERTH_EXIT_DONE : BERTH_EXIT_FAILED;
    if (!invocation->request) {
        (void)berth_error_nomem(err);
        return BERTH_EXIT_FAILED;
    }
    if (parse(invocation, argc - 1, argv + 1, err) < 0)
        return BERTH_EXIT_USAGE;
    return invocation->command->run(invocation, err) == 0 ? BERTH_EXIT_DONE : BERTH_EXIT_FAILED;
}

int berth_cli_run(int argc, char **argv)
{
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_CLEANUP(json) cJSON *request = cJSON_CreateObject();
    struct invocation invocation = {.request = request};
    if (argc < 2) {
        print_help(stderr);
        return BERTH_EXIT_USAGE;
    }
    int code = BERTH_EXIT_DONE;
    if (asks_for_help(argc, argv))
        print_help(stdout);
    else
        code = run(&invocation, argc, argv, &err);
    if (fflush(stdout) != 0 && code == BERTH_EXIT_DONE) {
        code = BERTH_EXIT_FAILED;
        (void)berth_error_set(&err, BERTH_E_IO, "stdout cannot be written");
    }
    if (code != BERTH_EXIT_DONE)
        (void)fprintf(stderr, "berth: %s\n", err.message);
    if (err.detail[0])
        berth_log(BERTH_LOG_DEBUG, "%s", err.detail);
    return code;
}
