//! Document paths such as `a.b[3].c`, and sets of them.

use std::{collections::BTreeMap, fmt};

use beringia_item::{AttributeValue, Item};

use crate::error::{Problems, Stage};

/// The location of a value in an item: a top-level attribute, then steps into it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Path {
    pub(crate) attribute: String,
    pub(crate) steps: Vec<Step>,
}

/// A step from a value to a value inside it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// `.name`: a member of a map.
    Member(String),
    /// `[index]`: an element of a list.
    Element(usize),
}

impl Path {
    /// The number of parts of the path; 1 for a top-level attribute.
    pub(crate) const fn parts(&self) -> usize {
        1 + self.steps.len()
    }

    /// The last name of the path and the indexes after it, as written: `b[0]` of `a.b[0]`.
    pub(crate) fn last_name(&self) -> String {
        let mut name = self.attribute.clone();
        for step in &self.steps {
            match step {
                Step::Member(member) => name.clone_from(member),
                Step::Element(index) => name.push_str(&format!("[{index}]")),
            }
        }
        name
    }

    /// The value at this path.
    pub(crate) fn find<'i>(&self, item: &'i Item) -> Option<&'i AttributeValue> {
        self.steps
            .iter()
            .try_fold(item.get(&self.attribute)?, |value, step| step.find(value))
    }
}

impl Step {
    pub(crate) fn find<'v>(&self, value: &'v AttributeValue) -> Option<&'v AttributeValue> {
        match (self, value) {
            (Self::Member(name), AttributeValue::M(members)) => members.get(name),
            (Self::Element(index), AttributeValue::L(elements)) => elements.get(*index),
            _ => None,
        }
    }

    pub(crate) fn find_mut<'v>(&self, value: &'v mut AttributeValue) -> Option<&'v mut AttributeValue> {
        match (self, value) {
            (Self::Member(name), AttributeValue::M(members)) => members.get_mut(name),
            (Self::Element(index), AttributeValue::L(elements)) => elements.get_mut(*index),
            _ => None,
        }
    }
}

/// The notation of DynamoDB's messages: `[a, b, [3], c]`.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}", self.attribute)?;
        for step in &self.steps {
            match step {
                Step::Member(name) => write!(f, ", {name}")?,
                Step::Element(index) => write!(f, ", [{index}]")?,
            }
        }
        f.write_str("]")
    }
}

/// How two paths of one expression clash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Clash {
    /// One path is equal to the other or contains it.
    Overlap,
    /// The paths need one value to be both a map and a list.
    Conflict,
}

fn clash(one: &Path, two: &Path) -> Option<Clash> {
    if one.attribute != two.attribute {
        return None;
    }
    for (left, right) in one.steps.iter().zip(&two.steps) {
        match (left, right) {
            (Step::Member(_), Step::Element(_)) | (Step::Element(_), Step::Member(_)) => return Some(Clash::Conflict),
            _ if left != right => return None,
            _ => {}
        }
    }
    Some(Clash::Overlap)
}

/// Notes the first overlap and the first conflict among `paths`, which are in the order of the
/// text.
pub(crate) fn note_clashes(paths: &[&Path], problems: &mut Problems) {
    for (position, two) in paths.iter().enumerate() {
        for one in &paths[..position] {
            let (stage, what) = match clash(one, two) {
                Some(Clash::Overlap) => (Stage::Overlap, "overlap"),
                Some(Clash::Conflict) => (Stage::Conflict, "conflict"),
                None => continue,
            };
            problems.note(stage, || {
                format!(
                    "Two document paths {what} with each other; must remove or rewrite one of these paths; \
                     path one: {one}, path two: {two}"
                )
            });
        }
    }
}

/// Paths that neither overlap nor conflict, merged into one tree to which items are reduced.
#[derive(Debug, Clone, Default)]
pub(crate) struct PathTree(BTreeMap<String, Branch>);

#[derive(Debug, Clone)]
enum Branch {
    /// The whole value, with everything in it.
    Whole,
    /// These members of a map.
    Members(BTreeMap<String, Branch>),
    /// These elements of a list.
    Elements(BTreeMap<usize, Branch>),
}

impl PathTree {
    pub(crate) fn new<'p>(paths: impl IntoIterator<Item = &'p Path>) -> Self {
        let mut tree = BTreeMap::new();
        for path in paths {
            let mut branch = tree.entry(path.attribute.clone()).or_insert(Branch::Whole);
            for step in &path.steps {
                branch = branch.descend(step);
            }
        }
        Self(tree)
    }

    /// The top-level attributes of the paths.
    pub(crate) fn attributes(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The top-level attributes into whose values paths lead.
    pub(crate) fn nested_attributes(&self) -> impl Iterator<Item = &str> {
        let nested = self.0.iter().filter(|(_, branch)| !matches!(branch, Branch::Whole));
        nested.map(|(name, _)| name.as_str())
    }

    /// The parts of `item` at these paths, inside their maps and lists. The elements of a list are
    /// moved together, in the order of their indexes. A map or list without any matching part is
    /// left out.
    pub(crate) fn cut(&self, item: &Item) -> Item {
        cut_members(&self.0, item)
    }
}

impl Branch {
    /// The branch for the next step. A `Whole` becomes an inner branch, since the paths of a tree
    /// do not overlap.
    fn descend(&mut self, step: &Step) -> &mut Self {
        match step {
            Step::Member(name) => {
                if !matches!(self, Self::Members(_)) {
                    *self = Self::Members(BTreeMap::new());
                }
                match self {
                    Self::Members(members) => members.entry(name.clone()).or_insert(Self::Whole),
                    other => other,
                }
            }
            Step::Element(index) => {
                if !matches!(self, Self::Elements(_)) {
                    *self = Self::Elements(BTreeMap::new());
                }
                match self {
                    Self::Elements(elements) => elements.entry(*index).or_insert(Self::Whole),
                    other => other,
                }
            }
        }
    }

    fn cut(&self, value: &AttributeValue) -> Option<AttributeValue> {
        match (self, value) {
            (Self::Whole, value) => Some(value.clone()),
            (Self::Members(wanted), AttributeValue::M(members)) => {
                let found = cut_members(wanted, members);
                (!found.is_empty()).then_some(AttributeValue::M(found))
            }
            (Self::Elements(wanted), AttributeValue::L(elements)) => {
                let found: Vec<_> = wanted
                    .iter()
                    .filter_map(|(index, branch)| branch.cut(elements.get(*index)?))
                    .collect();
                (!found.is_empty()).then_some(AttributeValue::L(found))
            }
            _ => None,
        }
    }
}

fn cut_members(wanted: &BTreeMap<String, Branch>, members: &Item) -> Item {
    wanted
        .iter()
        .filter_map(|(name, branch)| Some((name.clone(), branch.cut(members.get(name)?)?)))
        .collect()
}
