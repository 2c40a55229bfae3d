#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tables.sh - tables as people have them: what must neither be lost nor called equal when it is not.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

test_undo_refuses_another_target_than_the_runs() {
    for name in a b other; do sqlite3 $name.db "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); CREATE TABLE u (id INTEGER PRIMARY KEY, v TEXT)"; done
    sqlite3 a.db "INSERT INTO t VALUES (1, 'x')"
    status 0 lockstep sync sqlite:a.db#t sqlite:b.db#t
    sqlite3 b.db "INSERT INTO u VALUES (1, 'x')" # the very record that the run made, elsewhere
    sqlite3 other.db "INSERT INTO t VALUES (1, 'x')"
    status 2 lockstep undo 1 sqlite:a.db#u sqlite:b.db#u
    says err "run 1: it changed" "b.db#t" "b.db#u is another place"
    status 2 lockstep undo 1 sqlite:a.db#t sqlite:other.db#t
    is "$(sqlite3 b.db "SELECT count(*) FROM u")" 1
    is "$(sqlite3 other.db "SELECT count(*) FROM t")" 1
    status 0 lockstep undo 1 sqlite:a.db#t sqlite:b.db#t
    is "$(sqlite3 b.db "SELECT count(*) FROM t")" 0
}

test_undo_refuses_another_table_of_the_same_server() {
    db=$(pg_database undo)
    pg "$db" -c "CREATE TABLE a (id int PRIMARY KEY, v text); CREATE TABLE b (LIKE a INCLUDING ALL); CREATE TABLE c (LIKE a INCLUDING ALL); INSERT INTO a VALUES (1, 'x')"
    status 0 lockstep sync "$db#a" "$db#b"
    pg "$db" -c "INSERT INTO c VALUES (1, 'x')"
    status 2 lockstep undo 1 "$db#a" "$db#c"
    is "$(pg "$db" -c "SELECT count(*) FROM c")" 1
    status 0 lockstep undo 1 "$db#a" "$db#public.b"
    is "$(pg "$db" -c "SELECT count(*) FROM b")" 0
}

test_values_of_any_type_pass_between_sqlite_files_as_they_are() {
    for name in a b; do sqlite3 $name.db "CREATE TABLE t (id INTEGER PRIMARY KEY, free, word TEXT, yes BOOLEAN, n INTEGER, d DECIMAL, at DATETIME)"; done
    sqlite3 a.db "INSERT INTO t VALUES
        (1, x'00ff', x'61', 'true', 'abc', 'xyz', 5), (2, 1.5, 'text', 't', 2.5, 1.5, '2020-13-45'),
        (3, 7, '7', 7, x'01', x'02', x'03'), (4, 9e999, '', 1, 9223372036854775807, 9e999, 1.5), (5, '7', NULL, 'no', NULL, 1, NULL)"
    status 0 lockstep sync sqlite:a.db#t sqlite:b.db#t
    is "$(sqlite3 b.db .dump)" "$(sqlite3 a.db .dump)"
    status 0 lockstep status sqlite:a.db#t sqlite:b.db#t
    sqlite3 b.db "UPDATE t SET free = '\\x00ff', yes = 1 WHERE id = 1"
    status 1 lockstep diff sqlite:a.db#t sqlite:b.db#t
    status 0 lockstep sync sqlite:a.db#t sqlite:b.db#t
    is "$(sqlite3 b.db .dump)" "$(sqlite3 a.db .dump)"
    status 0 lockstep undo 2 sqlite:a.db#t sqlite:b.db#t
    is "$(sqlite3 b.db "SELECT typeof(free), yes FROM t WHERE id = 1")" "text|1"
}

# A policy that leaves records out must not make them look as if they were gone.
test_records_that_a_policy_hides_are_never_taken_for_deleted() {
    from=$(pg_database hidden) to=$(pg_database full)
    for db in "$from" "$to"; do
        pg "$db" -c "CREATE TABLE t (id int PRIMARY KEY, owner text); INSERT INTO t VALUES (1, 'ann'), (2, 'bob')"
    done
    pg "$from" -c "CREATE ROLE e2e_reader LOGIN PASSWORD 'e2e'; GRANT SELECT ON t TO e2e_reader; ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON t USING (owner = 'ann')"
    reader=$(sed -E 's#//[^@]*@#//e2e_reader:e2e@#' <<<"$from")
    status 3 lockstep status "$reader#t" "$to#t"
    says err "row-level security" "BYPASSRLS"
    status 3 lockstep sync "$reader#t" "$to#t" --force
    is "$(pg "$to" -c "SELECT count(*) FROM t")" 2
    pg "$from" -c "ALTER ROLE e2e_reader BYPASSRLS"
    status 0 lockstep status "$reader#t" "$to#t"
    pg "$from" -c "DROP OWNED BY e2e_reader; DROP ROLE e2e_reader"
}

test_a_view_as_target_is_called_a_view() {
    for name in a b; do sqlite3 $name.db "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); CREATE VIEW w AS SELECT * FROM t"; done
    sqlite3 a.db "INSERT INTO t VALUES (1, 'x')"
    status 2 lockstep sync sqlite:a.db#w sqlite:b.db#w --key id
    says err "it is a view" "Name the table behind it"
    status 0 lockstep sync sqlite:a.db#w sqlite:b.db#t --key id
    is "$(sqlite3 b.db "SELECT * FROM t")" "1|x"
}

run_tests
