#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# runs.sh - runs followed live over HTTP: everything that happens, in order, to whoever listens, comes late or comes back.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=daemon.sh disable=SC2154
. "$(dirname "$0")/daemon.sh"

ask_with=(-H 'Content-Type: application/json')

# two_tables NAME: table a, most of it in b with other values, and the sync s from a to b, which waits for locks as long as it takes.
two_tables() {
    db=$(pg_database "$1")
    printf 'stores: { db: { url: "%s", lock_timeout: 60min } }\nsyncs: { s: { source: db.a, target: db.b } }\n' "$db" >lockstep.yaml
    pg "$db" -c "CREATE TABLE a (id int PRIMARY KEY, v text); CREATE TABLE b (LIKE a INCLUDING ALL);
        INSERT INTO a SELECT i, 'v' || i FROM generate_series(1, 300) i; INSERT INTO b SELECT id, 'old' || id FROM a WHERE id <= 200"
}
hold_a_record() { hold "$db" 'SELECT 1 FROM b WHERE id = 7 FOR UPDATE'; }

# follow FILE PATH [curl's arguments]: its stream into the file, in the background; $follower.
follow() {
    local file=$1 path=$2
    shift 2
    : >"$file"
    curl -sSN -o "$file" -H "Authorization: Bearer $LOCKSTEP_TOKEN" "$@" "$url$path" &
    follower=$!
    children+=("$follower")
    until_true grep -q '^retry' "$file"
}
# The messages of a stream, one a line: its number, event, data.
heard() { awk -F': ' '/^id: / { id = $2 } /^event: / { event = $2 } /^data: / { sub(/^data: /, ""); print id, event, $0 }' "$1"; }
events_of() { heard "$1" | cut -d' ' -f2; }
# Each has a number, and they grow.
in_order() { heard "$1" | awk '$1 !~ /^[0-9]+$/ || $1 <= last { exit 1 } { last = $1 } END { if (!NR) exit 1 }' || die "$1: $(heard "$1" | cut -c-60)"; }
# behind ID FILE: the messages after that one.
behind() { heard "$2" | awk -v id="$1" '$1 > id'; }

# start [BODY]: a run of s, whose id is in $run.
start() {
    ask 202 POST /api/v1/runs -d "${1:-{\"sync\":\"s\",\"force\":[\"all\"]\}}"
    run=$(jq -r .id answer)
}
until_end() { until_true asked GET "/api/v1/runs/$run" .status completed; }

test_everything_that_a_run_does_is_told_in_order() {
    two_tables told
    serve
    follow all '/api/v1/stream?events=run.'
    start
    until_true grep -q '^event: run.finished' all
    in_order all
    is "$(events_of all | head -n 2 | xargs)" 'run.queued run.started'
    is "$(events_of all | tail -n 1)" run.finished
    is "$(events_of all | sort -u | xargs)" 'run.finished run.log run.progress run.queued run.started'
    is "$(heard all | cut -d' ' -f3- | jq -r .id | sort -u)" "$run"
    is "$(heard all | grep ' run.progress ' | cut -d' ' -f3- | jq -r .phase | uniq | xargs)" 'detection repair verification'
    heard all | tail -n 1 | cut -d' ' -f3- | jq -S . >last
    ask 200 GET "/api/v1/runs/$run"
    jq -S . answer | diff - last >&2 || die 'the end is not what the run became'
    finish
}

test_who_comes_while_a_run_is_at_work_sees_how_far_it_is_and_then_its_end() {
    two_tables late
    serve
    hold_a_record
    follow all /api/v1/stream
    start
    until_true grep -q 'repair: 300 changes' all
    follow late "/api/v1/runs/$run/events"
    until_true grep -q '^event: run$' late
    is "$(heard late | head -n 1 | cut -d' ' -f3- | jq -r '"\(.id) \(.status) \(.progress.phase)"')" "$run running detection"
    let_go
    wait "$follower" || die "the stream did not end with the run" # by itself
    in_order late
    is "$(events_of late | tail -n 1)" run.finished
    from=$(heard late | head -n 1 | cut -d' ' -f1)
    is "$(heard late | tail -n +2)" "$(behind "$from" all)"
    finish
}

test_who_comes_back_is_told_what_was_missed() {
    two_tables back
    serve
    hold_a_record
    follow all /api/v1/stream
    start
    until_true grep -q 'repair: 300 changes' all
    first=$(heard all | head -n 1 | cut -d' ' -f1)
    follow back "/api/v1/runs/$run/events" -H "Last-Event-ID: $first"
    let_go
    wait "$follower" || die "the stream did not end with the run"
    is "$(heard back | head -n 1 | cut -d' ' -f1,2)" "$first run"
    is "$(heard back | tail -n +2)" "$(behind "$first" all)"
    # The run is over.
    for id in $(heard all | cut -d' ' -f1); do
        [ "$id" != "$(heard all | tail -n 1 | cut -d' ' -f1)" ] || break
        ask 200 GET "/api/v1/runs/$run/events" -H "Last-Event-ID: $id"
        is "$(heard answer)" "$(behind "$id" all)"
    done
    ask 204 GET "/api/v1/runs/$run/events" -H "Last-Event-ID: $id" # all of it has been heard
    is "$(cat answer)" ''
    ask 200 GET "/api/v1/runs/$run/events"
    is "$(heard answer)" "$(heard all | tail -n 1)"
    ask 200 GET "/api/v1/runs/$(jq -r .run <<<"$(heard answer | cut -d' ' -f3-)")/events" # by its number
    is "$(heard answer)" "$(heard all | tail -n 1)"
    finish
}

test_who_comes_back_with_a_number_that_is_not_known_is_told_so() {
    two_tables numbers
    serve
    start
    until_end
    for id in 1 9223372036854775807 18446744073709551615 999999999999999999999999 -1 x; do
        ask 200 GET "/api/v1/runs/$run/events" -H "Last-Event-ID: $id"
        is "$id $(events_of answer | sed -n '1p;$p' | xargs)" "$id reset run.finished"
        follow other /api/v1/stream -H "Last-Event-ID: $id"
        until_true grep -q reset other
    done
    last=$(heard answer | tail -n 1 | cut -d' ' -f1)
    ask 404 GET /api/v1/runs/4711/events
    finish
    serve # another daemon tells its end too, and that what was before is lost
    ask 200 GET "/api/v1/runs/$run/events"
    is "$(events_of answer)" run.finished
    in_order answer
    ask 200 GET "/api/v1/runs/$run/events" -H "Last-Event-ID: $last"
    is "$(events_of answer | xargs)" 'reset run.finished'
    finish
}

test_a_run_of_another_process_is_shown_as_it_is_and_then_its_end() {
    two_tables other
    serve
    hold_a_record
    lockstep sync s --force >out 2>err </dev/null &
    other=$!
    children+=("$other")
    until_true asked GET /api/v1/runs '.items[0].status' running
    run=$(jq -r '.items[0].id' answer)
    ask 200 GET "/api/v1/runs/$run/events"
    is "$(events_of answer)" run
    says answer 'retry: ' # by itself it comes again
    id=$(heard answer | cut -d' ' -f1)
    let_go
    wait "$other"
    ask 200 GET "/api/v1/runs/$run/events" -H "Last-Event-ID: $id"
    is "$(events_of answer)" run.finished
    finish
}

test_a_run_that_never_began_and_a_dry_one_are_told_too() {
    two_tables dry
    serve
    follow all /api/v1/stream
    start '{"sync":"s","dry_run":true}'
    until_true grep -q '^event: run.finished' all
    ask 200 GET "/api/v1/runs/$run/events"
    is "$(heard answer)" "$(heard all | tail -n 1)"
    ask 204 GET "/api/v1/runs/$run/events" -H "Last-Event-ID: $(heard all | tail -n 1 | cut -d' ' -f1)"
    finish
}

test_listeners_that_sleep_or_die_hold_up_no_run() {
    two_tables slow
    serve
    hold_a_record
    start
    follow slow "/api/v1/runs/$run/events"
    kill -STOP "$follower"
    follow gone "/api/v1/runs/$run/events"
    kill -KILL "$follower"
    follow all "/api/v1/runs/$run/events"
    let_go
    wait "$follower" || die "the stream did not end with the run"
    is "$(events_of all | tail -n 1)" run.finished
    until_end
    finish
}

run_tests
