//! The table of operations, named as in Jira's own specification.

use crate::http::{Ctx, Handled, Reply, decode};
use crate::{board, comments, control, issues, links, meta, properties, search, transitions};

/// What serves an operation.
pub type Handler = fn(&mut Ctx) -> Handled;

/// One operation.
pub struct Route {
    pub method: &'static str,
    pub template: &'static str,
    pub operation: &'static str,
    /// Scope that a scoped token needs.
    pub scope: Option<&'static str>,
    pub handler: Handler,
}

const READ: Option<&str> = Some("read:jira-work");
const WRITE: Option<&str> = Some("write:jira-work");
const PEOPLE: Option<&str> = Some("read:jira-user");
const ADMIN: Option<&str> = Some("manage:jira-configuration");

macro_rules! routes {
    ($($method:literal $template:literal $operation:literal $scope:ident $handler:path;)*) => {
        &[$(Route { method: $method, template: $template, operation: $operation, scope: $scope, handler: $handler }),*]
    };
}

const NONE: Option<&str> = None;

/// Fixed parts stand before `{…}` parts of the same place.
pub const ROUTES: &[Route] = routes! {
    "GET" "/_edge/tenant_info" "tenantInfo" NONE meta::tenant_info;
    "GET" "/rest/api/3/myself" "getCurrentUser" PEOPLE meta::myself;
    "GET" "/rest/api/3/serverInfo" "getServerInfo" NONE meta::server_info;
    "GET" "/rest/api/3/mypermissions" "getMyPermissions" READ meta::permissions;
    "GET" "/rest/api/3/project/search" "searchProjects" READ meta::project_search;
    "GET" "/rest/api/3/project/{projectIdOrKey}" "getProject" READ meta::project;
    "GET" "/rest/api/3/project/{projectIdOrKey}/statuses" "getAllStatuses" READ meta::project_statuses;
    "GET" "/rest/api/3/project/{projectIdOrKey}/components" "getProjectComponents" READ meta::project_components;
    "GET" "/rest/api/3/project/{projectIdOrKey}/versions" "getProjectVersions" READ meta::project_versions;
    "GET" "/rest/api/3/priority/search" "searchPriorities" ADMIN meta::priorities;
    "GET" "/rest/api/3/resolution/search" "searchResolutions" ADMIN meta::resolutions;
    "GET" "/rest/api/3/status" "getStatuses" READ meta::statuses;
    "GET" "/rest/api/3/field" "getFields" READ meta::all_fields;
    "GET" "/rest/api/3/label" "getAllLabels" READ meta::labels;
    "GET" "/rest/api/3/user" "getUser" PEOPLE meta::user;
    "GET" "/rest/api/3/user/search" "findUsers" PEOPLE meta::user_search;
    "GET" "/rest/api/3/user/assignable/search" "findAssignableUsers" PEOPLE meta::assignable;
    "GET" "/rest/api/3/issue/createmeta/{projectIdOrKey}/issuetypes" "getCreateIssueMetaIssueTypes" READ meta::create_types;
    "GET" "/rest/api/3/issue/createmeta/{projectIdOrKey}/issuetypes/{issueTypeId}" "getCreateIssueMetaIssueTypeId" READ meta::create_fields;
    "POST" "/rest/api/3/issue" "createIssue" WRITE issues::create;
    "POST" "/rest/api/3/issue/bulk" "createIssues" WRITE issues::create_bulk;
    "POST" "/rest/api/3/issue/bulkfetch" "bulkFetchIssues" READ search::bulk_fetch;
    "GET" "/rest/api/3/issue/{issueIdOrKey}" "getIssue" READ issues::get;
    "PUT" "/rest/api/3/issue/{issueIdOrKey}" "editIssue" WRITE issues::edit;
    "DELETE" "/rest/api/3/issue/{issueIdOrKey}" "deleteIssue" WRITE issues::delete;
    "PUT" "/rest/api/3/issue/{issueIdOrKey}/assignee" "assignIssue" WRITE issues::assign;
    "GET" "/rest/api/3/issue/{issueIdOrKey}/editmeta" "getEditIssueMeta" READ issues::edit_meta;
    "GET" "/rest/api/3/issue/{issueIdOrKey}/changelog" "getChangeLogs" READ issues::changelog;
    "POST" "/rest/api/3/changelog/bulkfetch" "getBulkChangelogs" READ issues::changelog_bulk;
    "GET" "/rest/api/3/issue/{issueIdOrKey}/transitions" "getTransitions" READ transitions::list;
    "POST" "/rest/api/3/issue/{issueIdOrKey}/transitions" "doTransition" WRITE transitions::take;
    "GET" "/rest/api/3/issue/{issueIdOrKey}/comment" "getComments" READ comments::list;
    "POST" "/rest/api/3/issue/{issueIdOrKey}/comment" "addComment" WRITE comments::create;
    "GET" "/rest/api/3/issue/{issueIdOrKey}/comment/{id}" "getComment" READ comments::get;
    "PUT" "/rest/api/3/issue/{issueIdOrKey}/comment/{id}" "updateComment" WRITE comments::edit;
    "DELETE" "/rest/api/3/issue/{issueIdOrKey}/comment/{id}" "deleteComment" WRITE comments::delete;
    "POST" "/rest/api/3/comment/list" "getCommentsByIds" READ comments::by_ids;
    "GET" "/rest/api/3/comment/{commentId}/properties" "getCommentPropertyKeys" READ comments::property;
    "GET" "/rest/api/3/comment/{commentId}/properties/{propertyKey}" "getCommentProperty" READ comments::property;
    "PUT" "/rest/api/3/comment/{commentId}/properties/{propertyKey}" "setCommentProperty" WRITE comments::property;
    "DELETE" "/rest/api/3/comment/{commentId}/properties/{propertyKey}" "deleteCommentProperty" WRITE comments::property;
    "GET" "/rest/api/3/issue/{issueIdOrKey}/properties" "getIssuePropertyKeys" READ properties::issue;
    "GET" "/rest/api/3/issue/{issueIdOrKey}/properties/{propertyKey}" "getIssueProperty" READ properties::issue;
    "PUT" "/rest/api/3/issue/{issueIdOrKey}/properties/{propertyKey}" "setIssueProperty" WRITE properties::issue;
    "DELETE" "/rest/api/3/issue/{issueIdOrKey}/properties/{propertyKey}" "deleteIssueProperty" WRITE properties::issue;
    "GET" "/rest/api/3/issue/{issueIdOrKey}/remotelink" "getRemoteIssueLinks" READ links::remote_list;
    "POST" "/rest/api/3/issue/{issueIdOrKey}/remotelink" "createOrUpdateRemoteIssueLink" WRITE links::remote_put;
    "DELETE" "/rest/api/3/issue/{issueIdOrKey}/remotelink" "deleteRemoteIssueLinkByGlobalId" WRITE links::remote_delete;
    "GET" "/rest/api/3/issueLinkType" "getIssueLinkTypes" READ links::types;
    "POST" "/rest/api/3/issueLink" "linkIssues" WRITE links::create;
    "GET" "/rest/api/3/search/jql" "searchAndReconsileIssuesUsingJql" READ search::get;
    "POST" "/rest/api/3/search/jql" "searchAndReconsileIssuesUsingJqlPost" READ search::post;
    "POST" "/rest/api/3/search/approximate-count" "countIssues" READ search::count;
    "POST" "/rest/api/3/jql/match" "matchIssues" READ search::matches;
    "POST" "/rest/api/3/jql/parse" "parseJqlQueries" READ search::parse;
    "GET" "/rest/api/3/search" "searchForIssuesUsingJql" READ meta::gone;
    "POST" "/rest/api/3/search" "searchForIssuesUsingJqlPost" READ meta::gone;
    "GET" "/rest/api/2/search" "searchForIssuesUsingJql" READ meta::gone;
    "POST" "/rest/api/2/search" "searchForIssuesUsingJqlPost" READ meta::gone;
    "GET" "/" "board" NONE board::board;
    "GET" "/browse/{key}" "browse" NONE board::issue;
    "POST" "/browse/{key}/transition" "browseTransition" NONE board::transition;
    "POST" "/browse/{key}/comment" "browseComment" NONE board::comment;
    "GET" "/_sim/{what}" "simGet" NONE control::get;
    "POST" "/_sim/{what}" "simPost" NONE control::post;
};

/// Finds the operation and the decoded parts of the path.
pub fn find(method: &str, path: &str) -> Result<(&'static Route, Vec<String>), Reply> {
    let mut known = false;
    for route in ROUTES {
        if let Some(params) = captures(route.template, path) {
            if route.method == method {
                return Ok((route, params));
            }
            known = true;
        }
    }
    Err(if known {
        Reply::error(405, "Method Not Allowed")
    } else {
        Reply::error(404, "No such resource.")
    })
}

fn captures(template: &str, path: &str) -> Option<Vec<String>> {
    let mut params = Vec::new();
    let (mut want, mut have) = (template.split('/'), path.split('/'));
    loop {
        match (want.next(), have.next()) {
            (None, None) => return Some(params),
            (Some(w), Some(h)) if w.starts_with('{') && !h.is_empty() => params.push(decode(h, false)),
            (Some(w), Some(h)) if w == h => {}
            _ => return None,
        }
    }
}
