//! PgBouncer between the agent and PostgreSQL.

use std::fs;

use super::postgres::{Cluster, PASSWORD, Supervised, answers, as_postgres, own, server_folder};
use super::{net::free_port, wait};

/// PgBouncer in front of a cluster.
pub struct PgBouncer {
    pub port: u16,
    _server: Supervised,
}

/// How clients share connections to the server.
#[derive(Clone, Copy)]
pub struct Pool {
    /// `transaction` or `session`.
    mode: &'static str,
    /// Connections to the server for each user and database.
    size: u32,
    most_clients: u32,
    /// A further line of its configuration.
    further: &'static str,
}

impl Pool {
    /// A connection is another client's after each transaction.
    pub fn transactions(size: u32, most_clients: u32) -> Self {
        Self { mode: "transaction", size, most_clients, further: "" }
    }

    /// A connection is another client's after the client has left.
    pub fn sessions(size: u32, most_clients: u32) -> Self {
        Self { mode: "session", size, most_clients, further: "" }
    }

    pub fn configured(self, further: &'static str) -> Self {
        Self { further, ..self }
    }
}

impl PgBouncer {
    /// By transaction, three connections; `users` may log in beside the superuser: name and password.
    pub fn before(cluster: &Cluster, users: &[(&str, &str)]) -> Self {
        Self::with(cluster, users, Pool::transactions(3, 50))
    }

    pub fn with(cluster: &Cluster, users: &[(&str, &str)], pool: Pool) -> Self {
        let folder = server_folder();
        let quoted = |text: &str| text.replace('"', "\"\"");
        let mut list = String::new();
        for (user, password) in users.iter().chain(&[("postgres", PASSWORD)]) {
            list.push_str(&format!("\"{}\" \"{}\"\n", quoted(user), quoted(password)));
        }
        fs::write(folder.join("users"), list).unwrap();
        let port = free_port();
        fs::write(
            folder.join("pgbouncer.ini"),
            format!(
                "[databases]\n* = host=127.0.0.1 port={server}\n[pgbouncer]\n\
                 listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
                 auth_type = scram-sha-256\nauth_file = {folder}/users\n\
                 pool_mode = {mode}\ndefault_pool_size = {size}\nmax_client_conn = {clients}\n{further}\n",
                server = cluster.port,
                mode = pool.mode,
                size = pool.size,
                clients = pool.most_clients,
                further = pool.further,
                folder = folder.display(),
            ),
        )
        .unwrap();
        own(&folder);
        let mut command = as_postgres("pgbouncer");
        command.arg(folder.join("pgbouncer.ini"));
        let server = Supervised::start(command, &folder.join("log"), &folder, "-KILL");
        wait::until("pgbouncer answers", wait::PATIENCE, || answers(port));
        Self { port, _server: server }
    }
}
