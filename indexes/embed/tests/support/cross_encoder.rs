//! Cross-encoders so small that they are written here.
//!
//! - [`overlap`]: its score is how many tokens of the query the passage has, each as often as both say it.
//! - [`inference`]: a hypothesis follows from a premise that has every token of it, and contradicts one where only one of
//!   both says [`OPPOSITE`].
//!
//! Graphs of a few operators in the protocol-buffer encoding of the ONNX format; the field numbers are those of
//! `onnx.proto`.
#![allow(dead_code, reason = "each test names what it needs")]

/// 64-bit whole numbers, as the format numbers its types.
const INT64: u64 = 7;
/// 32-bit floating point.
const FLOAT: u64 = 1;

/// The ONNX file. Its inputs and its output are those of a BERT that judges pairs.
pub(crate) fn overlap() -> Vec<u8> {
    graph("logits", "scores")
}

/// One whose output has another name than a cross-encoder's.
pub(crate) fn without_logits() -> Vec<u8> {
    graph("something_else", "scores")
}

/// One that gives no number for any pair: it divides nothing by nothing.
pub(crate) fn no_number() -> Vec<u8> {
    graph("logits", "nothing")
}

/// The word that turns a text around for [`inference`].
pub(crate) const OPPOSITE: &str = "hardly";
/// Its number in the tokenizer of all-MiniLM-L6-v2.
const OPPOSITE_TOKEN: u64 = 6684;

/// A judge of entailment. Its columns, in their order, are any of `entailment`, `neutral`, `contradiction` and `nothing`,
/// which is no number.
pub(crate) fn inference(columns: &[&str]) -> Vec<u8> {
    let mut nodes = same_tokens().to_vec();
    nodes.extend([
        // Which tokens of the hypothesis the premise has.
        node("Mul", &["same_number", "query_rows"], "from_premise", &[]),
        node("ReduceSum", &["from_premise", "middle"], "found", &[("keepdims", 0)]),
        node("Sign", &["found"], "held", &[]),
        node("Mul", &["held", "of_passage"], "covered", &[]),
        node("ReduceSum", &["covered", "middle"], "covered_count", &[]),
        node("Cast", &["ten"], "ten_number", &[("to", FLOAT)]),
        node("Mul", &["covered_count", "ten_number"], "entailment", &[]),
        node("ReduceSum", &["of_passage", "middle"], "size", &[]),
        node("Sub", &["size", "covered_count"], "missing", &[]),
        // One token that it does not have outweighs a hundred that it has.
        node("Cast", &["thousand"], "thousand_number", &[("to", FLOAT)]),
        node("Mul", &["missing", "thousand_number"], "neutral", &[]),
        node("Equal", &["input_ids", "opposite"], "is_opposite", &[]),
        node("Cast", &["is_opposite"], "opposite_number", &[("to", FLOAT)]),
        node("Mul", &["opposite_number", "of_passage"], "opposite_after", &[]),
        node("Mul", &["opposite_number", "of_query"], "opposite_before", &[]),
        node("ReduceSum", &["opposite_after", "middle"], "after", &[]),
        node("ReduceSum", &["opposite_before", "middle"], "before", &[]),
        node("Sub", &["after", "before"], "turned", &[]),
        node("Mul", &["turned", "turned"], "turned_either_way", &[]),
        node("Mul", &["thousand_number", "thousand_number"], "million", &[]),
        node("Mul", &["turned_either_way", "million"], "contradiction", &[]),
        node("Sub", &["size", "size"], "zero", &[]),
        node("Div", &["zero", "zero"], "nothing", &[]),
        node("Concat", columns, "logits", &[("axis", 1)]),
    ]);
    let constants =
        [("last", &[2][..]), ("middle", &[1]), ("ten", &[10]), ("thousand", &[1000]), ("opposite", &[OPPOSITE_TOKEN])];
    model(&nodes, &constants, "logits")
}

fn graph(output: &str, result: &str) -> Vec<u8> {
    let mut nodes = same_tokens().to_vec();
    nodes.extend([
        node("Unsqueeze", &["of_passage", "middle"], "passage_columns", &[]),
        node("Mul", &["same_number", "query_rows"], "from_query", &[]),
        node("Mul", &["from_query", "passage_columns"], "pairs", &[]),
        node("ReduceSum", &["pairs", "both"], "counts", &[("keepdims", 0)]),
        node("Unsqueeze", &["counts", "middle"], "scores", &[]),
        node("Sub", &["scores", "scores"], "zero", &[]),
        node("Div", &["zero", "zero"], "nothing", &[]),
        node("Identity", &[result], output, &[]),
    ]);
    model(&nodes, &[("last", &[2][..]), ("middle", &[1]), ("both", &[1, 2])], output)
}

/// What both models begin with: which tokens are the same, and which are whose.
fn same_tokens() -> [Message; 8] {
    [
        // Which tokens of a text are the same as which: texts × tokens × tokens.
        node("Unsqueeze", &["input_ids", "last"], "rows", &[]),
        node("Unsqueeze", &["input_ids", "middle"], "columns", &[]),
        node("Equal", &["rows", "columns"], "same", &[]),
        node("Cast", &["same"], "same_number", &[("to", FLOAT)]),
        // Those of the second text are of the second kind; padding is of the first and not attended to.
        node("Cast", &["token_type_ids"], "of_passage", &[("to", FLOAT)]),
        node("Cast", &["attention_mask"], "attended", &[("to", FLOAT)]),
        node("Sub", &["attended", "of_passage"], "of_query", &[]),
        node("Unsqueeze", &["of_query", "last"], "query_rows", &[]),
    ]
}

/// The file of a graph.
fn model(nodes: &[Message], constants: &[(&str, &[u64])], output: &str) -> Vec<u8> {
    let mut graph = Message::default();
    nodes.iter().for_each(|node| graph.message(1, node));
    graph.bytes(2, b"pairs");
    for (name, numbers) in constants {
        graph.message(5, &constant(name, numbers));
    }
    for name in ["input_ids", "attention_mask", "token_type_ids"] {
        graph.message(11, &described(name, INT64, &["texts", "tokens"]));
    }
    graph.message(12, &described(output, FLOAT, &["texts", "labels"]));
    let mut operators = Message::default();
    operators.bytes(1, b"");
    operators.integer(2, 17);
    let mut model = Message::default();
    model.integer(1, 8);
    model.message(7, &graph);
    model.message(8, &operators);
    model.0
}

fn node(operator: &str, inputs: &[&str], output: &str, numbers: &[(&str, u64)]) -> Message {
    let mut node = Message::default();
    inputs.iter().for_each(|input| node.bytes(1, input.as_bytes()));
    node.bytes(2, output.as_bytes());
    node.bytes(4, operator.as_bytes());
    for (name, number) in numbers {
        let mut attribute = Message::default();
        attribute.bytes(1, name.as_bytes());
        attribute.integer(3, *number);
        attribute.integer(20, 2);
        node.message(5, &attribute);
    }
    node
}

fn constant(name: &str, numbers: &[u64]) -> Message {
    let mut tensor = Message::default();
    tensor.integer(1, numbers.len() as u64);
    tensor.integer(2, INT64);
    tensor.bytes(8, name.as_bytes());
    tensor.bytes(9, &numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>());
    tensor
}

fn described(name: &str, element: u64, dimensions: &[&str]) -> Message {
    let mut shape = Message::default();
    for dimension in dimensions {
        let mut message = Message::default();
        message.bytes(2, dimension.as_bytes());
        shape.message(1, &message);
    }
    let mut tensor = Message::default();
    tensor.integer(1, element);
    tensor.message(2, &shape);
    let mut kind = Message::default();
    kind.message(1, &tensor);
    let mut value = Message::default();
    value.bytes(1, name.as_bytes());
    value.message(2, &kind);
    value
}

/// A protocol-buffer message: fields, each its number and how it is written, and then its content.
#[derive(Default, Clone)]
struct Message(Vec<u8>);

impl Message {
    fn integer(&mut self, field: u64, number: u64) {
        self.variable(field << 3);
        self.variable(number);
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.variable(field << 3 | 2);
        self.variable(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn message(&mut self, field: u64, message: &Self) {
        self.bytes(field, &message.0);
    }

    fn variable(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }
}
