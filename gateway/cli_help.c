/* SPDX-License-Identifier: MIT */
/* The tables of commands as text for a terminal. */
#include "gateway/cli_internal.h"

#include <string.h>

#define WIDTH 80

/* Up to the next space, none of those within brackets. */
static size_t word_length(const char *text, const char *end)
{
    size_t len = 0;
    int depth = 0;
    for (; text + len < end && (text[len] != ' ' || depth > 0); len++)
        depth += (text[len] == '[') - (text[len] == ']');
    return len;
}

/* Words of the text, wrapped; the first line begins at column `at`, the others are indented. */
static void add_wrapped(struct berth_strbuf *out, const char *text, size_t len, size_t at,
                        size_t indent)
{
    const char *end = text + len;
    bool first = true;
    while (text < end) {
        size_t word = word_length(text, end);
        if (!first && at + 1 + word > WIDTH) {
            berth_strbuf_addf(out, "\n%*s", (int)indent, "");
            at = indent;
        } else if (!first) {
            berth_strbuf_addc(out, ' ');
            at++;
        }
        berth_strbuf_add(out, text, word);
        at += word;
        first = false;
        text += word;
        while (text < end && *text == ' ')
            text++;
    }
    berth_strbuf_addc(out, '\n');
}

/* Paragraphs, parted by an empty line. */
static void add_text(struct berth_strbuf *out, const char *text)
{
    while (text) {
        const char *next = strstr(text, "\n\n");
        berth_strbuf_addc(out, '\n');
        add_wrapped(out, text, next ? (size_t)(next - text) : strlen(text), 0, 0);
        text = next ? next + 2 : NULL;
    }
}

#define TERM_WIDTH 24

static void add_entry(struct berth_strbuf *out, const char *term, size_t term_len, const char *text,
                      size_t text_len)
{
    berth_strbuf_addf(out, "  %.*s", (int)term_len, term);
    if (term_len + 4 > TERM_WIDTH)
        berth_strbuf_addf(out, "\n%*s", TERM_WIDTH, "");
    else
        berth_strbuf_addf(out, "%*s", (int)(TERM_WIDTH - term_len - 2), "");
    add_wrapped(out, text, text_len, TERM_WIDTH, TERM_WIDTH);
}

/* Lines "TERM\tTEXT"; NULL is none. */
static void add_entries(struct berth_strbuf *out, const char *lines)
{
    while (lines && *lines) {
        size_t term = strcspn(lines, "\t");
        const char *text = lines + term + 1;
        size_t len = strcspn(text, "\n");
        add_entry(out, lines, term, text, len);
        lines = text + len + (text[len] == '\n');
    }
}

static void add_option(struct berth_strbuf *out, const struct cli_option *option)
{
    char term[64];
    int len = snprintf(term, sizeof(term), "%s%s%s", option->name, option->value ? " " : "",
                       option->value ? option->value : "");
    add_entry(out, term, (size_t)len, option->help, strlen(option->help));
}

static void add_common_options(struct berth_strbuf *out)
{
    for (size_t i = 0; i < cli_common_option_count; i++)
        add_option(out, &cli_common_options[i]);
}

static void add_examples(struct berth_strbuf *out, const char *lines)
{
    while (*lines) {
        size_t len = strcspn(lines, "\n");
        berth_strbuf_addf(out, "  %.*s\n", (int)len, lines);
        lines += len + (lines[len] == '\n');
    }
}

static void add_surroundings(struct berth_strbuf *out, const struct cli_topic *topic)
{
    berth_strbuf_adds(out, "\nExit status:\n");
    add_entries(out, topic && topic->exit_status ? topic->exit_status : cli_exit_status);
    berth_strbuf_adds(out, "\nEnvironment:\n");
    add_entries(out, cli_environment);
    add_entries(out, topic ? topic->environment : NULL);
    berth_strbuf_adds(out, "\nFiles:\n");
    add_entries(out, cli_files);
    add_entries(out, topic ? topic->files : NULL);
}

#define USAGE_WIDTH 7 /* "usage: " */

static void add_usage(struct berth_strbuf *out, const char *lead, const struct cli_command *command)
{
    berth_strbuf_addf(out, "%-*sberth %s ", USAGE_WIDTH, lead, command->words);
    size_t indent = USAGE_WIDTH + strlen("berth  ") + strlen(command->words);
    add_wrapped(out, command->usage, strlen(command->usage), indent, indent);
    if (!command->usage[0]) { /* nothing follows the words */
        berth_strbuf_truncate(out, out->len - strlen(" \n"));
        berth_strbuf_addc(out, '\n');
    }
}

void cli_help_all(struct berth_strbuf *out)
{
    berth_strbuf_adds(out, "usage: berth COMMAND [ARGUMENTS] [--config FILE]\n");
    add_text(out, cli_about);
    berth_strbuf_adds(out, "\nCommands:\n");
    for (size_t i = 0; i < cli_command_count; i++) {
        const struct cli_command *command = &cli_commands[i];
        add_entry(out, command->words, strlen(command->words), command->help,
                  strlen(command->help));
    }
    berth_strbuf_adds(out, "\nberth COMMAND --help says more of one, man berth-user of those on "
                           "users.\n\nOptions:\n");
    add_common_options(out);
    add_entry(out, "--version", strlen("--version"), "print the version",
              strlen("print the version"));
    add_surroundings(out, NULL);
}

void cli_help_topic(const struct cli_topic *topic, struct berth_strbuf *out)
{
    const char *lead = "usage:";
    for (size_t i = 0; i < cli_command_count; i++) {
        if (!cli_is_of_topic(&cli_commands[i], topic))
            continue;
        add_usage(out, lead, &cli_commands[i]);
        lead = "";
    }
    add_text(out, topic->text);
    berth_strbuf_adds(out, "\nCommands:\n");
    for (size_t i = 0; i < cli_command_count; i++) {
        const struct cli_command *command = &cli_commands[i];
        if (cli_is_of_topic(command, topic))
            add_entry(out, command->words, strlen(command->words), command->help,
                      strlen(command->help));
    }
    berth_strbuf_addf(out, "\nberth %s COMMAND --help says more of one.\n\nOptions:\n",
                      topic->word);
    add_common_options(out);
    add_surroundings(out, topic);
}

void cli_help_command(const struct cli_command *command, struct berth_strbuf *out)
{
    char word[32];
    (void)snprintf(word, sizeof(word), "%.*s", (int)strcspn(command->words, " "), command->words);
    const struct cli_topic *topic = cli_find_topic(word);
    add_usage(out, "usage:", command);
    berth_strbuf_addf(out, "\n%c%s.\n", command->help[0] - 'a' + 'A', command->help + 1);
    if (topic && strcmp(command->words, word) == 0)
        add_text(out, topic->text);
    if (command->text)
        add_text(out, command->text);
    berth_strbuf_adds(out, "\nOptions:\n");
    for (size_t i = 0; i < CLI_OPTIONS_MAX && command->options[i].name; i++)
        add_option(out, &command->options[i]);
    add_common_options(out);
    berth_strbuf_adds(out, "\nExamples:\n");
    add_examples(out, command->examples);
    add_surroundings(out, topic);
}
