#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# alerts.sh (E16) - what goes wrong is told, once, in each channel's own words; so is its end; never data, never a secret.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=daemon.sh disable=SC2154
. "$(dirname "$0")/daemon.sh"

ask_with=(-H 'Content-Type: application/json')
# The monitoring services: appends what came to ./told, a JSON line each. /refuse answers 500 while ./down is there; /dead refuses deliveries for good.
receive() {
    : >told
    run_receiver <<'JS'
function answer(request, body, response) {
    const down = fs.existsSync('down') && request.url !== '/dead';
    if (request.url !== '/dead' && !down)
        fs.appendFileSync('told', JSON.stringify({ path: request.url, headers: request.headers, body }) + '\n');
    if (down) fs.appendFileSync('refused', request.url + '\n');
    response.writeHead(down ? 500 : request.url === '/dead' ? 489 : 202, { 'Upstash-NonRetryable-Error': 'true' });
    response.end('a secret answer');
}
JS
}
# told_to PATH: the bodies that came there.
told_to() { jq -r --arg path "$1" 'select(.path == $path) | .body' told; }
count() { [ "$(told_to "$1" | grep -c .)" -ge "$2" ]; }
# A sync whose target is not there: every run fails.
broken_sync() {
    sqlite3 source.db 'CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO people VALUES (1, "a secret name")'
    sqlite3 target.db 'CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT CHECK (name = "nobody"))'
    cat >>lockstep.yaml <<'YAML'
syncs:
  people: { source: "sqlite:source.db#people", target: "sqlite:target.db#people" }
YAML
}

test_a_failed_run_is_told_to_every_channel_and_so_is_its_end() {
    receive
    cat >tell <<'SH'
#!/bin/sh
cat >>"$1"
echo >>"$1"
env >>"$1.env"
SH
    chmod +x tell
    cat >lockstep.yaml <<YAML
alerts:
  every: 100ms
  webhook: { url: "http://127.0.0.1:$receiver/hook", secret: the webhook secret }
  sentry: "http://the-sentry-key@127.0.0.1:$receiver/7"
  pagerduty: { key: the-routing-key, url: "http://127.0.0.1:$receiver/pd" }
  command: ["$PWD/tell", "$PWD/commanded"]
YAML
    broken_sync
    serve
    status 1 lockstep sync people
    until_true count /hook 1
    is "$(told_to /hook | jq -c '[.type, .alert, .kind, .state, .severity]')" '["lockstep.alert","runs:people","runs","firing","error"]'
    [[ $(told_to /hook | jq -r .text) == "run 1 of people: "*"lockstep show 1"* ]] || die "$(told_to /hook)"
    until_true count /pd 1
    is "$(told_to /pd | jq -c '[.routing_key, .event_action, .dedup_key, .payload.severity, .payload.class, (.payload.source | length > 0), (.payload.summary | length > 0)]')" \
        '["the-routing-key","trigger","lockstep:runs:people","error","runs",true,true]'
    until_true count /api/7/envelope/ 3
    told_to /api/7/envelope/ >envelope
    is "$(sed -n 2p envelope | jq -c '[.type, .content_type]')" '["event","application/json"]'
    is "$(sed -n 2p envelope | jq .length)" "$(sed -n 3p envelope | tr -d '\n' | wc -c)"
    is "$(sed -n 1p envelope | jq -r .event_id)" "$(sed -n 3p envelope | jq -r .event_id)"
    is "$(sed -n 3p envelope | jq -c '[.level, .platform, .fingerprint, (.event_id | test("^[0-9a-f]{32}$"))]')" '["error","native",["lockstep","runs:people"],true]'
    is "$(jq -r 'select(.path == "/api/7/envelope/") | .headers["x-sentry-auth"]' told)" \
        "Sentry sentry_version=7, sentry_client=lockstep/$(lockstep --version | cut -d' ' -f2), sentry_key=the-sentry-key"
    until_true grep -q . commanded
    is "$(jq -r .alert commanded)" runs:people
    is "$(cut -d= -f1 commanded.env | grep -vxE 'PATH|PWD|SHLVL|_|OLDPWD')" ''
    node - <<'JS' || die 'the signature of the webhook'
const fs = require('fs'), crypto = require('crypto');
const { headers: h, body } = fs.readFileSync('told', 'utf8').trim().split('\n').map(JSON.parse).find((t) => t.path === '/hook');
const mac = crypto.createHmac('sha256', 'the webhook secret').update(`${h['webhook-id']}.${h['webhook-timestamp']}.${body}`).digest('base64');
process.exit(h['webhook-signature'] === 'v1,' + mac ? 0 : 1);
JS
    # the same trouble again is not told again
    status 1 lockstep sync people
    sqlite3 target.db 'DROP TABLE people; CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT)'
    status 0 lockstep sync people
    until_true count /hook 2
    is "$(told_to /hook | jq -r .state | xargs)" 'firing resolved'
    until_true count /pd 2
    is "$(told_to /pd | jq -r '.event_action + " " + .dedup_key' | xargs)" 'trigger lockstep:runs:people resolve lockstep:runs:people'
    until_true count /api/7/envelope/ 6
    is "$(told_to /api/7/envelope/ | grep . | sed -n 6p | jq -r .level)" info
    until_true has_lines commanded 2
    ! grep -q 'a secret' told commanded log || die "data or a secret was told"
    ! grep -qE 'the-sentry-key|the-routing-key|the webhook secret' log || die "a key is in the log"
}

# What the daemon has told is known to the next one; that it has looked is seen by something else that it tells.
test_a_new_start_tells_nothing_twice_and_tells_of_ends() {
    receive
    cat >lockstep.yaml <<YAML
events: { allow: [127.0.0.1] }
endpoints:
  crm: { url: "http://127.0.0.1:$receiver/dead", secret: s }
alerts: { every: 100ms, webhook: "http://127.0.0.1:$receiver/hook" }
YAML
    broken_sync
    serve
    status 1 lockstep sync people
    until_true count /hook 1
    since=$(told_to /hook | jq -r .since)
    until_true eval "[ \"\$(sqlite3 state.db 'SELECT count(*) FROM alerts')\" = 1 ]"
    kill -KILL "$daemon"
    { wait "$daemon" || true; } 2>/dev/null
    serve
    ask 202 POST /api/v1/events -d '{"id":"a","type":"profile.updated","resourceId":"1"}'
    until_true count /hook 2
    is "$(told_to /hook | jq -r .alert | xargs)" 'runs:people dead_letters:crm'
    until_true eval "[ \"\$(sqlite3 state.db 'SELECT count(*) FROM alerts')\" = 2 ]"
    kill "$daemon"
    wait "$daemon"
    sqlite3 target.db 'DROP TABLE people; CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT)'
    status 0 lockstep sync people
    serve
    until_true count /hook 3
    is "$(told_to /hook | jq -r '.alert + "=" + .state' | xargs)" 'runs:people=firing dead_letters:crm=firing runs:people=resolved'
    is "$(told_to /hook | jq -r .since | tail -n 1)" "$since"
    until_true eval "[ \"\$(sqlite3 state.db 'SELECT alert FROM alerts')\" = dead_letters:crm ]"
}

test_dead_letters_and_a_lag_are_told() {
    receive
    cat >lockstep.yaml <<YAML
events: { allow: [127.0.0.1] }
endpoints:
  crm: { url: "http://127.0.0.1:$receiver/dead", secret: s }
  slow: { url: "http://127.0.0.1:9/", secret: s, policy: standard }
  resting: { url: "http://127.0.0.1:9/", secret: s, paused: true }
alerts: { every: 100ms, lag: 1s, webhook: "http://127.0.0.1:$receiver/hook" }
YAML
    serve
    ask 202 POST /api/v1/events -d '{"id":"a","type":"profile.updated","resourceId":"1","data":{"name":"a secret name"}}'
    until_true eval "told_to /hook | grep -q dead_letters:crm"
    until_true eval "told_to /hook | grep -q lag:slow"
    is "$(told_to /hook | jq -r .alert | sort | uniq -d)" ''
    ! told_to /hook | grep -q resting || die "a paused endpoint is to wait"
    [[ $(told_to /hook | jq -r 'select(.alert == "dead_letters:crm") | .text') == '1 dead letters for crm'* ]] || die "$(told_to /hook)"
    status 0 lockstep events discard --endpoint crm
    until_true eval "told_to /hook | jq -c '[.alert, .state]' | grep -qF '[\"dead_letters:crm\",\"resolved\"]'"
    lacks told 'a secret name'
}

test_an_open_breaker_is_told_and_a_disabled_endpoint_is_critical() {
    receive
    cat >lockstep.yaml <<YAML
events: { allow: [127.0.0.1] }
endpoints:
  crm: { url: "http://127.0.0.1:9/", secret: s }
alerts: { every: 100ms, on: breaker, webhook: "http://127.0.0.1:$receiver/hook" }
YAML
    serve
    for i in $(seq 30); do printf '{"id":"e%s","type":"profile.updated","resourceId":"%s"}\n' "$i" "$i"; done >lines
    ask 202 POST /api/v1/events -d "$(jq -s . lines)"
    until_true count /hook 1
    is "$(told_to /hook | jq -c '[.alert, .kind, .severity]' | head -n 1)" '["breaker:crm","breaker","error"]'
}

test_it_is_told_again_after_the_repeat_time_and_until_it_arrives() {
    receive
    cat >lockstep.yaml <<YAML
alerts: { every: 100ms, repeat: 1s, webhook: "http://127.0.0.1:$receiver/hook" }
YAML
    broken_sync
    touch down
    : >refused
    serve
    status 1 lockstep sync people
    until_true has_lines refused 2
    says log 'webhook was not told of runs:people' 'status 500'
    lacks log "$receiver/hook"
    rm down
    until_true count /hook 3
    is "$(told_to /hook | jq -r .state | sort -u)" firing
}

test_alerts_come_and_go_with_a_reload() {
    receive
    echo '{}' >lockstep.yaml
    broken_sync
    sed -i '/^{}/d' lockstep.yaml
    serve
    status 1 lockstep sync people
    { echo "alerts: { every: 100ms, webhook: \"http://127.0.0.1:$receiver/hook\" }" && cat lockstep.yaml; } >new.yaml
    mv new.yaml lockstep.yaml
    kill -HUP "$daemon"
    until_true count /hook 1
}

test_a_state_that_is_away_is_told() {
    receive
    echo "alerts: { every: 100ms, webhook: \"http://127.0.0.1:$receiver/hook\" }" >lockstep.yaml
    serve --state postgres://nobody@127.0.0.1:9/nothing
    until_true count /hook 1
    is "$(told_to /hook | jq -c '[.alert, .severity]' | head -n 1)" '["state","critical"]'
}

test_what_is_wrong_with_the_section_is_said() {
    for bad in 'webhook: nonsense' 'sentry: "https://sentry.example/7"' 'sentry: "https://key@sentry.example/seven"' 'pagerduty: {}' \
        'command: tell' 'on: [everything]' 'lag: 5' 'repeat: soon' 'mail: x'; do
        echo "alerts: { $bad }" >lockstep.yaml
        status 2 lockstep serve --listen 127.0.0.1:0
        says err lockstep.yaml:1
    done
    for bad in 'webhook: "http://192.0.2.1/"' 'webhook: "http://hooks.example/"' 'sentry: "http://key@sentry.example/7"' \
        'pagerduty: { key: k, url: "http://192.0.2.1/" }' 'webhook: "https://user:a-password@hooks.example/"'; do
        echo "alerts: { $bad }" >lockstep.yaml
        status 2 lockstep serve --listen 127.0.0.1:0
        says err lockstep.yaml:1 'in the open'
        lacks err a-password
    done
    printf 'events: { allow: [192.0.2.1] }\nalerts: { webhook: "http://192.0.2.1/" }\n' >lockstep.yaml
    status 0 lockstep endpoints list
    echo 'alerts: { sentry: "https://a-secret-key@sentry.example/x" }' >lockstep.yaml
    status 2 lockstep serve --listen 127.0.0.1:0
    lacks err a-secret-key
}

run_tests
