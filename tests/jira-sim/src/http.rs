//! Requests and replies without a connection: what handlers work with.

use serde_json::{Map, Value, json};

use crate::auth::Caller;
use crate::state::State;

/// A request as read from the wire.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// Path without the gateway prefix, still percent-encoded.
    pub path: String,
    pub query: Vec<(String, String)>,
    pub authorization: Option<String>,
    pub content_type: Option<String>,
    pub body: Vec<u8>,
    /// The cloud id of the gateway path, when it came that way.
    pub gateway: Option<String>,
}

impl Request {
    /// The first value of a query parameter.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str())
    }

    /// All values of a parameter, repeated or divided by commas.
    pub fn query_list(&self, name: &str) -> Vec<String> {
        let values = self.query.iter().filter(|(k, _)| k == name);
        values
            .flat_map(|(_, v)| v.split(','))
            .map(|v| v.trim().to_string())
            .filter(|v| !v.is_empty())
            .collect()
    }
}

/// A reply before it is written.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// Handlers give the error reply as `Err` so that `?` works.
pub type Handled = Result<Reply, Reply>;

impl Reply {
    pub fn json(status: u16, body: &Value) -> Self {
        let headers = vec![("content-type".into(), "application/json;charset=UTF-8".into())];
        Self {
            status,
            headers,
            body: body.to_string().into_bytes(),
        }
    }

    pub fn ok(body: &Value) -> Self {
        Self::json(200, body)
    }

    pub fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    pub fn html(status: u16, body: String) -> Self {
        let headers = vec![("content-type".into(), "text/html;charset=UTF-8".into())];
        Self {
            status,
            headers,
            body: body.into_bytes(),
        }
    }

    /// An `ErrorCollection` with one message.
    pub fn error(status: u16, message: &str) -> Self {
        Self::json(status, &json!({"errorMessages": [message], "errors": {}}))
    }

    /// An `ErrorCollection` about one field.
    pub fn field(field: &str, message: &str) -> Self {
        Self::json(400, &json!({"errorMessages": [], "errors": {field: message}}))
    }

    /// An `ErrorCollection` about several fields.
    pub fn fields(errors: &Map<String, Value>) -> Self {
        Self::json(400, &json!({"errorMessages": [], "errors": errors}))
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

/// What a handler gets.
pub struct Ctx<'a> {
    pub st: &'a mut State,
    pub req: &'a Request,
    pub caller: Caller,
    /// Decoded values of the `{…}` parts of the route.
    pub params: Vec<String>,
}

impl Ctx<'_> {
    /// The JSON object of the body; 415 without the JSON content type.
    pub fn body(&self) -> Result<Map<String, Value>, Reply> {
        let kind = self.req.content_type.as_deref().unwrap_or_default();
        if !kind
            .split(';')
            .next()
            .is_some_and(|k| k.trim().eq_ignore_ascii_case("application/json"))
        {
            return Err(Reply::error(415, "Unsupported Media Type"));
        }
        match serde_json::from_slice(&self.req.body) {
            Ok(Value::Object(body)) => Ok(body),
            Ok(_) | Err(_) => Err(Reply::error(
                400,
                "There was an error parsing JSON. Check that your request body is valid.",
            )),
        }
    }

    /// As [`Ctx::body`], refusing members that the operation does not know.
    pub fn body_of(&self, allowed: &[&str]) -> Result<Map<String, Value>, Reply> {
        let body = self.body()?;
        match body.keys().find(|k| !allowed.contains(&k.as_str())) {
            Some(key) => Err(Reply::error(
                400,
                &format!("Unrecognized field \"{key}\", not marked as ignorable"),
            )),
            None => Ok(body),
        }
    }

    /// `startAt` and `maxResults` of the query, the latter capped at `max`.
    pub fn page(&self, default: usize, max: usize) -> Result<(usize, usize), Reply> {
        let number = |name: &str, default| match self.req.query(name) {
            None | Some("") => Ok(default),
            Some(text) => text
                .parse::<usize>()
                .map_err(|_| Reply::error(400, &format!("The provided {name} value {text:?} is not a number."))),
        };
        Ok((number("startAt", 0)?, number("maxResults", default)?.min(max)))
    }

    /// The account of the caller, or 401.
    pub fn account(&self) -> Result<String, Reply> {
        self.caller
            .account()
            .map(String::from)
            .ok_or_else(|| self.unauthorized())
    }
}

/// A page in the `values` style.
pub fn page_bean(self_url: &str, all: Vec<Value>, start: usize, max: usize) -> Value {
    let total = all.len();
    let values: Vec<Value> = all.into_iter().skip(start).take(max).collect();
    let last = start + values.len() >= total;
    json!({"self": self_url, "startAt": start, "maxResults": max, "total": total, "isLast": last, "values": values})
}

/// Undoes percent-encoding; `+` becomes a space only in queries.
pub fn decode(text: &str, plus: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|h| std::str::from_utf8(h).ok());
        match (bytes[at], hex.and_then(|h| u8::from_str_radix(h, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 2;
            }
            (b'+', _) if plus => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Splits a query string or a form body.
pub fn pairs(text: &str) -> Vec<(String, String)> {
    let parts = text.split('&').filter(|p| !p.is_empty());
    parts
        .map(|p| {
            let (key, value) = p.split_once('=').unwrap_or((p, ""));
            (decode(key, true), decode(value, true))
        })
        .collect()
}
