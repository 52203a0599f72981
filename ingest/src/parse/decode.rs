//! Which characters do these bytes stand for?
//!
//! In this order: a byte order mark, UTF-16 and ISO-2022-JP by their looks, valid UTF-8, what an HTML page declares, and
//! last a guess from the bytes.
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
/// In UTF-16 without a mark, at least one character in this many is a space, a digit, a line end or the like.
const UTF16_CHARS_PER_USUAL: usize = 40;
/// Fewer accented letters are no reason to disbelieve a page.
const MISREAD_CHARS_MIN: usize = 6;

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

/// Decodes text whose sender says how it is encoded, as far as that can be believed.
pub(super) fn labelled(content: &[u8], label: &str) -> Result<String, Refused> {
    decode(content, Encoding::for_label(label.as_bytes()))
}

fn decode(content: &[u8], declared: Option<&'static Encoding>) -> Result<String, Refused> {
    let text = match Encoding::for_bom(content) {
        Some((encoding, mark)) => read_as(encoding, &content[mark..])?,
        None if content.contains(&0) => utf16_without_mark(content).ok_or_else(binary)?,
        None => match std::str::from_utf8(content) {
            Ok(text) => iso_2022_jp(content).unwrap_or_else(|| text.to_owned()),
            Err(_) => declared
                .and_then(|encoding| read_as(encoding, content).ok().filter(|text| !is_misread(encoding, text)))
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

/// Reads UTF-16 that lacks its mark. Text of any script has spaces, line ends or full stops, which are rare when its
/// bytes are taken the wrong way round; data has characters that no text has.
fn utf16_without_mark(content: &[u8]) -> Option<String> {
    let read = |encoding| {
        let text = read_as(encoding, content).ok()?;
        let strange = |c: char| c == '\0' || matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..='\u{ffff}');
        let usual = |c: &char| matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{3001}' | '\u{3002}' | '\u{3000}');
        (!text.contains(strange)).then(|| (text.chars().filter(usual).count(), text))
    };
    // ASCII with a stray NUL reads as rare characters, and is no text.
    let zeros = content.iter().filter(|byte| **byte == 0).count();
    let printed = content.iter().filter(|byte| matches!(byte, b' '..=b'~' | b'\n' | b'\r' | b'\t')).count();
    let ascii = zeros * 4 < content.len() && printed * 10 >= content.len() * 8;
    if ascii || !content.len().is_multiple_of(2) {
        return None;
    }
    let both = [read(encoding_rs::UTF_16LE), read(encoding_rs::UTF_16BE)];
    let (usual, text) = both.into_iter().flatten().max_by_key(|(usual, _)| *usual)?;
    (usual * UTF16_CHARS_PER_USUAL >= text.chars().count()).then_some(text)
}

/// Reads a Japanese encoding that consists of ASCII and escapes, and so is valid UTF-8.
fn iso_2022_jp(content: &[u8]) -> Option<String> {
    let shifts = content.windows(3).any(|bytes| matches!(bytes, b"\x1b$B" | b"\x1b$@" | b"\x1b(J"));
    read_as(encoding_rs::ISO_2022_JP, content).ok().filter(|_| shifts)
}

/// Whether a declared Latin encoding, which can read any bytes, has read those of another: accented letters are few
/// among others in Latin text, and stand side by side in all else that is taken for it.
fn is_misread(encoding: &'static Encoding, text: &str) -> bool {
    let latin = [
        encoding_rs::WINDOWS_1252,
        encoding_rs::WINDOWS_1250,
        encoding_rs::WINDOWS_1254,
        encoding_rs::WINDOWS_1257,
        encoding_rs::ISO_8859_2,
        encoding_rs::ISO_8859_15,
    ];
    if !latin.contains(&encoding) {
        return false;
    }
    let (mut accented, mut paired, mut before) = (0, 0, false);
    for c in text.chars() {
        let is_accented = !c.is_ascii();
        accented += usize::from(is_accented);
        paired += usize::from(is_accented && before);
        before = is_accented;
    }
    accented >= MISREAD_CHARS_MIN && paired * 2 >= accented
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
    // Who could read this declaration as ASCII has no UTF-16 before it.
    let encoding = Encoding::for_label(&label[..end.unwrap_or(label.len())])?;
    (encoding != encoding_rs::UTF_16LE && encoding != encoding_rs::UTF_16BE).then_some(encoding)
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
    fn encodings_of_every_script_are_guessed() {
        let russian = "Река течёт через старый город и впадает в северное море. Длина её велика.";
        let chinese = "这是一个中文文档，内容是关于河流的。河流很长，流经许多城市，最后注入大海。";
        let traditional = "這是一個中文文件，內容是關於河流的。河流很長，流經許多城市，最後注入大海。";
        let japanese = "これは川についての文書です。川は長く、多くの町を流れて、海に注ぎます。";
        let korean = "이것은 강에 관한 문서입니다. 강은 길고 많은 도시를 지나 바다로 흘러갑니다.";
        let greek = "Ο ποταμός περνά από την παλιά πόλη και χύνεται στη θάλασσα του βορρά.";
        let polish = "Rzeka płynie przez stare miasto, a jej źródła leżą wśród gór; żegluga jest możliwa.";
        let hebrew = "הנהר זורם דרך העיר העתיקה אל הים הצפוני והוא ארוך מאוד.";
        let arabic = "النهر يجري عبر المدينة القديمة ويصب في البحر الشمالي وهو طويل جدا.";
        let turkish =
            "Nehir eski şehrin içinden geçer ve kuzey denizine dökülür; uzunluğu çok büyüktür, ışığı güzeldir.";
        for (encoding, said) in [
            (encoding_rs::WINDOWS_1251, russian),
            (encoding_rs::KOI8_R, russian),
            (encoding_rs::GB18030, chinese),
            (encoding_rs::BIG5, traditional),
            (encoding_rs::SHIFT_JIS, japanese),
            (encoding_rs::EUC_JP, japanese),
            (encoding_rs::ISO_2022_JP, japanese),
            (encoding_rs::EUC_KR, korean),
            (encoding_rs::WINDOWS_1253, greek),
            (encoding_rs::WINDOWS_1250, polish),
            (encoding_rs::WINDOWS_1255, hebrew),
            (encoding_rs::WINDOWS_1256, arabic),
            (encoding_rs::WINDOWS_1254, turkish),
        ] {
            let (bytes, _, lost) = encoding.encode(said);
            assert!(!lost, "{}", encoding.name());
            assert_eq!(text(&bytes).unwrap(), said, "{}", encoding.name());
        }
    }

    #[test]
    fn utf16_is_read_without_its_mark() {
        for said in ["A river\r\nis long.", "河流很长。\n它流经许多城市。", "Река течёт на север."]
        {
            let little: Vec<u8> = said.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let big: Vec<u8> = said.encode_utf16().flat_map(u16::to_be_bytes).collect();
            assert_eq!(text(&little).unwrap(), said);
            assert_eq!(text(&big).unwrap(), said);
        }
    }

    #[test]
    fn a_declared_latin_encoding_is_believed_only_where_it_reads_latin() {
        let page = |encoding: &'static Encoding, label: &str, said: &str| {
            let page = format!("<meta charset={label}><p>{said}</p>");
            html(&encoding.encode(&page).0).unwrap().contains(said)
        };
        assert!(page(encoding_rs::GBK, "iso-8859-1", "这是一个中文文档，内容是关于河流的。"));
        assert!(page(encoding_rs::WINDOWS_1251, "windows-1252", "Река течёт через старый город и впадает в море."));
        assert!(page(encoding_rs::WINDOWS_1252, "iso-8859-1", "Der Fluß fließt über die Grenze, schöne Grüße: élève"));
        // Declared in ASCII, so it is not what it says.
        assert!(page(encoding_rs::WINDOWS_1252, "utf-16", "Der Fluß fließt über die Grenze, und das schöne Tal."));
        assert!(page(encoding_rs::KOI8_R, "koi8-r", "Река"));
    }

    #[test]
    fn line_ends_stay_as_they_are() {
        assert_eq!(text(b"a\r\nb\rc\nd").unwrap(), "a\r\nb\rc\nd");
    }

    #[test]
    fn binary_data_is_refused() {
        for data in [
            &b"\x7fELF\x02\x01\x01\0\0\0"[..],
            b"abc\0def",
            b"plain text with one\0 of them",
            b"\x01\x02\x03\x04abcdef",
            b"\xff\xfe\x00\xd8\x41\x00",
        ] {
            assert!(text(data).is_err(), "{data:?}");
        }
    }
}
