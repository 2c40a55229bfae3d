#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# power.sh - the power is cut while the daemon accepts events and delivers them: what was acknowledged before is on disk.
#
# The state is on ext4 in a loop file. A cut is the ioctl that ext4 has for it, without flushing its log: what was not synced is gone, whatever the
# process had written. Then the daemon is killed and the file system mounted anew. Only answers that were read before the cut count.
#
# The control: the same with syncs that do nothing (strace answers for them) has to lose something, or these cuts cut nothing.
#
# Needs root and a loop device, and is left out without them; ten cuts, in LOCKSTEP_DEEP 1,000.
# shellcheck source=lib.sh disable=SC2034,SC2054,SC2154
. "$(dirname "$0")/lib.sh"
# shellcheck source=daemon.sh
. "$(dirname "$0")/daemon.sh"

export ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0
cuts=10 room=64M
[ -z "${LOCKSTEP_DEEP:-}" ] || cuts=1000 room=1G

# EXT4_IOC_SHUTDOWN with "no log flush" (2).
cut_power() { perl -e 'open(F, "<", $ARGV[0]) or die "$!"; my $how = pack("L", 2); ioctl(F, 0x8004587d, $how) or die "$!"' disk; }
plug_in() {
    umount disk 2>/dev/null || true
    mount -o loop image disk
}
can_mount() {
    mkdir probe
    truncate -s 8M probe.image
    if [ "$(id -u)" = 0 ] && mkfs.ext4 -q probe.image && mount -o loop probe.image probe; then
        umount probe
    else
        echo 'left out: no root, or no loop device' >&2
        return 1
    fi
}
new_disk() {
    trap 'end_children; umount -l disk 2>/dev/null' EXIT
    mkdir disk
    truncate -s "$room" image
    mkfs.ext4 -q image
    plug_in
    receive
    cat >lockstep.yaml <<YAML
state: sqlite:$PWD/disk/state.db
auth: { rate: 100000 }
events: { types: ["order.*"], allow: [127.0.0.1] }
endpoints:
  crm: { url: "http://127.0.0.1:$receiver/", secret: a secret, policy: fast }
YAML
    : >acked
    : >sent
}
# Sends events from four clients until they fail; each notes what was answered, line by line.
send_all() { # send_all ROUND
    local c i
    for c in 1 2 3 4; do
        for ((i = 0; i < 200; i++)); do
            echo "p$1-$c-$i" >>sent
            printf 'next\nurl="%s/api/v1/events"\nheader="Authorization: Bearer %s"\ndata="{\\"id\\":\\"p%d-%d-%d\\",\\"type\\":\\"order.paid\\",\\"resourceId\\":\\"%d\\"}"\n' \
                "$url" "$LOCKSTEP_TOKEN" "$1" $c "$i" "$i"
        done | sed 1d >"requests.$c"
        curl -s -N -K "requests.$c" >"answers.$c" 2>/dev/null &
        clients+=("$!")
        children+=("$!")
    done
}

# cut_while_it_works ROUND: a daemon, events, and the cut after a number of answers that is drawn.
cut_while_it_works() {
    local wanted clients=()
    serve
    send_all "$1"
    wanted=$((RANDOM % 600 + 20))
    until_true answered_or_over $((wanted * 60))
    cp answers.1 seen.1 && cp answers.2 seen.2 && cp answers.3 seen.3 && cp answers.4 seen.4 # read before the cut
    cut_power
    kill -KILL "$daemon" 2>/dev/null || true
    wait "$started" 2>/dev/null || true
    kill "${clients[@]}" 2>/dev/null || true
    wait "${clients[@]}" 2>/dev/null || true
    cat seen.? | grep -o '"id":"p[0-9-]*","known":false}' | cut -d'"' -f4 >>acked || true
    plug_in
}
# answered_or_over BYTES: so much has been answered, or all of it. $clients: who asks.
answered_or_over() { [ "$(cat answers.? | wc -c)" -ge "$1" ] || ! kill -0 "${clients[@]}" 2>/dev/null; }
missing() {
    sqlite3 disk/state.db 'SELECT id FROM events' 2>/dev/null | sort >kept || true
    sort acked | comm -23 - kept
}

test_nothing_that_was_acknowledged_is_lost_in_a_cut_of_power() {
    local n
    can_mount || return 0
    RANDOM=${LOCKSTEP_TEST_SEED:-$$}
    echo "seed ${LOCKSTEP_TEST_SEED:-$$}" >&2
    new_disk
    for ((n = 0; n < cuts; n++)); do
        cut_while_it_works "$n"
        under=()
        serve # it mends what the cut left
        ask 200 GET /healthz
        finish
        [ -z "$(missing)" ] || die "cut $n: $(missing | head -n 3) were acknowledged and are gone"
        is "$(sort sent | comm -13 - kept | head -n 3)" ''
        is "$(sqlite3 disk/state.db 'PRAGMA integrity_check')" ok
    done
    echo "$cuts cuts, $(wc -l <acked) acknowledged events" >&2
    [ "$(wc -l <acked)" -gt 0 ] || die 'nothing was acknowledged before a cut'
    serve
    until_quiet
    # Whoever was refused with each of its six tries, as one in ten is, is a dead letter; no other is one.
    is "$(sqlite3 disk/state.db 'SELECT count(*) FROM deliveries WHERE state = 4 AND attempts < 6')" 0
    ask 200 POST '/api/v1/events/replay?status=dead'
    until_quiet
    is "$(sort -u acked | comm -23 - <(cut -d' ' -f1 received | sort -u) | head -n 3)" '' # and each arrives
    status 0 lockstep audit verify
    finish
}

test_syncs_that_do_nothing_lose_acknowledged_events_in_a_cut() {
    local n lost=0
    can_mount || return 0
    RANDOM=${LOCKSTEP_TEST_SEED:-$$}
    new_disk
    serve # a state that is really there
    finish
    sync -f disk
    for ((n = 0; n < 5 && lost == 0; n++)); do
        under=(strace -f -qq -o /dev/null -e trace=fdatasync,fsync -e inject=fdatasync,fsync:retval=0)
        cut_while_it_works "$n"
        lost=$(missing | wc -l)
    done
    [ "$lost" -gt 0 ] || die 'nothing was lost without syncs: these cuts cut nothing'
}

run_tests
