//! Makes central equal to what the buffer knows: [`plan`] decides, [`postgres`] acts.
//!
//! What must never happen: central's session shrinks because this buffer knows less (invariant 6);
//! a session is half written (header and details travel in one statement); two writers interleave
//! (each write names the revision it replaces, and does nothing where central holds another).

pub mod plan;
pub mod postgres;
