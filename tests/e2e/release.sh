#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# release.sh - what users get: hardened files, no symbol but ours, an installed library that a
# stranger's program can use, a quickstart that does what it says, and the tools beside it.
set -u
cd "$(dirname "$0")/../.." || exit 3

work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT

# expect NAME COMMAND...: one test; what the command printed is the reason when it fails.
expect() {
    local name=$1
    shift
    if "$@" >"$work/reason" 2>&1; then
        echo "ok $name"
    else
        echo "not ok $name - $(tail -n 4 "$work/reason" | tr '\n' ' ')"
    fi
}

# Kept between runs, so that the second one is quick.
build=${LOCKSTEP_BUILD_ROOT:-$PWD/build-check}-release
release_builds() {
    if [ ! -f "$build/build.ninja" ]; then
        meson setup "$build" -Dtests=disabled -Dwerror=true --prefix=/usr || return
    fi
    ninja -C "$build" -j2
}
expect "a release builds without a warning" release_builds
[ -x "$build/lockstep" ] || exit 1
program=$build/lockstep
library=$build/liblockstep.so

position_independent() { readelf -h "$program" | grep -q 'Type: *DYN'; }
full_relro() {
    local file
    for file in "$program" "$library"; do
        echo "$file"
        readelf -lW "$file" | grep -q GNU_RELRO || return
        readelf -dW "$file" | grep -qE 'BIND_NOW|FLAGS.*NOW' || return
    done
}
stack_not_executable() { ! readelf -lW "$program" "$library" | grep GNU_STACK | grep -q RWE; }
fortified() { nm -D "$library" | grep -qE ' U __[a-z]+_chk' && nm -D "$library" | grep -q __stack_chk_fail; }
only_our_symbols() {
    ! nm -D --defined-only "$library" | awk '{ print $3 }' | sed 's/@.*//' | grep -v '^lockstep_'
}
loadable() { ! readelf -dW "$library" | grep -q NOOPEN; }
no_machine_paths() { ! strings "$program" "$library" | grep -F "$PWD/src"; }
expect "the program is position independent" position_independent
expect "program and library have full RELRO" full_relro
expect "no stack is executable" stack_not_executable
expect "the library is built with FORTIFY and stack protector" fortified
expect "the library exports lockstep_ symbols and no other" only_our_symbols
expect "the library can be loaded by other languages" loadable
expect "no file holds the path it was built in" no_machine_paths
says_version() { "$program" --version | grep -qF 0.1.0; }
expect "the program says its version" says_version

root=$work/root
meson install -C "$build" --no-rebuild --destdir "$root" >"$work/log" 2>&1
cat >"$work/stranger.c" <<'END'
#include <lockstep.h>
#include <stdio.h>
int main(void)
{
    struct lockstep_error error;
    struct lockstep *ls = NULL;
    struct lockstep_options options = {.config_path = "/nowhere/lockstep.yaml"};
    int rc = lockstep_open(&options, &ls, &error);
    lockstep_close(ls);
    printf("%d %s\n", rc, error.text);
    return rc == LOCKSTEP_OK;
}
END
stranger() { # stranger FLAG...: compiled against the installed files alone, run with them
    export PKG_CONFIG_SYSROOT_DIR=$root PKG_CONFIG_LIBDIR
    PKG_CONFIG_LIBDIR=$(dirname "$(find "$root" -name lockstep.pc)"):$(pkg-config --variable pc_path pkg-config)
    local flags
    # The other libraries are the system's, not the scratch root's.
    flags=$(pkg-config --cflags --libs "$@" lockstep | sed "s#$root$root#$root#g")
    # shellcheck disable=SC2086 # flags are words
    gcc -std=c17 -Wall -Wextra -Werror -pedantic "$work/stranger.c" $flags -o "$work/stranger" &&
        LD_LIBRARY_PATH=$(dirname "$(find "$root" -name liblockstep.so)") "$work/stranger"
}
expect "a program builds and runs with the installed shared library" stranger
header_is_cpp() {
    # clang comes with clang-tidy; the header needs nothing of a C++ library.
    echo '#include <lockstep.h>' | clang-14 -std=c++17 -Wall -Wextra -pedantic -Werror -x c++ -fsyntax-only -I include -
}
expect "the header compiles as C++" header_is_cpp
static_too() {
    [ -n "$(find "$root" -name liblockstep.a)" ] || { echo "liblockstep.a is not installed"; return 1; }
}
expect "the static library is installed too" static_too

layers_check_bites() {
    mkdir -p "$work/tree/src/base" "$work/tree/src/cli" "$work/tree/include"
    echo '#include "engine/plan.h"' >"$work/tree/src/base/climbs.c"
    echo '#include "base/error.h"' >"$work/tree/src/cli/peeks.c"
    [ "$(tools/check-layers "$work/tree" | wc -l)" -eq 2 ]
}
expect "the layer check names what climbs" layers_check_bites

packages_are_csv() {
    tools/debian-index "$work/index" && head -n 1 "$work/index/archive.csv" | grep -q '^package,version,' &&
        [ "$(wc -l <"$work/index/archive.csv")" -gt 60000 ] &&
        [ "$(cut -d, -f1 "$work/index/archive.csv" | sort | uniq -d | wc -l)" -eq 0 ]
}
expect "the package index becomes CSV with 60,000 packages and one line each" packages_are_csv
versions_are_dpkgs() {
    # The newest of each package that occurs more than once, asked of dpkg itself.
    local index file package version best=
    # shellcheck disable=SC2016 # apt-get fills it in
    for index in $(apt-get indextargets --format '$(FILENAME)' 'Created-By: Packages' | grep -v backports); do
        for file in "$index" "$index".lz4 "$index".gz; do
            if [ -e "$file" ]; then /usr/lib/apt/apt-helper cat-file "$file" && echo; fi
        done
    done | awk '/^Package: /{p=$2} /^Version: /{print p, $2}' | sort -u |
        awk '{c[$1]++; v[$1]=v[$1] " " $2} END {for (p in c) if (c[p] > 1) print p v[p]}' | sort | head -n 400 |
        while read -r package rest; do
            best=
            for version in $rest; do
                if [ -z "$best" ] || dpkg --compare-versions "$version" gt "$best"; then best=$version; fi
            done
            grep -qF "$package,$best," "$work/index/archive.csv" || { echo "$package is not $best"; exit 1; }
        done
}
expect "the newest version is the one that dpkg calls newest" versions_are_dpkgs

quickstart() { # its output to a file; the last lines are the reason when it fails
    ./quickstart --once --build "$build" --data "$work/data" >"$work/quickstart" 2>&1 || {
        tail -n 4 "$work/quickstart"
        return 1
    }
}
printed() { grep -qF -- "\$ lockstep $1" "$work/quickstart"; }
foreign_folder_is_kept() {
    mkdir "$work/mine" && echo precious >"$work/mine/file"
    ! ./quickstart --once --build "$build" --data "$work/mine" && grep -q precious "$work/mine/file"
}
expect "quickstart runs to its end" quickstart
for command in sync status diff plan verify history receipt undo; do
    expect "quickstart shows $command" printed "$command"
done
# The last line but the daemon's own is its address; it ends when it is told to.
quickstart_serves() {
    local pid url='' status=0
    ./quickstart --listen 127.0.0.1:0 --build "$build" --data "$work/data" >"$work/served" 2>&1 &
    pid=$!
    until url=$(grep -oE '^http://127\.0\.0\.1:[0-9]+$' "$work/served"); do
        kill -0 "$pid" 2>/dev/null || { tail -n 4 "$work/served"; return 1; }
        sleep 0.2 # the pace of looking; what is waited for is the address
    done
    curl -sf "$url/healthz" >/dev/null && "$build/lockstep" schedule list --json --state "sqlite:$work/data/state.db" | grep -q '"id":"packages"' || status=1
    kill -TERM "$pid"
    wait "$pid" && [ "$status" = 0 ]
}
expect "quickstart can be run again, and ends with the daemon that has its sync on a schedule" quickstart_serves
expect "quickstart removes no folder of somebody else" foreign_folder_is_kept
