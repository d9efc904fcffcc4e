//! What the controllers and the command line both need: a tested connection, and a configuration whose names have been
//! looked up in Jira. Knows no watch and no API server: callers hand over specs, tokens and the data of a ConfigMap.

pub mod connect;
pub mod resolve;
