//! Does a sentence follow from what it cites, when a model of natural language inference reads both?
//!
//! A cross-encoder with three numbers a pair ([`crate::pairs`]), whose order its `config.json` tells ([`crate::labels`]).
//!
//! Invariants:
//! - The model runs only on its own thread, which one bounded queue feeds; a full queue refuses at once.
//! - A caller that hung up while its pair waited costs nothing, and one whose pair is being read that one run.
//! - A pair is read whole or not at all.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use tokio::sync::oneshot;
use wellspring_core::entailment::{EntailmentError, EntailmentErrorKind, EntailmentJudge, Judgement};
use wellspring_core::limits;

use crate::files;
use crate::labels::Labels;
use crate::pairs::{Fault, Overlong, PairFiles, PairModel};
use crate::worker::{Refusal, Worker};

/// Where an entailment model's files lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntailmentFiles {
    /// The ONNX Runtime, a shared library.
    pub onnxruntime: PathBuf,
    /// The weights, an ONNX file.
    pub model: PathBuf,
    /// `tokenizer.json` in the Hugging Face form.
    pub tokenizer: PathBuf,
    /// `config.json` in the Hugging Face form: the names of the labels.
    pub config: PathBuf,
}

impl EntailmentFiles {
    /// Those of a folder, by the names that exports give them.
    pub fn in_folder(onnxruntime: PathBuf, folder: &Path) -> Self {
        let [model, tokenizer, config] = ["model.onnx", "tokenizer.json", "config.json"].map(|name| folder.join(name));
        Self { onnxruntime, model, tokenizer, config }
    }
}

/// An ONNX model behind the [`EntailmentJudge`] seam.
///
/// Dropping it ends its thread after the run it is in.
pub struct OnnxEntailment {
    worker: Worker<Job>,
}

/// One pair.
struct Job {
    premise: String,
    hypothesis: String,
    reply: oneshot::Sender<Result<Judgement, EntailmentError>>,
}

impl OnnxEntailment {
    /// Loads everything and judges one pair. Reads files and computes for some hundred milliseconds: call it off the
    /// async threads.
    pub fn load(files: &EntailmentFiles) -> Result<Self, EntailmentError> {
        let unusable = |source: String| {
            EntailmentError::caused_by(EntailmentErrorKind::Model, "could not load the entailment model", source)
        };
        let config = files::read_up_to(&files.config, "entailment model's config.json", limits::MODEL_CONFIG_BYTES_MAX)
            .map_err(|error| unusable(error.chain()))?;
        let labels =
            Labels::read(&config).map_err(|reason| unusable(format!("{}: {reason}", files.config.display())))?;
        let paths = PairFiles {
            what: "entailment model",
            onnxruntime: &files.onnxruntime,
            model: &files.model,
            tokenizer: &files.tokenizer,
        };
        let mut model =
            PairModel::load(paths, labels.tokens_max, Overlong::Refuse).map_err(|error| unusable(error.chain()))?;
        // A wrong input or output shows now, and not in the first answer.
        judge(&mut model, labels, "a first".to_owned(), "run".to_owned())?;
        let answer = move |Job { premise, hypothesis, reply }: Job| {
            if !reply.is_closed() {
                // The caller may have hung up meanwhile.
                let _ = reply.send(judge(&mut model, labels, premise, hypothesis));
            }
        };
        // A sentence waits for one judgement, so a queue of pairs is a queue of people.
        let worker = Worker::start("entailment", limits::ENTAILMENT_QUEUE_MAX, answer).map_err(|error| {
            let attempted = "could not start the entailment model's thread";
            EntailmentError::caused_by(EntailmentErrorKind::Stopped, attempted, error)
        })?;
        Ok(Self { worker })
    }
}

/// Judges one pair.
fn judge(
    model: &mut PairModel,
    labels: Labels,
    premise: String,
    hypothesis: String,
) -> Result<Judgement, EntailmentError> {
    let attempted = "could not judge a pair";
    let rows = model.logits(vec![(premise, hypothesis)]).map_err(|fault| match fault {
        Fault::TooLong => EntailmentError::new(EntailmentErrorKind::TooLong, "the pair is longer than the model reads"),
        Fault::Model(source) => EntailmentError::caused_by(EntailmentErrorKind::Model, attempted, source),
    })?;
    let failed = |reason: &'static str| EntailmentError::caused_by(EntailmentErrorKind::Model, attempted, reason);
    let Some(Ok(logits)) = rows.into_iter().next().map(<[f32; 3]>::try_from) else {
        return Err(failed("its output is not three numbers a pair"));
    };
    let shares = softmax(logits);
    Judgement::new(shares[labels.entailed], shares[labels.neutral], shares[labels.contradicted])
        .ok_or_else(|| failed("its numbers are no probabilities"))
}

/// Probabilities of three numbers of any size.
fn softmax(logits: [f32; 3]) -> [f32; 3] {
    let most = logits.into_iter().fold(f32::MIN, f32::max);
    let powers = logits.map(|logit| (logit - most).exp());
    powers.map(|power| power / powers.iter().sum::<f32>())
}

#[async_trait]
impl EntailmentJudge for OnnxEntailment {
    async fn judge(&self, premise: String, hypothesis: String) -> Result<Judgement, EntailmentError> {
        let stopped = || EntailmentError::new(EntailmentErrorKind::Stopped, "the entailment model has stopped");
        let (reply, answer) = oneshot::channel();
        self.worker.push(Job { premise, hypothesis, reply }).map_err(|refusal| match refusal {
            Refusal::Busy => {
                EntailmentError::new(EntailmentErrorKind::Busy, "too many sentences wait for the entailment model")
            }
            Refusal::Stopped => stopped(),
        })?;
        answer.await.map_err(|_| stopped())?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_any_size_become_probabilities() {
        for logits in [[0.0, 0.0, 0.0], [300.0, -300.0, 5.0], [f32::MAX, f32::MIN, 0.0], [-1e30, -1e30, -1e30]] {
            let [entailed, neutral, contradicted] = softmax(logits);
            assert!(Judgement::new(entailed, neutral, contradicted).is_some(), "{logits:?}");
        }
        assert_eq!(softmax([1.0, 1.0, 1.0])[0], 1.0 / 3.0);
    }
}
