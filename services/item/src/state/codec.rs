//! The encoding of a state that is not plain: the parts that the item's image does not express.
//!
//! The first byte is the format version. Next come the texts of the origins and the versions that
//! occur, each once and in order; the base version; and the attributes, which refer to versions by
//! their index. Each state has exactly one encoding, and nothing else is accepted, so encoded
//! states may be compared as bytes.

use std::collections::{BTreeMap, BTreeSet};

use beringia_clock::HybridTime;
use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

use super::{
    Attribute, ItemState,
    attribute::{Adder, Delta, Element, Membership},
};
use crate::{
    AttributeValue, Item, Origin, Version,
    codec::{CodecError, Reader, write_bytes, write_value, write_varint},
};

/// The format version that is written.
const FORM: u8 = 2;

const NO_BASE: u8 = 0;
const PUT: u8 = 1;
const DELETE: u8 = 2;

/// Image and metadata that do not form a state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// The metadata cannot be decoded.
    #[error(transparent)]
    Damaged(#[from] CodecError),
    /// Image, metadata and version do not belong together.
    #[error("the metadata of an item does not fit its image or version")]
    Unfit,
}

impl ItemState {
    /// The part of the state that the image does not express; `None` if that is nothing.
    #[must_use]
    pub fn metadata(&self) -> Option<Bytes> {
        (!self.is_plain()).then(|| self.encode(true).into())
    }

    /// A hash that distinguishes states of one version; 0 for a plain state. It is equal in all
    /// regions that have applied the same writes: a delete below later writes does not count, since
    /// some regions have collected its tombstone already.
    #[must_use]
    pub fn hash(&self) -> u64 {
        if self.is_plain() {
            return 0;
        }
        xxh3_64(&self.encode(self.whole.is_some())).max(1)
    }

    /// Reads the state of an item with this version, image and metadata. `keys` are its key
    /// attributes.
    ///
    /// # Errors
    /// [`StateError`] if [`ItemState::metadata`] never returns these bytes for such an image and
    /// version.
    pub fn read(
        version: &Version,
        image: Option<&Item>,
        metadata: Option<&[u8]>,
        keys: &Item,
    ) -> Result<Self, StateError> {
        let Some(metadata) = metadata else {
            return Ok(Self::plain(version.clone(), image.cloned()));
        };
        let mut state = Self::decode(version, metadata)?;
        let image = image.ok_or(StateError::Unfit)?;
        if let Some(whole) = &mut state.whole {
            whole.clone_from(image);
            whole.retain(|name, _| !state.attributes.contains_key(name));
        }
        for (name, attribute) in &mut state.attributes {
            if !attribute.has_additions() {
                attribute.assigned = image.get(name).cloned();
            }
        }
        let fits = state.versions().all(|named| named <= version)
            && !state.is_plain()
            && state.attributes.values().all(|attribute| {
                let base = attribute.base_over(state.item_base.as_ref());
                let later = |version: &Version| base.is_none_or(|base| version > base);
                (attribute.base.is_some() || attribute.has_additions())
                    && attribute.base.as_ref().is_none_or(|base| Some(base) > state.item_base.as_ref())
                    && attribute.deltas.values().all(|delta| later(&delta.version))
                    && attribute.elements.values().all(|membership| later(&membership.version))
                    // Without a put below, only an assignment gives a base a value.
                    && (attribute.base.is_some() || state.whole.is_some() || attribute.assigned.is_none())
            })
            && state.image(keys).as_ref() == Some(image)
            && state.encode(true) == metadata;
        if fits { Ok(state) } else { Err(StateError::Unfit) }
    }

    fn encode(&self, with_base: bool) -> Vec<u8> {
        let item_base = self.item_base.as_ref().filter(|_| with_base);
        let overs = self.attributes.values().flat_map(|attribute| attribute.deltas.values());
        let overs = overs.filter_map(|delta| delta.over.as_ref());
        let written = self.attributes.values().flat_map(Attribute::versions);
        let versions: BTreeSet<&Version> = written.chain(overs).chain(item_base).collect();
        let origins: BTreeSet<&Origin> = versions.iter().map(|version| &version.origin).collect();
        let mut out = vec![FORM];
        write_len(origins.len(), &mut out);
        for origin in &origins {
            write_bytes(origin.to_string().as_bytes(), &mut out);
        }
        let origins: BTreeMap<&Origin, usize> = origins.into_iter().zip(0..).collect();
        write_len(versions.len(), &mut out);
        for version in &versions {
            out.extend_from_slice(&version.time.as_u64().to_be_bytes());
            write_len(origins[&version.origin], &mut out);
            write_varint(version.sequence.into(), &mut out);
        }
        let places: BTreeMap<&Version, usize> = versions.into_iter().zip(0..).collect();
        match item_base {
            None => out.push(NO_BASE),
            Some(item_base) => {
                out.push(if self.whole.is_some() { PUT } else { DELETE });
                write_len(places[item_base], &mut out);
            }
        }
        write_len(self.attributes.len(), &mut out);
        for (name, attribute) in &self.attributes {
            write_bytes(name.as_bytes(), &mut out);
            attribute.write(&places, &mut out);
        }
        out
    }

    /// Decodes the state without the values that the image contains.
    fn decode(version: &Version, metadata: &[u8]) -> Result<Self, StateError> {
        let mut reader = Reader::new(metadata);
        if reader.byte()? != FORM {
            return Err(reader.damaged("unknown format version").into());
        }
        let count = reader.count()?;
        let origins = (0..count).map(|_| {
            let text = reader.text()?;
            text.parse().map_err(|_| reader.damaged("invalid origin"))
        });
        let origins: Vec<Origin> = origins.collect::<Result<_, _>>()?;
        let count = reader.count()?;
        let mut versions = Vec::new();
        for _ in 0..count {
            let time = HybridTime::from_u64(reader.u64()?);
            let origin = pick(&origins, &mut reader)?;
            let sequence = reader.varint(u64::BITS)?;
            let sequence = u64::try_from(sequence).map_err(|_| reader.damaged("a sequence is too large"))?;
            versions.push(Version { time, origin, sequence });
        }
        let (item_base, whole) = match reader.byte()? {
            NO_BASE => (None, None),
            PUT => (Some(pick(&versions, &mut reader)?), Some(Item::new())),
            DELETE => (Some(pick(&versions, &mut reader)?), None),
            _ => return Err(reader.damaged("unknown kind of base version").into()),
        };
        let count = reader.count()?;
        let mut attributes = BTreeMap::new();
        for _ in 0..count {
            let name = reader.text()?.to_owned();
            attributes.insert(name, Attribute::read(&versions, &mut reader)?);
        }
        reader.end()?;
        Ok(Self {
            version: version.clone(),
            item_base,
            whole,
            attributes,
        })
    }
}

impl Attribute {
    fn write(&self, places: &BTreeMap<&Version, usize>, out: &mut Vec<u8>) {
        let place = |version: Option<&Version>| version.map_or(0, |version| places[version] + 1);
        write_len(place(self.base.as_ref()), out);
        write_len(self.deltas.len(), out);
        write_len(self.elements.len(), out);
        if !self.has_additions() {
            return;
        }
        out.push(u8::from(self.assigned.is_some()));
        if let Some(value) = &self.assigned {
            write_value(value, out);
        }
        for (adder, delta) in &self.deltas {
            write_len(place(Some(&delta.version)), out);
            // The number of sequences from the opening of the database, which is small.
            write_varint((delta.version.sequence - adder.opened).into(), out);
            write_len(place(delta.over.as_ref()), out);
            write_value(&AttributeValue::N(delta.sum), out);
        }
        for (element, membership) in &self.elements {
            write_len(place(Some(&membership.version)), out);
            out.push(u8::from(membership.present));
            write_value(&element.as_value(), out);
        }
    }

    fn read(versions: &[Version], reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let base = pick_optional(versions, reader)?;
        let (deltas, elements) = (reader.count()?, reader.count()?);
        let mut attribute = Self {
            base,
            ..Self::default()
        };
        if deltas + elements == 0 {
            return Ok(attribute);
        }
        attribute.assigned = if reader.flag()? { Some(reader.value(1)?) } else { None };
        for _ in 0..deltas {
            let version =
                pick_optional(versions, reader)?.ok_or_else(|| reader.damaged("an addition has no version"))?;
            let since_opened = u64::try_from(reader.varint(u64::BITS)?).ok();
            let opened = since_opened.and_then(|since| version.sequence.checked_sub(since));
            let opened = opened.ok_or_else(|| reader.damaged("an addition is older than its database"))?;
            let over = pick_optional(versions, reader)?;
            let AttributeValue::N(sum) = reader.value(1)? else {
                return Err(reader.damaged("an addition is not a number"));
            };
            let origin = version.origin.clone();
            let adder = Adder { origin, opened };
            attribute.deltas.insert(adder, Delta { version, over, sum });
        }
        for _ in 0..elements {
            let version = pick_optional(versions, reader)?.ok_or_else(|| reader.damaged("a member has no version"))?;
            let present = reader.flag()?;
            let element =
                Element::from_value(reader.value(1)?).ok_or_else(|| reader.damaged("a value is not a set member"))?;
            attribute.elements.insert(element, Membership { version, present });
        }
        Ok(attribute)
    }
}

impl Element {
    fn as_value(&self) -> AttributeValue {
        match self {
            Self::S(member) => AttributeValue::S(member.clone()),
            Self::N(member) => AttributeValue::N(*member),
            Self::B(member) => AttributeValue::B(member.clone()),
        }
    }

    fn from_value(value: AttributeValue) -> Option<Self> {
        match value {
            AttributeValue::S(member) => Some(Self::S(member)),
            AttributeValue::N(member) => Some(Self::N(member)),
            AttributeValue::B(member) => Some(Self::B(member)),
            _ => None,
        }
    }
}

fn write_len(len: usize, out: &mut Vec<u8>) {
    write_varint(len as u128, out);
}

/// Reads an index and returns the entry of `from` that it refers to.
fn pick<T: Clone>(from: &[T], reader: &mut Reader<'_>) -> Result<T, CodecError> {
    let place = usize::try_from(reader.varint(u32::BITS)?).ok();
    let found = place.and_then(|place| from.get(place)).cloned();
    found.ok_or_else(|| reader.damaged("an index is out of range"))
}

/// Reads an index, counted from 1, and returns the entry that it refers to; `None` for 0.
fn pick_optional(from: &[Version], reader: &mut Reader<'_>) -> Result<Option<Version>, CodecError> {
    match usize::try_from(reader.varint(u32::BITS)?) {
        Ok(0) => Ok(None),
        Ok(place) => from
            .get(place - 1)
            .map(|version| Some(version.clone()))
            .ok_or_else(|| reader.damaged("an index is out of range")),
        Err(_) => Err(reader.damaged("an index is out of range")),
    }
}
