//! A second reading of `docs/line-protocol.md`, slow and plain: one byte at a time, everything copied, places
//! counted from the beginning of the body. Shares nothing with the crate; it is right where it is simple.

use serde_json::{Value, json};

pub struct Reading {
    /// In the shape of `describe_points`, but floats are the bits of their value.
    pub points: Vec<Value>,
    /// Line, column, reason.
    pub faults: Vec<(usize, usize, &'static str)>,
}

struct Reader {
    bytes: Vec<u8>,
    at: usize,
}

type Fault = (usize, &'static str);

/// A timestamp of the body's precision to nanoseconds.
pub type InNanoseconds = fn(i128) -> i128;

pub fn read(body: &[u8], in_nanoseconds: InNanoseconds) -> Reading {
    let mut reader = Reader {
        bytes: body.to_vec(),
        at: 0,
    };
    let mut reading = Reading {
        points: Vec::new(),
        faults: Vec::new(),
    };
    loop {
        reader.skip(" ");
        if reader.at >= body.len() {
            return reading;
        }
        if reader.line_end().is_some() {
            reader.at += reader.line_end().unwrap_or(0);
        } else if reader.here() == Some('#') {
            reader.skip_line();
        } else {
            match reader.point(in_nanoseconds) {
                Ok(point) => reading.points.push(point),
                Err((offset, reason)) => {
                    let before = &body[..offset];
                    let line = before.split(|&byte| byte == b'\n').count();
                    let column = before.iter().rev().take_while(|&&byte| byte != b'\n').count() + 1;
                    reading.faults.push((line, column, reason));
                    reader.skip_line();
                }
            }
        }
    }
}

impl Reader {
    fn here(&self) -> Option<char> {
        self.bytes.get(self.at).map(|&byte| char::from(byte))
    }

    fn is_at(&self, any: &str) -> bool {
        self.here().is_some_and(|here| any.contains(here))
    }

    fn skip(&mut self, any: &str) {
        while self.is_at(any) {
            self.at += 1;
        }
    }

    fn skip_line(&mut self) {
        while self.at < self.bytes.len() && self.bytes[self.at] != b'\n' {
            self.at += 1;
        }
        self.at = self.bytes.len().min(self.at + 1);
    }

    /// The length of the line end that stands here; 0 at the end of the body.
    fn line_end(&self) -> Option<usize> {
        match &self.bytes[self.at..] {
            [] => Some(0),
            [b'\n', ..] | [b'\r'] => Some(1),
            [b'\r', b'\n', ..] => Some(2),
            _ => None,
        }
    }

    fn missing(&self, offset: usize, reason: &'static str) -> Fault {
        let control = self.here().is_some_and(|here| here < ' ' || here == '\x7f');
        (
            offset,
            if control && self.line_end().is_none() {
                "control_byte"
            } else {
                reason
            },
        )
    }

    fn point(&mut self, in_nanoseconds: InNanoseconds) -> Result<Value, Fault> {
        let measurement = self.name(", ")?;
        if measurement.is_empty() {
            return Err(self.missing(self.at, "missing_measurement"));
        }
        let mut tags: Vec<(String, Value)> = Vec::new();
        let mut tag_count = 0;
        while self.here() == Some(',') {
            self.at += 1;
            if tag_count == 1_024 {
                let place = self.at;
                let _ = self.rest_of_tags().and_then(|()| self.fields(usize::MAX));
                return Err((place, "too_many_tags"));
            }
            tag_count += 1;
            let (key, value) = self.tag()?;
            put(&mut tags, key, json!(value));
        }
        if self.here() == Some('=') {
            return Err((self.at, "unescaped_equals"));
        }
        if self.here() != Some(' ') {
            return Err(self.missing(self.at, "missing_field"));
        }
        self.skip(" ");
        let fields = self.fields(65_536)?;
        let time = self.time(in_nanoseconds)?;
        let tags: Vec<Value> = tags.into_iter().map(|(key, value)| json!([key, value])).collect();
        let fields: Vec<Value> = fields
            .into_iter()
            .map(|(key, value)| json!([key, value[0], value[1]]))
            .collect();
        Ok(json!({"measurement": measurement, "tags": tags, "fields": fields, "time_ns": time}))
    }

    fn fields(&mut self, most: usize) -> Result<Vec<(String, Value)>, Fault> {
        let mut fields: Vec<(String, Value)> = Vec::new();
        for count in 0.. {
            if count == most {
                let place = self.at;
                let _ = self.fields(usize::MAX);
                return Err((place, "too_many_fields"));
            }
            let (key, value) = self.field()?;
            put(&mut fields, key, value);
            if self.here() != Some(',') {
                break;
            }
            self.at += 1;
        }
        Ok(fields)
    }

    /// From a tag to the first field.
    fn rest_of_tags(&mut self) -> Result<(), Fault> {
        self.tag()?;
        while self.here() == Some(',') {
            self.at += 1;
            self.tag()?;
        }
        if self.here() != Some(' ') {
            return Err((self.at, "missing_field"));
        }
        self.skip(" ");
        Ok(())
    }

    fn tag(&mut self) -> Result<(String, String), Fault> {
        let start = self.at;
        let key = self.name(",= ")?;
        if key.is_empty() {
            return Err(self.missing(start, "missing_tag_key"));
        }
        if self.here() != Some('=') {
            return Err(self.missing(start, "missing_tag_value"));
        }
        self.at += 1;
        let value = self.name(",= ")?;
        if value.is_empty() {
            return Err(self.missing(self.at, "missing_tag_value"));
        }
        Ok((key, value))
    }

    fn name(&mut self, separators: &str) -> Result<String, Fault> {
        let start = self.at;
        let mut text = Vec::new();
        while let Some(here) = self.here() {
            let next = self.bytes.get(self.at + 1).map(|&byte| char::from(byte));
            if here == '\\' && next.is_some_and(|next| separators.contains(next)) {
                text.push(self.bytes[self.at + 1]);
                self.at += 2;
            } else if separators.contains(here) || here < ' ' || here == '\x7f' {
                break;
            } else {
                text.push(self.bytes[self.at]);
                self.at += 1;
            }
        }
        self.part(start, self.at, text)
    }

    fn part(&self, start: usize, end: usize, text: Vec<u8>) -> Result<String, Fault> {
        if end - start > 65_536 {
            return Err((start, "too_long"));
        }
        if String::from_utf8(self.bytes[start..end].to_vec()).is_err() {
            return Err((start, "bad_utf8"));
        }
        String::from_utf8(text).map_err(|_| (start, "bad_utf8"))
    }

    fn field(&mut self) -> Result<(String, Value), Fault> {
        let key = self.name(",= ")?;
        if key.is_empty() {
            return Err(self.missing(self.at, "missing_field"));
        }
        if self.here() != Some('=') {
            return Err(self.missing(self.at, "missing_value"));
        }
        self.at += 1;
        let start = self.at;
        if self.here() == Some('"') {
            let text = self.string()?;
            return Ok((key, json!(["string", text])));
        }
        while self.here().is_some() && !self.is_at(", \r\n") {
            self.at += 1;
        }
        let text = String::from_utf8_lossy(&self.bytes[start..self.at]).into_owned();
        if text.is_empty() {
            return Err((start, "missing_value"));
        }
        bare(&text)
            .map(|value| (key, value))
            .map_err(|reason| (start, reason))
    }

    fn string(&mut self) -> Result<String, Fault> {
        let quote = self.at;
        self.at += 1;
        let mut text = Vec::new();
        loop {
            match &self.bytes[self.at..] {
                [] => return Err((quote, "open_quote")),
                [b'"', ..] => break,
                [b'\\', byte @ (b'"' | b'\\'), ..] => {
                    text.push(*byte);
                    self.at += 2;
                }
                [byte, ..] => {
                    text.push(*byte);
                    self.at += 1;
                }
            }
        }
        self.at += 1;
        self.part(quote + 1, self.at - 1, text)
    }

    fn time(&mut self, in_nanoseconds: InNanoseconds) -> Result<Value, Fault> {
        let mut time = Value::Null;
        if self.here() == Some(' ') {
            self.skip(" ");
            let start = self.at;
            self.skip("-0123456789");
            if self.at > start {
                if self.here().is_some() && !self.is_at(" \r\n") {
                    return Err((start, "bad_time"));
                }
                let text = String::from_utf8_lossy(&self.bytes[start..self.at]).into_owned();
                let value = integer(&text).ok_or((start, "bad_time"))?;
                let value = in_nanoseconds(value);
                if i64::try_from(value).is_err() {
                    return Err((start, "time_range"));
                }
                time = json!(value.to_string());
                self.skip(" ");
            }
        }
        match self.line_end() {
            Some(length) => self.at += length,
            None => return Err(self.missing(self.at, "unexpected_text")),
        }
        Ok(time)
    }
}

fn put(pairs: &mut Vec<(String, Value)>, key: String, value: Value) {
    match pairs.iter_mut().find(|(known, _)| *known == key) {
        Some(pair) => pair.1 = value,
        None => pairs.push((key, value)),
    }
}

/// `-?[0-9]+`, clamped far outside of what any type holds.
fn integer(text: &str) -> Option<i128> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let size = digits.chars().fold(0_i128, |value, digit| {
        (value * 10 + i128::from(digit.to_digit(10).unwrap_or(0))).min(1_i128 << 80)
    });
    Some(if text.starts_with('-') { -size } else { size })
}

fn bare(text: &str) -> Result<Value, &'static str> {
    if ["t", "T", "true", "True", "TRUE"].contains(&text) {
        return Ok(json!(["bool", true]));
    }
    if ["f", "F", "false", "False", "FALSE"].contains(&text) {
        return Ok(json!(["bool", false]));
    }
    if let Some(digits) = text.strip_suffix('i') {
        let value = integer(digits).ok_or("bad_value")?;
        return i64::try_from(value)
            .map(|value| json!(["int", value.to_string()]))
            .map_err(|_| "number_range");
    }
    if let Some(digits) = text.strip_suffix('u') {
        let value = integer(digits)
            .filter(|_| !digits.starts_with('-'))
            .ok_or("bad_value")?;
        return u64::try_from(value)
            .map(|value| json!(["uint", value.to_string()]))
            .map_err(|_| "number_range");
    }
    // Rust reads what the dialect reads, but for a leading plus and the names of infinity and NaN.
    let allowed = text
        .chars()
        .all(|character| "+-.eE0123456789".contains(character))
        && !text.starts_with('+');
    let value: f64 = if allowed {
        text.parse().map_err(|_| "bad_value")?
    } else {
        return Err("bad_value");
    };
    if value.is_infinite() {
        Err("number_range")
    } else {
        Ok(json!(["float", value.to_bits()]))
    }
}
