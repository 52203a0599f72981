//! Which addresses does a name have, and which of them may be connected to?
//!
//! Invariants:
//! - What is checked is what is connected to: the answer that passed is handed to the connector, and no second one is
//!   asked for. A name that changes its answer between two connections is judged anew for each.
//! - One forbidden address among open ones is left out; a name with forbidden ones alone is refused.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;
use wellspring_core::limits;

use super::address::{AddressRule, Forbidden, elsewhere};

/// Finds the addresses of a name. Contract for implementors:
///
/// - An answer is the whole one, unfiltered; each call may answer differently.
/// - Dropping the future gives up waiting, though the look-up itself may go on.
#[async_trait]
pub(super) trait Lookup: Send + Sync {
    /// The addresses of one name, in the order to try them.
    async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The system's own resolver.
pub(super) struct SystemLookup {
    places: Arc<Semaphore>,
}

impl SystemLookup {
    pub(super) fn new() -> Self {
        Self { places: Arc::new(Semaphore::new(limits::FETCH_LOOKUPS_MAX)) }
    }
}

#[async_trait]
impl Lookup for SystemLookup {
    async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(io::Error::other)?;
        let name = name.to_owned();
        // A task of its own: the look-up blocks a thread until it is over, even when nobody waits for it any more, and
        // the place must be held as long.
        let looking = tokio::spawn(async move {
            let found =
                tokio::net::lookup_host((name.as_str(), 0)).await.map(|found| found.map(|at| at.ip()).collect());
            drop(place);
            found
        });
        looking.await.map_err(io::Error::other)?
    }
}

/// Resolves names for a client, and lets through only what the rule allows.
pub(super) struct CheckedResolver {
    pub(super) lookup: Arc<dyn Lookup>,
    /// `None` lets everything through: for hosts that the operator named.
    pub(super) rule: Option<AddressRule>,
    /// Whether the addresses of this machine are left out, whatever the rule says.
    pub(super) elsewhere: bool,
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (lookup, rule, is_elsewhere) = (Arc::clone(&self.lookup), self.rule, self.elsewhere);
        Box::pin(async move {
            let mut found = lookup.lookup(name.as_str()).await?;
            found.truncate(limits::FETCH_ADDRESSES_MAX);
            let open = match rule {
                Some(rule) => open_ones(found, rule)?,
                None => found,
            };
            let open = if is_elsewhere { open_ones(open, elsewhere)? } else { open };
            // Port 0 stands for the port of the request.
            let open: Addrs = Box::new(open.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(open)
        })
    }
}

pub(super) fn open_ones(found: Vec<IpAddr>, rule: AddressRule) -> Result<Vec<IpAddr>, Forbidden> {
    let mut why = None;
    let mut open = found;
    open.retain(|&address| rule(address).map_err(|forbidden| why = why.or(Some(forbidden))).is_ok());
    match why {
        Some(forbidden) if open.is_empty() => Err(forbidden),
        _ => Ok(open),
    }
}

#[cfg(test)]
mod tests {
    use super::super::address::public;
    use super::*;

    fn addresses(written: &[&str]) -> Vec<IpAddr> {
        written.iter().map(|address| address.parse().unwrap()).collect()
    }

    #[test]
    fn forbidden_addresses_are_left_out_and_refused_when_alone() {
        let mixed = addresses(&["127.0.0.1", "1.1.1.1", "fd00::1", "2606:4700::1111", "169.254.169.254"]);
        assert_eq!(open_ones(mixed, public).unwrap(), addresses(&["1.1.1.1", "2606:4700::1111"]));
        assert!(open_ones(addresses(&["10.0.0.1", "::1"]), public).is_err());
        assert_eq!(open_ones(Vec::new(), public).unwrap(), Vec::<IpAddr>::new());
    }
}
