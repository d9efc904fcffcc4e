//! What could not be checked, counted.

use std::io::Write;

/// Says that something was not checked because its input is not at hand. Also noted in the file that `JFO_SKIPPED`
/// names, so that a whole run can count it at its end.
pub fn skipped(what: &str) {
    eprintln!("SKIPPED: {what}");
    let Some(path) = std::env::var_os("JFO_SKIPPED") else {
        return;
    };
    let noted = std::fs::OpenOptions::new().create(true).append(true).open(path);
    if let Err(error) = noted.and_then(|mut file| writeln!(file, "{what}")) {
        eprintln!("and that could not be noted: {error}");
    }
}
