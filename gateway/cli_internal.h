/* SPDX-License-Identifier: MIT */
/*
 * The parts of the command line, for gateway/cli*.c and the program that
 * writes the manual (gateway/manual.c) alone. Parsing, usage errors, --help and
 * the manual pages are all made from the two tables of cli_commands.c.
 *
 * Threading: the main thread; the tables are const.
 */
#ifndef BERTH_GATEWAY_CLI_INTERNAL_H
#define BERTH_GATEWAY_CLI_INTERNAL_H

#include "gateway/commands.h"

#define CLI_ARGS_MAX    4
#define CLI_OPTIONS_MAX 5

struct cli_command;

/* What a command line was parsed into. */
struct cli_invocation {
    const struct cli_command *command;
    const char *config;
    cJSON *request; /* "command" and its arguments, for gateway/commands.h */
    int *exit_code; /* of a command that is done: 0, if it says nothing else */
};

struct cli_option {
    const char *name;         /* "--facility" */
    const char *member;       /* of the request; NULL: not of it */
    const char *value;        /* "ID", as it is shown; NULL: the option takes none */
    const char *const *words; /* what the value may be, NULL-terminated; NULL: anything */
    bool required;
    const char *help; /* what follows "--facility ID" in a list */
};

/* A text is paragraphs, parted by an empty line. */
struct cli_command {
    const char *words;              /* "user add" */
    const char *args[CLI_ARGS_MAX]; /* members of the request, in order; all required */
    struct cli_option options[CLI_OPTIONS_MAX];
    const char *usage;    /* what follows the words */
    const char *help;     /* one line */
    const char *text;     /* more of it */
    const char *examples; /* lines to type */
    int (*run)(const struct cli_invocation *invocation, struct berth_error *err);
    int failure; /* the exit code of failures; 0: BERTH_EXIT_FAILED */
    bool asks_password;
    bool needs_engines; /* with no gateway running, facilities must be opened */
};

/* The commands that share a first word, and a manual page. */
struct cli_topic {
    const char *word;
    const char *help; /* one line */
    const char *text;
    const char *environment; /* in addition to BERTH_CONFIG; NULL: nothing */
    const char *files;       /* in addition to the configuration; NULL: nothing */
    const char *exit_status; /* NULL: cli_exit_status */
};

/* ---- cli_commands.c ---- */

extern const struct cli_command cli_commands[];
extern const size_t cli_command_count;
extern const struct cli_topic cli_topics[];
extern const size_t cli_topic_count;
/* --config and --help, which all commands take. */
extern const struct cli_option cli_common_options[];
extern const size_t cli_common_option_count;

/* What every page says. */
extern const char cli_about[];
extern const char cli_exit_status[]; /* entries, as below */
extern const char cli_environment[];
extern const char cli_files[];
/* Entries are lines "TERM\tTEXT". */

/* True if the command's first word is the topic's. */
bool cli_is_of_topic(const struct cli_command *command, const struct cli_topic *topic);
/* Borrowed, or NULL. */
const struct cli_topic *cli_find_topic(const char *word);

/* ---- cli_request.c ---- */

/* Who carries requests out: the running gateway, or this process where none runs. */
struct cli_peer {
    struct berth_config *config; /* borrowed */
    enum berth_open_mode mode;   /* of what this process opens */
    int fd;                      /* to the gateway, for one request; -1: none */
    struct berth *berth;         /* NULL: not here */
};

#define CLI_PEER_INIT(of_config, open_mode)                                                        \
    {                                                                                              \
        .config = (of_config), .mode = (open_mode), .fd = -1                                       \
    }

void cli_peer_release(struct cli_peer *peer);
BERTH_DEFINE_CLEANUP_VALUE(cli_peer, struct cli_peer, cli_peer_release)

/* Before each request. A failure is nobody's who could carry it out. */
BERTH_MUST_CHECK int cli_reach(struct cli_peer *peer, struct berth_error *err);
BERTH_MUST_CHECK int cli_ask(struct cli_peer *peer, const cJSON *request,
                             struct berth_command_output *output, struct berth_error *err);
/* Both, for the command's one request. */
BERTH_MUST_CHECK int cli_carry_out(const struct cli_invocation *invocation,
                                   struct berth_config *config, struct berth_command_output *output,
                                   struct berth_error *err);
/* The same, and prints what there is to say. */
int cli_run_request(const struct cli_invocation *invocation, struct berth_error *err);
int cli_run_serve(const struct cli_invocation *invocation, struct berth_error *err);
int cli_run_agent(const struct cli_invocation *invocation, struct berth_error *err);
int cli_run_check_config(const struct cli_invocation *invocation, struct berth_error *err);
int cli_run_version(const struct cli_invocation *invocation, struct berth_error *err);

/* ---- cli_run.c ---- */

int cli_run_run(const struct cli_invocation *invocation, struct berth_error *err);

/* ---- cli_store.c ---- */

int cli_run_store_copy(const struct cli_invocation *invocation, struct berth_error *err);

/* ---- cli_import.c ---- */

int cli_run_store_import_minirun(const struct cli_invocation *invocation, struct berth_error *err);

/* ---- cli_help.c: text for people, 80 columns wide ---- */

void cli_help_all(struct berth_strbuf *out);
void cli_help_topic(const struct cli_topic *topic, struct berth_strbuf *out);
void cli_help_command(const struct cli_command *command, struct berth_strbuf *out);

/* ---- cli_manual.c: the same as man(7) ---- */

/* topic NULL: the page berth(1). */
void cli_manual_page(const struct cli_topic *topic, const char *version, struct berth_strbuf *out);

#endif
