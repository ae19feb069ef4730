# What the scripts share that run in the booted container; read by them.
say() { printf '\n== %s\n' "$*"; }
fail() { echo "FAILED: $*"; journalctl -u 'cctv-s3-pipeline*' --no-pager | tail -n 30; exit 1; }
unit=cctv-s3-pipeline
show() { systemctl show -p "$1" --value "$unit"; }
within() { # within SECONDS WHAT COMMAND…
    limit=$1 what=$2
    shift 2
    for _ in $(seq "$((limit * 5))"); do "$@" && return 0; sleep 0.2; done
    fail "$what"
}
# segments in the bucket
objects() { find /support/bucket -name 'segment_*.ts' | wc -l; }
has_objects() { [ "$(objects)" -ge "$1" ]; }
said() { journalctl -u $unit --no-pager | grep -qF "$1"; }
. /support/scene.env
set_up() {
    CAMERA_PASSWORD=$CAMERA_SECRET AWS_ACCESS_KEY_ID=$S3_KEY AWS_SECRET_ACCESS_KEY=$S3_SECRET \
        cctv-s3-pipeline setup --yes --camera-name gate --camera-url "$CAMERA_URL" --camera-user admin \
        --bucket "$S3_BUCKET" --endpoint "$S3_ENDPOINT"
}
