//! Which findings share an issue: the grouping of a `TicketConfiguration`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which findings share an issue. Findings that agree in all values of `by` are of one group; a group that is too large
/// for one issue has several. A finding keeps the issue it has when this is changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Grouping {
    /// What the findings of one issue have in common: paths below `spec`, for example `asset.name`, `vulnerability.id` or
    /// `properties.team`, or labels of the finding as `metadata.labels.<label>`. The order does not matter. A finding that
    /// has none of the values gets an issue of its own.
    #[schemars(
        length(min = 1, max = 8),
        inner(length(min = 1, max = 320), regex(pattern = r"^[a-z][A-Za-z]*(\.[A-Za-z0-9._/-]+)*$")),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub by: Vec<String>,
    /// Most findings that are open in one issue. Those that come later go to a further issue of the group. From 1 to 200,
    /// default 50.
    #[serde(default = "default_max_findings")]
    #[schemars(range(min = 1, max = 200))]
    pub max_findings: u32,
    /// Whether findings of several namespaces share an issue. What one namespace reports is then read by whoever reads
    /// the issue, and the issue is closed when all namespaces have fixed their findings. Default: each namespace has
    /// issues of its own.
    #[serde(default)]
    pub across_namespaces: bool,
}

const fn default_max_findings() -> u32 {
    50
}
