//! The file of kept counts, `benches/instructions.txt`: how it is read, compared and written.
//!
//! What must never happen here: a line that is passed over because it is not understood.

use std::fmt::Write;

/// A path that needs this much more than is kept, in percent, fails.
pub const TOLERANCE_PERCENT: u64 = 5;

const HEAD: &str = "\
# Instructions of the hot paths under callgrind, for one round of work each: make bench-guard.
# Written by make bench-guard-update REASON=\"why a path may cost more\", and not by hand.
";

/// What one path cost.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Count {
    pub path: String,
    pub instructions: u64,
    /// What was done for them: 612345, and `bytes`.
    pub work: u64,
    pub unit: String,
}

/// The whole file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Kept {
    /// Compiler, valgrind and processor that the counts were made with.
    pub toolchain: String,
    /// Why the counts are what they are.
    pub reason: String,
    pub counts: Vec<Count>,
}

/// What became of a path since its count was kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    Same,
    Rose,
    Fell,
    /// It is not in the file, or did another amount of work.
    Unknown,
}

impl Kept {
    /// Reads the file's text; the error names the line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (mut toolchain, mut reason, mut counts) = (None, None, Vec::<Count>::new());
        for (index, line) in text.lines().enumerate() {
            let at = |problem: &str| format!("line {}: {problem}: {line:?}", index + 1);
            if line.starts_with('#') || line.is_empty() {
                continue;
            } else if let Some(value) = line.strip_prefix("toolchain: ") {
                toolchain = Some(value.to_owned());
            } else if let Some(value) = line.strip_prefix("reason: ") {
                reason = Some(value.to_owned());
            } else {
                let words: Vec<&str> = line.split_whitespace().collect();
                let [path, instructions, work, unit] = words[..] else {
                    return Err(at("neither a path with its count nor toolchain or reason"));
                };
                if counts.iter().any(|count| count.path == path) {
                    return Err(at("a path that was there before"));
                }
                let number = |text: &str| text.parse().map_err(|_| at("not a number"));
                let (instructions, work) = (number(instructions)?, number(work)?);
                counts.push(Count {
                    path: path.to_owned(),
                    instructions,
                    work,
                    unit: unit.to_owned(),
                });
            }
        }
        let toolchain = toolchain.ok_or("the line `toolchain: …` is missing")?;
        let reason = reason.ok_or("the line `reason: …` is missing")?;
        if reason.trim().len() < 10 {
            return Err(format!("{reason:?} is no reason"));
        }
        Ok(Self { toolchain, reason, counts })
    }

    pub fn text(&self) -> String {
        let mut text = format!("{HEAD}toolchain: {}\nreason: {}\n\n", self.toolchain, self.reason);
        for Count { path, instructions, work, unit } in &self.counts {
            writeln!(text, "{path:<20} {instructions:>12} {work:>9} {unit}")
                .expect("writing into a string succeeds");
        }
        text
    }

    /// The kept count of `now`'s path, and what became of it.
    pub fn compare(&self, now: &Count) -> (Option<&Count>, Change) {
        let kept = self.counts.iter().find(|kept| kept.path == now.path);
        let change = match kept {
            Some(kept) if (kept.work, &kept.unit) == (now.work, &now.unit) => {
                let most = kept.instructions * (100 + TOLERANCE_PERCENT);
                let least = kept.instructions * (100 - TOLERANCE_PERCENT);
                match now.instructions * 100 {
                    now if now > most => Change::Rose,
                    now if now < least => Change::Fell,
                    _ => Change::Same,
                }
            }
            _ => Change::Unknown,
        };
        (kept, change)
    }
}
