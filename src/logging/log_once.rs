//! A failure that lasts is logged when it begins, again when its reason changes, and when it is over:
//! never with each try.

/// Whether one thing's failure was logged, and with which reason where that matters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LogOnce<R = ()> {
    logged: Option<R>,
}

impl<R> Default for LogOnce<R> {
    fn default() -> Self {
        Self { logged: None }
    }
}

impl<R: PartialEq> LogOnce<R> {
    /// It failed: `true` if that is to be logged, because it worked before or failed for another reason.
    pub(crate) fn begins_with(&mut self, reason: R) -> bool {
        let is_new = self.logged.as_ref() != Some(&reason);
        self.logged = Some(reason);
        is_new
    }

    /// It works: `true` if it was logged that it does not.
    pub(crate) fn ends(&mut self) -> bool {
        self.logged.take().is_some()
    }
}

impl LogOnce {
    /// It failed, for whatever reason: `true` if that is to be logged, because it worked before.
    pub(crate) fn begins(&mut self) -> bool {
        self.begins_with(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lasting_failure_is_logged_when_it_begins_and_when_it_is_over() {
        let mut once = LogOnce::default();
        assert!(!once.ends(), "it never failed");
        assert_eq!([once.begins(), once.begins(), once.begins()], [true, false, false]);
        assert_eq!([once.ends(), once.ends()], [true, false]);
        assert!(once.begins(), "it fails again");
    }

    #[test]
    fn another_reason_is_logged_and_the_same_one_again_after_it_worked() {
        let mut once = LogOnce::default();
        let reasons = ["full", "full", "damaged", "full"];
        assert_eq!(reasons.map(|reason| once.begins_with(reason)), [true, false, true, true]);
        assert!(once.ends());
        assert!(once.begins_with("full"));
    }
}
