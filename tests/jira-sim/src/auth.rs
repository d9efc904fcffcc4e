//! Who is calling, and what a credential that does not hold gets (T2, T23).

use serde_json::json;

use crate::http::{Ctx, Reply, Request};
use crate::site::TokenKind;
use crate::state::State;

/// The outcome of looking at a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Known, with the account id.
    User(String),
    /// Treated as anonymous; holds the `X-Seraph-LoginReason` where a
    /// credential was sent and refused.
    Anonymous(Option<&'static str>),
}

impl Caller {
    /// The account, unless anonymous.
    pub fn account(&self) -> Option<&str> {
        match self {
            Self::User(account) => Some(account),
            Self::Anonymous(_) => None,
        }
    }
}

const FAILED: &str = "AUTHENTICATED_FAILED";
const DENIED: &str = "AUTHENTICATION_DENIED";

/// Resolves the credential. At the gateway a refusal is final (`Err`); at the
/// site it makes the caller anonymous.
pub fn resolve(st: &State, req: &Request, scope: Option<&str>) -> Result<Caller, Reply> {
    let credential = req.authorization.as_deref().and_then(basic);
    if let Some(cloud) = &req.gateway {
        if *cloud != st.site.cloud_id {
            return Err(Reply::json(404, &json!({"code": 404, "message": "Not Found"})));
        }
        let refused = || Reply::json(401, &json!({"code": 401, "message": "Unauthorized"}));
        if st.behaviour.captcha {
            return Err(refused().with("X-Seraph-LoginReason", DENIED));
        }
        let Some((email, secret)) = credential else {
            return Err(refused());
        };
        let (account, scopes) = login(st, &email, &secret, TokenKind::Scoped).ok_or_else(refused)?;
        if scope.is_some_and(|s| !scopes.iter().any(|have| have == s)) {
            let body = json!({"code": 401, "message": "Unauthorized; scope does not match"});
            return Err(Reply::json(401, &body));
        }
        return Ok(Caller::User(account));
    }
    if req.authorization.is_none() {
        return Ok(Caller::Anonymous(None));
    }
    if st.behaviour.captcha {
        return Err(
            Reply::error(401, "Basic authentication with passwords is deprecated or denied.")
                .with("X-Seraph-LoginReason", DENIED),
        );
    }
    let found = credential.and_then(|(email, secret)| login(st, &email, &secret, TokenKind::Classic));
    Ok(found.map_or(Caller::Anonymous(Some(FAILED)), |(account, _)| Caller::User(account)))
}

fn login(st: &State, email: &str, secret: &str, kind: TokenKind) -> Option<(String, Vec<String>)> {
    let user = st
        .site
        .users
        .iter()
        .find(|u| u.active && u.email.eq_ignore_ascii_case(email))?;
    let token = user.tokens.iter().find(|t| t.kind == kind && t.token == secret)?;
    Some((user.account_id.clone(), token.scopes.clone()))
}

fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, text) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let bytes = data_encoding::BASE64.decode(text.trim().as_bytes()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (email, secret) = text.split_once(':')?;
    Some((email.into(), secret.into()))
}

impl Ctx<'_> {
    /// 401 as `/myself` gives it.
    pub fn unauthorized(&self) -> Reply {
        self.seraph(Reply::error(
            401,
            "You are not authenticated. Authentication required to perform this operation.",
        ))
    }

    /// Adds the Seraph header where a credential was refused.
    pub fn seraph(&self, reply: Reply) -> Reply {
        match self.caller {
            Caller::Anonymous(Some(reason)) => reply.with("X-Seraph-LoginReason", reason),
            _ => reply,
        }
    }

    /// Whether the caller holds a permission in a project. Anonymous callers
    /// hold none.
    pub fn may(&self, permission: &str, project: &str) -> bool {
        let user = self.caller.account().and_then(|a| self.st.site.user(a));
        user.is_some_and(|u| u.may("BROWSE_PROJECTS", project) && u.may(permission, project))
    }

    /// The id of an issue that the caller may see, else Jira's ambiguous 404 (T3).
    pub fn visible(&self, id_or_key: &str) -> Result<u64, Reply> {
        let found = self
            .st
            .find(id_or_key)
            .filter(|i| self.may("BROWSE_PROJECTS", &i.project));
        found.map(|i| i.id).ok_or_else(|| {
            self.seraph(Reply::error(
                404,
                "Issue does not exist or you do not have permission to see it.",
            ))
        })
    }

    /// An issue that may also be written: an archived project refuses (T21).
    pub fn writable(&self, id_or_key: &str) -> Result<u64, Reply> {
        let id = self.visible(id_or_key)?;
        let project = &self.st.issues[&id].now.project;
        if self.st.site.project(project).is_some_and(|p| p.archived) {
            return Err(Reply::error(
                400,
                "The issue is in an archived project and cannot be changed.",
            ));
        }
        Ok(id)
    }
}
