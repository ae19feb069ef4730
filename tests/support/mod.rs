//! The test kit: real neighbours for the real program, each on a port of its own, each gone when dropped.
//!
//! Used by `tests/main.rs`, and through `#[path]` by `examples/` and the benches. Nothing here knows how the
//! program works inside: it speaks RTSP, S3, HTTP, SQLite and signals, as the world does.
#![allow(dead_code, unused_imports, reason = "each user of the kit uses a part of it")]

pub mod backlog;
pub mod broker;
pub mod browser;
pub mod camera;
pub mod clock;
pub mod dahua;
pub mod files;
pub mod http;
pub mod moto;
pub mod npm;
pub mod port;
pub mod program;
pub mod receiver;
pub mod relay;
pub mod rtsp;
pub mod s3;
pub mod settings;
pub mod soak;
pub mod tls_front;
pub mod tools;
pub mod vlc;
pub mod wait;
pub mod wire;

pub use camera::process::CameraProcess;
pub use camera::{Camera, CameraOptions, Clip, Codec};
pub use clock::WallClock;
pub use dahua::DahuaProxy;
pub use program::{Program, Workspace};
pub use s3::{Fault, Meets, Plan, S3Options, S3Server};
pub use settings::Settings;
pub use wait::eventually;
pub use wire::{DeafPort, Wire};
