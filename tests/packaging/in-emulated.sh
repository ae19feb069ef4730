#!/bin/sh
# Runs inside an emulated root: installs the package, and records ten seconds and more as they are, and recoded. Called by
# tests/packaging/emulated.
#   in-emulated.sh PACKAGE.deb
set -eu
say() { printf '\n== %s\n' "$*"; }
fail() { echo "FAILED: $*" >&2; exit 1; }
. /support/scene.env
# between two readings of the clock
seconds() { echo "$(($(date +%s) - $1)) s"; }

say "install on $(dpkg --print-architecture)"
began=$(date +%s)
apt-get update -q
apt-get install -y -q --no-install-recommends "$1" > /support/install.log 2>&1 || { tail -n 30 /support/install.log; fail install; }
echo "$(grep -c ^Unpacking /support/install.log) packages in $(seconds "$began")"
dpkg -l libgstreamer1.0-0 cctv-s3-pipeline | awk '/^ii/ {print $2, $3, $4}'
cctv-s3-pipeline --version
state=/var/lib/cctv-s3-pipeline
recorder() {
    (cd $state && setpriv --reuid cctv --regid cctv --init-groups env HOME=$state XDG_CACHE_HOME=$state \
        "$@" --config /etc/cctv-s3-pipeline/config.toml $command)
}
write_config() { # write_config MODE
    cat > /etc/cctv-s3-pipeline/config.toml <<CONFIG
[[camera]]
name = "$1"
url = "$CAMERA_URL"
username = "admin"
password = "\${CAMERA_PASSWORD}"
[capture]
mode = "$1"
resolution = "320x180"
framerate = 5
[storage]
segments_dir = "$state/segments"
database = "$state/segments.db"
[s3]
bucket = "$S3_BUCKET"
endpoint = "$S3_ENDPOINT"
[server]
enabled = false
CONFIG
}
cat > /etc/default/cctv-s3-pipeline <<SECRETS
CAMERA_PASSWORD='$CAMERA_SECRET'
AWS_ACCESS_KEY_ID='$S3_KEY'
AWS_SECRET_ACCESS_KEY='$S3_SECRET'
SECRETS
for mode in passthrough transcode; do
    say "$mode"
    write_config $mode
    began=$(date +%s)
    command="check pipeline" recorder cctv-s3-pipeline || fail "check pipeline"
    echo "check pipeline: $(seconds "$began")"
    began=$(date +%s)
    command=run recorder timeout --signal TERM 120 cctv-s3-pipeline > "/support/$mode.log" 2>&1 || true
    objects=$(find "/support/bucket" -path "*$mode*" -name 'segment_*.ts' | wc -l)
    [ "$objects" -ge 2 ] || { cat "/support/$mode.log"; fail "$objects segments in the bucket"; }
    echo "$objects segments of $mode in the bucket after $(seconds "$began")"
    command="report --camera $mode" recorder cctv-s3-pipeline || true
done
command="check store" recorder cctv-s3-pipeline || fail "check store"
say "all as it should be"
