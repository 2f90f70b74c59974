//! Builds of the agent that a benchmark compares: the one made along with it, the gateways' own where
//! `make cross TARGETS=x86_64` has made it, and those that the variable `BUILDS` names.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use super::{agent::Agent, process::OTHER_BINARY};

pub struct Build {
    pub name: String,
    /// `None`: the one that was made along with the benchmark.
    path: Option<PathBuf>,
}

impl Build {
    /// All that there are; `BUILDS=name=path,name=path` adds to them.
    pub fn all() -> Vec<Self> {
        let mut all = vec![Self { name: "release, glibc".into(), path: None }];
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let target =
            env::var("CARGO_TARGET_DIR").map_or_else(|_| root.join("target"), PathBuf::from);
        let gateway = target.join("cross/x86_64/cu-agent");
        if gateway.exists() {
            all.push(Self { name: "gateway, musl".into(), path: Some(gateway) });
        }
        for named in env::var("BUILDS").unwrap_or_default().split(',').filter(|n| !n.is_empty()) {
            let (name, path) = named.split_once('=').expect("BUILDS is name=path,name=path");
            let path = fs::canonicalize(path).expect(path);
            all.push(Self { name: name.to_owned(), path: Some(path) });
        }
        all
    }

    /// From now on the agent's commands are this build's.
    pub fn give_to(&self, agent: &mut Agent) {
        if let Some(path) = &self.path {
            agent.set_environment(OTHER_BINARY, path.to_str().unwrap());
        }
    }

    pub fn bytes(&self) -> u64 {
        let own = Path::new(env!("CARGO_BIN_EXE_cu-agent"));
        self.path.as_deref().unwrap_or(own).metadata().unwrap().len()
    }
}
