//! How much processor time this process has: the quota of its cgroup, or of one above it.

use std::{fs, path::Path};

/// Processors that one thread can use. HTTP has one thread, so a larger quota is not more for it.
const WHOLE: f64 = 1.0;

/// Bytes of a file of the kernel's that are read.
const LONGEST: usize = 64 << 10;

/// Seconds of processor time in a second: 0.05 for `CPUQuota=5%`; 1 where there is no quota, or a higher one.
pub(super) fn processors() -> f64 {
    below(Path::new("/sys/fs/cgroup"), &read(Path::new("/proc/self/cgroup")).unwrap_or_default())
}

/// By the cgroups that `own`, the content of `/proc/self/cgroup`, names; mounted below `root`.
fn below(root: &Path, own: &str) -> f64 {
    let quotas = own.lines().filter_map(|line| {
        let (_, line) = line.split_once(':')?;
        let (controllers, path) = line.split_once(':')?;
        let path = path.trim_start_matches('/');
        match controllers {
            "" => lowest(root, path, unified),
            _ if controllers.split(',').any(|name| name == "cpu") => lowest(&root.join("cpu"), path, legacy),
            _ => None,
        }
    });
    quotas.fold(WHOLE, f64::min)
}

/// The lowest quota of a cgroup and those above it.
fn lowest(mount: &Path, path: &str, quota: fn(&Path) -> Option<f64>) -> Option<f64> {
    Path::new(path).ancestors().filter_map(|path| quota(&mount.join(path))).reduce(f64::min)
}

/// `cpu.max`: quota and period in microseconds, or `max` and the period.
fn unified(cgroup: &Path) -> Option<f64> {
    let text = read(&cgroup.join("cpu.max"))?;
    let (quota, period) = text.trim().split_once(' ')?;
    ratio(quota, period)
}

/// Those of cgroup v1; the quota is -1 where there is none.
fn legacy(cgroup: &Path) -> Option<f64> {
    let file = |name| read(&cgroup.join(name));
    ratio(file("cpu.cfs_quota_us")?.trim(), file("cpu.cfs_period_us")?.trim())
}

fn ratio(quota: &str, period: &str) -> Option<f64> {
    let (quota, period): (u32, u32) = (quota.parse().ok()?, period.parse().ok()?);
    (quota > 0 && period > 0).then(|| f64::from(quota) / f64::from(period))
}

fn read(file: &Path) -> Option<String> {
    fs::read_to_string(file).ok().filter(|text| text.len() <= LONGEST)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn the_lowest_quota_above_counts() {
        let root = tempfile::tempdir().unwrap();
        let put = |file: &str, text: &str| {
            let file = root.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        };
        put("system.slice/onnet.service/cpu.max", "50000 1000000\n");
        put("system.slice/other.service/cpu.max", "max 100000\n");
        put("small.slice/cpu.max", "2000 100000\n");
        put("small.slice/onnet.service/cpu.max", "50000 1000000\n");
        put("large.service/cpu.max", "400000 100000\n");
        put("cpu/a/cpu.cfs_quota_us", "25000\n");
        put("cpu/a/cpu.cfs_period_us", "100000\n");
        put("cpu/b/cpu.cfs_quota_us", "-1\n");
        put("cpu/b/cpu.cfs_period_us", "100000\n");
        for (own, expected) in [
            ("0::/system.slice/onnet.service\n", 0.05),
            ("0::/small.slice/onnet.service\n", 0.02),
            ("0::/system.slice/other.service\n", 1.0),
            ("0::/large.service\n", 1.0),
            ("0::/nowhere\n", 1.0),
            ("4:cpu,cpuacct:/a/below\n3:memory:/a\n0::/\n", 0.25),
            ("4:cpuacct,cpu:/b\n", 1.0),
            ("4:cpuset:/a\n", 1.0),
            ("", 1.0),
            ("nonsense", 1.0),
        ] {
            assert!((below(root.path(), own) - expected).abs() < 1e-9, "{own}: {}", below(root.path(), own));
        }
    }
}
