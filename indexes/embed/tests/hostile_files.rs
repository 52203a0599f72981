//! Does a missing, damaged or wrong file end in an error that says what to do?
//!
//! One test in a process of its own: the runtime can be loaded only once, and must still load after every failure.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail loudly")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use wellspring_core::embedding::EmbedErrorKind;
use wellspring_embed::{EmbedderFiles, EmbedderOptions, OnnxEmbedder};

const OPTIONS: EmbedderOptions = EmbedderOptions { threads: 1, run_tokens_max: 256 };

/// The error's whole chain, or a panic when there is none.
fn refused(files: &EmbedderFiles) -> String {
    let error = OnnxEmbedder::load(files, support::space(), OPTIONS).err().expect("the files are bad");
    assert_eq!(error.kind(), EmbedErrorKind::Model);
    error.chain()
}

/// Writes the first `bytes` of a file elsewhere.
fn cut(file: &Path, bytes: usize, to: PathBuf) -> PathBuf {
    fs::write(&to, &fs::read(file).unwrap()[..bytes]).unwrap();
    to
}

/// A shared library that is real and no ONNX Runtime: the C library this process runs on.
fn other_library() -> PathBuf {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let line = maps.lines().find(|line| line.contains("libc.so") || line.contains("libc-")).expect("a C library");
    PathBuf::from(line.split_whitespace().last().unwrap())
}

#[test]
fn bad_files_are_refused_with_a_hint_and_good_ones_load_afterwards() {
    let good = support::files();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);

    let missing = refused(&EmbedderFiles { onnxruntime: at("missing.so"), ..good.clone() });
    assert!(missing.contains("models pull"), "{missing}");
    let model_as_library = refused(&EmbedderFiles { onnxruntime: good.model.clone(), ..good.clone() });
    assert!(model_as_library.contains("not a shared library"), "{model_as_library}");
    for bytes in [3, 20, 1 << 10, 1 << 20, 30 << 20] {
        let damaged = cut(&good.onnxruntime, bytes, at(&format!("cut-{bytes}.so")));
        refused(&EmbedderFiles { onnxruntime: damaged, ..good.clone() });
    }
    let other = refused(&EmbedderFiles { onnxruntime: other_library(), ..good.clone() });
    assert!(other.contains("OrtGetApiBase"), "{other}");

    let model = refused(&EmbedderFiles { model: at("missing.onnx"), ..good.clone() });
    assert!(model.contains("models pull"), "{model}");
    fs::write(at("noise.onnx"), b"no model at all").unwrap();
    refused(&EmbedderFiles { model: at("noise.onnx"), ..good.clone() });
    fs::write(at("empty.onnx"), b"").unwrap();
    refused(&EmbedderFiles { model: at("empty.onnx"), ..good.clone() });
    refused(&EmbedderFiles { model: cut(&good.model, 1 << 20, at("cut.onnx")), ..good.clone() });
    fs::write(at("tokenizer.json"), b"{\"model\": 1}").unwrap();
    refused(&EmbedderFiles { tokenizer: at("tokenizer.json"), ..good.clone() });

    let mut space = support::space();
    space.dimension = 768;
    let error = OnnxEmbedder::load(&good, space, OPTIONS).err().unwrap();
    assert!(error.chain().contains("384 values"), "{}", error.chain());
    let mut space = support::space();
    space.pooling = "max".to_owned();
    assert!(OnnxEmbedder::load(&good, space, OPTIONS).is_err());

    OnnxEmbedder::load(&good, support::space(), OPTIONS).unwrap();
    let second = refused(&EmbedderFiles { onnxruntime: other_library(), ..good });
    assert!(second.contains("already holds"), "{second}");
}
