//! Sessions that somebody gave another day in central, or another machine: they are put back, and none is
//! there twice. What a buffer does not know for another reason stays.

use std::fs;

use super::central_hands::Plant;
use crate::support::golden;

const MOVED: &str = "1 session stood at a day or machine that is not theirs";

/// The first day of a machine.
const FIRST: &str = "id = (SELECT id FROM session_production WHERE machine = 'DEM12'
                           ORDER BY date_production LIMIT 1)";

#[test]
fn a_session_whose_day_was_changed_by_hand_is_put_back_and_not_sent_again() {
    let plant = Plant::delivered();
    let (held, numbers) = (plant.held(), plant.numbers());
    plant.psql(&format!(
        "UPDATE session_production SET date_production = date_production + 400 WHERE {FIRST}"
    ));
    plant.agent.once().succeeded().says(MOVED).does_not_say("rows sent");
    assert!(plant.held() == held);
    assert_eq!(plant.numbers(), numbers, "it was moved");
    plant.agent.once().succeeded().does_not_say("is not theirs");
}

#[test]
fn a_session_that_was_given_to_another_machine_comes_back() {
    let plant = Plant::delivered();
    let held = plant.held();
    for days in ["0", "400"] {
        // Whether the other machine has a session of that day or not.
        plant.db.try_psql(&format!(
            "UPDATE session_production SET machine = 'DEMALU', date_production = date_production + {days},
                 centre_usinage_id = (SELECT id FROM centre_usinage WHERE nom = 'DEMALU') WHERE {FIRST}"
        )).ok();
        plant.agent.once().succeeded();
        // What was moved first to where nothing was, is seen once its day has been delivered again.
        plant.agent.once().succeeded();
        assert!(plant.held() == held, "{days}");
    }
}

#[test]
fn a_session_that_was_delivered_again_meanwhile_is_removed_from_the_other_day() {
    let plant = Plant::delivered();
    let held = plant.held();
    // Whatever kept it from being seen: an earlier release, say.
    plant.psql(&format!(
        "CREATE TABLE marque AS SELECT id, tampon_id FROM session_production WHERE {FIRST};
         UPDATE session_production SET date_production = date_production + 400, tampon_id = 'x',
             evenements = evenements - 1 WHERE {FIRST}"
    ));
    plant.agent.once().succeeded();
    plant.psql(
        "UPDATE session_production s SET tampon_id = m.tampon_id FROM marque m WHERE m.id = s.id;
         DROP TABLE marque",
    );
    assert!(plant.held() != held, "it is there twice");
    plant.agent.once().succeeded().says("1 more removed because they had been delivered again");
    assert!(plant.held() == held);
    for table in ["piece_production", "periode_attente", "periode_arret", "job_profil", "anomalie"]
    {
        let orphans = plant.psql(&format!(
            "SELECT count(*) FROM {table} d
             WHERE NOT EXISTS (SELECT FROM session_production s WHERE s.id = d.session_id)"
        ));
        assert_eq!(orphans, "0", "{table}");
    }
}

#[test]
fn what_an_older_or_another_buffer_does_not_know_stays_in_central() {
    let plant = Plant::delivered();
    let older = fs::read(plant.agent.buffer()).unwrap();
    plant.folder.put_case(&golden::cases()[2]);
    plant.agent.once().succeeded();
    let held = plant.held();
    // The files were deleted on their source, and the card is a copy of last week's.
    for entry in fs::read_dir(plant.folder.path()).unwrap() {
        for file in fs::read_dir(entry.unwrap().path()).unwrap() {
            fs::remove_file(file.unwrap().path()).unwrap();
        }
    }
    plant.agent.lose_buffer();
    fs::create_dir_all(plant.agent.state_dir()).unwrap();
    fs::write(plant.agent.buffer(), older).unwrap();
    plant.agent.once();
    assert!(plant.held() == held, "an older state of the buffer");
    // Nor is one removed that was moved and that holds more than what was delivered again.
    plant.psql(&format!(
        "UPDATE session_production SET date_production = date_production + 400,
             evenements = evenements + 1 WHERE {FIRST}"
    ));
    let sessions = plant.db.count("session_production");
    plant.agent.once();
    assert_eq!(plant.db.count("session_production"), sessions);
    plant.agent.lose_buffer();
    let held = plant.held();
    plant.agent.once();
    assert!(plant.held() == held, "another buffer");
}
