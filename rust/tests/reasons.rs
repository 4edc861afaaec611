//! Every reason there is: a line that it refuses, and its row in the documentation.
#![allow(missing_docs, clippy::unwrap_used)]

use _core::frame::{Limits, Stream};
use _core::line_protocol::{MAX_FIELDS, MAX_TAGS, Precision, Reason};

const ROOMY: Limits = Limits {
    max_measurements: 1_000,
    max_columns: 1_000,
    max_path_bytes: 150,
    max_packet_bytes: 1 << 20,
    max_push_output_bytes: 1 << 24,
    max_rejections: 1_000,
};

/// A body whose last line is refused for this reason by a stream with these limits.
fn example(reason: Reason) -> (Limits, Vec<u8>) {
    let body = match reason {
        Reason::BadUtf8 => return (ROOMY, b"m,h=\xff f=1".to_vec()),
        Reason::MissingMeasurement => ",h=a f=1",
        Reason::MissingTagKey => "m, f=1",
        Reason::MissingTagValue => "m,h f=1",
        Reason::UnescapedEquals => "m,h=a=b f=1",
        Reason::MissingField => "m",
        Reason::MissingValue => "m x 1",
        Reason::BadValue => "m x=1x",
        Reason::NumberRange => "m x=1e309",
        Reason::OpenQuote => "m x=\"a",
        Reason::UnexpectedText => "m f=1 g=2",
        Reason::BadTime => "m f=1 1.5",
        Reason::TimeRange => "m f=1 99999999999999999999",
        Reason::ControlByte => "m,h=a\tb f=1",
        Reason::TooLong => &format!("m x=\"{}\"", "x".repeat(70_000)),
        Reason::TooManyTags => &format!("m{} a=1", ",t=1".repeat(MAX_TAGS + 1)),
        Reason::TooManyFields => &format!("m a=1{}", ",a=1".repeat(MAX_FIELDS)),
        Reason::MeasurementLimit => "m a=1\nn a=1",
        Reason::PathLimit => "mmmmmmmm a=1",
        Reason::ColumnLimit => "m a=1,b=1,c=1",
        // More than the 16 MiB of a stream that nobody allowed less, each schema in order for itself.
        Reason::SchemasLimit => &(0..=128).fold(String::new(), |body, number| {
            body + "m " + &format!("{number:065535}") + "=1\n"
        }),
        Reason::SchemaLimit => &format!("m {}=1", "k".repeat(100)),
        Reason::RowLimit => &format!("m x=\"{}\"", "x".repeat(400)),
        Reason::OutputLimit => &"m a=1\n".repeat(100),
    };
    let limits = match reason {
        Reason::SchemasLimit => Limits {
            max_packet_bytes: usize::MAX,
            max_push_output_bytes: usize::MAX,
            ..ROOMY
        },
        Reason::MeasurementLimit => Limits {
            max_measurements: 1,
            ..ROOMY
        },
        Reason::PathLimit => Limits {
            max_path_bytes: 7,
            ..ROOMY
        },
        Reason::ColumnLimit => Limits {
            max_columns: 2,
            ..ROOMY
        },
        Reason::SchemaLimit | Reason::RowLimit => Limits {
            max_packet_bytes: 400,
            ..ROOMY
        },
        Reason::OutputLimit => Limits {
            max_push_output_bytes: 1_000,
            ..ROOMY
        },
        _ => ROOMY,
    };
    (limits, body.as_bytes().to_vec())
}

#[test]
fn every_reason_has_a_line_that_it_refuses_and_a_row_in_the_documentation() {
    let page = include_str!("../../docs/line-protocol.md");
    for &reason in Reason::ALL {
        let (limits, body) = example(reason);
        let mut stream = Stream::new(limits);
        let outcome = stream.push(&body, 0, Precision::Nanoseconds);
        assert_eq!(outcome.reasons, [(reason, outcome.rejected)]);
        let rejection = outcome.rejections.last().unwrap();
        assert_eq!(rejection.reason, reason);
        assert!(rejection.message.len() < 600, "{}", rejection.message);
        assert!(
            page.contains(&format!("\n| `{}` |", reason.word())),
            "{}",
            reason.word()
        );
    }
}
