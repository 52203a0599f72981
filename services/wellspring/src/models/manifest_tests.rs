//! Is the program's own manifest whole, and is one that cannot be meant refused?

use super::*;

#[test]
fn the_builtin_manifest_is_whole() {
    let manifest = Manifest::builtin();
    assert!(manifest.hub.starts_with("https://"));
    for model in manifest.models() {
        let name = &model.name;
        assert!(model.sha256.len() == 64 && model.sha256.bytes().all(|b| b"0123456789abcdef".contains(&b)), "{name}");
        assert!(!model.file.contains(['/', '\\']) && !model.file.starts_with('.'), "{name}");
        assert!(model.hub.is_some() || model.package.is_some() || model.made.is_some(), "{name} has a source");
        assert_eq!(model.embedder.is_some(), model.kind == Kind::Embedder, "{name}");
        assert_eq!(model.generator.is_some(), model.kind == Kind::Generator, "{name}");
        if let Some(package) = &model.package {
            assert_eq!(package.parts.iter().map(|part| part.bytes).sum::<u64>(), model.bytes, "{name}");
        }
        assert!(manifest.models().iter().filter(|other| other.name == *name || other.file == model.file).count() == 1);
    }
    for set in manifest.sets.keys() {
        manifest.select(&[], Some(set)).unwrap();
    }
    let embedder = manifest.embedder("all-minilm-l6-v2-dynamic-int8").unwrap();
    assert_eq!(manifest.embedder_of(embedder.space().id()), Some(embedder.name.clone()));
    let older = manifest.embedder("all-minilm-l6-v2-int8").unwrap();
    assert_ne!(older.space().id(), embedder.space().id(), "their vectors never meet (I-5)");
    assert_eq!(manifest.model(&embedder.runtime).unwrap().kind, Kind::Runtime);
    assert_eq!(manifest.model(&embedder.tokenizer).unwrap().kind, Kind::Tokenizer);
    assert_eq!(embedder.space().dimension, 384);
    assert_eq!(manifest.generator("smollm2-135m-instruct").unwrap().context_tokens, 8192);
}

#[test]
fn unknown_fields_are_refused() {
    let text = include_str!("../../models.toml").replacen("licence =", "license =", 1);
    assert!(toml::from_str::<Manifest>(&text).is_err());
}

#[test]
fn what_cannot_be_made_is_refused() {
    let text = include_str!("../../models.toml");
    let refused = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        let error = Manifest::parse(&text.replacen(from, to, 1)).unwrap_err();
        std::error::Error::source(&error).map_or(error.to_string(), |source| format!("{error}: {source}"))
    };
    let from = "from = \"all-minilm-l6-v2-weights\"";
    let recipe = "recipe = \"minilm-dynamic-int8\"";
    let unknown = refused(recipe, "recipe = \"minilm\"");
    assert!(unknown.contains("no recipe `minilm`"), "{unknown}");
    let absent = refused(from, "from = \"all-minilm-l6-v2-weight\"");
    assert!(absent.contains("did you mean `all-minilm-l6-v2-weights`?"), "{absent}");
    let circular = refused(from, "from = \"all-minilm-l6-v2-dynamic-int8\"");
    assert!(circular.contains("is made itself"), "{circular}");
    let unread = refused(recipe, &format!("{recipe}\nspeed = 2"));
    assert!(unread.contains("speed"), "{unread}");
    let hub = "\n[models.hub]\nrepository = \"we/m\"\nrevision = \"abc\"\npath = \"f\"\n";
    let twice = refused(recipe, &format!("{recipe}\n{hub}"));
    assert!(twice.contains("a source beside that"), "{twice}");
}

#[test]
fn unknown_names_get_the_nearest_known_one() {
    let manifest = Manifest::builtin();
    let error = manifest.model("qwen2.5-coder-0.5b").unwrap_err().to_string();
    assert!(error.contains("did you mean `qwen2.5-coder-0.5b-instruct`?"), "{error}");
    assert!(manifest.select(&[], Some("huge")).unwrap_err().to_string().contains("1.5b, default, test"));
    assert!(
        manifest
            .embedder("onnxruntime")
            .unwrap_err()
            .to_string()
            .contains("is a runtime where the embedder is asked for")
    );
}

#[test]
fn a_selection_names_each_model_once() {
    let manifest = Manifest::builtin();
    let default = manifest.select(&[], None).unwrap();
    assert_eq!(default.len(), 4);
    assert_eq!(manifest.select(&default, Some("test")).unwrap().len(), 7);
    assert_eq!(manifest.select(&["onnxruntime".to_owned()], None).unwrap(), ["onnxruntime"]);
}
