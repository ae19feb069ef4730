//! Keeps a broker informed: events to `alert`, each camera's state retained, and `status` that the broker itself sets to
//! offline when we are gone.
//!
//! A connection that broke is thrown away with everything in it: the next one begins with the retained topics and the
//! event that was not confirmed. So nothing is sent that was overtaken meanwhile, and each event arrives at least once.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event as Told, EventLoop, LastWill, MqttOptions,
    Outgoing, Packet, QoS, TlsConfiguration, Transport,
};
use serde_json::Value;

use super::discovery;
use super::event::Event;
use super::note;
use super::outbox::{Letters, Sent};
use crate::config::MqttConfig;
use crate::repeats::Repeats;
use crate::segment::CameraName;
use crate::shutdown::Shutdown;
use crate::status::Board;
use crate::store::Store;

const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// How often the cameras' states are compared with what was sent.
const LOOK: Duration = Duration::from_secs(1);
/// Until a connection stands, or a test is confirmed.
const PATIENCE: Duration = Duration::from_secs(15);
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(120);
/// Requests that the client holds for its connection.
const QUEUE: usize = 512;
/// Events that wait while the broker is away; ledgers slow down long before.
const MOST: usize = 500;

pub struct Link {
    name: String,
    config: MqttConfig,
    cameras: Vec<CameraName>,
    board: Board,
    store: Store,
    waiting: VecDeque<Event>,
}

/// One connection.
struct Session {
    client: AsyncClient,
    connection: EventLoop,
    /// Publishes that were asked for and that went out, in the same order.
    asked: u64,
    sent: u64,
    /// Of the oldest event that waits: which publish it is, and its number on the wire.
    event: Option<(u64, Option<u16>)>,
    is_up: bool,
    /// What was said of each camera.
    said: Vec<Value>,
}

impl Link {
    pub fn new(
        name: String,
        config: MqttConfig,
        cameras: Vec<CameraName>,
        board: Board,
        store: Store,
    ) -> Link {
        Link { name, config, cameras, board, store, waiting: VecDeque::new() }
    }

    pub async fn run(mut self, mut letters: Letters, shutdown: Shutdown) {
        let (mut repeats, mut pause) = (Repeats::default(), FIRST_PAUSE);
        loop {
            let why = match Session::new(&self.config, &self.name, true) {
                Ok(session) => self.hold(session, &mut letters, &shutdown, &mut repeats, &mut pause).await,
                Err(why) => Some(why),
            };
            let Some(why) = why else { return };
            if let Some(line) = repeats.failed(&why, Instant::now()) {
                log::warn!("[alert {}] broker {}:{}: {line}", self.name, self.config.host, self.config.port);
            }
            tokio::select! {
                () = shutdown.requested() => return,
                () = tokio::time::sleep(pause.mul_f64(0.75 + fastrand::f64() / 2.0)) => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Until the connection breaks, which returns why, or the stop.
    async fn hold(
        &mut self,
        mut session: Session,
        letters: &mut Letters,
        shutdown: &Shutdown,
        repeats: &mut Repeats,
        pause: &mut Duration,
    ) -> Option<String> {
        let opened = Instant::now();
        let mut look = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                told = session.connection.poll() => match told {
                    Ok(told) => {
                        if session.take(&told) {
                            *pause = FIRST_PAUSE;
                            if let Some(line) = repeats.recovered(Instant::now()) {
                                log::info!("[alert {}] broker: {line}", self.name);
                            }
                            session.introduce(&self.config, &self.cameras);
                        }
                        session.forget_strangers(&told, &self.config, &self.cameras);
                        if session.confirms(&told) && let Some(event) = self.waiting.pop_front() {
                            note(&self.store, &self.name, &event).await;
                        }
                    }
                    Err(error) => return Some(words(&error)),
                },
                letter = letters.recv() => match letter {
                    Some(event) if self.waiting.len() < MOST => self.waiting.push_back(event),
                    Some(_) => log::error!("[alert {}] {MOST} messages wait already", self.name),
                    // the ledger has ended, and so does this
                    None => {
                        session.farewell(&self.config).await;
                        return None;
                    }
                },
                _ = look.tick() => {
                    if !session.is_up && opened.elapsed() > PATIENCE {
                        return Some(format!("no answer within {} s", PATIENCE.as_secs()));
                    }
                }
                () = shutdown.requested() => {
                    session.farewell(&self.config).await;
                    return None;
                }
            }
            if session.is_up {
                session.tell_cameras(&self.config, &self.cameras, &self.board);
                if let (None, Some(event)) = (session.event, self.waiting.front()) {
                    session.tell(&self.config, event);
                }
            }
        }
    }
}

impl Session {
    /// `is_recorders_own`: when it breaks, the broker says that the recorder is offline.
    fn new(config: &MqttConfig, name: &str, is_recorders_own: bool) -> Result<Session, String> {
        // the same each time: a broker then ends the old connection at once
        let id = format!("cctv-s3-pipeline-{}-{name}", config.topic.replace('/', "-"));
        let mut options = MqttOptions::new(id, &config.host, config.port);
        options.set_keep_alive(KEEP_ALIVE).set_clean_session(true);
        if !config.username.is_empty() {
            options.set_credentials(&config.username, config.password.reveal());
        }
        if is_recorders_own {
            let status = discovery::status(config);
            options.set_last_will(LastWill::new(status, discovery::OFFLINE, QoS::AtLeastOnce, true));
        }
        if config.tls {
            let tls = crate::tls::client(config.ca_file.as_deref()).map_err(|error| error.to_string())?;
            options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(Arc::new(tls))));
        }
        let (client, connection) = AsyncClient::new(options, QUEUE);
        Ok(Session { client, connection, asked: 0, sent: 0, event: None, is_up: false, said: Vec::new() })
    }

    /// Returns whether the connection has just come to stand.
    fn take(&mut self, told: &Told) -> bool {
        match told {
            Told::Incoming(Packet::ConnAck(answer)) if answer.code == ConnectReturnCode::Success => {
                !std::mem::replace(&mut self.is_up, true)
            }
            Told::Outgoing(Outgoing::Publish(number)) => {
                self.sent += 1;
                if let Some((place, on_wire)) = &mut self.event
                    && *place == self.sent
                {
                    *on_wire = Some(*number);
                }
                false
            }
            _ => false,
        }
    }

    /// Whether this says that the broker has the event.
    fn confirms(&mut self, told: &Told) -> bool {
        let Told::Incoming(Packet::PubAck(ack)) = told else { return false };
        let is_it = self.event.is_some_and(|(_, on_wire)| on_wire == Some(ack.pkid));
        if is_it {
            self.event = None;
        }
        is_it
    }

    /// Returns whether the client took it; it does unless hundreds wait, and then the next look tries again.
    fn publish(&mut self, topic: String, is_retained: bool, content: Vec<u8>) -> bool {
        let taken = self.client.try_publish(topic, QoS::AtLeastOnce, is_retained, content).is_ok();
        self.asked += u64::from(taken);
        taken
    }

    fn introduce(&mut self, config: &MqttConfig, cameras: &[CameraName]) {
        for (topic, content) in discovery::entities(config, cameras) {
            self.publish(topic, true, content.to_string().into_bytes());
        }
        self.publish(discovery::status(config), true, discovery::ONLINE.into());
        // what an earlier configuration left
        let _ = self.client.try_subscribe(discovery::camera(config, "+"), QoS::AtLeastOnce);
    }

    /// A camera that is no longer in the configuration goes from the broker, and from Home Assistant.
    fn forget_strangers(&mut self, told: &Told, config: &MqttConfig, cameras: &[CameraName]) {
        let Told::Incoming(Packet::Publish(kept)) = told else { return };
        let name = kept
            .topic
            .strip_prefix(&discovery::camera(config, ""))
            .and_then(|name| CameraName::new(name).ok());
        let Some(name) = name.filter(|name| !kept.payload.is_empty() && !cameras.contains(name)) else {
            return;
        };
        for topic in
            [Some(kept.topic.clone()), discovery::entity(config, name.as_str())].into_iter().flatten()
        {
            self.publish(topic, true, Vec::new());
        }
    }

    fn tell_cameras(&mut self, config: &MqttConfig, cameras: &[CameraName], board: &Board) {
        let snapshot = board.snapshot();
        self.said.resize(cameras.len(), Value::Null);
        for (place, name) in cameras.iter().enumerate() {
            let now = discovery::state(&snapshot, name);
            if self.said[place] != now
                && self.publish(discovery::camera(config, name.as_str()), true, now.to_string().into_bytes())
            {
                self.said[place] = now;
            }
        }
    }

    fn tell(&mut self, config: &MqttConfig, event: &Event) {
        if self.publish(discovery::alert(config), false, event.json()) {
            self.event = Some((self.asked, None));
        }
    }

    /// Says offline by itself: the broker's own word comes only where a connection breaks.
    async fn farewell(&mut self, config: &MqttConfig) {
        if !self.is_up {
            return;
        }
        self.publish(discovery::status(config), true, discovery::OFFLINE.into());
        let _ = self.client.try_disconnect();
        let rest = async {
            // ends with an error when the connection is closed
            while self.connection.poll().await.is_ok() {}
        };
        let _ = tokio::time::timeout(Duration::from_secs(2), rest).await;
    }
}

/// Sends one event over a connection of its own.
pub async fn send_once(config: &MqttConfig, name: &str, event: &Event) -> Sent {
    let mut session = Session::new(config, &format!("{name}-test"), false)?;
    let work = async {
        loop {
            let told = session.connection.poll().await.map_err(|error| words(&error))?;
            if session.take(&told) {
                session.tell(config, event);
            }
            if session.confirms(&told) {
                let _ = session.client.try_disconnect();
                while session.connection.poll().await.is_ok() {}
                return Ok(());
            }
        }
    };
    let late = |_| Err(format!("no answer within {} s", PATIENCE.as_secs()));
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(late)
}

fn words(error: &ConnectionError) -> String {
    match error {
        ConnectionError::ConnectionRefused(
            ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized,
        ) => "it refuses user name or password".to_owned(),
        other => other.to_string(),
    }
}
