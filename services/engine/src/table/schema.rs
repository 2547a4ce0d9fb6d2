//! Key schemas, attribute definitions and projections of requests: checks them and converts them to
//! a table's.

use std::collections::BTreeSet;

use beringia_item::{KeyPart, KeySchema, KeyType};
use beringia_storage::IndexProjection;

use super::invalid;
use crate::{
    ApiError,
    api::{
        AttributeDefinition, KeyRole, KeySchemaElement, ProjectionSpecification, ProjectionType, ScalarAttributeType,
    },
    constraint::Constraints,
    names::check_name,
};

/// Bounds of the length of a key attribute's name, and of an attribute that an index copies by
/// name, in bytes.
const KEY_NAME_LENGTH: (usize, usize) = (1, 255);
/// The maximum number of attributes per role in the key of a global index (developer guide,
/// "Multi-attribute keys").
const INDEX_KEY_PARTS_MAX: usize = 4;
/// The maximum number of attributes that one index can copy by name (developer guide, "Quotas").
const NON_KEY_ATTRIBUTES_MAX: usize = 20;
/// The maximum number of attributes that all indexes of a table together can copy by name.
pub(super) const TABLE_NON_KEY_ATTRIBUTES_MAX: usize = 100;

/// The request's attribute definitions, which give the type of each key attribute.
pub(super) struct Definitions<'a>(&'a [AttributeDefinition]);

impl<'a> Definitions<'a> {
    /// Checks that no attribute is defined twice.
    pub(super) fn new(definitions: &'a [AttributeDefinition]) -> Result<Self, ApiError> {
        let mut seen = BTreeSet::new();
        match definitions
            .iter()
            .find(|definition| !seen.insert(&definition.attribute_name))
        {
            None => Ok(Self(definitions)),
            Some(twice) => Err(ApiError::Validation(format!(
                "Attribute Name is duplicated: {}",
                twice.attribute_name
            ))),
        }
    }

    fn kind(&self, name: &str) -> Option<KeyType> {
        let definition = self.0.iter().find(|definition| definition.attribute_name == name)?;
        Some(match definition.attribute_type {
            ScalarAttributeType::S => KeyType::S,
            ScalarAttributeType::N => KeyType::N,
            ScalarAttributeType::B => KeyType::B,
        })
    }

    /// The names of the defined attributes.
    fn names(&self) -> Vec<&str> {
        let names = self.0.iter().map(|definition| definition.attribute_name.as_str());
        names.collect()
    }

    /// Rejects definitions that no key uses: neither the new table's nor its indexes' (`None` if
    /// the request has no list of indexes).
    pub(super) fn check_all_used(
        &self,
        keys: &[KeySchemaElement],
        of_indexes: Option<Vec<&[KeySchemaElement]>>,
    ) -> Result<(), ApiError> {
        let Some(of_indexes) = of_indexes else {
            if self.0.len() == keys.len() {
                return Ok(());
            }
            return Err(invalid(
                "Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions",
            ));
        };
        let mut used = Vec::new();
        for element in keys.iter().chain(of_indexes.into_iter().flatten()) {
            if !used.contains(&element.attribute_name.as_str()) {
                used.push(&element.attribute_name);
            }
        }
        let defined = self.names();
        if defined.iter().all(|name| used.contains(name)) {
            return Ok(());
        }
        Err(invalid(format!(
            "Some AttributeDefinitions are not used. AttributeDefinitions: [{}], keys used: [{}]",
            defined.join(", "),
            used.join(", ")
        )))
    }

    /// Rejects a key with more attributes than are defined. DynamoDB checks this before it looks at
    /// their names.
    pub(super) fn check_count(&self, elements: &[KeySchemaElement]) -> Result<(), ApiError> {
        if elements.len() > self.0.len() {
            return Err(ApiError::validation(
                "Invalid KeySchema: Some index key attribute have no definition",
            ));
        }
        Ok(())
    }

    fn part(&self, element: &KeySchemaElement) -> Option<KeyPart> {
        let name = element.attribute_name.clone();
        self.kind(&name).map(|kind| KeyPart { name, kind })
    }

    fn check_defined(&self, elements: &[KeySchemaElement]) -> Result<(), ApiError> {
        if elements
            .iter()
            .all(|element| self.kind(&element.attribute_name).is_some())
        {
            return Ok(());
        }
        let keys: Vec<&str> = elements.iter().map(|element| element.attribute_name.as_str()).collect();
        Err(invalid(format!(
            "Some index key attributes are not defined in AttributeDefinitions. Keys: [{}], AttributeDefinitions: [{}]",
            keys.join(", "),
            self.names().join(", ")
        )))
    }

    /// The key of a table or of a local index: a partition attribute and, optionally, a sort
    /// attribute.
    pub(super) fn simple_key(&self, elements: &[KeySchemaElement]) -> Result<KeySchema, ApiError> {
        self.check_defined(elements)?;
        let refuse = |message: &str| Err(ApiError::validation(message));
        let (partition, sort) = match elements {
            [partition] => (partition, None),
            [partition, sort] => (partition, Some(sort)),
            _ => return refuse("Invalid KeySchema: a key has one or two elements"),
        };
        if sort.is_some_and(|sort| sort.attribute_name == partition.attribute_name) {
            return refuse("Both the Hash Key and the Range Key element in the KeySchema have the same name");
        }
        if partition.key_type != KeyRole::Hash {
            return refuse("Invalid KeySchema: The first KeySchemaElement is not a HASH key type");
        }
        if sort.is_some_and(|sort| sort.key_type != KeyRole::Range) {
            return refuse("Invalid KeySchema: The second KeySchemaElement is not a RANGE key type");
        }
        Ok(KeySchema {
            partition: self.part(partition).into_iter().collect(),
            sort: sort.and_then(|sort| self.part(sort)).into_iter().collect(),
        })
    }

    /// The key of a global index: up to four partition attributes, then up to four sort attributes.
    pub(super) fn composite_key(&self, elements: &[KeySchemaElement]) -> Result<KeySchema, ApiError> {
        if elements.len() <= 2
            && elements
                .iter()
                .filter(|element| element.key_type == KeyRole::Hash)
                .count()
                < 2
        {
            return self.simple_key(elements);
        }
        self.check_defined(elements)?;
        let refuse = |message: &str| Err(ApiError::validation(message));
        let mut seen = BTreeSet::new();
        if !elements.iter().all(|element| seen.insert(&element.attribute_name)) {
            return refuse("The KeySchema contains multiple key attributes with the same name");
        }
        let partitions = elements
            .iter()
            .take_while(|element| element.key_type == KeyRole::Hash)
            .count();
        let (partition, sort) = elements.split_at(partitions);
        if partition.is_empty() {
            return refuse("Invalid KeySchema: The first KeySchemaElement is not a HASH key type");
        }
        if sort.iter().any(|element| element.key_type == KeyRole::Hash) {
            return Err(invalid(
                "All HASH key attributes must precede RANGE key attributes in the KeySchema",
            ));
        }
        for (role, part) in [("HASH", partition), ("RANGE", sort)] {
            if part.len() > INDEX_KEY_PARTS_MAX {
                return Err(invalid(format!(
                    "The KeySchema exceeds the maximum allowed number of {role} key attributes"
                )));
            }
        }
        Ok(KeySchema {
            partition: partition.iter().filter_map(|element| self.part(element)).collect(),
            sort: sort.iter().filter_map(|element| self.part(element)).collect(),
        })
    }
}

/// Checks the lengths of the names in definitions.
pub(super) fn check_definitions(constraints: &mut Constraints, definitions: &[AttributeDefinition]) {
    for (position, definition) in definitions.iter().enumerate() {
        let member = format!("attributeDefinitions.{}.member.attributeName", position + 1);
        constraints.text_length(&member, &definition.attribute_name, KEY_NAME_LENGTH);
    }
}

/// Checks the form of a key schema; `max` is the maximum number of its elements.
pub(super) fn check_key_schema(constraints: &mut Constraints, member: &str, elements: &[KeySchemaElement], max: usize) {
    constraints.list_length(member, elements.len(), (1, max));
    for (position, element) in elements.iter().enumerate() {
        let member = format!("{member}.{}.member.attributeName", position + 1);
        constraints.text_length(&member, &element.attribute_name, KEY_NAME_LENGTH);
    }
}

/// Checks the form of an index: its name, its key schema and the names of the attributes that it
/// copies.
pub(super) fn check_index(
    constraints: &mut Constraints,
    member: &str,
    name: &str,
    keys: &[KeySchemaElement],
    parts_max: usize,
    projection: &ProjectionSpecification,
) {
    check_name(constraints, &format!("{member}.indexName"), name);
    check_key_schema(constraints, &format!("{member}.keySchema"), keys, parts_max);
    if let Some(names) = &projection.non_key_attributes {
        let member = format!("{member}.projection.nonKeyAttributes");
        constraints.list_length(&member, names.len(), (1, NON_KEY_ATTRIBUTES_MAX));
        for (position, name) in names.iter().enumerate() {
            constraints.text_length(&format!("{member}.{}.member", position + 1), name, KEY_NAME_LENGTH);
        }
    }
}

/// The attributes that an index copies.
pub(super) fn projection(specification: &ProjectionSpecification) -> Result<IndexProjection, ApiError> {
    let Some(kind) = specification.projection_type else {
        return Err(invalid("Unknown ProjectionType: null"));
    };
    match (kind, &specification.non_key_attributes) {
        (ProjectionType::Include, None) => Err(invalid(
            "ProjectionType is INCLUDE, but NonKeyAttributes is not specified",
        )),
        (ProjectionType::Include, Some(names)) => {
            let mut seen = BTreeSet::new();
            match names.iter().find(|name| !seen.insert(*name)) {
                Some(twice) => Err(invalid(format!("Duplicate element in NonKeyAttributes: {twice}"))),
                // Sorted by name, as descriptions show them.
                None => Ok(IndexProjection::Include(seen.into_iter().cloned().collect())),
            }
        }
        (_, Some(_)) => Err(invalid(format!(
            "ProjectionType is {}, but NonKeyAttributes is specified",
            kind.as_str()
        ))),
        (ProjectionType::All, None) => Ok(IndexProjection::All),
        (ProjectionType::KeysOnly, None) => Ok(IndexProjection::KeysOnly),
    }
}

/// The number of attributes that an index copies by name.
pub(super) const fn non_key_attributes(projection: &IndexProjection) -> usize {
    match projection {
        IndexProjection::Include(names) => names.len(),
        IndexProjection::All | IndexProjection::KeysOnly => 0,
    }
}
