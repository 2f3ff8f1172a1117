use super::*;

const YEAR: u64 = 365 * 24 * 3600;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000).plus(Duration::from_secs(seconds))
}

/// The wall clock at `wall`, the other one after `ran` seconds.
fn reading(wall: Timestamp, ran: u64) -> Reading {
    Reading {
        wall,
        monotonic: Duration::from_secs(ran),
    }
}

fn started() -> Timekeeper {
    Timekeeper::start(None, reading(at(0), 0))
}

#[test]
fn time_follows_a_wall_clock_that_keeps_within_a_minute() {
    let mut keeper = started();
    assert_eq!(keeper.read(reading(at(10), 10)), at(10));
    assert_eq!(keeper.read(reading(at(71), 11)), at(71), "60 s ahead");
    assert!(keeper.standing().is_trusted());
}

#[test]
fn a_jump_of_a_year_forward_is_not_followed_and_shown() {
    let mut keeper = started();
    assert_eq!(keeper.read(reading(at(YEAR), 5)), at(5));
    let ahead = ClockStanding::Ahead(Duration::from_secs(YEAR - 5));
    assert_eq!(keeper.standing(), ahead);
    assert_eq!(keeper.latest(), at(YEAR), "what may be over is not shown");
    assert_eq!(keeper.read(reading(at(YEAR + 60), 65)), at(65));
    assert_eq!(
        keeper.standing(),
        ahead,
        "it does not become right by itself"
    );
}

#[test]
fn a_clock_that_is_back_is_believed_again() {
    let mut keeper = started();
    for wrong in [at(YEAR), Timestamp::from_millis(0)] {
        keeper.read(reading(wrong, 5));
        assert!(!keeper.standing().is_trusted());
        assert_eq!(keeper.read(reading(at(5), 5)), at(5));
        assert!(keeper.standing().is_trusted());
    }
}

#[test]
fn a_clock_set_far_back_neither_turns_back_time_nor_stops_it() {
    let mut keeper = started();
    keeper.read(reading(at(100), 100));
    let past = Timestamp::from_millis(0);
    assert_eq!(keeper.read(reading(past, 107)), at(107));
    assert!(matches!(keeper.standing(), ClockStanding::Behind(_)));
    assert_eq!(keeper.latest(), at(107));
}

#[test]
fn a_clock_a_little_behind_is_waited_for_at_half_the_pace() {
    let mut keeper = started();
    keeper.read(reading(at(100), 100));
    assert_eq!(keeper.read(reading(at(80), 110)), at(105), "30 s behind");
    assert!(keeper.standing().is_trusted());
    assert_eq!(keeper.read(reading(at(120), 150)), at(125));
    assert_eq!(keeper.read(reading(at(130), 160)), at(130), "caught up");
}

#[test]
fn parts_of_a_millisecond_add_up() {
    let mut keeper = started();
    let past = Timestamp::from_millis(0);
    for micros in (600..=6_000).step_by(600) {
        let monotonic = Duration::from_micros(micros);
        keeper.read(Reading {
            wall: past,
            monotonic,
        });
    }
    assert_eq!(keeper.now(), at(0).plus(Duration::from_millis(6)));
}

#[test]
fn a_start_before_the_last_time_seen_is_not_believed() {
    let mark = ClockMark {
        seen: at(YEAR),
        trusted: true,
    };
    let mut keeper = Timekeeper::start(Some(mark), reading(at(0), 0));
    assert_eq!(keeper.now(), at(YEAR), "nothing over becomes valid again");
    assert!(matches!(keeper.standing(), ClockStanding::Behind(_)));
    keeper.read(reading(at(1), 1));
    assert!(matches!(keeper.standing(), ClockStanding::Behind(_)));
    assert_eq!(keeper.read(reading(at(YEAR + 2), 2)), at(YEAR + 2));
    assert!(keeper.standing().is_trusted());
}

#[test]
fn a_start_after_a_usual_absence_is_believed_and_after_a_long_one_not() {
    let mark = ClockMark {
        seen: at(0),
        trusted: true,
    };
    let week = Timekeeper::start(Some(mark), reading(at(7 * 86_400), 0));
    assert_eq!(
        (week.now(), week.standing()),
        (at(7 * 86_400), ClockStanding::Trusted)
    );
    let year = Timekeeper::start(Some(mark), reading(at(YEAR), 0));
    assert_eq!(year.now(), at(0));
    assert!(matches!(year.standing(), ClockStanding::Ahead(_)));
}

#[test]
fn a_restart_does_not_make_a_doubted_clock_right() {
    let mut keeper = started();
    keeper.read(reading(at(7200), 5));
    let next = Timekeeper::start(Some(keeper.mark()), reading(at(7210), 0));
    assert!(matches!(next.standing(), ClockStanding::Ahead(_)));
    let mended = Timekeeper::start(Some(keeper.mark()), reading(at(20), 0));
    assert!(mended.standing().is_trusted());
}

#[test]
fn a_clock_the_operator_accepts_is_right_whichever_way_it_moved() {
    for wall in [at(YEAR), Timestamp::from_millis(1000)] {
        let mut keeper = started();
        keeper.read(reading(wall, 5));
        assert_eq!(keeper.accept(reading(wall, 5)), wall);
        assert!(keeper.standing().is_trusted());
        let next = wall.plus(Duration::from_secs(1));
        assert_eq!(keeper.read(reading(next, 6)), next);
        let mark = keeper.mark();
        assert_eq!((mark.seen, mark.trusted), (next, true));
    }
}
