//! Is every damaged header found, and is none of them a panic?

use super::*;

/// A model of one tensor of 64 floats, and where each part begins.
fn model() -> Vec<u8> {
    let mut bytes = Vec::from(MAGIC);
    bytes.extend(3u32.to_le_bytes());
    bytes.extend(1u64.to_le_bytes());
    bytes.extend(2u64.to_le_bytes());
    string(&mut bytes, "general.architecture");
    bytes.extend(TYPE_STRING.to_le_bytes());
    string(&mut bytes, "llama");
    string(&mut bytes, "tokens");
    bytes.extend(TYPE_ARRAY.to_le_bytes());
    bytes.extend(TYPE_STRING.to_le_bytes());
    bytes.extend(2u64.to_le_bytes());
    string(&mut bytes, "a");
    string(&mut bytes, "b");
    string(&mut bytes, "output.weight");
    bytes.extend(2u32.to_le_bytes());
    bytes.extend(32u64.to_le_bytes());
    bytes.extend(2u64.to_le_bytes());
    bytes.extend(0u32.to_le_bytes());
    bytes.extend(0u64.to_le_bytes());
    bytes.resize(bytes.len().next_multiple_of(32) + 64 * 4, 0);
    bytes
}

fn string(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}

fn result(bytes: &[u8]) -> Result<(), ModelFileError> {
    read_header(bytes, bytes.len() as u64).map(drop)
}

#[test]
fn a_whole_model_passes() {
    let bytes = model();
    let contents = read_header(bytes.as_slice(), bytes.len() as u64).unwrap();
    assert_eq!((contents.architecture.as_str(), contents.kind.as_str()), ("llama", ""));
    assert_eq!((contents.tensors[0].name.as_str(), contents.tensors[0].dimensions), ("output.weight", [32, 2, 1, 1]));
}

#[test]
fn every_truncation_is_found() {
    let bytes = model();
    for length in 0..bytes.len() {
        let error = result(&bytes[..length]).unwrap_err();
        let expected = matches!(error, ModelFileError::Truncated { .. } | ModelFileError::NotGguf);
        assert!(expected, "{length} bytes: {error}");
    }
}

#[test]
fn any_changed_byte_is_an_answer_and_no_panic() {
    let bytes = model();
    for at in 0..bytes.len() {
        for value in [0x00, 0x7F, 0xFF] {
            let mut changed = bytes.clone();
            changed[at] = value;
            let _ = result(&changed);
        }
    }
}

#[test]
fn false_counts_take_no_memory() {
    let mut bytes = model();
    bytes[8..16].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(matches!(result(&bytes), Err(ModelFileError::Damaged("it lists too many tensors"))));
    let mut bytes = model();
    bytes[24..32].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(matches!(result(&bytes), Err(ModelFileError::Damaged("a metadata key is too long"))));
}

#[test]
fn other_files_and_versions_are_named() {
    assert!(matches!(result(b"PK\x03\x04 a zip file"), Err(ModelFileError::NotGguf)));
    let mut bytes = model();
    bytes[4..8].copy_from_slice(&9u32.to_le_bytes());
    assert!(matches!(result(&bytes), Err(ModelFileError::Version(9))));
    assert!(matches!(check(Path::new("/nonexistent")), Err(ModelFileError::Unreadable(_))));
    assert!(matches!(check(Path::new("/")), Err(ModelFileError::Damaged(_))));
}

#[test]
fn a_size_that_cannot_be_is_named() {
    let with = |key: &str, size: u32| {
        let mut bytes = model();
        let mut entry = Vec::new();
        string(&mut entry, key);
        entry.extend(TYPE_UINT32.to_le_bytes());
        entry.extend(size.to_le_bytes());
        bytes[16] += 1;
        bytes.splice(24..24, entry);
        bytes.extend([0; 32]);
        result(&bytes)
    };
    for (key, size) in [
        ("llama.block_count", 1_000_000_000),
        ("llama.block_count", 0),
        ("llama.embedding_length", 0),
        ("llama.rope.dimension_count", 0),
        ("llama.attention.head_count", 0),
    ] {
        let error = with(key, size).unwrap_err().to_string();
        assert!(
            error.contains("impossible")
                && error.contains(key.trim_start_matches("llama.").rsplit('.').next().unwrap())
        );
        assert!(with(key, 16).is_ok(), "{key}");
    }
}
