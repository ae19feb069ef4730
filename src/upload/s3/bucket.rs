//! Questions about the bucket itself rather than about an object: what `check s3` and `lifecycle` ask.

use std::collections::HashMap;

use bytes::Bytes;
use md5::{Digest as _, Md5};
use reqwest::header::{HeaderMap, HeaderValue};

use super::super::answer::{NoAnswer, Reply};
use super::transport;
use super::{ANSWER_TIMEOUT, BASE64, Body, CONTENT_MD5, S3, SIGNATURE_SECONDS, brief};
use base64::Engine as _;

impl S3 {
    /// Whether objects below `root` may be listed; at most one is.
    pub async fn list_one(&self, root: &str) -> Reply {
        self.question(&[("list-type", "2"), ("max-keys", "1"), ("prefix", root)]).await
    }

    /// The rules as S3 has them, in XML; 404 where there are none.
    pub async fn lifecycle(&self) -> Reply {
        self.question(&[("lifecycle", "")]).await
    }

    /// Replaces all of the bucket's rules.
    pub async fn put_lifecycle(&self, document: String) -> Reply {
        let mut headers = HeaderMap::new();
        let md5 = BASE64.encode(Md5::digest(&document));
        headers.insert(CONTENT_MD5, HeaderValue::from_str(&md5).map_err(NoAnswer::internal)?);
        let queries = HashMap::from([("lifecycle".to_owned(), String::new())]);
        let body = Body::Bytes(Bytes::from(document));
        let sent = self.send_put("/", headers, queries, body, ANSWER_TIMEOUT).await;
        transport::reply(sent).await
    }

    /// Unfinished uploads in parts below `root`, one page of them.
    pub(super) async fn list_multipart(&self, root: &str, after: Option<&(String, String)>) -> Reply {
        let mut queries = vec![("uploads", ""), ("prefix", root)];
        if let Some((key, id)) = after {
            queries.extend([("key-marker", key.as_str()), ("upload-id-marker", id.as_str())]);
        }
        self.question(&queries).await
    }

    /// Whether the bucket keeps objects from being deleted at all; 404 where it does not.
    pub async fn object_lock(&self) -> Reply {
        self.question(&[("object-lock", "")]).await
    }

    async fn question(&self, queries: &[(&str, &str)]) -> Reply {
        let queries = queries.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let bucket = self.signer().await?;
        let url = bucket
            .presign_get("/", SIGNATURE_SECONDS, Some(queries))
            .await
            .map_err(|error| NoAnswer::internal(brief(&error)))?;
        let request = self.http.get(url).timeout(ANSWER_TIMEOUT);
        transport::reply(request.send().await.map_err(transport::no_answer)).await
    }
}
