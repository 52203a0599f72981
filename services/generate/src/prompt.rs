//! Which tokens does the model read for these turns?
//!
//! The model's own template is rendered with a placeholder in each content's place, cut at the placeholders, and
//! every part is tokenised by itself.
//!
//! Invariants:
//! - A special token in a message's content is plain text: it can neither open nor close a role.
//! - The template is the model's own; one that cannot be rendered is an error, never replaced by a guess.

use std::sync::Arc;

use llama_cpp_2::model::{LlamaChatMessage, LlamaChatTemplate, LlamaModel};
use llama_cpp_2::token::LlamaToken;
use thiserror::Error;
use wellspring_core::generator::{Message, Role};

/// White space around a placeholder. Where it is gone after rendering, the template trims what is said.
const PADDING: &str = "\t\t";

/// Turns messages into tokens. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Prompter {
    model: Arc<LlamaModel>,
    template: Arc<LlamaChatTemplate>,
}

/// Why turns have no tokens.
#[derive(Debug, Error)]
pub(crate) enum PromptError {
    /// The model file carries no template.
    #[error("the model carries no chat template")]
    NoTemplate,
    /// llama.cpp does not know the template, or it refuses these turns.
    #[error("the model's chat template cannot be rendered")]
    Unrenderable,
    /// The template leaves a turn out, repeats one or changes their order.
    #[error("the model's chat template does not take these turns one after another")]
    TurnsLost,
}

impl Prompter {
    /// Finds the model's template and tries it.
    pub(crate) fn new(model: Arc<LlamaModel>) -> Result<Self, PromptError> {
        let template = model.chat_template(None).map_err(|_| PromptError::NoTemplate)?;
        let prompter = Self { model, template: Arc::new(template) };
        prompter.tokens(&[Message { role: Role::User, content: "?".to_owned() }])?;
        Ok(prompter)
    }

    /// The tokens of a prompt that ends where the assistant's turn begins. CPU work in proportion to the text.
    pub(crate) fn tokens(&self, messages: &[Message]) -> Result<Vec<LlamaToken>, PromptError> {
        let vocabulary = self.model.vocab();
        let mut tokens = Vec::new();
        for part in cut(&self.render(messages)?, messages)? {
            match part {
                Part::Template(text) => tokens.extend(vocabulary.tokenize(text.as_bytes(), false, true)),
                Part::Content(text) => tokens.extend(vocabulary.tokenize(text.as_bytes(), false, false)),
            }
        }
        if vocabulary.should_add_bos() && tokens.first() != Some(&vocabulary.bos()) {
            tokens.insert(0, vocabulary.bos());
        }
        Ok(tokens)
    }

    /// The tokens of the contents, one after another, without a template.
    pub(crate) fn plain(&self, messages: &[Message]) -> Vec<LlamaToken> {
        let vocabulary = self.model.vocab();
        let text: String = messages.iter().map(|message| message.content.as_str()).collect();
        let mut tokens = vocabulary.tokenize(text.as_bytes(), false, false);
        if vocabulary.should_add_bos() {
            tokens.insert(0, vocabulary.bos());
        }
        tokens
    }

    /// The template over placeholders.
    fn render(&self, messages: &[Message]) -> Result<String, PromptError> {
        let turns: Result<Vec<_>, _> = messages
            .iter()
            .enumerate()
            .map(|(turn, message)| {
                let content = format!("{PADDING}{}{PADDING}", placeholder(turn));
                LlamaChatMessage::new(role_name(message.role).to_owned(), content)
            })
            .collect();
        let turns = turns.map_err(|_| PromptError::Unrenderable)?;
        self.model.apply_chat_template(&self.template, &turns, true).map_err(|_| PromptError::Unrenderable)
    }
}

/// A part of a rendered template.
#[derive(Debug, PartialEq, Eq)]
enum Part<'text> {
    /// The template's own words; special tokens count.
    Template(&'text str),
    /// What somebody says; special tokens are text.
    Content(&'text str),
}

/// Cuts a rendered template at the placeholders and puts the contents in their place.
fn cut<'text>(rendered: &'text str, messages: &'text [Message]) -> Result<Vec<Part<'text>>, PromptError> {
    let mut parts = Vec::with_capacity(2 * messages.len() + 1);
    let mut rest = rendered;
    for (turn, message) in messages.iter().enumerate() {
        let placeholder = placeholder(turn);
        let (before, after) = rest.split_once(placeholder.as_str()).ok_or(PromptError::TurnsLost)?;
        if after.contains(placeholder.as_str()) {
            return Err(PromptError::TurnsLost);
        }
        let (before, content, after) = match (before.strip_suffix(PADDING), after.strip_prefix(PADDING)) {
            (Some(before), Some(after)) => (before, message.content.as_str(), after),
            _ => (before, message.content.trim(), after),
        };
        parts.push(Part::Template(before));
        parts.push(Part::Content(content));
        rest = after;
    }
    parts.push(Part::Template(rest));
    parts.retain(|part| !matches!(part, Part::Template("") | Part::Content("")));
    Ok(parts)
}

/// Stands for a turn's content: private-use characters, which no template holds, around the turn's number.
fn placeholder(turn: usize) -> String {
    format!("\u{E5A0}{turn}\u{E5A1}")
}

/// The name templates know a role by.
fn role_name(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(content: &str) -> Message {
        Message { role: Role::User, content: content.to_owned() }
    }

    #[test]
    fn contents_take_their_placeholders_place() {
        let messages = [user(" <|im_end|> "), user("b")];
        let rendered = format!("<s>{PADDING}{}{PADDING}</s><s>{}</s>", placeholder(0), placeholder(1));
        assert_eq!(
            cut(&rendered, &messages).unwrap(),
            [
                Part::Template("<s>"),
                Part::Content(" <|im_end|> "),
                Part::Template("</s><s>"),
                Part::Content("b"),
                Part::Template("</s>"),
            ]
        );
    }

    #[test]
    fn a_template_that_trims_trims_the_content() {
        let messages = [user("  a  ")];
        let rendered = format!("<s>{}</s>", placeholder(0));
        assert_eq!(cut(&rendered, &messages).unwrap()[1], Part::Content("a"));
    }

    #[test]
    fn lost_and_repeated_turns_are_errors() {
        let messages = [user("a"), user("b")];
        let (a, b) = (placeholder(0), placeholder(1));
        for rendered in [a.clone(), format!("{b}{a}"), format!("{a}{a}{b}"), String::new()] {
            assert!(matches!(cut(&rendered, &messages), Err(PromptError::TurnsLost)), "{rendered}");
        }
    }
}
