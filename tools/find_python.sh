#!/bin/sh
# Prints the first Python that is new enough; says what to install when there is none. PYTHON=... names one.
# 3.11 comes first because constraints.txt was resolved on it.
for candidate in ${PYTHON:+"$PYTHON"} python3.11 python3.12 python3.13 python3.14 python3 python /usr/bin/python3; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
        echo "$candidate"
        exit 0
    fi
    if [ "$candidate" = "${PYTHON:-}" ]; then
        echo "PYTHON=$PYTHON does not run or is older than 3.11." >&2
        exit 1
    fi
done
echo "Python 3.11 or newer is needed and was not found. Install it, or name it: make PYTHON=/path/to/python3.11" >&2
exit 1
