#!/bin/sh
# The same checks for people and CI: all of them run, what failed is named at the end.
set -u
cd "$(dirname "$0")/.."
bin=.venv/bin
failed=

step() {
    name=$1
    shift
    output=$("$@" 2>&1)
    if [ $? -eq 0 ]; then
        echo "ok      $name"
    else
        echo "$output"
        echo "FAILED  $name"
        failed="$failed $name,"
    fi
}

step format $bin/ruff format --check .
step lint $bin/ruff check .
step types $bin/mypy
step docs $bin/python -m deploy.docs --check
if [ -n "$failed" ]; then
    echo "check: failed:${failed%,}"
    exit 1
fi
