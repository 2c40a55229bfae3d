#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# outbox.sh - events that an application's own transactions write: there with their change or not at all, in the queue once, whatever is killed. Needs no disk.
#
# The kills: an application writes and rolls back while the daemon is killed at random moments; in the end the queue has one event for each change that was
# committed, in the order of each record. LOCKSTEP_TEST_SEED draws the same moments again.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=daemon.sh
. "$(dirname "$0")/daemon.sh"

configure() { # configure URL
    cat >lockstep.yaml <<YAML
state: sqlite:state.db
stores: { app: "$1" }
events: { outbox: [app], types: ["order.*"] }
endpoints:
  crm: { url: "https://crm.example/hook", secret: a-secret-that-signs, paused: true }
YAML
}
# empty: waits until nothing is left in the outbox.
empty() { until_true is_empty; }
is_empty() { lockstep outbox status app --json >status.out && jq -e '.waiting == 0' status.out >/dev/null; }

test_E9_a_change_and_its_event_are_in_one_transaction() {
    local db
    db=$(pg_database outbox)
    pg "$db" -c 'CREATE TABLE enrollments (id int PRIMARY KEY, course text, price numeric, seen timestamptz); CREATE ROLE '"app_$$"' LOGIN; GRANT ALL ON enrollments TO '"app_$$"
    configure "$db"
    status 0 lockstep outbox install app.public.enrollments
    says out '0 waiting' public.enrollments
    status 0 lockstep outbox install app.public.enrollments # again: the same
    # An application without any right on the outbox.
    pg "$db" -c "SET ROLE app_$$" -c "INSERT INTO enrollments VALUES (1, 'C', 9.50, '2026-01-31 13:00+01')" -c "UPDATE enrollments SET course = 'C17'" -c "UPDATE enrollments SET course = 'C17'" -c 'BEGIN' -c "INSERT INTO enrollments VALUES (2, 'gone')" -c 'ROLLBACK' -c 'DELETE FROM enrollments'
    status 0 lockstep outbox status app
    says out '3 waiting'
    serve
    empty
    ask 200 GET /api/v1/events
    is "$(jq -r '[.items[].type] | reverse | join(" ")' answer)" 'enrollment.created enrollment.updated enrollment.deleted'
    ask 200 GET "/api/v1/events/$(jq -r '.items[-1].id' answer)"
    jq -e '.data == {id:1, course:"C", price:9.50, seen:"2026-01-31T12:00:00+00:00"}' answer >/dev/null || die "$(cat answer)"
    finish
    status 0 lockstep outbox remove app.public.enrollments
    says out 'no outbox'
    is "$(pg "$db" -c "SELECT count(*) FROM pg_namespace WHERE nspname = 'lockstep'")" 0
    pg "$db" -c "INSERT INTO enrollments VALUES (3, 'free')"
    pg "$db" -c "DROP OWNED BY app_$$" -c "DROP ROLE app_$$"
}

test_E9_an_sqlite_database_has_an_outbox_too() {
    sqlite3 app.db "CREATE TABLE \"my orders\" (tenant TEXT, id INTEGER, note TEXT, pic BLOB, PRIMARY KEY (tenant, id)); CREATE TABLE profiles (id TEXT PRIMARY KEY, name TEXT)"
    configure sqlite:app.db
    status 0 lockstep outbox install 'app.my orders=order' app.profiles
    sqlite3 app.db "INSERT INTO \"my orders\" VALUES ('a', 1, 'it''s \"new\"', x'00ff')" "UPDATE \"my orders\" SET note = note" "INSERT INTO profiles VALUES ('p', 'Ann')" "UPDATE profiles SET name = 'Anne'" "DELETE FROM profiles" 'BEGIN; DELETE FROM "my orders"; ROLLBACK'
    serve
    empty
    ask 200 GET /api/v1/events
    is "$(jq -r '[.items[] | .type] | reverse | join(" ")' answer)" 'order.created profile.updated profile.updated'
    ask 200 GET "/api/v1/events/$(jq -r '.items[-1].id' answer)"
    jq -e '.resourceId == "a,1" and .resourceType == "order" and .data == {tenant:"a", id:1, note:"it'"'"'s \"new\"", pic:"00FF"}' answer >/dev/null || die "$(cat answer)"
    finish
    status 0 lockstep outbox remove app.profiles 'app.my orders'
    is "$(sqlite3 app.db "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'lockstep%'")" 0
}

# A receiver that writes into orders, whose outbox nobody empties: what is there can be counted. $sql is what runs SQL as the application, $table the table.
receiving() { # receiving URL
    cat >lockstep.yaml <<YAML
state: sqlite:state.db
stores: { app: "$1", from: sqlite:from.db }
events: { types: ["order.*"] }
receivers:
  orders: { scheme: header, header: x-key, secret: open-sesame, id: "data ->> '\$.m'", at: "data ->> '\$.at'", apply: app.$table }
  hint: { scheme: header, header: x-key, secret: open-sesame, id: "data ->> '\$.m'", sync: copy, only: { id: resource } }
syncs:
  copy: { source: from.orders, target: app.$table, cascades: accept, deletes: keep, brakes: { changes: off } }
YAML
    sqlite3 from.db 'CREATE TABLE orders (id INTEGER PRIMARY KEY, n int)'
    status 0 lockstep outbox install "app.$table"
    ask_with=(-H 'x-key: open-sesame' -H 'Content-Type: application/json')
    serve
}
message() { ask 200 POST "/api/webhooks/$1" -d "{\"type\":\"UPDATE\",\"record\":{\"m\":\"m$RANDOM$RANDOM\",\"id\":$2,\"n\":$3,\"at\":${4:-null}}}"; } # message RECEIVER ID N [TIME]
waits() { is "$(lockstep outbox status app --json | jq .waiting)" "$1"; }
# What makes an event in an outbox, and what does not.
silences() {
    message orders 1 1
    message orders 1 2
    is "$("${sql[@]}" 'SELECT n FROM orders WHERE id = 1')" 2
    sqlite3 from.db 'INSERT INTO orders VALUES (2, 5)'
    message hint 2 0 # a run for that record
    is "$("${sql[@]}" 'SELECT n FROM orders WHERE id = 2')" 5
    waits 0
    status 0 lockstep undo 1 # of a run that told nobody
    is "$("${sql[@]}" 'SELECT count(*) FROM orders WHERE id = 2')" 0
    waits 0
    status 0 lockstep sync copy # of its own accord: nobody else knows
    waits 1
    "${sql[@]}" 'UPDATE orders SET n = 3 WHERE id = 1' # the application's own
    waits 2
    sed -i 's/cascades: accept/cascades: accept, forward: false/' lockstep.yaml
    sqlite3 from.db 'INSERT INTO orders VALUES (3, 5)'
    status 0 lockstep sync copy
    is "$("${sql[@]}" 'SELECT n FROM orders WHERE id = 3')" 5
    waits 2
    sed -i 's/scheme: header/forward: true, scheme: header/' lockstep.yaml
    finish
    serve
    message orders 1 4
    waits 3
    message orders 9 1 '"2026-01-31T12:00:00.123456Z"' # told on as old as it was
    waits 4
    is "$("${sql[@]}" "SELECT substr(replace(CAST(max(at) AS text), ' ', 'T'), 1, 23) FROM ${outbox} WHERE resource_id = '9'")" '2026-01-31T12:00:00.123'
    "${sql[@]}" 'UPDATE orders SET n = 2 WHERE id = 9' # of now again
    is "$("${sql[@]}" "SELECT count(*) FROM ${outbox} WHERE resource_id = '9' AND CAST(at AS text) > '2026-02'")" 1
    finish
}

test_what_a_message_wrote_is_no_event_in_sqlite() {
    sqlite3 app.db 'CREATE TABLE orders (id INTEGER PRIMARY KEY, n int)'
    sql=(sqlite3 app.db) table=orders outbox=lockstep_outbox
    receiving sqlite:app.db
    silences
    is "$(sqlite3 app.db 'SELECT count(*) FROM lockstep_outbox_origin')" 0
}

test_what_a_message_wrote_is_no_event_in_postgresql() {
    export PGTZ=UTC
    local db
    db=$(pg_database outbox_origin)
    pg "$db" -c 'CREATE TABLE orders (id int PRIMARY KEY, n int)'
    sql=(psql -qXAt "$db" -c) table=public.orders outbox=lockstep.outbox
    receiving "$db"
    silences
}

# told AT N [WANTED]: a message that says that n of ann's order of that day became N at that time.
told() {
    ask 200 POST /api/webhooks/orders -d "{\"record\":{\"m\":\"m$RANDOM$RANDOM\",\"at\":\"$1\",\"tenant\":\"ann\",\"day\":\"2026-01-31T12:00:00+02:00\",\"n\":$2}}"
    jq -e ".detail.stale == ${3:-0}" answer >/dev/null || die "$2: $(cat answer)"
}
test_a_role_without_rights_on_the_outbox_leaves_alone_what_is_newer() {
    local db role=e2e_apply_$$
    db=$(pg_database outbox_role)
    pg "$db" -c 'CREATE TABLE orders (tenant text, day timestamptz, n int, PRIMARY KEY (tenant, day)) PARTITION BY LIST (tenant); CREATE TABLE others PARTITION OF orders DEFAULT'
    sql=(psql -qXAt "$db" -c) table=public.orders
    cat >lockstep.yaml <<YAML
state: sqlite:state.db
stores: { app: "$db" }
events: { types: ["order.*"] }
receivers:
  orders: { scheme: header, header: x-key, secret: open-sesame, id: "data ->> '\$.m'", at: "data ->> '\$.at'", conflicts: newest, window: 7d, apply: app.public.orders }
YAML
    status 0 lockstep outbox install app.public.orders
    pg "$db" -c "CREATE ROLE $role LOGIN PASSWORD 'e2e'" -c "GRANT SELECT, INSERT, UPDATE, DELETE ON orders TO $role; GRANT USAGE ON SCHEMA lockstep TO $role" \
        -c 'CREATE TABLE lockstep.inbox (receiver text NOT NULL, id text NOT NULL, noted_us bigint NOT NULL, outcome text NOT NULL, PRIMARY KEY (receiver, id)); CREATE TABLE lockstep.versions (record text NOT NULL PRIMARY KEY, at_us bigint NOT NULL)' \
        -c "GRANT SELECT, INSERT, UPDATE, DELETE ON lockstep.inbox, lockstep.versions TO $role"
    sed -i "s|//[^@]*@|//$role:e2e@|" lockstep.yaml
    ask_with=(-H 'x-key: open-sesame' -H 'Content-Type: application/json')
    serve
    told "$(date -u -d '-3 hours' +%FT%TZ)" 1
    is "$("${sql[@]}" 'SELECT count(*) FROM lockstep.outbox')" 0
    "${sql[@]}" "UPDATE orders SET n = 2"
    told "$(date -u -d '-1 hour' +%FT%TZ)" 3 1
    is "$("${sql[@]}" 'SELECT n FROM orders')" 2
    told "$(date -u -d '+2 minutes' +%FT%TZ)" 4
    is "$("${sql[@]}" 'SELECT n FROM orders')" 4
    "${sql[@]}" 'DELETE FROM orders' # later than that, whatever the clock says
    told "$(date -u -d '+1 minute' +%FT%TZ)" 5 1
    is "$("${sql[@]}" 'SELECT count(*) FROM orders')" 0
    is "$("${sql[@]}" "SELECT string_agg(type, ' ' ORDER BY seq) || ' ' || (min(at) < max(at) - interval '1 minute') FROM lockstep.outbox")" 'order.updated order.deleted true'
    sed -i 's/conflicts: newest/conflicts: message/' lockstep.yaml
    finish
    serve
    told "$(date -u -d '+3 minutes' +%FT%TZ)" 6
    "${sql[@]}" 'UPDATE orders SET n = 7' # changed since, but the message counts
    told "$(date -u -d '+3 minutes' +%FT%TZ)" 8
    is "$("${sql[@]}" 'SELECT n FROM orders')" 8
    finish
    pg "$db" -c "DROP OWNED BY $role" -c "DROP ROLE $role"
}

# Triggers as they were before lockstep told them who writes: they go on, and are made anew by the same command.
test_an_outbox_of_an_earlier_version_goes_on_and_is_renewed() {
    local db
    db=$(pg_database outbox_old)
    pg "$db" -c 'CREATE TABLE orders (id int PRIMARY KEY, n int)'
    configure "$db"
    status 0 lockstep outbox install app.public.orders
    pg "$db" -c 'DROP TABLE lockstep.outbox_times; DROP FUNCTION lockstep.outbox_time(regclass, text, timestamptz, text, boolean)' \
        -c "CREATE OR REPLACE FUNCTION lockstep.outbox() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS \$\$ BEGIN INSERT INTO lockstep.outbox (type, resource_type, resource_id, data) VALUES (TG_ARGV[1], TG_ARGV[0], NEW.id, row_to_json(NEW)); RETURN NULL; END \$\$"
    pg "$db" -c 'INSERT INTO orders VALUES (1, 1)'
    status 0 lockstep outbox status app
    says out '1 waiting' '1 of them with triggers of an earlier version'
    status 0 lockstep outbox install app.public.orders
    says out '1 waiting'
    is "$(grep -c earlier out)" 0

    sqlite3 app.db 'CREATE TABLE orders (id INTEGER PRIMARY KEY, n int)' "CREATE TABLE lockstep_outbox (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL DEFAULT (lower(hex(randomblob(16)))), type TEXT NOT NULL, resource_type TEXT NOT NULL, resource_id TEXT NOT NULL, data TEXT, at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')), refused TEXT)" \
        "CREATE TRIGGER lockstep_outbox_orders_INSERT AFTER INSERT ON orders BEGIN INSERT INTO lockstep_outbox (type, resource_type, resource_id, data) VALUES ('order.created', 'order', NEW.id, '{}'); END" 'INSERT INTO orders VALUES (1, 1)'
    sed -i "s|app: \".*\"|app: sqlite:app.db|" lockstep.yaml
    status 0 lockstep outbox status app --json
    says out '"waiting":1' '"outdated":1'
    status 0 lockstep outbox install app.orders
    sqlite3 app.db 'UPDATE orders SET n = 2'
    status 0 lockstep outbox status app --json
    says out '"waiting":2' '"outdated":0'
    serve
    empty
    finish
    status 0 lockstep outbox remove app.orders
    is "$(sqlite3 app.db "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'lockstep%'")" 0
}

test_what_is_no_event_is_kept_and_holds_up_nobody() {
    sqlite3 app.db 'CREATE TABLE orders (id TEXT PRIMARY KEY, x REAL)'
    configure sqlite:app.db
    status 0 lockstep outbox install app.orders
    sqlite3 app.db "INSERT INTO orders VALUES ('1', 1)" "INSERT INTO orders VALUES ('$(printf 'x%.0s' {1..600})', 2)" "INSERT INTO orders VALUES ('3', 3)"
    serve
    empty
    ask 200 GET /api/v1/events
    is "$(jq '.items | length' answer)" 2
    status 0 lockstep outbox status app --json
    says out '"waiting":0,"refused":1'
    says log 'is no event'
    finish
    status 0 lockstep outbox remove app.orders
    says out '1 refused' # not thrown away
}

test_what_cannot_have_an_outbox_says_why() {
    sqlite3 app.db 'CREATE TABLE orders (id TEXT); CREATE TABLE people (id TEXT PRIMARY KEY); CREATE TABLE enrollments (id TEXT PRIMARY KEY)'
    configure sqlite:app.db
    status 2 lockstep outbox install app.orders
    says err 'no primary key'
    status 2 lockstep outbox install app.people
    says err people.updated 'types:'
    status 2 lockstep outbox install apps.people
    says err '"apps"'
    status 2 lockstep outbox install app.nothing
    status 2 lockstep outbox remove app.people
    says err 'no outbox'
    status 2 lockstep outbox drop app.people
    status 2 lockstep outbox install
    sed -i 's/outbox: \[app\]/outbox: [apps]/' lockstep.yaml
    status 2 lockstep outbox status
    says err 'no store named "apps"'
}

# kills URL ROUNDS: an application at work, a daemon that is killed and started again.
kills() {
    local db=$1 rounds=$2 i
    RANDOM=${LOCKSTEP_TEST_SEED:-$$}
    echo "seed ${LOCKSTEP_TEST_SEED:-$$}" >seed
    # Each record is written, changed twice and one in three of the transactions rolled back.
    (
        for i in $(seq 1 300); do
            end=COMMIT
            [ $((i % 3)) = 0 ] && end=ROLLBACK
            "${write[@]}" "BEGIN; INSERT INTO orders VALUES ($i, 0); UPDATE orders SET n = 1 WHERE id = $i; $end; UPDATE orders SET n = n + 1 WHERE id = $i;"
        done
        touch written
    ) >writer.log 2>&1 &
    children+=($!)
    for i in $(seq 1 "$rounds"); do
        serve
        sleep "0.$((RANDOM % 9))" # the moment of the kill, drawn
        kill_daemon
    done
    serve
    patience=300 until_true [ -e written ]
    empty
    sqlite3 state.db "SELECT resource_id || ' ' || group_concat(type || ':' || json_extract(data, '\$.n'), ' ') FROM (SELECT * FROM events ORDER BY seq) GROUP BY resource_id ORDER BY CAST(resource_id AS int)" >events.txt 2>schema.txt ||
        die "$(cat schema.txt) $(sqlite3 state.db '.schema events')"
    for i in $(seq 1 300); do [ $((i % 3)) = 0 ] || echo "$i order.created:0 order.updated:1 order.updated:2"; done >wanted.txt
    diff wanted.txt events.txt >diff.txt || die "seed $(cat seed): $(head -n 5 diff.txt)"
    finish
}

test_each_change_in_postgresql_is_one_event_whatever_is_killed() {
    local db
    db=$(pg_database outbox_kills)
    pg "$db" -c 'CREATE TABLE orders (id int PRIMARY KEY, n int)'
    configure "$db"
    status 0 lockstep outbox install app.public.orders
    write=(psql -qXAt "$db" -c)
    kills "$db" 6
}

test_each_change_in_sqlite_is_one_event_whatever_is_killed() {
    sqlite3 app.db 'CREATE TABLE orders (id INTEGER PRIMARY KEY, n int); PRAGMA journal_mode=WAL' >/dev/null
    configure sqlite:app.db
    status 0 lockstep outbox install app.orders
    write=(sqlite3 -cmd '.timeout 20000' app.db)
    kills sqlite:app.db 6
}

run_tests
