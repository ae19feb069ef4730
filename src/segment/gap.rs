//! Time without footage, and the few words that say why. Pure.

use super::{CameraName, Timestamp};

/// Why nothing was recorded; the texts are what the database, `report`, metrics and the API show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cause {
    /// Refused, no route, no answer, or the camera ended the stream.
    Unreachable,
    /// User name, password or path refused.
    Denied,
    /// Connected, but nothing usable came.
    Stalled,
    /// A decoder or encoder failed, or the stream's codec cannot be recorded or has just changed.
    Codec,
    /// The pipeline's text or elements do not work.
    Pipeline,
    /// The segment folder could not be written.
    Disk,
    /// The database could not be written.
    Database,
    /// The program was not running.
    ProgramDown,
    /// The wall clock was set: nobody was without footage, the hours are missing from the clock.
    Clock,
    /// The camera was connected and sent no frames for a moment.
    Quiet,
    Unknown,
}

impl Cause {
    pub const ALL: [Cause; 11] = [
        Cause::Unreachable,
        Cause::Denied,
        Cause::Stalled,
        Cause::Codec,
        Cause::Pipeline,
        Cause::Disk,
        Cause::Database,
        Cause::ProgramDown,
        Cause::Clock,
        Cause::Quiet,
        Cause::Unknown,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Cause::Unreachable => "unreachable",
            Cause::Denied => "denied",
            Cause::Stalled => "stalled",
            Cause::Codec => "codec",
            Cause::Pipeline => "pipeline",
            Cause::Disk => "disk",
            Cause::Database => "database",
            Cause::ProgramDown => "program_down",
            Cause::Clock => "clock",
            Cause::Quiet => "quiet",
            Cause::Unknown => "unknown",
        }
    }

    pub fn parse(text: &str) -> Option<Cause> {
        Cause::ALL.into_iter().find(|cause| cause.as_str() == text)
    }
}

/// Time of one camera without footage; `end` is after `start`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    pub camera: CameraName,
    pub start: Timestamp,
    pub end: Timestamp,
    pub cause: Cause,
    /// The sentence for people.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_reads_back_from_its_text() {
        for cause in Cause::ALL {
            assert_eq!(Cause::parse(cause.as_str()), Some(cause));
        }
    }
}
