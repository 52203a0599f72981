//! Who is next?
//!
//! Invariants:
//! - Between callers it is the turn of the one with the fewest requests in work, and among those of the one who has
//!   waited longest for a turn: a caller with a hundred requests delays another one's by one.
//! - Requests of one caller keep their order.

use std::collections::VecDeque;
use std::sync::Arc;

/// Who asks.
pub(crate) type Caller = Arc<str>;

/// Waiting requests, by caller. Whoever pushes holds the bound.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    /// The callers in the order of their turns; none without a request.
    lanes: VecDeque<(Caller, VecDeque<T>)>,
}

impl<T> Queue<T> {
    /// Nobody waits.
    pub(crate) fn new() -> Self {
        Self { lanes: VecDeque::new() }
    }

    /// Whether nobody waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.lanes.iter().map(|(_, lane)| lane.len()).sum()
    }

    /// Lets a request wait behind its caller's others.
    pub(crate) fn push(&mut self, caller: Caller, request: T) {
        match self.lanes.iter_mut().find(|(other, _)| *other == caller) {
            Some((_, lane)) => lane.push_back(request),
            None => self.lanes.push_back((caller, VecDeque::from([request]))),
        }
    }

    /// The request whose turn it is; `in_work` counts a caller's requests that are being worked on.
    pub(crate) fn pop(&mut self, in_work: impl Fn(&Caller) -> usize) -> Option<T> {
        // The first of several smallest: the lanes stand in the order of their turns.
        let turn = self.lanes.iter().enumerate().min_by_key(|(_, (caller, _))| in_work(caller))?.0;
        let (caller, mut lane) = self.lanes.remove(turn)?;
        let request = lane.pop_front();
        if !lane.is_empty() {
            self.lanes.push_back((caller, lane));
        }
        request
    }

    /// Lets go of requests that need not wait any more.
    pub(crate) fn retain(&mut self, mut wanted: impl FnMut(&mut T) -> bool) {
        for (_, lane) in &mut self.lanes {
            lane.retain_mut(&mut wanted);
        }
        self.lanes.retain(|(_, lane)| !lane.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(requests: &[(&str, u32)]) -> Queue<u32> {
        let mut queue = Queue::new();
        for &(caller, request) in requests {
            queue.push(Caller::from(caller), request);
        }
        queue
    }

    #[test]
    fn a_caller_with_many_requests_delays_another_by_one() {
        let mut queue = queue(&[("many", 1), ("many", 2), ("many", 3), ("one", 10)]);
        assert_eq!(queue.len(), 4);
        let order: Vec<u32> = std::iter::from_fn(|| queue.pop(|_| 0)).collect();
        assert_eq!(order, [1, 10, 2, 3]);
        assert!(queue.is_empty());
    }

    #[test]
    fn who_has_nothing_in_work_comes_first() {
        let mut queue = queue(&[("busy", 1), ("idle", 2)]);
        assert_eq!(queue.pop(|caller| usize::from(&**caller == "busy")), Some(2));
    }

    #[test]
    fn those_who_left_take_no_turn() {
        let mut queue = queue(&[("a", 1), ("a", 2), ("b", 3)]);
        queue.retain(|request| *request == 2);
        assert_eq!((queue.len(), queue.pop(|_| 0), queue.pop(|_| 0)), (1, Some(2), None));
    }
}
