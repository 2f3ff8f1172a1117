use super::*;
use coap_lite::{CoapOption, Packet};

struct Sevens;

impl Entropy for Sevens {
    fn fill(&self, out: &mut [u8]) {
        out.fill(7);
    }
}

const DISCOVER: &[u8] = b"\x40\x01\x12\x34\xbb.well-known\x04core";

fn here() -> SocketAddr {
    "127.0.0.1:5000".parse().unwrap()
}

fn answer(from: SocketAddr, said: &[u8]) -> Option<Packet> {
    let answer = Answering::new(&Sevens).answer(from, said)?;
    Some(Packet::from_bytes(&answer).unwrap())
}

fn code(packet: &Packet) -> u8 {
    packet.header.code.into()
}

fn echo(packet: &Packet) -> Option<Vec<u8>> {
    packet.get_first_option(CoapOption::from(252)).cloned()
}

fn with_echo(echo: &[u8]) -> Vec<u8> {
    let mut packet = Packet::from_bytes(DISCOVER).unwrap();
    packet.add_option(CoapOption::from(252), echo.to_vec());
    packet.to_bytes().unwrap()
}

#[test]
fn who_brings_back_what_it_was_sent_is_told_what_there_is() {
    let first = answer(here(), DISCOVER).unwrap();
    assert_eq!((code(&first), first.payload.len()), (0x81, 0));
    let brought = with_echo(&echo(&first).unwrap());
    let told = answer(here(), &brought).unwrap();
    assert_eq!(code(&told), 0x45);
    assert_eq!(told.payload, DISCOVERY.as_bytes());
    let elsewhere = "127.0.0.2:5000".parse().unwrap();
    assert_eq!(code(&answer(elsewhere, &brought).unwrap()), 0x81);
    let port = "127.0.0.1:5001".parse().unwrap();
    assert_eq!(code(&answer(port, &brought).unwrap()), 0x81);
}

#[test]
fn an_address_that_is_not_proven_gets_no_more_than_three_times_what_it_sent() {
    for said in [
        DISCOVER,
        b"\x40\x01\0\x01",
        b"\x50\x01\0\x01",
        b"\x40\x01\0\x01\xb3ics\x02v1\x03doc",
        b"\x40\0\0\x01",
        b"\x40\x01\0\x01\xd1\x16x",
        b"\x40\x01\0\x01\x11x",
        b"\x48\x01\0\x0112345678",
    ] {
        let answer = Answering::new(&Sevens).answer(here(), said);
        let length = answer.map_or(0, |answer| answer.len());
        assert!(length <= 3 * said.len(), "{length} for {said:x?}");
    }
}

#[test]
fn nothing_else_is_to_be_had_without_dtls() {
    for path in [
        &b"\xb3ics\x02v1\x03doc"[..],
        b"\xb3ics\x02v1\x03inq",
        b"\xb4none",
    ] {
        let told = answer(here(), &[b"\x40\x01\0\x01", path].concat()).unwrap();
        assert_eq!((code(&told), &told.payload[..]), (0x81, &b"use_coaps"[..]));
        assert_eq!(echo(&told), None);
    }
    let post = [b"\x40\x02\x12\x34", &DISCOVER[4..]].concat();
    assert_eq!(code(&answer(here(), &post).unwrap()), 0x85);
    assert_eq!(answer(here(), b"\x60\0\0\x01"), None);
    assert_eq!(answer(here(), b"\x70\0\0\x01"), None);
}
