//! What the spec of a connection, its Secret and Jira's answers mean for the connection.

pub mod credential;
pub mod diagnosis;
pub mod site;
pub mod status;
