//! The requests about tags.

use super::common::{TEXT, list_of, text_of};
use crate::shape::{Member, Shape, Structure};

const ARN: Member = Member::required("ResourceArn", text_of(1, 1283));
const KEY: Shape = text_of(1, 128);

static TAG: Structure = Structure {
    class: "Tag",
    members: &[Member::required("Key", KEY), Member::required("Value", text_of(0, 256))],
};
static TAG_SHAPE: Shape = Shape::Structure(&TAG);
pub(super) const TAGS: Shape = list_of(&TAG_SHAPE);

pub(crate) static TAG_RESOURCE: Structure = Structure {
    class: "TagResourceInput",
    members: &[ARN, Member::required("Tags", TAGS)],
};

pub(crate) static UNTAG_RESOURCE: Structure = Structure {
    class: "UntagResourceInput",
    members: &[ARN, Member::required("TagKeys", list_of(&KEY))],
};

pub(crate) static LIST_TAGS_OF_RESOURCE: Structure = Structure {
    class: "ListTagsOfResourceInput",
    members: &[ARN, Member::optional("NextToken", TEXT)],
};
