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

# PostgreSQL keeps no NUL: the record that has one fails alone, also when it is in the key that the record is looked for by.
test_a_record_with_a_nul_in_its_text_fails_alone() {
    db=$(pg_database nul)
    pg "$db" -c "CREATE TABLE t (id text PRIMARY KEY, v text); INSERT INTO t VALUES ('1', 'old')"
    sqlite3 a.db "CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v TEXT); INSERT INTO t VALUES ('1', 'a'), ('2', 'b' || char(0) || 'c'), ('3' || char(0) || '4', 'd'), ('5', 'e')"
    status 1 lockstep sync sqlite:a.db#t "$db#t"
    says out "1 created, 1 updated, 0 deleted, 2 failed" "field v" "field id" "NUL"
    is "$(pg "$db" -c "SELECT string_agg(id || v, ' ' ORDER BY id) FROM t")" "1a 5e"
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

# locked_table NAME: table a, most of it in b with other values, and the sync s from a to b, which waits for locks a short time.
locked_table() {
    db=$(pg_database "$1")
    printf 'stores: { db: { url: "%s", lock_timeout: 200ms } }\nsyncs: { s: { source: db.a, target: db.b } }\n' "$db" >lockstep.yaml
    pg "$db" -c "CREATE TABLE a (id int PRIMARY KEY, v text UNIQUE); CREATE TABLE b (LIKE a INCLUDING ALL);
        INSERT INTO a SELECT i, 'v' || i FROM generate_series(1, 300) i; INSERT INTO b SELECT id, 'old' || id FROM a WHERE id <= 200"
}

test_a_record_that_another_session_locks_fails_alone_and_is_named() {
    locked_table held
    hold "$db" "SELECT 1 FROM b WHERE id IN (7, 150) FOR UPDATE; INSERT INTO b VALUES (250, 'theirs')"
    status 1 lockstep sync s --force --json
    let_go
    says out '"status":"partial_success"' '"failed":3' '"key":{"id":"7"}' '"key":{"id":"150"}' '"key":{"id":"250"}' "locked by another session (pid=" "application=somebody" "pg_terminate_backend"
    is "$(pg "$db" -c "SELECT string_agg(id::text, ' ' ORDER BY id) FROM b WHERE v LIKE 'old%'")" "7 150"
    status 0 lockstep sync s
    is "$(pg "$db" -c "SELECT count(*) FROM (TABLE a EXCEPT TABLE b) d")" 0
}

test_a_table_that_another_session_locks_is_named_with_the_session() {
    locked_table whole
    hold "$db" "LOCK TABLE b IN EXCLUSIVE MODE"
    status 3 lockstep sync s --force
    let_go
    says err "public.b: the table is locked by another session (pid=" "application=somebody"
    is "$(pg "$db" -c "SELECT count(*) FROM b WHERE v LIKE 'old%'")" 200
}

# What a session has as its lock timeout: the source's in what a view shows, the target's in what a trigger notes.
test_the_lock_timeout_of_a_store_is_that_of_its_sessions() {
    db=$(pg_database timeout)
    pg "$db" -c "CREATE VIEW a AS SELECT 1 AS id, current_setting('lock_timeout') AS v; CREATE TABLE b (id int PRIMARY KEY, v text); CREATE TABLE seen (n serial, v text)" \
        -c "CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN INSERT INTO public.seen (v) VALUES (current_setting('lock_timeout')); RETURN coalesce(NEW, OLD); END \$\$" \
        -c "CREATE TRIGGER t BEFORE INSERT OR UPDATE OR DELETE ON b FOR EACH ROW EXECUTE FUNCTION see()"
    timeouts() { # timeouts SOURCE TARGET
        printf 'stores:\n  a: { url: "%s", lock_timeout: %s }\n  b: { url: "%s?options=-c%%20lock_timeout%%3D77ms", lock_timeout: %s }\n' "$db" "$1" "$db" "$2"
        printf 'syncs: { s: { source: a.a, target: b.b, key: id, cascades: accept } }\n'
    }
    seen() { pg "$db" -c "SELECT v FROM seen ORDER BY n DESC LIMIT 1"; }
    timeouts 2min 300ms >lockstep.yaml
    status 0 lockstep sync s
    is "$(pg "$db" -c "TABLE b") $(seen)" "1|2min 300ms"
    # a plan brings its own along; the configuration, where it knows the sync, has the last word
    timeouts 40s 400ms >lockstep.yaml
    status 1 lockstep plan s -o p.plan
    mv lockstep.yaml away.yaml
    status 0 env PGPASSWORD="$(sed -E 's#.*://[^:]*:([^@]*)@.*#\1#' <<<"$db")" "$LOCKSTEP" apply p.plan
    is "$(pg "$db" -c "TABLE b") $(seen)" "1|40s 400ms"
    timeouts 40s 500ms >lockstep.yaml
    status 0 lockstep undo 2
    is "$(pg "$db" -c "TABLE b") $(seen)" "1|2min 500ms"
    # what is given as a URL has the default, whatever is in its options
    status 0 lockstep undo 1 "$db#a" "$db?options=-c%20lock_timeout%3D77ms#b"
    is "$(pg "$db" -c "TABLE b") $(seen)" " 10s"
}

test_a_file_that_an_application_keeps_locked_ends_the_run() {
    for name in a b; do sqlite3 $name.db "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)"; done
    sqlite3 a.db "INSERT INTO t VALUES (1, 'x')"
    printf 'stores: { b: { url: "sqlite:b.db", lock_timeout: 50ms } }\nsyncs: { s: { source: "sqlite:a.db#t", target: b.t } }\n' >lockstep.yaml
    coproc HOLDER { exec sqlite3 b.db 2>&1; }
    printf "BEGIN IMMEDIATE;\nSELECT 'held';\n" >&"${HOLDER[1]}"
    read -r line <&"${HOLDER[0]}"
    is "$line" held
    status 3 lockstep sync s
    printf '.quit\n' >&"${HOLDER[1]}"
    wait "$HOLDER_PID" || true
    says err "b.db" "locked"
    is "$(sqlite3 b.db "SELECT count(*) FROM t")" 0
    status 0 lockstep sync s
}

test_a_trigger_that_does_not_find_its_tables_is_named() {
    db=$(pg_database trigger)
    pg "$db" -c "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY); CREATE TABLE audit (id int); INSERT INTO a VALUES (1)" \
        -c 'CREATE FUNCTION note_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO audit VALUES (NEW.id); RETURN NEW; END $$' \
        -c "CREATE TRIGGER t BEFORE INSERT ON b FOR EACH ROW EXECUTE FUNCTION note_it()"
    printf 'stores: { db: "%s" }\nsyncs: { s: { source: db.a, target: db.b, cascades: accept } }\n' "$db" >lockstep.yaml
    status 2 lockstep sync s
    says err "public.note_it()" "ALTER FUNCTION public.note_it() SET search_path"
    pg "$db" -c "ALTER FUNCTION public.note_it() SET search_path = public"
    status 0 lockstep sync s
    is "$(pg "$db" -c "SELECT count(*) FROM audit")" 1
}

test_values_under_an_exclude_constraint_change_places() {
    db=$(pg_database exclude)
    for t in a b; do
        pg "$db" -c "CREATE TABLE $t (id int PRIMARY KEY, room int NOT NULL, during int4range NOT NULL, spare int4range, EXCLUDE USING gist (during WITH &&), EXCLUDE USING gist (spare WITH &&))"
    done
    pg "$db" -c "INSERT INTO a SELECT i, i, int4range(i * 10, i * 10 + 10), int4range(i * 5, i * 5 + 5) FROM generate_series(1, 9) i" \
        -c "INSERT INTO b SELECT id, room, int4range((id % 9 + 1) * 10, (id % 9 + 1) * 10 + 7), int4range((id % 9 + 1) * 5, (id % 9 + 1) * 5 + 3) FROM a"
    status 0 lockstep sync "$db#a" "$db#b" --force
    is "$(pg "$db" -c "SELECT count(*) FROM (TABLE a EXCEPT TABLE b) d")" 0
    status 0 lockstep undo 1 "$db#a" "$db#b"
    is "$(pg "$db" -c "SELECT during || ' ' || spare FROM b WHERE id = 1")" "[20,27) [10,13)"
}

# Records that are refused split the batch, and those that hand values round must find together for all that: by fives, among three
# that a CHECK refuses; a fourth one is of the last five and keeps these from moving. rotate NAME TYPE VALUE THERE RULE: VALUE is made of i, THERE of o.v.
rotate() {
    db=$(pg_database "rotate_$1")
    pg "$db" -c "CREATE EXTENSION citext" -c "CREATE TABLE a (id int PRIMARY KEY, v $2 NOT NULL, q int, n int)" -c "CREATE TABLE b (LIKE a, PRIMARY KEY (id), CHECK (q <> -1))" -c "$5" \
        -c "INSERT INTO a SELECT i * 2, $3, i, 0 FROM generate_series(0, 39) i" -c "INSERT INTO b SELECT a.id, $4, a.q, 0 FROM a JOIN a o ON o.id = a.id / 10 * 10 + (a.id + 2) % 10" \
        -c "INSERT INTO a SELECT i - 1000, $3, -1, 0 FROM (VALUES (1015), (1031), (1055)) u(i)" -c "INSERT INTO b SELECT id, v, 1, 0 FROM a WHERE q = -1" -c "UPDATE a SET q = -1 WHERE id = 74"
    status 1 lockstep sync "$db#a" "$db#b" --force --json
    is "$1: $(pg "$db" -c "SELECT string_agg(id::text, ' ' ORDER BY id) FROM (SELECT id, v::text, q FROM a EXCEPT SELECT id, v::text, q FROM b) d")" "$1: 15 31 55 70 72 74 76 78"
    says out '"updated":35' '"failed":8'
    status 0 lockstep undo 1 "$db#a" "$db#b"
    rm -f state.db*
}
test_values_that_change_places_under_a_rule_that_no_key_tells_do_so_though_others_are_refused() {
    rotate overlap int4range "int4range(i * 10, i * 10 + 10)" o.v "ALTER TABLE b ADD EXCLUDE USING gist (v WITH &&) WHERE (n >= 0)"
    rotate deferred int8range "int8range(i, i + 1)" o.v "ALTER TABLE b ADD EXCLUDE USING gist (v WITH &&) DEFERRABLE INITIALLY DEFERRED"
    rotate partial "varchar(20)" "'v' || i || '?'" "upper(o.v)" "CREATE UNIQUE INDEX ON b (lower(v) DESC, (n / 100)) WHERE v ~ '^[vV].*[?]'"
    rotate folding citext "'v' || i" "upper(o.v::text)" "ALTER TABLE b ADD UNIQUE (v)"
}

# char(n) keeps no blanks at the end, so that they are not missed.
test_texts_with_blanks_at_the_end_come_to_rest_in_char_n_and_back() {
    db=$(pg_database blanks)
    pg "$db" -c "CREATE TABLE a (id int PRIMARY KEY, v text)" -c "CREATE TABLE b (id int PRIMARY KEY, v char(5))" -c "CREATE TABLE c (LIKE a INCLUDING ALL)" \
        -c "INSERT INTO a VALUES (1, 'ab'), (2, 'ab  '), (3, 'abcde   '), (4, '  '), (5, ''), (6, NULL), (7, ' b'), (8, 'abcde')"
    status 0 lockstep sync "$db#a" "$db#b"
    status 0 lockstep verify "$db#a" "$db#b"
    status 0 lockstep sync "$db#b" "$db#c"
    is "$(pg "$db" -c "SELECT string_agg(coalesce(v, '?'), '|' ORDER BY id) FROM c")" "ab|ab|abcde|||?| b|abcde"
    sqlite3 s.db "CREATE TABLE a (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO a VALUES (1, 'ab'), (2, 'new  ')"
    status 0 lockstep sync sqlite:s.db#a "$db#b" --force
    status 0 lockstep verify sqlite:s.db#a "$db#b"
    pg "$db" -c "INSERT INTO a VALUES (9, 'abcdef')"
    status 1 lockstep sync "$db#a" "$db#b"
    says out 'id=9'
}

# What a run tells of its writers.
test_a_first_copy_says_how_many_wrote_and_why_one() {
    db=$(pg_database writers)
    pg "$db" -c "CREATE TABLE a (id int PRIMARY KEY, v text)" -c "INSERT INTO a SELECT i, 'v' || i FROM generate_series(1, 2000) i"
    for more in 'writers: 2' 'writers: 1' 'atomic: true'; do
        pg "$db" -c "SET client_min_messages = error" -c "DROP TABLE IF EXISTS b" -c "CREATE TABLE b (LIKE a INCLUDING ALL)"
        printf 'syncs:\n  one: { source: "%s#a", target: "%s#b", batch: 10, %s }\n' "$db" "$db" "$more" >lockstep.yaml
        rm -f state.db*
        status 0 lockstep sync one
        status 0 lockstep show 1
        case $more in
        'writers: 2') says out '2000 changes' 'written by 2 writers' ;;
        'writers: 1') says out '2000 changes, by one writer: writers is 1' ;;
        *) says out '2000 changes, by one writer: the run is atomic' ;;
        esac
        is "$(pg "$db" -c "SELECT count(*) FROM b")" 2000
        status 0 lockstep undo 1
        is "$(pg "$db" -c "SELECT count(*) FROM b")" 0
    done
}

# A record whose key the target would keep as another one is refused alone; one that is there under that other key is another record.
test_a_key_with_blanks_at_the_end_is_refused_alone_by_char_n() {
    db=$(pg_database blank_keys)
    pg "$db" -c "CREATE TABLE a (k text PRIMARY KEY, v int)" -c "CREATE TABLE b (k char(5) PRIMARY KEY, v int)" -c "CREATE TABLE c (k text, n int, v int, PRIMARY KEY (k, n))" \
        -c "CREATE TABLE d (k varchar(9), n int, v int, PRIMARY KEY (k, n))" -c "ALTER TABLE d ALTER k TYPE char(9)" -c "INSERT INTO a VALUES ('ab', 1), ('cd  ', 2), (' ef', 3), ('  ', 4)" \
        -c "INSERT INTO c VALUES ('ab', 1, 1), ('ab ', 1, 2), ('ab ', 2, 3), ('x', 2, 4)"
    for pair in a:b c:d; do
        status 1 lockstep sync "$db#${pair%:*}" "$db#${pair#*:}" --json
        says out '"created":2' '"failed":2' 'key field k: char' 'it keeps no blanks at the end, and this key has some'
        status 1 lockstep diff "$db#${pair%:*}" "$db#${pair#*:}" --json
        is "$(grep -c '"status":"source_only"' out)" 2
        status 1 lockstep sync "$db#${pair%:*}" "$db#${pair#*:}" --json
        says out '"created":0' '"failed":2'
    done
    is "$(pg "$db" -c "SELECT string_agg(rtrim(k) || v, '|' ORDER BY v) FROM b")$(pg "$db" -c "SELECT string_agg(rtrim(k) || n || v, '|' ORDER BY v) FROM d")" "ab1| ef3ab11|x24"
    pg "$db" -c "DELETE FROM a WHERE k <> 'cd  '" -c "DELETE FROM b" -c "INSERT INTO b VALUES ('cd', 9)"
    status 1 lockstep diff "$db#a" "$db#b" --json
    says out '"source_only"' '"target_only"'
    pg "$db" -c "UPDATE a SET k = rtrim(k)"
    status 0 lockstep sync "$db#a" "$db#b"
}

# A real is the number that it is written as; between two servers it stays what it is bit by bit.
test_a_real_is_shown_filtered_and_carried_as_it_is_written() {
    db=$(pg_database real)
    pg "$db" -c "CREATE TABLE a (id int PRIMARY KEY, r real)" -c "CREATE TABLE b (LIKE a INCLUDING ALL)" \
        -c "CREATE TABLE k (r real PRIMARY KEY, v text)" -c "CREATE TABLE k2 (LIKE k INCLUDING ALL)" \
        -c "INSERT INTO a VALUES (1, 0.1), (2, '1e-45'), (3, '3.4028235e38'), (4, '-0'), (5, 0.7), (6, 'Infinity'), (7, '-Infinity'), (8, 'NaN'), (9, 1073741824)" \
        -c "INSERT INTO k SELECT r, 'v' FROM a"
    printf 'stores: { db: "%s" }\nsyncs: { s: { source: db.a, target: db.b, where: "r = 0.1", target_where: "r = 0.1" } }\n' "$db" >lockstep.yaml
    status 1 lockstep diff s --json
    is "$(cat out)" '{"key":{"id":"1"},"status":"source_only","source":{"id":"1","r":0.1},"target":null,"fields":[]}'
    status 1 lockstep plan s -o s.plan
    lacks s.plan 0.1000000
    status 0 lockstep apply s.plan
    status 0 lockstep sync "$db#a" "$db#b"
    status 0 lockstep verify "$db#a" "$db#b"
    is "$(pg "$db" -c "SELECT count(*) FROM a JOIN b USING (id) WHERE float4send(a.r) = float4send(b.r)")" 9
    status 0 lockstep sync "$db#k" "$db#k2"
    pg "$db" -c "UPDATE k2 SET v = 'x' WHERE r = 0.7::real"
    status 1 lockstep diff "$db#k" "$db#k2" --only r=0.7
    says out "r=0.7"
    pg "$db" -c "DELETE FROM a WHERE id > 5"
    sqlite3 c.db "CREATE TABLE c (id INTEGER PRIMARY KEY, r REAL)"
    status 0 lockstep sync "$db#a" sqlite:c.db#c
    is "$(sqlite3 c.db "SELECT count(*) FROM c WHERE r IN (0.1, 0.7, 1e-45, 3.4028235e38, 0)")" 5
    sqlite3 c.db "UPDATE c SET r = 0.10000000149011612 WHERE id = 1"
    status 0 lockstep verify "$db#a" sqlite:c.db#c
}

run_tests
