#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# receivers.sh - signed messages of every scheme sent to a daemon: what they do, what is refused, and that each takes effect once whatever is killed. (no disk)
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=daemon.sh disable=SC2154
. "$(dirname "$0")/daemon.sh"

export WEBHOOK_SECRET='a secret'
standard_key=whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX
tests=$(cd "$(dirname "$0")/.." && pwd)
# The daemon may be at work on it: waits.
sql() { command sqlite3 -cmd '.timeout 10000' "$@"; }
# post STATUS RECEIVER HEADER...: sends ./body.
post() {
    local wanted=$1 name=$2 got headers=() header
    shift 2
    for header in "$@"; do headers+=(-H "$header"); done
    got=$(curl -s -o answer -w '%{http_code}' -H 'Content-Type: application/json' "${headers[@]}" --data-binary @body "$url/api/webhooks/$name") || true
    [ "$got" = "$wanted" ] || die "$name: $got, not $wanted: $(cat answer) :: $(tail -n 2 log)"
}
hex() { openssl dgst -sha256 -hmac "$WEBHOOK_SECRET" -hex | sed 's/.*= //'; }
base64_mac() { openssl dgst -sha256 -hmac "$WEBHOOK_SECRET" -binary | base64; }
standard_mac() { openssl dgst -sha256 -mac HMAC -macopt hexkey:000102030405060708090a0b0c0d0e0f1011121314151617 -binary | base64; }
# Sends ./body as each sender signs it.
documented() { post "$1" "$2" "x-webhook-signature: $(hex <body)"; }
standard() {
    local now=${4:-$(date +%s)}
    post "$1" "$2" "webhook-id: $3" "webhook-timestamp: $now" "webhook-signature: v1,$({ printf '%s.%s.' "$3" "$now"; cat body; } | standard_mac)"
}
github() { post "$1" "$2" "X-GitHub-Event: $3" "X-GitHub-Delivery: $4" "X-Hub-Signature-256: sha256=$(hex <body)"; }
stripe() {
    local now=${3:-$(date +%s)}
    post "$1" "$2" "Stripe-Signature: t=$now,v1=$({ printf '%s.' "$now"; cat body; } | hex)"
}
shopify() { post "$1" "$2" "X-Shopify-Topic: $3" "X-Shopify-Webhook-Id: $4" "X-Shopify-Hmac-Sha256: $(base64_mac <body)"; }

# An event of the documents: ID TYPE RESOURCE DATA TIME
event() { printf '{"id":"%s","type":"%s","resourceId":"%s","resourceType":"%s","data":%s,"timestamp":"%s","retryCount":0,"status":"pending"}' "$1" "$2" "$3" "${2%%.*}" "$4" "${5:-2026-01-31T12:00:00.000Z}" >body; }

enrollments() {
    sql app.db 'CREATE TABLE enrollments (id TEXT PRIMARY KEY NOT NULL, course INTEGER, state TEXT, note TEXT)'
    cat >lockstep.yaml <<'YAML'
state: sqlite:state.db
stores: { app: sqlite:app.db }
receivers:
  enrollment-changed: { apply: app.enrollments }
YAML
}
rows() { sql app.db 'SELECT * FROM enrollments ORDER BY id' | tr '\n' ' '; }

test_E5_an_enrollment_is_created_updated_and_deleted() {
    enrollments
    serve
    event event-123 enrollment.created enrollment-123 '{"course":7,"state":"active","unknown":1}'
    documented 200 enrollment-changed
    is "$(jq -c '[.data.success, .data.id, .data.outcome, .data.enrollment, .metadata.version, (.metadata.timestamp | length)]' answer)" \
        '[true,"event-123","applied",{"id":"enrollment-123","last_updated_at":"2026-01-31T12:00:00.000Z"},"1.0",24]'
    is "$(rows)" 'enrollment-123|7|active| '
    sql app.db "UPDATE enrollments SET note = 'kept'"
    event event-124 enrollment.updated enrollment-123 '{"state":"done"}' 2026-01-31T12:00:01.000Z
    documented 200 enrollment-changed
    is "$(rows)" 'enrollment-123|7|done|kept ' # what the message does not say stays
    sql app.db "CREATE TABLE writes (id); CREATE TRIGGER u AFTER UPDATE ON enrollments BEGIN INSERT INTO writes VALUES (new.id); END"
    event event-124b enrollment.updated enrollment-123 '{"state":"done"}' 2026-01-31T12:00:01.500Z
    documented 200 enrollment-changed
    is "$(sql app.db 'SELECT count(*) FROM writes')" 0 # what is there already is not written
    event event-125 enrollment.deleted enrollment-123 null 2026-01-31T12:00:02.000Z
    documented 200 enrollment-changed
    is "$(rows)" ''
    status 0 lockstep audit list --json
    is "$(jq -r 'select(.actor == "receiver:enrollment-changed") | .subject' out)" $'enrollment.deleted enrollment-123 event-125\nenrollment.updated enrollment-123 event-124b\nenrollment.updated enrollment-123 event-124\nenrollment.created enrollment-123 event-123'
    status 0 lockstep audit verify
}

test_E5_a_redelivery_changes_nothing_and_an_older_event_never_wins() {
    enrollments
    serve
    event e2 enrollment.updated 1 '{"state":"new"}' 2026-01-31T12:00:02.000Z
    documented 200 enrollment-changed
    sql app.db "UPDATE enrollments SET state = 'by hand'"
    documented 200 enrollment-changed # again
    is "$(jq -c '[.data.outcome, .data.known]' answer)" '["applied",true]'
    sql state.db 'DELETE FROM received' # as a daemon leaves it that dies before it writes down what it did
    documented 200 enrollment-changed
    is "$(jq -c '[.data.outcome, .data.known]' answer)" '["applied",false]'
    is "$(rows)" '1||by hand| ' # the note beside the record knows
    event e1 enrollment.created 1 '{"state":"old"}' 2026-01-31T12:00:01.000Z
    documented 200 enrollment-changed
    is "$(jq -r .data.outcome answer)" stale
    is "$(rows)" '1||by hand| '
    event e3 enrollment.deleted 1 null 2026-01-31T12:00:03.000Z
    documented 200 enrollment-changed
    event e0 enrollment.created 1 '{"state":"risen"}' 2026-01-31T12:00:00.000Z
    documented 200 enrollment-changed
    is "$(rows)" '' # what was deleted later stays deleted
    is "$(sql app.db 'SELECT count(*) FROM lockstep_inbox')" 4
}

test_check_looks_at_what_receivers_write_to() {
    enrollments
    status 0 lockstep check
    says out "ok       receiver enrollment-changed: sqlite:$PWD/app.db#enrollments" "note     receiver enrollment-changed: the target keeps two tables"
    is "$(sql app.db "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'lockstep%'")" 0
    sed -i 's/app.enrollments/app.enrolments/' lockstep.yaml
    status 2 lockstep check
    says out 'error    receiver enrollment-changed: ' enrolments
    sql app.db 'CREATE TABLE loose (a TEXT)'
    sed -i 's/app.enrolments/app.loose/' lockstep.yaml
    status 2 lockstep check
    says out 'loose has no primary key: say by key:'
}

test_E5_user_and_profile_are_created_together() {
    local database
    database=$(pg_database receivers)
    pg "$database" -c 'CREATE TABLE users (id text PRIMARY KEY, email text UNIQUE, name text)' \
        -c 'CREATE TABLE profiles (user_id text PRIMARY KEY REFERENCES users, bio text, updated timestamptz)'
    cat >lockstep.yaml <<YAML
state: sqlite:state.db
stores: { app: "$database" }
receivers:
  profile-updated:
    apply:
      - { target: app.public.users, fields: { id: resource, email: "lower(data ->> '\$.email')", name: "data ->> '\$.name'" } }
      - { target: app.public.profiles, fields: { user_id: resource, bio: "data ->> '\$.bio'", updated: at } }
YAML
    serve
    event p1 profile.updated user-123 '{"email":"Ann@Example.com","name":"Ann","bio":"x"}'
    documented 200 profile-updated
    is "$(jq -c .data.profile.id answer)" '"user-123"'
    is "$(pg "$database" -c "SELECT u.*, p.bio, p.updated AT TIME ZONE 'UTC' FROM users u JOIN profiles p ON p.user_id = u.id")" 'user-123|ann@example.com|Ann|x|2026-01-31 12:00:00'
    # one of the two cannot be written: none is
    pg "$database" -c "INSERT INTO users VALUES ('other', 'bob@example.com', 'Bob')"
    event p2 user.updated user-124 '{"email":"bob@example.com","name":"Bo","bio":"y"}'
    documented 422 profile-updated
    is "$(jq -r .data.success answer)" false
    is "$(pg "$database" -c 'SELECT count(*) FROM profiles')" 1
    pg "$database" -c "DELETE FROM users WHERE id = 'other'"
    documented 200 profile-updated # sent again after it was put right
    is "$(pg "$database" -c 'SELECT count(*) FROM profiles')" 2
    is "$(pg "$database" -c 'SELECT count(*) FROM lockstep.inbox')" 2
    event p3 user.deleted user-124 null 2026-01-31T12:00:05.000Z
    documented 200 profile-updated
    is "$(pg "$database" -c 'SELECT count(*) FROM users')" 1
    event e1 enrollment.created 1 '{}'
    documented 200 profile-updated
    is "$(jq -r .data.outcome answer)" ignored
    documented 404 enrollment-changed
}

contacts() {
    sql app.db 'CREATE TABLE contacts (id TEXT PRIMARY KEY NOT NULL, name TEXT, big INTEGER) STRICT'
    cat >lockstep.yaml <<'YAML'
state: sqlite:state.db
stores: { app: sqlite:app.db }
receivers:
  std: { scheme: standard, secrets: ["whsec_d3JvbmcgYnV0IHdlbGwtZm9ybWVkIQ==", "${STANDARD}"], apply: app.contacts }
  sb: { scheme: supabase, secret: "v1,${STANDARD}", apply: { target: app.contacts, fields: { id: resource, name: "data ->> '$.email'" } } }
  gh: { scheme: github, secret: "${WEBHOOK_SECRET}", resource: "body ->> '$.issue.id'", apply: { target: app.contacts, fields: { id: resource, name: "type || ' ' || (body ->> '$.action')" } } }
  st: { scheme: stripe, secret: "${WEBHOOK_SECRET}", types: [customer.*], apply: app.contacts }
  shop: { scheme: shopify, secret: "${WEBHOOK_SECRET}", apply: { target: app.contacts, fields: { id: resource, name: "body ->> '$.title'", big: "body ->> '$.id'" } } }
  db: { scheme: header, header: X-Key, secret: "${WEBHOOK_SECRET}", apply: app.contacts }
  small: { secret: "${WEBHOOK_SECRET}", body_bytes: 100, window: 1h, apply: app.contacts }
YAML
    export STANDARD=$standard_key
}
contact() { sql app.db "SELECT name, big FROM contacts WHERE id = '$1'"; }
body() { printf '%s' "$1" >body; }

test_every_scheme_is_taken() {
    contacts
    serve
    body '{"type":"contact.created","timestamp":"2026-01-31T12:00:00Z","data":{"id":"s1","name":"Ann"}}'
    standard 200 std m1
    is "$(jq -c . answer)" '{"id":"m1","receiver":"std","outcome":"applied","known":false,"detail":{"created":1,"updated":0,"deleted":0,"unchanged":0,"stale":0}}'
    is "$(contact s1)" 'Ann|'
    body '{"metadata":{"uuid":"u","time":"2026-01-31T12:00:00Z","name":"after-user-created"},"user":{"id":"u1","email":"u@example.com","updated_at":"2026-01-31T12:00:00.5Z"}}'
    standard 200 sb m1 # another receiver: another message
    is "$(contact u1)" 'u@example.com|'
    body '{"action":"opened","issue":{"id":17}}'
    github 200 gh issues 72d3162e-cc78-11e3-81ab-4c9367dc0958
    is "$(contact 17)" 'issues opened|'
    body '{"id":"evt_1","type":"customer.updated","created":1767225600,"data":{"object":{"id":"cus_1","name":"Cus"}}}'
    stripe 200 st
    is "$(contact cus_1)" 'Cus|'
    body '{"id":"evt_2","type":"charge.failed","data":{"object":{"id":"ch_1"}}}'
    stripe 200 st
    is "$(jq -r .outcome answer)" ignored
    body '{"id":9007199254740993,"title":"Big","updated_at":"2026-01-31T12:00:00+01:00"}'
    shopify 200 shop products/update w1
    is "$(contact 9007199254740993)" 'Big|9007199254740993' # more than a double holds
    body '{"type":"INSERT","table":"contacts","schema":"public","record":{"id":"d1","name":"Db"},"old_record":null}'
    post 200 db 'X-Key: a secret'
    is "$(contact d1)" 'Db|'
    body '{"type":"DELETE","table":"contacts","schema":"public","record":null,"old_record":{"id":"d1","name":"Db"}}'
    post 200 db 'X-Key: a secret'
    is "$(contact d1)" ''
    lacks state.db 'a secret'
}

test_what_is_not_right_is_refused() {
    local now
    contacts
    serve
    now=$(date +%s)
    body '{"type":"contact.created","data":{"id":"s1","name":"Ann"}}'
    standard 401 std m1 $((now - 301))
    standard 401 std m1 $((now + 305))
    post 401 std 'webhook-id: m1' "webhook-timestamp: $now" 'webhook-signature: v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='
    is "$(jq -r .detail answer)" 'Invalid signature' # and no word more
    says log 'receiver std: a message was refused: it was signed too long ago'
    post 401 std
    post 401 db 'X-Key: another'
    WEBHOOK_SECRET=another github 401 gh issues g1
    post 401 gh "X-Hub-Signature-256: $(hex <body)"
    body "{\"id\":\"x\",\"type\":\"c.created\",\"resourceId\":\"1\",\"data\":{\"name\":\"$(printf '%0100d' 0)\"}}"
    documented 413 small
    body '{"id":"x","type":"c.created","resourceId":"1","timestamp":"2020-01-01T00:00:00Z"}'
    documented 400 small # older than its window
    body "{\"id\":\"x\",\"type\":\"c.created\",\"resourceId\":\"1\",\"timestamp\":\"$(date -u -d '+2 hours' +%FT%TZ)\"}"
    documented 400 small
    is "$(jq -r .detail answer)" 'its time is in the future'
    body '{"id":"x","type":"c.created","resourceId":"1","id":"y"}'
    documented 400 small
    body '{"id":"x\u0000y","type":"c.created","resourceId":"1"}'
    documented 400 small
    body '{"id":"x","type":"c.created","resour'
    documented 400 small
    printf '{"id":"x","type":"c.created","resourceId":"\xff"}' >body
    documented 400 small
    body '{"id":"x","type":"c.created"}'
    documented 400 small
    body ''
    documented 400 small
    body '{"type":"contact.created","data":{"name":"nobody"}}'
    standard 422 std m2
    body '{"type":"contact.created","data":{"id":"s1","big":"no number"}}'
    standard 422 std m3
    says answer 'field big'
    printf '{}' >body
    documented 404 absent
    head -c 1200000 /dev/zero | tr '\0' ' ' >body
    standard 413 std m4
    is "$(sql app.db 'SELECT count(*) FROM contacts')" 0
    is "$(sql state.db 'SELECT count(*) FROM received WHERE state <> 4')" 0
}

test_a_message_runs_a_sync_of_what_it_is_about() {
    sql a.db "CREATE TABLE c (id INTEGER PRIMARY KEY, n TEXT); INSERT INTO c VALUES (1, 'x'), (2, 'y')"
    sql b.db 'CREATE TABLE c (id INTEGER PRIMARY KEY, n TEXT)'
    cat >lockstep.yaml <<'YAML'
state: sqlite:state.db
syncs:
  c: { source: "sqlite:a.db#c", target: "sqlite:b.db#c" }
receivers:
  hook: { scheme: header, header: Authorization, secret: "${WEBHOOK_SECRET}", sync: c, only: { id: "data ->> '$.id'" } }
YAML
    serve
    body '{"type":"INSERT","record":{"id":2},"old_record":null}'
    post 200 hook 'Authorization: Bearer a secret'
    is "$(jq -c '[.outcome, .detail.run, .detail.created]' answer)" '["applied",1,1]'
    is "$(sql b.db 'SELECT * FROM c')" '2|y'
    body '{"type":"INSERT","record":{"x":2},"old_record":null}'
    post 422 hook 'Authorization: a secret'
    ask 200 GET /api/v1/receivers
    is "$(jq -c '.items | map([.name, .does, .to, .received.applied, .received.refused])' answer)" '[["hook","sync",["c"],1,1]]'
    status 0 lockstep receivers
    says out 'hook' 'sync c'
    status 0 lockstep receivers list --json
    is "$(jq -r .received.applied out)" 1
}

rows_are() { [ "$(rows)" = "$1" ]; }
# known RECEIVER: ./body is sent again and has been done.
known() { documented 200 "$1" && answer_is .data.known true; }
test_what_cannot_be_done_now_is_done_later() {
    enrollments
    mv app.db away.db
    serve
    event e1 enrollment.created 1 '{"state":"new"}'
    documented 503 enrollment-changed
    mv away.db app.db
    until_true rows_are '1||new| '
    until_true known enrollment-changed
    is "$(jq -r .data.outcome answer)" applied
}

npm() {
    [ ! -d "$work/npm" ] || return 0
    mkdir "$work/npm"
    cp "$tests"/npm/{package.json,package-lock.json,receivers.mjs} "$work/npm"
    (cd "$work/npm" && command npm ci --no-audit --no-fund --ignore-scripts) >npm.log 2>&1 || die "npm ci: $(tail -n 5 npm.log)"
}

test_the_official_libraries_sign_what_is_received() {
    npm
    contacts
    serve
    node "$work/npm/receivers.mjs" send "$url" >out 2>err || die "$(grep -m1 -E 'Error|assert' err) :: $(tail -n 2 log)"
    is "$(contact npm)" 'Zoë “quoted”|'
    is "$(contact 18)" 'issues opened|'
}

test_the_official_libraries_accept_what_is_delivered() {
    local port
    npm
    export STANDARD=$standard_key
    node "$work/npm/receivers.mjs" take >taken 2>err &
    children+=("$!")
    until_true has_lines taken 1
    port=$(head -n 1 taken)
    printf 'state: sqlite:state.db\nevents: { allow: [127.0.0.1] }\nendpoints:\n  a: { url: "http://127.0.0.1:%s/", secret: "${STANDARD}" }\n' "$port" >lockstep.yaml
    serve
    ask 202 POST /api/v1/events -d '{"id":"a","type":"profile.updated","resourceId":"1","data":{"name":"Zoë “quoted”","n":1.0}}'
    until_true has_lines taken 2
    is "$(sed -n 2p taken)" 'standard=true documented=true'
}

# Sends the events of ./events, eight at a time, until each is answered with 200; notes how often each was.
sender() {
    cat >sender.js <<'JS'
const http = require('http'), crypto = require('crypto'), fs = require('fs');
const [path] = process.argv.slice(2);
const lines = fs.readFileSync('events', 'utf8').trim().split('\n');
const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
const send = (body) => new Promise((resolve) => {
    const url = fs.readFileSync('where', 'utf8').trim();
    const signature = crypto.createHmac('sha256', process.env.WEBHOOK_SECRET).update(body).digest('hex');
    const request = http.request(url + path, { agent, method: 'POST', headers: { 'x-webhook-signature': signature } }, (response) => {
        const parts = [];
        response.on('data', (part) => parts.push(part));
        response.on('end', () => resolve(response.statusCode === 200 ? JSON.parse(Buffer.concat(parts)) : null));
        response.on('error', () => resolve(null));
    });
    request.on('error', () => resolve(null));
    request.end(body);
});
let next = 0, sent = 0;
const one = async () => {
    while (next < lines.length) {
        const body = lines[next++];
        let answer = null;
        while (!(answer = await send(body))) await new Promise((resolve) => setTimeout(resolve, 50));
        fs.appendFileSync('answered', ++sent + ' ' + answer.data.id + ' ' + answer.data.outcome + '\n');
    }
};
Promise.all(Array.from({ length: 8 }, one)).then(() => process.exit(0));
JS
    node sender.js "$1" &
    children+=("$!")
    sending=$!
}

where() {
    echo "$url" >where.new
    mv where.new where
}
# sent_or_over N: so many are answered, or all are.
sent_or_over() { has_lines answered "$1" || ! kill -0 "$sending" 2>/dev/null; }
received_is() { [ "$(sql state.db "$1")" = "$2" ]; }
# 1,000 events, of which the effect can be counted: each inserts a row, and a trigger counts inserts and updates.
test_each_of_1000_events_takes_effect_once_whatever_is_killed() {
    local i kills=0 moment
    RANDOM=${LOCKSTEP_TEST_SEED:-$$}
    echo "seed ${LOCKSTEP_TEST_SEED:-$$}" >&2
    enrollments
    sql app.db "PRAGMA journal_mode = wal; CREATE TABLE effects (id TEXT NOT NULL, what TEXT NOT NULL);
        CREATE TRIGGER i AFTER INSERT ON enrollments BEGIN INSERT INTO effects VALUES (new.id, 'insert'); END;
        CREATE TRIGGER u AFTER UPDATE ON enrollments BEGIN INSERT INTO effects VALUES (new.id, 'update'); END;" >mode
    for ((i = 0; i < 1000; i++)); do
        event "e$i" enrollment.created "r$i" "{\"course\":$i}"
        cat body
        echo
    done >events
    : >answered
    serve
    where
    sender /api/webhooks/enrollment-changed
    while kill -0 "$sending" 2>/dev/null; do
        moment=$(($(wc -l <answered) + 20 + RANDOM % 120))
        until_true sent_or_over "$moment"
        kill -0 "$sending" 2>/dev/null || break
        kill_daemon
        kills=$((kills + 1))
        serve
        where
    done
    wait "$sending"
    echo "$kills kills" >&2
    [ "$kills" -ge 5 ] || die "only $kills kills"
    is "$(wc -l <answered)" 1000
    is "$(sql app.db 'SELECT count(*), sum(course) FROM enrollments')" '1000|499500'
    is "$(sql app.db 'SELECT what, count(*) FROM effects GROUP BY what')" 'insert|1000'
    until_true received_is 'SELECT count(*) FROM received WHERE state = 0' 0
    is "$(sql state.db 'SELECT state, count(*) FROM received GROUP BY state')" '1|1000'
    status 0 lockstep audit list --limit 5000 --json
    is "$(jq -r 'select(.actor == "receiver:enrollment-changed") | .subject' out | sort | uniq -c | awk '$1 != 1' | wc -l)" 0
    status 0 lockstep audit verify
    is "$(sql app.db 'PRAGMA integrity_check')" ok
}

run_tests
