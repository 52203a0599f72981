//! How is a graph of computations written down?
//!
//! The part of the ONNX format that a transformer needs, in protocol-buffer encoding. The field numbers are those of
//! `onnx.proto`, where each message below is described.
//!
//! Invariants:
//! - Values are numbered in the order in which they are made, so that equal calls give equal bytes.
//! - A node reads only values that exist, since there is no other way to come by a [`Value`].

/// The version of the format, which every runtime since 2022 reads.
const FORMAT_VERSION: u64 = 8;
/// The version of the operators: the first with `LayerNormalization`.
const OPERATORS_VERSION: u64 = 17;

/// The type of a tensor's elements, as the format numbers it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Element {
    /// 32-bit floating point.
    Float = 1,
    /// Whole numbers from 0 to 255.
    Uint8 = 2,
    /// Whole numbers from -128 to 127.
    Int8 = 3,
    /// 64-bit whole numbers.
    Int64 = 7,
}

/// What a node is told beside its inputs.
#[derive(Debug, Clone, Copy)]
pub(super) enum Attribute<'a> {
    /// A number.
    Float(f32),
    /// A whole number.
    Integer(i64),
    /// A list of whole numbers.
    Integers(&'a [i64]),
}

/// Something that is computed, given in or constant.
#[derive(Debug, Clone)]
pub(super) struct Value(String);

/// A graph under construction.
#[derive(Debug, Default)]
pub(super) struct Graph {
    inputs: Vec<Message>,
    constants: Vec<Message>,
    nodes: Vec<Message>,
    values: usize,
}

impl Graph {
    /// A matrix of 64-bit whole numbers that is given in: texts × tokens.
    pub(super) fn input(&mut self, name: &str) -> Value {
        self.inputs.push(described(name, Element::Int64, &[Dimension::Named("texts"), Dimension::Named("tokens")]));
        Value(name.to_owned())
    }

    /// Floating-point constants; no dimensions make a single one.
    pub(super) fn floats(&mut self, dimensions: &[usize], numbers: &[f32]) -> Value {
        self.constant(Element::Float, dimensions, numbers.iter().flat_map(|number| number.to_le_bytes()).collect())
    }

    /// Constants of one byte.
    pub(super) fn small(&mut self, dimensions: &[usize], numbers: &[i8]) -> Value {
        self.constant(Element::Int8, dimensions, numbers.iter().map(|number| number.to_le_bytes()[0]).collect())
    }

    /// A list of whole numbers, as shapes and axes are.
    pub(super) fn integers(&mut self, numbers: &[i64]) -> Value {
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        self.constant(Element::Int64, &[numbers.len()], bytes)
    }

    /// Constants in the bytes of their type.
    pub(super) fn constant(&mut self, element: Element, dimensions: &[usize], bytes: Vec<u8>) -> Value {
        let value = self.fresh();
        let mut tensor = Message::default();
        for dimension in dimensions {
            tensor.integer(1, *dimension as u64);
        }
        tensor.integer(2, element as u64);
        tensor.bytes(8, value.0.as_bytes());
        tensor.bytes(9, &bytes);
        self.constants.push(tensor);
        value
    }

    /// What an operator makes of values.
    pub(super) fn node(&mut self, operator: &str, inputs: &[&Value], attributes: &[(&str, Attribute<'_>)]) -> Value {
        let output = self.fresh();
        self.named_node(operator, inputs, attributes, output)
    }

    /// Ends the graph: `operator` makes the output of that name, texts × tokens × `width`. Returns the file.
    pub(super) fn finish(mut self, operator: &str, inputs: &[&Value], name: &str, width: usize) -> Vec<u8> {
        self.named_node(operator, inputs, &[], Value(name.to_owned()));
        let dimensions = [Dimension::Named("texts"), Dimension::Named("tokens"), Dimension::Fixed(width)];
        let mut graph = Message::default();
        self.nodes.iter().for_each(|node| graph.message(1, node));
        graph.bytes(2, b"graph");
        self.constants.iter().for_each(|constant| graph.message(5, constant));
        self.inputs.iter().for_each(|input| graph.message(11, input));
        graph.message(12, &described(name, Element::Float, &dimensions));
        let mut operators = Message::default();
        operators.bytes(1, b"");
        operators.integer(2, OPERATORS_VERSION);
        let mut model = Message::default();
        model.integer(1, FORMAT_VERSION);
        model.bytes(2, b"wellspring");
        model.message(7, &graph);
        model.message(8, &operators);
        model.0
    }

    fn named_node(
        &mut self,
        operator: &str,
        inputs: &[&Value],
        attributes: &[(&str, Attribute<'_>)],
        output: Value,
    ) -> Value {
        let mut node = Message::default();
        inputs.iter().for_each(|input| node.bytes(1, input.0.as_bytes()));
        node.bytes(2, output.0.as_bytes());
        node.bytes(4, operator.as_bytes());
        attributes.iter().for_each(|(name, attribute)| node.message(5, &attribute.message(name)));
        self.nodes.push(node);
        output
    }

    fn fresh(&mut self) -> Value {
        self.values += 1;
        Value(format!("v{}", self.values))
    }
}

impl Attribute<'_> {
    fn message(&self, name: &str) -> Message {
        let mut message = Message::default();
        message.bytes(1, name.as_bytes());
        let kind = match self {
            Self::Float(number) => {
                message.float(2, *number);
                1
            }
            Self::Integer(number) => {
                message.integer(3, number.cast_unsigned());
                2
            }
            Self::Integers(numbers) => {
                numbers.iter().for_each(|number| message.integer(8, number.cast_unsigned()));
                7
            }
        };
        message.integer(20, kind);
        message
    }
}

/// One dimension of what goes in or comes out.
enum Dimension {
    Fixed(usize),
    Named(&'static str),
}

/// What goes in or comes out.
fn described(name: &str, element: Element, dimensions: &[Dimension]) -> Message {
    let mut shape = Message::default();
    for dimension in dimensions {
        let mut message = Message::default();
        match dimension {
            Dimension::Fixed(size) => message.integer(1, *size as u64),
            Dimension::Named(name) => message.bytes(2, name.as_bytes()),
        }
        shape.message(1, &message);
    }
    let mut tensor = Message::default();
    tensor.integer(1, element as u64);
    tensor.message(2, &shape);
    let mut kind = Message::default();
    kind.message(1, &tensor);
    let mut value = Message::default();
    value.bytes(1, name.as_bytes());
    value.message(2, &kind);
    value
}

/// A protocol-buffer message: fields, each its number and how it is written, and then its content.
#[derive(Debug, Default)]
struct Message(Vec<u8>);

impl Message {
    /// A whole number, seven bits a byte.
    fn integer(&mut self, field: u64, number: u64) {
        self.variable(field << 3);
        self.variable(number);
    }

    /// Text, bytes or another message, behind their length.
    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.variable(field << 3 | 2);
        self.variable(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn message(&mut self, field: u64, message: &Self) {
        self.bytes(field, &message.0);
    }

    /// Four bytes.
    fn float(&mut self, field: u64, number: f32) {
        self.variable(field << 3 | 5);
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn variable(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_written_as_the_encoding_says() {
        let mut message = Message::default();
        message.integer(1, 150);
        message.bytes(2, b"testing");
        message.float(2, 1.0);
        message.integer(20, u64::MAX);
        let expected = [
            &[0x08, 0x96, 0x01, 0x12, 0x07][..],
            b"testing",
            &[0x15, 0, 0, 0x80, 0x3f],
            &[0xa0, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
        ];
        assert_eq!(message.0, expected.concat());
    }

    #[test]
    fn a_graph_is_written_the_same_each_time() {
        let write = || {
            let mut graph = Graph::default();
            let input = graph.input("tokens");
            let table = graph.floats(&[2, 1], &[0.5, 1.5]);
            let rows = graph.node("Gather", &[&table, &input], &[("axis", Attribute::Integer(0))]);
            graph.finish("Identity", &[&rows], "output", 1)
        };
        let written = write();
        assert_eq!(written, write());
        assert!(written.starts_with(&[0x08, 0x08, 0x12, 10]) && written.windows(6).any(|bytes| bytes == b"Gather"));
    }
}
