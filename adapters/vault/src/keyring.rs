//! The symmetric keys of the vault as one small text file.
//!
//! ```text
//! ics-keyring 1
//! seal 2 <base64 of 32 bytes>     new values are sealed under this one
//! open 1 <base64 of 32 bytes>     values sealed before the rotation still open
//! index <base64 of 32 bytes>      blind indexes; never rotated, or nothing would be found again
//! ```
//! Lines that are empty or start with `#` say nothing. An error tells the line, never its text.

use std::fmt::{self, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ics_core::port::Entropy;
use zeroize::Zeroizing;

/// First line of the file, with the version of the format.
const HEADER: &str = "ics-keyring 1";

/// A 256-bit key, wiped when dropped.
pub(crate) type Key = Zeroizing<[u8; 32]>;

/// Which sealing key a value was sealed under; in the clear at its head.
pub(crate) type KeyId = u32;

/// One sealing key for new values, older ones for those there are, and the index key.
pub struct Keyring {
    sealing: (KeyId, Key),
    opening: Vec<(KeyId, Key)>,
    index: Key,
}

/// Why a text is no keyring. Lines count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// The first line is not that of this version of the format.
    #[error("not a keyring of version 1")]
    Version,
    /// Neither `seal ID KEY`, `open ID KEY` nor `index KEY` with 32 bytes of base64.
    #[error("line `{0}` is not readable")]
    Line(usize),
    /// A second sealing key, index key or key id, or the same key twice.
    #[error("line `{0}` repeats an earlier one")]
    Repeated(usize),
    /// No `seal` line.
    #[error("no sealing key")]
    NoSealingKey,
    /// No `index` line.
    #[error("no index key")]
    NoIndexKey,
    /// All key ids are used up.
    #[error("no key id left")]
    NoKeyId,
}

impl Keyring {
    /// A new keyring: one sealing key, id 1, and an index key.
    #[must_use]
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self {
            sealing: (1, new_key(entropy)),
            opening: Vec::new(),
            index: new_key(entropy),
        }
    }

    /// The same keyring with a new sealing key; the former one opens what it sealed.
    ///
    /// Due long before 2^32 values were sealed under one key (NIST SP 800-38D 8.3, random nonces).
    ///
    /// # Errors
    /// [`KeyringError::NoKeyId`] after 2^32 - 1 rotations.
    pub fn rotate(mut self, entropy: &dyn Entropy) -> Result<Self, KeyringError> {
        let highest = self.keys().map(|(id, _)| *id).max().unwrap_or(0);
        let id = highest.checked_add(1).ok_or(KeyringError::NoKeyId)?;
        let former = std::mem::replace(&mut self.sealing, (id, new_key(entropy)));
        self.opening.insert(0, former);
        Ok(self)
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub fn parse(text: &str) -> Result<Self, KeyringError> {
        let mut lines = text
            .lines()
            .zip(1_usize..)
            .map(|(line, at)| (line.trim(), at));
        if lines.next().is_none_or(|(line, _)| line != HEADER) {
            return Err(KeyringError::Version);
        }
        let (mut sealing, mut index) = (None, None);
        let mut opening: Vec<(KeyId, Key)> = Vec::new();
        for (line, at) in lines.filter(|(line, _)| !line.is_empty() && !line.starts_with('#')) {
            let entry = Entry::parse(line).ok_or(KeyringError::Line(at))?;
            let known = sealing.iter().chain(&opening);
            if known.clone().any(|(id, key)| entry.repeats(*id, key))
                || index.as_ref().is_some_and(|key| key == entry.key())
            {
                return Err(KeyringError::Repeated(at));
            }
            match entry {
                Entry::Seal(id, key) if sealing.is_none() => sealing = Some((id, key)),
                Entry::Index(key) if index.is_none() => index = Some(key),
                Entry::Open(id, key) => opening.push((id, key)),
                Entry::Seal(..) | Entry::Index(_) => return Err(KeyringError::Repeated(at)),
            }
        }
        Ok(Self {
            sealing: sealing.ok_or(KeyringError::NoSealingKey)?,
            opening,
            index: index.ok_or(KeyringError::NoIndexKey)?,
        })
    }

    /// The text form; it holds every key, so it goes to a file of mode 0600 and nowhere else.
    #[must_use]
    pub fn render(&self) -> Zeroizing<String> {
        // Room for all of it at once: a string that grows leaves its former self in memory.
        let mut text = Zeroizing::new(String::with_capacity(64 * (self.opening.len() + 4)));
        text.push_str(HEADER);
        let verbs = std::iter::once("\nseal ").chain(std::iter::repeat("\nopen "));
        for (verb, (id, key)) in verbs.zip(self.keys()) {
            text.push_str(verb);
            // Writing to a string does not fail.
            let _ = write!(*text, "{id} ");
            push_key(&mut text, key);
        }
        text.push_str("\nindex ");
        push_key(&mut text, &self.index);
        text.push('\n');
        text
    }

    /// Sealing keys by id, the current one first.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &(KeyId, Key)> {
        std::iter::once(&self.sealing).chain(&self.opening)
    }

    /// The index key.
    pub(crate) const fn index(&self) -> &Key {
        &self.index
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({} sealing keys)", self.opening.len() + 1)
    }
}

/// What one line says.
enum Entry {
    Seal(KeyId, Key),
    Open(KeyId, Key),
    Index(Key),
}

impl Entry {
    fn parse(line: &str) -> Option<Self> {
        let (verb, rest) = line.split_once(' ')?;
        if verb == "index" {
            return Some(Self::Index(parse_key(rest)?));
        }
        let (id, key) = rest.split_once(' ')?;
        let (id, key) = (id.parse().ok()?, parse_key(key)?);
        match verb {
            "seal" => Some(Self::Seal(id, key)),
            "open" => Some(Self::Open(id, key)),
            _ => None,
        }
    }

    const fn key(&self) -> &Key {
        match self {
            Self::Seal(_, key) | Self::Open(_, key) | Self::Index(key) => key,
        }
    }

    /// Whether it has the id or the key of a sealing key there is.
    fn repeats(&self, known_id: KeyId, known: &Key) -> bool {
        let same_id = matches!(self, Self::Seal(id, _) | Self::Open(id, _) if *id == known_id);
        same_id || self.key() == known
    }
}

fn parse_key(text: &str) -> Option<Key> {
    let bytes = Zeroizing::new(STANDARD.decode(text.trim()).ok()?);
    <[u8; 32]>::try_from(bytes.as_slice())
        .ok()
        .map(Zeroizing::new)
}

fn push_key(text: &mut String, key: &Key) {
    text.push_str(&Zeroizing::new(STANDARD.encode(key.as_slice())));
}

fn new_key(entropy: &dyn Entropy) -> Key {
    let mut key = Zeroizing::new([0; 32]);
    entropy.fill(key.as_mut_slice());
    key
}

#[cfg(test)]
mod tests;
