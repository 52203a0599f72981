//! How is a Chinese question completed from the one before?
//!
//! Invariants:
//! - A fragment takes the place of what ends in the same character, else of the topic before it, or of its time; a pronoun
//!   is put out by the topic.

use wellspring_core::answer::Turn;
use wellspring_core::text::is_cjk;

use super::named_by;

/// What a topic ends before: the asking, or the verb.
const BEHIND_TOPIC: &[&str] = &[
    "多少", "什么", "什麼", "怎么", "怎麼", "怎样", "怎樣", "如何", "哪", "谁", "誰", "几", "幾", "何", "是", "有",
    "在", "可以", "能", "要", "需要", "由", "于", "於", "多", "为", "為", "的", "建于", "建於", "建成", "建造", "始建",
    "修建", "位于", "位於", "始于", "始於", "成立", "创立", "創立", "出生", "生于", "生於",
];
const PRONOUNS: &[&str] = &["它们", "他们", "她们", "它們", "他們", "她們", "它", "他", "她", "牠"];
/// What a time begins with.
const TIMES: &[&str] =
    &["周", "週", "星期", "礼拜", "禮拜", "平日", "节假日", "節假日", "冬季", "夏季", "冬天", "夏天"];
/// Characters that a time is written with behind its beginning.
const TIME_CHARACTERS: &str = "一二三四五六日天末至到、和";
/// Characters of a fragment at most.
const FRAGMENT_CHARACTERS_MAX: usize = 12;

/// The question on its own; `None` where it already is.
pub(super) fn complete(question: &str, before: &Turn) -> Option<String> {
    let asked = question.trim().trim_end_matches(['？', '?', '。']).trim();
    let old = before.question.trim();
    if let Some(fragment) = fragment(asked) {
        if let Some(time) = time(fragment) {
            return Some(match self::time(old) {
                Some(before) => old.replacen(before, time, 1),
                None => format!("{fragment}{old}"),
            });
        }
        if let (Some(year), Some(before)) = (year(fragment), year(old)) {
            return Some(old.replacen(before, year, 1));
        }
        if let Some(same) = same_kind(old, fragment) {
            return Some(old.replacen(same, fragment, 1));
        }
        return Some(match topic(old) {
            Some(topic) => old.replacen(topic, fragment, 1),
            None => format!("{fragment}{old}"),
        });
    }
    let pronoun = PRONOUNS.iter().find(|pronoun| asked.contains(**pronoun) && !asked.contains("其他"))?;
    let asks_who = old.contains(['谁', '誰']);
    let named = named_by(&before.answer).filter(|_| asks_who);
    let topic = named.or_else(|| topic(old))?;
    Some(format!("{}？", asked.replacen(pronoun, topic, 1)))
}

/// What is asked with 呢.
fn fragment(asked: &str) -> Option<&str> {
    let fragment = asked.strip_suffix('呢')?;
    let opening = ["那么", "那麼", "那", "而"].iter().find_map(|opening| fragment.strip_prefix(opening));
    let fragment = opening.unwrap_or(fragment).trim_matches(|c: char| !c.is_alphanumeric() && c != '“' && c != '”');
    (1..=FRAGMENT_CHARACTERS_MAX).contains(&fragment.chars().count()).then_some(fragment)
}

/// What ends in the last character of the fragment: a student's ticket stands where a child's stood.
fn same_kind<'a>(old: &'a str, fragment: &str) -> Option<&'a str> {
    let last = fragment.chars().next_back().filter(|c| is_cjk(*c))?;
    if fragment.chars().count() < 2 {
        return None;
    }
    let end = old.rfind(last)? + last.len_utf8();
    let before = &old[..end - last.len_utf8()];
    let marks = BEHIND_TOPIC.iter().chain(["和", "与", "與", "，", "、", " "].iter());
    let start = marks.filter_map(|mark| before.rfind(mark).map(|at| at + mark.len())).max().unwrap_or(0);
    (end - start > last.len_utf8()).then(|| &old[start..end])
}

/// What a question is about: what stands before its verb or its asking.
fn topic(question: &str) -> Option<&str> {
    let question = question.trim_end_matches(['？', '?']);
    let start = time(question).filter(|time| question.starts_with(time)).map_or(0, str::len);
    let rest = &question[start..];
    let end = BEHIND_TOPIC.iter().filter_map(|mark| rest.find(mark)).filter(|&at| at > 0).min()?;
    Some(rest[..end].trim_matches(|c: char| !c.is_alphanumeric() && c != '“' && c != '”'))
        .filter(|topic| !topic.is_empty())
}

/// The year that a text names, such as 1953年.
fn year(text: &str) -> Option<&str> {
    const DIGITS: usize = 4;
    let end = text.find('年').filter(|&end| end >= DIGITS)?;
    let year = text.get(end - DIGITS..end).filter(|year| year.bytes().all(|byte| byte.is_ascii_digit()));
    year.map(|_| &text[end - DIGITS..end + '年'.len_utf8()])
}

/// The time that a text names, such as 周一至周四.
fn time(text: &str) -> Option<&str> {
    let start = TIMES.iter().filter_map(|mark| text.find(mark)).min()?;
    let rest = &text[start..];
    let mut end = 0;
    while let Some(mark) = TIMES.iter().find(|mark| rest[end..].starts_with(**mark)) {
        end += mark.len();
        end += rest[end..].chars().take_while(|&c| TIME_CHARACTERS.contains(c)).map(char::len_utf8).sum::<usize>();
    }
    Some(&rest[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(question: &str, before: &str, answer: &str, expected: Option<&str>) {
        let turn = Turn { question: before.into(), answer: answer.into() };
        assert_eq!(complete(question, &turn).as_deref(), expected, "{question} after {before}");
    }

    #[test]
    fn a_fragment_takes_the_place_of_topic_or_time() {
        check("那狗呢？", "月票多少钱？", "48克朗", Some("狗多少钱？"));
        check("水獭号呢？", "苍鹭号可以载多少人？", "", Some("水獭号可以载多少人？"));
        check("那周日呢？", "周六头班船几点开出？", "", Some("周日头班船几点开出？"));
        check("那学生票呢？", "红湖游泳馆的成人票多少钱？", "45元", Some("红湖游泳馆的学生票多少钱？"));
        check("学生票呢？", "儿童票每张多少钱？", "20元", Some("学生票每张多少钱？"));
        check("那钱呢？", "月票多少钱？", "", Some("钱多少钱？"));
        check("那2024年呢？", "1953年的洪水有多高？", "5.62米", Some("2024年的洪水有多高？"));
        check("星期日呢", "头班船几点开出？", "", Some("星期日头班船几点开出？"));
    }

    #[test]
    fn pronouns_are_put_out() {
        check("它有多长？", "苍鹭号是哪年建造的？", "2019年", Some("苍鹭号有多长？"));
        check("它有多长？", "老桥建于哪年？", "1880年", Some("老桥有多长？"));
        check("她是哪年出生的？", "公司是谁创办的？", "玛吉特·哈洛伦", Some("玛吉特·哈洛伦是哪年出生的？"));
        check("其他船有多长？", "苍鹭号是哪年建造的？", "", None);
        check("船有多长？", "苍鹭号是哪年建造的？", "", None);
    }
}
