//! What do sources say about hubs, and what do they learn of it?

use jiff::Timestamp;
use wellspring_core::source::{Origin, SourceName, SourceSettings, Visit};
use wellspring_core::websub::{SubscriptionInfo, SubscriptionState};

use super::{Hubs, Named};
use crate::source::registry::HubWatcher;

impl HubWatcher for Hubs {
    fn visited(&self, settings: &SourceSettings, visit: &Visit) {
        let named = visit.hub.as_ref().zip(topic(settings, visit)).map(|(hub, topic)| Named {
            hub: hub.clone(),
            topic,
            private_hosts: settings.private_hosts.clone(),
        });
        let mut state = self.inner.state();
        // A visit that did not reach the source says nothing about its hub, and most sources never had one.
        let says_nothing = !visit.complete || state.of_source(&settings.name).is_none();
        if named.is_none() && says_nothing {
            return;
        }
        state.said.insert(settings.name.clone(), named);
        drop(state);
        self.inner.wake.notify_one();
    }

    fn rests(&self, source: &SourceName) {
        self.inner.state().said.insert(source.clone(), None);
        self.inner.wake.notify_one();
    }

    fn told_until(&self, source: &SourceName) -> Option<Timestamp> {
        let state = self.inner.state();
        let progress = &state.of_source(source)?.record.progress;
        progress.lease_until.filter(|_| progress.state == SubscriptionState::Active)
    }

    fn info(&self, source: &SourceName, visit: &Visit) -> Option<SubscriptionInfo> {
        let state = self.inner.state();
        if let Some(live) = state.of_source(source) {
            let progress = &live.record.progress;
            let is_over = progress.lease_until.is_none_or(|until| until <= self.inner.now());
            return Some(SubscriptionInfo {
                hub: live.record.settings.hub.clone(),
                state: if is_over { SubscriptionState::Asked } else { progress.state },
                lease_until: progress.lease_until,
                note: progress.last_error.clone(),
            });
        }
        let hub = visit.hub.clone()?;
        Some(SubscriptionInfo { hub, state: SubscriptionState::Asked, lease_until: None, note: None })
    }
}

/// What a hub tells of: the source as it names itself, else as it was added.
fn topic(settings: &SourceSettings, visit: &Visit) -> Option<String> {
    visit.topic.clone().or_else(|| match &settings.origin {
        Origin::Feed { url, .. } | Origin::Page { url } => Some(url.clone()),
        Origin::Folder { .. } | Origin::Site { .. } => None,
    })
}

/// Stands where hubs are not asked, and says why.
pub struct NoHubs {
    /// Why not.
    pub because: &'static str,
}

impl NoHubs {
    /// There is no address under which hubs could reach this service.
    pub const NO_ADDRESS: Self =
        Self { because: "the source is polled: set `serve.public_url` and its hub tells of changes" };
    /// No outgoing connection may be opened.
    pub const OFFLINE: Self = Self { because: "the service is offline" };
}

impl HubWatcher for NoHubs {
    fn visited(&self, _settings: &SourceSettings, _visit: &Visit) {}

    fn rests(&self, _source: &SourceName) {}

    fn told_until(&self, _source: &SourceName) -> Option<Timestamp> {
        None
    }

    fn info(&self, _source: &SourceName, visit: &Visit) -> Option<SubscriptionInfo> {
        let (hub, note) = (visit.hub.clone()?, Some(self.because.to_owned()));
        Some(SubscriptionInfo { hub, state: SubscriptionState::Off, lease_until: None, note })
    }
}
