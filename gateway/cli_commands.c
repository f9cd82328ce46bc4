/* SPDX-License-Identifier: MIT */
/* Every command with its arguments, and what help and manual say of it. */
#include "gateway/cli.h"
#include "gateway/cli_internal.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const since_words[] = {"hour", "day", "week", "month", NULL};
static const char *const format_words[] = {"text", "csv", "json", "html", NULL};

/* clang-format off */
const struct cli_command cli_commands[] = {
    {
        .words = "serve", .usage = "",
        .help = "run the gateway until SIGTERM",
        .examples = "berth serve\n"
                    "berth serve --config ./berth.conf",
        .run = cli_run_serve,
    },
    {
        .words = "agent",
        .usage = "[--listen ADDRESS:PORT] [--engine ENDPOINT] [--tls-ca FILE --tls-cert FILE --tls-key FILE]",
        .options = {{.name = "--listen", .member = "listen", .value = "ADDRESS:PORT",
                     .help = "where to listen; else 0.0.0.0:2378, all addresses of IPv4"},
                    {.name = "--engine", .member = "engine", .value = "ENDPOINT",
                     .help = "the node's engine; else unix:///var/run/docker.sock"},
                    {.name = "--tls-ca", .member = "tls_ca", .value = "FILE",
                     .help = "whose certificates are trusted; else the swarm's authority"},
                    {.name = "--tls-cert", .member = "tls_cert", .value = "FILE",
                     .help = "the node's certificate; else the one it has in the swarm"},
                    {.name = "--tls-key", .member = "tls_key", .value = "FILE",
                     .help = "the certificate's key"}},
        .help = "let the gateway into this node's apps, until SIGTERM",
        .examples = "berth agent\n"
                    "berth agent --listen 192.0.2.17:2378",
        .run = cli_run_agent,
    },
    {
        .words = "check-config", .usage = "",
        .help = "say whether the configuration is valid",
        .examples = "berth check-config\n"
                    "berth check-config --config ./berth.conf",
        .run = cli_run_check_config,
    },
    {
        .words = "version", .usage = "",
        .help = "print the version",
        .examples = "berth version",
        .run = cli_run_version,
    },
    {
        .words = "user add", .usage = "NAME [--gateway-admin]", .args = {"name"},
        .options = {{.name = "--gateway-admin", .member = "gateway_admin",
                     .help = "make the user admin of every facility, and of the gateway"}},
        .help = "add a user; the password is asked for, or read from stdin",
        .text = "A name consists of letters, digits, - and _, at most 64 of them, without -- in it or - in "
                "front. The password has 8 to 256 characters; from stdin it is one line. A new user has no "
                "role anywhere: berth user grant gives one.",
        .examples = "berth user add ana\n"
                    "berth user add chief --gateway-admin < password-file",
        .run = cli_run_request, .asks_password = true,
    },
    {
        .words = "user passwd", .usage = "NAME", .args = {"name"},
        .help = "set a user's password",
        .text = "The password is asked for on the terminal, or read as one line from stdin. The old one "
                "ends at once.",
        .examples = "berth user passwd ana",
        .run = cli_run_request, .asks_password = true,
    },
    {
        .words = "user remove", .usage = "NAME", .args = {"name"},
        .help = "remove a user; the name stays taken",
        .text = "The user's tokens end at once, apps stay. The name is not given to anybody again, who "
                "would inherit the apps.",
        .examples = "berth user remove ana",
        .run = cli_run_request,
    },
    {
        .words = "user list", .usage = "",
        .help = "list users and their roles",
        .examples = "berth user list",
        .run = cli_run_request,
    },
    {
        .words = "user grant", .usage = "NAME FACILITY ROLE", .args = {"name", "facility", "role"},
        .help = "give a role: viewer, researcher, operator or admin",
        .text = "A viewer reads its own apps, a researcher makes and operates its own apps, an operator "
                "operates all apps of the facility, an admin also approves images. A user has one role in a "
                "facility: the new one replaces the old.",
        .examples = "berth user grant ana demo researcher",
        .run = cli_run_request,
    },
    {
        .words = "user revoke", .usage = "NAME FACILITY", .args = {"name", "facility"},
        .help = "take the role back",
        .examples = "berth user revoke ana demo",
        .run = cli_run_request,
    },
    {
        .words = "token create", .usage = "NAME [--label TEXT] [--expires 90d] [--facility ID --role ROLE]",
        .args = {"name"},
        .options = {{.name = "--label", .member = "label", .value = "TEXT",
                     .help = "what it is for, at most 64 bytes"},
                    {.name = "--expires", .member = "expires", .value = "90d",
                     .help = "such as 12h, 90d (the default) or 4w, up to 3650d; or never"},
                    {.name = "--facility", .member = "facility", .value = "ID",
                     .help = "the one facility it is good for, together with --role"},
                    {.name = "--role", .member = "role", .value = "ROLE",
                     .help = "at most this role: viewer, researcher, operator or admin"}},
        .help = "make an API token and print it, this once",
        .text = "A program shows the token instead of a password (Authorization: Bearer TOKEN). It is "
                "stored as a digest, so it cannot be printed again. It may do what its user may, or with "
                "--facility and --role at most what that role may in that facility.",
        .examples = "berth token create ana --label notebook\n"
                    "berth token create ana --facility demo --role viewer --expires 30d",
        .run = cli_run_request,
    },
    {
        .words = "token list", .usage = "NAME", .args = {"name"},
        .help = "list a user's tokens",
        .text = "Id, label, scope, when it expires and when it was last used; never the token itself.",
        .examples = "berth token list ana",
        .run = cli_run_request,
    },
    {
        .words = "token revoke", .usage = "ID", .args = {"id"},
        .help = "end a token",
        .text = "ID is the number that berth token list shows. The token ends at once.",
        .examples = "berth token revoke 17",
        .run = cli_run_request,
    },
    {
        .words = "image list", .usage = "[--facility ID] [--state STATE]",
        .options = {{.name = "--facility", .member = "facility", .value = "ID",
                     .help = "of this facility alone"},
                    {.name = "--state", .member = "state", .value = "STATE",
                     .help = "pending, pulling, approved, rejected, failed or removed"}},
        .help = "list image requests",
        .examples = "berth image list\n"
                    "berth image list --facility demo --state pending",
        .run = cli_run_request, .needs_engines = true,
    },
    {
        .words = "image approve", .usage = "FACILITY IMAGE", .args = {"facility", "image"},
        .help = "approve an image, and pull it where it is not there",
        .text = "The image is pinned to the digest it has then: apps run exactly that one until it is "
                "approved anew. The command ends when the pull has.",
        .examples = "berth image approve demo jupyter/minimal-notebook:2024-01-15",
        .run = cli_run_request, .needs_engines = true,
    },
    {
        .words = "image reject", .usage = "FACILITY IMAGE --reason TEXT", .args = {"facility", "image"},
        .options = {{.name = "--reason", .member = "reason", .value = "TEXT", .required = true,
                     .help = "what whoever asked is told"}},
        .help = "reject a request",
        .examples = "berth image reject demo jupyter --reason \"use jupyter/minimal-notebook\"",
        .run = cli_run_request, .needs_engines = true,
    },
    {
        .words = "run", .usage = "FACILITY NAME", .args = {"facility", "name"},
        .help = "start a container of a rootfs facility, and attach this terminal to it",
        .examples = "berth run lab webapp\n"
                    "echo 'ls /' | berth run lab webapp",
        .run = cli_run_run, .needs_engines = true, .failure = BERTH_EXIT_NOT_RUN,
    },
    {
        .words = "report uptime",
        .usage = "--facility ID --since day|week|month [--format text|csv|json|html] [--output FILE]",
        .options = {{.name = "--facility", .member = "facility", .value = "ID", .required = true,
                     .help = "whose apps"},
                    {.name = "--since", .member = "since", .value = "WINDOW", .words = since_words,
                     .required = true, .help = "hour, day, week or month (31 days), until now"},
                    {.name = "--format", .member = "format", .value = "FORMAT", .words = format_words,
                     .help = "text (the default), csv, json or html"},
                    {.name = "--output", .member = "output", .value = "FILE",
                     .help = "write to FILE, as a whole or not at all, instead of to stdout"}},
        .help = "report how long apps ran, in text, csv, json or html",
        .text =
            "Per app: the share of the observed time in which it ran, the time observed, the time "
            "unknown, how often it was interrupted, its longest outage, when it was first and last "
            "seen, and the spans of each state. What berth could not see is unknown, never down.\n\n"
            "text has a bar per app: # running, - not running, + both, . unknown. csv has one row per "
            "app (RFC 4180), json the exact spans, html is one page that needs nothing else, with a "
            "chart per app. docs/reports.md lists columns and members.\n\n"
            "FILE is made with mode 0640, less the umask, beside its final place and renamed to it "
            "when it is complete; a link is replaced, not followed.",
        .examples = "berth report uptime --facility demo --since week\n"
                    "berth report uptime --facility demo --since month \\\n"
                    "    --format html --output /var/lib/berth/reports/demo.html",
        .run = cli_run_request,
    },
    {
        .words = "store copy", .usage = "--from STORE --to STORE [--replace]",
        .options = {{.name = "--from", .member = "from", .value = "STORE", .required = true,
                     .help = "what is copied; it stays as it is"},
                    {.name = "--to", .member = "to", .value = "STORE", .required = true,
                     .help = "where to; a file is made where there is none"},
                    {.name = "--replace", .member = "replace",
                     .help = "delete first what the target holds"}},
        .help = "copy everything from one store into another",
        .text =
            "STORE is the path of a database of SQLite (data_dir/berth.db), or a connection string of "
            "PostgreSQL (host=db dbname=berth user=berth, or postgresql://berth@db/berth; PGPASSWORD "
            "keeps the password off the command line). Users with their password hashes, roles, "
            "tokens, image requests, uptime, the audit and kept answers are copied with their ids, "
            "then read back and compared by number and digest, in one transaction: a copy that fails "
            "leaves the target as it was.\n\n"
            "No gateway may run on the target, nor on a source that is a file.",
        .examples = "berth store copy --from /var/lib/berth/berth.db \\\n"
                    "    --to 'host=db dbname=berth user=berth'",
        .run = cli_run_store_copy,
    },
    {
        .words = "store import-minirun", .usage = "DIR [--facility ID] [--user NAME]", .args = {"dir"},
        .options = {{.name = "--facility", .member = "facility", .value = "ID",
                     .help = "where to, if there are several facilities with backend = rootfs"},
                    {.name = "--user", .member = "user", .value = "NAME",
                     .help = "whose the containers are to be; else admin's"}},
        .help = "take over the containers of a MiniRun server",
        .text =
            "DIR is where the server ran, or its folder containers: each file of it whose name ends in .json "
            "is a container. Name, root file system, command and time of creation are kept. None runs "
            "then, whatever its file says. A root file system must be beneath those of the facility.\n\n"
            "A file that is refused is named on stderr with the reason, and the others are taken over. "
            "A container whose name is taken is skipped, so that the command may be given again. "
            "Nothing in DIR is changed.",
        .examples = "berth store import-minirun /home/user/container-project/orchestrator\n"
                    "berth store import-minirun ./containers --facility lab --user ana",
        .run = cli_run_store_import_minirun, .needs_engines = true,
    },
};

const struct cli_topic cli_topics[] = {
    {
        .word = "serve",
        .help = "run the gateway",
        .text =
            "Serves the facilities of the configuration until SIGTERM or SIGINT. With no user at all, "
            "the first start makes the gateway administrator admin and prints its password, once. What "
            "is wrong with the configuration stops the start, with file and line. Stopping or "
            "restarting the gateway never stops an app. SIGHUP reads the configuration anew; a bad one "
            "changes nothing.",
        .environment = "APP_USER, APP_PASS\ta gateway administrator that is made sure of at every start\n"
                       "DEFAULT_USER_UID, TLS_CERT_PATH, TLS_KEY_PATH\tsee berth.conf(5)\n"
                       "TZ\tthe zone of times in answers; /etc/localtime where it is not set",
        .files = "/etc/berth/facilities.d/*.conf\tfurther facilities, read after the configuration\n"
                 "/etc/berth/.env\tvariables beside the configuration\n"
                 "/var/lib/berth/logs/actions.jsonl\tthe log of actions",
    },
    {
        .word = "agent",
        .help = "let the gateway into a node's apps",
        .text =
            "Runs on a node of a Docker swarm and lets the gateway read what the swarm's managers do not "
            "know: the containers of berth's apps there, their use of resources, their logs, and what "
            "becomes of them. It also lets it run processes in these containers, as their own user. It "
            "lets nothing else through.\n\n"
            "Both sides show a certificate. By default they are those that the swarm gave to its nodes: "
            "the agent shows its node's, and takes none but a manager's of the same swarm. They are "
            "renewed by the swarm, and read anew when they change. With certificates of your own "
            "(--tls-ca, --tls-cert, --tls-key: all three), the agent takes every certificate for "
            "clients of that authority. It never listens without TLS.\n\n"
            "The agent reads no configuration. In the gateway's, node.* = agent names it. SIGHUP looks "
            "for new certificates at once.",
        .files = "/var/run/docker.sock\tthe engine\n"
                 "/var/lib/docker/swarm/certificates\tthe node's certificate, as the swarm keeps it",
    },
    {
        .word = "check-config",
        .help = "check the configuration",
        .text = "Reads the configuration as berth serve does, starts nothing, and says whether it is "
                "valid. What is wrong is named with file, line and the nearest known key.",
        .files = "/etc/berth/facilities.d/*.conf\tfurther facilities, read after the configuration",
    },
    {
        .word = "version",
        .help = "print the version",
        .text = "Prints the word berth and the version, as berth --version does. The configuration is not "
                "read.",
    },
    {
        .word = "user",
        .help = "manage users and their roles",
        .text = "Changes count at once, for requests under way too. Each is a row of the audit in the store.",
    },
    {
        .word = "token",
        .help = "manage API tokens",
        .text = "Tokens are what programs show instead of a password.",
    },
    {
        .word = "image",
        .help = "approve and reject images",
        .text = "In a facility with image_policy = approval, apps are made from approved images alone. An "
                "IMAGE is a reference such as jupyter, team/tool:1.2 or registry.example.org/tool; without "
                "a tag it is latest.",
    },
    {
        .word = "run",
        .help = "attach a terminal to a container",
        .text =
            "NAME is a container of a facility with backend = rootfs. It is started, unless it runs already, and "
            "its terminal becomes this one: keys, size and signals are the container's, Ctrl-C too. Output "
            "of before is not shown, but for what it has printed since it was started here. Ctrl-P "
            "Ctrl-Q detaches and leaves it running, and so does a terminal that is closed; the command "
            "attaches again. The container does not depend on the gateway: both may be restarted "
            "under it.\n\n"
            "Where standard input is no terminal, it is the container's input, and its end is sent as "
            "Ctrl-D, which ends a shell.\n\n"
            "SIGINT, SIGQUIT, SIGTERM, SIGUSR1 and SIGUSR2 are passed on to what runs in the foreground "
            "of the container's terminal. Root is needed.",
        .exit_status = "N\tof the container, 128 and the signal's number where a signal ended it\n"
                       "0\talso after detaching\n"
                       "2\talso for wrong usage\n"
                       "125\tberth itself failed; why is one line on stderr",
    },
    {
        .word = "report",
        .help = "report on what apps did",
        .text = "Made for cron: see scripts/berth-report.cron in the sources.",
        .environment = "TZ\tthe zone of times, where no gateway runs that has its own",
    },
    {
        .word = "store",
        .help = "move what berth keeps",
        .text =
            "What berth keeps is in a database of SQLite below data_dir, or in PostgreSQL where the "
            "configuration says so.",
        .files = "/var/lib/berth/berth.db\tthe embedded store",
    },
};
/* clang-format on */

const size_t cli_command_count = COUNT(cli_commands);
const size_t cli_topic_count = COUNT(cli_topics);

const struct cli_option cli_common_options[] = {
    {.name = "--config",
     .value = "FILE",
     .help = "the configuration; else $BERTH_CONFIG, else /etc/berth/berth.conf"},
    {.name = "--help", .help = "say how the command is used, and do nothing"},
};
const size_t cli_common_option_count = COUNT(cli_common_options);

const char cli_about[] =
    "berth is a gateway to the container hosts of research facilities. berth serve is the gateway; "
    "the "
    "other commands are the operator's tools. They talk to the gateway that runs on the same data "
    "directory, so that what they change counts at once; with none running they work on the store "
    "directly. Options are written --name VALUE or --name=VALUE; what follows -- is no option.";

const char cli_exit_status[] = "0\tdone\n"
                               "1\tit failed; why is one line on stderr\n"
                               "2\twrong usage";

const char cli_environment[] = "BERTH_CONFIG\tthe configuration where --config names none";

const char cli_files[] =
    "/etc/berth/berth.conf\tthe configuration, see berth.conf(5)\n"
    "/var/lib/berth\tdata_dir: the store, the control socket of a running gateway, logs";

bool cli_is_of_topic(const struct cli_command *command, const struct cli_topic *topic)
{
    size_t len = strlen(topic->word);
    return strncmp(command->words, topic->word, len) == 0 &&
           (command->words[len] == ' ' || command->words[len] == '\0');
}

const struct cli_topic *cli_find_topic(const char *word)
{
    for (size_t i = 0; i < cli_topic_count; i++)
        if (strcmp(cli_topics[i].word, word) == 0)
            return &cli_topics[i];
    return NULL;
}
