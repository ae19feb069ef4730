//! The wall clock as bars in the picture, put there before it is encoded: what a viewer sees tells its own age.
//!
//! Two rows of sixteen squares at the top left, white for 1: the lower 32 bits of the milliseconds since 1970, the
//! highest first. Survives encoding and, in whole multiples, scaling.

use std::time::{SystemTime, UNIX_EPOCH};

use gst::prelude::*;

/// Side of one square, in pixels.
pub const SIDE: usize = 32;
pub const COLUMNS: usize = 16;
pub const ROWS: usize = 2;

/// Paints every frame that comes by in I420 of this width.
pub fn paint(pad: &gst::Pad, width: usize) {
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(mut map) = info.buffer_mut().and_then(|buffer| buffer.make_mut().map_writable().ok()) {
            let now = now_ms();
            // without colour, on a picture that has some
            let (chroma, stride) = (map.len() * 2 / 3, width / 2);
            for plane in [chroma, chroma + map.len() / 6] {
                for y in 0..SIDE * ROWS / 2 {
                    map[plane + y * stride..][..SIDE * COLUMNS / 2].fill(128);
                }
            }
            for y in 0..SIDE * ROWS {
                for x in 0..SIDE * COLUMNS {
                    let bit = (y / SIDE) * COLUMNS + x / SIDE;
                    map[y * width + x] = if now >> (31 - bit) & 1 == 1 { 235 } else { 16 };
                }
            }
        }
        gst::PadProbeReturn::Ok
    });
}

/// What stands in a grey picture whose first bytes are `COLUMNS * SIDE` wide.
pub fn read(grey: &[u8]) -> u32 {
    let middle = |bit: usize| {
        let (row, column) = (bit / COLUMNS, bit % COLUMNS);
        grey[(row * SIDE + SIDE / 2) * SIDE * COLUMNS + column * SIDE + SIDE / 2] > 127
    };
    (0..32).fold(0, |value, bit| value << 1 | u32::from(middle(bit)))
}

pub fn now_ms() -> u32 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    (now & u128::from(u32::MAX)) as u32
}
