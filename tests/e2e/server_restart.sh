#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# server_restart.sh - the database server is killed and started again in each phase of a sync. Runs alone: it stops the server.
#
# The phase is read from the log that --verbose prints, through a pipe: the server dies when the phase has begun. Oracle: the run
# ends with a status of the table and never hangs; the next sync converges; undo of every run, newest first, gives back the
# target as it was.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
root=$(cd "$(dirname "$0")/../.." && pwd)

rows=6000
table_sql="CREATE TABLE items (id int PRIMARY KEY, name text NOT NULL, v bigint, note text)"

server() { "$root/tools/test-postgres" "$1" "$LOCKSTEP_TEST_PG_DIR" >/dev/null; }

make_sides() {
    source=$(pg_database restart_s)
    target=$(pg_database restart_t)
    pg "$source" -c "$table_sql" -c "INSERT INTO items SELECT i, 'item ' || i, i * 7, 'note of ' || i FROM generate_series(1, $rows) i"
    pg "$target" -c "$table_sql" -c "INSERT INTO items SELECT i, 'item ' || i, i * 7, 'note of ' || i FROM generate_series(1, $rows) i" \
        -c "UPDATE items SET name = name || ' old', v = v + 1 WHERE id % 3 = 0" -c 'DELETE FROM items WHERE id % 5 = 1' \
        -c "INSERT INTO items SELECT id + 100000, name, v, note FROM items WHERE id % 7 = 2" >/dev/null
    cat >lockstep.yaml <<YAML
syncs:
  one: { source: "$source#items", target: "$target#items", batch: 20 }
YAML
    pg "$target" -c CHECKPOINT # the server's own commits are asynchronous: a kill would take back the last of the above
    wanted=$(dump "$source")
    before=$(dump "$target")
}
dump() { pg "$1" -c 'SELECT * FROM items ORDER BY id' | sha256sum; }

# Runs a sync and kills the server when its log says PHASE. Prints the exit status.
sync_and_kill_at() {
    local phase=$1 line pid
    mkfifo log
    "$LOCKSTEP" sync one --force --verbose >run.out 2>log </dev/null &
    pid=$!
    children+=("$pid")
    while IFS= read -r line; do
        echo "$line" >>run.err
        case $line in
        *"): $phase:"*)
            server kill
            break
            ;;
        esac
    done <log
    cat log >>run.err 2>/dev/null & # the rest, so that the program is not stopped by a closed pipe
    exit_status=0
    wait "$pid" || exit_status=$?
    server resume
    rm -f log
}

check_after() {
    local runs run
    case $exit_status in
    0 | 3) ;;
    *) die "the sync ended with $exit_status: $(tail -n 3 run.err)" ;;
    esac
    status 0 lockstep sync one --force
    is "$(dump "$target")" "$wanted"
    status 0 lockstep audit verify
    runs=$(lockstep history --json | grep -o '{"run":[0-9]*' | cut -d: -f2)
    for run in $runs; do
        status 0 lockstep undo "$run"
    done
    is "$(dump "$target")" "$before"
}

restart_in() {
    make_sides
    sync_and_kill_at "$1"
    check_after
}

test_in_validation() { restart_in validation; }
test_in_detection() { restart_in detection; }
test_in_repair() { restart_in repair; }
test_in_verification() { restart_in verification; }

test_while_state_and_both_sides_are_on_the_server() {
    make_sides
    LOCKSTEP_STATE=$(pg_database restart_state)
    export LOCKSTEP_STATE
    sync_and_kill_at repair
    check_after
}

run_tests
