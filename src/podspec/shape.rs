//! Readers of JSON, for where serde's derived ones accept too much.
//!
//! A derived struct also accepts a list of its fields, which is always a mistake. And serde's untagged enums lose the
//! path of an error.

use std::{borrow::Cow, fmt, marker::PhantomData};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{
    Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor,
    value::{MapAccessDeserializer, SeqAccessDeserializer},
};

/// What to call a kind of object in an error.
pub(super) trait Described {
    /// With the article, such as `an object with a url`.
    const WHAT: &'static str;
}

/// A `T` that must be written as a JSON object.
#[derive(Clone)]
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Described + Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor<T>(PhantomData<T>);

        impl<'de, T: Described + Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(T::WHAT)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }

        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for Object<T> {
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// The most entries that a list in a config may have.
pub(super) const MAX_ENTRIES: usize = 50;

/// Reads an optional list of at most [`MAX_ENTRIES`] entries.
pub(super) fn bounded<'de, D, T>(deserializer: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let list = Option::<Vec<T>>::deserialize(deserializer)?;
    if let Some(list) = &list {
        check_length(list)?;
    }
    Ok(list)
}

fn check_length<T, E: Error>(list: &[T]) -> Result<(), E> {
    if list.len() <= MAX_ENTRIES {
        return Ok(());
    }
    Err(E::custom(format!("the list has {} entries; leave no more than {MAX_ENTRIES}", list.len())))
}

/// One `T`, made from a string, or a list of them.
#[derive(Clone)]
pub(super) struct OneOrMany<T>(pub(super) Vec<T>);

impl<'de, T> Deserialize<'de> for OneOrMany<T>
where
    T: Deserialize<'de> + TryFrom<String, Error: fmt::Display>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrManyVisitor<T>(PhantomData<T>);

        impl<'de, T> Visitor<'de> for OneOrManyVisitor<T>
        where
            T: Deserialize<'de> + TryFrom<String, Error: fmt::Display>,
        {
            type Value = OneOrMany<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a list of strings")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                let one = T::try_from(text.to_owned()).map_err(E::custom)?;
                Ok(OneOrMany(vec![one]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
                let many: Vec<T> = Vec::deserialize(SeqAccessDeserializer::new(list))?;
                check_length(&many)?;
                Ok(OneOrMany(many))
            }
        }

        deserializer.deserialize_any(OneOrManyVisitor(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("OneOrMany_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [one, { "type": "array", "items": one, "maxItems": MAX_ENTRIES }] })
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::{Value, json};

    use super::*;

    #[derive(Deserialize)]
    struct Pair {
        left: u8,
        right: u8,
    }

    impl Described for Pair {
        const WHAT: &'static str = "a pair";
    }

    fn pair(value: Value) -> Result<(u8, u8), String> {
        let pair: Result<Object<Pair>, _> = serde_json::from_value(value);
        pair.map(|Object(pair)| (pair.left, pair.right)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_list_is_no_object() {
        assert_eq!(pair(json!({ "left": 1, "right": 2 })), Ok((1, 2)));
        assert_eq!(pair(json!([1, 2])), Err("invalid type: sequence, expected a pair".to_owned()));
    }

    #[test]
    fn one_may_stand_for_a_list_of_one() {
        let read = |value: Value| serde_json::from_value(value).map(|OneOrMany::<String>(list)| list);
        assert_eq!(read(json!("a")).expect("one"), ["a"]);
        assert_eq!(read(json!(["a", "b"])).expect("many"), ["a", "b"]);
        assert!(read(json!({ "a": "b" })).is_err());
    }
}
