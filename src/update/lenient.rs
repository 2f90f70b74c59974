//! Fields of JSON that are left out, or refused in words of their own, if they are not what they should be:
//! serde alone refuses the whole text at the first.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de::IgnoredAny};

/// What a field holds: what it should, or anything else.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Field<T> {
    Known(T),
    Other(IgnoredAny),
}

impl<T> Field<T> {
    pub(super) fn known(self) -> Option<T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Other(_) => None,
        }
    }
}

/// For a field that is missing.
impl<T: Default> Default for Field<T> {
    fn default() -> Self {
        Self::Known(T::default())
    }
}

/// `None` for what cannot be understood.
pub(super) fn known<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(Field::<Option<T>>::deserialize(deserializer)?.known().flatten())
}

/// Those elements of a list that can be understood.
pub(super) fn known_elements<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let elements = Field::<Vec<Field<T>>>::deserialize(deserializer)?.known();
    Ok(elements.into_iter().flatten().filter_map(Field::known).collect())
}

/// Those entries of a table that can be understood.
pub(super) fn known_entries<'de, D, T>(deserializer: D) -> Result<BTreeMap<String, T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let entries = Field::<BTreeMap<String, Field<T>>>::deserialize(deserializer)?.known();
    let entries = entries.into_iter().flatten();
    Ok(entries.filter_map(|(name, value)| Some((name, value.known()?))).collect())
}
