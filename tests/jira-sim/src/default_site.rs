//! The site that tests and the demo get when they describe none.

use std::collections::BTreeMap;

use crate::site::{
    CLASSIC_TOKEN, Category, DEFAULT_ACCOUNT, DEFAULT_CLOUD_ID, DEFAULT_EMAIL, FieldDef, FieldKind, HUMAN_ACCOUNT,
    HUMAN_EMAIL, HUMAN_TOKEN, IssueType, Named, Project, SCOPED_TOKEN, ScreenField, Site, Status, Token, TokenKind,
    Transition, User, Workflow,
};

fn named(id: &str, name: &str) -> Named {
    Named {
        id: id.into(),
        name: name.into(),
    }
}

fn on(id: &str) -> ScreenField {
    ScreenField {
        id: id.into(),
        required: false,
        has_default: false,
    }
}

fn required(id: &str) -> ScreenField {
    ScreenField {
        id: id.into(),
        required: true,
        has_default: false,
    }
}

fn defaulted(id: &str) -> ScreenField {
    ScreenField {
        id: id.into(),
        required: true,
        has_default: true,
    }
}

fn status(id: &str, name: &str, category: Category) -> Status {
    Status {
        id: id.into(),
        name: name.into(),
        category,
    }
}

fn transition(id: &str, name: &str, from: &[&str], to: &str) -> Transition {
    Transition {
        id: id.into(),
        name: name.into(),
        from: from.iter().map(ToString::to_string).collect(),
        to: to.into(),
        fields: Vec::new(),
        sets_resolution: None,
    }
}

/// The usual create screen.
fn screen() -> Vec<ScreenField> {
    let mut fields = vec![required("summary")];
    fields.extend(["description", "environment", "labels", "priority", "components"].map(on));
    fields.extend(["fixVersions", "versions", "assignee", "duedate"].map(on));
    fields.push(defaulted("reporter"));
    fields
}

fn without(mut fields: Vec<ScreenField>, ids: &[&str]) -> Vec<ScreenField> {
    fields.retain(|f| !ids.contains(&f.id.as_str()));
    fields
}

fn issue_type(id: &str, name: &str, create_screen: Vec<ScreenField>) -> IssueType {
    IssueType {
        id: id.into(),
        name: name.into(),
        subtask: false,
        create_screen,
    }
}

/// Backlog, To Do, In Progress, Done; every transition is global.
fn simple_workflow() -> Workflow {
    let mut done = transition("31", "Done", &[], "10001");
    done.fields = vec![on("resolution")];
    done.sets_resolution = Some("Done".into());
    Workflow {
        statuses: ["10002", "10000", "3", "10001"].map(String::from).to_vec(),
        initial: "10000".into(),
        transitions: vec![
            transition("11", "To Do", &[], "10000"),
            transition("21", "In Progress", &[], "3"),
            done,
            transition("41", "Backlog", &[], "10002"),
        ],
    }
}

/// Open, In Progress, In Review, Done one after the other, with a resolution
/// demanded on the way to Done.
fn linear_workflow() -> Workflow {
    let mut done = transition("131", "Approve", &["10010"], "10001");
    done.fields = vec![required("resolution")];
    Workflow {
        statuses: ["1", "3", "10010", "10001"].map(String::from).to_vec(),
        initial: "1".into(),
        transitions: vec![
            transition("111", "Start", &["1"], "3"),
            transition("121", "Send to review", &["3"], "10010"),
            done,
            transition("141", "Reopen", &["10001"], "1"),
        ],
    }
}

/// A project with the usual Bug and Task types.
fn project(id: &str, key: &str, name: &str, workflow: Workflow) -> Project {
    Project {
        id: id.into(),
        key: key.into(),
        name: name.into(),
        team_managed: false,
        archived: false,
        issue_types: vec![
            issue_type("10004", "Bug", screen()),
            issue_type("10002", "Task", screen()),
        ],
        workflow,
        components: vec![named("10100", "cluster"), named("10101", "images")],
        versions: vec![named("10200", "1.0"), named("10201", "2.0")],
        archived_versions: Vec::new(),
        security_levels: Vec::new(),
        assignable: None,
        absent_fields: Vec::new(),
    }
}

fn users() -> Vec<User> {
    let user = |account: &str, email: &str, name: &str, zone: &str, tokens: Vec<Token>| User {
        account_id: account.into(),
        email: email.into(),
        display_name: name.into(),
        time_zone: zone.into(),
        active: true,
        tokens,
        denied: Vec::new(),
    };
    let token = |text: &str, kind| Token {
        token: text.into(),
        kind,
        scopes: ["read:jira-work", "write:jira-work", "read:jira-user"]
            .map(String::from)
            .to_vec(),
    };
    let mut former = user(
        "5b10a0effa615349cb016cd8",
        "will@acme.test",
        "Will Gone",
        "UTC",
        Vec::new(),
    );
    former.active = false;
    vec![
        user(
            DEFAULT_ACCOUNT,
            DEFAULT_EMAIL,
            "Findings Bot",
            "Australia/Sydney",
            vec![
                token(CLASSIC_TOKEN, TokenKind::Classic),
                token(SCOPED_TOKEN, TokenKind::Scoped),
            ],
        ),
        user(
            HUMAN_ACCOUNT,
            HUMAN_EMAIL,
            "Mia Krystof",
            "Europe/Berlin",
            vec![token(HUMAN_TOKEN, TokenKind::Classic)],
        ),
        former,
    ]
}

fn field(id: &str, name: &str, kind: FieldKind) -> FieldDef {
    FieldDef {
        id: id.into(),
        name: name.into(),
        kind,
        options: Vec::new(),
        children: BTreeMap::new(),
    }
}

/// A field of `FLD` that is not on its create screen.
const OFF_SCREEN: &str = "customfield_10069";

/// Custom fields of every kind.
fn every_kind() -> Vec<FieldDef> {
    let mut fields = vec![
        field("customfield_10060", "Notes", FieldKind::Adf),
        field("customfield_10061", "Seen on", FieldKind::Date),
        field("customfield_10062", "Seen at", FieldKind::DateTime),
        field("customfield_10063", "Runbook", FieldKind::Url),
        field("customfield_10064", "Regions", FieldKind::MultiOption),
        field("customfield_10065", "Place", FieldKind::Cascading),
        field("customfield_10066", "Contact", FieldKind::User),
        field("customfield_10067", "Owner", FieldKind::Text),
        field("customfield_10068", "owner", FieldKind::Text),
        field(OFF_SCREEN, "Reviewed by", FieldKind::Text),
        field("customfield_10070", "Tags", FieldKind::Labels),
        field("customfield_10071", "Line", FieldKind::Text),
        field("customfield_10072", "Score", FieldKind::Number),
        field("customfield_10073", "Region", FieldKind::Option),
        field("customfield_10074", "Way", FieldKind::Radio),
        field("customfield_10075", "Boxes", FieldKind::Checkboxes),
        field("customfield_10076", "Contacts", FieldKind::MultiUser),
        field("customfield_10077", "Crew", FieldKind::Group),
        field("customfield_10078", "Since", FieldKind::Version),
        field("customfield_10079", "Backports", FieldKind::Versions),
        field("customfield_10080", "Matrix", FieldKind::Opaque),
    ];
    for field in &mut fields {
        if matches!(
            field.kind,
            FieldKind::MultiOption
                | FieldKind::Cascading
                | FieldKind::Option
                | FieldKind::Radio
                | FieldKind::Checkboxes
        ) {
            field.options = vec![
                named("10310", "Europe"),
                named("10311", "Asia, Pacific"),
                named("10312", "Africa"),
            ];
        }
        if field.kind == FieldKind::Cascading {
            let below = vec![named("10320", "Berlin"), named("10321", "Rome")];
            field.children = BTreeMap::from([("10310".to_owned(), below)]);
        }
    }
    fields
}

impl Site {
    /// Six projects that differ in what makes life hard for a client: `SEC`
    /// plain, `STRICT` with a linear workflow and a demanded resolution, `TEAM`
    /// team-managed without priority, `REQ` with required custom fields,
    /// `NOLBL` without labels on the create screen (T15), `FLD` with a custom
    /// field of every kind, two of one name and one off the create screen.
    pub fn default_site() -> Self {
        let mut sec = project("10000", "SEC", "Security", simple_workflow());
        sec.issue_types.push(issue_type("10001", "Story", screen()));
        let mut sub = issue_type("10003", "Sub-task", screen());
        sub.subtask = true;
        sub.create_screen.push(required("parent"));
        sec.issue_types.push(sub);

        let strict = project("10001", "STRICT", "Strict workflow", linear_workflow());

        let mut team = project("10002", "TEAM", "Team-managed", simple_workflow());
        team.team_managed = true;
        team.issue_types = vec![issue_type(
            "10020",
            "Task",
            without(
                screen(),
                &["priority", "components", "fixVersions", "versions", "environment"],
            ),
        )];
        team.workflow = Workflow {
            statuses: ["10020", "10021", "10022"].map(String::from).to_vec(),
            initial: "10020".into(),
            transitions: vec![
                transition("11", "To Do", &[], "10020"),
                transition("21", "In Progress", &[], "10021"),
                Transition {
                    sets_resolution: Some("Done".into()),
                    ..transition("31", "Done", &[], "10022")
                },
            ],
        };
        team.components.clear();
        team.versions.clear();
        team.absent_fields = vec!["priority".into()];

        let mut req = project("10003", "REQ", "Required fields", simple_workflow());
        let mut vulnerability = issue_type("10030", "Vulnerability", screen());
        vulnerability.create_screen.push(required("customfield_10041"));
        vulnerability.create_screen.push(required("customfield_10042"));
        vulnerability.create_screen.push(on("customfield_10043"));
        req.issue_types = vec![vulnerability];

        let mut nolbl = project("10004", "NOLBL", "No labels on create", simple_workflow());
        nolbl.issue_types = vec![issue_type("10004", "Bug", without(screen(), &["labels"]))];

        let mut fld = project("10005", "FLD", "Fields", simple_workflow());
        let mut bug = issue_type("10004", "Bug", without(screen(), &["environment", "components"]));
        bug.create_screen
            .extend(every_kind().iter().filter(|f| f.id != OFF_SCREEN).map(|f| on(&f.id)));
        bug.create_screen.extend(["parent", "security"].map(on));
        fld.issue_types = vec![bug];
        fld.versions.push(named("10202", "0.9"));
        fld.archived_versions = vec!["10202".into()];
        fld.security_levels = vec![named("10400", "Internal"), named("10401", "Reporter only")];

        let mut custom_fields = vec![
            field("customfield_10041", "Team", FieldKind::Option),
            field("customfield_10042", "Cost centre", FieldKind::Text),
            field("customfield_10043", "Risk score", FieldKind::Number),
        ];
        custom_fields[0].options = vec![
            named("10300", "Platform"),
            named("10301", "Payments"),
            named("10302", "Web"),
        ];
        custom_fields.extend(every_kind());

        Self {
            cloud_id: DEFAULT_CLOUD_ID.into(),
            base_url: None,
            time_zone: "America/Sao_Paulo".into(),
            users: users(),
            priorities: vec![
                named("1", "Highest"),
                named("2", "High"),
                named("3", "Medium"),
                named("4", "Low"),
                named("5", "Lowest"),
            ],
            resolutions: vec![
                named("10000", "Done"),
                named("10001", "Won't Do"),
                named("10002", "Duplicate"),
                named("10003", "Cannot Reproduce"),
                named("10004", "Risk accepted"),
                named("10005", "False positive"),
            ],
            statuses: vec![
                status("1", "Open", Category::New),
                status("3", "In Progress", Category::Indeterminate),
                status("10000", "To Do", Category::New),
                status("10001", "Done", Category::Done),
                status("10002", "Backlog", Category::New),
                status("10010", "In Review", Category::Indeterminate),
                status("10020", "To Do", Category::New),
                status("10021", "In Progress", Category::Indeterminate),
                status("10022", "Done", Category::Done),
            ],
            custom_fields,
            projects: vec![sec, strict, team, req, nolbl, fld],
        }
    }
}
