//! VLC without a window.

use std::process::{Command, Stdio};
use std::time::Duration;

use super::eventually;
use super::tools::spawn;

const LIMIT: Duration = Duration::from_secs(60);
/// Debian's user and group of nobody.
const NOBODY: u32 = 65534;

/// Plays for so many seconds; what came out of its demuxer is `played.ts` in the folder.
pub fn vlc(url: &str, seconds: u32) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let out = format!("#std{{access=file,mux=ts,dst={}/played.ts}}", folder.path().display());
    let mut command = match rustix::process::geteuid().is_root() {
        false => Command::new("cvlc"),
        true => {
            // VLC refuses to be root
            std::os::unix::fs::chown(folder.path(), Some(NOBODY), Some(NOBODY))
                .expect("root may give it away");
            let mut command = Command::new("setpriv");
            command.args([format!("--reuid={NOBODY}"), format!("--regid={NOBODY}"), "--clear-groups".into()]);
            command.arg("cvlc");
            command
        }
    };
    command.args(["-q", "--no-audio", &format!("--run-time={seconds}"), "--play-and-exit"]);
    command.arg(format!("--sout={out}")).args([url, "vlc://quit"]);
    command.env("HOME", folder.path()).env_remove("DISPLAY").stdin(Stdio::null());
    let mut child = spawn("cvlc", command.stdout(Stdio::null()).stderr(Stdio::null()));
    let ended = eventually(LIMIT, "VLC to have played", || child.try_wait().expect("it was started"));
    assert!(ended.success(), "{ended}");
    folder
}
