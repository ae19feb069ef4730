//! Viewers of a camera that goes away, and of a program that is started again.

use super::*;

#[test]
fn viewers_stay_over_an_outage_of_the_camera() {
    let (bucket, mut camera) = (Bucket::new(), camera());
    let workspace = Workspace::new(Settings::new(&bucket.server).camera("gate", &camera), &bucket.server);
    let program = Program::start(&workspace);
    camera_state(&program, "gate", "recording");
    let before = playlist(&program);
    let mut socket = socket(&program, "gate");
    media(&mut socket);
    // decodes more than comes before the outage
    let mut player = player(&program.url("/cameras/gate/live.mp4"), 150);
    camera.stop();
    camera_state(&program, "gate", "waiting");
    let away = playlist(&program);
    let (uri, sequence, part) = hint(&away);
    assert!(away.ends_with(&format!("#EXT-X-DISCONTINUITY\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{uri}\"\n")));
    // held for a while, then the same once more: an error would make players give up
    let held = program.get(&format!("/live.m3u8?_HLS_msn={sequence}&_HLS_part={part}"));
    assert_eq!((held.status, held.text() == away), (200, true), "{}", held.text());
    let told = loop {
        if let Message::Text(words) = socket.read().unwrap()
            && words.contains("waiting")
        {
            break words;
        }
    };
    assert!(told.contains("\"type\":\"state\""), "{told}");
    camera.start_again().unwrap();
    camera_state(&program, "gate", "recording");
    let back = eventually(LIMIT, "the playlist to go on", || {
        let text = playlist(&program);
        if hint(&text).1 > sequence { Ok(text) } else { Err(text) }
    });
    for tag in ["#EXT-X-MEDIA-SEQUENCE", "#EXT-X-DISCONTINUITY-SEQUENCE"] {
        assert!(number(&back, tag) >= number(&before, tag), "{tag}: {before}\n{back}");
    }
    let (old, new) = back.split_once("#EXT-X-DISCONTINUITY\n").unwrap();
    assert!(old.contains("#EXT-X-MAP:") && new.starts_with("#EXT-X-MAP:"), "{back}");
    assert!(new.contains(&format!("/live/{sequence}.m4s\n")), "{back}");
    // the same connections get the second run
    loop {
        if &media(&mut socket)[4..8] == b"ftyp" {
            break;
        }
    }
    assert_eq!(&media(&mut socket)[4..8], b"moof");
    plays_to_its_end(&mut player);
}

#[test]
fn numbers_rise_over_restarts_of_the_program() {
    let (bucket, camera) = (Bucket::new(), camera());
    let workspace = Workspace::new(Settings::new(&bucket.server).camera("gate", &camera), &bucket.server);
    let mut seen: BTreeMap<u64, u64> = BTreeMap::new();
    let mut viewer = Viewer::new("/live.m3u8");
    for round in 0..3 {
        let mut program = Program::start(&workspace);
        camera_state(&program, "gate", "recording");
        playlist(&program);
        viewer.look(&program).unwrap();
        let last = seen.last_key_value().map(|(sequence, breaks)| (*sequence, *breaks));
        if let Some((sequence, breaks)) = last {
            // a player that never noticed asks for what follows the last playlist it has
            let answer = program.get(&format!("/live.m3u8?_HLS_msn={}&_HLS_part=0", sequence + 1));
            assert_eq!(answer.status, 200);
            assert!(number(&answer.text(), "#EXT-X-MEDIA-SEQUENCE") > sequence, "{}", answer.text());
            assert!(viewer.discontinuity() > breaks);
        }
        seen.insert(viewer.newest(), viewer.discontinuity());
        if round == 1 {
            program.kill9();
        } else {
            program.sigterm();
            assert!(program.wait_exit(LIMIT).success());
        }
    }
}
