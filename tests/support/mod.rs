//! The one harness of the whole-program tests.
#![allow(dead_code, unused_imports, reason = "each test binary uses the part it needs")]

pub mod agent;
pub mod build;
pub mod card;
pub mod central;
pub mod certificate;
pub mod clock;
pub mod costs;
pub mod damage;
pub mod debian;
pub mod folder;
pub mod ftp;
pub mod generate;
pub mod golden;
pub mod hand;
pub mod http;
pub mod manager;
pub mod measure;
pub mod namespace;
pub mod net;
pub mod pgbouncer;
pub mod planned;
pub mod plant;
pub mod postgres;
pub mod preload;
pub mod process;
pub mod reference;
pub mod rogue_postgres;
pub mod rows;
pub mod scene;
pub mod truth;
pub mod wait;
pub mod webhook;
pub mod weeks;
pub mod year;
pub mod years;
