#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# crash.sh - the daemon is killed at a chosen point of what it does, and what comes after. Needs no disk: what was written is there for
# whoever comes next (power.sh has the cut of power).
#
# The point is a system call: strace kills the process when it makes the n-th one of its kind, so that a write, a sync or an answer is the last
# thing that it did not do. Or it is the receiver's: it kills the daemon while it has a delivery that it has not answered, or just has.
#
# Oracle, the same after each crash: every acknowledged event is kept (I1), none that was not sent (I2), each once (I3), and a next daemon delivers every one
# of them: nothing acknowledged is lost on its way, nothing is sent again but what was being sent; of one resource the first arrivals come in
# the order of acceptance (I4); the file is whole and the audit log proves itself (I7); nobody had to help (I9).
#
# LOCKSTEP_DEEP: every call of the story, one after the other, instead of some.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=daemon.sh disable=SC2154
. "$(dirname "$0")/daemon.sh"

# A process that strace kills cannot look for leaks, and looking for them does not work under it.
export ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0

# The receiver's ./mode: "ok", or "before N", "after N", "refuse N": with the N-th request it gets from now on it kills the daemon (its number is
# in ./daemon) before it answers, after it has answered, or after it has answered 503.
start_receiver() {
    echo ok >mode
    run_receiver <<'JS'
let left = 0, how = '';
const die = () => { try { process.kill(Number(fs.readFileSync('daemon')), 'SIGKILL'); } catch (e) {} };
function answer(request, body, response) {
    const [mode, n] = fs.readFileSync('mode', 'utf8').trim().split(' ');
    if (mode !== 'ok') { how = mode; left = Number(n); fs.writeFileSync('mode', 'ok'); }
    const now = left > 0 && --left === 0 ? how : '';
    const event = JSON.parse(body);
    if (now !== 'refuse') fs.appendFileSync('received', event.id + ' ' + event.resourceId + '\n');
    if (now === 'before') return die();
    response.writeHead(now === 'refuse' ? 503 : 200);
    response.end(now ? die : undefined);
}
JS
    cat >lockstep.yaml <<YAML
state: sqlite:$PWD/state.db
events: { types: ["order.*"], allow: [127.0.0.1] }
endpoints:
  crm: { url: "http://127.0.0.1:$receiver/", secret: a secret, policy: fast }
YAML
}

# try METHOD PATH [ARGUMENTS]: like ask, and false when the daemon is gone.
try() {
    local method=$1 path=$2
    shift 2
    curl -sf -m 20 -o answer -X "$method" -H "Authorization: Bearer $LOCKSTEP_TOKEN" "$@" "$url$path" 2>/dev/null
}
# emit NUMBERS...: an event each, all in one request.
emit() {
    local n
    : >lines
    for n; do
        echo "e$n" >>sent
        event "e$n" "$((n % 3))" >>lines
        echo >>lines
    done
    try POST /api/v1/events -H 'Content-Type: application/jsonl' --data-binary @lines || return 1
    jq -r '.accepted[].id' answer >>acked
}
# What a daemon does in its life, as far as it gets: events by one and by several, one again, a pause, deliveries, its end.
story() {
    local n
    for n in 1 2 3; do emit $n || return 0; done
    emit 4 5 6 7 8 || return 0
    emit 2 9 || return 0
    try POST /api/v1/endpoints/crm/pause || return 0
    emit 10 11 || return 0
    try POST /api/v1/endpoints/crm/resume || return 0
    until_true quiet_or_gone
}
# Whether nothing is on its way, or the daemon is gone.
quiet_or_gone() { ! try GET /api/v1/queue || answer_is '.pending + .processing + .waiting + .failed' 0; }

# crash [WHAT]: begins a daemon as $under says and lives through WHAT (story) until it is killed. False: it was not.
crash() {
    local status=0
    start_daemon
    if read -r url <url; then # the name is a pipe's, too
        daemon=$(daemon_of "$started")
        echo "$daemon" >daemon
        "${1:-story}"
        kill -TERM "$daemon" 2>/dev/null || true
    fi
    wait "$started" 2>/dev/null || status=$?
    crashes=$((crashes + (status == 137)))
    [ "$status" = 137 ] || [ "$status" = 0 ] || die "it ended with $status: $(tail -n 3 log)"
    [ "$status" = 137 ]
}
# at CALL N [PATH]: what comes next is killed at its N-th such call, of that file.
at() {
    under=(strace -f -qq -o /dev/null -e "trace=$1" -e "inject=$1:signal=KILL:when=$2")
    [ -z "${3:-}" ] || under+=(-P "$PWD/$3")
}

begin_anew() {
    rm -rf state.db* sent acked
    : >received
    : >sent
    : >acked
    echo ok >mode
    crashes=0
}
# A state with its tables, where what is killed is not the first start.
begin_with_state() {
    begin_anew
    if [ -d template ]; then
        cp template/state.db* .
        return 0
    fi
    under=()
    serve
    finish
    mkdir template
    cp state.db* template
}

# The oracle. WHERE is what was done, for the message.
nothing_is_lost() {
    local where=$1 again
    under=()
    echo ok >mode
    serve
    ask 204 POST /api/v1/endpoints/crm/resume # the crash may have come while it was paused
    until_quiet
    finish || die "$where: $(cat "$work/why")"
    sqlite3 -separator ' ' state.db 'SELECT id, resource_id FROM events ORDER BY seq' >kept
    cut -d' ' -f1 kept | sort >kept_ids
    cut -d' ' -f1 received | sort >came
    again=$(sort -u acked | comm -23 - kept_ids | head -n 3)
    [ -z "$again" ] || die "$where: acknowledged and lost: $again"
    again=$(sort -u sent | comm -13 - kept_ids | head -n 3)
    [ -z "$again" ] || die "$where: kept and never sent: $again"
    is "$(uniq -d kept_ids)" ''
    is "$(uniq came | comm -3 - kept_ids | head -n 3)" '' || die "$where: kept and delivered are not the same: $(uniq came | comm -3 - kept_ids | head -n 3)"
    again=$(uniq -c came | awk -v most=$((crashes + 1)) '$1 > most')
    [ -z "$again" ] || die "$where: more often than there were crashes: $again"
    is "$(sqlite3 state.db 'SELECT count(*) FROM deliveries WHERE state <> 3')" 0
    awk '!seen[$1]++ { print $2, $1 }' received | sort -s -k1,1n >arrived
    awk '{ print $2, $1 }' kept | sort -s -k1,1n >accepted
    diff accepted arrived >difference || die "$where: out of order: $(head -n 4 difference)"
    is "$(sqlite3 state.db 'PRAGMA integrity_check' 'PRAGMA foreign_key_check')" ok
    status 0 lockstep audit verify
}

some=4
[ -z "${LOCKSTEP_DEEP:-}" ] || some=200
# phase NAME CALL FILE: killed at the first, second, ... such call of a story that begins with a state.
phase() {
    local n hits=0
    for ((n = 1; n <= some; n++)); do
        begin_with_state
        at "$2" "$n" ${3:+"$3"}
        crash || break
        hits=$((hits + 1))
        nothing_is_lost "$1, call $n of $2"
    done
    echo "$hits crashes: $1" >&2
    [ "$hits" -gt 0 ] || die "no $2 in it"
}

test_a_crash_before_a_commit_is_on_disk() { start_receiver && phase 'commit' fdatasync state.db-wal; }
test_a_crash_between_commit_and_answer() { start_receiver && phase 'answer' sendmsg; }
test_a_crash_before_a_delivery_is_sent() { start_receiver && phase 'delivery' sendto; }
test_a_crash_in_a_checkpoint() { start_receiver && phase 'checkpoint' pwrite64 state.db; }

# received_phase HOW: the receiver kills the daemon at its first, second, ... request.
received_phase() {
    local n
    start_receiver
    for ((n = 1; n <= 11; n += some < 11 ? 3 : 1)); do
        begin_with_state
        echo "$1 $n" >mode
        crash || die "nobody killed it at request $n"
        nothing_is_lost "$1 answering, request $n"
    done
}
test_a_crash_while_a_delivery_is_unanswered() { received_phase before; }
test_a_crash_between_an_answer_and_its_record() { received_phase after; }
test_a_crash_when_a_delivery_is_to_be_tried_again() { received_phase refuse; }

test_a_crash_in_the_first_start() {
    local n step=13 hits=0
    [ -z "${LOCKSTEP_DEEP:-}" ] || step=1
    start_receiver
    for call in fdatasync fsync openat; do
        for ((n = 1; ; n += step)); do
            begin_anew
            at "$call" "$n" # of any file: the state, its log, its lock, its key
            crash true || break
            hits=$((hits + 1))
            crash true || true # and again at the same place
            crash || true
            nothing_is_lost "first start, call $n of $call"
        done
    done
    echo "$hits crashes of a first start" >&2
}

test_three_crashes_in_a_row_and_a_last_one_while_starting_again() {
    local n
    start_receiver
    for ((n = 1; n <= some; n++)); do
        begin_with_state
        at fdatasync $((2 + n)) state.db-wal
        crash || break
        at sendmsg 1
        crash || true
        at fdatasync 1 # the start's own
        crash || true
        at pwrite64 "$n"
        crash true || true
        nothing_is_lost "three in a row, $n"
    done
}

audited() { try POST /api/v1/endpoints/crm/pause && try POST /api/v1/endpoints/crm/resume || return 0; }
test_a_crash_while_the_audit_log_is_written() {
    local n
    start_receiver
    for ((n = 1; n <= some; n++)); do
        begin_with_state
        at pwrite64 $((n * 3)) state.db-wal
        crash audited || break
        under=()
        crash audited || true
        nothing_is_lost "audit, write $((n * 3))"
    done
}

# R03: every n-th call of each kind in the whole story, from an empty folder on.
test_a_crash_at_any_write_sync_or_send() {
    local call n step=71 hits=0
    [ -z "${LOCKSTEP_DEEP:-}" ] || step=1
    start_receiver
    for call in pwrite64 write fdatasync ftruncate unlink rename sendmsg sendto connect; do
        for ((n = 1; ; n += step)); do
            begin_anew
            at "$call" "$n"
            crash || break
            hits=$((hits + 1))
            nothing_is_lost "call $n of $call"
        done
    done
    echo "$hits crashes" >&2
}

# R06: what fails once is told, by an end that says why; what was acknowledged is there. False: the story has no n-th such call.
failed_call() { # failed_call CALL ERROR N FILE
    local status=0
    begin_with_state
    under=(strace -f -qq -o calls -e "trace=$1" -e "inject=$1:error=$2:when=$3" -P "$PWD/$4")
    start_daemon
    if read -r url <url; then
        daemon=$(daemon_of "$started")
        story
        kill -TERM "$daemon" 2>/dev/null || true
    fi
    wait "$started" || status=$?
    mv log failed.log
    under=()
    ended=$status
    [ "$status" = 0 ] || crashes=1 # what it was sending is sent again, as after any end that was not orderly
    nothing_is_lost "$2 at call $3 of $1"
    grep -q INJECTED calls
}
test_a_sync_that_fails_ends_the_daemon_and_loses_nothing() {
    local n ended
    start_receiver
    for ((n = 1; n <= some; n++)); do
        failed_call fdatasync EIO "$n" state.db-wal || break
        [ "$ended" = 3 ] || die "it ended with $ended after a sync of the log that failed: $(tail -n 3 failed.log)"
        says failed.log 'state.db'
    done
    [ "$n" -gt 1 ] || die "no sync failed"
}
test_a_write_that_fails_loses_nothing() {
    local n ended
    start_receiver
    for ((n = 1; n <= some; n++)); do failed_call pwrite64 EIO $((n * 4)) state.db-wal || break; done
    [ "$n" -gt 1 ] || die "no write failed"
    for ((n = 1; n <= some; n++)); do failed_call pread64 EIO $((n * 4)) state.db || break; done
    [ "$n" -gt 1 ] || die "no read failed"
}

# R09: a slow disk makes answers late, and none of them untrue.
test_a_slow_disk_delays_answers_and_breaks_no_promise() {
    start_receiver
    begin_with_state
    under=(strace -f -qq -o /dev/null -e trace=fdatasync -e inject=fdatasync:delay_enter=200000)
    serve
    echo "$daemon" >daemon
    emit 1 2 3 && emit 4 || die "it gave up on a slow disk: $(cat answer)"
    kill_daemon
    crashes=1
    nothing_is_lost 'a slow disk'
}

run_tests
