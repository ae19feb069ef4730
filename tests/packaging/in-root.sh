#!/bin/sh
# Runs inside a fresh minimal root of Debian 12 or 13, as root: installs the package as a user does, looks at everything that it
# should have done, records a real camera into a real S3 server, removes and purges it. Called by tests/packaging/install.
#   in-root.sh PACKAGE.deb SUPPORT-FOLDER
set -eu
deb=$1 support=$2
say() { printf '\n== %s\n' "$*"; }
fail() { echo "FAILED: $*" >&2; exit 1; }
export DEBIAN_FRONTEND=noninteractive

say "install"
apt-get update -q
cat "$support/install"
(cd "$support/source" && sh "$support/install")

say "user, modes, unit, documents"
id cctv
id -nG cctv | grep -qw video || fail "cctv is not in the group video"
id -nG cctv | grep -qw render || fail "cctv is not in the group render"
mode() { [ "$(stat -c '%a %U:%G' "$1")" = "$2" ] || fail "$1 is $(stat -c '%a %U:%G' "$1"), not $2"; }
mode /etc/cctv-s3-pipeline/config.toml "640 root:cctv"
mode /etc/default/cctv-s3-pipeline "640 root:cctv"
mode /var/lib/cctv-s3-pipeline "750 cctv:cctv"
for unit in cctv-s3-pipeline cctv-s3-pipeline-capture cctv-s3-pipeline-uploader cctv-s3-pipeline-server; do
    [ -f "/lib/systemd/system/$unit.service" ] || fail "no unit $unit"
done
[ -L /etc/systemd/system/multi-user.target.wants/cctv-s3-pipeline.service ] || fail "the unit is not enabled"
for file in /usr/share/cctv-s3-pipeline/pipelines/transcode.launch /usr/share/cctv-s3-pipeline/monitoring/dashboard.json \
    /usr/share/bash-completion/completions/cctv-s3-pipeline.bash; do
    [ -f "$file" ] || fail "no $file"
done
cctv-s3-pipeline --version
as_cctv() { setpriv --reuid cctv --regid cctv --init-groups env HOME=/var/lib/cctv-s3-pipeline \
    XDG_CACHE_HOME=/var/cache/cctv-s3-pipeline "$@"; }
install -d -o cctv -g cctv -m 0750 /var/cache/cctv-s3-pipeline
as_cctv cctv-s3-pipeline check config

say "a fresh install starts and says what to fill in"
(cd /var/lib/cctv-s3-pipeline && as_cctv timeout --signal TERM 5 cctv-s3-pipeline --config /etc/cctv-s3-pipeline/config.toml run \
    > /tmp/first.log 2>&1) || true
cat /tmp/first.log
grep -q "no camera is enabled: write address and password of yours into /etc/cctv-s3-pipeline/config.toml" /tmp/first.log ||
    fail "it does not say what to fill in"
grep -q "made the user admin; its password is in /var/lib/cctv-s3-pipeline/admin-password" /tmp/first.log ||
    fail "no first administrator"
mode /var/lib/cctv-s3-pipeline/admin-password "600 cctv:cctv"

say "every pipeline can be built with the package's own dependencies"
as_cctv cctv-s3-pipeline check pipeline || fail "check pipeline"

say "a real camera into a real store"
# the project's own simulated camera and verifying S3 server, outside of the root: it must bring what it needs itself
. "$support/scene.env"
cat > /etc/cctv-s3-pipeline/config.toml <<CONFIG
[[camera]]
name = "gate"
url = "$CAMERA_URL"
username = "admin"
password = "\${CAMERA_PASSWORD}"
[storage]
segments_dir = "/var/lib/cctv-s3-pipeline/segments"
database = "/var/lib/cctv-s3-pipeline/segments.db"
[s3]
bucket = "$S3_BUCKET"
endpoint = "$S3_ENDPOINT"
[logging]
file = "/var/log/cctv-s3-pipeline/pipeline.log"
CONFIG
cat > /etc/default/cctv-s3-pipeline <<SECRETS
CAMERA_PASSWORD='$CAMERA_SECRET'
AWS_ACCESS_KEY_ID='$S3_KEY'
AWS_SECRET_ACCESS_KEY='$S3_SECRET'
SECRETS
(cd /var/lib/cctv-s3-pipeline && as_cctv timeout --signal TERM 35 cctv-s3-pipeline --config /etc/cctv-s3-pipeline/config.toml run) \
    > /tmp/run.log 2>&1 || true
tail -n 5 /tmp/run.log
objects=$(find "$support/bucket" -name 'segment_*.ts' | wc -l)
[ "$objects" -ge 2 ] || { cat /tmp/run.log; fail "$objects segments in the bucket"; }
echo "$objects segments are in the bucket"
as_cctv cctv-s3-pipeline status || true

say "remove, then purge"
cp /var/lib/cctv-s3-pipeline/segments.db /tmp/segments.db
apt-get remove -y -q cctv-s3-pipeline
[ -f /etc/cctv-s3-pipeline/config.toml ] || fail "removal took the configuration"
echo "waiting at removal: $(cat /var/lib/cctv-s3-pipeline/waiting-at-removal)"
echo 3 > /var/lib/cctv-s3-pipeline/waiting-at-removal
apt-get purge -y -q cctv-s3-pipeline 2>&1 | tee /tmp/purge.log
grep -q "3 segments in it are not in S3" /tmp/purge.log || fail "purge does not say what it keeps"
[ -d /var/lib/cctv-s3-pipeline/segments ] || fail "purge deleted footage that S3 does not have"
apt-get install -y -q "$deb" && apt-get remove -y -q cctv-s3-pipeline
echo 0 > /var/lib/cctv-s3-pipeline/waiting-at-removal
apt-get purge -y -q cctv-s3-pipeline
left=$(find / -xdev \( -path /proc -o -path /sys -o -path /tmp -o -path "$support" \) -prune -o -name '*cctv-s3-pipeline*' -print)
[ -z "$left" ] || fail "left behind: $left"
say "all as it should be"
