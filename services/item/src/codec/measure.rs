//! Measures an encoded item without decoding it. The checks are as strict as the decoder's.

use super::{
    BYTES, BYTES_SET, CodecError, FALSE, LIST, MAP, NULL, NUMBER, NUMBER_SET, STRING, STRING_SET, TRUE, reader::Reader,
};
use crate::{
    MAX_DEPTH,
    size::{DOCUMENT_BYTES, MEMBER_BYTES, number_size},
};

type Read<T> = Result<T, CodecError>;

/// Returns the number of attributes of an item, and the bytes of their names and values. `value`
/// reads the value of an attribute, given its name, and returns its size.
pub(super) fn attributes<'a>(
    reader: &mut Reader<'a>,
    mut value: impl FnMut(&mut Reader<'a>, &'a str) -> Read<usize>,
) -> Read<(usize, usize)> {
    let count = reader.count()?;
    let mut previous: Option<&str> = None;
    let mut bytes = 0;
    for _ in 0..count {
        let name = reader.text()?;
        reader.check_name(previous, name)?;
        previous = Some(name);
        bytes += name.len() + value(reader, name)?;
    }
    Ok((count, bytes))
}

/// Returns the size of a value at this depth of its item.
pub(super) fn value(reader: &mut Reader<'_>, depth: usize) -> Read<usize> {
    if depth > MAX_DEPTH {
        return Err(reader.damaged("values are nested too deeply"));
    }
    Ok(match reader.byte()? {
        NULL | FALSE | TRUE => 1,
        STRING => reader.text()?.len(),
        NUMBER => number_size(&reader.number()?),
        BYTES => reader.bytes()?.len(),
        LIST => {
            let count = reader.count()?;
            let members = (0..count).map(|_| Ok(MEMBER_BYTES + value(reader, depth + 1)?));
            DOCUMENT_BYTES + members.sum::<Read<usize>>()?
        }
        MAP => {
            let (count, bytes) = attributes(reader, |reader, _| value(reader, depth + 1))?;
            DOCUMENT_BYTES + MEMBER_BYTES * count + bytes
        }
        STRING_SET => set(reader, Reader::text, |member| member.len())?,
        NUMBER_SET => set(reader, Reader::number, number_size)?,
        BYTES_SET => set(reader, Reader::bytes, |member| member.len())?,
        _ => return Err(reader.damaged("unknown value type")),
    })
}

fn set<'a, T: Ord>(
    reader: &mut Reader<'a>,
    member: impl Fn(&mut Reader<'a>) -> Read<T>,
    size: impl Fn(&T) -> usize,
) -> Read<usize> {
    let count = reader.count()?;
    if count == 0 {
        return Err(reader.damaged("a set is empty"));
    }
    let mut previous: Option<T> = None;
    let mut bytes = 0;
    for _ in 0..count {
        let next = member(reader)?;
        if previous.is_some_and(|previous| previous >= next) {
            return Err(reader.damaged("set members are not in ascending order"));
        }
        bytes += size(&next);
        previous = Some(next);
    }
    Ok(bytes)
}
