#!/bin/sh
# Runs as a service of the booted container: goes to the next version while a camera is recorded, back, and forth again. Called by
# tests/packaging/boot with the packages of this commit and of what tests/packaging/next makes of it.
set -u
. /support/booted.sh
export DEBIAN_FRONTEND=noninteractive
state=/var/lib/cctv-s3-pipeline
config=/etc/cctv-s3-pipeline/config.toml

install_it() { apt-get install -y -q --allow-downgrades "$1" > /support/apt.log 2>&1 || { cat /support/apt.log; fail "apt-get install $1"; }; }
recorder() { runuser -u cctv -- cctv-s3-pipeline --config $config "$@"; }
ready() { systemctl is-active -q $unit && [ "$(show MainPID)" != "$1" ]; }
uploaded() { recorder status --json | tr -d ' \n' | sed -n 's/.*"state":"uploaded","count":\([0-9]*\).*/\1/p'; }
has_uploaded() { number=$(uploaded) && [ "${number:-0}" -ge "$1" ]; }
store_is_whole() { recorder check store > /support/check.log 2>&1 || { cat /support/check.log; fail "check store"; }; tail -n 1 /support/check.log; }

say "the version of today records"
systemctl start $unit
set_up > /dev/null || fail "setup"
within 60 "no segments in the bucket" has_objects 2
within 60 "no uploaded rows" has_uploaded 2
before=$(uploaded)
pid=$(show MainPID)
cctv-s3-pipeline --version
echo "uploaded: $before"
# a segment is open in the middle of its ten seconds
sleep 5

say "upgrade to the next version"
began=$(date +%s)
install_it "$NEXT_DEB"
within 60 "the new version is not ready" ready "$pid"
echo "$(cctv-s3-pipeline --version) runs after $(($(date +%s) - began)) s"
said "migrated $state/segments.db" || fail "nothing was migrated"
[ -f "$(find $state -name 'segments.db.v*')" ] || fail "no copy of the old database"
ls -l $state
within 60 "rows were lost" has_uploaded "$((before + 2))"
store_is_whole
recorder report
[ "$(stat -c '%a %U:%G' $config)" = "640 root:cctv" ] || fail "the configuration has other rights"

say "a file with a key of the old version is read, with a warning"
sed -i '/^\[server\]/a http_port = 8081' $config
sed -i '/^port = 8080/d' $config
systemctl restart $unit || fail "it does not start with an obsolete key"
said "server.http_port is obsolete; it is read as port: rename it to that" || fail "no warning"
journalctl -u $unit --no-pager -p warning | grep obsolete | tail -n 1
sed -i 's/^http_port = 8081/port = 8080/' $config

say "the version before is refused by the database, and stays down"
sum() { sha256sum < $state/segments.db; }
install_it "$DEB"
down() { [ "$(show ActiveState)" = failed ]; }
within 30 "it does not stay down" down
stopped=$(sum)
echo "state $(show ActiveState), exit status $(show ExecMainStatus), restarts $(show NRestarts)"
[ "$(show ExecMainStatus)" = 78 ] || fail "another exit status"
journalctl -u $unit --no-pager | grep "this program knows up to" | tail -n 1 | grep "segments.db.v" || fail "no clear message"
sleep 7
[ "$(show NRestarts)" = 0 ] && [ "$(sum)" = "$stopped" ] || fail "it goes on trying, or wrote"

say "the next version again"
objects=$(objects)
install_it "$NEXT_DEB"
within 30 "not ready" ready 0
within 60 "no segments in the bucket" has_objects "$((objects + 2))"
store_is_whole

say "the three parts apart are restarted as well"
systemctl disable --now $unit 2>/dev/null
parts="$unit-capture $unit-uploader $unit-server"
# shellcheck disable=SC2086
systemctl enable --now $parts 2>/dev/null
pids() { for part in $parts; do systemctl show -p MainPID --value "$part"; done | tr '\n' ' '; }
all_up() { for part in $parts; do systemctl is-active -q "$part" || return 1; done; }
within 60 "the parts do not start" all_up
old=$(pids)
objects=$(objects)
within 60 "the parts do not record" has_objects "$((objects + 2))"
apt-get install -y -q --reinstall "$NEXT_DEB" > /support/apt.log 2>&1 || { cat /support/apt.log; fail "apt-get install --reinstall"; }
within 60 "the parts are not up" all_up
for pid in $old; do
    [ ! -d "/proc/$pid" ] || fail "process $pid of the old package goes on"
done
systemctl is-active -q $unit && fail "the whole one was started beside its parts"
objects=$(objects)
within 60 "the parts do not record after it" has_objects "$((objects + 2))"
systemctl is-active $parts
systemctl stop $parts
store_is_whole
echo "all as it should be"
