//! Bad files: each answer has file, line, key, what was found, what is allowed and what to do, and no secret.

use super::{BUCKET, CAMERA, SECRET, bad, parse};
use crate::config::EXAMPLE;

/// Whole sections after a good camera (6 lines) and bucket (2 lines): what stands in line 9 and on is wrong.
const BAD_SECTIONS: &[(&str, &str)] = &[
    (
        "[capture]\nframerate = 0",
        "config.toml:10: capture.framerate: found 0, allowed a whole number from 1 to 60; correct it, or leave the key out for 15",
    ),
    (
        "[capture]\n\n\nframerate = 61",
        "config.toml:12: capture.framerate: found 61, allowed a whole number from 1 to 60",
    ),
    (
        "[capture]\nframerate = 15.5",
        "capture.framerate: found a number with a fraction, allowed a whole number",
    ),
    (
        "[capture]\nframerate = \"15\"",
        "capture.framerate: found a string, allowed a whole number from 1 to 60; write it without quotes",
    ),
    (
        "[capture]\nbitrate_kbps = 99999999999999999999",
        "capture.bitrate_kbps: found 99999999999999999999, allowed a whole number from 50 to 50000",
    ),
    ("[capture]\nbitrate_kbps = -5", "capture.bitrate_kbps: found -5, allowed"),
    ("[capture]\nsegment_duration = 0.5", "capture.segment_duration: found a number with a fraction"),
    (
        "[capture]\nsegment_duration = 61",
        "capture.segment_duration: found 61, allowed a whole number from 1 to 60",
    ),
    (
        "[capture]\nmode = \"copy\"",
        "capture.mode: found \"copy\", allowed \"transcode\" or \"passthrough\"; ",
    ),
    ("[capture]\nmode = true", "capture.mode: found true or false, allowed a string; write it in \"…\""),
    (
        "[capture]\nresolution = \"1280x721\"",
        "capture.resolution: found \"1280x721\", allowed \"WIDTHxHEIGHT\" in even numbers from 16 to 7680",
    ),
    ("[capture]\nresolution = \"720p\"", "capture.resolution: found \"720p\""),
    ("[capture]\nresolution = \"+640x8\"", "capture.resolution: found \"+640x8\""),
    ("[capture]\nresolution = \"8000x4000\"", "capture.resolution: found \"8000x4000\""),
    (
        "[capture]\nfps = 15",
        "config.toml:10: capture.fps: found an unknown key; allowed here: bitrate_kbps, framerate",
    ),
    (
        "[capture]\nframrate = 15",
        "config.toml:10: capture.framrate: found an unknown key; did you mean framerate?",
    ),
    ("[capture]\nport = 15", "capture.port: found an unknown key; it belongs into [[camera]]"),
    ("[capture]\nlevel = 15", "capture.level: found an unknown key; it belongs into [logging]"),
    ("[sever]\nport = 1", "config.toml:9: sever: found an unknown key; did you mean server?"),
    (
        "[storage]\nlocal_buffer_minutes = -1",
        "storage.local_buffer_minutes: found -1, allowed a whole number from 0",
    ),
    (
        "[storage]\nmax_size_gb = -0.5",
        "storage.max_size_gb: found -0.5, allowed 0 or a number from 0.01 to 1000000",
    ),
    ("[storage]\nmax_size_gb = nan", "storage.max_size_gb: found nan, allowed"),
    ("[storage]\nmax_size_gb = \"5\"", "storage.max_size_gb: found a string, allowed"),
    ("[storage]\nsegments_dir = \"\"", "storage.segments_dir: found \"\", allowed a path"),
    (
        "[storage]\ndatabase = \"~/x.db\"",
        "storage.database: found \"~/x.db\", allowed a path without ~; write ${HOME} instead of ~",
    ),
    ("[storage]\ndatabase = [\"a\"]", "storage.database: found a list, allowed a string"),
    (
        "[server]\nenabled = \"no\"",
        "server.enabled: found a string, allowed true or false; write one of the two, without quotes",
    ),
    ("[server]\nbind = \"localhost\"", "server.bind: found \"localhost\", allowed an IP address"),
    (
        "[server.tls]\ncert = \"cert.pem\"",
        "server.tls.key: missing; add cert = \"…\" and key = \"…\", files in PEM",
    ),
    ("[server.tls]\ncert = \"\"\nkey = \"k\"", "server.tls.cert: found \"\", allowed a path"),
    (
        "[server.tls]\ncert = \"c\"\nkey = \"k\"\nredirect_port = 8080",
        "server.tls.redirect_port: found 8080, which is server.port",
    ),
    ("[server]\nport = 65536", "server.port: found 65536, allowed a whole number from 0 to 65535"),
    (
        "[server]\nplaylist_segments = 2",
        "server.playlist_segments: found 2, allowed a whole number from 3 to 1000",
    ),
    (
        "[logging]\nlevel = \"inof\"",
        "logging.level: found \"inof\", allowed off, error, warn, info, debug or trace",
    ),
    ("[logging]\nlevel = \"\"", "logging.level: found \"\", allowed"),
    ("[logging]\nlevel = \"info,x=loud\"", "logging.level: found \"info,x=loud\""),
    (
        "[logging]\nbackup_count = 1001",
        "logging.backup_count: found 1001, allowed a whole number from 0 to 1000",
    ),
    (
        "[logging]\nfile = \"${NOWHERE}/x\"",
        "config.toml:10: logging.file: the variable NOWHERE is not set; export it, or put NOWHERE='…' into .env",
    ),
    ("[logging]\nfile = 2026-11-23", "logging.file: found a date, allowed a string"),
    ("[logging]\nmax_size_mb = 0", "logging.max_size_mb: found 0, allowed"),
    (
        "[[logging]]\nlevel = \"info\"",
        "config.toml:9: logging: found a list, allowed a section; write [logging]",
    ),
];

#[test]
fn bad_values_are_answered_with_line_key_found_allowed_and_what_to_do() {
    for (section, expected) in BAD_SECTIONS {
        let message = bad(&format!("{CAMERA}{BUCKET}{section}\n"));
        assert!(message.contains(expected), "{section}\n  gives {message}\n  not  {expected}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
}

/// The bucket's section comes first (2 lines), so that a camera begins in line 3.
const BAD_CAMERAS: &[(&str, &str)] = &[
    (
        "name = \"Gate\"\nip = \"10.0.0.1\"",
        "config.toml:4: camera[1].name: found \"Gate\", allowed 1 to 63 of a-z, 0-9 and -",
    ),
    ("ip = \"10.0.0.1\"", "config.toml:3: camera[1].name: missing; add name = "),
    ("name = \"gate\"", "config.toml:3: camera \"gate\".ip: missing; add ip = "),
    (
        "name = \"gate\"\nip = \"cam.local\"",
        "config.toml:5: camera \"gate\".ip: found \"cam.local\", allowed an IP address; for a host name, write url",
    ),
    (
        "name = \"gate\"\nip = \"10.0.0.1\"\nport = 0",
        "camera \"gate\".port: found 0, allowed a whole number from 1 to 65535",
    ),
    (
        "name = \"gate\"\nip = \"10.0.0.1\"\nrtsp_path = \"hunter2\"",
        "camera \"gate\".rtsp_path: found \"…\", allowed a path that starts with /",
    ),
    (
        "name = \"gate\"\nip = \"10.0.0.1\"\nurl = \"rtsp://h/\"",
        "config.toml:5: camera \"gate\".ip: found beside url",
    ),
    (
        "name = \"gate\"\nurl = \"rtsps://h/\"\ntls_fingerprint = \"12:34\"",
        "camera \"gate\".tls_fingerprint: found \"12:34\", allowed the SHA-256 of a certificate",
    ),
    (
        "name = \"gate\"\nip = \"10.0.0.1\"\ntls_ca_file = \"ca.pem\"",
        "camera \"gate\".tls_ca_file: found for a camera without TLS; write url = \"rtsps://…\"",
    ),
    (
        "name = \"gate\"\nurl = \"http://a:hunter2@h/\"",
        "camera \"gate\".url: found an address without rtsp://",
    ),
    ("name = \"gate\"\nurl = \"hunter2\"", "camera \"gate\".url: found no address"),
    ("name = \"gate\"\nurl = \"rtsp:///hunter2\"", "camera \"gate\".url: found no host"),
    (
        "name = \"gate\"\nurl = \"rtsp://a:hunter2/x@h/s\"",
        "camera \"gate\".url: found no address (in a password, / ? # @ and : must be",
    ),
    (
        "name = \"gate\"\nurl = \"rtsp://a:12/hunter2@h/s\"",
        "camera \"gate\".url: found an @ or # after the host",
    ),
    (
        "name = \"gate\"\nurl = \"rtsp://a:hunter2@h/s\"\nusername = \"a\"",
        "camera \"gate\".username: found beside credentials in url",
    ),
    (
        "name = \"gate\"\nurl = \"rtsp://a:%ff@h/s\"",
        "camera \"gate\".url: found credentials that are not UTF-8",
    ),
    (
        "name = \"gate\"\nip = \"10.0.0.1\"\npassword = \"hunter2\"",
        "camera \"gate\".password: found without username",
    ),
    (
        "name = \"gate\"\nip = \"10.0.0.1\"\nusername = \"a\"\npassword = 1234567",
        "config.toml:7: camera \"gate\".password: found a whole number, allowed a string",
    ),
    (
        "name = \"gate\"\nip = \"10.0.0.1\"\nusername = \"a\"\npassword = \"hunter2${NOPE}\"",
        "config.toml:7: camera \"gate\".password: the variable NOPE is not set; export it",
    ),
    (
        "name = \"gate\"\nip = \"10.0.0.1\"\nusername = \"a\"\npassword = \"hunter2${\"",
        "camera \"gate\".password: found ${ without its }",
    ),
    (
        "name = \"gate\"\nip = \"10.0.0.1\"\nusername = \"a\"\npassword = \"${BROKEN}\"",
        "camera \"gate\".password: found \"…\", allowed text without line breaks",
    ),
    (
        "name = \"gate\"\nip = \"10.0.0.1\"\npasword = \"hunter2\"",
        "camera \"gate\".pasword: found an unknown key; did you mean password?",
    ),
    (
        "name = \"${PASSWORD}_\"\nip = \"10.0.0.1\"",
        "camera[1].name: found \"${PASSWORD}_\" (with its variables put in), allowed",
    ),
    (
        "name = \"gate\"\nip = \"10.0.0.1\"\n[camera.capture]\nframerate = 0",
        "config.toml:7: camera \"gate\".capture.framerate: found 0",
    ),
    (
        "name = \"gate\"\nip = \"10.0.0.1\"\n[camera.capture]\nusername = \"x\"",
        "camera \"gate\".capture.username: found an unknown key; it belongs into [[camera]]",
    ),
    (
        "name = \"gate\"\nip = \"10.0.0.1\"\n[[camera]]\nname = \"gate\"\nip = \"10.0.0.2\"",
        "config.toml:7: camera[2].name: found \"gate\", allowed a name of its own for each camera; choose another; the camera in line 4 has this one",
    ),
];

#[test]
fn bad_cameras_are_answered_with_their_names() {
    for (keys, expected) in BAD_CAMERAS {
        let message = bad(&format!("{BUCKET}[[camera]]\n{keys}\n"));
        assert!(message.contains(expected), "{keys}\n  gives {message}\n  not  {expected}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
}

/// The keys of `[s3]` after a good camera (6 lines): its header is line 7.
const BAD_STORES: &[(&str, &str)] = &[
    ("", "config.toml:7: s3.bucket: missing; add [s3] with bucket ="),
    ("bucket = \"s3://footage\"", "config.toml:8: s3.bucket: found \"s3://footage\", allowed 3 to 63 of a-z"),
    ("bucket = \"10.0.0.1\"", "s3.bucket: found \"10.0.0.1\""),
    ("bucket = \"a..b\"", "s3.bucket: found \"a..b\""),
    ("bucket = \"footage-\"", "s3.bucket: found \"footage-\""),
    ("bucket = \"footage\"\nregion = \"\"", "s3.region: found \"\", allowed a region"),
    ("bucket = \"footage\"\nendpoint = \"localhost:9000\"", "s3.endpoint: found an address without http://"),
    ("bucket = \"footage\"\nendpoint = \"http://k:hunter2@h\"", "s3.endpoint: found keys in the address"),
    ("bucket = \"footage\"\nendpoint = \"http://h/hunter2\"", "s3.endpoint: found more after the host"),
    (
        "bucket = \"footage\"\nendpoint = \"hunter2\"",
        "s3.endpoint: found no address, allowed http://HOST[:PORT]",
    ),
    ("bucket = \"footage\"\nconcurrency = 0", "s3.concurrency: found 0, allowed a whole number from 1 to 64"),
    ("bucket = \"footage\"\nmax_retries = 0", "s3.max_retries: found 0"),
    (
        "bucket = \"footage\"\nmax_upload_kbps = 63",
        "config.toml:9: s3.max_upload_kbps: found 63, allowed 0 for no limit, or a whole number from 64 to 10000000",
    ),
    (
        "bucket = \"footage\"\nmax_upload_kbps = -1",
        "s3.max_upload_kbps: found -1, allowed a whole number from 0 to 10000000",
    ),
    ("bucket = \"footage\"\nmax_upload_kbps = \"fast\"", "s3.max_upload_kbps: found a string, allowed"),
    (
        "bucket = \"footage\"\norder = \"random\"",
        "s3.order: found \"random\", allowed \"oldest-first\" or \"newest-first\"; newest-first brings",
    ),
    ("bucket = \"footage\"\norder = true", "s3.order: found true or false, allowed a string"),
    ("bucket = \"footage\"\nmultipart_threshold_mb = 0", "s3.multipart_threshold_mb: found 0"),
    ("bucket = \"footage\"\npath_style = 1", "s3.path_style: found a whole number, allowed true or false"),
    (
        "bucket = \"footage\"\nprefix = \"x/\"",
        "s3.prefix: found \"x/\": it must hold {camera_name} exactly once; for example",
    ),
    (
        "bucket = \"footage\"\nprefix = \"${PASSWORD}/\"",
        "s3.prefix: found \"${PASSWORD}/\" (with its variables put in), allowed {camera_name}",
    ),
    (
        "bucket = \"footage\"\nsecret_access_key = \"hunter2\"",
        "s3.secret_access_key: found an unknown key; allowed here: bucket,",
    ),
];

#[test]
fn bad_stores_are_answered_without_showing_keys() {
    for (keys, expected) in BAD_STORES {
        let message = bad(&format!("{CAMERA}[s3]\n{keys}\n"));
        assert!(message.contains(expected), "{keys}\n  gives {message}\n  not  {expected}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
}

#[test]
fn a_file_without_cameras_or_bucket_is_told_what_to_add() {
    let message = bad("");
    assert!(message.contains("config.toml: camera: missing; add a [[camera]] block"), "{message}");
    assert!(message.contains("config.toml: s3.bucket: missing; add [s3]"), "{message}");
    let message = bad(&format!("[camera]\nname = \"gate\"\n{BUCKET}"));
    assert_eq!(
        message,
        "config.toml:1: camera: found a section, allowed are sections; write [[camera]], with two brackets, above each"
    );
    assert!(bad(&format!("camera = []\n{BUCKET}")).contains("config.toml:1: camera: found an empty list"));
}

#[test]
fn all_problems_of_a_file_are_told_at_once_in_its_order() {
    let message = bad("[capture]\nframerate = 0\nspeed = 1\n[[camera]]\nname = \"A\"\n[server]\nport = -1\n");
    let places: Vec<_> = message.lines().map(|line| line.split(": ").take(2).collect::<Vec<_>>()).collect();
    assert_eq!(
        places,
        [
            ["config.toml:2", "capture.framerate"],
            ["config.toml:3", "capture.speed"],
            ["config.toml:4", "camera[1].ip"],
            ["config.toml:5", "camera[1].name"],
            ["config.toml:7", "server.port"],
            ["config.toml", "s3.bucket"],
        ]
    );
}

#[test]
fn syntax_errors_have_line_and_column_and_do_not_show_the_line() {
    for (text, place) in [
        (
            "[s3]\nbucket = \"footage\"\npassword = \"hunter2-s3cret\n",
            "config.toml:3:27: invalid basic string",
        ),
        ("password = hunter2-s3cret\n", "config.toml:1:12: string values must be quoted"),
        ("[s3\nbucket = \"hunter2-s3cret\"\n", "config.toml:1:4: unclosed table"),
        ("a = 1\na = \"hunter2-s3cret\"\n", "config.toml:2:1: duplicate key"),
        ("ä = \"hunter2-s3cret\n", "config.toml:1:1: invalid unquoted key"),
    ] {
        let message = bad(text);
        assert!(message.contains(place), "{text}: {message}");
    }
}

/// Editors die, fingers slip: the sample file cut off, or short of one character, at any place.
#[test]
fn a_damaged_file_never_panics_the_parser_nor_shows_the_password() {
    let text: String =
        EXAMPLE.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    let text = text.replace("${CAMERA_PASSWORD}", SECRET);
    assert!(parse(&text).is_ok());
    let mut refused = 0;
    for (at, c) in text.char_indices() {
        let (head, tail) = (&text[..at], &text[at + c.len_utf8()..]);
        for damaged in [head.to_owned(), format!("{head}{tail}"), format!("{head}\"{tail}")] {
            if let Err(error) = parse(&damaged) {
                refused += 1;
                assert!(!error.to_string().contains("hunter2"), "{error}");
            }
        }
    }
    assert!(refused > text.len(), "only {refused} were refused");
}
