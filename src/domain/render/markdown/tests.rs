use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::domain::render::{adf::plain_text, schema_check::assert_valid};

fn convert(markdown: &str) -> Value {
    let document = from_markdown(markdown).to_value();
    assert_valid(&document);
    document
}

fn content(markdown: &str) -> Value {
    convert(markdown)["content"].clone()
}

fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

fn link(shown: &str, href: &str) -> Value {
    json!({"type": "text", "text": shown, "marks": [{"type": "link", "attrs": {"href": href}}]})
}

#[test]
fn headings_emphasis_and_code() {
    assert_eq!(
        content("## Head `x`\n\nA **b _c_** ~~d~~ **`e`**"),
        json!([
            {"type": "heading", "attrs": {"level": 2}, "content":
                [text("Head "), {"type": "text", "text": "x", "marks": [{"type": "code"}]}]},
            {"type": "paragraph", "content": [
                text("A "),
                {"type": "text", "text": "b ", "marks": [{"type": "strong"}]},
                {"type": "text", "text": "c", "marks": [{"type": "strong"}, {"type": "em"}]},
                text(" "),
                {"type": "text", "text": "d", "marks": [{"type": "strike"}]},
                text(" "),
                {"type": "text", "text": "e", "marks": [{"type": "code"}]}]}
        ])
    );
}

#[test]
fn code_blocks_keep_their_lines_and_language() {
    assert_eq!(
        content("```Go title=x\na\n\n\tb\n```"),
        json!([{"type": "codeBlock", "attrs": {"language": "go"}, "content": [text("a\n\n\tb")]}])
    );
    assert_eq!(content("```\n```"), json!([]));
}

#[test]
fn only_web_links_are_links() {
    assert_eq!(
        content("[a](https://a.example/x) [b](javascript:alert(1)) [c](data:text/html,x) [d](/etc) <e@f.example>"),
        json!([{"type": "paragraph", "content": [link("a", "https://a.example/x"), text(" b c d e@f.example")]}])
    );
}

#[test]
fn bare_addresses_are_linked_without_the_sentence_around_them() {
    assert_eq!(
        content(
            "See (https://a.example/b_(c)_d), and http://x.example. xhttps://no.example https:// `https://c.example`"
        )[0]["content"],
        json!([
            text("See ("),
            link("https://a.example/b_(c)_d", "https://a.example/b_(c)_d"),
            text("), and "),
            link("http://x.example", "http://x.example"),
            text(". xhttps://no.example https:// "),
            {"type": "text", "text": "https://c.example", "marks": [{"type": "code"}]}
        ])
    );
}

#[test]
fn images_become_links() {
    assert_eq!(
        content("![alt](https://a.example/i.png) [![badge](https://a.example/b.svg)](https://a.example/)")[0]["content"],
        json!([
            link("alt", "https://a.example/i.png"),
            text(" "),
            link("badge", "https://a.example/")
        ])
    );
}

#[test]
fn nested_lists() {
    let paragraph = |shown: &str| json!({"type": "paragraph", "content": [text(shown)]});
    assert_eq!(
        content("3. a\n   - b\n   - c\n4. d"),
        json!([{"type": "orderedList", "attrs": {"order": 3}, "content": [
            {"type": "listItem", "content": [paragraph("a"), {"type": "bulletList", "content": [
                {"type": "listItem", "content": [paragraph("b")]}, {"type": "listItem", "content": [paragraph("c")]}]}]},
            {"type": "listItem", "content": [paragraph("d")]}]}])
    );
}

#[test]
fn headings_quotes_and_tables_in_lists_keep_their_words() {
    let document = convert("- # Head\n- > quoted\n- | a | b |\n  |---|---|\n  | c | d |\n- ---\n");
    assert_eq!(plain_text(&document), "Head\nquoted\na | b\nc | d");
    assert_eq!(
        document["content"][0]["content"][0]["content"][0]["content"][0]["marks"][0]["type"],
        "strong"
    );
}

#[test]
fn quotes_are_flattened() {
    let document = convert("> # Head\n>\n> > inner\n>\n> | a |\n> |---|\n> | b |\n>\n> - [x] done\n");
    assert_eq!(document["content"].as_array().map(Vec::len), Some(1));
    assert_eq!(plain_text(&document), "Head\ninner\na\nb\n☑ done");
}

#[test]
fn tables_have_a_header_row_and_line_breaks() {
    let rows = content("| a | b |\n|---|---|\n| c<br>d | e \\| f |\n| g |\n")[0]["content"].clone();
    assert_eq!(rows[0]["content"][0]["type"], "tableHeader");
    assert_eq!(
        rows[1]["content"][0]["content"],
        json!([{"type": "paragraph", "content": [text("c"), {"type": "hardBreak"}, text("d")]}])
    );
    assert_eq!(plain_text(&rows[1]["content"][1]), "e | f");
    assert_eq!(rows[2]["content"].as_array().map(Vec::len), Some(2));
}

#[test]
fn task_lists() {
    assert_eq!(
        content("- [ ] a\n- [x] b"),
        json!([{"type": "taskList", "attrs": {"localId": "task-1"}, "content": [
            {"type": "taskItem", "attrs": {"localId": "task-2", "state": "TODO"}, "content": [text("a")]},
            {"type": "taskItem", "attrs": {"localId": "task-3", "state": "DONE"}, "content": [text("b")]}]}])
    );
    assert_eq!(plain_text(&convert("- [ ] a\n- b")), "☐ a\nb");
}

#[test]
fn html_gives_its_text() {
    let cases = [
        ("a <b>b</b><br/>c", "a b\nc"),
        ("<div>\n<p>one &amp; two</p><p>three</p>\n</div>", "one & two\nthree"),
        ("x <script>alert('1')</script> y", "x  y"),
        ("<script>\nalert(1)\n\nstill()\n</script>\n\nafter", "after"),
        ("<style>p { color: red }</style>\n\nafter", "after"),
        (
            "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>",
            "<script>alert(1)</script>",
        ),
        ("<!-- hidden -->\n\nshown <!-- hidden --> too", "shown  too"),
        ("<ul><li>a</li><li>b</li></ul>", "• a\n• b"),
        ("chmod 600 <filename> now", "chmod 600 <filename> now"),
        ("<img src=x onerror=alert(1)>after", "after"),
        ("<iframe src=\"https://evil.example\">in</iframe>", ""),
        ("1 < 2 && 3 > 2", "1 < 2 && 3 > 2"),
    ];
    for (markdown, expected) in cases {
        assert_eq!(plain_text(&convert(markdown)), expected, "{markdown}");
    }
}

#[test]
fn mentions_stay_text() {
    for mention in ["@everyone", "[~accountid:5b10a2844c20165700ede21g]", "<@U123>"] {
        let document = convert(mention);
        assert!(!document.to_string().contains("\"mention\""));
        assert!(plain_text(&document).contains(mention.trim_matches(['<', '>'])));
    }
}

#[test]
fn only_white_space_is_nothing() {
    for blank in ["", " ", "\n\n\t\n", "\u{200B}", "&nbsp;", "<br>", "****", "[]()", "- "] {
        let document = convert(blank);
        assert!(
            plain_text(&document).trim_matches(['*', '[', ']', '(', ')']).is_empty(),
            "{blank:?}"
        );
    }
}

#[test]
fn direction_overrides_and_control_characters_go_and_emoji_stay() {
    assert_eq!(
        plain_text(&convert("a\u{202E}b\u{0}\u{7}c\u{2066} 👩‍💻 🔥")),
        "abc 👩‍💻 🔥".replace('\0', "")
    );
}

#[test]
fn hostile_input_takes_neither_stack_nor_time() {
    let n = 10_000;
    let mut cases = vec![
        ("> ".repeat(n) + "x", "quotes"),
        (">".repeat(n) + "x\n" + &">".repeat(n) + "y", "tight quotes"),
        ("- ".repeat(n) + "x", "lists"),
        ("1. ".repeat(n) + "x", "numbered lists"),
        ("> - ".repeat(n) + "x", "quotes and lists"),
        ("- > ".repeat(n) + "x\nlazy\n\nnext", "lists and quotes"),
        ("[".repeat(n), "brackets"),
        ("![".repeat(n), "images"),
        ("[a](".repeat(n), "links"),
        ("*a _b ".repeat(n), "emphasis"),
        ("**a".repeat(n) + &"b**".repeat(n), "strong"),
        ("`".repeat(n) + " a", "back-ticks"),
        ("<div>".repeat(n), "tags"),
        ("<a ".repeat(n), "open tags"),
        ("<!--".repeat(n), "comments"),
        ("a <script>".repeat(n), "scripts"),
        ("&amp;".repeat(n), "entities"),
        ("| a ".repeat(n) + "\n" + &"|---".repeat(n) + "\n| b", "columns"),
        ("http://".repeat(n), "addresses"),
        ("https://a.example/(((".repeat(n), "parentheses"),
        ("word ".repeat(20_000), "100 kB"),
        ("a\n\n".repeat(n), "paragraphs"),
        (
            (0..n).map(|depth| " ".repeat(depth % 500) + "- x\n").collect(),
            "indented lists",
        ),
    ];
    cases.push((
        (1..1000).map(|depth| ">".repeat(depth) + " x\n").collect(),
        "deeper and deeper quotes",
    ));
    for (markdown, name) in cases {
        let start = Instant::now();
        let document = from_markdown(&markdown);
        assert!(
            start.elapsed() < Duration::from_secs(5),
            "{name}: {:?}",
            start.elapsed()
        );
        assert_valid(&document.to_value());
    }
}

fn generated_markdown() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("> "),
        Just("- "),
        Just("1. "),
        Just("  "),
        Just("    "),
        Just("# "),
        Just("\n"),
        Just("\n\n"),
        Just("**"),
        Just("_"),
        Just("~~"),
        Just("`"),
        Just("```\n"),
        Just("| a | b |\n|---|---|\n"),
        Just("| c "),
        Just("|"),
        Just("[x](https://a.example)"),
        Just("[x](javascript:x)"),
        Just("![i](https://a.example/i)"),
        Just("<br>"),
        Just("<div>"),
        Just("</div>"),
        Just("<script>"),
        Just("</script>"),
        Just("<b>"),
        Just("<x-y>"),
        Just("- [ ] "),
        Just("- [x] "),
        Just("---\n"),
        Just("word"),
        Just("https://a.example/b."),
        Just("&amp;"),
        Just("&#0;"),
        Just("\\"),
        Just("\u{202E}"),
        Just("🔥"),
        Just("\t"),
        Just("@a"),
        Just("***\n"),
        Just("&#10;"),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn generated_markdown_is_valid(markdown in generated_markdown()) {
        assert_valid(&from_markdown(&markdown).to_value());
    }

    #[test]
    fn random_text_is_valid(markdown in any::<String>()) {
        assert_valid(&from_markdown(&markdown).to_value());
    }

    #[test]
    fn conversion_is_repeatable(markdown in generated_markdown()) {
        prop_assert_eq!(from_markdown(&markdown), from_markdown(&markdown));
    }
}
