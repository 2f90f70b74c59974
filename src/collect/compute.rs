//! From raw bytes in the buffer to sessions: the days that a batch touched are recomputed from
//! every file that holds events of them.

use std::collections::{BTreeMap, BTreeSet};

use super::{evaluate::History, settings::Settings, timing::retime};
use crate::{
    analyse::{
        ANALYSIS_VERSION, DayEnds, LineDefects, Part, day_ends, days_touched, line_defects,
        parts_by_day, rejected_by_day, session_of_day,
    },
    buffer::{Batch, BufferError, Changed},
    logging,
    model::{Day, Session},
    parse::{Parsed, RejectedLine, Text, parse},
};

/// Central's `fichier_log_source` holds 255 characters.
const LOG_SOURCES_CHARS: usize = 255;
/// Up to here a file is held in memory as one text; beyond, only its chunks with events of the
/// wanted days are.
const WHOLE_BYTES: u64 = 16 << 20;

/// Days are computed together as long as their files are not larger than this: then a file of several
/// days is read once for all of them.
const TOGETHER_BYTES: u64 = 8 << 20;

/// The days of one machine that changed, with the files of this batch that hold events of each.
pub(super) type Touched = BTreeMap<Day, BTreeMap<i64, String>>;

/// Bytes of files that were read from their beginning in this batch: they need no unpacking.
pub(super) type AtHand<'b> = BTreeMap<i64, &'b [u8]>;

/// Recomputes every touched day and keeps what changed; returns the sessions that did.
pub(super) fn recompute(
    batch: &Batch<'_>,
    machine_id: i64,
    touched: &Touched,
    at_hand: &AtHand<'_>,
    settings: &Settings,
) -> Result<u64, BufferError> {
    let mut files_of_day: BTreeMap<Day, BTreeMap<i64, String>> = BTreeMap::new();
    for (day, files) in touched {
        let mut all: BTreeMap<i64, String> =
            batch.files_of_day(machine_id, *day)?.into_iter().collect();
        all.extend(files.iter().map(|(id, name)| (*id, name.clone())));
        files_of_day.insert(*day, all);
    }
    let (Some(&first), Some(&last)) = (touched.keys().next(), touched.keys().next_back()) else {
        return Ok(0);
    };
    let mut history = History::load(batch, machine_id, (first, last), settings)?;
    let mut changed = BTreeSet::new();
    let mut is_new = false;
    while !files_of_day.is_empty() {
        let later = beyond_memory(batch, &files_of_day)?;
        let later = later.map_or_else(BTreeMap::new, |day| files_of_day.split_off(&day));
        let group = std::mem::replace(&mut files_of_day, later);
        let reject = history.reject_event();
        let computed = computed(batch, &group, at_hand, reject, settings)?;
        for (day, _) in group.keys().zip(&computed).filter(|(_, of)| of.session.figures.events > 0)
        {
            history.know(batch, *day)?;
        }
        for ((&day, files), Computed { session, defects, ends }) in group.iter().zip(computed) {
            let held = batch.events_beyond_raw(machine_id, day)?;
            if held.is_some_and(|events| session.figures.events < events) {
                // Its older bytes made room long ago; what is left of them would only shrink it. The
                // new file feeds no session, so it stays on its source.
                logging::day_kept(day, files.values());
                if history.evaluate_stored(batch, day)? {
                    changed.insert(day);
                }
                continue;
            }
            let ids: Vec<i64> = files.keys().copied().collect();
            let evaluation = history.evaluate(batch, day, &session, defects, ends, &ids)?;
            let sources = log_sources(files.values());
            let change = batch.put_session(
                machine_id,
                &session,
                &evaluation,
                &ids,
                &sources,
                ANALYSIS_VERSION,
            )?;
            if change != Changed::Same {
                changed.insert(day);
            }
            is_new |= change == Changed::New;
        }
    }
    let days: BTreeSet<Day> = touched.keys().copied().collect();
    changed.extend(retime(batch, machine_id, &days, is_new, settings)?);
    Ok(changed.len() as u64)
}

/// The first day whose files do not fit into memory with those of the days before it.
fn beyond_memory(
    batch: &Batch<'_>,
    files_of_day: &BTreeMap<Day, BTreeMap<i64, String>>,
) -> Result<Option<Day>, BufferError> {
    let mut files: BTreeSet<i64> = BTreeSet::new();
    let mut bytes: u64 = 0;
    for (at, (day, of_day)) in files_of_day.iter().enumerate() {
        let before = bytes;
        for id in of_day.keys() {
            if files.insert(*id) {
                bytes = bytes.saturating_add(batch.extent(*id)?.0);
            }
        }
        if at > 0 && bytes > before && bytes > TOGETHER_BYTES {
            return Ok(Some(*day));
        }
    }
    Ok(None)
}

/// What the bytes of a day amount to.
struct Computed {
    session: Session,
    defects: LineDefects,
    ends: DayEnds,
}

/// Computes the days of `files_of_day`, in their order. Texts and events are gone when it returns: a huge day's are not
/// in memory together with the rows that it is compared with.
fn computed(
    batch: &Batch<'_>,
    files_of_day: &BTreeMap<Day, BTreeMap<i64, String>>,
    at_hand: &AtHand<'_>,
    reject: Option<&str>,
    settings: &Settings,
) -> Result<Vec<Computed>, BufferError> {
    let days: BTreeSet<Day> = files_of_day.keys().copied().collect();
    let file_ids: BTreeSet<i64> =
        files_of_day.values().flat_map(|files| files.keys().copied()).collect();

    let mut texts: BTreeMap<i64, Vec<Text<'_>>> = BTreeMap::new();
    let mut unpacked: BTreeMap<i64, Vec<Vec<u8>>> = BTreeMap::new();
    for &file_id in &file_ids {
        if !at_hand.contains_key(&file_id) {
            unpacked.insert(file_id, wanted_bytes(batch, file_id, &days, settings)?);
        }
    }
    for &file_id in &file_ids {
        let of_file = match (at_hand.get(&file_id), unpacked.get(&file_id)) {
            (Some(bytes), _) => vec![Text::new(bytes)],
            (None, Some(pieces)) => pieces.iter().map(|piece| Text::new(piece)).collect(),
            (None, None) => Vec::new(),
        };
        texts.insert(file_id, of_file);
    }
    let parsed: BTreeMap<i64, Parsed<'_>> =
        texts.iter().map(|(id, texts)| (*id, parsed_of(texts, settings))).collect();
    let day_start = settings.options.day_start;
    let mut parts_of_file: BTreeMap<i64, BTreeMap<Day, Part<'_, '_>>> =
        parsed.iter().map(|(id, parsed)| (*id, parts_by_day(&parsed.events, day_start))).collect();
    let mut rejected_of_file: BTreeMap<i64, BTreeMap<Day, Vec<RejectedLine<'_>>>> = parsed
        .iter()
        .map(|(id, parsed)| (*id, rejected_by_day(&parsed.events, &parsed.rejected, day_start)))
        .collect();

    let mut all = Vec::with_capacity(files_of_day.len());
    for (day, files) in files_of_day {
        let parts: Vec<_> = files
            .keys()
            .filter_map(|id| parts_of_file.get_mut(id).and_then(|parts| parts.remove(day)))
            .collect();
        let session = session_of_day(&parts, &settings.options);
        let rejected: Vec<Vec<RejectedLine<'_>>> = files
            .keys()
            .filter_map(|id| rejected_of_file.get_mut(id).and_then(|rejected| rejected.remove(day)))
            .collect();
        let rejected: Vec<&[RejectedLine<'_>]> = rejected.iter().map(Vec::as_slice).collect();
        let defects = line_defects(&parts, &rejected, &settings.words);
        let ends = day_ends(&parts, reject);
        all.push(Computed { session, defects, ends });
    }
    Ok(all)
}

/// One text where the file is of an ordinary size, so that nothing depends on how it was read.
fn wanted_bytes(
    batch: &Batch<'_>,
    file_id: i64,
    days: &BTreeSet<Day>,
    settings: &Settings,
) -> Result<Vec<Vec<u8>>, BufferError> {
    let (whole_bytes, has_hole) = batch.extent(file_id)?;
    if whole_bytes <= WHOLE_BYTES && !has_hole {
        return Ok(vec![batch.whole(file_id, whole_bytes)?]);
    }
    let mut wanted = Vec::new();
    batch.each_chunk(file_id, |chunk| {
        let Some(bytes) = chunk.bytes else { return Ok(()) };
        let is_wanted = {
            let text = Text::new(&bytes);
            let parsed = parse(&text, &settings.words);
            let found = days_touched(&parsed.events, settings.options.day_start);
            found.keys().any(|day| days.contains(day))
        };
        if is_wanted {
            wanted.push(bytes);
        }
        Ok(())
    })?;
    Ok(wanted)
}

fn parsed_of<'t>(texts: &'t [Text<'_>], settings: &Settings) -> Parsed<'t> {
    let mut all: Parsed<'t> = Parsed::default();
    for text in texts {
        let mut parsed = parse(text, &settings.words);
        let events_before = all.events.len();
        all.rejected.extend(parsed.rejected.into_iter().map(|rejected| RejectedLine {
            events_before: rejected.events_before + events_before,
            ..rejected
        }));
        if all.events.is_empty() {
            all.events = parsed.events;
            continue;
        }
        if let (Some(before), Some(first)) = (all.events.last(), parsed.events.first_mut()) {
            first.stepped_back = first.seconds < before.seconds;
        }
        all.events.append(&mut parsed.events);
    }
    all
}

/// `folder/file` of each file once, joined by `; `, cut at what central holds.
fn log_sources<'n>(names: impl Iterator<Item = &'n String>) -> String {
    let names: BTreeSet<&str> = names.map(String::as_str).collect();
    let joined = names.into_iter().collect::<Vec<_>>().join("; ");
    match joined.char_indices().nth(LOG_SOURCES_CHARS) {
        Some((cut, _)) => joined[..cut].to_owned(),
        None => joined,
    }
}
