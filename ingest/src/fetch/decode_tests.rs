//! What must come out of an encoded body, however it is cut.

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use proptest::prelude::*;
use reqwest::header::{HeaderMap, HeaderValue};

use super::*;

pub(in super::super) fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

pub(in super::super) fn zlib(text: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn bare_deflate(text: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// Brotli without compressing (RFC 7932): the window's size, then uncompressed blocks of at most 64 KiB, then the end.
pub(in super::super) fn brotli(text: &[u8]) -> Vec<u8> {
    // WBITS 16 is the single bit 0; what follows is written bit by bit, least significant first.
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0u64, 1u32);
    for block in text.chunks(1 << 16) {
        // ISLAST 0, MNIBBLES 4 (00), MLEN - 1 in 16 bits, ISUNCOMPRESSED 1; then the next byte's border.
        bits |= (block.len() as u64 - 1) << (count + 3) | 1 << (count + 19);
        count += 20;
        bytes.extend_from_slice(&bits.to_le_bytes()[..count.div_ceil(8) as usize]);
        bytes.extend_from_slice(block);
        (bits, count) = (0, 0);
    }
    // ISLAST 1, ISLASTEMPTY 1.
    bits |= 3 << count;
    bytes.push(bits as u8);
    bytes
}

fn decode(coding: Coding, wire: &[u8], piece: usize, bytes_max: usize) -> Result<Vec<u8>, DecodeError> {
    let mut decoder = Decoder::new(coding, bytes_max);
    for piece in wire.chunks(piece.max(1)) {
        decoder.push(piece)?;
    }
    decoder.finish()
}

fn every_coding(text: &[u8]) -> [(Coding, Vec<u8>); 4] {
    [
        (Coding::Gzip, gzip(text)),
        (Coding::Deflate, zlib(text)),
        (Coding::Deflate, bare_deflate(text)),
        (Coding::Brotli, brotli(text)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_body_comes_back_however_it_is_cut(text in prop::collection::vec(any::<u8>(), 0..5000), piece in 1usize..400) {
        for (coding, wire) in every_coding(&text) {
            prop_assert_eq!(&decode(coding, &wire, piece, text.len()).unwrap(), &text, "{:?}", coding);
        }
    }

    #[test]
    fn a_body_that_stops_early_is_broken(text in prop::collection::vec(any::<u8>(), 1..500), cut in any::<prop::sample::Index>()) {
        for (coding, wire) in every_coding(&text) {
            // Of nothing, nothing is missing; and a bare stream's first byte alone may already be a whole one.
            let kept = 1 + cut.index(wire.len() - 1);
            prop_assert!(decode(coding, &wire[..kept], 100, text.len()).is_err(), "{:?} {}", coding, kept);
        }
    }

    #[test]
    fn garbage_never_panics_and_never_passes_the_bound(wire in prop::collection::vec(any::<u8>(), 0..2000)) {
        for coding in [Coding::Gzip, Coding::Deflate, Coding::Brotli] {
            if let Ok(body) = decode(coding, &wire, 64, 1000) {
                prop_assert!(body.len() <= 1000);
            }
        }
    }
}

#[test]
fn a_bomb_ends_at_the_bound() {
    let zeros = vec![0; 4 << 20];
    for (coding, wire) in every_coding(&zeros) {
        let error = decode(coding, &wire, 4096, zeros.len() - 1).unwrap_err();
        assert!(matches!(error, DecodeError::TooLong(_)), "{coding:?}");
        assert_eq!(decode(coding, &wire, 4096, zeros.len()).unwrap().len(), zeros.len());
        let mut decoder = Decoder::new(coding, 1000);
        assert!(wire.chunks(512).any(|piece| decoder.push(piece).is_err()), "mid-stream, before the end: {coding:?}");
    }
    assert!(matches!(decode(Coding::Identity, &zeros, 100, 1000), Err(DecodeError::TooLong(1000))));
}

#[test]
fn gzip_of_several_members_is_one_body_and_a_false_checksum_is_broken() {
    let mut two = gzip(b"one ");
    two.extend(gzip(b"two"));
    assert_eq!(decode(Coding::Gzip, &two, 3, 100).unwrap(), b"one two");
    let mut false_sum = gzip(b"text");
    let at = false_sum.len() - 8;
    false_sum[at] ^= 1;
    assert!(matches!(decode(Coding::Gzip, &false_sum, 100, 100), Err(DecodeError::Broken(_))));
}

#[test]
fn nothing_is_nothing_in_every_coding() {
    for coding in [Coding::Identity, Coding::Gzip, Coding::Deflate, Coding::Brotli] {
        assert_eq!(decode(coding, b"", 1, 10).unwrap(), b"");
    }
}

#[test]
fn one_known_coding_is_understood_and_no_other() {
    let of = |values: &[&'static str]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(CONTENT_ENCODING, HeaderValue::from_static(value));
        }
        Coding::of(&headers)
    };
    assert_eq!(of(&[]).unwrap(), Coding::Identity);
    assert_eq!(of(&["identity"]).unwrap(), Coding::Identity);
    assert_eq!(of(&["GZip"]).unwrap(), Coding::Gzip);
    assert_eq!(of(&["x-gzip, identity"]).unwrap(), Coding::Gzip);
    assert_eq!(of(&["deflate"]).unwrap(), Coding::Deflate);
    assert_eq!(of(&["br"]).unwrap(), Coding::Brotli);
    for unknown in [&["zstd"][..], &["compress"], &["gzip, gzip"], &["gzip", "br"], &["gzip2"]] {
        assert!(of(unknown).is_err(), "{unknown:?}");
    }
}
