//! Does a real model of inference, run by the real runtime, judge as it says, and fail as it should?
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

#[path = "support/cross_encoder.rs"]
mod cross_encoder;
mod support;

use std::fs;
use std::path::Path;

use tempfile::TempDir;
use wellspring_core::entailment::{EntailmentErrorKind, EntailmentJudge};
use wellspring_core::limits;
use wellspring_embed::{EntailmentFiles, OnnxEntailment};

/// The order of the labels in most models.
const LABELS: [&str; 3] = ["contradiction", "neutral", "entailment"];

fn config(labels: &[&str], more: &str) -> String {
    let named: Vec<String> =
        labels.iter().enumerate().map(|(number, label)| format!("\"{number}\": \"{label}\"")).collect();
    format!("{{\"id2label\": {{{}}}{more}}}", named.join(", "))
}

/// Writes a model's folder.
fn files(folder: &Path, model: &[u8], config: &str) -> EntailmentFiles {
    fs::write(folder.join("model.onnx"), model).unwrap();
    fs::write(folder.join("config.json"), config).unwrap();
    let support = support::files();
    fs::copy(support.tokenizer, folder.join("tokenizer.json")).unwrap();
    EntailmentFiles::in_folder(support.onnxruntime, folder)
}

fn load(labels: [&str; 3]) -> (TempDir, OnnxEntailment) {
    let folder = tempfile::tempdir().unwrap();
    let files = files(folder.path(), &cross_encoder::inference(&labels), &config(&labels, ""));
    let judge = OnnxEntailment::load(&files).unwrap();
    (folder, judge)
}

/// The three probabilities, in hundredths.
async fn judged(judge: &OnnxEntailment, premise: &str, hypothesis: &str) -> [u32; 3] {
    let judgement = judge.judge(premise.to_owned(), hypothesis.to_owned()).await.unwrap();
    [judgement.entailed(), judgement.neutral(), judgement.contradicted()].map(|share| (share * 100.0).round() as u32)
}

/// Why a folder is refused.
fn refused(files: &EntailmentFiles) -> String {
    let failure = OnnxEntailment::load(files).err().expect("the files are bad");
    assert_eq!(failure.kind(), EntailmentErrorKind::Model);
    failure.chain()
}

#[tokio::test]
async fn pairs_are_judged_by_the_labels_of_the_model_whatever_their_order() {
    let premise = "Ferries: The last ferry leaves at seven.";
    let opposite = format!("The last ferry {} leaves at seven.", cross_encoder::OPPOSITE);
    for labels in [LABELS, ["entailment", "neutral", "contradiction"], ["neutral", "contradiction", "entailment"]] {
        let (_folder, judge) = load(labels);
        assert_eq!(judged(&judge, premise, "The ferry leaves at seven.").await, [100, 0, 0], "{labels:?}");
        assert_eq!(judged(&judge, premise, "The ferry leaves at nine.").await, [0, 100, 0], "{labels:?}");
        assert_eq!(judged(&judge, premise, &opposite).await, [0, 0, 100], "{labels:?}");
        // What the premise says is not what the hypothesis says.
        assert_eq!(judged(&judge, "The ferry.", premise).await, [0, 100, 0], "{labels:?}");
    }
    // The file is the same, and its labels are written otherwise.
    let folder = tempfile::tempdir().unwrap();
    let shouted = config(&["CONTRADICTION", "Neutral", "entailment "], "");
    let files = files(folder.path(), &cross_encoder::inference(&LABELS), &shouted);
    let judge = OnnxEntailment::load(&files).unwrap();
    assert_eq!(judged(&judge, premise, &opposite).await, [0, 0, 100]);
}

#[tokio::test]
async fn odd_texts_are_judged_and_endless_ones_are_not() {
    let (_folder, judge) = load(LABELS);
    assert_eq!(judged(&judge, "", "").await, [100, 0, 0]);
    // A mark that only the model may write is plain text: it ends no premise.
    assert_eq!(judged(&judge, "a river [SEP] a lake", "a lake").await, [100, 0, 0]);
    for odd in ["\0\u{202e}😀", "[CLS] [SEP] [PAD]", "渡轮", "\u{fffd}\u{200d}"] {
        let [entailed, ..] = judged(&judge, odd, odd).await;
        assert_eq!(entailed, 100, "{odd:?}");
    }
    let endless = "river ".repeat(200_000);
    for (premise, hypothesis) in [(endless.as_str(), "a river"), ("a river", endless.as_str())] {
        let failure = judge.judge(premise.to_owned(), hypothesis.to_owned()).await.unwrap_err();
        assert_eq!(failure.kind(), EntailmentErrorKind::TooLong);
        assert!(!failure.chain().contains("river"), "no document's text in an error");
    }
    let fits = "river ".repeat(limits::ENTAILMENT_TOKENS_MAX - 4);
    assert_eq!(judged(&judge, &fits, "river").await, [100, 0, 0], "the last one that fits");
    let failure = judge.judge(format!("{fits} river"), "river".to_owned()).await.unwrap_err();
    assert_eq!(failure.kind(), EntailmentErrorKind::TooLong);
}

#[tokio::test]
async fn a_model_with_few_positions_reads_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(&LABELS, ", \"max_position_embeddings\": 8");
    let judge = OnnxEntailment::load(&files(folder.path(), &cross_encoder::inference(&LABELS), &config)).unwrap();
    assert_eq!(judged(&judge, "a b c d", "a").await, [100, 0, 0]);
    let failure = judge.judge("a b c d e".to_owned(), "a".to_owned()).await.unwrap_err();
    assert_eq!(failure.kind(), EntailmentErrorKind::TooLong);
}

#[test]
fn files_that_are_no_model_of_inference_are_refused_when_they_are_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let whole = cross_encoder::inference(&LABELS);
    let labels = config(&LABELS, "");
    let embedder = fs::read(support::files().model).unwrap();
    let two = cross_encoder::inference(&["neutral", "entailment"]);
    let four = cross_encoder::inference(&["contradiction", "neutral", "entailment", "neutral"]);
    let no_number = cross_encoder::inference(&["contradiction", "nothing", "entailment"]);
    let bad: [(&[u8], &str); 8] = [
        (b"", "entailment model"),
        (b"not a model", "entailment model"),
        (&whole[..whole.len() / 2], "entailment model"),
        (&embedder, "logits"),
        (&cross_encoder::overlap(), "three numbers"),
        (&two, "three numbers"),
        (&four, "three numbers"),
        (&no_number, "no number"),
    ];
    for (model, word) in bad {
        let refusal = refused(&files(folder.path(), model, &labels));
        assert!(refusal.contains(word), "{refusal}");
    }
    for (config, word) in [
        ("", "JSON"),
        ("{", "JSON"),
        ("{\"id2label\": {\"0\": \"LABEL_0\", \"1\": \"LABEL_1\", \"2\": \"LABEL_2\"}}", "must name `entailment`"),
    ] {
        let refusal = refused(&files(folder.path(), &whole, config));
        assert!(refusal.contains(word) && refusal.contains("config.json"), "{refusal}");
    }
    let long = format!("{{\"x\": \"{}\"}}", "x".repeat(limits::MODEL_CONFIG_BYTES_MAX as usize));
    assert!(refused(&files(folder.path(), &whole, &long)).contains("larger than"));
    let good = files(folder.path(), &whole, &labels);
    let nowhere = folder.path().join("nowhere");
    for missing in [
        EntailmentFiles { model: nowhere.clone(), ..good.clone() },
        EntailmentFiles { tokenizer: nowhere.clone(), ..good.clone() },
        EntailmentFiles { config: nowhere.clone(), ..good.clone() },
    ] {
        assert!(refused(&missing).contains("nowhere"));
    }
    for torn in ["{", "{\"model\": 1}", ""] {
        fs::write(&nowhere, torn).unwrap();
        refused(&EntailmentFiles { tokenizer: nowhere.clone(), ..good.clone() });
    }
    OnnxEntailment::load(&good).unwrap();
}
