//! The credential of a connection: the Secret and the token in it.

use super::diagnosis::{Cure, Diagnosis};
use crate::api::Reason;

/// The token in the value of a Secret's key, without white space at the ends.
///
/// # Errors
///
/// When the key is missing or empty, or holds characters that no API token has.
pub fn token(secret: &str, key: &str, bytes: Option<&[u8]>) -> Result<String, Diagnosis> {
    let wrong = |message: String| Diagnosis::new(Reason::SecretKeyMissing, Cure::Person, message);
    let bytes = bytes.ok_or_else(|| wrong(format!("Secret {secret} has no key {key}")))?;
    let text = std::str::from_utf8(bytes).map_err(|_| wrong(format!("key {key} of Secret {secret} is not text")))?;
    let token = text.trim();
    if token.is_empty() {
        return Err(wrong(format!("key {key} of Secret {secret} is empty")));
    }
    if token
        .chars()
        .any(|c| c.is_control() || c.is_whitespace() || !c.is_ascii())
    {
        return Err(wrong(format!(
            "key {key} of Secret {secret} holds characters that no API token has"
        )));
    }
    Ok(token.to_owned())
}

/// The Secret does not exist.
pub fn secret_not_found(namespace: &str, secret: &str) -> Diagnosis {
    Diagnosis::new(
        Reason::SecretNotFound,
        Cure::Person,
        format!("Secret {namespace}/{secret} does not exist"),
    )
}

/// The operator may not read the Secret.
pub fn secret_forbidden(namespace: &str, secret: &str) -> Diagnosis {
    let message = format!(
        "the operator may not read Secret {namespace}/{secret}: grant its service account get on it in this namespace"
    );
    Diagnosis::new(Reason::SecretForbidden, Cure::Person, message)
}

/// `spec.auth` has no member that this version of the operator knows.
pub fn auth_missing() -> Diagnosis {
    Diagnosis::new(
        Reason::UnrecognisedValue,
        Cure::Spec,
        "spec.auth must have exactly one of: basic",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_trimmed_and_printable() {
        assert_eq!(token("s", "k", Some(b"abc\n")).unwrap(), "abc");
        for bad in [
            None,
            Some(&b""[..]),
            Some(b"\n"),
            Some(b"a\nb"),
            Some(b"a\x00b"),
            Some(b"\xff"),
        ] {
            let diagnosis = token("s", "k", bad).unwrap_err();
            assert_eq!(diagnosis.fault.reason, Reason::SecretKeyMissing);
            assert!(diagnosis.fault.message.contains("Secret s"));
        }
    }
}
