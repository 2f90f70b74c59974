//! What goes wrong on the way from a controller's memory to its disk.

use super::{Line, random::Random};

/// The day's lines as a controller on a bad net leaves them.
pub(super) fn soiled(lines: Vec<Line>, random: &mut Random) -> Vec<u8> {
    let lines = step_clock(confuse(lines, random), random);
    let mut bytes = Vec::new();
    for line in &lines {
        write_debris(&mut bytes, random);
        let mut text = latin1(&line.text());
        if random.one_in(80) {
            // A NUL inside the line is as harmless as one before it.
            let at = random.between(0, text.len() as u64 - 1) as usize;
            text.insert(at, 0);
        }
        if random.one_in(60) {
            // Torn by a power cut: the rest never came, the next line may follow without a line end.
            text.truncate(random.between(1, text.len() as u64 - 1) as usize);
            bytes.extend(text);
            if random.one_in(2) {
                bytes.extend(b"\r\n");
            }
            continue;
        }
        bytes.extend(text);
        bytes.extend(if random.one_in(10) { b" \r\n" as &[u8] } else { b"\r\n" });
    }
    if random.one_in(2) {
        // The last line is still being written.
        bytes.truncate(bytes.len() - 2);
    }
    bytes
}

/// Events that a tidy machine would not log in this way.
fn confuse(lines: Vec<Line>, random: &mut Random) -> Vec<Line> {
    let mut confused = Vec::with_capacity(lines.len() + 50);
    for mut line in lines {
        let also = |line: &Line, event: String| Line { event, ..line.clone() };
        if line.event.starts_with("MachineWait") && random.one_in(6) {
            line.event = wait(random);
        } else if line.event.starts_with("JobProfiel") && random.one_in(10) {
            line.event = random
                .one_of(&[
                    "JobProfiel:",
                    "JobProfiel: L:5000.00 C:654",
                    "JobProfiel: R:GY1104 L:4964,27",
                    "JobProfiel: C:WS L:6000 R:76281",
                ])
                .into();
        } else if line.event == "MachineStop" && random.one_in(4) {
            confused.push(also(&line, "MachineStop".into()));
        } else if line.event == "MachineStart" && random.one_in(8) {
            continue;
        }
        if random.one_in(50) {
            let word = random.one_of(&[
                "Melding: défaut d'évacuation à vérifier",
                "GereedschapWissel: T14",
                "GereedschapWissel: T3",
                "Onderhoud",
            ]);
            confused.push(also(&line, word.into()));
        }
        if random.one_in(100) {
            confused.push(line.clone());
        }
        confused.push(line);
    }
    if let Some(last) = confused.last().cloned() {
        let event = "MachineWait: 600 sec".into();
        confused.push(Line { second: last.second + 60, event, ..last });
    }
    confused
}

fn wait(random: &mut Random) -> String {
    let seconds = random.between(0, 900);
    let name = "MachineWait";
    match random.between(0, 6) {
        0 => format!("{name}: {seconds}.{} sec", random.between(0, 9_999)),
        1 => format!("{name}: {seconds},{}sec", random.between(0, 99)),
        2 => format!("{name}: 3 keer {seconds} sec"),
        3 => format!("{name}: {seconds}.5"),
        4 => format!("{name}: {seconds}"),
        5 => name.into(),
        _ => format!("{name}: {seconds} sec"),
    }
}

/// Some lines' times an hour early: a clock set back, then right again.
fn step_clock(mut lines: Vec<Line>, random: &mut Random) -> Vec<Line> {
    let last = lines.len() as u64 - 1;
    let from = random.between(last / 2, last) as usize;
    let to = (from + random.between(1, 12) as usize).min(lines.len());
    for line in &mut lines[from..to] {
        line.second -= 3600;
    }
    lines
}

fn write_debris(bytes: &mut Vec<u8>, random: &mut Random) {
    if random.one_in(120) {
        let run = random.one_of(&[1, 16, 512]);
        bytes.resize(bytes.len() + run, 0);
    }
    if random.one_in(100) {
        bytes.extend(random.one_of(&[
            b"\r\n" as &[u8],
            b"### herstart controller ###\r\n",
            b" \t \r\n",
            b"\xFF",
            b"|@\r\n",
            b"20250631 10:00:00|@StukUitgevoerd: 1\r\n",
        ]));
    }
}

/// The words above hold nothing beyond U+00FF.
fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|char| u8::try_from(char).unwrap_or(b'?')).collect()
}
