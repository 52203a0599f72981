//! What a robots.txt means to us.

use proptest::prelude::*;

use super::*;

fn rules(text: &str) -> AgentRules {
    AgentRules::read(text.as_bytes(), "Wellspring")
}

fn one(rule: &str, path: &str) -> bool {
    rules(&format!("user-agent: *\n{rule}")).allow(path)
}

#[test]
fn a_text_without_sense_forbids_nothing() {
    for text in ["", "\n\n", "<html><body>Not found</body></html>", "Disallow: /", "User-agent: *", "\0\u{1}:::"] {
        assert!(rules(text).allow("/page"), "{text:?}");
    }
}

#[test]
fn our_own_group_counts_before_that_for_anybody() {
    let text = "User-Agent: *\nDisallow: /\n\nuser-agent: other\nDisallow: /b\n\nUSER-AGENT: wellSPRING/2.0 (hm)\nDisallow: /a";
    assert!(!rules(text).allow("/a") && rules(text).allow("/b"));
    assert!(!AgentRules::read(text.as_bytes(), "Unknown").allow("/b"));
    assert!(!rules("User-agent: Wellspring-other\nDisallow: /b\nUser-agent: *\nDisallow: /a").allow("/a"));
    assert!(rules("User-agent: *\nDisallow: /\nUser-agent: Wellspring").allow("/a"), "an empty group of our own");
    assert!(rules("User-agent: other\nDisallow: /").allow("/a"), "no group for us");
}

#[test]
fn groups_of_one_agent_are_one_group_and_agents_share_a_group() {
    let text = "User-agent: Wellspring\nDisallow: /a\nUser-agent: x\nUser-agent: Wellspring\nDisallow: /b\nUser-agent: x\nDisallow: /c";
    assert!(!rules(text).allow("/a") && !rules(text).allow("/b") && rules(text).allow("/c"));
    let with_sitemap = "User-agent: Wellspring\nSitemap: https://example.com/s.xml\nUser-agent: x\nDisallow: /a";
    assert!(!rules(with_sitemap).allow("/a"), "a sitemap does not end a list of agents");
    assert_eq!(rules(with_sitemap).sitemaps, ["https://example.com/s.xml"]);
}

#[test]
fn the_longest_pattern_wins_and_of_equals_the_one_that_allows() {
    let text = "User-agent: *\nAllow: /p\nDisallow: /";
    assert!(rules(text).allow("/page") && !rules(text).allow("/other"));
    assert!(rules("User-agent: *\nAllow: /folder\nDisallow: /folder").allow("/folder/page"));
    assert!(!rules("User-agent: *\nDisallow: /*.htm\nAllow: /page").allow("/page.htm"));
    assert!(rules("User-agent: *\nAllow: /$\nDisallow: /").allow("/"));
    assert!(!rules("User-agent: *\nAllow: /$\nDisallow: /").allow("/page.htm"));
    assert!(rules("User-agent: *\nDisallow: /\nAllow: /a/*/c").allow("/a/b/c/d"));
}

#[test]
fn patterns_match_as_the_standard_shows() {
    for (pattern, matching, others) in [
        (
            "/fish",
            &["/fish", "/fish.html", "/fish/salmon", "/fishheads", "/fish.php?id=1"][..],
            &["/Fish", "/catfish"][..],
        ),
        ("/fish*", &["/fish", "/fishheads/yummy"], &["/Fish.asp", "/catfish"]),
        ("/fish/", &["/fish/", "/fish/?id=1"], &["/fish", "/fish.html"]),
        ("/*.php", &["/index.php", "/filename.php?parameters", "/folder/any.php.file"], &["/", "/windows.PHP"]),
        ("/*.php$", &["/filename.php", "/a.php/b.php"], &["/filename.php?x", "/filename.php/", "/filename.php5"]),
        ("/fish*.php", &["/fish.php", "/fishheads/catfish.php?x"], &["/Fish.PHP"]),
        ("*/private", &["/private", "/a/private/b"], &["/privat"]),
        ("/a**b$", &["/ab", "/axxb"], &["/abc"]),
        ("/*", &["/", "/x"], &[]),
        ("/ab*ab$", &["/abab", "/abxab"], &["/ab", "/aab"]),
    ] {
        for path in matching {
            assert!(!one(&format!("disallow: {pattern}"), path), "{pattern} matches {path}");
        }
        for path in others {
            assert!(one(&format!("disallow: {pattern}"), path), "{pattern} does not match {path}");
        }
    }
}

#[test]
fn spellings_that_mean_the_same_match() {
    for (pattern, path) in [
        ("/a%3cd", "/a%3Cd"),
        ("/%7Ejoe/", "/~joe/"),
        ("/~joe/", "/%7ejoe/"),
        ("/ä", "/%C3%A4"),
        ("/%c3%a4", "/%C3%A4"),
        ("/a%2ab", "/a*b"),
        ("/a%24", "/a$"),
        ("/a$b", "/a$b"),
        ("/a b", "/a%20b"),
    ] {
        assert!(!one(&format!("disallow: {pattern}"), path), "{pattern} {path}");
    }
    assert!(one("disallow: /a%2Fb", "/a/b"), "an escaped slash is not a slash");
    assert!(one("disallow: /a%2Ab", "/axb"), "an escaped star is a star");
    assert!(!one("disallow: /%", "/%zz"));
}

#[test]
fn lines_are_read_as_people_write_them() {
    let text =
        "\u{feff}User-agent : *  # all\r\n  DISALLOW:   /a   # no\rallow:/a/b\r\n\r\nCrawl-delay: 2.5\nDisallow:\n";
    assert!(!rules(text).allow("/a") && rules(text).allow("/a/b") && rules(text).allow("/c"));
    assert_eq!(rules(text).crawl_delay, Some(Duration::from_millis(2500)));
    for odd in ["-1", "soon", "NaN", "inf", "1e300", ""] {
        assert_eq!(rules(&format!("user-agent: *\ncrawl-delay: {odd}")).crawl_delay, None, "{odd}");
    }
    assert!(one("disallow: /", "/robots.txt"));
}

#[test]
fn what_lies_beyond_the_bounds_does_not_count() {
    let mut text = b"user-agent: *\ndisallow: /early\n".to_vec();
    text.resize(limits::ROBOTS_BYTES_MAX - 10, b'#');
    text.extend_from_slice(b"\ndisallow: /late\n");
    let rules = AgentRules::read(&text, "Wellspring");
    assert!(!rules.allow("/early") && rules.allow("/late") && rules.allow("/l"), "no half line counts");
    let mut many = String::from("user-agent: *\n");
    for number in 0..=limits::ROBOTS_RULES_MAX {
        many.push_str(&format!("disallow: /n{number}x\n"));
    }
    let rules = AgentRules::read(many.as_bytes(), "Wellspring");
    assert_eq!(rules.rules.len(), limits::ROBOTS_RULES_MAX);
    assert!(!one(
        &format!("disallow: /{}", "a".repeat(limits::ROBOTS_PATTERN_BYTES_MAX - 1)),
        &"/a".replace('a', &"a".repeat(4000))
    ));
}

#[test]
fn rules_that_search_are_few_and_the_others_stand() {
    let mut many = String::from("user-agent: *\n");
    for number in 0..2 * limits::ROBOTS_STARS_MAX {
        many.push_str(&format!("disallow: /*n{number}x\ndisallow: /p{number}/\nallow: /*.{number}$\n"));
    }
    let rules = AgentRules::read(many.as_bytes(), "Wellspring");
    let searching = rules.rules.iter().filter(|rule| rule.pattern.searches()).count();
    assert_eq!(searching, limits::ROBOTS_STARS_MAX);
    assert_eq!(rules.rules.len(), 5 * limits::ROBOTS_STARS_MAX, "what ends or begins like this is not searched for");
    let last = 2 * limits::ROBOTS_STARS_MAX - 1;
    assert!(!rules.allow(&format!("/p{last}/")) && !rules.allow("/xn7x") && rules.allow(&format!("/xn{last}x")));
}

/// A matcher that tries again would not live to see the end of this.
#[test]
fn stars_do_not_multiply() {
    let stars = "*a".repeat(limits::ROBOTS_PATTERN_BYTES_MAX / 2 - 2);
    assert!(one(&format!("disallow: /{stars}*b"), &format!("/{}", "a".repeat(8000))));
    assert!(one(&format!("disallow: /{stars}*b$"), &format!("/{}", "a".repeat(8000))));
    let pattern = Pattern::read(&format!("/{}x", "*".repeat(2000)));
    assert_eq!(pattern.parts, ["/", "x"], "stars in a row are one");
    assert!(pattern.matches("/abcx") && !pattern.matches("/abc"));
    assert_eq!(Pattern::read("**").parts, ["", ""]);
}

/// The definition of a match, written down without regard to time.
fn matches_slowly(pattern: &[u8], path: &[u8]) -> bool {
    match pattern {
        [] => true,
        [b'$'] => path.is_empty(),
        [b'*', rest @ ..] => (0..=path.len()).any(|skipped| matches_slowly(rest, &path[skipped..])),
        [first, rest @ ..] => path.first() == Some(first) && matches_slowly(rest, &path[1..]),
    }
}

proptest! {
    #[test]
    fn a_pattern_matches_by_its_definition(pattern in "/[ab*]{0,7}\\$?", path in "/[ab]{0,9}") {
        prop_assert_eq!(Pattern::read(&pattern).matches(&path), matches_slowly(pattern.as_bytes(), path.as_bytes()));
    }

    #[test]
    fn the_most_specific_rule_decides(
        written in prop::collection::vec((any::<bool>(), "/[ab*]{0,4}\\$?"), 0..8),
        path in "/[ab]{0,5}",
    ) {
        let lines = written.iter().map(|(allow, pattern)| {
            format!("{}: {pattern}\n", if *allow { "allow" } else { "disallow" })
        });
        let text: String = std::iter::once("user-agent: *\n".to_owned()).chain(lines).collect();
        let matching = written.iter().filter(|(_, pattern)| matches_slowly(pattern.as_bytes(), path.as_bytes()));
        let expected = matching.max_by_key(|(allow, pattern)| (pattern.len(), *allow)).is_none_or(|(allow, _)| *allow);
        prop_assert_eq!(rules(&text).allow(&path), expected);
    }

    #[test]
    fn no_text_is_too_odd(text in prop::collection::vec(any::<u8>(), 0..500), path in "/[ -~]{0,50}") {
        let rules = AgentRules::read(&text, "Wellspring");
        let _ = rules.allow(&path);
    }

    #[test]
    fn a_normal_form_stays_as_it_is(text in "[ -~é%]{0,40}") {
        let once = normal(&text);
        prop_assert_eq!(normal(&once), once);
    }
}
