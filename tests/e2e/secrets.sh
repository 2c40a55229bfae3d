#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# secrets.sh (P12) - what opens other places is sent to https:// alone off the machine, and is found nowhere: not in the state's files, the log, the audit
# log or any answer.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=daemon.sh disable=SC2154
. "$(dirname "$0")/daemon.sh"

ask_with=(-H 'Content-Type: application/json')

# A URL is shown wherever it stands: so it has no password, whichever way it comes.
test_P12_no_url_is_taken_that_has_a_password_in_it() {
    local url_of='https://user:canary-password@93.184.216.34/hook' api=/api/v1
    printf 'state: sqlite:state.db\n' >lockstep.yaml
    serve
    ask 400 POST $api/endpoints -d "{\"name\":\"crm\",\"url\":\"$url_of\"}"
    says answer 'Put it into a header'
    ask 400 POST $api/schedules -d "{\"id\":\"s\",\"cron\":\"@daily\",\"post\":\"$url_of\"}"
    says answer 'Put it into a header'
    ask 201 POST $api/schedules -d '{"id":"s","cron":"@daily","post":"https://93.184.216.34/"}'
    ask 400 PATCH $api/schedules/s -d "{\"post\":\"$url_of\"}"
    ask 400 POST "/v2/publish/$url_of" -d x
    ask 400 POST /v2/publish/https://93.184.216.34/ -H "Upstash-Callback: $url_of" -d x
    ask 400 POST /v2/publish/https://93.184.216.34/ -H "Upstash-Failure-Callback: $url_of" -d x
    ask 400 POST "/v2/enqueue/q/$url_of" -d x
    ask 400 POST "/v2/schedules/$url_of" -H 'Upstash-Cron: * * * * *' -d x
    ask 400 POST /v2/topics/group/endpoints -d "{\"endpoints\":[{\"url\":\"$url_of\"}]}"
    finish
    lacks log canary
    status 2 lockstep endpoints create crm "$url_of"
    status 2 lockstep schedule create s2 --cron @daily --post "$url_of"
    SYNC_WEBHOOK_URLS=$url_of WEBHOOK_SECRET=a-secret-that-signs status 2 lockstep endpoints list
    says err SYNC_WEBHOOK_URLS header
    lacks err canary
    printf 'endpoints: { crm: { url: "%s", secret: s } }\n' "$url_of" >lockstep.yaml
    status 2 lockstep endpoints list
    says err lockstep.yaml:1 header
    lacks err canary
    printf 'schedules: { s: { cron: "@daily", post: "%s" } }\n' "$url_of" >lockstep.yaml
    status 2 lockstep schedule list
    says err lockstep.yaml:1 header
    lacks err canary
    ! grep -laF canary state.db* || die "the state has it"
}

# The application, the monitoring services and the auth service: takes everything; /broken refuses it. What came stands in ./received.
receive() {
    run_receiver <<'JS'
function answer(request, body, response) {
    fs.appendFileSync('received', JSON.stringify({ path: request.url, headers: request.headers, body }) + '\n');
    response.writeHead(request.url === '/broken' ? 500 : 200);
    response.end('an answer');
}
JS
}
# came PATH: whether something came there.
came() { grep -qF "\"path\":\"$1\"" received; }
# jwt SECRET: a token of an admin.
jwt() {
    node -e 'const c = require("crypto"), b = (o) => Buffer.from(JSON.stringify(o)).toString("base64url"), t = b({ alg: "HS256", typ: "JWT" }) + "." +
        b({ sub: "u1", role: "authenticated", app_metadata: { role: "admin" }, exp: Math.floor(Date.now() / 1000) + 600 });
        console.log(t + "." + c.createHmac("sha256", process.argv[1]).update(t).digest("base64url"))' "$1"
}
# found FILE...: prints each credential of ./credentials that stands in one of the files: as it is, in base64, hexadecimal or percent escapes.
found() {
    node - "$@" <<'JS'
const fs = require('fs');
const credentials = [...new Set(fs.readFileSync('credentials', 'utf8').split('\n').filter(Boolean))];
const base64 = (text) => [0, 1, 2].map((at) => Buffer.from(' '.repeat(at) + text).toString('base64').slice(at ? 4 : 0, -4)); // without what the neighbours decide
for (const path of process.argv.slice(2)) {
    const bytes = fs.readFileSync(path);
    for (const c of credentials)
        for (const form of [c, ...base64(c), Buffer.from(c).toString('hex'), encodeURIComponent(c)])
            if (bytes.includes(form)) console.log(`${c} in ${path}`);
}
JS
}
configuration() {
    cat >lockstep.yaml <<YAML
state: sqlite:state.db
stores: { there: "postgres://app:\${PG_PASSWORD}@127.0.0.1:9/app", here: sqlite:here.db }
syncs:
  users: { source: there.users, target: here.users, key: id }
  names: { source: "file:names.csv", target: here.users, key: id }
auth:
  jwt: { secret: "\${JWT_SECRET}" }
  nextauth_secret: "\${APP_SECRET}"
  cron_secret: "\${CRON_KEY}"
  qstash: { current_signing_key: "\${Q_KEY}", next_signing_key: "\${Q_NEXT}" }
events: { allow: [127.0.0.1] }
endpoints:
  crm: { url: "http://127.0.0.1:$receiver/crm", secret: "\${CRM_SECRET}", headers: { Authorization: "Bearer \${CRM_HEADER}" } }
  broken: { url: "http://127.0.0.1:$receiver/broken", secret: "\${CRM_SECRET}", headers: { X-Key: "\${CRM_HEADER}" }, policy: documented }
schedules:
  call: { cron: "0 0 1 1 *", post: { url: "http://127.0.0.1:$receiver/call", headers: { x-cron-secret: "\${CALL_HEADER}" } } }
  closed: { cron: "0 0 1 1 *", post: { url: "http://127.0.0.1:9/", headers: { x-cron-secret: "\${CALL_HEADER}" } }, retries: 0 }
  users: { cron: "0 0 1 1 *", sync: users, retries: 0 }
receivers: { shop: { scheme: github, secrets: ["\${SHOP_SECRET}"], sync: users } }
alerts:
  every: 100ms
  webhook: { url: "http://127.0.0.1:$receiver/alert", secret: "\${HOOK_SECRET}" }
  sentry: "http://\${SENTRY_KEY}@127.0.0.1:$receiver/7"
  pagerduty: { key: "\${PAGER_KEY}", url: "http://127.0.0.1:9/" }
YAML
    export PG_PASSWORD=credential-of-the-database JWT_SECRET=credential-that-signs-tokens-of-32-bytes APP_SECRET=credential-of-the-sessions-of-32-bytes \
        CRON_KEY=credential-of-the-cron-job Q_KEY=credential-of-qstash-current Q_NEXT=credential-of-qstash-next CRM_SECRET=credential-that-signs-deliveries \
        CRM_HEADER=credential-in-a-header-of-an-endpoint CALL_HEADER=credential-in-a-header-of-a-call SHOP_SECRET=credential-of-the-shop \
        HOOK_SECRET=credential-that-signs-alerts SENTRY_KEY=credentialofsentry PAGER_KEY=credential-of-the-pager
    for name in PG_PASSWORD JWT_SECRET APP_SECRET CRON_KEY Q_KEY Q_NEXT CRM_SECRET CRM_HEADER CALL_HEADER SHOP_SECRET HOOK_SECRET SENTRY_KEY PAGER_KEY; do
        echo "${!name}"
    done >credentials
    printf '%s\n' credential-made-over-http credential-of-its-header credential-made-by-command credential-rotated credential-of-a-call-over-http \
        credential-of-a-call-by-command credential-of-a-message credential-of-a-person credential-that-is-wrong "$LOCKSTEP_TOKEN" >>credentials
}
# What makes and uses them all, rightly and wrongly.
drive() {
    local api=/api/v1 token
    status 0 lockstep sync names
    ask 201 POST $api/endpoints -d "{\"name\":\"made\",\"url\":\"http://127.0.0.1:$receiver/made\",\"secret\":\"credential-made-over-http\",\"headers\":{\"X-Key\":\"credential-of-its-header\"}}"
    ask 200 POST $api/endpoints/made/secret/rotate -d '{"secret":"credential-rotated"}'
    ask 409 POST $api/endpoints -d '{"name":"made","url":"http://127.0.0.1:9/","secret":"credential-that-is-wrong"}'
    ask 400 POST $api/endpoints -d '{"name":"bad","url":"http://127.0.0.1:9/","headers":{"Host":"credential-that-is-wrong"}}'
    SECRET=credential-made-by-command status 0 lockstep endpoints create command "http://127.0.0.1:$receiver/command" --secret env:SECRET
    ask 201 POST $api/schedules -d "{\"id\":\"http\",\"cron\":\"0 0 1 1 *\",\"post\":{\"url\":\"http://127.0.0.1:$receiver/http\",\"headers\":{\"X-Key\":\"credential-of-a-call-over-http\"}}}"
    ask 400 POST $api/schedules -d '{"id":"bad","cron":"@daily","post":{"url":"http://127.0.0.1:9/","headers":{"Host":"credential-that-is-wrong"}}}'
    status 0 lockstep schedule create byhand --cron '0 0 1 1 *' --post "http://127.0.0.1:$receiver/byhand" --header X-Key:credential-of-a-call-by-command
    ask 200 POST "/v2/schedules/http://127.0.0.1:$receiver/message" -H 'Upstash-Cron: 0 0 1 1 *' -H 'Upstash-Forward-Authorization: credential-of-a-message' -d x
    ask 202 POST $api/events -d '{"id":"e","type":"profile.updated","resourceId":"1"}'
    for schedule in call closed users http byhand; do ask 202 POST $api/schedules/$schedule/trigger; done
    auth="Authorization: Bearer $(jwt "$JWT_SECRET")" ask 200 GET $api/health
    auth="Authorization: Bearer $(jwt credential-that-is-wrong-and-of-32-bytes)" ask 401 GET $api/health
    auth='Authorization: Bearer credential-that-is-wrong' ask 401 GET $api/health
    auth='' ask 401 GET $api/health -H 'x-cron-secret: credential-that-is-wrong'
    auth='' ask 403 GET $api/health -H "x-cron-secret: $CRON_KEY"
    auth='' ask 401 POST /api/webhooks/shop -H 'X-Hub-Signature-256: sha256=00' -d '{}'
    ask 201 POST $api/users -d '{"name":"ann","role":"viewer","password":"credential-of-a-person"}'
    auth='' ask 401 POST $api/login -d '{"name":"ann","password":"credential-that-is-wrong"}'
    auth='' ask 200 POST $api/login -c jar -d '{"name":"ann","password":"credential-of-a-person"}'
    awk '/lockstep-local/ { print $7 }' jar >>credentials
    ask 201 POST $api/tokens -d '{"name":"ci","role":"viewer"}'
    token=$(jq -r .token answer)
    echo "$token" >>credentials
    auth="Authorization: Bearer $token" ask 200 GET $api/health
    auth='' ask 200 POST "/v2/publish/http://127.0.0.1:$receiver/query?a=1&qstash_token=$LOCKSTEP_TOKEN&b=2" -d x
    auth='' ask 404 POST "/v2/publish/no-group?qstash_token=$LOCKSTEP_TOKEN" -d x
    auth='' ask 400 GET "/v2/queues?qstash_token=$LOCKSTEP_TOKEN&qstash_token=$LOCKSTEP_TOKEN"
    auth='' ask 400 GET "/v2/queues?qstash_token=$LOCKSTEP_TOKEN" -H "x-cron-secret: $CRON_KEY"
    auth='' ask 401 POST "/v2/publish/http://127.0.0.1:$receiver/query?qstash_token=credential-that-is-wrong" -d x
    auth='' ask 400 GET "$api/health?qstash_token=$LOCKSTEP_TOKEN"
    for path in '/query?a=1&b=2' /crm /broken /made /command /call /http /byhand /alert /api/7/envelope/; do until_true came $path; done
    until_true asked GET $api/schedules/closed '.last.state' failed
    until_true asked GET $api/schedules/users '.last.state' failed
}
# tell FILE: everything that is listed and shown.
tell() {
    local path
    for path in settings endpoints endpoints/{crm,broken,made,command} endpoints/{crm,broken}/attempts events events/e queue receivers schedules \
        schedules/{call,closed,users,http,byhand} schedules/{call,closed,users}/history syncs syncs/users runs runs/1 runs/1/log audit users tokens me health check; do
        curl -s -i -H "Authorization: Bearer $LOCKSTEP_TOKEN" "$url/api/v1/$path" >>"$1"
    done
    for path in /v2/schedules /v2/dlq /v2/logs /v2/queues /v2/topics /metrics /api/sync/status; do
        curl -s -i -H "Authorization: Bearer $LOCKSTEP_TOKEN" "$url$path" >>"$1"
    done
    for path in check 'status users --show-sql' 'sync users' history 'endpoints list --json' 'endpoints tries broken' 'schedule list --json' 'schedule history closed' \
        'audit list --json' 'token list' 'show 1' 'diff names'; do
        # shellcheck disable=SC2086 # words
        lockstep $path --verbose >>"$1" 2>&1 || true
    done
}

test_P12_no_credential_is_found_in_the_state_the_log_or_an_answer() {
    receive
    configuration
    sqlite3 here.db 'CREATE TABLE users (id INTEGER PRIMARY KEY NOT NULL)'
    printf 'id\n1\n' >names.csv
    serve --verbose
    drive
    # they did their work
    is "$(jq -r 'select(.path == "/crm") | .headers.authorization' received | head -n 1)" "Bearer $CRM_HEADER"
    is "$(jq -r 'select(.path == "/call") | .headers["x-cron-secret"]' received | head -n 1)" "$CALL_HEADER"
    is "$(jq -r 'select(.path == "/http" or .path == "/byhand" or .path == "/made") | .headers["x-key"]' received | sort | xargs)" \
        'credential-of-a-call-by-command credential-of-a-call-over-http credential-of-its-header'
    tell told
    cp log log.text
    mkdir -p running
    cp state.db* running/ # the log of what is not in the database yet, too
    finish
    serve --verbose --log=json
    ask 202 POST /api/v1/events -d '{"id":"f","type":"profile.updated","resourceId":"2"}'
    for schedule in call closed users; do ask 202 POST /api/v1/schedules/$schedule/trigger; done
    auth='Authorization: Bearer credential-that-is-wrong' ask 401 GET /api/v1/health
    until_true asked GET /api/v1/events/f '[.to[].attempts] | min > 0' true
    until_true asked GET '/api/v1/schedules/closed/history' '[.items[].state] | join(" ")' 'failed failed'
    tell told
    finish
    is "$(jq -s 'length > 0' log)" true
    says told '"crm"' byhand X-Key
    is "$(found state.db* running/* log log.text told)" ''
    # and it would be found
    head -n 1 credentials | base64 -w 0 >sample
    is "$(found sample)" "$(head -n 1 credentials) in sample"
}

run_tests
