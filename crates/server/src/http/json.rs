//! JSON, written piece by piece. Nothing here reads it.

use std::fmt::{Display, Write};

/// A JSON text that is being written. Commas come by themselves.
#[derive(Default)]
pub struct Json {
    text: String,
}

impl Json {
    /// An object; `fields` writes what is in it.
    pub fn object(fields: impl FnOnce(&mut Object<'_>)) -> String {
        let mut json = Self::default();
        json.write_object(fields);
        json.text
    }

    fn write_object(&mut self, fields: impl FnOnce(&mut Object<'_>)) {
        self.text.push('{');
        fields(&mut Object { json: self });
        self.text.push('}');
    }

    /// A comma, unless something has just begun.
    fn separate(&mut self) {
        if !self.text.ends_with(['{', '[', ':']) && !self.text.is_empty() {
            self.text.push(',');
        }
    }

    fn write_string(&mut self, value: &str) {
        self.text.push('"');
        for character in value.chars() {
            match character {
                '"' => self.text += "\\\"",
                '\\' => self.text += "\\\\",
                '\n' => self.text += "\\n",
                // Control characters, and what ends a line or a script for some readers.
                '\0'..='\x1f' | '\x7f' | '\u{2028}' | '\u{2029}' | '<' | '>' | '&' => {
                    // A string takes everything.
                    let _ = write!(self.text, "\\u{:04x}", u32::from(character));
                }
                _ => self.text.push(character),
            }
        }
        self.text.push('"');
    }

    fn write_number(&mut self, value: f64) {
        if value.is_finite() {
            // A string takes everything.
            let _ = write!(self.text, "{value}");
        } else {
            self.text += "null";
        }
    }
}

/// The fields of an object.
pub struct Object<'j> {
    json: &'j mut Json,
}

impl Object<'_> {
    fn name(&mut self, name: &str) -> &mut Json {
        self.json.separate();
        self.json.write_string(name);
        self.json.text.push(':');
        self.json
    }

    /// A text.
    pub fn string(&mut self, name: &str, value: &str) {
        self.name(name).write_string(value);
    }

    /// Bytes, as [`readable`] shows them.
    pub fn bytes(&mut self, name: &str, value: &[u8]) {
        self.string(name, &readable(value));
    }

    /// A whole number.
    pub fn integer(&mut self, name: &str, value: impl Display) {
        let json = self.name(name);
        // A string takes everything.
        let _ = write!(json.text, "{value}");
    }

    /// A number; `null` when it is none.
    pub fn number(&mut self, name: &str, value: f64) {
        self.name(name).write_number(value);
    }

    /// A number that may not be known.
    pub fn number_or_null(&mut self, name: &str, value: Option<f64>) {
        self.number(name, value.unwrap_or(f64::NAN));
    }

    /// An object.
    pub fn object(&mut self, name: &str, fields: impl FnOnce(&mut Object<'_>)) {
        self.name(name).write_object(fields);
    }

    /// A list of whole numbers.
    pub fn integers(&mut self, name: &str, values: impl IntoIterator<Item = u64>) {
        let values: Vec<String> = values.into_iter().map(|it| it.to_string()).collect();
        let json = self.name(name);
        // A string takes everything.
        let _ = write!(json.text, "[{}]", values.join(","));
    }

    /// A list of objects, one for each item.
    pub fn list<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        mut fields: impl FnMut(&mut Object<'_>, T),
    ) {
        let json = self.name(name);
        json.text.push('[');
        for item in items {
            json.separate();
            json.write_object(|object| fields(object, item));
        }
        json.text.push(']');
    }
}

/// Bytes as text that is never taken for other bytes: what is no UTF-8 or controls something is written as `\xff`, and a
/// backslash as two.
pub fn readable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => text += "\\\\",
                _ if character.is_control() => {
                    let mut buffer = [0; 4];
                    escape(&mut text, character.encode_utf8(&mut buffer).as_bytes());
                }
                _ => text.push(character),
            }
        }
        escape(&mut text, chunk.invalid());
    }
    text
}

fn escape(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // A string takes everything.
        let _ = write!(text, "\\x{byte:02x}");
    }
}

#[cfg(test)]
mod tests {
    use super::{Json, readable};

    #[test]
    fn values_are_written_with_their_commas() {
        let text = Json::object(|json| {
            json.integer("a", 1);
            json.number("b", f64::NAN);
            json.number("c", 0.5);
            json.object("e", |_| {});
            json.list("f", [1, 2], |json, item| {
                json.integer("g", item);
                json.string("h", "i");
            });
            json.list("j", [(); 0], |_, ()| {});
            json.integers("k", [1, 2]);
        });
        assert_eq!(
            text,
            r#"{"a":1,"b":null,"c":0.5,"e":{},"f":[{"g":1,"h":"i"},{"g":2,"h":"i"}],"j":[],"k":[1,2]}"#
        );
    }

    #[test]
    fn strings_are_escaped() {
        let text = Json::object(|json| json.string("\"", "</script>\u{2028}\\\n\0"));
        assert_eq!(text, r#"{"\"":"\u003c/script\u003e\u2028\\\n\u0000"}"#);
    }

    #[test]
    fn bytes_are_readable() {
        for (bytes, expected) in [
            (b"user:1".as_slice(), "user:1"),
            ("größe".as_bytes(), "größe"),
            (b"a\\x00", "a\\\\x00"),
            (b"a\0\n\xff", "a\\x00\\x0a\\xff"),
            ("\u{85}".as_bytes(), "\\xc2\\x85"),
        ] {
            assert_eq!(readable(bytes), expected);
        }
    }
}
