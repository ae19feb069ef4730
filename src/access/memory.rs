//! What the database said a moment ago, by credential. Holds no credential, only salted hashes of them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use sha2::{Digest, Sha256};

use super::Who;
use super::gate::FRESH;

const MOST: usize = 1024;

pub struct Memory {
    known: Mutex<HashMap<[u8; 32], Known>>,
    /// Of this process: what is remembered tells nothing about passwords.
    salt: [u8; 32],
}

#[derive(Clone)]
pub struct Known {
    pub who: Who,
    pub at: Instant,
    /// For a password: the hash that it fits.
    pub hash: Option<String>,
}

impl Memory {
    pub fn new(salt: [u8; 32]) -> Memory {
        Memory { known: Mutex::default(), salt }
    }

    /// Under which a credential of these parts is remembered.
    pub fn key(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut hasher = Sha256::new_with_prefix(self.salt);
        for part in parts {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        hasher.finalize().into()
    }

    pub fn recall(&self, key: &[u8; 32]) -> Option<Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    pub fn remember(&self, key: [u8; 32], new: Known) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.retain(|_, known| known.at.elapsed() < FRESH);
        }
        if known.len() < MOST {
            known.insert(key, new);
        }
    }

    pub fn forget(&self, key: &[u8; 32]) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    #[cfg(test)]
    pub fn let_time_pass(&self, time: std::time::Duration) {
        for known in self.known.lock().unwrap_or_else(PoisonError::into_inner).values_mut() {
            known.at = known.at.checked_sub(time).unwrap_or(known.at);
        }
    }
}
