//! Writes generated LOG files into folders laid out like the server:
//! `cargo run --example generate -- --out DIR --days 3 --from 2025-05-26 --seed 1 [--dirty]`.

#[path = "../tests/support/generate/mod.rs"]
mod generate;

use std::{fs, path::PathBuf};

use anyhow::Context;
use chrono::NaiveDate;
use clap::Parser;
use generate::{CENTRES, Dirt, file_name, log_of_day, working_days};

/// Writes LOG files of three machines as a line would, one folder a machine, one file a working day.
#[derive(Parser)]
struct Arguments {
    /// Folder that receives the machines' folders
    #[arg(long)]
    out: PathBuf,
    /// Working days to write
    #[arg(long, default_value_t = 3)]
    days: usize,
    /// First day
    #[arg(long, default_value = "2025-05-26")]
    from: NaiveDate,
    /// The same seed gives the same files
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// With the damage that power cuts and bad nets leave
    #[arg(long)]
    dirty: bool,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let dirt = if arguments.dirty { Dirt::Some } else { Dirt::None };
    for centre in &CENTRES {
        let folder = arguments.out.join(centre.folder);
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        for day in working_days(arguments.from, arguments.days) {
            let path = folder.join(file_name(day));
            fs::write(&path, log_of_day(centre, day, arguments.seed, dirt))
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    Ok(())
}
