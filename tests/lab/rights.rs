//! The right to create network namespaces: root has it, other users get it in their own user namespace.

/// Gains the right to create network and mount namespaces, for this thread and those it starts.
///
/// Must be called before any other thread is started: only a process with one thread can enter a user namespace.
///
/// # Errors
/// Why it is not available here.
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
        .map_err(|errno| format!("not root, and no user namespace is available: {errno}"))?;
    let mapped = fs::write("/proc/self/setgroups", "deny")
        .and_then(|()| fs::write("/proc/self/uid_map", format!("0 {user} 1")))
        .and_then(|()| fs::write("/proc/self/gid_map", format!("0 {group} 1")));
    mapped.map_err(|error| format!("not root, and the user namespace cannot be set up: {error}"))?;
    unshare(CloneFlags::CLONE_NEWNS)
        .map_err(|errno| format!("not root, and a user namespace has no rights here: {errno}"))
}

/// Namespaces are not available.
#[cfg(not(target_os = "linux"))]
pub(crate) fn gain() -> Result<(), String> {
    Err("network namespaces are Linux's".into())
}
