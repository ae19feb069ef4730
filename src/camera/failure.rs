//! Why a run ended: a small vocabulary that the state machine, logs, rows and `/health` share. Pure.

use std::fmt;
use std::time::Duration;

use super::codec::{Codec, Role};
use crate::segment::{Cause, Why};

/// The way out of a run. The text (`Display`) is what people read in `/health` and the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The program or its operator asked for the end.
    Stopped,
    /// 401 or 403: the camera refuses user name or password.
    Denied,
    /// Its certificate is not trusted; holds why, and its fingerprint.
    Untrusted(String),
    /// 404: nothing at this path.
    NotFound,
    /// Refused, no route, unknown host, no answer.
    Unreachable(String),
    /// The camera ended the stream or closed the connection.
    Ended,
    /// Packets stopped for this long.
    Stalled(Duration),
    /// Frames come, but none that a segment could begin with.
    NoKeyframe(Duration),
    /// Connected, but nothing that can be recorded came within this time.
    NoFirstFrame(Duration),
    /// SETUP was refused; the other form of the control URL may be taken.
    SetupRefused(String),
    /// The picture became another in mid-stream; holds both sizes in words. A segment holds one kind of picture only.
    Changed(String),
    /// What comes is no video of this codec: destroyed, or another one without a word.
    Broken(String),
    /// Our own RTSP client does not take what the camera says; `rtspsrc` may.
    Misread(String),
    /// The stream carries the other codec than the run was built for.
    OtherCodec(Codec),
    /// Neither H.264 nor H.265; holds what the camera offers.
    UnsupportedCodec(String),
    /// A decoder, scaler or encoder failed; the next candidate may work.
    CodecFailed { role: Role, element: String, detail: String },
    /// The pipeline text, an element or a negotiation does not work.
    Pipeline(String),
    /// The segment folder cannot be written.
    Disk(String),
}

impl Failure {
    /// Another run may start at once: it will be built differently.
    pub fn retries_at_once(&self) -> bool {
        matches!(
            self,
            Failure::OtherCodec(_) | Failure::CodecFailed { .. } | Failure::Changed(_) | Failure::Misread(_)
        )
    }

    /// The camera is at fault: if it goes away and comes back, it may be well. Never a refused password: its
    /// five minutes stand, whatever the camera does meanwhile.
    pub fn may_come_back(&self) -> bool {
        matches!(
            self,
            Failure::NotFound
                | Failure::Unreachable(_)
                | Failure::Ended
                | Failure::Stalled(_)
                | Failure::NoKeyframe(_)
                | Failure::NoFirstFrame(_)
                | Failure::SetupRefused(_)
                | Failure::Broken(_)
                | Failure::Misread(_)
        )
    }

    /// The longest wait before the next run. A camera that is away may be spared. One that answers and sends no frame
    /// has been waited for already, and only a connected run sees its first frame. Our own disk is asked
    /// before the camera is, and footage is lost until it is asked again.
    pub fn longest_wait(&self) -> Duration {
        match self {
            Failure::NoFirstFrame(_) => Duration::from_secs(2),
            Failure::Disk(_) => Duration::from_secs(3),
            _ => Duration::MAX,
        }
    }

    /// The least wait before the next run. Cameras of this family lock an address out after a few wrong
    /// passwords, so a refusal waits from the first one on.
    pub fn least_wait(&self) -> Duration {
        match self {
            Failure::Denied => Duration::from_secs(300),
            Failure::Untrusted(_) | Failure::UnsupportedCodec(_) | Failure::Pipeline(_) => {
                Duration::from_secs(30)
            }
            _ => Duration::ZERO,
        }
    }

    /// Nobody but a person can mend this.
    pub fn needs_a_person(&self) -> bool {
        matches!(
            self,
            Failure::Denied
                | Failure::Untrusted(_)
                | Failure::NotFound
                | Failure::UnsupportedCodec(_)
                | Failure::Pipeline(_)
                | Failure::Disk(_)
        )
    }
}

impl Failure {
    /// The word that gaps, reports and metrics use.
    pub fn cause(&self) -> Cause {
        match self {
            Failure::Stopped => Cause::ProgramDown,
            Failure::Denied | Failure::Untrusted(_) | Failure::NotFound => Cause::Denied,
            Failure::Unreachable(_) | Failure::Ended | Failure::SetupRefused(_) => Cause::Unreachable,
            Failure::Stalled(_)
            | Failure::NoKeyframe(_)
            | Failure::NoFirstFrame(_)
            | Failure::Broken(_)
            | Failure::Misread(_) => Cause::Stalled,
            Failure::OtherCodec(_)
            | Failure::Changed(_)
            | Failure::UnsupportedCodec(_)
            | Failure::CodecFailed { .. } => Cause::Codec,
            Failure::Pipeline(_) => Cause::Pipeline,
            Failure::Disk(_) => Cause::Disk,
        }
    }

    /// What a gap after this says.
    pub fn why(&self) -> Why {
        match self {
            Failure::Stopped => Why::new(self.cause(), "program was stopped"),
            _ => Why::new(self.cause(), self.to_string()),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Stopped => write!(f, "stopped"),
            Failure::Denied => write!(
                f,
                "camera refuses user name or password; correct username and password in its [[camera]] block"
            ),
            Failure::Untrusted(why) => write!(
                f,
                "camera shows a certificate that is not trusted: {why}; compare that with the camera's own page, then \
                 write tls_fingerprint or tls_ca_file into its [[camera]] block"
            ),
            Failure::NotFound => {
                write!(f, "camera has no stream at this path (404); correct rtsp_path or url")
            }
            Failure::Unreachable(why) => {
                write!(f, "camera is unreachable ({why}); check its power, cable and address")
            }
            Failure::Ended => write!(f, "camera ended the stream"),
            Failure::Stalled(limit) => {
                write!(f, "camera stalled: nothing for {} s", limit.as_secs())
            }
            Failure::NoFirstFrame(limit) => {
                write!(f, "camera connected but sent no usable picture within {} s", limit.as_secs())
            }
            Failure::NoKeyframe(limit) => write!(
                f,
                "camera sent no keyframe for {} s; set its keyframe interval (I-frame interval) to 1 or 2 s",
                limit.as_secs()
            ),
            Failure::SetupRefused(why) => write!(f, "camera refuses SETUP ({why})"),
            Failure::Changed(what) => write!(f, "camera changed its picture {what}; a new run begins"),
            Failure::Broken(what) => {
                write!(
                    f,
                    "camera sends what cannot be decoded ({what}); look at its network and its video settings"
                )
            }
            Failure::Misread(what) => write!(f, "camera speaks an RTSP that is not understood ({what})"),
            Failure::OtherCodec(codec) => write!(f, "stream is {codec}; building for it"),
            Failure::UnsupportedCodec(found) => write!(
                f,
                "stream is {found}, neither H.264 nor H.265; set the camera's video encoding to one of them"
            ),
            Failure::CodecFailed { role, element, detail } => {
                write!(f, "{role} {element} failed: {detail}")
            }
            Failure::Pipeline(why) => write!(f, "pipeline does not work: {why}"),
            Failure::Disk(why) => write!(f, "segment folder cannot be written: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_is_the_cause_of_a_gap() {
        let limit = Duration::from_secs(5);
        for (failure, cause, reason) in [
            (Failure::Stopped, Cause::ProgramDown, "program was stopped"),
            (Failure::Denied, Cause::Denied, "refuses user name or password"),
            (Failure::Untrusted("expired".into()), Cause::Denied, "expired"),
            (Failure::NotFound, Cause::Denied, "404"),
            (Failure::Unreachable("no route".into()), Cause::Unreachable, "no route"),
            (Failure::Ended, Cause::Unreachable, "ended the stream"),
            (Failure::SetupRefused("451".into()), Cause::Unreachable, "451"),
            (Failure::Stalled(limit), Cause::Stalled, "5 s"),
            (Failure::NoKeyframe(limit), Cause::Stalled, "keyframe"),
            (Failure::NoFirstFrame(limit), Cause::Stalled, "no usable picture"),
            (Failure::Broken("noise".into()), Cause::Stalled, "cannot be decoded (noise)"),
            (Failure::Misread("bad packet".into()), Cause::Stalled, "not understood (bad packet)"),
            (Failure::Changed("from a to b".into()), Cause::Codec, "from a to b"),
            (Failure::OtherCodec(Codec::H265), Cause::Codec, "H.265"),
            (Failure::UnsupportedCodec("JPEG".into()), Cause::Codec, "JPEG"),
            (Failure::Pipeline("no element".into()), Cause::Pipeline, "no element"),
            (Failure::Disk("full".into()), Cause::Disk, "full"),
        ] {
            let why = failure.why();
            assert!(why.cause == cause && why.reason.contains(reason), "{why:?}");
        }
    }
}
