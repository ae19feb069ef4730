//! Records IP cameras into short segments, uploads each one verified to S3, and shows them live.
//!
//! ```text
//! camera ─RTSP─▶ receive ▶ appsrc ▶ parse ▶ [decode ▶ rate ▶ scale ▶ encode] ─┬▶ cut ▶ mux      GStreamer threads
//!                                           while somebody watches: live, RAM ◀┘        │
//!            writer, a file for each segment: own name, buffered writes, hashes as bytes pass
//!            the next segment begins ▶ camera thread: fsync, close ▶ store: INSERT row `created`
//!                                           │
//!               ┌───────────── SQLite (rows)┴──────────────────┐
//!               ▼                          ▼                   ▼
//!         upload ▶ S3, verified      http ▶ playlists,    retention ▶ unlink
//!         row `uploaded` ▶ manifest   segments, live       row `cleaned`
//! ```
//!
//! **The row is the queue**: uploader, playlists, manifests and retention read rows and never call each other;
//! channels only say "look now". Folders on one level do not import each other; [`app`] wires them:
//! main → [`commands`] → [`app`], [`bucket`], [`setup`] → {[`camera`], [`upload`], [`http`], [`retention`], [`alert`], [`watchdog`]} →
//! {[`access`], [`metrics`]} → {[`store`], [`live`], [`stills`], [`replay`]} → {[`segment`], [`status`], [`counters`],
//! [`heartbeat`], [`chunks`], [`memory`], [`repeats`], [`words`], [`error`]}.
//!
//! **Segments** are cut by the program ([`camera`], `cut/`): texts end in `hlssink2 name=sink`, whose place a muxer takes, because
//! hlssink2 keeps each group of pictures in memory until the next one begins. It is the program's own for whole frames of one stream, and
//! GStreamer's for what else a text links.
//!
//! **Live** is a second way out of the same encoded frames, because browsers take MP4. A
//! probe on the muxer's pad shows each frame to [`live`] while somebody watches; there it becomes a fragment of MP4,
//! which goes to direct viewers at once, and with others into parts and two-second segments of a low-latency
//! playlist. Nothing of it is linked into the recording's pipeline. It ends a minute after the last viewer.
//!
//! **Pages** read `/api/v1` (docs/API.md) and pictures: [`stills`] makes a small JPEG of a camera every two seconds while
//! somebody looks, and one of a segment once somebody asks, which is kept in `thumbs` beside the segments and goes with its own.
//! Recorded footage plays in a browser as MP4 that [`replay`] makes of segments while they are being sent.
//!
//! **The page** is static: files in `http/ui`, packed into the program by `build.rs`. Everything it shows comes from
//! `/api/v1`, `live.ws`, `play.mp4` and stills, so whatever it can do, a script can do too.
//!
//! **Who may look** is asked once per request, before its route is followed: each route says what it needs
//! (`http/door.rs`), [`access`] finds out who asks (session cookie, HTTP Basic, a link's token) and has the one rule,
//! [`access::decide`]. Users, sessions and links are rows, so that commands and several processes share them.
//!
//! **Operators** are told in three ways, all from the notice board ([`status`]) and totals that the database keeps:
//! [`metrics`] makes `/metrics` of them at each scrape, [`alert`] tells people once when a trouble begins and once when it
//! ends, [`watchdog`] tells systemd that every part still beats ([`heartbeat`]).
//!
//! **Memory** of boards with one gigabyte: one heap for all threads, whose free pages go back now and then, no huge pages, and the
//! kernel forgets what is uploaded ([`memory`]); SQLite's caches are small (`store/connection.rs`).
//!
//! **Housekeeping of S3**: each object's class, encryption, tags and lock are headers of its PUT (`upload/s3/keep.rs`);
//! what becomes of it later is a rule of the bucket, which [`bucket`] writes for the command `lifecycle`.
//!
//! # Words
//! One word for one thing: *camera* · *run* (one life of one camera's pipeline, numbered in the database) ·
//! *segment* (one closed .ts file) · *row* · *upload* · *manifest* (the per-hour playlist in S3) · *live* (what a
//! viewer sees now) · *backlog* (segments not yet uploaded) · *gap* (time with no footage, with its reason).
//!
//! # Invariants
//! 1. A row in `created`, `uploading`, `retry` or `uploaded` has a complete file of that size and hash on disk.
//!    Order at close: write → fsync file → fsync folder → INSERT ([`camera`], `writer.rs`).
//! 2. Every .ts on disk has a row, but for the open one of each running camera; recovery at start adopts the rest
//!    ([`store::Store::recover_files`]).
//! 3. A file is unlinked only when its row allows it: `cleaned` or `dropped` is written first
//!    ([`store::Store::retain`]). The database keeps room of its own for that on a full disk
//!    ([`store::Store::keep_reserve`]).
//! 4. A name is never used twice, an object never overwritten by other bytes: rows are never deleted, files are
//!    created with `O_EXCL`, and a PUT that could overwrite is preceded by HEAD ([`upload`]).
//! 5. A row is `uploaded` only after S3 confirmed these bytes.
//! 6. Media sequence and discontinuity sequence are columns: they only rise, also across restarts. A camera without
//!    rows begins at the seconds since 2020, which is above whatever it counted before its database was lost: it closes
//!    at most one segment a second. (A machine that lost database and clock together counts from its files' names.)
//!    Media sequences of live begin with the seconds of the program's start and rise more slowly. Discontinuities begin
//!    with hours instead, because players keep an array of them ([`live::Live::new`]): a camera that began more runs
//!    than hours went by, and then lost its database, counts some of them again.
//! 7. Time on disk, in keys and rows is UTC. Durations come from media time, waiting from monotonic clocks. A segment's
//!    start comes from the camera's clock where that is sane, else from the arrival of its first frame; the row says which
//!    (`camera/timeline.rs`).
//! 8. From a camera's first run on, segments and gaps tile its time: every second is footage or has a cause
//!    ([`store::Store::coverage`]). Runs say why they ended, and the insert of a segment writes the gap before it.
//! 9. No secret reaches a log line, an error, an answer or a process list.
//!
//! # A database that cannot be used
//! Footage is recorded whatever becomes of the database. Locked or read-only: runs get numbers of our own and rows wait
//! in memory (`camera/rows.rs`). Damaged: moved aside with its log, never deleted (`store/damage.rs`). Deleted or
//! replaced while in use: noticed within a second. After each, all parts start anew in the same process
//! (`app/recorder.rs`) and recovery adopts the files; S3 is asked before anything is stored again. The write-ahead log
//! is synced at each commit (`synchronous = FULL`), so a power cut takes no row that was written.
//!
//! # Reading order
//! this page → [`app`] and `app/recorder.rs` → `camera/supervisor.rs` → `store/mod.rs` → `upload/mod.rs` → `http/route.rs`.
//!
//! `gst::` stays in [`camera`], [`stills`] and [`replay`] (and the joining of its log in [`logging`]), SQL in [`store`], rust-s3 in `upload/s3`.

pub mod access;
pub mod alert;
pub mod app;
pub mod bucket;
pub mod camera;
pub mod chunks;
pub mod cli;
pub mod commands;
pub mod config;
pub mod counters;
pub mod error;
#[cfg(test)]
mod fuzz;
pub mod heartbeat;
pub mod http;
pub mod live;
pub mod logging;
pub mod memory;
pub mod metrics;
pub mod repeats;
pub mod replay;
pub mod retention;
pub mod segment;
pub mod setup;
pub mod shutdown;
pub mod signals;
pub mod status;
pub mod stills;
pub mod store;
pub mod tls;
pub mod upload;
pub mod watchdog;
pub mod words;
