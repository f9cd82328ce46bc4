/* SPDX-License-Identifier: MIT */
/* The tables of commands as manual pages: the macros of man(7), no others. */
#include "gateway/cli_internal.h"

#include <string.h>

/* When the texts last changed in substance. */
#define MANUAL_DATE "2026-11-22"

/* Text as it is: no control line, no escape, and each '-' one to be typed. */
static void add_escaped(struct berth_strbuf *out, const char *text, size_t len)
{
    bool starts = out->len == 0 || out->data[out->len - 1] == '\n';
    for (size_t i = 0; i < len; i++) {
        if (starts && (text[i] == '.' || text[i] == '\''))
            berth_strbuf_adds(out, "\\&");
        starts = text[i] == '\n';
        if (text[i] == '\\')
            berth_strbuf_adds(out, "\\e");
        else if (text[i] == '-')
            berth_strbuf_adds(out, "\\-");
        else if (text[i] == '\'')
            berth_strbuf_adds(out, "\\(aq");
        else if (text[i] == '`')
            berth_strbuf_adds(out, "\\(ga");
        else
            berth_strbuf_addc(out, text[i]);
    }
}

static void adds_escaped(struct berth_strbuf *out, const char *text)
{
    add_escaped(out, text, strlen(text));
}

/* "--facility ID": what is typed as it is bold, what stands for something italic. */
static void add_synopsis(struct berth_strbuf *out, const char *text)
{
    while (*text) {
        size_t len = strcspn(text, " []|");
        bool stands_for =
            len > 0 && strcspn(text, "abcdefghijklmnopqrstuvwxyz") >= len && text[0] != '-';
        if (len > 0) {
            berth_strbuf_adds(out, stands_for ? "\\fI" : "\\fB");
            add_escaped(out, text, len);
            berth_strbuf_adds(out, "\\fR");
        } else {
            berth_strbuf_addc(out, *text);
            len = 1;
        }
        text += len;
    }
}

static void add_text(struct berth_strbuf *out, const char *text)
{
    while (text) {
        const char *next = strstr(text, "\n\n");
        berth_strbuf_adds(out, ".PP\n");
        add_escaped(out, text, next ? (size_t)(next - text) : strlen(text));
        berth_strbuf_addc(out, '\n');
        text = next ? next + 2 : NULL;
    }
}

/* The first paragraph of a section needs no .PP. */
static void add_first_text(struct berth_strbuf *out, const char *text)
{
    const char *next = strstr(text, "\n\n");
    add_escaped(out, text, next ? (size_t)(next - text) : strlen(text));
    berth_strbuf_addc(out, '\n');
    add_text(out, next ? next + 2 : NULL);
}

static void add_entries(struct berth_strbuf *out, const char *lines)
{
    while (lines && *lines) {
        size_t term = strcspn(lines, "\t");
        const char *text = lines + term + 1;
        size_t len = strcspn(text, "\n");
        berth_strbuf_adds(out, ".TP\n\\fB");
        add_escaped(out, lines, term);
        berth_strbuf_adds(out, "\\fR\n");
        add_escaped(out, text, len);
        berth_strbuf_addc(out, '\n');
        lines = text + len + (text[len] == '\n');
    }
}

static void add_option(struct berth_strbuf *out, const struct cli_option *option)
{
    berth_strbuf_adds(out, ".TP\n");
    add_synopsis(out, option->name);
    if (option->value) {
        berth_strbuf_adds(out, " \\fI");
        adds_escaped(out, option->value);
        berth_strbuf_adds(out, "\\fR");
    }
    berth_strbuf_addc(out, '\n');
    adds_escaped(out, option->help);
    berth_strbuf_addc(out, '\n');
}

static void add_examples(struct berth_strbuf *out, const char *lines)
{
    adds_escaped(out, lines);
    berth_strbuf_addc(out, '\n');
}

static void add_command_line(struct berth_strbuf *out, const struct cli_command *command)
{
    berth_strbuf_adds(out, "\\fBberth ");
    adds_escaped(out, command->words);
    berth_strbuf_adds(out, "\\fR");
    if (command->usage[0])
        berth_strbuf_addc(out, ' ');
    add_synopsis(out, command->usage);
    berth_strbuf_addc(out, '\n');
}

/* ---- Sections ---- */

static void add_head(struct berth_strbuf *out, const struct cli_topic *topic, const char *version)
{
    berth_strbuf_adds(out, ".\\\" Made by the build from gateway/cli_commands.c.\n.TH BERTH");
    for (const char *c = topic ? topic->word : ""; *c; c++) {
        if (c == topic->word)
            berth_strbuf_adds(out, "\\-");
        if (*c == '-')
            berth_strbuf_adds(out, "\\-");
        else
            berth_strbuf_addc(out, (char)(*c - 'a' + 'A'));
    }
    berth_strbuf_addf(out, " 1 \"" MANUAL_DATE "\" \"berth %s\" \"berth\"\n", version);
    /* No word is cut, lines are ragged: what is here is mostly to be typed. */
    berth_strbuf_adds(out, ".nh\n.ad l\n.SH NAME\nberth");
    if (topic)
        berth_strbuf_adds(out, "\\-");
    adds_escaped(out, topic ? topic->word : "");
    berth_strbuf_adds(out, " \\- ");
    adds_escaped(out,
                 topic ? topic->help : "a gateway to the container hosts of research facilities");
    berth_strbuf_adds(out, "\n.SH SYNOPSIS\n");
    if (!topic)
        berth_strbuf_adds(out, "\\fBberth\\fR \\fICOMMAND\\fR [\\fIARGUMENTS\\fR] "
                               "[\\fB\\-\\-config\\fR \\fIFILE\\fR]\n");
    bool first = true;
    for (size_t i = 0; topic && i < cli_command_count; i++) {
        if (!cli_is_of_topic(&cli_commands[i], topic))
            continue;
        if (!first)
            berth_strbuf_adds(out, ".br\n");
        add_command_line(out, &cli_commands[i]);
        first = false;
    }
}

static void add_all_commands(struct berth_strbuf *out)
{
    berth_strbuf_adds(out, ".SH COMMANDS\n");
    for (size_t i = 0; i < cli_topic_count; i++)
        for (size_t n = 0; n < cli_command_count; n++) {
            if (!cli_is_of_topic(&cli_commands[n], &cli_topics[i]))
                continue;
            berth_strbuf_adds(out, ".TP\n");
            add_command_line(out, &cli_commands[n]);
            adds_escaped(out, cli_commands[n].help);
            berth_strbuf_adds(out, ": see \\fBberth\\-");
            adds_escaped(out, cli_topics[i].word);
            berth_strbuf_adds(out, "\\fR(1)\n");
        }
}

/* Each command of a topic: what it does, its options. */
static void add_commands(struct berth_strbuf *out, const struct cli_topic *topic)
{
    berth_strbuf_adds(out, ".SH COMMANDS\n");
    for (size_t i = 0; i < cli_command_count; i++) {
        const struct cli_command *command = &cli_commands[i];
        if (!cli_is_of_topic(command, topic))
            continue;
        berth_strbuf_adds(out, ".SS ");
        adds_escaped(out, command->words);
        berth_strbuf_addf(out, "\n%c", command->help[0] - 'a' + 'A');
        adds_escaped(out, command->help + 1);
        berth_strbuf_adds(out, ".\n");
        add_text(out, command->text);
        for (size_t n = 0; n < CLI_OPTIONS_MAX && command->options[n].name; n++)
            add_option(out, &command->options[n]);
    }
}

static void add_all_examples(struct berth_strbuf *out, const struct cli_topic *topic)
{
    berth_strbuf_adds(out, ".SH EXAMPLES\n.nf\n");
    for (size_t i = 0; i < cli_command_count; i++)
        if (cli_is_of_topic(&cli_commands[i], topic))
            add_examples(out, cli_commands[i].examples);
    berth_strbuf_adds(out, ".fi\n");
}

static void add_see_also(struct berth_strbuf *out, const struct cli_topic *topic)
{
    berth_strbuf_adds(out, ".SH SEE ALSO\n");
    if (topic)
        berth_strbuf_adds(out, "\\fBberth\\fR(1),\n");
    for (size_t i = 0; i < cli_topic_count; i++) {
        if (&cli_topics[i] == topic)
            continue;
        berth_strbuf_adds(out, "\\fBberth\\-");
        adds_escaped(out, cli_topics[i].word);
        berth_strbuf_adds(out, "\\fR(1),\n");
    }
    berth_strbuf_adds(out, "\\fBberth.conf\\fR(5)\n");
}

void cli_manual_page(const struct cli_topic *topic, const char *version, struct berth_strbuf *out)
{
    add_head(out, topic, version);
    berth_strbuf_adds(out, ".SH DESCRIPTION\n");
    add_first_text(out, topic ? topic->text : cli_about);
    if (topic)
        add_commands(out, topic);
    else
        add_all_commands(out);
    berth_strbuf_adds(out, ".SH OPTIONS\n");
    for (size_t i = 0; i < cli_common_option_count; i++)
        add_option(out, &cli_common_options[i]);
    if (!topic)
        berth_strbuf_adds(out, ".TP\n\\fB\\-\\-version\\fR\nprint the version\n");
    berth_strbuf_adds(out, ".SH EXIT STATUS\n");
    add_entries(out, topic && topic->exit_status ? topic->exit_status : cli_exit_status);
    berth_strbuf_adds(out, ".SH ENVIRONMENT\n");
    add_entries(out, cli_environment);
    add_entries(out, topic ? topic->environment : NULL);
    berth_strbuf_adds(out, ".SH FILES\n");
    add_entries(out, cli_files);
    add_entries(out, topic ? topic->files : NULL);
    if (topic)
        add_all_examples(out, topic);
    add_see_also(out, topic);
}
