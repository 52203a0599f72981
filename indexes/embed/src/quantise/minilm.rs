//! What does all-MiniLM-L6-v2 compute, when its products are of whole numbers?
//!
//! BERT: six layers of attention and a feed-forward part over vectors of 384 values, one a token. Before each product,
//! every token's activations are rounded to one byte with a scale of their own; the product is of whole numbers, and
//! its columns are scaled back. Attention itself, the norms and all sums stay in floating point.
//!
//! Invariants:
//! - A token's scale depends on that token alone. With one scale a batch, as `DynamicQuantizeLinear` has, a vector would
//!   depend on the texts that happen to be embedded beside it.
//! - The scale of a token is multiplied in after that of a column, never joined with it before: onnxruntime replaces
//!   `Mul(Cast(MatMulInteger), Mul(token, column))` by an operator that reads one token's scale for all.

use std::f32::consts::SQRT_2;

use super::onnx::{Attribute, Element, Graph, Value};
use super::rounding::{self, Rounded};
use super::safetensors::{Safetensors, WeightsError};

const LAYERS: usize = 6;
const WIDTH: usize = 384;
const INNER_WIDTH: usize = 1536;
const HEADS: usize = 12;
const HEAD_WIDTH: usize = WIDTH / HEADS;
const TOKENS: usize = 30_522;
const POSITIONS: usize = 512;
const KINDS: usize = 2;
/// Added to a variance before its root is taken, as the model was trained.
const NORM_EPSILON: f32 = 1e-12;

/// What the whole number 0 stands for among activations from 0 to 255, so that both signs have as many.
const ACTIVATION_ZERO: u8 = 128;
/// The furthest that a rounded activation is from zero.
const ACTIVATION_MAX: f32 = 127.0;
/// The largest activation of a token counts as at least this, so that a token of zeros can be divided by its scale.
const ACTIVATION_LARGEST_MIN: f32 = 1e-10;
/// The lowest value of the feed-forward part's activation, `x/2 · (1 + erf(x/√2))`, is -0.16997.
const GELU_DEPTH: f32 = 0.17;
/// Added to the score of a token that only fills up a batch: nothing is left of it after the exponential.
const HIDDEN_SCORE: f32 = 1e9;

/// The model as an ONNX file.
pub(super) fn dynamic_int8(weights: &mut Safetensors) -> Result<Vec<u8>, WeightsError> {
    let mut graph = Graph::default();
    let (tokens, mask) = (graph.input("input_ids"), graph.input("attention_mask"));
    let shared = Shared::new(&mut graph, &tokens, &mask);
    let mut model = Model { graph, weights, shared };
    let mut states = model.embeddings(&tokens)?;
    for layer in 0..LAYERS {
        states = model.attention(&format!("encoder.layer.{layer}.attention"), &states)?;
        states = model.feed_forward(&format!("encoder.layer.{layer}"), &states)?;
    }
    Ok(model.graph.finish("Reshape", &[&states, &model.shared.by_text], "last_hidden_state", WIDTH))
}

/// What many parts of the graph read.
struct Shared {
    /// The shape texts × tokens × values.
    by_text: Value,
    /// The shape texts × tokens × heads × values.
    by_head: Value,
    /// The shape rows × values, a row for each token of every text.
    by_row: Value,
    /// How many tokens the longest text has, as a list.
    length: Value,
    /// What is added to the scores of tokens that only fill up.
    hidden: Value,
    /// [`ACTIVATION_ZERO`].
    zero: Value,
    /// The same for each row.
    row_zeros: Value,
    /// The list of the last axis.
    last_axis: Value,
}

impl Shared {
    fn new(graph: &mut Graph, tokens: &Value, mask: &Value) -> Self {
        let shape = graph.node("Shape", &[tokens], &[]);
        let heads = graph.integers(&[HEADS as i64, HEAD_WIDTH as i64]);
        let width = graph.integers(&[WIDTH as i64]);
        let join = [("axis", Attribute::Integer(0))];
        let by_head = graph.node("Concat", &[&shape, &heads], &join);
        let by_text = graph.node("Concat", &[&shape, &width], &join);
        let by_row = graph.integers(&[-1, WIDTH as i64]);
        let second = graph.integers(&[1]);
        let length = graph.node("Gather", &[&shape, &second], &[]);

        let middle = graph.integers(&[1, 2]);
        let by_score = graph.node("Unsqueeze", &[mask, &middle], &[]);
        let seen = cast_to_float(graph, &by_score);
        let (one, score) = (graph.floats(&[], &[1.0]), graph.floats(&[], &[HIDDEN_SCORE]));
        let negative = graph.node("Sub", &[&seen, &one], &[]);
        let hidden = graph.node("Mul", &[&negative, &score], &[]);

        let zero = graph.constant(Element::Uint8, &[], vec![ACTIVATION_ZERO]);
        let count = graph.node("Size", &[tokens], &[]);
        let first_axis = graph.integers(&[0]);
        let rows = graph.node("Unsqueeze", &[&count, &first_axis], &[]);
        let row_zeros = graph.node("Expand", &[&zero, &rows], &[]);
        let last_axis = graph.integers(&[-1]);
        Self { by_text, by_head, by_row, length, hidden, zero, row_zeros, last_axis }
    }
}

/// Activations of one byte, and each row's scale.
struct Activations {
    values: Value,
    scales: Value,
}

struct Model<'a> {
    graph: Graph,
    weights: &'a mut Safetensors,
    shared: Shared,
}

impl Model<'_> {
    /// What each token is and where it stands, a row a token. A text has no second part here, so the vector of the first
    /// is one with the position's.
    fn embeddings(&mut self, tokens: &Value) -> Result<Value, WeightsError> {
        let table = self.weights.tensor("embeddings.word_embeddings.weight", &[TOKENS, WIDTH])?;
        let Rounded { values, scales } = rounding::for_lookup(&table, WIDTH);
        let (values, scales) = (self.graph.small(&[TOKENS, WIDTH], &values), self.graph.floats(&[TOKENS, 1], &scales));
        let rounded = self.graph.node("Gather", &[&values, tokens], &[]);
        let unscaled = cast_to_float(&mut self.graph, &rounded);
        let words_scales = self.graph.node("Gather", &[&scales, tokens], &[]);
        let words = self.graph.node("Mul", &[&unscaled, &words_scales], &[]);

        let mut places = self.weights.tensor("embeddings.position_embeddings.weight", &[POSITIONS, WIDTH])?;
        let kinds = self.weights.tensor("embeddings.token_type_embeddings.weight", &[KINDS, WIDTH])?;
        places
            .chunks_exact_mut(WIDTH)
            .flat_map(|row| row.iter_mut().zip(&kinds))
            .for_each(|(place, kind)| *place += kind);
        let places = self.graph.floats(&[POSITIONS, WIDTH], &places);
        let start = self.graph.integers(&[0]);
        let places = self.graph.node("Slice", &[&places, &start, &self.shared.length, &start], &[]);

        let sum = self.graph.node("Add", &[&words, &places], &[]);
        let rows = self.graph.node("Reshape", &[&sum, &self.shared.by_row], &[]);
        self.norm("embeddings.LayerNorm", &rows)
    }

    /// What each token takes from the others of its text.
    fn attention(&mut self, name: &str, states: &Value) -> Result<Value, WeightsError> {
        let largest = self.largest_of_both_signs(states);
        let activations = self.round(states, largest);
        // A score is divided by the root of a head's width; dividing the query's weights costs nothing at run time.
        let divided = 1.0 / (HEAD_WIDTH as f32).sqrt();
        let query = self.head(&format!("{name}.self.query"), &activations, divided, &[0, 2, 1, 3])?;
        let key = self.head(&format!("{name}.self.key"), &activations, 1.0, &[0, 2, 3, 1])?;
        let value = self.head(&format!("{name}.self.value"), &activations, 1.0, &[0, 2, 1, 3])?;
        let scores = self.graph.node("MatMul", &[&query, &key], &[]);
        let seen = self.graph.node("Add", &[&scores, &self.shared.hidden], &[]);
        let shares = self.graph.node("Softmax", &[&seen], &[("axis", Attribute::Integer(-1))]);
        let by_head = self.graph.node("MatMul", &[&shares, &value], &[]);
        let by_token = self.graph.node("Transpose", &[&by_head], &[("perm", Attribute::Integers(&[0, 2, 1, 3]))]);
        let taken = self.graph.node("Reshape", &[&by_token, &self.shared.by_row], &[]);
        let largest_taken = self.largest_of_both_signs(&taken);
        let taken = self.round(&taken, largest_taken);
        let output = self.product(&format!("{name}.output.dense"), &taken, WIDTH, WIDTH, 1.0)?;
        let sum = self.graph.node("Add", &[&output, states], &[]);
        self.norm(&format!("{name}.output.LayerNorm"), &sum)
    }

    /// What each token makes of itself.
    fn feed_forward(&mut self, name: &str, states: &Value) -> Result<Value, WeightsError> {
        let largest = self.largest_of_both_signs(states);
        let activations = self.round(states, largest);
        let wide = self.product(&format!("{name}.intermediate.dense"), &activations, WIDTH, INNER_WIDTH, 1.0)?;
        let inner = self.gelu(&wide);
        // It is nowhere below its depth, so that its largest value is enough, and no absolute values are needed.
        let largest_inner = self.graph.node("ReduceMax", &[&inner], &largest_of_row());
        let depth = self.graph.floats(&[], &[GELU_DEPTH]);
        let reached = self.graph.node("Max", &[&largest_inner, &depth], &[]);
        let inner = self.round(&inner, reached);
        let output = self.product(&format!("{name}.output.dense"), &inner, INNER_WIDTH, WIDTH, 1.0)?;
        let sum = self.graph.node("Add", &[&output, states], &[]);
        self.norm(&format!("{name}.output.LayerNorm"), &sum)
    }

    /// One of the three readings of attention, texts × heads × and then as `order` says.
    fn head(
        &mut self,
        name: &str,
        activations: &Activations,
        factor: f32,
        order: &[i64],
    ) -> Result<Value, WeightsError> {
        let rows = self.product(name, activations, WIDTH, WIDTH, factor)?;
        let heads = self.graph.node("Reshape", &[&rows, &self.shared.by_head], &[]);
        Ok(self.graph.node("Transpose", &[&heads], &[("perm", Attribute::Integers(order))]))
    }

    /// The distance from zero that each row reaches.
    fn largest_of_both_signs(&mut self, rows: &Value) -> Value {
        let distances = self.graph.node("Abs", &[rows], &[]);
        let largest = self.graph.node("ReduceMax", &[&distances], &largest_of_row());
        let least = self.graph.floats(&[], &[ACTIVATION_LARGEST_MIN]);
        self.graph.node("Max", &[&largest, &least], &[])
    }

    /// Rounds each row to one byte a value, by the distance from zero that it reaches.
    fn round(&mut self, rows: &Value, largest: Value) -> Activations {
        let step = self.graph.floats(&[], &[1.0 / ACTIVATION_MAX]);
        let scales = self.graph.node("Mul", &[&largest, &step], &[]);
        let inputs = [rows, &scales, &self.shared.row_zeros];
        let values = self.graph.node("QuantizeLinear", &inputs, &[("axis", Attribute::Integer(0))]);
        let scales = self.graph.node("Unsqueeze", &[&scales, &self.shared.last_axis], &[]);
        Activations { values, scales }
    }

    /// A linear part: the product with its weights, and its bias; both times a factor.
    fn product(
        &mut self,
        name: &str,
        activations: &Activations,
        inputs: usize,
        outputs: usize,
        factor: f32,
    ) -> Result<Value, WeightsError> {
        let scaled = |mut numbers: Vec<f32>| {
            numbers.iter_mut().for_each(|number| *number *= factor);
            numbers
        };
        let weights = scaled(self.weights.tensor(&format!("{name}.weight"), &[outputs, inputs])?);
        let bias = scaled(self.weights.tensor(&format!("{name}.bias"), &[outputs])?);
        let Rounded { values, scales } = rounding::for_product(&weights, inputs);
        let graph = &mut self.graph;
        let values = graph.small(&[inputs, outputs], &values);
        let (scales, bias) = (graph.floats(&[outputs], &scales), graph.floats(&[outputs], &bias));
        let whole = graph.node("MatMulInteger", &[&activations.values, &values, &self.shared.zero], &[]);
        let unscaled = cast_to_float(graph, &whole);
        let by_column = graph.node("Mul", &[&unscaled, &scales], &[]);
        let product = graph.node("Mul", &[&by_column, &activations.scales], &[]);
        Ok(graph.node("Add", &[&product, &bias], &[]))
    }

    /// `x/2 · (1 + erf(x/√2))`, in the form that onnxruntime knows to join into one operator.
    fn gelu(&mut self, rows: &Value) -> Value {
        let graph = &mut self.graph;
        let (root, one, half) = (graph.floats(&[], &[SQRT_2]), graph.floats(&[], &[1.0]), graph.floats(&[], &[0.5]));
        let divided = graph.node("Div", &[rows, &root], &[]);
        let error = graph.node("Erf", &[&divided], &[]);
        let raised = graph.node("Add", &[&error, &one], &[]);
        let product = graph.node("Mul", &[rows, &raised], &[]);
        graph.node("Mul", &[&product, &half], &[])
    }

    fn norm(&mut self, name: &str, rows: &Value) -> Result<Value, WeightsError> {
        let weight = self.weights.tensor(&format!("{name}.weight"), &[WIDTH])?;
        let bias = self.weights.tensor(&format!("{name}.bias"), &[WIDTH])?;
        let (weight, bias) = (self.graph.floats(&[WIDTH], &weight), self.graph.floats(&[WIDTH], &bias));
        let attributes = [("axis", Attribute::Integer(-1)), ("epsilon", Attribute::Float(NORM_EPSILON))];
        Ok(self.graph.node("LayerNormalization", &[rows, &weight, &bias], &attributes))
    }
}

/// The largest value of each row, as a list.
fn largest_of_row() -> [(&'static str, Attribute<'static>); 2] {
    [("axes", Attribute::Integers(&[-1])), ("keepdims", Attribute::Integer(0))]
}

fn cast_to_float(graph: &mut Graph, value: &Value) -> Value {
    graph.node("Cast", &[value], &[("to", Attribute::Integer(Element::Float as i64))])
}
