#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# qstash.sh - the official client of QStash, unchanged, manages and uses the daemon; its receiver accepts what is delivered. (no disk)
#
# The client is installed once for the suite, from the lock file in tests/npm; what it does stands in tests/npm/qstash.mjs.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=daemon.sh disable=SC2154
. "$(dirname "$0")/daemon.sh"

export QSTASH_TOKEN=$LOCKSTEP_TOKEN UPSTASH_DISABLE_TELEMETRY=1

mkdir "$work/npm"
cp "$(dirname "$0")"/../npm/{package.json,package-lock.json,qstash.mjs} "$work/npm"
(cd "$work/npm" && npm ci --no-audit --no-fund --ignore-scripts) >"$work/npm.log" 2>&1 || {
    echo "not ok npm_ci - $(tail -n 5 "$work/npm.log")"
    exit 1
}

# serve_messages: the same, with a state here and deliveries to this machine allowed.
serve_messages() {
    [ -f lockstep.yaml ] || printf 'state: sqlite:state.db\nevents: { allow: [127.0.0.1] }\n' >lockstep.yaml
    serve
}
# client CASE...: runs them against a daemon of this test.
client() {
    [ -n "$url" ] || serve_messages
    QSTASH_URL=$url timeout 120 node "$work/npm/qstash.mjs" "$@" >out 2>err || die "$(grep -m1 -E 'Error|assert' err) $(grep -m1 -E 'qstash.mjs:[0-9]+' err) :: $(tail -n 3 log)"
    finish # with sanitizers: nothing leaked either
}

test_a_message_is_delivered_as_it_was_published() { client publish a_destination_arrives_as_it_was_given headers_may_stand_in_the_query; }
test_the_official_receiver_accepts_what_is_delivered() { client the_receiver_verifies what_deliveries_say_themselves_cannot_be_forged; }
test_keys_are_rotated_without_a_gap() { client keys_are_rotated; }
test_a_failed_delivery_is_tried_again_and_signed_anew() { client a_failed_delivery_is_tried_again_and_signed_anew; }
test_a_message_is_sent_once_for_an_id() { client a_message_is_sent_once_for_an_id; }
test_what_cannot_be_sent_is_refused() { client what_cannot_be_sent_is_refused; }
test_callbacks_are_told_what_came_of_it() { client callbacks_are_told_each_attempt a_failure_callback_is_told_the_last_attempt; }
test_messages_are_shown_as_long_as_they_wait_and_cancelled() { client a_message_is_shown_and_cancelled a_moment_may_be_said_as_unix_seconds messages_are_redacted_as_asked many_are_cancelled; }
test_schedules_are_managed_and_fire() { client a_schedule_is_made_shown_paused_and_removed a_schedule_of_an_id_is_replaced_and_stays_paused what_is_no_schedule_is_refused a_schedule_fires; }
test_P6_schedules_of_the_configuration_are_managed_by_the_official_client() {
    printf 'id\n1\n' >users.csv
    cat >lockstep.yaml <<'YAML'
state: sqlite:state.db
events: { allow: [127.0.0.1] }
stores: { a: "file:users.csv", b: "sqlite:b.db" }
syncs: { users: { source: a.users, target: b.users, key: id } }
schedules: { nightly: { cron: "0 3 * * *", sync: users } }
YAML
    client schedules_of_the_configuration_are_managed_too
}
test_a_batch_is_taken_as_a_whole() { client a_batch_is_taken_as_a_whole; }
test_a_url_group_gets_a_message_for_each_url() { client a_group_gets_a_message_for_each_url; }
test_queues_keep_order_and_are_managed() { client a_queue_keeps_its_order_while_it_fails a_queue_is_paused_changed_and_removed; }
test_flow_control_bounds_parallelism_and_rate() { client no_more_are_sent_at_once_than_a_queue_or_key_allows a_key_sends_no_more_than_its_rate a_key_is_paused; }
test_dead_letters_are_listed_retried_and_removed() { client dead_letters_are_listed_retried_and_removed; }
test_logs_tell_what_happened() { client logs_tell_what_happened; }

# The same statements on the other kind of state.
test_it_works_on_a_state_in_postgres() {
    printf 'state: %s\nevents: { allow: [127.0.0.1] }\n' "$(pg_database qstash)" >lockstep.yaml
    client publish the_receiver_verifies a_message_is_sent_once_for_an_id a_batch_is_taken_as_a_whole a_group_gets_a_message_for_each_url a_queue_keeps_its_order_while_it_fails \
        a_queue_is_paused_changed_and_removed a_key_is_paused dead_letters_are_listed_retried_and_removed logs_tell_what_happened a_schedule_of_an_id_is_replaced_and_stays_paused
}

test_a_message_outlives_the_daemon() {
    serve_messages
    ask 200 POST /v2/publish/http://127.0.0.1:1/ -H 'Upstash-Delay: 1h' -d x # nobody listens there
    kill_daemon
    serve
    status 0 lockstep events show "$(jq -r .messageId answer)" --json
    is "$(jq -r '.to[0].state' out)" pending
}

run_tests
