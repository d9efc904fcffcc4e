//! The same actions over HTTP, for another process (see the crate's page).

use std::time::Duration;

use serde_json::{Value, json};

use crate::actions;
use crate::http::{Ctx, Handled, Reply};

pub fn get(cx: &mut Ctx) -> Handled {
    let shown = match cx.params[0].as_str() {
        "issues" => {
            let views: Vec<_> = cx
                .st
                .issues
                .values()
                .map(|r| actions::view(cx.st, &r.now, r.deleted))
                .collect();
            json!(views)
        }
        "log" => {
            let since = cx
                .req
                .query("since")
                .and_then(|s| s.parse::<u64>().ok())
                .unwrap_or_default();
            let operation = cx.req.query("operation");
            let entries = cx.st.log.entries().iter().filter(|e| e.seq > since);
            json!(
                entries
                    .filter(|e| operation.is_none_or(|o| o == e.operation))
                    .collect::<Vec<_>>()
            )
        }
        "faults" => json!(
            cx.st
                .faults
                .list()
                .iter()
                .map(|(id, f)| json!({"id": id, "fault": f}))
                .collect::<Vec<_>>()
        ),
        "site" => json!(cx.st.site),
        _ => return Err(Reply::error(404, "no such view")),
    };
    Ok(Reply::ok(&shown))
}

pub fn post(cx: &mut Ctx) -> Handled {
    let body = match cx.req.body.as_slice() {
        [] => json!({}),
        bytes => serde_json::from_slice(bytes).map_err(|e| Reply::error(400, &e.to_string()))?,
    };
    act(cx, &body)
        .map(|done| Reply::ok(&done))
        .map_err(|text| Reply::error(400, &text))
}

fn act(cx: &mut Ctx, body: &Value) -> Result<Value, String> {
    let text = |name: &str| body[name].as_str().ok_or_else(|| format!("{name} is missing"));
    let on = || body["on"].as_bool().ok_or("on is missing");
    let millis = || body["millis"].as_u64().ok_or("millis is missing");
    let what = cx.params[0].clone();
    let st = &mut *cx.st;
    let found = |found: bool| {
        if found {
            Ok(())
        } else {
            Err("there is none of that name".to_string())
        }
    };
    match what.as_str() {
        "transition" => actions::transition(st, text("key")?, text("status")?, body["resolution"].as_str())?,
        "comment" => {
            let id = actions::comment(st, text("key")?, text("text")?)?;
            return Ok(json!({"id": id}));
        }
        "edit" => actions::edit(st, text("key")?, body["fields"].as_object().ok_or("fields is missing")?)?,
        "delete" => actions::delete(st, text("key")?)?,
        "move" => {
            let key = actions::relocate(st, text("key")?, text("project")?)?;
            return Ok(json!({"key": key}));
        }
        "fault" => {
            let fault = serde_json::from_value(body.clone()).map_err(|e| e.to_string())?;
            return Ok(json!({"id": st.faults.add(fault)}));
        }
        "clear-faults" => st.faults.clear(),
        "clear-log" => st.log.clear(),
        "outage" => st.faults.outage = on()?,
        "index-lag" => st.behaviour.index_lag = Duration::from_millis(millis()?),
        "latency" => st.behaviour.latency = Duration::from_millis(millis()?),
        "clock" => {
            let millis = body["millis"].as_i64().ok_or("millis is missing")?;
            st.behaviour.clock_offset = jiff::SignedDuration::from_millis(millis);
        }
        "flicker" => st.behaviour.flicker_every = body["every"].as_u64().ok_or("every is missing")?,
        "captcha" => st.behaviour.captcha = on()?,
        "tenant-info" => st.behaviour.tenant_info = on()?,
        "rate-limits" => st.behaviour.rate_limits = on()?,
        "cloud-id" => st.site.cloud_id = text("cloudId")?.into(),
        "revoke-token" => found(actions::revoke_token(st, text("token")?))?,
        "replace-token" => found(actions::replace_token(st, text("old")?, text("new")?))?,
        "rename-priority" => found(actions::rename(st, "priority", text("old")?, text("new")?))?,
        "rename-status" => found(actions::rename(st, "status", text("old")?, text("new")?))?,
        "deny" | "allow" => actions::permit(st, text("account")?, text("permission")?, what == "allow"),
        _ => return Err("no such action".into()),
    }
    Ok(json!({}))
}
