#!/bin/sh
# Makes .venv if there is none that works. Debian splits ensurepip out of Python: without it the pip that is already
# installed is asked to put a pip into the new environment.
set -eu
venv=.venv

if [ -x "$venv/bin/python" ] && "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    exit 0
fi
python=$("$(dirname "$0")/find_python.sh")
echo "making $venv with $("$python" --version)"
if "$python" -m venv --clear "$venv" >/dev/null 2>&1; then
    exit 0
fi
if "$python" -m venv --clear --without-pip "$venv" && "$python" -m pip --python "$venv/bin/python" install --quiet pip; then
    exit 0
fi
echo "$python can make no virtual environment: install the package that brings venv (Debian: apt-get install python3-venv)" >&2
exit 1
