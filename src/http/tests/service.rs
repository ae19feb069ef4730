//! Refusals, health, floods, and the stop.

use super::*;

#[tokio::test]
async fn nothing_outside_the_rows_can_be_read() {
    let world = World::new().await;
    let segment = world.segment(world.run(), FIRST, b"footage");
    let folder = world.store.path(&segment).parent().unwrap().to_owned();
    std::fs::write(folder.join("segment_77.ts"), b"secret").unwrap();
    std::fs::write(world.folder.path().join("secret.ts"), b"secret").unwrap();
    for path in [
        "/cameras/gate/segments/segment_77.ts",
        "/cameras/gate/segments/../../../secret.ts",
        "/cameras/gate/segments/..%2f..%2f..%2fsecret.ts",
        "/cameras/gate/segments/%2e%2e/%2e%2e/%2e%2e/secret.ts",
        "/cameras/gate/segments/..\\..\\secret.ts",
        "/cameras/../segments.db",
        "/cameras/gate/segments//etc/passwd",
        "//etc/passwd",
        "/segments.db",
        "/cameras/gate/segments/segment_1763906400.ts%00",
    ] {
        let got = world.get(path).await;
        assert_eq!(got.status, 404, "{path}");
        assert!(!got.text().contains("secret\""), "{path}");
    }
    world.stop().await;
}

#[tokio::test]
async fn refusals_say_why_and_what_is_possible() {
    let world = World::new().await;
    let post = world.ask("POST", "/live.m3u8", &[("Content-Length", "0")]).await;
    assert_eq!((post.status, post.header("allow")), (405, Some("GET, HEAD, OPTIONS")));
    let lost = world.get("/cameras/cellar/live.m3u8").await;
    assert_eq!((lost.status, lost.json()["hint"].as_str()), (404, Some("the cameras are: gate, yard")));
    assert_eq!(lost.header("content-type"), Some("application/json"));
    assert_eq!(world.get("/%ff").await.status, 400);
    let huge = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(20_000));
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    // the server may hang up before it has read everything
    let _ = stream.write_all(huge.as_bytes()).await;
    let mut start = [0; 12];
    stream.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 431");
    world.stop().await;
}

#[tokio::test]
async fn pages_of_other_sites_may_play_but_not_look_around() {
    let world = World::new().await;
    world.segment(world.run(), FIRST, b"x");
    let headers = [("Origin", "http://elsewhere"), ("Access-Control-Request-Method", "GET")];
    let got = world.ask("OPTIONS", "/live.m3u8", &headers).await;
    assert_eq!((got.status, got.body.len()), (204, 0));
    assert_eq!(got.header("access-control-allow-methods"), Some("GET, HEAD, OPTIONS"));
    assert!(got.header("access-control-allow-headers").is_some_and(|names| names.contains("Range")));
    for (path, open) in
        [("/live.m3u8", true), ("/cameras/gate/segments/none", true), ("/", false), ("/health", false)]
    {
        let got = world.get(path).await;
        assert_eq!(got.header("access-control-allow-origin").is_some(), open, "{path}");
        assert!(got.header("content-security-policy").is_some_and(|csp| csp.contains("default-src 'none'")));
    }
    world.stop().await;
}

#[tokio::test]
async fn health_says_how_everything_is() {
    let world = World::new().await;
    let now = Timestamp::now();
    world.segment(world.run(), now.epoch_seconds() - 12, b"12345");
    world.board.set_camera(&name("gate"), CameraState::Recording, None, now);
    world.board.set_camera(&name("yard"), CameraState::Recording, None, now);
    world.board.set_upload(UploadState::Ok, None);
    let got = world.get("/health").await;
    let health = got.json();
    assert_eq!(
        (got.status, &health["status"], &health["reasons"]),
        (200, &"ok".into(), &serde_json::json!([]))
    );
    let mut fields: Vec<_> = health.as_object().unwrap().keys().map(String::as_str).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["cameras", "reasons", "status", "storage", "upload", "uptime_seconds", "version"]);
    assert_eq!(health["cameras"][0]["name"], "gate");
    assert_eq!(health["cameras"][0]["since"], now.rfc3339());
    assert!(health["cameras"][0]["last_segment_age_seconds"].as_u64().unwrap() < 60);
    assert_eq!((&health["upload"]["pending"], &health["upload"]["failed"]), (&1.into(), &0.into()));
    assert_eq!((&health["storage"]["segments"], &health["storage"]["bytes"]), (&1.into(), &5.into()));
    assert!(health["storage"]["free_bytes"].as_u64().is_some());
    assert!(serde_json::from_slice::<report::Report>(&got.body).is_ok(), "`status` reads it back");

    world.board.set_camera(&name("gate"), CameraState::Waiting, Some("refused".into()), now);
    let got = world.get("/health").await;
    assert_eq!((got.status, &got.json()["status"]), (200, &"degraded".into()));
    world.board.set_camera(&name("yard"), CameraState::Waiting, Some("refused".into()), now);
    let got = world.get("/health").await;
    assert_eq!((got.status, &got.json()["status"]), (503, &"down".into()));
    world.board.set_stopping();
    assert_eq!(world.get("/health").await.json()["reasons"], serde_json::json!(["stopping"]));
    let page = world.get("/").await;
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(page.text().contains("<html lang=\"en\">"), "{}", page.text());
    assert_eq!(world.get("/ui/app.css").await.header("content-type"), Some("text/css; charset=utf-8"));
    world.stop().await;
}

#[tokio::test]
async fn slow_and_silent_clients_are_hung_up_on() {
    let world = World::with(|limits| limits.request_time = Duration::from_millis(100)).await;
    for begun in ["GET /health HTTP/1.1\r\nHost: rec", "GET /health HTTP/1.1\r\nHost: a\r\n\r\n", ""] {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        stream.write_all(begun.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        let end = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut rest)).await;
        assert!(end.is_ok(), "{begun:?} is still connected");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_flood_waits_for_a_place_and_then_is_answered() {
    let world = World::with(|limits| {
        limits.connections = 2;
        limits.request_time = Duration::from_millis(300);
    })
    .await;
    let mut idle = Vec::new();
    for _ in 0..8 {
        idle.push(TcpStream::connect(world.address).await.unwrap());
    }
    let got = tokio::time::timeout(Duration::from_secs(20), world.get("/ui/app.css")).await;
    assert_eq!(got.expect("the flood shut everybody out").status, 200);
    world.stop().await;
}

#[tokio::test]
async fn an_open_answer_is_finished_and_a_dead_one_is_cut_at_the_stop() {
    let world = World::with(|limits| limits.stalled = Duration::from_secs(2)).await;
    // more than the sockets' buffers can hold: the answer is open until somebody reads it
    let bytes = vec![7; 24 << 20];
    let segment = world.segment(world.run(), FIRST, &bytes);
    let request = format!("GET /cameras/gate/segments/{} HTTP/1.1\r\nHost: a\r\n\r\n", segment.file);
    let mut viewers = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut start = [0; 12];
        stream.read_exact(&mut start).await.unwrap();
        assert_eq!(&start, b"HTTP/1.1 200");
        viewers.push(stream);
    }
    let _dead = viewers.pop();
    let mut alive = viewers.pop().unwrap();
    world.shutdown.request();
    let mut rest = Vec::new();
    alive.read_to_end(&mut rest).await.unwrap();
    assert!(rest.len() > bytes.len() && rest.ends_with(&bytes), "{} bytes", rest.len());
    let ended = tokio::time::timeout(DRAIN / 2, world.running).await;
    ended.expect("a viewer who reads nothing held up the stop").unwrap().unwrap();
    assert!(TcpStream::connect(world.address).await.is_err());
}

#[tokio::test]
async fn a_port_in_use_says_what_to_change() {
    let world = World::new().await;
    let config = server_config(world.address.port());
    let error =
        Server::bind(&config, &Inherited::default(), Cameras::default(), world.store.clone(), Board::new())
            .await
            .err()
            .unwrap();
    let expected =
        format!("listen on {}: address in use; stop the other program or change server.port", world.address);
    assert_eq!(error.to_string(), expected);
    world.stop().await;
}
