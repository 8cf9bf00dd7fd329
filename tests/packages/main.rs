//! Installation, upgrade, removal and purge of the packages: the Debian package on its own Debian system, whose PID 1 is systemd, in
//! the lab's instance; the RPM package below its own root.
//!
//! Run by `tests/e2e/run`, which builds the packages and the Debian system.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]

#[path = "../lab/mod.rs"]
mod lab;
#[allow(dead_code, reason = "each test boots in one of two ways")]
#[path = "../systemd/machine.rs"]
mod machine;
mod perfdata;
#[allow(dead_code, reason = "a part of it is for the test of the binary as it is built")]
#[path = "../net/settings/run.rs"]
mod settings;
#[path = "../net/settings/table.rs"]
mod table;

use lab::{Lab, Mode, Ran, World, rights, world::MAIN_TABLE};
use libtest_mimic::{Arguments, Failed, Trial};
use machine::Machine;
use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::Duration,
};
use tempfile::TempDir;

type Done = Result<(), Failed>;
type Test = fn() -> Done;

fn main() -> ExitCode {
    if let Err(why) = rights::gain() {
        eprintln!("no network namespaces: {why}");
        return ExitCode::FAILURE;
    }
    let tests: Vec<(&str, Test)> = vec![
        ("both_packages_hold_the_same", contents),
        ("the_packaged_binary_outlives_every_setting", settings),
        ("the_debian_package_lives_and_dies_as_debian_expects", debian),
        ("nrpe_runs_the_plugin_and_its_line_parses", nrpe),
        ("an_instance_without_metadata_does_not_hold_up_the_installation", without_metadata),
        ("the_rpm_package_is_installed_upgraded_and_erased", rpm),
    ];
    let trials = tests.into_iter().map(|(name, test)| Trial::test(name, test)).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// A path that `tests/e2e/run` sets.
fn given(variable: &str) -> PathBuf {
    PathBuf::from(std::env::var_os(variable).expect("start it by tests/e2e/run"))
}

/// The package with this file extension.
fn package(ending: &str) -> PathBuf {
    let packages = fs::read_dir(given("ONNET_PACKAGES")).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = packages.filter(|path| path.extension().is_some_and(|e| e == ending)).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

const PATIENCE: Duration = Duration::from_secs(60);

fn run(program: &str, arguments: &[&str]) -> Result<String, Failed> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    succeeded(program, arguments, lab::run(&mut command, PATIENCE)?)
}

fn succeeded(program: &str, arguments: &[&str], ran: Ran) -> Result<String, Failed> {
    match ran.code {
        Some(0) => Ok(ran.stdout),
        code => Err(format!("{program} {arguments:?} ended with {code:?}: {}{}", ran.stdout, ran.stderr).into()),
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A writable copy of the Debian system.
fn new_root() -> Result<TempDir, Failed> {
    let directory = tempfile::Builder::new().prefix("onnet-root-").tempdir()?;
    run("cp", &["-a", "--reflink=auto", &format!("{}/.", path(&given("ONNET_DEBIAN_ROOT"))), path(directory.path())])?;
    // All users of the machine must be able to enter its directories.
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755))?;
    Ok(directory)
}

/// Every file that must be installed, except those whose name depends on the package format.
fn installed(listing: &str) -> BTreeSet<String> {
    let of_a_format = ["/usr/share/doc/onnet/changelog.Debian.gz", "/usr/share/doc/onnet/copyright"];
    let files = listing.lines().map(|line| format!("/{}", line.trim().trim_start_matches(['.', '/'])));
    let files = files.filter(|file| !file.ends_with('/') && !of_a_format.contains(&file.as_str()));
    let elsewhere = |file: String| {
        file.replace("/usr/share/zsh/site-functions/", "/usr/share/zsh/vendor-completions/")
            .replace("/usr/share/licenses/onnet/LICENSE", "")
            .replace("/usr/share/doc/onnet/CHANGELOG.md", "/usr/share/doc/onnet/changelog.gz")
            .replace("/usr/lib64/nagios/", "/usr/lib/nagios/")
    };
    files.map(elsewhere).filter(|file| !file.is_empty()).collect()
}

/// The files that users of either package find. The script of the RPM package creates the link of the plugin.
fn contents() -> Done {
    let (deb, rpm) = (package("deb"), package("rpm"));
    let listing = run("dpkg-deb", &["--contents", path(&deb)])?;
    let names: String =
        listing.lines().filter_map(|line| Some(line.split_whitespace().nth(5)?.to_owned() + "\n")).collect();
    let mut debian = installed(&names);
    assert!(debian.remove("/usr/lib/nagios/plugins/check_onnet"), "{debian:?}");
    let of_rpm = installed(&run("rpm", &["-qp", "--list", path(&rpm)])?);
    assert_eq!(debian, of_rpm);
    for expected in [
        "/usr/bin/onnet",
        "/usr/lib/systemd/system/onnet.service",
        "/usr/lib/systemd/system/onnet.socket",
        "/usr/lib/systemd/system/onnet-check.service",
        "/etc/onnet/onnet.env",
        "/usr/share/man/man1/onnet.1.gz",
        "/usr/share/man/man1/onnet-check.1.gz",
        "/usr/share/man/man1/check_onnet.1.gz",
        "/usr/share/bash-completion/completions/onnet",
        "/usr/share/zsh/vendor-completions/_onnet",
        "/usr/share/fish/vendor_completions.d/onnet.fish",
        "/usr/share/doc/onnet/README.md",
        "/usr/share/doc/onnet/verdicts.md",
        "/usr/share/onnet/prometheus/onnet.rules.yml",
        "/usr/share/onnet/grafana/onnet.json",
        "/usr/share/onnet/nagios/nrpe.cfg",
    ] {
        assert!(debian.contains(expected), "{expected} is not among {debian:?}");
    }
    assert_eq!(run("rpm", &["-qp", "--configfiles", path(&rpm)])?.trim(), "/etc/onnet/onnet.env");
    let information = run("rpm", &["-qpi", path(&rpm)])?;
    for line in ["Name        : onnet", "License     : Apache-2.0", "Architecture: x86_64"] {
        assert!(information.contains(line), "{information}");
    }
    Ok(())
}

/// The packaged binary cannot catch panics: it is built without unwinding.
fn settings() -> Done {
    let directory = tempfile::tempdir()?;
    run("dpkg-deb", &["--extract", path(&package("deb")), path(directory.path())])?;
    let onnet = directory.path().join("usr/bin/onnet");
    settings::at_the_start(&onnet);
    settings::on_sighup(&onnet);
    Ok(())
}

/// The same package as a later version, with other settings in it.
fn later(deb: &Path, directory: &Path) -> Result<PathBuf, Failed> {
    let (tree, later) = (directory.join("tree"), directory.join("later.deb"));
    run("dpkg-deb", &["--raw-extract", path(deb), path(&tree)])?;
    let control = fs::read_to_string(tree.join("DEBIAN/control"))?;
    let version = control.lines().find(|line| line.starts_with("Version: ")).unwrap();
    fs::write(tree.join("DEBIAN/control"), control.replace(version, "Version: 99.0.0-1"))?;
    let settings = tree.join("etc/onnet/onnet.env");
    fs::write(&settings, fs::read_to_string(&settings)? + "\n# New in this version.\n")?;
    run("dpkg-deb", &["-Znone", "--root-owner-group", "--build", path(&tree), path(&later)])?;
    Ok(later)
}

/// A booted Debian system in the lab's instance.
struct Debian {
    machine: Machine,
    root: TempDir,
    lab: Lab,
}

impl Debian {
    fn boot(world: World, packages: &[(&str, &Path)]) -> Result<Self, Failed> {
        let (lab, root) = (Lab::start(world, Mode::Namespaces)?, new_root()?);
        for (name, package) in packages {
            fs::copy(package, root.path().join(name))?;
        }
        let machine = Machine::boot_root(&lab, root.path())?;
        Ok(Self { machine, root, lab })
    }

    /// Runs a program, which must succeed.
    fn run(&self, program: &str, arguments: &[&str]) -> Result<String, Failed> {
        succeeded(program, arguments, self.machine.run(program, arguments)?)
    }

    fn property(&self, property: &str) -> Result<String, Failed> {
        Ok(self.machine.property("onnet.service", property)?)
    }

    /// Every file and directory, except those of the package manager and of the running system.
    fn files(&self) -> Result<BTreeSet<String>, Failed> {
        let volatile = ["/var/lib/dpkg/", "/var/log/", "/var/cache/", "/var/lib/systemd/", "/root/"];
        let found = self.run("find", &["/", "-xdev"])?;
        Ok(found
            .lines()
            .filter(|file| !volatile.iter().any(|place| file.starts_with(place)))
            .map(str::to_owned)
            .collect())
    }

    fn wait_until_active(&mut self) -> Result<(), Failed> {
        self.machine.wait_for("onnet.service", "ActiveState", |state| state == "active")?;
        Ok(())
    }
}

const DPKG: [&str; 2] = ["--force-confdef", "--force-confold"];

fn debian() -> Done {
    let directory = tempfile::tempdir()?;
    let deb = package("deb");
    let later = later(&deb, directory.path())?;
    let mut debian = Debian::boot(World::on_net(), &[("onnet.deb", &deb), ("later.deb", &later)])?;
    let before = debian.files()?;

    // After the installation the daemon runs; the socket and the gate are not enabled.
    debian.run("dpkg", &["--install", "/onnet.deb"])?;
    debian.wait_until_active()?;
    assert_eq!(debian.property("UnitFileState")?, "enabled");
    for unit in ["onnet.socket", "onnet-check.service"] {
        assert_eq!(debian.machine.property(unit, "ActiveState")?, "inactive", "{unit}");
    }
    assert_eq!(debian.machine.systemctl(&["is-enabled", "onnet.socket"])?.stdout.trim(), "disabled");
    let status = debian.run("onnet", &["status"])?;
    assert!(status.starts_with("on-net"), "{status}");
    debian.run("systemctl", &["start", "onnet-check.service"])?;
    let verified = debian.run("dpkg", &["--verify", "onnet"])?;
    assert_eq!(verified, "", "what dpkg finds changed");

    // After an upgrade the settings are the administrator's, and the new daemon replaces the old one.
    let settings = debian.root.path().join("etc/onnet/onnet.env");
    fs::write(&settings, "ONNET_LISTEN=127.0.0.1:10999\n")?;
    let old = debian.property("MainPID")?;
    debian.run("dpkg", &[&DPKG[..], &["--install", "/later.deb"]].concat())?;
    debian.wait_until_active()?;
    assert_ne!(debian.property("MainPID")?, old);
    assert_eq!(fs::read_to_string(&settings)?, "ONNET_LISTEN=127.0.0.1:10999\n");
    assert!(settings.with_extension("env.dpkg-dist").exists(), "the new version's settings lie beside them");
    debian.run("onnet", &["status", "--url", "http://127.0.0.1:10999"])?;

    // A disabled and stopped daemon stays so.
    debian.run("systemctl", &["disable", "--now", "onnet.service"])?;
    debian.run("dpkg", &["--install", "--force-confold", "/later.deb"])?;
    assert_eq!(debian.property("ActiveState")?, "inactive");
    assert_eq!(debian.property("UnitFileState")?, "disabled");
    debian.run("systemctl", &["enable", "--now", "onnet.service"])?;

    // After a removal nothing runs, and the settings are kept.
    debian.run("dpkg", &["--remove", "onnet"])?;
    assert_eq!(debian.property("ActiveState")?, "inactive");
    assert_eq!(debian.machine.run("pgrep", &["--exact", "onnet"])?.stdout, "");
    assert_eq!(fs::read_to_string(&settings)?, "ONNET_LISTEN=127.0.0.1:10999\n");
    let left: Vec<String> = debian.files()?.difference(&before).cloned().collect();
    assert!(left.iter().all(|file| file.starts_with("/etc/onnet") || file.contains("/systemd/system/")), "{left:?}");

    // A new installation uses those settings.
    debian.run("dpkg", &["--install", "--force-confold", "/later.deb"])?;
    debian.wait_until_active()?;
    debian.run("onnet", &["status", "--url", "http://127.0.0.1:10999"])?;

    // After a purge no file is left, drop-ins included.
    fs::create_dir_all(debian.root.path().join("etc/systemd/system/onnet.service.d"))?;
    fs::write(debian.root.path().join("etc/systemd/system/onnet.service.d/override.conf"), "[Service]\nNice=5\n")?;
    debian.run("dpkg", &["--purge", "onnet"])?;
    assert_eq!(debian.machine.run("pgrep", &["--exact", "onnet"])?.stdout, "");
    let after = debian.files()?;
    assert_eq!(after.symmetric_difference(&before).collect::<Vec<_>>(), Vec::<&String>::new());
    let state = debian.run("find", &["/var/lib/systemd", "-name", "onnet*"])?;
    assert_eq!(state, "", "state of the units is left");
    Ok(())
}

/// `apt-get install` must not wait for a network that may not exist.
fn without_metadata() -> Done {
    let deb = package("deb");
    let debian = Debian::boot(World::on_net(), &[("onnet.deb", &deb)])?;
    debian.lab.set_fault(lab::Service::Imds, Some(lab::Fault::Silence));
    let ran = debian.machine.run("dpkg", &["--install", "/onnet.deb"])?;
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.took < Duration::from_secs(25), "it took {:?}", ran.took);
    assert_eq!(debian.property("ActiveState")?, "activating");
    debian.lab.set_fault(lab::Service::Imds, None);
    let mut debian = debian;
    debian.wait_until_active()
}

/// Debian's NRPE with the shipped definitions.
fn nrpe() -> Done {
    let deb = package("deb");
    let mut debian = Debian::boot(World::on_net(), &[("onnet.deb", &deb)])?;
    debian.run("dpkg", &["--install", "/onnet.deb"])?;
    debian.wait_until_active()?;
    debian.run("cp", &["/usr/share/onnet/nagios/nrpe.cfg", "/etc/nagios/nrpe.d/onnet.cfg"])?;
    debian.run("systemctl", &["start", "nagios-nrpe-server.service"])?;
    let asked = |debian: &mut Debian, command: &str, code: i32| -> Result<perfdata::Line, Failed> {
        // The server forks before it listens.
        let ran = debian.machine.wait_until("an answer of NRPE's", |machine| {
            let ran = machine.run("/usr/lib/nagios/plugins/check_nrpe", &["-H", "127.0.0.1", "-c", command]).ok()?;
            let is_there = ![&ran.stdout, &ran.stderr].iter().any(|text| text.contains("Connection refused"));
            is_there.then_some(ran)
        })?;
        assert_eq!(ran.code, Some(code), "{command}: {}{}", ran.stdout, ran.stderr);
        perfdata::read(&ran.stdout).map_err(|error| format!("{error}: {}", ran.stdout).into())
    };
    for command in ["check_onnet", "check_onnet_daemon"] {
        let line = asked(&mut debian, command, 0)?;
        assert!(line.text.starts_with("ONNET OK - dynamodb.us-east-1.amazonaws.com goes through"), "{line:?}");
        assert_eq!(line.value("covered"), Some((100.0, "%")), "{line:?}");
        assert_eq!(line.value("addresses_on_net").map(|(_, unit)| unit), Some(""), "{line:?}");
        let phases = ["resolve", "connect", "tls", "send", "wait", "receive"];
        let sum: f64 = phases.iter().filter_map(|phase| line.value(phase)).map(|(seconds, _)| seconds).sum();
        let (total, unit) = line.value("total").ok_or("no total")?;
        assert_eq!(unit, "s");
        assert!(sum > 0.0 && sum <= total + 1e-5, "phases that are apart add up to no more than the total: {line:?}");
    }
    debian.lab.edit(|world| {
        let endpoint = world.endpoints[0].id.clone();
        world.modify_endpoint(&endpoint, &[], &[MAIN_TABLE.to_owned()]).unwrap();
    });
    let line = asked(&mut debian, "check_onnet", 2)?;
    assert!(line.text.starts_with("ONNET CRITICAL - "), "{line:?}");
    assert_eq!(line.value("covered"), Some((0.0, "%")), "{line:?}");
    Ok(())
}

fn rpm() -> Done {
    let root = new_root()?;
    let rpm = package("rpm");
    let at = |file: &str| root.path().join(file.trim_start_matches('/'));
    let before: BTreeSet<String> = files_below(root.path())?;
    let rpm_root = format!("--root={}", path(root.path()));
    let manage = |arguments: &[&str]| run("rpm", &[&[rpm_root.as_str()], arguments].concat());

    // Debian has the dependencies, but not in an RPM database.
    manage(&["--install", "--nodeps", path(&rpm)])?;
    let here = |program: &str, arguments: &[&str]| run("chroot", &[&[path(root.path()), program], arguments].concat());
    assert!(here("/usr/bin/onnet", &["--version"])?.starts_with("onnet "));
    assert_eq!(fs::read_link(at("/usr/lib64/nagios/plugins/check_onnet"))?, Path::new("../../../bin/onnet"));
    let mut plugin = Command::new("chroot");
    plugin.arg(root.path()).args(["/usr/lib64/nagios/plugins/check_onnet", "--no-such-flag"]);
    let said = plugin.output()?;
    assert_eq!(said.status.code(), Some(3));
    assert!(said.stdout.starts_with(b"ONNET UNKNOWN - "), "{said:?}");
    here("/usr/bin/systemctl", &["enable", "onnet.service"])?;

    let directory = tempfile::tempdir()?;
    let later = later_rpm(directory.path())?;
    fs::write(at("/etc/onnet/onnet.env"), "ONNET_PROBE=health\n")?;
    manage(&["--upgrade", "--nodeps", path(&later)])?;
    assert!(manage(&["--query", "onnet"])?.starts_with("onnet-99.0.0-"));
    assert_eq!(fs::read_to_string(at("/etc/onnet/onnet.env"))?, "ONNET_PROBE=health\n");
    assert!(at("/etc/onnet/onnet.env.rpmnew").exists(), "the new version's settings lie beside them");
    assert!(at("/usr/lib64/nagios/plugins/check_onnet").exists(), "the old package's script took nothing along");
    assert!(at("/etc/systemd/system/multi-user.target.wants/onnet.service").is_symlink(), "it is enabled still");

    manage(&["--erase", "onnet"])?;
    assert!(!at("/etc/systemd/system/multi-user.target.wants/onnet.service").is_symlink());
    let left: BTreeSet<String> = files_below(root.path())?.difference(&before).cloned().collect();
    let kept = |file: &String| {
        file.starts_with("/etc/onnet") || file.starts_with("/var/lib/rpm") || file.starts_with("/root/")
    };
    assert!(left.iter().all(kept), "{left:?}");
    assert!(left.contains("/etc/onnet/onnet.env.rpmsave"), "an administrator's settings are kept: {left:?}");
    Ok(())
}

/// The RPM package of a later version, built from the same files with other settings.
fn later_rpm(directory: &Path) -> Result<PathBuf, Failed> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
    for part in ["Cargo.toml", "CHANGELOG.md", "LICENSE", "README.md", "dist", "src", "systemd"] {
        run("cp", &["-r", path(&sources.join(part)), path(directory)])?;
    }
    let manifest = directory.join("Cargo.toml");
    let text = fs::read_to_string(&manifest)?;
    fs::write(&manifest, text.replacen(concat!("\"", env!("CARGO_PKG_VERSION"), "\""), "\"99.0.0\"", 1))?;
    let settings = directory.join("systemd/onnet.env");
    fs::write(&settings, fs::read_to_string(&settings)? + "\n# New in this version.\n")?;
    let output = directory.join("later.rpm");
    let packages = given("ONNET_PACKAGES");
    let target = packages.parent().ok_or("packages are below the target directory")?;
    let mut command = Command::new("cargo");
    command.args(["generate-rpm", "--target-dir", path(target), "--output", path(&output)]).current_dir(directory);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    succeeded("cargo", &["generate-rpm"], lab::run(&mut command, PATIENCE)?)?;
    Ok(output)
}

/// Every file below a directory, relative to it.
fn files_below(root: &Path) -> Result<BTreeSet<String>, Failed> {
    let found = run("find", &[path(root), "-not", "-type", "d", "-printf", "/%P\n"])?;
    Ok(found.lines().map(str::to_owned).collect())
}
