//! SFTP servers that break, lie and lack what others have: the real binary reads on, and in the end every
//! row in central and in the buffer is what the files say.

use crate::support::{
    agent::{Agent, FOLDERS},
    golden::{self, Case},
    postgres::Database,
    rows::{assert_same, buffer_sessions, central_sessions, truth},
    sftp::{Deed, Form, Listing, Op, Script, ScriptedSftp, When, status},
    truth as computed,
};

const LAST: &str = "20250527.LOG";

fn served(case: &Case) -> Script {
    case.files
        .iter()
        .fold(Script::default(), |script, file| script.file(&file.folder, &file.name, &file.bytes))
}

fn agent_on(server: &ScriptedSftp, database: &Database<'_>) -> Agent {
    let mut agent = Agent::new().central(database);
    let key = agent.add_scripted_sftp("cu", server);
    agent.set(&format!("{key}.read_timeout"), "1s");
    agent.set("schedule.file_quiet", "0s");
    agent
}

#[test]
fn a_broken_sftp_transfer_is_never_taken_for_whole_and_is_made_up_for() {
    let case = golden::case("clean");
    let truth = truth(&case);
    let garbage = Deed::Raw(vec![0xff; 64]);
    let full = Deed::Status(status::FAILURE, Some(b"disk".to_vec()));
    let table = [
        (Op::Read, When::Always, Deed::Cut),
        (Op::Read, When::From(6), Deed::Cut),
        (Op::Read, When::Chance(300), Deed::CloseChannel),
        (Op::Read, When::Always, garbage),
        (Op::Read, When::Chance(300), full),
        (Op::Read, When::Always, Deed::Long(7)),
        (Op::Read, When::Nth(1), Deed::Hang),
        (Op::Open, When::Always, Deed::Status(status::PERMISSION_DENIED, None)),
        (Op::Readdir, When::From(4), Deed::Cut),
    ];
    for (op, when, deed) in table {
        let what = format!("{op:?} {when:?} {deed:?}");
        let server = ScriptedSftp::start(served(&case).rule(op, when, deed));
        let database = Database::fresh();
        let agent = agent_on(&server, &database);
        let output = agent.once();
        assert!(output.code != 0 || when != When::Always, "{what} is told\n{output}");
        for session in central_sessions(&database) {
            let whole = truth.iter().find(|whole| {
                (&whole.dossier, &whole.date_production)
                    == (&session.dossier, &session.date_production)
            });
            let begins = whole.is_some_and(|whole| whole.pieces.starts_with(&session.pieces));
            assert!(begins, "{what}: only what the files hold");
        }
        server.script().rules.clear();
        agent.once().succeeded();
        assert_same(&what, &central_sessions(&database), &truth);
        assert_same(&what, &buffer_sessions(&agent), &truth);
    }
}

#[test]
fn what_an_sftp_server_lacks_costs_nothing_of_a_growing_file() {
    let case = golden::case("clean");
    let truth = truth(&case);
    let bare = Form { size: false, permissions: false, times: false, ..Form::default() };
    let listed = |form| Listing { form, ..Listing::default() };
    let no = Deed::Status(status::UNSUPPORTED, None);
    let plain = Script::default;
    let table = [
        ("bare names", Script { listing: listed(bare), ..plain() }),
        ("bare names and no STAT", Script { listing: listed(bare), stat_form: bare, ..plain() }),
        ("sizes that lie", {
            let listing = Listing { sizes_lie_by: 1_000_000, ..Listing::default() };
            Script { listing, ..plain() }
        }),
        (
            "names twice",
            Script { listing: Listing { twice: true, ..Listing::default() }, ..plain() },
        ),
        (
            "one time",
            Script { listing: Listing { time: Some(7), ..Listing::default() }, ..plain() },
        ),
        ("STAT refused", plain().rule(Op::Stat, When::Always, no)),
        ("short readings", plain().rule(Op::Read, When::Always, Deed::Short(700))),
        ("answers in another order", plain().rule(Op::Read, When::Chance(500), Deed::Overtaken)),
        ("a small window", Script { window: 128, ..plain() }),
    ];
    for (what, lacking) in table {
        let mut half = case.clone();
        for file in &mut half.files {
            file.bytes.truncate(file.bytes.len() / 2);
        }
        let server = ScriptedSftp::start(Script { tree: served(&half).tree, ..lacking });
        let database = Database::fresh();
        let mut agent = agent_on(&server, &database);
        agent.set("schedule.file_quiet", "1h");
        agent.once().succeeded();
        agent.once().succeeded();
        server.script().tree = served(&case).tree;
        agent.once().succeeded();
        assert_same(what, &central_sessions(&database), &truth);
        assert_same(what, &buffer_sessions(&agent), &truth);
    }
}

#[test]
fn an_sftp_server_that_lies_about_deletions_loses_no_line_and_sends_none_twice() {
    let case = golden::case("clean");
    let table = [Deed::NotDone, Deed::DoneBut(status::FAILURE), Deed::Cut, Deed::Silence];
    for deed in table {
        let what = format!("{deed:?}");
        let server = ScriptedSftp::start(served(&case));
        let database = Database::fresh();
        let mut agent = agent_on(&server, &database);
        agent.set("source.0.delete", "after-sync");
        agent.once().succeeded();
        assert_eq!(server.count(Op::Remove), 0, "{what}: central is to confirm first");
        // A file that is said to be gone and is not has come back: it waits for its next day.
        let comes_back = deed == Deed::NotDone;
        server.script().rules = Script::default().rule(Op::Remove, When::Always, deed).rules;
        agent.once();
        agent.once();
        server.script().rules.clear();
        let more = b"20250527 23:30:00|@StukUitgevoerd: tard\n";
        for files in server.script().tree.values_mut() {
            let file = files.get_mut(LAST.as_bytes()).unwrap();
            file.bytes.extend(more);
            file.modified += 60;
        }
        agent.once();
        agent.once().succeeded();
        for (folder, name, bytes) in server.counts().removed {
            let kept = case
                .files
                .iter()
                .find(|file| file.folder.as_bytes() == folder && file.name.as_bytes() == name);
            assert!(kept.is_some_and(|file| file.bytes == bytes), "{what}: what was read is gone");
            assert_ne!(name, LAST.as_bytes(), "{what}: today's file stays");
        }
        let script = server.script();
        let left: Vec<&[u8]> =
            script.tree.values().flat_map(|files| files.keys()).map(Vec::as_slice).collect();
        assert!(comes_back || left == [LAST.as_bytes(); 3], "{what}: the day before left");
        drop(script);
        let truth: Vec<_> = FOLDERS
            .iter()
            .flat_map(|(folder, nom, _)| {
                let files = case.files.iter().filter(|file| file.folder == *folder);
                let files = files.map(|file| file.bytes.clone()).chain([more.to_vec()]);
                computed::of_machine(nom, &files.collect::<Vec<_>>())
            })
            .collect();
        assert_same(&what, &central_sessions(&database), &truth);
    }
}
