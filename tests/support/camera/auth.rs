//! Digest authentication as the cameras do it, with every 401 counted.

use std::sync::Arc;

use glib::subclass::prelude::*;
use gst_rtsp_server::prelude::*;
use gst_rtsp_server::subclass::prelude::*;
use gst_rtsp_server::{RTSPAuth, RTSPContext, RTSPToken};

use super::Counts;

glib::wrapper! {
    pub struct CountingAuth(ObjectSubclass<imp::CountingAuth>) @extends RTSPAuth;
}

impl CountingAuth {
    pub fn new(username: &str, password: &str, counts: Arc<Counts>) -> Self {
        let auth: Self = glib::Object::new();
        auth.set_supported_methods(gst_rtsp::RTSPAuthMethod::Digest);
        let token = RTSPToken::builder().field("media.factory.role", "viewer").build();
        auth.add_digest(username, password, &token);
        // the object was made above: nobody else can have set it
        let _ = auth.imp().counts.set(counts);
        auth
    }
}

mod imp {
    use std::sync::OnceLock;
    use std::sync::atomic::Ordering;

    use super::*;

    #[derive(Default)]
    pub struct CountingAuth {
        pub counts: OnceLock<Arc<Counts>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for CountingAuth {
        const NAME: &'static str = "TestkitCountingAuth";
        type Type = super::CountingAuth;
        type ParentType = RTSPAuth;
    }

    impl ObjectImpl for CountingAuth {}

    impl RTSPAuthImpl for CountingAuth {
        /// Who knows the password may see the picture. Permissions per role cannot be set from Rust, so the parent
        /// is asked only to challenge those who do not.
        fn check(&self, context: &RTSPContext, check: &glib::GString) -> bool {
            if !check.starts_with("auth.check.media.factory.") {
                return self.parent_check(context, check);
            }
            if context.token().is_none() {
                self.parent_authenticate(context);
            }
            context.token().is_some() || self.parent_check(context, check)
        }

        fn generate_authenticate_header(&self, context: &RTSPContext) {
            if let Some(counts) = self.counts.get() {
                counts.unauthorized.fetch_add(1, Ordering::SeqCst);
            }
            self.parent_generate_authenticate_header(context);
        }
    }
}
