//! Calls to the API server, each with a deadline.

use std::time::Duration;

/// How long one call to the API server may take.
const DEADLINE: Duration = Duration::from_secs(20);

/// Why a call to the API server has no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// The API server answered with an error, or could not be reached.
    #[error("API server: {0}")]
    Api(#[from] kube::Error),
    /// The API server did not answer within the deadline. A write may have been done all the same.
    #[error("API server: no answer in time")]
    Deadline,
}

impl CallError {
    /// The HTTP status code of the API server's answer, if it answered.
    pub(crate) fn code(&self) -> Option<u16> {
        match self {
            Self::Api(kube::Error::Api(status)) => Some(status.code),
            Self::Api(_) | Self::Deadline => None,
        }
    }
}

/// Gives a call to the API server a deadline of 20 seconds.
///
/// # Errors
///
/// When the call fails or does not end in time.
pub(crate) async fn with_deadline<T>(call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, CallError> {
    match tokio::time::timeout(DEADLINE, call).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(CallError::Deadline),
    }
}
