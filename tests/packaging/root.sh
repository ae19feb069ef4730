# Fresh minimal roots of Debian, for the scripts beside this one and for .ci; read by them. Needs root, mmdebstrap, and the network.

# fresh_root SUITE FOLDER PACKAGES [OPTIONS OF mmdebstrap…]    PACKAGES: with commas
fresh_root() {
    local suite=$1 folder=$2 packages=$3 mirror=http://deb.debian.org/debian
    mmdebstrap --quiet --variant=minbase --include="ca-certificates,$packages" "${@:4}" "$suite" "$folder" \
        "deb $mirror $suite main" "deb $mirror $suite-updates main" "deb $mirror-security $suite-security main"
    # a root has the certificates of this machine, for a mirror behind a proxy
    cp -r /usr/local/share/ca-certificates/. "$folder/usr/local/share/ca-certificates/"
    in_root "$folder" update-ca-certificates >/dev/null
}

# mount_into FOLDER    what is unmounted there must stay here
mount_into() {
    local part
    for part in proc sys dev; do
        mount --rbind "/$part" "$1/$part"
        mount --make-rslave "$1/$part"
    done
}

delete_root() {
    umount -R "$1/proc" "$1/sys" "$1/dev" 2>/dev/null || true
    umount -R "$1" 2>/dev/null || true
    rm -rf --one-file-system "$1"
}

# in_root FOLDER [NAME=VALUE…] COMMAND…
in_root() {
    chroot "$1" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "${@:2}"
}

# install_line NUMBER    of the commands in README.md's chapter "Install": build-dep, build, install
install_line() {
    sed -n '/^## Install$/,/^```$/p' README.md | sed -n '/^```sh$/,/^```$/p' | sed -n "$(($1 + 1))p" | sed "s/sudo //g"
}

# start_scene ROOT    the project's own simulated camera and verifying S3 server outside of the root, which must bring what it
# needs itself; prints the process. ROOT/support/scene.env says how to reach them, ROOT/support/bucket is the store's disk.
start_scene() {
    cargo build --quiet --example scene >&2
    mkdir -p "$1/support"
    target/debug/examples/scene "$1/support/bucket" > "$1/support/scene.env" &
    local scene=$!
    # its last line
    until grep -q '^S3_SECRET=' "$1/support/scene.env"; do
        kill -0 "$scene" || { echo "the simulated camera and store ended" >&2; return 1; }
        sleep 0.1
    done
    echo "$scene"
}
