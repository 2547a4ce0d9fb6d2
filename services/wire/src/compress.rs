//! Compression of what a source sends: one context for each stream, and only where it is worth it.
//!
//! gRPC's own compression makes a context for every message, which costs more than all the rest of sending a small one.

use beringia_proto::v1;
use prost::Message;
use zstd::bulk::{Compressor, Decompressor};

use crate::{MESSAGE_BYTES_MAX, Unreadable};

/// Messages from this size on are compressed, bytes. Smaller ones fit into a packet as they are.
const COMPRESSED_FROM_BYTES: usize = 1 << 10;
/// The level that costs least. Links between regions are mostly slower than it; replicas are not.
const LEVEL: i32 = 1;

/// The sending end of a stream.
#[derive(Default)]
pub struct Packer(Option<Compressor<'static>>);

/// The reading end of a stream.
#[derive(Default)]
pub struct Unpacker(Option<Decompressor<'static>>);

impl Packer {
    /// The message, compressed where that makes it smaller.
    #[must_use]
    pub fn pack(&mut self, message: v1::FromSource) -> v1::FromSource {
        if message.encoded_len() < COMPRESSED_FROM_BYTES {
            return message;
        }
        // Where there is no memory for a context, or the bytes do not become fewer, the message travels as it is.
        if self.0.is_none() {
            self.0 = Compressor::new(LEVEL).ok();
        }
        let plain = message.encode_to_vec();
        match self.0.as_mut().and_then(|compressor| compressor.compress(&plain).ok()) {
            Some(frame) if frame.len() < plain.len() => v1::FromSource {
                kind: Some(v1::from_source::Kind::Compressed(v1::Compressed {
                    frame: frame.into(),
                })),
            },
            _ => message,
        }
    }
}

impl Unpacker {
    /// The message that travelled in this form.
    ///
    /// # Errors
    /// [`Unreadable`] if it is compressed and no frame, or one of more than [`MESSAGE_BYTES_MAX`].
    pub fn unpack(&mut self, message: v1::FromSource) -> Result<v1::FromSource, Unreadable> {
        let Some(v1::from_source::Kind::Compressed(v1::Compressed { frame })) = &message.kind else {
            return Ok(message);
        };
        let unreadable = |error: &dyn std::fmt::Display| Unreadable(format!("it cannot be decompressed: {error}"));
        let decompressor = match &mut self.0 {
            Some(decompressor) => decompressor,
            none => none.insert(Decompressor::new().map_err(|error| unreadable(&error))?),
        };
        let plain = decompressor.decompress(frame, MESSAGE_BYTES_MAX);
        let plain = bytes::Bytes::from(plain.map_err(|error| unreadable(&error))?);
        v1::FromSource::decode(plain).map_err(|error| unreadable(&error))
    }
}
