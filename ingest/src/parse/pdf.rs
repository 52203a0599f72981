//! What do the pages of this PDF say, in the order of reading?
//!
//! ```text
//! bytes -> hayro: glyphs with their places -> pdf_layout: lines, columns -> pdf_flow: paragraphs, headings -> text
//! ```
//!
//! Invariants:
//! - Every page that says something has a mark with its number, counted from 1 in the order of the file.
//! - A page's text never joins that of another: a paragraph that runs over the border of a page is two blocks.
//! - A document whose pages show characters to nobody but the eye is refused with the token `no_text`.

use hayro_interpret::font::{Glyph, GlyphRun};
use hayro_interpret::hayro_cmap::{BfString, WritingMode};
use hayro_interpret::hayro_syntax::object::{Dict, Name, Stream};
use hayro_interpret::hayro_syntax::page::Page;
use hayro_interpret::hayro_syntax::{DecryptionError, LoadPdfError, Pdf};
use hayro_interpret::kurbo::{Affine, BezPath, Point, Rect};
use hayro_interpret::{
    BlendMode, ClipPath, Context, Device, DrawMode, DrawProps, Image, ImageDrawProps, InterpreterCache,
    InterpreterSettings, SoftMask, interpret_page,
};

use wellspring_core::limits;

use super::pdf_flow::Flow;
use super::pdf_layout::{Placed, Turn, lay_out};
use super::{Parsed, Refused, tidy_title};

/// Units of a glyph's own space in one em.
const UNITS_PER_EM: f64 = 1000.0;

/// Reads a document. Its title is that of its information dictionary.
pub(super) fn parse(content: &[u8]) -> Result<Parsed, Refused> {
    let pdf = Pdf::new(content.to_vec()).map_err(|error| refusal(error, content))?;
    let pages = pdf.pages();
    if pages.len() > limits::PDF_PAGES_MAX {
        return Err(Refused::because(format!("it has more than {} pages", limits::PDF_PAGES_MAX)));
    }
    let cache = InterpreterCache::new();
    let mut flow = Flow::default();
    let (mut nameless, mut has_images) = (false, false);
    for (index, page) in pages.iter().enumerate() {
        let glyphs = glyphs_of(page, &cache, &pdf);
        if glyphs.too_many {
            let max = limits::PDF_PAGE_GLYPHS_MAX;
            return Err(Refused::because(format!("a page of it shows more than {max} characters")));
        }
        nameless |= glyphs.nameless > glyphs.placed.len();
        has_images |= glyphs.has_images;
        flow.page(index as u32 + 1, lay_out(glyphs.placed));
        if flow.bytes() > limits::TEXT_BYTES_MAX {
            return Err(Refused::because(format!("its text is longer than {} bytes", limits::TEXT_BYTES_MAX)));
        }
    }
    let title = pdf.metadata().title.as_deref().and_then(title_of);
    let (text, blocks, places) = flow.finish();
    if blocks.is_empty() {
        return Err(Refused::because(match (pages.len(), nameless, has_images) {
            (0, ..) => "no_text: it has no pages",
            (_, true, _) => "no_text: its fonts do not tell which characters they show",
            (_, false, true) => "no_text: its pages are images without text",
            (_, false, false) => "no_text: its pages show neither text nor images",
        }));
    }
    Ok(Parsed { text, title, blocks, places })
}

fn refusal(error: LoadPdfError, content: &[u8]) -> Refused {
    let encrypted = || content.windows(8).any(|bytes| bytes == b"/Encrypt");
    Refused::because(match error {
        LoadPdfError::Decryption(DecryptionError::PasswordProtected) => "it is encrypted and asks for a password",
        LoadPdfError::Decryption(DecryptionError::UnsupportedAlgorithm) => "it is encrypted in a way that is not read",
        LoadPdfError::Decryption(_) => "it is encrypted and its encryption is broken",
        LoadPdfError::Invalid if encrypted() => "it is encrypted, and too broken to be read",
        LoadPdfError::Invalid => "it is not a PDF, or too broken to be read",
    })
}

/// A title that somebody gave; programs fill the place with words of their own.
fn title_of(title: &[u8]) -> Option<String> {
    let title = decode_string(title);
    let title = title.strip_prefix("Microsoft Word - ").unwrap_or(&title);
    let filler = ["(anonymous)", "anonymous", "untitled", "(untitled)", "unspecified"];
    tidy_title(title).filter(|title| !filler.contains(&title.to_lowercase().as_str()))
}

/// A string of a PDF's structure: UTF-16 or UTF-8 by its mark, else close to Latin-1.
fn decode_string(bytes: &[u8]) -> String {
    match bytes {
        [0xfe, 0xff, ..] => encoding_rs::UTF_16BE.decode(bytes).0.into_owned(),
        [0xff, 0xfe, ..] => encoding_rs::UTF_16LE.decode(bytes).0.into_owned(),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        _ => encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned(),
    }
    .chars()
    .filter(|c| !c.is_control())
    .collect()
}

/// Runs a page's drawing instructions and keeps the glyphs.
fn glyphs_of<'a>(page: &'a Page<'a>, cache: &InterpreterCache<'a>, pdf: &'a Pdf) -> Glyphs {
    let (width, height) = page.render_dimensions();
    let bounds = Rect::new(0.0, 0.0, f64::from(width), f64::from(height));
    let transform = Affine::new(page.initial_transform(true).as_coeffs());
    let settings = InterpreterSettings::default();
    let mut context = Context::new(transform, bounds, cache, pdf.xref(), settings);
    let mut glyphs = Glyphs { codes: CodeText::of(page), ..Glyphs::default() };
    interpret_page(page, &mut context, &mut glyphs);
    glyphs
}

/// Takes note of glyphs and of nothing else that is drawn: images and paths are never decoded.
#[derive(Default)]
struct Glyphs {
    placed: Vec<Placed>,
    /// Glyphs that the font gives no character.
    nameless: usize,
    too_many: bool,
    has_images: bool,
    codes: Option<CodeText>,
    /// Where the last run began and how many glyphs it had: text may be filled and then drawn around once more.
    last_run: Option<(Point, usize)>,
}

impl Device<'_> for Glyphs {
    fn draw_glyph_run(&mut self, run: &GlyphRun<'_, '_>, props: DrawProps<'_>, mode: &DrawMode) {
        let begins = run.glyphs().first().map(|glyph| props.transform * glyph.transform() * Point::ZERO);
        let this_run = begins.map(|point| (point, run.glyphs().len()));
        if matches!(mode, DrawMode::Stroke(_)) && this_run == self.last_run {
            return;
        }
        self.last_run = this_run;
        let vertical = matches!(run.writing_mode(), WritingMode::Vertical);
        for glyph in run.glyphs() {
            if self.placed.len() + self.nameless >= limits::PDF_PAGE_GLYPHS_MAX {
                self.too_many = true;
                return;
            }
            let text = match (glyph.as_unicode(), &self.codes) {
                (Some(BfString::Char(c)), _) => c.to_string(),
                (Some(BfString::String(text)), _) => text,
                (None, Some(codes)) => codes.text(glyph.char_code()).unwrap_or_default(),
                (None, None) => String::new(),
            };
            if text.chars().all(|c| c.is_control() || c == char::REPLACEMENT_CHARACTER) {
                self.nameless += 1;
                continue;
            }
            let advance = match &**glyph {
                Glyph::Outline(outline) => outline.advance_width(),
                Glyph::Type3(drawn) => drawn.advance_width(),
            };
            self.placed.extend(place(text, props.transform * glyph.transform(), advance, vertical));
        }
    }

    fn draw_path(&mut self, _: &BezPath, _: DrawProps<'_>, _: &DrawMode) {}
    fn push_clip_path(&mut self, _: &ClipPath) {}
    fn push_transparency_group(&mut self, _: f32, _: Option<SoftMask<'_>>, _: BlendMode) {}
    fn draw_image(&mut self, _: Image<'_, '_>, _: ImageDrawProps<'_>) {
        self.has_images = true;
    }
    fn pop_clip(&mut self) {}
    fn pop_transparency_group(&mut self) {}
    fn draw_rect(&mut self, _: &Rect, _: DrawProps<'_>, _: &DrawMode) {}
}

/// Where a glyph stands on the page; `None` when it has no place or no size.
fn place(text: String, transform: Affine, advance: Option<f32>, vertical: bool) -> Option<Placed> {
    let origin = transform * Point::ZERO;
    let along = transform * Point::new(UNITS_PER_EM, 0.0) - origin;
    let up = transform * Point::new(0.0, UNITS_PER_EM) - origin;
    let size = up.hypot();
    if !(origin.is_finite() && along.is_finite() && size.is_finite() && size > 0.01) {
        return None;
    }
    let turn = match (vertical, along.x.abs() >= along.y.abs()) {
        (true, _) => Turn::Vertical,
        (false, true) if along.x >= 0.0 => Turn::Upright,
        (false, true) => Turn::Half,
        (false, false) if along.y > 0.0 => Turn::Right,
        (false, false) => Turn::Left,
    };
    let advance = f64::from(advance.unwrap_or(500.0)).clamp(0.0, 4.0 * UNITS_PER_EM) / UNITS_PER_EM * size;
    // In vertical writing a glyph's advance is its height, near to its size.
    let advance = if vertical { size } else { advance };
    Some(Placed { text, turn, x: origin.x, y: origin.y, advance, size })
}

/// What the codes of a page's fonts mean where the fonts themselves do not say: old files name a standard encoding of
/// East Asian text instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CodeText {
    Utf16,
    Legacy(&'static encoding_rs::Encoding),
}

impl CodeText {
    /// The one encoding that all such fonts of a page share.
    fn of(page: &Page<'_>) -> Option<Self> {
        let fonts = &page.resources().fonts;
        let mut found = None;
        for name in fonts.keys() {
            let Some(font) = fonts.get::<Dict<'_>>(name.as_ref()) else { continue };
            if font.get::<Stream<'_>>(b"ToUnicode".as_ref()).is_some() {
                continue;
            }
            let Some(encoding) = font.get::<Name<'_>>(b"Encoding".as_ref()) else { continue };
            let Some(codes) = Self::of_encoding(encoding.as_str()) else { continue };
            if *found.get_or_insert(codes) != codes {
                return None;
            }
        }
        found
    }

    fn of_encoding(name: &str) -> Option<Self> {
        let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
        match name {
            _ if starts(&["UniGB-U", "UniCNS-U", "UniJIS-U", "UniKS-U", "UniJIS2004-U"]) => Some(Self::Utf16),
            _ if starts(&["GB-EUC", "GBK", "GBpc"]) => Some(Self::Legacy(encoding_rs::GBK)),
            _ if starts(&["B5pc", "ETen-B5", "HKscs-B5", "ETenms-B5"]) => Some(Self::Legacy(encoding_rs::BIG5)),
            _ if starts(&["83pv-RKSJ", "90ms-RKSJ", "90msp-RKSJ", "90pv-RKSJ", "Add-RKSJ", "Ext-RKSJ"]) => {
                Some(Self::Legacy(encoding_rs::SHIFT_JIS))
            }
            _ if starts(&["EUC-"]) => Some(Self::Legacy(encoding_rs::EUC_JP)),
            _ if starts(&["KSC-EUC", "KSCms-UHC", "KSCpc-EUC"]) => Some(Self::Legacy(encoding_rs::EUC_KR)),
            _ => None,
        }
    }

    fn text(self, code: u32) -> Option<String> {
        let bytes = code.to_be_bytes();
        let encoding = match self {
            Self::Utf16 if code <= 0xffff => return char::from_u32(code).map(String::from),
            Self::Utf16 => encoding_rs::UTF_16BE,
            Self::Legacy(encoding) => encoding,
        };
        let used = &bytes[(code.leading_zeros() as usize / 8).min(3)..];
        encoding.decode_without_bom_handling_and_without_replacement(used).map(|text| text.into_owned())
    }
}

#[cfg(test)]
#[path = "pdf_tests.rs"]
mod tests;
