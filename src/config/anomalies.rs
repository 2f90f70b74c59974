//! `[anomalies]`: from when on something is reported. Every key is optional.

use super::{keys::THRESHOLDS, reader::Section};
use crate::model::Limits;

pub(super) fn anomalies(mut section: Section<'_>) -> Limits {
    let mut limits = Limits::default();
    for row in THRESHOLDS {
        if let Some(number) = section.optional(&row.key) {
            *(row.field)(&mut limits) = number;
        }
    }
    if limits.least_days > limits.comparable_days {
        section.complain(format!(
            "least_days {} is more than comparable_days {}; nothing would ever be compared",
            limits.least_days, limits.comparable_days
        ));
    }
    section.finish();
    limits
}
