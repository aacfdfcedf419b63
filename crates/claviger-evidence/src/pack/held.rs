//! Where two forms of a file differ.

use serde_json::Value;

/// What is longer is not looked into.
const LONGEST_SHOWN: usize = 120;

/// The first place at which a file differs from the one that its log yields: a JSON pointer (RFC 6901) or a line. `None` where the bytes
/// are the same. The values themselves are not repeated.
#[must_use]
pub fn first_difference(path: &str, there: &[u8], made: &[u8]) -> Option<String> {
    if there == made {
        return None;
    }
    let in_json = path.ends_with(".json").then(|| {
        let (there, made) = (serde_json::from_slice(there).ok()?, serde_json::from_slice(made).ok()?);
        let mut pointer = String::new();
        differs(&there, &made, &mut pointer).then_some(pointer)
    });
    Some(match in_json.flatten() {
        Some(pointer) if pointer.is_empty() => "the whole of it".to_owned(),
        Some(pointer) => format!("at {}", pointer.chars().take(LONGEST_SHOWN).collect::<String>()),
        None => {
            let same = there.iter().zip(made).take_while(|(there, made)| there == made);
            let line = 1 + same.filter(|(byte, _)| **byte == b'\n').count();
            format!("in line {line}")
        }
    })
}

/// Do they differ? If so, `pointer` names the first place.
fn differs(there: &Value, made: &Value, pointer: &mut String) -> bool {
    let before = pointer.len();
    let mut within = |name: &str, there: Option<&Value>, made: Option<&Value>| {
        pointer.push('/');
        pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
        let found = match (there, made) {
            (Some(there), Some(made)) => differs(there, made, pointer),
            _ => true,
        };
        if !found {
            pointer.truncate(before);
        }
        found
    };
    match (there, made) {
        (Value::Object(there), Value::Object(made)) => {
            let of_made = made.iter().any(|(name, value)| within(name, there.get(name), Some(value)));
            of_made
                || there.keys().filter(|name| !made.contains_key(*name)).any(|name| within(name, None, None))
        }
        (Value::Array(there), Value::Array(made)) => {
            let longest = there.len().max(made.len());
            (0..longest).any(|at| within(&at.to_string(), there.get(at), made.get(at)))
        }
        (there, made) => there != made,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_json(there: &str, made: &str) -> Option<String> {
        first_difference("results/results.json", there.as_bytes(), made.as_bytes())
    }

    #[test]
    fn first_place_is_named_and_no_value_repeated() {
        let made = r#"{"a":{"b/c":[1,{"d":true}]},"z":1}"#;
        let at = |there: &str| of_json(there, made).unwrap();
        assert_eq!(of_json(made, made), None);
        assert_eq!(at(r#"{"a":{"b/c":[1,{"d":false}]},"z":1}"#), "at /a/b~1c/1/d");
        assert_eq!(at(r#"{"a":{"b/c":[1]},"z":2}"#), "at /a/b~1c/1");
        assert_eq!(at(r#"{"a":{"b/c":[1,{"d":true}]},"y":0,"z":1}"#), "at /y");
        assert_eq!(at(r#"{"a":{"b/c":[1,{"d":true}]}}"#), "at /z");
        assert_eq!(at("7"), "the whole of it");
        // The same values in another spelling, and what is no JSON.
        assert_eq!(at(&format!("{made}\n")), "in line 1");
        assert_eq!(at("{"), "in line 1");
        let text = |there: &[u8]| first_difference("LIMITS.md", there, b"one\ntwo\nthree\n");
        assert_eq!(text(b"one\ntwo\ntree\n").unwrap(), "in line 3");
        assert_eq!(text(b"one\ntwo\n").unwrap(), "in line 3");
        assert_eq!(text(b"one\ntwo\nthree\n"), None);
    }
}
