//! A server that dies with the test process, however that dies. A shell starts it and waits for the
//! end of a pipe that only the test process holds. The shell is the first process of a process
//! namespace, so that with it the kernel ends everything in there: the servers put their sessions
//! out of reach of a process group.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

#[derive(Debug)]
pub struct Supervised {
    outer: Child,
}

impl Supervised {
    pub fn start(command: &[String], environment: &[(String, String)], log: &Path) -> Self {
        let log = File::options().create(true).append(true).open(log).unwrap();
        // vsftpd as first process itself would end with its first session.
        let script = r#""$@" </dev/null & cat >/dev/null"#;
        let outer = Command::new("unshare")
            .args(["--pid", "--fork", "--kill-child", "sh", "-c", script, "supervisor"])
            .args(command)
            .envs(environment.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { outer }
    }

    /// The processes that the server started, as the system outside numbers them.
    pub fn sessions(&self) -> Vec<String> {
        let proc = Path::new("/proc");
        let namespace = |file: PathBuf| fs::read_link(file).ok();
        let ours = namespace(proc.join(format!("{}/ns/pid_for_children", self.outer.id())));
        let mut found = Vec::new();
        for entry in fs::read_dir(proc).unwrap() {
            let process = entry.unwrap().path();
            if ours.is_none() || namespace(process.join("ns/pid")) != ours {
                continue;
            }
            // Gone in the meantime is as good as not ours.
            let Ok(status) = fs::read_to_string(process.join("status")) else { continue };
            let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name));
            let inner = field("NSpid:").and_then(|ids| ids.split_whitespace().last());
            // The shell, the server itself, and what waits for the end of the tests.
            let is_own = matches!(inner, Some("1" | "2"))
                || field("Name:").is_some_and(|name| name.trim() == "cat");
            if !is_own {
                found.push(process.file_name().unwrap().display().to_string());
            }
        }
        found
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        drop(self.outer.stdin.take());
        // Returns when the last process of the namespace is gone, its sockets with it.
        let _ = self.outer.wait();
    }
}
