//! Where the control plane's binaries are.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::Result;

/// The root of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .expect("the crate lies inside the repository")
}

/// A directory with `etcd` and `kube-apiserver`; builds them the first time, with progress on standard error.
///
/// The order is that of `tests/cluster/build.sh`: `KUBEBUILDER_ASSETS`, the user's cache, a build.
pub fn locate() -> Result<PathBuf> {
    let script = repository().join("tests/cluster/build.sh");
    let output = Command::new(&script)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot run {}: {error}", script.display()))?;
    let text = String::from_utf8(output.stdout)?;
    match text.lines().last() {
        Some(dir) if output.status.success() => Ok(PathBuf::from(dir)),
        _ => Err(format!("{} ended with {}", script.display(), output.status).into()),
    }
}
