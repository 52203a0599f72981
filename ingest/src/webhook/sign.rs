//! How does a receiver know that a message is ours, and that nobody changed it?
//!
//! The form of Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`, in base64, behind `v1,`; the secret is shown as
//! `whsec_` and base64.
//!
//! Invariants:
//! - A secret is 32 bytes of the system's randomness.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use wellspring_core::webhook::WebhookSecret;

/// What a secret begins with where people see it.
const SECRET_PREFIX: &str = "whsec_";

/// Random bytes; `None` where the system has none.
pub(crate) fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(bytes)
}

/// A secret as its owner gets it.
pub(super) fn shown(secret: &WebhookSecret) -> String {
    format!("{SECRET_PREFIX}{}", STANDARD.encode(secret.as_bytes()))
}

/// The header `webhook-signature` of a message: one signature for each secret, with spaces between them.
pub(super) fn signatures<'s>(
    secrets: impl Iterator<Item = &'s WebhookSecret>,
    id: &str,
    timestamp_s: i64,
    body: &[u8],
) -> String {
    let each = secrets.map(|secret| signature(secret, id, timestamp_s, body));
    each.collect::<Vec<_>>().join(" ")
}

fn signature(secret: &WebhookSecret, id: &str, timestamp_s: i64, body: &[u8]) -> String {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()));
    context.update(format!("{id}.{timestamp_s}.").as_bytes());
    context.update(body);
    format!("v1,{}", STANDARD.encode(context.sign()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_signed_as_the_form_says() {
        let secret = WebhookSecret::from_bytes(*b"0123456789abcdef0123456789abcdef");
        assert_eq!(shown(&secret), "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=");
        // Computed with another library.
        let expected = "v1,rkwp5YuvdrMkcu0ZhuMsXoTg44mHAr1Q0+FFgFpXsjY=";
        assert_eq!(signature(&secret, "msg_1", 1_700_000_000, b"{\"a\":1}"), expected);
        assert_ne!(signature(&secret, "msg_2", 1_700_000_000, b"{\"a\":1}"), expected);
        assert_ne!(signature(&secret, "msg_1", 1_700_000_001, b"{\"a\":1}"), expected);
        assert_ne!(signature(&secret, "msg_1", 1_700_000_000, b"{\"a\":2}"), expected);
    }

    #[test]
    fn randomness_does_not_repeat() {
        assert_ne!(random::<32>().unwrap(), random::<32>().unwrap());
    }
}
