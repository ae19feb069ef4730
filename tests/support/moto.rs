//! moto, a simulation of AWS: for what the verifying S3 server has not (classes, tags, locks, lifecycle). It checks no
//! signature. Exactly the packages of `tests/moto/requirements.txt`, installed once below `target`.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::{http, tools, wait};

const REQUIREMENTS: &str = include_str!("../moto/requirements.txt");
const LIMIT: Duration = Duration::from_secs(60);

/// Killed when dropped.
pub struct Moto {
    child: Child,
    address: SocketAddr,
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Moto {
    /// With one bucket; `lock`: made with Object Lock.
    pub fn start(bucket: &str, lock: bool) -> Moto {
        let python = environment().join("bin/python");
        let mut command = Command::new(&python);
        command.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]).env("PYTHONUNBUFFERED", "1");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = tools::spawn("python3", &mut command);
        let mut lines = BufReader::new(child.stderr.take().expect("it was asked for as a pipe")).lines();
        let begins = "Running on http://";
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let (_, rest) = line.split_once(begins)?;
            rest.trim().parse().ok()
        });
        let address = address.expect("moto says where it listens");
        // or it would wait for somebody to read what it says
        std::thread::spawn(move || lines.for_each(drop));
        let moto = Moto { child, address };
        let headers: &[(&str, &str)] =
            if lock { &[("x-amz-bucket-object-lock-enabled", "true"), AUTH] } else { &[AUTH] };
        wait::eventually(LIMIT, "moto to make a bucket", || {
            let answer = http::request(address, "PUT", &format!("/{bucket}"), headers, b"");
            answer.map(|answer| answer.status == 200).unwrap_or(false)
        });
        moto
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Anything that S3's protocol has.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> http::Response {
        http::request(self.address, method, path, &[AUTH], body.as_bytes()).expect("moto answers")
    }

    /// Keys of the bucket.
    pub fn keys(&self, bucket: &str) -> Vec<String> {
        let listed = self.ask("GET", &format!("/{bucket}?list-type=2"), "").text();
        listed
            .split("<Key>")
            .skip(1)
            .filter_map(|rest| rest.split("</Key>").next())
            .map(str::to_owned)
            .collect()
    }
}

/// moto wants to see one, and does not check it.
const AUTH: (&str, &str) = (
    "Authorization",
    "AWS4-HMAC-SHA256 Credential=test/20251123/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0",
);

/// A virtual environment of Python; fetched over the network where it is not there yet.
fn environment() -> &'static Path {
    static ENVIRONMENT: OnceLock<PathBuf> = OnceLock::new();
    ENVIRONMENT.get_or_init(install)
}

fn install() -> PathBuf {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/moto");
    let folder = target.join(hex::encode(&Sha256::digest(REQUIREMENTS)[..8]));
    let done = folder.join("whole");
    // its Python is a link to the machine's, which may have gone
    let is_whole = || done.is_file() && folder.join("bin/python").exists();
    if is_whole() {
        return folder;
    }
    // a virtual environment cannot be renamed: two processes that install at once do so one after the other
    std::fs::create_dir_all(&target).expect("cargo's own folder is writable");
    let lock = std::fs::File::create(target.join("lock")).expect("cargo's own folder is writable");
    lock.lock().expect("a file can be locked");
    if is_whole() {
        return folder;
    }
    let made = tools::run("python3", &["-m", "venv", "--clear", &folder.display().to_string()]);
    let said = String::from_utf8_lossy(&made.stdout);
    assert!(made.status.success(), "python3 makes no environment: sudo apt-get install python3-venv\n{said}");
    let list = folder.join("requirements.txt");
    std::fs::write(&list, REQUIREMENTS).expect("a folder of our own is writable");
    let list = list.display().to_string();
    let pip = folder.join("bin/pip").display().to_string();
    tools::output(&pip, &["install", "--quiet", "--require-hashes", "--only-binary=:all:", "-r", &list]);
    std::fs::write(&done, "").expect("a folder of our own is writable");
    folder
}
