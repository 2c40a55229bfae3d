#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# emit_now.sh (E4, E11) - events whose sender waits until the other side has them, over HTTP, by the command line and by the library, with a daemon and without.
#
# What the other side does stands in ./answer_with: a status. What it took is in ./received, one id a line, written before it answers.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=daemon.sh
. "$(dirname "$0")/daemon.sh"

other_side() {
    echo "${1:-200}" >answer_with
    run_receiver <<'JS'
function answer(request, body, response) {
    const status = request.url === '/refuses' ? 410 : Number(fs.readFileSync('answer_with', 'utf8'));
    if (status < 300) fs.appendFileSync('received', JSON.parse(body).id + '\n');
    if (status) { response.writeHead(status); response.end(); } // 0: no answer
}
JS
}
# configure [LINE...]: an endpoint named panel, with policy long (its first pause is 30 s), and what else the lines say of it.
configure() {
    cat >lockstep.yaml <<YAML
state: sqlite:state.db
events: { allow: [127.0.0.1] }
endpoints:
  panel:
    url: http://127.0.0.1:$receiver/
    secret: a secret
    policy: long
    types: [enrollment.*, profile.*]
YAML
    printf '    %s\n' "$@" >>lockstep.yaml
}
enrollment() { printf '{"id":"%s","type":"enrollment.updated","resourceId":"%s","data":{"status":"active"}}' "$1" "${2:-7}"; }
until_failed() {
    until
        ask 200 GET "/api/v1/events/$1"
        [ "$(jq -r '.to[0].state' answer)" = failed ]
    do sleep 0.05; done # the pace of looking
}

test_an_answer_means_that_the_other_side_has_it() {
    other_side
    configure
    serve
    ask 200 POST '/api/v1/events?wait=30' -d "$(enrollment a)"
    is "$(cat answer)" '{"accepted":[{"seq":1,"id":"a","known":false}],"delivered":true}'
    is "$(cat received)" a
    ask 200 POST '/api/v1/events?wait=30' -d "[$(enrollment a), $(enrollment b), $(enrollment c 8)]"
    is "$(jq -c '[.accepted[].known]' answer)" '[true,false,false]'
    is "$(sort received | tr '\n' ' ')" 'a b c '
    ask 400 POST '/api/v1/events?wait=0' -d "$(enrollment d)"
    ask 400 POST '/api/v1/events?wait=301' -d "$(enrollment d)"
    ask 400 POST '/api/v1/events?wait=30' -d '{"type":"unknown.type","resourceId":"1"}'
    ask 404 GET /api/v1/events/d
}

test_what_the_other_side_refuses_is_told_with_its_endpoint_and_status() {
    other_side
    configure
    printf '  backup: { url: "http://127.0.0.1:%s/refuses", secret: s }\n' "$receiver" >>lockstep.yaml
    serve
    ask 502 POST '/api/v1/events?wait=30' -d "$(enrollment a)"
    is "$(jq -r .code answer)" undelivered
    says answer 'backup will not get event a' 'status 410'
    is "$(cat received)" a # the other endpoint has it
    ask 502 POST '/api/v1/events?wait=30' -d '{"id":"b","type":"progress.updated","resourceId":"1"}'
    says answer 'nobody gets event b' 'are disabled' # 410 ends an endpoint
}

test_what_can_only_be_changed_by_a_person_is_told_at_once() {
    other_side
    configure 'paused: true'
    serve
    ask 502 POST '/api/v1/events?wait=300' -d "$(enrollment a)"
    says answer 'panel has not got event a: the endpoint is paused'
    ask 502 POST '/api/v1/events?wait=300' -d '{"type":"progress.updated","resourceId":"1"}'
    says answer 'no endpoint wants events of type progress.updated'
    ask 204 POST /api/v1/endpoints/panel/resume
    ask 200 POST '/api/v1/events?wait=30' -d "$(enrollment a)" # the same event again: it is known, and waited for
}

test_when_the_time_is_over_the_event_is_kept_and_its_last_failure_told() {
    other_side 503
    configure
    serve
    ask 504 POST '/api/v1/events?wait=1' -d "$(enrollment a)"
    is "$(jq -r .code answer)" timeout
    says answer 'panel has not got event a: 1 try' 503 'lockstep goes on trying'
    ask 200 GET /api/v1/events/a
    is "$(jq -r '.to[0].state' answer)" failed
}

# The pause after a failed try is 30 s, and the wait is shorter.
test_who_waits_ends_the_pause_of_an_earlier_event_and_keeps_the_order() {
    other_side 503
    configure
    serve
    ask 202 POST /api/v1/events -d "$(enrollment a)"
    until_failed a
    echo 200 >answer_with
    ask 200 POST '/api/v1/events?wait=20' -d "$(enrollment b)"
    is "$(tr '\n' ' ' <received)" 'a b '
}

test_an_event_of_another_resource_does_not_end_anybodys_pause() {
    other_side 503
    configure
    serve
    ask 202 POST /api/v1/events -d "$(enrollment a)"
    until_failed a
    echo 200 >answer_with
    ask 200 POST '/api/v1/events?wait=20' -d "$(enrollment b 8)"
    is "$(cat received)" b
}

test_a_daemon_that_is_stopped_answers_who_waits() {
    other_side 0
    configure
    serve
    curl -s -o answer -w '%{http_code}' -H "Authorization: Bearer $LOCKSTEP_TOKEN" -d "$(enrollment a)" "$url/api/v1/events?wait=300" >got &
    local asking=$!
    until
        ask 200 GET /api/v1/queue
        [ "$(jq .processing answer)" = 1 ]
    do sleep 0.05; done # the pace of looking
    kill -TERM "$daemon"
    wait "$asking"
    is "$(cat got)" 504
    says answer 'It is kept'
    status 0 lockstep events show a
}

test_the_command_line_waits_with_a_daemon_and_delivers_without() {
    other_side
    configure
    status 0 lockstep events emit --wait --type enrollment.created --resource 1
    says out accepted delivered
    is "$(wc -l <received)" 1
    serve
    status 0 lockstep events emit --wait=30 --json --type enrollment.created --resource 2
    is "$(tail -n 1 received)" "$(jq -r .id out)"
    echo 503 >answer_with
    status 3 lockstep events emit --wait=0.5 --type enrollment.created --resource 3
    says err 'panel has not got event' 503
    says out accepted # it is kept
    status 2 lockstep events emit --wait=soon --type enrollment.created --resource 4
}

test_the_queue_is_processed_without_a_daemon() {
    other_side
    configure
    status 0 lockstep events emit --type enrollment.created --resource 1
    status 0 lockstep events process --json
    is "$(cat out)" '{"pending":0,"processing":0,"waiting":0,"failed":0,"dead":0}'
    is "$(wc -l <received)" 1
    echo 503 >answer_with
    status 0 lockstep events emit --type enrollment.created --resource 2
    status 0 lockstep events process --json
    is "$(jq .failed out)" 1
}

run_tests
