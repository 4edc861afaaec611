//! JSON to line protocol for Python: `json_to_lines` and what it returns.

use std::collections::HashSet;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyDict};

use super::parser::{Rejection, count_reasons, list_rejections, parse_precision};
use crate::json_rows::{self, Limits, RowNumbers, Rules, TimeKey};

/// Add this room's part of the module.
pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<JsonLines>()?;
    module.add_function(wrap_pyfunction!(json_to_lines, module)?)
}

#[pyfunction]
#[allow(clippy::needless_pass_by_value)] // what pyo3 extracts it owns
#[allow(clippy::too_many_arguments)] // named, in Python
#[pyo3(signature = (body, measurement, *, newline_delimited, time_key, tag_keys, precision, max_output_bytes, max_rejections))]
fn json_to_lines(
    py: Python<'_>,
    body: PyBackedBytes,
    measurement: &str,
    newline_delimited: bool,
    time_key: Option<String>,
    tag_keys: HashSet<String>,
    precision: &str,
    max_output_bytes: usize,
    max_rejections: usize,
) -> PyResult<JsonLines> {
    let time = match time_key {
        None => TimeKey::Usual,
        Some(key) if key.is_empty() => TimeKey::Nothing,
        Some(key) => TimeKey::Named(key),
    };
    let rules = Rules {
        time,
        precision: parse_precision(precision)?,
        tags: tag_keys,
    };
    let limits = Limits {
        max_output_bytes,
        max_rejections,
    };
    let translate = || json_rows::translate(&body, newline_delimited, measurement, &rules, limits);
    let translated = py.detach(translate);
    JsonLines::new(
        py,
        translated.map_err(|error| PyValueError::new_err(error.to_string()))?,
    )
}

#[pyclass(frozen, module = "framecast._core")]
struct JsonLines {
    #[pyo3(get)]
    lines: Py<PyBytes>,
    #[pyo3(get)]
    rejected: usize,
    #[pyo3(get)]
    rejections: Vec<Py<Rejection>>,
    #[pyo3(get)]
    reasons: Py<PyDict>,
    rows: RowNumbers,
}

#[pymethods]
impl JsonLines {
    fn find_row(&self, line: usize) -> usize {
        self.rows.find(line)
    }
}

impl JsonLines {
    fn new(py: Python<'_>, translated: json_rows::JsonLines) -> PyResult<Self> {
        let reasons = translated.reasons.into_iter();
        Ok(Self {
            lines: PyBytes::new(py, &translated.lines).unbind(),
            rejected: translated.rejected,
            rejections: list_rejections(py, translated.rejections)?,
            reasons: count_reasons(py, reasons.map(|(reason, count)| (reason.word(), count)))?,
            rows: translated.rows,
        })
    }
}

impl From<json_rows::Rejection> for Rejection {
    fn from(rejection: json_rows::Rejection) -> Self {
        Self {
            line: rejection.row,
            column: 1,
            reason: rejection.reason.word(),
            message: rejection.message,
        }
    }
}
