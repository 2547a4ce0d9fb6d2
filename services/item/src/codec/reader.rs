//! Reads the compact form. The reader is total, bounded in depth and memory, and accepts only the
//! canonical encoding.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::{
    BYTES, BYTES_SET, CodecError, FALSE, LIST, MAP, NULL, NUMBER, NUMBER_SET, STRING, STRING_SET, TRUE, VERSION,
};
use crate::{AttributeValue, Item, MAX_DEPTH, Number};

/// The bytes that have not been read yet.
pub(crate) struct Reader<'a> {
    all: &'a [u8],
    at: usize,
}

type Read<T> = Result<T, CodecError>;

impl<'a> Reader<'a> {
    pub(crate) const fn new(all: &'a [u8]) -> Self {
        Self { all, at: 0 }
    }

    /// Reads a whole encoding to its last byte: the version, then `contents`.
    pub(super) fn whole<T>(mut self, contents: impl FnOnce(&mut Self) -> Read<T>) -> Read<T> {
        if self.byte()? != VERSION {
            return Err(CodecError {
                offset: 0,
                what: "unknown format version",
            });
        }
        let read = contents(&mut self)?;
        self.end()?;
        Ok(read)
    }

    /// Fails unless all bytes have been read.
    pub(crate) const fn end(&self) -> Read<()> {
        if self.at == self.all.len() {
            Ok(())
        } else {
            Err(self.damaged("extra bytes after the end"))
        }
    }

    pub(super) fn item(&mut self, depth: usize) -> Read<Item> {
        let count = self.count()?;
        let mut previous: Option<&str> = None;
        // `collect` has nothing to sort, since the names ascend, and builds the tree bottom-up.
        (0..count)
            .map(|_| {
                let name = self.text()?;
                self.check_name(previous, name)?;
                previous = Some(name);
                Ok((name.to_owned(), self.value(depth)?))
            })
            .collect()
    }

    /// Checks that attribute names ascend strictly.
    pub(super) fn check_name(&self, previous: Option<&str>, name: &str) -> Read<()> {
        match previous {
            Some(previous) if previous >= name => Err(self.damaged("attribute names are not in ascending order")),
            _ => Ok(()),
        }
    }

    /// Reads a value at this depth of its item; an attribute's value is at depth 1.
    pub(crate) fn value(&mut self, depth: usize) -> Read<AttributeValue> {
        if depth > MAX_DEPTH {
            return Err(self.damaged("values are nested too deeply"));
        }
        Ok(match self.byte()? {
            NULL => AttributeValue::Null,
            FALSE => AttributeValue::Bool(false),
            TRUE => AttributeValue::Bool(true),
            STRING => AttributeValue::S(self.text()?.to_owned()),
            NUMBER => AttributeValue::N(self.number()?),
            BYTES => AttributeValue::B(Bytes::copy_from_slice(self.bytes()?)),
            LIST => {
                let count = self.count()?;
                // Does not reserve memory by the count: a value takes many times the byte that
                // encodes it.
                AttributeValue::L((0..count).map(|_| self.value(depth + 1)).collect::<Read<_>>()?)
            }
            MAP => AttributeValue::M(self.item(depth + 1)?),
            STRING_SET => AttributeValue::Ss(self.set(|reader| Ok(reader.text()?.to_owned()))?),
            NUMBER_SET => AttributeValue::Ns(self.set(Self::number)?),
            BYTES_SET => AttributeValue::Bs(self.set(|reader| Ok(Bytes::copy_from_slice(reader.bytes()?)))?),
            _ => return Err(self.damaged("unknown value type")),
        })
    }

    fn set<T: Ord>(&mut self, mut member: impl FnMut(&mut Self) -> Read<T>) -> Read<BTreeSet<T>> {
        let count = self.count()?;
        let members = (0..count).map(|_| member(self)).collect::<Read<Vec<T>>>()?;
        if members.is_empty() {
            return Err(self.damaged("a set is empty"));
        }
        if !members.is_sorted_by(|one, next| one < next) {
            return Err(self.damaged("set members are not in ascending order"));
        }
        Ok(members.into_iter().collect())
    }

    pub(super) fn number(&mut self) -> Read<Number> {
        let head = self.varint(u32::BITS)?;
        let coefficient = self.varint(u128::BITS)?;
        self.assemble(head, coefficient)
            .ok_or_else(|| self.damaged("a number is out of range or not in canonical form"))
    }

    fn assemble(&self, head: u128, coefficient: u128) -> Option<Number> {
        let zigzag = u16::try_from(head >> 1).ok()?;
        let exponent = (zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed();
        Number::from_canonical(head & 1 == 1, coefficient, exponent)
    }

    pub(crate) fn text(&mut self) -> Read<&'a str> {
        let bytes = self.bytes()?;
        str::from_utf8(bytes).map_err(|_| self.damaged("a string is not UTF-8"))
    }

    /// Reads a number of eight bytes, big-endian; an error if fewer are left.
    pub(crate) fn u64(&mut self) -> Read<u64> {
        let rest = &self.all[self.at..];
        let (bytes, _) = rest.split_first_chunk().ok_or_else(|| self.damaged("unexpected end"))?;
        self.at += bytes.len();
        Ok(u64::from_be_bytes(*bytes))
    }

    /// Reads a byte that is 0 or 1.
    pub(crate) fn flag(&mut self) -> Read<bool> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.damaged("a flag is neither 0 nor 1")),
        }
    }

    pub(super) fn bytes(&mut self) -> Read<&'a [u8]> {
        let len = self.count()?;
        let bytes = &self.all[self.at..self.at + len];
        self.at += len;
        Ok(bytes)
    }

    /// Reads the count of elements that each take at least one byte, so it never exceeds the bytes
    /// left.
    pub(crate) fn count(&mut self) -> Read<usize> {
        let count = self.varint(usize::BITS)?;
        match usize::try_from(count) {
            Ok(count) if count <= self.all.len() - self.at => Ok(count),
            _ => Err(self.damaged("a length exceeds the remaining bytes")),
        }
    }

    /// Reads a variable-length integer of at most `bits` bits, in its shortest encoding.
    pub(crate) fn varint(&mut self, bits: u32) -> Read<u128> {
        let first = self.byte()?;
        if first < 0x80 {
            return Ok(first.into());
        }
        let mut value = u128::from(first & 0x7F);
        let mut shift = 7;
        loop {
            let byte = self.byte()?;
            let part = u128::from(byte & 0x7F);
            if shift >= bits || (part << shift) >> shift != part || (bits < u128::BITS && part << shift >> bits != 0) {
                return Err(self.damaged("an integer is too large"));
            }
            value |= part << shift;
            if byte < 0x80 {
                return if byte == 0 {
                    Err(self.damaged("an integer is not in its shortest form"))
                } else {
                    Ok(value)
                };
            }
            shift += 7;
        }
    }

    pub(crate) fn byte(&mut self) -> Read<u8> {
        let byte = *self.all.get(self.at).ok_or_else(|| self.damaged("unexpected end"))?;
        self.at += 1;
        Ok(byte)
    }

    pub(crate) const fn damaged(&self, what: &'static str) -> CodecError {
        CodecError { offset: self.at, what }
    }
}
