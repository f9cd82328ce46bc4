/* SPDX-License-Identifier: MIT */
/* What runs within containers: POSIX shell, tried with busybox's and with dash. */
#include "backends/engine/engine_exec.h"

/* Without a terminal it waits for a line before it becomes the process: the engine passes the two
 * streams on as they come, and what the process prints on the other could overtake the greeting. */
const char berth_engine_exec_starter[] =
    "[ \"$1\" = 0 ] || stty cols \"$1\" rows \"$2\" 2>/dev/null\n"
    "printf '\\001berth %s\\n' \"$$\"\n"
    "[ \"$1\" != 0 ] || read -r answer\n"
    "[ -z \"$3\" ] || cd -- \"$3\" 2>/dev/null\n"
    "shift 3\n"
    "[ $# -eq 0 ] || exec \"$@\"\n"
    "[ ! -x /bin/bash ] || exec /bin/bash\n"
    "exec /bin/sh\n";

/* members: who belongs to the process. Its fields of /proc/PID/stat are counted from what follows
 * the command's name, which may hold anything: state, parent, group, session, terminal, and the
 * terminal's foreground group. */
const char berth_engine_exec_keeper[] =
    "unset " BERTH_ENGINE_EXEC_KEEPER "\n"
    "mark=$1\n"
    "leader=\n"
    "members() {\n"
    "    for dir in /proc/[0-9]*; do\n"
    "        pid=${dir#/proc/}\n"
    "        stat=\n"
    "        read -r stat <\"$dir/stat\"\n"
    "        set -- ${stat##*) }\n"
    "        [ $# -gt 5 ] && [ \"$1\" != Z ] && [ \"$pid\" != $$ ] || continue\n"
    "        if [ \"$4\" = \"$leader\" ] || tr '\\0' '\\n' <\"$dir/environ\" |\n"
    "            grep -qx \"" BERTH_ENGINE_EXEC_MARK "=$mark\"; then\n"
    "            echo \"$pid\"\n"
    "        fi\n"
    "    done\n"
    "}\n"
    "deliver() {\n"
    "    read -r stat <\"/proc/$leader/stat\" || return\n"
    "    set -- \"$1\" ${stat##*) }\n"
    "    if [ \"$7\" -gt 0 ]; then kill -s \"$1\" -- \"-$7\"; else kill -s \"$1\" -- \"-$4\"; fi\n"
    "}\n"
    "while read -r word value; do\n"
    "    case $word in\n"
    "    leader) leader=$value ;;\n"
    "    end) break ;;\n"
    "    *) deliver \"$word\" ;;\n"
    "    esac\n"
    "done\n"
    "left=$(members)\n"
    "[ -z \"$left\" ] || { kill -s HUP $left; kill -s CONT $left; }\n"
    "for try in 1 2 3 4 5 6 7 8 9 10; do\n"
    "    left=$(members)\n"
    "    [ -n \"$left\" ] || exit 0\n"
    "    sleep 0.1 || sleep 1\n"
    "done\n"
    "for try in 1 2 3 4 5 6 7 8 9 10; do\n"
    "    kill -s KILL $left\n"
    "    left=$(members)\n"
    "    [ -n \"$left\" ] || exit 0\n"
    "done\n";
