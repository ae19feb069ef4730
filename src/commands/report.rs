//! `report`: a camera's day, second by second: footage, or a gap with its reason.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::{named_camera, open_existing, say};
use crate::config::Config;
use crate::error::{Context, Error, Kind, Result};
use crate::segment::coverage::{Tile, What};
use crate::segment::{CameraName, State, Timestamp};

const DAY: Duration = Duration::from_secs(86_400);

/// Prints the report. `date` is `YYYY-MM-DD` in UTC, today without it; `camera` may be left out where there is one.
pub fn report(config: &Config, camera: Option<&str>, date: Option<&str>, json: bool) -> Result<u8> {
    let now = Timestamp::now();
    let (camera, from) = (chosen(config, camera)?, day(date, now)?);
    let store = open_existing(config)?;
    let tiles = store.coverage(&camera, from, from.plus(DAY), now)?;
    let day = Day::new(&camera, from, from.plus(DAY).min(now), tiles);
    if json {
        say(&serde_json::to_string_pretty(&day).context(Kind::Internal, || "write JSON")?)?;
    } else {
        say(day.text().trim_end())?;
    }
    Ok(0)
}

fn chosen(config: &Config, camera: Option<&str>) -> Result<CameraName> {
    match (camera, config.cameras.as_slice()) {
        (Some(name), _) => named_camera(config, name),
        (None, [only]) => Ok(only.name.clone()),
        (None, cameras) => {
            let names: Vec<&str> = cameras.iter().map(|camera| camera.name.as_str()).collect();
            Err(Error::new(
                Kind::Config,
                format!("--camera: it is missing, the file has {}", names.join(", ")),
            ))
        }
    }
}

fn day(date: Option<&str>, now: Timestamp) -> Result<Timestamp> {
    let Some(text) = date else { return Ok(now.day()) };
    Timestamp::parse_date(text).ok_or_else(|| {
        let today = now.date();
        let what = format!("--date: found {text:?}, allowed is a day in UTC as YYYY-MM-DD, such as {today}");
        Error::new(Kind::Config, what)
    })
}

/// Field names are an interface: `--json` shows them.
#[derive(Debug, Serialize)]
struct Day {
    camera: String,
    date: String,
    /// What the report is about: the day, up to now if it is today.
    from: String,
    to: String,
    /// Of that, the time since the camera was recorded for the first time: footage and gaps make up all of it.
    seconds: f64,
    /// `uploaded`, `waiting` and `open` together.
    recorded_seconds: f64,
    /// `None` where there was nothing to record.
    recorded_percent: Option<f64>,
    uploaded_seconds: f64,
    /// On its way to S3.
    waiting_seconds: f64,
    /// In the segment that is being written.
    open_seconds: f64,
    gap_seconds: f64,
    /// Neither footage nor a gap: must be 0.
    unaccounted_seconds: f64,
    gaps: Vec<Missing>,
}

#[derive(Debug, Serialize)]
struct Missing {
    start: String,
    end: String,
    seconds: f64,
    /// A word of gaps, or `lost`, `dropped`, `refused`: recorded, but not in S3.
    cause: &'static str,
    reason: String,
}

impl Day {
    fn new(camera: &CameraName, from: Timestamp, to: Timestamp, tiles: Vec<Tile>) -> Day {
        let sum = |wanted: &dyn Fn(&What) -> bool| {
            let wanted = tiles.iter().filter(|tile| wanted(&tile.what));
            wanted.map(Tile::length).sum::<Duration>()
        };
        let all = sum(&|what| *what != What::Before);
        let recorded = sum(&What::is_footage);
        let gaps = sum(&|what| matches!(what, What::Gap(_) | What::Missing(_)));
        let unaccounted = sum(&|what| *what == What::Unaccounted);
        Day {
            camera: camera.to_string(),
            date: from.date(),
            from: from.rfc3339(),
            to: to.max(from).rfc3339(),
            seconds: all.as_secs_f64(),
            recorded_seconds: recorded.as_secs_f64(),
            recorded_percent: percent(recorded, all),
            uploaded_seconds: sum(&|what| *what == What::Uploaded).as_secs_f64(),
            waiting_seconds: sum(&|what| *what == What::Waiting).as_secs_f64(),
            open_seconds: sum(&|what| *what == What::Open).as_secs_f64(),
            gap_seconds: gaps.as_secs_f64(),
            unaccounted_seconds: unaccounted.as_secs_f64(),
            gaps: tiles.into_iter().filter_map(missing).collect(),
        }
    }

    fn text(&self) -> String {
        let mut text = format!(
            "{}, {} (UTC), {} to {}\n",
            self.camera,
            self.date,
            clock(&self.date, &self.from),
            clock(&self.date, &self.to)
        );
        let percent = self.recorded_percent.map_or("-".to_owned(), |percent| format!("{percent:.2} %"));
        let line = |name: &str, seconds: f64, more: &str| {
            format!("{name:<13}{:>9}  {more}", length(seconds)).trim_end().to_owned() + "\n"
        };
        text += &line("recorded", self.recorded_seconds, &percent);
        text += &line("  uploaded", self.uploaded_seconds, "in S3");
        text += &line("  waiting", self.waiting_seconds, "on its way to S3");
        text += &line("  open", self.open_seconds, "being written");
        let count = self.gaps.len();
        text += &line(
            "gaps",
            self.gap_seconds,
            &format!("in {count} piece{}", if count == 1 { "" } else { "s" }),
        );
        let broken = if self.unaccounted_seconds > 0.0 { "run `check store`, and report this" } else { "" };
        text += &line("unaccounted", self.unaccounted_seconds, broken);
        if !self.gaps.is_empty() {
            let _ = writeln!(text, "\n{:<10}{:<10}{:>9}  {:<13}REASON", "FROM", "TO", "LENGTH", "CAUSE");
        }
        for gap in &self.gaps {
            let (from, to) = (clock(&self.date, &gap.start), clock(&self.date, &gap.end));
            let _ = writeln!(
                text,
                "{from:<10}{to:<10}{:>9}  {:<13}{}",
                length(gap.seconds),
                gap.cause,
                gap.reason
            );
        }
        text
    }
}

/// Rounded down: a day is complete only when nothing is missing.
fn percent(part: Duration, all: Duration) -> Option<f64> {
    let hundredths = (part.as_millis() * 10_000).checked_div(all.as_millis())?;
    u32::try_from(hundredths).ok().map(|hundredths| f64::from(hundredths) / 100.0)
}

fn missing(tile: Tile) -> Option<Missing> {
    let (cause, reason) = match &tile.what {
        What::Gap(gap) => (gap.cause.as_str(), gap.reason.clone()),
        What::Missing(State::Failed) => {
            ("refused", "recorded, but S3 refused the upload; `retry` queues it again".to_owned())
        }
        What::Missing(State::Dropped) => {
            ("dropped", "recorded, but the disk was full before its upload".to_owned())
        }
        What::Missing(_) => ("lost", "recorded, but the file was lost before its upload".to_owned()),
        What::Uploaded | What::Waiting | What::Open | What::Before | What::Unaccounted => return None,
    };
    let seconds = tile.length().as_secs_f64();
    Some(Missing { start: tile.start.rfc3339(), end: tile.end.rfc3339(), seconds, cause, reason })
}

/// `13:59:39` of an RFC 3339 time; `24:00:00` where the day is over.
fn clock<'a>(date: &str, rfc3339: &'a str) -> &'a str {
    if rfc3339.starts_with(date) { rfc3339.get(11..19).unwrap_or(rfc3339) } else { "24:00:00" }
}

/// `13:59:39.2` with tenths only where they matter.
fn length(seconds: f64) -> String {
    let tenths = (seconds * 10.0).round().max(0.0);
    let whole = (tenths / 10.0).floor();
    let (hours, minutes) = ((whole / 3600.0).floor(), (whole / 60.0).floor() % 60.0);
    let tenth = tenths - whole * 10.0;
    let fraction = if tenth > 0.0 && whole < 60.0 { format!(".{tenth}") } else { String::new() };
    format!("{hours:02}:{minutes:02}:{:02}{fraction}", whole % 60.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::{Cause, Gap};

    const MIDNIGHT: i64 = 1_763_856_000;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(MIDNIGHT + seconds)
    }

    fn sample() -> Day {
        let camera = CameraName::new("gate").unwrap();
        let (cause, reason) = (Cause::Denied, "camera refuses".to_owned());
        let gap = Gap { camera: camera.clone(), start: at(40_000), end: at(40_300), cause, reason };
        let tile = |start, end, what| Tile { start: at(start), end: at(end), what };
        let tiles = vec![
            tile(0, 400, What::Before),
            tile(400, 40_000, What::Uploaded),
            tile(40_000, 40_300, What::Gap(gap)),
            tile(40_300, 40_310, What::Missing(State::Dropped)),
            tile(40_310, 40_320, What::Waiting),
            tile(40_320, 40_325, What::Open),
        ];
        Day::new(&camera, at(0), at(40_325), tiles)
    }

    #[test]
    fn the_text_shows_what_there_is_and_each_gap_with_its_reason() {
        assert_eq!(
            sample().text(),
            "gate, 2025-11-23 (UTC), 00:00:00 to 11:12:05\n\
             recorded      11:00:15  99.22 %\n\
             \x20 uploaded    11:00:00  in S3\n\
             \x20 waiting     00:00:10  on its way to S3\n\
             \x20 open        00:00:05  being written\n\
             gaps          00:05:10  in 2 pieces\n\
             unaccounted   00:00:00\n\
             \n\
             FROM      TO           LENGTH  CAUSE        REASON\n\
             11:06:40  11:11:40   00:05:00  denied       camera refuses\n\
             11:11:40  11:11:50   00:00:10  dropped      recorded, but the disk was full before its upload\n"
        );
    }

    #[test]
    fn a_whole_day_ends_at_24() {
        let day = Day::new(&CameraName::new("gate").unwrap(), at(0), at(86_400), Vec::new());
        assert!(day.text().starts_with("gate, 2025-11-23 (UTC), 00:00:00 to 24:00:00\n"), "{}", day.text());
    }

    #[test]
    fn the_json_has_the_same_numbers() {
        let json = serde_json::to_value(sample()).unwrap();
        for (field, value) in [
            ("seconds", 39_925.0),
            ("recorded_seconds", 39_615.0),
            ("recorded_percent", 99.22),
            ("uploaded_seconds", 39_600.0),
            ("waiting_seconds", 10.0),
            ("open_seconds", 5.0),
            ("gap_seconds", 310.0),
            ("unaccounted_seconds", 0.0),
        ] {
            assert_eq!(json[field], value, "{field}");
        }
        assert_eq!((&json["date"], &json["to"]), (&"2025-11-23".into(), &"2025-11-23T11:12:05.000Z".into()));
        let gap = serde_json::json!({"start": "2025-11-23T11:06:40.000Z", "end": "2025-11-23T11:11:40.000Z",
            "seconds": 300.0, "cause": "denied", "reason": "camera refuses"});
        assert_eq!(json["gaps"][0], gap);
    }

    #[test]
    fn a_day_without_anything_is_no_percentage() {
        let day = Day::new(&CameraName::new("gate").unwrap(), at(0), at(-9), Vec::new());
        assert_eq!((day.recorded_percent, day.to == day.from), (None, true));
        assert!(day.text().contains("recorded      00:00:00  -\n"), "{}", day.text());
    }

    #[test]
    fn lengths_are_hours_and_tenths_only_below_a_minute() {
        for (seconds, text) in [
            (0.0, "00:00:00"),
            (0.26, "00:00:00.3"),
            (59.96, "00:01:00"),
            (61.3, "00:01:01"),
            (86_400.0, "24:00:00"),
        ] {
            assert_eq!(length(seconds), text);
        }
        assert_eq!(percent(Duration::from_millis(86_399_999), DAY), Some(99.99));
    }

    #[test]
    fn a_day_is_a_date_in_utc() {
        assert_eq!(day(Some("2025-11-23"), at(999)).unwrap(), at(0));
        assert_eq!(day(None, at(999)).unwrap(), at(0));
        for text in ["", "today", "2025-11-31", "23.11.2025", "2025-11-23T00:00", "2025-1-1", "99999-01-01"] {
            let error = day(Some(text), at(0)).unwrap_err();
            assert_eq!(error.kind(), Kind::Config);
            let said = error.to_string();
            assert!(said.contains(&format!("found {text:?}")) && said.contains("YYYY-MM-DD"), "{said}");
        }
    }
}
