//! Lists come in pages; batches in one piece.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::{Deserialize, Deserializer, Serialize, de};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{
    AdditionalProperties, ArrayBuilder, ObjectBuilder, OneOfBuilder, Ref, Schema, SchemaType, Type,
};
use utoipa::{PartialSchema, ToSchema};

use super::Problem;

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Where the next page begins, for `?cursor=`; `null` after the last. Opaque.
    pub next: Option<String>,
}

/// Most items of a batch.
pub const MAX_BATCH: usize = 1000;

/// Many requests of one kind, for one key, in one call: 1 to [`MAX_BATCH`] of them. One more is refused when it is read.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch<T> {
    /// The requests.
    #[serde(deserialize_with = "bounded", bound(deserialize = "T: Deserialize<'de>"))]
    pub items: Vec<T>,
}

/// The answers to a batch, in the order of its items.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BatchAnswer<T> {
    /// The answers.
    pub items: Vec<BatchItem<T>>,
}

/// The answer to one item of a batch: `{"ok": ...}` or `{"error": problem}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
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

// The derived schemas of generic types share one name for all their arguments; these have one each: `RingPage`,
// `EncryptBatch`, `SealedBatchAnswer`.

fn named<T: ToSchema>(suffix: &str) -> Cow<'static, str> {
    Cow::Owned(format!("{}{suffix}", T::name()))
}

fn reference<T: ToSchema>() -> RefOr<Schema> {
    RefOr::Ref(Ref::from_schema_name(T::name()))
}

fn with_its_own<T: ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) {
    schemas.push((T::name().into_owned(), T::schema()));
    T::schemas(schemas);
}

impl<T: ToSchema> PartialSchema for Page<T> {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new()
            .schema_type([Type::String, Type::Null].into_iter().collect::<SchemaType>())
            .description(Some("Where the next page begins, for `?cursor=`; `null` after the last. Opaque."))
            .examples([serde_json::Value::Null]);
        let object = ObjectBuilder::new()
            .description(Some("One page of a list."))
            .property("items", ArrayBuilder::new().items(reference::<T>()))
            .required("items")
            .property("next", text)
            .required("next");
        RefOr::T(Schema::Object(object.build()))
    }
}

impl<T: ToSchema> ToSchema for Page<T> {
    fn name() -> Cow<'static, str> {
        named::<T>("Page")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        with_its_own::<T>(schemas);
    }
}

impl<T: ToSchema> PartialSchema for Batch<T> {
    fn schema() -> RefOr<Schema> {
        let items = ArrayBuilder::new().items(reference::<T>()).min_items(Some(1)).max_items(Some(MAX_BATCH));
        let object = ObjectBuilder::new()
            .description(Some("Many requests of one kind, for one key, in one call."))
            .property("items", items)
            .required("items")
            .additional_properties(Some(AdditionalProperties::FreeForm(false)));
        RefOr::T(Schema::Object(object.build()))
    }
}

impl<T: ToSchema> ToSchema for Batch<T> {
    fn name() -> Cow<'static, str> {
        named::<T>("Batch")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        with_its_own::<T>(schemas);
    }
}

impl<T: ToSchema> PartialSchema for BatchAnswer<T> {
    fn schema() -> RefOr<Schema> {
        let object = ObjectBuilder::new()
            .description(Some("The answers to a batch, in the order of its items."))
            .property("items", ArrayBuilder::new().items(reference::<BatchItem<T>>()))
            .required("items");
        RefOr::T(Schema::Object(object.build()))
    }
}

impl<T: ToSchema> ToSchema for BatchAnswer<T> {
    fn name() -> Cow<'static, str> {
        named::<T>("BatchAnswer")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        with_its_own::<BatchItem<T>>(schemas);
    }
}

impl<T: ToSchema> PartialSchema for BatchItem<T> {
    fn schema() -> RefOr<Schema> {
        let one = |name: &str, what: RefOr<Schema>| {
            Schema::Object(ObjectBuilder::new().property(name, what).required(name).build())
        };
        let either = OneOfBuilder::new()
            .description(Some("The answer to one item of a batch."))
            .item(one("ok", reference::<T>()))
            .item(one("error", reference::<Problem>()));
        RefOr::T(Schema::OneOf(either.build()))
    }
}

impl<T: ToSchema> ToSchema for BatchItem<T> {
    fn name() -> Cow<'static, str> {
        named::<T>("BatchItem")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        with_its_own::<T>(schemas);
        with_its_own::<Problem>(schemas);
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
