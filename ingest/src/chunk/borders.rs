//! Between which units does a chunk end?
//!
//! A run of units that does not fit into a chunk is parted at the border with the best rank that leaves neither part
//! too small, and each part again. A rank comes from the text right after the border alone: the starts of blocks
//! before the starts of sentences, then by digest. An edit changes one rank; it can move only borders that were
//! compared with it, and those near the top of the tree are compared with so many that one more rarely matters.
//!
//! Invariants:
//! - Every unit is in exactly one piece, in order; a piece of more than one unit fits into the room.
//! - The cost is units times the logarithm of units, whatever the ranks: hostile text gets no deeper than a loop.

use std::ops::Range;

use super::units::Unit;

/// The smallest part that parting may leave, as a fraction of the room. Measured over random edits: a quarter cuts
/// chunks of .59 of the room in the mean, a third .62, two fifths .64; one edit in two hundred moves four or five chunks,
/// the others fewer, whichever it is. Filling chunks from the start of a section instead reaches .74, and single edits
/// then move up to 13 chunks.
const PART_MIN_DIVISOR: usize = 3;

/// Parts units into pieces of at most `room` tokens.
pub(super) fn cut(units: &[Unit], room: usize) -> Vec<Range<usize>> {
    if units.is_empty() {
        return Vec::new();
    }
    let ends = cumulative_tokens(units);
    let tokens_of = |range: &Range<usize>| ends[range.end] - ends[range.start];
    let part_min = room / PART_MIN_DIVISOR;
    let ranks = Ranks::of(units);
    let mut pieces = Vec::new();
    let whole = 0..units.len();
    let mut open = vec![whole];
    while let Some(range) = open.pop() {
        if range.len() == 1 || tokens_of(&range) <= room {
            pieces.push(range);
            continue;
        }
        let border = {
            let first = ends.partition_point(|tokens| *tokens < ends[range.start] + part_min);
            let last = ends.partition_point(|tokens| *tokens + part_min <= ends[range.end]);
            let (first, last) = (first.max(range.start + 1), last.min(range.end));
            match first < last {
                true => ranks.best(first..last),
                // Two parts that are large enough do not exist: part nearest to the middle.
                false => nearest_to_middle(&ends, &range),
            }
        };
        // The left part is taken up next, so pieces come out in order.
        open.push(border..range.end);
        open.push(range.start..border);
    }
    pieces
}

/// The tokens before each unit, and at the end those of all.
fn cumulative_tokens(units: &[Unit]) -> Vec<usize> {
    let mut ends = Vec::with_capacity(units.len() + 1);
    let mut total = 0;
    ends.push(0);
    for unit in units {
        total += unit.tokens + unit.gap_tokens;
        ends.push(total);
    }
    ends
}

fn nearest_to_middle(ends: &[usize], range: &Range<usize>) -> usize {
    let middle = ends[range.start] + (ends[range.end] - ends[range.start]) / 2;
    let after = ends.partition_point(|tokens| *tokens < middle).clamp(range.start + 1, range.end - 1);
    let before = (after - 1).max(range.start + 1);
    if ends[after].abs_diff(middle) <= ends[before].abs_diff(middle) { after } else { before }
}

/// Finds the best-ranked border of a range in logarithmic time: a tree of the best of each aligned run.
struct Ranks {
    /// Ranks at `leaves..`, and above them the place of the better of two children; smaller is better.
    tree: Vec<(u64, usize)>,
    leaves: usize,
}

impl Ranks {
    fn of(units: &[Unit]) -> Self {
        let leaves = units.len().next_power_of_two();
        let worst = (u64::MAX, usize::MAX);
        let mut tree = vec![worst; 2 * leaves];
        for (place, unit) in units.iter().enumerate() {
            // The top bit sets the starts of blocks before everything else.
            let rank = (unit.digest >> 1) | if unit.starts_block { 0 } else { 1 << 63 };
            tree[leaves + place] = (rank, place);
        }
        for node in (1..leaves).rev() {
            tree[node] = tree[2 * node].min(tree[2 * node + 1]);
        }
        Self { tree, leaves }
    }

    /// The best border of a range that is not empty; of equals the first.
    fn best(&self, range: Range<usize>) -> usize {
        let (mut low, mut high) = (range.start + self.leaves, range.end + self.leaves);
        let mut best = self.tree[low];
        while low < high {
            if low % 2 == 1 {
                best = best.min(self.tree[low]);
                low += 1;
            }
            if high % 2 == 1 {
                high -= 1;
                best = best.min(self.tree[high]);
            }
            low /= 2;
            high /= 2;
        }
        best.1
    }
}
