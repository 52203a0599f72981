//! Was llama.cpp built for instructions that this processor does not have?
//!
//! llama.cpp chooses its instructions when it is compiled: beyond those of every x86-64 with AVX2, the ones that the
//! build was told of (`scripts/processor.sh`). A program that is carried to an older machine would be ended by the first
//! of them, without a word.
//!
//! Invariants:
//! - Asked before llama.cpp computes anything.
//! - Build and program are told of the instructions by the same variables, so that neither can have others.

use thiserror::Error;

/// Instructions beyond the least, by the variable that llama.cpp's build and this one are told of them with.
const EXTRA: [(&str, Option<&str>); 5] = [
    ("AVX-VNNI", option_env!("GGML_AVX_VNNI")),
    ("AVX-512", option_env!("GGML_AVX512")),
    ("AVX-512 VBMI", option_env!("GGML_AVX512_VBMI")),
    ("AVX-512 VNNI", option_env!("GGML_AVX512_VNNI")),
    ("AVX-512 BF16", option_env!("GGML_AVX512_BF16")),
];

/// What llama.cpp computes with, as far as its build was told: the least, then what was added.
pub fn instructions() -> Vec<&'static str> {
    let added = EXTRA.into_iter().filter(|(_, told)| *told == Some("ON")).map(|(name, _)| name);
    let least = if cfg!(target_arch = "x86_64") { Some("AVX2") } else { None };
    least.into_iter().chain(added).collect()
}

/// This processor lacks instructions that llama.cpp was built for.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "llama.cpp was built for another processor: this one lacks {}; build the program on this machine, or with \
     `make build PORTABLE=1`",
    .0.join(", ")
)]
pub struct OtherProcessor(Vec<&'static str>);

/// Whether this processor has them all.
pub fn check_processor() -> Result<(), OtherProcessor> {
    check(&instructions())
}

fn check(needed: &[&'static str]) -> Result<(), OtherProcessor> {
    let lacking: Vec<_> = needed.iter().copied().filter(|name| !has(name)).collect();
    if lacking.is_empty() { Ok(()) } else { Err(OtherProcessor(lacking)) }
}

#[cfg(target_arch = "x86_64")]
fn has(instructions: &str) -> bool {
    use std::arch::is_x86_feature_detected as detected;
    match instructions {
        "AVX2" => detected!("avx2") && detected!("fma") && detected!("f16c") && detected!("bmi2"),
        "AVX-VNNI" => detected!("avxvnni"),
        "AVX-512" => {
            detected!("avx512f")
                && detected!("avx512cd")
                && detected!("avx512vl")
                && detected!("avx512dq")
                && detected!("avx512bw")
        }
        "AVX-512 VBMI" => detected!("avx512vbmi"),
        "AVX-512 VNNI" => detected!("avx512vnni"),
        "AVX-512 BF16" => detected!("avx512bf16"),
        _ => false,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn has(_: &str) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_built_here_runs_here() {
        assert_eq!(check_processor(), Ok(()));
        assert_eq!(instructions().first().copied(), cfg!(target_arch = "x86_64").then_some("AVX2"));
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn every_instruction_can_be_looked_for_and_no_other_is_there() {
        // The machine that runs this may have any of them.
        for (name, _) in EXTRA {
            let _ = has(name);
        }
        let refused = check(&["AVX2", "AVX-4096"]).unwrap_err();
        assert!(refused.to_string().contains("this one lacks AVX-4096; build the program"), "{refused}");
    }
}
