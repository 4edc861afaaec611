//! Line protocol for Python: `describe_points`.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::line_protocol::{self, Precision};

/// Add this room's part of the module.
pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(describe_points, module)?)
}

fn parse_precision(word: &str) -> PyResult<Precision> {
    Precision::find(word)
        .ok_or_else(|| PyValueError::new_err(format!("precision must be ns, us, ms or s, not {word:?}")))
}

#[pyfunction]
#[allow(clippy::needless_pass_by_value)] // what pyo3 extracts it owns
fn describe_points<'py>(
    py: Python<'py>,
    body: PyBackedBytes,
    precision: &str,
) -> PyResult<Bound<'py, PyBytes>> {
    let precision = parse_precision(precision)?;
    let text = py.detach(|| line_protocol::describe_points(&body, precision));
    Ok(PyBytes::new(py, &text))
}
