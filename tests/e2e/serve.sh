#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# serve.sh - the daemon as a process: start, signals, reload, end, what it refuses, and what it costs while nothing happens.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=daemon.sh disable=SC2154
. "$(dirname "$0")/daemon.sh"
test_it_serves_until_it_is_told_to_stop() {
    serve
    ask 200 GET /healthz
    until_log "the state is there"
    ask 200 GET /readyz
    is "$(cat answer)" ready
    ask 200 GET /api/v1/health
    is "$(jq -r .status answer)" ok
    finish
    says log "serves at $url" "stopped"
}

test_interrupt_ends_it_too() {
    serve
    finish INT
}

test_every_log_line_is_json_when_asked_for() {
    serve --log=json --verbose
    ask 200 GET /api/v1/version
    ask 404 GET "/nothing%22%0A" || ask 400 GET "/nothing%22%0A"
    finish
    jq -es 'all(.time and .level and .message) and length > 3' log >/dev/null || die "$(cat log)"
}

test_without_a_token_only_public_paths_are_open() {
    serve
    auth='' ask 401 GET /api/v1/health
    auth="Authorization: Bearer another-token-that-is-long" ask 401 GET /api/v1/health
    auth='' ask 401 GET /metrics
    auth='' ask 200 GET /healthz
    auth='' ask 200 GET /api/v1/version
    finish
}

# first_start: a daemon on a free port, with all that it says in ./said; waits for its link. $url and $link are set.
first_start() {
    : >said # what an earlier one said is not it
    "$LOCKSTEP" serve --listen 127.0.0.1:0 >said 2>log &
    started=$!
    daemon=$started
    children+=("$daemon")
    until_true grep -q '#lsu_' said
    url=$(sed -n 1p said)
    link=$(sed -n 3p said)
}

test_the_first_start_prints_a_link_that_makes_the_first_admin() {
    unset LOCKSTEP_TOKEN
    auth=''
    first_start
    is "${link%#*}" "$url/setup"
    lacks log lsu_
    old=$link
    finish
    first_start # nobody has used it: there is another, in place of the first
    [ "$link" != "$old" ] || die "the link is the same"
    ask 200 GET /setup
    local json=(-H "Content-Type: application/json")
    local account='"name":"ann","password":"correct horse battery"'
    ask 403 POST /api/v1/setup "${json[@]}" -d "{\"secret\":\"${old#*#}\",$account}"
    ask 201 POST /api/v1/setup "${json[@]}" -d "{\"secret\":\"${link#*#}\",$account}"
    ask 403 POST /api/v1/setup "${json[@]}" -d "{\"secret\":\"${link#*#}\",$account}"
    ask 200 POST /api/v1/login "${json[@]}" -c jar -d "{$account}"
    ask 200 GET /api/v1/me -b jar
    is "$(jq -r '.name + " " + .role' answer)" "ann admin"
    csrf=$(jq -r .csrf_token answer)
    ask 403 POST /api/v1/tokens -b jar "${json[@]}" -d '{"name":"ci","role":"viewer"}'
    ask 201 POST /api/v1/tokens -b jar "${json[@]}" -H "Origin: $url" -H "X-CSRF-Token: $csrf" \
        -d '{"name":"ci","role":"viewer"}'
    auth="Authorization: Bearer $(jq -r .token answer)" ask 200 GET /api/v1/health
    local mine=(-b jar -H "Origin: $url" -H "X-CSRF-Token: $csrf")
    ask 409 DELETE /api/v1/users/ann "${mine[@]}"
    says answer 'last admin'
    ask 409 PATCH /api/v1/users/ann "${mine[@]}" "${json[@]}" -d '{"role":"viewer"}'
    ask 409 PATCH /api/v1/users/ann "${mine[@]}" "${json[@]}" -d '{"state":"disabled"}'
    ask 200 GET /api/v1/me -b jar
    finish
    serve # there is somebody now
    until_log "the state is there"
    ask 200 GET /readyz
    finish
    status 0 lockstep user list
    says out ann
}

test_what_callers_send_begins_no_line_of_the_log() {
    serve --log=json --verbose
    local forged='%0A{"time":"","level":"error","message":"forged"}' evil=$'x\x1b[31m"}'
    ask 400 GET "/nothing$forged" -g
    ask 400 GET "/api/v1/audit?actor=x$forged" -g
    ask 400 GET "/api/v1/audit?x$forged=1" -g
    auth="Authorization: Bearer a.b$evil" ask 401 GET /api/v1/health || ask 400 GET /api/v1/health -H "Authorization: Bearer $evil"
    ask 400 POST /api/v1/tokens -H 'Content-Type: application/json' -d '{"name":"x\u000a\u001b","role":"viewer"}'
    ask 403 POST /api/v1/setup -H 'Content-Type: application/json' \
        -d '{"secret":"x\nforged","name":"a","password":"correct horse battery"}'
    finish
    jq -es 'all(.time != "" and .level and .message)' log >/dev/null || die "$(cat log)"
    [ "$(grep -c . log)" = "$(jq -s length log)" ] || die "lines and entries differ"
    lacks log $'\x1b'
}

# Every secret is a word that is looked for afterwards: in what was logged and in the files of the state.
test_no_secret_of_a_caller_is_kept_or_logged() {
    local json=(-H "Content-Type: application/json") secret
    CRON_SECRET=cron-canary-of-the-test serve --verbose
    ask 200 GET /api/v1/health
    auth="Authorization: Bearer wrong-canary-of-the-test" ask 401 GET /api/v1/health
    auth='' ask 401 GET /api/v1/health -H "x-cron-secret: cron-wrong-canary"
    auth='' ask 403 GET /api/v1/health -H "x-cron-secret: cron-canary-of-the-test"
    ask 201 POST /api/v1/users "${json[@]}" -d '{"name":"ann","role":"viewer","password":"password-canary"}'
    lacks answer canary
    auth='' ask 401 POST /api/v1/login "${json[@]}" -d '{"name":"ann","password":"another-canary"}'
    lacks answer canary
    auth='' ask 200 POST /api/v1/login "${json[@]}" -c jar -d '{"name":"ann","password":"password-canary"}'
    ask 201 POST /api/v1/tokens "${json[@]}" -d '{"name":"ci","role":"viewer"}'
    secret=$(jq -r .token answer)
    auth="Authorization: Bearer $secret" ask 200 GET /api/v1/health
    ask 200 GET /api/v1/audit
    lacks answer canary
    lacks answer "$secret"
    finish
    local place
    place=$(lockstep audit --json >/dev/null && find "$HOME" . -name '*.db*' | sort -u)
    [ -n "$place" ] || die "where is the state?"
    for secret in canary "$LOCKSTEP_TOKEN" "$secret" "$(awk '/lockstep-local/ { print $7 }' jar)"; do
        lacks log "$secret"
        # shellcheck disable=SC2086 # a list of files
        ! grep -laF -- "$secret" $place || die "it is in the state"
    done
}

test_a_second_daemon_on_the_state_is_refused() {
    serve
    status 3 lockstep serve --listen 127.0.0.1:0
    says err "another \`lockstep serve\`" "pid $daemon" "$url"
    status 3 lockstep serve --listen "${url#http://}"
    says err "another \`lockstep serve\`"
    status 3 lockstep serve --listen "${url#http://}" --state other.db
    says err "somebody listens"
    ask 200 GET /healthz
    kill_daemon
    serve # a killed one leaves nothing behind
    finish
}

# What only a restart takes is named, and nothing else; what is as it was at the start again is named no more.
test_a_reload_names_what_needs_a_restart() {
    echo 'server: { log: text, drain: 10s, proxies: [10.0.0.0/8], limits: { runs: 2 } }' >lockstep.yaml
    serve
    echo 'server: { log: text, drain: 9s, proxies: [10.0.0.0/8], limits: { runs: 2 }, hosts: [one.example] }' >lockstep.yaml
    kill -HUP "$daemon"
    until_log "again: 0 syncs"
    lacks log 'after a restart'
    echo 'server: { log: json, plain: true, proxies: [10.1.0.0/16], limits: { runs: 3, queue: 7 } }' >lockstep.yaml
    kill -HUP "$daemon"
    until_log "only: server.plain, server.log, server.limits.runs, server.limits.queue, server.proxies"
    echo 'server: { log: text, proxies: [10.0.0.0/8], limits: { runs: 2, per_address: 5 } }' >lockstep.yaml
    kill -HUP "$daemon"
    until_log "only: server.limits.per_address"
    grep 'stays as it was' log && die "a good one was refused"
    echo 'state: elsewhere.db' >lockstep.yaml
    kill -HUP "$daemon"
    until_log "the state is another one"
    finish
}

test_a_bad_configuration_is_refused_at_the_start_and_kept_out_later() {
    echo 'server: { hosts: [one.example] }' >lockstep.yaml
    serve
    ask 200 GET /api/v1/settings
    is "$(jq -c .hosts answer)" '["one.example"]'
    echo 'server: { hosts: [one.example], nonsense: 1 }' >lockstep.yaml
    kill -HUP "$daemon"
    until_log "stays as it was"
    says log "nonsense"
    ask 200 GET /api/v1/settings
    is "$(jq -c .hosts answer)" '["one.example"]'
    echo 'server: { hosts: [two.example] }' >lockstep.yaml
    kill -HUP "$daemon"
    until_log "again: 0 syncs"
    ask 200 GET /api/v1/settings
    is "$(jq -c .hosts answer)" '["two.example"]'
    echo 'server: { hosts: [three.example] }' >lockstep.yaml
    ask 202 POST /api/v1/settings/reload
    until_true eval '[ "$(grep -c "again: 0 syncs" log)" = 2 ]'
    ask 200 GET /api/v1/settings
    is "$(jq -c .hosts answer)" '["three.example"]'
    echo 'server: { hosts: [four.example], nonsense: 1 }' >lockstep.yaml
    ask 422 POST /api/v1/settings/reload
    says answer 'stays as it was' nonsense lockstep.yaml
    echo 'state: elsewhere.db' >lockstep.yaml
    ask 422 POST /api/v1/settings/reload
    says answer 'the state is another one'
    ask 200 GET /api/v1/settings
    is "$(jq -c .hosts answer)" '["three.example"]'
    finish
    echo 'server: { nonsense: 1 }' >lockstep.yaml
    status 2 lockstep serve --listen 127.0.0.1:0
    says err "nonsense"
}

test_plain_http_is_for_loopback_only() {
    status 2 lockstep serve --listen 0.0.0.0:0
    says err "plain HTTP" "server.tls"
    echo "server: { plain: true, user: $(id -un) }" >lockstep.yaml
    serve --listen 0.0.0.0:0
    finish
}

certificate() { # certificate NAME: into NAME.pem, its key into NAME-key.pem
    openssl req -x509 -newkey rsa:2048 -nodes -keyout "$1-key.pem" -out "$1.pem" -days 2 -subj /CN=localhost \
        -addext subjectAltName=DNS:localhost,IP:127.0.0.1 >/dev/null 2>&1
}
test_a_renewed_certificate_is_shown_after_a_reload() {
    certificate old
    certificate new
    cp old.pem cert.pem
    cp old-key.pem key.pem
    echo 'server: { tls: { certificate: cert.pem, key: key.pem } }' >lockstep.yaml
    serve
    ask 200 GET /healthz --cacert old.pem
    ask 000 GET /healthz --cacert new.pem
    cp new.pem cert.pem # and not its key
    kill -HUP "$daemon"
    until_log 'the certificate stays as it was: server.tls'
    ask 200 GET /healthz --cacert old.pem
    cp new-key.pem key.pem
    : >log
    kill -HUP "$daemon"
    until_log 'lockstep.yaml again'
    ask 200 GET /healthz --cacert new.pem
    ask 000 GET /healthz --cacert old.pem
    echo 'server: {}' >lockstep.yaml
    kill -HUP "$daemon"
    until_log 'after a restart only: server.tls'
    ask 200 GET /healthz --cacert new.pem
    finish
}
test_https_by_a_certificate() {
    certificate cert
    mv cert-key.pem key.pem
    echo 'server: { tls: { certificate: cert.pem, key: key.pem } }' >lockstep.yaml
    serve
    [[ $url == https://127.0.0.1:* ]] || die "$url"
    ask 200 GET /healthz --cacert cert.pem
    ask 200 GET /healthz --cacert cert.pem --tls-max 1.2
    ask 000 GET /healthz
    ask 000 GET /healthz --cacert cert.pem --tls-max 1.1
    ask 200 GET /api/v1/health --cacert cert.pem
    finish
    echo 'server: { tls: { certificate: key.pem, key: cert.pem } }' >lockstep.yaml
    status 2 lockstep serve --listen 127.0.0.1:0
    says err "certificate"
    echo 'server: { tls: { certificate: nowhere.pem, key: key.pem } }' >lockstep.yaml
    status 2 lockstep serve --listen 127.0.0.1:0
    says err "nowhere.pem"
}

test_root_becomes_the_configured_user() {
    [ "$(id -u)" = 0 ] || return 0
    chmod 777 .
    chmod 711 "$work"
    echo 'server: { user: nobody }' >lockstep.yaml
    serve
    is "$(stat -c %U "/proc/$daemon")" nobody
    is "$(sed -n 's/^Groups:[[:blank:]]*//p' "/proc/$daemon/status" | xargs)" "$(id -G nobody)"
    is "$(sed -n 's/^NoNewPrivs:[[:blank:]]*//p' "/proc/$daemon/status")" 1
    until_log "the state is there"
    is "$(stat -c %U state.db)" nobody
    ask 200 GET /readyz
    finish
    echo 'server: { user: nobody-at-all }' >lockstep.yaml
    status 2 lockstep serve --listen 127.0.0.1:0 --state other.db
    says err "no user nobody-at-all"
}

test_root_serves_other_machines_only_when_that_is_asked_for() {
    [ "$(id -u)" = 0 ] || return 0
    echo 'server: { plain: true }' >lockstep.yaml
    status 3 lockstep serve --listen 0.0.0.0:0
    says err 'as root' 'server.user'
    [ ! -e state.db ] || die "the state was opened"
    echo 'server: { plain: true, user: root }' >lockstep.yaml
    serve --listen 0.0.0.0:0
    finish
}

test_it_serves_while_its_state_is_down() {
    local free
    free=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])' 2>/dev/null || echo 1)
    serve --state "postgres://nobody@127.0.0.1:$free/nothing"
    until_log "cannot be reached"
    ask 200 GET /healthz
    ask 503 GET /readyz
    ask 200 GET /api/v1/health
    is "$(jq -r '.status, .state.healthy' answer | xargs)" "degraded false"
    ask 503 POST /api/v1/settings/reload || ask 409 POST /api/v1/settings/reload
    finish
}

test_metrics_are_what_prometheus_reads() {
    serve
    ask 200 GET /api/v1/version
    ask 404 GET /nothing
    ask 200 GET /metrics
    says answer 'lockstep_build_info{version=' 'process_resident_memory_bytes ' \
        'lockstep_http_requests_total{method="GET",route="/api/v1/version",status="2xx"} 1' \
        'lockstep_http_requests_total{method="",route="",status="4xx"} 1'
    if command -v promtool >/dev/null; then
        promtool check metrics <answer >out 2>&1 || die "$(cat out)"
    fi
    # the grammar: comments, samples, each family once and its samples with it
    awk '
        /^# (HELP|TYPE) [a-z_]+ [^ ]/ { if ($2 == "TYPE") { if (seen[$3]++) exit 1; family = $3 } next }
        /^[a-z_]+({[a-z_]+="([^"\\]|\\["\\n])*"(,[a-z_]+="([^"\\]|\\["\\n])*")*})? ([-+]?[0-9.]+(e[-+]?[0-9]+)?|[+-]Inf|NaN)$/ {
            if (index($1, family) != 1) exit 1
            n++
            next
        }
        { exit 1 }
        END { if (n < 20) exit 1 }' answer || die "$(cat answer)"
    finish
    echo 'server: { metrics: public }' >lockstep.yaml
    serve
    auth='' ask 200 GET /metrics
    finish
}

run_tests
