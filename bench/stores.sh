# shellcheck shell=bash disable=SC2154,SC2317 # what run has set; what an inner shell calls
# SPDX-License-Identifier: Apache-2.0
# stores.sh - comparing, syncing and taking back over PostgreSQL and SQLite, beside count(*), digests, COPY and sqldiff. Sourced by run.

pg() { psql -qXAt -v ON_ERROR_STOP=1 "$@"; }
quick() { sqlite3 "$1" 'PRAGMA journal_mode = off' 'PRAGMA synchronous = off' "${@:2}" >/dev/null; }

# measure COMMAND...: sets seconds (the median) and peak (MiB, the greatest). Before each run `before` is called.
# A status that found differences ends with 1, which is no failure.
before() { :; }
measure() {
    local i got
    : >"$work/times"
    for ((i = 0; i < runs; i++)); do
        before >/dev/null
        got=0
        /usr/bin/time -q -o "$work/time" -f '%e %M' "$@" >"$work/out" 2>"$work/err" || got=$?
        [ "$got" -le 1 ] || {
            echo "bench/run: ended with $got: $*" >&2
            tail -n 3 "$work/err" >&2
            exit 1
        }
        cat "$work/time" >>"$work/times"
    done
    seconds=$(sort -n "$work/times" | sed -n "$(((runs + 1) / 2))p" | cut -d' ' -f1)
    peak=$(cut -d' ' -f2 "$work/times" | sort -n | tail -n 1)
    peak=$((peak / 1024))
    before() { :; }
}

# row NAME [FLOOR]: prints the last measurement, with its ratio to FLOOR seconds.
row() {
    local ratio=-
    [ -z "${2:-}" ] || ratio=$(awk -v a="$seconds" -v b="$2" 'BEGIN { if (b > 0) printf("%.1f", a / b); else printf("-") }')
    printf '%-44s %9.2f %8s %6s\n' "$1" "$seconds" "$ratio" "$peak"
}
heading() { printf '\n%-44s %9s %8s %6s\n' "$1" seconds ratio MiB; }

fields="name text NOT NULL, email text, city text, amount numeric(14,2), qty integer, note text, created timestamp"
values="'name ' || i, 'user' || i || '@example.org', 'city ' || (i % 997), i * 0.25, i % 1000,
    CASE WHEN i % 7 <> 0 THEN 'a note about record number ' || i END"
# 1 %: changed, missing, and under another key
changes="UPDATE t SET qty = qty + 1 WHERE id % 200 = 7; DELETE FROM t WHERE id % 400 = 9;
    UPDATE t SET id = id + 100000000 WHERE id % 400 = 13"

case_postgres() {
    url=$(tools/test-postgres start "$work/pg")
    # Not in the URLs: a run is remembered without its passwords, and messages show what was run.
    PGPASSWORD=$(cat "$work/pg/password")
    export PGPASSWORD
    url=$(sed -E 's#^(postgres://[^:@/]*):[^@]*@#\1@#' <<<"$url")
    for name in a b c; do pg "$url" -c "CREATE DATABASE $name"; done
    url_of() { echo "${url%/*}/$1"; }
    a=$(url_of a) b=$(url_of b) c=$(url_of c)
    table="CREATE TABLE t (id bigint PRIMARY KEY, $fields)"
    pg "$a" -c "$table" -c "INSERT INTO t SELECT i, $values, timestamp '2020-09-13' + i * interval '1 s'
        FROM generate_series(1, $records) i" -c 'VACUUM ANALYZE t'
    copy_pipe() { pg "$a" -c 'COPY t TO STDOUT' | pg "$1" -c 'COPY t FROM STDIN'; }
    export -f pg copy_pipe
    export a b c
    pg "$b" -c "$table"
    copy_pipe "$b"
    pg "$b" -c 'VACUUM ANALYZE t'

    echo
    echo "$records records of 8 fields"
    heading 'PostgreSQL: compare, nothing differs'
    measure psql -qXAt "$a" -c 'SELECT count(*) FROM t'
    row 'floor: count(*) of one side'
    measure psql -qXAt "$a" -c 'SELECT bit_xor(hashint8extended(hash_record_extended(t, 17), 23)) FROM t'
    row 'floor: digest of one side'
    floor=$seconds
    measure "$LOCKSTEP" status "$a#t" "$b#t" --json
    row 'lockstep status' "$floor"
    measure "$LOCKSTEP" verify "$a#t" "$b#t" --json
    row 'lockstep verify' "$floor"

    heading 'PostgreSQL: 1 % differs'
    before() { pg "$b" -c 'TRUNCATE t' && copy_pipe "$b" && pg "$b" -c "$changes" -c 'VACUUM ANALYZE t'; }
    measure "$LOCKSTEP" sync "$a#t" "$b#t" --json
    row 'lockstep sync (ratio: to digest)' "$floor"
    before() { pg "$b" -c 'TRUNCATE t' && copy_pipe "$b" && pg "$b" -c "$changes" -c 'VACUUM ANALYZE t' && "$LOCKSTEP" sync "$a#t" "$b#t" --json >"$work/sync"; }
    last_run() { sed -n 's/^{"run":\([0-9]*\),.*/\1/p' "$work/sync"; }
    undo_last() { "$LOCKSTEP" undo "$(last_run)" --json | tee "$work/undone" | grep -q '"status":"completed"' || exit 3; }
    export -f undo_last last_run
    export work LOCKSTEP
    measure bash -c undo_last
    row 'lockstep undo of it (ratio: to digest)' "$floor"

    heading 'PostgreSQL: first copy'
    before() { pg "$c" -c 'SET client_min_messages = error' -c 'DROP TABLE IF EXISTS t' -c "$table"; }
    # shellcheck disable=SC2016 # the inner shell fills it in
    measure bash -c 'copy_pipe "$c"'
    row 'floor: COPY | COPY into a table with its key'
    floor=$seconds
    # A table that is made anew is another one to the brakes.
    no_copy() { pg "$c" -c 'SET client_min_messages = error' -c 'DROP TABLE IF EXISTS t' && rm -f "$work/state.db"*; }
    before() { no_copy; }
    measure "$LOCKSTEP" sync "$a#t" "$c#t" --create --json
    row 'lockstep sync --create' "$floor"
    printf 'syncs:\n  one: { source: "%s#t", target: "%s#t", writers: 1 }\n' "$a" "$c" >"$work/one.yaml"
    before() { no_copy; }
    measure "$LOCKSTEP" sync one -c "$work/one.yaml" --create --json
    row 'lockstep sync --create, one writer' "$floor"

    tools/test-postgres stop "$work/pg"
}

case_sqlite() {
    local kind key value file
    for kind in integer text; do
        case $kind in
        integer) key="integer PRIMARY KEY" value=i ;;
        text) key="text NOT NULL PRIMARY KEY" value="printf('k%09d', i * 7919 % 1000000007)" ;;
        esac
        file=$work/$kind
        quick "$file-a.db" "CREATE TABLE t (id $key, $fields)" \
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $records)
             INSERT INTO t SELECT $value, $values, datetime(1600000000 + i, 'unixepoch') FROM n"
        cp "$file-a.db" "$file-b.db"
        heading "SQLite, $kind key: compare, nothing differs"
        measure sqlite3 "$file-a.db" 'SELECT count(*) FROM t'
        row 'floor: count(*) of one side'
        measure sqlite3 "$file-a.db" 'SELECT sum(length(id) + length(name) + length(email) + length(city) + length(amount)
            + length(qty) + coalesce(length(note), 0) + length(created)) FROM t'
        row 'floor: all fields of one side'
        floor=$seconds
        if command -v sqldiff >/dev/null; then
            measure sqldiff --primarykey --summary "$file-a.db" "$file-b.db"
            row 'peer: sqldiff' "$floor"
        fi
        measure "$LOCKSTEP" status "sqlite:$file-a.db#t" "sqlite:$file-b.db#t" --json
        row 'lockstep status' "$floor"
    done

    heading 'SQLite, integer key: first copy'
    before() { rm -f "$work/c.db" && quick "$work/c.db" "CREATE TABLE t (id integer PRIMARY KEY, $fields)"; }
    measure sqlite3 "$work/c.db" "ATTACH '$work/integer-a.db' AS s" 'INSERT INTO t SELECT * FROM s.t'
    row 'floor: INSERT ... SELECT'
    floor=$seconds
    before() { rm -f "$work/c.db"* "$work/state.db"*; }
    measure "$LOCKSTEP" sync "sqlite:$work/integer-a.db#t" "sqlite:$work/c.db#t" --create --json
    row 'lockstep sync --create' "$floor"
}
