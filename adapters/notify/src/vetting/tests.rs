use super::*;

fn rules(allowed: &[&str], forbidden: &[&str]) -> AddressRules {
    AddressRules {
        allowed: allowed.iter().map(|n| n.parse().unwrap()).collect(),
        forbidden: forbidden.iter().map(|s| s.parse().unwrap()).collect(),
    }
}

fn check(rules: &AddressRules, ip: &str) -> Result<(), AddressRefused> {
    rules.check(SocketAddr::new(ip.parse().unwrap(), 443))
}

#[test]
fn public_addresses_are_reached() {
    let rules = AddressRules::default();
    for ip in [
        "8.8.8.8",
        "1.1.1.1",
        "100.63.255.255",
        "100.128.0.0",
        "172.15.0.1",
        "172.32.0.1",
        "192.0.1.1",
        "193.0.0.1",
        "223.255.255.255",
        "2606:4700::1111",
        "2a00:1450:4001::1",
        "2001:4860:4860::8888",
        "3fff:1000::1",
    ] {
        assert_eq!(check(&rules, ip), Ok(()), "{ip}");
    }
}

#[test]
fn everything_set_aside_is_refused() {
    let rules = AddressRules::default();
    for ip in [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:20::1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "3fff::1",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ] {
        assert_eq!(check(&rules, ip), Err(AddressRefused::NotPublic), "{ip}");
    }
}

#[test]
fn allowed_networks_open_what_they_hold_and_no_more() {
    let rules = rules(&["127.0.0.0/8", "10.20.0.0/16", "fd00:1::/32"], &[]);
    for ip in [
        "127.0.0.1",
        "10.20.255.1",
        "fd00:1:2::3",
        "::ffff:127.0.0.1",
    ] {
        assert_eq!(check(&rules, ip), Ok(()), "{ip}");
    }
    for ip in ["10.21.0.1", "::1", "fd00:2::1", "::ffff:10.21.0.1"] {
        assert_eq!(check(&rules, ip), Err(AddressRefused::NotPublic), "{ip}");
    }
}

#[test]
fn own_listeners_are_refused_inside_allowed_networks_too() {
    let rules = rules(&["127.0.0.0/8", "::1"], &["127.0.0.1:9443", "0.0.0.0:8443"]);
    let check = |text: &str| rules.check(text.parse().unwrap());
    assert_eq!(check("127.0.0.1:9443"), Err(AddressRefused::OwnListener));
    assert_eq!(
        check("[::ffff:127.0.0.1]:9443"),
        Err(AddressRefused::OwnListener)
    );
    assert_eq!(check("127.0.0.2:9443"), Ok(()));
    // A listener on every address is every address of this machine, and nobody else's.
    assert_eq!(check("127.0.0.2:8443"), Err(AddressRefused::OwnListener));
    assert_eq!(check("[::1]:8443"), Err(AddressRefused::OwnListener));
    assert_eq!(check("8.8.8.8:8443"), Ok(()));
    assert_eq!(check("127.0.0.1:443"), Ok(()));
}

#[test]
fn networks_are_read_strictly() {
    for text in ["0.0.0.0/0", "::/0", "10.0.0.0/8", "192.168.1.7", "fd00::/8"] {
        assert!(text.parse::<Network>().is_ok(), "{text}");
    }
    for text in [
        "",
        "10.0.0.1/8",
        "10.0.0.0/33",
        "::/129",
        "10.0.0.0/",
        "ten",
        "fd00::1/8",
    ] {
        assert_eq!(text.parse::<Network>(), Err(InvalidNetwork), "{text}");
    }
    let all: Network = "0.0.0.0/0".parse().unwrap();
    assert!(all.holds("8.8.8.8".parse().unwrap()));
    assert!(!all.holds("::1".parse().unwrap()));
}
