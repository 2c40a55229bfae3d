#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# kill.sh - kill -9 at random moments of a sync, and what comes after.
#
# Oracle: the dump of the target before the sync, and the dump of the source. After a kill, undo of the interrupted
# run gives exactly the first one (even rounds), or the next sync gives the second one (odd rounds); then sync and undo again close the circle. A kill
# that finds the target untouched or finished proves little, so those in between are counted, and too few are a failure.
# The seed is printed; LOCKSTEP_TEST_SEED=N draws the same numbers again.
. "$(dirname "$0")/lib.sh"

seed=${LOCKSTEP_TEST_SEED:-$(date +%N | sed 's/^0*//')}
rounds=${LOCKSTEP_TEST_KILLS:-$([ -n "${LOCKSTEP_DEEP:-}" ] && echo 1000 || echo 50)}
rows=900
echo "# seed $seed, $rounds kills of each kind"

fill_sql="WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $rows)
  INSERT INTO items SELECT i, 'item ' || i, i * 7, 'note of ' || i FROM n;"
spoil_sql="UPDATE items SET name = name || ' old', v = v + 1 WHERE id % 3 = 0;
  DELETE FROM items WHERE id % 5 = 1;
  INSERT INTO items SELECT id + 100000, name, v, note FROM items WHERE id % 7 = 2;"
table_sql="CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT NOT NULL, v BIGINT, note TEXT);"

sqlite_dump() { sqlite3 "$1" 'SELECT id, name, v, note FROM items ORDER BY id' | sha256sum; }
pg_dump_items() { pg "$1" -c 'SELECT id, name, v, note FROM items ORDER BY id' | sha256sum; }

# The interrupted run's number, "" when the process died before there was one.
interrupted_run() {
    lockstep history --json 2>/dev/null | sed -n 's/^\[*.*{"run":\([0-9]*\),.*/\1/p' | head -n 1 || true
}

# What was done to the records: "created updated deleted", by what stands in two tables.
changes_sql() { # changes_sql NOW BEFORE
    echo "SELECT (SELECT count(*) FROM $1 WHERE id NOT IN (SELECT id FROM $2)) || ' ' ||
      (SELECT count(*) FROM $1 n JOIN $2 b ON n.id = b.id WHERE n.name <> b.name OR n.v <> b.v OR n.note <> b.note) || ' ' ||
      (SELECT count(*) FROM $2 WHERE id NOT IN (SELECT id FROM $1))"
}
# The same as a run tells it.
run_counts() { # run_counts RUN
    lockstep show "$1" --json | jq -r '"\(.created) \(.updated) \(.deleted)"'
}

# Milliseconds from the start of the log line that begins with a phase.
phase_ms() { # phase_ms PHASE FROM_NS
    local at
    at=$(lockstep show 1 | sed -n "s/^\([0-9T:.-]*Z\)  $1: .*/\1/p" | head -n 1)
    echo $((($(date -d "$at" +%s%N) - $2) / 1000000))
}

# How long a whole sync takes here, and when in it the target is written.
time_sync() {
    local from
    from=$(date +%s%N)
    status 0 lockstep sync one --force || return 1
    took=$((($(date +%s%N) - from) / 1000000))
    writes_from=$(phase_ms repair "$from")
    writes_for=$(($(phase_ms verification "$from") - writes_from))
    echo "# a sync takes $took ms; it writes from $writes_from ms on, for $writes_for ms"
}

# A moment in milliseconds: every fourth anywhere in the run, the others while it writes.
moment() {
    if [ $((round % 4)) = 0 ]; then
        wait=$((RANDOM * (took + took / 8) / 32768))
    else
        wait=$((writes_from + RANDOM * writes_for / 32768))
    fi
}

# A machine is faster in one minute and slower in the next: what a kill found corrects when the next ones come.
learn() { # learn FOUND
    case $1 in
    untouched) if [ "$wait" -ge "$writes_from" ]; then writes_from=$((writes_from + (wait - writes_from) / 2 + 5)); fi ;;
    whole)
        if [ "$wait" -le "$writes_from" ]; then
            writes_from=$((wait * 3 / 4)) writes_for=$((writes_for / 2 + 1))
        elif [ "$wait" -lt $((writes_from + writes_for)) ]; then
            writes_for=$(((wait - writes_from + writes_for) / 2))
        fi
        ;;
    half)
        if [ "$wait" -lt "$writes_from" ]; then writes_from=$wait; fi
        if [ "$wait" -gt $((writes_from + writes_for * 3 / 4)) ]; then writes_for=$((wait - writes_from + writes_for / 4 + 5)); fi
        ;;
    esac
    took=$((writes_from + writes_for))
}

# kill_rounds RESET DUMP CHANGES: RESET makes the target as it was, DUMP prints its digest, CHANGES what was done to it.
kill_rounds() {
    local reset=$1 dump=$2 changes=$3 changed round wait found run now pid took=0 writes_from=0 writes_for=0
    local -A count=([half]=0 [untouched]=0 [whole]=0)
    RANDOM=$((seed % 32768))
    $reset || return 1
    before=$($dump)
    time_sync || return 1
    is "$($dump)" "$wanted" || return 1
    # More of them where the moments were too often wrong ones, as on a machine with other work.
    for ((round = 1; round <= rounds || (count[half] < rounds / 5 && round <= 4 * rounds); round++)); do
        $reset || return 1
        rm -rf state.db*
        moment
        "$LOCKSTEP" sync one --force >run.out 2>run.err </dev/null &
        pid=$!
        children+=("$pid")
        sleep "$(printf '%d.%03d' $((wait / 1000)) $((wait % 1000)))" # the moment of the fault, not a wait for something
        kill -KILL "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
        now=$($dump) changed=$($changes)
        if [ "$now" = "$before" ]; then found=untouched;
        elif [ "$now" = "$wanted" ]; then found=whole;
        else found=half; fi
        count[$found]=$((count[$found] + 1))
        learn $found
        run=$(interrupted_run)
        if [ $((round % 2)) = 0 ] && [ -n "$run" ]; then
            status 0 lockstep undo "$run" || { why_round; return 1; }
            [ "$($dump)" = "$before" ] || { die "round $round (seed $seed, killed after $wait ms): undo of run $run is not exact"; return 1; }
        fi
        status 0 lockstep sync one --force || { why_round; return 1; }
        if [ -n "$run" ]; then
            is "$(run_counts "$run")" "$changed" || { why_round; return 1; }
        fi
        [ "$($dump)" = "$wanted" ] || { die "round $round (seed $seed, killed after $wait ms): the next sync did not converge"; return 1; }
        status 0 lockstep audit verify || { why_round; return 1; }
    done
    echo "# $((round - 1)) kills: ${count[half]} found the target half written, ${count[untouched]} before the first batch," \
        "${count[whole]} after the last"
    [ "${count[half]}" -ge $((rounds / 5)) ] || die "only ${count[half]} of $((round - 1)) kills hit a half-written target: this proves too little"
}
why_round() { die "round $round (seed $seed, killed after $wait ms): $(cat "$work/why")"; }

sqlite_reset() {
    rm -f target.db* && cp target.template target.db
}
sqlite_target_dump() { sqlite_dump target.db; }
sqlite_changes() { sqlite3 target.db "ATTACH 'target.template' AS b" "$(changes_sql main.items b.items)"; }

configure() { # configure SOURCE TARGET
    printf 'syncs:\n  one: { source: "%s#items", target: "%s#items", batch: 10 }\n' "$1" "$2" >lockstep.yaml
}
kill_sqlite_rounds() {
    configure sqlite:source.db sqlite:target.db
    wanted=$(sqlite_dump source.db)
    kill_rounds sqlite_reset sqlite_target_dump sqlite_changes
}

test_a_killed_sync_between_sqlite_files_is_undone_exactly_or_converges() {
    sqlite3 source.db "$table_sql $fill_sql" && cp source.db target.template && sqlite3 target.template "$spoil_sql" || return 1
    kill_sqlite_rounds
}

# A first copy is written without looking for its records first: what came of it must be known all the same.
test_a_killed_first_copy_into_an_sqlite_file_is_undone_exactly_or_converges() {
    local rounds=$(((rounds + 1) / 2))
    sqlite3 source.db "$table_sql $fill_sql" && sqlite3 target.template "$table_sql" || return 1
    kill_sqlite_rounds
}

pg_reset() {
    pg "$target" -c 'BEGIN; TRUNCATE items; INSERT INTO items SELECT * FROM items_before; COMMIT' >/dev/null
}
pg_target_dump() { pg_dump_items "$target"; }
pg_changes() { pg "$target" -c "$(changes_sql items items_before)"; }
kill_postgres_rounds() {
    configure "$source" "$target"
    wanted=$(pg_dump_items "$source")
    kill_rounds pg_reset pg_target_dump pg_changes
}

test_a_killed_sync_between_postgres_servers_is_undone_exactly_or_converges() {
    source=$(pg_database kill_s) && target=$(pg_database kill_t) || return 1
    pg "$source" -c "$table_sql" -c "$fill_sql" && pg "$target" -c "$table_sql" -c "$fill_sql" -c "$spoil_sql" \
        -c 'CREATE TABLE items_before AS SELECT * FROM items' || return 1
    kill_postgres_rounds
}

test_a_killed_first_copy_into_postgres_is_undone_exactly_or_converges() {
    local rounds=$(((rounds + 1) / 2))
    source=$(pg_database kill_fs) && target=$(pg_database kill_ft) || return 1
    pg "$source" -c "$table_sql" -c "$fill_sql" && pg "$target" -c "$table_sql" \
        -c 'CREATE TABLE items_before AS SELECT * FROM items' || return 1
    kill_postgres_rounds
}

run_tests
