use super::*;
use crate::condition::{eventually, wait_for};

/// Answers every datagram with the port it came from and itself.
fn echo() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 64];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let answer = [&from.port().to_be_bytes()[..], &buffer[..length]].concat();
            let _ = socket.send_to(&answer, from);
            if buffer[..length] == *b"over" {
                return;
            }
        }
    });
    address
}

fn device(proxy: &UdpProxy) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(proxy.address()).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

/// What has come and nobody has looked at.
fn received(socket: &UdpSocket) -> Vec<(u16, Vec<u8>)> {
    let mut buffer = [0; 64];
    let next = || {
        let length = socket.recv(&mut buffer).ok()?;
        let port = u16::from_be_bytes([buffer[0], buffer[1]]);
        Some((port, buffer[2..length].to_vec()))
    };
    std::iter::from_fn(next).collect()
}

#[test]
fn in_fair_weather_everything_comes_once_and_in_order() {
    let proxy = UdpProxy::open(echo(), UdpWeather::FAIR, 1);
    let device = device(&proxy);
    let mut came = Vec::new();
    for n in 0..100_u8 {
        device.send(&[n]).unwrap();
        eventually("it", || {
            came.extend(received(&device).into_iter().map(|(_, bytes)| bytes));
            came.len() == usize::from(n) + 1
        });
    }
    assert_eq!(came, (0..100).map(|n| vec![n]).collect::<Vec<_>>());
    let tally = proxy.tally();
    assert_eq!(
        (tally.came, tally.lost, tally.doubled, tally.late),
        (200, 0, 0, 0)
    );
}

#[test]
fn in_bad_weather_some_are_lost_doubled_and_late() {
    let bad = UdpWeather {
        loss: 30,
        duplication: 20,
        reordering: 20,
    };
    let proxy = UdpProxy::open(echo(), UdpWeather::FAIR, 1);
    proxy.change_each(bad, UdpWeather::FAIR);
    let device = device(&proxy);
    for n in 0..200_u8 {
        device.send(&[n]).unwrap();
        eventually("it", || proxy.tally().came > u64::from(n));
    }
    let mut came = Vec::new();
    eventually("what is late", || {
        came.extend(received(&device).into_iter().map(|(_, bytes)| bytes[0]));
        let tally = proxy.tally();
        came.len() as u64 == 200 - tally.lost + tally.doubled
    });
    let tally = proxy.tally();
    for (hits, about) in [(tally.lost, 60), (tally.doubled, 28), (tally.late, 28)] {
        assert!((about / 2..about * 2).contains(&hits), "{tally:?}");
    }
    assert!(came.windows(2).any(|pair| pair[0] > pair[1]), "{came:?}");
}

#[test]
fn another_address_is_seen_after_it_was_bound_anew_and_the_old_one_leads_nowhere() {
    let proxy = UdpProxy::open(echo(), UdpWeather::FAIR, 1);
    let device = device(&proxy);
    let port = || {
        device.send(b"x").unwrap();
        wait_for("an answer", || received(&device).pop()).0
    };
    let first = port();
    assert_eq!(port(), first);
    proxy.rebind();
    let second = port();
    assert_ne!(first, second);
    // What is sent there stays there.
    let stray = UdpSocket::bind("127.0.0.1:0").unwrap();
    let _ = stray.send_to(b"..stray", ("127.0.0.1", first));
    assert_eq!(port(), second);
}

#[test]
fn nothing_gets_through_a_cut_line_until_it_is_mended() {
    let proxy = UdpProxy::open(echo(), UdpWeather::FAIR, 1);
    let device = device(&proxy);
    proxy.cut(true);
    device.send(b"lost").unwrap();
    eventually("its end", || proxy.tally().lost == 1);
    proxy.cut(false);
    device.send(b"over").unwrap();
    let came = wait_for("an answer", || received(&device).pop());
    assert_eq!(came.1, b"over");
    assert!(received(&device).is_empty());
}
