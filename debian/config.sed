# config.toml.example → /etc/cctv-s3-pipeline/config.toml: Debian's folders, and a camera that is switched off, so that a
# fresh install starts and says what to fill in
0,/^# enabled = true$/s|^# enabled = true$|enabled = false|
s|^segments_dir = .*|segments_dir = "/var/lib/cctv-s3-pipeline/segments"|
s|^database = .*|database = "/var/lib/cctv-s3-pipeline/segments.db"|
s|^file = .*|file = "/var/log/cctv-s3-pipeline/pipeline.log"|
