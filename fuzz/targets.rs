//! What holds for any bytes whatever. The fuzz targets call these functions, and an ordinary test
//! feeds them the corpus.

use std::path::Path;

use chrono::TimeDelta;
use cu_agent::{
    analyse::{Options, WaitStamp, sessions},
    config,
    model::{Session, hours_e4, rate_e2},
    parse::{Text, Words, parse as parse_text},
    source::ftp::{listing, reply::read_reply},
};

/// Each line is blank, an event or a reject, and cutting the bytes at a line end changes nothing.
pub fn parse(bytes: &[u8]) {
    let words = Words::default();
    let text = Text::new(bytes);
    let whole = parse_text(&text, &words);
    let tally = &whole.tally;
    assert_eq!(tally.lines, tally.blank + tally.events + tally.malformed());
    assert!(whole.events.len() as u64 <= tally.events);
    let middle = bytes.len() / 2;
    let Some(cut) = bytes[middle..].iter().position(|byte| *byte == b'\n') else { return };
    let (first, second) = bytes.split_at(middle + cut + 1);
    let (first, second) = (Text::new(first), Text::new(second));
    let (first, second) = (parse_text(&first, &words), parse_text(&second, &words));
    assert_eq!(first.events.len() + second.events.len(), whole.events.len());
    assert_eq!(first.tally.lines + second.tally.lines, tally.lines);
    assert_eq!(first.tally.events + second.tally.events, tally.events);
}

/// The first byte chooses the options, the second where the rest is cut into two files.
pub fn analyse(bytes: &[u8]) {
    let [hours, cut, bytes @ ..] = bytes else { return };
    let options = Options {
        day_start: TimeDelta::hours(i64::from(hours % 24)),
        wait_stamp: if hours & 0x80 == 0 { WaitStamp::Start } else { WaitStamp::End },
    };
    let words = Words::default();
    let whole = Text::new(bytes);
    let whole = parse_text(&whole, &words);
    let of_whole = sessions(&[&whole.events], &options);
    for session in of_whole.values() {
        holds(session);
    }
    let twice = sessions(&[&whole.events, &whole.events], &options);
    assert_eq!(twice, of_whole, "the same file twice is the same file");
    let (first, second) = bytes.split_at(bytes.len() * usize::from(*cut) / 256);
    let (first, second) = (Text::new(first), Text::new(second));
    let (first, second) = (parse_text(&first, &words), parse_text(&second, &words));
    for session in sessions(&[&first.events, &second.events], &options).values() {
        holds(session);
    }
}

/// What the spec says of every session.
fn holds(session: &Session) {
    let figures = &session.figures;
    assert_eq!(figures.total_pieces as usize, session.pieces.len());
    assert!(session.pieces.windows(2).all(|pair| pair[0].at <= pair[1].at));
    assert!(session.waits.iter().all(|wait| wait.start < wait.end));
    assert!(session.stops.iter().all(|stop| stop.start <= stop.end));
    let parts = [figures.wait_ms, figures.stop_ms, figures.effective_ms];
    assert!(parts.iter().all(|ms| *ms >= 0), "{figures:?}");
    assert_eq!(parts.iter().sum::<i64>(), figures.window_ms, "{figures:?}");
    assert!(figures.raw_wait_ms >= figures.wait_ms && figures.raw_stop_ms >= figures.stop_ms);
    for ms in parts {
        assert!((0..=10_000).contains(&rate_e2(ms, figures.window_ms)));
        assert!(hours_e4(ms) >= 0);
    }
}

/// No listing makes a row of nothing, and no name holds a line end.
pub fn listing(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for rows in [listing::mlsd(&text), listing::list(&text)] {
        assert!(rows.rows.len() <= text.lines().count());
        for row in &rows.rows {
            assert!(!row.name.is_empty() && !row.name.contains('\n'), "{row:?}");
        }
        let _ = rows.is_another_format();
    }
    assert!(listing::nlst(&text).iter().all(|name| !name.is_empty() && !name.contains('\n')));
    listing::timestamp(&text);
}

/// What a hostile server says is read as bounded answers, each with a code, and then as a listing.
pub fn dialogue(bytes: &[u8]) {
    let mut reader = bytes;
    while let Ok(reply) = read_reply(&mut reader) {
        assert!((100..700).contains(&reply.code), "{reply:?}");
        assert!(!reply.body.is_empty() && reply.body.len() <= 64 * 1024);
        assert!(reply.body.ends_with(b"\n"), "a torn answer is no answer: {reply:?}");
    }
    listing(bytes);
}

/// A configuration is taken or refused with a reason, and what is taken has a source with a folder.
pub fn config(bytes: &[u8]) {
    // So that no password file is looked for.
    let password =
        |name: &str| ["FTP_PASS", "POSTGRES_PASSWORD"].contains(&name).then(|| "x".into());
    let text = String::from_utf8_lossy(bytes);
    match config::parse(Path::new("config.toml"), &text, &password) {
        Ok(loaded) => {
            assert!(loaded.config.sources.iter().all(|source| !source.folders.is_empty()));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
