#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# endpoints.sh (E18) - endpoints that are made, changed, rotated, tested and removed while the daemon runs.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=daemon.sh disable=SC2154
. "$(dirname "$0")/daemon.sh"

ask_with=(-H 'Content-Type: application/json')
header() { sed -n "s/^$1: //Ip" headers | tr -d '\r'; }
event() { printf '{"id":"%s","type":"%s","resourceId":"%s"}' "$1" "${2:-profile.updated}" "$1"; }

# A receiver that appends what came to ./received, a JSON line each; $receiver is its port.
receive() {
    run_receiver <<'JS'
function answer(request, body, response) {
    fs.appendFileSync('received', JSON.stringify({ path: request.url, headers: request.headers, body }) + '\n');
    response.writeHead(request.url === '/gone' ? 410 : 200);
    response.end();
}
JS
}
# arrived N: waits for N deliveries.
arrived() { until_true has_lines received "$1"; }
# Whether the signatures of the newest delivery (Standard Webhooks) are made with these secrets, in this order.
signed_by() {
    node - "$@" <<'JS' || die "not signed by $*"
const fs = require('fs'), crypto = require('crypto');
const { headers: h, body } = JSON.parse(fs.readFileSync('received', 'utf8').trim().split('\n').pop());
const key = (s) => s.startsWith('whsec_') ? Buffer.from(s.slice(6), 'base64') : Buffer.from(s);
const wanted = process.argv.slice(2).map((s) =>
    'v1,' + crypto.createHmac('sha256', key(s)).update(`${h['webhook-id']}.${h['webhook-timestamp']}.${body}`).digest('base64'));
process.exit(h['webhook-signature'] === wanted.join(' ') ? 0 : 1);
JS
}
# emit ID: by the command line.
emit() { event "$1" >event.json && lockstep events emit <event.json >/dev/null || die "$1 was not taken"; }
allow_loopback() { echo 'events: { allow: [127.0.0.1] }' >lockstep.yaml; }

test_an_endpoint_is_made_and_gets_what_is_accepted_from_then_on() {
    receive
    allow_loopback
    serve
    ask 202 POST /api/v1/events -d "$(event before)"
    ask 201 POST /api/v1/endpoints -d "{\"name\":\"crm\",\"url\":\"http://127.0.0.1:$receiver/hook\",\"types\":[\"profile.*\"],\"headers\":{\"X-Team\":\"a password\"}}"
    is "$(header location)" /api/v1/endpoints/crm
    secret=$(jq -r .secret answer)
    [[ $secret == whsec_* ]] || die "$secret"
    is "$(jq -c '[.name, .origin, .secrets, .settings.policy]' answer)" '["crm","api",1,"standard"]'
    ask 202 POST /api/v1/events -d "[$(event a), $(event b enrollment.created)]"
    arrived 1
    is "$(jq -c '[.path, .headers["webhook-id"], .headers["x-team"]]' received)" '["/hook","a","a password"]'
    signed_by "$secret"
    ask 200 GET /api/v1/events/before
    is "$(jq -c .to answer)" '[]'
    for path in /api/v1/endpoints /api/v1/endpoints/crm; do
        ask 200 GET $path
        lacks answer "$secret"
        lacks answer "a password"
    done
    status 0 lockstep audit list --json
    lacks out "$secret"
    lacks log "$secret"
    cat state.db* >kept
    lacks kept "$secret"
    lacks kept "a password"
    lacks log "a password"
    ask 200 GET '/api/v1/endpoints/crm/attempts?limit=1'
    is "$(jq -c '[.items[0].event, .items[0].status, .next]' answer)" '["a",200,null]'
}

# As a program wrote them that did not seal headers.
test_headers_that_are_open_in_the_state_are_sent_and_sealed() {
    receive
    allow_loopback
    serve
    ask 201 POST /api/v1/endpoints -d "{\"name\":\"crm\",\"url\":\"http://127.0.0.1:$receiver/hook\",\"headers\":{\"X-Team\":\"a\"}}"
    secret=$(jq -r .secret answer)
    kill "$daemon"
    wait "$daemon"
    sqlite3 state.db "UPDATE endpoints SET settings = json_set(settings, '\$.headers', json('[[\"X-Team\",\"an open password\"]]'))"
    is "$(sqlite3 state.db "SELECT settings LIKE '%an open password%' FROM endpoints")" 1
    serve
    is "$(sqlite3 state.db "SELECT settings LIKE '%an open password%' FROM endpoints")" 0
    ask 202 POST /api/v1/endpoints/crm/test
    arrived 1
    is "$(jq -r '.headers["x-team"]' received)" 'an open password'
    signed_by "$secret"
    ask 200 GET /api/v1/endpoints/crm
    is "$(jq -c .settings.headers answer)" '[["X-Team","***"]]'
}

test_a_change_is_for_whoever_has_seen_the_newest_version() {
    receive
    allow_loopback
    serve
    ask 201 POST /api/v1/endpoints -d '{"name":"crm","url":"http://127.0.0.1:9/","rate":2}'
    seen=$(header etag)
    ask 200 GET /api/v1/endpoints/crm
    is "$(header etag)" "$seen"
    ask 200 PATCH /api/v1/endpoints/crm -H "If-Match: $seen" -d "{\"url\":\"http://127.0.0.1:$receiver/new\",\"rate\":null,\"concurrency\":3}"
    is "$(jq -c '[.settings.rate, .settings.concurrency]' answer)" '[0,3]'
    ask 412 PATCH /api/v1/endpoints/crm -H "If-Match: $seen" -d '{"concurrency":4}'
    is "$(jq -r .code answer)" changed
    ask 412 DELETE /api/v1/endpoints/crm -H "If-Match: $seen"
    ask 400 DELETE /api/v1/endpoints/crm -H "If-Match: nonsense"
    ask 202 POST /api/v1/events -d "$(event a)"
    arrived 1
    is "$(jq -r .path received)" /new
    ask 200 GET /api/v1/endpoints/crm
    ask 204 DELETE /api/v1/endpoints/crm -H "If-Match: $(header etag)"
    ask 404 GET /api/v1/endpoints/crm
    ask 202 POST /api/v1/events -d "$(event b)"
    ask 200 GET /api/v1/events/b
    is "$(jq -c .to answer)" '[]'
}

test_what_is_on_its_way_to_a_removed_endpoint_is_discarded() {
    allow_loopback
    serve
    ask 201 POST /api/v1/endpoints -d '{"name":"crm","url":"http://127.0.0.1:9/","paused":true}'
    ask 202 POST /api/v1/events -d "$(event a)"
    ask 204 DELETE /api/v1/endpoints/crm
    ask 200 GET /api/v1/events/a
    is "$(jq -r '.to[0].state' answer)" discarded
}

# A command that runs without the daemon's environment knows nothing of its endpoints.
test_an_endpoint_that_the_configuration_loses_keeps_what_waits_for_it() {
    allow_loopback
    receive
    {
        echo 'events: { allow: [127.0.0.1] }'
        echo "endpoints: { crm: { url: \"http://127.0.0.1:$receiver/\", secret: a long secret of crm, paused: true } }"
    } >with.yaml
    cp with.yaml lockstep.yaml
    serve
    emit a
    allow_loopback
    emit b
    status 0 lockstep endpoints list
    says out crm paused
    ask 202 POST /api/v1/settings/reload
    until_true asked GET /api/v1/endpoints/crm '.disabled != ""' true
    is "$(jq -r .disabled answer)" 'the configuration does not name it any more'
    emit c
    is "$(lockstep events list --json | jq -r '[.id, .status, .deliveries] | join(" ")' | tr '\n' ,)" 'c delivered 0,b pending 1,a pending 1,'
    status 2 lockstep endpoints resume crm
    says err 'name it there again'
    cp with.yaml lockstep.yaml
    sed -i 's/, paused: true//' lockstep.yaml
    ask 202 POST /api/v1/settings/reload
    until_true asked GET /api/v1/endpoints/crm .disabled ''
    status 0 lockstep endpoints resume crm
    arrived 2
    # With nothing on its way to it, it goes.
    until_quiet
    allow_loopback
    ask 202 POST /api/v1/settings/reload
    until_true ask 404 GET /api/v1/endpoints/crm
}

test_a_dropped_endpoint_is_removed_by_hand_and_what_waits_is_discarded() {
    echo 'endpoints: { crm: { url: "https://crm.example/", secret: a long secret of crm, paused: true } }' >lockstep.yaml
    serve
    emit a
    status 2 lockstep endpoints remove crm
    says err 'stands in the configuration'
    printf '{}\n' >lockstep.yaml
    ask 202 POST /api/v1/settings/reload
    until_true status 0 lockstep endpoints remove crm
    status 0 lockstep events show 1
    is "$(jq -r '[.id, .status, .to[0].state] | join(" ")' out)" 'a discarded discarded'
}

test_a_url_of_the_environment_keeps_its_name_while_others_come_and_go() {
    allow_loopback
    export WEBHOOK_SECRET=a-secret-that-signs
    named() { lockstep endpoints list --json | jq -r '[.name, .url, .disabled != ""] | map(tostring) | join(" ")' | sort | tr '\n' ,; }
    SYNC_WEBHOOK_URLS=http://127.0.0.1:9/a,http://127.0.0.1:9/b serve
    status 0 lockstep endpoints pause webhook-1
    emit a
    is "$(named)" 'webhook-1 http://127.0.0.1:9/a false,webhook-2 http://127.0.0.1:9/b false,'
    finish
    SYNC_WEBHOOK_URLS=http://127.0.0.1:9/b,http://127.0.0.1:9/c,http://127.0.0.1:9/b serve
    is "$(named)" 'webhook-1 http://127.0.0.1:9/a true,webhook-2 http://127.0.0.1:9/b false,webhook-3 http://127.0.0.1:9/b false,webhook-4 http://127.0.0.1:9/c false,'
    finish
    SYNC_WEBHOOK_URLS=http://127.0.0.1:9/moved,http://127.0.0.1:9/b,http://127.0.0.1:9/c serve
    is "$(named)" 'webhook-1 http://127.0.0.1:9/moved false,webhook-2 http://127.0.0.1:9/b false,webhook-4 http://127.0.0.1:9/c false,'
}

test_check_says_where_events_may_go() {
    allow_loopback
    echo 'endpoints: { crm: { url: "http://127.0.0.1:9/crm", secret: a long secret of crm } }' >>lockstep.yaml
    status 0 lockstep check
    says out 'ok       endpoint crm: http://127.0.0.1:9/crm'
    printf '{}\n' >lockstep.yaml
    SYNC_WEBHOOK_URLS=http://127.0.0.1:9/a WEBHOOK_SECRET=a-secret-that-signs status 2 lockstep check
    says out 'error    endpoint webhook-1: 127.0.0.1 is this machine' 'events.allow'
    status 2 lockstep check
    says out 'has no syncs, no endpoints and no receivers'
    status 0 lockstep events emit --type profile.updated --resource 1
    says out '(no endpoint wants it)'
}

# P12: what opens other places stands in the environment and in files, and nowhere else.
test_P12_credentials_are_neither_logged_nor_told_nor_kept_in_the_open() {
    export PG_PASSWORD=canary-of-the-store WEBHOOK_SECRET=canary-of-the-environment CRM_SECRET=canary-of-the-endpoint
    cat >lockstep.yaml <<'YAML'
state: sqlite:state.db
stores: { there: "postgres://app:${PG_PASSWORD}@127.0.0.1:9/app", here: sqlite:here.db }
syncs: { users: { source: there.users, target: here.users, key: id } }
events: { allow: [127.0.0.1] }
endpoints: { crm: { url: "http://127.0.0.1:9/", secret: "${CRM_SECRET}", headers: { X-Key: canary-of-the-header }, policy: documented } }
receivers: { shop: { scheme: github, secrets: ["${CRM_SECRET}"], sync: users } }
YAML
    sqlite3 here.db 'CREATE TABLE users (id INTEGER PRIMARY KEY)'
    SYNC_WEBHOOK_URLS=http://127.0.0.1:9/a serve --verbose
    emit a
    local path told=told
    for path in settings endpoints endpoints/crm events/a syncs syncs/users/status receivers schedules audit health; do
        curl -s -i -H "Authorization: Bearer $LOCKSTEP_TOKEN" "$url/api/v1/$path" >>$told
    done
    ask 401 POST /api/webhooks/shop -H 'X-Hub-Signature-256: sha256=00' -d '{}' || ask 404 POST /api/webhooks/shop -d '{}'
    lockstep check --verbose >>$told 2>&1 || true
    lockstep status users --verbose --show-sql >>$told 2>&1 || true
    lockstep sync users --verbose >>$told 2>&1 || true
    { lockstep history && lockstep endpoints list --json && lockstep endpoints tries crm && lockstep audit list; } >>$told
    until_true asked GET /api/v1/events/a '[.to[].attempts] | min > 0' true
    finish
    says $told 127.0.0.1:9
    lacks $told canary
    lacks log canary
    lacks answer canary
    ! grep -laF canary state.db* || die "the state has it in the open"
}

test_two_secrets_sign_while_one_is_replaced() {
    receive
    allow_loopback
    serve
    ask 201 POST /api/v1/endpoints -d "{\"name\":\"crm\",\"url\":\"http://127.0.0.1:$receiver/\",\"secret\":\"the first secret\"}"
    is "$(jq -c .secret answer)" null # it was given, so nobody needs to be told
    ask 200 POST /api/v1/endpoints/crm/secret/rotate -d '{}'
    second=$(jq -r .secret answer)
    is "$(jq -c '[.secrets, .old_secret_until != null]' answer)" '[2,true]'
    ask 202 POST /api/v1/endpoints/crm/test
    arrived 1
    signed_by "$second" "the first secret"
    ask 200 POST /api/v1/endpoints/crm/secret/rotate -d '{"secret":"the third secret","keep_s":0}'
    is "$(jq -c '[.secret, .secrets, .old_secret_until]' answer)" '[null,1,null]'
    ask 202 POST /api/v1/endpoints/crm/test
    arrived 2
    signed_by "the third secret"
    ask 400 POST /api/v1/endpoints/crm/secret/rotate -d '{"secret":"whsec_!!"}'
    lacks answer 'whsec_!!'
    ask 400 PATCH /api/v1/endpoints/crm -d '{"secret":"another"}'
    says answer rotated
}

test_a_test_event_goes_to_one_endpoint_alone() {
    receive
    allow_loopback
    serve
    ask 201 POST /api/v1/endpoints -d "{\"name\":\"a\",\"url\":\"http://127.0.0.1:$receiver/a\"}"
    ask 201 POST /api/v1/endpoints -d "{\"name\":\"b\",\"url\":\"http://127.0.0.1:$receiver/b\"}"
    ask 202 POST /api/v1/endpoints/b/test
    arrived 1
    is "$(jq -r '.path, (.body | fromjson | .type)' received | xargs)" '/b lockstep.test'
    until_state "$(jq -r '.body | fromjson | .id' received)" delivered
    is "$(jq -c '[.to[].endpoint]' answer)" '["b"]'
    ask 204 POST /api/v1/endpoints/b/pause
    ask 409 POST /api/v1/endpoints/b/test
    says answer 'resume it first'
}

test_requests_do_not_go_where_they_may_not() {
    serve
    for place in http://127.0.0.1/ https://127.0.0.1/ https://localhost/ https://10.1.2.3/ https://169.254.169.254/latest \
        https://[::1]/ https://0x7f000001/ https://2130706433/ https://[::ffff:10.0.0.1]/ http://93.184.216.34/; do
        ask 422 POST /api/v1/endpoints -d "{\"name\":\"crm\",\"url\":\"$place\"}"
    done
    for place in ftp://93.184.216.34/ nonsense 'https://93.184.216.34/a b'; do
        ask 400 POST /api/v1/endpoints -d "{\"name\":\"crm\",\"url\":\"$place\"}"
    done
    ask 201 POST /api/v1/endpoints -d '{"name":"crm","url":"https://93.184.216.34/","paused":true}'
    ask 422 PATCH /api/v1/endpoints/crm -d '{"url":"https://10.1.2.3/"}'
    ask 200 GET /api/v1/endpoints/crm
    is "$(jq -r .url answer)" https://93.184.216.34/
    if getent hosts ip6-loopback >/dev/null; then # a name of this machine that is no "localhost"
        ask 422 POST /api/v1/endpoints -d '{"name":"other","url":"https://ip6-loopback/"}'
        says answer 'this machine'
    fi
    printf 'endpoints:\n  crm: { url: "https://10.1.2.3/", secret: s }\n' >lockstep.yaml
    status 2 lockstep endpoints list
    says err lockstep.yaml:2 'a private address' allow
    printf 'events: { allow: [10.0.0.0/8] }\nendpoints:\n  crm: { url: "https://10.1.2.3/", secret: s }\n' >lockstep.yaml
    status 0 lockstep endpoints list
}

test_a_host_that_cannot_be_found_is_told_to_whoever_names_it() {
    unshare -rn true 2>/dev/null || return 0 # without a network no name server is asked
    status 3 unshare -rn "$LOCKSTEP" endpoints create crm https://no-such-host.invalid/
    says err no-such-host.invalid
    status 0 lockstep endpoints list --json
    is "$(cat out)" ''
}

test_E18_the_command_line_makes_tests_and_removes_them_while_the_daemon_runs() {
    receive
    allow_loopback
    serve
    status 0 lockstep endpoints create crm "http://127.0.0.1:$receiver/" --type profile.updated --rate 50 --policy fast
    secret=$(cat out)
    [[ $secret == whsec_* ]] || die "$secret"
    says err 'only time'
    status 0 lockstep endpoints test crm
    says out 'crm delivered: ' ' 200 '
    signed_by "$secret"
    status 0 lockstep endpoints tries crm --json
    is "$(jq -c '[.type, .status]' out)" '["lockstep.test",200]'
    status 0 env NEW='the second secret' "$LOCKSTEP" endpoints rotate crm --secret env:NEW --keep 0
    lacks out 'the second secret'
    status 0 lockstep endpoints test crm --json
    is "$(jq -r '.to[0].state' out)" delivered
    signed_by 'the second secret'
    status 0 lockstep endpoints create other "http://127.0.0.1:$receiver/other"
    status 0 lockstep endpoints test
    is "$(cut -d: -f1 out | sort | xargs)" 'crm delivered other delivered'
    status 0 lockstep endpoints remove other
    status 0 lockstep endpoints change crm "http://127.0.0.1:$receiver/gone" --rate 0
    status 1 lockstep endpoints test crm
    says out 410
    status 3 lockstep endpoints test crm
    says err 'is disabled'
    status 0 lockstep endpoints resume crm
    status 0 lockstep endpoints list --json
    is "$(jq -c '[.url, .settings.rate, .settings.policy]' out)" "[\"http://127.0.0.1:$receiver/gone\",0,\"fast\"]"
    status 0 lockstep endpoints remove crm
    status 2 lockstep endpoints remove crm
    status 2 lockstep endpoints create crm
    says err 'NAME URL'
    status 2 lockstep endpoints rotate
    says err 'which endpoint'
    status 2 lockstep endpoints create crm https://93.184.216.34/ --secret 'a secret in an argument'
    lacks err 'a secret in'
}

test_the_endpoints_of_the_configuration_are_changed_there() {
    printf 'endpoints:\n  crm: { url: "https://93.184.216.34/", secret: s, paused: true }\n' >lockstep.yaml
    serve
    ask 409 PATCH /api/v1/endpoints/crm -d '{"rate":1}'
    is "$(jq -r .code answer)" config
    says answer 'stands in the configuration'
    ask 409 DELETE /api/v1/endpoints/crm
    ask 409 POST /api/v1/endpoints/crm/secret/rotate -d '{}'
    ask 409 POST /api/v1/endpoints -d '{"name":"crm","url":"https://93.184.216.34/"}'
    ask 204 POST /api/v1/endpoints/crm/resume
    ask 204 POST /api/v1/endpoints/crm/pause
}

test_a_change_that_the_audit_log_does_not_take_is_not_made() {
    allow_loopback
    serve
    ask 201 POST /api/v1/endpoints -d '{"name":"crm","url":"http://127.0.0.1:9/","rate":1}'
    sqlite3 state.db "CREATE TRIGGER refuse BEFORE INSERT ON audit WHEN NEW.action = 'endpoint' BEGIN SELECT RAISE(ABORT, 'no entry'); END"
    ask 409 POST /api/v1/endpoints/crm/pause
    ask 409 POST /api/v1/endpoints/crm/test
    ask 409 POST /api/v1/endpoints/crm/secret/rotate -d '{}'
    ask 409 PATCH /api/v1/endpoints/crm -d '{"rate":2}'
    ask 409 DELETE /api/v1/endpoints/crm
    ask 409 POST /api/v1/endpoints -d '{"name":"new","url":"http://127.0.0.1:9/"}'
    ask 200 GET /api/v1/endpoints
    is "$(jq -c '[.items[] | [.name, .paused, .settings.rate, .secrets]]' answer)" '[["crm",false,1,1]]'
    ask 200 GET /api/v1/events
    is "$(jq -c .items answer)" '[]'
    sqlite3 state.db 'DROP TRIGGER refuse'
    ask 204 POST /api/v1/endpoints/crm/pause
    ask 200 GET /api/v1/endpoints/crm
    is "$(jq .paused answer)" true
    is "$(sqlite3 state.db "SELECT count(*) FROM audit WHERE action = 'endpoint' AND subject = 'crm' AND detail LIKE '{\"paused\":true%'")" 1
    status 0 lockstep audit verify
}

test_what_is_wrong_with_an_endpoint_is_said() {
    serve
    ask 400 POST /api/v1/endpoints -d '{"name":"crm"}'
    says answer 'needs a url'
    ask 400 POST /api/v1/endpoints -d '{"name":"crm","url":"https://93.184.216.34/","tpyes":[]}'
    says answer 'did you mean types'
    ask 400 POST /api/v1/endpoints -d '{"name":"a b","url":"https://93.184.216.34/"}'
    ask 400 POST /api/v1/endpoints -d '{"name":"crm","url":"https://93.184.216.34/","policy":"soon"}'
    ask 400 POST /api/v1/endpoints -d '{"name":"crm","url":"https://93.184.216.34/","headers":{"webhook-id":"1"}}'
    ask 400 POST /api/v1/endpoints -d '{"name":"crm","url":"https://93.184.216.34/","url":"https://93.184.216.35/"}'
    ask 400 POST /api/v1/endpoints -d '[]'
    ask 404 PATCH /api/v1/endpoints/cmr -d '{}'
    ask 404 GET /api/v1/endpoints/cmr/attempts
}

test_one_that_answers_gone_gets_nothing_until_it_is_resumed() {
    receive
    allow_loopback
    serve
    ask 201 POST /api/v1/endpoints -d "{\"name\":\"crm\",\"url\":\"http://127.0.0.1:$receiver/gone\"}"
    ask 202 POST /api/v1/endpoints/crm/test
    arrived 1
    until_true asked GET /api/v1/endpoints/crm '.disabled != ""' true
    ask 202 POST /api/v1/events -d "$(event a)" # accepted, for nobody
    ask 200 GET /api/v1/events/a
    is "$(jq -c .to answer)" '[]'
    ask 200 PATCH /api/v1/endpoints/crm -d "{\"url\":\"http://127.0.0.1:$receiver/\"}"
    is "$(jq -r .disabled answer)" ''
    ask 202 POST /api/v1/events -d "$(event b)"
    arrived 2
}

test_pages_of_tries_hold_each_one_once() {
    receive
    allow_loopback
    serve
    ask 201 POST /api/v1/endpoints -d "{\"name\":\"crm\",\"url\":\"http://127.0.0.1:$receiver/\"}"
    ask 201 POST /api/v1/endpoints -d "{\"name\":\"other\",\"url\":\"http://127.0.0.1:$receiver/\"}"
    ask 202 POST /api/v1/events -d "[$(event e1), $(event e2), $(event e3), $(event e4), $(event e5)]"
    arrived 10
    until_quiet
    cursor='' seen=''
    for _ in 1 2 3; do
        ask 200 GET "/api/v1/endpoints/crm/attempts?limit=2$cursor"
        seen="$seen $(jq -r '[.items[].event] | join(" ")' answer)"
        cursor="&cursor=$(jq -r .next answer)"
    done
    is "$seen" ' e5 e4 e3 e2 e1'
    is "$cursor" '&cursor=null'
}

test_another_node_on_the_same_state_follows_a_change_at_once() {
    [ -n "${LOCKSTEP_TEST_PG:-}" ] || return 0
    receive
    LOCKSTEP_STATE=$(pg_database endpoints)
    LOCKSTEP_KEY=$(printf '%064d' 7)
    export LOCKSTEP_STATE LOCKSTEP_KEY
    allow_loopback
    serve
    first=$url
    serve
    second=$url
    for n in 1 2 3 4 5; do
        url=$first
        ask 201 POST /api/v1/endpoints -d "{\"name\":\"e$n\",\"url\":\"http://127.0.0.1:$receiver/$n\"}"
        url=$second
        ask 202 POST /api/v1/events -d "$(event "a$n")"
        until_true asked GET "/api/v1/events/a$n" '[.to[] | select(.state == "delivered")] | length' "$n"
    done
    url=$first
    ask 204 DELETE /api/v1/endpoints/e1
    url=$second
    ask 202 POST /api/v1/events -d "$(event last)"
    ask 200 GET /api/v1/events/last
    is "$(jq -c '[.to[].endpoint] | sort' answer)" '["e2","e3","e4","e5"]'
}

run_tests
