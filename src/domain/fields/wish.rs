//! What a user said about the fields of an issue.

use serde_json::{Value, json};

use crate::api::fields::{CustomField, Fields};

/// What a user said about one field.
pub(super) struct Wish<'a> {
    /// How the user named it.
    pub(super) label: &'a str,
    /// Id or name to look for.
    pub(super) wanted: &'a str,
    pub(super) said: Said,
}

/// A value as it was said. Texts may come out of templates before they get here.
#[derive(Clone, Debug)]
pub(super) enum Said {
    Text(String),
    Texts(Vec<String>),
    Json(Value),
}

impl Said {
    fn of(custom: &CustomField) -> Option<Self> {
        match (&custom.value, &custom.json) {
            (Some(text), None) => Some(Self::Text(text.clone())),
            (None, Some(value)) => Some(Self::Json(value.clone())),
            _ => None,
        }
    }

    /// The one text that it is, if it is one.
    pub(super) fn one(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.trim().to_owned()),
            Self::Json(value @ (Value::String(_) | Value::Number(_))) => Some(text_of(value).trim().to_owned()),
            Self::Texts(texts) if texts.len() == 1 => texts.first().map(|text| text.trim().to_owned()),
            Self::Texts(_) | Self::Json(_) => None,
        }
    }

    /// The texts that it is: listed, or separated by commas or lines, unless the whole is `known`.
    pub(super) fn many(&self, known: impl Fn(&str) -> bool) -> Option<Vec<String>> {
        match self {
            Self::Texts(texts) => Some(texts.iter().map(|text| text.trim().to_owned()).collect()),
            Self::Json(Value::Array(items)) => Some(items.iter().map(|item| text_of(item).trim().to_owned()).collect()),
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
            Self::Text(_) => None,
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
