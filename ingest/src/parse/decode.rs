//! Which characters do these bytes stand for?
//!
//! In this order: a byte order mark, valid UTF-8, what an HTML page declares, and last a guess from the bytes.
//!
//! Invariants:
//! - Valid UTF-8 comes out byte for byte, less a byte order mark.
//! - Bytes that have no reading are refused, never replaced: a citation must be verbatim.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::Encoding;

use wellspring_core::limits;

use super::Refused;

/// How far into a page its declaration of an encoding is looked for.
const DECLARATION_BYTES_MAX: usize = 1024;

/// Decodes plain text.
pub(super) fn text(content: &[u8]) -> Result<String, Refused> {
    decode(content, None)
}

/// Decodes an HTML page, whose own declaration is believed only when the bytes are not valid UTF-8.
pub(super) fn html(content: &[u8]) -> Result<String, Refused> {
    decode(content, declared_encoding(content))
}

/// Decodes XML, or JSON, whose own declaration is believed only when the bytes are not valid UTF-8.
pub(super) fn xml(content: &[u8]) -> Result<String, Refused> {
    decode(content, declared_after(content, b"encoding="))
}

fn decode(content: &[u8], declared: Option<&'static Encoding>) -> Result<String, Refused> {
    let text = match Encoding::for_bom(content) {
        Some((encoding, mark)) => read_as(encoding, &content[mark..])?,
        None => match std::str::from_utf8(content) {
            Ok(text) => text.to_owned(),
            // No text in an encoding without a mark holds NUL; the guess would call it Latin text all the same.
            Err(_) if content.contains(&0) => return Err(binary()),
            Err(_) => declared
                .and_then(|encoding| read_as(encoding, content).ok())
                .map_or_else(|| read_as(guess(content), content), Ok)?,
        },
    };
    if is_binary(&text) {
        return Err(binary());
    }
    if text.len() > limits::TEXT_BYTES_MAX {
        return Err(Refused::because(format!("its text is longer than {} bytes", limits::TEXT_BYTES_MAX)));
    }
    Ok(text)
}

fn read_as(encoding: &'static Encoding, content: &[u8]) -> Result<String, Refused> {
    encoding
        .decode_without_bom_handling_and_without_replacement(content)
        .map(|text| text.into_owned())
        .ok_or_else(|| Refused::because(format!("its bytes are not valid {}", encoding.name())))
}

fn guess(content: &[u8]) -> &'static Encoding {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(content, true);
    detector.guess(None, Utf8Detection::Deny)
}

fn binary() -> Refused {
    Refused::because("it is binary data, not text")
}

/// Whether the characters are those of data: NUL, or one control character in twenty.
fn is_binary(text: &str) -> bool {
    let mut controls = 0;
    for byte in text.bytes() {
        match byte {
            0 => return true,
            b'\t' | b'\n' | b'\r' | 0x0c | 0x1b => {}
            0x01..=0x1f | 0x7f => controls += 1,
            _ => {}
        }
    }
    controls > 0 && controls * 20 > text.len()
}

/// The encoding named after `charset=` near the start of a page.
fn declared_encoding(content: &[u8]) -> Option<&'static Encoding> {
    declared_after(content, b"charset=")
}

fn declared_after(content: &[u8], mark: &[u8]) -> Option<&'static Encoding> {
    let head = content[..content.len().min(DECLARATION_BYTES_MAX)].to_ascii_lowercase();
    let at = head.windows(mark.len()).position(|window| window == mark)? + mark.len();
    let label = head[at..].trim_ascii_start();
    let label = label.strip_prefix(b"\"").or_else(|| label.strip_prefix(b"'")).unwrap_or(label);
    let end = label.iter().position(|byte| !(byte.is_ascii_alphanumeric() || b"-_:.".contains(byte)));
    Encoding::for_label(&label[..end.unwrap_or(label.len())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf8_comes_out_byte_for_byte_without_its_mark() {
        assert_eq!(text("a\r\nb\u{a0}河".as_bytes()).unwrap(), "a\r\nb\u{a0}河");
        assert_eq!(text(b"\xef\xbb\xbfabc").unwrap(), "abc");
        assert_eq!(text(b"").unwrap(), "");
    }

    #[test]
    fn marks_and_guesses_decode_older_encodings() {
        assert_eq!(text(b"\xff\xfeh\0i\0").unwrap(), "hi");
        let (gbk, _, _) = encoding_rs::GBK.encode("这是一个中文文档，内容是关于河流的。河流很长。");
        assert_eq!(text(&gbk).unwrap(), "这是一个中文文档，内容是关于河流的。河流很长。");
        let (latin, _, _) =
            encoding_rs::WINDOWS_1252.encode("Der Fluß fließt über die Grenze, und das schöne Tal blüht.");
        assert_eq!(text(&latin).unwrap(), "Der Fluß fließt über die Grenze, und das schöne Tal blüht.");
    }

    #[test]
    fn a_page_that_lies_about_its_encoding_is_read_as_the_utf8_it_is() {
        let page = "<meta charset=iso-8859-1><p>Fluß</p>";
        assert_eq!(html(page.as_bytes()).unwrap(), page);
        let (bytes, _, _) = encoding_rs::SHIFT_JIS.encode("<meta charset=\"Shift_JIS\"><p>川は長い</p>");
        assert!(html(&bytes).unwrap().contains("川は長い"));
    }

    #[test]
    fn binary_data_is_refused() {
        for data in
            [&b"\x7fELF\x02\x01\x01\0\0\0"[..], b"abc\0def", b"\x01\x02\x03\x04abcdef", b"\xff\xfe\x00\xd8\x41\x00"]
        {
            assert!(text(data).is_err(), "{data:?}");
        }
    }
}
