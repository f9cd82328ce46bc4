/* SPDX-License-Identifier: MIT */
#include "gateway/cli.h"

#include "base/log.h"
#include "base/text.h"
#include "gateway/cli_internal.h"

#include <string.h>

#define HELP_MAX     (1U << 16)
#define COMMANDS_MAX 64

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
    for (size_t i = 0; i < cli_command_count && used < size; i++)
        if (strncmp(cli_commands[i].words, first, len) == 0 && cli_commands[i].words[len] == ' ')
            used += (size_t)snprintf(list + used, size - used, "%s%s", used ? ", " : "",
                                     cli_commands[i].words + len + 1);
    return used;
}

static int unknown_command(int argc, char **argv, struct berth_error *err)
{
    const char *names[COMMANDS_MAX];
    for (size_t i = 0; i < cli_command_count; i++)
        names[i] = cli_commands[i].words;
    char given[64];
    bool is_pair = argc > 1 && argv[1][0] != '-';
    (void)snprintf(given, sizeof(given), "%s%s%s", argv[0], is_pair ? " " : "",
                   is_pair ? argv[1] : "");
    const char *nearest = berth_text_nearest(given, names, cli_command_count);
    char list[128];
    if (!nearest && list_second_words(argv[0], list, sizeof(list)) > 0)
        return usage_error(err, NULL, "%s needs one of %s", argv[0], list);
    if (!nearest)
        nearest = berth_text_nearest(argv[0], names, cli_command_count);
    if (nearest)
        return usage_error(err, NULL, "there is no command %s; did you mean %s?", given, nearest);
    return usage_error(err, NULL, "there is no command %s", given);
}

static int find_command(struct cli_invocation *invocation, int argc, char **argv, int *ret_words,
                        struct berth_error *err)
{
    for (size_t i = 0; i < cli_command_count; i++) {
        int words = match_words(&cli_commands[i], argc, argv);
        if (words > 0) {
            invocation->command = &cli_commands[i];
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
    const struct cli_option *config = &cli_common_options[0];
    for (size_t i = 0; i < CLI_OPTIONS_MAX && command->options[i].name; i++)
        if (strcmp(command->options[i].name, name) == 0)
            return &command->options[i];
    return strcmp(name, config->name) == 0 ? config : NULL;
}

static int unknown_option(const struct cli_command *command, const char *name,
                          struct berth_error *err)
{
    const char *names[CLI_OPTIONS_MAX + 1] = {"--config"};
    size_t count = 1;
    for (size_t i = 0; i < CLI_OPTIONS_MAX && command->options[i].name; i++)
        names[count++] = command->options[i].name;
    const char *nearest = berth_text_nearest(name, names, count);
    if (nearest)
        return usage_error(err, command, "there is no option %s; did you mean %s?", name, nearest);
    return usage_error(err, command, "there is no option %s", name);
}

static int check_word(const struct cli_command *command, const struct cli_option *option,
                      const char *value, struct berth_error *err)
{
    char list[128];
    size_t used = 0;
    size_t count = 0;
    for (; option->words[count]; count++) {
        if (strcmp(option->words[count], value) == 0)
            return 0;
        if (used < sizeof(list))
            used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", count ? ", " : "",
                                     option->words[count]);
    }
    const char *nearest = berth_text_nearest(value, option->words, count);
    if (nearest)
        return usage_error(err, command, "%s cannot be %s; did you mean %s?", option->name, value,
                           nearest);
    return usage_error(err, command, "%s must be one of %s", option->name, list);
}

/* "--name", "--name value" or "--name=value", at argv[*i]. */
static int parse_option(struct cli_invocation *invocation, char **argv, int argc, int *i,
                        struct berth_error *err)
{
    const struct cli_command *command = invocation->command;
    char name[64];
    (void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(argv[*i], "="), argv[*i]);
    const char *value = strchr(argv[*i], '=');
    const struct cli_option *option = find_option(command, name);
    if (!option)
        return unknown_option(command, name, err);
    if (!option->value && value)
        return usage_error(err, command, "%s takes no value", name);
    if (option->value && !value && *i + 1 >= argc)
        return usage_error(err, command, "%s needs a value", name);
    if (option->member ? berth_json_get(invocation->request, option->member) != NULL
                       : invocation->config != NULL)
        return usage_error(err, command, "%s is given twice", name);
    if (!option->value)
        return cJSON_AddTrueToObject(invocation->request, option->member) ? 0
                                                                          : berth_error_nomem(err);
    value = value ? value + 1 : argv[++*i];
    if (option->words) {
        int r = check_word(command, option, value, err);
        if (r < 0)
            return r;
    }
    if (option->member)
        return add_member(invocation->request, option->member, value, err);
    invocation->config = value;
    return 0;
}

/* "user add" is "user-add" on the control socket. */
static int add_command_name(struct cli_invocation *invocation, struct berth_error *err)
{
    char name[32];
    (void)snprintf(name, sizeof(name), "%s", invocation->command->words);
    for (char *space = name; (space = strchr(space, ' '));)
        *space = '-';
    return add_member(invocation->request, "command", name, err);
}

static int parse(struct cli_invocation *invocation, int argc, char **argv, struct berth_error *err)
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
        else if (count < CLI_ARGS_MAX && command->args[count])
            r = add_member(invocation->request, command->args[count++], argv[i], err);
        else
            r = usage_error(err, command, "%s is one argument too many", argv[i]);
    }
    if (r < 0)
        return r;
    if (count < CLI_ARGS_MAX && command->args[count])
        return usage_error(err, command, "an argument is missing");
    for (size_t n = 0; n < CLI_OPTIONS_MAX && command->options[n].name; n++)
        if (command->options[n].required &&
            !berth_json_get(invocation->request, command->options[n].member))
            return usage_error(err, command, "%s is missing", command->options[n].name);
    return 0;
}

/* ---- Help ---- */

/* "berth help user add", "berth user add --help", "berth -h". */
static bool asks_for_help(int argc, char **argv)
{
    if (strcmp(argv[1], "help") == 0)
        return true;
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

/* On what the words before the first option name: a command, several, or all. */
static int add_help(int argc, char **argv, struct berth_strbuf *out, struct berth_error *err)
{
    int count = 0;
    while (count < argc && argv[count][0] != '-')
        count++;
    for (size_t i = 0; i < cli_command_count; i++)
        if (match_words(&cli_commands[i], count, argv) > 0) {
            cli_help_command(&cli_commands[i], out);
            return 0;
        }
    const struct cli_topic *topic = count == 1 ? cli_find_topic(argv[0]) : NULL;
    if (count > 0 && !topic)
        return unknown_command(count, argv, err);
    if (topic)
        cli_help_topic(topic, out);
    else
        cli_help_all(out);
    return berth_strbuf_check(out, err);
}

static int help(int argc, char **argv, struct berth_error *err)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf out = BERTH_STRBUF_INIT(HELP_MAX);
    bool is_word = strcmp(argv[1], "help") == 0;
    if (add_help(argc - 1 - is_word, argv + 1 + is_word, &out, err) < 0)
        return BERTH_EXIT_USAGE;
    (void)fputs(berth_strbuf_str(&out), stdout);
    return BERTH_EXIT_DONE;
}

static int run(struct cli_invocation *invocation, int argc, char **argv, struct berth_error *err)
{
    if (argc == 2 && strcmp(argv[1], "--version") == 0)
        return cli_run_version(invocation, err) == 0 ? BERTH_EXIT_DONE : BERTH_EXIT_FAILED;
    if (!invocation->request) {
        (void)berth_error_nomem(err);
        return BERTH_EXIT_FAILED;
    }
    if (parse(invocation, argc - 1, argv + 1, err) < 0)
        return BERTH_EXIT_USAGE;
    int code = BERTH_EXIT_DONE;
    invocation->exit_code = &code;
    if (invocation->command->run(invocation, err) == 0) {
        *err = (struct berth_error)BERTH_ERROR_INIT; /* what was tried first may have left one */
        return code;
    }
    return invocation->command->failure ? invocation->command->failure : BERTH_EXIT_FAILED;
}

int berth_cli_run(int argc, char **argv)
{
    struct berth_error err = BERTH_ERROR_INIT;
    BERTH_CLEANUP(json) cJSON *request = cJSON_CreateObject();
    struct cli_invocation invocation = {.request = request};
    if (argc < 2) {
        (void)fputs("usage: berth COMMAND [ARGUMENTS] [--config FILE]; "
                    "berth --help lists the commands\n",
                    stderr);
        return BERTH_EXIT_USAGE;
    }
    int code =
        asks_for_help(argc, argv) ? help(argc, argv, &err) : run(&invocation, argc, argv, &err);
    if (fflush(stdout) != 0 && code == BERTH_EXIT_DONE) {
        code = BERTH_EXIT_FAILED;
        (void)berth_error_set(&err, BERTH_E_IO, "stdout cannot be written");
    }
    if (err.message[0])
        (void)fprintf(stderr, "berth: %s\n", err.message);
    if (err.detail[0])
        berth_log(BERTH_LOG_DEBUG, "%s", err.detail);
    return code;
}
