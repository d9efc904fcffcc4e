//! From the parser's events to a document, by a stack of open constructs.

use pulldown_cmark::{CodeBlockKind, CowStr, Event, HeadingLevel, Tag, TagEnd};

use super::super::adf::{Block, Cell, CodeBlock, Doc, Flow, Href, Inline, Level, List, Marks, Table, Task, Text};
use super::html::{HtmlTag, breaks_line, hidden_element, html_text, known_element};
use super::line::tidy;

/// Lists within lists beyond this depth join the innermost one kept.
const MAX_LIST_DEPTH: usize = 6;

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
pub(super) struct Builder {
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
    pub(super) fn event(&mut self, event: Event<'_>) {
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

    pub(super) fn finish(mut self) -> Doc {
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
pub(in crate::domain::render) fn flatten(block: Block, content: &mut Vec<Flow>) {
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
