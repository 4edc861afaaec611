//! `TlsServer` and `TlsSession` as Python sees them.

use std::io::IoSlice;
use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::tls::{Fault, Oldest, Server, Session};

/// Add this room's part of the module.
pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<TlsServer>()?;
    module.add_class::<TlsSession>()
}

#[allow(clippy::needless_pass_by_value)] // for map_err
fn to_value_error(fault: Fault) -> PyErr {
    PyValueError::new_err(fault.to_string())
}

#[pyclass(frozen, module = "framecast._core")]
struct TlsServer(Server);

#[pymethods]
impl TlsServer {
    #[new]
    #[pyo3(signature = (certificates, key, *, oldest = "1.2"))]
    fn new(certificates: Vec<Vec<u8>>, key: Vec<u8>, oldest: &str) -> PyResult<TlsServer> {
        let oldest = match oldest {
            "1.2" => Oldest::Tls12,
            "1.3" => Oldest::Tls13,
            other => {
                return Err(PyValueError::new_err(format!(
                    "no TLS {other:?}: \"1.2\" and \"1.3\" are spoken"
                )));
            }
        };
        Server::new(certificates, key, oldest)
            .map(TlsServer)
            .map_err(to_value_error)
    }

    fn begin(&self) -> PyResult<TlsSession> {
        let session = self.0.begin().map_err(to_value_error)?;
        Ok(TlsSession(Arc::new(session)))
    }
}

#[pyclass(frozen, module = "framecast._core")]
pub(super) struct TlsSession(pub(super) Arc<Session>);

#[pymethods]
impl TlsSession {
    fn receive<'py>(&self, py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let plaintext = py.detach(|| self.0.receive(data)).map_err(to_value_error)?;
        Ok(PyBytes::new(py, &plaintext))
    }

    fn seal<'py>(&self, py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let mut sealed = Vec::new();
        py.detach(|| self.0.seal(&[IoSlice::new(data)], &mut sealed))
            .map_err(to_value_error)?;
        Ok(PyBytes::new(py, &sealed))
    }

    fn take_output<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let mut output = Vec::new();
        py.detach(|| self.0.take_output(&mut output));
        PyBytes::new(py, &output)
    }

    fn part(&self, py: Python<'_>) {
        py.detach(|| self.0.part());
    }

    #[getter]
    fn speaks(&self) -> bool {
        self.0.speaks()
    }

    #[getter]
    fn ended(&self) -> bool {
        self.0.has_ended()
    }

    #[getter]
    fn handshaking(&self, py: Python<'_>) -> bool {
        py.detach(|| self.0.is_handshaking())
    }

    #[getter]
    fn protocol(&self, py: Python<'_>) -> Option<String> {
        py.detach(|| self.0.protocol())
    }
}
