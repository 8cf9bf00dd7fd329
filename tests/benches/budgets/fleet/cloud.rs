//! DynamoDB and EC2 of one account and Region, by the lab's table and worlds, on the clock of a fleet.

use super::Bucket;
use crate::{
    facts_table,
    lab::{
        Table, World,
        dynamodb::performed,
        ec2::{self, parameters, throttled},
        fakes::http::Response,
    },
};
use aws_config::SdkConfig;
use aws_smithy_runtime_api::client::{
    http::{HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn},
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
};
use aws_smithy_types::{DateTime, body::SdkBody, date_time::Format};
use onnet::{engine::Moment, model::Timestamp};
use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};
use tokio::time::{Instant, sleep};

pub(super) const TABLE: &str = "onnet-facts";
pub(super) const ACCOUNT: &str = "111122223333";

/// How many milliseconds an answer takes.
const OF_DYNAMODB: Range<u64> = 2..12;
const OF_EC2: Range<u64> = 100..400;

/// The clock of a fleet, which begins with it: simulated where tokio's is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    began: Instant,
    at: SystemTime,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "what is simulated begins now, too")]
    pub(super) fn start() -> Self {
        Self { began: Instant::now(), at: SystemTime::now() }
    }

    pub(super) fn now(self) -> Duration {
        self.began.elapsed()
    }

    pub(super) fn moment(self) -> Moment {
        Moment::after_boot(self.now())
    }

    /// When that was by this clock.
    pub(super) fn at(self, time: Timestamp) -> Duration {
        time.since(self.at.into())
    }

    /// As services give it.
    fn date(self) -> String {
        DateTime::from(self.at + self.now()).fmt(Format::HttpDate).unwrap()
    }
}

/// EC2 of an account: a world for each VPC, and a token bucket for each action.
pub(super) struct Ec2 {
    worlds: BTreeMap<String, World>,
    buckets: BTreeMap<String, Bucket>,
}

impl Ec2 {
    /// Each VPC has a gateway endpoint.
    pub(super) fn new(vpcs: impl IntoIterator<Item = String>) -> Self {
        let world = |vpc: String| {
            let mut world = World::on_net();
            (world.vpc, world.page_size) = (vpc.clone(), 1000);
            (vpc, world)
        };
        Self { worlds: vpcs.into_iter().map(world).collect(), buckets: BTreeMap::new() }
    }

    pub(super) fn answer(&mut self, body: &str, now: Duration) -> Response {
        let parameters = parameters(body);
        let action = parameters.get("Action").cloned().unwrap_or_default();
        if !self.buckets.entry(action).or_insert_with(|| Bucket::full(now)).take(now) {
            return throttled();
        }
        // What names no VPC is of the Region, and the same in all of them.
        let named = parameters.get("Filter.1.Value.1").filter(|name| self.worlds.contains_key(*name));
        let vpc = named.or(self.worlds.keys().next()).cloned().unwrap_or_default();
        ec2::performed(self.worlds.get_mut(&vpc).unwrap(), &parameters)
    }

    /// Deletes every endpoint of a VPC.
    pub(super) fn delete_endpoints(&mut self, vpc: &str) {
        let world = self.worlds.get_mut(vpc).unwrap();
        let all: Vec<String> = world.endpoints.iter().map(|endpoint| endpoint.id.clone()).collect();
        all.iter().for_each(|id| world.delete_endpoint(id).unwrap());
    }
}

/// Both services, in this process.
#[derive(Clone)]
pub(super) struct Cloud {
    pub(super) ec2: Arc<Mutex<Ec2>>,
    table: Arc<Mutex<Table>>,
    clock: Clock,
}

impl Cloud {
    pub(super) fn new(vpcs: impl IntoIterator<Item = String>, clock: Clock) -> Self {
        let table = Arc::new(Mutex::new(Table::new(TABLE)));
        Self { ec2: Arc::new(Mutex::new(Ec2::new(vpcs))), table, clock }
    }

    /// A client that gets to nothing else.
    pub(super) fn client(&self) -> SharedHttpClient {
        let connector = SharedHttpConnector::new(self.clone());
        http_client_fn(move |_, _| connector.clone())
    }

    /// The settings of an SDK with such a client, perhaps within another one.
    pub(super) fn config(client: SharedHttpClient) -> SdkConfig {
        facts_table::config(client, "http://dynamodb.invalid", "http://ec2.invalid")
    }

    fn answer(&self, request: &HttpRequest) -> Response {
        let body = str::from_utf8(request.body().bytes().unwrap_or_default()).unwrap();
        match operation(request) {
            Some(operation) => {
                performed(&mut self.table.lock().unwrap(), operation, &serde_json::from_str(body).unwrap())
            }
            None => self.ec2.lock().unwrap().answer(body, self.clock.now()),
        }
    }
}

/// What DynamoDB is asked for; `None` where EC2 is.
pub(super) fn operation(request: &HttpRequest) -> Option<&str> {
    request.headers().get("x-amz-target")?.rsplit('.').next()
}

impl std::fmt::Debug for Cloud {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cloud")
    }
}

impl HttpConnector for Cloud {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let this = self.clone();
        HttpConnectorFuture::new(async move {
            let took = fastrand::u64(if operation(&request).is_some() { OF_DYNAMODB } else { OF_EC2 });
            // Half of it until the service has the request.
            sleep(Duration::from_millis(took / 2)).await;
            let answer = this.answer(&request);
            let date = this.clock.date();
            sleep(Duration::from_millis(took - took / 2)).await;
            let mut response = http::Response::builder().status(answer.status).header("date", date);
            response = response.header("content-type", answer.content_type);
            for (name, value) in answer.headers {
                response = response.header(name, value);
            }
            let response = response.body(SdkBody::from(answer.body)).unwrap();
            HttpResponse::try_from(response).map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}
