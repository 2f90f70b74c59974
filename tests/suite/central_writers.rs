//! Several writers on one central: agents, buffers, copies of a card. Nothing is interleaved, and no
//! one overwrites what another knows better.

use crate::support::{
    central::{Feeder, claims, session},
    postgres::Database,
};
use cu_agent::sync::{
    plan::{Because, Refusal, Step},
    postgres::{Order, Outcome, Retry},
};

#[test]
fn a_buffer_that_knows_less_never_shrinks_central() {
    let db = Database::fresh();
    Feeder::new(&db).sync(&[session("DEM12", "2025-05-28", 50)]);
    let mut rebuilt = Feeder::connect(&db.config());
    rebuilt.claims = claims("ligne-1", "buffer-2", "instance-2");
    let steps = rebuilt.try_sync(&[session("DEM12", "2025-05-28", 20)]).unwrap();
    assert!(matches!(steps[0], (Step::Refuse(Refusal::FewerEvents { .. }), None)), "{steps:?}");
    assert_eq!(db.count("piece_production"), 50);
    rebuilt.sync(&[session("DEM12", "2025-05-28", 60)]);
    assert_eq!(db.count("piece_production"), 60);
    assert_eq!(db.psql("SELECT tampon_id FROM session_production"), "buffer-2");
}

#[test]
fn a_delivery_does_nothing_where_central_changed_since_it_was_planned() {
    let db = Database::fresh();
    let mut feeder = Feeder::new(&db);
    let s = session("DEM12", "2025-05-28", 20);
    feeder.sync(&[s.clone(), session("SU12", "2025-05-28", 3)]);
    let key = [("DEM12", s.day)];
    let seen = feeder.central.states(&mut feeder.claims, &key).unwrap().sessions;
    let mut newer = session("DEM12", "2025-05-28", 40);
    newer.revision = 2;
    feeder.sync(&[newer]);
    let mut stale = session("DEM12", "2025-05-28", 25);
    stale.revision = 3;
    let orders = [
        Order { delivery: &stale, replaces: seen[0].as_ref() },
        Order { delivery: &stale, replaces: None },
    ];
    for order in orders {
        let outcomes = feeder.central.deliver(&mut feeder.claims, &[order]).unwrap();
        assert_eq!(outcomes, [Outcome::Overtaken]);
    }
    assert_eq!(
        db.psql("SELECT revision, total_pieces FROM session_production ORDER BY 1"),
        "1|3\n2|40"
    );
    assert_eq!(db.count("piece_production"), 43);
}

#[test]
fn writers_at_the_same_time_never_interleave() {
    let db = Database::fresh();
    Feeder::new(&db);
    let config = db.config();
    std::thread::scope(|scope| {
        for writer in 0..4_u32 {
            let config = &config;
            scope.spawn(move || {
                let mut feeder = Feeder::connect(config);
                for round in 0..6_u32 {
                    let mut s = session("DEM12", "2025-05-28", 20 + writer * 31 + round * 7);
                    for piece in &mut s.pieces {
                        piece.row.details = format!("{writer}/{round}").into();
                    }
                    // Every writer has a history of its own.
                    s.revision = i64::from(1 + round * 4 + writer);
                    match feeder.try_sync(&[s]) {
                        Ok(_) => {}
                        Err(error) => assert_eq!(error.again(), Retry::Soon, "{error}"),
                    }
                }
            });
        }
    });
    assert_eq!(db.count("session_production"), 1);
    assert_eq!(
        db.psql(
            "SELECT count(DISTINCT p.details), count(*) = max(s.total_pieces), max(numero_piece) = count(*)
             FROM piece_production p JOIN session_production s ON s.id = p.session_id"
        ),
        "1|t|t"
    );
}

#[test]
fn a_machine_fed_by_another_agent_is_reported_and_not_written() {
    let db = Database::fresh();
    let mut first = Feeder::new(&db);
    first.sync(&[session("DEM12", "2025-05-28", 5)]);
    let mut second = Feeder::connect(&db.config());
    second.claims = claims("ligne-2", "other", "other-instance");
    let more = session("DEM12", "2025-05-28", 9);
    let states = second.central.states(&mut second.claims, &[("DEM12", more.day)]).unwrap();
    assert_eq!(states.claimed.len(), 1);
    let text = states.claimed[0].to_string();
    assert!(
        text.contains("DEM12") && text.contains("ligne-1") && text.contains("host-of-instance-1"),
        "{text}"
    );
    let outcome = second.try_sync(std::slice::from_ref(&more)).unwrap();
    assert!(matches!(&outcome[0].1, Some(Outcome::Claimed(by)) if by.agent_id == "ligne-1"));
    assert_eq!(db.count("piece_production"), 5);
    // Not seen for a day: the machine has moved.
    db.psql("UPDATE cu_agent_machine SET vu_le = now() - interval '25 hours'");
    second.sync(&[more]);
    assert_eq!(db.count("piece_production"), 9);
    assert_eq!(
        first.try_sync(&[session("DEM12", "2025-05-28", 12)]).unwrap()[0].0,
        Step::Deliver { since_revision: 0, because: Because::OtherHistory }
    );
    assert_eq!(db.count("piece_production"), 9);
}

#[test]
fn a_restart_and_a_new_buffer_take_the_claim_over_but_a_copied_card_is_noticed() {
    let db = Database::fresh();
    let s = session("DEM12", "2025-05-28", 5);
    let key = [("DEM12", s.day)];
    let mut original = Feeder::new(&db);
    original.sync(std::slice::from_ref(&s));
    for (buffer, instance) in [("buffer-1", "restarted"), ("buffer-2", "new-card")] {
        let mut next = Feeder::connect(&db.config());
        next.claims = claims("ligne-1", buffer, instance);
        let states = next.central.states(&mut next.claims, &key).unwrap();
        assert_eq!(states.claimed, [], "{instance}");
        // The first is still running: now there are two of that name.
        let states = original.central.states(&mut original.claims, &key).unwrap();
        assert_eq!(states.claimed[0].instance_id, instance);
        let more = session("DEM12", "2025-05-28", 9);
        let outcome = original.try_sync(&[more]).unwrap();
        assert!(matches!(outcome[0].1, Some(Outcome::Claimed(_))), "{outcome:?}");
        original.claims = claims("ligne-1", "buffer-1", "instance-1");
        original.sync(std::slice::from_ref(&s));
    }
    assert_eq!(db.count("piece_production"), 5);
}

#[test]
fn an_agent_that_was_given_a_new_name_is_known_by_its_buffer() {
    let db = Database::fresh();
    let s = session("DEM12", "2025-05-28", 5);
    Feeder::new(&db).sync(std::slice::from_ref(&s));
    let mut renamed = Feeder::connect(&db.config());
    renamed.claims = claims("ligne-est", "buffer-1", "instance-2");
    renamed.sync(std::slice::from_ref(&s));
    assert_eq!(db.psql("SELECT agent_id FROM session_production"), "ligne-est");
    assert_eq!(db.psql("SELECT agent_id FROM cu_agent_machine"), "ligne-est");
}

#[test]
fn a_writer_in_a_loop_is_told_as_what_it_is_and_its_notes_do_not_grow_without_end() {
    let db = Database::fresh();
    let mut feeder = Feeder::new(&db);
    feeder.sync(&[session("DEM12", "2025-05-28", 5)]);
    // Notes of three days in turn.
    db.psql(
        "INSERT INTO cu_agent_ecriture (le, application, role, nom_table, operation, machine, date_production)
         SELECT now() - n * interval '1 second', 'cron.py', 'plant', 'session_production', 'UPDATE',
             'DEM12', date '2025-05-28' + n % 3
         FROM generate_series(1, 25000) n",
    );
    let machines = ["DEM12".to_owned()];
    let told = feeder.central.foreign_writes(&machines).unwrap();
    let mut days: Vec<_> = told.writes.iter().map(|write| write.day.clone().unwrap()).collect();
    days.sort();
    assert_eq!(days, ["2025-05-28", "2025-05-29", "2025-05-30"], "one each, not 25,000");
    feeder.central.told_foreign_writes(&told.notes).unwrap();
    assert_eq!(feeder.central.foreign_writes(&machines).unwrap().writes, []);
    // The next that is told finds the old notes told.
    db.psql(
        "INSERT INTO cu_agent_ecriture (application, role, nom_table, operation, machine)
         VALUES ('psql', 'plant', 'piece_production', 'DELETE', 'DEM12')",
    );
    let next = feeder.central.foreign_writes(&machines).unwrap();
    assert_eq!(next.writes.len(), 1);
    feeder.central.told_foreign_writes(&next.notes).unwrap();
    assert_eq!(db.count("cu_agent_ecriture"), 20_000);
}
