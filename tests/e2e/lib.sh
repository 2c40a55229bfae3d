# SPDX-License-Identifier: Apache-2.0
# lib.sh - what the suites share; sourced, not run.
#
# A suite is a file of `test_...` functions, run with `set -e`: any command that fails is the test's failure; `run_tests` runs them
# in order and prints `ok NAME` or `not ok NAME - why`. Each test gets an empty folder as its working folder, with its own state.
# shellcheck shell=bash
set -uo pipefail

: "${LOCKSTEP:?the lockstep program to test}"
work=$(mktemp -d "${TMPDIR:-/tmp}/lockstep-e2e.XXXXXX")
children=()

# What a test has started ends with it, however that ends. Whoever has the number of one that ended long ago is left alone: it is neither a child nor
# has it the suite's folder in its environment.
export TEST_WORK=$work
is_ours() {
    local parent
    parent=$(sed -E 's/.*\) . ([0-9]+) .*/\1/' "/proc/$1/stat" 2>/dev/null) || return 1
    [ "$parent" = "$2" ] || grep -qaF "TEST_WORK=$work" "/proc/$1/environ" 2>/dev/null
}
end_children() {
    local pid
    for pid in "${children[@]}"; do
        ! is_ours "$pid" "$BASHPID" || kill -KILL "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    children=()
}
finish_suite() {
    local status=$?
    end_children
    chmod -R u+rwX "$work" 2>/dev/null
    rm -rf -- "$work"
    exit "$status"
}
trap finish_suite EXIT
trap 'exit 143' TERM INT

# Fails the test with a reason.
die() {
    echo "$*" >"$work/why"
    return 1
}

# status WANTED COMMAND...: the command's exit status; its output is kept in ./out and ./err.
status() {
    local wanted=$1 got=0
    shift
    "$@" >out 2>err </dev/null || got=$?
    [ "$got" = "$wanted" ] || die "exit status $got, not $wanted: $* :: $(tail -n 3 err) $(tail -n 3 out)"
}

lockstep() { "$LOCKSTEP" "$@"; }

# says FILE TEXT...: every text stands in the file.
says() {
    local file=$1 text
    shift
    for text in "$@"; do
        grep -qF -- "$text" "$file" || { die "\"$text\" is not in $file: $(head -c 600 "$file")"; return 1; }
    done
}
lacks() { ! grep -qF -- "$2" "$1" || die "\"$2\" is in $1"; }
is() { [ "$1" = "$2" ] || die "\"$1\" is not \"$2\""; }

# until_true COMMAND...: looks 20 times a second whether it succeeds. After $patience seconds the test fails with what was seen last.
patience=120
until_true() {
    local end=$((SECONDS + patience))
    until "$@"; do
        [ $SECONDS -lt $end ] || { die "not within $patience s: $* :: $(last_seen)"; return 1; }
        sleep 0.05 # the pace of looking
    done
    rm -f "$work/why" # a look before may have said why not yet
}
# The ends of the files in which tests keep what they were told.
last_seen() {
    local file
    for file in answer status.out received told err log; do
        [ ! -f $file ] || printf '%s: %s | ' $file "$(tail -n 3 $file | tail -c 600)"
    done
}
# has_lines FILE N: there are at least N.
has_lines() { [ "$(wc -l <"$1")" -ge "$2" ]; }
# answer_is JQ WANTED: what a jq program says of ./answer.
answer_is() { [ "$(jq -r "$1" answer)" = "$2" ]; }

# A fresh database on the test server; prints its URL. Dropped with the suite's server.
pg_database() {
    local name="e2e_$1_$$"
    psql -qX -v ON_ERROR_STOP=1 "$LOCKSTEP_TEST_PG" -c "DROP DATABASE IF EXISTS $name" -c "CREATE DATABASE $name" >/dev/null 2>&1 || return 1
    pg_url "$name"
}
# The server's URL with another database.
pg_url() { sed -E "s#^(postgres(ql)?://[^/]*/)[^?]*#\1$1#" <<<"$LOCKSTEP_TEST_PG"; }
pg() { psql -qXAt -v ON_ERROR_STOP=1 "$@"; }

# hold DATABASE SQL: another session runs it in a transaction and keeps that open until `let_go`.
hold() {
    coproc HOLDER { exec env PGAPPNAME=somebody psql -qXAt "$1" 2>&1; }
    printf 'BEGIN;\n%s;\n\\echo held\n' "$2" >&"${HOLDER[1]}"
    local line
    while read -r line <&"${HOLDER[0]}"; do [ "$line" != held ] || return 0; done
    die "no lock was taken"
}
let_go() {
    printf 'ROLLBACK;\n\\q\n' >&"${HOLDER[1]}"
    wait "$HOLDER_PID" || true
}

run_tests() {
    local name failed=0
    for name in $(declare -F | sed -n 's/^declare -f \(test_.*\)/\1/p'); do
        [ -z "${ONLY:-}" ] || [[ $name =~ $ONLY ]] || continue
        mkdir -p "$work/$name"
        rm -f "$work/why"
        (
            trap end_children EXIT
            trap 'exit 143' TERM INT
            set -e
            cd "$work/$name"
            export LOCKSTEP_STATE=sqlite:$work/$name/state.db
            "$name"
        )
        if [ $? = 0 ]; then # not `if (...)`: that would switch set -e off inside
            echo "ok ${name#test_}"
        else
            echo "not ok ${name#test_} - $(cat "$work/why" 2>/dev/null | head -c 1500)"
            failed=1
        fi
        chmod -R u+rwX "$work/$name" 2>/dev/null
        rm -rf "${work:?}/$name"
    done
    return $failed
}
