//! `Load` as Python sees it: a run of the bench's load, asked for and reported in JSON.

use std::time::Duration;

use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;
use serde::Serialize;

use crate::load;

/// Add this room's part of the module.
pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Load>()
}

#[pyclass(frozen, module = "framecast._core")]
struct Load(load::Run);

#[pymethods]
impl Load {
    #[new]
    #[pyo3(signature = (plan, bodies = Vec::new()))]
    fn new(plan: &[u8], bodies: Vec<PyBackedBytes>) -> PyResult<Self> {
        let plan = load::plan::Plan::parse(plan).map_err(|error| PyValueError::new_err(error.0))?;
        let bodies = bodies.into_iter().map(|body| body.to_vec()).collect();
        Ok(Self(load::Run::begin(plan, bodies)?))
    }

    fn progress<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        json(py, &self.0.progress())
    }

    fn wait<'py>(&self, py: Python<'py>, seconds: f64) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let patience = Duration::try_from_secs_f64(seconds)
            .map_err(|_| PyValueError::new_err("seconds must be 0 or more, and finite"))?;
        let Some(found) = py.detach(|| self.0.wait(patience)) else {
            return Ok(None);
        };
        match &*found {
            Ok(found) => json(py, found).map(Some),
            Err(error) => Err(PyOSError::new_err(error.to_string())),
        }
    }

    fn stop(&self) {
        self.0.stop();
    }
}

fn json<'py>(py: Python<'py>, value: &impl Serialize) -> PyResult<Bound<'py, PyBytes>> {
    match serde_json::to_vec(value) {
        Ok(text) => Ok(PyBytes::new(py, &text)),
        Err(error) => Err(PyRuntimeError::new_err(error.to_string())),
    }
}
