//! Markdown to ADF.
//!
//! Markdown allows more nesting than ADF does: headings in list items, quotes in quotes, tables in
//! lists. The converter keeps the words and gives up the frame: such a heading becomes bold, such a
//! table lines of text, such a quote plain paragraphs. It walks the parser's events with a stack of
//! its own, so that no input, however deeply nested, can exhaust the thread's stack.

use pulldown_cmark::{CodeBlockKind, CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::adf::{Block, Cell, CodeBlock, Doc, Flow, Href, Inline, Level, List, Marks, Table, Task, Text};
use super::escape;

/// Lists within lists beyond this depth join the innermost one kept.
const MAX_LIST_DEPTH: usize = 6;

/// Bytes of input looked at. No more than an eighth of it could be shown in an issue anyway.
const MAX_INPUT: usize = 256 * 1024;

/// Opening marks of quotes and lists looked at in one line; see [`tame`].
const MAX_LINE_NESTING: usize = 32;

/// Converts Markdown (`CommonMark` with tables, strike-through, task lists and bare web addresses).
///
/// Total: any text gives a document that is valid by the schema, in time linear in its length.
/// Line breaks inside a paragraph are spaces, as in Markdown. HTML gives its text; tags that HTML
/// does not know, such as `<filename>` in a command, are taken for text.
pub fn from_markdown(markdown: &str) -> Doc {
    let source = tame(&escape::clean(cut_bytes(markdown, MAX_INPUT)));
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut builder = Builder::default();
    for event in Parser::new_ext(&source, options) {
        builder.event(event);
    }
    builder.finish()
}

pub(super) fn cut_bytes(text: &str, longest: usize) -> &str {
    let mut end = longest.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Bounds how many quotes and lists one line can open, before the parser sees it.
///
/// The parser revisits every open container on every line; a line that opens thousands of them
/// would make the following ones cost as much. Beyond the bound the marks are dropped, the text stays. A line indented by
/// hundreds of columns, the other way to nest lists, loses the excess.
fn tame(source: &str) -> String {
    const MAX_INDENT: usize = 200;
    let mut result = String::with_capacity(source.len());
    for line in source.split_inclusive('\n') {
        let bytes = line.as_bytes();
        let (mut at, mut marks, mut indent) = (0, 0, 0);
        let mut kept = None;
        while at < bytes.len() {
            match bytes[at] {
                b' ' | b'\t' => indent += 1,
                b'>' => marks += 1,
                b'-' | b'+' | b'*' if matches!(bytes.get(at + 1), Some(b' ' | b'\t' | b'\n') | None) => marks += 1,
                b'0'..=b'9' => {
                    let digits = bytes[at..]
                        .iter()
                        .take(10)
                        .take_while(|byte| byte.is_ascii_digit())
                        .count();
                    let opens = matches!(bytes.get(at + digits), Some(b'.' | b')'))
                        && matches!(bytes.get(at + digits + 1), Some(b' ' | b'\t' | b'\n') | None);
                    if !opens {
                        break;
                    }
                    marks += 1;
                    at += digits;
                }
                _ => break,
            }
            at += 1;
            if kept.is_none() && (marks >= MAX_LINE_NESTING || indent >= MAX_INDENT) {
                kept = Some(at);
            }
        }
        match kept {
            Some(kept) => {
                result.push_str(&line[..kept]);
                result.push(' ');
                result.push_str(&line[at.min(line.len())..]);
            }
            None => result.push_str(line),
        }
    }
    result
}

/// An open construct.
enum Frame {
    Quote(Vec<Flow>),
    List(OpenList),
    Item(Item),
    Table(Table),
    Row {
        cells: Vec<Cell>,
        header: bool,
    },
    Cell,
    Heading(Level),
    Code(CodeKind, String),
    Html(String),
    /// A construct whose content goes to the one around it.
    Transparent,
}

#[derive(Default)]
struct OpenList {
    start: Option<u64>,
    items: Vec<Item>,
}

#[derive(Default)]
struct Item {
    /// Whether it began with a box, and a ticked one.
    task: Option<bool>,
    content: Vec<Flow>,
}

type CodeKind = Option<String>;

#[derive(Default)]
struct Builder {
    blocks: Vec<Block>,
    frames: Vec<Frame>,
    /// The line being read.
    line: Vec<Inline>,
    strong: usize,
    em: usize,
    strike: usize,
    links: Vec<Option<Href>>,
    lists: usize,
    in_quote: bool,
    /// The element whose content is skipped until its end tag.
    skipping: Option<&'static str>,
}

impl Builder {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => self.text(&text),
            Event::Code(text) => self.push_text(&text, true),
            Event::InlineMath(text) | Event::DisplayMath(text) => self.push_text(&text, true),
            Event::Html(html) => match self.frames.last_mut() {
                Some(Frame::Html(open)) => open.push_str(&html),
                _ => self.html_block(&html),
            },
            Event::InlineHtml(tag) => self.inline_html(&tag),
            Event::FootnoteReference(name) => self.text(&CowStr::from(format!("[{name}]"))),
            Event::SoftBreak => match self.frames.last_mut() {
                Some(Frame::Code(_, code)) => code.push('\n'),
                _ => self.push_text(" ", false),
            },
            Event::HardBreak => self.line_break(),
            Event::Rule => {
                self.flush();
                self.add(Block::Rule);
            }
            Event::TaskListMarker(done) => {
                if let Some(Frame::Item(item)) = self.frames.last_mut() {
                    item.task = Some(done);
                }
            }
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        let frame = match tag {
            Tag::Emphasis => return self.em += 1,
            Tag::Strong => return self.strong += 1,
            Tag::Strikethrough => return self.strike += 1,
            // An image is shown as a link to it; inside a link, that link is what its author meant.
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => {
                let outer = self.links.last().cloned().flatten();
                return self.links.push(outer.or_else(|| Href::new(&dest_url)));
            }
            Tag::Superscript | Tag::Subscript => return,
            Tag::Paragraph => return self.flush(),
            Tag::Heading { level, .. } => Frame::Heading(level_of(level)),
            Tag::BlockQuote(_) if self.in_quote || self.lists > 0 => Frame::Transparent,
            Tag::BlockQuote(_) => {
                self.flush();
                self.in_quote = true;
                Frame::Quote(Vec::new())
            }
            Tag::CodeBlock(kind) => Frame::Code(
                match kind {
                    CodeBlockKind::Fenced(info) => info.split([' ', ',', '\t']).next().map(str::to_owned),
                    CodeBlockKind::Indented => None,
                },
                String::new(),
            ),
            Tag::HtmlBlock => Frame::Html(String::new()),
            Tag::List(start) => {
                self.lists += 1;
                if self.lists > MAX_LIST_DEPTH {
                    Frame::Transparent
                } else {
                    self.flush();
                    // Nine digits in Markdown; more would not be a number for everybody.
                    Frame::List(OpenList {
                        start: start.map(|number| number.min(999_999_999)),
                        items: Vec::new(),
                    })
                }
            }
            Tag::Item if matches!(self.frames.last(), Some(Frame::List(_))) => Frame::Item(Item::default()),
            Tag::Table(_) => Frame::Table(Table::default()),
            Tag::TableHead => Frame::Row {
                cells: Vec::new(),
                header: true,
            },
            Tag::TableRow => Frame::Row {
                cells: Vec::new(),
                header: false,
            },
            Tag::TableCell => Frame::Cell,
            Tag::Item
            | Tag::FootnoteDefinition(_)
            | Tag::DefinitionList
            | Tag::DefinitionListTitle
            | Tag::DefinitionListDefinition
            | Tag::MetadataBlock(_) => Frame::Transparent,
        };
        self.flush();
        self.frames.push(frame);
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Emphasis => self.em = self.em.saturating_sub(1),
            TagEnd::Strong => self.strong = self.strong.saturating_sub(1),
            TagEnd::Strikethrough => self.strike = self.strike.saturating_sub(1),
            TagEnd::Link => drop(self.links.pop()),
            TagEnd::Image => drop(self.links.pop()),
            TagEnd::Superscript | TagEnd::Subscript => {}
            TagEnd::Paragraph => self.flush(),
            other => {
                if matches!(other, TagEnd::List(_)) {
                    self.lists -= 1;
                }
                match self.frames.last() {
                    Some(Frame::Heading(_) | Frame::Cell) => {}
                    _ => self.flush(),
                }
                self.close();
            }
        }
    }

    /// Closes the innermost frame and hands its content to the one around it.
    fn close(&mut self) {
        match self.frames.pop() {
            None | Some(Frame::Transparent) => {}
            Some(Frame::Quote(content)) => {
                self.in_quote = false;
                self.add(Block::Quote(content));
            }
            Some(Frame::List(list)) => self.add_list(list),
            Some(Frame::Item(item)) => {
                if let Some(Frame::List(list)) = self.frames.last_mut() {
                    list.items.push(item);
                }
            }
            Some(Frame::Table(table)) => self.add(Block::Table(table)),
            Some(Frame::Row { cells, .. }) => {
                if let Some(Frame::Table(table)) = self.frames.last_mut() {
                    table.rows.push(cells);
                }
            }
            Some(Frame::Cell) => {
                let content = self.take_line();
                if let Some(Frame::Row { cells, header }) = self.frames.last_mut() {
                    cells.push(Cell {
                        header: *header,
                        content: vec![Flow::Paragraph(content)],
                    });
                }
            }
            Some(Frame::Heading(level)) => {
                let content = self.take_line();
                self.add(Block::Heading(level, content));
            }
            Some(Frame::Code(language, code)) => {
                self.add(Block::Flow(Flow::Code(CodeBlock::new(&code, language.as_deref()))));
            }
            Some(Frame::Html(html)) => self.html_block(&html),
        }
    }

    /// A list whose items are all boxes with one line of text is a task list; other boxes are drawn.
    fn add_list(&mut self, list: OpenList) {
        let plain_task =
            |item: &Item| item.task.is_some() && matches!(item.content.as_slice(), [] | [Flow::Paragraph(_)]);
        let at_top = self.frames.iter().all(|frame| matches!(frame, Frame::Transparent));
        if at_top && !list.items.is_empty() && list.items.iter().all(plain_task) {
            let tasks = list.items.into_iter().map(|item| Task {
                done: item.task.unwrap_or_default(),
                content: match item.content.into_iter().next() {
                    Some(Flow::Paragraph(content)) => content,
                    _ => Vec::new(),
                },
            });
            self.blocks.push(Block::Tasks(tasks.collect()));
            return;
        }
        let items = list.items.into_iter().map(|mut item| {
            if let Some(done) = item.task {
                let mark = Inline::text(if done { "☑ " } else { "☐ " });
                match item.content.first_mut() {
                    Some(Flow::Paragraph(content)) => content.insert(0, mark),
                    _ => item.content.insert(0, Flow::Paragraph(vec![mark])),
                }
            }
            item.content
        });
        let list = List {
            start: list.start,
            items: items.collect(),
        };
        self.add(Block::Flow(Flow::List(list)));
    }

    /// Adds a block to the innermost construct that holds blocks, in the form it may have there.
    fn add(&mut self, block: Block) {
        for frame in self.frames.iter_mut().rev() {
            match frame {
                Frame::Quote(content) | Frame::Item(Item { content, .. }) => return flatten(block, content),
                _ => {}
            }
        }
        self.blocks.push(block);
    }

    /// Ends the line being read: what is in it becomes a paragraph.
    fn flush(&mut self) {
        let content = self.take_line();
        if !content.is_empty() {
            self.add(Block::paragraph(content));
        }
    }

    fn take_line(&mut self) -> Vec<Inline> {
        self.skipping = None;
        tidy(std::mem::take(&mut self.line))
    }

    fn text(&mut self, text: &CowStr<'_>) {
        match self.frames.last_mut() {
            Some(Frame::Code(_, code)) => code.push_str(text),
            Some(Frame::Html(html)) => html.push_str(text),
            _ => self.push_text(text, false),
        }
    }

    fn push_text(&mut self, text: &str, code: bool) {
        if self.skipping.is_some() {
            return;
        }
        let marks = Marks {
            strong: self.strong > 0,
            em: self.em > 0,
            strike: self.strike > 0,
            code,
            link: self.links.last().cloned().flatten(),
        };
        self.line.push(Inline::Text(Text::new(text), marks));
    }

    fn line_break(&mut self) {
        if self.skipping.is_none() && !self.line.is_empty() {
            self.line.push(Inline::Break);
        }
    }

    fn inline_html(&mut self, html: &str) {
        // Comments, declarations and processing instructions show nothing.
        let Some(tag) = HtmlTag::read(html) else { return };
        match (self.skipping, tag.name.as_str(), tag.closes) {
            (Some(skipped), name, true) if skipped == name => self.skipping = None,
            (Some(_), ..) => {}
            (None, name, false) if hidden_element(name).is_some() => self.skipping = hidden_element(name),
            (None, "br", _) => self.line_break(),
            (None, name, closes) if breaks_line(name) => {
                if !matches!(self.line.last(), Some(Inline::Break)) {
                    self.line_break();
                }
                if name == "li" && !closes {
                    self.push_text("• ", false);
                }
            }
            (None, name, _) if known_element(name) => {}
            (None, ..) => self.push_text(html, false),
        }
    }

    fn html_block(&mut self, html: &str) {
        self.flush();
        for paragraph in html_text(html).split("\n\n") {
            let content = tidy(Inline::lines(paragraph));
            if !content.is_empty() {
                self.add(Block::paragraph(content));
            }
        }
    }

    fn finish(mut self) -> Doc {
        while !self.frames.is_empty() {
            self.flush();
            self.close();
        }
        self.flush();
        Doc { blocks: self.blocks }
    }
}

fn level_of(level: HeadingLevel) -> Level {
    Level::new(match level {
        HeadingLevel::H1 => 1,
        HeadingLevel::H2 => 2,
        HeadingLevel::H3 => 3,
        HeadingLevel::H4 => 4,
        HeadingLevel::H5 => 5,
        HeadingLevel::H6 => 6,
    })
}

/// Appends a block as what may stand in a quote or an item.
pub(super) fn flatten(block: Block, content: &mut Vec<Flow>) {
    match block {
        Block::Flow(flow) => content.push(flow),
        Block::Heading(_, line) => content.push(Flow::Paragraph(line.into_iter().map(embolden).collect())),
        Block::Quote(flows) => content.extend(flows),
        Block::Tasks(tasks) => content.extend(tasks.into_iter().map(|task| Flow::Paragraph(task.content))),
        Block::Table(table) => {
            for row in table.rows {
                let mut line = Vec::new();
                for (number, cell) in row.into_iter().enumerate() {
                    if number > 0 {
                        line.push(Inline::text(" | "));
                    }
                    for flow in cell.content {
                        if let Flow::Paragraph(inlines) = flow {
                            line.extend(
                                inlines
                                    .into_iter()
                                    .map(|piece| if cell.header { embolden(piece) } else { piece }),
                            );
                        }
                    }
                }
                content.push(Flow::Paragraph(line));
            }
        }
        Block::Rule => {}
    }
}

fn embolden(inline: Inline) -> Inline {
    match inline {
        Inline::Text(text, marks) => Inline::Text(text, Marks { strong: true, ..marks }),
        Inline::Break => Inline::Break,
    }
}

/// Joins neighbours that are set alike, links bare addresses, and takes away white space and
/// breaks at both ends. A line of nothing but white space becomes empty.
pub(super) fn tidy(line: Vec<Inline>) -> Vec<Inline> {
    let mut joined: Vec<(String, Marks)> = Vec::new();
    let mut result = Vec::new();
    let run = |joined: &mut Vec<(String, Marks)>, result: &mut Vec<Inline>| {
        for (text, marks) in joined.drain(..) {
            if marks.code || marks.link.is_some() {
                result.push(Inline::Text(Text::new(&text), marks));
            } else {
                autolink(&text, &marks, result);
            }
        }
    };
    for inline in line {
        match inline {
            Inline::Text(text, marks) => match joined.last_mut() {
                Some((last, last_marks)) if *last_marks == marks => last.push_str(text.as_str()),
                _ => joined.push((text.as_str().to_owned(), marks)),
            },
            Inline::Break => {
                run(&mut joined, &mut result);
                result.push(Inline::Break);
            }
        }
    }
    run(&mut joined, &mut result);

    let blank = |inline: &Inline| match inline {
        Inline::Break => true,
        Inline::Text(text, _) => text.as_str().trim().is_empty(),
    };
    while result.last().is_some_and(blank) {
        result.pop();
    }
    let start = result.iter().position(|inline| !blank(inline)).unwrap_or(result.len());
    result.drain(..start);
    result
}

/// Appends the text with the web addresses in it as links.
fn autolink(text: &str, marks: &Marks, result: &mut Vec<Inline>) {
    let mut push = |text: &str, link: Option<Href>| {
        if !text.is_empty() {
            result.push(Inline::Text(Text::new(text), Marks { link, ..marks.clone() }));
        }
    };
    let (mut plain, mut search) = (0, 0);
    while let Some(found) = text[search..].find("http") {
        let start = search + found;
        search = start + "http".len();
        let scheme = &text[start..];
        let within_word = text[..start].chars().next_back().is_some_and(char::is_alphanumeric);
        if within_word || !(scheme.starts_with("http://") || scheme.starts_with("https://")) {
            continue;
        }
        let length = address_length(scheme);
        if let Some(href) = Href::new(&scheme[..length]) {
            push(&text[plain..start], None);
            push(&scheme[..length], Some(href));
            plain = start + length;
        }
        search = start + length;
    }
    push(&text[plain..], None);
}

/// How much of the text, which begins with an address, belongs to it: up to white space or a
/// character no address holds, without punctuation that ends the sentence around it.
fn address_length(text: &str) -> usize {
    let end = text.find(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"' | '\\' | '`' | '|' | '{' | '}'));
    let mut address = &text[..end.unwrap_or(text.len())];
    let mut closers = [('(', ')'), ('[', ']')].map(|(open, close)| {
        (
            close,
            address
                .matches(close)
                .count()
                .saturating_sub(address.matches(open).count()),
        )
    });
    while let Some(last) = address.chars().next_back() {
        let surplus = closers
            .iter_mut()
            .find(|(close, surplus)| *close == last && *surplus > 0);
        if let Some((_, surplus)) = surplus {
            *surplus -= 1;
        } else if !matches!(
            last,
            '.' | ',' | ';' | ':' | '!' | '?' | '\'' | '*' | '_' | '~' | '’' | '”'
        ) {
            break;
        }
        address = &address[..address.len() - last.len_utf8()];
    }
    address.len()
}

/// The name of a tag and whether it is an end tag.
struct HtmlTag {
    name: String,
    closes: bool,
}

impl HtmlTag {
    /// Reads `<name …>` or `</name …>`; comments and declarations are none.
    fn read(html: &str) -> Option<Self> {
        let inside = html.strip_prefix('<')?;
        let (closes, inside) = inside.strip_prefix('/').map_or((false, inside), |rest| (true, rest));
        if !inside.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return None;
        }
        let end = inside.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_' || c == ':'));
        Some(Self {
            name: inside[..end.unwrap_or(inside.len())].to_ascii_lowercase(),
            closes,
        })
    }
}

/// The name of an element whose content nobody is meant to read.
fn hidden_element(name: &str) -> Option<&'static str> {
    [
        "script", "style", "template", "iframe", "object", "noscript", "svg", "math", "head", "title",
    ]
    .into_iter()
    .find(|hidden| *hidden == name)
}

fn breaks_line(name: &str) -> bool {
    let breaking = "address article aside blockquote body caption center dd details dialog dir div dl dt fieldset \
                    figcaption figure footer form h1 h2 h3 h4 h5 h6 header hr html li main menu nav ol option p pre \
                    section select summary table tbody tfoot thead tr ul";
    breaking.split_ascii_whitespace().any(|known| known == name)
}

fn known_element(name: &str) -> bool {
    let others = "a abbr acronym applet area audio b base basefont bdi bdo big blink br button canvas cite code col \
                  colgroup data datalist del dfn em embed font frame frameset i img input ins kbd label legend link \
                  map mark marquee meta meter noembed noframes optgroup output param picture plaintext progress q rp \
                  rt ruby s samp search slot small source span strike strong sub sup td textarea th time track tt u \
                  var video wbr xmp image";
    breaks_line(name) || hidden_element(name).is_some() || others.split_ascii_whitespace().any(|known| known == name)
}

/// The text of a piece of HTML: tags and comments removed, entities decoded, blocks on lines of their own.
fn html_text(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        decode_entities(&rest[..at], &mut text);
        rest = &rest[at..];
        if let Some(comment) = rest.strip_prefix("<!--") {
            rest = comment.find("-->").map_or("", |end| &comment[end + 3..]);
            continue;
        }
        let is_tag = rest[1..].starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?'));
        let Some(end) = is_tag.then(|| tag_end(rest)).flatten() else {
            text.push('<');
            rest = &rest[1..];
            continue;
        };
        let (tag, after) = rest.split_at(end);
        rest = after;
        let Some(HtmlTag { name, closes }) = HtmlTag::read(tag) else {
            continue;
        };
        if !closes && let Some(hidden) = hidden_element(&name) {
            if !tag.ends_with("/>") {
                rest = after_end_tag(rest, hidden);
            }
        } else if name == "br" || breaks_line(&name) {
            if !text.is_empty() && (name == "br" || !text.ends_with('\n')) {
                text.push('\n');
            }
            if name == "li" && !closes {
                text.push_str("• ");
            }
        } else if name == "td" || name == "th" {
            text.push(' ');
        } else if !known_element(&name) {
            text.push_str(tag);
        }
    }
    decode_entities(rest, &mut text);
    text
}

/// Where the tag at the beginning of the text ends, quoted attribute values observed within reason.
fn tag_end(text: &str) -> Option<usize> {
    const LONGEST: usize = 4096;
    let mut quote = None;
    for (at, byte) in text.bytes().enumerate().take(LONGEST) {
        match (quote, byte) {
            (None, b'>') => return Some(at + 1),
            (None, b'"' | b'\'') if at > 0 && text.as_bytes()[at - 1] == b'=' => quote = Some(byte),
            (Some(open), close) if open == close => quote = None,
            _ => {}
        }
    }
    text.bytes()
        .take(LONGEST)
        .position(|byte| byte == b'>')
        .map(|at| at + 1)
}

/// What follows the end tag of the element; nothing if there is none.
fn after_end_tag<'a>(text: &'a str, name: &str) -> &'a str {
    let mut rest = text;
    while let Some(at) = rest.find("</") {
        rest = &rest[at + 2..];
        let named = rest
            .get(..name.len())
            .is_some_and(|found| found.eq_ignore_ascii_case(name));
        if named && !rest[name.len()..].starts_with(|c: char| c.is_ascii_alphanumeric()) {
            return rest.find('>').map_or("", |end| &rest[end + 1..]);
        }
    }
    ""
}

/// Appends the text with character references decoded. The Markdown parser has the table of names.
fn decode_entities(text: &str, result: &mut String) {
    const LONGEST: usize = 40;
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        result.push_str(&rest[..at]);
        rest = &rest[at..];
        let body = rest
            .bytes()
            .skip(1)
            .take(LONGEST)
            .take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'#');
        let end = 1 + body.count();
        if end > 1 && rest.as_bytes().get(end) == Some(&b';') {
            for event in Parser::new(&rest[..=end]) {
                if let Event::Text(decoded) = event {
                    result.push_str(&decoded);
                }
            }
            rest = &rest[end + 1..];
        } else {
            result.push('&');
            rest = &rest[1..];
        }
    }
    result.push_str(rest);
}

#[cfg(test)]
mod tests {
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
}
