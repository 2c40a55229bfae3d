# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# daemon.sh - what the suites of `lockstep serve` share: a daemon, questions to it, a receiver. Sourced after lib.sh, not run.

export LOCKSTEP_TOKEN=a-token-that-is-long-enough
daemon=
url=

# serve [ARGUMENTS...]: a daemon on a free port; $url and $daemon are set once it is ready. $under: what runs it (an array), as strace.
under=()
serve() {
    start_daemon "$@"
    read -r url <url || die "it did not start: $(tail -n 5 log)"
    daemon=$(daemon_of "$started")
    children+=("$daemon") # strace's end would not be its own
}
# The same without waiting for it.
start_daemon() {
    rm -f url
    mkfifo url
    "${under[@]}" "$LOCKSTEP" serve --listen 127.0.0.1:0 "$@" >url 2>>log &
    started=$!
    children+=("$started")
}
# The daemon's own process, where another one runs it.
daemon_of() {
    if [ ${#under[@]} -eq 0 ]; then echo "$1"; else cat "/proc/$1/task/$1/children" | tr -d ' '; fi
}

# ask STATUS METHOD PATH [curl's arguments]: the answer is in ./answer, its headers in ./headers. $ask_with: what every call sends besides.
ask_with=()
ask() {
    local wanted=$1 method=$2 path=$3 got
    shift 3
    got=$(curl -s -D headers -o answer -w '%{http_code}' -X "$method" -H "Authorization: Bearer $LOCKSTEP_TOKEN" "${ask_with[@]}" "$@" "$url$path") || true
    [ "$got" != 000 ] || die "$method $path: no answer: $(tail -n 60 log)"
    [ "$got" = "$wanted" ] || die "$method $path: $got, not $wanted: $(cat answer)"
}
event() { printf '{"id":"%s","type":"order.paid","resourceId":"%s","data":{"n":1}}' "$1" "${2:-r}"; }

# A receiver that writes down what came, and refuses one in ten; $receiver is its port.
receive() {
    cat >receiver.js <<'JS'
const http = require('http'), crypto = require('crypto'), fs = require('fs');
let n = 0;
http.createServer((request, response) => {
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => {
        const body = Buffer.concat(parts), event = JSON.parse(body);
        const right = crypto.createHmac('sha256', 'a secret').update(body).digest('hex') === request.headers['x-webhook-signature'];
        const refused = ++n % 10 === 0;
        if (!refused) fs.appendFileSync('received', [event.id, event.resourceId, right, request.headers['webhook-id'] === event.id].join(' ') + '\n');
        response.writeHead(refused ? 503 : 200);
        response.end();
    });
}).listen(0, '127.0.0.1', function () { fs.writeFileSync('port', this.address().port + '\n'); });
JS
    run_receiver receiver.js
}
# run_receiver SCRIPT: it writes its port into ./port, and what came into ./received.
run_receiver() {
    rm -f port
    mkfifo port
    : >received
    node "$1" &
    receiver_pid=$!
    children+=("$receiver_pid")
    read -r receiver <port
}

# until_state ID STATE: waits for the event's deliveries to be so; the event is in ./answer.
until_state() {
    until
        ask 200 GET "/api/v1/events/$1"
        [ "$(jq -r '[.to[].state] | unique | join(" ")' answer)" = "$2" ]
    do :; done
}
# Waits until nothing is on its way.
until_quiet() {
    until
        ask 200 GET /api/v1/queue
        [ "$(jq '.pending + .processing + .waiting + .failed' answer)" = 0 ]
    do :; done
}
