//! Packs the page's files into the program, compressed, so that it needs nothing beside itself.
//!
//! Writes a table of [`src/http/page.rs`]'s `File`s. Each one's tag is its checksum: browsers keep what did not change.

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use flate2::write::GzEncoder;
use flate2::{Compression, Crc};

const FOLDER: &str = "src/http/ui";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={FOLDER}");
    println!("cargo::rerun-if-changed=build.rs");
    let to = PathBuf::from(env::var("OUT_DIR")?);
    let mut names = Vec::new();
    for entry in fs::read_dir(FOLDER)? {
        names.push(entry?.file_name().into_string().map_err(|name| format!("{name:?} is not UTF-8"))?);
    }
    names.sort();
    let mut table = String::from("pub static FILES: &[File] = &[\n");
    for name in names {
        pack(&name, &to, &mut table)?;
    }
    table.push_str("];\n");
    fs::write(to.join("page_files.rs"), table)?;
    Ok(())
}

fn pack(name: &str, to: &Path, table: &mut String) -> Result<(), Box<dyn Error>> {
    let bytes = fs::read(Path::new(FOLDER).join(name))?;
    let mut crc = Crc::new();
    crc.update(&bytes);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&bytes)?;
    let packed = to.join(format!("{name}.gz"));
    fs::write(&packed, encoder.finish()?)?;
    let kind = kind(name).ok_or_else(|| format!("{FOLDER}/{name}: no type is known for such a file"))?;
    let tag = format!("\"{:08x}{:x}\"", crc.sum(), bytes.len());
    writeln!(
        table,
        "    File {{ name: {name:?}, content_type: {kind:?}, tag: {tag:?}, gzip: include_bytes!({packed:?}) }},"
    )?;
    Ok(())
}

fn kind(name: &str) -> Option<&'static str> {
    match Path::new(name).extension()?.to_str()? {
        "css" => Some("text/css; charset=utf-8"),
        "html" => Some("text/html; charset=utf-8"),
        "js" => Some("text/javascript; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        _ => None,
    }
}
