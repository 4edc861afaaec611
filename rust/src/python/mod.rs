//! The Python face of the crate, and the only room that sees pyo3: conversions and GIL release, no logic.
//!
//! What is public here is documented in `python/framecast/_core.pyi`.

mod arrow;
mod build_info;
mod fanout;
mod json_rows;
mod load;
mod parser;
mod tls;
mod websocket;
mod window;

use pyo3::prelude::*;

/// The compiled module `framecast._core`.
///
/// # Errors
/// When a class cannot be registered, which only a broken interpreter does.
#[pymodule]
pub fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(build_info::build_info, module)?)?;
    arrow::register(module)?;
    parser::register(module)?;
    json_rows::register(module)?;
    window::register(module)?;
    websocket::register(module)?;
    fanout::register(module)?;
    tls::register(module)?;
    load::register(module)?;
    Ok(())
}
