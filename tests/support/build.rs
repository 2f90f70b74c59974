//! Builds of the agent that a benchmark compares: the one made along with it and the gateways' own, where
//! `make cross TARGETS=x86_64` has made it; or those that the variable `BUILDS` names.

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
    /// Those that `BUILDS=name=path,name=path` names, or all that were made here.
    pub fn all() -> Vec<Self> {
        let named = env::var("BUILDS").unwrap_or_default();
        let named = named.split(',').filter(|one| !one.is_empty()).map(|one| {
            let (name, path) = one.split_once('=').expect("BUILDS is name=path,name=path");
            let path = fs::canonicalize(path).expect(path);
            Self { name: name.to_owned(), path: Some(path) }
        });
        let mut all: Vec<Self> = named.collect();
        if !all.is_empty() {
            return all;
        }
        all.push(Self { name: "release, glibc".into(), path: None });
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let target =
            env::var("CARGO_TARGET_DIR").map_or_else(|_| root.join("target"), PathBuf::from);
        let gateway = target.join("cross/x86_64/cu-agent");
        if gateway.exists() {
            all.push(Self { name: "gateway, musl".into(), path: Some(gateway) });
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
