//! TLS keys that the user of the service cannot read.

use super::{
    Done, ENVIRONMENT, boot,
    lab::{Lab, Mode, World, fakes::authority::Authority},
    machine::Machine,
};
use libtest_mimic::Failed;

const ASK: [&str; 6] = ["status", "--format", "nagios", "--url", "https://127.0.0.1:10953", "--ca-file"];

/// Whether the daemon's certificate is from the authority in this file.
fn answers_by(machine: &Machine, authority: &str) -> bool {
    machine.run("onnet", &[&ASK[..], &[authority]].concat()).is_ok_and(|ran| ran.code == Some(0))
}

/// Replaces the certificate and its key as a renewal does, with files of the same owner and mode.
fn renew(machine: &Machine) -> Done {
    let script =
        "cd /etc/onnet && for file in pem key; do cp -p tls.$file new && cat new.$file > new && mv new tls.$file; done";
    let ran = machine.run("sh", &["-ec", script])?;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    Ok(())
}

/// Boots a machine with a key whose access `access` sets: a line of the unit and a shell command.
fn with_tls(lab: &Lab, unit: &str, web: &str, access: &str) -> Result<Machine, Failed> {
    let [old, new] = [Authority::named("old"), Authority::named("new")];
    let (leaf, renewed) = (old.localhost(), new.localhost());
    let environment = format!("{ENVIRONMENT}ONNET_WEB_CONFIG=/etc/onnet/web.yml\n");
    let files = [
        ("onnet/onnet.env", environment.as_str()),
        ("onnet/web.yml", web),
        ("onnet/tls.pem", &leaf.certificate),
        ("onnet/tls.key", &leaf.key),
        ("onnet/new.pem", &renewed.certificate),
        ("onnet/new.key", &renewed.key),
        ("onnet/old-ca.pem", &old.pem),
        ("onnet/new-ca.pem", &new.pem),
        ("systemd/system/onnet.service.d/tls.conf", unit),
    ];
    let machine = boot(lab, &files)?;
    let ran =
        machine.run("sh", &["-ec", &format!("cd /etc/onnet; chmod 600 *.key; chown root:root *.key; {access}")])?;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    Ok(machine)
}

/// As `daemon.md` states: a reload keeps the copies that systemd made at the start, a restart uses the renewed files.
pub(crate) fn of_root() -> Done {
    let lab = Lab::start(World::on_net(), Mode::Namespaces)?;
    let unit = "[Service]\nLoadCredential=tls.key:/etc/onnet/tls.key\nLoadCredential=tls.pem:/etc/onnet/tls.pem\n";
    let web = "tls_server_config:\n  cert_file: /run/credentials/onnet.service/tls.pem\n  \
               key_file: /run/credentials/onnet.service/tls.key\n";
    let mut machine = with_tls(&lab, unit, web, "chmod 600 tls.pem")?;
    machine.ctl(&["start", "onnet.socket"])?;
    machine.ctl(&["start", "--no-block", "onnet.service"])?;
    machine
        .wait_until("the first certificate", |machine| answers_by(machine, "/etc/onnet/old-ca.pem").then_some(()))?;
    let pid = machine.property("onnet.service", "MainPID")?;
    renew(&machine)?;
    machine.ctl(&["reload", "onnet.service"])?;
    machine.wait_for_line("onnet.service", "the settings files were read again")?;
    assert!(answers_by(&machine, "/etc/onnet/old-ca.pem"), "a reload keeps the copies of the start");
    assert_eq!(machine.property("onnet.service", "MainPID")?, pid, "without a restart");
    machine.ctl(&["try-restart", "--no-block", "onnet.service"])?;
    machine.wait_until("the new certificate", |machine| answers_by(machine, "/etc/onnet/new-ca.pem").then_some(()))?;
    assert_ne!(machine.property("onnet.service", "MainPID")?, pid);
    Ok(())
}

/// As `daemon.md` states: without a restart.
pub(crate) fn of_a_group() -> Done {
    let lab = Lab::start(World::on_net(), Mode::Namespaces)?;
    let unit = "[Service]\nSupplementaryGroups=nogroup\n";
    let web = "tls_server_config:\n  cert_file: tls.pem\n  key_file: tls.key\n";
    let access = "chgrp nogroup tls.key; chmod 640 tls.key";
    let mut machine = with_tls(&lab, unit, web, access)?;
    machine.ctl(&["start", "--no-block", "onnet.service"])?;
    machine
        .wait_until("the first certificate", |machine| answers_by(machine, "/etc/onnet/old-ca.pem").then_some(()))?;
    let pid = machine.property("onnet.service", "MainPID")?;
    renew(&machine)?;
    machine.ctl(&["reload", "onnet.service"])?;
    machine.wait_until("the new certificate", |machine| answers_by(machine, "/etc/onnet/new-ca.pem").then_some(()))?;
    assert_eq!(machine.property("onnet.service", "MainPID")?, pid, "without a restart");
    Ok(())
}
