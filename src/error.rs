//! One error type for the whole program: what kind of trouble, one line for the person, and the cause.
//!
//! The kind decides the exit code, whether a retry can help, and the HTTP status. Wording of messages:
//! *verb object: cause; next step*. Messages must never hold a secret.

use std::fmt;

/// What kind of trouble this is; everything that code decides from an error, it decides from this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The configuration is wrong; no restart helps.
    Config,
    /// A pipeline text, element or codec does not work.
    Pipeline,
    /// A camera, the network or the store does not answer; waiting may help.
    Unreachable,
    /// Somebody refused our credentials or rights.
    Denied,
    /// The disk is full, missing or not writable.
    Disk,
    /// Stored data is damaged, or belongs to another version or process.
    Data,
    /// The database itself is broken: SQLite cannot read its own pages.
    Damaged,
    /// A bug or an impossible answer.
    Internal,
}

/// An error with a line for the person who must act on it.
pub struct Error {
    kind: Kind,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    pub fn with_source(
        kind: Kind,
        message: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { kind, message: message.into(), source: Some(source.into()) }
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// sysexits.h EX_CONFIG (78) tells the service manager that a restart cannot help.
    pub fn exit_code(&self) -> u8 {
        match self.kind {
            Kind::Config => 78,
            _ => 1,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        let mut cause = self.source.as_deref().map(|s| s as &dyn std::error::Error);
        while let Some(source) = cause {
            write!(f, ": {source}")?;
            // our own Display prints its whole chain already
            cause = if source.is::<Error>() { None } else { source.source() };
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.kind)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|s| s as &(dyn std::error::Error + 'static))
    }
}

/// Turns any error into ours, with the line for the person in front: `.context(Kind::Disk, || …)`.
pub trait Context<T> {
    fn context<M: Into<String>>(self, kind: Kind, message: impl FnOnce() -> M) -> Result<T>;
}

impl<T, E: std::error::Error + Send + Sync + 'static> Context<T> for std::result::Result<T, E> {
    fn context<M: Into<String>>(self, kind: Kind, message: impl FnOnce() -> M) -> Result<T> {
        self.map_err(|source| Error::with_source(kind, message(), source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_comes_first_and_its_causes_follow_once() {
        let io = std::io::Error::other("no space left on device");
        let inner = Err::<(), _>(io).context(Kind::Disk, || "write /tmp/x").unwrap_err();
        let outer = Error::with_source(Kind::Disk, "close segment", inner);
        assert_eq!(outer.to_string(), "close segment: write /tmp/x: no space left on device");
    }

    #[test]
    fn only_a_wrong_configuration_exits_with_78() {
        assert_eq!(Error::new(Kind::Config, "x").exit_code(), 78);
        assert_eq!(Error::new(Kind::Disk, "x").exit_code(), 1);
    }
}
