//! A viewer who remembers: reads a playlist again and again, and holds every answer against all earlier ones.

use std::collections::BTreeMap;

use m3u8_rs::MediaPlaylist;

use crate::support::Program;

/// One camera's playlist as one viewer saw it, over restarts of the program too.
pub struct Viewer {
    path: String,
    /// Sequence → address and discontinuity sequence.
    seen: BTreeMap<u64, (String, u64)>,
    last_sequence: u64,
    target: Option<u64>,
}

impl Viewer {
    pub fn new(path: &str) -> Self {
        Self { path: path.into(), seen: BTreeMap::new(), last_sequence: 0, target: None }
    }

    /// Reads the playlist and checks what a player relies on. `Err` while there is none.
    #[track_caller]
    pub fn look(&mut self, program: &Program<'_>) -> Result<MediaPlaylist, String> {
        let answer = program.get(&self.path);
        let text = answer.text();
        if answer.status == 503 {
            return Err(text);
        }
        assert_eq!(answer.status, 200, "{text}");
        assert_eq!(answer.header("content-type"), Some("application/vnd.apple.mpegurl"));
        let playlist = parse(&text);
        assert!(!playlist.end_list && playlist.playlist_type.is_none(), "a live stream has no end: {text}");
        assert!(playlist.media_sequence >= self.last_sequence, "{} came before {text}", self.last_sequence);
        let target = *self.target.get_or_insert(playlist.target_duration);
        assert_eq!(playlist.target_duration, target, "{text}");
        self.last_sequence = playlist.media_sequence;
        for (sequence, uri, discontinuity) in numbered(&playlist) {
            let now = (uri, discontinuity);
            let before = self.seen.entry(sequence).or_insert_with(|| now.clone());
            assert_eq!(*before, now, "segment {sequence} is another one now: {text}");
        }
        let uris: std::collections::BTreeSet<_> = self.seen.values().map(|(uri, _)| uri).collect();
        assert_eq!(uris.len(), self.seen.len(), "one address with two numbers: {:?}", self.seen);
        let breaks: Vec<u64> = self.seen.values().map(|(_, discontinuity)| *discontinuity).collect();
        assert!(breaks.is_sorted(), "{:?}", self.seen);
        for segment in &playlist.segments {
            assert!(segment.program_date_time.is_some(), "{text}");
            assert!(segment.duration.round() as u64 <= target, "{text}");
        }
        Ok(playlist)
    }

    /// The newest segment's number so far.
    pub fn newest(&self) -> u64 {
        self.seen.last_key_value().map_or(0, |(sequence, _)| *sequence)
    }

    /// The newest segment's discontinuity sequence so far.
    pub fn discontinuity(&self) -> u64 {
        self.seen.last_key_value().map_or(0, |(_, (_, discontinuity))| *discontinuity)
    }
}

#[track_caller]
pub fn parse(text: &str) -> MediaPlaylist {
    match m3u8_rs::parse_media_playlist_res(text.as_bytes()) {
        Ok(playlist) => playlist,
        Err(error) => panic!("no media playlist: {error}: {text}"),
    }
}

/// Every segment with its sequence and discontinuity sequence, counted as RFC 8216 says.
pub fn numbered(playlist: &MediaPlaylist) -> Vec<(u64, String, u64)> {
    let mut discontinuity = playlist.discontinuity_sequence;
    let segments = (playlist.media_sequence..).zip(&playlist.segments).enumerate();
    segments
        .map(|(place, (sequence, segment))| {
            discontinuity += u64::from(segment.discontinuity && place > 0);
            (sequence, segment.uri.clone(), discontinuity)
        })
        .collect()
}
