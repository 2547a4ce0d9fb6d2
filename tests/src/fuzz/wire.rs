//! Replication messages: a decoded message is encoded again with the same meaning.

use beringia_proto::v1;
use beringia_wire::{
    Packer, Unpacker, from_receiver as read_receivers, from_source as read_sources, to_receiver, to_source,
};
use prost::Message;

/// Decodes a message of a receiver.
pub(super) fn from_receiver(input: &[u8]) {
    let Ok(message) = v1::FromReceiver::decode(input) else {
        return;
    };
    let Ok(message) = read_receivers(message) else { return };
    assert_eq!(read_receivers(to_source(message.clone())), Ok(message));
}

/// Decodes a message of a source, compressed or not.
pub(super) fn from_source(input: &[u8]) {
    let Ok(message) = v1::FromSource::decode(input) else {
        return;
    };
    let Ok(message) = Unpacker::default().unpack(message) else {
        return;
    };
    let Ok(message) = read_sources(message) else { return };
    let packed = Packer::default().pack(to_receiver(message.clone()));
    let unpacked = Unpacker::default().unpack(packed).expect("what was packed is unpacked");
    assert_eq!(read_sources(unpacked), Ok(message));
}
