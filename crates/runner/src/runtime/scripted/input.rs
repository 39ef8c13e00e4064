//! The short form of an input schema: `[model.input.NAME]` tables.

use cogwire_core::text_enum;
use serde_json::{Map, Value, json};

use super::error::ScriptError;
use super::table::{Field, Table, advice};
use crate::schema;

const KEYS: &[&str] =
    &["type", "description", "default", "minimum", "maximum", "enum", "choices", "required"];

text_enum! {
    /// The type of an input.
    InputType {
        /// Text.
        String = "string",
        /// A whole number.
        Integer = "integer",
        /// Any number.
        Number = "number",
        /// True or false.
        Boolean = "boolean",
        /// A file, given as a URL.
        File = "file",
        /// A list of anything.
        Array = "array",
        /// An object with anything in it.
        Object = "object",
    }
}

const TYPES: [InputType; 7] = [
    InputType::String,
    InputType::Integer,
    InputType::Number,
    InputType::Boolean,
    InputType::File,
    InputType::Array,
    InputType::Object,
];

/// An input schema as Cog writes it.
pub(super) struct InputSchema {
    pub(super) input: Value,
    /// The enumerations that it refers to, by name.
    pub(super) components: Map<String, Value>,
}

/// One declared input.
struct Declared<'a> {
    name: String,
    kind: InputType,
    table: Table<'a>,
    choices: Option<Vec<Value>>,
}

/// Reads `[model.input]`; without it, the schema declares nothing.
pub(super) fn read(field: Option<&Field<'_>>) -> Result<InputSchema, ScriptError> {
    let fields = field.map(Field::open_table).transpose()?.map(|table| table.fields()).unwrap_or_default();
    let (mut properties, mut required, mut components) = (Map::new(), Vec::new(), Map::new());
    for (order, field) in fields.iter().enumerate() {
        let declared = Declared::read(field)?;
        properties.insert(declared.name.clone(), declared.property(order)?);
        if declared.is_required()? {
            required.push(declared.name.clone());
        }
        components.extend(declared.enumeration());
    }
    let mut input = json!({"type": "object", "title": "Input", "properties": properties});
    if !required.is_empty() {
        input["required"] = json!(required);
    }
    Ok(InputSchema { input, components })
}

impl<'a> Declared<'a> {
    fn read(field: &Field<'a>) -> Result<Self, ScriptError> {
        let name = field.key.to_string();
        if !is_identifier(&name) || schema::OWN_COMPONENTS.contains(&name.as_str()) {
            return Err(field.invalid("be a name such as prompt_strength"));
        }
        let table = field.table(format!("input {name:?}"), KEYS)?;
        let kind = read_type(&table)?;
        table.exclude("enum", "choices")?;
        let choices = table.get("enum").or_else(|| table.get("choices"));
        let choices = choices.map(|field| read_choices(&field, kind)).transpose()?;
        Ok(Self { name, kind, table, choices })
    }

    fn property(&self, order: usize) -> Result<Value, ScriptError> {
        let mut property = if self.choices.is_some() {
            json!({"allOf": [schema::reference(&self.name)]})
        } else {
            plain(self.kind, &self.name)
        };
        property["x-order"] = json!(order);
        if let Some(field) = self.table.get("description") {
            property["description"] = json!(field.text()?);
        }
        for (key, bound) in self.bounds()? {
            property[key] = bound;
        }
        match self.default()? {
            Some(default) => property["default"] = default,
            None if !self.is_required()? => property["nullable"] = json!(true),
            None => {}
        }
        Ok(property)
    }

    /// An input without a default is required unless the script says otherwise.
    fn is_required(&self) -> Result<bool, ScriptError> {
        let Some(field) = self.table.get("required") else { return Ok(self.table.get("default").is_none()) };
        let required = field.boolean()?;
        if required && self.table.get("default").is_some() {
            return Err(field.invalid("not be true beside a default"));
        }
        Ok(required)
    }

    fn bounds(&self) -> Result<Vec<(&'static str, Value)>, ScriptError> {
        let mut bounds = Vec::new();
        for field in
            ["minimum", "maximum"].into_iter().filter_map(|key| self.table.get(key).map(|field| (key, field)))
        {
            let (key, field) = field;
            if !matches!(self.kind, InputType::Integer | InputType::Number) {
                return Err(field.invalid("not be given: only numbers have it"));
            }
            field.number()?;
            bounds.push((key, field.json()?));
        }
        if let [(_, low), (_, high)] = &bounds[..]
            && low.as_f64() > high.as_f64()
            && let Some(field) = self.table.get("maximum")
        {
            return Err(field.invalid(format!("be at least the minimum, {low}")));
        }
        Ok(bounds)
    }

    fn default(&self) -> Result<Option<Value>, ScriptError> {
        let Some(field) = self.table.get("default") else { return Ok(None) };
        let value = typed(&field, self.kind)?;
        if let Some(choices) = &self.choices
            && !choices.contains(&value)
        {
            return Err(field.invalid(format!("be one of the choices, not {value}")));
        }
        for (key, bound) in self.bounds()? {
            let outside = if key == "minimum" {
                value.as_f64() < bound.as_f64()
            } else {
                value.as_f64() > bound.as_f64()
            };
            if outside {
                return Err(field.invalid(format!("respect the {key}, {bound}")));
            }
        }
        Ok(Some(value))
    }

    fn enumeration(&self) -> Option<(String, Value)> {
        let choices = self.choices.as_ref()?;
        let enumeration = json!({"type": self.kind.as_str(), "title": self.name,
            "description": "An enumeration.", "enum": choices});
        Some((self.name.clone(), enumeration))
    }
}

fn read_type(table: &Table<'_>) -> Result<InputType, ScriptError> {
    let field = table.required("type")?;
    let text = field.text()?;
    let refuse = |_| {
        field.invalid(format!("be a type, not {text:?} ({})", advice(text, &TYPES.map(InputType::as_str))))
    };
    text.parse().map_err(refuse)
}

fn read_choices(field: &Field<'_>, kind: InputType) -> Result<Vec<Value>, ScriptError> {
    if !matches!(kind, InputType::String | InputType::Integer | InputType::Number) {
        return Err(field.invalid("not be given: only strings and numbers have it"));
    }
    let choices: Vec<_> = field.items()?.iter().map(|item| typed(item, kind)).collect::<Result<_, _>>()?;
    if choices.is_empty() { Err(field.invalid("have at least one value")) } else { Ok(choices) }
}

fn typed(field: &Field<'_>, kind: InputType) -> Result<Value, ScriptError> {
    let value = field.json()?;
    let fits = match kind {
        InputType::String | InputType::File => value.is_string(),
        InputType::Integer => value.is_i64(),
        InputType::Number => value.is_number(),
        InputType::Boolean => value.is_boolean(),
        InputType::Array => value.is_array(),
        InputType::Object => value.is_object(),
    };
    if fits { Ok(value) } else { Err(field.wrong_type(&format!("of type {kind}"))) }
}

fn plain(kind: InputType, name: &str) -> Value {
    let title = schema::title(name);
    match kind {
        InputType::File => json!({"type": "string", "format": "uri", "title": title}),
        InputType::Array => json!({"type": "array", "items": {}, "title": title}),
        _ => json!({"type": kind.as_str(), "title": title}),
    }
}

fn is_identifier(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().all(letter) && !name.starts_with(|first: char| first.is_ascii_digit()) && !name.is_empty()
}
