//! What a test draws at random follows from one number, which is printed and can be given again.

/// The number in the variable `SEED`, or a new one.
#[allow(clippy::print_stdout, reason = "shown where a test fails")]
pub fn seed() -> u64 {
    let given = std::env::var("SEED").ok().filter(|text| !text.is_empty());
    let number = |text: String| text.parse().unwrap_or_else(|_| panic!("SEED={text} is no number"));
    let seed = given.map_or_else(|| fastrand::u64(..), number);
    println!("SEED={seed}");
    seed
}
