//! The line that a board shows.

use super::super::limits;
use super::{TicketContent, given, shared, versioned};

pub(super) fn of(content: &TicketContent<'_>) -> String {
    let severity = content.severity.trim();
    let mark = if severity.is_empty() {
        String::new()
    } else {
        format!("[{severity}] ")
    };
    let subject = if content.members.len() > 1 {
        group_subject(content)
    } else {
        single_subject(content)
    };
    let fallback = format!("{mark}Security finding {}/{}", content.namespace, content.name);
    limits::summary(
        &if subject.trim().is_empty() {
            String::new()
        } else {
            format!("{mark}{subject}")
        },
        &fallback,
    )
}

/// `CVE-2021-42378 in busybox 1.31.1-r10 (juice-shop:v12.10.2): use-after-free in awk applet`
fn single_subject(content: &TicketContent<'_>) -> String {
    let place = content
        .asset
        .short()
        .map(|place| format!(" ({place})"))
        .unwrap_or_default();
    let vulnerability = content.vulnerability.clone().unwrap_or_default();
    let Some(id) = given(vulnerability.id) else {
        return format!("{}{place}", content.title.trim());
    };
    let title = bare_title(content.title, id, vulnerability.package);
    let package = given(vulnerability.package)
        .filter(|package| !names(title, package))
        .map(|package| format!(" in {}", versioned(package, vulnerability.installed_version)));
    let title = if title.is_empty() {
        String::new()
    } else {
        format!(": {title}")
    };
    format!("{id}{}{place}{title}", package.unwrap_or_default())
}

/// What the members have in common, without counting them: a number in the summary would change, and notify
/// everybody, with every member that comes or goes.
fn group_subject(content: &TicketContent<'_>) -> String {
    let place = shared(content.members, |member| member.asset.short());
    let at = place.map(|place| format!(" ({place})")).unwrap_or_default();
    if let Some(id) = shared(content.members, |member| member.vulnerability_id().map(str::to_owned)) {
        let package = shared(content.members, |member| member.package().map(str::to_owned));
        let title = bare_title(content.title, &id, package.as_deref());
        let title = if title.is_empty() {
            String::new()
        } else {
            format!(": {title}")
        };
        let package = package.map_or_else(|| " in several places".to_owned(), |package| format!(" in {package}"));
        return format!("{id}{package}{at}{title}");
    }
    if let Some(package) = shared(content.members, |member| member.package().map(str::to_owned)) {
        return format!("Several findings for {package}{at}");
    }
    if let Some(title) = shared(content.members, |member| given(Some(member.title)).map(str::to_owned)) {
        return format!("{title}{at}");
    }
    match shared(content.members, |member| member.asset.short()) {
        Some(place) => format!("Several findings in {place}"),
        None => format!("{} and other findings", content.title.trim()),
    }
}

/// The title without the identifier and package which stand before it anyway: `CVE-1 in busybox: x` is `x`.
fn bare_title<'a>(title: &'a str, id: &str, package: Option<&str>) -> &'a str {
    let rest = without(title.trim(), id);
    let Some(package) = given(package) else { return rest };
    let inside = without(rest, "in");
    [inside, rest]
        .into_iter()
        .map(|text| (text, without(text, package)))
        .find(|(text, bare)| text != bare)
        .map_or(rest, |(_, bare)| bare)
}

/// The text without a word that it begins with, and what parts it from the rest.
fn without<'a>(text: &'a str, word: &str) -> &'a str {
    let begins = text
        .get(..word.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(word));
    match text.get(word.len()..) {
        Some(after) if begins && (after.is_empty() || after.starts_with([':', ' ', '-'])) => {
            after.trim_start_matches([':', ' ', '-'])
        }
        _ => text,
    }
}

/// Whether a text has a name in it, not as a part of a longer one.
fn names(text: &str, name: &str) -> bool {
    let (text, name) = (text.to_lowercase(), name.to_lowercase());
    let part = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    text.match_indices(&name).any(|(at, found)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let after = text.get(at + found.len()..).and_then(|after| after.chars().next());
        !before.is_some_and(part) && !after.is_some_and(part)
    })
}
