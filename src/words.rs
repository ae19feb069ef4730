//! Numbers as people say them: in reports, alerts and the API. Pure.

/// `5 s`, `12 min`, `3 h 20 min`, `2 d 4 h`: as exact as a person needs.
pub fn ago(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// `2.5 MB`, in steps of 1000 as disks are sold.
#[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
pub fn size(bytes: u64) -> String {
    let units = [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1000, "kB")];
    units
        .iter()
        .find(|(unit, _)| bytes >= *unit)
        .map_or(format!("{bytes} B"), |(unit, name)| format!("{:.1} {name}", bytes as f64 / *unit as f64))
}
