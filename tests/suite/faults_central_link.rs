//! The connection to central breaks: at any byte on the way up, and at any answer on the way down,
//! that of a commit included. Central never holds half a session and ends equal.

use crate::support::scene::Scene;

#[test]
fn a_connection_cut_after_any_number_of_bytes_leaves_no_half_session_and_loses_nothing() {
    let mut scene = Scene::new(11);
    let proxy = scene.behind_proxy();
    scene.day();
    scene.once().succeeded();
    let mut cuts = 0;
    // Log-in, questions and deliveries: close together at first, then farther apart.
    let mut bytes = 0;
    while bytes < 30_000 {
        scene.day();
        proxy.cut_after(bytes);
        let output = scene.once();
        assert!([0, 3].contains(&output.code), "cut after {bytes} bytes: {output}");
        if proxy.waits_to_cut() {
            proxy.forget_cut();
            break;
        }
        cuts += 1;
        scene.assert_nothing_half_written(&format!("cut after {bytes} bytes"));
        bytes += 97 + bytes / 12;
    }
    assert!(cuts > 25, "only {cuts} cuts came");
    scene.assert_equal_after_once();
}

#[test]
fn a_lost_answer_of_any_exchange_that_of_a_commit_included_does_no_harm() {
    let mut scene = Scene::new(12);
    let proxy = scene.behind_proxy();
    scene.day();
    scene.once().succeeded();
    // What was written and the agent does not say that it sent was committed without its answer being heard.
    let mut unheard = 0;
    scene.database.psql(
        "CREATE TABLE written (id bigint, revision bigint);
         CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             INSERT INTO written VALUES (NEW.id, NEW.revision); RETURN NEW; END $$;
         CREATE TRIGGER note AFTER INSERT OR UPDATE ON session_production
             FOR EACH ROW EXECUTE FUNCTION note();",
    );
    for answer in 0..14 {
        scene.day();
        scene.part_of_day();
        proxy.lose_answer(answer);
        let written = scene.database.count("written");
        let output = scene.once();
        let sent = output.stderr.lines().filter_map(|line| {
            let (before, _) = [" session with ", " sessions with "]
                .iter()
                .find_map(|words| line.split_once(words))?;
            before.rsplit(' ').next()?.parse::<u64>().ok()
        });
        unheard += u32::from(scene.database.count("written") - written > sent.sum());
        assert!([0, 3].contains(&output.code), "answer {answer} lost: {output}");
        proxy.forget_cut();
        scene.assert_nothing_half_written(&format!("answer {answer} lost"));
        let rows = "SELECT (SELECT count(*) FROM session_production), (SELECT count(*) FROM piece_production)";
        scene.once().succeeded();
        let after = scene.database.psql(rows);
        scene.once().succeeded();
        assert_eq!(scene.database.psql(rows), after, "answer {answer} lost");
    }
    assert_ne!(unheard, 0, "no answer to a commit was lost");
    scene.assert_equal_after_once();
}

#[test]
fn a_link_that_breaks_every_few_kilobytes_still_brings_everything() {
    let mut scene = Scene::new(13);
    let proxy = scene.behind_proxy();
    scene.once().succeeded();
    proxy.refuse(true);
    for _ in 0..10 {
        for _ in 0..6 {
            scene.part_of_day();
        }
        scene.plant.next_day();
    }
    scene.once().exited(3);
    proxy.refuse(false);
    let waiting = scene.agent.status_number("pending_sessions");
    let running = scene.agent.run();
    let begun = std::time::Instant::now();
    let mut cuts = 0;
    // Never enough for all that waits at once.
    while scene.agent.status_number("pending_sessions") > 0 {
        if !proxy.waits_to_cut() {
            proxy.cut_after(32_000);
            cuts += 1;
        }
        assert!(begun.elapsed().as_secs() < 90, "{waiting} waited\n{}", running.log());
    }
    proxy.forget_cut();
    assert!(cuts > 3, "it was cut {cuts} times only");
    scene.wait_until_equal();
    running.terminate().0.succeeded();
}
