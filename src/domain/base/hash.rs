//! Short hashes: enough to tell two values of one field apart, never a secret.

use data_encoding::BASE32_NOPAD;
use sha2::{Digest, Sha256};

/// Sixteen base32 characters of a SHA-256: enough to tell two values of one field apart.
pub fn short_hash(bytes: &[u8]) -> String {
    let mut text = BASE32_NOPAD.encode(&Sha256::digest(bytes)).to_lowercase();
    text.truncate(16);
    text
}
