//! `user`: who may log in.

use std::io::{IsTerminal, Read};

use super::{hand_over, say};
use crate::access::{self, Name, PASSWORD_MOST, Password, Role, random_password};
use crate::cli::{UserCommand, UserRole};
use crate::config::Config;
use crate::error::{Context, Error, Kind, Result};
use crate::store::Store;

pub fn user(config: &Config, command: &UserCommand) -> Result<u8> {
    // users may be there before the first recording
    let store = Store::open(&config.storage, &config.s3.prefix)?;
    hand_over(&config.storage);
    match command {
        UserCommand::Add { name, role, random } => {
            let name = Name::new(name)?;
            let role = match role {
                UserRole::Viewer => Role::Viewer,
                UserRole::Admin => Role::Admin,
            };
            access::add_user(&store, &name, role, &password(*random)?)?;
            say(&format!("{} may log in as {role}", name.as_str()))?;
        }
        UserCommand::Passwd { name, random } => {
            let name = Name::new(name)?;
            access::check_user(&store, &name)?;
            access::set_password(&store, &config.storage.database, &name, &password(*random)?)?;
            say(&format!("{} has a new password; its browsers are logged out", name.as_str()))?;
        }
        UserCommand::Remove { name } => {
            let name = Name::new(name)?;
            access::check_user(&store, &name)?;
            store.remove_user(name.as_str())?;
            say(&format!("{} is removed and logged out", name.as_str()))?;
            if store.users()?.is_empty() {
                say("nobody is left; the next start makes a new admin")?;
            }
        }
        UserCommand::List => {
            for user in store.users()? {
                say(&format!("{:<8}{:<34}password of {}", user.role, user.name, user.changed.rfc3339()))?;
            }
        }
    }
    Ok(0)
}

/// From the terminal, twice and unseen, or the first line of standard input; or made up, and printed.
fn password(random: bool) -> Result<Password> {
    if random {
        let password = random_password()?;
        say(&format!("password: {}", password.as_str()))?;
        return Ok(password);
    }
    let what = || "read the password";
    if std::io::stdin().is_terminal() {
        let ask = |prompt| rpassword::prompt_password(prompt).context(Kind::Internal, what);
        let (first, again) = (ask("New password: ")?, ask("Once more: ")?);
        if first != again {
            return Err(Error::new(Kind::Config, "password: the two are not the same; try again"));
        }
        return Password::new(&first);
    }
    let mut text = String::new();
    let most = 8 * PASSWORD_MOST as u64;
    std::io::stdin().take(most).read_to_string(&mut text).context(Kind::Config, what)?;
    Password::new(text.lines().next().unwrap_or_default())
}
