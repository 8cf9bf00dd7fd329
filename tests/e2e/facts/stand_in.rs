//! dynalite and moto in place of DynamoDB, and an EC2 whose VPCs have versions.

use crate::{
    PATIENCE, Stand, facts_table,
    lab::{
        fakes::{
            authority::Authority,
            ec2::{XML, document, parameter, refusal},
            fixtures::{ENTRIES, INTERFACES, LISTS},
            http::Request,
            server::{Server, Step, answer, closed_port},
        },
        sealed::{packed, signed, unpacked},
    },
    tool,
};
use aws_config::SdkConfig;
use aws_sdk_dynamodb::{Client, primitives::Blob, types::AttributeValue};
use libtest_mimic::Failed;
use onnet::{
    model::{Ec2Request, Gap, VpcFacts},
    observe::{
        aws::{Lookups, Proxies, control_plane},
        facts_table::{Asker, FactsSettings, FactsTable, Once, Role, SigningKey},
        tls::Roots,
    },
};
use ring::{
    digest::{SHA256, digest},
    signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey},
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs::{self, File},
    net::SocketAddr,
    path::PathBuf,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};
use tempfile::TempDir;
use tokio::time::Instant;

pub(super) const TABLE: &str = "onnet-facts";
pub(super) const ACCOUNT: &str = "111122223333";
/// Of publishers and readers.
pub(super) const PERIOD: Duration = Duration::from_secs(300);

/// Software that answers as DynamoDB does, and that we did not write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Dynalite,
    Moto,
}

impl Kind {
    pub(super) const ALL: [Self; 2] = [Self::Dynalite, Self::Moto];

    /// The program and its arguments. It listens on loopback.
    pub(super) fn command(self, port: u16) -> (PathBuf, Vec<String>) {
        let port = port.to_string();
        match self {
            Self::Dynalite => {
                let script = tool("../npm/node_modules/dynalite/cli.js").display().to_string();
                let arguments = [&script, "--host", "127.0.0.1", "--port", &port, "--createTableMs", "0"];
                ("node".into(), arguments.map(str::to_owned).to_vec())
            }
            Self::Moto => (tool("moto_server"), ["-H", "127.0.0.1", "-p", &port].map(str::to_owned).to_vec()),
        }
    }

    /// The same, answering one request at a time. moto's conditional writes are not atomic: of 500 times that eight threads wrote
    /// at once where a counter was the one that they had read, two wrote once (moto 5.2.1).
    fn command_in_turn(self, port: u16) -> (PathBuf, Vec<String>) {
        match self {
            Self::Dynalite => self.command(port),
            Self::Moto => (tool("python"), ["-c", MOTO_IN_TURN, &port.to_string()].map(str::to_owned).to_vec()),
        }
    }
}

/// `moto_server`, but for its threads.
const MOTO_IN_TURN: &str = "
import sys
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple
run_simple('127.0.0.1', int(sys.argv[1]), DomainDispatcherApplication(create_backend_app), threaded=False)
";

/// VPCs of which every table, endpoint and list changes from version to version. Nothing of two versions is equal.
#[derive(Clone, Default)]
pub(super) struct Vpcs(Arc<Mutex<BTreeMap<String, u32>>>);

impl Vpcs {
    pub(super) fn set(&self, vpc: &str, version: u32) {
        self.0.lock().unwrap().insert(vpc.to_owned(), version);
    }

    fn answer(&self, request: &Request) -> Vec<Step> {
        let vpc = parameter(request, "Filter.1.Value.1").unwrap_or_default();
        let version = self.0.lock().unwrap().get(&vpc).copied().unwrap_or_default();
        let action = parameter(request, "Action").unwrap_or_default();
        let set = match action.as_str() {
            "DescribeRouteTables" => route_tables(&vpc, version),
            "DescribeVpcEndpoints" => format!(
                "<vpcEndpointSet><item><vpcEndpointId>vpce-{version}</vpcEndpointId><vpcEndpointType>Gateway</vpcEndpointType>\
                 <vpcId>{vpc}</vpcId><serviceName>com.amazonaws.us-east-1.dynamodb</serviceName><state>available</state>\
                 </item></vpcEndpointSet>"
            ),
            "DescribePrefixLists" => LISTS.to_owned(),
            "GetManagedPrefixListEntries" => ENTRIES.to_owned(),
            "DescribeNetworkInterfaces" => INTERFACES.to_owned(),
            _ => return refusal(400, "InvalidAction"),
        };
        answer(200, XML, &document(&action, &set))
    }
}

/// The main table, and those of two subnets.
fn route_tables(vpc: &str, version: u32) -> String {
    let table = |id: &str, association: &str| {
        format!(
            "<item><routeTableId>{id}</routeTableId><vpcId>{vpc}</vpcId><ownerId>{ACCOUNT}</ownerId><associationSet><item>\
             {association}<associationState><state>associated</state></associationState></item></associationSet><routeSet>\
             <item><destinationPrefixListId>pl-ddb</destinationPrefixListId><gatewayId>vpce-{version}</gatewayId>\
             <origin>CreateRoute</origin><state>active</state></item></routeSet></item>"
        )
    };
    format!(
        "<routeTableSet>{}{}{}</routeTableSet>",
        table("rtb-0", "<main>true</main>"),
        table("rtb-1", "<main>false</main><subnetId>subnet-1</subnetId>"),
        table("rtb-2", "<main>false</main><subnetId>subnet-2</subnetId>"),
    )
}

/// The version that these facts are of, if they are complete and of one.
pub(super) fn version(facts: &VpcFacts) -> Result<u32, String> {
    let gaps = [
        facts.route_tables.gap(),
        facts.vpc_endpoints.gap(),
        facts.endpoint_interfaces.gap(),
        facts.service_prefix_lists.gap(),
    ];
    if let Some(gap) = gaps.into_iter().chain(facts.prefix_lists.values().map(|list| list.gap())).flatten().next() {
        return Err(gap.to_string());
    }
    let text =
        serde_json::to_string(&(&facts.route_tables, &facts.vpc_endpoints)).map_err(|error| error.to_string())?;
    let marks = text.split("vpce-").skip(1).map(|after| after.split('"').next().unwrap_or_default());
    let marks: Vec<u32> = marks.filter_map(|mark| mark.parse().ok()).collect();
    let versions: BTreeSet<u32> = marks.iter().copied().collect();
    match (marks.len(), versions.first()) {
        (4, Some(version)) if versions.len() == 1 => Ok(*version),
        _ => Err(format!("facts of the versions {marks:?}")),
    }
}

/// A key that openssl made.
pub(super) struct Key {
    pub(super) file: PathBuf,
    pub(super) signing: Arc<SigningKey>,
    pair: Ed25519KeyPair,
}

impl Key {
    pub(super) fn new(file: PathBuf) -> Result<Self, Failed> {
        let made = Command::new("openssl").args(["genpkey", "-algorithm", "ed25519", "-out"]).arg(&file).output()?;
        assert!(made.status.success(), "{made:?}");
        let der = Command::new("openssl").args(["pkey", "-outform", "DER", "-in"]).arg(&file).output()?;
        let pair =
            Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der.stdout).map_err(|error| format!("{error}: {der:?}"))?;
        let signing = Arc::new(SigningKey::read(&file).map_err(|error| error.to_string())?);
        Ok(Self { file, signing, pair })
    }

    fn sign(&self, document: &[u8]) -> Vec<u8> {
        self.pair.sign(&signed(document)).as_ref().to_vec()
    }
}

pub(super) type Item = HashMap<String, AttributeValue>;

/// A stand-in with the table, EC2, and a key.
pub(super) struct Site {
    pub(super) vpcs: Vpcs,
    pub(super) key: Key,
    pub(super) client: Client,
    dynamodb: String,
    ec2: SocketAddr,
    roots: Roots,
    publishers: SdkConfig,
    _stand: Stand,
    _directory: TempDir,
}

impl Site {
    pub(super) async fn start(kind: Kind) -> Result<Self, Failed> {
        let directory = tempfile::Builder::new().prefix("onnet-facts-").tempdir()?;
        let at = closed_port();
        let (program, arguments) = kind.command_in_turn(at.port());
        let log = File::create(directory.path().join("log"))?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let stand = Stand { child: command.spawn()? };
        let vpcs = Vpcs::default();
        let of_ec2 = vpcs.clone();
        let ec2 = Server::on_a_thread(move |request| of_ec2.answer(request));
        let dynamodb = format!("http://{at}");
        // Nothing is asked over TLS.
        let roots = Roots::usable(vec![Authority::new().certificate()]).ok_or("no usable certificate")?;
        let publishers = config(&roots, &dynamodb, ec2);
        let client = Client::new(&publishers);
        let until = Instant::now() + PATIENCE;
        while let Err(error) = client.list_tables().send().await {
            if Instant::now() > until {
                let log = fs::read_to_string(directory.path().join("log"))?;
                return Err(format!("{kind:?} does not answer: {error:?}\n{log}").into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        facts_table::create(&client, TABLE).await?;
        let key = Key::new(directory.path().join("publisher.pem"))?;
        Ok(Self { vpcs, key, client, dynamodb, ec2, roots, publishers, _stand: stand, _directory: directory })
    }

    pub(super) fn asker(name: &str, vpc: &str) -> Asker {
        Asker {
            name: name.to_owned(),
            accounts: [ACCOUNT.into()].into(),
            vpcs: vec![vpc.into()],
            subnets: ["subnet-1".into(), "subnet-2".into()].into(),
            region: "us-east-1".to_owned(),
        }
    }

    pub(super) fn settings(&self, role: Role) -> FactsSettings {
        let trust = vec![self.key.signing.public()];
        FactsSettings { table: TABLE.to_owned(), role, trust, period: PERIOD, spot_check_every: None }
    }

    /// `onnet publish`, in this process.
    pub(super) async fn publish(&self, name: &str, vpc: &str) -> Result<Once, Gap> {
        let settings =
            FactsSettings { trust: Vec::new(), ..self.settings(Role::Publish(Some(self.key.signing.clone()))) };
        let table = FactsTable::new(settings);
        let until = Instant::now() + Duration::from_secs(20);
        let mut all = table.publish_once(&self.publishers, &Self::asker(name, vpc), until.into()).await;
        all.pop().expect("one VPC").1
    }

    /// `onnet publish`, as a process.
    pub(super) fn publisher(&self, name: &str, vpc: &str) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(crate::ONNET);
        command.args(["publish", "--facts-table", TABLE, "--vpc", vpc, "--publisher", name, "--facts-sign-key"]);
        command.arg(&self.key.file).args(["--account", ACCOUNT, "--region", "us-east-1"]).env_clear();
        command.envs([("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "not-a-secret")]);
        command.env("AWS_ENDPOINT_URL_DYNAMODB", &self.dynamodb);
        command.env("AWS_ENDPOINT_URL_EC2", format!("http://{}", self.ec2));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// What an instance with network interfaces in both subnets gets from the table, which it reads for the first time.
    pub(super) async fn read(&self, vpc: &str) -> VpcFacts {
        self.facts(&Arc::new(FactsTable::new(self.settings(Role::Read))), "reader", vpc).await
    }

    /// The same from a table that is known already.
    pub(super) async fn facts(&self, table: &Arc<FactsTable>, name: &str, vpc: &str) -> VpcFacts {
        self.facts_and_requests(table, name, vpc).await.0
    }

    /// With the requests to EC2 that it took.
    pub(super) async fn facts_and_requests(
        &self,
        table: &Arc<FactsTable>,
        name: &str,
        vpc: &str,
    ) -> (VpcFacts, Vec<Ec2Request>) {
        let until = Instant::now() + Duration::from_secs(20);
        // On a thread of its own, and so with connections of its own.
        let config = config(&self.roots, &self.dynamodb, self.ec2);
        table.clone().facts(&config, Self::asker(name, vpc), false, until.into()).await
    }

    pub(super) async fn item(&self, pk: &str, sk: &str) -> Option<Item> {
        let request = self.client.get_item().table_name(TABLE).set_key(Some(key(pk, sk))).consistent_read(true);
        request.send().await.expect("an answer").item
    }

    pub(super) async fn head(&self, vpc: &str) -> Option<Item> {
        self.item(vpc, "head").await
    }

    pub(super) async fn delete_head(&self, vpc: &str) {
        let request = self.client.delete_item().table_name(TABLE).set_key(Some(key(vpc, "head")));
        request.send().await.expect("an answer");
    }

    /// Sets attributes of an item.
    pub(super) async fn set(&self, vpc: &str, sk: &str, attributes: Vec<(&str, AttributeValue)>) {
        let mut request = self.client.update_item().table_name(TABLE).set_key(Some(key(vpc, sk)));
        let mut sets = Vec::new();
        for (at, (name, value)) in attributes.into_iter().enumerate() {
            sets.push(format!("#n{at} = :v{at}"));
            request = request.expression_attribute_names(format!("#n{at}"), name);
            request = request.expression_attribute_values(format!(":v{at}"), value);
        }
        request.update_expression(format!("SET {}", sets.join(", "))).send().await.expect("an answer");
    }

    pub(super) async fn remove(&self, vpc: &str, sk: &str, attribute: &str) {
        let request = self.client.update_item().table_name(TABLE).set_key(Some(key(vpc, sk)));
        let request = request.update_expression("REMOVE #name").expression_attribute_names("#name", attribute);
        request.send().await.expect("an answer");
    }

    /// Changes the document of the head, and has the publisher's key sign it.
    pub(super) async fn edit(&self, vpc: &str, change: impl FnOnce(&mut Value)) {
        let head = self.head(vpc).await.expect("a head");
        let mut document: Value = serde_json::from_slice(&unpacked(&bytes(&head, "document"))).expect("JSON");
        change(&mut document);
        let packed = packed(document.to_string().as_bytes());
        let signature = self.key.sign(&packed);
        let mut attributes = vec![("document", blob(packed)), ("signature", blob(signature))];
        attributes.extend(document["observed_at"].as_str().map(|at| ("observed_at", text(at))));
        self.set(vpc, "head", attributes).await;
    }

    /// Dates the head so that another publisher publishes again, while readers still use it.
    pub(super) async fn is_overdue(&self, vpc: &str) {
        self.edit(vpc, |document| document["observed_at"] = json!(ago(Duration::from_secs(200)))).await;
    }

    /// Who published the head, which must be whole: signed, and every chunk there as it was named.
    pub(super) async fn whole(&self, vpc: &str) -> Result<String, Failed> {
        let head = self.head(vpc).await.ok_or("no head")?;
        let (document, signature) = (bytes(&head, "document"), bytes(&head, "signature"));
        let key = UnparsedPublicKey::new(&ED25519, self.key.pair.public_key());
        key.verify(&signed(&document), &signature).map_err(|_| "the head is not signed as it is")?;
        let document: Value = serde_json::from_slice(&unpacked(&document))?;
        let contents = &document["contents"];
        let tables = contents["route_tables"]["complete"].as_array().ok_or("no tables")?;
        let lists = contents["prefix_lists"].as_object().ok_or("no lists")?;
        let chunks = tables.iter().map(|table| &table["chunk"]).chain(lists.values().map(|list| &list["complete"]));
        let listings = [&contents["vpc_endpoints"]["complete"], &contents["endpoint_interfaces"]["complete"]];
        let chunks: Vec<&str> = chunks.chain(listings).filter_map(Value::as_str).collect();
        assert_eq!(chunks.len(), 6, "{document:#}");
        for chunk in chunks {
            let item = self.item(vpc, &format!("chunk.{chunk}")).await.ok_or_else(|| format!("no chunk {chunk}"))?;
            assert_eq!(hex(&bytes(&item, "data")), chunk);
        }
        let publisher = document["publisher"].as_str().ok_or("no publisher")?.to_owned();
        assert_eq!(head.get("publisher"), Some(&text(&publisher)), "who holds the lease");
        Ok(publisher)
    }
}

fn hex(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn bytes(item: &Item, name: &str) -> Vec<u8> {
    item.get(name).and_then(|value| value.as_b().ok()).expect("a blob").as_ref().to_vec()
}

pub(super) fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn blob(bytes: Vec<u8>) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes))
}

#[expect(clippy::disallowed_methods, reason = "what is dated back is dated by the wall clock")]
pub(super) fn ago(time: Duration) -> String {
    humantime::format_rfc3339_micros(SystemTime::now() - time).to_string()
}

fn key(pk: &str, sk: &str) -> Item {
    HashMap::from([("pk".to_owned(), text(pk)), ("sk".to_owned(), text(sk))])
}

fn config(roots: &Roots, dynamodb: &str, ec2: SocketAddr) -> SdkConfig {
    let client = control_plane(roots, Proxies::None, Lookups::default()).unwrap();
    facts_table::config(client, dynamodb, &format!("http://{ec2}"))
}
