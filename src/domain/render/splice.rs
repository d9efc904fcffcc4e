//! Puts values into a document where marks stand for them.
//!
//! A template is Markdown, and what it inserts comes from strangers. Instead of escaping each value for the place where
//! it lands, a single mark, one character of a private use plane that no value and no template can contain, takes its
//! place while the Markdown is parsed. No value can therefore end a table, open a fence or hide what follows. When the
//! structure stands, the marks give way: in a cell, an item or a paragraph of its own to all that the value is, in
//! running text to its words, in code to its characters.

use std::fmt::Write as _;
use std::mem;

use super::adf::{Block, Cell, Doc, Flow, Href, Inline, Marks, Text};
use super::finding::below_section;
use super::{escape, limits, markdown};

/// The first mark; the plane has 65,534 characters.
const FIRST: u32 = 0x10_0000;
/// How many values one text can hold.
pub(super) const MOST: usize = 0xFFFE;
/// No value is longer than this in bytes.
pub(super) const LONGEST: usize = 131_072;

/// A value that a template inserted.
#[derive(Debug, Clone)]
pub(super) enum Slot {
    /// Shown as it is.
    Plain(String),
    /// Markdown.
    Markdown(String),
    /// Text and address.
    Link(String, String),
}

/// What one value may take of the document, in UTF-16 units of its JSON.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// In a cell of a table.
    pub cell: usize,
    /// Anywhere else.
    pub block: usize,
}

pub(super) fn is_mark(character: char) -> bool {
    u32::from(character) >= FIRST
}

/// The text without characters that could be taken for marks.
pub(super) fn unmarked(text: &str) -> String {
    text.chars().filter(|character| !is_mark(*character)).collect()
}

/// The mark of a value by number, below [`MOST`].
pub(super) fn mark(number: usize) -> char {
    u32::try_from(number)
        .ok()
        .and_then(|number| char::from_u32(FIRST + number))
        .unwrap_or(' ')
}

/// Parses the Markdown and puts the values in place of their marks.
pub(super) fn document(source: &str, slots: &[Slot], room: Room) -> Doc {
    let splicer = Splicer { slots, room };
    let parsed = markdown::from_markdown(&splicer.addresses(source));
    Doc {
        blocks: parsed
            .blocks
            .into_iter()
            .flat_map(|block| splicer.block(block))
            .collect(),
    }
}

/// The text on one line, with the words of the values in place of their marks.
pub(super) fn line(source: &str, slots: &[Slot]) -> String {
    let splicer = Splicer {
        slots,
        room: Room { cell: 0, block: 0 },
    };
    splicer.words(source)
}

struct Splicer<'a> {
    slots: &'a [Slot],
    room: Room,
}

impl Splicer<'_> {
    fn slot(&self, character: char) -> Option<&Slot> {
        self.slots
            .get(usize::try_from(u32::from(character).checked_sub(FIRST)?).ok()?)
    }

    /// The value, if the line is nothing but its mark.
    fn only(&self, line: &[Inline]) -> Option<&Slot> {
        let [Inline::Text(text, marks)] = line else { return None };
        let mut characters = text.as_str().trim().chars();
        match (characters.next(), characters.next()) {
            (Some(mark), None) if *marks == Marks::default() => self.slot(mark),
            _ => None,
        }
    }

    fn block(&self, block: Block) -> Vec<Block> {
        match block {
            Block::Flow(Flow::Paragraph(line)) => match self.only(&line) {
                Some(Slot::Markdown(source)) => below_section(converted(source, self.room.block)).blocks,
                _ => vec![Block::paragraph(self.inlines(line, self.room.block))],
            },
            Block::Flow(flow) => vec![Block::Flow(self.within(flow, self.room.block))],
            Block::Heading(level, line) => vec![Block::Heading(level, one_line(self.inlines(line, 1_000)))],
            Block::Quote(flows) => vec![Block::Quote(self.flows(flows, self.room.block))],
            Block::Tasks(mut tasks) => {
                for task in &mut tasks {
                    task.content = self.inlines(mem::take(&mut task.content), self.room.cell);
                }
                vec![Block::Tasks(tasks)]
            }
            Block::Table(mut table) => {
                for cell in table.rows.iter_mut().flatten() {
                    self.cell(cell);
                }
                vec![Block::Table(table)]
            }
            Block::Rule => vec![Block::Rule],
        }
    }

    fn cell(&self, cell: &mut Cell) {
        cell.content = self.flows(mem::take(&mut cell.content), self.room.cell);
    }

    fn flows(&self, flows: Vec<Flow>, room: usize) -> Vec<Flow> {
        let mut result = Vec::new();
        for flow in flows {
            match &flow {
                Flow::Paragraph(line) => match self.only(line) {
                    Some(Slot::Markdown(source)) => {
                        for block in converted(source, room).blocks {
                            markdown::flatten(block, &mut result);
                        }
                    }
                    _ => result.push(self.within(flow, room)),
                },
                _ => result.push(self.within(flow, room)),
            }
        }
        result
    }

    fn within(&self, flow: Flow, room: usize) -> Flow {
        match flow {
            Flow::Paragraph(line) => Flow::Paragraph(self.inlines(line, room)),
            Flow::Code(code) => {
                let mut text = String::new();
                for character in code.text().chars() {
                    match self.slot(character) {
                        Some(slot) => text.push_str(cut(slot.source(), room).trim_matches(['\n', '\r'])),
                        None => text.push(character),
                    }
                }
                Flow::Code(code.with_text(&text))
            }
            Flow::List(mut list) => {
                for item in &mut list.items {
                    *item = self.flows(mem::take(item), room);
                }
                Flow::List(list)
            }
        }
    }

    fn inlines(&self, line: Vec<Inline>, room: usize) -> Vec<Inline> {
        let mut result = Vec::new();
        for inline in line {
            let Inline::Text(text, mut marks) = inline else {
                result.push(Inline::Break);
                continue;
            };
            // An address with a mark in it was no address yet.
            marks.link = marks.link.filter(|link| !link.as_str().contains(is_mark));
            let mut plain = String::new();
            for character in text.as_str().chars() {
                let Some(slot) = self.slot(character) else {
                    plain.push(character);
                    continue;
                };
                if !plain.is_empty() {
                    result.push(Inline::Text(Text::new(&mem::take(&mut plain)), marks.clone()));
                }
                insert(slot, &marks, room, &mut result);
            }
            if !plain.is_empty() {
                result.push(Inline::Text(Text::new(&plain), marks));
            }
        }
        markdown::tidy(result)
    }

    fn words(&self, text: &str) -> String {
        let mut result = String::new();
        for character in text.chars() {
            match self.slot(character) {
                Some(Slot::Markdown(source)) => result.push_str(&words_of(source)),
                Some(slot) => result.push_str(slot.source()),
                None => result.push(character),
            }
        }
        escape::one_line(&result)
    }

    /// Writes values out where they are part of an address, since an address is read before the marks give way.
    fn addresses(&self, source: &str) -> String {
        let mut result = String::with_capacity(source.len());
        let mut rest = source;
        loop {
            let starts = ["](", "http://", "https://"];
            let Some((at, opens)) = starts
                .iter()
                .filter_map(|start| Some((rest.find(start)?, *start)))
                .min()
            else {
                result.push_str(rest);
                return result;
            };
            let (before, address) = rest.split_at(at + opens.len());
            result.push_str(before);
            let ends = |c: char| c.is_whitespace() || matches!(c, ')' | '>' | '<' | '|' | '"' | '`');
            let (address, after) = address.split_at(address.find(ends).unwrap_or(address.len()));
            for (number, character) in address.char_indices() {
                match self.slot(character) {
                    Some(slot) if number == 0 && opens == "](" => match escape::http_url(slot.address()) {
                        Some(url) => result.push_str(&percent(&url, b":/?#[]@!$&'*+,;=%-._~")),
                        None => result.push(character),
                    },
                    Some(slot) => result.push_str(&percent(slot.source(), b"-._~")),
                    None => result.push(character),
                }
            }
            rest = after;
        }
    }
}

impl Slot {
    fn source(&self) -> &str {
        match self {
            Self::Plain(text) | Self::Markdown(text) | Self::Link(text, _) => text,
        }
    }

    fn address(&self) -> &str {
        match self {
            Self::Link(_, address) => address,
            other => other.source(),
        }
    }
}

/// Appends what the value is in a line.
fn insert(slot: &Slot, marks: &Marks, room: usize, result: &mut Vec<Inline>) {
    let lines = |text: &str| Inline::lines(&cut(text, room));
    match slot {
        Slot::Link(text, address) => {
            let link = marks.link.clone().or_else(|| Href::new(address));
            result.push(Inline::Text(
                Text::new(&cut(text, room)),
                Marks { link, ..marks.clone() },
            ));
        }
        Slot::Markdown(source) if !marks.code && marks.link.is_none() => {
            for (number, flow) in flows_of(converted(source, room)).into_iter().enumerate() {
                if number > 0 {
                    result.push(Inline::Break);
                }
                result.extend(line_of(flow).into_iter().map(|inline| set(inline, marks)));
            }
        }
        Slot::Markdown(source) => result.extend(lines(&words_of(source)).into_iter().map(|one| set(one, marks))),
        Slot::Plain(text) => {
            let whole = (!marks.code && marks.link.is_none()).then(|| Href::new(text)).flatten();
            if let Some(link) = whole {
                let link = Some(link);
                result.push(Inline::Text(Text::new(text.trim()), Marks { link, ..marks.clone() }));
            } else {
                result.extend(lines(text).into_iter().map(|inline| set(inline, marks)));
            }
        }
    }
}

/// The Markdown as blocks that take no more than `room`.
fn converted(source: &str, room: usize) -> Doc {
    // What Markdown spends on structure alone is never this much of a text.
    let part = markdown::cut_bytes(source, room.saturating_mul(8));
    let mut document = limits::fit(markdown::from_markdown(part), room, Doc::default());
    if part.len() < source.len() && document.is_empty() {
        document.blocks.push(Block::paragraph(vec![Inline::em("…")]));
    }
    document
}

fn flows_of(document: Doc) -> Vec<Flow> {
    let mut flows = Vec::new();
    for block in document.blocks {
        markdown::flatten(block, &mut flows);
    }
    flows
}

/// All of a block in one paragraph.
fn line_of(flow: Flow) -> Vec<Inline> {
    match flow {
        Flow::Paragraph(line) => line,
        Flow::Code(code) => {
            let marks = |inline| match inline {
                Inline::Text(text, _) => Inline::Text(
                    text,
                    Marks {
                        code: true,
                        ..Marks::default()
                    },
                ),
                Inline::Break => Inline::Break,
            };
            Inline::lines(code.text()).into_iter().map(marks).collect()
        }
        Flow::List(list) => {
            let mut line = Vec::new();
            for flow in list.items.into_iter().flatten() {
                if !line.is_empty() {
                    line.push(Inline::Break);
                }
                line.push(Inline::text("• "));
                line.extend(line_of(flow));
            }
            line
        }
    }
}

/// The piece with the marks of the place where it lands.
fn set(inline: Inline, around: &Marks) -> Inline {
    match inline {
        Inline::Text(text, own) => Inline::Text(
            text,
            Marks {
                strong: own.strong || around.strong,
                em: own.em || around.em,
                strike: own.strike || around.strike,
                code: own.code || around.code,
                link: around.link.clone().or(own.link),
            },
        ),
        Inline::Break => Inline::Break,
    }
}

fn one_line(line: Vec<Inline>) -> Vec<Inline> {
    line.into_iter()
        .map(|inline| match inline {
            Inline::Break => Inline::text(" "),
            text @ Inline::Text(..) => text,
        })
        .collect()
}

fn words_of(source: &str) -> String {
    let part = markdown::cut_bytes(source, 4_096);
    super::adf::plain_text(&markdown::from_markdown(part).to_value())
}

/// At most `room` UTF-16 units of the text.
fn cut(text: &str, room: usize) -> String {
    let mut left = room;
    let end = text.char_indices().find(|(_, character)| {
        let units = character.len_utf16();
        let over = units > left;
        left = left.saturating_sub(units);
        over
    });
    end.map_or_else(|| text.to_owned(), |(at, _)| format!("{}…", text[..at].trim_end()))
}

fn percent(text: &str, kept: &[u8]) -> String {
    let mut result = String::new();
    for byte in escape::one_line(text).trim().bytes() {
        if byte.is_ascii_alphanumeric() || kept.contains(&byte) {
            result.push(char::from(byte));
        } else {
            let _ = write!(result, "%{byte:02X}");
        }
    }
    result
}
