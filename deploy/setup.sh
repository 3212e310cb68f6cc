#!/bin/sh
# Makes .venv whole: creates it, mends it, or finds in half a second that nothing is to do.
# `.venv/.installing` stands while pip runs: found at the start, the last run was interrupted and
# the environment is made anew. `.venv/.stamp` holds what was installed.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
venv=.venv

fail() { echo "setup: $*" >&2; exit 1; }

wanted=$(cat pyproject.toml constraints.txt | cksum)

whole() {
    [ "$(cat $venv/.stamp 2>/dev/null)" = "$wanted" ] || return 1
    [ ! -e $venv/.installing ] || return 1
    for tool in pulse ruff mypy pytest; do [ -x "$venv/bin/$tool" ] || return 1; done
    $venv/bin/python -m pip check >/dev/null 2>&1
}

if whole; then exit 0; fi

command -v "$python" >/dev/null 2>&1 || fail "$python not found: install Python 3.11 or newer"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$("$python" --version 2>&1) is too old, 3.11 or newer is needed (make setup PYTHON=python3.12)"
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
    fail "$python has no venv module: install it (on Debian: apt-get install python3-venv)"

if [ -e $venv ]; then
    if [ -e $venv/.installing ] || ! $venv/bin/python -m pip --version >/dev/null 2>&1; then
        echo "setup: $venv is half-installed, starting over"
        rm -rf $venv
    fi
fi
[ -e $venv ] || { echo "setup: creating $venv"; "$python" -m venv $venv; }

: > $venv/.installing
rm -f $venv/.stamp
log=$venv/setup.log
echo "setup: installing packages (a minute or two, less when they are cached)"
status=$venv/.status
{ $venv/bin/python -m pip install --disable-pip-version-check --no-input --no-compile --progress-bar off \
    -c constraints.txt -e '.[dev]' 2>&1 && echo ok > $status || echo failed > $status; } |
    tee $log | awk '/^ *Collecting / { if (++n % 10 == 0) { print "setup: " n " packages found"; fflush() } }
                    /^Installing collected/ { print "setup: installing them"; fflush() }'
if [ "$(cat $status)" != ok ]; then
    grep -E '^ *(ERROR|error)' $log >&2 || tail -n 5 $log >&2
    fail "pip failed; all it said is in $log"
fi
rm -f $venv/.installing $status
echo "$wanted" > $venv/.stamp
echo "setup: done"
