//! One login per run: keeps `rtspsrc` from trying a refused password again and again.
//!
//! Called by `source`. rtspsrc answers each 401 with the same password, nine requests within milliseconds; cameras
//! of this family lock an address out after about five.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use gst::glib;
use gst::prelude::*;

/// A request is sent without a login, or with one whose nonce has expired; and once more with a good one.
const SENDS: u32 = 2;

/// Limits the requests that come before the camera has described itself; by then it has taken the password.
/// What is not sent counts as answered by the last answer, the 401.
pub fn limit(src: &gst::Element) {
    let described = Arc::new(AtomicBool::new(false));
    let sent: Mutex<HashMap<(u32, String), u32>> = Mutex::default();
    let taken = described.clone();
    src.connect("on-sdp", false, move |_| {
        taken.store(true, Ordering::Relaxed);
        None
    });
    src.connect("before-send", false, move |values| {
        let request = values.get(1).filter(|_| !described.load(Ordering::Relaxed)).and_then(request);
        let allowed = request.is_none_or(|request| {
            let mut sent = sent.lock().unwrap_or_else(PoisonError::into_inner);
            let times = sent.entry(request).or_default();
            *times += 1;
            *times <= SENDS
        });
        Some(allowed.to_value())
    });
}

/// Method and address of a request; `None` for anything else.
fn request(message: &glib::Value) -> Option<(u32, String)> {
    use glib::translate::ToGlibPtr;
    use gst_rtsp::ffi;

    let message = message.get::<gst_rtsp::rtsp_message::RTSPMessage>().ok()?;
    let (mut method, mut uri, mut version) = (0, std::ptr::null(), 0);
    // SAFETY: the message is a copy of ours and outlives `uri`, which points into it; a message that is no request
    // is refused by the library.
    #[allow(unsafe_code)]
    unsafe {
        let message: *const ffi::GstRTSPMessage = message.to_glib_none().0;
        let message = message.cast_mut();
        if ffi::gst_rtsp_message_get_type(message) != ffi::GST_RTSP_MESSAGE_REQUEST
            || ffi::gst_rtsp_message_parse_request(message, &mut method, &mut uri, &mut version)
                != ffi::GST_RTSP_OK
            || uri.is_null()
        {
            return None;
        }
        Some((method, std::ffi::CStr::from_ptr(uri).to_string_lossy().into_owned()))
    }
}
