//! How a segment is called on disk and in S3, and the camera names that go into both. Pure.

use std::fmt;
use std::sync::Arc;

use super::Timestamp;
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

/// `segment_<unix seconds of its first frame>.ts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName {
    epoch_seconds: i64,
}

/// 9999-12-31T23:59:59Z: later times have no date in a key.
const LAST_SECOND: i64 = 253_402_300_799;

impl FileName {
    /// Times before 1970 are named as 1970, times after 9999 as its end: a clock that wrong is wrong anyway, and
    /// the name must parse.
    pub fn new(epoch_seconds: i64) -> Self {
        Self { epoch_seconds: epoch_seconds.clamp(0, LAST_SECOND) }
    }

    /// Reads exactly what [`fmt::Display`] writes; everything else is not a segment of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("segment_")?.strip_suffix(".ts")?;
        let name = Self::new(digits.parse().ok()?);
        (name.to_string() == text).then_some(name)
    }

    pub const fn epoch_seconds(self) -> i64 {
        self.epoch_seconds
    }

    /// The name of its thumbnail.
    pub fn thumb(self) -> String {
        format!("segment_{}.jpg", self.epoch_seconds)
    }

    /// The segment whose thumbnail has exactly this name.
    pub fn parse_thumb(text: &str) -> Option<Self> {
        Self::parse(&format!("{}.ts", text.strip_suffix(".jpg")?))
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

    pub fn is_default(&self) -> bool {
        self.0 == Self::DEFAULT
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
        assert_eq!(FileName::parse_thumb(&name.thumb()), Some(name));
        assert_eq!(FileName::parse_thumb("segment_1.ts"), None);
        assert_eq!(FileName::parse_thumb("segment_01.jpg"), None);
        for text in [
            "segment_.ts",
            "segment_-1.ts",
            "segment_007.ts",
            "segment_1.ts.part",
            "../segment_1.ts",
            "segment_99999999999999999999.ts",
            // would be no date, and too many milliseconds to count
            "segment_253402300800.ts",
            "segment_9223372036854775807.ts",
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
}
