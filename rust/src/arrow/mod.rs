//! A data frame as Grafana's backend plugins answer queries, an Arrow file, → frame JSON as Grafana's SDK writes it.
//!
//! The bytes are a plugin's and may be anything: [`flatbuffer`] looks at nothing that it has not checked to be there,
//! [`file`] finds the columns' bytes, [`column`] reads their values, [`metadata`] what is said of them, and [`frame`]
//! writes. Nothing is copied but into the JSON, which has a limit, no number of the file's is an amount of memory, and no
//! part of it is read for many others that lead there.
//!
//! Of Arrow this is what the SDK reads and writes: flat columns of its types, uncompressed, in the file format. Anything
//! else is refused by its name.

mod column;
mod error;
mod file;
mod flatbuffer;
mod frame;
mod kind;
mod metadata;

pub use error::Error;
pub use frame::frame_to_json;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    macro_rules! golden {
        ($name:literal) => {
            (
                include_bytes!(concat!("../../../tests/data/arrow/", $name, ".arrow")),
                include_bytes!(concat!("../../../tests/data/arrow/", $name, ".json")),
            )
        };
    }

    /// Of Grafana's SDK, each in both of its formats.
    const GOLDEN: [(&[u8], &[u8]); 5] = [
        golden!("labels"),
        golden!("nothing"),
        golden!("nullables"),
        golden!("numbers"),
        golden!("texts"),
    ];

    fn parse(json: &[u8]) -> Value {
        serde_json::from_slice(json).unwrap()
    }

    #[test]
    fn frames_are_what_the_sdk_makes_of_them() {
        for (file, json) in GOLDEN {
            let frame = frame_to_json(file, "A", usize::MAX).unwrap();
            assert_eq!(parse(&frame), parse(json));
        }
    }

    #[test]
    fn every_limit_is_kept() {
        for (file, _) in GOLDEN {
            for max_bytes in 0..70 {
                let told = frame_to_json(file, "A", max_bytes);
                assert!(told.is_err_and(|error| error == Error::TooLarge { max_bytes }));
            }
        }
    }

    proptest! {
        /// With the checks for overflow that a release has not.
        #[test]
        fn damaged_files_are_refused_or_are_frames(
            which in 0..GOLDEN.len(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        ) {
            let mut file = GOLDEN[which].0.to_vec();
            for (place, byte) in changes {
                let at = place.index(file.len());
                file[at] = byte;
            }
            if let Ok(frame) = frame_to_json(&file, "A", 1 << 16) {
                prop_assert!(frame.len() <= 1 << 16);
                let frame = parse(&frame);
                let columns = frame["data"]["values"].as_array().map(Vec::len);
                prop_assert_eq!(frame["schema"]["fields"].as_array().map(Vec::len), columns);
            }
        }
    }
}
