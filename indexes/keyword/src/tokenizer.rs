//! How does tantivy hear the analyser?

use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

use crate::analyser::{self, Term};

/// The name the schema knows the analyser by.
pub(crate) const NAME: &str = "wellspring";

/// The analyser as tantivy calls it.
#[derive(Debug, Clone)]
pub(crate) struct Analyser;

impl Tokenizer for Analyser {
    type TokenStream<'a> = Terms;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Terms {
        Terms { terms: analyser::terms(text).into_iter(), token: Token::default() }
    }
}

/// The terms of one text. Their offsets stay 0: spans come from the catalog.
pub(crate) struct Terms {
    terms: std::vec::IntoIter<Term>,
    token: Token,
}

impl TokenStream for Terms {
    fn advance(&mut self) -> bool {
        let Some(term) = self.terms.next() else {
            return false;
        };
        self.token.text = term.text;
        self.token.position = term.position;
        true
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}
