//! A file's contents: what processes see, what is durable, and the changes between the two.

use std::ops::Range;

/// The unit in which a disk writes. A page that was not synced can be torn at its multiples.
const SECTOR_BYTES: usize = 512;
/// The least length of a text. Databases have shorter ones in their own structures.
const TEXT_BYTES_MIN: usize = 64;

/// The contents of a file.
#[derive(Debug, Default, Clone)]
pub(crate) struct Content {
    /// What processes see, through the page cache.
    cached: Vec<u8>,
    durable: Vec<u8>,
    /// The changes since the last sync, in their order.
    unsynced: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Resize(usize),
}

impl Change {
    fn apply(&self, contents: &mut Vec<u8>) {
        match self {
            Self::Write { at, bytes } => {
                let end = at + bytes.len();
                if contents.len() < end {
                    contents.resize(end, 0);
                }
                contents[*at..end].copy_from_slice(bytes);
            }
            Self::Resize(len) => contents.resize(*len, 0),
        }
    }
}

impl Content {
    pub(crate) fn len(&self) -> usize {
        self.cached.len()
    }

    /// Copies bytes from a position, and returns how many there were.
    pub(crate) fn read(&self, bytes: &mut [u8], at: usize) -> usize {
        let rest = self.cached.get(at..).unwrap_or_default();
        let len = bytes.len().min(rest.len());
        bytes[..len].copy_from_slice(&rest[..len]);
        len
    }

    pub(crate) fn write(&mut self, bytes: &[u8], at: usize) {
        self.change(Change::Write {
            at,
            bytes: bytes.to_owned(),
        });
    }

    pub(crate) fn resize(&mut self, len: usize) {
        self.change(Change::Resize(len));
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.cached);
        self.unsynced.push(change);
    }

    /// The contents after a loss of power that keeps nothing unsynced.
    pub(crate) fn durable_copy(&self) -> Self {
        Self {
            cached: self.durable.clone(),
            durable: self.durable.clone(),
            unsynced: Vec::new(),
        }
    }

    /// Where there are texts in what is durable: at least 64 letters, digits, spaces and `-_:`.
    pub(crate) fn durable_texts(&self) -> Vec<Range<usize>> {
        let is_of_text = |byte: &u8| byte.is_ascii_alphanumeric() || b" -_:".contains(byte);
        let mut texts = Vec::new();
        let mut start = 0;
        for run in self.durable.chunk_by(|one, other| is_of_text(one) == is_of_text(other)) {
            let range = start..start + run.len();
            start = range.end;
            if run.len() >= TEXT_BYTES_MIN && is_of_text(&run[0]) {
                texts.push(range);
            }
        }
        texts
    }

    /// Makes all changes durable.
    pub(crate) fn sync(&mut self) {
        for change in std::mem::take(&mut self.unsynced) {
            change.apply(&mut self.durable);
        }
    }

    /// Makes those parts of the changes durable for which `survives` says so, in their order, and
    /// forgets the rest. What processes see stays as it is.
    pub(crate) fn settle(&mut self, mut survives: impl FnMut() -> bool) {
        for change in std::mem::take(&mut self.unsynced) {
            match change {
                Change::Write { mut at, bytes } => {
                    let mut rest = &bytes[..];
                    while !rest.is_empty() {
                        let len = rest.len().min(SECTOR_BYTES - at % SECTOR_BYTES);
                        let (sector, others) = rest.split_at(len);
                        if survives() {
                            let bytes = sector.to_owned();
                            Change::Write { at, bytes }.apply(&mut self.durable);
                        }
                        (at, rest) = (at + len, others);
                    }
                }
                resize @ Change::Resize(_) => {
                    if survives() {
                        resize.apply(&mut self.durable);
                    }
                }
            }
        }
    }

    /// Empties the page cache: processes see what is durable.
    pub(crate) fn evict(&mut self) {
        self.cached.clone_from(&self.durable);
    }

    /// Inverts a bit, on the disk and in the page cache. Returns false beyond the end.
    pub(crate) fn flip(&mut self, at: usize, bit: u8) -> bool {
        let mut has_flipped = false;
        for contents in [&mut self.cached, &mut self.durable] {
            if let Some(byte) = contents.get_mut(at) {
                *byte ^= 1 << (bit % 8);
                has_flipped = true;
            }
        }
        has_flipped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(content: &Content) -> Vec<u8> {
        let mut bytes = vec![0; content.len()];
        content.read(&mut bytes, 0);
        bytes
    }

    #[test]
    fn only_synced_changes_are_durable() {
        let mut content = Content::default();
        content.write(b"abc", 0);
        content.sync();
        content.write(b"XY", 1);
        content.resize(5);
        assert_eq!(seen(&content), b"aXY\0\0");
        content.settle(|| false);
        assert_eq!(seen(&content), b"aXY\0\0", "the page cache stays");
        content.evict();
        assert_eq!(seen(&content), b"abc");
    }

    #[test]
    fn pages_tear_at_sectors() {
        let mut content = Content::default();
        content.write(&[1; 2 * SECTOR_BYTES], 0);
        content.sync();
        content.write(&[2; 2 * SECTOR_BYTES - 8], 8);
        let mut survivors = [false, true].into_iter();
        content.settle(|| survivors.next().unwrap());
        content.evict();
        let expected = [[1; SECTOR_BYTES], [2; SECTOR_BYTES]].concat();
        assert_eq!(seen(&content), expected);
    }

    #[test]
    fn lost_sync_is_not_made_up_for_by_the_next() {
        let mut content = Content::default();
        content.write(b"lost", 0);
        content.settle(|| false);
        content.write(b"kept", 4);
        content.sync();
        assert_eq!(seen(&content), b"lostkept");
        content.evict();
        assert_eq!(seen(&content), b"\0\0\0\0kept");
    }

    #[test]
    fn texts_are_long_runs_of_letters() {
        let mut content = Content::default();
        let text = [b'a'; TEXT_BYTES_MIN];
        content.write(&[&[0; 3], &text[..], &[7], &text[1..], &[7], &text[..]].concat(), 0);
        assert_eq!(content.durable_texts(), []);
        content.sync();
        let second = 3 + 2 * TEXT_BYTES_MIN + 1;
        assert_eq!(
            content.durable_texts(),
            [3..3 + TEXT_BYTES_MIN, second..second + TEXT_BYTES_MIN]
        );
    }

    #[test]
    fn copy_has_only_what_is_durable() {
        let mut content = Content::default();
        content.write(b"kept", 0);
        content.sync();
        content.write(b"lost", 0);
        let mut copy = content.durable_copy();
        assert_eq!(seen(&copy), b"kept");
        copy.settle(|| true);
        copy.evict();
        assert_eq!(seen(&copy), b"kept");
    }

    #[test]
    fn flipped_bit_is_on_the_disk() {
        let mut content = Content::default();
        content.write(&[0b101], 0);
        content.sync();
        assert!(content.flip(0, 1));
        assert!(!content.flip(1, 0), "beyond the end");
        content.evict();
        assert_eq!(seen(&content), [0b111]);
    }
}
