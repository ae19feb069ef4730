//! One attempt to bring one segment to S3: HEAD first where there is a doubt, PUT, and proof.
//!
//! Run by the worker, one task each. It reads the file and talks to S3; it never touches rows: what becomes of the
//! row is the worker's, from [`Ended`].

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use md5::Md5;
use sha2::{Digest as _, Sha256};

use super::answer::{self, Expected, Head, Missing, Put as Verdict, Trouble};
use super::proof;
use super::s3::{Body, Kept, Multipart, Put, S3};
use crate::memory;
use crate::segment::{Segment, Timestamp};

const CONTENT_TYPE: &str = "video/mp2t";
/// Files up to this are held in memory while they are sent; below the smallest that goes by multipart.
const SMALL_BYTES: u64 = 256 * 1024;

/// How the attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// S3 confirmed these bytes.
    Uploaded,
    /// The link's trouble: try again when it is better.
    Link(Trouble),
    /// Another write of the key was under way: look again soon.
    Later(String),
    /// S3, or reading the file, blames this object.
    Blamed(String),
    /// No attempt can succeed before a person acts.
    Failed(String),
    /// The file vanished or is not what was recorded.
    Lost(String),
}

/// What the attempt needs beside the segment.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The store honours `If-None-Match: *`.
    pub conditional: bool,
    pub multipart_threshold_bytes: u64,
}

/// `segment.doubtful` must be the row's value from before this attempt began.
pub async fn run(s3: &S3, segment: &Segment, path: &Path, options: Options) -> Ended {
    let attempt = Attempt { s3, segment, path, expected: expected(segment), options };
    let ended = attempt.run().await;
    if ended == Ended::Uploaded {
        let path = path.to_owned();
        // the row need not wait for it
        drop(tokio::task::spawn_blocking(move || memory::forget_file(&path)));
    }
    ended
}

struct Attempt<'a> {
    s3: &'a S3,
    segment: &'a Segment,
    path: &'a Path,
    expected: Expected,
    options: Options,
}

impl Attempt<'_> {
    async fn run(&self) -> Ended {
        let multipart = self.segment.bytes > self.options.multipart_threshold_bytes;
        // nothing may be overwritten: what If-None-Match does not guard (multipart, and stores that ignore it)
        // looks first in any case
        if self.segment.doubtful || multipart || !self.options.conditional {
            let reply = self.s3.head(&self.segment.key).await;
            // without s3:ListBucket an absent object answers 403 too; If-None-Match then guards the PUT itself
            let guarded = self.options.conditional && !multipart;
            match self.judge(&reply) {
                Head::Absent => {}
                Head::Link(_) if guarded && reply.is_ok_and(|answer| answer.status == 403) => {}
                Head::Same => return Ended::Uploaded,
                Head::Other(found) => return self.foreign(&found),
                Head::Link(trouble) => return Ended::Link(trouble),
            }
        }
        let body = match self.open().await {
            Ok(body) => body,
            Err(ended) => return ended,
        };
        let put = Put {
            key: &self.segment.key,
            content_type: CONTENT_TYPE,
            md5: self.segment.md5,
            sha256: Some(self.segment.sha256),
            only_if_absent: self.options.conditional,
            kept: Kept::Segment,
            ..Put::default()
        };
        let (file, bytes) = match body {
            Body::File { file, bytes } if multipart => (file, bytes),
            body => {
                let reply = self.s3.put(&put, body).await;
                let broke = matches!(&reply, Err(missing) if missing.what == Missing::Interrupted);
                return self.after_put(self.verdict(&reply), broke).await;
            }
        };
        match self.s3.put_multipart(&put, file, bytes).await {
            Multipart::Completed(reply) => self.after_put(self.verdict(&reply), false).await,
            Multipart::Failed(reply) => match self.verdict(&reply) {
                // no part makes an object before "complete" is sent
                Verdict::Link(trouble) => Ended::Link(Trouble { doubtful: false, ..trouble }),
                verdict => self.after_put(verdict, false).await,
            },
            Multipart::Unreadable(error) => match self.check_file().await {
                Some(ended) => ended,
                None => Ended::Blamed(format!("read {}: {error}", self.path.display())),
            },
        }
    }

    fn verdict(&self, reply: &answer::Reply) -> Verdict {
        answer::put(reply, &self.expected.md5_hex, self.s3.place(), Timestamp::now())
    }

    async fn after_put(&self, verdict: Verdict, broke: bool) -> Ended {
        match verdict {
            Verdict::Confirmed => Ended::Uploaded,
            Verdict::Unproven => match self.head().await {
                Head::Same => Ended::Uploaded,
                Head::Absent => Ended::Link(proof::vanished(self.s3.place())),
                Head::Other(found) => Ended::Blamed(format!("S3 stored other bytes than were sent: {found}")),
                Head::Link(trouble) => Ended::Link(trouble),
            },
            Verdict::Exists => match self.head().await {
                Head::Same => Ended::Uploaded,
                Head::Absent => Ended::Blamed("S3 says that the object exists, then that it does not".into()),
                Head::Other(found) => self.foreign(&found),
                Head::Link(trouble) => Ended::Link(trouble),
            },
            Verdict::Conflict => Ended::Later("another write of the same key is under way".into()),
            Verdict::Blamed { reason, suspect_file } => {
                let file_is_wrong = if suspect_file { self.check_file().await } else { None };
                file_is_wrong.unwrap_or_else(|| Ended::Blamed(format!("S3 refuses the object: {reason}")))
            }
            Verdict::Link(trouble) => {
                // a file that ends early or cannot be read breaks the connection from our side
                let file_is_wrong = if broke { self.check_file().await } else { None };
                file_is_wrong.unwrap_or(Ended::Link(trouble))
            }
        }
    }

    async fn head(&self) -> Head {
        self.judge(&self.s3.head(&self.segment.key).await)
    }

    fn judge(&self, reply: &answer::Reply) -> Head {
        answer::head(reply, &self.expected, self.s3.place(), Timestamp::now())
    }

    /// The file to send, if it is as long as its row says. A small one is read at once: one way to the threads that
    /// may block, and one packet together with the request's head.
    async fn open(&self) -> Result<Body, Ended> {
        let (path, bytes): (PathBuf, _) = (self.path.into(), self.segment.bytes);
        let opened = tokio::task::spawn_blocking(move || open(&path, bytes)).await;
        match opened.unwrap_or_else(|stopped| Err(std::io::Error::other(stopped))) {
            Ok(Opened::Body(body)) => Ok(body),
            Ok(Opened::Other(found)) => Err(self.lost(&self.wrong_size(found))),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(self.lost("the file is gone")),
            Err(error) => Err(Ended::Blamed(format!("open {}: {error}", self.path.display()))),
        }
    }

    /// Reads the file and compares it with its row; `None` if it is what was recorded.
    async fn check_file(&self) -> Option<Ended> {
        let path: PathBuf = self.path.into();
        let read = tokio::task::spawn_blocking(move || hash_file(&path)).await;
        match read.unwrap_or_else(|stopped| Err(std::io::Error::other(stopped))) {
            Ok((bytes, ..)) if bytes != self.segment.bytes => Some(self.lost(&self.wrong_size(bytes))),
            Ok((_, md5, sha256)) if md5 == self.segment.md5 && sha256 == self.segment.sha256 => None,
            Ok(_) => Some(self.lost("its bytes are no longer those that were recorded")),
            Err(error) if error.kind() == ErrorKind::NotFound => Some(self.lost("the file is gone")),
            Err(error) => Some(Ended::Blamed(format!("read {}: {error}", self.path.display()))),
        }
    }

    fn lost(&self, why: &str) -> Ended {
        Ended::Lost(format!("read {}: {why}", self.path.display()))
    }

    fn wrong_size(&self, found: u64) -> String {
        format!("it holds {found} bytes instead of {}", self.segment.bytes)
    }

    fn foreign(&self, found: &str) -> Ended {
        Ended::Failed(format!(
            "another object lies under this key ({found}) and is not overwritten: {}; is a second recorder using \
             the same camera name and s3.prefix?",
            self.segment.key
        ))
    }
}

fn expected(segment: &Segment) -> Expected {
    Expected {
        bytes: segment.bytes,
        md5_hex: hex::encode(segment.md5),
        sha256_hex: hex::encode(segment.sha256),
    }
}

enum Opened {
    Body(Body),
    /// The file is of this many bytes.
    Other(u64),
}

fn open(path: &Path, bytes: u64) -> std::io::Result<Opened> {
    use std::io::Read as _;
    let file = std::fs::File::open(path)?;
    let found = file.metadata()?.len();
    if found != bytes {
        return Ok(Opened::Other(found));
    }
    if bytes > SMALL_BYTES {
        return Ok(Opened::Body(Body::File { file, bytes }));
    }
    let mut content = Vec::new();
    file.take(bytes).read_to_end(&mut content)?;
    match content.len() as u64 {
        read if read == bytes => Ok(Opened::Body(Body::Bytes(content.into()))),
        read => Ok(Opened::Other(read)),
    }
}

fn hash_file(path: &Path) -> std::io::Result<(u64, [u8; 16], [u8; 32])> {
    use std::io::Read as _;
    let mut file = std::fs::File::open(path)?;
    let (mut md5, mut sha256, mut bytes) = (Md5::new(), Sha256::new(), 0);
    let mut chunk = vec![0; 128 * 1024];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok((bytes, md5.finalize().into(), sha256.finalize().into())),
            length => {
                md5.update(&chunk[..length]);
                sha256.update(&chunk[..length]);
                bytes += length as u64;
            }
        }
    }
}
