//! Meaning of a parsed query: resolves names once, then tests issues.

use std::cmp::Ordering;
use std::collections::HashSet;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde_json::Value;

use crate::http::Ctx;
use crate::jql::{Expr, Op, Operand};
use crate::site::Named;
use crate::state::{Issue, State};

/// A query whose values were resolved.
pub struct Matcher(Test);

enum Test {
    And(Vec<Test>),
    Or(Vec<Test>),
    Not(Box<Test>),
    /// The field holds one of the values; empty counts where the flag is set.
    Any {
        field: String,
        values: HashSet<String>,
        empty: bool,
        negate: bool,
    },
    Time {
        field: String,
        op: Op,
        at: Timestamp,
    },
    Order {
        field: String,
        op: Op,
        than: f64,
    },
    Text {
        field: String,
        words: Vec<String>,
        negate: bool,
    },
}

/// The one name under which a field goes here.
fn canonical(field: &str) -> Option<&'static str> {
    Some(match field {
        "project" => "project",
        "labels" | "label" => "labels",
        "key" | "issuekey" | "issue" | "id" => "key",
        "status" => "status",
        "statuscategory" => "statusCategory",
        "creator" => "creator",
        "reporter" => "reporter",
        "assignee" => "assignee",
        "created" | "createddate" => "created",
        "updated" | "updateddate" => "updated",
        "resolved" | "resolutiondate" => "resolved",
        "due" | "duedate" => "due",
        "issuetype" | "type" => "issuetype",
        "priority" => "priority",
        "resolution" => "resolution",
        "component" => "component",
        "fixversion" => "fixVersion",
        "affectedversion" => "affectedVersion",
        "parent" => "parent",
        "summary" => "summary",
        "description" => "description",
        "comment" => "comment",
        "text" => "text",
        _ => return None,
    })
}

impl Matcher {
    /// Resolves; the error is Jira's text of a 400.
    pub fn new(cx: &Ctx, filter: &Expr, order: &[(String, bool)]) -> Result<Self, String> {
        for (field, _) in order {
            canonical(field).ok_or_else(|| no_field(field))?;
        }
        build(cx, filter).map(Self)
    }

    /// Whether an issue matches.
    pub fn hit(&self, st: &State, issue: &Issue) -> bool {
        test(st, &self.0, issue)
    }
}

fn no_field(field: &str) -> String {
    format!("Field '{field}' does not exist or you do not have permission to view it.")
}

fn build(cx: &Ctx, expr: &Expr) -> Result<Test, String> {
    let all = |parts: &[Expr]| parts.iter().map(|p| build(cx, p)).collect::<Result<Vec<_>, _>>();
    match expr {
        Expr::And(parts) => Ok(Test::And(all(parts)?)),
        Expr::Or(parts) => Ok(Test::Or(all(parts)?)),
        Expr::Not(inner) => Ok(Test::Not(Box::new(build(cx, inner)?))),
        Expr::Text(text) => Ok(text_test("text", text, false)),
        Expr::Clause { field, op, values } => clause(cx, field, *op, values),
    }
}

fn text_test(field: &str, text: &str, negate: bool) -> Test {
    let words = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|w| !w.is_empty())
        .map(str::to_lowercase);
    Test::Text {
        field: field.into(),
        words: words.collect(),
        negate,
    }
}

fn clause(cx: &Ctx, name: &str, op: Op, values: &[Operand]) -> Result<Test, String> {
    let field = canonical(name).ok_or_else(|| no_field(name))?;
    let unsupported = || {
        let sign = match op {
            Op::Has | Op::HasNot => "~",
            Op::Lt | Op::Le | Op::Gt | Op::Ge => "<>",
            _ => "=",
        };
        Err(format!("The operator '{sign}' is not supported by the '{name}' field."))
    };
    match (field, op) {
        ("summary" | "description" | "comment" | "text", Op::Has | Op::HasNot) => match &values[0] {
            Operand::Value(text) => Ok(text_test(field, text, op == Op::HasNot)),
            _ => unsupported(),
        },
        ("summary" | "description" | "comment" | "text", Op::Is | Op::IsNot) => set(cx, field, name, op, values),
        ("summary" | "description" | "comment" | "text", _)
        | (_, Op::Has | Op::HasNot)
        | ("created" | "updated" | "resolved" | "due", Op::In | Op::NotIn) => unsupported(),
        ("created" | "updated" | "resolved" | "due", op) if values[0] != Operand::Empty => Ok(Test::Time {
            field: field.into(),
            op,
            at: instant(cx, name, &values[0])?,
        }),
        ("key" | "priority", Op::Lt | Op::Le | Op::Gt | Op::Ge) => {
            let Operand::Value(value) = &values[0] else {
                return unsupported();
            };
            let than = match field {
                "key" => key_number(&resolve(cx, field, name, value)?[0]),
                _ => rank(cx.st, &resolve(cx, field, name, value)?[0]),
            };
            Ok(Test::Order {
                field: field.into(),
                op,
                than,
            })
        }
        (_, Op::Lt | Op::Le | Op::Gt | Op::Ge) => unsupported(),
        _ => set(cx, field, name, op, values),
    }
}

fn set(cx: &Ctx, field: &str, name: &str, op: Op, values: &[Operand]) -> Result<Test, String> {
    let mut test = (HashSet::new(), false);
    for value in values {
        match value {
            Operand::Empty => test.1 = true,
            Operand::Value(value) => test.0.extend(resolve(cx, field, name, value)?),
            Operand::Call(function, _) if function == "currentuser" => {
                let user = ["creator", "reporter", "assignee"].contains(&field);
                if !user {
                    return Err(format!(
                        "A value provided by the function 'currentUser' is invalid for the field '{name}'."
                    ));
                }
                test.0.extend(cx.caller.account().map(String::from));
            }
            Operand::Call(function, _) => {
                return Err(format!("Unable to find JQL function '{function}()'."));
            }
        }
    }
    let negate = matches!(op, Op::Ne | Op::NotIn | Op::IsNot);
    Ok(Test::Any {
        field: field.into(),
        values: test.0,
        empty: test.1,
        negate,
    })
}

/// A written value to the ids it may mean; unknown ones are refused where
/// Jira refuses them.
fn resolve(cx: &Ctx, field: &str, name: &str, value: &str) -> Result<Vec<String>, String> {
    let st = &cx.st;
    let same = |text: &str| text.eq_ignore_ascii_case(value);
    let named = |known: &mut dyn Iterator<Item = &Named>| -> Vec<String> {
        known
            .filter(|n| n.id == value || same(&n.name))
            .map(|n| n.id.clone())
            .collect()
    };
    let projects = || st.site.projects.iter().filter(|p| cx.may("BROWSE_PROJECTS", &p.key));
    let found: Vec<String> = match field {
        "project" => projects()
            .filter(|p| p.id == value || same(&p.key) || same(&p.name))
            .map(|p| p.key.clone())
            .collect(),
        "labels" => vec![value.into()],
        "key" | "parent" => cx.visible(value).ok().map(|id| id.to_string()).into_iter().collect(),
        "status" => {
            let hits = st.site.statuses.iter().filter(|s| s.id == value || same(&s.name));
            hits.map(|s| s.id.clone()).collect()
        }
        "statusCategory" => {
            let hits = st.site.statuses.iter().map(|s| s.category);
            let hit = |c: &crate::site::Category| same(c.key()) || same(c.name()) || c.id().to_string() == value;
            hits.filter(hit).map(|c| c.key().to_string()).collect()
        }
        "issuetype" => {
            let types = projects()
                .flat_map(|p| &p.issue_types)
                .filter(|t| t.id == value || same(&t.name));
            types.map(|t| t.id.clone()).collect()
        }
        "priority" => named(&mut st.site.priorities.iter()),
        "resolution" if same("unresolved") => vec!["\0none".into()],
        "resolution" => named(&mut st.site.resolutions.iter()),
        "component" => named(&mut projects().flat_map(|p| &p.components)),
        "fixVersion" | "affectedVersion" => named(&mut projects().flat_map(|p| &p.versions)),
        _ => {
            let users = st.site.users.iter();
            let hit = |u: &&crate::site::User| u.account_id == value || same(&u.display_name) || same(&u.email);
            users.filter(hit).map(|u| u.account_id.clone()).collect()
        }
    };
    if !found.is_empty() {
        return Ok(found);
    }
    Err(match field {
        "key" if name == "id" => format!("A value with ID '{value}' does not exist for the field 'id'."),
        "key" => format!("An issue with key '{value}' does not exist for field '{name}'."),
        _ => format!("The value '{value}' does not exist for the field '{name}'."),
    })
}

/// A date of JQL: relative to now, or absolute in the caller's zone; both to
/// the minute (T6).
fn instant(cx: &Ctx, field: &str, value: &Operand) -> Result<Timestamp, String> {
    let user = cx.caller.account().and_then(|a| cx.st.site.user(a));
    let zone = user
        .and_then(|u| TimeZone::get(&u.time_zone).ok())
        .unwrap_or_else(|| cx.st.zone.clone());
    let now = cx.st.now();
    let floor = |t: Timestamp| Timestamp::from_second(t.as_second().div_euclid(60) * 60).unwrap_or(t);
    let text = match value {
        Operand::Call(function, _) if function == "now" => return Ok(now),
        Operand::Call(function, _) if function == "startofday" => {
            return now
                .to_zoned(zone)
                .start_of_day()
                .map(|z| z.timestamp())
                .map_err(|e| e.to_string());
        }
        Operand::Value(text) => text.trim(),
        _ => return Err(format!("Date value for field '{field}' is invalid.")),
    };
    let bad = || {
        format!(
            "Date value '{text}' for field '{field}' is invalid. Valid formats include: 'yyyy/MM/dd HH:mm', \
             'yyyy-MM-dd HH:mm', 'yyyy/MM/dd', 'yyyy-MM-dd', or a period format e.g. '-5d', '4w 2d'."
        )
    };
    if let Some(shift) = period(text) {
        return Ok(floor(now + shift));
    }
    if let Ok(millis) = text.parse::<i64>() {
        return Timestamp::from_millisecond(millis).map_err(|_| bad());
    }
    let text = text.replace('/', "-");
    let civil = DateTime::strptime("%Y-%m-%d %H:%M", &text)
        .or_else(|_| jiff::civil::Date::strptime("%Y-%m-%d", &text).map(|d| d.at(0, 0, 0, 0)))
        .map_err(|_| bad())?;
    zone.to_zoned(civil).map(|z| z.timestamp()).map_err(|_| bad())
}

/// `-15m`, `-2h`, `-3d`, `-1w`, several with blanks.
fn period(text: &str) -> Option<SignedDuration> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut minutes = 0_i64;
    for part in digits.split_whitespace() {
        let unit = match part.chars().last()? {
            'm' => 1,
            'h' => 60,
            'd' => 1440,
            'w' => 10_080,
            _ => return None,
        };
        minutes = minutes.checked_add(part[..part.len() - 1].parse::<i64>().ok()?.checked_mul(unit)?)?;
    }
    (!digits.is_empty()).then(|| SignedDuration::from_mins(if negative { -minutes } else { minutes }))
}

fn texts(value: Option<&Value>) -> Vec<&str> {
    match value {
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(text)) => vec![text],
        _ => Vec::new(),
    }
}

fn test(st: &State, wanted: &Test, issue: &Issue) -> bool {
    match wanted {
        Test::And(parts) => parts.iter().all(|p| test(st, p, issue)),
        Test::Or(parts) => parts.iter().any(|p| test(st, p, issue)),
        Test::Not(inner) => !test(st, inner, issue),
        Test::Any {
            field,
            values,
            empty,
            negate,
        } => {
            let id;
            let category;
            let held: Vec<&str> = match field.as_str() {
                "project" => vec![&issue.project],
                "key" => {
                    id = issue.id.to_string();
                    vec![&id]
                }
                "status" => vec![&issue.status],
                "statusCategory" => {
                    category = st.status_of(issue).category;
                    vec![category.key()]
                }
                "creator" => vec![&issue.creator],
                "issuetype" => vec![&issue.issue_type],
                "resolution" => vec![issue.resolution.as_deref().unwrap_or("\0none")],
                "resolved" => issue.resolved.iter().map(|_| "set").collect(),
                "created" | "updated" => vec!["set"],
                "component" => texts(issue.fields.get("components")),
                "fixVersion" => texts(issue.fields.get("fixVersions")),
                "affectedVersion" => texts(issue.fields.get("versions")),
                "due" => texts(issue.fields.get("duedate")),
                "description" => issue.fields.get("description").iter().map(|_| "set").collect(),
                "comment" => issue.comments.iter().map(|_| "set").collect(),
                other => texts(issue.fields.get(other)),
            };
            let none = held.is_empty() || held == ["\0none"];
            let hit = (*empty && none) || held.iter().any(|h| values.contains(*h));
            // A negative comparison with values does not find empty fields.
            if *negate {
                !hit && (*empty || !held.is_empty())
            } else {
                hit
            }
        }
        Test::Time { field, op, at } => {
            let held = match field.as_str() {
                "created" => Some(issue.created),
                "updated" => Some(issue.updated),
                "resolved" => issue.resolved,
                _ => issue.fields.get("duedate").and_then(Value::as_str).and_then(|d| {
                    let day: jiff::civil::Date = d.parse().ok()?;
                    day.to_zoned(st.zone.clone()).ok().map(|z| z.timestamp())
                }),
            };
            held.is_some_and(|held| match op {
                Op::Eq => held >= *at && held < *at + 1.minute(),
                Op::Ne => held < *at || held >= *at + 1.minute(),
                op => ordered(*op, held.cmp(at)),
            })
        }
        Test::Order { field, op, than } => {
            let held = match field.as_str() {
                "key" => key_number(&issue.id.to_string()),
                _ => issue
                    .fields
                    .get("priority")
                    .and_then(Value::as_str)
                    .map_or(f64::NAN, |p| rank(st, p)),
            };
            held.partial_cmp(than).is_some_and(|o| ordered(*op, o))
        }
        Test::Text { field, words, negate } => {
            let mut text = String::new();
            if field != "description" && field != "comment" {
                text.push_str(issue.fields.get("summary").and_then(Value::as_str).unwrap_or_default());
            }
            if field == "text" || field == "description" {
                text.push('\n');
                text.push_str(
                    &issue
                        .fields
                        .get("description")
                        .map(crate::adf::plain_text)
                        .unwrap_or_default(),
                );
            }
            if field == "text" || field == "comment" {
                for comment in &issue.comments {
                    text.push('\n');
                    text.push_str(&crate::adf::plain_text(&comment.body));
                }
            }
            let text = text.to_lowercase();
            (!words.is_empty() && words.iter().all(|w| text.contains(w.as_str()))) != *negate
        }
    }
}

fn ordered(op: Op, order: Ordering) -> bool {
    match op {
        Op::Lt => order.is_lt(),
        Op::Le => order.is_le(),
        Op::Gt => order.is_gt(),
        _ => order.is_ge(),
    }
}

#[allow(clippy::cast_precision_loss, reason = "ids are small")]
fn key_number(id: &str) -> f64 {
    id.parse::<u64>().map_or(f64::NAN, |n| n as f64)
}

/// Priorities are written highest first; a higher one ranks higher.
#[allow(clippy::cast_precision_loss, reason = "a handful of priorities")]
fn rank(st: &State, id: &str) -> f64 {
    st.site
        .priorities
        .iter()
        .position(|p| p.id == id)
        .map_or(f64::NAN, |at| -(at as f64))
}

/// Order of two issues by a field of ORDER BY.
pub fn compare(st: &State, field: &str, a: &Issue, b: &Issue) -> Ordering {
    let text = |i: &Issue, name: &str| {
        i.fields
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_string()
    };
    match canonical(field) {
        Some("created") => a.created.cmp(&b.created),
        Some("updated") => a.updated.cmp(&b.updated),
        Some("resolved") => a.resolved.cmp(&b.resolved),
        Some("key") if field == "id" => a.id.cmp(&b.id),
        Some("key") => {
            let parts = |i: &Issue| {
                let (project, number) = i.key.rsplit_once('-').unwrap_or((&i.key, "0"));
                (project.to_string(), number.parse::<u64>().unwrap_or_default())
            };
            parts(a).cmp(&parts(b))
        }
        Some("priority") => {
            let of = |i: &Issue| rank(st, &text(i, "priority"));
            of(a).partial_cmp(&of(b)).unwrap_or(Ordering::Equal)
        }
        Some("status") => a.status.cmp(&b.status),
        Some("project") => a.project.cmp(&b.project),
        Some("due") => text(a, "duedate").cmp(&text(b, "duedate")),
        Some("summary") => text(a, "summary").cmp(&text(b, "summary")),
        _ => Ordering::Equal,
    }
}
