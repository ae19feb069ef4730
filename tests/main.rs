//! The one integration-test binary: the real program, real cameras, a real S3 server, in an empty folder each.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod access;
mod accounting;
mod alerts;
mod backlog;
mod bad_input;
mod bucket;
mod codecs;
mod commands;
mod crashes;
mod documents;
mod encrypted;
mod live;
mod memory;
mod monitoring;
mod outages;
mod page;
mod pages;
mod players;
mod playlists;
mod recording;
mod reliability;
mod reload;
mod scene;
mod secrets;
mod self_test;
mod serving;
mod setup;
mod soak;
mod support;
mod tls;
