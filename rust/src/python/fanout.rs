//! `Fanout`, `Event` and `FanoutStatistics` as Python sees them.
//!
//! Every method gives up the GIL: each takes a lock that the writer thread or another publisher may hold for
//! a moment.

use std::os::fd::AsRawFd;

use pyo3::prelude::*;

use crate::fanout;
use crate::wire::{Form, Protocol};

/// Add the classes to the module.
///
/// # Errors
/// When a class cannot be made, which only a broken interpreter does.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Event>()?;
    module.add_class::<FanoutStatistics>()?;
    module.add_class::<Fanout>()
}

#[pyclass(frozen, module = "framecast._core")]
struct Event(fanout::Event);

#[pymethods]
impl Event {
    #[getter]
    fn connection(&self) -> u64 {
        self.0.connection
    }

    #[getter]
    fn kind(&self) -> &'static str {
        match self.0.kind {
            fanout::Kind::Overflow => "overflow",
            fanout::Kind::Broken => "broken",
            fanout::Kind::Released => "released",
        }
    }

    fn __repr__(&self) -> String {
        format!("<Event {} {}>", self.0.connection, self.kind())
    }
}

#[pyclass(frozen, module = "framecast._core")]
struct FanoutStatistics(fanout::Statistics);

#[pymethods]
impl FanoutStatistics {
    #[getter]
    fn connections(&self) -> usize {
        self.0.connections
    }

    #[getter]
    fn subscriptions(&self) -> usize {
        self.0.subscriptions
    }

    #[getter]
    fn channels(&self) -> usize {
        self.0.channels
    }

    #[getter]
    fn queued_bytes(&self) -> usize {
        self.0.queued_bytes
    }

    #[getter]
    fn deliveries(&self) -> u64 {
        self.0.deliveries
    }

    #[getter]
    fn sent_bytes(&self) -> u64 {
        self.0.sent_bytes
    }

    #[getter]
    fn send_calls(&self) -> u64 {
        self.0.send_calls
    }

    #[getter]
    fn overflows(&self) -> u64 {
        self.0.overflows
    }
}

#[pyclass(frozen, module = "framecast._core")]
struct Fanout(fanout::Fanout);

#[pymethods]
impl Fanout {
    #[new]
    fn new() -> PyResult<Fanout> {
        Ok(Fanout(fanout::Fanout::new()?))
    }

    #[getter]
    fn event_fd(&self) -> i32 {
        self.0.event_fd().as_raw_fd()
    }

    fn take_events(&self, py: Python<'_>) -> Vec<Event> {
        let events = py.detach(|| self.0.take_events());
        events.into_iter().map(Event).collect()
    }

    fn add(&self, py: Python<'_>, fd: i32, max_queue_bytes: usize) -> PyResult<u64> {
        Ok(py.detach(|| self.0.add(fd, max_queue_bytes))?)
    }

    fn send(&self, py: Python<'_>, connection: u64, data: &[u8]) -> bool {
        py.detach(|| self.0.send(connection, data))
    }

    fn send_message(&self, py: Python<'_>, connection: u64, payload: &[u8]) -> bool {
        py.detach(|| self.0.send_message(connection, payload))
    }

    fn subscribe(&self, py: Python<'_>, connection: u64, channel: &str, spelling: &str) {
        let form = Form {
            protocol: Protocol::Json,
            spelling: spelling.into(),
        };
        py.detach(|| self.0.subscribe(connection, channel, form));
    }

    fn unsubscribe(&self, py: Python<'_>, connection: u64, channel: &str) {
        py.detach(|| self.0.unsubscribe(connection, channel));
    }

    fn publish(&self, py: Python<'_>, channel: &str, data: &[u8], offset: u64) -> usize {
        py.detach(|| self.0.publish(channel, data, offset))
    }

    fn leave(&self, py: Python<'_>, connection: u64) {
        py.detach(|| self.0.leave(connection));
    }

    fn finish(&self, py: Python<'_>, connection: u64) {
        py.detach(|| self.0.finish(connection));
    }

    fn remove(&self, py: Python<'_>, connection: u64) {
        py.detach(|| self.0.remove(connection));
    }

    fn queued_bytes(&self, py: Python<'_>, connection: u64) -> usize {
        py.detach(|| self.0.queued_bytes(connection))
    }

    fn statistics(&self, py: Python<'_>) -> FanoutStatistics {
        FanoutStatistics(py.detach(|| self.0.statistics()))
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| self.0.close());
    }
}
