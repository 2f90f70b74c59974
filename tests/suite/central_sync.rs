//! Delivering to central: what is sent arrives to the last digit, once, whole or not at all.

use crate::support::{
    central::{Feeder, session},
    postgres::Database,
};

#[test]
fn a_delivered_session_is_in_central_to_the_last_digit() {
    let db = Database::fresh();
    let mut feeder = Feeder::new(&db);
    feeder.sync(&[session("DEM12", "2025-05-28", 5)]);
    assert_eq!(db.count("piece_production"), 5);
}
