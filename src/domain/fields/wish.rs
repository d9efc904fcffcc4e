//! What a user said about the fields of an issue.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::api::fields::{CustomField, Fields};
use crate::domain::render::template::TemplateError;
use crate::domain::render::values::{Text, Values, is_template};

/// What a user said about one field.
pub(super) struct Wish<'a> {
    /// How the user named it.
    pub(super) label: &'a str,
    /// Id or name to look for.
    pub(super) wanted: &'a str,
    pub(super) said: Said,
}

/// A value as it was said.
#[derive(Clone, Debug)]
pub(super) enum Said {
    Text(String),
    Texts(Vec<String>),
    Json(Value),
    /// What templates gave, and what stood beside them in a list.
    Rendered(Vec<Piece>),
}

/// An entry of a list, or the only one.
#[derive(Clone, Debug)]
pub(super) enum Piece {
    /// As the user wrote it.
    Fixed(String),
    /// As a template gave it.
    Made(Text),
}

impl Piece {
    fn line(&self) -> String {
        match self {
            Self::Fixed(text) => text.trim().to_owned(),
            Self::Made(text) => text.line(),
        }
    }
}

/// What a template among the values of a field is called.
fn template_name(label: &str, at: Option<usize>) -> String {
    at.map_or_else(|| format!("fields.{label}"), |at| format!("fields.{label}[{at}]"))
}

/// Compiles the values that are templates.
///
/// # Errors
///
/// When one is wrong; the error names its field, line and variable.
pub fn compile(fields: &Fields) -> Result<Values, TemplateError> {
    let mut sources = BTreeMap::new();
    for wish in wishes(fields) {
        sources.extend(wish.said.templates(wish.label));
    }
    sources.extend(Said::Texts(fields.labels.clone()).templates("labels"));
    Values::compile(sources)
}

/// The labels that are templates, by the names of these.
pub(super) fn label_templates(fields: &Fields) -> Vec<String> {
    let templates = Said::Texts(fields.labels.clone()).templates("labels");
    templates.into_iter().map(|(name, _)| name).collect()
}

impl Said {
    fn of(custom: &CustomField) -> Option<Self> {
        match (&custom.value, &custom.json) {
            (Some(text), None) => Some(Self::Text(text.clone())),
            (None, Some(value)) => Some(Self::Json(value.clone())),
            _ => None,
        }
    }

    /// Names and sources of the templates in it.
    pub(super) fn templates(&self, label: &str) -> Vec<(String, String)> {
        match self {
            Self::Text(text) if is_template(text) => vec![(template_name(label, None), text.clone())],
            Self::Texts(texts) => {
                let all = texts.iter().enumerate().filter(|(_, text)| is_template(text));
                all.map(|(at, text)| (template_name(label, Some(at)), text.clone()))
                    .collect()
            }
            Self::Text(_) | Self::Json(_) | Self::Rendered(_) => Vec::new(),
        }
    }

    /// The value with what its templates gave.
    pub(super) fn rendered(&self, label: &str, made: &BTreeMap<&str, Text>) -> Self {
        let piece = |at: Option<usize>, text: &String| {
            let made = made.get(template_name(label, at).as_str());
            made.filter(|_| is_template(text))
                .map_or_else(|| Piece::Fixed(text.clone()), |made| Piece::Made(made.clone()))
        };
        match self {
            Self::Text(text) => Self::Rendered(vec![piece(None, text)]),
            Self::Texts(texts) => {
                let pieces = texts.iter().enumerate();
                Self::Rendered(pieces.map(|(at, text)| piece(Some(at), text)).collect())
            }
            Self::Json(_) | Self::Rendered(_) => self.clone(),
        }
    }

    /// Whether templates gave nothing, and nothing stands beside them.
    pub(super) fn is_nothing(&self) -> bool {
        matches!(self, Self::Rendered(pieces) if pieces.iter().all(|piece| piece.line().is_empty()))
    }

    /// The one text that templates gave, for documents.
    pub(super) fn made(&self) -> Option<&Text> {
        match self {
            Self::Rendered(pieces) => match &pieces[..] {
                [Piece::Made(text)] => Some(text),
                _ => None,
            },
            _ => None,
        }
    }

    /// For people.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Text(text) => text.trim().to_owned(),
            Self::Texts(texts) => texts.join(", "),
            Self::Json(value) => text_of(value),
            Self::Rendered(pieces) => {
                let lines = pieces.iter().map(Piece::line).filter(|line| !line.is_empty());
                lines.collect::<Vec<_>>().join(", ")
            }
        }
    }

    /// The one text that it is, if it is one.
    pub(super) fn one(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.trim().to_owned()),
            Self::Json(value @ (Value::String(_) | Value::Number(_))) => Some(text_of(value).trim().to_owned()),
            Self::Texts(texts) if texts.len() == 1 => texts.first().map(|text| text.trim().to_owned()),
            Self::Rendered(pieces) if pieces.len() == 1 => pieces.first().map(Piece::line),
            Self::Texts(_) | Self::Json(_) | Self::Rendered(_) => None,
        }
    }

    /// The texts that it is: listed, or separated by commas or lines, unless the whole is `known`. Of what a template
    /// gave, only the template's own commas and lines separate.
    pub(super) fn many(&self, known: impl Fn(&str) -> bool) -> Option<Vec<String>> {
        match self {
            Self::Texts(texts) => Some(texts.iter().map(|text| text.trim().to_owned()).collect()),
            Self::Json(Value::Array(items)) => Some(items.iter().map(|item| text_of(item).trim().to_owned()).collect()),
            Self::Rendered(pieces) => {
                let each = pieces.iter().flat_map(|piece| match piece {
                    Piece::Made(text) if !known(&text.line()) => text.entries(),
                    one => vec![one.line()],
                });
                Some(each.filter(|text| !text.is_empty()).collect())
            }
            Self::Text(_) | Self::Json(_) => {
                let text = self.one()?;
                if known(&text) {
                    return Some(vec![text]);
                }
                let parts = text.split([',', '\n']).map(str::trim).filter(|part| !part.is_empty());
                Some(parts.map(str::to_owned).collect())
            }
        }
    }

    /// The value as it is, for types this program does not know.
    pub(super) fn raw(&self) -> Option<Value> {
        match self {
            Self::Text(_) | Self::Rendered(_) => None,
            Self::Texts(texts) => Some(json!(texts)),
            Self::Json(value) => Some(value.clone()),
        }
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

pub(super) fn wishes(fields: &Fields) -> Vec<Wish<'_>> {
    let wish = |label: &'static str, wanted: &'static str, said: Said| Wish { label, wanted, said };
    let list = |values: &Vec<String>| (!values.is_empty()).then(|| Said::Texts(values.clone()));
    let text = |value: &Option<String>| value.clone().map(Said::Text);
    let known = [
        ("components", "components", list(&fields.components)),
        ("fixVersions", "fixVersions", list(&fields.fix_versions)),
        ("affectsVersions", "versions", list(&fields.affects_versions)),
        ("parent", "parent", text(&fields.parent)),
        ("environment", "environment", text(&fields.environment)),
        ("securityLevel", "security", text(&fields.security_level)),
    ];
    let known = known
        .into_iter()
        .filter_map(|(label, wanted, said)| Some(wish(label, wanted, said?)));
    let custom = fields.custom.iter().map(|custom| Wish {
        label: &custom.field,
        wanted: &custom.field,
        said: Said::of(custom).unwrap_or(Said::Json(Value::Null)),
    });
    known.chain(custom).collect()
}
