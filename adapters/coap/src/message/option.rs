//! Options of a request (RFC 7252 5.4): those we know, each as long as it may be and as often as it
//! may be there; of the others the elective ones are passed over.

use std::collections::LinkedList;

use coap_lite::Packet;

use super::answer::ECHO;
use super::block::Block;

const IF_MATCH: u16 = 1;
const URI_HOST: u16 = 3;
const ETAG: u16 = 4;
const IF_NONE_MATCH: u16 = 5;
const OBSERVE: u16 = 6;
const URI_PORT: u16 = 7;
pub(crate) const URI_PATH: u16 = 11;
pub(crate) const CONTENT_FORMAT: u16 = 12;
pub(crate) const URI_QUERY: u16 = 15;
pub(crate) const ACCEPT: u16 = 17;
const BLOCK2: u16 = 23;
const BLOCK1: u16 = 27;
const PROXY_URI: u16 = 35;
const PROXY_SCHEME: u16 = 39;
const NO_RESPONSE: u16 = 258;

/// What a request is not served for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unknown {
    Critical,
    Proxy,
}

#[derive(Debug, Default)]
pub(super) struct Options {
    pub(super) path: Vec<String>,
    pub(super) query: Vec<String>,
    pub(super) accept: Option<u16>,
    pub(super) content_format: Option<u16>,
    pub(super) observe: Option<u32>,
    pub(super) block1: Option<Block>,
    pub(super) block2: Option<Block>,
    pub(super) etags: Vec<Vec<u8>>,
    pub(super) no_response: u8,
    pub(super) echo: Option<Vec<u8>>,
    pub(super) of_guest: Vec<(u16, Vec<u8>)>,
}

impl Options {
    pub(super) fn read(packet: &Packet, known: &[u16]) -> Result<Self, Unknown> {
        let mut options = Self::default();
        for (number, values) in packet.options() {
            let taken = match *number {
                PROXY_URI | PROXY_SCHEME => return Err(Unknown::Proxy),
                // Which of our names it was asked by changes nothing.
                URI_HOST | URI_PORT => Some(()),
                URI_PATH => texts(values).map(|path| options.path = path),
                URI_QUERY => texts(values).map(|query| options.query = query),
                ACCEPT => short(values).map(|format| options.accept = Some(format)),
                CONTENT_FORMAT => short(values).map(|format| options.content_format = Some(format)),
                OBSERVE => number_of(values, 3).map(|observe| options.observe = Some(observe)),
                BLOCK1 => block(values).map(|block| options.block1 = Some(block)),
                BLOCK2 => block(values).map(|block| options.block2 = Some(block)),
                ETAG => tags(values).map(|etags| options.etags = etags),
                NO_RESPONSE => number_of(values, 1)
                    .and_then(|classes| u8::try_from(classes).ok())
                    .map(|classes| options.no_response = classes),
                ECHO => echo(values).map(|echo| options.echo = Some(echo)),
                // Conditions, of which no resource here has any use.
                IF_MATCH | IF_NONE_MATCH => None,
                other if known.contains(&other) => {
                    let values = values.iter().cloned().map(|value| (other, value));
                    options.of_guest.extend(values);
                    Some(())
                }
                _ => None,
            };
            if taken.is_none() && is_critical(*number) {
                return Err(Unknown::Critical);
            }
        }
        Ok(options)
    }
}

/// 5.4.6: by its number alone.
const fn is_critical(number: u16) -> bool {
    number & 1 == 1
}

type Values = LinkedList<Vec<u8>>;

/// Segments: up to 255 bytes of UTF-8 each.
fn texts(values: &Values) -> Option<Vec<String>> {
    let text = |value: &Vec<u8>| String::from_utf8(value.clone()).ok();
    let text = |value| text(value).filter(|text| text.len() <= 255);
    values.iter().map(text).collect()
}

fn only(values: &Values) -> Option<&[u8]> {
    let [value] = &values.iter().collect::<Vec<_>>()[..] else {
        return None;
    };
    Some(value)
}

/// The one value, an unsigned integer of at most so many bytes.
fn number_of(values: &Values, longest: usize) -> Option<u32> {
    let value = only(values)?;
    (value.len() <= longest).then(|| {
        value
            .iter()
            .fold(0, |number, byte| (number << 8) | u32::from(*byte))
    })
}

fn short(values: &Values) -> Option<u16> {
    number_of(values, 2).and_then(|number| u16::try_from(number).ok())
}

fn block(values: &Values) -> Option<Block> {
    only(values).and_then(Block::read)
}

/// 1 to 40 bytes (RFC 9175 2.2.1).
fn echo(values: &Values) -> Option<Vec<u8>> {
    let value = only(values)?;
    (1..=40).contains(&value.len()).then(|| value.to_vec())
}

/// 1 to 8 bytes each.
fn tags(values: &Values) -> Option<Vec<Vec<u8>>> {
    let fits = |value: &Vec<u8>| (1..=8).contains(&value.len());
    values
        .iter()
        .all(fits)
        .then(|| values.iter().cloned().collect())
}
