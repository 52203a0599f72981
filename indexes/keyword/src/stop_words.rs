//! Which words say nothing about what a text is about?
//!
//! Invariants:
//! - Words are in lower case and unstemmed; `no`, `not` and question words are among them, since BM25 cannot use them.

use std::collections::HashSet;
use std::sync::LazyLock;

/// English function words, and the letters that contractions leave behind.
static ENGLISH: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    "a about above after again against all almost also although always am among an and another any anyone anything are \
     aren around as at be became because become been before being below between both but by can cannot could couldn \
     did didn do does doesn doing don done down during each either else enough etc ever every everyone everything few \
     for from further get gets give given go had hadn has hasn have haven having he hence her here hers herself him \
     himself his how however i if in indeed instead into is isn it its itself just least less let like ll made make \
     makes many may maybe me might mine more moreover most mostly much must my myself nearly neither never no nobody \
     none nor not nothing now of off often on once only onto or other others otherwise our ours ourselves out over own \
     per perhaps quite rather re really s same seem seemed seems several shall she should shouldn since so some someone \
     something sometimes somewhere still such t than that the their theirs them themselves then there thereby therefore \
     these they this those though through throughout thus to together too toward towards under until up upon us ve very \
     via was wasn we well were weren what whatever when whenever where whereas whether which while who whoever whole \
     whom whose why will with within without won would wouldn yet you your yours yourself yourselves"
        .split_whitespace()
        .collect()
});

/// Chinese particles, pronouns and connectives, and the Japanese particles, one character each.
const CHARACTERS: &str = "的了是在和与及或也都就而但被把将对为以于之其这那此个们我你他她它吗呢吧啊呀么着过很又还从到由向让给并且所则\
                          才只若如因哪谁何什怎はがをにでとものへやかねよ";

/// Whether a lower-case word is an English stop word.
pub(crate) fn is_stop_word(word: &str) -> bool {
    ENGLISH.contains(word)
}

/// Whether a term is made of nothing but stop characters.
pub(crate) fn is_stop_term(term: &str) -> bool {
    term.chars().all(|c| CHARACTERS.contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_terms_made_of_stop_characters_stop() {
        assert!(is_stop_term("的") && is_stop_term("是在") && is_stop_term("什么"));
        assert!(!is_stop_term("目的") && !is_stop_term("河"));
        assert!(is_stop_word("the") && !is_stop_word("river"));
    }
}
