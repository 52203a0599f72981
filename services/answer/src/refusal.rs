//! How is it said that the documents do not say?
//!
//! In the language of the question. Its script tells it where it can; among languages in Latin letters, the small words
//! of a question do, and where two languages share as many of them, or there are none, it is English.
//!
//! Invariants:
//! - Pure and total: every question has a refusal.

use wellspring_core::text::script_language;

use crate::script::Script;
use crate::terms::words;

const ENGLISH: &str = "Not in these documents.";

/// A language in Latin letters: the words that tell a question in it, and the refusal.
const LATIN: &[(&str, &str)] = &[
    (
        "a an and any are at be can did do does for from has have how i in is it many may much my of on or the there to \
         was were what when where which who why will with",
        ENGLISH,
    ),
    (
        "am an auf darf das dem den der des die ein eine einen er es für gibt hat heißt hier ich im in ist kann kostet man \
         mit muss nach sind und vom von wann war warum was welche welchem welchen welcher welches wem wen wer werden wie wird \
         wo wohin wurde zu zum zur",
        "Das steht nicht in diesen Dokumenten.",
    ),
    (
        "a au aux avec ce combien comment d dans de des du elle en est et être faut il l la le les où par peut pour pourquoi \
         qu quand que quel quelle quelles quels qui quoi s sont sur un une y à était",
        "Ces documents ne le disent pas.",
    ),
    (
        "al como con cuando cuanto cuál cuáles cuándo cuánta cuántas cuánto cuántos cómo de del donde dónde el en es está \
         están fue hay la las lo los para por puede que quien quién quiénes qué se son tiene un una y",
        "Estos documentos no lo dicen.",
    ),
    (
        "al alla che chi come con cosa costa cui da dal dei del della delle di dove e gli ha i il in la le lo nel nella per \
         perché può qual quale quali quando quanta quante quanti quanto si sono su un una è",
        "Questi documenti non lo dicono.",
    ),
    (
        "a ao as com como da das de do dos e em foi há na nas no nos o onde os para pode por porque qual quais quando quanta \
         quantas quanto quantos que quem se são tem um uma à é",
        "Estes documentos não o dizem.",
    ),
    (
        "aan bij de dit dat een en er heeft het hoe hoeveel in is kan met mag naar niet of om op te van voor waar waarom \
         wanneer was wat welk welke werd wie wordt zijn",
        "Dat staat niet in deze documenten.",
    ),
];

/// The refusal of a question.
pub(crate) fn refusal(question: &str) -> &'static str {
    match (script_language(question), Script::of(question)) {
        (_, Some(Script::Traditional)) => "這些文件裡沒有答案。",
        (Some("zh"), _) => "这些文档里没有答案。",
        (Some("ja"), _) => "これらの文書には書かれていません。",
        (Some("ko"), _) => "이 문서들에는 답이 없습니다.",
        (Some("ru"), _) => "В этих документах этого нет.",
        _ => in_latin_letters(question),
    }
}

fn in_latin_letters(question: &str) -> &'static str {
    let said = words(question);
    let share = |list: &str| said.iter().filter(|word| list.split_whitespace().any(|telling| telling == *word)).count();
    let told = LATIN.iter().map(|(list, refusal)| (share(list), *refusal));
    let most = told.clone().map(|(count, _)| count).max().unwrap_or(0);
    let mut best = told.filter(|(count, _)| *count == most);
    match (best.next(), best.next()) {
        (Some((_, refusal)), None) => refusal,
        _ => ENGLISH,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_refused_in_its_language() {
        for (question, refused) in [
            ("Who was the mayor of Vik?", ENGLISH),
            ("Opening hours?", ENGLISH),
            ("", ENGLISH),
            ("Wie tief ist das Becken?", "Das steht nicht in diesen Dokumenten."),
            ("Wer war der Bürgermeister?", "Das steht nicht in diesen Dokumenten."),
            ("Combien coûte la semaine en basse saison ?", "Ces documents ne le disent pas."),
            ("Qui a fondé l'auberge ?", "Ces documents ne le disent pas."),
            ("¿Cuánto cuesta la entrada?", "Estos documentos no lo dicen."),
            ("Quanto costa il biglietto per i bambini?", "Questi documenti non lo dicono."),
            ("Quem fundou o museu?", "Estes documentos não o dizem."),
            ("Hoeveel kost het kaartje?", "Dat staat niet in deze documenten."),
            ("法學分館館長是誰？", "這些文件裡沒有答案。"),
            ("谁是馆长？", "这些文档里没有答案。"),
            ("館長はだれですか", "これらの文書には書かれていません。"),
            ("관장은 누구입니까?", "이 문서들에는 답이 없습니다."),
            ("Кто директор музея?", "В этих документах этого нет."),
        ] {
            assert_eq!(refusal(question), refused, "{question}");
        }
    }
}
