//! What a delivery is asked to write.

use crate::model::{CentralSession, Delivery};

/// A session to write, and what central held when that was decided.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    pub delivery: &'a Delivery,
    /// `None`: central had no row. Central is left alone where it now holds another revision.
    pub replaces: Option<&'a CentralSession>,
}
