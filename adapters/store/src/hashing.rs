//! A SHA-256 of everything that passes, on its way to a file or from it.
//!
//! Not the stores' own checksum: that one finds damage, this one also tells a file from any other
//! that somebody made, when it is compared with one written down elsewhere.

use std::io::{self, BufRead, Read, Write};

use aws_lc_rs::digest::{Context, SHA256};

/// The hash.
pub(crate) type Hash = [u8; 32];

fn finish(context: Context) -> Hash {
    let mut hash = [0; 32];
    for (to, from) in hash.iter_mut().zip(context.finish().as_ref()) {
        *to = *from;
    }
    hash
}

/// Hashes and counts what is written.
pub(crate) struct HashingWriter<'w> {
    out: &'w mut dyn Write,
    context: Context,
    pub(crate) bytes: u64,
}

impl<'w> HashingWriter<'w> {
    pub(crate) fn new(out: &'w mut dyn Write) -> Self {
        Self {
            out,
            context: Context::new(&SHA256),
            bytes: 0,
        }
    }

    pub(crate) fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.context.update(bytes);
        self.bytes = self
            .bytes
            .saturating_add(u64::try_from(bytes.len()).unwrap_or(0));
        self.out.write_all(bytes)
    }

    /// The hash so far.
    pub(crate) fn hash(&self) -> Hash {
        finish(self.context.clone())
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Hashes and counts what is read.
pub(crate) struct HashingReader<R> {
    input: R,
    context: Context,
    pub(crate) bytes: u64,
}

impl<R: Read> HashingReader<R> {
    pub(crate) fn new(input: R) -> Self {
        Self {
            input,
            context: Context::new(&SHA256),
            bytes: 0,
        }
    }

    /// The next `N` bytes.
    pub(crate) fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// All of `bytes` anew.
    pub(crate) fn fill(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        self.input.read_exact(bytes)?;
        self.take_in(bytes);
        Ok(())
    }

    /// The hash so far.
    pub(crate) fn hash(&self) -> Hash {
        finish(self.context.clone())
    }

    /// Whether nothing follows.
    pub(crate) fn is_over(&mut self) -> io::Result<bool> {
        let mut one = [0];
        loop {
            match self.input.read(&mut one) {
                Ok(read) => return Ok(read == 0),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn take_in(&mut self, bytes: &[u8]) {
        self.context.update(bytes);
        self.bytes = self
            .bytes
            .saturating_add(u64::try_from(bytes.len()).unwrap_or(0));
    }
}

impl<R: BufRead> HashingReader<R> {
    /// The next line with its end, at most `limit` bytes of it, not hashed yet; empty at the end.
    pub(crate) fn line(&mut self, limit: usize) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        (&mut self.input).take(limit).read_until(b'\n', &mut line)?;
        Ok(line)
    }

    /// Hashes a line that was read.
    pub(crate) fn hash_line(&mut self, line: &[u8]) {
        self.take_in(line);
    }
}

/// The hash of `bytes`.
#[cfg(feature = "fuzzing")]
pub(crate) fn hash_of(bytes: &[u8]) -> Hash {
    let mut context = Context::new(&SHA256);
    context.update(bytes);
    finish(context)
}

/// The hash in hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
