//! Arrow to frame JSON for Python: `arrow_to_frame`.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::arrow;

/// Add this room's part of the module.
pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(arrow_to_frame, module)?)
}

#[pyfunction]
#[pyo3(signature = (file, *, ref_id, max_bytes))]
#[allow(clippy::needless_pass_by_value)] // what pyo3 extracts it owns
fn arrow_to_frame<'py>(
    py: Python<'py>,
    file: PyBackedBytes,
    ref_id: &str,
    max_bytes: usize,
) -> PyResult<Bound<'py, PyBytes>> {
    py.detach(|| arrow::frame_to_json(&file, ref_id, max_bytes))
        .map(|frame| PyBytes::new(py, &frame))
        .map_err(|error| PyValueError::new_err(error.to_string()))
}
