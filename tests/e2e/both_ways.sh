#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# both_ways.sh (E11) - an application and its admin panel, each with a daemon: what changes on one side changes on the other, and comes to rest. Needs no disk.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=daemon.sh disable=SC2154
. "$(dirname "$0")/daemon.sh"

# side NAME: a folder with a database of enrollments and profiles, its outbox, and receivers for the other side's events.
side() {
    mkdir "$1"
    sqlite3 "$1/app.db" "PRAGMA journal_mode = wal; CREATE TABLE enrollments (id TEXT PRIMARY KEY, course TEXT, state TEXT, updated_at TEXT); CREATE TABLE profiles (id TEXT PRIMARY KEY, name TEXT)" >/dev/null
    configure "$1"
    (cd "$1" && status 0 lockstep outbox install app.enrollments app.profiles)
}
# configure NAME [PORT]: with PORT, what changes here goes to the daemon there.
configure() {
    {
        echo 'state: sqlite:state.db'
        echo 'stores: { app: sqlite:app.db }'
        echo 'events: { outbox: [app], allow: [127.0.0.1] }'
        echo 'receivers:'
        echo '  enrollment-changed: { apply: app.enrollments, secrets: [a-secret-of-both] }'
        echo '  profile-updated: { apply: app.profiles, secrets: [a-secret-of-both] }'
        [ -z "${2:-}" ] || cat <<YAML
endpoints:
  enrollments: { url: "http://127.0.0.1:$2/api/webhooks/enrollment-changed", secret: a-secret-of-both, types: ["enrollment.*"], policy: fast }
  profiles: { url: "http://127.0.0.1:$2/api/webhooks/profile-updated", secret: a-secret-of-both, types: ["profile.*"], policy: fast }
YAML
    } >"$1/lockstep.yaml"
}
declare -A at=() process=()
start_side() { # start_side NAME: at a free port, and then at the same one again
    local folder=$1 listen=()
    [ -z "${at[$1]:-}" ] || listen=(--listen "127.0.0.1:${at[$1]}")
    pushd "$folder" >/dev/null || return 1
    serve "${listen[@]}"
    popd >/dev/null || return 1
    at[$1]=${url##*:} process[$1]=$daemon
}
rows() { sqlite3 "$1/app.db" 'SELECT id, course, state FROM enrollments ORDER BY id' 'SELECT id, name FROM profiles ORDER BY id' | tr '\n' ' '; }
has() { [ "$(rows "$1")" = "$2" ] || { echo "$1 has $(rows "$1")"; return 1; }; }
# Whether nothing is on its way from a side: neither in its outbox nor in its queue.
at_rest() {
    (cd "$1" && lockstep outbox status app --json >status.out && jq -e '.waiting == 0' status.out >/dev/null) || return 1
    url=http://127.0.0.1:${at[$1]} asked GET /api/v1/queue '.pending + .processing + .waiting + .failed' 0
}
start_both() {
    side app
    side panel
    start_side panel
    configure app "${at[panel]}"
    start_side app
    configure panel "${at[app]}"
    url=http://127.0.0.1:${at[panel]} ask 202 POST /api/v1/settings/reload
    until_true names_both panel
}
names_both() { [ "$(cd "$1" && lockstep endpoints list --json | wc -l)" = 2 ]; }

test_E11_what_changes_on_one_side_changes_on_the_other_and_comes_to_rest() {
    start_both
    sqlite3 app/app.db "INSERT INTO enrollments VALUES ('e1', 'C1', 'active', '2026-01-31'), ('e2', 'C2', 'active', '2026-01-31'); INSERT INTO profiles VALUES ('p1', 'Ann')"
    until_true has panel 'e1|C1|active e2|C2|active p1|Ann '
    sqlite3 panel/app.db "UPDATE enrollments SET state = 'done' WHERE id = 'e1'; DELETE FROM enrollments WHERE id = 'e2'; UPDATE profiles SET name = 'Anne'"
    until_true has app 'e1|C1|done p1|Anne '
    until_true at_rest app
    until_true at_rest panel
    is "$(rows panel)" "$(rows app)"
    # Each change went over once, and what was applied there came back to nobody.
    is "$(sqlite3 app/state.db 'SELECT count(*) FROM events')" 3
    is "$(sqlite3 panel/state.db 'SELECT count(*) FROM events')" 3
    is "$(sqlite3 app/state.db 'SELECT count(*) FROM received') $(sqlite3 panel/state.db 'SELECT count(*) FROM received')" '3 3'
}

test_E11_what_changed_while_the_other_side_was_away_arrives_when_it_is_back() {
    start_both
    kill -KILL "${process[panel]}"
    sqlite3 app/app.db "INSERT INTO enrollments VALUES ('e1', 'C1', 'active', '2026-01-31')" "UPDATE enrollments SET state = 'done'"
    sqlite3 panel/app.db "INSERT INTO profiles VALUES ('p1', 'Ann')" # its application is there without its daemon
    start_side panel
    until_true has panel 'e1|C1|done p1|Ann '
    until_true has app 'e1|C1|done p1|Ann '
}

run_tests
