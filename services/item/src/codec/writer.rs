//! Writes the compact form.

use super::{BYTES, BYTES_SET, FALSE, LIST, MAP, NULL, NUMBER, NUMBER_SET, STRING, STRING_SET, TRUE};
use crate::{AttributeValue, Item, Number};

/// A little more than most items need, to avoid growing the buffer.
pub(super) fn guess_len(item: &Item) -> usize {
    2 + item.len() * 6 + crate::item_size(item)
}

pub(super) fn write_item(item: &Item, out: &mut Vec<u8>) {
    write_len(item.len(), out);
    for (name, value) in item {
        write_bytes(name.as_bytes(), out);
        write_value(value, out);
    }
}

pub(crate) fn write_value(value: &AttributeValue, out: &mut Vec<u8>) {
    match value {
        AttributeValue::Null => out.push(NULL),
        AttributeValue::Bool(false) => out.push(FALSE),
        AttributeValue::Bool(true) => out.push(TRUE),
        AttributeValue::S(text) => {
            out.push(STRING);
            write_bytes(text.as_bytes(), out);
        }
        AttributeValue::N(number) => {
            out.push(NUMBER);
            write_number(number, out);
        }
        AttributeValue::B(bytes) => {
            out.push(BYTES);
            write_bytes(bytes, out);
        }
        AttributeValue::L(members) => {
            out.push(LIST);
            write_len(members.len(), out);
            members.iter().for_each(|member| write_value(member, out));
        }
        AttributeValue::M(members) => {
            out.push(MAP);
            write_item(members, out);
        }
        AttributeValue::Ss(members) => {
            out.push(STRING_SET);
            write_len(members.len(), out);
            members.iter().for_each(|member| write_bytes(member.as_bytes(), out));
        }
        AttributeValue::Ns(members) => {
            out.push(NUMBER_SET);
            write_len(members.len(), out);
            members.iter().for_each(|member| write_number(member, out));
        }
        AttributeValue::Bs(members) => {
            out.push(BYTES_SET);
            write_len(members.len(), out);
            members.iter().for_each(|member| write_bytes(member, out));
        }
    }
}

/// Writes the exponent in zigzag form with the sign below it, then the coefficient.
fn write_number(number: &Number, out: &mut Vec<u8>) {
    let (negative, coefficient, exponent) = number.parts();
    let zigzag = (exponent << 1) ^ (exponent >> 15);
    write_varint(u128::from(zigzag.cast_unsigned()) << 1 | u128::from(negative), out);
    write_varint(coefficient, out);
}

pub(crate) fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    write_len(bytes.len(), out);
    out.extend_from_slice(bytes);
}

fn write_len(len: usize, out: &mut Vec<u8>) {
    write_varint(len as u128, out);
}

pub(crate) fn write_varint(mut value: u128, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}
