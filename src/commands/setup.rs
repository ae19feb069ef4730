//! `setup`: asks for a camera and a bucket, tries both, writes the configuration, and starts the service.
//!
//! Everything can come from options and the environment, so that a script can do it, too. Nothing is written before what
//! was said works, unless that is asked for.

use std::io::{IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{runtime, say};
use crate::camera;
use crate::cli::SetupOptions;
use crate::config::{self, Config, EXAMPLE, SYSTEM_CONFIG, Secret};
use crate::error::{Context, Error, Kind, Result};
use crate::setup::{self, Address, Answers, discover};
use crate::upload;

const LISTEN: Duration = Duration::from_secs(3);
const AWS: [&str; 2] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];

pub fn setup(path: &Path, options: &SetupOptions) -> Result<u8> {
    if options.find {
        return find();
    }
    let answers = Answers {
        name: asked(
            options.camera_name.as_deref(),
            "Name of the camera (a-z, 0-9, -)",
            Some("camera-01"),
            options,
        )?,
        address: address(options)?,
        username: asked(options.camera_user.as_deref(), "User name at the camera", Some("admin"), options)?,
        bucket: asked(options.bucket.as_deref(), "S3 bucket", None, options)?,
        region: asked(options.region.as_deref(), "Its region", Some("us-east-1"), options)?,
        endpoint: options.endpoint.clone(),
    };
    let secrets = secrets(&answers, options)?;
    // after what was said: the other cameras' secrets lie there, and perhaps a placeholder of this one's
    config::dotenv(path)?;
    // the example's own camera is nobody's: it is taken for the first one
    let fresh = EXAMPLE.replacen("# enabled = true", "enabled = false", 1);
    let text = setup::config(&existing(path, &fresh)?, &answers)?;
    let env = |name: &str| {
        let known = secrets.iter().find(|(known, _)| known == name).map(|(_, secret)| secret.clone());
        known.or_else(|| config::environment(name))
    };
    let config = Config::parse(&text, path, &env)?;
    if !options.no_test && !works(&config, &answers, &secrets)? {
        say("nothing was written; correct what is wrong, or say --no-test")?;
        return Ok(1);
    }
    let env_file = config::env_path(path);
    write(&env_file, &setup::secrets(&existing(&env_file, "")?, &secrets)?)?;
    write(path, &text)?;
    say(&format!("written: {} and {}", path.display(), env_file.display()))?;
    start(path, options)
}

fn find() -> Result<u8> {
    let found = discover::cameras(LISTEN)?;
    for camera in &found {
        say(&format!("{:<40}{}", camera.address, camera.words))?;
    }
    if found.is_empty() {
        say("no camera answered; it may be in another network, or its ONVIF is off")?;
    }
    Ok(0)
}

fn address(options: &SetupOptions) -> Result<Address> {
    if let Some(url) = &options.camera_url {
        return Ok(Address::Url(url.clone()));
    }
    if options.camera_ip.is_none() && is_talk(options) {
        say("Looking for cameras …")?;
        // a network that does not carry the question is no reason to end
        let found = discover::cameras(LISTEN).unwrap_or_default();
        for camera in &found {
            say(&format!("  {:<20}{}", camera.address, camera.words))?;
        }
        let first = found.first().map(|camera| camera.address.to_string());
        return asked(None, "IP address of the camera", first.as_deref(), options).map(Address::Ip);
    }
    asked(options.camera_ip.as_deref(), "IP address of the camera", None, options).map(Address::Ip)
}

fn is_talk(options: &SetupOptions) -> bool {
    !options.yes && std::io::stdin().is_terminal()
}

/// From the option, else from the person, else the default.
fn asked(given: Option<&str>, what: &str, default: Option<&str>, options: &SetupOptions) -> Result<String> {
    if let Some(given) = given {
        return Ok(given.to_owned());
    }
    if !is_talk(options) {
        let missing = || {
            Error::new(
                Kind::Config,
                format!("setup: {what}: nobody is there to ask; give it as an option (setup --help)"),
            )
        };
        return default.map(str::to_owned).ok_or_else(missing);
    }
    let failed = || "ask";
    let mut out = std::io::stdout();
    let shown = default.map(|default| format!(" [{default}]")).unwrap_or_default();
    write!(out, "{what}{shown}: ").and_then(|()| out.flush()).context(Kind::Internal, failed)?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).context(Kind::Internal, failed)?;
    match (line.trim(), default) {
        ("", Some(default)) => Ok(default.to_owned()),
        ("", None) => Err(Error::new(Kind::Config, format!("setup: {what}: nothing was said"))),
        (line, _) => Ok(line.to_owned()),
    }
}

/// Never from the command line: the environment, or a person who types unseen.
fn secrets(answers: &Answers, options: &SetupOptions) -> Result<Vec<(String, String)>> {
    let mut secrets = Vec::new();
    let mut add = |name: String, sources: &[&str], what: &str, needed: bool| -> Result<()> {
        let found =
            sources.iter().find_map(|name| std::env::var(name).ok()).filter(|secret| !secret.is_empty());
        let secret = match found {
            Some(secret) => secret,
            None if is_talk(options) => {
                rpassword::prompt_password(format!("{what}: ")).context(Kind::Internal, || "ask")?
            }
            None if needed => {
                let what = format!(
                    "setup: {what}: nobody is there to ask; put it into the environment as {}",
                    sources[0]
                );
                return Err(Error::new(Kind::Config, what));
            }
            None => String::new(),
        };
        if !secret.is_empty() {
            secrets.push((name, secret));
        }
        Ok(())
    };
    if !answers.username.is_empty() {
        let variable = setup::password_variable(&answers.name);
        let sources = ["CAMERA_PASSWORD", variable.as_str()];
        add(variable.clone(), &sources, "Password at the camera", true)?;
    }
    // a machine with a role has neither
    add(
        AWS[0].to_owned(),
        &AWS[..1],
        "AWS access key id (empty: what is written already, or the machine's role)",
        false,
    )?;
    add(AWS[1].to_owned(), &AWS[1..], "AWS secret access key", false)?;
    Ok(secrets)
}

/// Whether camera and bucket do; each is said.
fn works(config: &Config, answers: &Answers, secrets: &[(String, String)]) -> Result<bool> {
    let mut all = true;
    let mut note = |what: &str, found: Result<String>| -> Result<()> {
        match found {
            Ok(words) => say(&format!("ok    {what}: {words}")),
            Err(error) => {
                all = false;
                say(&format!("FAIL  {what}: {error}"))
            }
        }
    };
    camera::init()?;
    for camera in config.cameras.iter().filter(|camera| camera.name.as_str() == answers.name) {
        note(&format!("camera {}", camera.name), camera::tryout::watch(camera))?;
    }
    let _ = rustls::crypto::ring::default_provider().install_default();
    let key = |name: &str| secrets.iter().find(|(known, _)| known == name).map(|(_, secret)| secret.clone());
    let source = match (key(AWS[0]), key(AWS[1])) {
        (Some(access_key), Some(secret)) => {
            upload::Source::Fixed { access_key, secret_key: Secret::new(secret) }
        }
        _ => upload::Source::Chain { profile: config.s3.profile.clone() },
    };
    for (what, finding) in runtime()?.block_on(upload::check_s3_as(&config.s3, source)) {
        note(&format!("s3 {what}"), finding)?;
    }
    Ok(all)
}

fn existing(path: &Path, default: &str) -> Result<String> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(default.to_owned()),
        Err(error) => Err(Error::new(Kind::Config, format!("read {}: {error}", path.display()))),
    }
}

/// Whole or not at all; owner and mode of a file that is there stay.
fn write(path: &Path, text: &str) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    let what = || format!("write {}", path.display());
    let part = PathBuf::from(format!("{}.new", path.display()));
    let old = std::fs::metadata(path).ok();
    let mode = old.as_ref().map_or(0o600, |old| old.mode() & 0o777);
    let _ = std::fs::remove_file(&part);
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&part)
        .context(Kind::Disk, what)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).context(Kind::Disk, what)?;
    if let Some(old) = old {
        // only root may, and only root needs to
        let _ = std::os::unix::fs::chown(&part, Some(old.uid()), Some(old.gid()));
    }
    std::fs::rename(&part, path).context(Kind::Disk, what)
}

/// The service of a packaged install.
fn start(path: &Path, options: &SetupOptions) -> Result<u8> {
    let is_service = path == Path::new(SYSTEM_CONFIG) && Path::new("/run/systemd/system").is_dir();
    if !is_service || options.no_start {
        say("start it with: cctv-s3-pipeline run (or: systemctl restart cctv-s3-pipeline)")?;
        return Ok(0);
    }
    for args in [["enable", "cctv-s3-pipeline"], ["restart", "cctv-s3-pipeline"]] {
        let status = std::process::Command::new("systemctl")
            .args(args)
            .status()
            .context(Kind::Internal, || format!("systemctl {}", args.join(" ")))?;
        if !status.success() {
            say(&format!("FAIL  systemctl {} ended with {status}", args.join(" ")))?;
            return Ok(1);
        }
    }
    say("the service runs; systemctl status cctv-s3-pipeline")?;
    Ok(0)
}
