#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# moving.sh - both sides are written to while they are compared and while a plan is applied.
#
# Writers run until they are told to stop. Oracle: what the writers of the target changed is never overwritten by an apply of an older
# plan; a sync that runs meanwhile ends with a status of the table; when the writers have stopped, the next
# sync makes both sides the same; records that no writer touches are never reported as different once in sync.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

rows=3000
make_sides() {
    source=$(pg_database moving_s)
    target=$(pg_database moving_t)
    for side in "$source" "$target"; do
        pg "$side" -c 'CREATE TABLE items (id int PRIMARY KEY, name text, n int NOT NULL)' \
            -c "INSERT INTO items SELECT i, 'item ' || i, 0 FROM generate_series(1, $rows) i"
    done
    printf 'syncs:\n  one: { source: "%s#items", target: "%s#items", batch: 50 }\n' "$source" "$target" >lockstep.yaml
}

# Keeps changing records with id % 10 = REST on one side, until the file `stop` is there.
write_to() {
    local url=$1 rest=$2
    {
        until [ -e stop ]; do
            echo "UPDATE items SET n = n + 1 WHERE id % 10 = $rest AND id % 50 = (random() * 49)::int;"
        done
    } | psql -qXAt "$url" >writer.$rest.log 2>&1
}
has_written() { [ "$(pg "$1" -c "SELECT count(*) FROM items WHERE n > 0 AND id % 10 = $2")" != 0 ]; }
start_writer() {
    write_to "$@" &
    children+=("$!")
    # it has begun when its first change is there
    until_true has_written "$@"
}
stop_writers() {
    touch stop
    wait
    children=()
    rm -f stop
}

test_records_that_nobody_touches_are_never_reported() {
    make_sides
    start_writer "$source" 3
    start_writer "$target" 4
    for _ in 1 2 3 4 5; do
        "$LOCKSTEP" diff one --json >diff.out 2>diff.err || [ $? = 1 ]
        sed -n 's/^{"key":{"id":"\([0-9]*\)"}.*/\1/p' diff.out | awk '$1 % 10 != 3 && $1 % 10 != 4' >wrong
        is "$(cat wrong)" ""
    done
    stop_writers
}

test_a_sync_while_both_sides_are_written_to_and_the_next_one_converges() {
    make_sides
    pg "$target" -c 'UPDATE items SET name = name || chr(63) WHERE id % 2 = 0'
    start_writer "$source" 3
    start_writer "$target" 4
    for _ in 1 2 3; do
        got=0
        "$LOCKSTEP" sync one --force --json >run.out 2>run.err || got=$?
        case $got in 0 | 1) ;; *) die "a sync ended with $got: $(cat run.err)" ;; esac
    done
    stop_writers
    status 0 lockstep sync one --force
    is "$(pg "$source" -c 'SELECT * FROM items ORDER BY id' | sha256sum)" "$(pg "$target" -c 'SELECT * FROM items ORDER BY id' | sha256sum)"
}

test_an_apply_never_overwrites_what_was_written_after_its_plan() {
    make_sides
    pg "$source" -c 'UPDATE items SET name = name || chr(33)'
    status 1 lockstep plan one -o p.plan
    start_writer "$target" 4
    got=0
    "$LOCKSTEP" apply p.plan --force --json >run.out 2>run.err || got=$?
    stop_writers
    is "$got" 1
    # every change of the writer raised n: where it did so before the apply, the name is the old one
    conflicts=$(sed -n 's/.*"conflicts":\([0-9]*\).*/\1/p' run.out)
    old=$(pg "$target" -c "SELECT count(*) FROM items WHERE name NOT LIKE '%!'")
    is "$old" "$conflicts"
    is "$(pg "$target" -c "SELECT count(*) FROM items WHERE name NOT LIKE '%!' AND n = 0")" 0
    is "$(pg "$target" -c 'SELECT count(*) FROM items WHERE id % 10 = 4 AND n < 0')" 0
}

test_two_syncs_at_once_exclude_each_other() {
    make_sides
    pg "$source" -c 'UPDATE items SET name = name || chr(33)'
    mkfifo log
    "$LOCKSTEP" sync one --force --verbose >first.out 2>log </dev/null &
    first=$!
    children+=("$first")
    while IFS= read -r line; do
        case $line in *"): detection:"*) break ;; esac
    done <log
    kill -STOP "$first"
    cat log >/dev/null 2>&1 &
    status 3 lockstep sync one
    says err 'run 1'
    status 3 lockstep sync one --state sqlite:other.db # another state: the lock inside the target
    kill -CONT "$first"
    wait "$first"
    status 0 lockstep status one
}

# A source of COUNT records, and a target that has those from FROM on; each statement that follows is run in the target.
part_copied() { # part_copied COUNT FROM SQL...
    local table='CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)'
    rm -f big.db part.db state.db*
    sqlite3 big.db "$table; WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $1) INSERT INTO t SELECT i, i FROM n" &&
        sqlite3 part.db "ATTACH 'big.db' AS s" "$table" "INSERT INTO t SELECT * FROM s.t WHERE id >= $2 OR id = 0" "${@:3}" || return 1
    cat >lockstep.yaml <<'YAML'
syncs:
  t: { source: "sqlite:big.db#t", target: "sqlite:part.db#t", cascades: accept }
YAML
}
# How the last run was verified: "touched true".
how_verified() { lockstep receipt 1 --json | jq -r '"\(.scope) \(.verified)"'; }

test_a_run_that_wrote_much_of_a_table_is_verified_over_all_of_it() {
    part_copied 10001 10001 && status 0 lockstep sync t && is "$(how_verified)" 'all true' || return 1
    # too few records; too small a part of the table
    part_copied 10000 10000 && status 0 lockstep sync t && is "$(how_verified)" 'touched true' || return 1
    part_copied 100020 10001 && status 0 lockstep sync t && is "$(how_verified)" 'touched true'
}

test_what_others_do_meanwhile_does_not_spoil_the_verdict_over_all() {
    # a trigger stands for the others: it is surely there between the write and the reading back
    part_copied 12000 12000 'CREATE TRIGGER other AFTER INSERT ON t WHEN new.id = 7 BEGIN UPDATE t SET n = -1 WHERE id = 0; END' &&
        status 0 lockstep sync t && is "$(how_verified)" 'touched true' || return 1
    part_copied 12000 12000 'CREATE TRIGGER own AFTER INSERT ON t WHEN new.id = 7 BEGIN UPDATE t SET n = -1 WHERE id = 7; END' &&
        status 1 lockstep sync t && is "$(how_verified)" 'touched false'
}

test_a_receipt_says_where_both_servers_stood_when_they_were_read() {
    make_sides
    before=$(pg "$source" -c 'SELECT pg_current_wal_lsn()')
    status 0 lockstep verify one
    after=$(pg "$source" -c 'SELECT pg_current_wal_insert_lsn()')
    lockstep receipt 1 --json >receipt
    for side in source_side target_side; do
        lsn=$(jq -r ".$side.position" receipt | sed -n 's/^lsn=\([0-9A-F/]*\), snapshot=[0-9]*:[0-9]*:[0-9,]*$/\1/p')
        is "$(pg "$source" -c "SELECT '$lsn'::pg_lsn >= '$before' AND '$lsn'::pg_lsn <= '$after'")" t
    done
}

run_tests
