//! What templates promise, whatever the findings hold.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::adf::{plain_text, size_of};
use super::limits::MAX_DOCUMENT;
use super::schema_check::assert_valid;
use super::template::*;
use super::{finding::Rendered, ticket, variables};
use crate::api::SecurityFinding;
use crate::api::template::{ConfigMapRef, Preset, Template};

fn finding(name: &str, spec: &Value) -> SecurityFinding {
    let object = json!({
        "apiVersion": "jira-findings.dev/v1alpha1", "kind": "SecurityFinding",
        "metadata": {"name": name, "namespace": "shop"}, "spec": spec,
    });
    serde_json::from_value(object).unwrap()
}

fn template(description: &str, per_finding: Option<&str>) -> Template {
    Template {
        description: Some(description.into()),
        per_finding: per_finding.map(Into::into),
        ..Template::default()
    }
}

fn render(template: &Template, findings: &[&SecurityFinding]) -> Rendered {
    let rendered = compile(template, None)
        .unwrap()
        .render(findings, &["shop".into()])
        .unwrap();
    assert_valid(&rendered.description);
    assert!(size_of(&rendered.description) <= MAX_DOCUMENT);
    assert!(rendered.summary.encode_utf16().count() <= 254);
    rendered
}

fn refused(template: &Template) -> TemplateError {
    compile(template, None).expect_err("the template is wrong")
}

const ROW: &str = "| {{ asset }} | {{ location }} | {{ vulnerability.name }} | {{ vulnerability.description }} | {{ vulnerability.solution }} |";
const TABLE: &str = "Before\n\n| Asset | Library | Finding | Description | Solution |\n|---|---|---|---|---|\n{{ dynamic_template }}\n\nAfter";
const NASTY: &str = "<p>one | two</p>\n\n<h2>x</h2>\n\n- a | b\n- c\n\n```sh\nrm -rf | x\n```\n\n| t | u |\n|---|---|\n| 1 | 2 |\n\nünïcödé 日本語 🔥 <br> end";

#[test]
fn tables_stay_tables_when_cells_hold_anything() {
    let one = finding(
        "a",
        &json!({"title": "a | b\n**c** <script>", "description": NASTY, "remediation": NASTY,
                "asset": {"name": "x|y\nz"}, "location": "`|`"}),
    );
    let rendered = render(&template(TABLE, Some(ROW)), &[&one, &one, &one]);
    let blocks = rendered.description["content"].as_array().unwrap();
    let kinds: Vec<&str> = blocks.iter().map(|block| block["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["paragraph", "table", "paragraph"]);
    let rows = blocks[1]["content"].as_array().unwrap();
    assert_eq!(rows.len(), 4);
    for row in &rows[1..] {
        let cells = row["content"].as_array().unwrap();
        assert_eq!(cells.len(), 5);
        assert_eq!(plain_text(&cells[0]), "x|y\nz");
        assert_eq!(plain_text(&cells[1]), "`|`");
        assert_eq!(plain_text(&cells[2]), "a | b\n**c** <script>");
        assert_eq!(cells[3]["content"][0]["type"], "paragraph");
        let inside: Vec<_> = cells[3]["content"]
            .as_array()
            .unwrap()
            .iter()
            .map(|node| node["type"].clone())
            .collect();
        assert!(
            inside.contains(&json!("bulletList")) && inside.contains(&json!("codeBlock")),
            "{inside:?}"
        );
    }
}

#[test]
fn forty_long_findings_fit_and_what_is_cut_is_counted() {
    let long = format!(
        "{NASTY}\n\n{}",
        "A long text with | pipes and <b>HTML</b>.\n".repeat(750)
    );
    assert!(long.len() > 30_000);
    let findings: Vec<SecurityFinding> = (0..40)
        .map(|n| {
            let title = format!("Finding {n} für Ünï");
            finding(&format!("f{n}"), &json!({"title": title, "description": long, "remediation": long, "asset": {"name": format!("web-{n}")}}))
        })
        .collect();
    let all: Vec<&SecurityFinding> = findings.iter().collect();
    let rendered = render(&template(TABLE, Some(ROW)), &all);
    let shown = plain_text(&rendered.description);
    let kept = (0..40).filter(|n| shown.contains(&format!("Finding {n} "))).count();
    assert!((10..40).contains(&kept), "{kept}");
    assert!(shown.contains(&format!("… and {} more rows", 40 - kept)), "{shown}");
    assert!(shown.contains("After"));
    for preset in Preset::ALL {
        render(&preset_template(preset), &all);
    }
}

/// What a console hands on: a static head, and a row for each finding, whatever is in it.
#[test]
fn forty_findings_with_anything_in_them_are_a_row_each_or_counted() {
    let text = "pipe | <script>alert(1)</script><td>x</td>\n\n| a | b |\n|---|---|\r\n\u{202e}שלום مرحبا e\u{301} 👩‍💻 {{ asset }} `|` ";
    let head = "# Findings of the **registry scan**\n\nSee [the guide](https://acme.test/guide).\n\n| Asset | Finding | Description | Solution |\n|---|---|---|---|\n{{ dynamic_template }}\n\nAsk *security*.";
    let row =
        "| {{ asset }} | {{ vulnerability.name }} | {{ vulnerability.description }} | {{ vulnerability.solution }} |";
    for length in [1, 30_000] {
        let findings: Vec<SecurityFinding> = (0..40)
            .map(|n| {
                let long = text.repeat(1 + length / text.len());
                finding(&format!("f{n}"), &json!({"title": text, "description": long, "remediation": text, "asset": {"name": format!("web|{n}\nx")}}))
            })
            .collect();
        let all: Vec<&SecurityFinding> = findings.iter().collect();
        let rendered = render(&template(head, Some(row)), &all);
        let blocks = rendered.description["content"].as_array().unwrap();
        let table = blocks.iter().find(|block| block["type"] == "table").unwrap();
        let rows = table["content"].as_array().unwrap();
        assert!(
            rows.iter()
                .all(|row| row["content"].as_array().map(Vec::len) == Some(4))
        );
        for (n, row) in rows.iter().skip(1).enumerate() {
            assert_eq!(plain_text(&row["content"][0]), format!("web|{n}\nx"));
        }
        let shown = plain_text(&rendered.description);
        assert!(shown.contains("Ask security.") && shown.contains("👩‍💻") && shown.contains("שלום"));
        let kept = rows.len() - 1;
        let lines: Vec<String> = blocks
            .iter()
            .filter(|block| block["type"] == "paragraph")
            .map(plain_text)
            .collect();
        let counts = lines
            .iter()
            .filter_map(|line| line.strip_prefix("… and ")?.strip_suffix(" more rows"));
        let missing: Vec<usize> = counts.map(|count| count.parse().unwrap()).collect();
        assert!(missing.len() <= 1, "{missing:?}");
        let missing: usize = missing.into_iter().sum();
        assert!(kept >= 15, "{kept} rows");
        assert_eq!(kept + missing, 40);
    }
}

#[test]
fn more_findings_than_can_be_written_are_counted() {
    let one = finding("a", &json!({"title": "t"}));
    let many = vec![&one; 230];
    let shown = plain_text(
        &render(
            &template("{{ dynamic_template }}", Some("- {{ finding.title }}")),
            &many,
        )
        .description,
    );
    assert!(shown.contains("30 more findings"), "{shown}");
}

fn preset_template(preset: Preset) -> Template {
    Template {
        preset: Some(preset),
        ..Template::default()
    }
}

#[test]
fn presets_say_something_worth_reading() {
    let (full, bare) = samples();
    for preset in Preset::ALL {
        let one = render(&preset_template(preset), &[&full]);
        assert!(one.summary.starts_with("[High] "), "{}", one.summary);
        assert!(plain_text(&one.description).len() > 60);
        let text = one.description.to_string();
        assert!(
            text.contains("\"table\"") && !text.contains("{{") && !text.contains("---"),
            "{preset:?} {text}"
        );
        let empty = render(&preset_template(preset), &[&bare]);
        assert!(
            empty.summary.starts_with("[Unknown] ") && !empty.summary.contains("()"),
            "{}",
            empty.summary
        );
        render(&preset_template(preset), &[&full, &bare, &full]);
    }
    let minimal = render(&preset_template(Preset::Minimal), &[&full]);
    assert!(!plain_text(&minimal.description).contains("awk") && !minimal.summary.contains("awk"));
}

#[test]
fn errors_name_part_line_and_variable() {
    let error = refused(&template("one\ntwo {{ vulnerability.nmae }}", None));
    assert_eq!((error.part.as_str(), error.line), ("template.description", Some(2)));
    assert!(
        error
            .to_string()
            .contains("template.description, line 2: there is no variable vulnerability.nmae"),
        "{error}"
    );
    // Also where no sample leads.
    let error = refused(&template("a\n{% if count > 5 %}\n{{ finding.titel }}{% endif %}", None));
    assert_eq!(
        (error.line, error.message.contains("finding.titel")),
        (Some(3), true),
        "{error}"
    );
    let error = refused(&template(
        "{{ dynamic_template }}",
        Some("\n\n{{ typo | default('x') }}"),
    ));
    assert_eq!((error.part.as_str(), error.line), ("template.perFinding", Some(3)));
    assert!(error.message.contains("typo"), "{error}");
    let error = refused(&template("{% for f in findings %}{{ f.typo }}{% endfor %}", None));
    assert!(error.message.contains("f.typo"), "{error}");
    let error = refused(&template("x\n{% if %}", None));
    assert_eq!(error.line, Some(2));
    let error = refused(&template("{{ count | nofilter }}", None));
    assert!(error.message.contains("nofilter"), "{error}");
    let error = refused(&template("x", Some("{{ dynamic_template }}")));
    assert!(error.message.contains("dynamic_template"), "{error}");
}

#[test]
fn endless_and_huge_templates_are_refused() {
    for source in [
        "{% for a in range(90000) %}{% for b in range(90000) %}x{% endfor %}{% endfor %}",
        "{% set ns = namespace(x='aaaaaaaaaa') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{{ 'x' * 100000000 }}",
        "{{ '%999999999d' | format(1) }}",
        "{% include 'description' %}",
    ] {
        let begun = std::time::Instant::now();
        refused(&template(source, None));
        assert!(begun.elapsed().as_secs() < 20, "{source}");
    }
}

#[test]
fn absent_fields_are_empty_and_have_defaults() {
    let one = finding("a", &json!({"title": "t", "properties": {"team": "blue"}}));
    let source = "[{{ finding.control.expected }}{{ finding.asset.port }}{{ finding.properties.none }}{{ finding.references | join(', ') }}]\
                  {{ location | default('nowhere') }} {{ finding.properties.team }} {{ asset or 'no asset' }} {{ port | default('-') }}";
    assert_eq!(
        plain_text(&render(&template(source, None), &[&one]).description),
        "[]nowhere blue no asset -"
    );
}

#[test]
fn values_land_where_they_stand() {
    let one = finding(
        "a",
        &json!({"title": "*x* [l](http://e.example)", "evidence": "```\n</code>\n", "remediation": "1. **do** it\n2. again",
                "source": {"name": "s", "url": "https://c.example/a_(b)?q=1&r=*"}, "asset": {"ip": "10.0.0.1"}}),
    );
    let source = "# {{ finding.title }}\n\n`{{ finding.title }}` **{{ finding.title }}**\n\n```\n{{ finding.evidence }}\n```\n\n\
                  [console]({{ finding.source.url }}) {{ finding.source.url | link('go') }} http://{{ ip }}:80/{{ finding.title }}\n\n{{ finding.remediation }}";
    let document = render(&template(source, None), &[&one]).description;
    let blocks = document["content"].as_array().unwrap();
    assert_eq!(plain_text(&blocks[0]), "*x* [l](http://e.example)");
    assert_eq!(blocks[1]["content"][0]["marks"], json!([{"type": "code"}]));
    assert_eq!(blocks[1]["content"][2]["marks"], json!([{"type": "strong"}]));
    assert_eq!(
        (&blocks[2]["type"], &blocks[2]["content"][0]["text"]),
        (&json!("codeBlock"), &json!("```\n</code>"))
    );
    let links: Vec<&str> = blocks[3]["content"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|node| node["marks"][0]["attrs"]["href"].as_str())
        .collect();
    assert_eq!(links.len(), 3, "{links:?}");
    assert_eq!(links[1], "https://c.example/a_(b)?q=1&r=*");
    assert!(links[2].starts_with("http://10.0.0.1:80/%2Ax%2A%20"), "{links:?}");
    assert_eq!(blocks[4]["type"], "orderedList");
}

#[test]
fn parts_come_from_the_first_that_has_them() {
    let both = Template {
        preset: Some(Preset::Minimal),
        description: Some("own".into()),
        config_map_ref: Some(ConfigMapRef { name: "t".into() }),
        ..Template::default()
    };
    let data = BTreeMap::from([
        ("summary".to_owned(), "from the map: {{ finding.title }}".to_owned()),
        ("description".to_owned(), "from the map".to_owned()),
    ]);
    let (full, _) = samples();
    let rendered = compile(&both, Some(&data)).unwrap().render(&[&full], &[]).unwrap();
    assert_eq!(rendered.summary, "from the map: Use-after-free in awk applet");
    assert_eq!(plain_text(&rendered.description), "own");
    let summary_only = Template {
        summary: Some("s".into()),
        ..Template::default()
    };
    let rendered = compile(&summary_only, None).unwrap().render(&[&full], &[]).unwrap();
    assert_eq!(
        (rendered.summary.as_str(), rendered.description),
        ("s", ticket(&[&full]).description)
    );
}

#[test]
fn an_error_says_that_it_stands_in_the_config_map() {
    let template = Template {
        summary: Some("own".into()),
        config_map_ref: Some(ConfigMapRef { name: "texts".into() }),
        ..Template::default()
    };
    let data = |part: &str| BTreeMap::from([(part.to_owned(), "{{ finding.titel }}".to_owned())]);
    let error = compile(&template, Some(&data("description"))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "description of ConfigMap texts, line 1: there is no variable finding.titel (docs/templates.md lists them all)"
    );
    // The part that is written in the configuration wins, so the ConfigMap's is not looked at.
    assert!(compile(&template, Some(&data("summary"))).is_ok());
}

#[test]
fn macros_and_loops_keep_their_values_apart() {
    let one = finding("a", &json!({"title": "a|b", "description": "*d*"}));
    let source = "{% macro cell(v) %}<{{ v }}>{% endmacro %}| A | B |\n|---|---|\n{% for f in findings %}\n| {{ f.title }} | {{ cell(f.description) }} |\n{% endfor %}";
    let document = render(&template(source, None), &[&one, &one]).description;
    assert_eq!(
        document["content"][0]["content"].as_array().map(Vec::len),
        Some(3),
        "{document}"
    );
    assert_eq!(plain_text(&document["content"][0]["content"][1]["content"][0]), "a|b");
}

/// Names in back-ticks that begin like a variable.
fn documented() -> Vec<String> {
    let text = include_str!("../../../docs/templates.md");
    let roots = [
        "finding",
        "asset",
        "vulnerability",
        "location",
        "severity",
        "ip",
        "port",
        "findings",
        "count",
        "group",
        "dynamic_template",
    ];
    let quoted = text.split('`').skip(1).step_by(2);
    quoted
        .filter(|name| {
            name.chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_'))
        })
        .filter(|name| roots.contains(&name.split('.').next().unwrap_or_default()))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_reference_names_every_variable_and_only_those_that_exist() {
    let documented = documented();
    for field in variables::spec_fields() {
        assert!(documented.contains(&field), "docs/templates.md says nothing of {field}");
    }
    for name in &documented {
        let shown = compile(&template(&format!("{{{{ {name} }}}}"), None), None);
        assert!(shown.is_ok(), "docs/templates.md names {name}: {shown:?}");
    }
    let text = include_str!("../../../docs/templates.md");
    for filter in FILTERS {
        assert!(
            text.contains(&format!("`{filter}")),
            "docs/templates.md says nothing of the filter {filter}"
        );
    }
    for preset in Preset::ALL {
        assert!(
            text.contains(&format!("`{}`", preset.as_str())),
            "docs/templates.md says nothing of {}",
            preset.as_str()
        );
    }
}

static PRESETS: LazyLock<Vec<Compiled>> = LazyLock::new(|| {
    let compiled = Preset::ALL.map(|preset| compile(&preset_template(preset), None));
    compiled.into_iter().collect::<Result<_, _>>().unwrap()
});
static OWN: LazyLock<Compiled> = LazyLock::new(|| compile(&template(TABLE, Some(ROW)), None).unwrap());

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_gives_a_valid_issue(texts in prop::collection::vec("\\PC{0,60}|[|\\\\`*_<>&#\\[\\]()!+.~1 \n{}%-]{0,60}|(<[a-z/!-]{1,8}>|\n|```|\\| ){0,20}", 5)) {
        let one = finding("a", &json!({
            "title": texts[0], "description": texts[1], "remediation": texts[2], "evidence": texts[3],
            "location": texts[4], "asset": {"name": texts[0], "region": texts[3]}, "references": [texts[4]],
            "source": {"name": texts[1], "url": texts[2]}, "control": {"name": texts[3]},
        }));
        for compiled in PRESETS.iter() {
            let rendered = compiled.render(&[&one, &one], &[]).unwrap();
            assert_valid(&rendered.description);
            let text = rendered.description.to_string();
            prop_assert!(!text.chars().any(super::splice::is_mark));
        }
        let document = OWN.render(&[&one, &one], &[]).unwrap().description;
        assert_valid(&document);
        prop_assert_eq!(document["content"][1]["content"].as_array().map(Vec::len), Some(3));
    }

    #[test]
    fn any_template_is_refused_or_works(source in "(\\{\\{ ?[a-z.|]{0,12} ?\\}\\}|\\{% ?(if|for x in|endfor|set|else)? ?[a-z]{0,6} ?%\\}|\\| |\n|[ -~]{0,6}){0,12}") {
        if let Ok(compiled) = compile(&template(&source, Some(&source)), None) {
            let (full, bare) = samples();
            if let Ok(rendered) = compiled.render(&[&full, &bare], &[]) {
                assert_valid(&rendered.description);
            }
        }
    }
}
