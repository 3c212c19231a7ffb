#!/bin/sh
# Installs the programs that tests talk to and pip cannot bring: a browser, DICOM peers and a Java for Spark. Nothing is
# done when all of them are there. Nothing Debian installs is started (policy-rc.d answers 101 while apt-get runs).
set -eu

# program:Debian package
needed="chromium:chromium chromedriver:chromium-driver storescu:dcmtk Orthanc:orthanc java:openjdk-17-jre-headless"

# Orthanc's program stands where only root looks.
PATH="$PATH:/usr/sbin"
missing=""
for pair in $needed; do
    command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair#*:}"
done
[ -z "$missing" ] && exit 0

how="apt-get install --no-install-recommends$missing"
stop() {
    echo "$1" >&2
    [ "${ALLOW_MISSING:-}" = 1 ] && exit 0
    echo "(ALLOW_MISSING=1 leaves out the tests that need it)" >&2
    exit 1
}
command -v apt-get >/dev/null 2>&1 || stop "The tests need these Debian packages, or their like on this system:$missing"
[ "$(id -u)" = 0 ] || stop "The tests need packages that only root can install: sudo $how"

echo "installing$missing"
log=$(mktemp)
policy=/usr/sbin/policy-rc.d
ours=""
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    ours=1
fi
cleanup() {
    [ -n "$ours" ] && rm -f "$policy"
    rm -f "$log"
}
trap cleanup EXIT
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # a list of package names
if ! { apt-get update && apt-get install --yes --no-install-recommends $missing; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    stop "This failed: apt-get update && $how"
fi
# The archive is started by tests only, never as a service, now or at the next start of the machine.
case "$missing" in *orthanc*) command -v update-rc.d >/dev/null 2>&1 && update-rc.d orthanc disable >>"$log" 2>&1 || true ;; esac
