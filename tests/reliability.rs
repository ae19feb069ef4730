//! The fault matrix: each row of the tables in `docs/RELIABILITY.md` is a test here, and its figures are the ones that
//! the test holds the program to.

#[macro_use]
mod table;

mod cameras;
mod clocks;
mod crashes;
mod disks;
mod document;
mod small_disk;
mod stores;
mod watch;
