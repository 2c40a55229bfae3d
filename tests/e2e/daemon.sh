# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# daemon.sh - what the suites of `lockstep serve` share: a daemon, questions to it, a receiver. Sourced after lib.sh, not run.

export LOCKSTEP_TOKEN=a-token-that-is-long-enough
daemon=
started=
url=

# serve [ARGUMENTS...]: a daemon on a free port; $url and $daemon are set once it is ready, its log is ./log. $under: what runs it (an array), as strace.
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
    : >log # two at a time may write into it
    "${under[@]}" "$LOCKSTEP" serve --listen 127.0.0.1:0 "$@" >url 2>>log &
    started=$!
    children+=("$started")
}
# The daemon's own process, where another one runs it.
daemon_of() {
    if [ ${#under[@]} -eq 0 ]; then echo "$1"; else cat "/proc/$1/task/$1/children" | tr -d ' '; fi
}
# finish [SIGNAL [STATUS]]: the daemon gets the signal (TERM) and ends with the status (0).
finish() {
    local status=0
    kill "-${1:-TERM}" "$daemon"
    wait "$started" 2>/dev/null || status=$?
    [ "$status" = "${2:-0}" ] || die "it ended with $status, not ${2:-0}: $(log_end)"
}
kill_daemon() { finish KILL 137; }
until_log() { until_true grep -qF -- "$1" log; }

# ask STATUS METHOD PATH [curl's arguments]: the answer is in ./answer, its headers in ./headers. $ask_with: what every call sends besides;
# auth=HEADER ask ...: other credentials, or none.
ask_with=()
ask() {
    local wanted=$1 method=$2 path=$3 got credentials=(-H "${auth-Authorization: Bearer $LOCKSTEP_TOKEN}")
    [ -n "${auth-x}" ] || credentials=()
    shift 3
    got=$(curl -s -D headers -o answer -w '%{http_code}' -X "$method" "${credentials[@]}" "${ask_with[@]}" "$@" "$url$path") || true
    [ "$got" = "$wanted" ] || die "$method $path: $got, not $wanted: $(head -c 600 answer) :: $(log_end)"
}
# What a sanitizer says, or what it said last.
log_end() { grep -E -m 12 'ERROR|runtime error|  #[0-9]' log || tail -n 5 log; }
# asked METHOD PATH JQ WANTED: whether the answer is 200 and a jq program says that of it; for until_true.
asked() { ask 200 "$1" "$2" && answer_is "$3" "$4"; }
event() { printf '{"id":"%s","type":"order.paid","resourceId":"%s","data":{"n":1}}' "$1" "${2:-r}"; }

# A receiver that writes down what came, and refuses one in ten; $receiver is its port.
receive() {
    run_receiver <<'JS'
let n = 0;
function answer(request, body, response) {
    const event = JSON.parse(body);
    const right = crypto.createHmac('sha256', 'a secret').update(body).digest('hex') === request.headers['x-webhook-signature'];
    const refused = ++n % 10 === 0;
    if (!refused) fs.appendFileSync('received', [event.id, event.resourceId, right, request.headers['webhook-id'] === event.id].join(' ') + '\n');
    response.writeHead(refused ? 503 : 200);
    response.end();
}
JS
}
# run_receiver: an HTTP server of its own whose answer(request, body, response) is read from the standard input; $receiver is its port, ./received is empty.
run_receiver() {
    {
        echo "const http = require('http'), crypto = require('crypto'), fs = require('fs');"
        cat
        cat <<'JS'
http.createServer((request, response) => {
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => answer(request, Buffer.concat(parts).toString(), response));
}).listen(0, '127.0.0.1', function () { fs.writeFileSync('port', this.address().port + '\n'); });
JS
    } >receiver.js
    rm -f port
    mkfifo port
    : >received
    node receiver.js &
    receiver_pid=$!
    children+=("$receiver_pid")
    read -r receiver <port
}

# until_state ID STATE: waits for the event's deliveries to be so; the event is in ./answer.
until_state() { until_true asked GET "/api/v1/events/$1" '[.to[].state] | unique | join(" ")' "$2"; }
# Waits until nothing is on its way.
until_quiet() { until_true asked GET /api/v1/queue '.pending + .processing + .waiting + .failed' 0; }
