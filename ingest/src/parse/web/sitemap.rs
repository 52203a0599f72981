//! Which pages does this sitemap name? XML, an index of further ones, or one address a line; packed or not.

use std::io::Read;

use flate2::read::MultiGzDecoder;

use wellspring_core::limits;

use super::super::{Refused, decode};
use super::xml::{Space, Step, Xml};
use super::{Sitemap, SitemapPage, address};

/// Reads a sitemap.
pub(super) fn read(content: &[u8]) -> Result<Sitemap, Refused> {
    let unpacked;
    let content = match content {
        [0x1f, 0x8b, ..] => {
            unpacked = unpack(content)?;
            &unpacked
        }
        content => content,
    };
    if content.len() > limits::SITEMAP_BYTES_MAX {
        return Err(too_long());
    }
    let source = decode::xml(content)?;
    let start = source.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    if !start.starts_with('<') {
        return lines(start);
    }
    let mut xml = Xml::new(start);
    let mut sitemap = Sitemap { is_whole: true, ..Sitemap::default() };
    let mut is_known = false;
    loop {
        match xml.step() {
            Ok(Some(Step::Open(element))) => match (element.space, element.name.as_str()) {
                (Space::Core, "urlset" | "sitemapindex") => is_known = true,
                (Space::Core, "url" | "sitemap") if is_known => {
                    let has_room = named(&mut xml, &element.name, &mut sitemap);
                    if !has_room {
                        break;
                    }
                }
                _ if !is_known => return Err(not_a_sitemap()),
                _ => {}
            },
            Ok(Some(Step::Close(_))) => {}
            Ok(None) if is_known => break,
            Ok(None) => return Err(not_a_sitemap()),
            Err(refused) if sitemap.pages.is_empty() && sitemap.sitemaps.is_empty() => return Err(refused),
            Err(_) => {
                sitemap.is_whole = false;
                break;
            }
        }
    }
    Ok(sitemap)
}

/// Reads one `url` or `sitemap`; whether there is room for more.
fn named(xml: &mut Xml<'_>, container: &str, sitemap: &mut Sitemap) -> bool {
    let (mut url, mut changed) = (None, None);
    loop {
        match xml.step() {
            Ok(Some(Step::Open(element))) if element.space == Space::Core => {
                let Ok(inner) = xml.inner(&element) else { break };
                match element.name.as_str() {
                    "loc" => url = address(None, &inner.text),
                    "lastmod" => changed = date(&inner.text),
                    _ => {}
                }
            }
            Ok(Some(Step::Close(name))) if name == container => {
                let is_full = sitemap.pages.len() + sitemap.sitemaps.len() >= limits::SITEMAP_URLS_MAX;
                match url {
                    Some(_) if is_full => break,
                    Some(url) if container == "url" => sitemap.pages.push(SitemapPage { url, changed }),
                    Some(url) => sitemap.sitemaps.push(url),
                    None => {}
                }
                return true;
            }
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => break,
        }
    }
    sitemap.is_whole = false;
    false
}

fn date(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty() && text.len() <= limits::SITEMAP_DATE_BYTES_MAX).then(|| text.to_owned())
}

/// A sitemap of lines.
fn lines(text: &str) -> Result<Sitemap, Refused> {
    // Lines without an address count for nothing: what is beyond them must not be taken for gone.
    let addresses = text.lines().filter_map(|line| address(None, line)).take(limits::SITEMAP_URLS_MAX + 1);
    let mut pages: Vec<_> = addresses.map(|url| SitemapPage { url, changed: None }).collect();
    if pages.is_empty() {
        return Err(not_a_sitemap());
    }
    let is_whole = pages.len() <= limits::SITEMAP_URLS_MAX;
    pages.truncate(limits::SITEMAP_URLS_MAX);
    Ok(Sitemap { pages, sitemaps: Vec::new(), is_whole })
}

fn unpack(content: &[u8]) -> Result<Vec<u8>, Refused> {
    let mut unpacked = Vec::new();
    let mut packed = MultiGzDecoder::new(content).take(limits::SITEMAP_BYTES_MAX as u64 + 1);
    packed.read_to_end(&mut unpacked).map_err(|_| Refused::because("it cannot be unpacked"))?;
    if unpacked.len() > limits::SITEMAP_BYTES_MAX { Err(too_long()) } else { Ok(unpacked) }
}

fn too_long() -> Refused {
    Refused::because(format!("it is longer than {} bytes", limits::SITEMAP_BYTES_MAX))
}

fn not_a_sitemap() -> Refused {
    Refused::because("it is not a sitemap")
}
