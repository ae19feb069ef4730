//! Keys of older versions: a file that still has them is read, with a warning that says what to write now.
//!
//! Used by `reader.rs` and `table.rs`. An entry stays for as long as files of its time may be in use.

/// A key that was renamed within its section, or that nothing needs any more.
pub(super) struct Obsolete {
    /// As in the file: `camera.capture`; `""` outside of any section.
    pub section: &'static str,
    pub old: &'static str,
    /// What it is called now; `None` where nothing took its place.
    pub new: Option<&'static str>,
}

/// Version 0.1.0 was the first: nothing is obsolete yet.
pub(super) const OBSOLETE: &[Obsolete] = &[];

impl Obsolete {
    /// What the person is told. `is_new_there`: the file has the key of today too.
    pub fn advice(&self, is_new_there: bool) -> String {
        match (self.new, is_new_there) {
            (Some(new), false) => format!("is obsolete; it is read as {new}: rename it to that"),
            (Some(new), true) => format!("is obsolete and not used, because {new} is there too; take it out"),
            (None, _) => "is obsolete and does nothing any more; take it out".to_owned(),
        }
    }
}
