//! The manuals say what the program says.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use clap_complete::Shell;
use serde_json::Value;

use cctv_s3_pipeline::cli::Cli;
use cctv_s3_pipeline::config::Config;

use crate::support::program::files_under;
use crate::support::tools::{output, run};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// Everything that the sources say, with `…` where a value stands, in one line a file.
fn said() -> String {
    let files = files_under(&root().join("src"));
    let sources = files
        .iter()
        .filter(|file| file.extension().is_some_and(|end| end == "rs" || end == "js" || end == "html"));
    let mut said = String::new();
    for file in sources {
        let text = std::fs::read_to_string(file).unwrap();
        let mut depth = 0;
        // a text that goes on in the next line
        let joined = text.split("\\\n").map(str::trim_start).collect::<String>();
        for c in joined.chars() {
            match c {
                '{' if depth == 0 => {
                    said.push('…');
                    depth = 1;
                }
                '}' if depth == 1 => depth = 0,
                // no placeholder: a block of code
                '\n' | ';' if depth == 1 => {
                    said.push(c);
                    depth = 0;
                }
                _ if depth == 0 => said.push(c),
                _ => {}
            }
        }
        said.push('\n');
    }
    said
}

#[test]
fn each_heading_of_the_troubleshooting_is_said_by_the_program() {
    let said = said();
    let manual = read("docs/TROUBLESHOOTING.md");
    let (mut checked, mut unsaid) = (0, Vec::new());
    for heading in manual.lines().filter_map(|line| line.strip_prefix("### ")) {
        for literal in heading.split('`').skip(1).step_by(2) {
            for part in literal.split('…').map(|part| part.trim_matches([' ', ':', '(', ')'])) {
                if part.len() > 3 {
                    checked += 1;
                    if !said.contains(part) {
                        unsaid.push(format!("{heading}: {part:?}"));
                    }
                }
            }
        }
    }
    assert!(unsaid.is_empty(), "nothing in src/ says {unsaid:#?}");
    assert!(checked > 40, "{checked}");
}

#[test]
fn the_man_pages_are_those_of_the_command_line() {
    let made = tempfile::tempdir().unwrap();
    clap_mangen::generate_to(Cli::command(), made.path()).unwrap();
    same(made.path(), "docs/man");
}

#[test]
fn the_completions_are_those_of_the_command_line() {
    let made = tempfile::tempdir().unwrap();
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut Cli::command(), "cctv-s3-pipeline", made.path()).unwrap();
    }
    same(made.path(), "debian/completions");
}

/// The folder must hold exactly these files; with WRITE_DOCS=1 it will.
fn same(made: &Path, folder: &str) {
    let folder = root().join(folder);
    let mut names = files_under(made);
    names.sort();
    if std::env::var_os("WRITE_DOCS").is_some() {
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        for name in &names {
            std::fs::copy(name, folder.join(name.file_name().unwrap())).unwrap();
        }
        return;
    }
    let mut kept = files_under(&folder);
    kept.sort();
    let file_names =
        |files: &[PathBuf]| files.iter().map(|file| file.file_name().unwrap().to_owned()).collect::<Vec<_>>();
    let hint = format!("{} is old; run the tests once with WRITE_DOCS=1", folder.display());
    assert_eq!(file_names(&kept), file_names(&names), "{hint}");
    for (kept, made) in kept.iter().zip(&names) {
        let is_same = std::fs::read_to_string(kept).unwrap() == std::fs::read_to_string(made).unwrap();
        assert!(is_same, "{}: {hint}", kept.display());
    }
}

#[test]
fn the_package_is_of_the_programs_version() {
    let changelog = read("debian/changelog");
    let newest = changelog.lines().next().unwrap();
    assert!(newest.starts_with(&format!("cctv-s3-pipeline ({}", env!("CARGO_PKG_VERSION"))), "{newest}");
}

/// The packaged configuration is the example with other folders and its camera switched off.
#[test]
fn the_packages_configuration_is_taken_as_it_is_installed() {
    let made = output(
        "sed",
        &[
            "-f",
            root().join("debian/config.sed").to_str().unwrap(),
            root().join("config.toml.example").to_str().unwrap(),
        ],
    );
    let config = Config::parse(&made, Path::new("config.toml"), &|name| {
        (name == "CAMERA_PASSWORD").then(|| "change-me".to_owned())
    });
    let config = config.unwrap();
    assert!(config.cameras.is_empty(), "its camera is switched off");
    assert_eq!(config.storage.database, Path::new("/var/lib/cctv-s3-pipeline/segments.db"));
    assert_eq!(config.storage.segments_dir, Path::new("/var/lib/cctv-s3-pipeline/segments"));
    assert_eq!(config.logging.file.as_deref(), Some(Path::new("/var/log/cctv-s3-pipeline/pipeline.log")));
    assert_eq!(made.matches("enabled = false").count(), 1);
}

/// Every crate that is in the binary, with who wrote it and under which licence, as cargo knows it.
#[test]
fn the_units_keep_the_recorder_in_its_sandbox() {
    let (folder, common) = (tempfile::tempdir().unwrap(), read("debian/units/common.in"));
    for name in ["", "-capture", "-uploader", "-server"].map(|part| format!("cctv-s3-pipeline{part}.service"))
    {
        // as debian/rules does it
        let unit = read(&format!("debian/units/{name}.in")).replace("@common@\n", &common);
        let path = folder.path().join(&name);
        std::fs::write(&path, unit).unwrap();
        let path = path.display().to_string();
        let answer =
            run("systemd-analyze", &["security", "--offline=true", "--threshold=20", "--no-pager", &path]);
        let words = String::from_utf8_lossy(&answer.stdout);
        assert!(
            answer.status.success() && words.contains("Overall exposure level"),
            "{name}: {words} {answer:?}"
        );
    }
}

#[test]
fn the_copyright_file_names_every_crate_in_the_binary() {
    let text = output(
        env!("CARGO"),
        &[
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--manifest-path",
            root().join("Cargo.toml").to_str().unwrap(),
        ],
    );
    let metadata: Value = serde_json::from_str(&text).unwrap();
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap();
    let node = |id: &str| nodes.iter().find(|node| node["id"] == id).unwrap();
    let mut open = vec![metadata["resolve"]["root"].as_str().unwrap().to_owned()];
    let mut linked = BTreeSet::new();
    while let Some(id) = open.pop() {
        for dependency in node(&id)["deps"].as_array().unwrap() {
            // what only builds or tests is not in it
            let kinds = dependency["dep_kinds"].as_array().unwrap();
            let for_linux = |kind: &&Value| {
                let target = kind["target"].as_str().unwrap_or_default();
                !["windows", "macos", "wasm", "wasi", "redox", "hermit", "android", "apple"]
                    .iter()
                    .any(|other| target.contains(other))
                    || target.contains("not(")
            };
            if kinds.iter().any(|kind| kind["kind"].is_null() && for_linux(&kind)) {
                let id = dependency["pkg"].as_str().unwrap().to_owned();
                if linked.insert(id.clone()) {
                    open.push(id);
                }
            }
        }
    }
    let packages = metadata["packages"].as_array().unwrap();
    let mut lines: Vec<String> = packages
        .iter()
        .filter(|package| linked.contains(package["id"].as_str().unwrap()))
        .map(|package| {
            let authors: Vec<&str> =
                package["authors"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
            let authors = if authors.is_empty() { "its contributors".to_owned() } else { authors.join(", ") };
            let text = |key: &str| package[key].as_str().unwrap_or("unknown").to_owned();
            format!("  {} {} ({}): {authors}", text("name"), text("version"), text("license"))
        })
        .collect();
    lines.sort();
    assert!(lines.len() > 150, "{}", lines.len());
    let path = root().join("debian/copyright");
    let shown = std::fs::read_to_string(&path).unwrap();
    let (before, _) = shown.split_once("Comment:\n").unwrap();
    let wanted = format!(
        "{before}Comment:\n The program is linked with these crates from crates.io, each under its own licence:\n .\n{}\n",
        lines.join("\n")
    );
    if wanted != shown && std::env::var_os("WRITE_DOCS").is_some() {
        std::fs::write(&path, wanted).unwrap();
    } else {
        assert!(wanted == shown, "debian/copyright is old; run the tests once with WRITE_DOCS=1");
    }
}

/// Links between the documents lead somewhere.
#[test]
fn every_link_in_the_documents_leads_to_a_file_and_a_heading() {
    let anchors = |text: &str| -> Vec<String> {
        let headings = text.lines().filter(|line| line.starts_with('#'));
        let anchor = |line: &str| {
            let kept = line.trim_start_matches('#').trim().to_lowercase();
            kept.chars()
                .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
                .collect::<String>()
                .replace(' ', "-")
        };
        headings.map(anchor).collect()
    };
    let mut documents = vec![root().join("README.md")];
    documents.extend(
        files_under(&root().join("docs"))
            .into_iter()
            .filter(|file| file.extension().is_some_and(|end| end == "md")),
    );
    let mut checked = 0;
    for document in documents {
        let text = std::fs::read_to_string(&document).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") {
                continue;
            }
            let (file, anchor) =
                link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
            let target =
                if file.is_empty() { document.clone() } else { document.parent().unwrap().join(file) };
            assert!(target.exists(), "{}: {link}", document.display());
            if let Some(anchor) = anchor {
                let known = anchors(&std::fs::read_to_string(&target).unwrap());
                assert!(
                    known.iter().any(|known| known == anchor),
                    "{}: {link}: {known:?}",
                    document.display()
                );
            }
            checked += 1;
        }
    }
    assert!(checked > 20, "{checked}");
}
