//! Which texts is the other lane embedding right now?
//!
//! Two lanes embed side by side, and the catalog knows a vector only once its batch is staged. In between it is here.
//!
//! Invariants:
//! - A text is embedded once in a space (I-9): a key belongs to the first batch that takes it, until that batch is
//!   staged; another one waits for its vector.
//! - Nobody waits in a circle: a batch computes what is its own before it waits for what is another's.
//! - A batch that gives up lets go of its keys, and whoever waited computes them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use wellspring_core::chunk::EmbeddingKey;
use wellspring_core::embedding::Embedding;

/// The keys that some batch has taken.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    keys: Mutex<HashMap<EmbeddingKey, watch::Receiver<Option<Embedding>>>>,
}

/// Keys that a batch has taken; dropping this lets go of them.
#[derive(Debug)]
pub(crate) struct Taken {
    in_flight: Arc<InFlight>,
    keys: HashMap<EmbeddingKey, watch::Sender<Option<Embedding>>>,
}

/// A vector that another batch is computing.
#[derive(Debug)]
pub(crate) struct Awaited(watch::Receiver<Option<Embedding>>);

impl InFlight {
    /// Takes the keys that nobody has; the others come back to be waited for.
    pub(crate) fn take(self: &Arc<Self>, wanted: &[EmbeddingKey]) -> (Taken, Vec<(EmbeddingKey, Awaited)>) {
        let mut keys = self.keys();
        let mut taken = Taken { in_flight: self.clone(), keys: HashMap::new() };
        let mut awaited = Vec::new();
        for key in wanted {
            if taken.keys.contains_key(key) {
                continue;
            }
            if let Some(receiver) = keys.get(key) {
                awaited.push((*key, Awaited(receiver.clone())));
            } else {
                let (sender, receiver) = watch::channel(None);
                keys.insert(*key, receiver);
                taken.keys.insert(*key, sender);
            }
        }
        (taken, awaited)
    }

    fn keys(&self) -> MutexGuard<'_, HashMap<EmbeddingKey, watch::Receiver<Option<Embedding>>>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Takes more keys into the same hands.
    pub(crate) fn join(&mut self, mut more: Self) {
        self.keys.extend(std::mem::take(&mut more.keys));
    }

    /// Whether a key is in these hands.
    pub(crate) fn holds(&self, key: &EmbeddingKey) -> bool {
        self.keys.contains_key(key)
    }

    /// Whether another batch waits for a taken key.
    pub(crate) fn is_awaited(&self, key: &EmbeddingKey) -> bool {
        // One receiver is the register's own.
        self.keys.get(key).is_some_and(|sender| sender.receiver_count() > 1)
    }

    /// Tells whoever waits what a taken key's vector is.
    pub(crate) fn tell(&self, key: &EmbeddingKey, embedding: &Embedding) {
        if let Some(sender) = self.keys.get(key) {
            sender.send_replace(Some(embedding.clone()));
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut keys = self.in_flight.keys();
        for key in self.keys.keys() {
            keys.remove(key);
        }
    }
}

impl Awaited {
    /// The vector, once it is computed; `None` when its batch gave up.
    pub(crate) async fn vector(mut self) -> Option<Embedding> {
        self.0.wait_for(Option::is_some).await.ok().and_then(|vector| vector.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> EmbeddingKey {
        EmbeddingKey::of(text)
    }

    fn direction() -> Embedding {
        Embedding::new(vec![1.0, 0.0]).unwrap()
    }

    #[tokio::test]
    async fn i9_a_key_has_one_owner_and_the_others_get_its_vector() {
        let in_flight = Arc::new(InFlight::default());
        let (first, awaited) = in_flight.take(&[key("a"), key("b"), key("a")]);
        assert!(awaited.is_empty() && first.holds(&key("a")));
        let (second, awaited) = in_flight.take(&[key("b"), key("c")]);
        assert!(!second.holds(&key("b")) && second.holds(&key("c")));
        assert!(first.is_awaited(&key("b")) && !first.is_awaited(&key("a")));
        first.tell(&key("b"), &direction());
        // Told before its owner let go: still there to be had.
        drop(first);
        let (waited_for, vector) = awaited.into_iter().next().unwrap();
        assert_eq!((waited_for, vector.vector().await), (key("b"), Some(direction())));
    }

    #[tokio::test]
    async fn a_batch_that_gives_up_lets_go() {
        let in_flight = Arc::new(InFlight::default());
        let (first, _) = in_flight.take(&[key("a")]);
        let (_, mut awaited) = in_flight.take(&[key("a")]);
        drop(first);
        assert_eq!(awaited.remove(0).1.vector().await, None);
        assert!(in_flight.take(&[key("a")]).0.holds(&key("a")));
    }
}
