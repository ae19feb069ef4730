//! Players and parsers from npm, exactly those of `tests/players/package-lock.json`, installed once below `target`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use sha2::{Digest, Sha256};

use super::tools;

const PACKAGE: &str = include_str!("../players/package.json");
const LOCK: &str = include_str!("../players/package-lock.json");

/// The folder `node_modules`; fetched over the network where it is not there yet.
pub fn modules() -> &'static Path {
    static MODULES: OnceLock<PathBuf> = OnceLock::new();
    MODULES.get_or_init(install)
}

fn install() -> PathBuf {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/npm");
    let name = hex::encode(&Sha256::digest(format!("{PACKAGE}{LOCK}"))[..8]);
    let folder = target.join(name);
    let modules = folder.join("node_modules");
    if folder.is_dir() {
        return modules;
    }
    std::fs::create_dir_all(&target).expect("cargo's own folder is writable");
    // beside it, then renamed: what is there is whole, also when two processes install at once
    let made = tempfile::tempdir_in(&target).expect("cargo's own folder is writable");
    for (name, text) in [("package.json", PACKAGE), ("package-lock.json", LOCK)] {
        std::fs::write(made.path().join(name), text).expect("a folder of our own is writable");
    }
    let mut command = Command::new("npm");
    command.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(made.path());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = tools::spawn("npm", &mut command).wait_with_output().expect("npm was started");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "npm ci ended with {}:\n{errors}", output.status);
    // fails only where another process was first
    let _ = std::fs::rename(made.keep(), &folder);
    modules
}
