//! Is every body read as it is meant, or refused by name?

use serde_json::json;

use super::*;

fn read(body: &Value) -> Result<GenerationRequest, Refusal> {
    CompletionRequest::parse(body.to_string().as_bytes())?.into_generation(Endpoint::Chat, &["tone".to_owned()])
}

fn with(name: &str, value: Value) -> Value {
    let mut body = json!({ "messages": [{ "role": "user", "content": "hello" }] });
    body[name] = value;
    body
}

#[test]
fn a_request_is_read() {
    let request = read(&json!({
        "messages": [
            { "role": "developer", "content": "be brief" },
            { "role": "user", "content": [{ "type": "text", "text": "a" }, { "type": "text", "text": "b" }] },
        ],
        "max_completion_tokens": 7, "temperature": 0, "seed": 5, "stop": "\n", "top_p": 1, "n": 1, "user": "x",
    }))
    .unwrap();
    let messages = vec![
        Message { role: Role::System, content: "be brief".to_owned() },
        Message { role: Role::User, content: "ab".to_owned() },
    ];
    let stop = vec!["\n".to_owned()];
    let options = GenerationOptions { caller: Some("x".to_owned()), top_p: 1.0, ..GenerationOptions::default() };
    assert_eq!(request, GenerationRequest { messages, tokens_max: 7, temperature: 0.0, seed: 5, stop, options });
}

#[test]
fn numbers_outside_their_range_are_refused() {
    for (name, value) in [
        ("max_tokens", json!(0)),
        ("max_tokens", json!(-1)),
        ("max_tokens", json!(1.5)),
        ("max_tokens", json!(u64::MAX)),
        ("temperature", json!(-0.1)),
        ("temperature", json!(2.1)),
        ("temperature", json!("hot")),
        ("top_p", json!(0)),
        ("top_p", json!(1.1)),
        ("top_k", json!(-1)),
        ("min_p", json!(-0.1)),
        ("repeat_penalty", json!(3)),
        ("deadline_ms", json!(0)),
        ("logprobs", json!(3)),
        ("top_logprobs", json!(2)),
        ("adapter", json!("other")),
        ("adapter_scale", json!(1)),
        ("user", json!("x".repeat(257))),
        ("grammar", json!("x".repeat(limits::GRAMMAR_BYTES_MAX + 1))),
        ("response_format", json!({ "type": "json_schema" })),
        ("seed", json!(-1)),
        ("seed", json!(4_294_967_296_u64)),
        ("stop", json!([""])),
        ("stop", json!(vec!["x"; 9])),
        ("stop", json!("x".repeat(257))),
        ("messages", json!([])),
        ("messages", json!([{ "role": "tool", "content": "x" }])),
        ("messages", json!([{ "role": "user" }])),
        ("messages", json!([{ "role": "user", "content": [{ "type": "image_url" }] }])),
    ] {
        let refusal = read(&with(name, value.clone())).expect_err(&format!("{name} = {value}"));
        assert_eq!(refusal.status(), axum::http::StatusCode::BAD_REQUEST);
    }
}

#[test]
fn what_is_missing_is_refused_by_name() {
    for (name, value) in
        [("n", json!(2)), ("tools", json!([{}])), ("response_format", json!({ "type": "xml" })), ("echo", json!(true))]
    {
        let refusal = read(&with(name, value)).unwrap_err();
        assert_eq!(refusal.body()["error"]["param"], name);
    }
    for (name, value) in
        [("tools", json!([])), ("logprobs", Value::Null), ("response_format", json!({ "type": "text" }))]
    {
        read(&with(name, value)).unwrap();
    }
}

#[test]
fn forms_are_read() {
    let form = |name, value| read(&with(name, value)).unwrap().options.form;
    assert_eq!(form("grammar", json!("root ::= \"a\"")), TextForm::Grammar("root ::= \"a\"".to_owned()));
    let schema = json!({ "type": "integer" });
    let format = json!({ "type": "json_schema", "json_schema": { "name": "n", "schema": schema } });
    assert_eq!(form("response_format", format), TextForm::JsonSchema(schema.to_string()));
    let object = form("response_format", json!({ "type": "json_object" }));
    assert_eq!(object, TextForm::JsonSchema(ANY_OBJECT.to_owned()));
    assert_eq!(form("response_format", json!({ "type": "text" })), TextForm::Free);
}

#[test]
fn a_plain_prompt_is_one_text() {
    let read = |prompt: Value| {
        let body = json!({ "prompt": prompt, "max_tokens": 3 }).to_string();
        CompletionRequest::parse(body.as_bytes()).unwrap().into_generation(Endpoint::Text, &[])
    };
    for prompt in [json!("once"), json!(["once"])] {
        let request = read(prompt).unwrap();
        assert_eq!((request.messages[0].content.as_str(), request.options.template), ("once", Template::Plain));
    }
    for prompt in [json!(""), json!([]), json!(["a", "b"]), Value::Null] {
        assert!(read(prompt.clone()).is_err(), "{prompt}");
    }
}

#[test]
fn another_model_is_not_answered_by_this_one() {
    let request = CompletionRequest::parse(with("model", json!("large")).to_string().as_bytes()).unwrap();
    let name = |served: &str, adapters: &[String]| request.model_name(served.to_owned(), adapters);
    assert_eq!(name("large", &[]).unwrap(), "large");
    assert_eq!(name("small", &["large".to_owned()]).unwrap(), "large");
    assert_eq!(name("small", &[]).unwrap_err().status(), axum::http::StatusCode::NOT_FOUND);
}

#[test]
fn an_adapter_is_named_by_itself_or_as_a_model() {
    let adapter = |body: Value| read(&body).map(|request| request.options.adapter);
    let tone = |scale| Some(Adapter { name: "tone".to_owned(), scale });
    assert_eq!(adapter(with("model", json!("tone"))).unwrap(), tone(1.0));
    let mut named = with("adapter", json!("tone"));
    assert_eq!(adapter(named.clone()).unwrap(), tone(1.0));
    named["adapter_scale"] = json!(0.5);
    assert_eq!(adapter(named.clone()).unwrap(), tone(0.5));
    for scale in [json!(-1), json!(4.1), json!(1e300)] {
        named["adapter_scale"] = scale;
        assert!(adapter(named.clone()).is_err());
    }
}

#[test]
fn how_many_likely_tokens_are_told_of_is_bounded() {
    let read = |endpoint, logprobs: Value, top: Value| {
        let body = json!({ "messages": [{ "role": "user", "content": "a" }], "prompt": "a", "logprobs": logprobs,
            "top_logprobs": top });
        let request = CompletionRequest::parse(body.to_string().as_bytes())?.into_generation(endpoint, &[])?;
        Ok::<_, Refusal>(request.options.likely_tokens)
    };
    for (endpoint, logprobs, top, told) in [
        (Endpoint::Chat, Value::Null, Value::Null, None),
        (Endpoint::Chat, json!(false), Value::Null, None),
        (Endpoint::Chat, json!(true), Value::Null, Some(0)),
        (Endpoint::Chat, json!(true), json!(20), Some(20)),
        (Endpoint::Text, json!(0), Value::Null, Some(0)),
        (Endpoint::Text, json!(5), Value::Null, Some(5)),
    ] {
        assert_eq!(read(endpoint, logprobs.clone(), top.clone()).unwrap(), told, "{logprobs} {top}");
    }
    for (endpoint, logprobs, top) in [
        (Endpoint::Chat, json!(true), json!(21)),
        (Endpoint::Chat, json!(true), json!(-1)),
        (Endpoint::Chat, json!(false), json!(1)),
        (Endpoint::Chat, json!(2), Value::Null),
        (Endpoint::Text, json!(6), Value::Null),
        (Endpoint::Text, json!(-1), Value::Null),
        (Endpoint::Text, json!(true), Value::Null),
        (Endpoint::Text, json!(1), json!(1)),
    ] {
        assert!(read(endpoint, logprobs.clone(), top.clone()).is_err(), "{logprobs} {top}");
    }
}
