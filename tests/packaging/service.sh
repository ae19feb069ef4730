#!/bin/sh
# Runs as a service of the booted container: looks at the recorder's service. Called by tests/packaging/boot.
set -u
. /support/booted.sh

say "a fresh install is active and says what to fill in"
systemctl start $unit || fail "it does not start"
systemctl is-active $unit || fail "not active"
show StatusText
journalctl -u $unit --no-pager | grep -q "no camera is enabled" || fail "it does not say what to fill in"

say "setup writes both files and restarts it"
set_up || fail "setup"
stat -c '%a %U:%G %n' /etc/cctv-s3-pipeline/config.toml /etc/default/cctv-s3-pipeline
within 60 "no segments in the bucket" has_objects 2
echo "segments in the bucket: $(objects)"
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
before=$(objects)
within 60 "no segments after the restart" has_objects "$((before + 1))"

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
