#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# dead_letters.sh - dead letters over HTTP: seen with why, replayed one by one, by filter and at a rate, and discarded.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=daemon.sh disable=SC2154
. "$(dirname "$0")/daemon.sh"

ask_with=(-H 'Content-Type: application/json')
# A receiver that answers with the status in ./status and appends id and time in ms to ./received.
receive() {
    run_receiver <<'JS'
function answer(request, body, response) {
    const status = Number(fs.readFileSync('status', 'utf8'));
    fs.appendFileSync('received', `${status} ${request.headers['webhook-id']} ${Date.now()}\n`);
    response.writeHead(status, { 'Upstash-NonRetryable-Error': 'true' });
    response.end('no, because');
}
JS
}
# counts N STATE: waits until N deliveries are so.
counts() { until_true asked GET /api/v1/queue ".$2" "$1"; }
# Dead letters a1 a2 (profile.updated) and b1 b2 (user.updated) for `crm`. 489 ends a delivery at its first try.
four_dead_ones() {
    receive
    echo 489 >status
    printf 'events: { allow: [127.0.0.1] }\nendpoints:\n  crm: { url: "http://127.0.0.1:%s/", secret: s }\n  off: { url: "https://93.184.216.34/", secret: s, paused: true }\n' "$receiver" >lockstep.yaml
    serve
    for id in a1 a2; do printf '{"id":"%s","type":"profile.updated","resourceId":"%s"}\n' $id $id; done >lines
    for id in b1 b2; do printf '{"id":"%s","type":"user.updated","resourceId":"%s"}\n' $id $id; done >>lines
    ask 202 POST /api/v1/events -d "$(jq -s . lines)"
    counts 4 dead
}

test_a_dead_letter_tells_why_it_is_one() {
    four_dead_ones
    ask 200 GET '/api/v1/events?status=dead&type=profile.*'
    is "$(jq -c '[.items[] | [.id, .status]]' answer)" '[["a2","dead"],["a1","dead"]]'
    ask 200 GET /api/v1/events/a1
    is "$(jq -c '.to[] | select(.endpoint == "crm") | [.state, .attempts, .tries[0].status, .tries[0].answer]' answer)" '["dead",1,489,"no, because"]'
    [ "$(jq -r '.to[] | select(.endpoint == "crm") | .reason' answer)" != '' ] || die "no reason"
    ask 200 GET '/api/v1/events?status=dead&endpoint=off'
    is "$(jq -c .items answer)" '[]'
    until_now=$(date -u -d '1 hour' +%Y-%m-%dT%H:%M:%SZ)
    ask 200 GET "/api/v1/events?status=dead&since=1h&until=$until_now"
    is "$(jq '.items | length' answer)" 4
    ask 200 GET '/api/v1/events?status=dead&until=1h'
    is "$(jq '.items | length' answer)" 0
    ask 400 GET '/api/v1/events?since=yesterday'
    says answer 'one ago such as 2h'
}

test_one_is_replayed_and_then_those_that_fit() {
    four_dead_ones
    echo 200 >status
    : >received
    ask 200 POST /api/v1/events/b2/replay
    is "$(cat answer)" '{"deliveries":1}'
    counts 3 dead
    ask 200 POST '/api/v1/events/replay?type=profile.updated&endpoint=crm'
    is "$(cat answer)" '{"deliveries":2}'
    counts 1 dead
    until_true has_lines received 3
    is "$(cut -d' ' -f2 received | sort | xargs)" 'a1 a2 b2'
    ask 200 POST '/api/v1/events/replay?until=1h'
    is "$(cat answer)" '{"deliveries":0}'
    ask 404 POST /api/v1/events/zz/replay
    ask 404 POST '/api/v1/events/replay?endpoint=cmr'
    ask 400 POST '/api/v1/events/replay?status=lost'
    ask 400 POST '/api/v1/events/replay?rate=0'
    status 0 lockstep audit list --json
    is "$(jq -r 'select(.action == "events replay") | .subject' out | xargs)" 'all crm b2'
}

test_a_replay_at_a_rate_keeps_its_pace() {
    four_dead_ones
    echo 200 >status
    : >received
    asked=$(date +%s%3N)
    ask 200 POST '/api/v1/events/replay?rate=4'
    counts 0 dead
    until_true has_lines received 4
    # none earlier than its turn, a quarter of a second after the one before
    awk -v asked="$asked" '$3 < asked + (NR - 1) * 250 { exit 1 }' received || die "$asked: $(cat received)"
    is "$(cut -d' ' -f2 received | xargs)" 'a1 a2 b1 b2'
}

test_one_that_dies_again_is_a_dead_letter_again_with_all_its_tries() {
    four_dead_ones
    ask 200 POST /api/v1/events/a1/replay
    until_true asked GET /api/v1/events/a1 '.to[] | select(.endpoint == "crm") | .tries | length' 2
    counts 4 dead
}

test_what_is_discarded_is_not_sent_and_not_counted() {
    four_dead_ones
    : >received
    ask 200 POST /api/v1/events/a1/discard
    is "$(cat answer)" '{"deliveries":1}'
    ask 200 POST '/api/v1/events/discard?type=user.*'
    is "$(cat answer)" '{"deliveries":2}'
    counts 1 dead
    ask 200 GET /api/v1/events/a1
    is "$(jq -r '.to[] | select(.endpoint == "crm") | .state' answer)" discarded
    echo 200 >status
    ask 200 POST '/api/v1/events/replay'
    is "$(cat answer)" '{"deliveries":1}'
    counts 0 dead
    until_true has_lines received 1
    is "$(cut -d' ' -f2 received | xargs)" a2
    status 0 lockstep events replay --status discarded --since 1h --type user.updated
    says out '2 deliveries'
}

run_tests
