#![expect(clippy::needless_pass_by_value, reason = "`json!` reads best where it is passed")]

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

fn typed(fields: Value) -> Result<TypedFields, Vec<FieldProblem>> {
    resolve(
        &serde_json::from_value(fields).unwrap(),
        &project(),
        &elsewhere_fields(),
    )
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
        ("Region", "Mars", "it can be Europe, Asia, Pacific"),
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
            "components: \"moon\" is not allowed; it can be cluster, images",
            "fixVersions: \"1.0\" is archived or disabled",
            "cf_line: cf_line is given twice",
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
    assert!(typed.due_date.as_ref().is_some_and(|(_, on_create)| *on_create));
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
    let created = finding(json!({"title": "t"}));
    let earlier = finding(json!({"title": "t", "firstSeen": "2026-03-01T12:00:00Z"}));
    let periods: DueDate = serde_json::from_value(json!({"High": "7d", "Low": "1h"})).unwrap();
    let due = |findings: &[&SecurityFinding], severity| due_date(&periods, findings, severity).map(|d| d.to_string());
    assert_eq!(due(&[&created], Severity::High).as_deref(), Some("2026-03-17"));
    assert_eq!(
        due(&[&created, &earlier], Severity::High).as_deref(),
        Some("2026-03-08")
    );
    assert_eq!(due(&[&created], Severity::Low).as_deref(), Some("2026-03-11"));
    assert_eq!(due(&[&created], Severity::Critical), None);
}
