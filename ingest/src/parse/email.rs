//! What does this message say, from whom to whom, and what came with it?
//!
//! ```text
//! subject -> title        From, To, Cc, Date -> the first paragraph
//! text/plain, else text/html by our own reader -> the body
//! a message inside -> a heading with its subject, and the same again       names of attachments -> the last paragraph
//! ```
//!
//! Invariants:
//! - Attachments are named and never opened.
//! - What makes the message's parts nest or multiply is counted before the message is taken apart.

use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use mail_parser::{Address, Encoding, Message, MessageParser, MessagePart, MimeHeaders, PartType};

use wellspring_core::limits;

use super::{Block, BlockKind, Parsed, Refused, decode, html, text, tidy_title};

/// Reads a message.
pub(super) fn parse(content: &[u8]) -> Result<Parsed, Refused> {
    if count(content, b"multipart/") + count(content, b"message/") > limits::EMAIL_PARTS_MAX
        || count(content, b"\n--") > limits::EMAIL_SEPARATORS_MAX
    {
        return Err(too_many_parts());
    }
    let message = MessageParser::default().parse(content).filter(is_message);
    let message = message.ok_or_else(|| Refused::because("it is not an e-mail message"))?;
    let mut writer = Writer::default();
    writer.message(&message, 0)?;
    writer.attachments();
    let title = message.subject().and_then(tidy_title);
    let Writer { text, blocks, .. } = writer;
    if text.len() > limits::TEXT_BYTES_MAX {
        return Err(Refused::because(format!("its text is longer than {} bytes", limits::TEXT_BYTES_MAX)));
    }
    Ok(Parsed { text, title, blocks, places: Vec::new() })
}

fn too_many_parts() -> Refused {
    Refused::because(format!("it has more than {} parts", limits::EMAIL_PARTS_MAX))
}

/// How often a lower-case mark occurs, whatever its case there.
fn count(content: &[u8], mark: &[u8]) -> usize {
    content.windows(mark.len()).filter(|window| window.eq_ignore_ascii_case(mark)).count()
}

/// The reader takes any line with a colon for a header: a message has at least one that says what it is.
fn is_message(message: &Message<'_>) -> bool {
    let addressed = message.from().is_some() || message.to().is_some() || message.sender().is_some();
    addressed || message.subject().is_some() || message.message_id().is_some()
}

#[derive(Debug, Default)]
struct Writer {
    text: String,
    blocks: Vec<Block>,
    parts: usize,
    attachments: Vec<String>,
}

impl Writer {
    fn message(&mut self, message: &Message<'_>, depth: usize) -> Result<(), Refused> {
        self.parts += message.parts.len();
        if self.parts > limits::EMAIL_PARTS_MAX {
            return Err(too_many_parts());
        }
        if depth > 0
            && let Some(subject) = message.subject().and_then(tidy_title)
        {
            let level = depth.min(6) as u8;
            self.push(&subject.clone(), BlockKind::Heading { level, title: subject });
        }
        self.envelope(message);
        // Some programs send an empty plain text beside what they have to say.
        let says = |part: &MessagePart<'_>| part.text_contents().is_some_and(|said| !said.trim().is_empty());
        let bodies = if message.text_bodies().any(says) { &message.text_body } else { &message.html_body };
        for part in bodies.iter().filter_map(|place| message.part(*place)) {
            self.body(message, part)?;
        }
        for part in message.attachments() {
            if let Some(name) = part.attachment_name().and_then(tidy_title) {
                self.attachments.push(name);
            }
            if let PartType::Message(inner) = &part.body
                && depth < limits::EMAIL_DEPTH_MAX
            {
                self.message(inner, depth + 1)?;
            }
        }
        Ok(())
    }

    fn envelope(&mut self, message: &Message<'_>) {
        let people = [("From", message.from()), ("To", message.to()), ("Cc", message.cc())];
        let mut lines: Vec<String> = people
            .into_iter()
            .filter_map(|(name, address)| Some(format!("{name}: {}", people_of(address?)?)))
            .collect();
        lines.extend(message.date().map(|date| format!("Date: {}", date.to_rfc822())));
        self.push(&lines.join("\n"), BlockKind::Paragraph);
    }

    fn body(&mut self, message: &Message<'_>, part: &MessagePart<'_>) -> Result<(), Refused> {
        match &part.body {
            PartType::Text(said) => {
                let said = reread(message, part, said, false);
                let mut parsed = text::parse(plain(&said));
                for block in &mut parsed.blocks {
                    if parsed.text[block.range.clone()].lines().all(|line| line.starts_with('>')) {
                        block.kind = BlockKind::Quote;
                    }
                }
                self.append(&parsed);
            }
            PartType::Html(said) => {
                let parsed = html::parse(&reread(message, part, said, true))?;
                self.append(&parsed);
            }
            PartType::Binary(_) | PartType::InlineBinary(_) | PartType::Message(_) | PartType::Multipart(_) => {}
        }
        Ok(())
    }

    /// Adds a text of its own blocks, shifted to their new place.
    fn append(&mut self, parsed: &Parsed) {
        if parsed.blocks.is_empty() {
            return;
        }
        self.part_off();
        let offset = self.text.len();
        self.text.push_str(&parsed.text);
        let shifted = |block: &Block| Block {
            range: block.range.start + offset..block.range.end + offset,
            kind: block.kind.clone(),
        };
        self.blocks.extend(parsed.blocks.iter().map(shifted));
    }

    fn push(&mut self, said: &str, kind: BlockKind) {
        if said.is_empty() {
            return;
        }
        self.part_off();
        let start = self.text.len();
        self.text.push_str(said);
        self.blocks.push(Block { range: start..self.text.len(), kind });
    }

    fn part_off(&mut self) {
        if !self.text.is_empty() {
            self.text.truncate(self.text.trim_end().len());
            self.text.push_str("\n\n");
        }
    }

    fn attachments(&mut self) {
        if !self.attachments.is_empty() {
            let names = std::mem::take(&mut self.attachments).join(", ");
            self.push(&format!("Attachments: {names}"), BlockKind::Paragraph);
        }
    }
}

fn people_of(address: &Address<'_>) -> Option<String> {
    let person = |person: &mail_parser::Addr<'_>| match (person.name(), person.address()) {
        (Some(name), Some(address)) if name != address => Some(format!("{name} <{address}>")),
        (name, address) => address.or(name).map(str::to_owned),
    };
    tidy_title(&address.iter().filter_map(person).collect::<Vec<_>>().join(", "))
}

/// The text of a part, from its own bytes by our own rules: what is declared can be wrong or missing.
fn reread(message: &Message<'_>, part: &MessagePart<'_>, said: &str, is_html: bool) -> String {
    let reread = || {
        let raw = message.raw_message().get(part.offset_body as usize..part.offset_end as usize)?;
        let bytes = match part.encoding {
            Encoding::None => raw.to_vec(),
            Encoding::QuotedPrintable => quoted_printable_decode(raw)?,
            Encoding::Base64 => base64_decode(raw)?,
        };
        match part.content_type().and_then(|content_type| content_type.attribute("charset")) {
            Some(label) => decode::labelled(&bytes, label),
            None if is_html => decode::html(&bytes),
            None => decode::text(&bytes),
        }
        .ok()
    };
    if said.is_ascii() { said.to_owned() } else { reread().unwrap_or_else(|| said.to_owned()) }
}

/// A plain text with line ends of one kind and without control characters.
fn plain(said: &str) -> String {
    said.replace("\r\n", "\n").chars().filter(|c| matches!(c, '\n' | '\t') || !c.is_control()).collect()
}

#[cfg(test)]
#[path = "email_tests.rs"]
mod tests;
