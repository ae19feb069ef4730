//! RTSP → segment files.
