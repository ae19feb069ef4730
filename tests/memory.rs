//! What the program asks of the C library and the kernel about memory, seen from outside.

use std::os::fd::AsRawFd as _;
use std::path::Path;

use procfs::process::{MMPermissions, Process};

use crate::scene::{Bucket, LIMIT, camera, uploaded};
use crate::support::{Camera, Program, Settings, Workspace, eventually};

/// `linux/magic.h`
const TMPFS: i64 = 0x0102_1994;

#[test]
fn threads_share_one_heap_and_no_page_is_huge() {
    let (workspace, _bucket, _camera) = four_cameras();
    let (_program, process) = recording(&workspace);
    assert_eq!(heaps_beside_the_first(&process), 0);
    assert!(heaps_beside_the_first(&Process::myself().unwrap()) > 0, "or this test sees none");
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.pid())).unwrap();
    assert!(status.contains("THP_enabled:\t0"), "{status}");
}

#[test]
fn an_operator_s_own_number_of_heaps_holds() {
    let (mut workspace, _bucket, _camera) = four_cameras();
    workspace.set_env("MALLOC_ARENA_MAX", "8");
    let (_program, process) = recording(&workspace);
    assert!(heaps_beside_the_first(&process) > 0);
}

fn four_cameras() -> (Workspace, Bucket, Camera) {
    let (bucket, camera) = (Bucket::new(), camera());
    let mut settings = Settings::new(&bucket.server);
    settings.set("capture.mode", "passthrough");
    for number in 1..=4 {
        settings.camera(&format!("gate-{number}"), &camera);
    }
    (Workspace::new(&settings, &bucket.server), bucket, camera)
}

/// The program, once a segment is in S3.
fn recording(workspace: &Workspace) -> (Program<'_>, Process) {
    let program = Program::start(workspace);
    uploaded(workspace, "gate-4", 1);
    let process = Process::new(i32::try_from(program.id()).unwrap()).unwrap();
    (program, process)
}

/// glibc's heaps beside the first are so large and begin at a multiple of it; what they do not use yet, nobody may touch.
fn heaps_beside_the_first(process: &Process) -> usize {
    const HEAP_BYTES: u64 = 64 << 20;
    let maps: Vec<_> = process.maps().unwrap().into_iter().collect();
    let heaps = maps.windows(2).filter(|pair| {
        let ((begin, used), (reserved, end)) = (pair[0].address, pair[1].address);
        begin % HEAP_BYTES == 0
            && used == reserved
            && end == begin + HEAP_BYTES
            && pair[0].perms.contains(MMPermissions::WRITE)
            && pair[1].perms == MMPermissions::PRIVATE
    });
    heaps.count()
}

#[test]
fn the_kernel_does_not_keep_what_is_uploaded() {
    // the system's temporary files may be memory themselves
    let disk = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let system = rustix::fs::statfs(disk.path()).unwrap();
    assert_ne!(
        system.f_type as i64, TMPFS,
        "the target folder is in memory: set CARGO_TARGET_DIR to one on a disk"
    );
    let (bucket, camera) = (Bucket::new(), camera());
    let mut settings = Settings::new(&bucket.server);
    settings.set("storage.segments_dir", disk.path().to_str().unwrap()).camera("gate", &camera);
    let workspace = Workspace::new(&settings, &bucket.server);
    let _program = Program::start(&workspace);
    let row = uploaded(&workspace, "gate", 1).remove(0);
    let path = disk.path().join(format!("gate/segment_{}.ts", row.file_epoch));
    eventually(LIMIT, "only the disk to have it", || match pages_in_memory(&path) {
        0 => Ok(()),
        pages => Err(format!("{pages} pages are in memory")),
    });
    std::fs::read(&path).unwrap();
    assert!(pages_in_memory(&path) > 0, "what is read is kept, or this test sees nothing");
}

/// Of this file, counted without reading it.
fn pages_in_memory(path: &Path) -> usize {
    let file = std::fs::File::open(path).unwrap();
    let length = usize::try_from(file.metadata().unwrap().len()).unwrap();
    let mut pages = vec![0u8; length.div_ceil(rustix::param::page_size())];
    // SAFETY: a fresh mapping of a whole file, which is asked about and never read; the vector has a byte for each of its pages.
    #[allow(unsafe_code)]
    unsafe {
        let (none, fd) = (std::ptr::null_mut(), file.as_raw_fd());
        let mapping = libc::mmap(none, length, libc::PROT_READ, libc::MAP_SHARED, fd, 0);
        assert_ne!(mapping, libc::MAP_FAILED, "{}", path.display());
        assert_eq!(libc::mincore(mapping, length, pages.as_mut_ptr()), 0, "{}", path.display());
        libc::munmap(mapping, length);
    }
    pages.iter().filter(|page| **page & 1 != 0).count()
}
