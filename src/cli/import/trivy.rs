//! Reads the JSON reports of Trivy, of all the shapes it has had.
//!
//! A report is read as loose JSON: fields come and go between Trivy's versions, and a missing one
//! must not cost the whole report. What is used for identity is chosen to survive re-scans: no
//! times, no layers, no positions in arrays; the identifiers of checks in one form.

use serde_json::Value;

use crate::api::Severity;

use super::manifest::{Fields, Finding};

const ASSET: usize = 1024;

/// What was found in a report.
#[derive(Default)]
pub struct Report {
    pub findings: Vec<Finding>,
    pub entries: usize,
    pub skipped: usize,
}

/// All findings of a report; `None` if it is none of Trivy's.
pub fn findings(report: &Value, cluster: Option<&str>) -> Option<Report> {
    const NESTS: [&str; 4] = ["Resources", "Vulnerabilities", "Misconfigurations", "Findings"];
    let mut read = Report::default();
    if let Value::Array(results) = report {
        // Schema 1: nothing but results. An empty one is a report without findings.
        if !results.iter().all(|result| result["Target"].is_string()) {
            return None;
        }
        for result in results {
            read.result(
                result,
                &Scope {
                    cluster,
                    ..Scope::default()
                },
            );
        }
        return Some(read);
    }
    let members = report.as_object()?;
    let nested = NESTS.iter().any(|nest| members.contains_key(*nest)) || members.contains_key("ClusterName");
    let flat = ["SchemaVersion", "Results", "ArtifactName"]
        .iter()
        .any(|key| members.contains_key(*key));
    if !nested && !flat
        || members
            .get("Results")
            .is_some_and(|results| !results.is_array() && !results.is_null())
    {
        return None;
    }
    let cluster = cluster.or(text(report, "ClusterName"));
    let scope = Scope {
        cluster,
        artifact: text(report, "ArtifactName"),
        artifact_type: text(report, "ArtifactType"),
        digest: digest_of(&report["Metadata"]),
        ..Scope::default()
    };
    for result in items(report, "Results") {
        read.result(result, &scope);
    }
    for resource in NESTS.iter().flat_map(|nest| items(report, nest)) {
        let scope = Scope {
            cluster,
            kind: text(resource, "Kind"),
            namespace: text(resource, "Namespace"),
            name: text(resource, "Name"),
            ..Scope::default()
        };
        for result in items(resource, "Results") {
            read.result(result, &scope);
        }
    }
    Some(read)
}

/// What the results of one scan have in common.
#[derive(Default)]
struct Scope<'a> {
    cluster: Option<&'a str>,
    artifact: Option<&'a str>,
    artifact_type: Option<&'a str>,
    digest: Option<&'a str>,
    kind: Option<&'a str>,
    namespace: Option<&'a str>,
    name: Option<&'a str>,
}

/// One entry on its way to a finding.
struct Entry<'a> {
    value: &'a Value,
    result: &'a Value,
    scope: &'a Scope<'a>,
    /// The target without the distribution, which is no part of a place.
    target: &'a str,
}

impl Report {
    fn result(&mut self, result: &Value, scope: &Scope<'_>) {
        let target = bare_target(result);
        type Reader<'a> = fn(&Entry<'a>) -> Option<Finding>;
        let readers: [(&str, Reader<'_>); 4] = [
            ("Vulnerabilities", Entry::vulnerability),
            ("Misconfigurations", Entry::misconfiguration),
            ("Secrets", Entry::secret),
            ("Licenses", Entry::license),
        ];
        for (list, reader) in readers {
            for value in items(result, list) {
                self.entries += 1;
                match reader(&Entry {
                    value,
                    result,
                    scope,
                    target,
                }) {
                    Some(finding) => self.findings.push(finding),
                    None => self.skipped += 1,
                }
            }
        }
    }
}

impl Entry<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        text(self.value, name)
    }

    fn vulnerability(&self) -> Option<Finding> {
        let id = self.text("VulnerabilityID")?;
        let package = self.text("PkgName").unwrap_or_default();
        let installed = self.text("InstalledVersion").unwrap_or_default();
        let path = self.text("PkgPath").unwrap_or_default();
        let purl = text(&self.value["PkgIdentifier"], "PURL").or(self.text("PkgRef"));
        let os_packages = self.is_os_packages();

        let mut vulnerability = Fields::default();
        vulnerability.line("id", Some(id), 128);
        let mut others: Vec<&str> = strings(self.value, "VendorIDs")
            .chain(strings(self.value, "CweIDs"))
            .collect();
        others.sort_unstable();
        vulnerability.list("identifiers", others.into_iter(), 50, 128, false);
        vulnerability.line("cvss", self.score().as_deref(), 16);
        vulnerability.line("package", Some(package), 512);
        vulnerability.line("installedVersion", Some(installed), 256);
        vulnerability.line("fixedVersion", self.text("FixedVersion"), 256);

        let mut properties = Fields::default();
        properties.line("purl", purl, 4096);
        properties.line("status", self.text("Status"), 4096);
        properties.line("severitySource", self.text("SeveritySource"), 4096);
        properties.line("publishedDate", self.text("PublishedDate"), 4096);

        let title = self
            .text("Title")
            .map_or_else(|| format!("{id} in {package}"), str::to_owned);
        let location = if path.is_empty() {
            (!os_packages).then_some(self.target)
        } else {
            Some(path)
        };
        let mut spec = self.common("Vulnerability", &title, Some(id), location);
        spec.text("description", self.text("Description"), 65_536);
        spec.object("vulnerability", vulnerability);
        if self.text("FixedVersion").is_none() {
            spec.text("remediation", self.text("Status").and_then(without_fix), 65_536);
        }
        spec.object("properties", properties);
        Some(self.finding(
            &format!("{id} {package}"),
            spec,
            &["vulnerability", id, package, path, installed],
            &[purl.unwrap_or_default(), self.text("PkgID").unwrap_or_default()],
        ))
    }

    fn misconfiguration(&self) -> Option<Finding> {
        if !self.text("Status").unwrap_or("FAIL").eq_ignore_ascii_case("FAIL") {
            return None;
        }
        let id = check_id(self.text("ID").or(self.text("AVDID"))?);
        let cause = &self.value["CauseMetadata"];
        let resource = text(cause, "Resource").unwrap_or_default();
        let (start, end) = (number(cause, "StartLine"), number(cause, "EndLine"));
        let message = self.text("Message").unwrap_or_default();

        let mut evidence = message.trim().to_owned();
        let code = code_lines(&cause["Code"]);
        if !code.is_empty() {
            evidence = format!("{evidence}\n\n{code}");
        }
        let mut properties = Fields::default();
        properties.line("provider", text(cause, "Provider"), 4096);
        properties.line("service", text(cause, "Service"), 4096);
        properties.line("resource", Some(resource), 4096);

        let location = lines(self.target, start, end);
        let title = self.text("Title").map_or_else(|| id.clone(), str::to_owned);
        let mut spec = self.common("Misconfiguration", &title, Some(&id), Some(&location));
        spec.text("description", self.text("Description").or(Some(message)), 65_536);
        spec.text("remediation", self.text("Resolution"), 65_536);
        spec.text("evidence", Some(evidence.trim_start_matches('\n')), 32_768);
        spec.object("properties", properties);
        let subject = self.scope.name.unwrap_or(self.target);
        Some(self.finding(
            &format!("{id} {subject}"),
            spec,
            &["misconfiguration", &id, resource, &start.to_string()],
            &[&end.to_string(), message],
        ))
    }

    fn secret(&self) -> Option<Finding> {
        let rule = self.text("RuleID")?;
        let (start, end) = (number(self.value, "StartLine"), number(self.value, "EndLine"));
        let title = self.text("Title").unwrap_or(rule);
        let location = lines(self.target, start, end);
        let mut properties = Fields::default();
        properties.line("category", self.text("Category"), 4096);
        let mut spec = self.common(
            "Secret",
            &format!("{title} in {}", self.target),
            Some(rule),
            Some(&location),
        );
        spec.text(
            "description",
            Some("A secret is stored in plain text. Whoever can read the file or image can use it."),
            65_536,
        );
        spec.text(
            "remediation",
            Some("Revoke the secret and issue a new one, then keep it out of the file: what was once published stays known."),
            65_536,
        );
        // Trivy masks the secret in `Match`; nothing else of the surroundings is taken along.
        spec.text("evidence", self.text("Match"), 32_768);
        spec.object("properties", properties);
        let file = self.target.rsplit('/').next().unwrap_or_default();
        Some(self.finding(
            &format!("{rule} {file}"),
            spec,
            &["secret", rule, &start.to_string()],
            &[&end.to_string(), self.text("Match").unwrap_or_default()],
        ))
    }

    fn license(&self) -> Option<Finding> {
        let name = self.text("Name")?;
        let package = self.text("PkgName").unwrap_or_default();
        let path = self.text("FilePath").unwrap_or_default();
        let subject = [package, path, self.target]
            .into_iter()
            .find(|part| !part.is_empty())
            .unwrap_or_default();
        let category = self
            .text("Category")
            .map(|category| format!(" ({category})"))
            .unwrap_or_default();
        let mut properties = Fields::default();
        properties.line("category", self.text("Category"), 4096);
        properties.line("package", Some(package), 4096);
        let location = [path, self.target].into_iter().find(|part| !part.is_empty());
        let mut spec = self.common(
            "Other",
            &format!("Licence {name}{category} in {subject}"),
            Some(name),
            location,
        );
        spec.object("properties", properties);
        let text = self.text("Text").unwrap_or_default();
        Some(self.finding(
            &format!("licence {name} {subject}"),
            spec,
            &["license", name, package, path],
            &[text],
        ))
    }

    /// The fields which all kinds of entries have.
    fn common(&self, category: &str, title: &str, rule: Option<&str>, location: Option<&str>) -> Fields {
        let scope = self.scope;
        let image = self.image();
        let mut asset = Fields::default();
        asset.line("cluster", scope.cluster, ASSET);
        asset.line("namespace", scope.namespace, ASSET);
        asset.line("kind", scope.kind.or(artifact_kind(scope.artifact_type)), ASSET);
        asset.line("name", scope.name.or(scope.artifact).or(Some(self.target)), ASSET);
        asset.line("image", image, ASSET);
        asset.line("digest", scope.digest, ASSET);

        let primary = self.text("PrimaryURL");
        let mut source = Fields::default();
        source.line("name", Some("trivy"), 63);
        source.line("ruleId", rule, 253);
        source.line("url", primary.filter(|url| url.chars().count() <= 2048), 2048);

        let mut references: Vec<&str> = strings(self.value, "References")
            .chain(text(self.value, "Link"))
            .collect();
        references.sort_unstable();

        let mut spec = Fields::default();
        spec.line("title", Some(title), 512);
        spec.line("severity", Some(self.severity().as_str()), 32);
        spec.line("state", Some("Active"), 32);
        spec.line("category", Some(category), 32);
        spec.object("asset", asset);
        spec.object("source", source);
        spec.line("location", location, ASSET);
        spec.list("references", primary.into_iter().chain(references), 50, 2048, true);
        let tags = [text(self.result, "Class"), text(self.result, "Type")];
        spec.list("tags", tags.into_iter().flatten(), 50, 128, false);
        spec
    }

    fn finding(&self, readable: &str, spec: Fields, identity: &[&str], detail: &[&str]) -> Finding {
        let scope = self.scope;
        let place = [
            scope.cluster,
            scope.kind,
            scope.namespace,
            scope.name,
            scope.artifact,
            Some(self.target),
        ];
        let place = place.into_iter().map(Option::unwrap_or_default);
        Finding {
            identity: std::iter::once("trivy")
                .chain(place)
                .chain(identity.iter().copied())
                .map(str::to_owned)
                .collect(),
            detail: detail.iter().copied().map(str::to_owned).collect(),
            severity: self.severity(),
            readable: readable.to_owned(),
            spec: spec.into_map(),
        }
    }

    fn is_os_packages(&self) -> bool {
        text(self.result, "Class") == Some("os-pkgs")
            || self.target.len() < text(self.result, "Target").unwrap_or_default().len()
    }

    /// The image scanned, where there is one: in a cluster's report the target of its packages names it.
    fn image(&self) -> Option<&str> {
        match self.scope.artifact_type {
            Some("container_image") => self.scope.artifact,
            _ if self.scope.kind.is_some() && self.is_os_packages() => Some(self.target),
            _ => None,
        }
    }

    fn severity(&self) -> Severity {
        match self.text("Severity").unwrap_or_default().to_ascii_uppercase().as_str() {
            "CRITICAL" => Severity::Critical,
            "HIGH" => Severity::High,
            "MEDIUM" => Severity::Medium,
            "LOW" => Severity::Low,
            "NEGLIGIBLE" | "INFO" | "INFORMATIONAL" | "NONE" => Severity::Informational,
            _ => Severity::Unknown,
        }
    }

    /// The CVSS 3 score of whoever gave the severity, else of NVD, else the highest of all.
    fn score(&self) -> Option<String> {
        let scores = self.value["CVSS"].as_object()?;
        let of = |vendor: &str| {
            scores
                .get(vendor)
                .and_then(|score| score["V3Score"].as_f64())
                .filter(|score| *score > 0.0)
        };
        let preferred = self.text("SeveritySource").and_then(of).or_else(|| of("nvd"));
        let highest = || scores.keys().filter_map(|vendor| of(vendor)).max_by(f64::total_cmp);
        preferred.or_else(highest).map(|score| format!("{score:.1}"))
    }
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name)?.as_str().filter(|text| !text.trim().is_empty())
}

fn items<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn strings<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a str> {
    items(value, name).filter_map(Value::as_str)
}

fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or_default()
}

/// `web:1.4.2 (alpine 3.11)` without the distribution, which an update in place changes.
fn bare_target(result: &Value) -> &str {
    let target = text(result, "Target").unwrap_or_default();
    let os_packages = text(result, "Class") == Some("os-pkgs");
    match target.strip_suffix(')').and_then(|rest| rest.rsplit_once(" (")) {
        Some((bare, system)) => {
            let family = system.split(' ').next().unwrap_or_default();
            let named = text(result, "Type").is_some_and(|kind| family.eq_ignore_ascii_case(kind));
            if os_packages || (text(result, "Class").is_none() && named) {
                bare
            } else {
                target
            }
        }
        None => target,
    }
}

/// The digest of an image in its registry, else its own.
fn digest_of(metadata: &Value) -> Option<&str> {
    let registry = strings(metadata, "RepoDigests")
        .filter_map(|name| name.split_once('@'))
        .map(|(_, digest)| digest)
        .min();
    registry.or(text(metadata, "ImageID"))
}

fn artifact_kind(artifact_type: Option<&str>) -> Option<&str> {
    Some(match artifact_type? {
        "container_image" => "ContainerImage",
        "repository" => "Repository",
        "filesystem" => "Filesystem",
        "vm" => "VirtualMachine",
        "aws_account" => "AwsAccount",
        other => other,
    })
}

/// One form for the identifiers of checks: `KSV001`, `AVD-KSV-0001` and `KSV-0001` are the same check.
fn check_id(id: &str) -> String {
    let bare = id.strip_prefix("AVD-").unwrap_or(id);
    let letters = bare.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = &bare[letters.len()..];
    let family = letters.strip_suffix('-').unwrap_or(letters);
    let plain = !family.is_empty() && family.bytes().all(|byte| byte.is_ascii_uppercase());
    match digits.parse::<u32>() {
        Ok(number) if plain && digits.len() <= 6 => format!("{family}-{number:04}"),
        _ => id.to_owned(),
    }
}

fn lines(target: &str, start: u64, end: u64) -> String {
    match (start, end) {
        (0, _) => target.to_owned(),
        (start, end) if end <= start => format!("{target}:{start}"),
        (start, end) => format!("{target}:{start}-{end}"),
    }
}

/// The lines of the cause with their numbers. `Highlighted`, the same with terminal colours, is not looked at.
fn code_lines(code: &Value) -> String {
    let mut lines: Vec<(u64, &str)> = items(code, "Lines")
        .filter(|line| line["IsCause"] == true)
        .map(|line| (number(line, "Number"), line["Content"].as_str().unwrap_or_default()))
        .collect();
    lines.sort_unstable();
    let width = lines.last().map_or(0, |(number, _)| number.to_string().len());
    let numbered: Vec<String> = lines
        .iter()
        .map(|(number, content)| format!("{number:>width$}  {content}").trim_end().to_owned())
        .collect();
    numbered.join("\n")
}

/// What can be said where there is no version to update to.
fn without_fix(status: &str) -> Option<&'static str> {
    Some(match status {
        "will_not_fix" => {
            "The distributor has decided not to fix this in the installed release. Move to a newer release or do without the package."
        }
        "end_of_life" => "The release is no longer supported and gets no fixes. Move to a supported release.",
        "fix_deferred" => "The distributor has put the fix off. Look again later, or do without the package.",
        "under_investigation" => "The distributor is looking into it. There is no fixed version yet.",
        "affected" => "There is no fixed version yet. Consider doing without the package or limiting what reaches it.",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_of_checks_have_one_form() {
        for (given, expected) in [
            ("KSV001", "KSV-0001"),
            ("AVD-KSV-0001", "KSV-0001"),
            ("KSV-0001", "KSV-0001"),
            ("DS002", "DS-0002"),
            ("AVD-AWS-0089", "AWS-0089"),
            ("KSV01010", "KSV-1010"),
            ("ID001-custom", "ID001-custom"),
            ("my-check-7", "my-check-7"),
            ("0001", "0001"),
        ] {
            assert_eq!(check_id(given), expected);
        }
    }
}
