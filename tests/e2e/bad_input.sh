#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bad_input.sh - what goes wrong by mistake gets a message that names what, where and what to do, and nothing is lost.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# Two small tables that differ, in source.db and target.db.
two_tables() {
    sqlite3 source.db "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, n INTEGER);
        WITH RECURSIVE i(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM i WHERE x < 50) INSERT INTO t SELECT x, 'n' || x, x FROM i"
    sqlite3 target.db "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, n INTEGER);
        WITH RECURSIVE i(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM i WHERE x < 50) INSERT INTO t SELECT x, 'n' || x, x + (x % 10 = 0) FROM i"
}
S=sqlite:source.db#t
T=sqlite:target.db#t
target_dump() { sqlite3 target.db 'SELECT * FROM t ORDER BY id' | sha256sum; }
# unchanged COMMAND...: it leaves the target as it was.
unchanged() {
    local before
    before=$(target_dump)
    "$@"
    is "$(target_dump)" "$before"
}

test_an_unknown_kind_of_store() {
    status 2 lockstep status oracle://host/db#t sqlite:x.db#t
    says err oracle sqlite:
}
test_a_single_url() {
    status 2 lockstep status sqlite:a.db#t
    says err target
}
test_a_file_that_is_not_there() {
    two_tables
    status 2 lockstep status sqlite:nowhere.db#t $T
    says err nowhere.db
}
test_a_folder_of_a_file_that_is_not_there() {
    two_tables
    status 2 lockstep status $S file:nowhere/t.csv
    says err nowhere/t.csv folder
    status 2 lockstep status file:t.txt $T
    says err t.txt .csv
}
test_a_file_that_is_no_database() {
    two_tables
    head -c 5000 /dev/urandom >noise.db
    status 3 lockstep status sqlite:noise.db#t $T
    says err noise.db
}
test_a_host_that_is_not_there() {
    two_tables
    status 3 lockstep status "postgres://u:geheim@127.0.0.1:1/db#t" $T
    says err 127.0.0.1
    lacks err geheim
}
test_a_wrong_password() {
    local url
    two_tables
    url=$(sed -E 's#(postgres(ql)?://[^:]*):[^@]*@#\1:falsch@#' <<<"$LOCKSTEP_TEST_PG")
    status 3 lockstep status "$url#t" $T
    says err password
    lacks err falsch
}
test_a_database_that_is_not_there() {
    two_tables
    status 2 lockstep status "$(pg_url no_such_db)#t" $T
    says err no_such_db
}
test_a_table_that_is_not_there_names_the_nearest() {
    two_tables
    sqlite3 source.db 'CREATE TABLE customers (id INTEGER PRIMARY KEY)'
    status 2 lockstep status sqlite:source.db#custmers $T
    says err custmers customers
}
test_a_key_field_that_is_not_there_names_the_nearest() {
    two_tables
    status 2 lockstep status $S $T --key nam
    says err nam name
}
test_a_table_without_a_key_names_the_columns_that_could_serve() {
    sqlite3 source.db 'CREATE TABLE t (a INT NOT NULL, b TEXT)'
    sqlite3 target.db 'CREATE TABLE t (a INT NOT NULL, b TEXT)'
    status 2 lockstep status $S $T
    says err --key a
}
test_a_mapped_field_that_is_not_there() {
    two_tables
    printf 'syncs:\n  one: { source: "%s", target: "%s", fields: { id: id, name: nmae } }\n' $S $T >lockstep.yaml
    status 2 lockstep status one
    says err nmae name
}
test_an_empty_source_is_stopped_by_a_brake() {
    two_tables
    sqlite3 source.db 'DELETE FROM t'
    unchanged status 4 lockstep sync $S $T
    says err empty --force
    status 0 lockstep sync $S $T --force
    is "$(sqlite3 target.db 'SELECT count(*) FROM t')" 0
}
test_many_deletes_are_stopped_by_a_brake() {
    two_tables
    sqlite3 source.db 'DELETE FROM t WHERE id > 30'
    unchanged status 4 lockstep sync $S $T
    says err deletes 20 --force=deletes
    status 4 lockstep sync $S $T --force=changes
    status 0 lockstep sync $S $T --force=deletes
}
test_many_changes_are_stopped_by_a_brake() {
    two_tables
    sqlite3 source.db "UPDATE t SET name = 'x' || id"
    unchanged status 4 lockstep sync $S $T
    says err changes
    status 0 lockstep history --json
    says out '"status":"stopped"'
}
test_an_unknown_brake() {
    two_tables
    status 2 lockstep sync $S $T --force=delets
    says err delets empty-source
}
test_duplicate_keys_in_the_source() {
    two_tables
    printf 'id,name,n\r\n1,a,1\r\n2,b,2\r\n2,c,3\r\n' >source.csv
    unchanged status 3 lockstep sync file:source.csv $T --key id
    says err source 2
}
test_duplicate_keys_in_the_target() {
    two_tables
    sqlite3 target.db 'DROP TABLE t; CREATE TABLE t (id INTEGER NOT NULL, name TEXT, n INTEGER); INSERT INTO t VALUES (1, 1, 1), (7, 1, 1), (7, 2, 2)'
    unchanged status 3 lockstep sync $S $T --key id
    says err target 7
}
test_a_null_in_a_key() {
    two_tables
    sqlite3 source.db 'DROP TABLE t; CREATE TABLE t (id INTEGER, name TEXT, n INTEGER); INSERT INTO t VALUES (1, 1, 1), (NULL, 1, 1)'
    unchanged status 3 lockstep sync $S $T --key id
    says err source NULL id
}
test_a_value_that_the_target_cannot_hold_fails_alone() {
    local t
    t=$(pg_database bad_value)
    pg "$t" -c 'CREATE TABLE t (id int PRIMARY KEY, name varchar(5), n smallint)'
    sqlite3 source.db "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, n INTEGER);
        INSERT INTO t VALUES (1, 'fits', 1), (2, 'far too long', 2), (3, 'big', 70000), (4, 'fine', 4), (5, 'words', 'text')"
    status 1 lockstep sync $S "$t#public.t" --json
    says out '"created":2' '"failed":3' '"partial_success"' 'name'
    is "$(pg "$t" -c 'SELECT string_agg(id::text, chr(44) ORDER BY id) FROM t')" 1,4
}
test_a_constraint_of_the_target_fails_one_record_alone() {
    two_tables
    sqlite3 target.db 'DROP TABLE t; CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT CHECK (name <> '"'n7'"'), n INTEGER)'
    status 1 lockstep sync $S $T --json
    says out '"created":49' '"failed":1' '"id":"7"'
}
test_text_that_is_not_utf8() {
    two_tables
    printf 'id,name,n\n1,caf\xe9,1\n' >source.csv
    unchanged status 3 lockstep sync file:source.csv $T --key id
    says err source.csv 'line 2' UTF-8
}
test_a_csv_with_ragged_rows() {
    two_tables
    printf 'id,name,n\n1,a,1\n2,b\n' >source.csv
    unchanged status 3 lockstep sync file:source.csv $T --key id
    says err source.csv 'line 3' '2 fields' 3
}
test_a_csv_whose_lines_end_in_cr_alone() {
    two_tables
    printf 'id,name,n\r1,a,1\r' >source.csv
    unchanged status 3 lockstep sync file:source.csv $T --key id
    says err source.csv 'line 1' 'LF'
    status 3 lockstep sync file:source.csv sqlite:new.db#t --key id --create
    printf 'id,name,n\r\n1,"a\rb",1\r\n' >source.csv # in quotes it is text
    status 0 lockstep sync file:source.csv sqlite:other.db#t --key id --create
    is "$(sqlite3 other.db 'SELECT hex(name) FROM t')" 610D62
}
test_a_file_of_no_known_kind() {
    two_tables
    cp source.db source.xlsx
    for url in file:source.xlsx file:source.db file:/ file:nowhere/t.csv; do
        status 2 lockstep status $url $T
        says err "source: $url"
        unchanged status 2 lockstep sync $S $url --create
        says err "target: $url"
    done
}
test_a_url_without_a_table() {
    two_tables
    status 2 lockstep status sqlite:source.db $T
    says err "source: no collection is named in sqlite:" "such as t"
}
test_an_option_whose_value_is_empty() {
    two_tables
    status 2 lockstep plan $S $T -o ""
    says err "--output needs a value"
    status 2 lockstep status $S $T --config=
    says err "--config needs a value"
}
test_a_csv_with_an_open_quote() {
    two_tables
    printf 'id,name,n\n1,"a,1\n2,b,2\n' >source.csv
    unchanged status 3 lockstep sync file:source.csv $T --key id
    says err source.csv 'line 2' quote
}
test_a_line_that_is_no_json() {
    two_tables
    printf '{"id":1,"name":"a","n":1}\n{"id":2,\n' >source.jsonl
    unchanged status 3 lockstep sync file:source.jsonl $T --key id
    says err source.jsonl 'line 2' JSON
}
test_a_plan_that_was_edited() {
    two_tables
    status 1 lockstep plan $S $T -o p.plan
    sed -i 's/"n":"10"/"n":"99"/' p.plan
    unchanged status 3 lockstep apply p.plan
    says err p.plan digest
}
test_a_plan_that_was_cut() {
    two_tables
    status 1 lockstep plan $S $T -o p.plan
    head -c -200 p.plan >cut.plan
    unchanged status 3 lockstep apply cut.plan
    says err cut.plan
    : >empty.plan
    unchanged status 3 lockstep apply empty.plan
    says err empty.plan
}
test_a_plan_of_another_shape_of_the_table() {
    two_tables
    status 1 lockstep plan $S $T -o p.plan
    sqlite3 target.db 'ALTER TABLE t ADD COLUMN extra TEXT'
    unchanged status 3 lockstep apply p.plan
    says err p.plan changed
}
test_a_plan_leaves_alone_what_changed_since() {
    two_tables
    status 1 lockstep plan $S $T -o p.plan
    sqlite3 target.db "UPDATE t SET name = 'mine' WHERE id = 20"
    status 1 lockstep apply p.plan --json
    says out '"conflicts":1' '"updated":4'
    is "$(sqlite3 target.db 'SELECT name FROM t WHERE id = 20')" mine
}
test_a_state_of_a_newer_version() {
    two_tables
    status 0 lockstep sync $S $T
    sqlite3 state.db "INSERT INTO schema_version SELECT max(number) + 1, 'future', 0 FROM schema_version"
    status 3 lockstep history
    says err newer state.db
}
test_a_state_that_was_cut() {
    two_tables
    status 0 lockstep sync $S $T
    sqlite3 state.db 'PRAGMA wal_checkpoint(TRUNCATE)' >/dev/null; rm -f state.db-wal state.db-shm
    truncate -s 5000 state.db
    unchanged status 3 lockstep sync $S $T
    says err state.db
}
test_a_state_whose_schema_is_damaged() {
    local at column
    two_tables
    status 0 lockstep sync $S $T
    sqlite3 state.db 'PRAGMA wal_checkpoint(TRUNCATE)' >/dev/null
    cp state.db sound.db
    for column in finished_us state_checksum stored_bytes body; do
        rm -f state.db-wal state.db-shm
        cp sound.db state.db
        at=$(grep -obam 1 "$column" state.db | head -n 1 | cut -d: -f1)
        printf z | dd of=state.db bs=1 seek="$at" conv=notrunc status=none
        status 3 lockstep sync $S $T
        says err 'the state is damaged: ' 'is not what was made' 'Restore a copy'
    done
}
test_a_state_that_is_something_else() {
    two_tables
    before=$(sha256sum source.db)
    status 2 lockstep sync $S $T --state sqlite:source.db
    says err source.db
    is "$(sha256sum source.db)" "$before"
}
test_no_permission_to_write() {
    two_tables
    local t
    t=$(pg_database bad_rights)
    pg "$t" -c 'CREATE TABLE t (id int PRIMARY KEY, name text, n int)' -c "CREATE ROLE reader_$$ LOGIN PASSWORD 'leser'" \
        -c "GRANT SELECT ON t TO reader_$$" >/dev/null
    url=$(sed -E "s#//[^@]*@#//reader_$$:leser@#" <<<"$t")
    status 3 lockstep sync $S "$url#public.t"
    says err public.t
    is "$(pg "$t" -c 'SELECT count(*) FROM t')" 0
}
test_a_folder_that_may_not_be_written() {
    two_tables
    [ "$(id -u)" = 0 ] || { chmod 555 . && status 3 lockstep sync $S $T; chmod 755 .; return; }
    mkdir locked && mv target.db locked/ && cp "$LOCKSTEP" ./lockstep-copy && chmod 711 "$work" . && chmod 755 locked lockstep-copy && chmod 644 locked/target.db source.db
    touch state.db && rm state.db
    mkdir own && chown 65534 own
    status 3 setpriv --reuid=65534 --clear-groups ./lockstep-copy sync $S sqlite:locked/target.db#t --state sqlite:own/state.db
    says err target.db
}
test_a_full_disk_loses_nothing() {
    two_tables
    sqlite3 source.db "WITH RECURSIVE i(x) AS (SELECT 100 UNION ALL SELECT x + 1 FROM i WHERE x < 20000) INSERT INTO t SELECT x, hex(randomblob(40)), x FROM i"
    unchanged status 0 lockstep history
    (ulimit -f 600 # blocks of 1 KiB, the stand-in for a disk that is full
      status 3 lockstep sync $S $T)
    says err space
    status 0 lockstep sync $S $T
    status 0 lockstep status $S $T
}
test_an_expression_with_a_syntax_error() {
    two_tables
    printf 'syncs:\n  one: { source: "%s", target: "%s", fields: { id: id, name: "lower(name" } }\n' $S $T >lockstep.yaml
    status 2 lockstep status one
    says err 'lower(name'
}
test_an_expression_with_a_forbidden_function() {
    two_tables
    printf 'syncs:\n  one: { source: "%s", target: "%s", fields: { id: id, name: "load_extension(name)" } }\n' $S $T >lockstep.yaml
    status 2 lockstep status one
    says err load_extension
}
test_yaml_with_an_unknown_setting() {
    printf 'syncs:\n  one:\n    source: sqlite:a.db#t\n    target: sqlite:b.db#t\n    delets: keep\n' >lockstep.yaml
    status 2 lockstep status one
    says err lockstep.yaml:5:5 delets '"deletes"'
}
test_yaml_with_a_wrong_type() {
    printf 'syncs:\n  one:\n    source: [a, b]\n    target: sqlite:b.db#t\n' >lockstep.yaml
    status 2 lockstep status one
    says err lockstep.yaml:3 text
    printf 'syncs:\n  one:\n    source: sqlite:a.db#t\n    target: sqlite:b.db#t\n    atomic: perhaps\n' >lockstep.yaml
    status 2 lockstep status one
    says err lockstep.yaml:5 'true or false'
}
test_yaml_with_aliases_that_explode() {
    { echo 'a: &a ["x","x","x","x","x","x","x","x","x"]'; for l in b c d e f g h i; do p=$(tr 'b-i' 'a-h' <<<"$l"); echo "$l: &$l [*$p,*$p,*$p,*$p,*$p,*$p,*$p,*$p,*$p]"; done; } >lockstep.yaml
    status 2 lockstep status one
    says err lockstep.yaml:1 anchor
}
test_yaml_that_is_none() {
    printf 'syncs: {one: [\n' >lockstep.yaml
    status 2 lockstep status one
    says err lockstep.yaml YAML
}
test_a_variable_that_is_not_set() {
    # shellcheck disable=SC2016
    printf 'stores:\n  a: "postgres://u:${NO_SUCH_VARIABLE}@h/d"\n' >lockstep.yaml
    status 2 lockstep status one
    says err lockstep.yaml:2 NO_SUCH_VARIABLE
}
test_a_store_that_is_not_configured() {
    printf 'stores: { shop: "sqlite:a.db" }\nsyncs:\n  one: { source: shp.t, target: shop.t }\n' >lockstep.yaml
    status 2 lockstep status one
    says err shp '"shop"'
}
test_a_sync_that_is_not_configured() {
    printf 'stores: { shop: "sqlite:a.db" }\nsyncs:\n  customers: { source: shop.t, target: shop.u }\n' >lockstep.yaml
    status 2 lockstep status custmers
    says err custmers customers
}
test_an_unknown_command_option_and_run() {
    status 2 lockstep stauts
    says err stauts status
    status 2 lockstep status --explian
    says err explian explain
    status 2 lockstep history --full
    says err history full
    two_tables
    status 0 lockstep sync $S $T
    status 2 lockstep undo 77
    says err 77
}
test_a_source_and_target_that_are_the_same() {
    two_tables
    status 2 lockstep sync $S $S
    says err same
}
test_a_run_that_is_undone_twice() {
    two_tables
    status 0 lockstep sync $S $T
    status 0 lockstep undo 1
    status 2 lockstep undo 1
    says err 'undone by run 2'
}
test_a_table_made_anew_is_stopped_by_a_brake() {
    local s t
    s=$(pg_database again_s) && t=$(pg_database again_t)
    for u in "$s" "$t"; do pg "$u" -c 'CREATE TABLE t (id int PRIMARY KEY, n int)' -c 'INSERT INTO t SELECT i, i FROM generate_series(1, 100) i'; done
    pg "$s" -c 'UPDATE t SET n = 0 WHERE id = 1'
    printf 'syncs:\n  one: { source: "%s#t", target: "%s#t" }\n' "$s" "$t" >lockstep.yaml
    status 0 lockstep sync one
    pg "$s" -c 'ALTER TABLE t RENAME TO old' -c 'CREATE TABLE t (id int PRIMARY KEY, n int)' -c 'INSERT INTO t SELECT id, n + 1 FROM old WHERE id < 99 UNION SELECT 99, 99'
    status 4 lockstep sync one
    says err identity
    status 0 lockstep sync one --force
}

run_tests
