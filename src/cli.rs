//! The command line: what there is, and the help that teaches it.

use std::path::PathBuf;

use crate::config::SYSTEM_CONFIG;
use clap::{Parser, Subcommand, ValueEnum};

const AFTER_HELP: &str = "\
First steps:
  cp config.toml.example config.toml   and fill in camera and bucket
  cctv-s3-pipeline check               says what works, what does not, and what to do
  cctv-s3-pipeline run                 records, uploads and serves
  vlc http://localhost:8080/live.m3u8  watches

Secrets stay out of the file: write password = \"${CAMERA_PASSWORD}\" and put the value into the
environment or into a .env beside the configuration file.

Exit codes: 0 done, 1 failed, 78 wrong configuration (a restart does not help).
Logs: RUST_LOG=debug for more; GST_DEBUG=3 for GStreamer's own.";

/// Records IP cameras into 10-second segments, uploads each one verified to S3, and shows them live.
#[derive(Debug, Parser)]
#[command(version, after_help = AFTER_HELP, max_term_width = 100)]
pub struct Cli {
    /// Configuration file [default: ./config.toml, else /etc/cctv-s3-pipeline/config.toml]
    #[arg(long, short, global = true, value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Ask for a camera and a bucket, try both, write the configuration, and start the service
    Setup(SetupOptions),
    /// Record, upload and serve: everything, in one process
    Run,
    /// Only record, and keep the disk within its limits; `upload` and `serve` may run beside it
    Capture,
    /// Only upload what is recorded
    Upload,
    /// Only serve playlists, segments and health over HTTP
    Serve,
    /// Say what works, what does not, and what to do; exits with 1 if anything fails
    Check {
        /// One thing only; without it everything but `store`'s hashes of every file
        what: Option<CheckWhat>,
        /// With `pipeline`: also how fast this machine decodes, scales and encodes, and how many cameras that makes; half a minute
        #[arg(long, requires = "what")]
        bench: bool,
    },
    /// Per camera: state, segments and bytes by state, age of the backlog
    Status {
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// A camera's day: what is recorded, what is in S3, and every gap with its reason
    Report {
        /// Whose day; not needed where the file has one camera
        #[arg(long, value_name = "NAME")]
        camera: Option<String>,
        /// A day in UTC; today without it
        #[arg(long, value_name = "YYYY-MM-DD")]
        date: Option<String>,
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Queue segments again that had failed for good
    Retry {
        /// Only this camera's
        #[arg(long, value_name = "NAME")]
        camera: Option<String>,
    },
    /// Apply the local buffer and the disk limits now
    Clean,
    /// Who may log in; passwords are read from the terminal or standard input, never from the command line
    #[command(subcommand)]
    User(UserCommand),
    /// What the bucket does with footage that grows old, and what it costs a month
    #[command(subcommand)]
    Lifecycle(LifecycleCommand),
    /// The messages of `[[alert]]`
    #[command(subcommand)]
    Alert(AlertCommand),
    /// Links to one camera for people without a password
    #[command(subcommand)]
    Share(ShareCommand),
}

#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Add a user; asks for the password
    Add {
        /// 1 to 32 of a-z, 0-9, -, _ and .
        name: String,
        /// What the user may do
        #[arg(long, value_enum, default_value_t = UserRole::Viewer)]
        role: UserRole,
        /// Make up a password and print it, instead of asking for one
        #[arg(long)]
        random: bool,
    },
    /// Set a new password; browsers that are logged in with the old one are logged out
    Passwd {
        name: String,
        /// Make up a password and print it, instead of asking for one
        #[arg(long)]
        random: bool,
    },
    /// Remove a user; browsers that are logged in are logged out
    Remove { name: String },
    /// Everybody, with roles
    List,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum UserRole {
    /// Live, recent and the page
    Viewer,
    /// Everything
    Admin,
}

/// What is not given is asked for. Secrets are asked for, or come from the environment: CAMERA_PASSWORD,
/// AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
#[derive(Debug, clap::Args)]
pub struct SetupOptions {
    /// List the cameras of this network that answer ONVIF, and do nothing else
    #[arg(long)]
    pub find: bool,
    /// a-z, 0-9 and -; one that is in the file is changed
    #[arg(long, value_name = "NAME")]
    pub camera_name: Option<String>,
    /// A camera of the Dahua and CP Plus kind
    #[arg(long, value_name = "ADDRESS", conflicts_with = "camera_url")]
    pub camera_ip: Option<String>,
    /// Any other: rtsp://HOST/PATH or rtsps://HOST/PATH, without name and password
    #[arg(long, value_name = "URL")]
    pub camera_url: Option<String>,
    /// Who to log in as; "" for no login
    #[arg(long, value_name = "NAME")]
    pub camera_user: Option<String>,
    /// Where footage goes; the bucket must exist
    #[arg(long, value_name = "NAME")]
    pub bucket: Option<String>,
    /// Where the bucket is, such as ap-south-1
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,
    /// Another S3-compatible store than AWS
    #[arg(long, value_name = "URL")]
    pub endpoint: Option<String>,
    /// Ask nothing: what is not given has its default, or is an error
    #[arg(long)]
    pub yes: bool,
    /// Write the file although camera or bucket do not work yet
    #[arg(long)]
    pub no_test: bool,
    /// Do not enable and start the service
    #[arg(long)]
    pub no_start: bool,
}

#[derive(Debug, Subcommand)]
pub enum LifecycleCommand {
    /// Show the bucket's rule, the one of `[s3.lifecycle]`, and a monthly estimate; changes nothing
    Show,
    /// Write the rule of `[s3.lifecycle]` into the bucket; the rules of others stay as they are
    Apply {
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum AlertCommand {
    /// Send a test message through every alert, and say what became of it; exits with 1 if one fails
    Test {
        /// Only this one
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub enum ShareCommand {
    /// Make a link; it is printed once
    Add {
        /// Whose pictures; not needed where the file has one camera
        #[arg(long, value_name = "NAME")]
        camera: Option<String>,
        /// How long it works
        #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=8784))]
        hours: u32,
        /// The live picture alone, not what was recorded
        #[arg(long)]
        live_only: bool,
        /// For whom it is, for `list`
        #[arg(long, default_value = "")]
        note: String,
    },
    /// The links that work, without their secret part
    List,
    /// End a link at once
    Revoke {
        /// Its number in `list`
        id: i64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CheckWhat {
    /// The file reads, every value is possible
    Config,
    /// Each camera answers, takes the password and sends H.264 or H.265
    Camera,
    /// The bucket takes, shows and deletes an object with these credentials
    S3,
    /// Each pipeline text parses; decoder, scaler and encoder really run. No camera needed
    Pipeline,
    /// Every row has its file and every file its row, sizes and hashes agree
    Store,
}

impl Cli {
    /// The file that `--config` names, else the first that exists of the usual places.
    pub fn config_path(&self) -> PathBuf {
        self.config.clone().unwrap_or_else(|| {
            let (here, system) = (PathBuf::from("config.toml"), PathBuf::from(SYSTEM_CONFIG));
            if !here.exists() && system.exists() { system } else { here }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn the_configuration_may_be_named_before_and_after_the_command() {
        for line in [["x", "--config", "a.toml", "run"], ["x", "run", "--config", "a.toml"]] {
            assert_eq!(Cli::parse_from(line).config_path(), PathBuf::from("a.toml"));
        }
    }
}
