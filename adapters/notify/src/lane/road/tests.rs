use ics_core::id::CallbackUri;

use super::*;

fn road(n: usize) -> Road {
    let uri = format!("https://host{n}.example/cb");
    Road::Callback(CallbackUri::parse(&uri).unwrap().origin())
}

#[test]
fn in_a_full_lane_others_go_past_what_has_an_attempt_under_way() {
    let now = Instant::now();
    let mut roads = Roads::new(2);
    roads.begin(&road(0), now);
    roads.begin(&road(0), now);
    // Its own width: it waits its turn, and so do those behind it.
    assert_eq!(roads.standing(&road(0), false, now), Standing::Full);
    for n in [1, 1, 2, 2, 3, 4] {
        assert_eq!(roads.standing(&road(n), false, now), Standing::Free);
        roads.begin(&road(n), now);
    }
    // Eight, as many as two for each of four.
    for n in 0..5 {
        assert_eq!(roads.standing(&road(n), false, now), Standing::Blocked);
    }
    // One with nothing under way may begin all the same, once.
    assert_eq!(roads.standing(&road(5), false, now), Standing::Free);
    roads.begin(&road(5), now);
    assert_eq!(roads.standing(&road(5), false, now), Standing::Blocked);
    let knobs = Knobs::default();
    for n in [1, 2] {
        roads.end((&road(n), Sign::Well), (&knobs, now), |limit| limit);
    }
    // Room again, for those whose own width has some.
    assert_eq!(roads.standing(&road(3), false, now), Standing::Free);
    assert_eq!(roads.standing(&road(0), false, now), Standing::Full);
}

#[test]
fn while_our_own_side_is_in_trouble_one_goes_at_a_time_and_none_past_it() {
    let now = Instant::now();
    let mut roads = Roads::new(2);
    assert_eq!(roads.standing(&road(0), true, now), Standing::Free);
    roads.begin(&road(0), now);
    for n in [0, 1] {
        assert_eq!(roads.standing(&road(n), true, now), Standing::Full);
    }
}

#[test]
fn what_names_no_other_way_goes_over_onem2m() {
    let Road::Callback(origin) = road(0) else {
        panic!("a host");
    };
    let of = |callback: Option<&Origin>, websocket, onem2m, has_socket| {
        let route = Route {
            callback: callback.cloned(),
            websocket,
            onem2m,
        };
        Road::of(route, has_socket)
    };
    for has_socket in [false, true] {
        assert_eq!(of(None, false, true, has_socket), Road::OneM2m);
        assert_eq!(of(None, true, false, has_socket), Road::Websocket);
        assert_eq!(of(Some(&origin), false, false, has_socket), road(0));
    }
    assert_eq!(of(Some(&origin), true, false, false), road(0));
    assert_eq!(of(Some(&origin), true, false, true), Road::Websocket);
}
