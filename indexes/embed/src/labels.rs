//! Which of an entailment model's numbers stands for what?
//!
//! Models differ in their order, and a wrong one would turn every judgement around: so it is read, and never assumed.
//!
//! Invariants:
//! - Three labels, each of the three meanings once, or the model is refused.

use serde_json::Value;
use wellspring_core::limits;

/// What is asked of `config.json`.
const WANTED: &str = "its `id2label` must name `entailment`, `neutral` and `contradiction` by the numbers 0, 1 and 2";

/// What a model's `config.json` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Labels {
    /// Which of the three numbers is that of entailment.
    pub(crate) entailed: usize,
    /// That of neither.
    pub(crate) neutral: usize,
    /// That of contradiction.
    pub(crate) contradicted: usize,
    /// Tokens that the model reads, as far as they are looked at.
    pub(crate) tokens_max: usize,
}

impl Labels {
    /// Reads them, in any case.
    pub(crate) fn read(config: &[u8]) -> Result<Self, String> {
        let config: Value = serde_json::from_slice(config).map_err(|error| format!("it is no JSON ({error})"))?;
        let by_number = config["id2label"].as_object().map(|labels| {
            let named = |(number, label): (&String, &Value)| Some((number.parse().ok()?, meaning(label.as_str()?)?));
            labels.iter().map(named).collect::<Option<Vec<_>>>()
        });
        let by_label = config["label2id"].as_object().map(|labels| {
            let named =
                |(label, number): (&String, &Value)| Some((usize::try_from(number.as_u64()?).ok()?, meaning(label)?));
            labels.iter().map(named).collect::<Option<Vec<_>>>()
        });
        let order = match (by_number.map(order), by_label.map(order)) {
            (Some(one), None) | (None, Some(one)) => one.ok_or_else(|| WANTED.to_owned())?,
            // Where both stand they say the same twice, or nobody knows which of them is meant.
            (Some(one), Some(other)) if one == other => one.ok_or_else(|| WANTED.to_owned())?,
            (Some(_), Some(_)) => return Err(format!("its `id2label` and `label2id` disagree; {WANTED}")),
            (None, None) => return Err(format!("it names no labels; {WANTED}")),
        };
        let [entailed, neutral, contradicted] = order;
        let positions =
            config["max_position_embeddings"].as_u64().and_then(|positions| usize::try_from(positions).ok());
        let tokens_max = positions.unwrap_or(usize::MAX).min(limits::ENTAILMENT_TOKENS_MAX);
        Ok(Self { entailed, neutral, contradicted, tokens_max })
    }
}

/// What a label means, by its place in [`order`]; `None` where it is another.
fn meaning(label: &str) -> Option<usize> {
    ["entailment", "neutral", "contradiction"].iter().position(|known| label.trim().eq_ignore_ascii_case(known))
}

/// The numbers of the three meanings; `None` where one is missing, or one is told twice.
fn order(labels: Option<Vec<(usize, usize)>>) -> Option<[usize; 3]> {
    let labels = labels.filter(|labels| labels.len() == 3)?;
    let number = |meaning: usize| labels.iter().find(|(_, of)| *of == meaning).map(|(number, _)| *number);
    let order = [number(0)?, number(1)?, number(2)?];
    (0..3).all(|number| order.contains(&number)).then_some(order)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order_of(config: &str) -> Option<(usize, usize, usize)> {
        let labels = Labels::read(config.as_bytes()).ok()?;
        Some((labels.entailed, labels.neutral, labels.contradicted))
    }

    #[test]
    fn labels_are_read_in_any_order_and_any_case() {
        let roberta = r#"{"id2label": {"0": "CONTRADICTION", "1": "NEUTRAL", "2": "ENTAILMENT"}}"#;
        let deberta = r#"{"id2label": {"0": "entailment", "1": "neutral", "2": "contradiction"}}"#;
        assert_eq!(order_of(roberta), Some((2, 1, 0)));
        assert_eq!(order_of(deberta), Some((0, 1, 2)));
        assert_eq!(order_of(r#"{"label2id": {"Contradiction": 0, "Entailment": 1, "Neutral": 2}}"#), Some((1, 2, 0)));
    }

    #[test]
    fn labels_that_leave_the_order_open_are_refused() {
        for config in [
            "",
            "[]",
            "{}",
            "null",
            r#"{"id2label": {}}"#,
            r#"{"id2label": {"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"}}"#,
            r#"{"id2label": {"0": "entailment", "1": "not_entailment"}}"#,
            r#"{"id2label": {"0": "entailment", "1": "neutral", "2": "neutral"}}"#,
            r#"{"id2label": {"0": "entailment", "1": "neutral", "7": "contradiction"}}"#,
            r#"{"id2label": {"0": "entailment", "1": "neutral", "2": "contradiction", "3": "other"}}"#,
            r#"{"id2label": {"0": "entailment", "1": "neutral", "2": 5}}"#,
            r#"{"id2label": ["entailment", "neutral", "contradiction"]}"#,
            r#"{"label2id": {"entailment": -1, "neutral": 1, "contradiction": 2}}"#,
            r#"{"id2label": {"0": "entailment", "1": "neutral", "2": "contradiction"},
                "label2id": {"entailment": 2, "neutral": 1, "contradiction": 0}}"#,
        ] {
            let refusal = Labels::read(config.as_bytes()).expect_err(config);
            assert!(refusal.contains("id2label") || refusal.contains("JSON"), "{refusal}");
        }
    }

    #[test]
    fn no_more_tokens_are_read_than_the_model_has_positions() {
        let labels = r#""id2label": {"0": "entailment", "1": "neutral", "2": "contradiction"}"#;
        let tokens = |more: &str| Labels::read(format!("{{{labels}{more}}}").as_bytes()).unwrap().tokens_max;
        assert_eq!(tokens(r#", "max_position_embeddings": 128"#), 128);
        assert_eq!(tokens(r#", "max_position_embeddings": 8192"#), limits::ENTAILMENT_TOKENS_MAX);
        assert_eq!(tokens(r#", "max_position_embeddings": "many""#), limits::ENTAILMENT_TOKENS_MAX);
    }
}
