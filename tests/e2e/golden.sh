#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# golden.sh - what every command prints, for people and as JSON, with its exit status.
#
# A test makes small stores, runs commands with `show`, and its transcript has to be golden/NAME.txt. What differs from
# run to run (times, ids, digests, folders, ports) is written as a word. After a change that was meant:
#
#   LOCKSTEP_GOLDEN_UPDATE=1 LOCKSTEP=build/lockstep tests/e2e/golden.sh
#
# writes the files anew; read the difference before it is committed.
golden=$(cd "$(dirname "$0")" && pwd)/golden
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
export USER=tester LOCKSTEP_GOLDEN_DIR=$golden
unset NO_COLOR PGPASSWORD

# What is the same in every run stays; $PWD is the test's folder.
normalise() {
    local server
    server=$(sed -E 's#^[^@]*@([^/]*)/.*#\1#' <<<"${LOCKSTEP_TEST_PG:-postgres://u@no-server/}")
    sed -E \
        -e '/^\{/s/ +$//' -e "s#$PWD#DIR#g; s#$server#SERVER#g; s#e2e_([a-z_]*)_$$#e2e_\1#g" \
        -e 's#[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}#UUID#g' \
        -e 's#[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z#WHEN#g' \
        -e 's#20[2-9][0-9]-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}(:[0-9]{2})?#WHEN#g' \
        -e 's#STARTED \(UTC\) *#STARTED (UTC)  #; s# +TIME\b#  TIME#; s# +[0-9.]+ (ms|s)\b#  DURATION#g' \
        -e 's#"duration_ms":[0-9]+#"duration_ms":0#g' \
        -e 's#lst_[A-Za-z0-9_-]{48}#TOKEN#g; s#"version":"[0-9]+-[0-9a-f]+"#"version":"VERSION"#g' \
        -e 's#\b[0-9a-f]{64}\b#SHA256#g; s#"digest":( ?)"[0-9a-f]{16}"#"digest":\1"DIGEST"#g' \
        -e 's#lsn=[0-9A-F/]*, snapshot=[0-9:,]*#lsn=LSN, snapshot=SNAPSHOT#g' \
        -e 's#"seeds":( ?)\["[0-9a-f]{16}",( ?)"[0-9a-f]{16}"\]#"seeds":\1["SEED",\2"SEED"]#g' \
        -e 's#cli:tester@[^ "]+#cli:tester@HOST#g; s#HOST +#HOST  #g'
}

# show COMMAND...: adds the command, what it printed (standard error behind !) and its exit status to the transcript.
show() {
    local code=0
    "$@" >out 2>err </dev/null || code=$?
    {
        printf '$ %s\n' "$*"
        cat out
        sed 's/^/! /' err
        printf '= %d\n\n' "$code"
    } | normalise >>transcript
    [ "$1" != lockstep ] || ! grep -q '[[:blank:]]$' out || die "blanks at the end of a line: $*"
}

# same NAME: the transcript is the golden one.
same() {
    if [ -n "${LOCKSTEP_GOLDEN_UPDATE:-}" ]; then
        cp transcript "$golden/$1.txt"
    fi
    diff -u "$golden/$1.txt" transcript >difference || die "$(cat difference)"
}

two_stores() {
    sqlite3 shop.db "CREATE TABLE customers (id INTEGER PRIMARY KEY, email TEXT NOT NULL, name TEXT, balance DECIMAL(10,2), joined TEXT);
        INSERT INTO customers VALUES (1, 'ann@x.org', 'Ann', 10.50, '2024-01-02'), (2, 'bob@x.org', 'Bob', 0, '2024-01-03'), (3, 'cyd@x.org', 'Cyd', NULL, NULL);
        CREATE TABLE orders (tenant INT NOT NULL, id INT NOT NULL, total NUMERIC, PRIMARY KEY (tenant, id));
        INSERT INTO orders VALUES (1, 1, 5), (1, 2, 7.25); CREATE TABLE drafts (a INT); CREATE TABLE notes (a INT)"
    sqlite3 mirror.db "CREATE TABLE customers (id INTEGER PRIMARY KEY, email TEXT NOT NULL, name TEXT, balance DECIMAL(10,2), joined TEXT);
        INSERT INTO customers VALUES (1, 'ann@x.org', 'Anne', 10.50, '2024-01-02'), (3, 'cyd@x.org', 'Cyd', NULL, NULL), (9, 'old@x.org', 'Old', 1, NULL);
        CREATE TABLE orders (tenant INT NOT NULL, id INT NOT NULL, total NUMERIC, PRIMARY KEY (tenant, id));
        INSERT INTO orders VALUES (1, 1, 5), (1, 2, 7.25); CREATE TABLE notes (a INT); CREATE TABLE zips (a INT)"
}
two_syncs() {
    two_stores
    cat >lockstep.yaml <<'YAML'
stores:
  shop: sqlite:shop.db
  mirror: sqlite:mirror.db
syncs:
  customers: { source: shop.customers, target: mirror.customers, key: id }
  orders: { source: shop.orders, target: mirror.orders }
YAML
}
S=sqlite:shop.db#customers
T=sqlite:mirror.db#customers

test_init() {
    two_stores
    show lockstep init sqlite:shop.db sqlite:mirror.db
    show cat lockstep.yaml
    show lockstep init sqlite:shop.db sqlite:mirror.db
    show lockstep init sqlite:shop.db sqlite:mirror.db --replace
    show lockstep init sqlite:shop.db#orders sqlite:mirror.db#orders -c pair.yaml
    show cat pair.yaml
    show lockstep init sqlite:shop.db#notes sqlite:mirror.db#notes -c none.yaml
    sqlite3 empty.db 'CREATE TABLE other (a INT)'
    show lockstep init sqlite:shop.db sqlite:empty.db -c none.yaml
    show lockstep init sqlite:shop.db
    show ls
    same init
}
test_check() {
    show lockstep check
    two_syncs
    show lockstep check
    show lockstep check --json
    show lockstep check customers
    show lockstep check $S $T --key email
    sqlite3 mirror.db 'DROP TABLE orders; CREATE TABLE orders (tenant INT NOT NULL, id INT NOT NULL, total SMALLINT, PRIMARY KEY (tenant, id))'
    rm shop.db
    show lockstep check
    show lockstep check --json
    show lockstep check custmers
    same check
}
test_status() {
    show lockstep status
    two_syncs
    show lockstep status
    show lockstep status --json
    show lockstep status customers
    show lockstep status orders
    show lockstep status orders --json
    show lockstep status orders --explain
    show lockstep status customers --full --explain --json
    show lockstep status $S $T
    show lockstep status $S $T --json
    show lockstep status customers --only id=2
    mv mirror.db away.db
    sqlite3 mirror.db 'CREATE TABLE orders (tenant INT NOT NULL, id INT NOT NULL, total NUMERIC, PRIMARY KEY (tenant, id))'
    show lockstep status
    show lockstep status --json
    same status
}
test_diff() {
    two_syncs
    show lockstep diff
    show lockstep diff customers
    show lockstep diff customers --json
    show lockstep diff customers --limit 1
    show lockstep diff customers --limit 1 --json
    show lockstep diff orders
    show lockstep diff orders --json
    show lockstep diff customers --only id=1 --json
    same diff
}
test_diff_of_values_that_are_hard_to_see() {
    two_stores
    # shellcheck disable=SC2016
    sqlite3 shop.db "DELETE FROM customers; INSERT INTO customers VALUES
        (1, 'a', 'Ann ', 1, ''), (2, 'b', NULL, 2, 'zoë' || char(10) || char(27) || '[31m'), (3, 'c', '日本語', 3, 'x'),
        (4, 'd', printf('%.600c', 'x') || 'here' || printf('%.600c', 'y'), 4, NULL)"
    sqlite3 mirror.db "DELETE FROM customers; INSERT INTO customers VALUES
        (1, 'a', 'Ann', 1, NULL), (2, 'b', '(null)', 2, 'zoë'), (3, 'c', '日本', 3, 'x '),
        (4, 'd', printf('%.600c', 'x') || 'there' || printf('%.600c', 'y'), '4', NULL)"
    show lockstep diff $S $T
    same diff_values
}
test_plan_and_apply() {
    two_syncs
    show lockstep plan customers
    show lockstep plan customers -o customers.plan
    show cat customers.plan
    show lockstep plan customers --json -o customers.plan
    show lockstep plan orders -o orders.plan
    show lockstep plan orders --json -o orders.plan
    show lockstep apply customers.plan
    show lockstep apply orders.plan --json
    show lockstep apply customers.plan
    show lockstep apply customers.plan --json
    show lockstep apply none.plan
    same plan_apply
}
test_sync() {
    two_syncs
    show lockstep sync
    show lockstep sync customers --dry-run
    show lockstep sync customers --dry-run --json
    show lockstep sync orders --dry-run
    show lockstep sync customers
    show lockstep sync customers
    show lockstep sync --all
    show lockstep sync --all --json
    sqlite3 shop.db "UPDATE customers SET name = 'Anna' WHERE id = 1"
    show lockstep sync $S $T --json
    show lockstep sync customers --all
    show lockstep sync $S file:new.csv --create
    show cat new.csv
    same sync
}
test_sync_of_several_of_which_one_fails() {
    two_syncs
    sed -i 's/^syncs:/syncs:\n  broken: { source: shop.gone, target: mirror.orders }/' lockstep.yaml
    show lockstep sync --all
    show lockstep sync --all --json
    show lockstep verify --all
    same sync_several
}
test_sync_of_records_that_fail() {
    two_syncs
    sqlite3 mirror.db "DROP TABLE customers; CREATE TABLE customers (id INTEGER PRIMARY KEY, email TEXT NOT NULL,
        name TEXT CHECK (name <> 'Bob'), balance DECIMAL(10,2), joined TEXT)"
    show lockstep sync customers
    show lockstep sync customers --json
    show lockstep show 1
    show lockstep show 1 --json
    same sync_failed
}
test_brakes() {
    two_syncs
    sqlite3 mirror.db "DELETE FROM customers; WITH RECURSIVE i(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM i WHERE x < 40)
        INSERT INTO customers SELECT x, 'e' || x, 'n', 1, NULL FROM i"
    show lockstep sync customers --dry-run
    show lockstep sync customers --dry-run --json
    show lockstep sync customers
    show lockstep sync customers --json
    show lockstep sync customers --force=changes
    show lockstep sync customers --force=delets
    show lockstep sync customers --force
    same brakes
}
test_verify() {
    two_syncs
    show lockstep verify
    show lockstep verify customers
    show lockstep verify customers --json
    show lockstep verify orders --full
    show lockstep verify --all --json
    same verify
}
test_undo() {
    two_syncs
    show lockstep undo 1
    show lockstep sync customers
    show lockstep undo 1
    show lockstep undo 1
    show lockstep undo 2 --json
    show lockstep sync orders
    show lockstep undo 4
    sqlite3 mirror.db "UPDATE customers SET name = 'mine' WHERE id = 1"
    show lockstep undo 3
    show lockstep verify customers
    show lockstep undo 7
    show lockstep undo 99
    show lockstep undo
    same undo
}
test_history_and_show() {
    two_syncs
    show lockstep history
    show lockstep history --json
    show lockstep history nowhere
    lockstep sync --all >/dev/null
    lockstep undo 1 >/dev/null
    lockstep sync $S $T >/dev/null
    show lockstep history
    show lockstep history --json
    show lockstep history --limit 1
    show lockstep history orders
    show lockstep history $S $T
    show lockstep history custmers
    show lockstep show 1
    show lockstep show 1 --json
    show lockstep show 3
    show lockstep show 4
    show lockstep show 99
    same history_show
}
test_receipt() {
    two_syncs
    show lockstep receipt 1
    lockstep sync customers >/dev/null
    lockstep verify orders >/dev/null
    show lockstep receipt 1
    show lockstep receipt 1 --json
    show lockstep receipt 2 --json
    show lockstep receipt 3
    same receipt
}
test_prune() {
    two_syncs
    show lockstep prune
    lockstep sync customers >/dev/null
    show lockstep prune
    show lockstep prune --json
    show lockstep prune --keep-size 1
    show lockstep prune --keep-size 1 --json
    show lockstep undo 1
    show lockstep prune --keep-size much
    show lockstep prune --keep-days x
    same prune
}
test_audit() {
    two_syncs
    show lockstep audit list
    show lockstep audit verify
    lockstep sync customers >/dev/null
    lockstep undo 1 >/dev/null
    show lockstep audit list
    show lockstep audit
    show lockstep audit list --json --limit 1
    show lockstep audit verify
    show lockstep audit verify --json
    show lockstep audit lst
    sqlite3 state.db "UPDATE audit SET actor = 'nobody' WHERE seq = 1"
    show lockstep audit verify
    show lockstep audit verify --json
    same audit
}
test_token() {
    show lockstep token
    show lockstep token create ci
    show lockstep token create ci --role operater
    show lockstep token create ci --role operator --expires soon
    show lockstep token create 'my ci' --role operator
    show lockstep token create ci --role operator
    show lockstep token create ci --role admin
    show lockstep token create worker --role service --expires 30d --json
    show lockstep token list
    show lockstep token list --json
    show lockstep token list ci
    show lockstep token revoke
    show lockstep token revoke ci
    show lockstep token revoke ci
    show lockstep token revoke worker --json
    show lockstep token list
    show lockstep token list --role admin
    show lockstep token reovke ci
    show lockstep audit list
    same token
}
# with_password PASSWORD COMMAND...: shows it with that on standard input.
with_password() {
    local code=0 word=$1
    shift
    printf '%s\n' "$word" | "$@" >out 2>err || code=$?
    {
        printf '$ echo PASSWORD | %s\n' "$*"
        cat out
        sed 's/^/! /' err
        printf '= %d\n\n' "$code"
    } | normalise >>transcript
    ! grep -qF "$word" out err || die "the password is shown: $*"
}
test_user() {
    show lockstep user
    show lockstep user add ann --role admin
    with_password 'tiny one' lockstep user add ann --role admin
    with_password 'four plain words here' lockstep user add ann --role service
    with_password 'four plain words here' lockstep user add Ann --role admin
    with_password 'four plain words here' lockstep user add ann --role admin
    with_password 'four other words here' lockstep user add ann --role admin
    with_password 'four other words here' lockstep user add bob@example.org --role viewer --json
    show lockstep user list
    show lockstep user list --json
    with_password 'four newer words here' lockstep user passwd ann
    with_password 'four newer words here' lockstep user passwd eve
    show lockstep user role bob@example.org --role operator
    show lockstep user disable bob@example.org
    show lockstep user list
    show lockstep user enable bob@example.org --json
    show lockstep user remove ann
    show lockstep user role bob@example.org --role admin
    show lockstep user remove ann
    show lockstep user remove ann
    show lockstep user disable bob@example.org
    show lockstep user list
    show lockstep user delete ann
    show lockstep audit list
    show lockstep audit verify
    ! grep -rqaE 'words here' . || die "a password is in a file"
    same user
}
test_schedule() {
    printf 'syncs:\n  users: { source: "sqlite:a#users", target: "sqlite:b#users" }\nevents: { allow: [app.example.com] }\n' >lockstep.yaml
    show lockstep schedule
    show lockstep schedule create nightly --cron '30 2 * * mon-fri' --zone Europe/Berlin --sync users
    show lockstep schedule create drain --cron @hourly --queue --retries 0 --paused
    show lockstep schedule create tell --cron '*/5 * * * *' --post https://app.example.com/x --method PUT --header 'X-A: b' --body '{}' --jitter 10s --timeout 5s --json
    show lockstep schedule create nightly --cron @daily --queue
    show lockstep schedule create nightly --cron @daily --queue --replace
    show lockstep schedule list
    show lockstep schedule list --json
    show lockstep schedule create x --cron '0 0 31 2 *' --queue
    show lockstep schedule create x --cron @daily --zone Europe/Berlim --queue
    show lockstep schedule create x --cron @daily --sync usres
    show lockstep schedule create x --cron @daily
    show lockstep schedule create x --queue
    show lockstep schedule create
    show lockstep schedule create x --cron @daily --queue --body y
    show lockstep schedule create x --cron @daily --queue --timeout 5
    show lockstep schedule create x --cron @daily --post https://169.254.169.254/latest
    show lockstep schedule pause nightly
    show lockstep schedule resume nightly --json
    show lockstep schedule trigger nightly
    show lockstep schedule trigger drain --json
    show lockstep schedule history
    show lockstep schedule history drain --json
    show lockstep schedule next nightly --limit 2
    show lockstep schedule next '0 12 * * *' --zone Asia/Tokyo --limit 1 --json
    show lockstep schedule next '0 12 * *'
    show lockstep schedule next nihgtly
    show lockstep schedule delete drain
    show lockstep schedule delete drain
    show lockstep schedule delte drain
    show lockstep audit list
    same schedule
}

test_help() {
    local name
    show lockstep help
    show lockstep --help
    show lockstep -h
    show lockstep
    for name in $(lockstep help | sed -n 's/^  \([a-z]*\)  .*/\1/p'); do
        show lockstep help "$name"
    done
    show lockstep sync --help
    show lockstep help syncs
    show lockstep --version
    show lockstep -V
    awk 'length > 100 && !/^\$/' transcript >wide
    [ ! -s wide ] || die "wider than 100: $(cat wide)"
    same help
}
test_completion() {
    show lockstep completion bash
    show lockstep completion zsh
    show lockstep completion fish
    show lockstep completion tcsh
    same completion
}
test_usage() {
    two_syncs
    show lockstep stauts
    show lockstep sqlite:a.db sqlite:b.db
    show lockstep status --explian
    show lockstep status --explain=yes
    show lockstep status -x
    show lockstep history --full
    show lockstep plan customers -o
    show lockstep diff customers --limit some
    show lockstep diff customers --only id
    show lockstep diff customers --only ident=1
    show lockstep status customers --key ''
    show lockstep status $S
    show lockstep status one two three
    show lockstep status customers -c none.yaml
    show lockstep status customers --state oracle:x
    show lockstep history --state oracle:x
    same usage
}
test_postgres() {
    local s t
    s=$(pg_database golden_s)
    t=$(pg_database golden_t)
    # No user, no password in what is shown.
    for url in "$s" "$t"; do
        pg "$url" -c 'CREATE TABLE items (id bigint PRIMARY KEY, tags text[], price numeric(12,3), at timestamptz, doc jsonb, raw bytea, ok boolean, share float8)' >/dev/null
    done
    pg "$s" -c "INSERT INTO items VALUES (9007199254740993, '{a,\"b c\"}', 1.500, '2024-05-01 10:00+02', '{\"a\": 1}', '\\x00ff', true, 'NaN'), (2, NULL, 2, NULL, NULL, NULL, false, 0.1)" >/dev/null
    pg "$t" -c "INSERT INTO items VALUES (2, NULL, 2.001, NULL, NULL, NULL, true, 0.1), (3, '{}', NULL, NULL, NULL, NULL, NULL, NULL)" >/dev/null
    cat >lockstep.yaml <<YAML
syncs:
  items: { source: "$s#items", target: "$t#public.items" }
YAML
    show lockstep check
    show lockstep status
    show lockstep status --json
    show lockstep diff items
    show lockstep diff items --json
    show lockstep sync items
    show lockstep status --explain
    show lockstep verify items --full --json
    show lockstep receipt 2 --json
    show lockstep undo 1 --json
    show lockstep history
    same postgres
}
test_files() {
    two_stores
    printf 'id,email,name,balance,joined\r\n1,ann@x.org,Ann,10.5,2024-01-02\r\n2,bob@x.org,"Bob, ""B""",0,2024-01-03\r\n' >c.csv
    show lockstep status file:c.csv $T --key id
    show lockstep diff file:c.csv $T --key id
    show lockstep sync $S file:c.csv --key id
    show cat c.csv
    show lockstep sync $S file:out.jsonl --create
    show cat out.jsonl
    show lockstep history
    same files
}

test_events() {
    cat >lockstep.yaml <<'YAML'
events: { types: ["order.*"] }
endpoints:
  crm: { url: "https://crm.example/hook", secrets: [new, old], types: ["order.*", profile.updated], timeout: 5s, rate: 20 }
  erp: { url: "https://erp.example/", secret: s, paused: true }
YAML
    printf '%s\n' '{"id":"e1","type":"order.paid","resourceId":"7","data":{"total": 9.50},"timestamp":"2026-01-31T12:00:00.000Z"}' '' \
        '{"id":"e2","type":"enrollment.created","resourceId":"a b"}' >two.jsonl
    show lockstep endpoints
    show lockstep events
    show lockstep events emit two.jsonl
    show lockstep events emit two.jsonl --json
    show lockstep events emit --type order.paid --resource 7
    show lockstep events emit --type ordr.paid --resource 7
    show lockstep events emit none.json
    show lockstep events list
    show lockstep events list --type 'order.*' --endpoint crm --status waiting --json
    show lockstep events list --endpoint cmr
    show lockstep events list --status lost
    show lockstep events stats
    show lockstep events stats --json
    show lockstep events show e1
    show lockstep events show e1 --json
    show lockstep events show e9
    show lockstep events discard e2
    show lockstep events discard --status pending --endpoint crm
    show lockstep events replay e1 --status discarded --rate 5
    show lockstep events sned
    show lockstep endpoints pause crm
    show lockstep endpoints resume erp
    show lockstep endpoints --json
    show lockstep audit list
    same events
}

test_receivers() {
    show lockstep receivers
    cat >lockstep.yaml <<'YAML'
stores: { app: "sqlite:app.db" }
syncs:
  users: { source: "sqlite:a.db#users", target: app.users }
receivers:
  crm: { secret: s, apply: [app.users, app.profiles] }
  hook: { scheme: header, header: X-Key, secret: s, sync: users, only: { id: "data ->> '$.id'" } }
YAML
    show lockstep receivers
    show lockstep receivers list --json
    show lockstep receivers lst
    printf '{"id":1}' >body
    export WEBHOOK_SECRET=s
    show lockstep events verify body
    show lockstep events verify body --header 'x-webhook-signature: 2b9f0a'
    show lockstep events verify body --scheme header:X-Key --header 'X-Key: s'
    show lockstep events verify body --scheme githup
    show lockstep events verify body --secret s
    show lockstep events verify none
    same receivers
}

run_tests
