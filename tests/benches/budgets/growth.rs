//! Large inputs: how fast they are read and judged, and how the cost grows with each of their dimensions.

use crate::{
    Bench, Row, Rows, Spread,
    clients::RUN,
    lab::{Lab, World},
    mebibytes,
    process::part,
    rows::{ONNET_PORT, number, ratio, wait_for, with_addresses},
    size,
};
use serde_json::{Value, json};
use std::{error::Error, fs, path::Path, time::Duration};

/// How large the files of an audit are.
#[derive(Clone, Copy)]
struct Extent {
    vpcs: usize,
    /// Of each VPC.
    tables: usize,
    /// Of each table; at least two.
    routes: usize,
    /// Of each table.
    subnets: usize,
}

const LARGE: Extent = Extent { vpcs: 20, tables: 100, routes: 500, subnets: 10 };

/// Writes VPCs in the format of the AWS CLI.
fn write(directory: &Path, extent: Extent) -> Result<(), Box<dyn Error>> {
    let Extent { vpcs, tables, routes, subnets } = extent;
    let table_id = |vpc: usize, table: usize| format!("rtb-{vpc:04x}{table:04x}");
    let association = |vpc: usize, table: usize, number: usize| {
        json!({ "Main": false, "RouteTableAssociationId": format!("rtbassoc-{vpc:04x}{table:04x}{number:02x}"),
                "RouteTableId": table_id(vpc, table), "AssociationState": { "State": "associated" },
                "SubnetId": format!("subnet-{vpc:04x}{:06x}", table * subnets + number) })
    };
    let route = |vpc: usize, number: usize| match number {
        0 => json!({ "DestinationCidrBlock": format!("10.{vpc}.0.0/16"), "GatewayId": "local",
                     "Origin": "CreateRouteTable", "State": "active" }),
        1 => json!({ "DestinationPrefixListId": "pl-02cd2c6b", "GatewayId": format!("vpce-{vpc:08x}"),
                     "Origin": "CreateRoute", "State": "active" }),
        _ => json!({ "DestinationCidrBlock": format!("100.{}.{}.0/24", 64 + number / 256, number % 256),
                     "TransitGatewayId": format!("tgw-{vpc:08x}"), "Origin": "CreateRoute", "State": "active" }),
    };
    let table = |vpc: usize, table: usize| {
        json!({ "Associations": (0..subnets).map(|number| association(vpc, table, number)).collect::<Vec<_>>(),
                "PropagatingVgws": [], "RouteTableId": table_id(vpc, table),
                "Routes": (0..routes).map(|number| route(vpc, number)).collect::<Vec<_>>(),
                "Tags": [], "VpcId": format!("vpc-{vpc:08x}"), "OwnerId": "111122223333" })
    };
    let subnet = |vpc: usize, number: usize| {
        json!({ "AvailabilityZone": "us-east-1a", "AvailableIpAddressCount": 11, "State": "available",
                "CidrBlock": format!("10.{vpc}.{}.{}/28", number / 16 % 256, number % 16 * 16), "OwnerId": "111122223333",
                "SubnetId": format!("subnet-{vpc:04x}{number:06x}"), "VpcId": format!("vpc-{vpc:08x}"),
                "Ipv6CidrBlockAssociationSet": [], "MapPublicIpOnLaunch": false })
    };
    let endpoint = |vpc: usize| {
        json!({ "VpcEndpointId": format!("vpce-{vpc:08x}"), "VpcEndpointType": "Gateway", "State": "available",
                "VpcId": format!("vpc-{vpc:08x}"), "ServiceName": "com.amazonaws.us-east-1.dynamodb",
                "RouteTableIds": (0..tables).map(|table| table_id(vpc, table)).collect::<Vec<_>>(), "SubnetIds": [], "NetworkInterfaceIds": [] })
    };
    let list = json!({ "PrefixListId": "pl-02cd2c6b", "PrefixListName": "com.amazonaws.us-east-1.dynamodb",
                       "Cidrs": ["3.218.180.0/23", "3.218.182.0/24", "35.71.68.0/23", "35.71.70.0/24", "52.94.0.0/22",
                                 "52.119.224.0/20"] });
    for vpc in 0..vpcs {
        let subnets: Vec<Value> = (0..tables * subnets).map(|number| subnet(vpc, number)).collect();
        let tables: Vec<Value> = (0..tables).map(|number| table(vpc, number)).collect();
        for (name, value) in
            [("route-tables", json!({ "RouteTables": tables })), ("subnets", json!({ "Subnets": subnets }))]
        {
            fs::write(directory.join(format!("{name}-{vpc}.json")), serde_json::to_string_pretty(&value)?)?;
        }
    }
    let endpoints: Vec<Value> = (0..vpcs).map(endpoint).collect();
    fs::write(directory.join("vpc-endpoints.json"), json!({ "VpcEndpoints": endpoints }).to_string())?;
    fs::write(directory.join("prefix-lists.json"), json!({ "PrefixLists": [list] }).to_string())?;
    Ok(())
}

pub(crate) fn audit(bench: &mut Bench) -> Rows {
    let lab = bench.lab(World::on_net())?;
    let directory = lab.directory().join("large");
    fs::create_dir(&directory)?;
    write(&directory, LARGE)?;
    let files: Vec<_> =
        fs::read_dir(&directory)?.map(|entry| Ok(entry?.path())).collect::<Result<_, std::io::Error>>()?;
    let bytes: f64 = files.iter().map(|file| size(file)).sum::<Result<f64, _>>()?;
    let place = directory.display().to_string();
    let onnet = bench.onnet().to_owned();
    let (mut ours, mut memory, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.times(10) {
        let ran = part(&lab, true, &[RUN, &onnet, "audit", "--from", &place])?;
        if ran["code"] != 0 {
            return Err(format!("the audit's exit code is {}", ran["code"]).into());
        }
        ours.push(bytes / 1e6 / (number(&ran["wall"])? / 1e3));
        memory.push(number(&ran["memory"])?);
        let ran =
            part(&lab, true, &[RUN, "sh", "-c", &format!("jq -n 'reduce inputs as $file (0; . + 1)' {place}/*.json")])?;
        theirs.push(bytes / 1e6 / (number(&ran["wall"])? / 1e3));
    }
    bench.keep("audit", "onnet", "MB/s", &ours)?;
    bench.keep("audit memory", "onnet", "B", &memory)?;
    bench.keep("audit", "jq", "MB/s", &theirs)?;
    let [ours, memory, theirs] = [ours, memory, theirs].map(|figures| Spread::of(&figures));
    Ok(vec![
        Row {
            what: "`audit --from`, 20 VPCs of 100 tables of 500 routes, 20,000 subnets",
            budget: "≥ 2.5 × what jq parses".into(),
            onnet: format!(
                "{} for {:.0} MB: {}",
                ours.shown("MB/s", 0),
                bytes / 1e6,
                ratio(ours.median, theirs.median)
            ),
            met: ours.median >= 2.5 * theirs.median,
            beside: format!("jq, parsing only: {}", theirs.shown("MB/s", 0)),
        },
        Row {
            what: "… memory",
            budget: "≤ 3 times the input".into(),
            onnet: format!("{}, {:.1} times", mebibytes(memory.median), memory.median / bytes),
            met: memory.median <= 3.0 * bytes,
            beside: "–".into(),
        },
    ])
}

/// Medians of the wall and processor time of several runs of onnet, in milliseconds.
fn cost(bench: &Bench, lab: &Lab, arguments: &[&str]) -> Result<(f64, f64), Box<dyn Error>> {
    let (mut wall, mut processor) = (Vec::new(), Vec::new());
    for _ in 0..bench.times(10) {
        let ran = part(lab, true, &[&[RUN, bench.onnet()], arguments].concat())?;
        wall.push(number(&ran["wall"])?);
        processor.push(number(&ran["processor"])?);
    }
    Ok((Spread::of(&wall).median, Spread::of(&processor).median))
}

/// Three sizes, each ten times the one before, with the medians of wall and processor time in milliseconds.
type Sizes = Vec<(usize, f64, f64)>;

fn grown(bench: &mut Bench, what: &'static str, sizes: &Sizes) -> Rows {
    for (count, wall, used) in sizes {
        bench.keep(what, &format!("onnet, {count}"), "ms", &[*wall, *used])?;
    }
    let shown = sizes.iter().map(|(count, wall, used)| format!("{count}: {wall:.1} ({used:.1}) ms"));
    let &[_, (_, _, ten), (_, _, hundred)] = sizes.as_slice() else { return Err("three sizes are compared".into()) };
    Ok(vec![Row {
        what,
        budget: "no faster than linear".into(),
        onnet: shown.collect::<Vec<_>>().join(", "),
        met: hundred <= ten * 11.0,
        beside: "–".into(),
    }])
}

/// The cost of inputs ten and a hundred times as large.
pub(crate) fn growth(bench: &mut Bench) -> Rows {
    let mut rows = probes(bench)?;

    let mut sizes = Sizes::new();
    for count in [1, 10, 100] {
        let lab = bench.lab(with_addresses(count))?;
        let (wall, used) = cost(bench, &lab, &["check"])?;
        sizes.push((usize::from(count), wall, used));
    }
    rows.extend(grown(bench, "`check`: addresses of the name, each probed; wall (processor)", &sizes)?);

    let lab = bench.lab(World::on_net())?;
    let small = Extent { vpcs: 1, tables: 10, routes: 5, subnets: 10 };
    let extents: [(&str, [Extent; 3]); 3] = [
        ("`audit`: routes of each of 10 tables", [5, 50, 500].map(|routes| Extent { routes, ..small })),
        ("`audit`: subnets of each of 10 tables", [10, 100, 1000].map(|subnets| Extent { subnets, ..small })),
        ("`audit`: tables of a VPC", [10, 100, 1000].map(|tables| Extent { tables, ..small })),
    ];
    for (number, (what, extents)) in extents.into_iter().enumerate() {
        let mut sizes = Sizes::new();
        for (at, extent) in extents.into_iter().enumerate() {
            let directory = lab.directory().join(format!("growth-{number}-{at}"));
            fs::create_dir(&directory)?;
            write(&directory, extent)?;
            let (wall, used) = cost(bench, &lab, &["audit", "--from", &directory.display().to_string()])?;
            sizes.push(([extent.routes, extent.subnets, extent.tables][number], wall, used));
        }
        rows.extend(grown(bench, what, &sizes)?);
    }
    Ok(rows)
}

/// The daemon with probes ten and a hundred times as often.
fn probes(bench: &mut Bench) -> Rows {
    let lab = bench.lab(World::on_net())?;
    let seconds = Duration::from_secs(bench.times(100) as u64 / 5);
    let mut figures = Vec::new();
    for every in ["5s", "500ms", "50ms"] {
        let running = bench.probing(&lab, every)?;
        wait_for(&lab, ONNET_PORT, "/-/ready")?;
        let used = running.processor()?;
        std::thread::sleep(seconds);
        let used = (running.processor()? - used) / seconds.as_secs_f64() * 1e3;
        figures.push((every, used, running.memory("VmRSS")?));
    }
    let what = "daemon: a probe every 5 s, 500 ms, 50 ms; processor time a second, RSS";
    for (every, used, memory) in &figures {
        bench.keep(what, &format!("onnet, {every}"), "ms", &[*used])?;
        bench.keep(what, &format!("onnet, {every}"), "B", &[*memory])?;
    }
    let shown = figures.iter().map(|(every, used, memory)| format!("{every}: {used:.2} ms, {}", mebibytes(*memory)));
    Ok(vec![Row {
        what,
        budget: "no faster than linear".into(),
        onnet: shown.collect::<Vec<_>>().join("; "),
        met: figures[2].1 <= figures[1].1 * 11.0 && figures[2].2 <= figures[0].2 * 1.1,
        beside: "–".into(),
    }])
}
