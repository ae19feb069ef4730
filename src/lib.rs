//! cctv-s3-pipeline

pub mod camera;
pub mod config;
pub mod error;
pub mod http;
pub mod logging;
pub mod segment;
pub mod shutdown;
pub mod status;
pub mod store;
pub mod upload;
