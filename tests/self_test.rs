//! The test kit tests itself: a camera, a proxy or a store that lies would make every other test worthless.

mod browser;
mod camera;
mod port;
mod program;
mod s3;
mod viewer;
