//! A camera for tests, without GStreamer: feeds a hub as fast as it is told to.

use std::sync::Arc;

use super::*;

const FRAME_NS: u64 = 66_666_667;

/// A hub and a camera that sends 15 frames a second with a keyframe each second, as fast as it is told to.
pub struct Scene {
    pub live: Live,
    pub number: u64,
    pub size: usize,
}

impl Scene {
    pub fn begun() -> Scene {
        let live = Live::new([(name(), Timestamp::from_seconds(1_763_906_400), 0)]);
        let scene = Scene { live, number: 0, size: 500 };
        scene.begin();
        scene
    }

    pub fn hub(&self) -> Arc<Hub> {
        self.live.hub(&name()).unwrap()
    }

    pub fn begin(&self) {
        self.hub().begin(&format()).unwrap();
    }

    pub fn frames(&mut self, count: u64) {
        for _ in 0..count {
            let at = self.number * FRAME_NS;
            let data = vec![7; self.size];
            let frame = Frame { data: &data, pts_ns: at, dts_ns: at, is_key: self.number.is_multiple_of(15) };
            self.hub().frame(
                frame,
                Timestamp::from_millis(1_763_906_400_000 + i64::try_from(at).unwrap() / 1_000_000),
            );
            self.number += 1;
        }
    }
}

pub fn name() -> CameraName {
    CameraName::new("gate").unwrap()
}

/// An `avcC` record with one SPS and one PPS, as x264 makes them for 320×180.
pub fn format() -> Format {
    let codec_data = vec![1, 0x64, 0, 0x0c, 0xff, 0xe1, 0, 4, 0x67, 0x64, 0, 0x0c, 1, 0, 2, 0x68, 0xee];
    Format { coding: Coding::H264, codec_data, width: 320, height: 180 }
}
