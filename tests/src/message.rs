//! HTTP/1.1 messages as bytes on a stream: as much of RFC 9112 as the harness's own client and
//! server need.

use std::io::{self, BufRead, ErrorKind};

/// A request or an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The first line, without its end.
    pub start: String,
    /// Header fields, names in lower case, in order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Message {
    /// Reads one; `None` when the stream ends before it begins. `has_body` says, of its first
    /// line, whether one may come at all.
    ///
    /// # Errors
    /// [`io::Error`] of the stream, or when this is no message.
    pub fn read(stream: &mut impl BufRead, has_body: fn(&str) -> bool) -> io::Result<Option<Self>> {
        let start = match read_line(stream)? {
            line if line.is_empty() => return Ok(None),
            line => line,
        };
        let mut message = Self {
            start,
            ..Self::default()
        };
        loop {
            let line = read_line(stream)?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or(ErrorKind::InvalidData)?;
            message
                .headers
                .push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        if has_body(&message.start) {
            message.body = message.read_body(stream)?;
        }
        Ok(Some(message))
    }

    /// The first header field of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    fn read_body(&self, stream: &mut impl BufRead) -> io::Result<Vec<u8>> {
        if self.header("transfer-encoding").is_some() {
            return read_chunks(stream);
        }
        let length = self.header("content-length").map_or(Ok(0), str::parse);
        let mut body = vec![0; length.map_err(|_| ErrorKind::InvalidData)?];
        stream.read_exact(&mut body)?;
        Ok(body)
    }
}

fn read_chunks(stream: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = read_line(stream)?;
        let size = usize::from_str_radix(&line, 16).map_err(|_| ErrorKind::InvalidData)?;
        let mut chunk = vec![0; size];
        stream.read_exact(&mut chunk)?;
        body.extend(chunk);
        read_line(stream)?;
        if size == 0 {
            return Ok(body);
        }
    }
}

/// A line without its end; empty at the end of the stream too.
fn read_line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
