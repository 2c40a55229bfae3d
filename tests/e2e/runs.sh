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

# ---- who may listen

listeners() { asked_metric lockstep_stream_listeners "$1"; }
asked_metric() { ask 200 GET /metrics && [ "$(sed -n "s/^$1 //p" answer)" = "$2" ]; }
# listen FILE HEADER: a stream of everything with these credentials.
listen() {
    : >"$1"
    curl -sSN -o "$1" -H "$2" "$url/api/v1/stream" &
    follower=$!
    children+=("$follower")
    until_true grep -q '^retry' "$1"
}
# What was made is in ./answer.
token_of() { # token_of NAME ROLE [MEMBERS]
    ask 201 POST /api/v1/tokens -d "{\"name\":\"$1\",\"role\":\"$2\"${3:-}}"
    jq -r .token answer
}
# The session's cookie of a user that is made for it.
session_of() { # session_of NAME ROLE
    ask 201 POST /api/v1/users -d "{\"name\":\"$1\",\"role\":\"$2\",\"password\":\"correct horse battery\"}"
    auth='' ask 200 POST /api/v1/login -c jar -d "{\"name\":\"$1\",\"password\":\"correct horse battery\"}"
    awk '/lockstep-local/ { print $6 "=" $7 }' jar
}
ended() { # ended PID FILE: the stream has ended in order, as curl sees it
    wait "$1" || die "$2 ended badly"
    lacks "$2" run.queued
}

# Revoked, removed, demoted, another password, logged out: and each by the API, so that it ends at once.
test_a_stream_ends_when_who_listens_may_not_any_more() {
    local token hers ann bob cy token_pid hers_pid ann_pid bob_pid cy_pid
    two_tables withdrawn
    serve
    token=$(token_of ci viewer)
    listen token "Authorization: Bearer $token"
    token_pid=$follower
    ann=$(session_of ann admin)
    listen ann "Cookie: $ann"
    ann_pid=$follower
    hers=$(token_of hers viewer ',"owner":"ann"')
    listen hers "Authorization: Bearer $hers"
    hers_pid=$follower
    bob=$(session_of bob operator)
    listen bob "Cookie: $bob"
    bob_pid=$follower
    cy=$(session_of cy viewer)
    listen cy "Cookie: $cy"
    cy_pid=$follower
    follow mine /api/v1/stream
    until_true listeners 6
    ask 200 DELETE /api/v1/tokens/ci
    ended $token_pid token
    ask 204 PATCH /api/v1/users/bob -d '{"role":"user"}'
    ended $bob_pid bob
    ask 204 PATCH /api/v1/users/cy -d '{"state":"disabled"}'
    ended $cy_pid cy
    ask 204 DELETE /api/v1/users/ann
    ended $ann_pid ann
    ended $hers_pid hers
    until_true listeners 1
    asked_metric lockstep_stream_withdrawn_total 5
    start
    until_true grep -q '^event: run.finished' mine # the others have heard nothing of it
    for file in token ann hers bob cy; do lacks $file run.; done
    finish
}

test_a_stream_ends_when_another_process_revokes_its_token_or_it_expires() {
    local token brief token_pid brief_pid
    two_tables elsewhere
    serve
    token=$(token_of ci viewer)
    brief=$(token_of brief viewer ',"expires_in_s":3')
    listen token "Authorization: Bearer $token"
    token_pid=$follower
    listen brief "Authorization: Bearer $brief"
    brief_pid=$follower
    follow mine /api/v1/stream
    status 0 lockstep token revoke ci
    ended $token_pid token
    ended $brief_pid brief
    listeners 1 || die 'they are still there'
    finish
}

test_the_place_of_a_listener_that_left_is_free_at_once() {
    two_tables places
    serve
    for _ in 1 2 3 4 5; do
        follow gone /api/v1/stream
        kill -KILL "$follower"
        wait "$follower" 2>/dev/null || true
        follow gone2 /api/v1/stream
        kill -TERM "$follower"
        wait "$follower" 2>/dev/null || true
    done
    until_true listeners 0
    until_true asked_metric lockstep_http_connections 1
    finish
}

run_tests
