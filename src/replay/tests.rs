//! Real segments of one run → MP4, as a receiver gets it.

use std::path::Path;

use tokio::sync::mpsc::channel;

use super::*;

/// Three segments of a second each, cut as a recorder cuts them.
fn segments(folder: &Path, encoder: &str) -> Vec<PathBuf> {
    gst::init().unwrap();
    let text = format!(
        "videotestsrc num-buffers=45 ! video/x-raw,width=320,height=180,framerate=15/1 ! {encoder} \
         ! hlssink2 max-files=0 target-duration=1 playlist-location={0}/a.m3u8 location={0}/segment_%05d.ts",
        folder.display()
    );
    let pipeline = gst::parse::launch(&text).unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let end = pipeline.bus().unwrap().timed_pop_filtered(gst::ClockTime::from_seconds(30), &ends);
    assert_eq!(end.unwrap().type_(), gst::MessageType::Eos);
    pipeline.set_state(gst::State::Null).unwrap();
    (0..3).map(|number| folder.join(format!("segment_{number:05}.ts"))).collect()
}

const H264: &str = "x264enc tune=zerolatency key-int-max=15 ! h264parse config-interval=-1 \
                    ! video/x-h264,stream-format=byte-stream,alignment=au";

fn replayed(files: Vec<PathBuf>) -> (Option<String>, Vec<u8>, Result<()>) {
    let (out, mut pieces) = channel(1000);
    let result = run(files, &out);
    drop(out);
    let (mut codec, mut bytes) = (None, Vec::new());
    while let Some(piece) = pieces.blocking_recv() {
        match piece {
            Piece::Codec(name) => codec = Some(name),
            Piece::Bytes(more) => bytes.extend_from_slice(&more),
        }
    }
    (codec, bytes, result)
}

/// Decode times of each fragment, from its tfdt, and all samples of all of them.
fn fragments(mut bytes: &[u8]) -> (Vec<u64>, u32) {
    let (mut times, mut samples) = (Vec::new(), 0);
    let number = |bytes: &[u8]| u32::from_be_bytes(*bytes.first_chunk().unwrap());
    while !bytes.is_empty() {
        let size = number(bytes) as usize;
        if &bytes[4..8] == b"moof" {
            let at = |name: &[u8]| bytes[..size].windows(4).position(|four| four == name).unwrap();
            let tfdt = at(b"tfdt");
            times.push(match bytes[tfdt + 4] {
                0 => u64::from(number(&bytes[tfdt + 8..])),
                _ => u64::from_be_bytes(*bytes[tfdt + 8..].first_chunk().unwrap()),
            });
            samples += number(&bytes[at(b"trun") + 8..]);
        }
        bytes = &bytes[size..];
    }
    (times, samples)
}

#[test]
fn segments_of_a_run_become_one_stream_that_begins_at_zero() {
    let folder = tempfile::tempdir().unwrap();
    let files = segments(folder.path(), H264);
    let (codec, bytes, result) = replayed(files.clone());
    result.unwrap();
    assert!(codec.is_some_and(|codec| codec.starts_with("avc1.")));
    let (times, samples) = fragments(&bytes);
    assert_eq!((times[0], samples), (0, 45), "{times:?}");
    assert!(times.is_sorted(), "{times:?}");
    // from the middle it begins at zero, too
    let (_, bytes, result) = replayed(files[1..].to_vec());
    result.unwrap();
    let (times, samples) = fragments(&bytes);
    assert_eq!((times[0], samples), (0, 30), "{times:?}");
}

#[test]
fn h265_keeps_its_codec() {
    let folder = tempfile::tempdir().unwrap();
    let encoder = "x265enc tune=zerolatency key-int-max=15 ! h265parse config-interval=-1 \
                   ! video/x-h265,stream-format=byte-stream,alignment=au";
    let (codec, bytes, result) = replayed(segments(folder.path(), encoder));
    result.unwrap();
    assert!(codec.is_some_and(|codec| codec.starts_with("hvc1.")));
    assert_eq!(fragments(&bytes).1, 45);
}

#[test]
fn a_file_that_is_gone_ends_it_and_rubbish_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let files = segments(folder.path(), H264);
    std::fs::remove_file(&files[1]).unwrap();
    let (codec, bytes, result) = replayed(files.clone());
    result.unwrap();
    assert!(codec.is_some());
    assert_eq!(fragments(&bytes).1, 15);
    std::fs::write(&files[0], [7; 5000]).unwrap();
    let (codec, bytes, result) = replayed(files[..1].to_vec());
    assert!(codec.is_none() && bytes.is_empty() && result.is_err());
    assert!(replayed(Vec::new()).2.is_err());
}

#[test]
fn it_ends_when_nobody_receives() {
    let folder = tempfile::tempdir().unwrap();
    let files = segments(folder.path(), H264);
    let many: Vec<_> = files.iter().cycle().take(300).cloned().collect();
    let (out, mut pieces) = channel(1);
    let replay = std::thread::spawn(move || run(many, &out));
    assert!(matches!(pieces.blocking_recv(), Some(Piece::Codec(_))));
    assert!(matches!(pieces.blocking_recv(), Some(Piece::Bytes(_))));
    drop(pieces);
    replay.join().unwrap().unwrap();
}
