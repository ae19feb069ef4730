#!/bin/sh
# Runs as a service of the booted container: looks at the recorder's service. Called by tests/packaging/boot.
set -u
say() { printf '\n== %s\n' "$*"; }
fail() { echo "FAILED: $*"; journalctl -u cctv-s3-pipeline --no-pager | tail -n 30; exit 1; }
unit=cctv-s3-pipeline
show() { systemctl show -p "$1" --value "$unit"; }
within() { # within SECONDS WHAT COMMAND…
    limit=$1 what=$2
    shift 2
    for _ in $(seq "$((limit * 5))"); do "$@" && return 0; sleep 0.2; done
    fail "$what"
}
. /support/scene.env

say "a fresh install is active and says what to fill in"
systemctl start $unit || fail "it does not start"
systemctl is-active $unit || fail "not active"
show StatusText
journalctl -u $unit --no-pager | grep -q "no camera is enabled" || fail "it does not say what to fill in"

say "setup writes both files and restarts it"
CAMERA_PASSWORD=$CAMERA_SECRET AWS_ACCESS_KEY_ID=$S3_KEY AWS_SECRET_ACCESS_KEY=$S3_SECRET \
    cctv-s3-pipeline setup --yes --camera-name gate --camera-url "$CAMERA_URL" --camera-user admin \
    --bucket "$S3_BUCKET" --endpoint "$S3_ENDPOINT" || fail "setup"
stat -c '%a %U:%G %n' /etc/cctv-s3-pipeline/config.toml /etc/default/cctv-s3-pipeline
objects() { [ "$(find /support/bucket -name 'segment_*.ts' | wc -l)" -ge "$1" ]; }
within 60 "no segments in the bucket" objects 2
echo "segments in the bucket: $(find /support/bucket -name 'segment_*.ts' | wc -l)"
sleep 6
show StatusText
pid=$(show MainPID)
grep -E 'NoNewPrivs|Seccomp:|CapEff' "/proc/$pid/status"
id -nG cctv

say "the sandbox: nothing else can be written"
for place in /usr /etc /srv /var/tmp/../lib; do
    nsenter -t "$pid" -m -r -- sh -c "touch $place/x" 2>&1 | grep -q "Read-only file system" || fail "$place can be written"
done

say "reload takes a changed file over, and refuses a wrong one"
sed -i 's/^bitrate_kbps = .*/bitrate_kbps = 900/' /etc/cctv-s3-pipeline/config.toml
systemctl reload $unit
said() { journalctl -u $unit --no-pager | grep -q "$1"; }
within 20 "no reload" said "reload: started anew: camera gate"
[ "$(show MainPID)" = "$pid" ] || fail "reload started another process"

say "watchdog: a process that stands still is started anew"
mkdir -p /run/systemd/system/$unit.service.d
printf '[Service]\nWatchdogSec=4\n' > /run/systemd/system/$unit.service.d/soon.conf
systemctl daemon-reload
systemctl restart $unit
kill -STOP "$(show MainPID)"
again() { [ "$(show NRestarts)" -ge 1 ] && systemctl is-active -q $unit; }
within 40 "no restart" again
echo "restarts: $(show NRestarts)"
before=$(find /support/bucket -name 'segment_*.ts' | wc -l)
within 60 "no segments after the restart" objects "$((before + 1))"

say "stop is in time and closes the open segment"
began=$(date +%s%N)
systemctl stop $unit
echo "stopped after $((($(date +%s%N) - began) / 1000000)) ms, result $(show Result)"
[ "$(show Result)" = success ] || fail "stop"
journalctl -u $unit --no-pager | tail -n 3
journalctl -u $unit -p warning --no-pager | tail -n 5

say "a wrong configuration does not loop"
echo 'framerate = 0' >> /etc/cctv-s3-pipeline/config.toml
systemctl start $unit
sleep 8
echo "state $(show ActiveState), exit status $(show ExecMainStatus), restarts $(show NRestarts)"
[ "$(show ExecMainStatus)" = 78 ] && [ "$(show ActiveState)" = failed ] || fail "it does not stay down"
echo "all as it should be"
