//! How the C library and the kernel keep this program's memory.
//!
//! Recording takes and frees pictures of megabytes and frames of kilobytes for years, on boards with one gigabyte. What is said
//! here costs no CPU that could be measured (docs/PERFORMANCE.md). Nothing depends on whether it is granted.

/// Instead of eight for each core: what one thread has freed serves the next, and is not kept by it.
const HEAPS: i32 = 1;

/// Asks for little memory. Called by `main` before anything else.
pub fn settle() {
    // x264 asks for huge pages, and some kernels give them to all: a buffer of 2.1 MB would take four
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    limit_heaps();
}

#[cfg(target_env = "gnu")]
fn limit_heaps() {
    // SAFETY: the call takes two numbers and touches nothing but the allocator's own settings, under its own lock.
    #[allow(unsafe_code)]
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, HEAPS);
    }
}

/// Gives free pages back to the kernel, which the heap keeps where more was used once: after what is done seldom and takes much.
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
