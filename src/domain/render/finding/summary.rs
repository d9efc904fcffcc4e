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
    let package = given(vulnerability.package)
        .map(|package| format!(" in {}", versioned(package, vulnerability.installed_version)));
    let title = bare_title(content.title, id, vulnerability.package);
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

/// The title without the identifier and package which stand before it anyway.
fn bare_title<'a>(title: &'a str, id: &str, package: Option<&str>) -> &'a str {
    let mut rest = title.trim();
    for known in [Some(id), package].into_iter().flatten() {
        if let Some(after) = rest
            .get(..known.len())
            .filter(|start| start.eq_ignore_ascii_case(known))
            .map(|_| &rest[known.len()..])
            && (after.is_empty() || after.starts_with([':', ' ', '-']))
        {
            rest = after.trim_start_matches([':', ' ', '-']);
        }
    }
    rest
}
