//! The pure vocabulary: camera names, times, states, and how a segment is called on disk, in S3 and over HTTP.
//!
//! No I/O, no clock but [`Timestamp::now`]. Everything that names a segment goes through here, so that the
//! three names of one segment can never drift apart.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::macros::format_description;

use crate::error::{Error, Kind, Result};

/// A camera's name: 1 to 63 of `[a-z0-9-]`. It names folders, keys and URLs, so nothing else is let in.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CameraName(Arc<str>);

impl CameraName {
    pub fn new(name: &str) -> Result<Self> {
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || name.len() > 63 || !name.chars().all(legal) {
            return Err(Error::new(
                Kind::Config,
                format!("found {name:?}, allowed are 1 to 63 of the characters a-z, 0-9 and -"),
            ));
        }
        Ok(Self(name.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CameraName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A moment in UTC, in milliseconds since 1970. Never used to measure a duration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The wall clock's word, right or wrong.
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    pub const fn from_millis(ms: i64) -> Self {
        Self(ms)
    }

    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds * 1000)
    }

    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970, rounded down.
    pub const fn epoch_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The start of the UTC hour that holds this moment.
    pub const fn hour(self) -> Self {
        Self(self.0 - self.0.rem_euclid(3_600_000))
    }

    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier` this is by the wall clock; zero if it is not. For display and for gaps between
    /// segments, whose ends are wall-clock facts; a segment's duration never comes from here.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// `2026-11-23T14:05:09.250Z`, as HLS and JSON want it.
    pub fn rfc3339(self) -> String {
        let format =
            format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
        self.date_time().format(&format).unwrap_or_else(|_| self.0.to_string())
    }

    /// `2026/11/23`.
    fn date_path(self) -> String {
        let format = format_description!("[year]/[month]/[day]");
        self.date_time().format(&format).unwrap_or_else(|_| "0000/00/00".into())
    }

    fn date_time(self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

/// Where a segment is in its life; the texts are what the database, `status` and the API show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// Closed and on disk, never tried.
    Created,
    /// A PUT may be under way, or was when the program died.
    Uploading,
    /// Waits for its next attempt.
    Retry,
    /// S3 confirmed these bytes.
    Uploaded,
    /// The object itself was refused too often; the file stays until a person acts.
    Failed,
    /// The file vanished or no longer matches its hash.
    Lost,
    /// The disk quota forced it out before it was uploaded.
    Dropped,
    /// Uploaded, and its file is gone after the local buffer's time.
    Cleaned,
}

impl State {
    pub const ALL: [State; 8] = [
        State::Created,
        State::Uploading,
        State::Retry,
        State::Uploaded,
        State::Failed,
        State::Lost,
        State::Dropped,
        State::Cleaned,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            State::Created => "created",
            State::Uploading => "uploading",
            State::Retry => "retry",
            State::Uploaded => "uploaded",
            State::Failed => "failed",
            State::Lost => "lost",
            State::Dropped => "dropped",
            State::Cleaned => "cleaned",
        }
    }

    pub fn parse(text: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Waits to be uploaded: the backlog.
    pub const fn is_pending(self) -> bool {
        matches!(self, State::Created | State::Uploading | State::Retry)
    }

    /// A complete file of the row's size and hash must be on disk.
    pub const fn has_file(self) -> bool {
        matches!(self, State::Created | State::Uploading | State::Retry | State::Uploaded | State::Failed)
    }
}

/// `segment_<unix seconds of its first frame>.ts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName {
    epoch_seconds: i64,
}

impl FileName {
    /// Times before 1970 are named as 1970: a clock that wrong is wrong anyway, and the name must parse.
    pub fn new(epoch_seconds: i64) -> Self {
        Self { epoch_seconds: epoch_seconds.max(0) }
    }

    /// Reads exactly what [`fmt::Display`] writes; everything else is not a segment of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("segment_")?.strip_suffix(".ts")?;
        let name = Self::new(digits.parse().ok().filter(|epoch| *epoch >= 0)?);
        (name.to_string() == text).then_some(name)
    }

    pub const fn epoch_seconds(self) -> i64 {
        self.epoch_seconds
    }

    /// The name one second later, for when this one is taken.
    pub const fn next(self) -> Self {
        Self { epoch_seconds: self.epoch_seconds + 1 }
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "segment_{}.ts", self.epoch_seconds)
    }
}

/// `s3.prefix`, checked: `{camera_name}`, `{date}` (YYYY/MM/DD) and `{hour}` (HH), both UTC, ending in `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix(String);

impl Prefix {
    pub const DEFAULT: &'static str = "cameras/{camera_name}/{date}/{hour}/";

    /// All three placeholders are required: without the first two cameras would share keys, without the others
    /// the hours would share one manifest.
    pub fn new(template: &str) -> Result<Self> {
        let bad = |why: &str| {
            Err(Error::new(
                Kind::Config,
                format!("found {template:?}: {why}; for example {:?}", Self::DEFAULT),
            ))
        };
        for placeholder in ["{camera_name}", "{date}", "{hour}"] {
            if template.matches(placeholder).count() != 1 {
                return bad(&format!("it must hold {placeholder} exactly once"));
            }
        }
        let rest = ["{camera_name}", "{date}", "{hour}"]
            .iter()
            .fold(template.to_owned(), |text, placeholder| text.replace(placeholder, ""));
        let legal = |c: char| c.is_ascii_alphanumeric() || "/-_.!=".contains(c);
        if let Some(c) = rest.chars().find(|c| !legal(*c)) {
            return bad(&format!("the character {c:?} is not allowed in it"));
        }
        if template.starts_with('/') || !template.ends_with('/') || template.contains("//") {
            return bad("it must not start with /, must end with / and must not hold //");
        }
        if template.split('/').any(|part| part == "." || part == "..") {
            return bad("it must not hold . or .. as a folder");
        }
        Ok(Self(template.to_owned()))
    }

    /// The object key of a segment that starts at its file name's second.
    pub fn key(&self, camera: &CameraName, file: FileName) -> String {
        format!("{}{file}", self.folder(camera, Timestamp::from_seconds(file.epoch_seconds())))
    }

    /// The object key of the manifest of the hour that holds `at`.
    pub fn manifest_key(&self, camera: &CameraName, at: Timestamp) -> String {
        format!("{}manifest.m3u8", self.folder(camera, at))
    }

    /// The part before the first placeholder, where objects of the program itself may lie: `cameras/`.
    pub fn root(&self) -> &str {
        self.0.split('{').next().unwrap_or_default()
    }

    fn folder(&self, camera: &CameraName, at: Timestamp) -> String {
        let hour = at.epoch_seconds().div_euclid(3600).rem_euclid(24);
        self.0
            .replace("{camera_name}", camera.as_str())
            .replace("{date}", &at.date_path())
            .replace("{hour}", &format!("{hour:02}"))
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A row's number in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId(pub i64);

/// One life of one camera's pipeline, numbered in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub i64);

/// A closed file that has no row yet. `bytes`, `md5` and `sha256` were taken while it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSegment {
    pub camera: CameraName,
    pub run: RunId,
    /// Wall-clock time of the first frame.
    pub start: Timestamp,
    /// From media time.
    pub duration: Duration,
    pub bytes: u64,
    pub md5: [u8; 16],
    pub sha256: [u8; 32],
    pub file: FileName,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    pub id: SegmentId,
    pub camera: CameraName,
    pub run: RunId,
    /// Media sequence: per camera, only rises, also over restarts.
    pub sequence: u64,
    /// Discontinuity sequence: per camera, one more with every run that recorded something.
    pub discontinuity: u64,
    pub start: Timestamp,
    pub duration: Duration,
    pub bytes: u64,
    pub md5: [u8; 16],
    pub sha256: [u8; 32],
    pub file: FileName,
    /// Frozen at creation.
    pub key: String,
    pub state: State,
    /// Attempts that blamed this object.
    pub attempts: u32,
    /// A PUT was begun once and its end is not known for sure: HEAD comes first.
    pub doubtful: bool,
    pub last_error: Option<String>,
}

impl Segment {
    /// Wall-clock time after the last frame.
    pub fn end(&self) -> Timestamp {
        self.start.plus(self.duration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn camera() -> CameraName {
        CameraName::new("warehouse-cam-01").unwrap()
    }

    #[test]
    fn a_key_is_the_utc_hour_of_the_first_frame() {
        let prefix = Prefix::new(Prefix::DEFAULT).unwrap();
        let key = prefix.key(&camera(), FileName::new(1_763_906_399));
        assert_eq!(key, "cameras/warehouse-cam-01/2025/11/23/13/segment_1763906399.ts");
        let manifest = prefix.manifest_key(&camera(), Timestamp::from_seconds(1_763_906_400));
        assert_eq!(manifest, "cameras/warehouse-cam-01/2025/11/23/14/manifest.m3u8");
        assert_eq!(prefix.root(), "cameras/");
    }

    #[test]
    fn a_file_name_is_read_back_only_if_it_is_exactly_ours() {
        let name = FileName::new(1_763_906_399);
        assert_eq!(FileName::parse(&name.to_string()), Some(name));
        for text in [
            "segment_.ts",
            "segment_-1.ts",
            "segment_007.ts",
            "segment_1.ts.part",
            "../segment_1.ts",
            "segment_99999999999999999999.ts",
            "segment_+1.ts",
        ] {
            assert_eq!(FileName::parse(text), None, "{text}");
        }
    }

    #[test]
    fn prefixes_that_could_mix_cameras_or_hours_are_refused() {
        for text in [
            "",
            "cameras/",
            "{camera_name}/{date}/",
            "/{camera_name}/{date}/{hour}/",
            "{camera_name}/{date}/{hour}",
            "{camera_name}/../{date}/{hour}/",
            "{camera_name}/{date}/{hour}/{minute}/",
            "a b/{camera_name}/{date}/{hour}/",
            "{camera_name}//{date}/{hour}/",
        ] {
            assert!(Prefix::new(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn camera_names_outside_the_alphabet_are_refused() {
        for name in ["", "Cam", "a b", "a/b", "..", "kamera-ä", &"x".repeat(64)] {
            assert!(CameraName::new(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn times_are_written_in_utc_with_milliseconds() {
        let at = Timestamp::from_millis(1_763_906_399_250);
        assert_eq!(at.rfc3339(), "2025-11-23T13:59:59.250Z");
        assert_eq!(at.hour().rfc3339(), "2025-11-23T13:00:00.000Z");
        assert_eq!(Timestamp::from_millis(-1).epoch_seconds(), -1);
    }

    #[test]
    fn every_state_reads_back_from_its_text() {
        for state in State::ALL {
            assert_eq!(State::parse(state.as_str()), Some(state));
        }
    }
}
