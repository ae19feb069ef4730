//! Cameras in this network that answer ONVIF's question who is there (WS-Discovery: a datagram to everybody).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use crate::error::{Context, Kind, Result};

const EVERYBODY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(239, 255, 255, 250)), 3702);
/// Datagrams get lost.
const TIMES: u32 = 2;

/// A camera that answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub address: IpAddr,
    /// What it says of itself, such as its name and hardware.
    pub words: String,
}

/// Asks, and listens for `patience`.
///
/// # Errors
/// [`Kind::Unreachable`]: nothing can be sent from here.
pub fn cameras(patience: Duration) -> Result<Vec<Found>> {
    ask(EVERYBODY, patience)
}

fn ask(whom: SocketAddr, patience: Duration) -> Result<Vec<Found>> {
    let what = || "look for cameras in the network";
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).context(Kind::Unreachable, what)?;
    for _ in 0..TIMES {
        socket.send_to(question().as_bytes(), whom).context(Kind::Unreachable, what)?;
    }
    let until = Instant::now() + patience;
    let mut found = BTreeMap::new();
    let mut buffer = vec![0; 65_536];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        socket.set_read_timeout(Some(left)).context(Kind::Unreachable, what)?;
        let Ok((length, from)) = socket.recv_from(&mut buffer) else { break };
        if let Some(words) = answer(&String::from_utf8_lossy(&buffer[..length])) {
            found.insert(from.ip(), words);
        }
    }
    Ok(found.into_iter().map(|(address, words)| Found { address, words }).collect())
}

fn question() -> String {
    let id = format!("{:032x}", fastrand::u128(..));
    let (a, rest) = id.split_at(8);
    let (b, rest) = rest.split_at(4);
    let (c, rest) = rest.split_at(4);
    let (d, e) = rest.split_at(4);
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><e:Envelope xmlns:e=\"http://www.w3.org/2003/05/soap-envelope\" \
         xmlns:w=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" \
         xmlns:d=\"http://schemas.xmlsoap.org/ws/2005/04/discovery\" \
         xmlns:dn=\"http://www.onvif.org/ver10/network/wsdl\"><e:Header><w:MessageID>uuid:{a}-{b}-{c}-{d}-{e}</w:MessageID>\
         <w:To e:mustUnderstand=\"true\">urn:schemas-xmlsoap-org:ws:2005:04:discovery</w:To>\
         <w:Action e:mustUnderstand=\"true\">http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</w:Action></e:Header>\
         <e:Body><d:Probe><d:Types>dn:NetworkVideoTransmitter</d:Types></d:Probe></e:Body></e:Envelope>"
    )
}

/// What a camera says of itself; `None` for what is no answer of one.
fn answer(text: &str) -> Option<String> {
    let document = roxmltree::Document::parse(text).ok()?;
    let all =
        |name: &str| document.descendants().filter(|node| node.tag_name().name() == name).collect::<Vec<_>>();
    if all("ProbeMatch").is_empty() {
        return None;
    }
    let scopes: Vec<&str> =
        all("Scopes").iter().filter_map(|node| node.text()).flat_map(str::split_whitespace).collect();
    let of = |kind: &str| {
        let begins = format!("onvif://www.onvif.org/{kind}/");
        let text = scopes.iter().find_map(|scope| scope.strip_prefix(begins.as_str()))?;
        let text = percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        // a stranger's words go to a terminal
        Some(text.chars().filter(|c| !c.is_control()).take(40).collect::<String>())
    };
    let words: Vec<String> = [of("name"), of("hardware")].into_iter().flatten().collect();
    Some(words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
        xmlns:d=\"http://schemas.xmlsoap.org/ws/2005/04/discovery\"><s:Body><d:ProbeMatches><d:ProbeMatch>\
        <d:Scopes>onvif://www.onvif.org/type/video_encoder onvif://www.onvif.org/name/Dahua%20IPC \
        onvif://www.onvif.org/hardware/IPC-HFW4431</d:Scopes><d:XAddrs>http://192.168.1.108/onvif/device_service</d:XAddrs>\
        </d:ProbeMatch></d:ProbeMatches></s:Body></s:Envelope>";

    #[test]
    fn a_camera_that_answers_is_found_once_and_others_are_not() {
        let camera = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let whom = camera.local_addr().unwrap();
        let asked = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            let (length, from) = camera.recv_from(&mut buffer).unwrap();
            for text in [ANSWER, ANSWER, "no XML", "<html></html>"] {
                camera.send_to(text.as_bytes(), from).unwrap();
            }
            String::from_utf8_lossy(&buffer[..length]).into_owned()
        });
        let found = ask(whom, Duration::from_millis(500)).unwrap();
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        assert_eq!(found, [Found { address, words: "Dahua IPC IPC-HFW4431".into() }]);
        let question = asked.join().unwrap();
        let document = roxmltree::Document::parse(&question).unwrap();
        assert!(document.descendants().any(|node| node.tag_name().name() == "Probe"));
    }

    #[test]
    fn control_characters_of_a_stranger_reach_no_terminal() {
        let bad = ANSWER.replace("Dahua%20IPC", "%1b%5b2J%07evil");
        assert_eq!(answer(&bad).as_deref(), Some("[2Jevil IPC-HFW4431"));
    }
}
