//! Who speaks RTSP with a camera, and what earlier runs say about it. Pure.

use super::super::codec::Codec;
use super::super::failure::Failure;

/// After so many frames a stream counts as understood: ten minutes at 15 a second.
const LONG: u64 = 9_000;
/// Streams in a row that broke off for what was in them.
const MISREAD: u32 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// This module.
    Own,
    Rtspsrc,
}

impl Client {
    /// The one to begin with.
    pub fn of(url: &str) -> Client {
        if url.starts_with("rtsps:") { Client::Rtspsrc } else { Client::Own }
    }

    /// The elements for `{{source}}`.
    pub fn text(self, codec: Codec) -> String {
        match self {
            Client::Own => format!(
                "appsrc name=src is-live=true format=time caps={},stream-format=byte-stream,alignment=au",
                codec.media()
            ),
            Client::Rtspsrc => {
                format!("rtspsrc name=src protocols=tcp latency=200 tcp-timeout=5000000 ! {}", codec.depay())
            }
        }
    }
}

/// The client of a camera's next run. Whichever recorded last stays; where neither does, they take turns.
#[derive(Debug)]
pub struct Preference {
    client: Client,
    is_encrypted: bool,
    misread: u32,
    refused: u32,
}

impl Preference {
    pub fn of(url: &str) -> Preference {
        let client = Client::of(url);
        Preference { client, is_encrypted: client == Client::Rtspsrc, misread: 0, refused: 0 }
    }

    pub fn client(&self) -> Client {
        self.client
    }

    /// How a run ended after so many frames. Returns whether the next one has another client.
    pub fn learn(&mut self, failure: &Failure, frames: u64) -> bool {
        if self.is_encrypted {
            return false;
        }
        let before = self.client;
        match (self.client, failure) {
            (Client::Own, Failure::Misread(_)) => {
                self.misread = if frames >= LONG { 1 } else { self.misread + 1 };
                if frames == 0 || self.misread >= MISREAD {
                    self.become_(Client::Rtspsrc);
                }
            }
            (Client::Own, Failure::SetupRefused(_)) => self.become_(Client::Rtspsrc),
            // rtspsrc has two forms of an address to try
            (Client::Rtspsrc, Failure::SetupRefused(_)) => {
                self.refused += 1;
                if self.refused >= 2 {
                    self.become_(Client::Own);
                }
            }
            (Client::Rtspsrc, Failure::OtherCodec(_) | Failure::CodecFailed { .. } | Failure::Stopped) => {}
            (Client::Rtspsrc, _) if frames == 0 => self.become_(Client::Own),
            _ => {}
        }
        self.client != before
    }

    fn become_(&mut self, client: Client) {
        *self = Preference { client, is_encrypted: false, misread: 0, refused: 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn misread() -> Failure {
        Failure::Misread("bad packet".into())
    }

    /// The client after each of these ends.
    fn clients(url: &str, ends: &[(Failure, u64)]) -> Vec<Client> {
        let mut preference = Preference::of(url);
        let mut after = |(failure, frames): &(Failure, u64)| {
            preference.learn(failure, *frames);
            preference.client()
        };
        ends.iter().map(&mut after).collect()
    }

    #[test]
    fn a_stream_that_is_not_understood_goes_to_rtspsrc_and_stays_there_while_that_records() {
        use Client::{Own, Rtspsrc};
        let url = "rtsp://camera/";
        let ends = [
            (misread(), 0),
            (Failure::OtherCodec(Codec::H265), 0),
            (Failure::Ended, 500),
            (Failure::Ended, 0),
        ];
        assert_eq!(clients(url, &ends), [Rtspsrc, Rtspsrc, Rtspsrc, Own]);
        let now_and_then = [(misread(), 20_000), (misread(), 20_000), (Failure::Ended, 0), (misread(), 50)];
        assert_eq!(clients(url, &now_and_then), [Own, Own, Own, Rtspsrc]);
        let gone = [(Failure::Ended, 5), (Failure::Unreachable("no route".into()), 0), (Failure::Denied, 0)];
        assert_eq!(clients(url, &gone), [Own; 3]);
    }

    #[test]
    fn a_refused_setup_is_tried_in_three_ways() {
        let refused = || (Failure::SetupRefused("451".into()), 0);
        let ends = [refused(), refused(), refused(), refused()];
        assert_eq!(
            clients("rtsp://camera/", &ends),
            [Client::Rtspsrc, Client::Rtspsrc, Client::Own, Client::Rtspsrc]
        );
    }

    #[test]
    fn a_camera_that_encrypts_is_for_rtspsrc_alone() {
        assert_eq!(clients("rtsps://camera/", &[(Failure::Ended, 0), (misread(), 0)]), [Client::Rtspsrc; 2]);
    }
}
