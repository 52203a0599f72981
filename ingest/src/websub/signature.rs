//! Is this what the hub sent?
//!
//! Invariants:
//! - Compared in constant time; a method that is not known is no signature.

use ring::hmac;
use wellspring_core::websub::Unguessable;

/// Whether a header `X-Hub-Signature` (`method=hexadecimal`) is right for this body.
pub(super) fn is_right(secret: &Unguessable, header: &str, body: &[u8]) -> bool {
    let Some((method, digits)) = header.trim().split_once('=') else { return false };
    let algorithm = match method.to_ascii_lowercase().as_str() {
        // Old hubs know no other; forging it needs the secret as with the others.
        "sha1" => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        "sha256" => hmac::HMAC_SHA256,
        "sha384" => hmac::HMAC_SHA384,
        "sha512" => hmac::HMAC_SHA512,
        _ => return false,
    };
    let Some(tag) = bytes(digits) else { return false };
    // The hub was given the secret as text, and that text is its key.
    let key = hmac::Key::new(algorithm, secret.to_hexadecimal().as_bytes());
    hmac::verify(&key, body, &tag).is_ok()
}

fn bytes(digits: &str) -> Option<Vec<u8>> {
    let nibble = |digit: u8| char::from(digit).to_digit(16).map(|nibble| nibble as u8);
    // The longest is that of SHA-512.
    if digits.len() > 128 || !digits.len().is_multiple_of(2) {
        return None;
    }
    digits.as_bytes().chunks_exact(2).map(|pair| Some(nibble(pair[0])? << 4 | nibble(pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_of_the_specification_is_checked() {
        let secret = Unguessable::from_bytes([0xa7; 32]);
        // Computed with another library, under the secret's 64 digits.
        for right in [
            "sha1=478f7894715ab47be5a2c891043ae4f8be205b8c",
            "sha256=e9ddf1be4f58356f20e55949654cd597cb41f2011b72331a382acac031b7eb2c",
            "sha384=6584c4f2cab54d0d6f039fa6d80453c72ce65e3af758bbf444bcf717ab64d727c3968f747a703ae1f4512724f8e86592",
            "sha512=c9583065dbe537b3881f2961e8b745b3533b4686c4de3d4bf8250d82ffe089bba0b07916e2dcdd71afbd046ced3276fbb4fe48561a1411737fe57463f1b21636",
        ] {
            assert!(is_right(&secret, right, b"the feed"), "{right}");
            assert!(is_right(&secret, &right.to_ascii_uppercase(), b"the feed"), "{right}");
            assert!(!is_right(&secret, right, b"the feeds"), "{right}");
            assert!(!is_right(&Unguessable::from_bytes([0xa8; 32]), right, b"the feed"), "{right}");
            assert!(!is_right(&secret, &right[..right.len() - 2], b"the feed"), "{right}");
        }
        for wrong in
            ["", "sha256", "sha256=", "md5=00", "sha256=zz", "sha256=0", &format!("sha256={}", "00".repeat(99))]
        {
            assert!(!is_right(&secret, wrong, b"the feed"), "{wrong}");
        }
    }
}
