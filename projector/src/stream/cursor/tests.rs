use super::*;

fn lease(checkpoint: Checkpoint, position_at: Option<DateTime<Utc>>) -> Lease {
    Lease { checkpoint, ..Lease::of_shard("arn", "a", vec![], position_at) }
}

fn now() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(10)
}

fn next() -> String {
    "next".to_owned()
}

/// A cursor that begins behind record 7, with an iterator.
fn reading() -> Cursor {
    let mut cursor = Cursor::new(&lease(Checkpoint::After("7".into()), Some(now())), now());
    cursor.opened("first".to_owned());
    cursor
}

/// An hour later, so many empty pages.
fn empty_pages(cursor: &mut Cursor, pages: u32) -> DateTime<Utc> {
    let began = now() + TimeDelta::hours(1);
    for _ in 0..pages {
        cursor.read(None, Some(next()), false, began);
    }
    began
}

/// As many empty pages as a shard may give after it has closed.
fn last_pages(cursor: &mut Cursor) {
    for _ in 0..EMPTY_PAGES_BEFORE_END {
        cursor.read(None, Some(next()), false, now() + TimeDelta::hours(2));
    }
}

#[test]
fn it_begins_where_the_lease_says() {
    let step = |checkpoint, position_at| Cursor::new(&lease(checkpoint, position_at), now()).step();
    assert_eq!(step(Checkpoint::After("7".into()), None), Step::Open(From::After("7".into())));
    assert_eq!(step(Checkpoint::Start, Some(now() - TimeDelta::hours(1))), Step::Open(From::Horizon));
    assert_eq!(step(Checkpoint::End, Some(now())), Step::End);
}

#[test]
fn a_shard_whose_past_is_unknown_or_too_long_ago_is_caught_up_first() {
    for position_at in [None, Some(now() - TimeDelta::hours(21))] {
        let mut cursor = Cursor::new(&lease(Checkpoint::Start, position_at), now());
        assert_eq!(cursor.step(), Step::CatchUp);
        cursor.caught_up(now(), now());
        assert_eq!((cursor.step(), cursor.position_at()), (Step::Open(From::Horizon), Some(now())));
    }
}

#[test]
fn an_expired_iterator_is_derived_from_the_last_record_read() {
    let mut cursor = reading();
    assert!(cursor.read(Some(("9".into(), now())), Some(next()), true, now()));
    assert_eq!(cursor.step(), Step::Read("next".into()));
    cursor.reopen();
    assert_eq!(cursor.step(), Step::Open(From::After("9".into())));
    assert_eq!(cursor.checkpoint(), Checkpoint::After("9".into()));
}

#[test]
fn a_trimmed_shard_is_caught_up_and_read_from_the_horizon() {
    let mut cursor = reading();
    cursor.trimmed();
    assert_eq!((cursor.step(), cursor.checkpoint()), (Step::CatchUp, Checkpoint::After("7".into())));
    cursor.caught_up(now() + TimeDelta::seconds(1), now() + TimeDelta::minutes(1));
    assert_eq!((cursor.step(), cursor.checkpoint()), (Step::Open(From::Horizon), Checkpoint::Start));
    assert_eq!(cursor.position_at(), Some(now() + TimeDelta::seconds(1)));
}

#[test]
fn catching_up_for_longer_than_the_stream_is_trusted_is_done_once_more() {
    let mut cursor = reading();
    cursor.trimmed();
    let began = now() + TimeDelta::hours(1);
    cursor.caught_up(began, began + TimeDelta::hours(21));
    assert_eq!((cursor.step(), cursor.checkpoint()), (Step::CatchUp, Checkpoint::After("7".into())));
    assert_eq!(cursor.position_at(), Some(began), "what was recorded before is applied");
    cursor.caught_up(began + TimeDelta::hours(21), began + TimeDelta::hours(40));
    assert_eq!((cursor.step(), cursor.checkpoint()), (Step::Open(From::Horizon), Checkpoint::Start));
}

#[test]
fn an_empty_page_tells_nothing_before_the_tip_is_known() {
    let mut cursor = reading();
    empty_pages(&mut cursor, EMPTY_PAGES_AT_TIP - 1);
    assert_eq!((cursor.step(), cursor.position_at()), (Step::Read("next".into()), Some(now())));
    let began = empty_pages(&mut cursor, 1);
    assert_eq!(cursor.step(), Step::Probe);
    cursor.probed(false);
    assert_eq!(cursor.step(), Step::Read("next".into()));
    assert!(!cursor.read(None, Some(next()), false, began), "the shard may have closed");
    assert!(!cursor.read(None, Some(next()), false, began + TimeDelta::hours(1)));
    assert!(!cursor.read(None, Some(next()), false, began + TimeDelta::hours(1)));
    assert!(cursor.read(None, Some(next()), false, began + TimeDelta::hours(1)), "the position is worth writing");
    assert_eq!(cursor.position_at(), Some(began));
    assert!(!cursor.read(None, Some(next()), false, began), "but not with every page");
}

#[test]
fn a_shard_that_closed_at_its_tip_does_not_claim_what_its_children_hold() {
    let mut cursor = reading();
    empty_pages(&mut cursor, EMPTY_PAGES_AT_TIP);
    cursor.probed(false);
    last_pages(&mut cursor);
    cursor.read(None, None, false, now() + TimeDelta::hours(2));
    assert_eq!((cursor.step(), cursor.position_at()), (Step::End, Some(now())));
}

#[test]
fn an_empty_page_of_a_closed_shard_tells_nothing() {
    let mut cursor = reading();
    empty_pages(&mut cursor, EMPTY_PAGES_AT_TIP);
    cursor.probed(true);
    empty_pages(&mut cursor, 3);
    assert_eq!((cursor.step(), cursor.position_at()), (Step::Read("next".into()), Some(now())));
}

#[test]
fn the_last_page_of_a_shard_does_not_move_its_position_to_now() {
    let mut cursor = reading();
    empty_pages(&mut cursor, EMPTY_PAGES_AT_TIP);
    cursor.probed(false);
    cursor.read(None, None, false, now() + TimeDelta::hours(2));
    assert_eq!((cursor.step(), cursor.position_at()), (Step::End, Some(now())));
}

#[test]
fn a_full_page_means_that_the_tip_is_not_known_any_more() {
    let mut cursor = reading();
    empty_pages(&mut cursor, EMPTY_PAGES_AT_TIP);
    cursor.probed(false);
    cursor.read(Some(("8".into(), now())), Some(next()), false, now());
    let began = empty_pages(&mut cursor, 1);
    last_pages(&mut cursor);
    assert_eq!(cursor.position_at(), Some(began));
    cursor.read(Some(("9".into(), now())), Some(next()), true, now());
    empty_pages(&mut cursor, 1);
    last_pages(&mut cursor);
    assert_eq!(cursor.position_at(), Some(began));
}
