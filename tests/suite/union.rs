//! Reading the same bytes again, split, renamed, sent twice, in any order: same sessions.

use cu_agent::analyse::Options;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_assert_eq, proptest};

use super::reference::sessions_of;
use crate::support::{
    generate::{CENTRES, Dirt, log_of_day, working_days},
    reference,
};

/// One or two machine days of one folder, dirty, one file each or one file for both.
fn files() -> impl Strategy<Value = Vec<Vec<u8>>> {
    (any::<u64>(), 0..3_usize, any::<bool>()).prop_map(|(seed, centre, together)| {
        let from = chrono::NaiveDate::from_ymd_opt(2025, 6, 2).expect("2 June is a date");
        let days = working_days(from, 2).into_iter();
        // An eighth of a day is enough lines, and quick.
        let logs: Vec<Vec<u8>> = days
            .map(|day| {
                let log = log_of_day(&CENTRES[centre], day, seed, Dirt::Some);
                let end = log.len() / 8;
                let end = log[..end].iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
                log[..end].to_vec()
            })
            .collect();
        if together { vec![logs.concat()] } else { logs }
    })
}

/// A file of different lines that share few seconds, at least two of them. Stops and starts show
/// any change of order within a second.
fn crowded_file() -> impl Strategy<Value = Vec<u8>> {
    let line =
        (0..4_u32, prop::sample::select(vec!["StukUitgevoerd", "MachineStop", "MachineStart"]));
    prop::collection::vec(line, 2..40).prop_map(|mut lines| {
        lines.sort_by_key(|line| line.0);
        lines.push((5, "StukUitgevoerd"));
        let write = |(number, (second, name)): (usize, &(u32, &str))| {
            // Numbers that do not grow with the lines, so that no order by content is the right one.
            let number = number * 37 % 101;
            format!("20250603 05:00:0{second}|@{name}: {number}\n").into_bytes()
        };
        lines.iter().enumerate().flat_map(write).collect()
    })
}

/// Places behind line ends.
fn line_starts(bytes: &[u8]) -> Vec<usize> {
    let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect()
}

/// Line starts at which a file can be cut in two without losing what the union rests on: equal
/// lines stay in one file (the spec counts the file that holds most), and so does a step of the clock.
fn clean_cuts(bytes: &[u8]) -> Vec<usize> {
    let lines = bytes.split_inclusive(|&byte| byte == b'\n');
    let seconds: Vec<Option<i64>> =
        lines.map(|line| reference::lines(line).first().map(|line| line.0)).collect();
    let is_clean = |&(index, _): &(usize, usize)| {
        let (before, behind) = seconds.split_at(index);
        let (latest, earliest) = (before.iter().flatten().max(), behind.iter().flatten().min());
        latest.zip(earliest).is_none_or(|(latest, earliest)| latest < earliest)
    };
    line_starts(bytes).into_iter().enumerate().filter(is_clean).map(|(_, start)| start).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn files_cut_apart_doubled_and_shuffled_give_the_same_sessions(
        (files, picks, copies, order) in files().prop_flat_map(|files| {
            let picks = prop::collection::vec(any::<prop::sample::Index>(), 0..6);
            let copies = prop::collection::vec(1..3_usize, 32);
            let order = Just((0..64).collect::<Vec<usize>>()).prop_shuffle();
            (Just(files), picks, copies, order)
        }),
    ) {
        let mut pieces: Vec<Vec<u8>> = Vec::new();
        for file in &files {
            let cuts = clean_cuts(file);
            let mut chosen: Vec<usize> = picks.iter().map(|pick| *pick.get(&cuts)).collect();
            chosen.extend([0, file.len()]);
            chosen.sort_unstable();
            for pair in chosen.windows(2) {
                let piece = file[pair[0]..pair[1]].to_vec();
                let times = copies[pieces.len() % copies.len()];
                pieces.extend(std::iter::repeat_n(piece, times));
            }
        }
        let mut shuffled: Vec<(usize, Vec<u8>)> =
            pieces.into_iter().enumerate().map(|(index, piece)| (order[index], piece)).collect();
        shuffled.sort();
        let shuffled: Vec<Vec<u8>> = shuffled.into_iter().map(|(_, piece)| piece).collect();
        let options = Options::default();
        prop_assert_eq!(sessions_of(&shuffled, &options), sessions_of(&files, &options));
    }

    #[test]
    fn fragments_of_a_file_beside_it_change_nothing_wherever_they_were_cut(
        (files, picks, order) in files().prop_flat_map(|files| {
            let index = any::<prop::sample::Index>;
            let picks = prop::collection::vec((index(), index(), index()), 1..6);
            let order = Just((0..8).collect::<Vec<usize>>()).prop_shuffle();
            (Just(files), picks, order)
        }),
    ) {
        let mut all = files.clone();
        for (file, from, to) in &picks {
            let file = file.get(&files);
            let starts = line_starts(file);
            let (from, to) = (*from.get(&starts), *to.get(&starts));
            all.push(file[from.min(to)..from.max(to)].to_vec());
        }
        let mut shuffled: Vec<(usize, Vec<u8>)> =
            all.into_iter().enumerate().map(|(index, file)| (order[index], file)).collect();
        shuffled.sort();
        let shuffled: Vec<Vec<u8>> = shuffled.into_iter().map(|(_, file)| file).collect();
        let options = Options::default();
        prop_assert_eq!(sessions_of(&shuffled, &options), sessions_of(&files, &options));
    }

    #[test]
    fn a_file_that_grows_by_lines_keeps_the_events_it_had(
        files in files(),
        cut in any::<prop::sample::Index>(),
    ) {
        let file = &files[0];
        let earlier = file[..*cut.get(&line_starts(file))].to_vec();
        let options = Options::default();
        let now = sessions_of(std::slice::from_ref(file), &options);
        let both = sessions_of(&[earlier, file.clone()], &options);
        prop_assert_eq!(both, now);
    }
}

proptest! {
    #[test]
    fn fragments_of_a_crowded_second_keep_the_order_of_the_file(
        file in crowded_file(),
        picks in prop::collection::vec(any::<(prop::sample::Index, prop::sample::Index)>(), 1..5),
        place in any::<prop::sample::Index>(),
    ) {
        let starts = line_starts(&file);
        let mut files: Vec<Vec<u8>> = Vec::new();
        for (from, to) in &picks {
            let (from, to) = (*from.get(&starts), *to.get(&starts));
            files.push(file[from.min(to)..from.max(to)].to_vec());
        }
        files.insert(place.index(files.len() + 1), file.clone());
        let options = Options::default();
        prop_assert_eq!(sessions_of(&files, &options), sessions_of(&[file], &options));
    }

    #[test]
    fn a_file_cut_in_two_at_any_line_end_is_the_same_day(
        file in crowded_file(),
        cut in any::<prop::sample::Index>(),
        overlap in any::<prop::sample::Index>(),
        later_first in any::<bool>(),
    ) {
        let starts = line_starts(&file);
        let cut = cut.index(starts.len());
        // What both halves hold begins somewhere before the cut.
        let overlap = starts[overlap.index(cut + 1)];
        let halves = [file[..starts[cut]].to_vec(), file[overlap..].to_vec()];
        let halves = if later_first { [halves[1].clone(), halves[0].clone()] } else { halves };
        let options = Options::default();
        prop_assert_eq!(sessions_of(&halves, &options), sessions_of(&[file], &options));
    }
}
