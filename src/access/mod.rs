//! Who may look: one check behind three doors, a session's cookie, a password by HTTP Basic, and a link's token.
//!
//! Called by `http` for every request, and by the commands `user` and `share`. [`decide`] is the rule and pure; [`Gate`]
//! finds out who asks. Nothing of a request's secrets leaves this folder: not into errors, logs or answers.

use std::fmt;

use crate::segment::CameraName;

mod account;
mod credential;
#[cfg(test)]
mod fuzz;
mod gate;
mod limit;
mod memory;
mod pass;
mod password;
mod start;
#[cfg(test)]
mod tests;
mod token;

pub use account::{Name, add_user, check_user, set_password};
pub use credential::{COOKIE, Credentials, PASS_COOKIE};
pub use gate::{Caller, Gate, Grant, LoggedIn, Refused};
pub use limit::Limits;
pub use pass::PASS;
pub use password::{MOST_CHARS as PASSWORD_MOST, Password, random as random_password};
pub use start::{ADMIN_FILE, LOCAL_KEY_FILE, local_key};
pub use token::Token;

/// What a user may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Live, recent and the page.
    Viewer,
    /// Everything.
    Admin,
}

impl Role {
    pub const ALL: [Role; 2] = [Role::Viewer, Role::Admin];

    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Admin => "admin",
        }
    }

    pub fn parse(text: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What `server.auth.public` can open for everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Area {
    /// `live.m3u8` and what it names, `live.mp4`, `live.ws`, `snapshot.jpg`.
    Live,
    /// `recent.m3u8` and what it names, `play.mp4`, `thumbs`.
    Recent,
    /// The page and `/api/v1`.
    Page,
    /// `/health` with every detail.
    Health,
    Metrics,
}

impl Area {
    pub const ALL: [Area; 5] = [Area::Live, Area::Recent, Area::Page, Area::Health, Area::Metrics];

    pub const fn as_str(self) -> &'static str {
        match self {
            Area::Live => "live",
            Area::Recent => "recent",
            Area::Page => "page",
            Area::Health => "health",
            Area::Metrics => "metrics",
        }
    }

    pub fn parse(text: &str) -> Option<Area> {
        Area::ALL.into_iter().find(|area| area.as_str() == text)
    }
}

/// What something asks of who wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// Everybody may: the way in, and what says nothing.
    Nothing,
    /// Anybody who is known, whoever it is: to be told that there is nothing at a path.
    Known,
    /// `camera`: whose footage it is, for links to one camera.
    Area(Area, Option<CameraName>),
    Admin,
}

/// Who asks, as it was found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    User {
        name: String,
        role: Role,
    },
    Share {
        camera: CameraName,
        is_live_only: bool,
    },
    /// A command on this machine that can read the data folder.
    Local,
}

/// The rules of one server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Off: everybody may everything.
    pub is_on: bool,
    pub public: Vec<Area>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// For everybody.
    Public,
    /// For this one.
    Granted,
    /// It must be known who asks.
    Unknown,
    /// It is known, and is not enough.
    Forbidden,
}

/// The one rule.
pub fn decide(policy: &Policy, who: Option<&Who>, need: &Need) -> Decision {
    let is_public = match need {
        Need::Nothing => true,
        Need::Area(area, _) => !policy.is_on || policy.public.contains(area),
        Need::Known => !policy.is_on,
        // without accounts there is nothing to administer
        Need::Admin => false,
    };
    let may = match (who, need) {
        (None, _) => false,
        (Some(_), Need::Nothing | Need::Known) | (Some(Who::Local), _) => true,
        (Some(Who::User { role: Role::Admin, .. }), _) => true,
        (Some(Who::User { role: Role::Viewer, .. }), Need::Area(area, _)) => {
            matches!(area, Area::Live | Area::Recent | Area::Page)
        }
        (Some(Who::User { role: Role::Viewer, .. }), Need::Admin) => false,
        (Some(Who::Share { camera, is_live_only }), Need::Area(area, of)) => {
            of.as_ref() == Some(camera) && (*area == Area::Live || (*area == Area::Recent && !is_live_only))
        }
        (Some(Who::Share { .. }), Need::Admin) => false,
    };
    match (may, is_public, who) {
        // who proved to be somebody is answered as that one: a link's token goes on through the playlist
        (true, ..) => Decision::Granted,
        (false, true, _) => Decision::Public,
        (false, false, None) => Decision::Unknown,
        (false, false, Some(_)) => Decision::Forbidden,
    }
}
