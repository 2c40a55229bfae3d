#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# surfaces.sh - presets and the documented paths, against the daemon and PostgreSQL, each test named by a requirement. Needs no disk.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=daemon.sh disable=SC2154
. "$(dirname "$0")/daemon.sh"

unset DATABASE_URL SUPABASE_DB_URL NEXT_PUBLIC_SUPABASE_URL SUPABASE_SERVICE_ROLE_KEY REPLICA_DATABASE_URL SLAVE_DATABASE_URL
unset SYNC_WEBHOOK_URLS WEBHOOK_SECRET CRON_SECRET NEXTAUTH_SECRET

# post STATUS PATH JSON [curl's arguments]
post() {
    local wanted=$1 path=$2 body=$3
    shift 3
    ask "$wanted" POST "$path" -H 'Content-Type: application/json' -d "$body" "$@"
}
# holds EXPRESSION...: jq finds each true of the answer.
holds() {
    local e
    for e in "$@"; do jq -e "$e" answer >/dev/null 2>&1 || { die "not so: $e: $(head -c 900 answer)"; return 1; }; done
}
# viewer: a token that may look and nothing else; only admins may call most of what is here.
viewer() { lockstep token create looks --role viewer --json | jq -r .token; }

# Users of an application and of an auth service, in two databases: Ann is the same in both, Bob differs, Cy is local, Dee is not.
# Exports their URLs.
users() {
    export DATABASE_URL SUPABASE_DB_URL
    DATABASE_URL=$(pg_database local)
    SUPABASE_DB_URL=$(pg_database auth)
    pg "$DATABASE_URL" -c "CREATE TABLE public.users (id uuid PRIMARY KEY, email text, name text, email_verified boolean, role text, bio text);
        INSERT INTO public.users VALUES ('00000000-0000-4000-8000-000000000001', 'ann@example.com', 'Ann', true, 'admin', 'x'),
            ('00000000-0000-4000-8000-000000000002', 'bob@example.com', 'Bob', false, 'user', ''), ('00000000-0000-4000-8000-000000000003', 'cy@example.com', 'Cy', true, 'user', '')"
    pg "$SUPABASE_DB_URL" -c "CREATE SCHEMA auth; CREATE TABLE auth.users (id uuid PRIMARY KEY, email text, name text, email_verified boolean, role text, last_sign_in_at timestamptz);
        INSERT INTO auth.users VALUES ('00000000-0000-4000-8000-000000000001', 'ann@example.com', 'Ann', true, 'admin'),
            ('00000000-0000-4000-8000-000000000002', 'bob@example.org', 'Bob', true, 'user'), ('00000000-0000-4000-8000-000000000004', 'dee@example.com', 'Dee', true, 'user')"
}

test_U12_the_preset_users_needs_the_environment_alone() {
    users
    status 0 lockstep init --preset users
    # shellcheck disable=SC2016
    says lockstep.yaml 'local: "${DATABASE_URL}"' 'auth: "${SUPABASE_DB_URL}"' 'source: local.public.users' 'target: auth.auth.users' 'deletes: remove' 'email_verified: email_verified'
    lacks lockstep.yaml bio
    lacks lockstep.yaml "$DATABASE_URL"
    status 1 lockstep status users --json
    says out '"total":4' '"in_sync":1' '"source_only":1' '"target_only":1' '"inconsistent":1'
    status 0 lockstep sync users
    is "$(pg "$SUPABASE_DB_URL" -c "SELECT string_agg(email, ',' ORDER BY email) FROM auth.users")" ann@example.com,bob@example.com,cy@example.com
}

test_U12_without_a_database_of_its_own_the_auth_service_is_in_the_local_one() {
    users
    pg "$DATABASE_URL" -c 'CREATE SCHEMA auth; CREATE TABLE auth.users (id uuid PRIMARY KEY, aud text, role text, email text, raw_user_meta_data jsonb)'
    unset SUPABASE_DB_URL
    status 0 lockstep init --preset users
    # shellcheck disable=SC2016
    says lockstep.yaml 'auth: "${DATABASE_URL}"'
    lacks lockstep.yaml 'role: role' # there it is the role of a session
    status 0 lockstep sync users
    is "$(pg "$DATABASE_URL" -c 'SELECT count(*) FROM auth.users')" 3
}

test_U12_a_preset_names_what_is_missing() {
    status 2 lockstep init --preset users
    says err DATABASE_URL
    status 2 lockstep init --preset events
    says err SYNC_WEBHOOK_URLS
    SYNC_WEBHOOK_URLS=https://a.example/hook status 2 lockstep init --preset events
    says err WEBHOOK_SECRET
    status 2 lockstep init --preset replica
    says err REPLICA_DATABASE_URL
    status 2 lockstep init --preset people
    says err 'no preset "people"' 'users, events, replica'
    status 2 lockstep init
    status 2 lockstep init --preset events sqlite:a.db sqlite:b.db
    [ ! -e lockstep.yaml ]
}

test_P8_variables_come_from_env_files_too_and_the_nearer_one_wins() {
    sqlite3 app.db 'CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT, name TEXT)'
    sqlite3 other.db 'CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT, name TEXT)'
    printf '# ours\nexport DATABASE_URL="sqlite:app.db" # the app\nSUPABASE_DB_URL=sqlite:wrong.db\nLD_PRELOAD=/nothing.so\nBROKEN\n' >.env
    printf "SUPABASE_DB_URL = 'sqlite:other.db'\r\n" >.env.local
    status 0 lockstep init --preset users
    status 0 lockstep status users --json
    says out other.db app.db
    SUPABASE_DB_URL=sqlite:missing.db status 2 lockstep status users
    says err missing.db # what the environment has wins
    # shellcheck disable=SC2016
    printf 'state: "${LD_PRELOAD}"\n' >no.yaml
    status 2 lockstep -c no.yaml history
    says err LD_PRELOAD 'not set'
}

test_E3_the_preset_events_sends_to_every_url_of_the_environment() {
    export SYNC_WEBHOOK_URLS='https://admin.example.com/api/webhooks/sync,https://backup.example.com/api/webhooks/sync' WEBHOOK_SECRET=a-secret-that-signs
    status 0 lockstep init --preset events
    says out 'lockstep serve'
    lacks lockstep.yaml "$WEBHOOK_SECRET"
    lacks lockstep.yaml example.com
    status 0 lockstep endpoints list --json
    says out https://admin.example.com/api/webhooks/sync https://backup.example.com/api/webhooks/sync '"policy":"documented"'
    CRON_SECRET=short status 2 lockstep init --preset events --replace
    says err CRON_SECRET
}

test_P4_the_preset_replica_inserts_and_updates_and_deletes_nothing() {
    export DATABASE_URL REPLICA_DATABASE_URL
    REPLICA_DATABASE_URL=$(pg_database replica_p4)
    DATABASE_URL=$(pg_database prod_p4)
    for url in "$REPLICA_DATABASE_URL" "$DATABASE_URL"; do pg "$url" -c 'CREATE TABLE jobs (id int PRIMARY KEY, title text)'; done
    pg "$REPLICA_DATABASE_URL" -c "INSERT INTO jobs VALUES (1, 'new'), (2, 'same')"
    pg "$DATABASE_URL" -c "INSERT INTO jobs VALUES (1, 'old'), (2, 'same'), (3, 'ours')"
    status 0 lockstep init --preset replica
    # shellcheck disable=SC2016
    says lockstep.yaml 'replica: "${REPLICA_DATABASE_URL}"' 'production: "${DATABASE_URL}"' 'source: replica.public.jobs' 'deletes: keep'
    status 0 lockstep sync jobs
    is "$(pg "$DATABASE_URL" -c "SELECT string_agg(title, ',' ORDER BY id) FROM jobs")" new,same,ours
}

# ---- users

test_U10_the_status_of_every_user_is_listed_with_both_sides() {
    users
    status 0 lockstep init --preset users
    serve
    ask 200 GET '/api/admin/sync?action=status'
    holds '.success' '.summary == {total:4, inSync:1, localOnly:1, supabaseOnly:1, inconsistent:1, issues:3, progress:25, localCount:3, supabaseCount:3}' '.users | length == 4'
    holds '.users[] | select(.email == "ann@example.com") | .status == "in_sync" and .label == "In Sync" and .inSync and .issues == [] and .local.role == "admin" and .supabase.name == "Ann"'
    holds '.users[] | select(.email == "cy@example.com") | .status == "local_only" and .label == "Local Only" and (.inSync | not) and .supabase == null and (.issues | length) == 1'
    holds '.users[] | select(.name == "Dee") | .status == "supabase_only" and .label == "Supabase Only" and .local == null'
    holds '.users[] | select(.name == "Bob") | .status == "inconsistent" and .differences == [{field:"email", local:"bob@example.com", supabase:"bob@example.org"}, {field:"email_verified", local:"false", supabase:"true"}]'
    ask 400 GET '/api/admin/sync?action=nothing'
    holds '.success == false and (.message | contains("status or validate"))'
    finish
}

test_U10_validation_says_what_is_wrong_and_what_to_do() {
    users
    status 0 lockstep init --preset users
    serve
    ask 200 GET '/api/admin/sync?action=validate'
    holds '.isValid == false' '.issues | length == 3' '.issues | index("Inconsistent: bob@example.com differs in email, email_verified")' '.issues | index("Local Only: cy@example.com")' '.issues | index("Supabase Only: dee@example.com")' '.recommendations | length == 3'
    post 200 /api/admin/sync '{"action":"sync-all"}'
    ask 200 GET '/api/admin/sync?action=validate'
    holds '.isValid' '.issues == []' '.recommendations == []'
    finish
}

test_U10_all_users_are_synced_or_one() {
    users
    status 0 lockstep init --preset users
    serve
    post 200 /api/admin/sync '{"action":"sync-user","email":"bob@example.com"}'
    holds '.success' '.message | contains("1 updated")' '.run.mode == "only"' '.run.verified'
    is "$(pg "$SUPABASE_DB_URL" -c "SELECT string_agg(email, ',' ORDER BY email) FROM auth.users")" ann@example.com,bob@example.com,dee@example.com
    post 404 /api/admin/sync '{"action":"sync-user","email":"nobody@example.com"}'
    holds '.success == false'
    post 400 /api/admin/sync '{"action":"sync-user"}'
    post 200 /api/admin/sync '{"action":"sync-all"}'
    holds '.success' '.run.created == 1 and .run.deleted == 1 and .run.verified' '.timestamp'
    is "$(pg "$SUPABASE_DB_URL" -c "SELECT string_agg(email, ',' ORDER BY email) FROM auth.users")" ann@example.com,bob@example.com,cy@example.com
    post 200 /api/admin/sync '{"action":"sync-all"}'
    holds '.success' '.message | contains("no sync needed")'
    post 400 /api/admin/sync '{"action":"drop-all"}'
    finish
}

test_U10_a_run_that_a_brake_stops_is_answered_with_409_and_an_admin_may_force_it() {
    users
    pg "$SUPABASE_DB_URL" -c "INSERT INTO auth.users SELECT gen_random_uuid(), 'extra' || i, 'Extra', true, 'user' FROM generate_series(1, 40) i"
    status 0 lockstep init --preset users
    serve
    post 409 /api/admin/sync '{"action":"sync-all"}'
    holds '.success == false' '.error == "brake"' '.run.status == "stopped"' '.message | contains("delete")'
    is "$(pg "$SUPABASE_DB_URL" -c 'SELECT count(*) FROM auth.users')" 43
    post 200 /api/admin/sync '{"action":"sync-all","force":["all"]}'
    is "$(pg "$SUPABASE_DB_URL" -c 'SELECT count(*) FROM auth.users')" 3
    finish
}

# A user's id of users(), and of one more.
id_of() { echo "00000000-0000-4000-8000-00000000000$1"; }
# emails DATABASE TABLE: who is there.
emails() { pg "$1" -c "SELECT string_agg(email, ',' ORDER BY email) FROM $2"; }

test_U16_a_user_is_created_and_deleted_on_both_sides_and_validated() {
    users
    status 0 lockstep init --preset users
    serve
    post 201 /api/admin/users "{\"id\":\"$(id_of 5)\",\"email\":\"eve@example.com\",\"name\":\"Eve\",\"emailVerified\":true,\"role\":\"user\",\"bio\":\"b\"}"
    holds '.success' .isValid '.message == "User created on both sides"' '.user.status == "in_sync" and .user.local.name == "Eve" and .user.supabase.name == "Eve"' '.run.created == 1 and .run.verified'
    is "$(pg "$DATABASE_URL" -c "SELECT email, bio FROM users WHERE name = 'Eve'")" 'eve@example.com|b'
    is "$(emails "$SUPABASE_DB_URL" auth.users)" ann@example.com,bob@example.org,dee@example.com,eve@example.com # and nobody else was touched
    post 409 /api/admin/users "{\"id\":\"$(id_of 5)\",\"email\":\"other@example.com\"}"
    holds '.success == false' '.error == "constraint"'
    post 400 /api/admin/users '{"eMale":"x"}'
    post 400 /api/admin/users '["eve"]'
    ask 200 DELETE /api/admin/users/eve@example.com
    holds .success .isValid '.message == "User deleted on both sides"' '.run.deleted == 1' '.user == null'
    is "$(emails "$SUPABASE_DB_URL" auth.users)" ann@example.com,bob@example.org,dee@example.com
    is "$(emails "$DATABASE_URL" users)" ann@example.com,bob@example.com,cy@example.com
    ask 200 DELETE "/api/admin/users/$(id_of 4)" # only the other side has it
    holds .success .isValid
    ask 200 DELETE "/api/admin/users/bob@example.org" # the address of one side, and the other side has another one
    holds .success .isValid
    is "$(emails "$SUPABASE_DB_URL" auth.users) $(emails "$DATABASE_URL" users)" 'ann@example.com ann@example.com,cy@example.com'
    ask 404 DELETE /api/admin/users/nobody@example.com
    auth="Authorization: Bearer $(viewer)"
    post 403 /api/admin/users '{"email":"mallory@example.com"}'
    ask 403 DELETE /api/admin/users/ann@example.com
    unset auth
    status 0 lockstep audit --json
    is "$(jq -r 'select(.action == "user validate") | .detail.because' out | sort | uniq -c | tr -s ' ' | tr '\n' ';')" ' 1 the user was created; 3 the user was deleted;'
    says out 'POST /api/admin/users' 'DELETE /api/admin/users/{user}'
    finish
}

test_U16_what_is_right_stays_when_the_other_side_is_away() {
    users
    status 0 lockstep init --preset users
    pg "$SUPABASE_DB_URL" -c 'ALTER TABLE auth.users RENAME TO away'
    serve
    ask 404 DELETE /api/admin/users/ann@example.com # nobody can tell who is there, and nothing is done
    is "$(emails "$DATABASE_URL" users)" ann@example.com,bob@example.com,cy@example.com
    post 404 /api/admin/users "{\"id\":\"$(id_of 5)\",\"email\":\"eve@example.com\"}"
    holds '.success == false' '.message | contains("the user was created where it is right, and not carried over; the next sync does that")'
    pg "$SUPABASE_DB_URL" -c 'ALTER TABLE auth.away RENAME TO users'
    post 200 /api/admin/sync '{"action":"sync-user","email":"eve@example.com"}'
    is "$(pg "$SUPABASE_DB_URL" -c "SELECT count(*) FROM auth.users WHERE email = 'eve@example.com'")" 1
    finish
}

# until_validated N: waits for N entries; what was found, one a line: user, status, because.
until_validated() {
    until
        lockstep audit --json --limit 1000 | jq -r 'select(.action == "user validate") | [.subject, .detail.status, .detail.because] | join(" ")' >found
        [ "$(wc -l <found)" -ge "$1" ]
    do sleep 0.05; done # the pace of looking
}

test_U3_a_user_of_whom_an_event_tells_is_validated_at_once() {
    local n
    users
    export LOCKSTEP_KEY=000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
    status 0 lockstep init --preset users
    printf 'events: { outbox: [local] }\nreceivers:\n  profile-updated: { secret: a-secret-of-the-sender, apply: local.public.users }\n' >>lockstep.yaml
    status 0 lockstep outbox install local.public.users
    serve
    # events that are accepted
    post 202 /api/v1/events "[{\"type\":\"user.updated\",\"resourceId\":\"$(id_of 1)\"},{\"type\":\"enrollment.created\",\"resourceId\":\"7\"},{\"type\":\"profile.updated\",\"resourceId\":\"$(id_of 2)\"}]"
    until_validated 2
    says found "id=$(id_of 1) in_sync user.updated" "id=$(id_of 2) inconsistent profile.updated"
    # the outbox of the application
    pg "$DATABASE_URL" -c "INSERT INTO users VALUES ('$(id_of 6)', 'fay@example.com', 'Fay', true, 'user')"
    until_validated 3
    says found "id=$(id_of 6) local_only user.updated"
    # a signed message, which is applied first; the outbox tells of that change too
    printf '{"id":"m1","type":"profile.updated","resourceId":"%s","data":{"id":"%s","email":"gus@example.com","name":"Gus"}}' "$(id_of 7)" "$(id_of 7)" >body
    ask 200 POST /api/webhooks/profile-updated -H 'Content-Type: application/json' -H "x-webhook-signature: $(openssl dgst -sha256 -hmac a-secret-of-the-sender -hex <body | sed 's/.* //')" --data-binary @body
    until_validated 4
    says found "id=$(id_of 7) local_only"
    says log "id=$(id_of 6) is Local Only"
    # nothing was repaired, and nobody else was looked at
    is "$(pg "$SUPABASE_DB_URL" -c 'SELECT count(*) FROM auth.users')" 3
    n=$(cut -d' ' -f1 found | sort -u | wc -l)
    is "$n" 4
    finish
}

test_U10_where_a_user_exists_and_what_differs() {
    users
    status 0 lockstep init --preset users
    serve
    ask 200 GET '/api/debug/user-exists?email=ann@example.com'
    holds '.exists == {local:true, supabase:true}' .inSync '.differences == []'
    ask 200 GET '/api/debug/user-exists?email=bob@example.org'
    holds '.exists == {local:true, supabase:true}' '.status == "inconsistent"' '.differences | length == 2'
    ask 200 GET '/api/debug/user-exists?email=dee@example.com'
    holds '.exists == {local:false, supabase:true}' '.status == "supabase_only"'
    ask 200 GET '/api/debug/user-exists?email=nobody@example.com'
    holds '.exists == {local:false, supabase:false}' '.email == "nobody@example.com"'
    ask 400 GET /api/debug/user-exists
    finish
}

test_U4_U10_the_scheduled_sync_tells_its_state_and_is_triggered() {
    users
    status 0 lockstep init --preset users
    serve
    ask 200 GET /api/admin/scheduled-sync
    holds '.enabled' '.schedule.cron == "0 * * * *"' '.schedule.scheduleId == "scheduled-sync"' '.nextRun' '.lastRun == null' '.jobNumber == 0'
    post 200 /api/admin/scheduled-sync ''
    holds .success '.run.run == 1' '.run.updated == 1'
    post 200 /api/admin/scheduled-sync '{}' # a check that passes changes nothing
    holds .success '.run.run == 2' '.message | contains("no sync needed")'
    ask 200 GET /api/admin/scheduled-sync
    holds '.jobNumber == 2' '.lastRun.status == "completed"' '.statistics == {runs:2, succeeded:2, failed:0, successRate:100}' '.isRunning == false'
    finish
}

test_U10_the_local_database_may_be_the_target() {
    sqlite3 auth.db "CREATE TABLE users (id TEXT PRIMARY KEY NOT NULL, email TEXT); INSERT INTO users VALUES ('1', 'ann@example.com')"
    sqlite3 app.db "CREATE TABLE users (id TEXT PRIMARY KEY NOT NULL, email TEXT); INSERT INTO users VALUES ('2', 'bob@example.com')"
    printf 'surfaces: { users: { sync: people, local: target } }\nsyncs: { people: { source: "sqlite:auth.db#users", target: "sqlite:app.db#users" } }\n' >lockstep.yaml
    serve
    ask 200 GET '/api/admin/sync?action=status'
    holds '.summary.localOnly == 1' '[.users[] | {id, status, here: (.local != null)}] | sort_by(.id) == [{id:"1", status:"supabase_only", here:false}, {id:"2", status:"local_only", here:true}]'
    finish
    printf 'surfaces: { users: peopel }\nsyncs: { people: { source: "sqlite:auth.db#users", target: "sqlite:app.db#users" } }\n' >lockstep.yaml
    status 2 lockstep history
    says err 'no sync named "peopel"' 'Did you mean "people"?'
    printf 'syncs: { people: { source: "sqlite:auth.db#users", target: "sqlite:app.db#users" } }\n' >lockstep.yaml
    serve
    ask 404 GET '/api/admin/sync?action=status'
    finish
}

test_U9_only_admins_may_and_every_operation_is_in_the_audit_log() {
    local looks
    users
    status 0 lockstep init --preset users
    looks=$(viewer)
    serve
    for path in '/api/admin/sync?action=status' /api/admin/scheduled-sync '/api/debug/user-exists?email=a@b.c'; do
        auth='' ask 401 GET "$path"
        holds '.success == false'
        auth="Authorization: Bearer $looks" ask 403 GET "$path"
    done
    auth='' post 401 /api/admin/sync '{"action":"sync-all"}'
    auth="Authorization: Bearer $looks" post 403 /api/admin/sync '{"action":"sync-all"}'
    is "$(pg "$SUPABASE_DB_URL" -c "SELECT count(*) FROM auth.users WHERE email = 'dee@example.com'")" 1
    post 200 /api/admin/sync '{"action":"sync-all"}'
    ask 200 GET '/api/v1/audit?limit=100'
    holds '[.items[] | select(.action == "POST /api/admin/sync")] | length == 3' '[.items[] | select(.action == "sync" and .subject == "users")] | length == 1'
    finish
}

test_U14_validation_finds_orphans_and_the_rates_count_failures() {
    users
    status 0 lockstep init --preset users
    serve
    pg "$SUPABASE_DB_URL" -c "ALTER TABLE auth.users ADD CHECK (name <> 'Cy')"
    post 200 /api/admin/sync '{"action":"sync-all"}'
    holds '.success == false' '.run.status == "partial_success"' '.run.failed == 1' '.run.errors[0].key.id'
    pg "$SUPABASE_DB_URL" -c "ALTER TABLE auth.users DROP CONSTRAINT users_name_check"
    post 200 /api/admin/sync '{"action":"sync-all"}'
    holds .success
    ask 200 GET /api/admin/scheduled-sync
    holds '.statistics == {runs:2, succeeded:1, failed:1, successRate:50}'
    finish
}

# ---- events

test_E8_the_queue_is_counted_processed_and_healthy() {
    local receiver
    export WEBHOOK_SECRET=a-secret-that-signs CRON_SECRET=a-cron-secret-that-is-long
    # A port that nobody listens on, so that deliveries fail.
    receiver=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    export SYNC_WEBHOOK_URLS="http://127.0.0.1:$receiver/hook"
    status 0 lockstep init --preset events
    status 0 lockstep endpoints pause webhook-1
    status 0 lockstep events emit --type enrollment.created --resource e1 --data '{"course":7}'
    status 0 lockstep events emit --type profile.updated --resource u1
    serve
    ask 200 GET /api/sync/status
    holds '.data == {success:true, total:2, processing:0, pending:2, failed:0, stats:{total:2, processing:0, pending:2, failed:0}}' '.metadata.version == "1.0"' '.metadata.timestamp | test("^[0-9-]+T[0-9:.]+Z$")'
    auth="x-cron-secret: $CRON_SECRET" ask 200 POST /api/sync/process
    holds '.data.success and .data.total == 2'
    ask 200 GET /api/sync/health
    holds '.data.healthy' '.data.failureRate == 0' '.data.recentFailures == 0' '.data.message == "Sync system is healthy"' '.data.queue.pending == 2' '.data.failures == []' '.data.failureStats == {totalFailures:0, failuresByType:{}, failuresByResource:{}, averageRetries:0}'
    finish
}

test_E8_health_tells_what_could_not_be_delivered() {
    local refuser
    export WEBHOOK_SECRET=a-secret-that-signs
    python3 -c '
import http.server
class H(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(400); self.send_header("content-length", "0"); self.end_headers()
    def log_message(self, *a): pass
s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), H)
print(s.server_port, flush=True)
s.serve_forever()' >port &
    children+=($!)
    until_true has_lines port 1
    refuser=$(cat port)
    export SYNC_WEBHOOK_URLS="http://127.0.0.1:$refuser/hook"
    printf '{}\n' >lockstep.yaml
    serve
    # Three events have 9 attempts; a tenth that fails would open the breaker, and its event wait.
    for e in enrollment.created enrollment.created; do status 0 lockstep events emit --type $e --resource "r-$e"; done
    post 202 /api/v1/events '{"type":"progress.updated","resourceId":"p1"}'
    until_true asked GET /api/sync/status .data.failed 3
    ask 200 GET /api/sync/health
    holds '.data.healthy == false' '.data.failureRate == 1' '.data.recentFailures == 3' '.data.failureStats.totalFailures == 3' '.data.failureStats.failuresByType == {"enrollment.created":2, "progress.updated":1}' '.data.failureStats.failuresByResource == {enrollment:2, progress:1}'
    holds '.data.failures | length == 3' '.data.failures[0] | .eventType == "progress.updated" and .resourceId == "p1" and (.error | length) > 0'
    finish
}

test_E14_a_cron_job_may_send_the_secret_as_header_or_bearer() {
    export CRON_SECRET=a-cron-secret-that-is-long
    printf '{}\n' >lockstep.yaml
    local looks
    looks=$(viewer)
    serve
    auth="x-cron-secret: $CRON_SECRET" ask 200 POST /api/sync/process
    auth="Authorization: Bearer $CRON_SECRET" ask 200 GET /api/sync/process
    holds '.data.total == 0'
    auth="x-cron-secret: something-else-that-is-long" ask 401 POST /api/sync/process
    holds '.data.success == false' '.metadata.version == "1.0"'
    auth='' ask 401 GET /api/sync/process
    auth="Authorization: Bearer $looks" ask 403 POST /api/sync/process
    auth="Authorization: Bearer $looks" ask 403 GET /api/sync/status
    auth="x-cron-secret: $CRON_SECRET" ask 403 GET /api/sync/health
    finish
}

# ---- a replica

# Two databases with two tables each, and a configuration; exports their URLs.
replica() {
    export DATABASE_URL REPLICA_DATABASE_URL
    REPLICA_DATABASE_URL=$(pg_database replica)
    DATABASE_URL=$(pg_database prod)
    for url in "$REPLICA_DATABASE_URL" "$DATABASE_URL"; do pg "$url" -c 'CREATE TABLE jobs (id int PRIMARY KEY, title text); CREATE TABLE skills (id int PRIMARY KEY, name text)'; done
    pg "$REPLICA_DATABASE_URL" -c "INSERT INTO jobs VALUES (1, 'new'), (2, 'same'); INSERT INTO skills VALUES (1, 'C')"
    pg "$DATABASE_URL" -c "INSERT INTO jobs VALUES (1, 'old'), (2, 'same'), (3, 'ours')"
    status 0 lockstep init --preset replica
}
b64url() { openssl base64 -A | tr '+/' '-_' | tr -d =; }
# qstash KEY SUBJECT BODY: a signature as QStash makes it.
qstash() {
    local head body now
    now=$(date +%s)
    head=$(printf '{"alg":"HS256","typ":"JWT"}' | b64url)
    body=$(printf '{"iss":"Upstash","sub":"%s","exp":%s,"nbf":%s,"iat":%s,"jti":"jwt_%s","body":"%s"}' "$2" $((now + 300)) $((now - 10)) "$now" "$RANDOM" "$(printf %s "$3" | openssl dgst -sha256 -binary | b64url)" | b64url)
    printf '%s.%s.%s' "$head" "$body" "$(printf '%s.%s' "$head" "$body" | openssl dgst -sha256 -hmac "$1" -binary | b64url)"
}
R=/api/background/sync/slave-to-prod
titles() { pg "$DATABASE_URL" -c "SELECT string_agg(title, ',' ORDER BY id) FROM jobs"; }

test_P1_P10_a_manual_trigger_runs_the_sync_and_answers_with_its_statistics() {
    export CRON_SECRET=a-cron-secret-that-is-long
    replica
    serve
    auth='' ask 401 POST $R -H 'x-manual-trigger: true'
    auth='' ask 401 GET $R
    ask 400 POST $R
    is "$(titles)" old,same,ours
    ask 405 HEAD $R -I || true
    is "$(titles)" old,same,ours
    ask 200 POST $R -H 'x-manual-trigger: true'
    holds '.success' '.message == "Slave-to-prod sync completed successfully"' '.type == "manual"' '.statistics.total_records == 4' '.statistics.sync_completed_at' '.timestamp' '.runs | length == 2'
    is "$(titles)" new,same,ours
    is "$(pg "$DATABASE_URL" -c 'SELECT name FROM skills')" C
    auth="x-cron-secret: $CRON_SECRET" ask 200 POST $R -H 'x-manual-trigger: true'
    auth="Authorization: Bearer $CRON_SECRET" ask 200 GET $R
    holds '.success and .type == "manual" and .statistics.total_records == 4'
    finish
    says log 'replica sync begins (type=manual, syncs=2' 'step 1 of 2, jobs: begins' 'step 2 of 2, skills: no sync needed' 'replica sync completed (type=manual, syncs=2, total_records=4'
}

test_P1_a_call_of_qstash_is_verified_and_scheduled() {
    local subject=https://app.example.com$R
    export QSTASH_CURRENT_SIGNING_KEY=sig_current_key_that_is_long QSTASH_NEXT_SIGNING_KEY=sig_next_key_that_is_long NEXT_PUBLIC_APP_URL=https://app.example.com
    replica
    serve
    auth="Upstash-Signature: $(qstash sig_another_key_that_is_long "$subject" '')" ask 401 POST $R
    auth="Upstash-Signature: $(qstash sig_current_key_that_is_long https://app.example.com/other '')" ask 401 POST $R
    auth="Upstash-Signature: $(qstash sig_current_key_that_is_long "$subject" 'another body')" ask 401 POST $R
    is "$(titles)" old,same,ours
    auth="Upstash-Signature: $(qstash sig_current_key_that_is_long "$subject" '')" ask 200 POST $R
    holds '.success and .type == "scheduled" and .statistics.total_records == 4'
    auth="Upstash-Signature: $(qstash sig_next_key_that_is_long "$subject" '{"a":1}')" post 200 $R '{"a":1}'
    finish
}

test_P9_a_call_again_joins_the_run_that_goes_on_and_learns_its_result() {
    local subject=https://app.example.com$R first caller
    export QSTASH_CURRENT_SIGNING_KEY=sig_current_key_that_is_long QSTASH_NEXT_SIGNING_KEY=sig_next_key_that_is_long NEXT_PUBLIC_APP_URL=https://app.example.com
    replica
    serve
    # Somebody holds the record that is to be updated: the run waits.
    mkfifo hold
    psql -qX "$DATABASE_URL" <hold >holder 2>&1 &
    children+=($!)
    exec 4>hold
    printf "BEGIN; UPDATE jobs SET title = 'old' WHERE id = 1; SELECT 'held';\n" >&4
    until_true grep -q held holder
    # Who called first gives up while it does.
    auth="Upstash-Signature: $(qstash sig_current_key_that_is_long "$subject" '')"
    curl -s -o first -X POST -H "$auth" -H 'Upstash-Message-Id: msg_1' "$url$R" &
    caller=$!
    unset auth
    until_true asked GET /api/v1/runs/active '.items | length' 1
    first=$(jq -r '.items[0].id' answer)
    kill $caller || die "the run did not wait"
    wait $caller 2>/dev/null || true
    auth="Upstash-Signature: $(qstash sig_current_key_that_is_long "$subject" '')"
    curl -s -o second -X POST -H "$auth" -H 'Upstash-Message-Id: msg_1' -H 'Upstash-Retried: 1' "$url$R" &
    second=$!
    printf 'ROLLBACK;\n' >&4
    exec 4>&-
    wait $second
    jq -e --arg id "$first" '.success and .type == "scheduled" and .runs[0].id == $id' second >/dev/null || die "$(cat second)"
    # Once more, after its end: the same result, and no third run.
    auth="Upstash-Signature: $(qstash sig_current_key_that_is_long "$subject" '')" ask 200 POST $R -H 'Upstash-Message-Id: msg_1'
    cp answer third
    jq -e --arg id "$first" '.runs[0].id == $id' third >/dev/null || die "$(cat third)"
    unset auth
    ask 200 GET /api/v1/runs
    holds '.items | length == 2'
    auth="Upstash-Signature: $(qstash sig_current_key_that_is_long "$subject" '')" ask 200 POST $R -H 'Upstash-Message-Id: msg_2'
    unset auth
    ask 200 GET /api/v1/runs
    holds '.items | length == 4'
    finish
}

test_P7_P10_a_failed_sync_is_answered_with_its_reason_and_logged() {
    replica
    pg "$DATABASE_URL" -c "ALTER TABLE jobs ADD CHECK (title <> 'new')"
    serve
    ask 500 POST $R -H 'x-manual-trigger: true'
    holds '.success == false' '.message == "Slave-to-prod sync failed"' '.error | contains("1 records could not be written")' '.type == "manual"' '.runs[0].errors[0].key.id == "1"'
    pg "$DATABASE_URL" -c 'DROP TABLE skills'
    pg "$DATABASE_URL" -c "ALTER TABLE jobs DROP CONSTRAINT jobs_title_check"
    ask 404 POST $R -H 'x-manual-trigger: true'
    holds '.success == false' '.error | contains("skills")' '.runs[0].status == "completed"'
    finish
    says log 'replica sync failed'
    # P9: what each run took
    grep -q 'run 1 (jobs): took [0-9]* ms, [0-9]* ms of .* on processors; .* up to [0-9]* KiB of memory' log || die "$(grep 'run 1' log)"
}

test_P2_P3_the_schedule_is_made_paused_resumed_triggered_and_deleted() {
    local S=/api/background/sync/schedule looks
    replica
    looks=$(viewer)
    serve
    ask 200 GET $S
    holds '.success' '.schedules == []' '.count == 0'
    post 200 $S '{"action":"create"}'
    holds .success '.scheduleId == "slave-to-prod"'
    ask 200 GET $S
    holds '.count == 1' '.schedules[0] | .scheduleId == "slave-to-prod" and .cron == "0 */6 * * *" and .timezone == "UTC" and .retries == 2 and .status == "active" and (.isPaused | not) and .nextRun != null'
    post 200 $S '{"action":"create"}' # again: the same one
    post 200 $S '{"action":"pause","scheduleId":"slave-to-prod"}'
    ask 200 GET $S
    holds '.count == 1' '.schedules[0] | .status == "paused" and .isPaused and .nextRun == null'
    status 0 lockstep schedule list --json
    is "$(grep -o '"paused":true' out | wc -l)" 2
    post 200 $S '{"action":"resume","scheduleId":"slave-to-prod"}'
    ask 200 GET $S
    holds '.schedules[0].status == "active"'
    post 200 $S '{"action":"trigger-manual"}'
    holds '.success and .type == "manual" and .statistics.total_records == 4'
    is "$(titles)" new,same,ours
    post 404 $S '{"action":"pause","scheduleId":"another"}'
    post 400 $S '{"action":"pause"}'
    post 400 $S '{"action":"create","cron":"every day"}'
    post 400 $S '{"action":"stop"}'
    auth='' post 401 $S '{"action":"create"}'
    auth="Authorization: Bearer $looks" post 403 $S '{"action":"create"}'
    post 200 $S '{"action":"delete","scheduleId":"slave-to-prod"}'
    ask 200 GET $S
    holds '.count == 0'
    finish
}

# ---- setup

# A stand-in for a Supabase project that lets one key in; $project is its URL.
project() {
    rm -f project.port
    python3 -c '
import http.server
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        key = "the-service-role-key-of-it"
        well = self.path == "/auth/v1/admin/users?page=1&per_page=1" and self.headers["apikey"] == key and self.headers["authorization"] == "Bearer " + key
        self.send_response(200 if well else 403); self.send_header("content-length", "0"); self.end_headers()
    def log_message(self, *a): pass
s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), H)
print(s.server_port, flush=True)
s.serve_forever()' >project.port &
    children+=($!)
    until_true has_lines project.port 1
    project=http://127.0.0.1:$(cat project.port)
}

test_P5_setup_checks_makes_the_schedule_tries_it_and_says_how_to_manage_it() {
    replica
    project
    export NEXT_PUBLIC_SUPABASE_URL=$project SUPABASE_SERVICE_ROLE_KEY=the-service-role-key-of-it
    export QSTASH_CURRENT_SIGNING_KEY=sig_current_key_that_is_long QSTASH_NEXT_SIGNING_KEY=sig_next_key_that_is_long NEXT_PUBLIC_APP_URL=https://app.example.com
    status 0 lockstep setup --dry-run
    says out 'service role key is let in' NEXT_PUBLIC_APP_URL
    is "$(titles)" old,same,ours
    status 0 lockstep setup
    says out '0 */6 * * *' 'slave-to-prod.jobs' 'jobs: run 1, 0 created, 1 updated' 'skills: run 2, 1 created' 'lockstep schedule pause' trigger-manual
    lacks out the-service-role-key-of-it
    is "$(titles)" new,same,ours
    status 0 lockstep schedule list --json
    is "$(grep -c . out)" "$(grep -c '0 \*/6' out)"
    status 0 lockstep setup # again: the same schedules
    unset NEXT_PUBLIC_APP_URL
    status 2 lockstep setup
    says err NEXT_PUBLIC_APP_URL
    NEXT_PUBLIC_APP_URL=http://app.example.com status 2 lockstep setup
    says err https
    NEXT_PUBLIC_APP_URL=http://localhost.example.com status 2 lockstep setup
    says err https
}

# as_role ROLE PASSWORD URL
as_role() { sed "s#//[^@]*@#//$1:$2@#" <<<"$3"; }

test_P5_setup_names_rights_that_are_missing_and_makes_nothing() {
    local role=narrow_$$ owner source
    replica
    owner=$DATABASE_URL source=$REPLICA_DATABASE_URL
    pg "$owner" -c "CREATE ROLE $role LOGIN PASSWORD 'narrow'" -c "GRANT SELECT, INSERT ON jobs TO $role" -c "GRANT SELECT, INSERT, UPDATE, DELETE ON skills TO $role"
    DATABASE_URL=$(as_role "$role" narrow "$owner")
    status 2 lockstep setup
    says out "GRANT UPDATE, DELETE ON public.jobs TO $role"
    lacks out 'public.skills TO'
    lacks out 'manual run'
    is "$(titles)" old,same,ours
    status 0 lockstep schedule list --json
    is "$(cat out)" ''
    pg "$owner" -c "GRANT UPDATE, DELETE ON jobs TO $role"
    status 0 lockstep setup --dry-run
    pg "$owner" -c "REVOKE SELECT ON jobs FROM $role"
    pg "$owner" -c "REVOKE TEMPORARY ON DATABASE $(pg "$owner" -c 'SELECT current_database()') FROM PUBLIC"
    status 2 lockstep setup
    says out 'GRANT TEMPORARY ON DATABASE' "may not be written" "GRANT SELECT ON public.jobs TO $role"
    # of the source, reading is enough, and of some columns as well
    DATABASE_URL=$owner
    pg "$source" -c "GRANT SELECT (id, title) ON jobs TO $role"
    REPLICA_DATABASE_URL=$(as_role "$role" narrow "$source")
    status 2 lockstep setup
    says out 'may not be read' "GRANT SELECT ON public.skills TO $role"
    lacks out 'public.jobs TO'
    pg "$owner" -c "DROP OWNED BY $role"
    pg "$source" -c "DROP OWNED BY $role" -c "DROP ROLE $role"
}

test_U17_one_command_names_what_cannot_be_reached() {
    users
    status 0 lockstep init --preset users
    project
    export NEXT_PUBLIC_SUPABASE_URL=$project SUPABASE_SERVICE_ROLE_KEY=the-service-role-key-of-it
    status 0 lockstep setup
    says out 'service role key is let in' users
    SUPABASE_SERVICE_ROLE_KEY=another-key-that-is-long-enough status 2 lockstep setup
    says err SUPABASE_SERVICE_ROLE_KEY refused
    NEXT_PUBLIC_SUPABASE_URL=http://127.0.0.1:9 status 2 lockstep setup
    says err 'http://127.0.0.1:9 cannot be reached'
    local safe
    for safe in http://localhost:9 'http://[::1]:9' http://127.1.2.3:9 https://127.0.0.1:9; do
        NEXT_PUBLIC_SUPABASE_URL=$safe status 2 lockstep setup
        says err "$safe cannot be reached"
    done
    # the key leaves this machine by https:// alone
    local open
    for open in http://192.0.2.1 http://project.example.invalid http://localhost.example.invalid; do
        NEXT_PUBLIC_SUPABASE_URL=$open status 2 lockstep setup
        says err NEXT_PUBLIC_SUPABASE_URL 'in the open. Write https://'
        lacks err 'cannot be reached'
    done
    NEXT_PUBLIC_SUPABASE_URL=https://user:password@127.0.0.1:9 status 2 lockstep setup
    says err NEXT_PUBLIC_SUPABASE_URL
    lacks err password@
    DATABASE_URL=postgres://nobody@127.0.0.1:9/none status 2 lockstep setup
    says err users 127.0.0.1:9
    printf '{}\n' >lockstep.yaml
    status 2 lockstep setup
    says err 'nothing to set up'
}

run_tests
