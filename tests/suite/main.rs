//! Whole-program tests: the real binary, real FTP servers, real PostgreSQL. One test binary, so
//! that it links once and shares its servers.
#![allow(clippy::unwrap_used, reason = "a panic in a test is the test's way of failing")]

#[path = "../support/mod.rs"]
mod support;

mod alarms;
mod anomalies;
mod anomalies_chain;
mod bad_input;
mod central_crowded;
mod central_fleet;
mod central_histories;
mod central_link;
mod central_parted;
mod central_pooled;
mod central_roles;
mod central_sync;
mod central_takeover;
mod central_tls;
mod central_wire;
mod central_writers;
mod commands;
mod containers;
mod deletion;
mod durable_steps;
mod example_config;
mod faults_buffer;
mod faults_central_link;
mod faults_central_lost;
mod faults_central_outage;
mod faults_central_refused;
mod faults_central_resources;
mod faults_central_tls;
mod faults_clock;
mod faults_configuration;
mod faults_files;
mod faults_fsync;
mod faults_ftp;
mod faults_many_files;
mod faults_network;
mod faults_two_agents;
mod ftp_faults;
mod ftp_scripted;
mod ftp_servers;
mod ftp_tls;
mod fuzz_corpus;
mod golden_chain;
mod golden_pure;
mod guarantees;
mod health;
mod instructions;
mod invariants;
mod kills;
mod log_lines;
mod manual;
mod memory;
mod readme;
mod reference;
mod report;
mod rooms;
mod service;
mod service_manager;
mod service_unit;
mod status_page;
mod union;
mod wear;
