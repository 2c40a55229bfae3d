#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# memory.sh - the peak of memory on tables of two million records; alone, because it fills the machine.
#
# The bound is that of the design: 64 MiB resident, whatever the size. A release build is measured, for sanitizers keep
# books of their own. Each run also has to find what was changed in the tables, so that a run that read nothing does not pass.
#
# Without LOCKSTEP_DEEP: status and sync over SQLite (integer and text key) and PostgreSQL. With it: files, first
# copies and their undo. LOCKSTEP_MEMORY_RECORDS takes another number of records (a multiple of 400).
: "${LOCKSTEP:=}"
build=${LOCKSTEP_BUILD_ROOT:-$(dirname "$0")/../../build-check}-release
LOCKSTEP=$(realpath -m "$build")/lockstep
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

limit=65536 # KiB
records=${LOCKSTEP_MEMORY_RECORDS:-2000000}
made=$work/made # what several tests use

# within NAME STATUS COMMAND...: the exit status and the peak of the command; its output in ./out.
within() {
    local name=$1 wanted=$2 peak
    shift 2
    status "$wanted" /usr/bin/time -q -o peak -f %M "$LOCKSTEP" "$@"
    peak=$(cat peak)
    echo "$name: $((peak / 1024)) MiB"
    [ "$peak" -le "$limit" ] || die "$name took $peak KiB, more than $limit"
}

# A source, and a target with 1 % of the records changed, a half of that missing, a quarter renamed.
columns="name text NOT NULL, email text, city text, amount numeric, qty integer, note text, created timestamp"
numbered="'name ' || i, 'user' || i || '@example.org', 'city ' || (i % 997), i * 0.25, i % 1000,
    CASE WHEN i % 7 <> 0 THEN 'a note about record number ' || i END"
quick() { sqlite3 "$1" 'PRAGMA journal_mode = off' 'PRAGMA synchronous = off' "${@:2}" >/dev/null; }

changes="UPDATE t SET qty = qty + 1 WHERE ROW % 200 = 7;
    DELETE FROM t WHERE ROW % 400 = 9;"
make_sqlite() { # make_sqlite KIND KEY VALUE RENAMED
    [ -e "$made/$1-a.db" ] && return
    mkdir -p "$made"
    quick "$made/$1-a.db" "CREATE TABLE t (id $2, $columns)" \
        "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < $records)
         INSERT INTO t SELECT $3, $numbered, datetime(1600000000 + i, 'unixepoch') FROM c"
    cp "$made/$1-a.db" "$made/$1-b.db"
    quick "$made/$1-b.db" "${changes//ROW/rowid}" "UPDATE t SET id = $4 WHERE rowid % 400 = 13"
}
make_integer() { make_sqlite integer "integer PRIMARY KEY" i "id + 100000000"; }
# The key's order is not that of the rows.
make_text() { make_sqlite text "text NOT NULL PRIMARY KEY" "printf('k%09d', i * 7919 % 1000000007)" "'x' || id"; }
make_postgres() { # sets source and target
    source=$(pg_database memory_s)
    target=$(pg_database memory_t)
    local side
    for side in "$source" "$target"; do
        pg "$side" -c "CREATE TABLE t (id bigint PRIMARY KEY, $columns)" \
            -c "INSERT INTO t SELECT i, $numbered, timestamp '2020-09-13' + i * interval '1 s'
                FROM generate_series(1, $records) i" -c 'ANALYZE t'
    done
    pg "$target" -c "${changes//ROW/id}" -c 'UPDATE t SET id = id + 100000000 WHERE id % 400 = 13'
}
drop_postgres() { pg "$(pg_url postgres)" -c "DROP DATABASE e2e_memory_s_$$" -c "DROP DATABASE e2e_memory_t_$$"; }

# Of n records n/200 are changed, n/400 deleted and n/400 renamed.
found() {
    says out "\"source_only\":$((records / 200))," "\"target_only\":$((records / 400))," "\"inconsistent\":$((records / 200)),"
}
synced() { says out "\"created\":$((records / 200))," "\"updated\":$((records / 200))," "\"deleted\":$((records / 400))," '"verified":true'; }

# both NAME SOURCE TARGET OPTION...: status and sync of the two.
both() {
    local name=$1
    shift
    within "status $name" 1 status "$@" --json
    found
    within "sync $name" 0 sync "$@" --json
    synced
}

# there_and_back NAME SOURCE TARGET OPTION...: a first copy and its undo.
there_and_back() {
    local name=$1 run
    shift
    within "first copy $name" 0 sync "$@" --create --json
    says out "\"created\":$records," '"verified":true'
    run=$(sed -n 's/^{"run":\([0-9]*\),.*/\1/p' out)
    within "undo $name" 0 undo "$run" "$1" "$2" --json
    says out "\"deleted\":$records," '"verified":true'
}

test_sqlite_with_an_integer_key() {
    make_integer
    cp "$made/integer-b.db" b.db
    both "SQLite, integer key" "sqlite:$made/integer-a.db#t" sqlite:b.db#t
}

test_sqlite_with_a_text_key() {
    make_text
    cp "$made/text-b.db" b.db
    both "SQLite, text key" "sqlite:$made/text-a.db#t" sqlite:b.db#t
}

test_postgres() {
    make_postgres
    both PostgreSQL "$source#t" "$target#t"
    drop_postgres
}

if [ -n "${LOCKSTEP_DEEP:-}" ]; then
    test_first_copies_over_sqlite() {
        make_integer
        there_and_back "SQLite, integer key" "sqlite:$made/integer-a.db#t" sqlite:c.db#t
        make_text
        there_and_back "SQLite, text key" "sqlite:$made/text-a.db#t" sqlite:d.db#t
    }

    test_a_first_copy_over_postgres() {
        make_postgres
        pg "$target" -c 'DROP TABLE t'
        there_and_back PostgreSQL "$source#t" "$target#t"
        drop_postgres
    }

    test_files() {
        make_integer
        cp "$made/integer-b.db" b.db
        # Not in the key's order: it has to be sorted.
        sqlite3 -csv -header "$made/integer-a.db" 'SELECT * FROM t ORDER BY qty, id' >a.csv
        both "CSV to SQLite" file:a.csv sqlite:b.db#t --key id
        there_and_back "CSV to SQLite" file:a.csv sqlite:c.db#t --key id
    }
fi

if [ ! -f "$build/build.ninja" ]; then
    meson setup "$build" "$(dirname "$0")/../.." -Dtests=disabled -Dwerror=true --prefix=/usr >"$work/build.log" 2>&1
fi
if ! ninja -C "$build" -j2 >"$work/build.log" 2>&1; then
    echo "not ok a release builds - $(grep -m 1 -E 'error|ERROR' "$work/build.log" || tail -n 1 "$work/build.log")"
    exit 1
fi
run_tests
