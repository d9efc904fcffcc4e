//! Findings as a scanner of container images reports them.

use serde_json::{Value, json};

const PACKAGES: [&str; 8] = [
    "openssl", "busybox", "curl", "zlib", "lodash", "minimist", "libxml2", "express",
];
const SEVERITIES: [&str; 4] = ["Critical", "High", "Medium", "Low"];

/// The finding with this number, always the same for the same number.
pub(crate) fn finding(number: u32) -> Value {
    let package = PACKAGES[number as usize % PACKAGES.len()];
    let severity = SEVERITIES[number as usize / 3 % SEVERITIES.len()];
    let (year, minor) = (2019 + number % 7, number % 30);
    let id = format!("CVE-{year}-{}", 10_000 + number);
    let (installed, fixed) = (format!("1.{minor}.3-r0"), format!("1.{minor}.4-r1"));
    let digest = format!("sha256:{:064x}", u64::from(number / 40 + 1) * 0x9e37_79b9_7f4a);
    json!({
        "apiVersion": "jira-findings.dev/v1alpha1",
        "kind": "SecurityFinding",
        "metadata": {
            "name": format!("{}-{package}-{number}", id.to_lowercase()),
            "labels": {"app.kubernetes.io/managed-by": "scanner", "team": format!("team-{}", number % 5)},
        },
        "spec": {
            "title": format!("{package}: heap buffer overflow in the parser of certificate extensions ({id})"),
            "description": description(package, &id, &installed, &fixed),
            "severity": severity,
            "category": "Vulnerability",
            "fingerprint": format!("{id}/{package}/{number}"),
            "source": {
                "name": "trivy",
                "version": "0.58.1",
                "ruleId": id,
                "url": format!("https://scanner.example.com/findings/{number}"),
            },
            "asset": {
                "name": format!("registry.example.com/shop/service-{}:1.4.2", number / 40),
                "kind": "container_image",
                "namespace": "shop",
                "cluster": "production",
                "image": format!("registry.example.com/shop/service-{}:1.4.2", number / 40),
                "digest": digest,
            },
            "location": format!("usr/lib/{package}.so"),
            "vulnerability": {
                "id": id,
                "identifiers": [format!("GHSA-{number:04x}-abcd-{minor:04x}"), "CWE-122", "CWE-787"],
                "cvss": "7.8",
                "package": package,
                "installedVersion": installed,
                "fixedVersion": fixed,
            },
            "remediation": format!("Upgrade `{package}` to **{fixed}** or later, then rebuild and roll out the image."),
            "references": [
                format!("https://nvd.nist.gov/vuln/detail/{id}"),
                format!("https://cve.mitre.org/cgi-bin/cvename.cgi?name={id}"),
                format!("https://security.alpinelinux.org/vuln/{id}"),
                format!("https://github.com/advisories/GHSA-{number:04x}-abcd-{minor:04x}"),
                format!("https://access.redhat.com/security/cve/{id}"),
                format!("https://ubuntu.com/security/notices/USN-{}-1", 5000 + number),
            ],
            "tags": ["image-scan", "os-package"],
            "firstSeen": "2026-01-15T06:00:00Z",
            "properties": {"layer": digest, "purl": format!("pkg:apk/alpine/{package}@{installed}?arch=x86_64")},
        },
    })
}

/// About 1.5 kB of Markdown.
fn description(package: &str, id: &str, installed: &str, fixed: &str) -> String {
    format!(
        "A heap buffer overflow was found in the way **{package}** reads certificate extensions. A certificate with a \
         crafted `subjectAltName` makes the parser write past the end of its buffer; a remote attacker can crash the \
         service or, on some platforms, run code with its rights.\n\n\
         ## Impact\n\n\
         - Services that accept client certificates can be attacked *before* authentication.\n\
         - Clients are affected when they connect to a server that an attacker controls.\n\
         - Programs that only verify signatures with `{package} verify` are **not** affected.\n\n\
         ## Affected versions\n\n\
         | Version | Status |\n|---|---|\n\
         | up to {installed} | affected |\n\
         | {fixed} and later | fixed |\n\n\
         ## Reproduction\n\n\
         ```sh\n\
         {package} s_server -accept 4433 -cert server.pem -Verify 1\n\
         {package} s_client -connect localhost:4433 -cert crafted.pem\n\
         ```\n\n\
         The server ends with `heap-buffer-overflow on address 0x602000000150` when it was built with a sanitizer, and \
         without a message otherwise.\n\n\
         ## Mitigation\n\n\
         1. Upgrade to {fixed}; see the [advisory](https://nvd.nist.gov/vuln/detail/{id}).\n\
         2. Where an upgrade has to wait, turn off the verification of client certificates (`verify: none`).\n\
         3. Limit access to the port, for example with a `NetworkPolicy`.\n\n\
         > Upstream rates this as *High*; distributions may rate it lower, because their builds use a hardened \
         allocator and stack protection.\n"
    )
}
