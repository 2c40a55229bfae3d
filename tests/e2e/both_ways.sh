#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# both_ways.sh (E11) - an application and its admin panel, each with a daemon: what changes on one side changes on the other, and comes to rest. Needs no disk.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=daemon.sh disable=SC2154
. "$(dirname "$0")/daemon.sh"

# side NAME [URL]: a folder with a database of enrollments and profiles (of its own, or that PostgreSQL database), its outbox, and receivers for the other side's events.
declare -A store=() prefix=()
tables='CREATE TABLE enrollments (id TEXT PRIMARY KEY, course TEXT, state TEXT, updated_at TEXT); CREATE TABLE profiles (id TEXT PRIMARY KEY, name TEXT)'
side() {
    mkdir "$1"
    store[$1]=${2:-sqlite:app.db} prefix[$1]=${2:+public.}
    [ -n "${2:-}" ] || sqlite3 "$1/app.db" 'PRAGMA journal_mode = wal' >/dev/null
    sql "$1" "$tables"
    configure "$1"
    (cd "$1" && status 0 lockstep outbox install "app.${prefix[$1]}enrollments" "app.${prefix[$1]}profiles")
}
# sql NAME STATEMENTS: as the application of that side.
sql() {
    case ${store[$1]} in
    sqlite:*) sqlite3 -cmd '.timeout 20000' "$1/app.db" "$2" ;;
    *) psql -qXAt "${store[$1]}" -c "$2" ;;
    esac
}
# configure NAME [PORT]: with PORT, what changes here goes to the daemon there. $forward: what comes is told on.
configure() {
    {
        echo 'state: sqlite:state.db'
        echo "stores: { app: \"${store[$1]}\" }"
        echo 'events: { outbox: [app], allow: [127.0.0.1] }'
        echo 'receivers:'
        echo "  enrollment-changed: { apply: app.${prefix[$1]}enrollments, secrets: [a-secret-of-both]${forward:-} }"
        echo "  profile-updated: { apply: app.${prefix[$1]}profiles, secrets: [a-secret-of-both]${forward:-} }"
        [ -z "${2:-}" ] || cat <<YAML
endpoints:
  enrollments: { url: "http://127.0.0.1:$2/api/webhooks/enrollment-changed", secret: a-secret-of-both, types: ["enrollment.*"], policy: fast }
  profiles: { url: "http://127.0.0.1:$2/api/webhooks/profile-updated", secret: a-secret-of-both, types: ["profile.*"], policy: fast }
YAML
    } >"$1/lockstep.yaml"
}
declare -A at=() process=() shell=()
kill_side() { # and waits until it is gone, so that its port is free
    kill -KILL "${process[$1]}"
    wait "${shell[$1]}" 2>/dev/null || true
}
start_side() { # start_side NAME: at a free port, and then at the same one again
    local folder=$1 listen=()
    [ -z "${at[$1]:-}" ] || listen=(--listen "127.0.0.1:${at[$1]}")
    pushd "$folder" >/dev/null || return 1
    serve "${listen[@]}"
    popd >/dev/null || return 1
    at[$1]=${url##*:} process[$1]=$daemon shell[$1]=$started
}
rows() { { sql "$1" 'SELECT id, course, state FROM enrollments ORDER BY id' && sql "$1" 'SELECT id, name FROM profiles ORDER BY id'; } | tr '\n' ' '; }
has() { [ "$(rows "$1")" = "$2" ] || { echo "$1 has $(rows "$1")"; return 1; }; }
# Whether nothing is on its way from a side: neither in its outbox nor in its queue.
at_rest() {
    (cd "$1" && lockstep outbox status app --json >status.out && jq -e '.waiting == 0' status.out >/dev/null) || return 1
    url=http://127.0.0.1:${at[$1]} asked GET /api/v1/queue '.pending + .processing + .waiting + .failed' 0
}
start_both() { # start_both [URL OF APP [URL OF PANEL]]
    side app "${1:-}"
    side panel "${2:-}"
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
    kill_side panel
    sqlite3 app/app.db "INSERT INTO enrollments VALUES ('e1', 'C1', 'active', '2026-01-31')" "UPDATE enrollments SET state = 'done'"
    sqlite3 panel/app.db "INSERT INTO profiles VALUES ('p1', 'Ann')" # its application is there without its daemon
    start_side panel
    until_true has panel 'e1|C1|done p1|Ann '
    until_true has app 'e1|C1|done p1|Ann '
}

# Two changes of a record, each before the other side knows of it: the later one counts on both sides, whichever comes first.
test_E11_of_two_changes_of_a_record_the_later_one_counts_on_both_sides() {
    start_both
    kill_side app
    kill_side panel
    sqlite3 app/app.db "INSERT INTO profiles VALUES ('p1', 'early'), ('p2', 'early'); INSERT INTO enrollments VALUES ('e1', 'early', '', ''), ('e2', 'early', '', '')"
    sqlite3 panel/app.db "INSERT INTO profiles VALUES ('p1', 'late'); INSERT INTO enrollments VALUES ('e1', 'late', '', ''), ('e2', 'late', '', ''); DELETE FROM enrollments WHERE id = 'e2'"
    sqlite3 app/app.db "UPDATE profiles SET name = 'latest' WHERE id = 'p1'"
    start_side app
    start_side panel
    until_true at_rest app
    until_true at_rest panel
    until_true has app 'e1|late| p1|latest p2|early '
    until_true has panel 'e1|late| p1|latest p2|early '
}

# A side whose clock is ahead: what its application and the other one change afterwards still counts, one after the other.
test_E11_a_clock_that_is_ahead_wins_nothing() {
    start_both
    sqlite3 app/app.db "INSERT INTO profiles VALUES ('p1', 'Ann')"
    until_true has panel 'p1|Ann '
    for db in app panel; do sqlite3 $db/app.db "UPDATE lockstep_outbox_times SET at = strftime('%Y-%m-%dT%H:%M:%fZ', at, '+200 seconds')"; done
    sqlite3 panel/app.db "UPDATE profiles SET name = 'Anne'"
    until_true has app 'p1|Anne '
    sqlite3 app/app.db "UPDATE profiles SET name = 'Anna'"
    until_true has panel 'p1|Anna '
}

# write_at_random NAME COUNT: what an application does, drawn by RANDOM. Few records, so that both sides change the same ones all the time.
write_at_random() {
    local i id what
    for i in $(seq 1 "$2"); do
        id=e$((RANDOM % 8)) what=$((RANDOM % 6))
        case $what in
        0) sql "$1" "DELETE FROM enrollments WHERE id = '$id'" ;;
        *) sql "$1" "INSERT INTO enrollments VALUES ('$id', '$1', '$i', '') ON CONFLICT (id) DO UPDATE SET course = excluded.course, state = excluded.state" ;;
        esac
        [ $((RANDOM % 4)) != 0 ] || sql "$1" "INSERT INTO profiles VALUES ('$1-$id', '$i') ON CONFLICT (id) DO UPDATE SET name = excluded.name" # of one side alone
    done
    touch "$1/written"
}
# Both applications write at random while the daemons are killed at random; then it comes to rest, and both sides hold the same.
at_random() {
    local seed=${LOCKSTEP_TEST_SEED:-$$} changes=${LOCKSTEP_TEST_CHANGES:-80} i one other
    RANDOM=$seed
    start_both "$@"
    (RANDOM=$seed && write_at_random app "$changes") >app.out 2>&1 &
    children+=($!)
    (RANDOM=$((seed + 1)) && write_at_random panel "$changes") >panel.out 2>&1 &
    children+=($!)
    for i in 1 2 3 4 5 6; do
        one=$([ $((RANDOM % 2)) = 0 ] && echo app || echo panel)
        sleep "0.$((RANDOM % 6))" # the moment of the kill, drawn
        kill_side "$one"
        start_side "$one"
    done
    patience=300 until_true [ -e app/written -a -e panel/written ] || die "seed $seed: $(cat app.out panel.out)"
    for i in 1 2; do # what is at rest here may have been on its way to there
        for one in app panel; do until_true at_rest "$one" >/dev/null || die "seed $seed: $one does not come to rest"; done
    done
    is "$(rows panel)" "$(rows app)" || die "seed $seed: the sides differ: $(rows app) / $(rows panel)"
    for one in app panel; do
        other=$([ $one = app ] && echo panel || echo app)
        i=$(sqlite3 $one/state.db 'SELECT count(*) FROM events')
        [ "$i" -le $((changes * ${most:-2})) ] || die "seed $seed: $i events of $changes changes: it goes round"
        is "$(sqlite3 $other/state.db 'SELECT count(*) FROM received')" "$i"
        [ "$(sqlite3 $other/state.db "SELECT count(*) FROM received WHERE state NOT IN (1, 2)")" = 0 ] || die "seed $seed: $(sqlite3 $other/state.db 'SELECT state, outcome FROM received')"
        [ -n "${forward:-}" ] || [ "$(sqlite3 $one/state.db "SELECT count(*) FROM events WHERE resource_id LIKE '$other%'")" = 0 ] || die "seed $seed: what came from $other went back"
    done
}
test_E11_whatever_is_written_and_killed_both_sides_hold_the_same_in_sqlite() { at_random; }
test_E11_whatever_is_written_and_killed_both_sides_hold_the_same_in_postgresql() { at_random "$(pg_database both_app)" "$(pg_database both_panel)"; }
test_E11_whatever_is_written_and_killed_both_sides_hold_the_same_between_postgresql_and_sqlite() { at_random "$(pg_database both_mixed)"; }
# Each change comes back to where it was made, as old as it was, and goes no further.
test_E11_two_sides_that_forward_come_to_rest_too() {
    local forward=', forward: true' most=4
    at_random
}

test_E11_a_chain_of_three_wants_the_one_in_the_middle_to_forward() {
    local forward
    for one in app panel archive; do side $one; done
    start_side archive
    forward=', forward: true' configure panel "${at[archive]}"
    start_side panel
    configure app "${at[panel]}"
    start_side app
    sqlite3 app/app.db "INSERT INTO enrollments VALUES ('e1', 'C1', '', ''), ('e2', 'C2', '', '')" "UPDATE enrollments SET state = 'done' WHERE id = 'e1'" "DELETE FROM enrollments WHERE id = 'e2'"
    until_true has archive 'e1|C1|done '
    for one in app panel; do until_true at_rest $one; done
    is "$(sqlite3 archive/state.db 'SELECT resource, type, at_us FROM received ORDER BY at_us, resource')" "$(sqlite3 panel/state.db 'SELECT resource, type, at_us FROM received ORDER BY at_us, resource')"
    is "$(sqlite3 archive/state.db 'SELECT count(*) FROM events')" 0
}

run_tests
