#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# nextauth.sh (E15) - an application's admins call by its own session: cookies that next-auth and @auth/core made, unchanged. (no disk)
#
# Both are installed once for the suite, from the lock file in tests/npm/nextauth; cookie.mjs there calls them.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=daemon.sh disable=SC2154
. "$(dirname "$0")/daemon.sh"

export NEXTAUTH_SECRET=the-secret-of-the-application-of-32-bytes
ask_with=(-H 'Content-Type: application/json')
four=next-auth.session-token
five=authjs.session-token
admin='{"sub":"u1","email":"ann@example.org","role":"admin"}'

mkdir "$work/npm"
cp "$(dirname "$0")"/../npm/nextauth/{.npmrc,package.json,package-lock.json,cookie.mjs} "$work/npm"
(cd "$work/npm" && npm ci --no-audit --no-fund --ignore-scripts) >"$work/npm.log" 2>&1 || {
    echo "not ok npm_ci - $(tail -n 5 "$work/npm.log")"
    exit 1
}

# session NAME CLAIMS [SECRET [LIFETIME]]: $cookie is what a browser sends of it.
session() { cookie=$(node "$work/npm/cookie.mjs" "$1" "${3-$NEXTAUTH_SECRET}" "$2" ${4+"$4"}) || die "no cookie"; }
# by COOKIE ask...: with this cookie and nothing else.
by() {
    local sent=$1
    shift
    auth="Cookie: $sent" "$@"
}
me() { by "$cookie" ask 200 GET /api/v1/me && jq -c '[.kind, .role, .name]' answer; }

test_E15_sessions_of_both_versions_are_the_applications_admin() {
    serve
    local name
    for name in $four __Secure-$four $five __Secure-$five; do
        session "$name" "$admin"
        is "$(me)" '["nextauth","admin","ann@example.org"]'
    done
    # beside other cookies, and one of another application on this host
    by "theme=dark; $four=old.of..another.app; $cookie; x=y" ask 200 GET /api/v1/health
    auth='' ask 401 GET /api/v1/health
}

test_E15_the_role_is_the_sessions_and_never_more_than_admin() {
    local claims role
    serve
    while read -r role claims; do
        session $four "{\"sub\":\"u1\",\"email\":\"ann@example.org\"$claims}"
        is "$claims $(me | jq -r '.[1]')" "$claims $role"
    done <<'CLAIMS'
admin ,"role":"admin"
operator ,"role":"operator"
viewer ,"role":"viewer"
user ,"role":"user"
admin ,"role":"ADMIN"
user ,"role":"service"
user ,"role":"service_role"
user ,"role":"cron"
user ,"role":["nonsense"]
user ,"user_metadata":{"role":"admin"}
user
CLAIMS
    session $five '{"sub":"u1","role":"viewer"}'
    by "$cookie" ask 200 GET /api/v1/health
    by "$cookie" ask 403 POST /api/v1/tokens -H 'Sec-Fetch-Site: same-origin' -d '{"name":"mine","role":"admin"}'
    session $five '{"sub":"u1","role":"user"}'
    by "$cookie" ask 403 GET /api/v1/audit
}

test_E15_a_session_in_chunks_is_put_together() {
    local long
    serve
    long=$(printf 'x%.0s' {1..4500})
    for name in $four $five; do
        session "$name" "{\"sub\":\"u1\",\"email\":\"ann@example.org\",\"role\":\"admin\",\"picture\":\"$long\"}"
        [[ $cookie == "$name.0="*"; $name.1="* ]] || die "no chunks: ${cookie:0:80}"
        is "$(me)" '["nextauth","admin","ann@example.org"]'
        by "${cookie#*; }; ${cookie%%;*}" ask 200 GET /api/v1/health # in whatever order
        by "${cookie%%;*}" ask 401 GET /api/v1/health
        by "${cookie#*; }" ask 401 GET /api/v1/health
        by "$cookie; $name.0=x" ask 401 GET /api/v1/health # one of them twice
    done
}

test_E15_what_is_no_session_of_ours_is_refused() {
    local name
    serve
    for name in $four $five; do
        session "$name" "$admin" another-secret-of-another-application
        by "$cookie" ask 401 GET /api/v1/health
        session "$name" "$admin" "$NEXTAUTH_SECRET" -600
        by "$cookie" ask 401 GET /api/v1/health
        says answer 'Log in again'
        session "$name" "$admin"
        by "${cookie%?????}xxxxx" ask 401 GET /api/v1/health
        by "$cookie; $cookie" ask 401 GET /api/v1/health
        session "$name" '{"role":"admin","name":"Ann"}' # whose?
        by "$cookie" ask 401 GET /api/v1/health
        says answer 'no sub and no email'
        lacks log "${cookie#*=}"
    done
    by "__Secure-$cookie" ask 401 GET /api/v1/health # of Auth.js: the key is that of the cookie's name
    by "$four=nonsense" ask 401 GET /api/v1/health
    finish
    NEXTAUTH_SECRET='' serve
    by "$cookie" ask 401 GET /api/v1/health
    finish
    NEXTAUTH_SECRET=tiny-canary status 2 lockstep serve --listen 127.0.0.1:0
    says err 16
    lacks err canary
}

test_E15_another_secret_ends_the_sessions_of_the_one_before() {
    local old
    printf 'state: sqlite:state.db\nauth: { nextauth_secret: the-first-secret-of-the-application }\n' >lockstep.yaml
    serve
    session $five "$admin" the-first-secret-of-the-application
    old=$cookie
    by "$old" ask 200 GET /api/v1/health
    sed -i s/first/second/ lockstep.yaml
    kill -HUP "$daemon"
    session $five "$admin" the-second-secret-of-the-application
    until_true knows "$cookie"
    by "$old" ask 401 GET /api/v1/health
}
knows() { by "$1" ask 200 GET /api/v1/health; }

# A browser sends the cookie with what any page asks of us.
test_E15_a_call_that_changes_something_has_to_come_from_a_page_of_ours() {
    local make=(POST /api/v1/endpoints) page made=0
    printf 'state: sqlite:state.db\nauth: { origins: [https://app.example.com] }\nevents: { allow: [127.0.0.1] }\n' >lockstep.yaml
    CRON_SECRET=a-cron-secret-of-the-test serve
    session $five "$admin"
    by "$cookie" ask 403 "${make[@]}" -d '{"name":"e0","url":"http://127.0.0.1:9/"}'
    says answer auth.origins
    for page in 'Sec-Fetch-Site: cross-site' 'Sec-Fetch-Site: same-site' 'Origin: https://evil.example' 'Origin: null' "Origin: $url.evil.example" \
        'Origin: https://app.example.com.evil.example' 'Origin: http://app.example.com'; do
        by "$cookie" ask 403 "${make[@]}" -H "$page" -d '{"name":"e0","url":"http://127.0.0.1:9/"}'
        by "$cookie" ask 403 GET /api/sync/process -H "$page" # a GET that does something
        by "$cookie" ask 200 GET /api/v1/endpoints -H "$page"
        is "$(jq -c .items answer)" '[]'
    done
    by "$cookie" ask 403 "${make[@]}" -H 'Sec-Fetch-Site: cross-site' -H "Origin: $url" -d '{"name":"e0","url":"http://127.0.0.1:9/"}'
    for page in 'Sec-Fetch-Site: same-origin' 'Sec-Fetch-Site: none' "Origin: $url" 'Origin: https://app.example.com'; do
        made=$((made + 1))
        by "$cookie" ask 201 "${make[@]}" -H "$page" -d "{\"name\":\"e$made\",\"url\":\"http://127.0.0.1:9/\"}"
    done
    by "$cookie" ask 200 GET /api/sync/process -H 'Sec-Fetch-Site: same-origin'
    by "$cookie" ask 204 DELETE /api/v1/endpoints/e1 -H 'Sec-Fetch-Site: cross-site' -H 'Origin: https://app.example.com'
    # no form can send JSON, nor a page elsewhere without being asked first
    ask_with=()
    by "$cookie" ask 415 POST /api/v1/endpoints -H 'Content-Type: text/plain' -H 'Sec-Fetch-Site: same-origin' -d '{"name":"e9","url":"http://127.0.0.1:9/"}'
    status 0 lockstep audit list --json
    is "$(jq -r 'select(.subject == "e2") | .actor' out)" nextauth:ann@example.org
    finish
    lacks log "${cookie#*=}"
    lacks out "${cookie#*=}"
    ! grep -laF -- "${cookie#*=}" state.db* || die "the state has the session"
}

run_tests
