//! How the C library and the kernel keep this program's memory.
//!
//! Recording takes and frees pictures of megabytes and frames of kilobytes for years, on boards with one gigabyte. What is said
//! here costs no CPU that could be measured (docs/PERFORMANCE.md). Nothing depends on whether it is granted.

use std::fs::File;
use std::path::Path;

use rustix::fs::{Advice, fadvise};

/// Instead of eight for each core: what one thread has freed serves the next, and is not kept by it.
#[cfg(target_env = "gnu")]
const HEAPS: i32 = 1;

/// Where somebody tells the C library how many, that holds.
#[cfg(target_env = "gnu")]
const TOLD_BY: [&str; 2] = ["MALLOC_ARENA_MAX", "GLIBC_TUNABLES"];

/// Asks for little memory. Called by `main` before anything else: no other thread exists yet.
pub fn settle() {
    // x264 asks for huge pages, and some kernels give them to all: a buffer of 2.1 MB would take four
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    limit_heaps();
}

#[cfg(target_env = "gnu")]
fn limit_heaps() {
    if TOLD_BY.iter().any(|name| std::env::var_os(name).is_some()) {
        return;
    }
    // SAFETY: the call takes two numbers and touches nothing but the allocator's own settings. At worst, with other threads
    // about, some of those have heaps of their own already.
    #[allow(unsafe_code)]
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, HEAPS);
    }
}

/// Lets the kernel use the memory that holds this file's bytes for others. It counts what was written and then read once as used
/// often, and would rather give up what waits for its upload. Who watches the segment later has it read from disk again.
pub fn forget_file(path: &Path) {
    if let Ok(file) = File::open(path) {
        let _ = fadvise(&file, 0, None, Advice::DontNeed);
    }
}

/// Gives free pages back to the kernel, which the heap keeps where more was used once: after what is done seldom and takes much,
/// and now and then. Nothing happens with another C library than glibc.
#[cfg(target_env = "gnu")]
pub fn give_back() {
    // SAFETY: the call takes a number and touches only what is free, under the allocator's own lock.
    #[allow(unsafe_code)]
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(not(target_env = "gnu"))]
fn limit_heaps() {}

#[cfg(not(target_env = "gnu"))]
pub fn give_back() {}
