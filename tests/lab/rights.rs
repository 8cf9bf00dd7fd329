//! The right to make network namespaces: root has it, others get it in a user namespace of their own.

/// Gains the right to make network and mount namespaces, for this thread and those it starts.
///
/// To be called before any other thread is started: a user namespace is for processes of one thread.
///
/// # Errors
/// Why it is not to be had here.
#[cfg(target_os = "linux")]
pub(crate) fn gain() -> Result<(), String> {
    use nix::{
        sched::{CloneFlags, unshare},
        unistd::{getegid, geteuid},
    };
    use std::fs;

    if unshare(CloneFlags::CLONE_NEWNS).is_ok() {
        return Ok(());
    }
    let (user, group) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER)
        .map_err(|errno| format!("not root, and no user namespace to be had: {errno}"))?;
    let mapped = fs::write("/proc/self/setgroups", "deny")
        .and_then(|()| fs::write("/proc/self/uid_map", format!("0 {user} 1")))
        .and_then(|()| fs::write("/proc/self/gid_map", format!("0 {group} 1")));
    mapped.map_err(|error| format!("not root, and the user namespace cannot be set up: {error}"))?;
    unshare(CloneFlags::CLONE_NEWNS)
        .map_err(|errno| format!("not root, and a user namespace has no rights here: {errno}"))
}

/// There are none to be had.
#[cfg(not(target_os = "linux"))]
pub(crate) fn gain() -> Result<(), String> {
    Err("network namespaces are Linux's".into())
}
