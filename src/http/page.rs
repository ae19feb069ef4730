//! The page at `/`: which cameras there are, how they are, and what to open in a player. Pure.
//!
//! Called by the handler. Holds no script; every word from outside is escaped.

use std::fmt::Write;

use super::report::{CameraReport, Report, ago, size};

/// Served at `/style.css`, because the page's own policy forbids styles inside it.
pub const STYLE: &str = include_str!("style.css");

pub fn render(report: &Report) -> String {
    let mut html = String::with_capacity(4096);
    html.push_str(
        "<!doctype html>\n\
         <html lang=\"en\">\n\
         <head>\n\
         <meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>Cameras</title>\n\
         <link rel=\"stylesheet\" href=\"/style.css\">\n\
         </head>\n\
         <body>\n\
         <main>\n\
         <h1>Cameras</h1>\n",
    );
    verdict(&mut html, report);
    cameras(&mut html, report);
    totals(&mut html, report);
    html.push_str(
        "<p>To watch, open a <em>live</em> address in VLC (Media, Open Network Stream) or in another HLS \
         player; <em>recent</em> goes back as far as this machine keeps footage.</p>\n\
         <p><a href=\"/health\">All numbers as JSON</a></p>\n\
         </main>\n\
         </body>\n\
         </html>\n",
    );
    html
}

fn verdict(html: &mut String, report: &Report) {
    let status = report.status.as_str();
    let words = match status {
        "ok" => "All is well.",
        "degraded" => "Something needs attention.",
        _ => "Not recording.",
    };
    let _ = write!(html, "<div class=\"verdict {status}\">\n<p><strong>{words}</strong></p>\n");
    if !report.reasons.is_empty() {
        html.push_str("<ul>\n");
        for reason in &report.reasons {
            let _ = writeln!(html, "<li>{}</li>", escape(reason));
        }
        html.push_str("</ul>\n");
    }
    html.push_str("</div>\n");
}

fn cameras(html: &mut String, report: &Report) {
    html.push_str(
        "<div class=\"scroll\">\n<table>\n<thead><tr><th scope=\"col\">Camera</th><th scope=\"col\">State</th>\
         <th scope=\"col\">Last segment</th><th scope=\"col\">Watch</th></tr></thead>\n<tbody>\n",
    );
    for camera in &report.cameras {
        camera_row(html, camera);
    }
    html.push_str("</tbody>\n</table>\n</div>\n");
}

fn camera_row(html: &mut String, camera: &CameraReport) {
    let name = escape(&camera.name);
    let reason = camera.reason.as_ref().map(|reason| format!(": {}", escape(reason))).unwrap_or_default();
    let last = camera.last_segment_age_seconds.map_or("none yet".into(), |age| format!("{} ago", ago(age)));
    let _ = writeln!(
        html,
        "<tr><th scope=\"row\">{name}</th><td>{}{reason}</td><td>{last}</td><td>\
         <a href=\"/cameras/{name}/live.m3u8\" aria-label=\"{name} live\">live</a> \
         <a href=\"/cameras/{name}/recent.m3u8\" aria-label=\"{name} recent\">recent</a></td></tr>",
        escape(&camera.state)
    );
}

fn totals(html: &mut String, report: &Report) {
    let (upload, storage) = (&report.upload, &report.storage);
    let oldest = upload.oldest_pending_age_seconds.map(|age| format!(", the oldest for {}", ago(age)));
    let free = storage.free_bytes.map(|free| format!(", {} free", size(free)));
    let _ = write!(
        html,
        "<h2>Upload and storage</h2>\n\
         <dl>\n\
         <dt>Upload</dt><dd>{}: {} segments wait{}, {} failed</dd>\n\
         <dt>On this machine</dt><dd>{} segments, {}{}</dd>\n\
         <dt>Version</dt><dd><code>{}</code></dd>\n\
         </dl>\n",
        escape(upload.state.as_deref().unwrap_or("in another process")),
        upload.pending,
        oldest.unwrap_or_default(),
        upload.failed,
        storage.segments,
        size(storage.bytes),
        free.unwrap_or_default(),
        escape(&report.version),
    );
}

/// For text and for attributes in double quotes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::http::ServedCamera;
    use crate::http::report::Facts;
    use crate::segment::{CameraName, Timestamp};
    use crate::status::{CameraState, CameraStatus, Snapshot};

    fn page(reason: &str) -> String {
        let name = CameraName::new("gate").unwrap();
        let notice = CameraStatus {
            state: CameraState::Waiting,
            reason: Some(reason.to_owned()),
            since: Timestamp::from_seconds(1),
            reconnects: 0,
        };
        let snapshot = Snapshot { cameras: [(name.clone(), notice)].into(), ..Snapshot::default() };
        let cameras = [ServedCamera {
            name,
            segment_duration: Duration::from_secs(10),
            mode: crate::config::Mode::Transcode,
        }];
        render(&Report::new(&Facts {
            snapshot: &snapshot,
            stats: &[],
            cameras: &cameras,
            free_bytes: Some(2_000_000_000),
            now: Timestamp::from_seconds(9),
        }))
    }

    #[test]
    fn each_camera_has_its_state_in_words_and_its_links() {
        let html = page("connection refused");
        for part in [
            "<th scope=\"row\">gate</th><td>waiting: connection refused</td>",
            "href=\"/cameras/gate/live.m3u8\"",
            "href=\"/cameras/gate/recent.m3u8\"",
            "Not recording.",
            "2.0 GB free",
            "<html lang=\"en\">",
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
    }

    #[test]
    fn words_of_a_camera_never_become_markup() {
        let html = page("<script>alert(\"1\")</script> & 'x'");
        assert!(!html.contains("<script"), "{html}");
        assert!(
            html.contains("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;x&#39;"),
            "{html}"
        );
    }
}
