//! The cells of a column, which is the text of a JSON list that was checked before.

use crate::json;

/// The cells as text, none of them with space around it; None if the text is no list.
///
/// Right for lists of scalars. The first piece of a cell that is a list or an object itself begins as it does.
pub(super) fn cells(column: &str) -> Option<Cells<'_>> {
    let inside = column.strip_prefix('[')?.strip_suffix(']')?;
    let inside = inside.trim_ascii_start();
    Some(Cells {
        rest: (!inside.is_empty()).then_some(inside),
    })
}

/// See [`cells`].
pub(super) struct Cells<'a> {
    /// What follows the last comma.
    rest: Option<&'a str>,
}

impl<'a> Iterator for Cells<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.rest.take()?.trim_ascii_start();
        let bytes = rest.as_bytes();
        let mut end = if bytes.first() == Some(&b'"') {
            json::string_end(bytes).unwrap_or(bytes.len())
        } else {
            0
        };
        while end < bytes.len() && bytes[end] != b',' {
            end += 1;
        }
        let (cell, behind) = rest.split_at(end);
        self.rest = behind.strip_prefix(',');
        Some(cell.trim_ascii_end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_taken_apart() {
        for (column, expected) in [
            ("[]", &[][..]),
            ("[ ]", &[]),
            ("[1]", &["1"]),
            ("[1,-2.50,null,true]", &["1", "-2.50", "null", "true"]),
            ("[ 1 ,\n\"a\" ]", &["1", "\"a\""]),
            (
                r#"[",","]","\"","\\","\\\",","é, "]"#,
                &[r#"",""#, r#""]""#, r#""\"""#, r#""\\""#, r#""\\\",""#, "\"é, \""],
            ),
            ("[[1,2],3]", &["[1", "2]", "3"]),
        ] {
            let found: Vec<_> = cells(column).unwrap().collect();
            assert_eq!(found, expected, "{column}");
        }
        for column in ["null", "{}", "7", "\"[]\"", "", "["] {
            assert!(cells(column).is_none(), "{column}");
        }
    }
}
