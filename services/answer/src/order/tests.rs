//! Is what is turned round found, and the same in another order left alone?

use proptest::prelude::*;

use super::*;

fn is_turned(question: &str, sentence: &str, quote: &str) -> bool {
    Words::told_by(sentence, question).iter().any(|told| told.are_turned_round_in(&Words::of(quote)))
}

fn is_of_another(question: &str, sentence: &str, quote: &str) -> bool {
    Words::told_by(sentence, question).iter().any(|told| told.are_said_of_another_in(&Words::of(quote)))
}

const HIGHER: &str = "Mount Ara is higher than Mount Bel, but Mount Bel is older than Mount Ara.";
const COMMITTEE: &str = "The committee, chaired by Mara Holt, rejected the plan of Otto Pell.";
const TALLER: &str = "Emil Falk is taller than Georg Haas, and Georg Haas is taller than Ida Jung.";

#[test]
fn what_is_turned_round_is_found() {
    for (question, sentence, quote) in [
        ("Who bought whom?", "Bolt bought Acme.", "In 2015 Acme bought Bolt for 3 million euros."),
        ("What happened?", "Bolt was bought by Acme.", "Acme was bought by Bolt."),
        ("Who is older?", "Sam Cole is older than Bo Lind.", "Bo Lind is three years older than Sam Cole."),
        ("Who is older, Bo Lind or Sam Cole?", "Sam Cole", "Bo Lind is older than Sam Cole."),
        ("Which boat is longer?", "The Otter is longer.", "The Heron is longer than the Otter."),
        ("Who is whose father?", "Bo Lind is the father of Sam Cole.", "Sam Cole is the father of Bo Lind."),
        ("Where does it go?", "It goes from Skerrow to Anlow.", "The boat goes from Anlow to Skerrow at 8:00."),
        ("What did Acme do?", "Acme was bought by Bolt in 2019.", "Acme bought Bolt in 2019."),
        ("What did Acme do?", "Acme has been bought in 2019 by Bolt.", "Acme bought Bolt in 2019."),
        ("What of Acme?", "Bolt bought Acme.", "Acme was bought in 2019 by the Crane company, and Acme bought Bolt."),
        ("What happened?", "The lion was eaten by the zebra.", "The lion ate the zebra near the lake."),
        (
            "What happened?",
            "Nils Rohde was arrested by Jan Kolb in Bremen in 2004.",
            "Police officer Nils Rohde arrested the thief Jan Kolb in Bremen in 2004.",
        ),
        ("Which is higher?", "Mount Bel is higher than Mount Ara.", HIGHER),
        ("Which is older?", "Mount Ara is older than Mount Bel.", HIGHER),
        ("Who is taller, Emil Falk or Georg Haas?", "Georg Haas is taller than Emil Falk.", TALLER),
        ("Where?", "The Gar flows into the Fen.", "The Fen flows into the Gar, and the Gar flows into Lake Cor."),
        ("Where?", "The Red River flows from Sudland into Norland.", "The Red River flows from Norland into Sudland."),
        ("Where does it come from?", "From Sudland.", "The Red River flows from Norland into Sudland."),
        (
            "Why was the meeting postponed?",
            "The annual meeting was postponed from October to June.",
            "The annual meeting was postponed from June to October because the audit is late.",
        ),
        ("When?", "She studied there from 1926 to 1921.", "She studied in Lund from 1921 to 1926."),
        ("Until when?", "It may be used from 20:00.", "The laundry room may be used until 20:00."),
        ("下调到多少？", "利率下调到3.5%。", "中央银行把利率从3.5%下调到3.25%。"),
        ("Where was it moved?", "To Bonn.", "Viktor Lang moved Delta from Bonn to Kiel."),
        ("流入哪里？", "紅河流入北國。", "紅河從北國流入南國。"),
        ("发生了什么？", "安科公司被博特公司收购。", "2019年，安科公司收购了博特公司。"),
        ("发生了什么？", "将军在科林被海军上将击败。", "将军在科林击败了海军上将。"),
        ("发生了什么？", "市长被陈浩表扬了。", "市长表扬了陈浩。"),
        ("发生了什么？", "安科公司收购了博特公司。", "安科公司被博特公司收购。"),
        ("谁收购了谁？", "乙公司收购甲公司。", "2015年，甲公司以三亿元收购了乙公司。"),
        ("谁大？", "刘洋比张伟大五岁。", "张伟比刘洋大五岁。"),
        ("谁比张伟大？", "刘洋", "张伟比刘洋大五岁。"),
        ("誰打敗了誰？", "藍隊擊敗紅隊。", "決賽中紅隊以三比一擊敗了藍隊。"),
    ] {
        assert!(is_turned(question, sentence, quote), "{sentence} {quote}");
        assert!(!is_turned("What happened?", quote, quote), "{quote}");
    }
}

#[test]
fn another_order_of_the_same_is_left_alone() {
    for (question, sentence, quote) in [
        ("Who built it?", "The bridge was built by Ida Berg.", "Ida Berg built the bridge."),
        ("What is the capital?", "Oslo is the capital of Norway.", "Norway's capital is Oslo."),
        ("What is the capital?", "The capital of Norway is Oslo.", "Oslo is the capital of Norway."),
        ("Who married Per?", "Per Holm married Ida Berg.", "Ida Berg married Per Holm in 1990."),
        ("When does it open?", "On Monday the museum opens.", "The museum opens on Monday."),
        ("Which animals?", "Birds, dogs and cats are allowed.", "Cats, dogs and birds are allowed."),
        ("Who is older, Bo Lind or Sam Cole?", "Bo Lind", "Bo Lind is older than Sam Cole."),
        ("Who designed the bridge?", "Ida Berg", "The bridge was designed by Ida Berg."),
        ("What did Acme do?", "Bolt was bought by Acme in 2019.", "Acme bought Bolt in 2019."),
        ("What happened?", "Caesar was killed by Brutus in Rome.", "Brutus killed Caesar in Rome."),
        ("What happened?", "The zebra was eaten by the lion.", "The lion ate the zebra near the lake."),
        (
            "What happened to Jan Kolb?",
            "Jan Kolb was arrested by Nils Rohde in Bremen.",
            "Police officer Nils Rohde arrested the thief Jan Kolb in Bremen in 2004.",
        ),
        (
            "What of Vega?",
            "Vega was sued by Orion over a patent.",
            "The company Orion sued the company Vega over a patent.",
        ),
        ("Which is higher?", "Mount Ara is higher than Mount Bel.", HIGHER),
        ("Which is older?", "Mount Bel is older than Mount Ara.", HIGHER),
        ("Who is taller?", "Georg Haas is taller than Ida Jung.", TALLER),
        ("Who rejected it?", "The plan of Otto Pell was rejected by the committee.", COMMITTEE),
        ("Who rejected it?", "Otto Pell's plan was rejected by the committee.", COMMITTEE),
        ("Who rejected it?", "The committee rejected the plan of Otto Pell.", COMMITTEE),
        (
            "What does Bolt make?",
            "Bolt, which Acme bought in 2019, makes screws in Leeds.",
            "Acme bought Bolt in 2019. Bolt makes screws in Leeds.",
        ),
        ("Where?", "At Corran the admiral was defeated by the general.", "The general defeated the admiral at Corran."),
        (
            "Who designed it?",
            "The tunnel was designed by Per Berg.",
            "The tunnel was designed and built by Per Berg in 1931.",
        ),
        ("Where does it go?", "To Sudland.", "The Red River flows from Norland into Sudland."),
        ("Where?", "It goes to Kiel from Bonn.", "Viktor Lang moved Delta from Bonn to Kiel."),
        ("What of it?", "On Sunday the ferry carries cars in Anlow.", "In Anlow the ferry carries cars on Sunday."),
        ("When?", "The museum was opened in 1990 by the mayor.", "The mayor opened the museum in 1990."),
        ("发生了什么？", "博特公司被安科公司收购。", "2019年，安科公司收购了博特公司。"),
        ("发生了什么？", "海军上将在科林被将军击败。", "将军在科林击败了海军上将。"),
        ("发生了什么？", "安科公司收购了生产螺丝的博特公司。", "安科公司收购了博特公司。博特公司生产螺丝。"),
        ("教？", "李明的钢琴是张伟教的。", "张伟教李明弹钢琴。"),
        ("谁设计的？", "南桥的设计者是陈浩。", "工程师陈浩设计了南桥。"),
        ("出口？", "木材由北國出口到南國。", "北國向南國出口木材。"),
        ("割让？", "根據條約，狄島割讓給了北國。", "根據條約，南國把狄島割讓給北國。"),
        ("谁？", "工程师陈浩得到了市长的表扬。", "市长表扬了工程师陈浩。"),
        ("谁？", "学校给周洁颁了奖学金。", "周洁获得了学校颁的奖学金。"),
        ("Who is it?", "The museum director is Ines Okonjo.", "Ines Okonjo is director at the museum."),
        (
            "How far?",
            "It is 640 m from Anlow to Skerrow, a short distance.",
            "The distance from Skerrow to Anlow is 640 m.",
        ),
        ("Where?", "The school lies opposite the church.", "The church lies opposite the school."),
        ("What happened?", "Hale captured Anlow.", "Hale defeated Cray and captured Anlow."),
        ("What happened?", "Hale was captured.", "Hale who succeeded Cray was captured."),
        ("What happened?", "Hale sold it.", "Hale bought the mill from Cray and sold it."),
        ("谁大？", "刘洋比张伟小五岁。", "张伟比刘洋大五岁。"),
        ("在哪？", "安洛位于斯凯罗以东。", "斯凯罗位于安洛以西。"),
        ("馆长？", "博物馆馆长是李明。", "李明是博物馆的馆长。"),
        ("谁修建了长城？", "秦始皇", "长城由秦始皇修建。"),
        ("谁设计了大桥？", "李明", "大桥的设计者是李明。"),
        ("首都？", "挪威的首都是奥斯陆。", "奥斯陆是挪威的首都。"),
        ("多远？", "北京距上海1200公里。", "上海距北京1200公里。"),
        ("谁？", "乙队被甲队击败。", "甲队击败乙队。"),
    ] {
        assert!(!is_turned(question, sentence, quote), "{sentence} {quote}");
        assert!(!is_of_another(question, sentence, quote), "{sentence} {quote}");
    }
}

#[test]
fn a_chinese_question_for_the_doer_is_not_answered_by_what_the_named_one_did() {
    let bought = "2019年，安科公司收购了博特公司。";
    for (question, sentence, other) in [
        ("谁收购了安科公司？", bought, true),
        ("谁收购了博特公司？", bought, false),
        ("博特公司收购了谁？", bought, true),
        ("安科公司收购了谁？", bought, false),
        ("誰打敗了李明？", "李明打敗了王剛。", true),
        ("誰打敗了王剛？", "李明打敗了王剛。", false),
        ("谁收购了博特公司？", "博特公司被安科公司收购。", false),
        ("谁创办了公司？", "公司由玛吉特·哈洛伦于1887年4月14日创办。", false),
        ("將權利指派給王子們的人為誰？", "賈漢沙將權利指派給王子們。", false),
        ("馆长是谁？", "馆长李明于2019年上任。", false),
        ("谁是馆长？", "李明是馆长。", false),
    ] {
        assert_eq!(is_asked_the_other_way(question, sentence), other, "{question} {sentence}");
    }
}

#[test]
fn what_is_said_of_another_name_is_found() {
    let quote = "Colonel Hale was wounded and Captain Cray was captured.";
    assert!(is_of_another("What happened?", "Hale was captured.", quote));
    assert!(is_of_another("Who was captured?", "Colonel Hale", "Hale was wounded; Cray was captured."));
    assert!(is_of_another("What happened?", "Brutus was killed in Rome.", "Brutus killed Caesar in Rome."));
    assert!(is_of_another("What of Hale?", "Hale was captured.", "Hale's brother Cray was captured."));
    for (sentence, quote) in [
        ("Cray was captured.", quote),
        ("Hale was captured.", "Hale and Cray were captured."),
        ("Hale was captured.", "Hale, Bond and Cray were captured."),
        ("Hale was captured.", "Hale, son of Cray, was captured."),
        ("Hale was captured.", "Hale was wounded, and later he was captured."),
        ("Hale was captured.", "The commander of Anlow was captured; his name was Hale."),
    ] {
        assert!(!is_of_another("What happened?", sentence, quote), "{sentence} {quote}");
    }
}

proptest! {
    #[test]
    fn any_texts_are_compared(sentence in "([a-cA-C]|[甲乙被与]| |,|to|by|1){0,14}", quote in ".{0,30}|[a-cA-C 甲乙被与,.]{0,20}") {
        let quoted = Words::of(&quote);
        for said in Words::told_by(&sentence, "Who is a?") {
            let _ = (said.are_turned_round_in(&quoted), said.are_said_of_another_in(&quoted));
        }
        prop_assert!(!Words::of(&quote).are_turned_round_in(&quoted));
    }
}
