#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# packaging.sh - what comes with the program: the systemd unit is hardened and understood, the dashboard shows figures that there are.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=daemon.sh disable=SC2154
. "$(dirname "$0")/daemon.sh"

packaging=$(cd "$(dirname "$0")/../../packaging" && pwd)

test_the_unit_gives_the_daemon_little_to_misuse() {
    command -v systemd-analyze >/dev/null || return 0
    cp "$packaging/lockstep.service" .
    # exposure from 0 (none) to 10, times ten; above the threshold it fails
    systemd-analyze security --offline=true --threshold=20 --no-pager ./lockstep.service >out 2>err || die "$(tail -n 1 out) $(head -n 3 err)"
    says out 'Overall exposure level'
    sed -i '/^Protect/d; /^Restrict/d; /^SystemCall/d' lockstep.service # and the check sees it when that is gone
    if systemd-analyze security --offline=true --threshold=20 --no-pager ./lockstep.service >out 2>&1; then
        die "a unit without protection passed: $(tail -n 1 out)"
    fi
}

test_the_unit_holds_no_setting_that_systemd_does_not_know() {
    command -v systemd-analyze >/dev/null || return 0
    sed "s#^ExecStart=/usr/bin/lockstep#ExecStart=$LOCKSTEP#; /^Documentation=/d" "$packaging/lockstep.service" >lockstep.service
    systemd-analyze verify --recursive-errors=no ./lockstep.service >out 2>&1 || true
    ! grep -E 'lockstep\.service:[0-9]+:' out || die "$(cat out)"
    # what it starts is a command line of ours
    read -r -a command < <(sed -n 's/^ExecStart=//p' lockstep.service)
    is "${command[*]:1}" 'serve --config /etc/lockstep/lockstep.yaml'
    status 0 lockstep help serve
    says out '--config FILE'
}

test_every_figure_of_the_dashboard_is_there() {
    local metric
    echo 'endpoints: { crm: { url: "https://93.184.216.34/", secret: s, paused: true } }' >lockstep.yaml
    serve
    until_true curl -sf "$url/readyz" -o ready
    ask 202 POST /api/v1/events -H 'Content-Type: application/json' -d '{"type":"profile.updated","resourceId":"1"}'
    ask 200 GET /metrics
    mv answer metrics
    jq -r '.. | .expr? // empty, (.templating?.list[]?.definition? // empty)' "$packaging/grafana-dashboard.json" |
        grep -oE '\b(lockstep|process)_[a-z_]+' | sort -u >named
    [ "$(wc -l <named)" -gt 20 ] || die "$(cat named)"
    while read -r metric; do
        grep -qE "^# TYPE ($metric|${metric%_bucket}) " metrics || die "there is no $metric"
    done <named
    # each panel has an expression, and each stands in a place of its own
    jq -e '[.panels[].targets[0].expr | length > 0] | all' "$packaging/grafana-dashboard.json" >/dev/null
    is "$(jq -r '.panels[].gridPos | "\(.x) \(.y)"' "$packaging/grafana-dashboard.json" | sort | uniq -d)" ''
    says metrics 'lockstep_queue_deliveries{state="pending"} 1' 'lockstep_endpoint_held{endpoint="crm"} 0'
    grep -qE '^lockstep_queue_oldest_seconds [0-9.e-]+$' metrics || die "$(grep oldest metrics)"
    if command -v promtool >/dev/null; then
        promtool check metrics <metrics >out 2>&1 || die "$(cat out)"
    fi
}

run_tests
