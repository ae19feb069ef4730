//! The report as a table for terminals. Pure; called by the `status` command.

use std::fmt::Write;

use super::{CameraReport, Report};
use crate::words::{ago, size};

const HEADINGS: [&str; 5] = ["CAMERA", "STATE", "SINCE", "LAST SEGMENT", "BACKLOG"];

impl Report {
    /// Several lines, the last one ended too.
    pub fn text(&self) -> String {
        let mut text = format!("cctv-s3-pipeline {}: {}", self.version, self.status.as_str());
        if self.uptime_seconds > 0 {
            let _ = write!(text, ", running for {}", ago(self.uptime_seconds));
        }
        text.push('\n');
        for reason in &self.reasons {
            let _ = writeln!(text, "  ! {reason}");
        }
        text.push('\n');
        self.write_cameras(&mut text);
        text.push('\n');
        self.write_totals(&mut text);
        text
    }

    fn write_cameras(&self, text: &mut String) {
        let rows: Vec<_> = self.cameras.iter().map(cells).collect();
        let width = |column: usize| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.chain([HEADINGS[column].len()]).max().unwrap_or_default()
        };
        let widths: Vec<_> = (0..HEADINGS.len()).map(width).collect();
        let mut line = |cells: &[String]| {
            let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            let _ = writeln!(text, "{}", padded.collect::<Vec<_>>().join("  ").trim_end());
        };
        line(&HEADINGS.map(str::to_owned));
        for (row, camera) in rows.iter().zip(&self.cameras) {
            line(row);
            for state in &camera.segments {
                line(&[format!("  {} {} ({})", state.count, state.state, size(state.bytes))]);
            }
        }
    }

    fn write_totals(&self, text: &mut String) {
        let (upload, storage) = (&self.upload, &self.storage);
        let _ = write!(
            text,
            "uploads: {}, {} waiting, {} failed",
            upload.state.as_deref().unwrap_or("not in this process"),
            upload.pending,
            upload.failed
        );
        if let Some(at) = &upload.last_success_at {
            let _ = write!(text, ", last success {at}");
        }
        let _ = write!(text, "\nstorage: {} segments, {}", storage.segments, size(storage.bytes));
        if let Some(free) = storage.free_bytes {
            let _ = write!(text, ", {} free", size(free));
        }
        if storage.dropped > 0 {
            let _ = write!(text, ", {} given up un-uploaded", storage.dropped);
        }
        text.push('\n');
    }
}

fn cells(camera: &CameraReport) -> [String; 5] {
    let dash = || "-".to_owned();
    let pending: u64 =
        camera.segments.iter().filter(|s| super::is_pending(&s.state)).map(|state| state.count).sum();
    [
        camera.name.clone(),
        camera.state.clone(),
        camera.since.clone().unwrap_or_else(dash),
        camera.last_segment_age_seconds.map_or_else(dash, |age| format!("{} ago", ago(age))),
        match camera.oldest_pending_age_seconds {
            Some(age) => format!("{pending}, oldest {}", ago(age)),
            None => pending.to_string(),
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::super::{StateReport, StorageReport, UploadReport, Verdict};
    use super::*;

    #[test]
    fn the_table_is_exactly_this() {
        let state = |state: &str, count, bytes| StateReport { state: state.into(), count, bytes };
        let camera = |name: &str, state: &str, segments: Vec<StateReport>, age: Option<u64>| CameraReport {
            name: name.into(),
            state: state.into(),
            reason: None,
            since: age.map(|_| "2025-11-23T14:00:00.000Z".into()),
            last_segment_age_seconds: age,
            reconnects: 0,
            oldest_pending_age_seconds: age,
            segments,
        };
        let segments =
            vec![state("created", 2, 5_000_000), state("retry", 1, 999), state("uploaded", 9, 12_300)];
        let report = Report {
            status: Verdict::Degraded,
            reasons: vec!["camera yard has never run".into()],
            version: "0.1.0".into(),
            uptime_seconds: 7265,
            cameras: vec![
                camera("warehouse-cam-01", "recording", segments, Some(4)),
                camera("yard", "unknown", Vec::new(), None),
            ],
            upload: UploadReport {
                state: None,
                reason: None,
                pending: 3,
                failed: 0,
                oldest_pending_age_seconds: Some(4),
                last_success_at: None,
            },
            storage: StorageReport {
                segments: 12,
                bytes: 5_013_299,
                free_bytes: Some(1 << 40),
                space: Some("ok".into()),
                dropped: 2,
                reason: None,
            },
        };
        let expected = "\
cctv-s3-pipeline 0.1.0: degraded, running for 2 h 1 min
  ! camera yard has never run

CAMERA            STATE      SINCE                     LAST SEGMENT  BACKLOG
warehouse-cam-01  recording  2025-11-23T14:00:00.000Z  4 s ago       3, oldest 4 s
  2 created (5.0 MB)
  1 retry (999 B)
  9 uploaded (12.3 kB)
yard              unknown    -                         -             0

uploads: not in this process, 3 waiting, 0 failed
storage: 12 segments, 5.0 MB, 1.1 TB free, 2 given up un-uploaded
";
        assert_eq!(report.text(), expected);
    }
}
