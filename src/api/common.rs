//! Small types that more than one kind uses.

use std::{fmt, str::FromStr, time::Duration};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Takes the description of a type out of its schema. An optional field would show it in place of the field's own.
pub(super) fn undescribed(schema: &mut schemars::Schema) {
    schema.remove("description");
}

/// How bad a finding is. Ordered: `Unknown` is the lowest, `Critical` the highest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = undescribed)]
pub enum Severity {
    /// The producer did not say. Sorts below everything else.
    #[default]
    Unknown,
    /// Worth knowing, nothing to fix.
    Informational,
    /// Low.
    Low,
    /// Medium.
    Medium,
    /// High.
    High,
    /// Critical.
    Critical,
    /// A value this version of the operator does not know; shown as a condition of the object.
    #[serde(other)]
    #[schemars(skip)]
    Unrecognised,
}

impl Severity {
    /// The six values a user can write, highest first.
    pub const ALL: [Self; 6] = [
        Self::Critical,
        Self::High,
        Self::Medium,
        Self::Low,
        Self::Informational,
        Self::Unknown,
    ];

    /// The value as written in a manifest.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "Unknown",
            Self::Informational => "Informational",
            Self::Low => "Low",
            Self::Medium => "Medium",
            Self::High => "High",
            Self::Critical => "Critical",
            Self::Unrecognised => "Unrecognised",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a finding stands, in the words of security tools.
///
/// `domain::state::table` has the one table of which states are open and which Jira status category each one means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = undescribed)]
pub enum State {
    /// Present and not worked on.
    #[default]
    Active,
    /// Somebody works on it.
    InProgress,
    /// No longer present.
    Fixed,
    /// Deliberately not acted on.
    Ignored,
    /// The risk is accepted.
    AcceptedRisk,
    /// Not a real problem.
    FalsePositive,
    /// An exception has been asked for.
    ExceptionRequested,
    /// May be a problem; not confirmed.
    Potential,
    /// Cannot be fixed before somebody outside has acted.
    WaitingForThirdParty,
    /// The same problem is tracked elsewhere.
    Duplicate,
    /// A value this version of the operator does not know; shown as a condition of the object.
    #[serde(other)]
    #[schemars(skip)]
    Unrecognised,
}

impl State {
    /// The value as written in a manifest.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::InProgress => "InProgress",
            Self::Fixed => "Fixed",
            Self::Ignored => "Ignored",
            Self::AcceptedRisk => "AcceptedRisk",
            Self::FalsePositive => "FalsePositive",
            Self::ExceptionRequested => "ExceptionRequested",
            Self::Potential => "Potential",
            Self::WaitingForThirdParty => "WaitingForThirdParty",
            Self::Duplicate => "Duplicate",
            Self::Unrecognised => "Unrecognised",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A span of time such as `90s`, `10m`, `6h` or `30d`; parts can be joined (`1h30m`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period(pub Duration);

impl Period {
    /// A period of whole seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || format!("{text:?} is not a period; write for example 90s, 10m, 6h or 30d");
        let mut total = Duration::ZERO;
        let mut rest = text;
        if rest.is_empty() {
            return Err(refused());
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(refused)?;
            let number: u64 = rest[..digits].parse().map_err(|_| refused())?;
            let after = &rest[digits..];
            let (unit, length) = if after.starts_with("ms") {
                (Duration::from_millis(1), 2)
            } else {
                let seconds = match after.as_bytes().first() {
                    Some(b's') => 1,
                    Some(b'm') => 60,
                    Some(b'h') => 3_600,
                    Some(b'd') => 86_400,
                    _ => return Err(refused()),
                };
                (Duration::from_secs(seconds), 1)
            };
            let part = u32::try_from(number)
                .ok()
                .and_then(|number| unit.checked_mul(number))
                .ok_or_else(refused)?;
            total = total.checked_add(part).ok_or_else(refused)?;
            rest = &after[length..];
        }
        Ok(Self(total))
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = self.0.as_millis();
        if left == 0 {
            return f.write_str("0s");
        }
        for (unit, millis) in [
            ("d", 86_400_000),
            ("h", 3_600_000),
            ("m", 60_000),
            ("s", 1_000),
            ("ms", 1),
        ] {
            if left >= millis {
                write!(f, "{}{unit}", left / millis)?;
                left %= millis;
            }
        }
        Ok(())
    }
}

impl Serialize for Period {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Period {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Period".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "maxLength": 20,
            "pattern": "^([0-9]{1,6}(ms|s|m|h|d))+$",
        })
    }
}

/// Which namespaces are meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum NamespacesFrom {
    /// Only the namespace of the object itself.
    #[default]
    Same,
    /// Every namespace the operator watches.
    All,
    /// The namespaces whose labels match `selector`.
    Selector,
    /// A value this version of the operator does not know; treated as `Same`.
    #[serde(other)]
    #[schemars(skip)]
    Unrecognised,
}

/// A choice of namespaces.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "(has(self.from) && self.from == 'Selector') == has(self.selector)",
    "message": "selector must be set when from is Selector, and only then"
}]))]
pub struct NamespaceSelection {
    /// `Same` (the default), `All` or `Selector`.
    #[serde(default)]
    pub from: NamespacesFrom,
    /// Labels a namespace must carry. Only with `from: Selector`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
}

/// One key of a Secret in the namespace of the object that names it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Key inside the Secret.
    #[serde(default = "default_token_key")]
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

fn default_token_key() -> String {
    "token".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_round_trip() {
        for text in ["90s", "0s", "10m", "6h", "30d", "1h30m", "250ms"] {
            let period: Period = text.parse().unwrap();
            assert_eq!(period.to_string().parse::<Period>().unwrap(), period, "{text}");
        }
        for text in ["", "10", "m", "-1s", "1w", "99999999999999999999s"] {
            assert!(text.parse::<Period>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_unknown_value_is_read_and_shown_instead_of_stopping_the_list() {
        assert_eq!(
            serde_json::from_str::<State>("\"FromTheFuture\"").unwrap(),
            State::Unrecognised
        );
        assert_eq!(
            serde_json::from_str::<Severity>("\"Apocalyptic\"").unwrap(),
            Severity::Unrecognised
        );
    }
}
