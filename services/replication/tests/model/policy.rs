//! Writes to items that may hold parts of several writes, and what a store makes of them under each
//! conflict policy.

use std::collections::BTreeSet;

use beringia_item::{
    AttributeValue, ConflictPolicy, Item, ItemState, Mutation, Number, RowFingerprint, Touch, Touched, Version,
    VersionVector, content_hash, decode_item, encode_item,
};
use bytes::Bytes;

/// The effect of a write on an item.
#[derive(Debug, Clone)]
pub enum Work {
    /// Puts this image, or deletes the item.
    Whole(Option<Bytes>),
    /// Changes attributes. Of two changes to one attribute only the first counts.
    Update(Vec<Change>),
}

/// A change of an attribute: `t` and `u` are assigned, `n` is a counter and `s` a set.
#[derive(Debug, Clone, Copy)]
pub enum Change {
    /// Assigns a value that no other write assigns.
    Assign(&'static str, u64),
    Remove(&'static str),
    Add(u8),
    Unite(u8),
    Subtract(u8),
}

impl Change {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Assign(name, _) | Self::Remove(name) => name,
            Self::Add(_) => "n",
            Self::Unite(_) | Self::Subtract(_) => "s",
        }
    }

    fn apply(self, item: &mut Item) -> Touch {
        let name = self.name().to_owned();
        match self {
            Self::Assign(_, value) => {
                item.insert(name, AttributeValue::N(Number::from(value)));
                Touch::Assign
            }
            Self::Remove(_) => {
                item.remove(&name);
                Touch::Assign
            }
            Self::Add(more) => {
                let sum = number(item.get("n")).unwrap_or(0) + u64::from(more);
                item.insert(name, AttributeValue::N(Number::from(sum)));
                Touch::Add(Number::from(u64::from(more)))
            }
            Self::Unite(one) => {
                let mut set = members(item.get("s"));
                set.insert(member(one));
                item.insert(name, AttributeValue::Ss(set));
                Touch::Unite(AttributeValue::Ss([member(one)].into()))
            }
            Self::Subtract(one) => {
                let mut set = members(item.get("s"));
                set.remove(&member(one));
                if set.is_empty() {
                    item.remove("s");
                } else {
                    item.insert(name, AttributeValue::Ss(set));
                }
                Touch::Subtract(AttributeValue::Ss([member(one)].into()))
            }
        }
    }
}

/// The name of a set's member.
pub fn member(one: u8) -> String {
    format!("m{one}")
}

/// The counter's value, if it has one.
pub fn number(value: Option<&AttributeValue>) -> Option<u64> {
    match value {
        Some(AttributeValue::N(number)) => Some(number.to_string().parse().unwrap()),
        None => None,
        other => panic!("{other:?} is not a number"),
    }
}

/// The members of the set; none without a set.
pub fn members(value: Option<&AttributeValue>) -> BTreeSet<String> {
    match value {
        Some(AttributeValue::Ss(members)) => members.clone(),
        None => BTreeSet::new(),
        other => panic!("{other:?} is not a set"),
    }
}

/// An image with the single attribute `t`.
pub fn image(value: u64) -> Bytes {
    encode_item(&[("t".to_owned(), AttributeValue::N(Number::from(value)))].into())
}

/// The item that an image encodes.
pub fn item_of(image: Option<&Bytes>) -> Option<Item> {
    image.map(|image| decode_item(image).unwrap())
}

/// Image and metadata after a write with this version by a database that was opened after the
/// sequence `opened`.
pub fn written(
    policy: ConflictPolicy,
    current: Option<&Mutation>,
    version: &Version,
    opened: u64,
    work: &Work,
) -> (Option<Bytes>, Option<Bytes>) {
    let changes = match work {
        Work::Whole(image) => return (image.clone(), None),
        Work::Update(changes) => changes,
    };
    let mut item = current.and_then(|row| item_of(row.image.as_ref())).unwrap_or_default();
    let mut touched = Touched::new();
    for change in changes {
        if !touched.contains_key(change.name()) {
            let touch = change.apply(&mut item);
            touched.insert(change.name().to_owned(), touch);
        }
    }
    let before = current.map(state_of);
    let after = ItemState::written(policy, before.as_ref(), version, opened, Some(&item), Some(&touched));
    (Some(encode_item(&item)), after.metadata())
}

/// The state that a row or a mutation holds.
pub fn state_of(row: &Mutation) -> ItemState {
    let item = item_of(row.image.as_ref());
    ItemState::read(&row.version, item.as_ref(), row.metadata.as_deref(), &Item::new()).unwrap()
}

/// The row fingerprint, which distinguishes rows of one version.
pub fn fingerprint_of(row: &Mutation) -> RowFingerprint {
    let state = row.metadata.as_ref().map_or(0, |_| state_of(row).hash());
    RowFingerprint {
        version: row.version.clone(),
        state,
        content: content_hash(row.image.as_deref()),
    }
}

/// Reconciles a row with a mutation, where at least one of the two is more than a write of a whole
/// item. Returns the new row, or `None` if the row stays as it is. Lost writes go to the journal.
pub fn reconcile(row: &Mutation, mutation: &Mutation, journal: &mut BTreeSet<(Version, Version)>) -> Option<Mutation> {
    let (ours, theirs) = (state_of(row), state_of(mutation));
    let merged = ours.merge(&theirs);
    let incoming = theirs.losses(&ours, &merged).into_iter();
    let incoming = incoming.filter(|loss| !row.depends_on(&loss.loser) && loss.loser != row.version);
    let current = ours.losses(&theirs, &merged).into_iter();
    let current = current.filter(|loss| !mutation.depends_on(&loss.loser));
    journal.extend(incoming.chain(current).map(|loss| (loss.winner, loss.loser)));
    if merged == ours {
        return None;
    }
    if merged == theirs {
        return Some(mutation.clone());
    }
    let mut known: VersionVector = row.causal_context.clone();
    known.merge(&mutation.causal_context);
    for version in [&row.version, &mutation.version] {
        known.advance(&version.origin, version.sequence);
    }
    Some(Mutation {
        version: merged.version().clone(),
        causal_context: known,
        image: merged.image(&Item::new()).as_ref().map(encode_item),
        metadata: merged.metadata(),
        ..mutation.clone()
    })
}
