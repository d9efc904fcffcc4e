//! The smallest HTTP client that shows a reply as it came, or that none came.

use std::io::{Read, Write};
use std::net::TcpStream;

use jira_sim::{CLASSIC_TOKEN, DEFAULT_EMAIL, Sim};
use serde_json::{Value, json};

/// A reply.
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Value,
}

impl Answer {
    /// Whether a header line is there, by the start of it in lower case.
    pub fn has(&self, start: &str) -> bool {
        self.head
            .to_lowercase()
            .lines()
            .any(|l| l.starts_with(&start.to_lowercase()))
    }
}

/// Writes a whole request.
fn send(sim: &Sim, login: Option<(&str, &str)>, method: &str, path: &str, body: Option<&Value>) -> Option<TcpStream> {
    let body = body.map(Value::to_string).unwrap_or_default();
    let mut lines = vec![format!("{method} {path} HTTP/1.1"), format!("Host: {}", sim.host())];
    lines.push("Connection: close".into());
    lines.push(format!("Content-Length: {}", body.len()));
    if let Some((email, token)) = login {
        let text = data_encoding::BASE64.encode(format!("{email}:{token}").as_bytes());
        lines.push(format!("Authorization: Basic {text}"));
    }
    if !body.is_empty() {
        lines.push("Content-Type: application/json".into());
    }
    let mut stream = TcpStream::connect(sim.host()).ok()?;
    stream
        .write_all(format!("{}\r\n\r\n{body}", lines.join("\r\n")).as_bytes())
        .ok()?;
    Some(stream)
}

/// One request with any credential; `None` when the connection closed without
/// a reply.
pub fn call(sim: &Sim, login: Option<(&str, &str)>, method: &str, path: &str, body: Option<&Value>) -> Option<Answer> {
    let mut text = String::new();
    send(sim, login, method, path, body)?.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let body = serde_json::from_str(body).unwrap_or_else(|_| json!(body));
    Some(Answer {
        status,
        head: head.into(),
        body,
    })
}

/// Posts, waits until the request has been taken up, and hangs up.
pub fn send_and_leave(sim: &Sim, path: &str, body: &Value) {
    let stream = send(sim, Some((DEFAULT_EMAIL, CLASSIC_TOKEN)), "POST", path, Some(body)).expect("a connection");
    while sim.creates_in_flight() == 0 {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    drop(stream);
}

/// As the default user with the classic token.
pub fn api(sim: &Sim, method: &str, path: &str, body: &Value) -> Answer {
    let body = Some(body).filter(|b| !b.is_null());
    call(
        sim,
        Some((DEFAULT_EMAIL, CLASSIC_TOKEN)),
        method,
        &format!("/rest/api/3{path}"),
        body,
    )
    .expect("a reply")
}

/// GET as the default user.
pub fn get(sim: &Sim, path: &str) -> Answer {
    api(sim, "GET", path, &Value::Null)
}

/// A document of one line.
pub fn doc(text: &str) -> Value {
    json!({"type": "doc", "version": 1, "content": [{"type": "paragraph", "content": [{"type": "text", "text": text}]}]})
}

/// The body of a create in a project, with its first type.
pub fn bug(project: &str, labels: &[&str]) -> Value {
    let kind = match project {
        "REQ" => "10030",
        "TEAM" => "10020",
        _ => "10004",
    };
    json!({"fields": {"project": {"key": project}, "issuetype": {"id": kind}, "summary": "A bug", "labels": labels,
        "description": doc("text")}, "properties": [{"key": "mine", "value": {"a": 1}}]})
}

/// Creates an issue and gives its key.
pub fn create(sim: &Sim, project: &str, labels: &[&str]) -> String {
    let made = api(sim, "POST", "/issue", &bug(project, labels));
    assert_eq!(made.status, 201, "{}", made.body);
    made.body["key"].as_str().expect("a key").into()
}

/// Ids found by a query.
pub fn search(sim: &Sim, jql: &str) -> Vec<String> {
    let found = api(sim, "POST", "/search/jql", &json!({"jql": jql}));
    assert_eq!(found.status, 200, "{jql}: {}", found.body);
    let issues = found.body["issues"].as_array().expect("issues");
    issues
        .iter()
        .map(|i| i["id"].as_str().expect("an id").to_string())
        .collect()
}
