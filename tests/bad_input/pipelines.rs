//! Pipeline texts that cannot work: told at the start, before anything is recorded or opened.

use std::os::unix::fs::symlink;

use super::{ends_with, says, unanswered};
use crate::scene::Bucket;
use crate::support::Workspace;

/// What every text here has in front.
const SOURCE: &str = "rtspsrc name=src protocols=tcp ! {{depay}} !";

/// Starts with this text in a file of its own; returns the one line.
#[track_caller]
fn refused(text: &str, code: i32) -> String {
    let bucket = Bucket::new();
    let mut settings = unanswered(&bucket.server);
    settings.set("capture.pipeline", "./my.launch");
    let workspace = Workspace::new(&settings, &bucket.server);
    std::fs::write(workspace.path().join("my.launch"), text).unwrap();
    let line = ends_with(&workspace, &["run"], code);
    assert!(
        !workspace.path().join("data/segments.db").exists(),
        "nothing is opened for a text that is wrong"
    );
    line
}

#[test]
fn an_unknown_placeholder_is_refused_with_file_and_line() {
    let line = refused(&format!("# mine\n{SOURCE}\n {{{{prase}}}} ! hlssink2 name=sink\n"), 78);
    says(&line, &["gate", "my.launch:3", "{{prase}}", "{{parse}}"]);
}

#[test]
fn an_unknown_element_is_named() {
    let line = refused(&format!("{SOURCE} h264prase ! hlssink2 name=sink"), 1);
    says(&line, &["gate", "my.launch", "h264prase"]);
}

#[test]
fn an_unknown_property_is_named() {
    let line = refused(&format!("{SOURCE} {{{{parse}}}} config-intervall=1 ! hlssink2 name=sink"), 78);
    says(&line, &["gate", "my.launch", "config-intervall"]);
}

#[test]
fn another_sink_than_hlssink2_is_refused() {
    let line = refused(&format!("{SOURCE} {{{{parse}}}} ! mpegtsmux ! filesink name=sink location=x.ts"), 78);
    says(&line, &["gate", "filesink", "hlssink2"]);
}

#[test]
fn what_no_segment_can_hold_is_refused_at_the_sink() {
    let line = refused(&format!("{SOURCE} {{{{parse}}}} ! {{{{decoder}}}} ! hlssink2 name=sink"), 78);
    says(&line, &["gate", "my.launch", "could not link decoder to sink"]);
    let line = refused(&format!("{SOURCE} {{{{parse}}}} ! fakesink hlssink2 name=sink"), 78);
    says(&line, &["gate", "my.launch", "nothing is linked to hlssink2 name=sink"]);
}

#[test]
fn a_text_without_its_source_or_sink_says_which_name_is_missing() {
    says(&refused("rtspsrc ! {{depay}} ! {{parse}} ! hlssink2 name=sink", 78), &["name=src"]);
    says(&refused(&format!("{SOURCE} {{{{parse}}}} ! hlssink2"), 78), &["name=sink"]);
}

#[test]
fn a_missing_file_is_named() {
    let bucket = Bucket::new();
    let mut settings = unanswered(&bucket.server);
    settings.set("capture.pipeline", "elsewhere/my.launch");
    let line = ends_with(&Workspace::new(&settings, &bucket.server), &["run"], 78);
    says(&line, &["elsewhere/my.launch", "capture.pipeline"]);
}

#[test]
fn a_missing_plugin_is_named_with_its_debian_package() {
    let bucket = Bucket::new();
    let mut settings = unanswered(&bucket.server);
    settings.set(
        "capture.pipeline",
        "rtspsrc name=src ! rtph264depay ! h264parse ! avdec_h264 ! x264enc ! h264parse ! hlssink2 name=sink",
    );
    let mut workspace = Workspace::new(&settings, &bucket.server);
    // a machine with all plugins but one
    gst::init().unwrap();
    let plugins = workspace.path().join("plugins");
    std::fs::create_dir(&plugins).unwrap();
    let needed =
        ["coreelements", "rtsp", "rtp", "rtpmanager", "tcp", "udp", "videoparsersbad", "libav", "hls"];
    for name in needed.into_iter().chain(["mpegtsmux", "multifile", "app", "playback", "typefindfunctions"]) {
        let Some(file) = gst::Registry::get().find_plugin(name).and_then(|plugin| plugin.filename()) else {
            panic!("GStreamer's plugin {name} is missing: sudo apt-get build-dep -y ./")
        };
        symlink(&file, plugins.join(file.file_name().unwrap())).unwrap();
    }
    workspace.set_env("GST_PLUGIN_SYSTEM_PATH", plugins.to_str().unwrap());
    workspace.set_env("GST_REGISTRY", workspace.path().join("registry.bin").to_str().unwrap());
    let line = ends_with(&workspace, &["run"], 1);
    says(&line, &["gate", "missing x264enc", "gstreamer1.0-plugins-ugly"]);
}
