//! Which of several generators writes this answer?
//!
//! ```text
//! ready, not shut out ─► least loaded ─► first token? ─► the stream
//!                             ^               │ no
//!                             └─── the next ──┘
//! ```
//!
//! Invariants:
//! - Another generator is asked only before the first token: nothing that was shown is ever written twice. Behind it, a
//!   generator that fails ends the stream with its error.
//! - Each generator is asked at most once for a request.
//! - One that keeps failing is shut out for a while, and then tried by one request alone (`circuit`); one that said it is
//!   busy is left alone as long as it asked for.
//! - What is counted belongs to the operator: names and numbers, nothing of a request.

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use tokio::time::Instant;
use wellspring_core::generator::{
    GenerateError, GenerateErrorKind, Generation, GenerationRequest, Generator, GeneratorStatus, PoolMember,
};
use wellspring_core::limits;

mod circuit;
mod member;

use member::{Member, Place};

/// Generators that stand for each other. Cheap to ask, never blocks.
pub struct Pool {
    members: Vec<Arc<Member>>,
    /// What a generator gets for its first token while another one could be asked instead.
    first_token_max: Duration,
}

/// A generation that has begun: its first event is there.
pub(crate) struct Begun {
    /// The model that writes.
    pub(crate) model: String,
    /// All of its events, the first one included.
    pub(crate) generation: Generation,
}

/// What a request would meet now.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outlook {
    /// The model that would write.
    pub(crate) model: String,
    /// How long others would keep it waiting for a place; `None` where some wait and nobody measured how long that takes.
    pub(crate) wait: Option<Duration>,
    /// Whether others are in work beside it.
    pub(crate) is_shared: bool,
    /// The time to the first token of one that has the generator to itself, where that was measured.
    pub(crate) first_token_alone: Option<Duration>,
    /// Prompt tokens read a second, where that was measured.
    pub(crate) read_tokens_per_second: Option<f64>,
}

/// Which models may write.
pub(crate) type MayWrite<'a> = &'a (dyn Fn(&str) -> bool + Sync);

impl Pool {
    /// Joins generators, each under its name.
    pub fn new(members: Vec<(String, Arc<dyn Generator>)>) -> Self {
        let members = members.into_iter().map(|(name, generator)| Arc::new(Member::new(name, generator))).collect();
        Self { members, first_token_max: limits::GENERATOR_FIRST_TOKEN_MAX }
    }

    /// One generator by itself.
    pub fn of(name: &str, generator: Arc<dyn Generator>) -> Self {
        Self::new(vec![(name.to_owned(), generator)])
    }

    /// The same, giving a generator this long for its first token while another one could be asked instead.
    pub fn passing_on_after(self, first_token_max: Duration) -> Self {
        Self { first_token_max, ..self }
    }

    /// Every generator and what has been seen of it, in the operator's order.
    pub fn members(&self) -> Vec<PoolMember> {
        self.members.iter().map(|member| member.seen(Instant::now())).collect()
    }

    /// Whether any can be asked: the best that one of them says.
    pub fn status(&self) -> GeneratorStatus {
        let said = self.members.iter().map(|member| member.generator.status());
        let rank = |status: &GeneratorStatus| match status {
            GeneratorStatus::Ready { .. } => 3,
            GeneratorStatus::Loading => 2,
            GeneratorStatus::Failed { .. } => 1,
            GeneratorStatus::Off => 0,
        };
        // The first of several equal ones.
        said.reduce(|best, next| if rank(&next) > rank(&best) { next } else { best }).unwrap_or(GeneratorStatus::Off)
    }

    /// What a request would meet now; `None` where no generator that may write can be asked.
    pub(crate) fn outlook(&self, may_write: MayWrite<'_>) -> Option<Outlook> {
        let now = Instant::now();
        let ready = |member: &&Arc<Member>| member.model().is_some_and(|model| may_write(&model));
        let member = match self.next(&[], may_write, now) {
            Some(index) => &self.members[index],
            // Those that asked to be left alone are busy, and those that are shut out may have come back.
            None => self.members.iter().filter(ready).min_by_key(|member| member.pause(now))?,
        };
        Some(member.outlook(now))
    }

    /// After how long a place is likely to be free, where none is: between a second and a minute.
    pub(crate) fn retry_after(&self) -> Duration {
        let now = Instant::now();
        let waits = self.members.iter().filter(|member| member.model().is_some()).map(|member| member.retry_after(now));
        waits.min().unwrap_or(RETRY_AFTER_MIN).clamp(RETRY_AFTER_MIN, limits::GENERATOR_RETRY_AFTER_MAX)
    }

    /// Asks one generator after the other until one has written something; `has_next` where somebody else will be asked
    /// behind the last of them. Dropping the future, or the generation, ends the work.
    pub(crate) async fn generate(
        &self,
        request: &GenerationRequest,
        may_write: MayWrite<'_>,
        has_next: bool,
    ) -> Result<Begun, GenerateError> {
        let mut asked = Vec::new();
        let mut failure: Option<GenerateError> = None;
        while let Some(index) = self.next(&asked, may_write, Instant::now()) {
            asked.push(index);
            let other = self.next(&asked, may_write, Instant::now()).is_some();
            let member = &self.members[index];
            let begin = member.begin(request.clone());
            let begun = match other || has_next {
                true => tokio::time::timeout(self.first_token_max, begin).await.unwrap_or_else(|_| {
                    member.too_slow();
                    Err(GenerateError::new(GenerateErrorKind::Busy, "the generator took too long for its first token"))
                }),
                false => begin.await,
            };
            let error = match begun {
                Ok(begun) => return Ok(begun),
                Err(error) => error,
            };
            if other {
                tracing::warn!(generator = member.name, reason = error.chain(), "another generator is asked instead");
                member.passed_on();
            }
            // That one was busy says more than that another one is away.
            let busy = failure.as_ref().is_some_and(|failure| failure.kind() == GenerateErrorKind::Busy);
            if !busy || error.kind() == GenerateErrorKind::Busy {
                failure = Some(error);
            }
        }
        Err(failure.unwrap_or_else(|| self.nobody(may_write)))
    }

    /// Why nobody could be asked at all.
    fn nobody(&self, may_write: MayWrite<'_>) -> GenerateError {
        let now = Instant::now();
        let ready = self.members.iter().filter(|member| member.model().is_some_and(|model| may_write(&model)));
        match ready.filter_map(|member| member.busy_for(now)).min() {
            Some(pause) => {
                GenerateError::new(GenerateErrorKind::Busy, "every generator asked to be left alone").retry_after(pause)
            }
            None => GenerateError::new(GenerateErrorKind::Unavailable, "no generator can be asked"),
        }
    }

    /// The least loaded of those that can be asked and were not: as a share of its places, then the one whose first token
    /// comes sooner, then the operator's order.
    fn next(&self, asked: &[usize], may_write: MayWrite<'_>, now: Instant) -> Option<usize> {
        let free = self.members.iter().enumerate().filter(|(index, member)| {
            !asked.contains(index)
                && member.pause(now).is_zero()
                && member.model().is_some_and(|model| may_write(&model))
        });
        let least = free.min_by(|(_, one), (_, other)| {
            let (one, other) = (one.load(), other.load());
            one.0.total_cmp(&other.0).then(one.1.total_cmp(&other.1))
        });
        least.map(|(index, _)| index)
    }
}

/// The shortest time that a caller is told to stay away.
const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);

impl Member {
    /// Asks, and waits for the first event.
    async fn begin(self: &Arc<Self>, request: GenerationRequest) -> Result<Begun, GenerateError> {
        let model = self.model().unwrap_or_default();
        let mut place = Place::taken(self);
        let mut generation = match self.generator.generate(request).await {
            Ok(generation) => generation,
            Err(error) => return Err(place.failed(error)),
        };
        let first = match generation.next().await {
            Some(Ok(first)) => first,
            Some(Err(error)) => return Err(place.failed(error)),
            None => {
                let error = GenerateError::new(GenerateErrorKind::Interrupted, "the generation ended without an end");
                return Err(place.failed(error));
            }
        };
        place.began();
        place.saw(&first);
        // The place is held as long as the generation is.
        let rest = stream::unfold((generation, place), |(mut generation, mut place)| async move {
            let event = match generation.next().await? {
                Ok(event) => {
                    place.saw(&event);
                    Ok(event)
                }
                Err(error) => Err(place.failed(error)),
            };
            Some((event, (generation, place)))
        });
        Ok(Begun { model, generation: stream::once(async { Ok(first) }).chain(rest).boxed() })
    }
}

#[cfg(test)]
mod tests;
