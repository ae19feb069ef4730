//! Passes: VLC 3 sends name and password with a playlist and with nothing that the playlist names, but it sends back
//! every cookie. So a playlist that was asked for by password is answered with a pass, which is good for looking, and
//! only for as long as the player goes on asking for the playlist.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use subtle::ConstantTimeEq;

use super::Token;

/// How long a pass outlives the last playlist: players ask every few seconds, for a finished one never again.
pub const PASS: Duration = Duration::from_secs(120);

/// In memory only: after a restart the next playlist brings the next pass.
#[derive(Default)]
pub struct Passes {
    /// By user; as many as there are users who watch by password.
    given: Mutex<HashMap<String, (Token, Instant)>>,
}

impl Passes {
    /// The user's pass, from now on good for [`PASS`]. `None`: the machine has no random numbers.
    pub fn give(&self, user: &str) -> Option<Token> {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        given.retain(|_, (_, at)| at.elapsed() < PASS);
        let token = match given.get(user) {
            Some((token, _)) => token.clone(),
            None => Token::new().ok()?,
        };
        given.insert(user.to_owned(), (token.clone(), Instant::now()));
        Some(token)
    }

    /// Whose pass it is.
    pub fn find(&self, shown: &Token) -> Option<String> {
        let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |token: &Token| bool::from(token.as_str().as_bytes().ct_eq(shown.as_str().as_bytes()));
        let mut valid = given.iter().filter(|(_, (_, at))| at.elapsed() < PASS);
        valid.find(|(_, (token, _))| is_it(token)).map(|(user, _)| user.clone())
    }

    #[cfg(test)]
    pub fn let_time_pass(&self, time: Duration) {
        for (_, at) in self.given.lock().unwrap_or_else(PoisonError::into_inner).values_mut() {
            *at = at.checked_sub(time).unwrap_or(*at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_stays_the_same_while_the_player_asks_and_ends_after_it() {
        let passes = Passes::default();
        let ada = passes.give("ada").unwrap();
        let bob = passes.give("bob").unwrap();
        assert_eq!(passes.find(&ada).as_deref(), Some("ada"));
        assert_eq!(passes.find(&bob).as_deref(), Some("bob"));
        assert_eq!(passes.find(&Token::new().unwrap()), None);
        passes.let_time_pass(PASS / 2);
        assert_eq!(passes.give("ada"), Some(ada.clone()));
        passes.let_time_pass(PASS / 2);
        assert_eq!((passes.find(&ada).as_deref(), passes.find(&bob)), (Some("ada"), None));
        passes.let_time_pass(PASS);
        assert!(passes.find(&ada).is_none() && passes.give("ada") != Some(ada));
    }
}
