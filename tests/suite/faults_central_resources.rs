//! Central is short of something: disk, connections. What is short is named, what waits goes through
//! as soon as it can.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use postgres::{Client, Config, NoTls};

use crate::support::{
    postgres::{Cluster, Options, PASSWORD, own, run, server_folder},
    scene::Scene,
    wait,
};

/// A small file system for a tablespace; gone with the test, or with whoever cleans `/tmp`.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn new(megabytes: u32) -> Self {
        let folder = server_folder();
        let size = format!("size={megabytes}m,mode=0700,uid=postgres,gid=postgres");
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&folder));
        own(&folder);
        Self(folder)
    }

    fn path(&self) -> &Path {
        &self.0
    }

    fn resize(&self, megabytes: u32) {
        let size = format!("remount,size={megabytes}m");
        run(Command::new("mount").args(["-o", &size]).arg(&self.0));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(&self.0).status().ok();
        std::fs::remove_dir(&self.0).ok();
    }
}

#[test]
fn a_central_whose_disk_is_full_is_caught_up_with_when_there_is_room() {
    let disk = SmallDisk::new(24);
    let cluster = Cluster::start_new(&Options::default());
    let first = cluster.database();
    let space = disk.path().display();
    first.psql(&format!("CREATE TABLESPACE petit LOCATION '{space}'"));
    let mut database = cluster.database();
    first.psql(&format!("ALTER DATABASE {} SET TABLESPACE petit", database.name));
    let mut scene = Scene::on(database, 51);
    scene.day();
    scene.once().succeeded();
    // Somebody else fills it.
    let mut filled = 0;
    scene.database.psql("CREATE TABLE autre (x text)");
    while scene
        .database
        .try_psql("INSERT INTO autre SELECT repeat('x', 1000) FROM generate_series(1, 500)")
        .is_ok()
    {
        filled += 1;
        assert!(filled < 100, "the disk does not get full");
    }
    let running = scene.agent.run();
    scene.days(2);
    // There is room left in pages that are begun: write until there is none.
    let mut days = 0;
    while scene.central_state() != "down" {
        for _ in 0..10 {
            scene.part_of_day();
        }
        scene.plant.next_day();
        days += 1;
        assert!(days < 60, "central never said that its disk is full");
    }
    let line = running.wait_for_line("central: link down");
    assert!(line.contains("out of resources") && line.contains("No space left"), "{line}");
    scene.days(2);
    let sessions = scene.sessions();
    wait::until("collecting continues", wait::PATIENCE, || {
        scene.agent.status_number("sessions") == sessions
    });
    disk.resize(200);
    scene.wait_until_equal();
    running.terminate().0.succeeded();
    database = scene.database;
    drop(database.psql("DROP TABLE autre"));
}

#[test]
fn a_central_without_a_free_connection_is_tried_until_there_is_one() {
    let cluster = Cluster::start_new(&Options {
        settings: vec!["max_connections=6".into(), "superuser_reserved_connections=0".into()],
        ..Options::default()
    });
    let mut scene = Scene::on(cluster.database(), 52);
    scene.day();
    scene.once().succeeded();
    let connect = || -> Result<Client, postgres::Error> {
        Config::new()
            .host("127.0.0.1")
            .port(cluster.port)
            .user("postgres")
            .password(PASSWORD)
            .dbname("postgres")
            .connect(NoTls)
    };
    let mut others = Vec::new();
    wait::until("all connections are taken", wait::PATIENCE, || match connect() {
        Ok(client) => {
            others.push(client);
            false
        }
        Err(_) => true,
    });
    let running = scene.agent.run();
    scene.days(2);
    let line = running.wait_for_line("central: link down");
    assert!(line.contains("connections"), "{line}");
    drop(others);
    scene.wait_until_equal();
    running.terminate().0.succeeded();
}
