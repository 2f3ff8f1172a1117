use super::*;

fn seconds(seconds: f32) -> Duration {
    Duration::from_secs_f32(seconds)
}

fn sent(exchange: &mut Exchange) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| exchange.outgoing()).collect()
}

#[test]
fn a_request_that_is_repeated_gets_what_was_said_and_is_not_new() {
    let now = Instant::now();
    let mut exchange = Exchange::new(1);
    assert_eq!(exchange.meet(now, 7), Seen::New);
    assert_eq!(exchange.meet(now, 7), Seen::AtWork(None));
    exchange.acknowledge(7);
    assert_eq!(exchange.meet(now, 7), Seen::AtWork(Some([0x60, 0, 0, 7])));
    exchange.reply(7, b"said".to_vec());
    assert_eq!(exchange.meet(now, 7), Seen::Done(b"said".to_vec()));
    assert_eq!(
        sent(&mut exchange),
        [b"\x60\0\0\x07".to_vec(), b"said".to_vec()]
    );
    let late = now + EXCHANGE_LIFETIME;
    assert_eq!(exchange.meet(late, 7), Seen::New);
    assert_eq!(exchange.remembered_bytes(), 0);
}

#[test]
fn one_at_work_is_remembered_however_many_come_after_it() {
    let now = Instant::now();
    let mut exchange = Exchange::new(1);
    assert_eq!(exchange.meet(now, 7), Seen::New);
    exchange.acknowledge(7);
    for id in 100..140 {
        assert_eq!(exchange.meet(now, id), Seen::New);
        exchange.reply(id, vec![0]);
    }
    assert!(exchange.is_acknowledged(7));
    assert_eq!(exchange.meet(now, 7), Seen::AtWork(Some([0x60, 0, 0, 7])));
    assert_eq!(exchange.remembered_bytes(), MOST_REMEMBERED - 1);
}

#[test]
fn sixteen_are_remembered_and_no_more_bytes_than_may_be() {
    let now = Instant::now();
    let mut exchange = Exchange::new(1);
    for id in 0..=16 {
        assert_eq!(exchange.meet(now, id), Seen::New);
        exchange.reply(id, vec![0; 10]);
    }
    assert_eq!(exchange.remembered_bytes(), 160);
    assert_eq!(exchange.meet(now, 16), Seen::Done(vec![0; 10]));
    exchange.shrink_to(25);
    assert_eq!(exchange.remembered_bytes(), 20);
    // Not done again, though what was said is gone.
    assert_eq!(exchange.meet(now, 1), Seen::Done(Vec::new()));
    assert_eq!(exchange.meet(now, 0), Seen::New);
}

#[test]
fn what_must_arrive_is_sent_five_times_in_ever_longer_pauses_and_then_given_up() {
    let begun = Instant::now();
    let mut exchange = Exchange::new(1);
    assert!(exchange.send(begun, (9, b"news".to_vec()), 0));
    let mut times = Vec::new();
    let fate = loop {
        let due = exchange.next_deadline().unwrap();
        times.push((due - begun).as_secs());
        if let Some(fate) = exchange.attend(due, 0) {
            break fate;
        }
    };
    // RFC 7252 4.8.2: 2, 4, 8, 16, 32 seconds each: 62 in all.
    assert_eq!(times, [2, 6, 14, 30, 62]);
    assert_eq!(fate, Fate::Lost(9));
    assert_eq!(sent(&mut exchange), vec![b"news".to_vec(); 5]);
    assert_eq!(exchange.next_deadline(), None);
}

#[test]
fn one_at_a_time_is_under_way_and_the_next_goes_when_it_arrived() {
    let now = Instant::now();
    let mut exchange = Exchange::new(1);
    assert!(exchange.send(now, (1, b"one".to_vec()), 255));
    let due = exchange.next_deadline().unwrap();
    assert!(due > now + seconds(2.99) && due < now + seconds(3.0));
    for id in 2..=9 {
        assert!(exchange.send(now, (id, vec![0]), 0));
    }
    assert!(!exchange.send(now, (10, vec![0]), 0), "too many wait");
    assert_eq!(sent(&mut exchange).len(), 1);
    assert_eq!(exchange.settle(now, 2, true, 0), None, "not under way");
    assert_eq!(exchange.settle(now, 1, true, 0), Some(Fate::Arrived(1)));
    assert_eq!(sent(&mut exchange).len(), 1);
    assert_eq!(exchange.settle(now, 2, false, 0), Some(Fate::Refused(2)));
    assert_eq!(sent(&mut exchange).len(), 1);
}

#[test]
fn ids_of_ours_go_on_and_round() {
    let mut exchange = Exchange::new(u16::MAX);
    assert_eq!((exchange.draw_id(), exchange.draw_id()), (u16::MAX, 0));
}
