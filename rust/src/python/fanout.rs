//! `Fanout`, `Event` and `FanoutStatistics` as Python sees them.
//!
//! Every method gives up the GIL: each takes a lock that the writer thread or another publisher may hold for
//! a moment, and some make a system call that sends.

use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};

use super::tls::TlsSession;
use crate::fanout::{self, Subscription, Terms};
use crate::wire::{Announcement, ClientInfo, Framing, Publication, Reader};

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
        kind_name(self.0.kind)
    }

    fn __repr__(&self) -> String {
        format!("<Event {} {}>", self.0.connection, self.kind())
    }
}

fn kind_name(kind: fanout::Kind) -> &'static str {
    match kind {
        fanout::Kind::Overflow => "overflow",
        fanout::Kind::Stalled => "stalled",
        fanout::Kind::Broken => "broken",
        fanout::Kind::Released => "released",
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
    fn total_bytes(&self) -> usize {
        self.0.total_bytes
    }

    #[getter]
    fn deliveries(&self) -> u64 {
        self.0.deliveries
    }

    #[getter]
    fn encodings(&self) -> u64 {
        self.0.encodings
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
    fn conflated(&self) -> u64 {
        self.0.conflated
    }

    #[getter]
    fn overflows(&self) -> u64 {
        self.0.overflows
    }

    #[getter]
    fn stalls(&self) -> u64 {
        self.0.stalls
    }
}

/// User, client, and what goes with the connection and with the channel.
type Info = (PyBackedStr, PyBackedStr, PyBackedBytes, PyBackedBytes);

fn client_info((user, client, conn_info, chan_info): &Info) -> ClientInfo<'_> {
    ClientInfo {
        user,
        client,
        conn_info,
        chan_info,
    }
}

fn parse_framing(protocol: &str, framing: &str) -> PyResult<Framing> {
    match (protocol, framing) {
        ("json", "websocket") => Ok(Framing::TextMessages),
        ("json", "stream") => Ok(Framing::Lines),
        ("json", "sse") => Ok(Framing::Events),
        ("protobuf", "websocket") => Ok(Framing::BinaryMessages),
        ("protobuf", "stream") => Ok(Framing::Delimited),
        _ => Err(PyValueError::new_err(format!(
            "no {protocol:?} in {framing:?}: \"json\" goes in \"websocket\", \"stream\" and \"sse\", \"protobuf\" in \
             \"websocket\" and \"stream\""
        ))),
    }
}

fn parse_limit(write_seconds: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(write_seconds)
        .ok()
        .filter(|limit| !limit.is_zero())
        .ok_or_else(|| {
            PyValueError::new_err(format!(
                "write_seconds must be a finite number of seconds above 0, not {write_seconds}"
            ))
        })
}

#[pyclass(frozen, module = "framecast._core")]
struct Fanout(fanout::Fanout);

#[pymethods]
impl Fanout {
    #[new]
    #[pyo3(signature = (*, max_total_bytes, coalesce_seconds = 0.0))]
    fn new(max_total_bytes: usize, coalesce_seconds: f64) -> PyResult<Fanout> {
        let window = Duration::try_from_secs_f64(coalesce_seconds).map_err(|_| {
            PyValueError::new_err(format!(
                "coalesce_seconds must be a finite number of seconds, 0 or more, not {coalesce_seconds}"
            ))
        })?;
        Ok(Fanout(fanout::Fanout::with_window(max_total_bytes, window)?))
    }

    #[getter]
    fn event_fd(&self) -> i32 {
        self.0.event_fd().as_raw_fd()
    }

    fn take_events(&self, py: Python<'_>) -> Vec<Event> {
        let events = py.detach(|| self.0.take_events());
        events.into_iter().map(Event).collect()
    }

    #[pyo3(signature = (
        fd, max_queue_bytes, *, protocol = "json", framing = "websocket", unidirectional = false, write_seconds,
        tls = None
    ))]
    #[allow(clippy::too_many_arguments)] // keywords, in Python
    fn add(
        &self,
        py: Python<'_>,
        fd: i32,
        max_queue_bytes: usize,
        protocol: &str,
        framing: &str,
        unidirectional: bool,
        write_seconds: f64,
        tls: Option<PyRef<'_, TlsSession>>,
    ) -> PyResult<u64> {
        let terms = Terms {
            reader: Reader {
                framing: parse_framing(protocol, framing)?,
                unidirectional,
            },
            max_queue_bytes,
            write_limit: parse_limit(write_seconds)?,
        };
        let session = tls.map(|tls| Arc::clone(&tls.0));
        Ok(py.detach(|| match session {
            None => self.0.add(fd, terms),
            Some(session) => self.0.add_secured(fd, terms, session),
        })?)
    }

    fn speak(&self, py: Python<'_>, connection: u64) {
        py.detach(|| self.0.speak(connection));
    }

    fn send(&self, py: Python<'_>, connection: u64, data: &[u8]) -> bool {
        py.detach(|| self.0.send(connection, data))
    }

    fn send_message(&self, py: Python<'_>, connection: u64, payload: &[u8]) -> bool {
        py.detach(|| self.0.send_message(connection, payload))
    }

    #[pyo3(signature = (
        connection, channel, spelling, *, delta = false, events = false, detailed = false, conflate = false
    ))]
    #[allow(clippy::too_many_arguments, clippy::fn_params_excessive_bools)] // keywords, in Python
    fn subscribe(
        &self,
        py: Python<'_>,
        connection: u64,
        channel: &str,
        spelling: &str,
        delta: bool,
        events: bool,
        detailed: bool,
        conflate: bool,
    ) {
        let subscription = Subscription {
            spelling: spelling.into(),
            events,
            delta,
            detailed,
            conflate,
        };
        py.detach(|| self.0.subscribe(connection, channel, subscription));
    }

    fn unsubscribe(&self, py: Python<'_>, connection: u64, channel: &str) {
        py.detach(|| self.0.unsubscribe(connection, channel));
    }

    #[pyo3(signature = (channel, data, offset, info = None, *, detail = None, brings_schema = false))]
    #[allow(clippy::too_many_arguments)] // keywords, in Python
    #[allow(clippy::needless_pass_by_value)] // pyo3 hands arguments over
    fn publish(
        &self,
        py: Python<'_>,
        channel: &str,
        data: &[u8],
        offset: u64,
        info: Option<Info>,
        detail: Option<&[u8]>,
        brings_schema: bool,
    ) -> usize {
        let publication = Publication {
            payload: data,
            detail,
            offset,
            info: info.as_ref().map(client_info),
            brings_schema,
        };
        py.detach(|| self.0.publish(channel, &publication))
    }

    #[allow(clippy::needless_pass_by_value)] // pyo3 hands arguments over
    fn announce(&self, py: Python<'_>, channel: &str, joined: bool, info: Info) -> usize {
        let announcement = if joined {
            Announcement::Join
        } else {
            Announcement::Leave
        };
        py.detach(|| self.0.announce(channel, announcement, &client_info(&info)))
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

    fn find_cut(&self, py: Python<'_>, connection: u64) -> Option<&'static str> {
        py.detach(|| self.0.find_cut(connection)).map(kind_name)
    }

    fn queued_bytes(&self, py: Python<'_>, connection: u64) -> usize {
        py.detach(|| self.0.queued_bytes(connection))
    }

    #[getter]
    fn at_rest(&self) -> bool {
        self.0.is_at_rest()
    }

    #[getter]
    fn waiting_bytes(&self) -> usize {
        self.0.waiting_bytes()
    }

    fn statistics(&self, py: Python<'_>) -> FanoutStatistics {
        FanoutStatistics(py.detach(|| self.0.statistics()))
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| self.0.close());
    }
}
