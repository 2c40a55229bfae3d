# shellcheck shell=bash disable=SC2154 # what run has set
# SPDX-License-Identifier: Apache-2.0
# daemon.sh - what the daemon accepts, delivers and holds, beside bare loops of the libraries it is made of. Sourced by run.
#
# Each figure is the median of three rounds, ours and the floor in turns, so that both see the same machine. The state is in TMPDIR, and
# each event is on disk before it is answered: how often a second that disk syncs is printed first.

export LOCKSTEP_TOKEN=a-token-that-is-long-enough
programs=
daemon=
port=

# Builds the programs beside LOCKSTEP, once.
need_programs() {
    [ -z "$programs" ] || return 0
    programs=$(dirname "$LOCKSTEP")/bench
    ninja -C "$(dirname "$LOCKSTEP")" bench >"$work/build.log" 2>&1 || {
        tail -n 20 "$work/build.log" >&2
        exit 3
    }
    printf '\nfdatasync of this disk: %s a second\n' "$(field rate "$("$programs/bench_bare" sync "$work")")"
}

# title TEXT: before the figures of a case.
title() {
    need_programs
    printf '\n%-58s %10s %7s  %s\n' "$1" figure ratio wanted
}
# figure NAME VALUE [RATIO] [WANTED MET]: MET is what awk makes of a comparison.
figure() {
    local verdict=${4:-}
    [ -z "${5:-}" ] || if awk "BEGIN { exit !($5) }"; then verdict="$verdict: met"; else verdict="$verdict: MISSED"; fi
    printf '  %-56s %10s %7s  %s\n' "$1" "$2" "${3:--}" "$verdict"
}
field() { sed -n "s/.*\b$1=\([0-9.]*\).*/\1/p" <<<"$2"; }
median() { printf '%s\n' "$@" | sort -n | sed -n "$((($# + 1) / 2))p"; }
over() { awk -v a="$1" -v b="$2" 'BEGIN { if (b > 0) printf("%.2f", a / b); else printf("-") }'; }

# configure PORT [SETTINGS [PORT_OF_e0]]: 16 endpoints, each for its own type.
configure() {
    local i
    {
        echo "state: sqlite:$work/d/state.db"
        echo 'server: { limits: { connections: 12000, per_address: 12000 } }'
        echo 'auth: { rate: 1000000 }'
        echo 'events: { types: ["*"], allow: [127.0.0.1] }'
        echo 'endpoints:'
        for ((i = 0; i < 16; i++)); do
            echo "  e$i: { url: \"http://127.0.0.1:$([ $i -gt 0 ] && echo "$1" || echo "${3:-$1}")/$i\", secret: a secret of the bench, types: [\"e$i.*\"], policy: fast${2:+, $2} }"
        done
    } >"$work/d/lockstep.yaml"
}
fresh() { rm -rf "$work/d" && mkdir "$work/d"; }

# The daemon over $work/d; $daemon, $port and how long it took ($ready_ms).
serve() {
    local url from
    rm -f "$work/url"
    mkfifo "$work/url"
    from=$(date +%s%N)
    (cd "$work/d" && exec "$LOCKSTEP" serve --listen 127.0.0.1:0) >"$work/url" 2>>"$work/d/log" &
    daemon=$!
    children+=("$daemon")
    read -r url <"$work/url" || {
        cat "$work/d/log" >&2
        exit 3
    }
    ready_ms=$((($(date +%s%N) - from) / 1000000))
    port=${url##*:}
}
end_daemon() {
    kill "-${1:-TERM}" "$daemon"
    wait "$daemon" 2>/dev/null || true
}
# cpu_of PID: microseconds of processor time.
cpu_of() { cat "/proc/$1"/task/*/schedstat | awk '{ n += $1 } END { printf("%d", n / 1000) }'; }
mib() { awk -v name="$1:" '$1 == name { printf("%d", ($2 + 1023) / 1024) }' "/proc/$daemon/status"; }
load() { "$programs/bench_load" --port "$port" "$@"; }
ask() { curl -sf -H "Authorization: Bearer $LOCKSTEP_TOKEN" "http://127.0.0.1:$port$1"; }
on_their_way() { ask /api/v1/queue | jq '.pending + .processing + .waiting + .failed'; }

# start_receiver NAME ARGUMENTS...: its port is in $receiver, its process in $receiver_pid, its words in $work/NAME.
start_receiver() {
    local name=$1
    shift
    rm -f "$work/$name"
    "$programs/bench_receive" "$@" >"$work/$name" 2>>"$work/err" &
    receiver_pid=$!
    children+=("$receiver_pid")
    until [ -s "$work/$name" ]; do sleep 0.01; done
    receiver=$(head -n 1 "$work/$name")
}

case_accept() {
    local i bare ours=() floor=() answered=() cpu=() floor_cpu=() got n=${quick:+10000}
    n=${n:-50000}
    title 'Events accepted, 64 connections, 300 bytes, one a request'
    for ((i = 0; i < runs; i++)); do
        start_bare
        got=$(load --requests "$n")
        floor+=("$(field rate "$got")") floor_cpu+=("$(($(cpu_of "$bare") * 10 / n))")
        kill "$bare"
        fresh
        configure 9 'paused: true'
        serve
        got=$(load --requests "$n")
        cpu+=("$(($(cpu_of "$daemon") * 10 / n))")
        ours+=("$(field rate "$got")") answered+=("$(field p99_ms "$got")")
        end_daemon
    done
    accepted=$(median "${ours[@]}")
    figure 'floor: libmicrohttpd answers at once, requests/s' "$(median "${floor[@]}")"
    figure 'lockstep, each on disk, events/s' "$accepted" "$(over "$accepted" "$(median "${floor[@]}")")" \
        '0.5' "$accepted >= 0.5 * $(median "${floor[@]}")"
    figure 'lockstep, 99 of 100 answered within, ms' "$(median "${answered[@]}")"
    figure 'processor time of the floor, microseconds a request' "$(over "$(median "${floor_cpu[@]}")" 10)"
    figure 'processor time of lockstep, microseconds an event' "$(over "$(median "${cpu[@]}")" 10)" \
        "$(over "$(median "${cpu[@]}")" "$(median "${floor_cpu[@]}")")"
}
start_bare() {
    rm -f "$work/bare"
    "$programs/bench_bare" http >"$work/bare" &
    bare=$!
    children+=("$bare")
    until [ -s "$work/bare" ]; do sleep 0.01; done
    port=$(head -n 1 "$work/bare")
}

# The peer's packages come from npm, at the versions of bench/peers/package-lock.json.
case_peer() {
    local i url ours=() theirs=() n=${quick:+2000}
    n=${n:-10000}
    title 'Events accepted, 64 at once, beside pg-boss over PostgreSQL'
    cp -r bench/peers "$work/peers"
    npm ci --ignore-scripts --no-audit --no-fund --prefix "$work/peers" >"$work/npm.log" 2>&1 || {
        tail -n 5 "$work/npm.log" >&2
        echo '  left out: npm could not install it'
        return 0
    }
    url=$(tools/test-postgres start "$work/pg")
    for ((i = 0; i < runs; i++)); do
        theirs+=("$(field rate "$(node "$work/peers/pg-boss.js" "$url" "$n")")")
        fresh
        configure 9 'paused: true'
        serve
        ours+=("$(field rate "$(load --requests $((n * 5)))")")
        end_daemon
    done
    tools/test-postgres stop "$work/pg"
    figure "pg-boss $(jq -r .dependencies.\"pg-boss\" bench/peers/package.json) send, jobs/s" "$(median "${theirs[@]}")"
    figure 'lockstep, events/s' "$(median "${ours[@]}")" "$(over "$(median "${ours[@]}")" "$(median "${theirs[@]}")")" \
        'at least 15' "$(median "${ours[@]}") >= 15 * $(median "${theirs[@]}")"
}

case_lines() {
    local i ours=() single=() floor=() requests=${quick:+50}
    requests=${requests:-200}
    title 'Events accepted, JSON Lines of 1,000'
    for ((i = 0; i < runs; i++)); do
        fresh
        configure 9 'paused: true'
        serve
        end_daemon # its state has the tables and the endpoints
        floor+=("$(field rate "$("$programs/bench_bare" sqlite "$work/d/state.db" $((requests * 1000)) 1000)")")
        fresh
        configure 9 'paused: true'
        serve
        single+=("$(field events_rate "$(load --requests "$requests" --lines 1000 --connections 1)")")
        ours+=("$(field events_rate "$(load --requests "$requests" --lines 1000 --connections 4 --prefix c)")")
        end_daemon
    done
    floor=("$(median "${floor[@]}")")
    figure 'floor: a loop of inserts, 1,000 events a commit, events/s' "${floor[0]}"
    figure 'lockstep, one connection' "$(median "${single[@]}")" "$(over "$(median "${single[@]}")" "${floor[0]}")" \
        '150,000 or 0.4' "$(median "${single[@]}") >= 150000 || $(median "${single[@]}") >= 0.4 * ${floor[0]}"
    figure 'lockstep, four connections' "$(median "${ours[@]}")" "$(over "$(median "${ours[@]}")" "${floor[0]}")"
}

case_deliver() {
    local i out ours=() floor=() whole=() n=${quick:+10000}
    n=${n:-40000}
    title 'Deliveries to a local receiver, 16 endpoints'
    for ((i = 0; i < runs; i++)); do
        out=$(TMPDIR=$work "$programs/bench_deliver" "$n")
        floor+=("$(awk '/^bare/ { print $5 }' <<<"$out")")
        ours+=("$(awk '/^delivered/ { print $4 }' <<<"$out")")
        fresh
        start_receiver received --expect "$n"
        configure "$receiver"
        serve
        load --requests "$((n / 100))" --lines 100 --types 16 >/dev/null
        wait "$receiver_pid"
        whole+=("$(field rate "$(tail -n 1 "$work/received")")")
        end_daemon
    done
    floor=("$(median "${floor[@]}")") ours=("$(median "${ours[@]}")")
    figure 'floor: a loop of libcurl, requests/s' "${floor[0]}"
    figure 'lockstep, of events that are there, deliveries/s' "${ours[0]}" "$(over "${ours[0]}" "${floor[0]}")" \
        '8,000 or 0.5' "${ours[0]} >= 8000 || ${ours[0]} >= 0.5 * ${floor[0]}"
    figure 'lockstep serve, while it accepts them, deliveries/s' "$(median "${whole[@]}")" "$(over "$(median "${whole[@]}")" "${floor[0]}")"
}

# aged SECONDS RATE: events at this pace, all but those of e0 to one receiver; sets half and most: the ms within which 50 and 99 of 100 came.
aged() {
    local others=$(($1 * $2 * 15 / 16)) words
    fresh
    start_receiver received --expect "$others"
    local good=$receiver pid=$receiver_pid
    start_receiver other ${hang:+--hang}
    configure "$good" 'timeout: 2s' "$receiver"
    serve
    load --requests "$(($1 * $2))" --rate "$2" --types 16 >"$work/loaded"
    wait "$pid"
    words=$(tail -n 1 "$work/received")
    half=$(field p50_ms "$words") most=$(field p99_ms "$words")
    kill "$receiver_pid"
    end_daemon KILL
}

case_latency() {
    local i halves=() all=() seconds=${quick:+3} hang=
    title 'From sending an event to its delivery, 1,000 a second'
    for ((i = 0; i < runs; i++)); do
        aged "${seconds:-8}" 1000
        halves+=("$half") all+=("$most")
    done
    figure 'half of them, ms' "$(median "${halves[@]}")"
    figure '99 of 100, ms' "$(median "${all[@]}")" - 'under 30' "$(median "${all[@]}") < 30"
}

case_hang() {
    local i good=() bad=() seconds=${quick:+4} hang=
    title 'One of 16 endpoints never answers (timeout 2 s)'
    for ((i = 0; i < runs; i++)); do
        hang=
        aged "${seconds:-8}" 1000
        good+=("$most")
        hang=1
        aged "${seconds:-8}" 1000
        bad+=("$most")
    done
    figure '99 of 100 deliveries of the others, all answer, ms' "$(median "${good[@]}")"
    figure '99 of 100 deliveries of the others, one hangs, ms' "$(median "${bad[@]}")" \
        "$(over "$(median "${bad[@]}")" "$(median "${good[@]}")")" 'at most 1.5' "$(median "${bad[@]}") <= 1.5 * $(median "${good[@]}")"
}

case_backlog() {
    local from seconds n=${quick:+20000}
    n=${n:-100000}
    title "A backlog of $n events after an outage, 16 endpoints"
    fresh
    start_receiver gone
    kill "$receiver_pid"
    configure "$receiver"
    serve
    load --requests $((n / 100)) --lines 100 --types 16 --connections 4 >/dev/null
    sleep 2 # of outage
    start_receiver received --port "$receiver" --expect "$n"
    from=$(date +%s%N)
    wait "$receiver_pid"
    seconds=$(awk "BEGIN { printf(\"%.1f\", ($(date +%s%N) - $from) / 1e9) }")
    figure 'the last one arrived after, s' "$seconds" - 'at most 60' "$seconds <= 60"
    figure 'most memory of the daemon, MiB' "$(mib VmHWM)" - 'at most 128' "$(mib VmHWM) <= 128"
    end_daemon KILL
}

case_connections() {
    local got p99 n=${quick:+4000}
    title '10,000 idle connections, 500 that send 2,000 events a second'
    fresh
    configure 9 'paused: true'
    ulimit -n "$(ulimit -Hn)"
    serve
    got=$(load --idle 10000 --connections 500 --rate 2000 --requests "${n:-16000}")
    p99=$(field p99_ms "$got")
    figure '99 of 100 are answered within, ms' "$p99" - 'under 50' "$p99 < 50"
    figure 'most memory of the daemon, MiB' "$(mib VmHWM)" - 'at most 200' "$(mib VmHWM) <= 200"
    end_daemon
}

case_idle() {
    local i first=() again=() us
    title 'A daemon that has nothing to do'
    for ((i = 0; i < runs; i++)); do
        fresh
        configure 9 'paused: true'
        serve
        first+=("$ready_ms")
        [ "$i" = $((runs - 1)) ] || end_daemon
    done
    figure 'ready after, with a new state, ms' "$(median "${first[@]}")" - 'at most 200' "$(median "${first[@]}") <= 200"
    sleep 2 # what comes after the start
    us=$(cpu_of "$daemon")
    sleep 5
    us=$((($(cpu_of "$daemon") - us) / 5))
    figure 'processor time, microseconds a second' "$us" - 'under 1,000' "$us < 1000"
    figure 'memory, MiB' "$(mib VmRSS)" - 'at most 20' "$(mib VmRSS) <= 20"
    load --requests 1000 --lines 100 --types 16 --connections 4 >/dev/null
    for ((i = 0; i < runs; i++)); do
        end_daemon KILL
        serve
        [ "$(on_their_way)" = 100000 ] || echo 'bench/run: events are missing' >&2
        again+=("$ready_ms")
    done
    figure 'ready after kill -9 with 100,000 events, ms' "$(median "${again[@]}")" - 'at most 2,000' "$(median "${again[@]}") <= 2000"
    end_daemon
}

case_claim() {
    local out empty full n=${quick:+200000} name
    n=${n:-2000000}
    title 'A claim of 8 deliveries by the length of the queue'
    mkdir -p "$work/claim"
    out=$("$programs/bench_claim" "$work/claim" "$n")
    empty=$(field claim_us "$(grep '^empty' <<<"$out")")
    figure 'empty but for those, microseconds' "$empty"
    for name in due delivered; do
        full=$(field claim_us "$(grep "^$name" <<<"$out")")
        figure "behind them $n that are $name" "$full" "$(over "$full" "$empty")" 'under 2' "$full < 2 * $empty"
    done
}
