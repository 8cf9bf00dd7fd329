//! A real Prometheus beside the daemon, in the lab's instance: it scrapes, it evaluates the shipped rules while the route is missing,
//! and the queries of the dashboard return data.

use crate::{
    Done, ONNET, Test,
    dashboard::{dist, queries},
    is_installed,
    lab::{self, Lab, Mode, World, daemon::Daemon, world::MAIN_TABLE},
    named,
};
use libtest_mimic::{Failed, Trial};
use std::{
    path::Path,
    process::{Child, Stdio},
    time::Duration,
};
use tokio::time::Instant;

/// The alert has a delay of a minute.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) fn trials(namespaces: bool) -> Vec<Trial> {
    let tests: [(&str, Test); 1] = [("the_alert_fires_while_the_route_is_lost_and_resolves_when_it_is_back", alert)];
    named(tests, is_installed("prometheus") && is_installed("promtool") && namespaces)
}

struct Prometheus<'l> {
    lab: &'l Lab,
    child: Child,
}

impl<'l> Prometheus<'l> {
    fn start(lab: &'l Lab) -> Result<Self, Failed> {
        let configuration = lab.directory().join("prometheus.yml");
        let rules = dist("prometheus/onnet.rules.yml");
        std::fs::write(
            &configuration,
            format!(
                "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: ['{}']\nscrape_configs:\n  - job_name: \
                 onnet\n    static_configs: [{{targets: ['127.0.0.1:10953']}}]\n",
                rules.display()
            ),
        )?;
        let mut command = lab.command(Path::new("prometheus"))?;
        command
            .arg(format!("--config.file={}", configuration.display()))
            .arg(format!("--storage.tsdb.path={}", lab.directory().join("tsdb").display()))
            .args(["--web.listen-address=127.0.0.1:9090", "--log.level=error"]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        Ok(Self { lab, child })
    }

    /// The result of a query, one line for each series; an error if the query fails.
    fn query(&self, query: &str) -> Result<String, Failed> {
        let mut command = self.lab.command(Path::new("promtool"))?;
        command.args(["query", "instant", "http://127.0.0.1:9090", query]);
        let ran = lab::run(command.stdout(Stdio::piped()).stderr(Stdio::piped()), PATIENCE)?;
        if ran.code == Some(0) {
            Ok(ran.stdout.trim().to_owned())
        } else {
            Err(format!("{query}: {}", ran.stderr).into())
        }
    }

    /// Waits until a query returns the wanted result.
    fn wait(&self, query: &str, wanted: impl Fn(&str) -> bool) -> Result<String, Failed> {
        let until = Instant::now() + PATIENCE;
        let mut last = Ok(String::new());
        while Instant::now() < until {
            last = self.query(query);
            match &last {
                Ok(found) if wanted(found) => return last,
                Ok(_) | Err(_) => std::thread::sleep(Duration::from_millis(200)),
            }
        }
        Err(format!("not within {PATIENCE:?}: {query}; at last {last:?}").into())
    }
}

impl Drop for Prometheus<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn set_route(lab: &Lab, is_there: bool) {
    lab.edit(|world| {
        let endpoint = world.endpoints[0].id.clone();
        let table = [MAIN_TABLE.to_owned()];
        let (add, remove): (&[String], &[String]) = if is_there { (&table, &[]) } else { (&[], &table) };
        world.modify_endpoint(&endpoint, add, remove).unwrap();
    });
}

fn alert() -> Done {
    let lab = Lab::start(World::on_net(), Mode::Namespaces)?;
    let daemon = Daemon::start(&lab, Path::new(ONNET), &[])?;
    daemon.outcome(0, "on_net")?;
    let prometheus = Prometheus::start(&lab)?;
    prometheus.wait("up{job=\"onnet\"} == 1", |found| !found.is_empty())?;
    prometheus.wait("onnet_on_net == 1", |found| !found.is_empty())?;
    prometheus.wait("onnet:on_net:ratio == 1", |found| !found.is_empty())?;
    prometheus.wait("onnet_fails_open == 1", |found| !found.is_empty())?;

    // After two scrapes, so that rates exist. No query may fail.
    prometheus.wait("rate(onnet_probes_total{probe=\"health\"}[5m]) > 0", |found| !found.is_empty())?;
    for query in queries() {
        let found = prometheus.query(&query)?;
        let asks_for_trouble =
            ["> 0", "== 0", "== 1", "onnet_on_net", "onnet_shared_facts"].iter().any(|part| query.contains(part));
        assert!(asks_for_trouble || !found.is_empty(), "nothing is found by {query}");
    }

    set_route(&lab, false);
    let firing = "ALERTS{alertname=\"OnnetOffNet\",alertstate=\"firing\"}";
    prometheus.wait("ALERTS{alertname=\"OnnetOffNet\",alertstate=\"pending\"}", |found| !found.is_empty())?;
    let fired = prometheus.wait(firing, |found| !found.is_empty())?;
    assert!(fired.contains("severity=\"critical\"") && fired.contains("instance=\"127.0.0.1:10953\""), "{fired}");
    let fleet = prometheus.query("onnet:off_net_instances:count_by_route_table")?;
    for part in ["path=\"internet_gateway\"", "route_table=\"rtb-0a1b2c3d\"", "target=\"igw-", "=> 1 "] {
        assert!(fleet.contains(part), "{part} in {fleet}");
    }
    set_route(&lab, true);
    prometheus.wait(firing, str::is_empty)?;
    prometheus.wait("onnet_outcome_changes_total == 2", |found| !found.is_empty())?;
    Ok(())
}
