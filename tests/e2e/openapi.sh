#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# openapi.sh - the description of the API is valid OpenAPI 3.1, by a validator of others, and the daemon answers as it says. (no disk)
#
# What is checked stands in tests/npm/openapi.mjs; the validator is installed once for the suite, from the lock file there.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=daemon.sh disable=SC2154
. "$(dirname "$0")/daemon.sh"

mkdir "$work/npm"
cp "$(dirname "$0")"/../npm/{package.json,package-lock.json,openapi.mjs} "$work/npm"
(cd "$work/npm" && npm ci --no-audit --no-fund --ignore-scripts) >"$work/npm.log" 2>&1 || {
    echo "not ok npm_ci - $(tail -n 5 "$work/npm.log")"
    exit 1
}

# described CASE: checks it against a daemon of this test.
described() {
    local side
    for side in a b; do
        sqlite3 $side.db "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, email TEXT); INSERT INTO t VALUES (1, '$side', '$side@example.com')"
    done
    sqlite3 a.db 'CREATE TABLE enrollments (id TEXT PRIMARY KEY NOT NULL, user_id TEXT, updated_at TEXT); CREATE TABLE profiles (id TEXT PRIMARY KEY NOT NULL, user_id TEXT);
        CREATE TABLE progress (id TEXT PRIMARY KEY NOT NULL, user_id TEXT); CREATE TABLE users (id TEXT PRIMARY KEY NOT NULL)'
    cat >lockstep.yaml <<'YAML'
state: sqlite:state.db
stores: { app: "sqlite:a.db" }
surfaces: { users: { sync: people, local: source }, replica: [people], events: { enrollments: app.enrollments, profile: app.profiles, progress: app.progress, students: app.users } }
server: { metrics: public }
events: { types: [thing.made], allow: [127.0.0.1] }
syncs:
  people: { source: "sqlite:a.db#t", target: "sqlite:b.db#t", key: id }
YAML
    status 0 lockstep outbox install app.enrollments app.profiles app.progress app.users
    serve
    LOCKSTEP_URL=$url timeout 120 node "$work/npm/openapi.mjs" "$1" >out 2>err ||
        die "$(grep -m1 -E 'Error|assert' err | head -c 900) :: $(tail -n 2 log)"
    finish
}

test_the_document_is_openapi_3_1() { described document; }
test_answers_are_as_described() { described answers; }
test_things_are_as_described() { described things; }
test_the_routes_of_qstash_and_of_the_surfaces_are_as_described() {
    described surfaces
}
test_bodies_have_the_members_that_are_described() { described requests; }

test_the_program_prints_the_same_document() {
    status 0 lockstep help --openapi
    jq -e '.openapi == "3.1.0" and (.paths | length > 50)' out >/dev/null || die "$(head -c 300 out)"
}

run_tests
