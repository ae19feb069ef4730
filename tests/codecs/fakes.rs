//! Elements that call themselves `v4l2…` and fail on demand: the hardware that no test machine has.
#![allow(unsafe_code, reason = "the macros that register a GObject type expand to unsafe impls")]

use std::sync::atomic::{AtomicI64, Ordering};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

/// When a fake fails: `AT_READY`, or after that many frames; `NEVER` for never.
pub const AT_READY: i64 = -1;
pub const NEVER: i64 = i64::MAX;

macro_rules! fake {
    ($module:ident, $name:literal, $type_name:literal, $inner:literal, $sink:literal, $src:literal) => {
        pub mod $module {
            use super::*;

            static FAILS_AFTER: AtomicI64 = AtomicI64::new(NEVER);

            /// Registers the element; from now on it is found by its name. Later calls only change its mood.
            pub fn register(fails_after: i64) {
                FAILS_AFTER.store(fails_after, Ordering::SeqCst);
                if gst::ElementFactory::find($name).is_none() {
                    gst::Element::register(None, $name, gst::Rank::PRIMARY, Fake::static_type()).unwrap();
                }
            }

            #[derive(Default)]
            pub struct Inner;

            #[glib::object_subclass]
            impl ObjectSubclass for Inner {
                const NAME: &'static str = $type_name;
                type Type = Fake;
                type ParentType = gst::Bin;
            }

            impl ObjectImpl for Inner {
                /// Every V4L2 element takes its driver's settings this way.
                fn properties() -> &'static [glib::ParamSpec] {
                    static PROPERTIES: std::sync::OnceLock<Vec<glib::ParamSpec>> = std::sync::OnceLock::new();
                    PROPERTIES.get_or_init(|| {
                        let controls = glib::ParamSpecBoxed::builder::<gst::Structure>("extra-controls");
                        vec![controls.write_only().build()]
                    })
                }

                fn set_property(&self, _id: usize, _value: &glib::Value, _property: &glib::ParamSpec) {}

                fn constructed(&self) {
                    self.parent_constructed();
                    wrap(self.obj().upcast_ref(), $inner, FAILS_AFTER.load(Ordering::SeqCst));
                }
            }

            impl GstObjectImpl for Inner {}
            impl BinImpl for Inner {}

            impl ElementImpl for Inner {
                fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
                    static METADATA: std::sync::OnceLock<gst::subclass::ElementMetadata> =
                        std::sync::OnceLock::new();
                    Some(METADATA.get_or_init(|| {
                        gst::subclass::ElementMetadata::new(
                            $name,
                            "Codec/Video/Hardware",
                            "fails on demand",
                            "tests",
                        )
                    }))
                }

                fn pad_templates() -> &'static [gst::PadTemplate] {
                    static TEMPLATES: std::sync::OnceLock<Vec<gst::PadTemplate>> = std::sync::OnceLock::new();
                    TEMPLATES.get_or_init(|| {
                        vec![
                            template("sink", gst::PadDirection::Sink, $sink),
                            template("src", gst::PadDirection::Src, $src),
                        ]
                    })
                }

                fn change_state(
                    &self,
                    transition: gst::StateChange,
                ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
                    if transition == gst::StateChange::NullToReady
                        && FAILS_AFTER.load(Ordering::SeqCst) == AT_READY
                    {
                        gst::element_imp_error!(
                            self,
                            gst::ResourceError::OpenReadWrite,
                            ["cannot open /dev/video10"]
                        );
                        return Err(gst::StateChangeError);
                    }
                    self.parent_change_state(transition)
                }
            }

            glib::wrapper! {
                pub struct Fake(ObjectSubclass<Inner>) @extends gst::Bin, gst::Element, gst::Object;
            }
        }
    };
}

fake!(
    decoder,
    "v4l2h264dec",
    "FakeV4l2Decoder",
    "avdec_h264",
    "video/x-h264,stream-format=byte-stream,alignment=au",
    "video/x-raw"
);
fake!(scaler, "v4l2convert", "FakeV4l2Convert", "videoconvertscale", "video/x-raw", "video/x-raw");
fake!(encoder, "v4l2h264enc", "FakeV4l2Encoder", "x264enc", "video/x-raw", "video/x-h264");

fn template(name: &str, direction: gst::PadDirection, caps: &str) -> gst::PadTemplate {
    gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps.parse::<gst::Caps>().unwrap())
        .unwrap()
}

/// Puts a working element inside, and an error into its way out.
fn wrap(bin: &gst::Bin, inner: &str, fails_after: i64) {
    let element = gst::ElementFactory::make(inner).build().unwrap();
    if inner == "x264enc" {
        // as hardware does: a frame out for each frame in
        element.set_property_from_str("tune", "zerolatency");
        element.set_property("key-int-max", 15u32);
    }
    bin.add(&element).unwrap();
    for name in ["sink", "src"] {
        let template = bin.pad_template(name).unwrap();
        let target = element.static_pad(name).unwrap();
        let ghost =
            gst::GhostPad::builder_from_template_with_target(&template, &target).unwrap().name(name).build();
        bin.add_pad(&ghost).unwrap();
    }
    let frames = AtomicI64::new(0);
    let owner = bin.downgrade();
    element.static_pad("src").unwrap().add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        if frames.fetch_add(1, Ordering::SeqCst) < fails_after {
            return gst::PadProbeReturn::Ok;
        }
        if let Some(bin) = owner.upgrade() {
            gst::element_error!(bin, gst::StreamError::Decode, ["VIDIOC_DQBUF: Input/output error"]);
        }
        gst::PadProbeReturn::Drop
    });
}
