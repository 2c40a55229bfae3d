#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# cli.sh - the command line as scripts and people meet it: JSON shapes member by member, options before and behind, names,
# passwords that must be seen nowhere, interrupts, terminals and pipes.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
suite=$(cd "$(dirname "$0")" && pwd)
unset NO_COLOR PGPASSWORD
canary=Kanarienvogel

two_stores() {
    sqlite3 shop.db "CREATE TABLE customers (id INTEGER PRIMARY KEY, email TEXT NOT NULL, name TEXT, balance DECIMAL(10,2));
        INSERT INTO customers VALUES (1, 'Ann@x.org', 'Ann', 10.50), (2, 'Bob@x.org', 'Bob', 0), (3, 'Cyd@x.org', 'Cyd', NULL), (9007199254740993, 'big@x.org', 'Big', 12345678901234567.89);
        CREATE TABLE orders (tenant INT NOT NULL, id INT NOT NULL, total NUMERIC, PRIMARY KEY (tenant, id)); INSERT INTO orders VALUES (1, 1, 5), (1, 2, 7.25)"
    sqlite3 mirror.db "CREATE TABLE customers (id INTEGER PRIMARY KEY, email TEXT NOT NULL, name TEXT, balance DECIMAL(10,2));
        INSERT INTO customers VALUES (1, 'Ann@x.org', 'Anne', 10.50), (3, 'Cyd@x.org', 'Cyd', NULL), (9, 'old@x.org', 'Old', 1);
        CREATE TABLE orders (tenant INT NOT NULL, id INT NOT NULL, total NUMERIC, PRIMARY KEY (tenant, id)); INSERT INTO orders VALUES (1, 1, 5), (1, 2, 7.25)"
    cat >lockstep.yaml <<'YAML'
stores: { shop: "sqlite:shop.db", mirror: "sqlite:mirror.db" }
syncs:
  customers: { source: shop.customers, target: mirror.customers }
  orders: { source: shop.orders, target: mirror.orders }
YAML
}
S=sqlite:shop.db#customers
T=sqlite:mirror.db#customers

# holds FILE FILTER: jq finds the filter true of every object of the file.
holds() { jq -e -s "length > 0 and all(.[]; $2)" "$1" >/dev/null || die "not so: $2 :: $(head -c 600 "$1")"; }
# members FILE NAME...: every object has exactly these, in this order.
members() {
    local file=$1 list
    shift
    list=$(printf '"%s",' "$@")
    holds "$file" "keys_unsorted == [${list%,}]"
}
# typed FILE TYPE NAME...: the members are of this type.
typed() {
    local file=$1 type=$2 name
    shift 2
    for name in "$@"; do holds "$file" "(.$name | type) == \"$type\"" || return 1; done
}
status_members=(sync source target total in_sync source_only target_only inconsistent moving conflict duration_ms path)
run_members=(run id sync status created updated deleted unchanged failed conflicts verified duration_ms errors errors_total kind)

status_shape() {
    typed "$1" string sync source target path
    typed "$1" number total in_sync source_only target_only inconsistent moving conflict duration_ms
}
run_shape() {
    typed "$1" number run created updated deleted unchanged failed conflicts duration_ms errors_total
    typed "$1" string id sync status kind
    typed "$1" boolean verified
    typed "$1" array errors
    holds "$1" '.status as $s | ["running","completed","partial_success","failed","interrupted","cancelled","stopped"] | index($s) != null'
    holds "$1" '.id | test("^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")'
}

test_the_shape_of_status() {
    two_stores
    status 1 lockstep status customers --json
    members out "${status_members[@]}"
    status_shape out
    holds out '.total == 5 and .in_sync == 1 and .source_only == 2 and .target_only == 1 and .inconsistent == 1 and .moving == 0'
    status 1 lockstep status customers --json --explain
    members out "${status_members[@]}" explain
    typed out string explain
}
test_the_shape_of_verify() {
    two_stores
    status 1 lockstep verify customers --json
    members out "${status_members[@]}" run
    status_shape out
    holds out '.run == 1'
}
test_the_shape_of_diff() {
    two_stores
    status 1 lockstep diff customers --json
    is "$(wc -l <out)" 4
    members out key status source target fields
    typed out object key
    typed out array fields
    holds out '.status as $s | ["source_only","target_only","inconsistent","moving","conflict"] | index($s) != null'
    holds out '(.source == null) == (.status == "target_only") and (.target == null) == (.status == "source_only")'
    holds out '(.status == "inconsistent") == (.fields != [])'
    # Keys and decimals are text, so that no reader rounds them.
    holds out '(.key.id | type) == "string"'
    says out '"key":{"id":"9007199254740993"}' '"balance":"10.5"'
    holds out '[.source, .target | select(. != null) | .balance | type == "string" or type == "null"] | all'
}
test_the_shape_of_sync_and_undo_and_apply() {
    two_stores
    status 1 lockstep plan customers -o p.plan --json
    members out inserts updates deletes unchanged moving kept file
    typed out number inserts updates deletes unchanged moving kept
    holds out '.file == "p.plan"'
    status 0 lockstep sync customers --json
    members out "${run_members[@]}"
    run_shape out
    holds out '.run == 1 and .status == "completed" and .created == 2 and .updated == 1 and .deleted == 1 and .unchanged == 1 and .verified'
    status 0 lockstep undo 1 --json
    members out "${run_members[@]}"
    run_shape out
    holds out '.run == 2 and .created == 1 and .updated == 1 and .deleted == 2'
    status 0 lockstep apply p.plan --json
    members out "${run_members[@]}"
    run_shape out
    status 0 lockstep sync customers --dry-run --json
    holds out '.run == 0'
}
test_the_shape_of_errors_of_a_run() {
    two_stores
    sqlite3 mirror.db "DROP TABLE customers; CREATE TABLE customers (id INTEGER PRIMARY KEY, email TEXT NOT NULL, name TEXT CHECK (length(name) > 2), balance)"
    sqlite3 shop.db "WITH RECURSIVE i(x) AS (SELECT 1000 UNION ALL SELECT x + 1 FROM i WHERE x < 1129) INSERT INTO customers SELECT x, 'e', 'no', 1 FROM i"
    status 1 lockstep sync customers --json
    members out "${run_members[@]}"
    holds out '.status == "partial_success" and .failed == 130 and .errors_total == 130 and (.errors | length) == 100'
    holds out '[.errors[] | (keys_unsorted == ["key", "error"]) and (.key.id | type == "string") and (.error | type == "string")] | all'
}
test_the_shape_of_history_and_show() {
    two_stores
    status 0 lockstep history --json
    is "$(cat out)" "[]"
    status 0 lockstep sync customers
    status 0 lockstep undo 1
    status 0 lockstep history --json
    holds out 'type == "array" and map(.run) == [2, 1]'
    jq -c '.[]' out >runs
    members runs "${run_members[@]}" started_at finished_at mode undone_by
    run_shape runs
    typed runs string started_at finished_at mode
    holds runs '.started_at | test("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z$")'
    is "$(jq -c .undone_by runs | tr '\n' ' ')" "null 2 "
    status 0 lockstep show 1 --json
    members out "${run_members[@]}" started_at finished_at mode undone_by
}
test_the_shape_of_the_rest() {
    two_stores
    status 0 lockstep check --json
    members out level sync what text
    holds out '.level as $l | ["ok","note","warning","error"] | index($l) != null'
    status 0 lockstep sync customers
    status 0 lockstep audit list --json
    members out seq at actor action subject detail
    typed out object detail
    status 0 lockstep audit verify --json
    members out entries valid
    status 0 lockstep prune --json
    members out runs bytes
    status 0 lockstep receipt 1 --json
    is "$(wc -l <out)" 1
    typed out object counts source_side target_side
    cp out line
    status 0 lockstep receipt 1
    jq -c . out >whole
    is "$(cat whole)" "$(cat line)"
}
test_several_syncs_give_json_lines_and_the_highest_status() {
    two_stores
    status 1 lockstep status --json
    is "$(wc -l <out)" 2
    is "$(jq -r .sync out | tr '\n' ' ')" "customers orders "
    status 1 lockstep status --all --json
    status 0 lockstep sync --all --json
    is "$(jq -r .sync out | tr '\n' ' ')" "customers orders "
    sed -i 's/^syncs:/syncs:\n  gone: { source: "sqlite:nowhere.db#t", target: mirror.orders }/' lockstep.yaml
    status 2 lockstep sync --all --json
    is "$(jq -r .sync out | tr '\n' ' ')" "customers orders "
    says err "gone: " nowhere.db
    status 2 lockstep status --json
    is "$(jq -r .sync out | tr '\n' ' ')" "customers orders "
}

test_options_stand_before_and_behind() {
    two_stores
    status 1 lockstep --json status customers
    cp out before
    status 1 lockstep status --json customers
    is "$(jq 'del(.duration_ms)' before)" "$(jq 'del(.duration_ms)' out)"
    status 1 lockstep -c lockstep.yaml diff --limit=1 customers --json
    is "$(wc -l <out)" 1
    status 1 lockstep diff -n1 customers --json
    is "$(wc -l <out)" 1
    status 1 lockstep --only=id=2 diff customers --json
    is "$(jq -r .key.id out)" 2
    # -- ends the options: what follows is a name.
    status 2 lockstep status -- --json
    says err --json
    status 2 lockstep status customers --key id --key
    says err --key
}
test_only_takes_some_records_alone() {
    two_stores
    status 1 lockstep status customers --only id=2 --json
    holds out '.total == 1 and .source_only == 1'
    status 1 lockstep status customers --only id=2 --only id=9 --json
    holds out '.total == 2 and .source_only == 1 and .target_only == 1'
    status 1 lockstep diff customers --only name=Bob --json
    is "$(jq -r .key.id out)" 2
    status 0 lockstep status customers --only id=77 --json
    holds out '.total == 0'
    status 0 lockstep sync customers --only id=2 --json
    holds out '.created == 1 and .updated == 0 and .deleted == 0'
    is "$(sqlite3 mirror.db 'SELECT group_concat(id) FROM (SELECT id FROM customers ORDER BY id)')" 1,2,3,9
    # A sync of some is no other sync: the brakes know it from the last one.
    status 0 lockstep sync customers
}
test_only_of_mapped_fields_and_of_two_at_once() {
    two_stores
    cat >lockstep.yaml <<'YAML'
syncs:
  mapped:
    source: sqlite:shop.db#customers
    target: sqlite:mirror.db#customers
    fields: { id: id, email: lower(email), name: name }
YAML
    status 1 lockstep diff mapped --only email=ann@x.org --json
    holds out '.key.id == "1" and .source.email == "ann@x.org" and .fields == ["email", "name"]'
    # What the target has only in other words is no record of its own: a sync would delete it.
    status 1 lockstep diff mapped --only name=Anne --json
    holds out '.key.id == "1" and .status == "inconsistent"'
    status 1 lockstep sync mapped --only name=Anne --dry-run --json
    holds out '.updated == 1 and .deleted == 0'
    status 0 lockstep sync mapped --only email=ann@x.org
    is "$(sqlite3 mirror.db 'SELECT group_concat(email) FROM (SELECT email FROM customers ORDER BY id)')" ann@x.org,Cyd@x.org,old@x.org
    status 0 lockstep status "sqlite:shop.db#orders" "sqlite:mirror.db#orders" --only tenant=1 --only id=2 --json
    holds out '.total == 1 and .path == "keys"'
}
test_only_may_empty_what_it_names() {
    two_stores
    status 0 lockstep sync customers
    sqlite3 mirror.db "INSERT INTO customers VALUES (77, 'e', 'n', 1)"
    status 0 lockstep sync customers --only id=77 --json
    holds out '.deleted == 1'
}
test_create_dry_run_and_limit() {
    two_stores
    status 1 lockstep sync $S $T --dry-run
    is "$(sqlite3 mirror.db 'SELECT count(*) FROM customers')" 3
    [ ! -e state.db ] || die "a dry run made a state"
    status 2 lockstep sync $S sqlite:new.db#customers
    [ ! -e new.db ] || die "new.db was made without --create"
    status 0 lockstep sync $S sqlite:mirror.db#copies --create --json
    holds out '.created == 4'
    status 0 lockstep sync $S $T
    status 0 lockstep sync $S $T --dry-run --json
    holds out '.created + .updated + .deleted == 0'
    for _ in 1 2 3; do status 0 lockstep sync orders; done
    status 0 lockstep history --limit 2 --json
    holds out 'length == 2'
}
test_where_the_state_is() {
    two_stores
    export HOME=$PWD/home XDG_STATE_HOME=$PWD/xdg
    mkdir home
    status 0 lockstep sync orders
    [ -e state.db ] || die "LOCKSTEP_STATE was not used"
    sed -i '1i state: sqlite:of-config.db' lockstep.yaml
    status 0 lockstep sync orders
    [ -e of-config.db ] || die "state: of the configuration does not win over LOCKSTEP_STATE"
    status 0 lockstep --state sqlite:of-option.db sync orders
    [ -e of-option.db ] || die "--state does not win over the configuration"
    sed -i 1d lockstep.yaml
    unset LOCKSTEP_STATE
    status 0 lockstep sync orders
    [ -e xdg/lockstep/state.db ] || die "XDG_STATE_HOME was not used"
    unset XDG_STATE_HOME
    status 0 lockstep sync orders
    [ -e home/.local/state/lockstep/state.db ] || die "the user's folder was not used"
    status 0 lockstep history --json
    holds out 'length == 1'
}
test_another_configuration() {
    two_stores
    mv lockstep.yaml other.yaml
    status 2 lockstep status customers
    status 1 lockstep status customers -c other.yaml
    status 1 lockstep -c other.yaml status customers
    status 2 lockstep -c none.yaml status customers
    says err none.yaml "lockstep init"
}

test_names_are_taken_exactly_as_written() {
    local name quoted
    for name in 'Order Lines' 'größe' 'a.b' 'say "hi"' "it's" 'x:y' 'a#b' '100%' '-n'; do
        for db in s.db t.db; do
            rm -f $db
            sqlite3 $db "CREATE TABLE \"${name//\"/\"\"}\" (id INTEGER PRIMARY KEY, v TEXT); CREATE TABLE other (id INTEGER PRIMARY KEY)"
        done
        sqlite3 s.db "INSERT INTO \"${name//\"/\"\"}\" VALUES (1, 'one')"
        quoted=$name
        case $name in *[.\"]*) quoted="\"${name//\"/\"\"}\"" ;; esac
        rm -f lockstep.yaml state.db*
        status 1 lockstep status "sqlite:s.db#$quoted" "sqlite:t.db#$quoted" --json
        holds out '.source_only == 1'
        printf 'stores: { s: "sqlite:s.db", t: "sqlite:t.db" }\nsyncs:\n  one: { source: %s, target: %s }\n' \
            "'s.${quoted//\'/\'\'}'" "'t.${quoted//\'/\'\'}'" >lockstep.yaml
        status 0 lockstep sync one
        status 0 lockstep undo 1
        # What init writes can be read, and means the same.
        status 0 lockstep init sqlite:s.db sqlite:t.db -c init.yaml --replace
        status 1 lockstep -c init.yaml status --all --json
        holds out '.source_only == (if .sync == "other" then 0 else 1 end)'
    done
}
test_names_of_postgres_schemas_and_tables() {
    local s t
    s=$(pg_database cli_names_s)
    t=$(pg_database cli_names_t)
    for url in "$s" "$t"; do
        pg "$url" -c 'CREATE SCHEMA "My Schema"' -c 'CREATE TABLE "My Schema"."Größe.cm ""x""" (id int PRIMARY KEY, v text)' \
            -c 'CREATE TABLE "Upper" (id int PRIMARY KEY, v text)' -c 'CREATE TABLE upper (id int PRIMARY KEY)'
    done
    pg "$s" -c "INSERT INTO \"My Schema\".\"Größe.cm \"\"x\"\"\" VALUES (1, 'a')" -c "INSERT INTO \"Upper\" VALUES (1, 'a')"
    status 1 lockstep status "$s#My Schema.\"Größe.cm \"\"x\"\"\"" "$t#My Schema.\"Größe.cm \"\"x\"\"\"" --json
    holds out '.source_only == 1'
    status 1 lockstep status "$s#Upper" "$t#public.Upper" --json
    holds out '.source_only == 1'
    status 0 lockstep status "$s#upper" "$t#upper"
    cat >lockstep.yaml <<YAML
stores: { a: "$s", b: "$t" }
syncs:
  one: { source: 'a.My Schema."Größe.cm ""x"""', target: 'b.My Schema."Größe.cm ""x"""' }
  two: { source: a.Upper, target: b.public.Upper }
YAML
    status 0 lockstep sync --all
    is "$(pg "$t" -c 'SELECT count(*) FROM "Upper"')" 1
    status 2 lockstep status "$s#UPPER" "$t#UPPER"
    says err UPPER
}

# A role of its own with the canary as password, and two databases; sets $s and $t.
canary_databases() {
    local role=cli_canary_$$
    s=$(pg_database cli_pw_s)
    t=$(pg_database cli_pw_t)
    pg "$LOCKSTEP_TEST_PG" -c "DROP ROLE IF EXISTS $role" -c "CREATE ROLE $role SUPERUSER LOGIN PASSWORD '$canary'" 2>/dev/null
    bare_s=$(sed -E "s#//[^@]*@#//$role@#" <<<"$s")
    bare_t=$(sed -E "s#//[^@]*@#//$role@#" <<<"$t")
    s=$(sed -E "s#//[^@]*@#//$role:$canary@#" <<<"$s")
    t=$(sed -E "s#//[^@]*@#//$role:$canary@#" <<<"$t")
    pg "$s" -c 'CREATE TABLE items (id int PRIMARY KEY, v text)' -c "INSERT INTO items SELECT i, 'v' || i FROM generate_series(1, 50) i"
    pg "$t" -c 'CREATE TABLE items (id int PRIMARY KEY, v text)'
}
# Neither what was printed nor what was written has the canary in it.
no_canary() {
    ! grep -rlaF "$canary" . >found || die "the password is in $(tr '\n' ' ' <found)"
}
test_passwords_are_in_no_output_state_plan_or_receipt() {
    canary_databases
    for args in check status diff "plan -o p.plan" "sync --dry-run" sync verify history; do
        # shellcheck disable=SC2086
        lockstep ${args%% *} "$s#items" "$t#items" ${args#"${args%% *}"} --verbose >>printed 2>&1 </dev/null || true
    done
    lockstep history --json >>printed 2>&1
    lockstep show 1 >>printed 2>&1
    lockstep receipt 1 >>printed 2>&1
    lockstep audit list --json >>printed 2>&1
    lockstep init "$s" "$t" >>printed 2>&1
    says printed "Passwords were not written: set PGPASSWORD"
    sqlite3 state.db .dump >dump
    says printed "completed" items
    says dump items
    no_canary
}
test_passwords_are_in_no_message_of_a_mistake() {
    canary_databases
    wrong=postgres://nobody:$canary@127.0.0.1:1/db
    for args in "$wrong#t $t#items" "$s#items" "${s/:$canary@/:$canary/x@}#items $t#items" "${s/:$canary@/:$canary?x@}#items $t#items" \
        "${s/:$canary@/:$canary@@}#items $t#items" "${s}?sslpassword=$canary&bad $t#items" "${s%%\?*}?password=$canary&x=1#items $t#items" \
        "${s/@127/@[127}#items $t#items" "$s#none $t#items" "a b $s#items c $t d" "customers $s"; do
        for command in status sync diff check plan history; do
            # shellcheck disable=SC2086
            lockstep $command $args -o p.plan >>printed 2>&1 </dev/null || true
            # shellcheck disable=SC2086
            lockstep $command $args >>printed 2>&1 </dev/null || true
        done
    done
    for args in "$s" "help $s" "show $s" "undo $s" "receipt $s" "apply $s" "audit $s" "completion $s" "status --only $s" "status --key $s," "plan a b -o $s" \
        "-c $s status" "status --stat=$s" "prune --keep-size $s" "diff --limit $s" "--state $s?x history" "undo 1 $s x y z" "init $s" "init $s $s -c x/y/z.yaml"; do
        # shellcheck disable=SC2086
        lockstep $args >>printed 2>&1 </dev/null || true
    done
    [ "$(wc -l <printed)" -gt 60 ] || die "only $(wc -l <printed) lines were printed"
    no_canary
}
# Whether $pid waits for a lock, or has ended.
waits_for_lock() {
    ! kill -0 "$pid" || [ "$(pg "$LOCKSTEP_TEST_PG" -c "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'watched' AND wait_event_type = 'Lock'")" -gt 0 ]
}
test_passwords_are_hidden_from_ps() {
    canary_databases
    mkfifo hold
    (echo 'BEGIN; LOCK TABLE items IN ACCESS EXCLUSIVE MODE; SELECT 1;'; cat hold) | pg "$t" >locked 2>&1 &
    exec 8>hold # opened: psql waits behind the lock
    until_true [ -s locked ]
    "$LOCKSTEP" status "$s?application_name=watched&password=$canary#items" "$t?application_name=watched#items" >out 2>err </dev/null &
    pid=$!
    children+=("$pid")
    until_true waits_for_lock
    kill -0 "$pid" || die "ended early: $(cat err)"
    tr '\0' ' ' <"/proc/$pid/cmdline" >seen
    exec 8>&-
    { wait "$pid"; } 2>/dev/null || true
    says seen "xxxxxx" "items"
    lacks seen "$canary"
}
test_apply_and_undo_take_passwords_from_where_they_are() {
    canary_databases
    status 1 lockstep plan "$s#items" "$t#items" -o p.plan
    lacks p.plan "$canary"
    status 3 lockstep apply p.plan
    says err password
    # the URLs again
    status 0 lockstep apply p.plan "$s#items" "$t#items"
    status 3 lockstep undo 1
    says err password
    status 0 lockstep undo 1 "$s#items" "$t#items"
    is "$(pg "$t" -c 'SELECT count(*) FROM items')" 0
    # the environment
    status 0 env PGPASSWORD=$canary "$LOCKSTEP" apply p.plan
    status 0 env PGPASSWORD=$canary "$LOCKSTEP" undo 3
    is "$(pg "$t" -c 'SELECT count(*) FROM items')" 0
    # the configuration: a sync of the same name and the same stores, or one that is named
    # shellcheck disable=SC2016
    printf 'stores: { a: "%s", b: "%s" }\nsyncs:\n  items: { source: a.items, target: b.items }\n' \
        "${bare_s/@/:\$\{PW\}@}" "${bare_t/@/:\$\{PW\}@}" >lockstep.yaml
    export PW=$canary
    status 1 lockstep plan items -o q.plan
    status 0 lockstep apply q.plan
    status 0 lockstep undo 5
    status 0 lockstep apply p.plan items
    status 0 lockstep undo 7 items
    is "$(pg "$t" -c 'SELECT count(*) FROM items')" 0
    unset PW
    no_canary
}
test_what_was_recorded_opens_in_another_folder_too() {
    two_stores
    status 1 lockstep plan $S $T -o p.plan
    mkdir elsewhere
    cd elsewhere
    status 0 lockstep apply ../p.plan
    status 0 lockstep undo 1
    is "$(sqlite3 ../mirror.db 'SELECT count(*) FROM customers')" 3
    [ "$(find . -name '*.db')" = "" ] || die "a database was made"
}

long_sync() {
    sqlite3 s.db "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); WITH RECURSIVE i(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM i WHERE x < 20000) INSERT INTO t SELECT x, 'v' || x FROM i"
    sqlite3 t.db "PRAGMA journal_mode = wal; CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)" >/dev/null
    printf 'syncs:\n  long: { source: "sqlite:s.db#t", target: "sqlite:t.db#t", batch: 20 }\n' >lockstep.yaml
}
written() { sqlite3 -cmd '.timeout 5000' t.db 'SELECT count(*) FROM t'; }
has_written() { ! kill -0 "$pid" || [ "$(written)" -gt 0 ]; }
# Waits until the sync that runs as $pid has written something.
until_written() {
    until_true has_written
    kill -0 "$pid" || die "ended early: $(cat out err)"
}
test_an_interrupt_ends_after_the_batch_and_the_next_sync_goes_on() {
    local signal got n
    for signal in INT TERM; do
        rm -f ./*.db*
        long_sync
        "$LOCKSTEP" sync long --json >out 2>err </dev/null &
        pid=$!
        children+=("$pid")
        until_written
        kill -$signal "$pid"
        got=0
        wait "$pid" || got=$?
        is "$got" 130
        holds out '.status == "cancelled" and (.reason | test("next sync"))'
        n=$(written)
        is "$(jq .created out)" "$n"
        [ "$n" -lt 20000 ] || die "the interrupt came too late"
        status 0 lockstep sync long --json
        holds out ".created == 20000 - $n and .unchanged == $n"
        status 0 lockstep undo 2
        status 0 lockstep undo 1
        is "$(written)" 0
    done
}
test_a_run_that_was_killed_is_interrupted_to_whoever_looks() {
    long_sync
    "$LOCKSTEP" sync long >out 2>err </dev/null &
    pid=$!
    children+=("$pid")
    until_written
    kill -STOP "$pid"
    status 0 lockstep history --json
    holds out '.[0].status == "running"'
    kill -KILL "$pid"
    { wait "$pid"; } 2>/dev/null || true
    status 0 lockstep history --json
    holds out '.[0].status == "interrupted" and .[0].finished_at == null'
    status 0 lockstep show 1 --json
    holds out '.status == "interrupted"'
    status 0 lockstep sync long
    # from here on also in the state, and not only to whoever finds nobody at work
    is "$(sqlite3 "${LOCKSTEP_STATE#sqlite:}" 'SELECT status FROM runs WHERE number = 1')" interrupted
}
test_an_interrupt_ends_all_of_several_syncs() {
    long_sync
    sed -i 's/^  long: \(.*\)/  long: \1\n  other: { source: "sqlite:s.db#t", target: "sqlite:u.db#t" }/' lockstep.yaml
    sqlite3 u.db 'CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)'
    "$LOCKSTEP" sync --all --json >out 2>err </dev/null &
    pid=$!
    children+=("$pid")
    until_written
    kill -INT "$pid"
    got=0
    wait "$pid" || got=$?
    is "$got" 130
    is "$(wc -l <out)" 1
    is "$(sqlite3 u.db 'SELECT count(*) FROM t')" 0
}

# on_terminal COLUMNS COMMAND...: what a terminal of that width gets, in ./screen.
on_terminal() {
    local columns=$1
    shift
    TERM=xterm-256color script -qec "stty cols $columns rows 24; $*" screen >/dev/null </dev/null || true
    sed -i '/^Script \(started\|done\)/d' screen
}
test_a_terminal_gets_a_bar_and_colours_a_pipe_gets_neither() {
    long_sync
    on_terminal 100 "$LOCKSTEP sync long"
    says screen "repair" "█" "%" " of 20,000" $'\033[32mcompleted' $'\r\033[K'
    lockstep undo 1 >/dev/null
    status 0 lockstep sync long
    is "$(cat err)" ""
    lacks out $'\033'
    lacks out "█"
    lockstep undo 3 >/dev/null
    on_terminal 100 "$LOCKSTEP sync long --quiet"
    lacks screen "█"
}
test_the_bar_is_never_wider_than_the_terminal() {
    long_sync
    for columns in 30 60 80; do
        on_terminal $columns "$LOCKSTEP sync long"
        lockstep undo "$(lockstep history --json --limit 1 | jq '.[0].run')" >/dev/null
        # Between one \r and the next: characters, without the escape that clears the line.
        tr '\r' '\n' <screen | sed 's/\x1b\[K//g' | grep -E '^(repair|detection|verification) ' >bars
        [ -s bars ] || die "no bar on $columns columns"
        while IFS= read -r bar; do # awk here counts bytes
            [ ${#bar} -lt $columns ] || die "${#bar} characters on $columns columns: $bar"
        done <bars
    done
}
test_no_color_is_respected() {
    two_stores
    on_terminal 100 "$LOCKSTEP status customers"
    says screen $'\033[33m4 differ'
    for how in "NO_COLOR=1 $LOCKSTEP status customers" "$LOCKSTEP status customers --no-color" "TERM=dumb $LOCKSTEP status customers"; do
        on_terminal 100 "env $how"
        says screen "4 differ"
        lacks screen $'\033[33m'
    done
    # set but empty means nothing, says no-color.org
    on_terminal 100 "env NO_COLOR= $LOCKSTEP status customers"
    says screen $'\033[33m'
}
# Behind each \r a line begins anew; escapes take no column.
screen_lines() {
    tr '\r' '\n' <screen | sed -E 's/\x1b\[[0-9;]*[a-zA-Z]//g'
}
no_wider_than() {
    while IFS= read -r line; do # awk here counts bytes
        [ ${#line} -le "$1" ] || die "${#line} characters on $1 columns: $line"
    done < <(screen_lines)
}
test_a_status_fits_the_terminal() {
    two_stores
    on_terminal 200 "$LOCKSTEP status"
    screen_lines | grep -q 'IN SYNC  SOURCE ONLY' || die "two blanks between columns"
    on_terminal 76 "$LOCKSTEP status"
    no_wider_than 76
    screen_lines | grep -q 'IN SYNC SOURCE ONLY' || die "one blank between columns"
    on_terminal 40 "$LOCKSTEP status"
    no_wider_than 40
    screen_lines | grep -qx 'SYNC          customers' || die "below each other: $(cat screen)"
    screen_lines | grep -qx 'SOURCE ONLY   2' || die "below each other: $(cat screen)"
    lacks screen MOVING
}
test_findings_and_help_fit_the_terminal() {
    two_stores
    on_terminal 60 "$LOCKSTEP check customers"
    says screen "target customers: A run keeps marks"
    screen_lines | grep -v sqlite: >lines # one long word
    mv lines screen
    no_wider_than 60
    lockstep help sync >screen
    no_wider_than 80
    lockstep help >screen
    no_wider_than 80
    status 0 lockstep check customers
    says out "marks of its batches in a table lockstep_batches, by which they are known"
}
test_two_names_of_syncs_are_too_many() {
    two_stores
    status 2 lockstep sync customers orders
    says err '"customers" is no store URL. Name one sync, or two stores'
    status 2 lockstep status sqlite:shop.db#customers orders
    says err '"orders" is no store URL'
}
test_only_that_meets_nothing_says_so() {
    two_stores
    status 0 lockstep status customers --only id=77
    says out "no record of either side is one of --only"
    status 0 lockstep diff customers --only id=77
    says out "no record of either side is one of --only"
    status 2 lockstep diff customers --limit 0
    says err "--limit takes a number from 1 on"
    status 2 lockstep prune --keep-days 0 # in the library 0 is the default
    says err "--keep-days takes a number from 1 on"
}
test_keys_of_failed_records_read_as_in_diff() {
    sqlite3 a.db $'CREATE TABLE t (k TEXT NOT NULL, n INT NOT NULL, v INT, PRIMARY KEY (k, n)); INSERT INTO t VALUES (\'a"\\b, c:\t日本\', 1, 1)'
    sqlite3 b.db 'CREATE TABLE t (k TEXT NOT NULL, n INT NOT NULL, v INT CHECK (v > 1), PRIMARY KEY (k, n))'
    status 1 lockstep diff sqlite:a.db#t sqlite:b.db#t
    says out '+ k=a"\b, c:\x09日本, n=1'
    status 1 lockstep sync sqlite:a.db#t sqlite:b.db#t
    says out '  k=a"\b, c:\x09日本, n=1  CHECK constraint failed'
}
test_tables_lose_no_column_on_a_narrow_terminal() {
    two_stores
    status 0 lockstep sync customers
    on_terminal 40 "$LOCKSTEP history"
    says screen STATUS completed CREATED
    sqlite3 shop.db "UPDATE customers SET name = '$(printf 'x%.0s' {1..200})'"
    on_terminal 60 "$LOCKSTEP diff customers"
    no_wider_than 60
}

test_names_of_a_database_do_not_steer_the_terminal() {
    local field=$'red\e[31m'

    sqlite3 a.db 'CREATE TABLE t (id INTEGER PRIMARY KEY, v INT)'
    sqlite3 b.db "CREATE TABLE t (id INTEGER PRIMARY KEY, v INT, \"$field\" INT NOT NULL)"
    lockstep check sqlite:a.db#t sqlite:b.db#t >out 2>err || true
    says out 'red'
    is "$(grep -c $'\e' out)" 0
}

test_a_reader_that_leaves_ends_a_diff_cleanly() {
    long_sync
    set +e
    "$LOCKSTEP" diff long 2>err | head -n 1 >out
    codes="${PIPESTATUS[*]}"
    set -e
    is "$(cat out)" "+ id=1  only in the source"
    is "$(cat err)" ""
    is "$codes" "141 0" || is "$codes" "1 0"
    "$LOCKSTEP" help | head -n 1 >out
    says out lockstep
}
test_a_reader_that_leaves_does_not_end_a_sync() {
    long_sync
    set +e
    "$LOCKSTEP" sync long --verbose 2>&1 | head -n 1 >out
    codes="${PIPESTATUS[*]}"
    set -e
    is "$codes" "0 0"
    is "$(written)" 20000
    status 0 lockstep history --json
    holds out '.[0].status == "completed"'
}
test_output_that_cannot_be_written_is_an_error() {
    two_stores
    got=0
    "$LOCKSTEP" status customers >/dev/full 2>err || got=$?
    is "$got" 3
    says err "could not be written"
    long_sync # so much that the diff notices before its end
    for how in "" --json; do
        got=0
        "$LOCKSTEP" diff long $how >/dev/full 2>err || got=$?
        is "$got" 3
        is "$(cat err)" "lockstep: the output could not be written: No space left on device"
    done
}
test_text_from_a_database_cannot_command_the_terminal() {
    sqlite3 s.db "CREATE TABLE t (id TEXT NOT NULL PRIMARY KEY, v TEXT); INSERT INTO t VALUES (char(27) || '[2Jkey', char(27) || ']0;title' || char(7)), ('bell' || char(7), 'x')"
    sqlite3 t.db "CREATE TABLE t (id TEXT NOT NULL PRIMARY KEY, v TEXT CHECK (v <> 'x'))"
    status 1 lockstep diff sqlite:s.db#t sqlite:t.db#t
    says out '\x1b[2Jkey' '\x1b]0;title\x07'
    lacks out $'\033'
    status 1 lockstep sync sqlite:s.db#t sqlite:t.db#t
    lacks out $'\033'
    lacks out $'\a'
}
# What each shell is to offer for a line; the last word is the one that is being typed.
completion_offers() {
    two_stores
    sed -i 's/^  orders:/  "my orders": { source: shop.orders, target: mirror.orders }\n  orders:/' lockstep.yaml
    mv lockstep.yaml other.yaml
    ln -s "$LOCKSTEP" lockstep
    PATH=$PWD:$PATH # the scripts ask the program for the names of syncs
    touch plan-of-today
    offered "status" sta
    offered "--dry-run" sync --dr
    offered "" history --dr
    offered "plan-of-today" apply plan-
    offered "" sync my
    offered "my orders" -c other.yaml sync my
    offered "status" --config other.yaml --state x sta
    offered "customers" -c other.yaml undo 3 cust
    offered "list verify" audit ""
    offered "verify" audit ver
    offered "receipt" help receip
    offered "zsh" completion z
    offered "" show ""
    offered "other.yaml" -c oth
    offered "plan-of-today" plan customers -o plan-
    offered "" sync customers --key ""
}
test_completion_in_bash() {
    offered() {
        local wanted=$1
        shift
        COMP_WORDS=(lockstep "$@") COMP_CWORD=$# COMPREPLY=()
        _lockstep
        is "${COMPREPLY[*]}" "$wanted"
    }
    # shellcheck disable=SC1090
    source <("$LOCKSTEP" completion bash)
    completion_offers
    # bash hands --config=FILE over as three words
    offered "customers" --config = other.yaml sync cust
    offered "other.yaml" --config = oth
    offered "status" --force = sta
}
test_completion_in_zsh() {
    # What completes is told rather than done: outside of its line editor zsh has no completion.
    cat >offer.zsh <<'ZSH'
compdef() { }
compset() { }
_files() { local -a found=(${words[CURRENT]}*(N)); (( ! $#found )) || print -rl -- $found }
_describe() { compadd -a $argv[-1] }
compadd() { local item; for item in "${(@P)argv[-1]}"; do [[ $item == ${words[CURRENT]}* ]] && print -r -- "${item%%:*}"; done; true }
source <($LOCKSTEP completion zsh)
words=(lockstep "$@") CURRENT=$(($# + 1))
_lockstep
ZSH
    offered() {
        local wanted=$1
        shift
        is "$(LOCKSTEP=$LOCKSTEP zsh -f offer.zsh "$@" 2>&1 | paste -sd' ')" "$wanted"
    }
    completion_offers
}
test_completion_in_fish() {
    "$LOCKSTEP" completion fish >lockstep.fish
    offered() {
        local wanted=$1 line=lockstep word
        shift
        for word in "$@"; do line+=" $word"; done
        is "$(HOME=$PWD fish --no-config -c 'source lockstep.fish; complete -C "$argv[1]"' "$line" | cut -f 1 | sed 's/\\//g' | paste -sd' ')" "$wanted"
    }
    completion_offers
}
test_every_command_has_a_help_that_names_its_options() {
    local name
    for name in $(lockstep help | sed -n 's/^  \([a-z]*\)  .*/\1/p'); do
        status 0 lockstep help "$name"
        says out "Usage: lockstep $name" "Example:"
        cp out help.txt
        status 0 lockstep "$name" --help
        cmp -s out help.txt || die "$name --help is not help $name"
    done
    is "$(lockstep help --markdown | grep -c '^## lockstep ')" "$(lockstep help | grep -c '^  [a-z]*  *.* ')" || true
}
test_the_markdown_manual_is_the_page_in_docs() {
    [ -n "${LOCKSTEP_SOURCE_ROOT:-}" ] || LOCKSTEP_SOURCE_ROOT=$(cd "$suite/../.." && pwd)
    lockstep help --markdown >manual
    cmp manual "$LOCKSTEP_SOURCE_ROOT/docs/cli.md" || die "docs/cli.md is older than the program. Run tools/docs"
}

run_tests
