//! The board itself.

use super::*;

#[test]
fn since_moves_only_when_something_changes() {
    let board = Board::new();
    let name = CameraName::new("cam").unwrap();
    board.set_camera(&name, CameraState::Recording, None, Timestamp::from_seconds(1));
    board.set_camera(&name, CameraState::Recording, None, Timestamp::from_seconds(2));
    assert_eq!(board.snapshot().cameras[&name].since, Timestamp::from_seconds(1));
    board.set_camera(&name, CameraState::Waiting, Some("refused".into()), Timestamp::from_seconds(3));
    assert_eq!(board.snapshot().cameras[&name].since, Timestamp::from_seconds(3));
}

#[test]
fn trouble_after_a_success_keeps_the_time_of_the_success() {
    let board = Board::new();
    board.upload_succeeded(Timestamp::from_seconds(5));
    board.set_upload(UploadState::Waiting, Some("refused".into()));
    let upload = board.snapshot().upload.unwrap();
    assert_eq!(upload.last_success_at, Some(Timestamp::from_seconds(5)));
}

#[test]
fn an_alert_can_see_the_room_shrink_and_every_lost_segment_counted() {
    let board = Board::new();
    assert_eq!(board.snapshot().space, None);
    board.set_space(SpaceLevel::Low, Timestamp::from_seconds(1));
    board.set_space(SpaceLevel::Low, Timestamp::from_seconds(2));
    board.count_dropped(2, 10);
    board.count_dropped(1, 5);
    let space = board.snapshot().space.unwrap();
    assert_eq!((space.level, space.since), (SpaceLevel::Low, Some(Timestamp::from_seconds(1))));
    assert_eq!((space.dropped, space.dropped_bytes), (3, 15));
    assert!(SpaceLevel::Full > SpaceLevel::Dropping && SpaceLevel::Dropping > SpaceLevel::Low);
}

#[test]
fn a_replaced_database_is_told_unless_something_worse_is() {
    let board = Board::new();
    board.set_mended("moved aside".into());
    assert_eq!(board.snapshot().storage_reason.unwrap().reason, "moved aside");
    board.set_storage(Some(StorageTrouble { fatal: true, reason: "full".into() }));
    assert_eq!(board.snapshot().storage_reason.unwrap().reason, "full");
    board.set_storage(None);
    assert_eq!(board.snapshot().storage_reason.unwrap().reason, "moved aside");
}

#[test]
fn rows_that_cannot_be_written_are_told_until_they_can() {
    let board = Board::new();
    let name = CameraName::new("cam").unwrap();
    board.set_unwritten(&name, Some("disk full".into()));
    let trouble = board.snapshot().storage_reason.unwrap();
    assert!(trouble.fatal && trouble.reason.contains("disk full"), "{trouble:?}");
    board.set_unwritten(&name, None);
    assert_eq!(board.snapshot().storage_reason, None);
}
