//! The publications of a run: what is in them, as line protocol and as JSON.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::load::mark::{Mark, Marks};
use crate::load::plan::{Publishing, Way};

/// Letters that no encoding writes differently, and that no mark begins with.
const FILLER: u8 = b'x';

/// Makes publications.
#[derive(Debug)]
pub struct Content {
    marks: std::sync::Arc<Marks>,
    /// Line protocol; JSON otherwise.
    lines: bool,
    names: Vec<String>,
    bytes: usize,
}

impl Content {
    /// Publications as they are asked for.
    #[must_use]
    pub fn new(marks: std::sync::Arc<Marks>, publishing: &Publishing) -> Self {
        Self {
            marks,
            lines: publishing.way != Way::Command,
            names: publishing.names.clone(),
            bytes: publishing.bytes,
        }
    }

    /// What the channel is published by.
    #[must_use]
    pub fn name(&self, channel: u16) -> &str {
        &self.names[usize::from(channel)]
    }

    /// Append one publication.
    pub fn put(&self, mark: &Mark, out: &mut Vec<u8>) {
        let begin = out.len();
        if self.lines {
            // The measurement is one that needs no escape.
            out.extend_from_slice(self.name(mark.channel).as_bytes());
            out.extend_from_slice(b" text=\"");
        } else {
            out.extend_from_slice(b"{\"text\":\"");
        }
        self.marks.put(mark, out);
        let end = if self.lines {
            end_of_line()
        } else {
            b"\"}".to_vec()
        };
        let filler = self.bytes.saturating_sub(out.len() - begin + end.len());
        out.resize(out.len() + filler, FILLER);
        out.extend_from_slice(&end);
    }
}

/// A timestamp, as agents send one with every line.
fn end_of_line() -> Vec<u8> {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("\" {}\n", since_1970.as_nanos()).into_bytes()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Content;
    use crate::line_protocol::{Precision, describe_points};
    use crate::load::mark::{Mark, Marks};
    use crate::load::plan::{Publishing, Way};

    fn publication(way: Way) -> (Vec<u8>, Mark) {
        let publishing = Publishing {
            way,
            path: "/".to_owned(),
            names: vec!["a".to_owned(), "load-2".to_owned()],
            token: None,
            connections: 1,
            bytes: 200,
            first_seconds: 1.0,
        };
        let mark = Mark {
            channel: 1,
            number: 3,
            due_ns: 4,
            sent_ns: 5,
        };
        let mut out = Vec::new();
        Content::new(Arc::new(Marks::new(9)), &publishing).put(&mark, &mut out);
        (out, mark)
    }

    #[test]
    fn a_line_is_as_long_as_asked_and_can_be_parsed() {
        let (line, mark) = publication(Way::Push);
        assert_eq!((line.len(), Marks::new(9).find(&line)), (200, Some(mark)));
        let points = describe_points(&line, Precision::find("ns").unwrap());
        let points: serde_json::Value = serde_json::from_slice(&points).unwrap();
        assert_eq!(points["points"][0]["measurement"], "load-2");
    }

    #[test]
    fn json_is_as_long_as_asked_and_can_be_parsed() {
        let (data, mark) = publication(Way::Command);
        assert_eq!((data.len(), Marks::new(9).find(&data)), (200, Some(mark)));
        assert!(serde_json::from_slice::<serde_json::Value>(&data).unwrap()["text"].is_string());
    }
}
