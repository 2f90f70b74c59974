//! A server that dies with the test process, however that dies: a shell starts it and waits for the
//! end of a pipe that only the test process holds, then kills its whole process group.

use std::{
    fs::File,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
};

#[derive(Debug)]
pub struct Supervised {
    shell: Child,
}

impl Supervised {
    pub fn start(command: &[String], environment: &[(String, String)], log: &Path) -> Self {
        let log = File::options().create(true).append(true).open(log).unwrap();
        let script = r#""$@" </dev/null & cat >/dev/null; kill -KILL 0"#;
        let shell = Command::new("sh")
            .args(["-c", script, "supervisor"])
            .args(command)
            .envs(environment.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(0)
            .spawn()
            .unwrap();
        Self { shell }
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        // The shell kills itself with the group, so there is always something to wait for.
        let _ = self.shell.wait();
    }
}
