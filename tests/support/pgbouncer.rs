//! PgBouncer between the agent and PostgreSQL.

use std::fs;

use super::postgres::{
    Cluster, PASSWORD, Supervised, answers, as_postgres, free_port, own, server_folder, wait_until,
};

/// PgBouncer in transaction mode in front of a cluster.
pub struct PgBouncer {
    pub port: u16,
    _server: Supervised,
}

impl PgBouncer {
    /// `users` may log in beside the superuser: name and password.
    pub fn before(cluster: &Cluster, users: &[(&str, &str)]) -> Self {
        Self::before_with(cluster, users, "")
    }

    /// With further lines of its configuration.
    pub fn before_with(cluster: &Cluster, users: &[(&str, &str)], lines: &str) -> Self {
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
                 pool_mode = transaction\ndefault_pool_size = 3\nmax_client_conn = 50\n{lines}",
                server = cluster.port,
                folder = folder.display(),
            ),
        )
        .unwrap();
        own(&folder);
        let mut command = as_postgres("pgbouncer");
        command.arg(folder.join("pgbouncer.ini"));
        let server = Supervised::start(command, &folder.join("log"), &folder, "-KILL");
        wait_until("pgbouncer answers", || answers(port));
        Self { port, _server: server }
    }
}
