//! The one integration-test binary: the real program, real cameras, a real S3 server, in an empty folder each.

mod codecs;
mod recording;
mod scene;
mod self_test;
mod support;
