//! Keeps texts within what Jira stores.
//!
//! Jira counts UTF-16 code units, and it is not settled whether it counts the text of a document
//! or its JSON; the JSON is the longer of the two and is what is limited here.

use super::adf::{
    self, Block, Cell, CodeBlock, Doc, Flow, Inline, List, Table, Task, Text, block_size, inline_size, row_size,
};
use super::escape;

/// The longest document written: some way below Jira's 32,767, since Jira adds attributes of its own.
pub const MAX_DOCUMENT: usize = 32_000;

/// The longest summary: Jira says 255 and means in places less than that.
pub const MAX_SUMMARY: usize = 254;

/// Rows which a table keeps as long as anything else can be cut.
const MIN_ROWS: usize = 20;

/// A part shorter than this is not worth keeping of a block that is cut.
const MIN_PART: usize = 200;

/// What `{"type":"doc",…}` itself takes.
const FRAME: usize = 48;

/// The document, cut so that its JSON has at most `max_chars` UTF-16 units.
///
/// A document that fits is returned as it is. Otherwise the ends of long tables go first; then a
/// block that takes more than half of the room is cut to half; then blocks go from the end, the
/// first of them being cut in itself. Texts are cut between words, code between lines, lists
/// between items; a cut table tells how many rows are missing. `pointer`, which says where the
/// rest is, comes last; it is left out only where it alone would not fit.
pub fn fit(document: Doc, max_chars: usize, pointer: Doc) -> Doc {
    if document.size() <= max_chars {
        return document;
    }
    let pointer_size: usize = pointer.blocks.iter().map(block_size).sum();
    let (pointer, room) = match max_chars.checked_sub(FRAME + pointer_size) {
        Some(room) => (pointer.blocks, room),
        None => (Vec::new(), max_chars.saturating_sub(FRAME)),
    };
    let mut parts = shorten_tables(document.blocks, room);
    if parts.iter().map(Part::size).sum::<usize>() > room {
        parts = parts.into_iter().flat_map(|part| part.cut(room / 2)).collect();
    }
    let mut kept = Vec::new();
    let mut left = room;
    for part in parts {
        let size = part.size();
        if size > left {
            if left >= MIN_PART {
                kept.extend(part.cut(left).into_iter().flat_map(Part::blocks));
            }
            break;
        }
        left -= size;
        kept.extend(part.blocks());
    }
    // A heading with nothing below it.
    while matches!(kept.last(), Some(Block::Heading(..) | Block::Rule)) {
        kept.pop();
    }
    kept.extend(pointer);
    let mut document = Doc { blocks: kept };
    // Identifiers of tasks grow with their number, the one thing not counted above.
    while document.size() > max_chars && !document.blocks.is_empty() {
        let at = document.blocks.len().saturating_sub(2);
        document.blocks.remove(at);
    }
    document
}

fn total(blocks: &[Block]) -> usize {
    blocks.iter().map(block_size).sum()
}

/// A block, and how many rows it lacks if it is a table.
struct Part {
    block: Block,
    missing: usize,
}

impl Part {
    fn size(&self) -> usize {
        block_size(&self.block) + if self.missing > 0 { MORE_ROWS } else { 0 }
    }

    fn blocks(self) -> impl Iterator<Item = Block> {
        let line = (self.missing > 0).then(|| more(self.missing, "row"));
        std::iter::once(self.block).chain(line)
    }

    /// As much of it as takes at most `room`.
    fn cut(self, room: usize) -> Vec<Self> {
        let whole = |block| Self { block, missing: 0 };
        match self.block {
            _ if self.size() <= room => vec![self],
            Block::Table(table) => {
                let (table, missing) = cut_table(table, room);
                let missing = missing + self.missing;
                let part = Self {
                    block: Block::Table(table),
                    missing,
                };
                if part.size() <= room { vec![part] } else { Vec::new() }
            }
            block => cut_block(block, room).into_iter().map(whole).collect(),
        }
    }
}

/// Takes rows from the ends of the longest tables until all fits or no table is long any more.
fn shorten_tables(blocks: Vec<Block>, room: usize) -> Vec<Part> {
    let mut excess = total(&blocks).saturating_sub(room);
    let mut longest: Vec<(usize, usize)> = blocks
        .iter()
        .enumerate()
        .filter_map(|(at, block)| match block {
            Block::Table(table) if table.rows.len() > MIN_ROWS => Some((block_size(block), at)),
            _ => None,
        })
        .collect();
    longest.sort_unstable_by(|a, b| b.cmp(a));
    let mut cuts = vec![0; blocks.len()];
    for (_, at) in longest {
        let Block::Table(table) = &blocks[at] else { continue };
        if excess > 0 {
            excess += MORE_ROWS;
        }
        while excess > 0 && table.rows.len() - cuts[at] > MIN_ROWS {
            cuts[at] += 1;
            excess = excess.saturating_sub(row_size(&table.rows[table.rows.len() - cuts[at]]));
        }
    }
    let parts = blocks.into_iter().zip(cuts).map(|(mut block, missing)| {
        if let Block::Table(table) = &mut block {
            table.rows.truncate(table.rows.len() - missing);
        }
        Part { block, missing }
    });
    parts.collect()
}

/// Room for the line that tells how much of a table or list is missing.
const MORE_ROWS: usize = 110;

fn more(count: usize, what: &str) -> Block {
    Block::Flow(more_flow(count, what))
}

fn more_flow(count: usize, what: &str) -> Flow {
    let plural = if count == 1 { "" } else { "s" };
    Flow::Paragraph(vec![Inline::em(&format!("… and {count} more {what}{plural}"))])
}

/// The block, or as much of it as takes at most `room`.
fn cut_block(block: Block, room: usize) -> Vec<Block> {
    if block_size(&block) <= room {
        return vec![block];
    }
    let blocks = match block {
        Block::Heading(level, content) => vec![Block::Heading(level, cut_line(content, room.saturating_sub(80)))],
        Block::Rule => Vec::new(),
        Block::Flow(flow) => cut_flow(flow, room).into_iter().map(Block::Flow).collect(),
        Block::Quote(content) => vec![Block::Quote(cut_flows(content, room.saturating_sub(40)))],
        Block::Tasks(tasks) => cut_tasks(tasks, room),
        Block::Table(table) => {
            let (table, missing) = cut_table(table, room);
            vec![Block::Table(table), more(missing, "row")]
        }
    };
    if total(&blocks) <= room { blocks } else { Vec::new() }
}

/// The rows that fit, with room for the line that tells how many are missing.
fn cut_table(table: Table, room: usize) -> (Table, usize) {
    let mut left = room.saturating_sub(40 + MORE_ROWS);
    let rows = table.rows.len();
    let mut kept: Vec<Vec<Cell>> = Vec::new();
    for row in table.rows {
        let size = row_size(&row);
        if size > left {
            break;
        }
        left -= size;
        kept.push(row);
    }
    let missing = rows - kept.len();
    (Table { rows: kept }, missing)
}

fn cut_tasks(tasks: Vec<Task>, room: usize) -> Vec<Block> {
    let mut left = room.saturating_sub(80 + MORE_ROWS);
    let count = tasks.len();
    let mut kept = Vec::new();
    for task in tasks {
        let size = 110 + task.content.iter().map(inline_size).sum::<usize>();
        if size > left {
            break;
        }
        left -= size;
        kept.push(task);
    }
    let missing = count - kept.len();
    vec![Block::Tasks(kept), more(missing, "item")]
}

fn flow_size(flow: &Flow) -> usize {
    block_size(&Block::Flow(flow.clone()))
}

fn cut_flows(flows: Vec<Flow>, room: usize) -> Vec<Flow> {
    let mut left = room;
    let mut kept = Vec::new();
    for flow in flows {
        let size = flow_size(&flow);
        if size > left {
            kept.extend(cut_flow(flow, left));
            break;
        }
        left -= size;
        kept.push(flow);
    }
    kept
}

fn cut_flow(flow: Flow, room: usize) -> Vec<Flow> {
    match flow {
        Flow::Paragraph(content) => {
            let content = cut_line(content, room.saturating_sub(40));
            if content.is_empty() {
                Vec::new()
            } else {
                vec![Flow::Paragraph(content)]
            }
        }
        Flow::Code(code) => {
            let text = cut_code(&code, room.saturating_sub(120));
            if text.is_empty() {
                Vec::new()
            } else {
                vec![Flow::Code(code.with_text(&text))]
            }
        }
        Flow::List(list) => cut_list(list, room),
    }
}

fn cut_list(list: List, room: usize) -> Vec<Flow> {
    const ITEM: usize = 80;
    let mut left = room.saturating_sub(80 + MORE_ROWS);
    let count = list.items.len();
    let mut kept = Vec::new();
    let mut whole = 0;
    for item in list.items {
        let size = ITEM + item.iter().map(flow_size).sum::<usize>();
        if size > left {
            let part = if left > ITEM + MIN_PART {
                cut_flows(item, left - ITEM)
            } else {
                Vec::new()
            };
            if !part.is_empty() {
                kept.push(part);
                whole += 1;
            }
            break;
        }
        left -= size;
        kept.push(item);
        whole += 1;
    }
    let missing = count - whole;
    let mut flows = vec![Flow::List(List {
        start: list.start,
        items: kept,
    })];
    if missing > 0 {
        flows.push(more_flow(missing, "item"));
    }
    flows
}

fn cut_line(content: Vec<Inline>, room: usize) -> Vec<Inline> {
    let mut left = room;
    let mut kept = Vec::new();
    for inline in content {
        let size = inline_size(&inline);
        if size <= left {
            left -= size;
            kept.push(inline);
            continue;
        }
        if let Inline::Text(text, marks) = inline {
            let frame = size.saturating_sub(json_length(text.as_str()));
            let part = cut_words(text.as_str(), left.saturating_sub(frame));
            if !part.is_empty() {
                kept.push(Inline::Text(Text::new(&part), marks));
            }
        }
        break;
    }
    kept
}

fn cut_code(code: &CodeBlock, room: usize) -> String {
    let part = prefix(code.text(), room.saturating_sub(3), json_units);
    let at_line = part
        .rfind('\n')
        .filter(|at| *at >= part.len() / 2)
        .map_or(part, |at| &part[..at]);
    if at_line.is_empty() {
        String::new()
    } else {
        format!("{at_line}\n…")
    }
}

/// The text cut between words, with an ellipsis; empty if nothing fits.
fn cut_words(text: &str, room: usize) -> String {
    end_with_ellipsis(prefix(text, room.saturating_sub(1), json_units))
}

/// The start of a text that was cut, ending after a word where there is one, and an ellipsis.
fn end_with_ellipsis(part: &str) -> String {
    let at_word = part
        .rfind(char::is_whitespace)
        .filter(|at| *at >= part.len() / 2)
        .map_or(part, |at| &part[..at]);
    let at_word =
        at_word.trim_end_matches(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | ':' | '-' | '\u{200D}'));
    if at_word.is_empty() {
        String::new()
    } else {
        format!("{at_word}…")
    }
}

/// The longest start of the text that measures at most `room`.
fn prefix(text: &str, room: usize, measure: fn(char) -> usize) -> &str {
    let mut used = 0;
    let end = text.char_indices().find(|(_, character)| {
        used += measure(*character);
        used > room
    });
    end.map_or(text, |(at, _)| &text[..at])
}

fn json_length(text: &str) -> usize {
    text.chars().map(json_units).sum()
}

/// What a character takes in a JSON string, in UTF-16 units.
fn json_units(character: char) -> usize {
    match character {
        '"' | '\\' | '\n' | '\t' => 2,
        other => other.len_utf16(),
    }
}

/// A summary: one line of at most [`MAX_SUMMARY`] UTF-16 units, without control characters.
///
/// Runs of white space become one space. Where nothing is left, the fallback is used, and where
/// that too is blank, a general phrase: Jira refuses an empty summary.
pub fn summary(text: &str, fallback: &str) -> String {
    [text, fallback, "Security finding"]
        .into_iter()
        .map(line)
        .find(|line| !line.is_empty())
        .unwrap_or_default()
}

/// As [`summary`], of any text; empty where nothing of it would be seen.
pub fn line(text: &str) -> String {
    let line = escape::one_line(text).split_whitespace().collect::<Vec<_>>().join(" ");
    // Joiners and variation selectors alone show nothing.
    if !line
        .chars()
        .any(|c| c.is_alphanumeric() || c.is_ascii_punctuation() || u32::from(c) > 0x2100 && !is_invisible(c))
    {
        return String::new();
    }
    if line.chars().map(char::len_utf16).sum::<usize>() <= MAX_SUMMARY {
        return line;
    }
    end_with_ellipsis(prefix(&line, MAX_SUMMARY - 1, char::len_utf16))
}

fn is_invisible(character: char) -> bool {
    matches!(character, '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FFA0}' | '\u{E0100}'..='\u{E01EF}')
}

/// The length Jira would count for a document's JSON.
pub fn document_size(document: &Doc) -> usize {
    adf::size_of(&document.to_value())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::render::{adf::plain_text, markdown::from_markdown, schema_check::assert_valid};

    fn pointer() -> Doc {
        from_markdown("The rest is elsewhere.")
    }

    fn words(document: &Doc) -> String {
        plain_text(&document.to_value())
    }

    #[test]
    fn what_fits_is_untouched() {
        let document = from_markdown("# a\n\nb");
        assert_eq!(fit(document.clone(), 1000, pointer()), document);
    }

    #[test]
    fn a_long_table_loses_rows_and_says_how_many() {
        let rows: Vec<String> = (0..500).map(|n| format!("| name {n} | value |\n")).collect();
        let rows = rows.concat();
        let document = from_markdown(&format!("before\n\n| a | b |\n|---|---|\n{rows}\nafter"));
        let cut = fit(document, 10_000, pointer());
        assert!(cut.size() <= 10_000 && cut.size() > 9_000, "{}", cut.size());
        let shown = words(&cut);
        let kept = shown.lines().filter(|line| line.starts_with("name")).count();
        assert!(
            shown.contains(&format!("… and {} more rows\nafter", 500 - kept)),
            "{shown}"
        );
        assert!(shown.ends_with("The rest is elsewhere."));
    }

    #[test]
    fn a_long_paragraph_is_cut_between_words_and_leaves_room_for_others() {
        let cut = fit(
            from_markdown(&format!("{}\n\nsecond", "word ".repeat(20_000))),
            5_000,
            pointer(),
        );
        let shown = words(&cut);
        assert!(shown.contains("word…\nsecond\nThe rest"), "{shown}");
    }

    #[test]
    fn code_is_cut_between_lines_and_lists_between_items() {
        let code = fit(
            from_markdown(&format!("```\n{}```", "a line of code\n".repeat(1000))),
            3_000,
            pointer(),
        );
        assert!(words(&code).contains("a line of code\n…\nThe rest"));
        let list = fit(from_markdown(&"- an item\n".repeat(1000)), 3_000, pointer());
        assert!(words(&list).contains("more items\nThe rest"), "{}", words(&list));
    }

    #[test]
    fn summaries_are_one_short_line() {
        assert_eq!(summary(" a\r\n b\t\u{202E}c\u{0} ", "x"), "a b c");
        for blank in ["", " \n", "\u{200B}\u{200D}", "\u{7}"] {
            assert_eq!(summary(blank, "fallback"), "fallback");
            assert_eq!(summary(blank, blank), "Security finding");
        }
        let long = summary(&"word ".repeat(100), "x");
        assert!(long.ends_with("word…") && long.encode_utf16().count() <= MAX_SUMMARY);
        assert_eq!(summary(&"🔥".repeat(200), "x").encode_utf16().count(), 253);
        assert_eq!(summary(&"a".repeat(254), "x").len(), 254);
    }

    fn long_markdown() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("> quoted\n\n".to_owned()),
            (1..40usize).prop_map(|n| "- item **bold** text\n".repeat(n)),
            (1..40usize).prop_map(|n| "- [x] task\n".repeat(n) + "\n"),
            (1..60usize).prop_map(|n| "| a | b |\n|---|---|\n".to_owned() + &"| c \\\" | `d` |\n".repeat(n) + "\n"),
            (1..400usize).prop_map(|n| "long \"paragraph\" 🔥 ".repeat(n) + "\n\n"),
            (1..60usize).prop_map(|n| "\n```\n".to_owned() + &"code \"x\"\t\n".repeat(n) + "```\n"),
            Just("# Heading\n\n".to_owned()),
            Just("1. a\n   - b\n     - c\n\n".to_owned()),
        ];
        prop::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_limit_holds(markdown in long_markdown(), limit in 60..20_000usize) {
            let document = fit(from_markdown(&markdown), limit, pointer());
            assert_valid(&document.to_value());
            prop_assert!(document.size() <= limit, "{} > {limit}", document.size());
        }

        #[test]
        fn a_summary_is_acceptable(text in any::<String>()) {
            let line = summary(&text, "fallback");
            prop_assert!(!line.trim().is_empty());
            prop_assert!(line.encode_utf16().count() <= MAX_SUMMARY);
            prop_assert!(!line.chars().any(char::is_control));
        }
    }
}
