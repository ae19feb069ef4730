//! A real small disk that one test has for itself, with the program, its questions and its filler on it.
//!
//! Mounting needs a mount namespace of one's own, which a process of many threads cannot enter: the test runs again,
//! alone, in a process that unshare(1) started. There it mounts ext4 from an image where the machine has loop devices
//! for it, and a tmpfs of the same size where not (no root, or a chroot without them). The mount goes with the process.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::tools;

const KIND: &str = "the small disk is";
const MB: usize = 1 << 20;
/// Where users do not look for it.
const MKFS: &str = "/sbin/mkfs.ext4";
/// Set in the process that may mount.
const INSIDE: &str = "SMALL_DISK_TEST";

/// Runs `play` in a process that may mount. Its output is shown when it fails.
#[track_caller]
#[allow(clippy::print_stderr, reason = "which kind of disk it was")]
pub fn may_mount(table: &str, name: &str, play: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return play();
    }
    let program = std::env::current_exe().expect("a test knows its own program");
    let mut outer = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        outer.args(["--user", "--map-root-user"]);
    }
    // made private by itself: below a plain folder, as in a chroot, unshare cannot
    let script = "mount --make-rprivate / 2>/dev/null; exec \"$0\" \"$@\"";
    outer.args(["--mount", "--propagation", "unchanged", "sh", "-c", script]).arg(program);
    outer.args([&format!("reliability::{table}::{name}"), "--exact", "--nocapture", "--test-threads=1"]);
    let output =
        outer.env(INSIDE, "1").stdin(Stdio::null()).output().unwrap_or_else(|error| {
            panic!("unshare does not run ({error}): sudo apt-get install util-linux")
        });
    let said =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).join("\n");
    let played = said.contains("1 passed");
    assert!(output.status.success() && played, "{MAY_NOT_MOUNT}\n{said}");
    // shown with --nocapture
    said.lines().filter(|line| line.starts_with(KIND)).for_each(|line| eprintln!("{line}"));
}

const MAY_NOT_MOUNT: &str =
    "failed in a mount namespace of its own (which needs root, or a system that lets users have namespaces):";

/// A mounted disk. Unmounted when dropped.
pub struct SmallDisk {
    folder: PathBuf,
    filler: PathBuf,
}

#[derive(Clone, Copy)]
pub struct Size {
    pub mb: usize,
    /// Files and folders that fit.
    pub inodes: usize,
}

impl SmallDisk {
    /// Mounts a new, empty disk on this folder, which is created.
    #[allow(clippy::print_stderr, reason = "a failing test shows here what kind of disk it had")]
    pub fn mount(folder: &Path, size: Size) -> Self {
        fs::create_dir_all(folder).unwrap();
        let image = folder.with_extension("img");
        File::create(&image).unwrap().set_len((size.mb * MB) as u64).unwrap();
        let inodes = size.inodes.to_string();
        let (image, target) = (image.to_str().unwrap(), folder.to_str().unwrap());
        // -m 0: nothing is set apart for root, who may be running this
        tools::output(MKFS, &["-q", "-F", "-m", "0", "-b", "4096", "-N", &inodes, image]);
        if tools::run("mount", &["-o", "loop", image, target]).status.success() {
            eprintln!("{KIND} ext4");
        } else {
            let options = format!("size={}m,nr_inodes={inodes}", size.mb);
            tools::output("mount", &["-t", "tmpfs", "-o", &options, "none", target]);
            eprintln!("{KIND} a tmpfs: this system gives no loop device");
        }
        Self { folder: folder.to_owned(), filler: folder.join("somebody-elses-file") }
    }

    pub fn free_bytes(&self) -> u64 {
        let found = rustix::fs::statvfs(&self.folder).unwrap();
        found.f_bavail * found.f_frsize
    }

    /// Somebody else's file takes all but `left` bytes of what is free now.
    pub fn fill_but(&self, left: u64) {
        let mut filler = OpenOptions::new().create(true).append(true).open(&self.filler).unwrap();
        let mut missing = usize::try_from(self.free_bytes().saturating_sub(left)).unwrap();
        while missing > 0 {
            let piece = missing.min(MB);
            filler.write_all(&vec![0; piece]).unwrap();
            missing -= piece;
        }
        // not only promised, as ext4 does
        filler.sync_all().unwrap();
    }

    /// Somebody else's file takes what there is, to the last block. Again, if something was given back since.
    pub fn fill(&self) {
        let mut filler = OpenOptions::new().create(true).append(true).open(&self.filler).unwrap();
        for piece in [MB, 64 << 10, 4096] {
            while filler.write_all(&vec![0; piece]).and_then(|()| filler.sync_all()).is_ok() {}
        }
    }

    /// Somebody else's empty files take every inode.
    pub fn fill_with_files(&self) {
        let folder = self.folder.join("somebody-elses-files");
        // there already when it fills up for the second time, or full
        let _ = fs::create_dir(&folder);
        let taken = fs::read_dir(&folder).map_or(0, Iterator::count);
        (taken..).take_while(|n| File::create(folder.join(n.to_string())).is_ok()).for_each(drop);
    }

    /// Somebody else's files go.
    pub fn free(&self) {
        let _ = fs::remove_file(&self.filler);
        let _ = fs::remove_dir_all(self.folder.join("somebody-elses-files"));
    }

    pub fn remount(&self, options: &str) {
        let target = self.folder.to_str().unwrap();
        tools::output("mount", &["-o", &format!("remount,{options}"), target]);
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // at once, and later whatever still uses it: the process ends soon
        let _ = Command::new("umount").arg("--lazy").arg(&self.folder).status();
    }
}
