//! What do the documents answer, and which of their characters say so?
//!
//! One stage, one file, in the order of a question: [`Answerer`] wires them.
//!
//! | file | question |
//! |---|---|
//! | `conversation` | what is meant by a question that leans on what was said before? |
//! | `compare` | which things does it compare? |
//! | `lexical` | how much of the question's words does each sentence bear? |
//! | `evidence` | which sentences go into the prompt? |
//! | `instruction` | does a sentence tell us what to answer, instead of what is? |
//! | `kind` | what kind of thing is asked for? |
//! | `subject` | does what was found speak of what is asked about? |
//! | `relation` | does a sentence say of it what is asked? |
//! | `roles` | who does what to whom in a sentence, and is it he who was asked for? |
//! | `table` | under which names do the cells of a row stand? |
//! | `contrast`, `days` | does a text speak of the opposite, or of other days? |
//! | `units` | is a value measured in what the question asks for? |
//! | `fact` | of all that a sentence tells, does an answer take what was asked for? |
//! | `abstain` | is that enough to answer at all? |
//! | `extract` | what do the documents say word for word? |
//! | `found` | what was found, as a whole and for each thing that is compared? |
//! | `style` | how long should the answer be? |
//! | `prompt` | what is the generator told? |
//! | `quoting` | in which words may an answer be written that has to be a quote? |
//! | `script` | in which Chinese script is it answered? |
//! | `writers` | who writes it, and when is it not worth waiting for them? |
//! | `pool` | which of several generators? |
//! | `generate` | how do tokens become a checked answer? |
//! | `cite`, `verify` | which quote supports a sentence, and does it say the same? |
//! | `numerals` | which numbers does a text tell, in whatever way it writes them? |
//! | `counts` | does it count and measure as its quote does? |
//! | `order` | does it say of one thing what its quote says of the other? |
//! | `mixing` | does it put together what its quote says of different things? |
//! | `polarity` | does a sentence answer by yes or no? |
//! | `judging` | does a model find that the sentence follows from its quote? |
//! | `conflict` | do the documents contradict each other? |
//! | `ending` | how does it end? |
//! | `refusal` | how is it said that the documents do not say? |
//! | `stream` | how does it reach the reader? |
//!
//! Invariants:
//! - The model's word decides nothing: citations are found and checked in code (I-6).
//! - A stream ends with exactly one `Done` or `Error`; a reader who leaves stops the work.
//! - No document's text in a log or an error message.

#![deny(missing_docs)]

mod abstain;
mod answerer;
mod cite;
mod compare;
mod conflict;
mod contrast;
mod conversation;
mod counts;
mod days;
mod ending;
mod evidence;
mod extract;
mod fact;
mod found;
mod generate;
mod instruction;
mod judging;
mod kind;
mod lexical;
mod mixing;
mod numerals;
mod order;
mod polarity;
mod pool;
mod prompt;
mod quoting;
mod refusal;
mod relation;
mod roles;
mod script;
mod stream;
mod style;
mod subject;
mod table;
mod terms;
mod units;
mod verify;
mod writers;

pub use abstain::Thresholds;
pub use answerer::{AnswerSettings, Answerer, AnswererParts};
pub use judging::Judging;
pub use pool::Pool;
pub use stream::AnswerStream;

#[cfg(test)]
mod fakes;
#[cfg(test)]
mod journeys;
