//! What this library was built from and for.

use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Commit, source hash, profile and CPU features of this build.
#[pyfunction]
pub fn build_info(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let info = PyDict::new(py);
    info.set_item("commit", env!("FRAMECAST_COMMIT"))?;
    info.set_item("source_hash", env!("FRAMECAST_SOURCE_HASH"))?;
    info.set_item("profile", env!("FRAMECAST_PROFILE"))?;
    info.set_item("cpu_features", cpu_features())?;
    Ok(info)
}

#[cfg(target_arch = "x86_64")]
fn cpu_features() -> Vec<&'static str> {
    let mut found = vec!["sse2"];
    if std::arch::is_x86_feature_detected!("avx2") {
        found.push("avx2");
    }
    found
}

#[cfg(not(target_arch = "x86_64"))]
fn cpu_features() -> Vec<&'static str> {
    Vec::new()
}
