//! How far the changes of a connection's site have been handled, across restarts.

use std::time::Duration;

use jiff::Timestamp;
use kube::Client;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;
use tokio::time::Instant;

use crate::api::{FIELD_MANAGER, JiraConnection};
use crate::controllers::registry::ObjectKey;

/// The shortest time between two writes of the cursor.
const INTERVAL: Duration = Duration::from_mins(5);

/// The newest `updated` of an issue that was handled. `status.syncCursor` of the connection keeps it, so that a restart
/// need not reach far back. This type is the only reader and writer of that field.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    newest: Option<Timestamp>,
    stored: Option<Timestamp>,
    stored_at: Option<Instant>,
}

impl Cursor {
    /// The newest `updated` that was handled; `None` where nothing has been handled or stored.
    pub(super) const fn newest(&self) -> Option<Timestamp> {
        self.newest
    }

    /// Moves the cursor forwards; it never moves backwards.
    pub(super) fn advance(&mut self, updated: Option<Timestamp>) {
        self.newest = self.newest.max(updated);
    }

    /// Reads the stored cursor of a connection. A failure is as if none were stored.
    pub(super) async fn load(&mut self, client: &Client, connection: &ObjectKey) {
        let api: Api<JiraConnection> = Api::namespaced(client.clone(), &connection.namespace);
        let found = match api.get_opt(&connection.name).await {
            Ok(found) => found,
            Err(error) => {
                tracing::debug!(%connection, %error, "the stored cursor cannot be read");
                return;
            }
        };
        self.stored = found.and_then(|found| found.status?.sync_cursor).map(|stored| stored.0);
        self.newest = self.newest.max(self.stored);
    }

    /// Stores the cursor in the status of the connection, if it has advanced and the last write is five minutes ago.
    pub(super) async fn store(&mut self, client: &Client, connection: &ObjectKey) {
        let due = self.stored_at.is_none_or(|at| at.elapsed() >= INTERVAL);
        let Some(newest) = self.newest.filter(|newest| due && self.stored < Some(*newest)) else {
            return;
        };
        let whole = Timestamp::from_second(newest.as_second()).unwrap_or(newest);
        let api: Api<JiraConnection> = Api::namespaced(client.clone(), &connection.namespace);
        let parameters = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let patch = json!({"status": {"syncCursor": whole.to_string()}});
        match api
            .patch_status(&connection.name, &parameters, &Patch::Merge(&patch))
            .await
        {
            Ok(_) => {
                self.stored = Some(newest);
                self.stored_at = Some(Instant::now());
            }
            Err(error) => tracing::debug!(%connection, %error, "the cursor was not stored"),
        }
    }
}
