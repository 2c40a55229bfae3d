#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# faults.sh - what is around the daemon fails: the disk is full, descriptors run out, receivers hang or refuse, senders repeat themselves, hang up or
# are slow, the clock jumps, it is told to end while it works. docs/faults.md says which fault is which. Needs no disk.
# shellcheck source=lib.sh disable=SC2154
. "$(dirname "$0")/lib.sh"
# shellcheck source=daemon.sh
. "$(dirname "$0")/daemon.sh"

# configure [SETTINGS OF events]: one endpoint, at the receiver.
configure() {
    cat >lockstep.yaml <<YAML
state: sqlite:${folder:-$PWD}/state.db
auth: { rate: 100000 }
events: { types: ["order.*", "bad.*"], allow: [127.0.0.1] }
endpoints:
  crm: { url: "http://127.0.0.1:$receiver/", secret: a secret, policy: fast, types: ["order.*"] }
YAML
}
# emit STATUS IDS...: an event each, in one request; what was acknowledged is in ./acked.
emit() {
    local wanted=$1 id
    shift
    : >lines
    for id; do
        event "$id" "$id" >>lines
        echo >>lines
    done
    ask "$wanted" POST /api/v1/events -H 'Content-Type: application/jsonl' --data-binary @lines
    [ "$wanted" != 202 ] || jq -r '.accepted[].id' answer >>acked
}
# refused_with STATUS METHOD PATH [curl's arguments]: whether a call is answered so; the answer is in ./answer. For until_true.
refused_with() { [ "$(curl -s -o answer -w '%{http_code}' -X "$2" -H "Authorization: Bearer $LOCKSTEP_TOKEN" "${@:4}" "$url$3")" = "$1" ]; }
# The oracle: all that was acknowledged is kept and came, nothing else is kept, nothing is on its way.
nothing_is_lost() {
    until_quiet
    sqlite3 "${folder:-.}/state.db" 'SELECT id FROM events' | sort >kept
    is "$(sort -u acked | comm -3 - kept | head -n 3)" ''
    is "$(sort -u acked | comm -23 - <(cut -d' ' -f1 received | sort -u) | head -n 3)" ''
    is "$(cut -d' ' -f3,4 received | sort -u)" 'true true'
    is "$(sqlite3 "${folder:-.}/state.db" 'PRAGMA integrity_check')" ok
}

# --- R07: a full disk

# A state on a disk of its own, of which a sixteenth is kept for it.
own_disk() { # own_disk OPTIONS: of mount
    mkdir disk
    mount -t tmpfs -o "$1" none disk
    trap 'end_children; umount -l disk' EXIT
    folder=$PWD/disk
}
fill_disk() { dd if=/dev/zero of=disk/filler bs=64k 2>/dev/null || dd if=/dev/zero of=disk/crumbs bs=4k 2>/dev/null || true; }
health_is() { asked GET /api/v1/health .status "$1"; }

told() { jq -r '"\(.alert) \(.state)"' told | grep -qx -- "$1"; }
# Events that wait, at a paused endpoint; a schedule; a sync; a receiver; somebody who is told.
much_to_do() {
    local i
    receive
    configure
    export WEBHOOK_SECRET='a secret'
    cat >>lockstep.yaml <<YAML
stores: { app: "sqlite:$PWD/app.db" }
syncs: { users: { source: "sqlite:$PWD/app.db#users", target: "sqlite:$PWD/copy.db#users" } }
receivers: { users: { apply: app.users, secret: "${WEBHOOK_SECRET}" } }
schedules: { yearly: { cron: "0 0 1 1 *", queue: true } }
alerts: { every: 100ms, on: [state], command: ["$PWD/tell", "$PWD/told"] }
YAML
    printf '#!/bin/sh\ncat >>"$1"\necho >>"$1"\n' >tell
    chmod +x tell
    : >told
    sqlite3 app.db "CREATE TABLE users (id TEXT PRIMARY KEY NOT NULL, name TEXT); INSERT INTO users VALUES ('1', 'Ann')"
    sqlite3 copy.db 'CREATE TABLE users (id TEXT PRIMARY KEY NOT NULL, name TEXT)'
    serve
    emit 202 before
    until_state before delivered
    ask 204 POST /api/v1/endpoints/crm/pause
    for ((i = 0; i < 300; i++)); do echo "w$i"; done >waiting
    mapfile -t waiting <waiting
    emit 202 "${waiting[@]}"
}
# All that brings something new is refused, and says why.
nothing_new() {
    ask 507 POST /api/v1/events -d "$(event n1)" -H 'Content-Type: application/json'
    says answer 'urn:lockstep:problem:full' 'the disk of the state is full' 'Make room'
    ask 507 POST "/v2/publish/http://127.0.0.1:$receiver/" -d x
    says answer 'Make room'
    printf '{"id":"m1","type":"users.created","resourceId":"2","data":{"name":"Bob"},"timestamp":"2026-01-31T12:00:00.000Z"}' >message
    ask 507 POST /api/webhooks/users -H 'Content-Type: application/json' -H "x-webhook-signature: $(openssl dgst -sha256 -hmac "$WEBHOOK_SECRET" -hex <message | sed 's/.*= //')" --data-binary @message
    ask 507 POST /api/v1/runs -H 'Content-Type: application/json' -d '{"sync":"users"}'
    status 3 lockstep --state "sqlite:$folder/state.db" events emit --type order.paid --resource 1
    says err 'the disk of the state is full' 'Make room'
    status 3 lockstep sync users
    says err 'the disk of the state is full'
    is "$(sqlite3 copy.db 'SELECT count(*) FROM users')" 0
}
has_fired() { [ "$(sqlite3 -cmd '.timeout 10000' "$folder/state.db" "SELECT count(*) FROM schedule_firings WHERE state = 'succeeded'")" -ge "$1" ]; }
rewind() { "${LOCKSTEP_BUILD_ROOT:?}/tests/rewind_schedule" "$folder/state.db" yearly "$(date -u -d "$(($(date -u +%Y) - 1))-06-01" +%s)"; }

test_on_a_full_disk_what_is_new_is_refused_and_what_was_accepted_is_delivered() {
    [ "$(id -u)" = 0 ] || { full_by_strace; return; }
    own_disk size=64m
    much_to_do
    fill_disk
    until_true health_is degraded
    says answer 'the disk of the state is full'
    nothing_new
    rewind
    until_true has_fired 1 # schedules go on
    ask 204 POST /api/v1/endpoints/crm/resume
    until_quiet # and so do deliveries
    is "$(sort -u acked | comm -23 - <(cut -d' ' -f1 received | sort -u) | head -n 3)" ''
    ask 200 GET /api/v1/events/w299 # and reading
    ask 200 GET /api/v1/runs
    ask 200 GET /metrics
    says answer 'lockstep_state_full 1'
    until_true readyz_says 'ready, but the disk of the state is full: nothing new is taken on'
    nothing_new
    until_true health_is degraded
    says log 'nothing new is taken on until there is room again'
    until_true told 'state_full firing'
    rm disk/filler # with room all is back, by itself
    until_true emitted after
    ask 200 GET /metrics
    says answer 'lockstep_state_full 0'
    until_true health_is ok
    until_true readyz_says ready
    until_true told 'state_full resolved'
    is "$(grep -c 'nothing new is taken on until' log)" 1
    is "$(grep -c 'there is room again on the disk' log)" 1
    status 0 lockstep sync users
    nothing_is_lost
    finish
}
readyz_says() { [ "$(curl -s "$url/readyz")" = "$1" ]; }
emitted() { refused_with 202 POST /api/v1/events -H 'Content-Type: application/jsonl' -d "$(event "$1")" && echo "$1" >>acked; }

# The same for those who cannot mount: the 30th to 60th write to the log finds no room.
full_by_strace() {
    local i refused=0
    receive
    configure
    serve
    emit 202 before
    finish
    under=(strace -f -qq -o /dev/null -e trace=pwrite64 -e inject=pwrite64:error=ENOSPC:when=30..60 -P "$PWD/state.db-wal")
    serve
    for ((i = 0; i < 60; i++)); do
        got=$(event "f$i" "$i" | curl -s -o answer -w '%{http_code}' -H "Authorization: Bearer $LOCKSTEP_TOKEN" -d @- "$url/api/v1/events")
        case $got in
        202) jq -r '.accepted[].id' answer >>acked ;;
        507) refused=$((refused + 1)) && ask 200 GET /api/v1/events/before ;;
        *) die "$got: $(cat answer)" ;;
        esac
    done
    [ "$refused" -gt 0 ] || die 'it was never full'
    nothing_is_lost
}
test_writes_that_find_no_room_are_refused_with_507_and_come_back() { full_by_strace; }

# Inodes: what is there already goes on without any; what has to be made says why it cannot be.
test_a_file_system_without_inodes_stops_no_daemon_and_says_what_a_new_one_misses() {
    local i=0
    [ "$(id -u)" = 0 ] || return 0
    own_disk size=64m,nr_inodes=40
    receive
    configure
    serve
    emit 202 before
    while : 2>/dev/null >"disk/none$i"; do i=$((i + 1)); done
    emit 202 without-1 without-2
    until_state without-2 delivered
    until_true health_is ok
    nothing_is_lost
    finish
    serve
    emit 202 again
    nothing_is_lost
    finish
    status 3 lockstep serve --listen 127.0.0.1:0 --state "sqlite:$folder/new.db"
    says err 'cannot make the state' 'No space left on device'
    rm disk/none*
    serve --state "sqlite:$folder/new.db"
    ask 200 GET /healthz
    finish
}

# until_refused STATUS: sends events until one is refused so; those that are accepted count.
until_refused() {
    local i data
    data=$(printf 'x%.0s' $(seq 1 20000))
    for ((i = 0; i < 2000; i++)); do
        got=$(printf '{"id":"u%d","type":"order.paid","resourceId":"%d","data":"%s"}' "$i" "$i" "$data" |
            curl -s -o answer -w '%{http_code}' -H "Authorization: Bearer $LOCKSTEP_TOKEN" -d @- "$url/api/v1/events")
        case $got in
        202) jq -r '.accepted[].id' answer >>acked ;;
        "$1") return 0 ;;
        *) die "$got: $(cat answer)" ;;
        esac
    done
    die "it was never refused with $1"
}
# Why the service of events is not well; for until_true.
events_say() { ask 200 GET /api/v1/health && jq -r '.status, (.services[] | select(.name == "events").detail)' answer | grep -qF -- "$1"; }

test_a_limit_of_file_sizes_is_told_and_what_waits_goes_on_without_it() {
    receive
    configure
    under=(bash -c 'ulimit -Sf 4096; exec "$@"' bash) # 4 MiB
    start_daemon
    read -r url <url
    daemon=$started
    under=()
    says log 'no room can be kept free for the state' 'File too large'
    emit 202 before
    until_refused 507
    says answer 'ulimit -f'
    until_true events_say 'ulimit -f'
    answer_is .status degraded
    ask 200 GET /api/v1/events/before
    kill -0 "$daemon"
    prlimit --pid "$daemon" --fsize=unlimited
    until_true emitted after
    nothing_is_lost
    until_true health_is ok
    finish
}

# A file system that finds an error and lets nobody write any more.
test_a_file_system_that_becomes_read_only_is_told_and_loses_nothing() {
    local loop
    [ "$(id -u)" = 0 ] && truncate -s 64M image && mkfs.ext4 -q image && mkdir disk &&
        mount -o loop,errors=remount-ro image disk || { read_only_by_strace; return; }
    trap 'end_children; umount -l disk' EXIT
    folder=$PWD/disk
    loop=$(losetup -j image | cut -d: -f1)
    receive
    configure
    serve
    emit 202 before
    until_state before delivered
    if ! echo a test >"/sys/fs/ext4/${loop#/dev/}/trigger_fs_error"; then
        finish
        folder=
        read_only_by_strace
        return
    fi
    until_refused 503
    says answer 'Read-only file system' 'mount it for writing'
    until_true events_say 'Read-only file system'
    answer_is .status degraded
    ask 503 POST "/v2/publish/http://127.0.0.1:$receiver/" -d x
    ask 200 GET /api/v1/events/before
    kill -0 "$daemon" || die "it ended: $(log_end)"
    finish
    umount disk
    fsck.ext4 -fy image >/dev/null 2>&1 || [ $? -le 2 ]
    mount -o loop image disk
    serve
    emit 202 after
    nothing_is_lost
    finish
}
read_only_by_strace() {
    local i refused=0
    receive
    configure
    serve
    emit 202 before
    finish
    under=(strace -f -qq -o /dev/null -e trace=pwrite64 -e inject=pwrite64:error=EROFS:when=30..60 -P "$PWD/state.db-wal")
    serve
    for ((i = 0; i < 60; i++)); do
        got=$(event "f$i" "$i" | curl -s -o answer -w '%{http_code}' -H "Authorization: Bearer $LOCKSTEP_TOKEN" -d @- "$url/api/v1/events")
        case $got in
        202) jq -r '.accepted[].id' answer >>acked ;;
        503) refused=$((refused + 1)) && says answer 'read-only' ;;
        *) die "$got: $(cat answer)" ;;
        esac
    done
    [ "$refused" -gt 0 ] || die 'it was never read-only'
    nothing_is_lost
}
test_writes_that_are_refused_as_read_only_come_back() { read_only_by_strace; }

# --- R16, R19: receivers

# A receiver for which the event says how it is treated: refuse, hang, slow, close.
hostile_receiver() {
    run_receiver <<'JS'
function answer(request, body, response) {
    const event = JSON.parse(body);
    const how = event.id.split('-')[0];
    if (how === 'hang') return;
    if (how === 'close') return request.socket.destroy();
    const right = crypto.createHmac('sha256', 'a secret').update(body).digest('hex') === request.headers['x-webhook-signature'];
    if (how !== 'refuse') fs.appendFileSync('received', [event.id, event.resourceId, right, request.headers['webhook-id'] === event.id].join(' ') + '\n');
    response.writeHead(how === 'refuse' ? 500 : 200);
    if (how !== 'slow') return response.end(how === 'refuse' ? 'no such customer' : '');
    let left = 20;
    const drip = setInterval(() => { if (left-- > 0) return response.write('.'); clearInterval(drip); response.end(); }, 50);
}
JS
    configure
    sed -i 's/policy: fast/policy: documented, timeout: 1s, concurrency: 4/' lockstep.yaml
}

test_an_event_that_is_always_refused_becomes_a_dead_letter_and_holds_up_nobody() {
    local i
    hostile_receiver
    serve
    emit 202 refuse-1 close-1
    for ((i = 0; i < 20; i++)); do emit 202 "good-$i" "slow-$i"; done
    for ((i = 0; i < 20; i++)); do until_state "good-$i" delivered && until_state "slow-$i" delivered; done
    until_state refuse-1 dead
    until_state close-1 dead
    ask 200 GET /api/v1/events/refuse-1
    is "$(jq -c '.to[0] | [.attempts, (.tries | length), .tries[-1].status]' answer)" '[3,3,500]'
    ask 200 POST '/api/v1/events/refuse-1/replay'
    is "$(cat answer)" '{"deliveries":1}'
    until_state refuse-1 dead
    finish
}

test_one_endpoint_that_never_answers_does_not_hold_up_another() {
    local i
    hostile_receiver
    receive
    cat >>lockstep.yaml <<YAML
  other: { url: "http://127.0.0.1:$receiver/", secret: a secret, policy: fast, types: ["bad.*"] }
YAML
    sed -i 's/timeout: 1s/timeout: 60s/' lockstep.yaml
    serve
    emit 202 hang-1 hang-2 hang-3 hang-4 hang-5 hang-6 # more than it takes at once
    for ((i = 0; i < 50; i++)); do
        ask 202 POST /api/v1/events -d "{\"id\":\"g$i\",\"type\":\"bad.luck\",\"resourceId\":\"$i\"}"
    done
    for ((i = 0; i < 50; i++)); do until_state "g$i" delivered; done
    ask 200 GET /api/v1/queue
    is "$(jq '.processing + .pending' answer)" 6 # they still wait for their answers
    finish
}

# --- R20: the clock is set back

# A daemon whose clock of the day stands in ./clock, as what to add; its other clocks run on.
serve_by_clock() {
    LD_PRELOAD=$(echo /usr/lib/*/faketime/libfaketimeMT.so.1) FAKETIME_TIMESTAMP_FILE=$PWD/clock FAKETIME_NO_CACHE=1 \
        FAKETIME_DONT_FAKE_MONOTONIC=1 ASAN_OPTIONS=${ASAN_OPTIONS-}:verify_asan_link_order=0 serve
}
tried() { until_true asked GET "/api/v1/events/$1" '.to[0].tries | length > 0' true; }

test_a_clock_that_is_set_back_holds_up_no_delivery() {
    run_receiver <<'JS'
function answer(request, body, response) {
    response.writeHead(fs.existsSync('well') ? 200 : 503).end();
}
JS
    configure
    echo +0 >clock
    serve_by_clock
    emit 202 at-work
    tried at-work
    echo -3600 >clock
    touch well
    emit 202 later # wakes it
    until_state at-work delivered
    until_state later delivered
    rm well
    emit 202 at-rest
    tried at-rest
    finish
    echo -7200 >clock
    touch well
    serve_by_clock
    until_state at-rest delivered
    finish
}

# --- R18: senders repeat themselves, in any order

test_events_sent_again_and_again_in_any_order_take_effect_once() {
    local i
    receive
    configure
    serve
    for ((i = 0; i < 400; i++)); do
        event "d$i" "$((i % 40))" | sed 's/$/\n/'
        [ $((i % 5)) -gt 0 ] || event "d$i" "$((i % 40))" | sed 's/$/\n/'
    done | shuf --random-source=<(yes "${LOCKSTEP_TEST_SEED:-1}") >all
    split -l 40 all part.
    for file in part.*; do
        curl -s -o "answer.$file" -H "Authorization: Bearer $LOCKSTEP_TOKEN" -H 'Content-Type: application/jsonl' --data-binary "@$file" "$url/api/v1/events" &
        children+=("$!") # at the same time
    done
    for file in part.*; do until_true [ -s "answer.$file" ]; done
    wait_for_senders
    jq -r '.accepted[].id' answer.part.* >acked
    is "$(wc -l <acked)" 480
    is "$(jq -r '.accepted[] | select(.known == false) | .id' answer.part.* | sort | uniq -d)" ''
    is "$(jq -r '.accepted[] | select(.known) | .id' answer.part.* | wc -l)" 80
    nothing_is_lost
    is "$(wc -l <kept)" 400
    is "$(cut -d' ' -f1 received | sort | uniq -d)" '' # each came once
    finish
}
wait_for_senders() { for pid in "${children[@]}"; do [ "$pid" = "$started" ] || [ "$pid" = "$receiver_pid" ] || wait "$pid"; done; }

# --- R26, R27: connections

test_descriptors_that_run_out_refuse_and_come_back() {
    receive
    configure
    under=(bash -c 'ulimit -n 60; exec "$@"' bash)
    start_daemon
    read -r url <url
    daemon=$started
    under=()
    cat >many.js <<'JS'
const net = require('net'), fs = require('fs');
const port = Number(process.argv[2]);
let left = 200;
const one_more = () => { if (--left === 0) fs.writeFileSync('many', 'there\n'); };
for (let i = 0; i < 200; i++) net.connect(port, '127.0.0.1').once('connect', one_more).on('error', () => {});
setInterval(() => {}, 1000);
JS
    node many.js "${url##*:}" &
    children+=("$!")
    many=$!
    until_true [ -s many ]
    kill -0 "$daemon" || die "it ended: $(tail -n 3 log)"
    curl -s -m 2 -o /dev/null "$url/healthz" || true # whatever it says, it does not end
    kill "$many"
    until_true curl -sf -m 5 -o /dev/null "$url/healthz"
    kill -0 "$daemon" || die "it ended: $(log_end)"
    emit 202 after-1 after-2
    nothing_is_lost
    says log 'connections at once' 'ulimit -n'
    finish
}

test_a_state_that_finds_no_descriptor_is_asked_again() {
    local i
    receive
    configure
    serve
    emit 202 before
    finish
    under=(strace -f -qq -o /dev/null -e trace=openat -e inject=openat:error=EMFILE:when=20..60 -P "$PWD/state.db-lock")
    serve
    for ((i = 0; i < 60; i++)); do
        got=$(event "f$i" "$i" | curl -s -o answer -w '%{http_code}' -H "Authorization: Bearer $LOCKSTEP_TOKEN" -d @- "$url/api/v1/events")
        case $got in
        202) jq -r '.accepted[].id' answer >>acked ;;
        503) ;;
        *) die "$got: $(cat answer) $(tail -n 2 log)" ;;
        esac
    done
    nothing_is_lost
}

# Connections to the daemon that are not over on its side; those to its receivers are kept for the next delivery.
sockets() { awk -v port=":$(printf '%04X' "${url##*:}")$" '$2 ~ port && $4 != "0A" && $4 != "06" { n++ } END { print n + 0 }' /proc/net/tcp; }
sockets_are_few() { [ "$(sockets)" -le "$1" ]; }
test_half_closed_and_broken_connections_leave_nothing_behind() {
    local before
    receive
    configure
    serve
    emit 202 a
    before=$(sockets)
    cat >half.js <<'JS'
// 200 connections: closed in the middle of a head, of a body, after a request, and half closed behind a whole request, which is answered.
const net = require('net'), fs = require('fs');
const [port, token] = [Number(process.argv[2]), process.env.LOCKSTEP_TOKEN];
const body = (i) => JSON.stringify({ id: 'h' + i, type: 'order.paid', resourceId: 'h' + i });
const head = (i) => `POST /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: ${body(i).length}\r\n\r\n`;
let open = 200, answered = [];
for (let i = 0; i < 200; i++) {
    const s = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    let got = '';
    s.on('error', () => {}).on('data', (d) => { got += d; }).on('end', () => s.end());
    s.on('close', () => { if (got.startsWith('HTTP/1.1 202')) answered.push('h' + i); if (--open === 0) fs.writeFileSync('half', answered.join('\n') + '\n'); });
    s.on('connect', () => {
        if (i % 4 === 0) { s.write(head(i).slice(0, 40), () => s.destroy()); }
        else if (i % 4 === 1) { s.write(head(i) + body(i).slice(0, 10), () => s.destroy()); }
        else if (i % 4 === 2) { s.write(head(i) + body(i), () => s.destroy()); }
        else { s.end(head(i) + body(i)); }
    });
}
JS
    timeout 60 node half.js "${url##*:}"
    [ "$(grep -c h half)" -gt 0 ]
    until_quiet
    until_true sockets_are_few $((before + 4))
    sqlite3 state.db "SELECT id FROM events" | sort >kept
    is "$(sort half | comm -23 - kept | head -n 3)" '' # what was answered is kept
    is "$(grep -c '^h' kept | awk '{ print ($1 <= 100) }')" 1
    finish
}

# --- R28: too much

test_giant_requests_are_refused_and_cost_no_memory() {
    local before after
    receive
    configure
    serve
    emit 202 a
    before=$(awk '/VmRSS/ { print $2 }' "/proc/$daemon/status")
    : >config
    for i in $(seq 1 500); do echo "header = \"X-Many-$i: $(printf 'y%.0s' $(seq 1 60))\"" >>config; done
    got=$(curl -s -o answer -w '%{http_code}' -K config "$url/healthz") || true
    [ "$got" = 431 ] || [ "$got" = 000 ] || die "500 headers: $got"
    { printf '{"id":"deep","type":"order.paid","resourceId":"1","data":' && printf '[%.0s' $(seq 1 10000) && printf ']%.0s' $(seq 1 10000) && printf '}'; } >deep
    ask 400 POST /api/v1/events --data-binary @deep
    head -c $((40 << 20)) /dev/zero | tr '\0' '[' >large
    ask 413 POST /api/v1/events -H 'Content-Type: application/json' --data-binary @large
    got=$(curl -s -o answer -w '%{http_code}' -H "Authorization: Bearer $LOCKSTEP_TOKEN" -H 'Transfer-Encoding: chunked' --data-binary @large "$url/api/v1/events") || true
    [ "$got" = 413 ] || [ "$got" = 000 ] || [ "$got" = 100 ] || die "a chunked body without end: $got"
    gzip -c large >small.gz # 40 KB that would be 40 MB: it is not unpacked
    got=$(curl -s -o answer -w '%{http_code}' -H "Authorization: Bearer $LOCKSTEP_TOKEN" -H 'Content-Encoding: gzip' -H 'Content-Type: application/json' --data-binary @small.gz "$url/api/v1/events") || true
    [ "$got" = 400 ] || [ "$got" = 415 ] || die "a packed body: $got"
    after=$(awk '/VmRSS/ { print $2 }' "/proc/$daemon/status")
    [ -n "${ASAN_OPTIONS:-}" ] || [ $((after - before)) -lt $((48 << 10)) ] || die "$before KiB before, $after after"
    emit 202 b
    nothing_is_lost
    finish
}

# --- R33: signals

test_an_end_under_load_keeps_every_promise() {
    local n i
    receive
    configure
    for ((n = 0; n < 4; n++)); do
        serve
        for ((i = 0; i < 300; i++)); do
            printf 'next\nurl="%s/api/v1/events"\nheader="Authorization: Bearer %s"\ndata="{\\"id\\":\\"s%d-%d\\",\\"type\\":\\"order.paid\\",\\"resourceId\\":\\"%d\\"}"\n' \
                "$url" "$LOCKSTEP_TOKEN" "$n" "$i" "$i"
        done | sed 1d >requests
        curl -s -N -Z --parallel-max 8 -K requests 2>/dev/null | { # told to end when so much has been answered
            head -c $((n * 3000))
            kill -TERM "$daemon"
            cat
        } >answers || true
        wait "$started" || die "it ended with $?: $(log_end)"
        grep -o '"id":"s[0-9]*-[0-9]*","known":false}' answers | cut -d'"' -f4 >>acked || true
    done
    serve
    ask 200 GET /healthz
    until_quiet
    sqlite3 state.db 'SELECT id FROM events' | sort >kept
    is "$(sort acked | comm -23 - kept | head -n 3)" ''
    is "$(uniq -d kept)" ''
    is "$(cut -d' ' -f1 received | sort | uniq -d)" '' # nothing was being sent when it ended
    finish
}

test_a_second_signal_ends_it_on_the_spot_and_loses_nothing() {
    hostile_receiver
    sed -i 's/timeout: 1s/timeout: 60s/' lockstep.yaml
    serve
    emit 202 hang-1 good-1
    until_state good-1 delivered
    kill -TERM "$daemon"
    kill -TERM "$daemon"
    kill -TERM "$daemon"
    wait "$started" 2>/dev/null || true
    : >lines
    serve
    ask 200 GET /api/v1/events/hang-1
    is "$(jq -r '.to[0].state' answer | sed 's/processing/pending/;s/failed/pending/')" pending
    kill -KILL "$daemon"
}

run_tests
