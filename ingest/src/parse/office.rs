//! How do the parts of an office document hang together?
//!
//! Each part has a list of relationships beside it, which names other parts by their purpose.

use wellspring_core::limits;

use super::archive::{Archive, resolve};
use super::xml::Node;
use super::{Block, BlockKind, Parsed, Refused, tidy_title};

/// Titles that programs write of themselves.
const TITLES_OF_PROGRAMS: &[&str] = &["PowerPoint Presentation", "PowerPoint-Präsentation", "Word Document"];

/// A part named by another.
#[derive(Debug)]
pub(super) struct Relationship {
    /// The name that the other part uses for it.
    pub(super) id: String,
    /// Its purpose: the last word of the type, since the rest differs between versions of the standard.
    pub(super) kind: String,
    /// Its name in the archive.
    pub(super) target: String,
}

/// The relationships of a part; of the document itself when the name is empty. What lies outside is left out.
pub(super) fn relationships(archive: &mut Archive<'_>, part: &str) -> Result<Vec<Relationship>, Refused> {
    let (folder, file) = part.rsplit_once('/').unwrap_or(("", part));
    let mut found = Vec::new();
    let Some(mut xml) = archive.xml(&format!("{folder}/_rels/{file}.rels"))? else { return Ok(found) };
    while let Some(node) = xml.next()? {
        let Node::Open(element) = node else { continue };
        if element.name() != "Relationship" || element.attribute("TargetMode").as_deref() == Some("External") {
            continue;
        }
        let attributes = (element.attribute("Id"), element.attribute("Type"), element.attribute("Target"));
        let (Some(id), Some(kind), Some(target)) = attributes else { continue };
        let Some(target) = resolve(part, &target) else { continue };
        let kind = kind.rsplit('/').next().unwrap_or_default().to_owned();
        found.push(Relationship { id, kind, target });
        if found.len() > limits::ARCHIVE_ENTRIES_MAX {
            let max = limits::ARCHIVE_ENTRIES_MAX;
            return Err(Refused::because(format!("a part of it has more than {max} relationships")));
        }
    }
    Ok(found)
}

/// The target of the first relationship with this purpose.
pub(super) fn target_of<'r>(relationships: &'r [Relationship], kind: &str) -> Option<&'r str> {
    relationships.iter().find(|found| found.kind == kind).map(|found| found.target.as_str())
}

/// The part that everything else hangs from.
pub(super) fn main_part(archive: &mut Archive<'_>) -> Result<String, Refused> {
    let relationships = relationships(archive, "")?;
    let target = target_of(&relationships, "officeDocument").map(str::to_owned);
    target.ok_or_else(|| Refused::because("it is a zip archive, but not a document of an office suite"))
}

/// The title that the author gave the document.
pub(super) fn title(archive: &mut Archive<'_>) -> Result<Option<String>, Refused> {
    let Some(mut xml) = archive.xml("docProps/core.xml")? else { return Ok(None) };
    while let Some(node) = xml.next()? {
        if let Node::Open(element) = node
            && element.name() == "title"
        {
            let title = tidy_title(&xml.text()?);
            return Ok(title.filter(|title| !TITLES_OF_PROGRAMS.contains(&title.as_str())));
        }
    }
    Ok(None)
}

/// What the first heading says.
pub(super) fn first_heading(blocks: &[Block]) -> Option<String> {
    blocks.iter().find_map(|block| match &block.kind {
        BlockKind::Heading { title, .. } => Some(title.clone()).filter(|title| !title.is_empty()),
        _ => None,
    })
}

/// Refuses a document without text: its owner must learn that nothing of it can be found.
pub(super) fn with_text(parsed: Parsed) -> Result<Parsed, Refused> {
    match parsed.blocks.is_empty() {
        true => Err(Refused::because(super::NO_TEXT)),
        false => Ok(parsed),
    }
}
