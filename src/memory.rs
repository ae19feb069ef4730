//! How the C library and the kernel keep this program's memory. Called by `main` before anything else.
//!
//! Recording takes and frees pictures of megabytes and frames of kilobytes for years, on boards with one gigabyte. What is said
//! here costs no CPU that could be measured (docs/PERFORMANCE.md).

/// Two heaps instead of eight for each core: what one thread has freed serves the next.
const HEAPS: i32 = 2;

/// Asks for little memory. Nothing depends on whether it is granted.
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

#[cfg(not(target_env = "gnu"))]
fn limit_heaps() {}
