//! Which hubs tell us that a source has changed, and do they still?
//!
//! WebSub: a feed names a hub; we ask the hub to tell a callback of ours when the feed changes.
//!
//! Invariants:
//! - What comes to a callback is believed only so far: its signature says that a visit is worth it, and the visit reads
//!   the source itself.
//! - A callback is found by a token that nobody can guess, and tells nothing to who has none.

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::catalog::CatalogError;
use crate::source::SourceName;

/// 32 random bytes, written as 64 hexadecimal digits. They never appear in `Debug` output.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Unguessable([u8; 32]);

impl Unguessable {
    /// Takes 32 random bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// As written.
    pub fn to_hexadecimal(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for Unguessable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unguessable(***)")
    }
}

impl FromStr for Unguessable {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let digits = text.as_bytes();
        if digits.len() != 64 || !digits.iter().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte)) {
            return Err(());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(drop)?;
            *byte = u8::from_str_radix(pair, 16).map_err(drop)?;
        }
        Ok(Self(bytes))
    }
}

/// What was asked of a hub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionSettings {
    /// The hub's address.
    pub hub: String,
    /// What the hub tells of, as the source names itself.
    pub topic: String,
    /// Where it tells us.
    pub callback: String,
    /// Host names that may lie in a private network: those of the source.
    #[serde(default)]
    pub private_hosts: Vec<String>,
}

/// Where a subscription is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionState {
    /// No address is known under which hubs reach us, or no outgoing connection may be opened: the source is polled.
    Off,
    /// The hub was asked, or will be; the source is polled.
    Asked,
    /// The hub tells us until the lease ends.
    Active,
    /// The hub is asked to stop.
    Ending,
}

/// How a subscription fares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionProgress {
    /// Where it is.
    pub state: SubscriptionState,
    /// Until when the hub tells us.
    pub lease_until: Option<Timestamp>,
    /// Requests since the hub last confirmed something.
    pub attempts: u32,
    /// When the hub was asked last.
    pub asked_at: Option<Timestamp>,
    /// When it is asked next: to begin, to go on, or to stop; `None` once it was given up.
    pub next_attempt_at: Option<Timestamp>,
    /// Why the last request came to nothing.
    pub last_error: Option<String>,
}

/// A subscription as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionRecord {
    /// The part of its callback that nobody can guess.
    pub token: Unguessable,
    /// The source that it is for.
    pub source: SourceName,
    /// What was asked.
    pub settings: SubscriptionSettings,
    /// What the hub signs with.
    pub secret: Unguessable,
    /// How it fares.
    pub progress: SubscriptionProgress,
}

/// Keeps subscriptions. Contract for implementors: every change is durable when the call returns.
#[async_trait]
pub trait SubscriptionStore: Send + Sync {
    /// All subscriptions, by source.
    async fn subscriptions(&self) -> Result<Vec<SubscriptionRecord>, CatalogError>;

    /// Keeps a subscription, in place of the one with its token.
    async fn put_subscription(&self, record: &SubscriptionRecord) -> Result<(), CatalogError>;

    /// Forgets a subscription; whether there was one.
    async fn remove_subscription(&self, token: &Unguessable) -> Result<bool, CatalogError>;
}

/// A subscription as the owner of its source sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionInfo {
    /// The hub that the source names.
    pub hub: String,
    /// Where it is.
    pub state: SubscriptionState,
    /// Until when the hub tells us.
    pub lease_until: Option<Timestamp>,
    /// Why it is not active, or what stands in its way.
    pub note: Option<String>,
}

/// What a hub wants to know before it does what somebody asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HubQuestion {
    /// Whether this topic is to be told, for so many seconds.
    Subscribe {
        /// The topic.
        topic: String,
        /// The lease, where the hub names one.
        lease_seconds: Option<u64>,
    },
    /// Whether this topic is to be told no more.
    Unsubscribe {
        /// The topic.
        topic: String,
    },
    /// Nothing: it will not tell this topic.
    Denied {
        /// The topic.
        topic: String,
    },
}

/// Answers hubs. Contract for implementors: nothing is told to who does not bring the token of a subscription.
#[async_trait]
pub trait HubCallbacks: Send + Sync {
    /// Whether there is such a subscription: nobody's body is read for another one.
    fn knows(&self, token: &Unguessable) -> bool;

    /// Whether the hub is right; durable when it returns.
    async fn confirm(&self, token: &Unguessable, question: HubQuestion) -> Result<bool, CatalogError>;

    /// Takes what a hub tells. Where the signature is the hub's, the source is visited, soon and not too often;
    /// otherwise nothing happens, and the hub is not told which.
    async fn told(&self, token: &Unguessable, signature: Option<String>, body: Vec<u8>);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_can_guess_is_read_as_it_is_written_and_never_printed() {
        let token = Unguessable::from_bytes([0xa7; 32]);
        assert_eq!(token.to_hexadecimal(), "a7".repeat(32));
        assert_eq!(token.to_hexadecimal().parse(), Ok(token.clone()));
        assert_eq!(format!("{token:?}"), "Unguessable(***)");
        for wrong in ["", &"a7".repeat(31), &"A7".repeat(32), &"+7".repeat(32), &"é".repeat(32)] {
            assert!(wrong.parse::<Unguessable>().is_err(), "{wrong}");
        }
    }
}
