//! Many players of one camera's low-latency playlist at once: each asks for the next part before it is there.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// (segment, part).
type Place = (u64, u64);

/// When the first byte of each answer came, by the part that was waited for; and when bytes of the frames
/// themselves came to somebody who waits for nothing.
#[derive(Default)]
pub struct Seen {
    released: BTreeMap<Place, Vec<Instant>>,
    frames: Vec<Instant>,
}

impl Seen {
    /// From when a part was there until each viewer had the first byte of the list that names it: seconds, and the
    /// share of the parts' viewers that were counted. A part is there when its last frame is: the last bytes that the
    /// direct viewer got before, or with, the first of the answers.
    pub fn delays(&self, viewers: usize) -> Vec<f64> {
        let whole = self.released.values().filter(|times| times.len() == viewers);
        whole
            .flat_map(|times| {
                let first = times.iter().min().copied();
                let before =
                    |first: Instant| self.frames.iter().filter(move |at| **at <= first).max().copied();
                let there =
                    first.and_then(|first| before(first).filter(|at| first - *at < FRAME).or(Some(first)));
                times.iter().filter_map(move |at| Some((*at - there?).as_secs_f64()))
            })
            .collect()
    }
}

/// Half a frame's length: bytes that came earlier were another frame's.
const FRAME: Duration = Duration::from_millis(33);

/// Keeps `viewers` players, and a direct viewer beside them, for so long.
pub fn watch(server: SocketAddr, camera: &str, viewers: usize, time: Duration) -> Seen {
    let seen: Arc<Mutex<Seen>> = Arc::default();
    let runtime = runtime();
    runtime.block_on(async {
        let until = Instant::now() + time;
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(direct(server, camera.to_owned(), seen.clone(), until));
        for _ in 0..viewers {
            tasks.spawn(player(server, camera.to_owned(), seen.clone(), until));
        }
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap().unwrap();
        }
    });
    std::mem::take(&mut *seen.lock().unwrap())
}

/// Somebody who watches until this is dropped.
pub struct Viewer {
    _runtime: tokio::runtime::Runtime,
}

#[derive(Clone, Copy)]
pub enum Kind {
    /// Gets each frame at once.
    Direct,
    /// Asks for each part.
    Player,
}

pub fn keep(server: SocketAddr, camera: &str, kind: Kind) -> Viewer {
    let runtime = runtime();
    let (camera, until) = (camera.to_owned(), Instant::now() + Duration::from_secs(86_400));
    match kind {
        Kind::Direct => drop(runtime.spawn(direct(server, camera, Arc::default(), until))),
        Kind::Player => drop(runtime.spawn(player(server, camera, Arc::default(), until))),
    }
    Viewer { _runtime: runtime }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// Notes when bytes of the endless stream come.
async fn direct(
    server: SocketAddr,
    camera: String,
    seen: Arc<Mutex<Seen>>,
    until: Instant,
) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(server).await?;
    stream.write_all(request(&format!("/cameras/{camera}/live.mp4"), server).as_bytes()).await?;
    let mut bytes = vec![0; 1 << 20];
    while Instant::now() < until && stream.read(&mut bytes).await? > 0 {
        seen.lock().unwrap().frames.push(Instant::now());
    }
    Ok(())
}

async fn player(
    server: SocketAddr,
    camera: String,
    seen: Arc<Mutex<Seen>>,
    until: Instant,
) -> std::io::Result<()> {
    let mut connection = BufReader::with_capacity(64 << 10, TcpStream::connect(server).await?);
    let path = format!("/cameras/{camera}/live.m3u8");
    let (mut next, mut is_first) = (announced(&ask(&mut connection, &path, server).await?.1), true);
    while Instant::now() < until {
        let (sequence, part) = next;
        let wanted = format!("{path}?_HLS_msn={sequence}&_HLS_part={part}");
        let (at, list) = ask(&mut connection, &wanted, server).await?;
        // the first may have come while the playlist was on its way
        if !std::mem::take(&mut is_first) {
            seen.lock().unwrap().released.entry(next).or_default().push(at);
        }
        ask(&mut connection, &format!("/cameras/{camera}/live/{sequence}.{part}.m4s"), server).await?;
        next = announced(&list);
    }
    Ok(())
}

fn request(path: &str, server: SocketAddr) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {server}\r\n\r\n")
}

/// One request: when its answer began, and its body.
async fn ask(
    connection: &mut BufReader<TcpStream>,
    path: &str,
    server: SocketAddr,
) -> std::io::Result<(Instant, Vec<u8>)> {
    connection.get_mut().write_all(request(path, server).as_bytes()).await?;
    let (mut line, mut length, mut at) = (String::new(), 0, None);
    loop {
        line.clear();
        connection.read_line(&mut line).await?;
        if at.is_none() {
            at = Some(Instant::now());
            assert!(line.contains(" 200 "), "{path}: {line}");
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body).await?;
    Ok((at.unwrap(), body))
}

/// The part that the playlist says comes next.
fn announced(list: &[u8]) -> Place {
    let text = std::str::from_utf8(list).unwrap();
    let hint = text.lines().rfind(|line| line.starts_with("#EXT-X-PRELOAD-HINT")).unwrap();
    let name = hint.rsplit('/').next().unwrap().trim_end_matches(".m4s\"");
    let (sequence, part) = name.split_once('.').unwrap();
    (sequence.parse().unwrap(), part.parse().unwrap())
}
