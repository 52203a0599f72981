//! Feeds, sitemaps and pages as they are written, and as they are broken.

use std::io::Write;

use super::*;

fn feed(source: &str) -> Feed {
    super::feed::read("https://example.org/feeds/news.xml", source.as_bytes()).unwrap()
}

fn sitemap(source: &[u8]) -> Sitemap {
    super::sitemap::read(source).unwrap()
}

fn links(page: &str) -> PageLinks {
    super::links::read("https://example.org/a/b.html", page.as_bytes()).unwrap()
}

const RSS_2: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE rss [<!ENTITY nothing "x">]>
<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:a="http://www.w3.org/2005/Atom"
     xmlns:media="http://search.yahoo.com/mrss/" xmlns:dc="http://purl.org/dc/elements/1.1/">
<channel>
  <title>River news</title><link>https://example.org/</link><language>en-gb</language><ttl>30</ttl>
  <a:link rel="hub" href="https://hub.example.org/"/><a:link rel="self" href="https://example.org/feeds/news.xml"/>
  <image><title>Logo</title><url>https://example.org/logo.png</url><link>https://example.org/logo</link></image>
  <item>
    <title>Salmon &amp;amp; &lt;b&gt;trout&lt;/b&gt;</title><media:title>Not this</media:title>
    <link>/posts/1</link><guid isPermaLink="false">post-1</guid>
    <description>Short.</description>
    <content:encoded><![CDATA[<p>The whole story.</p>]]></content:encoded>
    <pubDate>Wed, 04 Mar 2026 05:06:00 GMT</pubDate><category>fish</category><category>fish</category>
    <author>名前：someone@example.org</author>
  </item>
  <item><title>Vec&lt;u8&gt; and &undefined; things</title><guid>https://example.org/posts/2</guid>
    <description>Text with <br> and <i>markup</i> as it stands &nothing;</description></item>
</channel></rss>"#;

#[test]
fn rss_2_is_read_with_its_modules() {
    let feed = feed(RSS_2);
    assert_eq!((feed.title.as_deref(), feed.language.as_deref()), (Some("River news"), Some("en-gb")));
    assert_eq!((feed.fresh_for_seconds, feed.is_whole), (Some(1800), true));
    assert_eq!(feed.hub.as_deref(), Some("https://hub.example.org/"));
    assert_eq!(feed.topic.as_deref(), Some("https://example.org/feeds/news.xml"), "a hub knows the feed by this");
    let first = &feed.entries[0];
    assert_eq!((first.id.as_deref(), first.title.as_deref()), (Some("post-1"), Some("Salmon & trout")));
    assert_eq!(first.link.as_deref(), Some("https://example.org/posts/1"));
    assert_eq!((first.text.as_deref(), first.is_html), (Some("<p>The whole story.</p>"), true));
    assert_eq!(first.published_at.unwrap().to_string(), "2026-03-04T05:06:00Z");
    assert_eq!(first.categories, ["fish"]);
    let second = &feed.entries[1];
    assert_eq!(second.link.as_deref(), Some("https://example.org/posts/2"), "a permanent identifier is the link");
    assert!(second.title.as_deref().unwrap().starts_with("Vec"), "{:?}", second.title);
    assert!(second.text.as_deref().unwrap().contains("<i>markup</i>"));
}

#[test]
fn old_rss_is_read() {
    for version in ["0.91", "0.92", "0.93", "2.0.1", ""] {
        let source = format!(
            "<rss version='{version}'><channel><title>T</title><item><title>One</title>\
             <link>https://example.org/1</link><description>Said.</description></item></channel></rss>"
        );
        let feed = feed(&source);
        assert_eq!(feed.entries[0].link.as_deref(), Some("https://example.org/1"), "{version}");
        assert_eq!(feed.entries[0].text.as_deref(), Some("Said."));
    }
    for space in ["http://purl.org/rss/1.0/", "http://my.netscape.com/rdf/simple/0.9/"] {
        let source = format!(
            r#"<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="{space}"
                xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:sy="http://purl.org/rss/1.0/modules/syndication/">
            <channel rdf:about="https://example.org/"><title>T</title><sy:updatePeriod>hourly</sy:updatePeriod>
              <sy:updateFrequency>2</sy:updateFrequency></channel>
            <item rdf:about="https://example.org/1"><title>One</title><link>https://example.org/1</link>
              <dc:date>2026-03-04</dc:date><dc:subject>fish</dc:subject></item></rdf:RDF>"#
        );
        let feed = feed(&source);
        assert_eq!((feed.title.as_deref(), feed.fresh_for_seconds), (Some("T"), Some(1800)), "{space}");
        assert_eq!(feed.entries[0].id.as_deref(), Some("https://example.org/1"));
        assert_eq!(feed.entries[0].categories, ["fish"]);
        assert!(feed.entries[0].published_at.is_some());
    }
}

#[test]
fn atom_is_read_under_any_prefix() {
    let plain = r#"<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="de" xml:base="https://example.org/blog/">
      <title>T</title><link rel="hub" href="https://hub.example.org/"/>
      <entry><id>tag:example.org,2026:1</id><title type="html">&lt;b&gt;Fluß&lt;/b&gt;</title>
        <source><id>other</id><title>Other</title></source><link rel="edit" href="edit"/><link href="1.html"/>
        <updated>2026-03-04T05:06:00Z</updated><category term="f" label="Fisch"/>
        <author><name>N</name></author><summary>kurz</summary>
        <content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>Der <b>Fluß</b></p></div></content></entry>
      <entry><id>2</id><title>Vec&lt;u8&gt;</title><content type="image/png">aGk=</content><summary>statt dessen</summary></entry>
    </feed>"#;
    let prefixed = plain.replace("xmlns=\"http://www.w3.org/2005", "xmlns:ns0=\"http://www.w3.org/2005");
    let prefixed = ["feed", "title", "link", "entry", "id", "source", "updated", "category", "summary", "content"]
        .iter()
        .fold(prefixed, |text, name| {
            text.replace(&format!("<{name}"), &format!("<ns0:{name}"))
                .replace(&format!("</{name}"), &format!("</ns0:{name}"))
        });
    for source in [plain, &prefixed] {
        let feed = feed(source);
        assert_eq!((feed.entries.len(), feed.language.as_deref()), (2, Some("de")));
        let first = &feed.entries[0];
        assert_eq!((first.id.as_deref(), first.title.as_deref()), (Some("tag:example.org,2026:1"), Some("Fluß")));
        assert_eq!(first.link.as_deref(), Some("https://example.org/blog/1.html"));
        assert_eq!((first.categories.as_slice(), first.is_html), (&["Fisch".to_owned()][..], true));
        assert!(first.text.as_deref().unwrap().contains("<p>Der <b>Fluß</b></p>"));
        assert!(first.published_at.is_some());
        assert_eq!(feed.entries[1].text.as_deref(), Some("statt dessen"), "data is no text");
        assert_eq!(feed.entries[1].title.as_deref(), Some("Vec<u8>"));
        assert!(feed.hub.is_some());
    }
}

#[test]
fn json_feed_is_read() {
    let feed = feed(
        r#"{"version": "https://jsonfeed.org/version/1.1", "title": "T", "hubs": [{"type": "WebSub", "url": "https://hub.example.org/"}],
        "items": [{"id": 7, "url": "/7", "title": "Seven", "content_html": "<p>Said</p>", "tags": ["a", 3]},
                  {"id": "https://example.org/8", "content_text": "plain"}, {}, 5]}"#,
    );
    assert_eq!(feed.entries.len(), 2);
    assert_eq!(
        (feed.entries[0].id.as_deref(), feed.entries[0].link.as_deref()),
        (Some("7"), Some("https://example.org/7"))
    );
    assert_eq!((feed.entries[1].is_html, feed.entries[1].link.as_deref()), (false, Some("https://example.org/8")));
    assert_eq!(feed.hub.as_deref(), Some("https://hub.example.org/"));
}

#[test]
fn an_older_encoding_is_read_as_declared() {
    let (bytes, _, _) = encoding_rs::WINDOWS_1252.encode(
        "<?xml version='1.0' encoding='iso-8859-1'?><rss><channel><item><title>Fluß</title></item></channel></rss>",
    );
    let feed = super::feed::read("https://example.org/", &bytes).unwrap();
    assert_eq!(feed.entries[0].title.as_deref(), Some("Fluß"));
}

#[test]
fn broken_feeds_give_what_they_have() {
    let feed = feed(&RSS_2[..RSS_2.len() - 100]);
    assert_eq!((feed.entries.len(), feed.is_whole), (1, false));
    for source in ["", "hello", "<html><body>not found</body></html>", "<rss", "{\"items\": []}", "[1]", "<a/>"] {
        assert!(super::feed::read("https://example.org/", source.as_bytes()).is_err(), "{source}");
    }
}

#[test]
fn hostile_feeds_stay_small() {
    let mut bomb = String::from("<!DOCTYPE rss [<!ENTITY a0 \"boom\">");
    for level in 1..20 {
        bomb += &format!("<!ENTITY a{level} \"{}\">", format!("&a{};", level - 1).repeat(10));
    }
    bomb += "]><rss><channel><item><title>&a19;</title><description>&a19;</description></item></channel></rss>";
    let entry = &feed(&bomb).entries[0];
    assert_eq!((entry.title.as_deref(), entry.text.as_deref()), (Some("&a19;"), Some("&a19;")));
    let file = "<!DOCTYPE r [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><rss><channel><item><title>&x;</title></item></channel></rss>";
    assert_eq!(feed(file).entries[0].title.as_deref(), Some("&x;"));
    let deep = format!("<rss><channel>{}", "<channel>".repeat(100_000));
    assert!(super::feed::read("https://example.org/", deep.as_bytes()).is_err());
    let many = format!("<rss><channel>{}</channel></rss>", "<item><title>x</title></item>".repeat(3000));
    let many = feed(&many);
    assert_eq!((many.entries.len(), many.is_whole), (limits::FEED_ENTRIES_MAX, false));
    assert!(many.is_bounded());
    let spaces: String = (0..50_000).map(|n| format!(" xmlns:a{n}='b' c{n}='d'")).collect();
    assert_eq!(feed(&format!("<rss{spaces}><channel><item><title>x</title></item></channel></rss>")).entries.len(), 1);
    let json = format!("{{\"version\": \"https://jsonfeed.org/version/1\", \"items\": {}", "[".repeat(100_000));
    assert!(super::feed::read("https://example.org/", json.as_bytes()).is_err());
}

#[test]
fn sitemaps_are_read_in_every_form() {
    let source = r#"<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"
        xmlns:image="http://www.google.com/schemas/sitemap-image/1.1">
        <url><loc> https://example.org/a?x=1&amp;y=2 </loc><lastmod>2026-01-01</lastmod>
          <image:image><image:loc>https://example.org/a.png</image:loc></image:image></url>
        <url><loc>ftp://example.org/b</loc></url><url><loc><![CDATA[https://example.org/c]]></loc></url></urlset>"#;
    let expected = ["https://example.org/a?x=1&y=2", "https://example.org/c"];
    let urls = |sitemap: Sitemap| sitemap.pages.into_iter().map(|page| page.url).collect::<Vec<_>>();
    assert_eq!(urls(sitemap(source.as_bytes())), expected);
    assert_eq!(sitemap(source.as_bytes()).pages[0].changed.as_deref(), Some("2026-01-01"));
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(source.as_bytes()).unwrap();
    assert_eq!(urls(sitemap(&packer.finish().unwrap())), expected);
    let index = sitemap(b"<sitemapindex><sitemap><loc>https://example.org/s1.xml.gz</loc></sitemap></sitemapindex>");
    assert_eq!((index.sitemaps.len(), index.pages.len(), index.is_whole), (1, 0, true));
    assert_eq!(sitemap(b"https://example.org/a\n\nhttps://example.org/b\n").pages.len(), 2);
    let cut = sitemap(b"<urlset><url><loc>https://example.org/a</loc></url><url><loc>https://exam");
    assert_eq!((cut.pages.len(), cut.is_whole), (1, false));
    for source in ["", "<html><body>Not found</body></html>", "no address"] {
        assert!(super::sitemap::read(source.as_bytes()).is_err(), "{source}");
    }
}

#[test]
fn lines_without_an_address_make_no_sitemap_whole() {
    let address = |number| format!("https://example.org/{number}\n");
    let most: String = (0..limits::SITEMAP_URLS_MAX).map(address).collect();
    let found = sitemap(format!("\n\nno address\n{most}").as_bytes());
    assert_eq!((found.pages.len(), found.is_whole), (limits::SITEMAP_URLS_MAX, true));
    let found = sitemap(format!("\n\nno address\n{most}https://example.org/more\n").as_bytes());
    assert_eq!((found.pages.len(), found.is_whole), (limits::SITEMAP_URLS_MAX, false));
}

#[test]
fn a_packed_bomb_is_refused() {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(&vec![b' '; limits::SITEMAP_BYTES_MAX + 1]).unwrap();
    assert!(super::sitemap::read(&packer.finish().unwrap()).is_err());
}

#[test]
fn a_page_says_where_it_leads() {
    let found = links(
        r##"<head><title> A  page </title><link rel="canonical" href="/b"><meta name="Robots" content="NoIndex, follow">
        <link rel="alternate" type="application/rss+xml" href="feed.xml"></head>
        <a href="c.html#part">c</a> <a href="c.html">again</a> <a href="mailto:x@example.org">mail</a>
        <a rel="external nofollow" href="/d">d</a> <a href="https://other.example/">o</a> <a href="javascript:void(0)">j</a>"##,
    );
    assert_eq!((found.title.as_deref(), found.canonical.as_deref()), (Some("A page"), Some("https://example.org/b")));
    assert_eq!((found.noindex, found.nofollow), (true, false));
    assert_eq!(found.links, ["https://example.org/a/c.html", "https://other.example/"]);
    assert_eq!(found.feeds, ["https://example.org/a/feed.xml"]);
    let based = links("<base href='/x/'><base href='/y/'><a href=1>one</a><meta name=robots content=none>");
    assert_eq!(
        (based.links.as_slice(), based.noindex, based.nofollow),
        (&["https://example.org/x/1".to_owned()][..], true, true)
    );
    let many: String = (0..limits::PAGE_LINKS_MAX + 10).map(|n| format!("<a href='/{n}'>x</a>")).collect();
    let many = links(&many);
    assert_eq!((many.links.len(), many.is_whole), (limits::PAGE_LINKS_MAX, false));
}

#[test]
fn what_is_beyond_its_bound_is_not_believed() {
    let found = PageLinks { links: vec![String::new(); limits::PAGE_LINKS_MAX + 1], ..PageLinks::default() };
    assert!(!found.is_bounded());
    let long = "x".repeat(limits::URL_BYTES_MAX + 1);
    assert!(!Sitemap { sitemaps: vec![long.clone()], ..Sitemap::default() }.is_bounded());
    let entry = FeedEntry { link: Some(long), ..FeedEntry::default() };
    assert!(!Feed { entries: vec![entry], ..Feed::default() }.is_bounded());
}
