//! What a message must come out as.

use super::*;

fn read(message: &str) -> Parsed {
    let parsed = parse(message.as_bytes()).unwrap();
    assert!(parsed.is_consistent(), "{parsed:?}");
    parsed
}

#[test]
fn a_message_of_many_parts_reads_as_its_receiver_reads_it() {
    let parsed = read(concat!(
        "From: =?utf-8?q?J=C3=B6rg?= <joerg@example.org>\r\nTo: Ann <ann@example.org>,\r\n bob@example.org\r\n",
        "Subject: =?utf-8?b?5rKz5rWB?= and\r\n rivers\r\nDate: Tue, 3 Mar 2026 10:00:00 +0100\r\n",
        "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=outer\r\n\r\n--outer\r\n",
        "Content-Type: multipart/alternative; boundary=inner\r\n\r\n--inner\r\n",
        "Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n",
        "The Flu=DF is lo=\r\nng.\r\n\r\n> somebody\r\n> said so\r\n\r\n--inner\r\n",
        "Content-Type: text/html\r\n\r\n<p>The same.</p>\r\n--inner--\r\n--outer\r\n",
        "Content-Type: application/pdf; name=\"map.pdf\"\r\nContent-Transfer-Encoding: base64\r\n",
        "Content-Disposition: attachment; filename=\"map.pdf\"\r\n\r\nJVBERg==\r\n--outer--\r\n",
    ));
    assert_eq!(parsed.title.as_deref(), Some("河流 and rivers"));
    assert_eq!(
        parsed.text,
        "From: Jörg <joerg@example.org>\nTo: Ann <ann@example.org>, bob@example.org\nDate: Tue, 3 Mar 2026 10:00:00 \
         +0100\n\nThe Fluß is long.\n\n> somebody\n> said so\n\nAttachments: map.pdf"
    );
    let kinds: Vec<BlockKind> = parsed.blocks.into_iter().map(|block| block.kind).collect();
    assert_eq!(kinds, [BlockKind::Paragraph, BlockKind::Paragraph, BlockKind::Quote, BlockKind::Paragraph]);
}

#[test]
fn html_is_read_where_there_is_no_plain_text() {
    let parsed = read(
        "From: a@example.org\nSubject: s\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: \
         base64\n\nPGgxPkhpPC9oMT48cD5SaXZlciA8c2NyaXB0Png8L3NjcmlwdD5uZXdzLjwvcD4=\n",
    );
    assert_eq!(parsed.text, "From: a@example.org\n\nHi\n\nRiver news.");
    assert_eq!(parsed.blocks[1].kind, BlockKind::Heading { level: 1, title: "Hi".to_owned() });
    let parsed = read(
        "From: a@example.org\nContent-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/plain\n\n \
         \n--b\nContent-Type: text/html\n\n<p>News.\n--b--\n",
    );
    assert_eq!(parsed.text, "From: a@example.org\n\nNews.");
}

#[test]
fn a_message_inside_is_read_under_its_subject() {
    let parsed = read(
        "From: a@example.org\nSubject: Fwd\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nSee \
         below.\n--b\nContent-Type: message/rfc822\n\nFrom: c@example.org\nSubject: Inner\n\nInner text.\n--b--\n",
    );
    assert_eq!(parsed.text, "From: a@example.org\n\nSee below.\n\nInner\n\nFrom: c@example.org\n\nInner text.");
    assert_eq!(parsed.blocks[2].kind, BlockKind::Heading { level: 1, title: "Inner".to_owned() });
}

#[test]
fn a_missing_or_wrong_charset_is_guessed() {
    for header in ["", "Content-Type: text/plain; charset=us-ascii\n", "Content-Type: text/plain; charset=utf-8\n"] {
        let mut message = format!("From: a@example.org\n{header}\n").into_bytes();
        let said = "Москва-река течёт через город и впадает в Оку.";
        message.extend_from_slice(&encoding_rs::WINDOWS_1251.encode(said).0);
        let parsed = parse(&message).unwrap();
        assert_eq!(parsed.text, format!("From: a@example.org\n\n{said}"), "{header}");
    }
}

#[test]
fn what_is_no_message_or_a_bomb_is_refused() {
    for content in ["", "no header at all", "key: value\n\ntext"] {
        assert!(parse(content.as_bytes()).is_err(), "{content}");
    }
    let nested = "Content-Type: message/rfc822\n\n".repeat(300_000);
    let parts = format!("From: a@b\nContent-Type: multipart/mixed; boundary=b\n\n{}", "--b\n\nx\n".repeat(200_000));
    let chained: String =
        (0..50_000).map(|b| format!("Content-Type: multipart/mixed; boundary={b}\n\n--{b}\n")).collect();
    for content in [nested, parts, chained] {
        assert!(parse(content.as_bytes()).is_err());
    }
    // As deep as is let through.
    let deep = format!("From: a@b\n{}", "Content-Type: message/rfc822\n\nSubject: s\n".repeat(900));
    assert!(parse(deep.as_bytes()).is_ok());
}
