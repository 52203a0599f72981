//! Can these settings be a source, and do they get in the way of another one?
//!
//! Invariants:
//! - What comes out is in one form: a folder as the kernel names it, an address as it is asked, hosts in lower case.
//!   Comparing two settings compares what they mean.
//! - No file belongs to two folder sources of one collection.
//! - An address carries no credentials: settings are shown to everybody who may list sources.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use url::Url;
use wellspring_core::limits;
use wellspring_core::source::{Origin, PUSH, SettingsError, SourceSettings};

use super::folder::{FolderRules, may_match};

/// Checks settings and brings them into their one form. Asks the disk about a folder: call it off the async threads.
pub fn checked(settings: SourceSettings) -> Result<SourceSettings, SettingsError> {
    let SourceSettings { name, collection, origin, private_hosts, tags } = settings;
    if name.as_str() == PUSH {
        return Err(refused("name", "is that of everything that clients push", "choose another name"));
    }
    let is_folder = matches!(origin, Origin::Folder { .. });
    if is_folder && !private_hosts.is_empty() {
        return Err(refused("private_hosts", "means nothing for a folder", "leave it out"));
    }
    let origin = checked_origin(origin)?;
    Ok(SourceSettings { name, collection, origin, private_hosts: hosts(private_hosts)?, tags: checked_tags(tags)? })
}

/// Refuses a folder that shares files with a folder source of the same collection. Both are in the checked form.
pub fn apart<'s>(
    settings: &SourceSettings,
    others: impl IntoIterator<Item = &'s SourceSettings>,
) -> Result<(), SettingsError> {
    let Origin::Folder { path, .. } = &settings.origin else { return Ok(()) };
    for other in others {
        let Origin::Folder { path: taken, .. } = &other.origin else { continue };
        let overlap = path.starts_with(taken) || taken.starts_with(path);
        if overlap && other.collection == settings.collection && other.name != settings.name {
            return Err(refused(
                "path",
                &format!("overlaps with the folder of the source `{}`", other.name),
                "keep the outer folder only, with `exclude` for what is not wanted, or use another collection",
            ));
        }
    }
    Ok(())
}

/// Whether both come from the same place and fill the same collection, so that one may take the other's name over.
pub fn same_place(one: &SourceSettings, other: &SourceSettings) -> bool {
    let place = |origin: &Origin| match origin {
        Origin::Folder { path, .. } => path.to_string_lossy().into_owned(),
        Origin::Feed { url, .. } | Origin::Site { url, .. } | Origin::Page { url } => url.clone(),
    };
    one.collection == other.collection
        && one.origin.kind() == other.origin.kind()
        && place(&one.origin) == place(&other.origin)
}

fn refused(field: &'static str, what: &str, hint: &str) -> SettingsError {
    SettingsError { field, what: what.to_owned(), hint: hint.to_owned() }
}

fn checked_origin(origin: Origin) -> Result<Origin, SettingsError> {
    Ok(match origin {
        Origin::Folder { path, include, exclude, gitignore } => {
            FolderRules::new(&include, &exclude, gitignore)?;
            let named = path;
            let path = folder(&named)?;
            for folder in [&named, &path] {
                may_match("include", &include, folder)?;
                may_match("exclude", &exclude, folder)?;
            }
            Origin::Folder { path, include, exclude, gitignore }
        }
        Origin::Feed { url, articles } => Origin::Feed { url: address("url", &url)?.into(), articles },
        Origin::Page { url } => Origin::Page { url: address("url", &url)?.into() },
        Origin::Site { url, sitemap, depth_max, pages_max } => {
            let url = address("url", &url)?;
            let sitemap = sitemap.map(|sitemap| address("sitemap", &sitemap)).transpose()?;
            if depth_max > limits::SITE_DEPTH_MAX {
                let what = format!("is larger than {}", limits::SITE_DEPTH_MAX);
                return Err(refused("depth_max", &what, "follow fewer links; 0 is the first page alone"));
            }
            if !(1..=limits::SITE_PAGES_MAX).contains(&pages_max) {
                let what = format!("must be from 1 to {}", limits::SITE_PAGES_MAX);
                return Err(refused("pages_max", &what, "split a larger site into several sources"));
            }
            Origin::Site { url: url.into(), sitemap: sitemap.map(Into::into), depth_max, pages_max }
        }
    })
}

/// The folder as the kernel names it: no part of the result is a link.
fn folder(path: &Path) -> Result<PathBuf, SettingsError> {
    if !path.is_absolute() {
        return Err(refused("path", "is not absolute", "begin it with `/`: the service has a folder of its own"));
    }
    let root = path
        .canonicalize()
        .map_err(|error| refused("path", &format!("cannot be reached ({error})"), "name a folder that exists"))?;
    if !root.is_dir() {
        return Err(refused("path", "is not a folder", "name a folder; `wellspring add` takes single files"));
    }
    if std::fs::read_dir(&root).is_err() {
        return Err(refused("path", "cannot be read", "let the service's user read it"));
    }
    if root.parent().is_none() {
        return Err(refused("path", "is the whole disk", "name a folder on it"));
    }
    if root.to_str().is_none() {
        return Err(refused("path", "is not Unicode", "rename the folder"));
    }
    Ok(root)
}

/// An address in its one form; it carries no credentials, since it is shown to everybody who may list.
pub(crate) fn address(field: &'static str, text: &str) -> Result<Url, SettingsError> {
    let hint = "an address looks like `https://example.org/feed.xml`";
    if text.len() > limits::URL_BYTES_MAX {
        return Err(refused(field, &format!("is longer than {} bytes", limits::URL_BYTES_MAX), "use a shorter one"));
    }
    // The parser would pass over them in silence.
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(refused(field, "holds white space or a control character", "percent-encode it"));
    }
    let mut url = Url::parse(text).map_err(|error| refused(field, &format!("is no address ({error})"), hint))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(refused(field, "is neither http nor https", hint));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refused(
            field,
            "carries a user name or a password",
            "take it out: everybody who may list sources would see it",
        ));
    }
    url.set_fragment(None);
    if url.as_str().len() > limits::URL_BYTES_MAX {
        return Err(refused(field, &format!("is longer than {} bytes", limits::URL_BYTES_MAX), "use a shorter one"));
    }
    Ok(url)
}

/// Host names in their one form, in order.
pub(crate) fn hosts(hosts: Vec<String>) -> Result<Vec<String>, SettingsError> {
    let hint = "a host looks like `wiki.internal` or `10.0.0.7`, without scheme, port or path";
    if hosts.len() > limits::PRIVATE_HOSTS_MAX {
        let what = format!("has more than {} entries", limits::PRIVATE_HOSTS_MAX);
        return Err(refused("private_hosts", &what, "name only the hosts that are needed"));
    }
    let checked = hosts.into_iter().map(|host| host_name(&host).ok_or(())).collect::<Result<Vec<_>, ()>>();
    let mut hosts = checked.map_err(|()| refused("private_hosts", "has an entry that is no host name", hint))?;
    hosts.sort();
    hosts.dedup();
    Ok(hosts)
}

/// A host in lower case, or an address as it is written by its own type; `None` for anything else, wildcards included.
fn host_name(text: &str) -> Option<String> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Some(address.to_string());
    }
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let label = |label: &str| {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        (1..=63).contains(&label.len()) && label.chars().all(plain) && !label.starts_with('-') && !label.ends_with('-')
    };
    (name.len() <= limits::HOST_BYTES_MAX && name.split('.').all(label)).then_some(name)
}

fn checked_tags(tags: Vec<String>) -> Result<Vec<String>, SettingsError> {
    if tags.len() > limits::TAGS_MAX {
        return Err(refused("tags", &format!("has more than {} entries", limits::TAGS_MAX), "use fewer tags"));
    }
    let bad = |tag: &String| {
        tag.trim().is_empty() || tag.len() > limits::ATTRIBUTE_BYTES_MAX || tag.chars().any(char::is_control)
    };
    if tags.iter().any(bad) {
        let what = "has an entry that is empty, too long or holds a control character";
        return Err(refused("tags", what, "a tag is a word or two"));
    }
    Ok(tags)
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
