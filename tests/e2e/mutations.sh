#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# mutations.sh - takes the remedy of one trap away at a time, and sees that a test notices. Wants to be alone.
#
# The traps stand in tests/mutations/*.txt, a paragraph each:
#
#   trap: what goes wrong without the remedy
#   file: src/...
#   after: a text that stands once in the file, before the place (left out when `from` stands there once)
#   from: the text that is the remedy, on one line
#   to: what stands there instead
#   tests: names of tests (layer/name, conformance/kind) or tests of suites (suite:test); one of them must fail
#
# Quickly it is only checked that every text still stands where it is said to, and that the tests are there: a trap
# whose text has moved is a failure, so that the list cannot go stale. With LOCKSTEP_DEEP each mutation is built and its tests are run,
# without sanitizers, in a copy of the sources; the tests must pass in the copy as it is first.
# LOCKSTEP_TEST_MUTATIONS=DIR keeps copy and build there for the next time; ONLY=regex takes the traps that match.
. "$(dirname "$0")/lib.sh"

root=${LOCKSTEP_SOURCE_ROOT:-$(cd "$(dirname "$0")/../.." && pwd)}
place=${LOCKSTEP_TEST_MUTATIONS:-$work/mutations}
tree=$place/tree
build=$place/build
LIMIT_S=300 # a mutation may well wait for ever: that is noticed too

declare -a traps=() files=() afters=() froms=() tos=() tests=()

read_traps() {
    local line n=-1 list
    for list in "$root"/tests/mutations/*.txt; do
        while IFS= read -r line || [ -n "$line" ]; do
            case $line in
            'trap: '*) n=${#traps[@]} traps[n]=${line#trap: } afters[n]='' ;;
            'file: '*) files[n]=${line#file: } ;;
            'after: '*) afters[n]=${line#after: } ;;
            'from: '*) froms[n]=${line#from: } ;;
            'to:'*) tos[n]=${line#to:} tos[n]=${tos[n]# } ;;
            'tests: '*) tests[n]=${line#tests: } ;;
            '' | '#'*) ;;
            *) echo "$list: no line of a trap: $line" && return 1 ;;
            esac
        done <"$list"
    done
}

# mutate N TREE [FILE]: the mutated text into FILE; without FILE only a look whether it applies. Says what is wrong.
mutate() {
    local file=$2/${files[$1]} after=${afters[$1]} from=${froms[$1]} text before=
    [ -f "$file" ] || { echo "there is no ${files[$1]}" && return 1; }
    text=$(<"$file")
    if [ -n "$after" ]; then
        [[ $text == *"$after"* ]] || { echo "${files[$1]} has no \"$after\"" && return 1; }
        before=${text%%"$after"*}$after
        text=${text#*"$after"}
    fi
    [[ $text == *"$from"* ]] || { echo "${files[$1]} has no \"$from\"" && return 1; }
    [ -n "$after" ] || [[ ${text#*"$from"} != *"$from"* ]] || { echo "${files[$1]} has \"$from\" more than once" && return 1; }
    [ -z "${3:-}" ] || printf '%s%s%s%s\n' "$before" "${text%%"$from"*}" "${tos[$1]}" "${text#*"$from"}" >"$3"
}

program_of() { # the program of a test
    case $1 in
    conformance/*) echo "tests/conformance/conformance_${1#*/}" ;;
    */*) echo "tests/test_${1/\//_}" ;;
    *:*) echo lockstep ;;
    esac
}

test_there() { # is there such a test?
    case $1 in
    conformance/*) [ -f "$root/tests/conformance/${1#*/}.c" ] ;;
    */*) [ -f "$root/tests/unit/${1%/*}/test_${1#*/}.c" ] ;;
    *:*) grep -q "^test_${1#*:}()" "$root/tests/e2e/${1%%:*}.sh" ;;
    *) return 1 ;;
    esac
}

every_mutation_applies() {
    local n name bad=0
    for n in "${!traps[@]}"; do
        mutate "$n" "$root" || { bad=1 && echo "  (trap: ${traps[n]})"; }
        for name in ${tests[n]}; do
            test_there "$name" || { bad=1 && echo "there is no test $name (trap: ${traps[n]})"; }
        done
    done
    return $bad
}

copy_sources() {
    local name
    mkdir -p "$tree" || return 1
    for name in "$root"/*; do
        case $(basename "$name") in build*) ;; *) cp -ru --preserve=timestamps "$name" "$tree/" || return 1 ;; esac
    done
    [ -f "$build/build.ninja" ] || meson setup "$build" "$tree" --buildtype=debug -Doptimization=0 -Dtests=enabled >"$place/setup.log" 2>&1
}

build_for() { # the programs of some tests
    local name
    local -A wanted=()
    for name in "$@"; do wanted[$(program_of "$name")]=1; done
    ninja -C "$build" -j2 "${!wanted[@]}" >"$place/build.log" 2>&1
}

run_one() { # run_one TEST: its status
    mkdir -p "$place/tmp"
    case $1 in
    *:*)
        TMPDIR=$place/tmp LOCKSTEP=$build/lockstep LOCKSTEP_BUILD_ROOT=$build LOCKSTEP_DEEP='' ONLY="^test_${1#*:}\$" \
            timeout -k 10 "$LIMIT_S" "$tree/tests/e2e/${1%%:*}.sh" >"$place/test.log" 2>&1 </dev/null
        ;;
    *)
        TMPDIR=$place/tmp LOCKSTEP_BUILD_ROOT=$build LOCKSTEP_SOURCE_ROOT=$tree LOCKSTEP_DEEP='' PGSSLMODE=disable PGGSSENCMODE=disable \
            timeout -k 10 "$LIMIT_S" "$build/$(program_of "$1")" >"$place/test.log" 2>&1 </dev/null
        ;;
    esac
}

# Without a mutation all of them pass, or their failing would prove nothing.
everything_passes_first() {
    local name bad=0
    local -A all=()
    for name in "$@"; do all[$name]=1; done
    build_for "${!all[@]}" || { tail -n 20 "$place/build.log"; return 1; }
    for name in "${!all[@]}"; do
        run_one "$name" || { bad=1 && echo "$name fails without any mutation" && tail -n 5 "$place/test.log"; }
    done
    return $bad
}

noticed() { # noticed N: prints what noticed it, or why not
    local file=$tree/${files[$1]} name status=1
    cp "$file" "$place/before" && mutate "$1" "$tree" "$file" || return 1
    if ! build_for ${tests[$1]}; then
        echo "it does not build: $(grep -m1 error: "$place/build.log")"
    else
        for name in ${tests[$1]}; do
            run_one "$name" || { echo "$name" && status=0 && break; }
        done
        [ $status = 0 ] || echo "no test notices (${tests[$1]})"
    fi
    cp "$place/before" "$file" # with a new time, so that it is built again
    return $status
}

chosen() {
    local n
    for n in "${!traps[@]}"; do
        [ -z "${ONLY:-}" ] || [[ ${traps[n]} =~ $ONLY ]] || continue
        echo "$n"
    done
}

say() { # say STATUS NAME WHY
    if [ "$1" = 0 ]; then echo "ok $2"; else echo "not ok $2 - $3" && failed=1; fi
}

failed=0
read_traps || exit 1
why=$(every_mutation_applies)
say $? "every_mutation_applies" "$why"
if [ -n "${LOCKSTEP_DEEP:-}" ] && [ $failed = 0 ]; then
    unset LOCKSTEP_DEEP
    copy_sources || { echo "not ok copy - $(tail -n 5 "$place/setup.log")" && exit 1; }
    needed=$(for n in $(chosen); do echo "${tests[n]}"; done)
    why=$(everything_passes_first $needed)
    say $? "everything_passes_first" "$why"
    for n in $(chosen); do
        why=$(noticed "$n")
        status=$?
        say $status "${traps[n]// /_}" "$why"
        [ $status != 0 ] || echo "# noticed by $why"
    done
fi
exit $failed
