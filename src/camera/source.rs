//! The element `src`: address, login, which stream is taken, and two quirks of cameras and GStreamer 1.22.

use std::sync::{Arc, Mutex, PoisonError};

use gst::glib;
use gst::prelude::*;

use super::clock::CameraClock;
use super::codec::Codec;
use super::{logins, trust};
use crate::config::CameraConfig;

/// What the camera's SDP offered, as far as it came.
#[derive(Clone, Debug, Default)]
pub struct Offer {
    /// The encodings of its video streams.
    pub video: Vec<String>,
    /// A stream of the wanted codec was taken.
    pub taken: bool,
    /// Why its certificate was refused, and which one it is.
    pub stranger: Option<String>,
}

pub type SharedOffer = Arc<Mutex<Offer>>;

/// Sets address and login, and takes only the first video stream of `codec`. The login goes into properties:
/// a URL with a password in it would appear in GStreamer's progress messages and debug log.
pub fn prepare(
    src: &gst::Element,
    camera: &CameraConfig,
    codec: Codec,
    control_url_fix: bool,
) -> SharedOffer {
    let offer = SharedOffer::default();
    if src.has_property("location") {
        src.set_property("location", &camera.url);
    }
    if !is_rtspsrc(src) {
        return offer;
    }
    src.set_property("user-id", &camera.username);
    src.set_property("user-pw", camera.password.reveal());
    CameraClock::ask(src);
    logins::limit(src);
    trust::prepare(src, &camera.trust, &offer);
    let offered = offer.clone();
    src.connect("select-stream", false, move |values| {
        let caps = values.get(2).and_then(|value| value.get::<gst::Caps>().ok());
        Some(take_stream(caps.as_ref(), codec, &offered).to_value())
    });
    if control_url_fix {
        let base = camera.url.trim_end_matches('/').to_owned();
        src.connect("on-sdp", false, move |values| {
            if let Some(sdp) = values.get(1) {
                rewrite_controls(sdp, &base);
            }
            None
        });
    }
    offer
}

/// Keeps the RTSP session alive. GStreamer before 1.26.7 sends no keep-alive while packets flow over TCP, and
/// cameras with a session timeout then close the stream; a camera that does not know GET_PARAMETER answers 451,
/// which changes nothing.
pub fn keep_alive(src: &gst::Element) {
    if is_rtspsrc(src) {
        let answered = gst::Promise::with_change_func(|_| {});
        src.emit_by_name::<bool>("get-parameter", &[&"ping", &None::<&str>, &answered]);
    }
}

pub fn is_rtspsrc(src: &gst::Element) -> bool {
    src.factory().is_some_and(|factory| factory.name() == "rtspsrc")
}

fn take_stream(caps: Option<&gst::Caps>, wanted: Codec, offer: &SharedOffer) -> bool {
    let Some(stream) = caps.and_then(|caps| caps.structure(0)) else { return false };
    if stream.get::<&str>("media") != Ok("video") {
        return false;
    }
    let encoding = stream.get::<&str>("encoding-name").unwrap_or("unknown");
    let mut offer = offer.lock().unwrap_or_else(PoisonError::into_inner);
    offer.video.push(encoding.to_owned());
    let take = !offer.taken && Codec::from_encoding_name(encoding) == Some(wanted);
    offer.taken |= take;
    take
}

/// CP Plus and Dahua cameras answer DESCRIBE with `Content-Base: rtsp://…/realmonitor?channel=1&subtype=0/` and
/// relative controls. GStreamer 1.22 joins these by RFC 3986, loses the query, and the camera refuses SETUP.
/// Absolute controls are taken as they are.
fn rewrite_controls(sdp: &glib::Value, base: &str) {
    use glib::translate::ToGlibPtr;
    use gst_sdp::ffi;

    if !sdp.is::<gst_sdp::SDPMessage>() {
        return;
    }
    // SAFETY: the value was checked to hold a boxed GstSDPMessage. rtspsrc emits "on-sdp" so that handlers may
    // change this very message, and reads it again only after the signal returned; no other thread has it. The
    // safe bindings can only copy it out. Indices stay below the lengths that the library gives, and the replaced
    // attribute is freed by the library itself.
    #[allow(unsafe_code)]
    unsafe {
        let message = glib::gobject_ffi::g_value_get_boxed(sdp.to_glib_none().0).cast::<ffi::GstSDPMessage>();
        if message.is_null() {
            return;
        }
        for media_index in 0..ffi::gst_sdp_message_medias_len(message) {
            let media = ffi::gst_sdp_message_get_media(message, media_index).cast_mut();
            for index in 0..ffi::gst_sdp_media_attributes_len(media) {
                let attribute = ffi::gst_sdp_media_get_attribute(media, index);
                let (Some(key), Some(control)) = (text_of((*attribute).key), text_of((*attribute).value))
                else {
                    continue;
                };
                if key != "control" || control == "*" || control.contains("://") {
                    continue;
                }
                let mut replacement = std::mem::MaybeUninit::<ffi::GstSDPAttribute>::zeroed();
                let absolute = format!("{base}/{control}");
                ffi::gst_sdp_attribute_set(
                    replacement.as_mut_ptr(),
                    "control".to_glib_none().0,
                    absolute.to_glib_none().0,
                );
                ffi::gst_sdp_media_replace_attribute(media, index, replacement.as_mut_ptr());
            }
        }
    }
}

/// # Safety
/// `text` is null or a NUL-terminated string that outlives the call.
#[allow(unsafe_code)]
unsafe fn text_of(text: *const std::ffi::c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: not null, and the caller promises the rest
    unsafe { std::ffi::CStr::from_ptr(text) }.to_str().ok().map(str::to_owned)
}
