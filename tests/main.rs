//! The one integration-test binary: the real program, real cameras, a real S3 server, in an empty folder each.

mod bad_input;
mod commands;
mod recording;
mod scene;
mod secrets;
mod self_test;
mod support;
