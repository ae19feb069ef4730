//! Secrets that this program makes itself: sessions, links, the key of this machine.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::error::{Context, Kind, Result};

const BYTES: usize = 32;
/// Of its text: 256 bits in base64url.
const CHARS: usize = 43;

/// 256 random bits as text. Shown to whom it is for, once; never printed by `{:?}`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    pub fn new() -> Result<Token> {
        Ok(Token(URL_SAFE_NO_PAD.encode(random::<BYTES>()?)))
    }

    /// `None` for what cannot be one of ours, which is then never looked up.
    pub fn parse(text: &str) -> Option<Token> {
        let is_legal = text.len() == CHARS
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        is_legal.then(|| Token(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the database knows of it. A token is random: one pass is enough.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

/// From the system's generator.
pub(super) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).context(Kind::Internal, || "ask the system for random numbers")?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_256_bits_reads_itself_back_and_shows_nothing() {
        let token = Token::new().unwrap();
        assert_eq!(URL_SAFE_NO_PAD.decode(token.as_str()).unwrap().len(), BYTES);
        assert_eq!(Token::parse(token.as_str()), Some(token.clone()));
        assert_ne!(Token::new().unwrap().hash(), token.hash());
        assert_eq!(format!("{token:?}"), "Token(…)");
        for wrong in ["", "short", &"a".repeat(42), &"a".repeat(44), &format!("{}=", "a".repeat(42))] {
            assert_eq!(Token::parse(wrong), None, "{wrong}");
        }
    }
}
