//! Passwords: argon2id, with the parameters that OWASP names for it (19 MiB, two passes, one lane).
//!
//! One takes some 30 to 60 ms of a core on a small board: called off the async threads, a few at a time.

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};

use super::token::random as random_bytes;
use crate::error::{Context, Error, Kind, Result};

pub const FEWEST_CHARS: usize = 8;
/// Longer ones would only keep the processor busy.
pub const MOST_CHARS: usize = 256;
/// What nobody's password hashes to: somebody who is not there takes as long as somebody who is.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5bm9ib2R5$0KYtWwT3BW3ZCLTX0kQOcIbYcK0iBDHS1EYuLcMDhOY";

/// A password as a person gave it. Never printed by `{:?}`.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// # Errors
    /// In words for the person who chose it.
    pub fn new(text: &str) -> Result<Password> {
        let chars = text.chars().count();
        if !(FEWEST_CHARS..=MOST_CHARS).contains(&chars) {
            let what = format!("password: found {chars} characters, allowed {FEWEST_CHARS} to {MOST_CHARS}");
            return Err(Error::new(Kind::Config, what));
        }
        if text.chars().any(char::is_control) {
            let what = "password: found control characters, allowed what can be typed; take them out";
            return Err(Error::new(Kind::Config, what));
        }
        Ok(Password(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A PHC string with a new salt.
    pub fn hash(&self) -> Result<String> {
        let salt =
            SaltString::encode_b64(&random_bytes::<16>()?).context(Kind::Internal, || "make a salt")?;
        let hash = argon2().hash_password(self.0.as_bytes(), &salt);
        Ok(hash.context(Kind::Internal, || "hash a password")?.to_string())
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}

/// Whether it is the password of this hash; `None` is nobody's hash, takes as long, and is never right.
pub fn verify(given: &str, hash: Option<&str>) -> bool {
    let Ok(parsed) = PasswordHash::new(hash.unwrap_or(NOBODY)) else { return false };
    let is_right =
        given.len() <= 4 * MOST_CHARS && argon2().verify_password(given.as_bytes(), &parsed).is_ok();
    is_right && hash.is_some()
}

/// Twenty letters and digits that are not taken for each other: 100 bits.
pub fn random() -> Result<Password> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let bytes = random_bytes::<20>()?;
    let text: String = bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect();
    Password::new(&text)
}

fn argon2() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_recognised_and_no_other() {
        let password = Password::new("correct horse").unwrap();
        let hash = password.hash().unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(verify("correct horse", Some(&hash)));
        assert!(!verify("correct hors", Some(&hash)) && !verify("", Some(&hash)));
        assert_ne!(hash, password.hash().unwrap(), "each has its own salt");
        assert!(!verify("correct horse", None) && !verify("correct horse", Some("no hash")));
        assert!(!verify(&"x".repeat(100_000), Some(&hash)));
        assert_eq!(format!("{password:?}"), "Password(…)");
    }

    #[test]
    fn nobody_takes_as_long_as_somebody() {
        // the same parameters: otherwise the time would tell whether a user is there
        let hash = PasswordHash::new(NOBODY).unwrap();
        let params = Params::try_from(&hash).unwrap();
        let costs = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
        assert_eq!(costs(&params), costs(&Params::DEFAULT));
        assert_eq!(params.output_len(), Some(Params::DEFAULT_OUTPUT_LEN));
    }

    #[test]
    fn bad_choices_are_refused_with_the_rule() {
        for (text, words) in [
            ("short", "found 5 characters, allowed 8 to 256"),
            (&*"x".repeat(257), "found 257 characters"),
            ("with\nline break", "control characters"),
        ] {
            let error = Password::new(text).unwrap_err().to_string();
            assert!(error.contains(words) && !error.contains(text), "{error}");
        }
        let (one, two) = (random().unwrap(), random().unwrap());
        assert!(one.as_str().len() == 20 && one != two);
    }
}
