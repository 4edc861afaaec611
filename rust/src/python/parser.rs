//! Line protocol and frames for Python: `StreamParser` and what it returns, and `describe_points`.

use std::sync::{Arc, Mutex, MutexGuard};

use pyo3::exceptions::{PyKeyError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyDict, PyString};

use crate::frame::{self, Allowance, Format, Limits, PushOutcome, Stream};
use crate::line_protocol::{self, Precision};

/// Add this room's part of the module.
pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<StreamParser>()?;
    module.add_class::<PushResult>()?;
    module.add_class::<Packet>()?;
    module.add_class::<Rejection>()?;
    module.add_class::<Restored>()?;
    module.add_function(wrap_pyfunction!(describe_points, module)?)
}

pub(super) fn parse_precision(word: &str) -> PyResult<Precision> {
    Precision::find(word).ok_or_else(|| {
        PyValueError::new_err(format!(
            "precision must be ns, us, ms, s, m, h or auto, not {word:?}"
        ))
    })
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

#[pyclass(frozen, module = "framecast._core")]
struct StreamParser {
    stream: Mutex<Stream>,
}

#[pymethods]
impl StreamParser {
    #[new]
    #[allow(clippy::too_many_arguments)] // named, in Python
    #[pyo3(signature = (*, max_measurements, max_columns, max_path_bytes, max_packet_bytes, max_push_output_bytes, max_rejections, format))]
    fn new(
        max_measurements: usize,
        max_columns: usize,
        max_path_bytes: usize,
        max_packet_bytes: usize,
        max_push_output_bytes: usize,
        max_rejections: usize,
        format: &str,
    ) -> PyResult<Self> {
        let format = Format::find(format).ok_or_else(|| {
            let names = Format::ALL.map(Format::word).join(", ");
            PyValueError::new_err(format!("format must be one of {names}, not {format:?}"))
        })?;
        let limits = Limits {
            max_measurements,
            max_columns,
            max_path_bytes,
            max_packet_bytes,
            max_push_output_bytes,
            max_rejections,
        };
        Ok(Self {
            stream: Mutex::new(Stream::with_format(format, limits)),
        })
    }

    #[allow(clippy::needless_pass_by_value)] // what pyo3 extracts it owns
    fn push(
        &self,
        py: Python<'_>,
        body: PyBackedBytes,
        received_ns: i64,
        precision: &str,
    ) -> PyResult<PushResult> {
        let precision = parse_precision(precision)?;
        let mut guard = self.enter()?;
        let stream = &mut *guard;
        let outcome = py.detach(|| stream.push(&body, received_ns, precision));
        drop(guard);
        PushResult::new(py, outcome)
    }

    #[pyo3(signature = (*, schemas_bytes, series_bytes))]
    fn allow(&self, schemas_bytes: usize, series_bytes: usize) -> PyResult<()> {
        self.enter()?.allow(Allowance {
            schemas_bytes,
            series_bytes,
        });
        Ok(())
    }

    #[getter]
    fn schemas_bytes(&self) -> PyResult<usize> {
        Ok(self.enter()?.held().schemas_bytes)
    }

    #[getter]
    fn series_bytes(&self) -> PyResult<usize> {
        Ok(self.enter()?.held().series_bytes)
    }

    fn measurements(&self) -> PyResult<Vec<String>> {
        Ok(self.enter()?.measurements().collect())
    }

    fn columns<'py>(&self, py: Python<'py>, path: &str) -> PyResult<Bound<'py, PyBytes>> {
        let text = self.enter()?.columns(path);
        text.map(|text| PyBytes::new(py, &text))
            .ok_or_else(|| PyKeyError::new_err(path.to_owned()))
    }

    fn restore(&self, py: Python<'_>, columns: &[u8]) -> PyResult<Restored> {
        let restored = self.enter()?.restore(columns);
        restored
            .map(|restored| Restored::new(py, &restored))
            .map_err(|error| PyValueError::new_err(error.to_string()))
    }
}

impl StreamParser {
    /// Never waits: a parser that is busy is being misused.
    fn enter(&self) -> PyResult<MutexGuard<'_, Stream>> {
        self.stream
            .try_lock()
            .map_err(|_| PyRuntimeError::new_err("another thread is using this StreamParser, or broke it"))
    }
}

#[pyclass(frozen, get_all, module = "framecast._core")]
struct PushResult {
    accepted: usize,
    rejected: usize,
    rejections: Vec<Py<Rejection>>,
    reasons: Py<PyDict>,
    mismatched: usize,
    mismatches: Vec<String>,
    late: usize,
    packets: Vec<Py<Packet>>,
}

impl PushResult {
    fn new(py: Python<'_>, outcome: PushOutcome) -> PyResult<Self> {
        let packets = outcome
            .packets
            .into_iter()
            .map(|packet| Py::new(py, Packet::new(py, packet)));
        Ok(Self {
            accepted: outcome.accepted,
            rejected: outcome.rejected,
            rejections: list_rejections(py, outcome.rejections)?,
            reasons: count_reasons(
                py,
                outcome
                    .reasons
                    .into_iter()
                    .map(|(reason, count)| (reason.word(), count)),
            )?,
            mismatched: outcome.mismatched,
            mismatches: outcome.mismatches,
            late: outcome.late,
            packets: packets.collect::<PyResult<_>>()?,
        })
    }
}

#[pyclass(frozen, module = "framecast._core")]
struct Packet {
    measurement: Arc<str>,
    /// Made once: a channel is looked up by it, again and again.
    #[pyo3(get)]
    path: Py<PyString>,
    #[pyo3(get)]
    payload: Py<PyBytes>,
    #[pyo3(get)]
    schema: Option<Py<PyBytes>>,
    #[pyo3(get)]
    rows: usize,
}

#[pymethods]
impl Packet {
    #[getter]
    fn measurement(&self) -> &str {
        &self.measurement
    }
}

impl Packet {
    /// The one copy that the payload ever sees; the Rust buffer is freed at once.
    fn new(py: Python<'_>, packet: frame::Packet) -> Self {
        Self {
            measurement: packet.measurement,
            path: PyString::new(py, &packet.path).unbind(),
            payload: PyBytes::new(py, &packet.payload).unbind(),
            schema: packet.schema.map(|schema| PyBytes::new(py, &schema).unbind()),
            rows: packet.rows,
        }
    }
}

#[pyclass(frozen, get_all, module = "framecast._core")]
struct Restored {
    measurement: String,
    path: String,
    schema: Py<PyBytes>,
}

impl Restored {
    fn new(py: Python<'_>, restored: &frame::Restored) -> Self {
        Self {
            measurement: restored.measurement.as_ref().to_owned(),
            path: restored.path.as_ref().to_owned(),
            schema: PyBytes::new(py, &restored.schema).unbind(),
        }
    }
}

#[pyclass(frozen, get_all, module = "framecast._core")]
pub(super) struct Rejection {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

/// The first refused lines, or rows, of a body.
pub(super) fn list_rejections<R: Into<Rejection>>(
    py: Python<'_>,
    rejections: Vec<R>,
) -> PyResult<Vec<Py<Rejection>>> {
    let made = rejections
        .into_iter()
        .map(|rejection| Py::new(py, rejection.into()));
    made.collect()
}

/// How many each reason cost, by its word.
pub(super) fn count_reasons(
    py: Python<'_>,
    counts: impl Iterator<Item = (&'static str, usize)>,
) -> PyResult<Py<PyDict>> {
    let reasons = PyDict::new(py);
    for (word, count) in counts {
        reasons.set_item(word, count)?;
    }
    Ok(reasons.unbind())
}

impl From<frame::Rejection> for Rejection {
    fn from(rejection: frame::Rejection) -> Self {
        Self {
            line: rejection.place.line,
            column: rejection.place.column,
            reason: rejection.reason.word(),
            message: rejection.message,
        }
    }
}
