#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# requirements.sh - one test for each requirement that this version claims (docs/requirements.md), named by its id.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# Users of an auth service and of an application, as the first source document has them.
users() {
    sqlite3 auth.db "CREATE TABLE users (id TEXT PRIMARY KEY NOT NULL, email TEXT, name TEXT, email_verified BOOLEAN, role TEXT);
        INSERT INTO users VALUES ('u1', 'ann@example.com', 'Ann', 1, 'admin'), ('u2', 'bob@example.com', 'Bob', 0, 'user'), ('u3', 'cy@example.com', 'Cy', 1, 'user')"
    sqlite3 app.db "CREATE TABLE users (id TEXT PRIMARY KEY NOT NULL, email TEXT, name TEXT, email_verified BOOLEAN, role TEXT);
        INSERT INTO users VALUES ('u1', 'ann@example.com', 'Ann', 1, 'admin'), ('u2', 'bob@example.org', 'Bob', 1, 'user'), ('u4', 'dee@example.com', 'Dee', 1, 'user')"
    printf 'syncs:\n  users: { source: "sqlite:auth.db#users", target: "sqlite:app.db#users" %s}\n' "${1:-}" >lockstep.yaml
}
app_users() { sqlite3 app.db 'SELECT * FROM users ORDER BY id' | tr '\n' ' '; }

test_U1_a_sync_goes_through_four_phases_that_its_log_names() {
    users
    status 0 lockstep sync users
    status 0 lockstep show 1
    for phase in validation detection repair verification; do says out "  $phase: "; done
    is "$(grep -oE '  (validation|detection|repair|verification): ' out | tr -d ' :' | uniq | tr '\n' ' ')" "validation detection repair verification "
}

test_U2_each_record_has_one_status_and_an_inconsistent_one_lists_its_fields() {
    users
    status 1 lockstep status users --json
    says out '"total":4' '"in_sync":1' '"source_only":1' '"target_only":1' '"inconsistent":1'
    status 1 lockstep diff users --json
    says out '{"key":{"id":"u3"},"status":"source_only"' '{"key":{"id":"u4"},"status":"target_only"'
    says out '{"key":{"id":"u2"},"status":"inconsistent","source":{"id":"u2","email":"bob@example.com","name":"Bob","email_verified":false,"role":"user"},"target":{"id":"u2","email":"bob@example.org","name":"Bob","email_verified":true,"role":"user"},"fields":["email","email_verified"]}'
    is "$(wc -l <out)" 3
}

test_U5_the_source_is_the_truth_and_what_that_means_is_a_setting() {
    users
    status 0 lockstep sync users
    is "$(app_users)" "$(sqlite3 auth.db 'SELECT * FROM users ORDER BY id' | tr '\n' ' ')"
    rm -f ./*.db*
    users ', deletes: keep'
    status 0 lockstep sync users
    is "$(app_users)" "u1|ann@example.com|Ann|1|admin u2|bob@example.com|Bob|0|user u3|cy@example.com|Cy|1|user u4|dee@example.com|Dee|1|user "
    rm -f ./*.db*
    users
    status 0 lockstep sync sqlite:app.db#users sqlite:auth.db#users # the other direction
    is "$(sqlite3 auth.db 'SELECT group_concat(id) FROM (SELECT id FROM users ORDER BY id)')" u1,u2,u4
}

test_U7_a_second_run_of_a_sync_is_refused_and_the_running_one_named() {
    users
    mkfifo log
    "$LOCKSTEP" sync users --verbose >first.out 2>log </dev/null &
    first=$!
    children+=("$first")
    exec 3<log
    while IFS= read -r line <&3; do
        case $line in *"): validation:"*) break ;; esac
    done
    kill -STOP "$first"
    status 3 lockstep sync users
    says err 'run 1'
    kill -CONT "$first"
    cat <&3 >/dev/null
    wait "$first"
    exec 3<&-
    status 0 lockstep status users
}

test_U8_a_refused_batch_rolls_back_and_an_atomic_run_changes_nothing() {
    users ', atomic: true'
    sqlite3 app.db "CREATE UNIQUE INDEX one_name ON users (name); UPDATE users SET name = 'Cy' WHERE id = 'u1'; UPDATE users SET name = 'Ann' WHERE id = 'u4'"
    sqlite3 auth.db "UPDATE users SET name = 'Cy' WHERE id = 'u2'" # two records of the source want one name: one is refused
    before=$(app_users)
    status 1 lockstep sync users --force
    is "$(app_users)" "$before"
    says err atomic
}

test_U8_any_run_can_be_undone() {
    users
    before=$(app_users)
    status 0 lockstep sync users
    status 0 lockstep undo 1
    is "$(app_users)" "$before"
    status 0 lockstep undo 2
    status 0 lockstep status users
    status 0 lockstep undo 3
    is "$(app_users)" "$before"
}

test_U15_a_run_logs_its_number_counts_verdict_and_end() {
    users
    status 0 lockstep sync users --verbose
    says err 'run 1 (users)' '3 records in the source, 3 in the target' '1 to create, 1 to update, 1 to delete' 'completed: 1 created, 1 updated, 1 deleted'
    status 0 lockstep sync users --verbose
    says err 'run 2 (users)' 'no sync needed' completed
    status 0 lockstep show 2
    says out 'no sync needed'
}

test_U15_every_error_has_its_context() {
    users
    sqlite3 app.db "DROP TABLE users; CREATE TABLE users (id TEXT PRIMARY KEY NOT NULL, email TEXT CHECK (email <> 'cy@example.com'), name TEXT, email_verified BOOLEAN, role TEXT)"
    status 1 lockstep sync users
    status 0 lockstep show 1 --json
    says out '{"key":{"id":"u3"},"error":"' CHECK '"partial_success"'
}

test_P4_inserts_and_updates_set_wise_deletes_nothing_and_shows_its_sql() {
    local s t
    s=$(pg_database req_s)
    t=$(pg_database req_t)
    for side in "$s" "$t"; do pg "$side" -c 'CREATE TABLE items (id int PRIMARY KEY, name text, n int)'; done
    pg "$s" -c "INSERT INTO items SELECT i, 'new ' || i, i FROM generate_series(1, 900) i"
    pg "$t" -c "INSERT INTO items SELECT i, 'old ' || i, i FROM generate_series(801, 1000) i"
    printf 'syncs:\n  items: { source: "%s#items", target: "%s#items", deletes: keep }\n' "$s" "$t" >lockstep.yaml
    status 0 lockstep sync items --force --show-sql --json
    says out '"created":800' '"updated":100' '"deleted":0'
    is "$(pg "$t" -c 'SELECT count(*) FROM items')" 1000
    is "$(pg "$t" -c "SELECT count(*) FROM items WHERE name = 'new ' || id")" 900
    # one UPDATE and one INSERT for all of them
    is "$(grep -cE 'sql .*UPDATE "public"\."items"' err)" 1
    is "$(grep -cE 'sql .*INSERT INTO "public"\."items"' err)" 1
    lacks err 'DELETE FROM "public"."items"'
}

test_I2_a_filter_selects_records_safely() {
    sqlite3 shop.db "CREATE TABLE items (sku TEXT PRIMARY KEY NOT NULL, status TEXT, price DECIMAL(10,2), category TEXT, updated_at TIMESTAMP);
        INSERT INTO items VALUES ('a', 'active', 9.99, 'shoes', '2026-01-05 00:00:00'), ('b', 'draft', 50, 'shoes', '2026-03-01 00:00:00'),
            ('c', 'active', 100, 'shoes', '2026-02-02 10:00:00'), ('d', 'active', 20, 'hats', '2026-02-02 10:00:00'), ('e', 'archived', 15.5, 'shoes', '2026-02-03 00:00:00')"
    sqlite3 admin.db 'CREATE TABLE items (sku TEXT PRIMARY KEY NOT NULL, status TEXT, price DECIMAL(10,2), category TEXT, updated_at TIMESTAMP)'
    cat >lockstep.yaml <<'YAML'
syncs:
  items:
    source: sqlite:shop.db#items
    target: sqlite:admin.db#items
    where: status IN ('active', 'archived') AND price >= 10 AND price <= 100 AND category = 'shoes' AND updated_at > '2026-01-31'
YAML
    status 0 lockstep sync items
    is "$(sqlite3 admin.db 'SELECT group_concat(sku) FROM (SELECT sku FROM items ORDER BY sku)')" c,e
    for hostile in "1=1; DROP TABLE items" "sku IN (SELECT sku FROM items)" "load_extension('x')" "category = 'shoes' -- x" 'randomblob(9)'; do
        printf 'syncs:\n  items: { source: "sqlite:shop.db#items", target: "sqlite:admin.db#items", where: "%s" }\n' "$hostile" >lockstep.yaml
        status 2 lockstep sync items
    done
    is "$(sqlite3 shop.db 'SELECT count(*) FROM items')" 5
}

run_tests
