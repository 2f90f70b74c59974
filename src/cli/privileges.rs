//! Whom a command works as. Root in a state directory of another user becomes that user once the
//! configuration and its passwords are read: what lies there is that user's to shape, and nothing of it
//! is opened, made or followed with root's rights.
//!
//! What must never happen here: a thread started before, since on Linux each thread has rights of its
//! own; a right of root's kept.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use rustix::{
    process::{DumpableBehavior, Gid, Resource, Rlimit, Uid, geteuid},
    thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid},
};

/// For a user of whom no group is known.
const NO_GROUP: u32 = 65534;

#[derive(Debug, thiserror::Error)]
#[error(
    "{state_dir} belongs to {user}, and root cannot become that user here; run it as: runuser -u {user} -- cu-agent …"
)]
pub(super) struct PrivilegeError {
    state_dir: PathBuf,
    user: String,
    source: io::Error,
}

/// A dump of this process would hold the passwords: there is none, and only root looks into it.
pub(super) fn keep_memory_private() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    // Where the kernel does not have it, the unit's own limit is left.
    rustix::process::setrlimit(Resource::Core, none).ok();
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).ok();
}

/// Becomes the user whose directory `state_dir` is, where root runs the command. The caller has
/// started no thread yet.
pub(super) fn become_owner_of(state_dir: &Path) -> Result<(), PrivilegeError> {
    let Some((uid, gid)) = owner_of(state_dir) else { return Ok(()) };
    if !geteuid().is_root() || uid == 0 {
        return Ok(());
    }
    let table = |file: &str| fs::read_to_string(file).unwrap_or_default();
    let user = User::find(&table("/etc/passwd"), &table("/etc/group"), uid, gid);
    let drop = || -> io::Result<()> {
        let groups: Vec<Gid> = user.groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(user.gid));
        set_thread_groups(&groups)?;
        set_thread_res_gid(gid, gid, gid)?;
        set_thread_res_uid(uid, uid, uid)?;
        Ok(())
    };
    drop().map_err(|source| PrivilegeError {
        state_dir: state_dir.to_owned(),
        user: user.name.clone(),
        source,
    })?;
    log::info!(
        "started as root, now running as {}, the owner of {}",
        user.name,
        state_dir.display()
    );
    Ok(())
}

/// User and group of the directory, or of the nearest one above it that exists. A link on the way that
/// is not root's counts for who could have set it.
fn owner_of(state_dir: &Path) -> Option<(u32, u32)> {
    let mut way: Vec<&Path> = state_dir.ancestors().collect();
    way.reverse();
    let of = |file: &fs::Metadata| (file.uid(), file.gid());
    let links = way.iter().filter_map(|step| fs::symlink_metadata(step).ok());
    let foreign = links.filter(|step| step.is_symlink() && step.uid() != 0).map(|step| of(&step));
    let mut all = foreign;
    all.next().or_else(|| way.iter().rev().find_map(|step| Some(of(&fs::metadata(step).ok()?))))
}

/// As `/etc/passwd` and `/etc/group` know one.
#[derive(PartialEq, Eq, Debug)]
struct User {
    name: String,
    gid: u32,
    groups: Vec<u32>,
}

impl User {
    /// One that is not in `passwd` goes by its number, and has the directory's group unless that is
    /// root's.
    fn find(passwd: &str, group: &str, uid: u32, directory_gid: u32) -> Self {
        let entry = passwd.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let [name, _, id, gid, ..] = fields.as_slice() else { return None };
            (id.parse() == Ok(uid)).then_some(((*name).to_owned(), gid.parse().ok()?))
        });
        let Some((name, gid)) = entry else {
            let gid = if directory_gid == 0 { NO_GROUP } else { directory_gid };
            return Self { name: format!("#{uid}"), gid, groups: vec![gid] };
        };
        let member_of = group.lines().filter_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let [_, _, gid, members] = fields.as_slice() else { return None };
            let gid = gid.parse().ok().filter(|gid| *gid != 0)?;
            members.split(',').any(|member| member == name).then_some(gid)
        });
        let groups = std::iter::once(gid).chain(member_of.filter(|other| *other != gid)).collect();
        Self { name, gid, groups }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_the_groups_of_the_system_and_a_number_only_has_none_of_roots() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\ncu-agent:x:998:997::/var/lib/cu-agent:/x\n";
        let group = "root:x:0:cu-agent\ncu-agent:x:997:\ndialout:x:20:pi,cu-agent\ntty:x:5:pi\n";
        let user = User::find(passwd, group, 998, 1);
        assert_eq!(user, User { name: "cu-agent".into(), gid: 997, groups: vec![997, 20] });
        let unknown = User::find(passwd, group, 1234, 0);
        assert_eq!(unknown, User { name: "#1234".into(), gid: NO_GROUP, groups: vec![NO_GROUP] });
        assert_eq!(User::find(passwd, group, 1234, 77).groups, [77]);
        assert_eq!(User::find("torn\n:::\n", "torn", 998, 5).name, "#998");
    }

    #[test]
    fn the_owner_is_the_nearest_directorys_or_of_a_link_on_the_way() {
        let dir = tempfile::tempdir().unwrap();
        let own = fs::metadata(dir.path()).unwrap();
        let own = (own.uid(), own.gid());
        assert_eq!(owner_of(&dir.path().join("not/yet")), Some(own));
        if own.0 != 0 {
            return;
        }
        let theirs = dir.path().join("theirs");
        fs::create_dir(&theirs).unwrap();
        std::os::unix::fs::chown(&theirs, Some(1234), Some(1235)).unwrap();
        assert_eq!(owner_of(&theirs), Some((1234, 1235)));
        assert_eq!(owner_of(&theirs.join("state")), Some((1234, 1235)));
        let link = theirs.join("state");
        std::os::unix::fs::symlink("/etc", &link).unwrap();
        std::os::unix::fs::lchown(&link, Some(1234), Some(1235)).unwrap();
        assert_eq!(owner_of(&link), Some((1234, 1235)), "/etc is root's, the link is not");
    }
}
