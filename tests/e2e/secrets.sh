#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# secrets.sh (P12) - what opens other places is sent to https:// alone off the machine, and is found nowhere: not in the state's files, the log, the audit
# log or any answer.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=daemon.sh disable=SC2154
. "$(dirname "$0")/daemon.sh"

ask_with=(-H 'Content-Type: application/json')

# A URL is shown wherever it stands: so it has no password, whichever way it comes.
test_P12_no_url_is_taken_that_has_a_password_in_it() {
    local url_of='https://user:canary-password@93.184.216.34/hook' api=/api/v1
    printf 'state: sqlite:state.db\n' >lockstep.yaml
    serve
    ask 400 POST $api/endpoints -d "{\"name\":\"crm\",\"url\":\"$url_of\"}"
    says answer 'Put it into a header'
    ask 400 POST $api/schedules -d "{\"id\":\"s\",\"cron\":\"@daily\",\"post\":\"$url_of\"}"
    says answer 'Put it into a header'
    ask 201 POST $api/schedules -d '{"id":"s","cron":"@daily","post":"https://93.184.216.34/"}'
    ask 400 PATCH $api/schedules/s -d "{\"post\":\"$url_of\"}"
    ask 400 POST "/v2/publish/$url_of" -d x
    ask 400 POST /v2/publish/https://93.184.216.34/ -H "Upstash-Callback: $url_of" -d x
    ask 400 POST /v2/publish/https://93.184.216.34/ -H "Upstash-Failure-Callback: $url_of" -d x
    ask 400 POST "/v2/enqueue/q/$url_of" -d x
    ask 400 POST "/v2/schedules/$url_of" -H 'Upstash-Cron: * * * * *' -d x
    ask 400 POST /v2/topics/group/endpoints -d "{\"endpoints\":[{\"url\":\"$url_of\"}]}"
    finish
    lacks log canary
    status 2 lockstep endpoints create crm "$url_of"
    status 2 lockstep schedule create s2 --cron @daily --post "$url_of"
    SYNC_WEBHOOK_URLS=$url_of WEBHOOK_SECRET=a-secret-that-signs status 2 lockstep endpoints list
    says err SYNC_WEBHOOK_URLS header
    lacks err canary
    printf 'endpoints: { crm: { url: "%s", secret: s } }\n' "$url_of" >lockstep.yaml
    status 2 lockstep endpoints list
    says err lockstep.yaml:1 header
    lacks err canary
    printf 'schedules: { s: { cron: "@daily", post: "%s" } }\n' "$url_of" >lockstep.yaml
    status 2 lockstep schedule list
    says err lockstep.yaml:1 header
    lacks err canary
    ! grep -laF canary state.db* || die "the state has it"
}

run_tests
