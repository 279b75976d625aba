//! The published JSON Schema, as far as it uses the language: enough of draft 2020-12 to refuse what it refuses. A keyword
//! that is not known here fails the test.

use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Map, Value};

/// A line of `--json`, as the schema that `godkend schema` prints has it.
#[track_caller]
pub(crate) fn checked(line: &str) -> Value {
    let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    if let Err(reason) = holds(published(), &value) {
        panic!("not as in the schema ({reason}): {line}");
    }
    value
}

/// What `godkend schema` prints.
pub(crate) fn published() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let output = Command::new(env!("CARGO_BIN_EXE_godkend")).arg("schema").output().unwrap();
        assert!(output.status.success());
        serde_json::from_slice(&output.stdout).unwrap()
    })
}

pub(crate) fn holds(schema: &Value, value: &Value) -> Result<(), String> {
    let schema = schema.as_object().unwrap();
    for (keyword, wanted) in schema {
        let good = match keyword.as_str() {
            "$schema" | "$id" | "$defs" | "title" | "description" => true,
            "$ref" => {
                let name = wanted.as_str().unwrap().strip_prefix("#/$defs/").unwrap();
                holds(&published()["$defs"][name], value)?;
                true
            }
            "oneOf" | "anyOf" => {
                let all = wanted.as_array().unwrap();
                let fits = all.iter().filter(|one| holds(one, value).is_ok()).count();
                if fits == 0 {
                    // The alternative of the same type says what is wrong.
                    let same = all.iter().find(|one| one["properties"]["type"]["const"] == value["type"]);
                    same.map_or(Ok(()), |one| holds(one, value))?;
                }
                if keyword == "oneOf" { fits == 1 } else { fits > 0 }
            }
            "const" => wanted == value,
            "enum" => wanted.as_array().unwrap().contains(value),
            "type" => match wanted {
                Value::Array(types) => types.iter().any(|name| is(name, value)),
                name => is(name, value),
            },
            "minimum" => value.as_f64().is_none_or(|number| number >= wanted.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|number| number <= wanted.as_f64().unwrap()),
            "pattern" => value.as_str().is_none_or(|text| matches(wanted.as_str().unwrap(), text)),
            "required" => value.as_object().is_none_or(|object| {
                wanted.as_array().unwrap().iter().all(|name| object.contains_key(name.as_str().unwrap()))
            }),
            "items" => {
                for item in value.as_array().into_iter().flatten() {
                    holds(wanted, item)?;
                }
                true
            }
            "properties" => {
                for (name, schema) in wanted.as_object().unwrap() {
                    if let Some(member) = value.get(name) {
                        holds(schema, member).map_err(|reason| format!("{name}: {reason}"))?;
                    }
                }
                true
            }
            "additionalProperties" => additional(schema, wanted, value)?,
            other => panic!("the schema uses {other}, which this test does not know"),
        };
        if !good {
            return Err(format!("{keyword} {wanted}"));
        }
    }
    Ok(())
}

fn additional(schema: &Map<String, Value>, wanted: &Value, value: &Value) -> Result<bool, String> {
    let known = schema.get("properties").and_then(Value::as_object);
    let Some(object) = value.as_object() else { return Ok(true) };
    for (name, member) in object {
        if known.is_some_and(|known| known.contains_key(name)) {
            continue;
        }
        match wanted {
            Value::Bool(allowed) if !allowed => return Err(format!("{name} is not a member")),
            Value::Bool(_) => {}
            schema => holds(schema, member)?,
        }
    }
    Ok(true)
}

fn is(name: &Value, value: &Value) -> bool {
    match name.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("no type {other}"),
    }
}

/// `^[set]{n}$` or `^[set]+$`, with ranges in the set: the only patterns of the schema.
fn matches(pattern: &str, text: &str) -> bool {
    let (set, count) =
        pattern.strip_prefix("^[").and_then(|rest| rest.strip_suffix('$')).unwrap().split_once(']').unwrap();
    let set: Vec<char> = set.chars().collect();
    let inside = |letter: char| {
        set.windows(3).any(|three| three[1] == '-' && (three[0]..=three[2]).contains(&letter)) || set.contains(&letter)
    };
    let length = match count.strip_prefix('{').and_then(|count| count.strip_suffix('}')) {
        Some(count) => text.chars().count() == count.parse::<usize>().unwrap(),
        None => count == "+" && !text.is_empty(),
    };
    length && text.chars().all(inside)
}
