#!/usr/bin/env bash
# Usage: scripts/run.sh COMMAND...
# Runs COMMAND in this project's own environment, .venv, which it sets up first: on a fresh machine, and again whenever
# constraints.txt or pyproject.toml changed. Needs Python 3.10 to 3.14; PYTHON=/path/to/python names one. Examples:
#   scripts/run.sh python basicsr/train.py -opt options/rim_demo.yml
#   scripts/run.sh pytest
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv="$root/.venv"
stamp="$venv/.rim_plugin_is_set_up"
# GB: 7 stay, with the versions of constraints.txt; 3 are what pip downloads before it installs
set_up_gb=10

say() { echo "run.sh: $*" >&2; }

wanted() { echo "$root $(cat "$root/constraints.txt" "$root/pyproject.toml" | cksum)"; }

is_set_up() { [ -x "$venv/bin/python" ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(wanted)" ]; }

find_python() {
    # A name on PATH may still not run (pyenv's shims), and Debian's Python comes without ensurepip.
    local candidate names=(python3.12 python3.11 python3.10 python3.13 python3.14 python3 python)
    [ -z "${PYTHON:-}" ] || names=("$PYTHON")
    for candidate in "${names[@]}"; do
        if "$candidate" -c 'import sys, ensurepip; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null; then
            "$candidate" -c 'import sys; print(sys.executable)'
            return
        fi
    done
    [ -z "${PYTHON:-}" ] || say "PYTHON=$PYTHON is none of these, or does not run:"
    say "no Python 3.10 to 3.14 with ensurepip found."
    say "Install one, e.g. 'apt-get install python3.11 python3.11-venv', or name one: PYTHON=/path/to/python3.12 scripts/run.sh ..."
    return 1
}

require_space() {
    # What is there of the environment counts; a file system without sizes, as df tells of some, is taken as large enough.
    local free needed=$set_up_gb
    if [ -d "$venv" ]; then
        needed=$((set_up_gb - $(du -sk "$venv" | awk '{ print int($1 * 1.024e-6) }')))
    fi
    free=$(df -Pk "$root" | awk 'NR == 2 && $2 > 0 { print int($4 * 1.024e-6) }')
    if [ "${free:-$needed}" -lt "$needed" ]; then
        say "setting up $venv takes $needed GB, its disk has $free GB free: delete old environments (.venv in other copies)" \
            "and test folders (${TMPDIR:-/tmp}/pytest-of-*) there, or move $root to a larger disk"
        return 1
    fi
}

set_up() {
    # pip's own folder, as a /tmp in memory would be too small
    local python downloads="$venv/tmp"
    local pip=(env TMPDIR="$downloads" "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-cache-dir --no-deps)
    require_space
    rm -rf "$stamp" "$downloads"
    if [ "$(cat "$stamp.root" 2>/dev/null)" != "$root" ] || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
        python=$(find_python)
        say "making $venv with $("$python" --version)"
        "$python" -m venv --clear "$venv"
        echo "$root" >"$stamp.root"
    fi
    mkdir "$downloads"
    say "installing the versions of constraints.txt (the first time some GB and several minutes)"
    "${pip[@]}" -r <(grep -v '^basicsr' "$root/constraints.txt")
    say "building BasicSR"
    PYTHONPATH="$root/scripts/basicsr_build" "${pip[@]}" --no-build-isolation -r <(grep '^basicsr' "$root/constraints.txt")
    "${pip[@]}" --no-build-isolation -e "$root"
    rm -rf "$downloads"
    wanted >"$stamp"
    say "ready"
}

set_up_once() {
    # The lock belongs to file descriptor 9, hence ends with this process, killed or not; a second run waits for the first.
    local python
    python=$(find_python)
    exec 9<"$root/constraints.txt"
    if ! "$python" -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)' 2>/dev/null; then
        say "waiting for another set-up of this environment"
        "$python" -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)'
    fi
    is_set_up || set_up
    exec 9<&-
}

if [ $# -eq 0 ]; then
    sed -n '2,6s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
    exit 2
fi
is_set_up || set_up_once
export VIRTUAL_ENV="$venv" PATH="$venv/bin:$PATH"
unset PYTHONHOME
exec "$@"
