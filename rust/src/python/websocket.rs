//! WebSocket frames for Python: `FrameReader` and what it tells, and the frames that are said beside the writer.

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::websocket::{Event, Fault, Limits, NO_STATUS, Reader};
use crate::wire::websocket::{self, PING, PONG, TEXT};

/// Add this room's part of the module.
pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<FrameReader>()?;
    module.add_class::<Pinged>()?;
    module.add_class::<Closed>()?;
    module.add_class::<Broken>()?;
    module.add_function(wrap_pyfunction!(text_frame, module)?)?;
    module.add_function(wrap_pyfunction!(ping_frame, module)?)?;
    module.add_function(wrap_pyfunction!(pong_frame, module)?)?;
    module.add_function(wrap_pyfunction!(close_frame, module)?)
}

#[pyclass(module = "framecast._core")]
struct FrameReader {
    reader: Reader,
    /// What was received last and is not read to its end, and how far it is.
    unread: Option<(PyBackedBytes, usize)>,
}

#[pymethods]
impl FrameReader {
    #[new]
    #[pyo3(signature = (*, max_message_bytes, free_fragments, fragment_bytes))]
    fn new(max_message_bytes: usize, free_fragments: usize, fragment_bytes: usize) -> Self {
        Self {
            reader: Reader::new(Limits {
                message_bytes: max_message_bytes,
                free_fragments,
                fragment_bytes,
            }),
            unread: None,
        }
    }

    fn feed(&mut self, data: PyBackedBytes) -> PyResult<()> {
        if self.unread.is_some() {
            return Err(PyRuntimeError::new_err(
                "feed this FrameReader when it has told all events",
            ));
        }
        self.unread = Some((data, 0));
        Ok(())
    }

    fn next_event(&mut self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let Some((data, at)) = &mut self.unread else {
            return Ok(None);
        };
        let told = self.reader.read(&data[*at..]);
        let event = match told {
            Ok((taken, event)) => {
                *at += taken;
                event.map(|event| make_event(py, &event)).transpose()?
            }
            Err(fault) => Some(Broken::make(py, fault)?),
        };
        if event.is_none() {
            self.unread = None;
        }
        Ok(event)
    }

    #[getter]
    fn max_message_bytes(&self) -> usize {
        self.reader.max_message_bytes()
    }

    #[setter]
    fn set_max_message_bytes(&mut self, max_message_bytes: usize) {
        self.reader.limit_message_bytes(max_message_bytes);
    }

    #[getter]
    fn at_rest(&self) -> bool {
        self.unread.is_none() && self.reader.at_rest()
    }

    #[getter]
    fn held_bytes(&self) -> usize {
        let unread = self.unread.as_ref().map_or(0, |(data, at)| data.len() - at);
        self.reader.message_bytes() + unread
    }
}

fn make_event(py: Python<'_>, event: &Event<'_>) -> PyResult<Py<PyAny>> {
    Ok(match *event {
        Event::Message(payload) => PyBytes::new(py, payload).into_any().unbind(),
        Event::Ping(payload) => {
            let payload = PyBytes::new(py, payload).unbind();
            Py::new(py, Pinged { payload })?.into_any()
        }
        Event::Close(code, reason) => {
            let reason = reason.to_owned();
            Py::new(py, Closed { code, reason })?.into_any()
        }
    })
}

#[pyclass(frozen, get_all, module = "framecast._core")]
struct Pinged {
    payload: Py<PyBytes>,
}

#[pyclass(frozen, get_all, module = "framecast._core")]
struct Closed {
    code: u16,
    reason: String,
}

#[pyclass(frozen, get_all, module = "framecast._core")]
struct Broken {
    code: u16,
    reason: &'static str,
}

impl Broken {
    fn make(py: Python<'_>, fault: Fault) -> PyResult<Py<PyAny>> {
        let (code, reason) = (fault.code(), fault.words());
        Ok(Py::new(py, Self { code, reason })?.into_any())
    }
}

#[pyfunction]
fn text_frame<'py>(py: Python<'py>, text: &str) -> Bound<'py, PyBytes> {
    PyBytes::new(py, &websocket::frame(TEXT, text.as_bytes()))
}

#[pyfunction]
fn ping_frame(py: Python<'_>) -> Bound<'_, PyBytes> {
    PyBytes::new(py, &websocket::frame(PING, b""))
}

#[pyfunction]
fn pong_frame<'py>(py: Python<'py>, payload: &[u8]) -> Bound<'py, PyBytes> {
    PyBytes::new(py, &websocket::frame(PONG, payload))
}

#[pyfunction]
fn close_frame<'py>(py: Python<'py>, code: u16, reason: &str) -> Bound<'py, PyBytes> {
    let code = Some(code).filter(|&code| code != NO_STATUS);
    PyBytes::new(py, &websocket::close_frame(code, reason))
}
