//! The manuals say what the program says.

use std::path::{Path, PathBuf};

use clap::CommandFactory;

use cctv_s3_pipeline::cli::Cli;

use crate::support::program::files_under;

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
    let folder = root().join("docs/man");
    let mut names: Vec<_> = files_under(made.path());
    names.sort();
    if std::env::var_os("WRITE_DOCS").is_some() {
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
    let hint = "docs/man is old; run the tests once with WRITE_DOCS=1";
    assert_eq!(file_names(&kept), file_names(&names), "{hint}");
    for (kept, made) in kept.iter().zip(&names) {
        let same = std::fs::read_to_string(kept).unwrap() == std::fs::read_to_string(made).unwrap();
        assert!(same, "{}: {hint}", kept.display());
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
