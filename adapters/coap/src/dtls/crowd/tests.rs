use super::*;

fn at(address: &str) -> SocketAddr {
    address.parse().unwrap()
}

#[test]
fn the_oldest_goes_unless_one_network_has_more_than_a_quarter() {
    let mut crowd = Crowd::default();
    assert_eq!(crowd.first_to_go(8), None);
    let others = ["10.0.0.1:1", "10.0.1.1:1", "[2001:db8::1]:1"];
    let turns: Vec<_> = others.map(|peer| crowd.enter(at(peer))).to_vec();
    // One /24, also where it is mapped into IPv6.
    crowd.enter(at("192.0.2.1:1"));
    crowd.enter(at("[::ffff:192.0.2.9]:1"));
    assert_eq!(crowd.first_to_go(8), Some(at(others[0])));
    let third = crowd.enter(at("192.0.2.255:1"));
    assert_eq!(crowd.first_to_go(8), Some(at("192.0.2.1:1")));
    crowd.leave(third, at("192.0.2.255:1"));
    crowd.leave(turns[0], at(others[0]));
    assert_eq!(crowd.first_to_go(8), Some(at(others[1])));
    assert_eq!(crowd.len(), 4);
    // One /56.
    crowd.enter(at("[2001:db8::ff:0:0:0:1]:1"));
    crowd.enter(at("[2001:db8:0:0fe::1]:1"));
    assert_eq!(crowd.first_to_go(8), Some(at(others[2])));
}
