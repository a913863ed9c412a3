#!/usr/bin/env bash
# Makes a clean clone ready: system tools, .venv with the pinned packages, native code, Mininet's Python package.
# Idempotent: a stamp keyed by everything it depends on turns later calls into nothing. Says in a sentence what is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
here=$PWD
venv=.venv
stamp=$venv/.set-up

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: error: %s\n' "$*" >&2; exit 1; }
have() { PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1; }

new_enough() { have "$1" && "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

check_asked() { # PYTHON, where it is set, is what is used and not a hint
    [ -z "${PYTHON:-}" ] || new_enough "$PYTHON" || fail "PYTHON=$PYTHON is no Python of 3.11 or newer"
}

base_of() { "$1" -c 'import os, sys; print(os.path.realpath(sys._base_executable), sys.version.split()[0])' 2>/dev/null; }

forget_other_venv() { # an environment that was made with another Python than the one asked for is made anew
    [ -n "${PYTHON:-}" ] && [ -x "$venv/bin/python" ] || return 0
    local old new
    old=$(base_of "$venv/bin/python" || true) new=$(base_of "$PYTHON")
    [ "$old" = "$new" ] && return 0
    say "$venv is of Python ${old##* }, and PYTHON=$PYTHON asks for ${new##* }: making it anew"
    rm -rf "$venv"
}

find_python() { # the first interpreter that is new enough
    local candidate
    for candidate in "${PYTHON:-}" python3 python3.14 python3.13 python3.12 python3.11 /usr/bin/python3; do
        [ -n "$candidate" ] && new_enough "$candidate" && { echo "$candidate"; return; }
    done
    return 1
}

has_venv() { "$1" -c 'import venv, ensurepip' 2>/dev/null; }
has_headers() { "$1" -c 'import os, sysconfig, sys; sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))' 2>/dev/null; }
has_libc_headers() { [ -e /usr/include/stdio.h ] || echo '#include <stdio.h>' | gcc -E - >/dev/null 2>&1; }

missing_packages() { # Debian packages whose tools this machine lacks, one a line
    local python=$1
    [ -n "$python" ] || echo python3
    if [ -z "$python" ] || ! has_venv "$python"; then echo python3-venv; fi
    have gcc || echo gcc
    have g++ || echo g++ # torch's tensors in registered memory; without it they are copied
    has_libc_headers || echo libc6-dev
    if [ -z "$python" ] || ! has_headers "$python"; then echo python3-dev; fi
    have ip && have tc || echo iproute2
    have ethtool || echo ethtool
    have mnexec && [ -d /usr/lib/python3/dist-packages/mininet ] || echo mininet
}

optional_packages() { # for the hardware model's Verilog only; its tests say so where they are missing
    have yosys || echo yosys
    have iverilog || echo iverilog
}

install_system_packages() {
    local missing optional
    missing=$(missing_packages "$(find_python || true)" | tr '\n' ' ')
    optional=$(optional_packages | tr '\n' ' ')
    if [ -n "${optional// /}" ] && [ "$(id -u)" -eq 0 ] && have apt-get; then
        say "installing ${optional% } for the hardware model"
        apt_install $optional || say "not installed: ${optional% }; the hardware model's tests will say what they lack"
    fi
    [ -n "${missing// /}" ] || return 0
    if [ "$(id -u)" -ne 0 ] || ! have apt-get; then
        say "missing on this machine: ${missing% }. As root on Debian: apt-get install --no-install-recommends ${missing% }"
        return 0
    fi
    say "installing ${missing% }"
    apt_install $missing || fail "apt-get could not install: ${missing% }"
}

apt_install() { # with the package lists as they are, or after fetching them
    export DEBIAN_FRONTEND=noninteractive
    apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1 && return 0
    apt-get update -qq || true
    apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

fingerprint() { # whatever a change of which asks for a new set-up
    { echo "$here"; cat pyproject.toml setup.py scripts/setup.sh {emulator,fpisa}/native/*.c {emulator,fpisa}/native/*.h {emulator,fpisa}/native/*.py \
        2>/dev/null || true; find emulator/native fpisa/native -name '*.so' -printf '%p\n' | sort
      ls -d /usr/lib/python3/dist-packages/mininet 2>&1 || true; "$venv/bin/python" -V; } | sha256sum | cut -d' ' -f1
}

make_venv() {
    local python
    python=$(find_python) || fail "no Python 3.11 or newer; install one, or name it: make PYTHON=/path/to/python3.11"
    has_venv "$python" || fail "$python cannot make virtual environments; install python3-venv"
    have gcc || fail "gcc is missing; the packet rings are C and are compiled on this machine"
    has_headers "$python" || fail "Python.h is missing for $python; install python3-dev"
    say "making $venv with $("$python" -V)"
    "$python" -m venv "$venv"
}

install_python_packages() {
    say "installing the pinned Python packages (the first time takes minutes: torch is large)"
    # setuptools also stands in for distutils, which Mininet 2.3 imports and Python 3.12 dropped.
    "$venv/bin/python" -m pip install -qq --disable-pip-version-check 'setuptools>=77' ||
        fail "pip could not install setuptools; is a package index reachable?"
    local extras=train,dev
    grep -q '^hw = ' pyproject.toml && extras=$extras,hw
    "$venv/bin/python" -m pip install -qq --disable-pip-version-check -e ".[$extras]" ||
        fail "pip could not install the project; its message is above"
}

link_mininet() { # Mininet is Debian's, not on PyPI: only this one package of the system's Python is shown to the venv
    local source=/usr/lib/python3/dist-packages/mininet target
    target=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/mininet
    [ -d "$source" ] || { say "no Mininet on this machine: networks will be in-process"; return 0; }
    [ -e "$target" ] || ln -s "$source" "$target"
    "$venv/bin/python" -c 'import mininet.net' 2>/dev/null || fail "Mininet is installed but does not import with $("$venv/bin/python" -V)"
}

main() {
    check_asked
    forget_other_venv
    if [ -x "$venv/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$(fingerprint)" ]; then return 0; fi
    install_system_packages
    [ -x "$venv/bin/python" ] || make_venv
    install_python_packages
    link_mininet
    fingerprint >"$stamp"
    say "ready"
}

# Two makes at once must not write one environment.
exec 9>"${TMPDIR:-/tmp}/fpisa-setup-$(printf %s "$here" | cksum | cut -d' ' -f1).lock"
if have flock; then flock 9; fi
main
