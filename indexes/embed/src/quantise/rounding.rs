//! Which whole numbers stand for a matrix of weights?
//!
//! A weight becomes `round(weight / scale)`, one byte, with one scale for each column of the product, or for each row
//! of a table that is looked up.
//!
//! Invariants:
//! - Two neighbours of one sign in a column are never further than [`PAIR_MAX`] from zero together. A processor without
//!   VNNI multiplies two bytes at a time and keeps the sum of both products in 16 bits: with activations up to 255,
//!   255 · 128 = 32,640 still fits, and every processor computes the same. Beyond that, older ones would cut the sum off
//!   without a word, and a file that was tested on one machine would be wrong on another.

/// The furthest that one weight is from zero.
const WEIGHT_MAX: f32 = 127.0;
/// The furthest that two neighbours of one sign are from zero together, once both are rounded.
#[cfg(test)]
const PAIR_MAX: i32 = 128;
/// The same before rounding, which may add one half to each.
const PAIR_BEFORE_ROUNDING_MAX: f32 = 127.0;

/// A matrix of whole numbers with the scales that give its weights back.
#[derive(Debug, PartialEq)]
pub(super) struct Rounded {
    /// The whole numbers.
    pub(super) values: Vec<i8>,
    /// One scale a column of the product, or a row of the table.
    pub(super) scales: Vec<f32>,
}

/// Rounds a matrix for a product. `weights` lie as published, each output's `inputs` together; the values lie as the
/// product reads them, inputs × outputs.
pub(super) fn for_product(weights: &[f32], inputs: usize) -> Rounded {
    let outputs = weights.len() / inputs;
    let mut rounded = Rounded { values: vec![0; weights.len()], scales: Vec::with_capacity(outputs) };
    for (output, column) in weights.chunks_exact(inputs).enumerate() {
        let scale = usable((largest(column) / WEIGHT_MAX).max(largest_pair(column) / PAIR_BEFORE_ROUNDING_MAX));
        for (input, weight) in column.iter().enumerate() {
            rounded.values[input * outputs + output] = round(*weight, scale);
        }
        rounded.scales.push(scale);
    }
    rounded
}

/// Rounds a table whose rows of `width` are looked up and never multiplied by whole numbers.
pub(super) fn for_lookup(weights: &[f32], width: usize) -> Rounded {
    let mut rounded = Rounded { values: Vec::with_capacity(weights.len()), scales: Vec::new() };
    for row in weights.chunks_exact(width) {
        let scale = usable(largest(row) / WEIGHT_MAX);
        rounded.values.extend(row.iter().map(|weight| round(*weight, scale)));
        rounded.scales.push(scale);
    }
    rounded
}

fn round(weight: f32, scale: f32) -> i8 {
    (weight / scale).round_ties_even() as i8
}

/// A scale by which can be divided: that of a column of zeros is none.
fn usable(scale: f32) -> f32 {
    scale.clamp(f32::MIN_POSITIVE, f32::MAX)
}

fn largest(weights: &[f32]) -> f32 {
    weights.iter().fold(0.0, |largest, weight| weight.abs().max(largest))
}

/// The largest sum of two neighbours, as the processor pairs them, of which one sign counts at a time.
fn largest_pair(column: &[f32]) -> f32 {
    column.chunks(2).fold(0.0, |largest, pair| {
        let above: f32 = pair.iter().map(|weight| weight.max(0.0)).sum();
        let below: f32 = pair.iter().map(|weight| (-weight).max(0.0)).sum();
        largest.max(above).max(below)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers between -1 and 1 that look random; a cube makes most small and some large, as weights are.
    fn weights(count: usize) -> Vec<f32> {
        let mut state = 7u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..count).map(|_| next().powi(3)).collect()
    }

    #[test]
    fn neighbours_stay_within_sixteen_bits() {
        let (inputs, outputs) = (64, 50);
        let mut weights = weights(inputs * outputs);
        // The worst case: two neighbours that are both the largest, and that rounding moves away from zero.
        weights[..2].copy_from_slice(&[1.0, 1.0]);
        let rounded = for_product(&weights, inputs);
        for output in 0..outputs {
            for pair in 0..inputs / 2 {
                let value = |input: usize| i32::from(rounded.values[input * outputs + output]);
                let (first, second) = (value(2 * pair), value(2 * pair + 1));
                assert!(first.max(0) + second.max(0) <= PAIR_MAX && first.min(0) + second.min(0) >= -PAIR_MAX);
            }
        }
        assert_eq!((rounded.values[0], rounded.values[outputs]), (64, 64));
    }

    #[test]
    fn a_weight_is_at_most_half_a_scale_from_what_stands_for_it() {
        let (inputs, outputs) = (64, 50);
        let weights = weights(inputs * outputs);
        let rounded = for_product(&weights, inputs);
        for (index, weight) in weights.iter().enumerate() {
            let (output, input) = (index / inputs, index % inputs);
            let stands = f32::from(rounded.values[input * outputs + output]) * rounded.scales[output];
            assert!((stands - weight).abs() <= rounded.scales[output] * 0.501, "{weight} {stands}");
        }
    }

    #[test]
    fn a_lone_large_weight_keeps_all_eight_bits() {
        assert_eq!(for_product(&[1.0, -1.0, 0.5, 0.0], 4).values, [127, -127, 64, 0]);
    }

    #[test]
    fn rows_that_are_looked_up_have_a_scale_each() {
        let rounded = for_lookup(&[1.0, 1.0, 0.0, -2.0], 2);
        assert_eq!(rounded.values, [127, 127, 0, -127]);
        assert_eq!(rounded.scales, [1.0 / 127.0, 2.0 / 127.0]);
    }

    #[test]
    fn extreme_weights_give_finite_scales() {
        for extreme in [0.0, f32::MAX, f32::MIN, 1e-45] {
            let rounded = for_product(&[extreme; 4], 2);
            assert!(rounded.scales.iter().all(|scale| scale.is_finite() && *scale > 0.0), "{extreme}");
        }
    }
}
