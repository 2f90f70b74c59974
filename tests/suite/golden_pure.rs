//! Every golden case through parse and analyse, compared to the last digit.

use crate::support::golden;

#[test]
fn every_golden_case_is_found_with_its_files() {
    let cases = golden::cases();
    assert!(cases.len() >= 12);
    assert!(cases.iter().all(|case| !case.files.is_empty()));
    assert_eq!(golden::case("clean").folders().len(), 3);
}
