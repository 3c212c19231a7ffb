#!/bin/sh
# Resolves the dependencies in an environment of its own and writes plain name==version lines: no addresses, no
# hashes, so that any registry or mirror can serve them.
set -eu
mkdir -p var
python=$("$(dirname "$0")/find_python.sh")
fresh=$(mktemp -d var/constraints.XXXXXX)
trap 'rm -rf "$fresh"' EXIT
"$python" -m venv "$fresh"
"$fresh/bin/python" -m pip install -qq --disable-pip-version-check -e '.[dev,dicom,postgresql]'
{
    echo "# The exact versions the tests ran with. Written by: make constraints"
    "$fresh/bin/python" -m pip freeze --exclude-editable | grep -E '^[A-Za-z0-9_.-]+==[A-Za-z0-9_.!+-]+$'
} >constraints.txt
