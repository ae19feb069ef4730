//! The rule as a table, and the gate over a real database.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use hyper::header::{AUTHORIZATION, COOKIE as COOKIE_HEADER, HeaderMap, HeaderName};

use super::*;
use crate::config::{AuthConfig, StorageConfig};
use crate::segment::{Prefix, Timestamp};
use crate::store::{ShareRow, Store};

const LAN: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 1, 20));

fn cam(name: &str) -> CameraName {
    CameraName::new(name).unwrap()
}

#[test]
fn the_rule() {
    use Area::{Health, Live, Metrics, Page, Recent};
    use Decision::{Forbidden, Granted, Public, Unknown};
    let user = |role| Some(Who::User { name: "x".into(), role });
    let share = |is_live_only| Some(Who::Share { camera: cam("gate"), is_live_only });
    let area = |area, camera: Option<&str>| Need::Area(area, camera.map(cam));
    let people = [None, user(Role::Viewer), user(Role::Admin), share(false), share(true), Some(Who::Local)];
    let on = |public: &[Area]| Policy { is_on: true, public: public.to_vec() };
    for (policy, need, expected) in [
        (on(&[]), Need::Nothing, [Public, Granted, Granted, Granted, Granted, Granted]),
        (on(&[]), Need::Known, [Unknown, Granted, Granted, Granted, Granted, Granted]),
        (on(&[]), area(Live, Some("gate")), [Unknown, Granted, Granted, Granted, Granted, Granted]),
        (on(&[]), area(Live, Some("yard")), [Unknown, Granted, Granted, Forbidden, Forbidden, Granted]),
        (on(&[]), area(Recent, Some("gate")), [Unknown, Granted, Granted, Granted, Forbidden, Granted]),
        (on(&[]), area(Recent, Some("yard")), [Unknown, Granted, Granted, Forbidden, Forbidden, Granted]),
        (on(&[]), area(Page, None), [Unknown, Granted, Granted, Forbidden, Forbidden, Granted]),
        (on(&[]), area(Health, None), [Unknown, Forbidden, Granted, Forbidden, Forbidden, Granted]),
        (on(&[]), area(Metrics, None), [Unknown, Forbidden, Granted, Forbidden, Forbidden, Granted]),
        (on(&[]), Need::Admin, [Unknown, Forbidden, Granted, Forbidden, Forbidden, Granted]),
        (on(&[Live]), area(Live, Some("yard")), [Public, Granted, Granted, Public, Public, Granted]),
        (on(&[Live]), area(Recent, Some("yard")), [Unknown, Granted, Granted, Forbidden, Forbidden, Granted]),
        (on(&[Metrics]), area(Metrics, None), [Public, Public, Granted, Public, Public, Granted]),
        (Policy::default(), area(Health, None), [Public, Public, Granted, Public, Public, Granted]),
        (Policy::default(), Need::Known, [Public, Granted, Granted, Granted, Granted, Granted]),
        (Policy::default(), Need::Admin, [Unknown, Forbidden, Granted, Forbidden, Forbidden, Granted]),
    ] {
        for (who, expected) in people.iter().zip(expected) {
            assert_eq!(decide(&policy, who.as_ref(), &need), expected, "{policy:?} {who:?} {need:?}");
        }
    }
}

struct World {
    folder: tempfile::TempDir,
    store: Store,
    gate: Gate,
}

impl World {
    fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        let storage = StorageConfig {
            segments_dir: folder.path().join("segments"),
            database: folder.path().join("segments.db"),
            ..StorageConfig::default()
        };
        let store = Store::open(&storage, &Prefix::new(Prefix::DEFAULT).unwrap()).unwrap();
        for (name, role) in [("ada", Role::Admin), ("vic", Role::Viewer)] {
            let password = Password::new(&format!("password of {name}")).unwrap();
            add_user(&store, &Name::new(name).unwrap(), role, &password).unwrap();
        }
        let config = AuthConfig { enabled: Some(true), ..AuthConfig::default() };
        let gate = Gate::start(&config, LAN, &store, &storage.database).unwrap();
        World { folder, store, gate }
    }

    async fn ask(&self, shown: Caller, need: &Need) -> Result<Grant, Refused> {
        self.gate.check(&shown, need).await
    }
}

fn shows(headers: &[(HeaderName, String)], query: Option<&str>) -> Caller {
    let headers: HeaderMap =
        headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
    Caller { address: LAN, credentials: Credentials::of(&headers, query) }
}

fn basic(user: &str, password: &str) -> Caller {
    use base64::Engine;
    let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    shows(&[(AUTHORIZATION, format!("Basic {encoded}"))], None)
}

fn cookie(token: &Token) -> Caller {
    shows(&[(COOKIE_HEADER, format!("{COOKIE}={}", token.as_str()))], None)
}

const PAGE: Need = Need::Area(Area::Page, None);

#[tokio::test]
async fn a_password_opens_by_its_right_and_a_new_one_closes() {
    let world = World::new();
    let right = || basic("vic", "password of vic");
    assert_eq!(world.ask(shows(&[], None), &PAGE).await.unwrap_err(), Refused::Unknown);
    let grant = world.ask(right(), &PAGE).await.unwrap();
    assert_eq!(grant.who, Some(Who::User { name: "vic".into(), role: Role::Viewer }));
    assert!(!grant.is_public && grant.token.is_none());
    assert_eq!(world.ask(right(), &Need::Admin).await.unwrap_err(), Refused::Forbidden);
    for wrong in [basic("vic", "password of ada"), basic("eve", "password of vic"), basic("", "")] {
        assert_eq!(world.ask(wrong, &PAGE).await.unwrap_err(), Refused::Wrong);
    }
    let database = world.folder.path().join("segments.db");
    let new = Password::new("another one").unwrap();
    set_password(&world.store, &database, &Name::new("vic").unwrap(), &new).unwrap();
    world.gate.let_time_pass();
    assert_eq!(world.ask(right(), &PAGE).await.unwrap_err(), Refused::Wrong);
    assert!(world.ask(basic("vic", "another one"), &PAGE).await.is_ok());
}

#[tokio::test]
async fn a_session_lasts_until_log_out_removal_or_its_time() {
    let world = World::new();
    assert_eq!(world.gate.log_in(LAN, "ada", "wrong password").await.unwrap_err(), Refused::Wrong);
    let logged_in = world.gate.log_in(LAN, "ada", "password of ada").await.unwrap();
    assert_eq!(logged_in.role, Role::Admin);
    assert!(world.ask(cookie(&logged_in.token), &Need::Admin).await.is_ok());
    world.gate.log_out(&cookie(&logged_in.token).credentials).await.unwrap();
    assert_eq!(world.ask(cookie(&logged_in.token), &PAGE).await.unwrap_err(), Refused::Wrong);

    let second = world.gate.log_in(LAN, "vic", "password of vic").await.unwrap();
    assert!(world.ask(cookie(&second.token), &PAGE).await.is_ok());
    world.store.remove_user("vic").unwrap();
    world.gate.let_time_pass();
    assert_eq!(world.ask(cookie(&second.token), &PAGE).await.unwrap_err(), Refused::Wrong);

    let third = world.gate.log_in(LAN, "ada", "password of ada").await.unwrap();
    world.store.extend_session(&third.token.hash(), Timestamp::now().minus(Duration::from_secs(1))).unwrap();
    assert_eq!(world.ask(cookie(&third.token), &PAGE).await.unwrap_err(), Refused::Wrong);
    // one that is used in its second half goes on for as long again
    let fourth = world.gate.log_in(LAN, "ada", "password of ada").await.unwrap();
    world.store.extend_session(&fourth.token.hash(), Timestamp::now().plus(Duration::from_secs(60))).unwrap();
    assert!(world.ask(cookie(&fourth.token), &PAGE).await.is_ok());
    let later = Timestamp::now().plus(world.gate.session() / 2);
    assert!(world.store.session(&fourth.token.hash(), later).unwrap().is_some());
}

#[tokio::test]
async fn a_link_opens_one_camera_until_it_is_revoked() {
    let world = World::new();
    let (token, now) = (Token::new().unwrap(), Timestamp::now());
    let share = ShareRow {
        id: 0,
        camera: cam("gate"),
        is_live_only: true,
        note: String::new(),
        created: now,
        expires: now.plus(Duration::from_secs(3600)),
    };
    let id = world.store.add_share(&token.hash(), &share).unwrap();
    let query = format!("token={}", token.as_str());
    let link = || shows(&[], Some(&query));
    let live = |camera| Need::Area(Area::Live, Some(cam(camera)));
    assert_eq!(world.ask(link(), &live("gate")).await.unwrap().token, Some(token.clone()));
    assert_eq!(world.ask(link(), &live("yard")).await.unwrap_err(), Refused::Forbidden);
    assert_eq!(world.ask(link(), &PAGE).await.unwrap_err(), Refused::Forbidden);
    world.store.revoke_share(id).unwrap();
    world.gate.let_time_pass();
    assert_eq!(world.ask(link(), &live("gate")).await.unwrap_err(), Refused::Wrong);
}

#[tokio::test]
async fn wrong_passwords_are_slowed_down_and_the_right_one_is_not() {
    let world = World::new();
    assert!(world.ask(basic("ada", "password of ada"), &PAGE).await.is_ok());
    let mut answers = Vec::new();
    for number in 0..20 {
        answers.push(world.ask(basic("ada", &format!("guess {number}")), &PAGE).await.unwrap_err());
    }
    assert_eq!(answers.iter().filter(|answer| **answer == Refused::Wrong).count(), 6, "{answers:?}");
    assert!(matches!(answers[19], Refused::Wait(_)));
    // who is in stays in, also from the same address
    world.gate.let_time_pass();
    assert!(world.ask(basic("ada", "password of ada"), &PAGE).await.is_ok());
    // and from elsewhere one can log in
    let elsewhere = IpAddr::V4(Ipv4Addr::new(192, 168, 1, 21));
    assert!(world.gate.log_in(elsewhere, "vic", "password of vic").await.is_ok());
}

#[test]
fn a_first_start_makes_one_administrator_and_tells_nobody_else() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let storage = StorageConfig {
        segments_dir: folder.path().join("segments"),
        database: folder.path().join("segments.db"),
        ..StorageConfig::default()
    };
    let store = Store::open(&storage, &Prefix::new(Prefix::DEFAULT).unwrap()).unwrap();
    let start = |address| Gate::start(&AuthConfig::default(), address, &store, &storage.database).unwrap();
    assert!(!start(IpAddr::V4(Ipv4Addr::LOCALHOST)).is_on());
    assert_eq!(store.users().unwrap(), []);
    assert!(start(LAN).is_on());
    let file = folder.path().join(ADMIN_FILE);
    let text = std::fs::read_to_string(&file).unwrap();
    let password = text.lines().find_map(|line| line.strip_prefix("password: ")).unwrap();
    let users = store.users().unwrap();
    assert_eq!((users.len(), users[0].name.as_str(), users[0].role.as_str()), (1, "admin", "admin"));
    assert!(password::verify(password, Some(&users[0].password_hash)));
    for name in [ADMIN_FILE, LOCAL_KEY_FILE] {
        let mode = std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    start(LAN);
    assert_eq!(store.users().unwrap(), users, "the second start makes nobody");
    let new = Password::new("my own words").unwrap();
    set_password(&store, &storage.database, &Name::new("admin").unwrap(), &new).unwrap();
    assert!(!file.exists(), "it is not true any more");
}
