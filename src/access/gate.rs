//! Finds out who asks, and applies the rule. Shared by all requests of a server.
//!
//! Rows are asked at most every few seconds for each credential, argon2 only for a password that was not just checked:
//! a player asks several times a second. So what was ended or revoked by another process ends within [`FRESH`].

use std::future::Future;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

use super::credential::{Basic, Credentials};
use super::memory::{Known, Memory};
use super::pass::Passes;
use super::{Decision, Limits, Need, Policy, Role, Token, Who, decide, password, start, token};
use crate::config::AuthConfig;
use crate::error::{Error, Kind, Result};
use crate::segment::Timestamp;
use crate::store::Store;

/// How long an answer of the database is believed.
pub(super) const FRESH: Duration = Duration::from_secs(5);
/// How long it is believed while the database does not answer: who watches goes on watching.
const STALE: Duration = Duration::from_secs(3600);
/// Passwords that are checked at once: 19 MiB each, and recording needs the cores.
const CHECKERS: usize = 2;
/// A stream without an end looks this often whether its viewer still may.
const LOOK: Duration = Duration::from_secs(10);

/// Clones share it.
#[derive(Clone)]
pub struct Gate {
    inner: Arc<Inner>,
}

struct Inner {
    policy: Policy,
    session: Duration,
    /// `None`: everything is open.
    store: Option<Store>,
    local_key: Option<Token>,
    limits: Limits,
    checkers: Semaphore,
    memory: Memory,
    passes: Passes,
}

/// A request, as far as it matters here.
#[derive(Clone, Debug)]
pub struct Caller {
    pub address: IpAddr,
    pub credentials: Credentials,
}

/// Leave to do what was asked for.
#[derive(Clone, Debug)]
pub struct Grant {
    pub who: Option<Who>,
    /// For everybody: pages of other sites may show it, too.
    pub is_public: bool,
    /// A link's token, to be written into what is answered.
    pub token: Option<Token>,
    /// By HTTP Basic, which not every player sends with what a playlist names.
    pub by_password: bool,
}

/// Why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Nothing was shown that says who asks.
    Unknown,
    /// What was shown is wrong, or over.
    Wrong,
    /// It is known who asks, and that one may not.
    Forbidden,
    /// Too many wrong passwords.
    Wait(Duration),
    /// The database does not answer.
    Unable(String),
}

/// A browser's new session.
#[derive(Clone, Debug)]
pub struct LoggedIn {
    pub token: Token,
    pub role: Role,
}

/// Whether one credential is somebody's.
enum Found {
    Who(Who),
    Nobody,
}

impl Gate {
    /// Everybody may everything.
    pub fn open() -> Gate {
        Gate::with(Policy::default(), Duration::ZERO, None, None, [0; 32])
    }

    /// For a server that listens on `address`. Makes the first administrator where accounts are wanted and there is
    /// nobody. A database that does not answer is no reason to end: then nobody but who is public comes in.
    pub fn start(config: &AuthConfig, address: IpAddr, store: &Store, database: &Path) -> Result<Gate> {
        let is_on = config.enabled.unwrap_or(!address.to_canonical().is_loopback());
        if !is_on {
            if !address.to_canonical().is_loopback() {
                log::warn!(
                    "[http] server.auth.enabled is false: everybody who reaches this machine's port sees the cameras"
                );
            }
            return Ok(Gate::open());
        }
        let public = config.public.clone();
        match start::first_admin(store, database) {
            Ok(Some(file)) => log::warn!(
                "[http] made the user admin; its password is in {}; log in, then set your own with `user passwd admin`",
                file.display()
            ),
            Ok(None) => {}
            Err(error) => log::error!("[http] nobody can log in before this is mended: {error}"),
        }
        let local_key = start::new_local_key(database)
            .inspect_err(|error| log::warn!("[http] `status` cannot ask this process: {error}"))
            .ok();
        let policy = Policy { is_on, public };
        Ok(Gate::with(policy, config.session, Some(store.clone()), local_key, token::random()?))
    }

    fn with(
        policy: Policy,
        session: Duration,
        store: Option<Store>,
        local_key: Option<Token>,
        salt: [u8; 32],
    ) -> Gate {
        let inner = Inner {
            policy,
            session,
            store,
            local_key,
            limits: Limits::default(),
            checkers: Semaphore::new(CHECKERS),
            memory: Memory::new(salt),
            passes: Passes::default(),
        };
        Gate { inner: Arc::new(inner) }
    }

    pub fn is_on(&self) -> bool {
        self.inner.policy.is_on
    }

    /// How long a browser stays logged in that asks for nothing.
    pub fn session(&self) -> Duration {
        self.inner.session
    }

    /// Whether this caller may have what needs `need`.
    pub async fn check(&self, caller: &Caller, need: &Need) -> Result<Grant, Refused> {
        let policy = &self.inner.policy;
        let public = Grant { who: None, is_public: true, token: None, by_password: false };
        if !caller.credentials.has_any || !policy.is_on {
            return match decide(policy, None, need) {
                Decision::Public => Ok(public),
                _ => Err(Refused::Unknown),
            };
        }
        let mut refused = None;
        // the token first: where it is enough, it goes on through the playlist
        let shown = caller.credentials.clone();
        let doors = [
            shown.share.map(Shown::Share),
            shown.session.map(Shown::Session),
            shown.bearer.map(Shown::Bearer),
            shown.basic.map(Shown::Basic),
            shown.pass.map(Shown::Pass),
        ];
        for shown in doors.into_iter().flatten() {
            let by_password = matches!(shown, Shown::Basic(_));
            let token = match &shown {
                Shown::Share(token) => Some(token.clone()),
                _ => None,
            };
            match self.find(shown, caller.address).await {
                Ok(Found::Who(who)) => match decide(policy, Some(&who), need) {
                    Decision::Granted => {
                        return Ok(Grant { who: Some(who), is_public: false, token, by_password });
                    }
                    _ => refused = Some(Refused::Forbidden),
                },
                Ok(Found::Nobody) => {}
                Err(why) => refused = refused.or(Some(why)),
            }
        }
        match decide(policy, None, need) {
            Decision::Public => Ok(public),
            _ => Err(refused.unwrap_or(Refused::Wrong)),
        }
    }

    /// Name and password of a login page.
    pub async fn log_in(&self, address: IpAddr, user: &str, password: &str) -> Result<LoggedIn, Refused> {
        let basic = Basic { user: user.to_owned(), password: password.to_owned() };
        let Found::Who(Who::User { name, role }) = self.find(Shown::Basic(basic), address).await? else {
            return Err(Refused::Wrong);
        };
        let token = Token::new().map_err(unable)?;
        let (hash, now) = (token.hash(), Timestamp::now());
        let expires = now.plus(self.inner.session);
        self.store()?
            .call(move |store| store.begin_session(&hash, &name, now, expires))
            .await
            .map_err(unable)?;
        Ok(LoggedIn { token, role })
    }

    /// Ends the session that is shown, if there is one.
    pub async fn log_out(&self, credentials: &Credentials) -> Result<(), Refused> {
        let Some(token) = &credentials.session else { return Ok(()) };
        let hash = token.hash();
        self.inner.memory.forget(&self.inner.memory.key(&[b"session", token.as_str().as_bytes()]));
        self.store()?.call(move |store| store.end_session(&hash)).await.map_err(unable)
    }

    /// Ends when the caller may no longer have what it was given. For answers without an end.
    pub fn over(
        &self,
        caller: Caller,
        need: Need,
        grant: &Grant,
    ) -> impl Future<Output = ()> + Send + 'static {
        let (gate, is_public) = (self.clone(), grant.is_public);
        async move {
            if is_public {
                return std::future::pending().await;
            }
            loop {
                tokio::time::sleep(LOOK).await;
                // a database that does not answer ends nobody's picture
                if let Err(Refused::Unknown | Refused::Wrong | Refused::Forbidden) =
                    gate.check(&caller, &need).await
                {
                    return;
                }
            }
        }
    }

    /// What goes with a playlist that was asked for by password, for what it names.
    pub fn pass(&self, grant: &Grant) -> Option<Token> {
        match &grant.who {
            Some(Who::User { name, .. }) if grant.by_password => self.inner.passes.give(name),
            _ => None,
        }
    }

    /// As if what is remembered had been asked for some time ago.
    #[cfg(test)]
    pub(super) fn let_time_pass(&self) {
        self.inner.memory.let_time_pass(FRESH);
    }

    fn store(&self) -> Result<&Store, Refused> {
        self.inner.store.as_ref().ok_or_else(|| Refused::Unable("there are no accounts".to_owned()))
    }

    async fn find(&self, shown: Shown, address: IpAddr) -> Result<Found, Refused> {
        match shown {
            Shown::Bearer(token) => Ok(match &self.inner.local_key {
                Some(key) if bool::from(key.as_str().as_bytes().ct_eq(token.as_str().as_bytes())) => {
                    Found::Who(Who::Local)
                }
                _ => Found::Nobody,
            }),
            Shown::Session(token) => {
                let key = self.inner.memory.key(&[b"session", token.as_str().as_bytes()]);
                let session = self.inner.session;
                self.remembered(key, move |store| find_session(store, &token.hash(), session)).await
            }
            Shown::Share(token) => {
                let key = self.inner.memory.key(&[b"share", token.as_str().as_bytes()]);
                self.remembered(key, move |store| find_share(store, &token.hash())).await
            }
            Shown::Basic(basic) => self.find_user(basic, address).await,
            Shown::Pass(token) => Ok(match self.inner.passes.find(&token) {
                // also an administrator's pass is good for looking only
                Some(name) => Found::Who(Who::User { name, role: Role::Viewer }),
                None => Found::Nobody,
            }),
        }
    }

    /// Asks the database unless it said so a moment ago.
    async fn remembered(
        &self,
        key: [u8; 32],
        ask: impl FnOnce(&Store) -> Result<Option<Who>> + Send + 'static,
    ) -> Result<Found, Refused> {
        let known = self.inner.memory.recall(&key);
        if let Some(known) = known.as_ref().filter(|known| known.at.elapsed() < FRESH) {
            return Ok(Found::Who(known.who.clone()));
        }
        match self.store()?.call(ask).await {
            Ok(Some(who)) => {
                self.inner.memory.remember(key, Known { who: who.clone(), at: Instant::now(), hash: None });
                Ok(Found::Who(who))
            }
            Ok(None) => {
                self.inner.memory.forget(&key);
                Ok(Found::Nobody)
            }
            Err(error) => believe(known, error),
        }
    }

    async fn find_user(&self, basic: Basic, address: IpAddr) -> Result<Found, Refused> {
        let key = self.inner.memory.key(&[b"basic", basic.user.as_bytes(), b"\0", basic.password.as_bytes()]);
        let known = self.inner.memory.recall(&key);
        if let Some(known) = known.as_ref().filter(|known| known.at.elapsed() < FRESH) {
            return Ok(Found::Who(known.who.clone()));
        }
        let name = basic.user.clone();
        let row = match self.store()?.call(move |store| store.user(&name)).await {
            Ok(row) => row,
            Err(error) => return believe(known, error),
        };
        let hash = row.as_ref().map(|row| row.password_hash.clone());
        let is_same = known.is_some_and(|known| known.hash == hash && hash.is_some());
        if !is_same {
            if let Some(wait) = self.inner.limits.wait(address) {
                return Err(Refused::Wait(wait));
            }
            let _turn = self.inner.checkers.acquire().await.map_err(|_| Refused::Wrong)?;
            let given = hash.clone();
            let checked =
                tokio::task::spawn_blocking(move || password::verify(&basic.password, given.as_deref()))
                    .await;
            if !checked.unwrap_or(false) {
                self.inner.limits.failed(address);
                self.inner.memory.forget(&key);
                log::warn!("[http] a wrong name or password from {address}");
                return Ok(Found::Nobody);
            }
        }
        let who = row.and_then(|row| Some(Who::User { role: Role::parse(&row.role)?, name: row.name }));
        Ok(match who {
            Some(who) => {
                self.inner.memory.remember(key, Known { who: who.clone(), at: Instant::now(), hash });
                Found::Who(who)
            }
            None => Found::Nobody,
        })
    }
}

/// One credential.
enum Shown {
    Session(Token),
    Share(Token),
    Bearer(Token),
    Basic(Basic),
    Pass(Token),
}

fn find_session(store: &Store, hash: &[u8; 32], length: Duration) -> Result<Option<Who>> {
    let now = Timestamp::now();
    let Some(session) = store.session(hash, now)? else { return Ok(None) };
    // used: it goes on. Written seldom, and not at all where the database takes nothing
    if session.expires.since(now) < length / 2
        && let Err(error) = store.extend_session(hash, now.plus(length))
    {
        log::debug!("[http] {error}");
    }
    Ok(Role::parse(&session.role).map(|role| Who::User { name: session.user, role }))
}

fn find_share(store: &Store, hash: &[u8; 32]) -> Result<Option<Who>> {
    let share = store.share(hash, Timestamp::now())?;
    Ok(share.map(|share| Who::Share { camera: share.camera, is_live_only: share.is_live_only }))
}

/// What was known before the database stopped to answer.
fn believe(known: Option<Known>, error: Error) -> Result<Found, Refused> {
    match known.filter(|known| known.at.elapsed() < STALE) {
        Some(known) => Ok(Found::Who(known.who)),
        None => Err(unable(error)),
    }
}

fn unable(error: Error) -> Refused {
    log::debug!("[http] find out who asks: {error}");
    let words = match error.kind() {
        Kind::Disk | Kind::Unreachable | Kind::Damaged => "the recorder's database does not answer",
        _ => "the recorder cannot find out who asks; its log says more",
    };
    Refused::Unable(words.to_owned())
}
