#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# operation.sh - the daemon at work is stopped, reloaded and watched: nothing is lost, nothing is sent twice.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=daemon.sh disable=SC2154
. "$(dirname "$0")/daemon.sh"

ask_with=(-H 'Content-Type: application/json')
# A receiver that notes what began in ./began and, when it is answered, in ./received; it answers once the file ./go is there.
receive() {
    rm -f go
    : >began
    run_receiver <<'JS'
function answer(request, body, response) {
    const line = `${request.url} ${JSON.parse(body).id || ''}\n`;
    fs.appendFileSync('began', line);
    const reply = () => {
        if (!fs.existsSync('go')) return setTimeout(reply, 20);
        fs.appendFileSync('received', line);
        response.end();
    };
    reply();
}
JS
}
event() { printf '{"id":"%s","type":"profile.updated","resourceId":"%s"}' "$1" "$1"; }
configure() { printf 'events: { allow: [127.0.0.1] }\nendpoints:\n  crm: { url: "http://127.0.0.1:%s/%s", secret: s, policy: fast }\n' "$receiver" "$1" >lockstep.yaml; }

test_what_is_being_sent_at_the_end_is_finished_and_not_sent_again() {
    receive
    configure a
    serve
    ask 202 POST /api/v1/events -d "[$(event a), $(event b), $(event c)]"
    until_true has_lines began 3
    kill -TERM "$daemon"
    until_log stopping
    touch go
    wait "$daemon" || die "it ended badly: $(log_end)"
    serve
    for id in a b c; do
        ask 200 GET "/api/v1/events/$id"
        is "$(jq -c '.to[0] | [.state, .attempts]' answer)" '["delivered",1]'
    done
    is "$(sort received | xargs)" '/a a /a b /a c'
    finish
}

all_came() { [ "$(cut -d' ' -f2 received | sort -u | comm -13 - <(sort acked) | wc -l)" = 0 ]; }
test_everything_that_was_acknowledged_before_an_orderly_end_is_there() {
    local round i
    receive
    configure a
    touch go
    : >acked
    for round in 1 2 3; do
        serve
        (
            i=0
            while :; do
                i=$((i + 1))
                got=$(curl -s -o "answer$round" -w '%{http_code}' -H 'Content-Type: application/json' -H "Authorization: Bearer $LOCKSTEP_TOKEN" -d "$(event "r$round-$i")" "$url/api/v1/events") || break
                [ "$got" = 202 ] || break
                echo "r$round-$i" >>acked
            done
        ) &
        sender=$!
        until_true has_lines acked $((round * 15))
        finish
        wait $sender || true
    done
    serve
    while read -r id; do ask 200 GET "/api/v1/events/$id"; done <acked
    until_true all_came
    is "$(sort received | uniq -d | head -n 3)" ''
    finish
}

test_a_reload_moves_an_endpoint_and_a_bad_one_leaves_it() {
    receive
    touch go
    configure first
    serve
    ask 202 POST /api/v1/events -d "$(event a)"
    until_true has_lines received 1
    configure second
    kill -HUP "$daemon"
    until_log 'again: 0 syncs'
    ask 202 POST /api/v1/events -d "$(event b)"
    until_true has_lines received 2
    configure third
    echo '  broken: { url: "https://10.0.0.1/", secret: s }' >>lockstep.yaml
    kill -HUP "$daemon"
    until_log 'stays as it was'
    says log broken 'a private address' lockstep.yaml
    ask 202 POST /api/v1/events -d "$(event c)"
    until_true has_lines received 3
    is "$(xargs <received)" '/first a /second b /second c'
    finish
}

test_a_reload_brings_types_of_events() {
    local invoice='{"type":"invoice.sent","resourceId":"1"}'
    echo 'events: {}' >lockstep.yaml
    serve
    ask 400 POST /api/v1/events -d "$invoice"
    echo 'events: { types: [invoice.*] }' >lockstep.yaml
    kill -HUP "$daemon"
    until_log 'again: 0 syncs'
    ask 202 POST /api/v1/events -d "$invoice"
    finish
}

test_whoever_started_it_is_told_how_it_is() {
    command -v python3 >/dev/null || return 0
    cat >told.py <<'PY'
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind('\0lockstep-' + sys.argv[1])
open('ready', 'w').close()
while True:
    text = s.recv(1000).decode()
    with open('told', 'a') as f:
        f.write(text.replace('\n', ' ') + '\n')
    if text.startswith('STOPPING'):
        break
PY
    : >told
    python3 told.py $$ & # a path may be too long for a socket
    children+=("$!")
    until_true test -e ready
    echo '{}' >lockstep.yaml
    NOTIFY_SOCKET=@lockstep-$$ WATCHDOG_USEC=200000 serve
    until_true grep -q WATCHDOG=1 told
    kill -HUP "$daemon"
    until_true grep -q RELOADING=1 told
    finish
    until_true grep -q STOPPING=1 told
    is "$(sed -n 's/^\(READY\|RELOADING\|STOPPING\)=1.*/\1/p' told | xargs)" 'READY RELOADING READY STOPPING'
}

run_tests
