//! What every other part of the domain rests on. Depends on none of them.

pub mod backoff;
pub mod clock;
pub mod fault;
pub mod hash;
pub mod members;
pub mod standing;
pub mod words;
