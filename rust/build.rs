//! Records what the library was built from, so that a stale build cannot pass for the tree's.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn main() {
    println!("cargo:rerun-if-changed=src");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=Cargo.toml");
    println!("cargo:rerun-if-changed=../.git/HEAD");
    println!("cargo:rerun-if-changed=../.git/logs/HEAD");
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").unwrap_or_default());
    let mut files = vec![root.join("Cargo.toml"), root.join("build.rs")];
    collect(&root.join("src"), &mut files);
    println!(
        "cargo:rustc-env=FRAMECAST_SOURCE_HASH={:016x}",
        hash(&root, files)
    );
    println!("cargo:rustc-env=FRAMECAST_COMMIT={}", commit(&root));
    println!(
        "cargo:rustc-env=FRAMECAST_PROFILE={}",
        env::var("PROFILE").unwrap_or_default()
    );
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
}

/// FNV-1a over each file's relative name, a NUL, its bytes and another NUL, in the order of the names.
/// tests/conftest.py computes the same.
fn hash(root: &Path, files: Vec<PathBuf>) -> u64 {
    let mut named: Vec<(String, PathBuf)> = files
        .into_iter()
        .map(|path| {
            let name = path
                .strip_prefix(root)
                .unwrap_or(&path)
                .to_string_lossy()
                .into_owned();
            (name, path)
        })
        .collect();
    named.sort();
    let mut state = 0xcbf2_9ce4_8422_2325_u64;
    for (name, path) in named {
        let content = fs::read(path).unwrap_or_default();
        for byte in name.bytes().chain([0]).chain(content).chain([0]) {
            state = (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    state
}

fn commit(root: &Path) -> String {
    Command::new("git")
        .args(["rev-parse", "--short=12", "HEAD"])
        .current_dir(root)
        .output()
        .ok()
        .filter(|output| output.status.success())
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .map_or_else(|| "unknown".to_owned(), |text| text.trim().to_owned())
}
