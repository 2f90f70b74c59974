//! A server that dies with the test process, however that dies. A shell starts it and waits for the
//! end of a pipe that only the test process holds. The shell is the first process of a process
//! namespace, so that with it the kernel ends everything in there: the servers put their sessions
//! out of reach of a process group.

use std::{
    fs::File,
    path::Path,
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
}

impl Drop for Supervised {
    fn drop(&mut self) {
        drop(self.outer.stdin.take());
        // Returns when the last process of the namespace is gone, its sockets with it.
        let _ = self.outer.wait();
    }
}
