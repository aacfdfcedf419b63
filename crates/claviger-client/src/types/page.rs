//! Lists come in pages; batches in one piece.

use std::fmt;
use std::marker::PhantomData;

use serde::{Deserialize, Deserializer, Serialize, de};
use utoipa::ToSchema;

use super::Problem;

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Where the next page begins, for `?cursor=`; `null` after the last. Opaque.
    #[schema(required)]
    pub next: Option<String>,
}

/// Most items of a batch.
pub const MAX_BATCH: usize = 1000;

/// Many requests of one kind, for one key, in one call: 1 to [`MAX_BATCH`] of them. One more is refused when it is read.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Batch<T> {
    /// The requests.
    #[serde(deserialize_with = "bounded", bound(deserialize = "T: Deserialize<'de>"))]
    #[schema(min_items = 1, max_items = 1000)]
    pub items: Vec<T>,
}

/// The answers to a batch, in the order of its items.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BatchAnswer<T> {
    /// The answers.
    pub items: Vec<BatchItem<T>>,
}

/// The answer to one item of a batch: `{"ok": ...}` or `{"error": problem}`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BatchItem<T> {
    /// It went well.
    Ok(T),
    /// It did not.
    Error(Problem),
}

impl<T> BatchItem<T> {
    /// As a result.
    ///
    /// # Errors
    /// The problem, when it went wrong.
    pub fn into_result(self) -> Result<T, Box<Problem>> {
        match self {
            Self::Ok(value) => Ok(value),
            Self::Error(problem) => Err(Box::new(problem)),
        }
    }
}

fn bounded<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    struct Visitor<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> de::Visitor<'de> for Visitor<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "1 to {MAX_BATCH} items")
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
            let mut read = Vec::new();
            while let Some(item) = items.next_element()? {
                if read.len() == MAX_BATCH {
                    return Err(de::Error::invalid_length(MAX_BATCH + 1, &self));
                }
                read.push(item);
            }
            if read.is_empty() { Err(de::Error::invalid_length(0, &self)) } else { Ok(read) }
        }
    }

    deserializer.deserialize_seq(Visitor(PhantomData))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_bounded_while_it_is_read() {
        let of = |count: usize| format!("{{\"items\":[{}]}}", vec!["1"; count].join(","));
        assert_eq!(serde_json::from_str::<Batch<u8>>(&of(MAX_BATCH)).unwrap().items.len(), MAX_BATCH);
        assert!(serde_json::from_str::<Batch<u8>>(&of(MAX_BATCH + 1)).is_err());
        assert!(serde_json::from_str::<Batch<u8>>(&of(0)).is_err());
    }

    #[test]
    fn an_item_is_well_or_not() {
        assert_eq!(serde_json::to_string(&BatchItem::Ok(1)).unwrap(), "{\"ok\":1}");
        let refused = BatchItem::<u8>::Error(Problem::new(409, "wrong-state", "no"));
        assert!(serde_json::to_string(&refused).unwrap().starts_with("{\"error\":{"));
        assert_eq!(refused.into_result().unwrap_err().code, "wrong-state");
    }
}
