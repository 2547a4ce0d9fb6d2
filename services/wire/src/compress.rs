//! Compresses what a source sends, with one context per stream, and only where it is worth it.
//!
//! gRPC's own compression creates a context for every message, which costs more than everything
//! else in sending a small one.

use beringia_proto::v1;
use prost::Message;
use zstd::bulk::{Compressor, Decompressor};

use crate::{MESSAGE_BYTES_MAX, Unreadable};

/// The size in bytes from which messages are compressed. A smaller message fits into a packet as it
/// is.
const COMPRESSED_FROM_BYTES: usize = 1 << 10;
/// The fastest level. Links between regions are usually slower than it; links between replicas on
/// one machine are not.
const LEVEL: i32 = 1;

/// Compresses the messages at the sending end of a stream.
#[derive(Default)]
pub struct Packer(Option<Compressor<'static>>);

/// Decompresses the messages at the receiving end of a stream.
#[derive(Default)]
pub struct Unpacker(Option<Decompressor<'static>>);

impl Packer {
    /// Returns the message, compressed if that makes it smaller.
    #[must_use]
    pub fn pack(&mut self, message: v1::FromSource) -> v1::FromSource {
        if message.encoded_len() < COMPRESSED_FROM_BYTES {
            return message;
        }
        // If there is no memory for a context, or the frame is not smaller, the message is sent as
        // it is.
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
    /// Returns the message in its uncompressed form.
    ///
    /// # Errors
    /// [`Unreadable`] if the message is compressed and is not a valid frame, or decompresses to
    /// more than [`MESSAGE_BYTES_MAX`].
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
