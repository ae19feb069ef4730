//! Objects too large for one PUT: part by part with retry, aborted on failure; old unfinished ones are swept.
//!
//! A multipart ETag proves nothing about the bytes, so the caller verifies by size and by the SHA-256 that goes
//! into the metadata here. Each part carries its own Content-MD5.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use md5::{Digest as _, Md5};
use reqwest::header::{HeaderMap, HeaderValue};
use s3::command::Command;
use s3::serde_types::{CompleteMultipartUploadData, Part};
use time::format_description::well_known::Rfc3339;

use super::super::answer::{Answer, NoAnswer, Reply};
use super::transport::{self, element};
use super::{BASE64, Body, CONTENT_MD5, META_SHA256, Put, S3, keep};
use crate::chunks;
use crate::segment::{FileName, Timestamp};
use base64::Engine as _;

/// S3 allows 10,000 parts of at least 5 MiB; 16 MiB are held in memory for each upload under way.
const PART_BYTES: u64 = 16 * 1024 * 1024;
const TRIES_PER_PART: u32 = 3;

/// How a multipart upload ended.
#[derive(Debug)]
pub enum Multipart {
    /// Every part was taken and "complete" was sent; this is its answer.
    Completed(Reply),
    /// Refused or interrupted before, and aborted: certainly not stored.
    Failed(Reply),
    /// Our own file could not be read.
    Unreadable(std::io::Error),
}

/// Why a part did not arrive.
enum PartFailure {
    Refused(Reply),
    Unreadable(std::io::Error),
}

impl S3 {
    pub async fn put_multipart(&self, put: &Put<'_>, file: std::fs::File, bytes: u64) -> Multipart {
        let upload_id = match self.initiate(put).await {
            Ok(upload_id) => upload_id,
            Err(reply) => return Multipart::Failed(reply),
        };
        let parts = match self.put_parts(put.key, &upload_id, file, bytes).await {
            Ok(parts) => parts,
            Err(failure) => {
                self.abort(put.key, &upload_id).await;
                return match failure {
                    PartFailure::Refused(reply) => Multipart::Failed(reply),
                    PartFailure::Unreadable(error) => Multipart::Unreadable(error),
                };
            }
        };
        let data = CompleteMultipartUploadData { parts };
        let complete = Command::CompleteMultipartUpload { upload_id: &upload_id, data };
        let reply = self.command(put.key, complete, HeaderMap::new()).await.map(late_error);
        if reply.as_ref().is_ok_and(|answer| (400..500).contains(&answer.status)) {
            self.abort(put.key, &upload_id).await;
        }
        Multipart::Completed(reply)
    }

    async fn initiate(&self, put: &Put<'_>) -> Result<String, Reply> {
        let mut headers = HeaderMap::new();
        if let Some(value) = put.sha256.and_then(|sha256| HeaderValue::from_str(&hex::encode(sha256)).ok()) {
            headers.insert(META_SHA256, value);
        }
        let kept = keep::headers(&self.objects, put.kept, Timestamp::now());
        headers.extend(kept.map_err(|error| Err(NoAnswer::internal(error)))?);
        let command = Command::InitiateMultipartUpload { content_type: put.content_type };
        let answer = self.command(put.key, command, headers).await.map_err(Err)?;
        match element(&answer.body, "UploadId") {
            Some(upload_id) if answer.status == 200 => Ok(upload_id.to_owned()),
            // a success without an id is not S3's
            _ if (200..300).contains(&answer.status) => Err(Ok(Answer { status: 502, ..answer })),
            _ => Err(Ok(answer)),
        }
    }

    async fn put_parts(
        &self,
        key: &str,
        upload_id: &str,
        file: std::fs::File,
        bytes: u64,
    ) -> Result<Vec<Part>, PartFailure> {
        let mut file = std::pin::pin!(chunks::read(file, 0..bytes, PART_BYTES));
        let mut parts: Vec<Part> = Vec::new();
        while let Some(part) = file.try_next().await.map_err(PartFailure::Unreadable)? {
            let part_number = u32::try_from(parts.len() + 1).unwrap_or(u32::MAX);
            let etag = self.put_part(key, upload_id, part_number, part).await?;
            parts.push(Part { etag, part_number });
        }
        Ok(parts)
    }

    /// One part, tried again after whatever may heal within seconds; a refusal of the bytes is final.
    async fn put_part(
        &self,
        key: &str,
        upload_id: &str,
        part_number: u32,
        part: Bytes,
    ) -> Result<String, PartFailure> {
        let md5 = Md5::digest(&part);
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_str(&BASE64.encode(md5)) {
            headers.insert(CONTENT_MD5, value);
        }
        let queries = HashMap::from([
            ("partNumber".to_owned(), part_number.to_string()),
            ("uploadId".to_owned(), upload_id.to_owned()),
        ]);
        let timeout = self.put_timeout(part.len() as u64);
        let mut tries = 1;
        loop {
            let body = Body::Bytes(part.clone());
            let sent = self.send_put(key, headers.clone(), queries.clone(), body, timeout).await;
            let reply = transport::reply(sent).await;
            match &reply {
                Ok(Answer { status: 200, etag: Some(etag), .. }) => return Ok(format!("\"{etag}\"")),
                Ok(answer) if (400..500).contains(&answer.status) && answer.status != 429 => {
                    return Err(PartFailure::Refused(reply));
                }
                _ if tries == TRIES_PER_PART => return Err(PartFailure::Refused(unproven(reply))),
                _ => tokio::time::sleep(Duration::from_secs(1 << tries)).await,
            }
            tries += 1;
        }
    }

    /// Best effort: what stays is swept a day later.
    async fn abort(&self, key: &str, upload_id: &str) {
        let command = Command::AbortMultipartUpload { upload_id };
        if let Err(missing) = self.command(key, command, HeaderMap::new()).await {
            log::debug!("[upload] abort multipart upload of {key}: {}", missing.reason);
        }
    }

    /// Aborts unfinished uploads of segments below `root` that began before `before`: they cost money and no
    /// process will finish them. Returns how many.
    pub async fn sweep_multipart(&self, root: &str, before: Timestamp) -> Result<usize, NoAnswer> {
        let (mut swept, mut marker) = (0, None);
        loop {
            let answer = self.list_multipart(root, marker.as_ref()).await?;
            let page = page(&answer.body).filter(|_| answer.status == 200);
            let page = page
                .ok_or_else(|| NoAnswer::internal(format!("the list is none (answer {})", answer.status)))?;
            for Unfinished { key, id, began } in page.uploads {
                let ours = key.rsplit('/').next().and_then(FileName::parse).is_some();
                if ours && began < before.epoch_seconds() {
                    self.abort(&key, &id).await;
                    swept += 1;
                }
            }
            // a store that says the same again and again must not keep us for ever
            if page.next.is_none() || page.next == marker {
                return Ok(swept);
            }
            marker = page.next;
        }
    }
}

/// An upload in parts that nobody finished; `began` in seconds since 1970.
struct Unfinished {
    key: String,
    id: String,
    began: i64,
}

struct Page {
    uploads: Vec<Unfinished>,
    /// Key and upload that the next page begins after.
    next: Option<(String, String)>,
}

/// `None` for what is no list.
fn page(document: &str) -> Option<Page> {
    let document = roxmltree::Document::parse(document).ok()?;
    let root = document.root_element();
    if root.tag_name().name() != "ListMultipartUploadsResult" {
        return None;
    }
    let text = |node: roxmltree::Node<'_, '_>, name: &str| {
        let child = node.children().find(|child| child.tag_name().name() == name)?;
        child.text().map(str::to_owned)
    };
    let uploads = root.children().filter(|node| node.tag_name().name() == "Upload").filter_map(|node| {
        let began = time::OffsetDateTime::parse(&text(node, "Initiated")?, &Rfc3339).ok()?.unix_timestamp();
        Some(Unfinished { key: text(node, "Key")?, id: text(node, "UploadId")?, began })
    });
    let more = text(root, "IsTruncated").is_some_and(|is| is == "true");
    let next = more
        .then(|| Some((text(root, "NextKeyMarker")?, text(root, "NextUploadIdMarker").unwrap_or_default())));
    Some(Page { uploads: uploads.collect(), next: next.flatten() })
}

/// "Complete" may answer 200 and then an error document, when the error came late.
fn late_error(answer: Answer) -> Answer {
    if answer.status != 200 || !answer.body.contains("<Error>") {
        return answer;
    }
    let code = element(&answer.body, "Code").map(str::to_owned);
    Answer { status: 500, code, ..answer }
}

/// A success without an ETag (a login page) must not be read as a stored part.
fn unproven(reply: Reply) -> Reply {
    reply.map(|answer| match answer.status {
        200..=299 => Answer { status: 502, ..answer },
        _ => answer,
    })
}
