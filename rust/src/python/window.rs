//! A channel's window for Python: `merge_packets`.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::frame::{self, Window};

/// Add this room's part of the module.
pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(merge_packets, module)?)
}

#[pyfunction]
#[pyo3(signature = (schema, payloads, *, with_schema, max_rows, max_bytes))]
#[allow(clippy::needless_pass_by_value)] // what pyo3 extracts it owns
fn merge_packets(
    py: Python<'_>,
    schema: PyBackedBytes,
    payloads: Vec<PyBackedBytes>,
    with_schema: bool,
    max_rows: usize,
    max_bytes: usize,
) -> PyResult<Bound<'_, PyBytes>> {
    let window = Window {
        with_schema,
        max_rows,
        max_bytes,
    };
    let frame = py.detach(|| frame::merge_packets(&schema, &payloads, window));
    frame
        .map(|frame| PyBytes::new(py, &frame))
        .map_err(|error| PyValueError::new_err(error.to_string()))
}
