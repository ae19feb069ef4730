//! The real server on a real store, asked over plain TCP: what goes over the wire is what is tested.

use std::net::{IpAddr, Ipv4Addr};

use md5::{Digest, Md5};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;

use super::*;
use crate::config::{AuthConfig, StorageConfig};
use crate::segment::CameraName;
use crate::segment::{FileName, NewSegment, Prefix, RunId, Segment, Timestamp};
use crate::status::{CameraState, UploadState};

const FIRST: i64 = 1_763_906_400;
const DRAIN: Duration = Duration::from_secs(20);

/// A server with the cameras `gate` and `yard`, and what it serves from.
struct World {
    folder: tempfile::TempDir,
    store: Store,
    board: Board,
    address: SocketAddr,
    shutdown: Shutdown,
    running: JoinHandle<Result<()>>,
}

/// An answer as it came over the wire.
struct Got {
    status: u16,
    headers: String,
    body: Vec<u8>,
}

impl Got {
    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.headers.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

fn name(text: &str) -> CameraName {
    CameraName::new(text).unwrap()
}

fn server_config(port: u16) -> ServerConfig {
    ServerConfig {
        enabled: true,
        bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
        port,
        playlist_segments: 3,
        thumbnails: true,
        tls: None,
        auth: AuthConfig::default(),
    }
}

impl World {
    async fn new() -> World {
        World::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Limits)) -> World {
        World::showing(Live::default(), change).await
    }

    /// A server that also shows what these hubs hold.
    async fn showing(live: Live, change: impl FnOnce(&mut Limits)) -> World {
        World::behind(live, None, change).await
    }

    /// A server that asks who comes in.
    async fn behind(live: Live, auth: Option<AuthConfig>, change: impl FnOnce(&mut Limits)) -> World {
        let folder = tempfile::tempdir().unwrap();
        let config = StorageConfig {
            local_buffer: Duration::ZERO,
            segments_dir: folder.path().join("segments"),
            database: folder.path().join("segments.db"),
            max_size_bytes: None,
            min_free_bytes: 0,
        };
        let store = Store::open(&config, &Prefix::new(Prefix::DEFAULT).unwrap()).unwrap();
        let board = Board::new();
        let served = |text| ServedCamera {
            name: name(text),
            segment_duration: Duration::from_secs(10),
            mode: crate::config::Mode::Transcode,
        };
        let cameras = vec![served("gate"), served("yard")];
        let mut server = Server::bind(
            &server_config(0),
            &Inherited::default(),
            Cameras::new(cameras),
            store.clone(),
            board.clone(),
        )
        .await
        .unwrap();
        server = server.with_live(live);
        if let Some(auth) = auth {
            let gate = Gate::start(&auth, server.local_addr().ip(), &store, &config.database).unwrap();
            server = server.with_access(gate);
        }
        change(&mut server.limits);
        let address = server.local_addr();
        let shutdown = Shutdown::new();
        let running = tokio::spawn(server.run(shutdown.clone(), DRAIN));
        World { folder, store, board, address, shutdown, running }
    }

    fn run(&self) -> RunId {
        self.store.begin_run(&name("gate"), Timestamp::from_seconds(FIRST)).unwrap()
    }

    /// A closed segment of `gate` with its row.
    fn segment(&self, run: RunId, epoch: i64, bytes: &[u8]) -> Segment {
        let (camera, file) = (name("gate"), FileName::new(epoch));
        let path = self.store.camera_dir(&camera).unwrap().join(file.to_string());
        std::fs::write(path, bytes).unwrap();
        let segment = NewSegment {
            camera,
            run,
            start: Timestamp::from_seconds(epoch),
            time_source: crate::segment::TimeSource::Arrival,
            duration: Duration::from_secs(10),
            bytes: bytes.len().try_into().unwrap(),
            md5: Md5::digest(bytes).into(),
            sha256: [0; 32],
            file,
        };
        self.store.insert(&segment).unwrap()
    }

    fn uploaded(&self, segment: &Segment) {
        self.store.begin_upload(segment.id).unwrap();
        self.store.finish_uploaded(segment.id, Timestamp::from_seconds(FIRST + 60)).unwrap();
    }

    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Got {
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: recorder\r\nConnection: close\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        self.send(request.as_bytes()).await
    }

    async fn get(&self, path: &str) -> Got {
        self.ask("GET", path, &[]).await
    }

    /// Sends these bytes and reads until the server closes.
    async fn send(&self, request: &[u8]) -> Got {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request).await.unwrap();
        read_all(&mut stream).await
    }

    async fn stop(self) {
        self.shutdown.request();
        self.running.await.unwrap().unwrap();
    }
}

async fn read_all(stream: &mut TcpStream) -> Got {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("no end of headers") + 4;
    let headers = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let status = headers.split(' ').nth(1).unwrap().parse().unwrap();
    Got { status, headers, body: bytes.split_off(end) }
}

/// Bytes that differ at every place that matters; longer than one chunk.
fn footage() -> Vec<u8> {
    (0..1_300_001_u32).map(|i| u8::try_from(i.wrapping_mul(2_654_435_761) >> 24).unwrap()).collect()
}

mod api;
mod door;
mod live;
mod media;
mod service;
