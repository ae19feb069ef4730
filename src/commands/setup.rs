//! `setup`: asks for a camera and a bucket, tries both, writes the configuration, and starts the service.
//!
//! Everything can come from options and the environment, so that a script can do it, too. Nothing is written before what
//! was said works, unless that is asked for.

use std::io::{IsTerminal, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{runtime, say};
use crate::camera;
use crate::cli::SetupOptions;
use crate::config::{self, Config, EXAMPLE, SYSTEM_CONFIG, Secret};
use crate::error::{Context, Error, Kind, Result};
use crate::segment::CameraName;
use crate::setup::{self, Address, Answers, discover};
use crate::upload;

const LISTEN: Duration = Duration::from_secs(3);
const AWS: [&str; 2] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];

pub fn setup(path: &Path, options: &SetupOptions) -> Result<u8> {
    if options.find {
        return find();
    }
    let (answers, secrets) = answers(options)?;
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

/// What the configuration gets, and the secrets that it names, each with its variable.
fn answers(options: &SetupOptions) -> Result<(Answers, Vec<(String, String)>)> {
    let name = asked(
        options.camera_name.as_deref(),
        "Name of the camera (a-z, 0-9, -)",
        Some("camera-01"),
        &|name| CameraName::new(name).map(drop).map_err(|error| error.to_string()),
        options,
    )?;
    let address = address(options)?;
    let any = |_: &str| Ok(());
    let user = "User name at the camera";
    let username = asked(options.camera_user.as_deref(), user, Some("admin"), &any, options)?;
    let mut secrets = Vec::new();
    if !username.is_empty() {
        let variable = setup::password_variable(&name);
        let sources = ["CAMERA_PASSWORD", variable.as_str()];
        secrets.extend(secret(variable.clone(), &sources, "Password at the camera", true, options)?);
    }
    let answers = Answers {
        name,
        address,
        username,
        bucket: asked(options.bucket.as_deref(), "S3 bucket", None, &any, options)?,
        region: asked(options.region.as_deref(), "Its region", Some("us-east-1"), &any, options)?,
        endpoint: options.endpoint.clone(),
    };
    // a machine with a role has neither
    let key = "AWS access key id (empty: what is written already, or the machine's role)";
    let key = secret(AWS[0].to_owned(), &AWS[..1], key, false, options)?;
    if key.is_some() {
        secrets.extend(key);
        secrets.extend(secret(AWS[1].to_owned(), &AWS[1..], "AWS secret access key", true, options)?);
    }
    Ok((answers, secrets))
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
    let mut first = None;
    if options.camera_ip.is_none() && is_talk(options) {
        say("Looking for cameras …")?;
        // a network that does not carry the question is no reason to end
        let found = discover::cameras(LISTEN).unwrap_or_default();
        for camera in &found {
            say(&format!("  {:<20}{}", camera.address, camera.words))?;
        }
        first = found.first().map(|camera| camera.address.to_string());
    }
    let what = "Address of the camera (its IP, or rtsp://HOST/PATH)";
    let given = options.camera_ip.as_deref();
    let answer = asked(given, what, first.as_deref(), &is_address, options)?;
    Ok(if answer.contains("://") { Address::Url(answer) } else { Address::Ip(answer) })
}

/// Only what would end the talk: the rest of an address is checked with the whole file.
fn is_address(answer: &str) -> Result<(), String> {
    if answer.contains("://") || answer.parse::<IpAddr>().is_ok() {
        return Ok(());
    }
    Err(format!("found {answer:?}, allowed an IP address, or rtsp://HOST/PATH"))
}

fn is_talk(options: &SetupOptions) -> bool {
    !options.yes && std::io::stdin().is_terminal()
}

/// From the option, else from the person, who is asked again where `check` says what is wrong, else the default.
fn asked(
    given: Option<&str>,
    what: &str,
    default: Option<&str>,
    check: &dyn Fn(&str) -> Result<(), String>,
    options: &SetupOptions,
) -> Result<String> {
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
    let shown = default.map(|default| format!(" [{default}]")).unwrap_or_default();
    loop {
        let mut out = std::io::stdout();
        write!(out, "{what}{shown}: ").and_then(|()| out.flush()).context(Kind::Internal, failed)?;
        let mut line = String::new();
        if std::io::stdin().read_line(&mut line).context(Kind::Internal, failed)? == 0 {
            return Err(Error::new(Kind::Config, format!("setup: {what}: nothing was said")));
        }
        let answer = match (line.trim(), default) {
            ("", Some(default)) => default,
            ("", None) => continue,
            (line, _) => line,
        };
        match check(answer) {
            Ok(()) => return Ok(answer.to_owned()),
            Err(wrong) => say(&wrong)?,
        }
    }
}

/// Never from the command line: the first of these variables that is set, or a person who types unseen. With its name; `None`
/// where it is not needed and nothing was said.
fn secret(
    name: String,
    sources: &[&str],
    what: &str,
    is_needed: bool,
    options: &SetupOptions,
) -> Result<Option<(String, String)>> {
    let given = sources.iter().find_map(|name| std::env::var(name).ok()).filter(|secret| !secret.is_empty());
    let secret = match given {
        Some(secret) => secret,
        None if is_talk(options) => {
            rpassword::prompt_password(format!("{what}: ")).context(Kind::Internal, || "ask")?
        }
        None if is_needed => {
            let what = format!(
                "setup: {what}: nobody is there to ask; put it into the environment as {}",
                sources[0]
            );
            return Err(Error::new(Kind::Config, what));
        }
        None => String::new(),
    };
    Ok((!secret.is_empty()).then_some((name, secret)))
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
