#!/bin/sh
# SPDX-License-Identifier: MIT
# The life of a MiniRun container as people type it (curl); each answer on a line of its own.
set -eu

# A word for the step, then what curl is given.
ask() {
    printf '%s ' "$1"
    shift
    curl --silent --show-error "$@"
    echo
}

curl -f -s -o /dev/null "$BERTH_URL/health" || exit 1
ask health "$BERTH_URL/health"
ask create -X POST "$BERTH_URL/containers" -H 'Content-Type: application/json' \
    -d '{"name":"shellapp","command":"/bin/sh"}'
ask again -X POST "$BERTH_URL/containers" -H 'Content-Type: application/json' \
    -d '{"name":"shellapp"}'
ask list "$BERTH_URL/containers"
ask one "$BERTH_URL/containers/shellapp"
ask start -X POST "$BERTH_URL/containers/shellapp/start"
ask delete -X DELETE "$BERTH_URL/containers/shellapp"
ask gone "$BERTH_URL/containers/shellapp"
