//! Which losses are made, which wait, and which are held.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn paths(numbers: std::ops::Range<usize>) -> BTreeSet<String> {
    numbers.map(|number| format!("{number:04}.md")).collect()
}

/// A guard over a source of so many documents, on a clock that is moved by hand.
struct World {
    guard: Guard,
    documents: usize,
    now: Instant,
}

impl World {
    fn of(documents: usize) -> Self {
        Self { guard: Guard::default(), documents, now: Instant::now() }
    }

    fn after(&mut self, wait: Duration) -> &mut Self {
        self.now += wait;
        self
    }

    /// So many are made now.
    fn sees(&mut self, lost: std::ops::Range<usize>, losses: Losses) -> usize {
        let made = self.guard.judge(paths(lost), self.documents, losses, self.now).made.len();
        self.documents -= made;
        made
    }
}

const MOMENT: Duration = Duration::from_millis(60);

#[test]
fn few_are_made_at_once_and_some_after_a_moment_without_another() {
    let mut world = World::of(100);
    assert_eq!(world.sees(0..1, Losses::Reported), 1);
    world.after(limits::FOLDER_LOSS_WINDOW);
    assert_eq!(world.sees(1..11, Losses::Reported), 0);
    assert_eq!(world.after(MOMENT).sees(1..11, Losses::Reported), 0);
    assert_eq!(world.after(limits::FOLDER_LOSS_QUIET).sees(1..11, Losses::Reported), 10);
    assert_eq!(world.guard.held(), 0);
}

#[test]
fn what_goes_one_by_one_is_seen_as_one() {
    for pause_ms in [20, 100, 300, 399] {
        let mut world = World::of(60);
        let made: usize = (0..60)
            .map(|number| {
                let from = world.guard.waiting.iter().next().map_or(number, |path| path[..4].parse().unwrap());
                world.after(Duration::from_millis(pause_ms)).sees(from..number + 1, Losses::Reported)
            })
            .sum();
        assert!(made <= limits::FOLDER_DELETIONS_MAX, "{made} were made, {pause_ms} ms apart");
        assert_eq!(made + world.guard.held(), 60, "{pause_ms} ms apart");
    }
}

#[test]
fn what_goes_slowly_goes() {
    let mut world = World::of(100);
    for number in 0..90 {
        assert_eq!(world.sees(number..number + 1, Losses::Reported), 1, "{number}");
        world.after(limits::FOLDER_LOSS_WINDOW / 2);
    }
}

#[test]
fn a_small_source_never_waits() {
    assert_eq!(World::of(20).sees(0..20, Losses::Reported), 20);
    assert_eq!(World::of(3).sees(0..1, Losses::Reported), 1);
}

#[test]
fn many_are_held_until_a_yes_or_until_they_are_back() {
    let mut world = World::of(100);
    assert_eq!((world.sees(0..21, Losses::Reported), world.guard.held()), (0, 21));
    // More of the same, and one that has nothing to do with it.
    assert_eq!((world.after(MOMENT).sees(21..23, Losses::Reported), world.guard.held()), (0, 23));
    world.after(limits::FOLDER_LOSS_WINDOW);
    assert_eq!((world.sees(50..51, Losses::Reported), world.guard.held()), (1, 23));
    // A whole look makes none of them, even when few are left.
    world.guard.keep(|path| paths(0..5).contains(path));
    assert_eq!((world.after(limits::AUDIT_INTERVAL).sees(0..7, Losses::Found), world.guard.held()), (2, 5));
    let verdict = world.guard.release(paths(0..5));
    assert_eq!((verdict.made.len(), world.guard.held()), (5, 0));
    assert_eq!(world.sees(60..61, Losses::Reported), 1, "a yes leaves nothing behind");
}

#[test]
fn a_whole_look_counts_what_was_made_a_moment_ago() {
    let mut world = World::of(60);
    assert_eq!(world.sees(0..15, Losses::Found), 15);
    assert_eq!((world.after(MOMENT).sees(15..22, Losses::Found), world.guard.held()), (0, 7));
    let mut world = World::of(60);
    assert_eq!(world.sees(0..4, Losses::Reported), 4);
    assert_eq!((world.after(MOMENT).sees(4..30, Losses::Found), world.guard.held()), (0, 26));
}

#[test]
fn what_is_seen_lost_once_more_is_counted_once() {
    let mut world = World::of(60);
    for _ in 0..20 {
        // It was emptied, and is written while it is read: it stays in the source, and is lost again at the next look.
        let verdict = world.guard.judge(paths(0..4), 60, Losses::Reported, world.now);
        assert_eq!(verdict.made.len(), 4);
        world.after(MOMENT);
    }
    assert_eq!(world.guard.held(), 0);
}

proptest! {
    #[test]
    fn within_the_window_no_more_is_made_than_may_be(
        documents in 1..400_usize,
        steps in prop::collection::vec((1..60_usize, 0..900_u64, any::<bool>()), 1..30),
    ) {
        let mut world = World::of(documents);
        let (mut gone, mut made, began) = (0, 0, world.now);
        for (count, pause_ms, is_whole) in steps {
            if world.now + Duration::from_millis(pause_ms) >= began + limits::FOLDER_LOSS_WINDOW {
                break;
            }
            gone = documents.min(gone + count);
            let losses = if is_whole { Losses::Found } else { Losses::Reported };
            // Everything that is missing and was not made is seen.
            let lost: BTreeSet<String> =
                paths(0..gone).into_iter().filter(|path| !world.guard.made.contains_key(path)).collect();
            let verdict = world.guard.judge(lost.clone(), documents - made, losses, world.now);
            prop_assert!(verdict.made.is_subset(&lost));
            made += verdict.made.len();
            prop_assert_eq!(made + world.guard.missing().count(), gone, "nothing is forgotten");
            world.after(Duration::from_millis(pause_ms));
        }
        let may = limits::FOLDER_DELETIONS_MAX.max(documents * limits::FOLDER_DELETIONS_PERCENT_MAX / 100);
        prop_assert!(made <= may, "{made} of {documents} were made");
    }
}
