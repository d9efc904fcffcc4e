#![expect(clippy::needless_pass_by_value, reason = "`json!` reads best where it is passed")]

use serde_json::json;

use crate::api::{Reason, SecurityFinding};
use crate::jira::model::IssueTypeMeta;

use super::*;

fn project() -> ProjectMeta {
    let options = json!([
        {"id": "1", "value": "Europe", "children": [{"id": "11", "value": "Berlin"}, {"id": "12", "value": "Rome"}]},
        {"id": "2", "value": "Asia, Pacific"},
        {"id": "3", "value": "Moon", "disabled": true},
    ]);
    let custom = |name: &str| format!("com.atlassian.jira.plugin.system.customfieldtypes:{name}");
    let fields = json!([
        {"fieldId": "summary", "name": "Summary", "schema": {"type": "string", "system": "summary"}},
        {"fieldId": "duedate", "name": "Due date", "schema": {"type": "date", "system": "duedate"}},
        {"fieldId": "components", "name": "Components", "schema": {"type": "array", "items": "component"},
            "allowedValues": [{"id": "100", "name": "cluster"}, {"id": "101", "name": "images"}]},
        {"fieldId": "fixVersions", "name": "Fix versions", "schema": {"type": "array", "items": "version"},
            "allowedValues": [{"id": "200", "name": "1.0", "archived": true}, {"id": "201", "name": "2.0"}]},
        {"fieldId": "cf_select", "name": "Region", "schema": {"type": "option", "custom": custom("select")},
            "allowedValues": options},
        {"fieldId": "cf_multi", "name": "Regions", "schema": {"type": "array", "items": "option", "custom": custom("multicheckboxes")},
            "allowedValues": options},
        {"fieldId": "cf_cascade", "name": "Place", "schema": {"type": "option-with-child", "custom": custom("cascadingselect")},
            "allowedValues": options},
        {"fieldId": "cf_line", "name": "Line", "schema": {"type": "string", "custom": custom("textfield")}},
        {"fieldId": "cf_area", "name": "Area", "schema": {"type": "string", "custom": custom("textarea")}},
        {"fieldId": "cf_url", "name": "Link", "schema": {"type": "string", "custom": custom("url")}},
        {"fieldId": "cf_number", "name": "Score", "schema": {"type": "number", "custom": custom("float")}},
        {"fieldId": "cf_date", "name": "Day", "schema": {"type": "date", "custom": custom("datepicker")}},
        {"fieldId": "cf_time", "name": "Moment", "schema": {"type": "datetime", "custom": custom("datetime")}},
        {"fieldId": "cf_labels", "name": "Tags", "schema": {"type": "array", "items": "string", "custom": custom("labels")}},
        {"fieldId": "cf_user", "name": "Contact", "schema": {"type": "user", "custom": custom("userpicker")}},
        {"fieldId": "cf_users", "name": "Contacts", "schema": {"type": "array", "items": "user", "custom": custom("multiuserpicker")}},
        {"fieldId": "cf_group", "name": "Group", "schema": {"type": "group", "custom": custom("grouppicker")}},
        {"fieldId": "cf_odd", "name": "Odd", "schema": {"type": "any", "custom": "com.example:odd"}},
        {"fieldId": "cf_twin1", "name": "Twin", "schema": {"type": "string", "custom": custom("textfield")}},
        {"fieldId": "cf_twin2", "name": "twin", "schema": {"type": "string", "custom": custom("textfield")}},
    ]);
    ProjectMeta {
        project_id: "1".into(),
        key: "SEC".into(),
        name: "Security".into(),
        issue_type: IssueTypeMeta::default(),
        fields: serde_json::from_value(fields).unwrap(),
        statuses: vec![],
        priorities: vec![],
    }
}

fn elsewhere_fields() -> Vec<FieldMeta> {
    let site = json!([
        {"id": "parent", "name": "Parent", "schema": {"type": "issuelink", "system": "parent"}},
        {"id": "security", "name": "Security Level", "schema": {"type": "securitylevel", "system": "security"}},
        {"id": "cf_line", "name": "Line", "schema": {"type": "string"}},
        {"id": "cf_off", "name": "Off screen", "schema": {"type": "option"}},
        {"id": "cf_theirs", "name": "Off screen", "schema": {"type": "option"}, "scope": {"type": "PROJECT", "project": {"id": "9"}}},
        {"id": "thumbnail", "name": "Images"},
    ]);
    let site: Vec<SiteField> = serde_json::from_value(site).unwrap();
    elsewhere(&site, &project())
}

fn spec_of(fields: Value, priority: Value) -> TicketConfigurationSpec {
    serde_json::from_value(json!({
        "connectionRef": {"name": "a"}, "projectKey": "SEC", "issueType": "Bug", "fields": fields, "priority": priority,
    }))
    .unwrap()
}

fn resolved(spec: &TicketConfigurationSpec) -> Result<TypedFields, Vec<FieldProblem>> {
    let values = compile(&spec.fields).unwrap();
    resolve(spec, values, &project(), &elsewhere_fields())
}

fn typed(fields: Value) -> Result<TypedFields, Vec<FieldProblem>> {
    resolved(&spec_of(fields, json!({})))
}

fn value(field: &str, member: &str, said: Value) -> Result<Value, String> {
    match typed(json!({"custom": [{"field": field, member: said}]})) {
        Ok(typed) => Ok(typed.fields[0].value.clone()),
        Err(problems) => Err(problems[0].message.clone()),
    }
}

#[test]
fn each_type_gets_its_shape() {
    for (field, text, sent) in [
        ("region", "europe", json!({"id": "1"})),
        ("cf_select", "2", json!({"id": "2"})),
        ("Regions", "Asia, Pacific", json!([{"id": "2"}])),
        ("Regions", "Europe\nAsia, Pacific", Value::Null),
        ("Place", "Europe > Rome", json!({"id": "1", "child": {"id": "12"}})),
        ("Place", "Europe", json!({"id": "1"})),
        ("Line", " one line ", json!("one line")),
        ("Link", "https://a.test/x", json!("https://a.test/x")),
        ("Score", "7", json!(7)),
        ("Score", "7.5", json!(7.5)),
        ("Day", "2026-11-30", json!("2026-11-30")),
        (
            "Moment",
            "2026-11-30T14:39:00+02:00",
            json!("2026-11-30T12:39:00.000+0000"),
        ),
        ("Tags", "a, b", json!(["a", "b"])),
        ("Contact", "5b10:ac", json!({"accountId": "5b10:ac"})),
        ("Contacts", "a,b", json!([{"accountId": "a"}, {"accountId": "b"}])),
        ("Group", "staff", json!({"name": "staff"})),
    ] {
        match value(field, "value", json!(text)) {
            Ok(typed) => assert_eq!(typed, sent, "{field}: {text}"),
            Err(message) => assert!(sent.is_null(), "{field}: {message}"),
        }
    }
    assert_eq!(value("Area", "value", json!("a **b**")).unwrap()["type"], "doc");
    let listed = json!(["Europe", "Asia, Pacific"]);
    assert_eq!(
        value("Regions", "json", listed).unwrap(),
        json!([{"id": "1"}, {"id": "2"}])
    );
    assert_eq!(value("Score", "json", json!(3)).unwrap(), json!(3));
    assert_eq!(value("Odd", "json", json!({"a": [1]})).unwrap(), json!({"a": [1]}));
    assert_eq!(value("Odd", "json", json!("text")).unwrap(), json!("text"));
    assert_eq!(value("Odd", "json", json!([1, "a"])).unwrap(), json!([1, "a"]));
    assert_eq!(
        value("Regions", "json", json!([{"value": "x"}])).unwrap(),
        json!([{"value": "x"}])
    );
    assert!(value("Line", "json", json!(["a", "b"])).is_err());
}

#[test]
fn what_jira_would_refuse_is_told() {
    for (field, text, told) in [
        ("Colour", "red", "no such field"),
        ("Twin", "x", "use the id, one of cf_twin1, cf_twin2"),
        ("Region", "Mars", "it can be Europe, \"Asia, Pacific\""),
        ("Region", "Moon", "archived or disabled"),
        ("Place", "Europe > Oslo", "it can be Berlin, Rome"),
        ("Line", "two\nlines", "one line"),
        ("Link", "javascript:alert(1)", "https://"),
        ("Score", "many", "not a number"),
        ("Score", "NaN", "not a number"),
        ("Day", "30.11.2026", "not a date"),
        ("Day", "2026-11-30T00:00:00Z", "not a date"),
        ("Moment", "noon", "not a moment"),
        ("Tags", "a b", "space"),
        ("Contact", "mia@acme.test", "account"),
        ("Odd", "x", "take json"),
        ("Summary", "x", "made from the finding"),
    ] {
        let message = value(field, "value", json!(text)).unwrap_err();
        assert!(message.contains(told), "{field}: {message}");
    }
    let both = typed(json!({"custom": [{"field": "Line", "value": "x", "json": 1}]})).unwrap_err();
    assert!(both[0].message.contains("exactly one of"), "{both:?}");
    let problems = typed(json!({"components": ["cluster", "moon"], "fixVersions": ["1.0"],
        "custom": [{"field": "Line", "value": "a"}, {"field": "cf_line", "value": "b"}]}))
    .unwrap_err();
    let told: Vec<String> = problems
        .iter()
        .map(|one| format!("{}: {}", one.field, one.message))
        .collect();
    assert_eq!(
        told,
        [
            "fields.components: \"moon\" is not allowed; it can be cluster, images",
            "fields.fixVersions: \"1.0\" is archived or disabled",
            "fields.cf_line: cf_line is given twice",
        ]
    );
}

#[test]
fn fields_off_the_create_screen_are_set_afterwards() {
    let fields = json!({"parent": "SEC-1", "securityLevel": "Internal", "dueDate": {"High": "7d"},
        "custom": [{"field": "off SCREEN", "value": "x"}]});
    let typed = typed(fields).unwrap();
    let sent: Vec<(&str, &Value, bool)> = typed
        .fields
        .iter()
        .map(|one| (one.id.as_str(), &one.value, one.on_create))
        .collect();
    assert_eq!(
        sent,
        [
            ("parent", &json!({"key": "SEC-1"}), false),
            ("security", &json!({"name": "Internal"}), false),
            ("cf_off", &json!({"value": "x"}), false),
        ]
    );
    assert!(typed.due_date.as_ref().is_some_and(|due| due.on_create));
}

#[test]
fn what_is_read_back_is_the_same_as_what_was_sent() {
    let field = |value: Value, shape: Shape| TypedField {
        value,
        shape,
        ..TypedField::default()
    };
    for (sent, read, shape) in [
        (
            json!({"id": "1"}),
            json!({"id": "1", "value": "Europe", "self": "x"}),
            Shape::Plain,
        ),
        (
            json!([{"id": "1"}, {"id": "2"}]),
            json!([{"id": "2", "value": "b"}, {"id": "1", "value": "a"}]),
            Shape::Plain,
        ),
        (
            json!({"id": "1", "child": {"id": "2"}}),
            json!({"id": "1", "value": "a", "child": {"id": "2", "value": "b"}}),
            Shape::Plain,
        ),
        (json!(7), json!(7.0), Shape::Plain),
        (
            json!("2026-11-30T12:39:00.000+0000"),
            json!("2026-11-30T09:39:00.000-0300"),
            Shape::Moment,
        ),
        (json!([]), Value::Null, Shape::Plain),
    ] {
        let field = field(sent, shape);
        assert_eq!(field.hash(), field.hash_of(&read), "{read}");
    }
    let europe = field(json!({"id": "1"}), Shape::Plain);
    assert_ne!(europe.hash(), europe.hash_of(&json!({"id": "2"})));
    assert_ne!(europe.hash(), europe.hash_of(&Value::Null));
}

#[test]
fn the_earliest_finding_makes_the_due_date() {
    let finding = |spec: Value| -> SecurityFinding {
        serde_json::from_value(json!({
            "apiVersion": "jira-findings.dev/v1alpha1", "kind": "SecurityFinding",
            "metadata": {"name": "f", "creationTimestamp": "2026-03-10T23:30:00Z"}, "spec": spec,
        }))
        .unwrap()
    };
    let periods: DueDate = serde_json::from_value(json!({"High": "7d", "Low": "1h"})).unwrap();
    let due = |findings: &[&SecurityFinding]| due_date(&periods, findings).map(|d| d.to_string());
    let of = |severity: &str, state: &str, seen: &str| {
        finding(json!({"title": "t", "severity": severity, "state": state, "firstSeen": seen}))
    };
    let created = finding(json!({"title": "t", "severity": "High"}));
    assert_eq!(due(&[&created]).as_deref(), Some("2026-03-17"));
    assert_eq!(
        due(&[&finding(json!({"title": "t", "severity": "Low"}))]).as_deref(),
        Some("2026-03-11")
    );
    assert_eq!(due(&[&finding(json!({"title": "t", "severity": "Critical"}))]), None);
    let earlier = of("High", "Active", "2026-03-01T12:00:00Z");
    assert_eq!(due(&[&created, &earlier]).as_deref(), Some("2026-03-08"));
    // Each has the period of its own severity; those that are fixed no longer count.
    let urgent = of("Low", "Active", "2026-03-02T12:00:00Z");
    assert_eq!(due(&[&created, &earlier, &urgent]).as_deref(), Some("2026-03-02"));
    let fixed = of("Low", "Fixed", "2026-01-02T12:00:00Z");
    assert_eq!(due(&[&created, &fixed]).as_deref(), Some("2026-03-17"));
    assert_eq!(due(&[&fixed]).as_deref(), Some("2026-01-02"));
}

fn some_finding(spec: Value) -> SecurityFinding {
    let mut whole = json!({"title": "t"});
    whole.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    serde_json::from_value(json!({
        "apiVersion": "jira-findings.dev/v1alpha1", "kind": "SecurityFinding",
        "metadata": {"name": "f", "creationTimestamp": "2026-03-10T23:30:00Z"}, "spec": whole,
    }))
    .unwrap()
}

fn filled(fields: Value, finding: Value) -> Filled {
    let finding = some_finding(finding);
    let severity = finding.spec.severity;
    typed(fields).unwrap().fill(&[&finding], &[], severity)
}

#[test]
fn templates_are_typed_for_each_finding() {
    let property = |value: &str| json!({"properties": {"x": value}});
    let made = |field: &str, template: &str, value: &str| {
        let filled = filled(
            json!({"custom": [{"field": field, "value": template}]}),
            property(value),
        );
        match filled.fault {
            None => Ok(filled.fields[0].clone()),
            Some(fault) => Err(fault),
        }
    };
    let x = "{{ finding.properties.x }}";
    for (field, template, value, sent) in [
        ("Region", x, "europe", json!({"id": "1"})),
        ("Regions", x, "Asia, Pacific", json!([{"id": "2"}])),
        (
            "Regions",
            "Europe, {{ finding.properties.x }}",
            "2",
            json!([{"id": "1"}, {"id": "2"}]),
        ),
        (
            "Place",
            "Europe > {{ finding.properties.x }}",
            "Rome",
            json!({"id": "1", "child": {"id": "12"}}),
        ),
        ("Line", x, "a\n{{ 7*7 }}\u{1b}[0m", json!("a {{ 7*7 }}")),
        (
            "Link",
            "https://a.test/{{ finding.properties.x }}",
            "x",
            json!("https://a.test/x"),
        ),
        ("Score", x, "7.5", json!(7.5)),
        (
            "Day",
            "{{ finding.properties.x | date }}",
            "2026-11-30T01:02:03Z",
            json!("2026-11-30"),
        ),
        ("Tags", x, "a b, c", json!(["a-b,-c"])),
        ("Tags", "{{ finding.properties.x }}, own", "a b", json!(["a-b", "own"])),
        ("Contact", x, "5b10:ac", json!({"accountId": "5b10:ac"})),
        ("Line", x, "{\"a\": 1}", json!("{\"a\": 1}")),
    ] {
        let one = made(field, template, value).unwrap();
        assert_eq!(one.value, sent, "{field}: {template}");
        assert!(!one.nothing);
    }
    let long = made("Line", x, &"x".repeat(9_000)).unwrap();
    assert!(long.value.as_str().unwrap().chars().count() <= 255);
    assert_eq!(
        made("Area", x, "**x**").unwrap().value["content"][0]["content"][0]["text"],
        "**x**"
    );
    for (field, value, told) in [
        (
            "Region",
            "Mars",
            "\"Mars\" is not allowed; it can be Europe, \"Asia, Pacific\". It is made of finding.properties.x",
        ),
        ("Regions", "Europe, Moon", "\"Europe, Moon\" is not allowed"),
        ("Score", "high", "\"high\" is not a number"),
        ("Day", "soon", "\"soon\" is not a date"),
        ("Link", "javascript:alert(1)", "is not an address"),
        ("Contact", "mia@acme.test", "is not an account id"),
    ] {
        let fault = made(field, x, value).unwrap_err();
        assert_eq!((fault.reason, fault.is_stalled()), (Reason::FieldInvalid, true));
        assert!(
            fault.message.starts_with(&format!("fields.{field}: ")),
            "{}",
            fault.message
        );
        assert!(fault.message.contains(told), "{}", fault.message);
    }
    let nothing = made("Region", x, "").unwrap();
    assert!(nothing.nothing && nothing.value.is_null());
    assert_eq!(
        made("Tags", "{{ finding.properties.x }},", "").unwrap().value,
        json!([])
    );
    let odd = typed(json!({"custom": [{"field": "Odd", "value": x}]})).unwrap_err();
    assert!(odd[0].message.contains("take json"), "{odd:?}");
    assert!(made("parent", x, "SEC-7").is_ok_and(|one| one.value == json!({"key": "SEC-7"})));
    assert!(made("parent", x, "SEC-7/../x").is_err());
}

#[test]
fn lists_and_labels_take_templates_among_their_entries() {
    let fields = json!({
        "components": ["cluster", "{{ finding.properties.component }}"],
        "labels": ["own", "{{ finding.tags }}", "{{ finding.properties.none }}"],
    });
    let finding = json!({"properties": {"component": "images"}, "tags": ["a b", "jfo-0", "c,d", " "]});
    let all = filled(fields.clone(), finding);
    assert_eq!(all.fields[0].value, json!([{"id": "100"}, {"id": "101"}]));
    assert_eq!(all.labels, ["a-b", "c,d"], "what is fixed comes from the spec");
    let few = filled(fields, json!({}));
    assert_eq!(
        (few.fields[0].value.clone(), few.labels),
        (json!([{"id": "100"}]), vec![])
    );
    let long = typed(json!({"labels": ["x".repeat(256)]})).unwrap_err();
    assert_eq!(long[0].field, "fields.labels");
}

#[test]
fn what_is_required_is_told_where_findings_do_not_have_it() {
    let mut project = project();
    for field in &mut project.fields {
        field.required = matches!(field.field_id.as_str(), "cf_select" | "duedate");
    }
    let spec = spec_of(
        json!({"dueDate": {"High": "7d"}, "custom": [{"field": "Region", "value": "{{ finding.asset.region }}"}]}),
        json!({}),
    );
    assert!(
        project
            .fields
            .iter()
            .filter(|field| field.required)
            .all(|field| fills(&spec, field))
    );
    let typed = resolve(&spec, compile(&spec.fields).unwrap(), &project, &[]).unwrap();
    let good = some_finding(json!({"severity": "High", "asset": {"region": "Europe"}}));
    assert_eq!(typed.fill(&[&good], &[], Severity::High).fault, None);
    let bad = some_finding(json!({"severity": "Low"}));
    let fault = typed.fill(&[&bad], &[], Severity::Low).fault.unwrap();
    assert_eq!(fault.reason, Reason::RequiredFieldsMissing);
    for part in [
        "Region (cf_select, one of Europe",
        "finding.asset.region",
        "no period for severity Low",
    ] {
        assert!(fault.message.contains(part), "{}", fault.message);
    }
}

#[test]
fn another_field_takes_the_place_of_the_priority() {
    let remap = |to: &str| {
        json!({"field": "region", "remap": {
            "Critical": "Europe", "High": "2", "Medium": to, "Low": to, "Informational": to, "Unknown": to,
        }})
    };
    let typed = resolved(&spec_of(json!({}), remap("Asia, Pacific"))).unwrap();
    let of = |finding: Value, severity| {
        let finding = some_finding(finding);
        let filled = typed.fill(&[&finding], &[], severity);
        filled
            .fault
            .map_or_else(|| filled.fields[0].value.clone(), |fault| json!(fault.message))
    };
    assert_eq!(of(json!({}), Severity::Critical), json!({"id": "1"}));
    assert_eq!(of(json!({}), Severity::Low), json!({"id": "2"}));
    assert_eq!(
        of(json!({"ticket": {"priority": "Europe"}}), Severity::Low),
        json!({"id": "1"})
    );
    let told = of(json!({"ticket": {"priority": "P1"}}), Severity::Low);
    assert_eq!(
        told,
        "ticket.priority: \"P1\" is not allowed; it can be Europe, \"Asia, Pacific\""
    );
    let problems = resolved(&spec_of(json!({}), remap("P3"))).unwrap_err();
    assert_eq!(problems.len(), 1);
    assert!(
        problems[0].field == "priority.remap" && problems[0].message.contains("it can be Europe"),
        "{problems:?}"
    );
}

#[test]
fn what_was_written_is_known_again_in_another_form() {
    let written = |value: Value| {
        TypedField {
            value,
            ..TypedField::default()
        }
        .hash()
    };
    let empty = |value: Value| TypedField {
        value,
        nothing: true,
        ..TypedField::default()
    };
    let option = json!({"id": "1", "value": "Europe", "self": "x"});
    assert!(empty(Value::Null).wrote(&option, &written(json!({"id": "1"}))));
    assert!(!empty(Value::Null).wrote(&option, &written(json!({"id": "2"}))));
    let list = json!([{"id": "2", "value": "b"}, {"id": "1", "value": "a"}]);
    assert!(empty(json!([])).wrote(&list, &written(json!([{"id": "1"}, {"id": "2"}]))));
    let person = json!({"accountId": "a", "displayName": "A"});
    assert!(empty(Value::Null).wrote(&person, &written(json!({"accountId": "a"}))));
}
