#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# events.sh - events over HTTP: what is accepted is kept, whatever is killed; what is refused, and why.
#
# The kills: clients send events over several connections and note which were acknowledged; the daemon is killed at a random moment; the
# next one has to have every acknowledged event, once, and none that was not sent. LOCKSTEP_TEST_SEED draws the same moments again.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=daemon.sh disable=SC2154
. "$(dirname "$0")/daemon.sh"

configure() {
    cat >lockstep.yaml <<'YAML'
state: sqlite:state.db
events: { types: ["order.*"] }
endpoints:
  crm: { url: "https://crm.example/hook", secret: s, types: ["order.*"], paused: true }
YAML
}

test_an_event_is_accepted_once() {
    configure
    serve
    ask 202 POST /api/v1/events -d "$(event a)"
    is "$(cat answer)" '{"accepted":[{"seq":1,"id":"a","known":false}]}'
    ask 202 POST /api/v1/events -d "[$(event a), $(event b)]"
    is "$(cat answer)" '{"accepted":[{"seq":1,"id":"a","known":true},{"seq":2,"id":"b","known":false}]}'
    printf '%s\n\n%s\n' "$(event c)" "$(event b)" >lines
    ask 202 POST /api/v1/events -H 'Content-Type: application/x-ndjson' --data-binary @lines
    is "$(jq -c '[.accepted[].seq]' answer)" '[3,2]'
    ask 200 GET '/api/v1/events?limit=2'
    is "$(jq -r '[.items[].id] | join(" ")' answer)" 'c b'
    ask 200 GET "/api/v1/events?limit=2&cursor=$(jq -r .next answer)"
    is "$(jq -r '[.items[].id, .next] | join(" ")' answer)" 'a '
    ask 200 GET /api/v1/events/a
    is "$(jq -c '[.data, .to[0].endpoint, .to[0].state]' answer)" '[{"n":1},"crm","pending"]'
    ask 200 GET /api/v1/queue
    is "$(jq -c '[.pending, .waiting]' answer)" '[1,2]'
}

test_the_command_line_writes_into_the_same_queue() {
    configure
    serve
    status 0 lockstep events emit --type order.paid --resource 7 --json
    ask 200 GET "/api/v1/events/$(jq -r .id out)"
    ask 202 POST /api/v1/events -d "$(event from-http)"
    status 0 lockstep events show from-http
}

test_what_is_wrong_is_refused_with_its_reason() {
    configure
    serve
    ask 400 POST /api/v1/events -d '{"type":"ordr.paid","resourceId":"1"}'
    says answer 'the type ordr.paid is not known'
    ask 400 POST /api/v1/events -d "[$(event a), {}]"
    says answer 'event 2: it has no type'
    ask 400 POST /api/v1/events -d '{"type":'
    says answer 'event 1'
    ask 400 POST /api/v1/events -d ''
    ask 404 GET /api/v1/events/a # none of the two was taken
    ask 400 GET '/api/v1/events?status=lost'
    ask 404 GET '/api/v1/events?endpoint=cmr'
    says answer 'did you mean crm'
    ask 400 GET '/api/v1/events?limit=0'
    head -c $((17 << 20)) /dev/zero | tr '\0' ' ' >large
    ask 413 POST /api/v1/events -H 'Content-Type: application/json' --data-binary @large
    token=$LOCKSTEP_TOKEN
    LOCKSTEP_TOKEN=another-token-that-is-wrong ask 401 POST /api/v1/events -d "$(event a)"
    LOCKSTEP_TOKEN=$token
    ask 404 GET /api/v1/events/a
}

test_dead_letters_and_endpoints_over_http() {
    configure
    serve
    ask 202 POST /api/v1/events -d "[$(event a 1), $(event b 2), $(event c 3)]"
    ask 200 POST '/api/v1/events/a/discard?status=pending'
    is "$(cat answer)" '{"deliveries":1}'
    ask 200 POST '/api/v1/events/replay?status=discarded'
    is "$(cat answer)" '{"deliveries":1}'
    ask 204 POST /api/v1/endpoints/crm/resume
    ask 204 POST /api/v1/endpoints/crm/pause
    ask 404 POST /api/v1/endpoints/cmr/pause
    ask 200 GET /api/v1/endpoints
    is "$(jq -c '.items[0] | [.name, .pending, .paused]' answer)" '["crm",3,true]'
    lacks answer '"s"'
    status 0 lockstep audit list --json
    is "$(grep -c 'token:environment' out)" 6 # what was done, by whom; and what was tried in vain
    status 0 lockstep audit verify
}

# callers: what the audit log says of those who handed in events, oldest first.
callers() {
    status 0 lockstep audit list --limit 1000 --json
    jq -er 'select(.action | test("events|publish|enqueue|batch|^emit")) | "\(.actor) \(.action) \(.detail.outcome // "-") \(.detail.calls // "-") \(.detail.events)"' out | tac
    status 0 lockstep audit verify
}

test_callers_who_hand_events_in_are_in_the_audit_log() {
    configure
    serve
    ask 202 POST /api/v1/events -d "[$(event a 1), $(event b 2)]"
    is "$(callers)" 'token:environment POST /api/v1/events done 1 2' # with the events
    is "$(lockstep audit list --json | jq -r 'select(.action == "POST /api/v1/events").detail | .address, .role, (.request | length)' | xargs)" '127.0.0.1 admin 16'
    ask 202 POST /api/v1/events -d "[$(event a 1), $(event c 3)]"
    ask 202 POST /api/v1/events -d "$(event d 4)"
    ask 400 POST /api/v1/events -d '{"type":"ordr.paid","resourceId":"1"}'
    ask 201 POST /api/v1/tokens -H 'Content-Type: application/json' -d '{"name":"ci","role":"operator"}'
    auth="Authorization: Bearer $(jq -r .token answer)" ask 202 POST /api/v1/events -d "$(event e 5)"
    ask 200 POST /v2/publish/https://example.com/hook -d hello
    ask 200 POST /v2/publish/https://example.com/hook -d hello
    status 0 lockstep events emit --type order.paid --resource 7
    finish # writes what was counted
    callers >told
    is "$(grep -c . told)" 6
    says told 'token:environment POST /api/v1/events done 1 2' \
        'token:ci POST /api/v1/events done 1 1' \
        'token:environment POST /v2/publish/{destination} done 1 1' \
        'emit - - 1'
    is "$(tail -n 2 told | sort | xargs -d '\n' printf '%s;')" \
        'token:environment POST /api/v1/events done 2 2;token:environment POST /v2/publish/{destination} done 1 1;'
}

kills=100
[ -z "${LOCKSTEP_DEEP:-}" ] || kills=4500
test_acknowledged_events_survive_kills() {
    local n i mid=0 moment
    RANDOM=${LOCKSTEP_TEST_SEED:-$$}
    echo "seed ${LOCKSTEP_TEST_SEED:-$$}" >&2
    configure
    : >acked
    : >sent
    for ((n = 0; n < kills; n++)); do
        serve
        for ((i = 0; i < 400; i++)); do
            echo "k$n-$i" >>sent
            printf 'next\nurl="%s/api/v1/events"\nheader="Authorization: Bearer %s"\ndata="{\\"id\\":\\"k%d-%d\\",\\"type\\":\\"order.paid\\",\\"resourceId\\":\\"%d\\"}"\n' \
                "$url" "$LOCKSTEP_TOKEN" "$n" "$i" "$i"
        done | sed 1d >requests
        moment=$((RANDOM % 20000)) # bytes of answers; all of them are 24,000 and more
        curl -s -N -Z --parallel-max 8 -K requests 2>/dev/null | { # the moment is when they have been read
            head -c "$moment"
            kill -KILL "$daemon"
            cat
        } >answers || true
        wait "$daemon" 2>/dev/null || true
        grep -o '"id":"k[0-9]*-[0-9]*","known":false}' answers | cut -d'"' -f4 >new || true
        i=$(wc -l <new)
        [ "$i" -eq 0 ] || [ "$i" -eq 400 ] || mid=$((mid + 1))
        cat new >>acked
    done
    echo "$mid of $kills kills came while events were being accepted, $(wc -l <acked) were acknowledged" >&2
    [ "$mid" -ge $((kills / 2)) ] || die "only $mid of $kills kills came while events were being accepted"
    serve
    status 0 lockstep events list --limit 1000000 --json
    jq -r .id out | sort >kept
    is "$(sort acked | comm -23 - kept | head -n 3)" '' # none that was acknowledged is lost
    is "$(uniq -d kept)" ''                              # none is there twice
    is "$(sort sent | comm -13 - kept | head -n 3)" ''   # none was made up
    is "$(jq -r .deliveries out | sort -u)" 1            # and each has its delivery
    [ "$(sqlite3 state.db 'PRAGMA integrity_check')" = ok ]
}

# received_or_over N: so many deliveries came, or none is left.
received_or_over() { has_lines received "$1" || asked GET /api/v1/queue '.pending + .processing + .waiting + .failed' 0; }
test_deliveries_survive_kills() {
    local n i rounds=20
    [ -z "${LOCKSTEP_DEEP:-}" ] || rounds=500
    local total=$((rounds * 50))
    RANDOM=${LOCKSTEP_TEST_SEED:-$$}
    receive
    cat >lockstep.yaml <<YAML
state: sqlite:state.db
events: { types: ["order.*"], allow: [127.0.0.1] }
endpoints:
  crm: { url: "http://127.0.0.1:$receiver/", secret: a secret, policy: fast }
YAML
    : >acked
    for ((n = 0; n < rounds; n++)); do
        serve
        for ((i = 0; i < 50; i++)); do event "k$n-$i" "$((i % 20))"; done | sed 's/}{/}\n{/g' >lines
        ask 202 POST /api/v1/events -H 'Content-Type: application/jsonl' --data-binary @lines
        jq -r '.accepted[].id' answer >>acked
        i=$(wc -l <received)
        i=$((i + RANDOM % 60)) # the moment, drawn: so many deliveries later, or when none is left
        until_true received_or_over "$i"
        kill_daemon
    done
    serve
    patience=1200 until_quiet
    is "$(jq .dead answer)" 0
    is "$(wc -l <acked)" $total
    cut -d' ' -f1 received | sort -u >distinct
    is "$(sort acked | comm -23 - distinct | head -n 3)" ''       # every one arrived
    is "$(cut -d' ' -f3,4 received | sort -u)" 'true true'        # signed, with its id
    echo "$(($(wc -l <received) - total)) of $total came twice" >&2 # those that were being sent at a kill
    [ "$(wc -l <received)" -le $((total + 10 * rounds)) ] || die "$(wc -l <received) deliveries of $total events"
    # first arrivals of each resource are in the order in which they were accepted
    awk '!seen[$1]++ { print $2, $1 }' received | sort -s -k1,1n >arrived
    awk '{ split($1, a, "-"); print a[2] % 20, $1 }' acked | sort -s -k1,1n >accepted
    diff accepted arrived >difference || die "out of order: $(head -n 4 difference)"
}

test_E1_the_documented_event_is_kept_and_delivered_as_it_is() {
    receive
    printf 'state: sqlite:state.db\nevents: { allow: [127.0.0.1] }\nendpoints:\n  a: { url: "http://127.0.0.1:%s/", secret: a secret }\n' "$receiver" >lockstep.yaml
    serve
    for type in enrollment.created enrollment.updated enrollment.deleted profile.updated user.updated progress.updated; do
        ask 202 POST /api/v1/events -d "{\"id\":\"$type\",\"type\":\"$type\",\"resourceId\":\"$type\",\"resourceType\":\"x\",\"data\":{\"b\":1,\"a\":1.0},\"timestamp\":\"2024-01-31T12:00:00.000Z\",\"retryCount\":0,\"status\":\"pending\"}"
        until_state "$type" delivered
    done
    is "$(cut -d' ' -f1 received | tr '\n' ' ')" 'enrollment.created enrollment.updated enrollment.deleted profile.updated user.updated progress.updated '
    says answer '"data":{"b":1,"a":1.0}' '"timestamp":"2024-01-31T12:00:00.000Z"'
    ask 400 POST /api/v1/events -d '{"type":"invoice.sent","resourceId":"1"}'
}

test_E2_the_documented_policy_tries_three_times() {
    printf 'state: sqlite:state.db\nevents: { allow: [127.0.0.1] }\nendpoints:\n  a: { url: "http://127.0.0.1:9/", secret: s, policy: documented }\n' >lockstep.yaml
    serve
    ask 202 POST /api/v1/events -d '{"id":"a","type":"profile.updated","resourceId":"1"}'
    until_state a dead
    is "$(jq -c '.to[0] | [.attempts, (.tries | length)]' answer)" '[3,3]'
    status 0 lockstep events list --status dead
    says out profile.updated
}

# The document calls these numbers configurable: each way to say them.
test_E2_a_policy_may_be_said_by_its_numbers() {
    cat >lockstep.yaml <<'YAML'
state: sqlite:state.db
events: { allow: [127.0.0.1] }
endpoints:
  a: { url: "http://127.0.0.1:9/", secret: s, types: [profile.updated], policy: { attempts: 2, delay: 10ms, factor: 1.5, max_delay: 20ms, jitter: 0% } }
YAML
    serve
    ask 202 POST /api/v1/events -d '{"id":"a","type":"profile.updated","resourceId":"1"}'
    until_state a dead
    is "$(jq -c '.to[0] | [.attempts, (.tries | length)]' answer)" '[2,2]'
    ask 200 GET /api/v1/endpoints/a
    is "$(jq -r .settings.policy answer)" 'attempts=2, delay=10ms, factor=1.5, max_delay=20ms, jitter=0%'
    is "$(jq -r .settings.concurrency answer)" 10
    ask 201 POST /api/v1/endpoints -H 'Content-Type: application/json' -d '{"name":"b","url":"http://127.0.0.1:9/","types":["user.updated"],"policy":{"attempts":4,"delay":"1ms","jitter":0.5}}'
    is "$(jq -r .settings.policy answer)" 'attempts=4, delay=1ms, factor=2, max_delay=30s, jitter=50%'
    ask 202 POST /api/v1/events -d '{"id":"b","type":"user.updated","resourceId":"1"}'
    until_state b dead
    is "$(jq .to[0].attempts answer)" 4
    status 0 lockstep endpoints change b --policy attempts=1
    status 0 lockstep endpoints list
    says out 'policy attempts=1, delay=1s'
    ask 202 POST /api/v1/events -d '{"id":"c","type":"user.updated","resourceId":"1"}'
    until_state c dead
    is "$(jq .to[0].attempts answer)" 1
    for bad in '{"attempts":0}' '{"delay":2}' '{"atempts":1}' '{"attempts":[1]}' '{"concurrency":3}' '"attempts=x"' 7; do
        ask 400 PATCH /api/v1/endpoints/b -H 'Content-Type: application/json' -d "{\"policy\":$bad}"
    done
    status 2 lockstep endpoints change b --policy attempts=1,delay=2
    says err 'with its unit'
    finish
    sed -i 's/factor: 1.5/fcator: 1.5/' lockstep.yaml
    status 2 lockstep endpoints list
    says err lockstep.yaml:4 'did you mean factor?'
    sed -i 's/fcator: 1.5/factor: [1]/' lockstep.yaml
    status 2 lockstep endpoints list
    says err lockstep.yaml:4 'a text is expected here'
    sed -i 's/policy: {.*}/policy: soon }/' lockstep.yaml
    status 2 lockstep endpoints list
    says err lockstep.yaml:4 'no retry policy "soon"'
}

test_E3_webhooks_go_to_every_url_of_the_environment() {
    receive
    printf 'state: sqlite:state.db\nevents: { allow: [127.0.0.1] }\n' >lockstep.yaml
    SYNC_WEBHOOK_URLS="http://127.0.0.1:$receiver/a, http://127.0.0.1:$receiver/b" WEBHOOK_SECRET='a secret' serve
    ask 202 POST /api/v1/events -d '{"id":"a","type":"profile.updated","resourceId":"1"}'
    until_state a delivered
    is "$(sort received | uniq -c | tr -s ' ')" ' 2 a 1 true true'
}

run_tests
