//! VPC endpoints.

use super::{
    super::super::{
        convert::{self, ConvertError, RawEndpoint},
        json::Text,
    },
    Checked, Row, all_equal, any_text, checked, exact, given, ids, region_of_name, same_items_or_absent, same_list,
    same_or_absent, same_unless,
};
use crate::model::{EndpointState, EndpointType, VpcEndpoint};
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;

/// An endpoint, and which of its lists the file has.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct ListedEndpoint {
    pub(in super::super) endpoint: VpcEndpoint,
    /// `SubnetIds`: the subnets that it has network interfaces in, if the file has them.
    pub(in super::super) subnets: Option<Vec<String>>,
    has_tables: bool,
    has_interfaces: bool,
}

impl Row for ListedEndpoint {
    fn id(&self) -> &str {
        self.endpoint.id.as_str()
    }

    fn scope(&self) -> Option<&str> {
        Some(self.endpoint.vpc.as_str())
    }

    fn merge(&mut self, other: &Self) -> Result<(), &'static str> {
        let (one, two) = (&mut self.endpoint, &other.endpoint);
        let kind = same_unless(&mut one.kind, &two.kind, |kind| *kind == EndpointType::Absent);
        let state = same_unless(&mut one.state, &two.state, |state| *state == EndpointState::Absent);
        all_equal([
            ("VpcId", one.vpc == two.vpc),
            ("OwnerId", same_or_absent(&mut one.owner, &two.owner)),
            ("VpcEndpointType", kind),
            ("ServiceName", same_or_absent(&mut one.service, &two.service)),
            ("State", state),
            (
                "RouteTableIds",
                same_list(&mut self.has_tables, &mut one.route_tables, other.has_tables, &two.route_tables),
            ),
            (
                "NetworkInterfaceIds",
                same_list(&mut self.has_interfaces, &mut one.interfaces, other.has_interfaces, &two.interfaces),
            ),
            ("SubnetIds", same_items_or_absent(&mut self.subnets, &other.subnets)),
            ("ServiceRegion", same_or_absent(&mut one.service_region, &two.service_region)),
            ("IpAddressType", same_or_absent(&mut one.address_type, &two.address_type)),
            ("LastError and FailureReason", same_or_absent(&mut one.failure, &two.failure)),
        ])?;
        // Which of two is newer is not known.
        one.policy = one.policy.take().filter(|policy| two.policy.as_ref().is_none_or(|other| other == policy));
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(remote = "Self", rename_all = "PascalCase", expecting = "a VPC endpoint (an object)")]
struct VpcEndpointJson<'a> {
    #[serde(borrow, default, deserialize_with = "given")]
    vpc_endpoint_id: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    vpc_endpoint_type: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    vpc_id: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    owner_id: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    service_name: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    service_region: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    state: Option<Text<'a>>,
    /// `None` without the key; `null` is an empty list.
    #[serde(borrow, default, deserialize_with = "ids")]
    route_table_ids: Option<Vec<Text<'a>>>,
    #[serde(borrow, default, deserialize_with = "ids")]
    network_interface_ids: Option<Vec<Text<'a>>>,
    #[serde(borrow, default, deserialize_with = "ids")]
    subnet_ids: Option<Vec<Text<'a>>>,
    #[serde(borrow, default, deserialize_with = "given")]
    ip_address_type: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "any_text")]
    failure_reason: Option<Text<'a>>,
    #[serde(borrow)]
    last_error: Option<LastErrorJson<'a>>,
    /// Judged in a check alone: whatever it is here, the folder is read.
    #[serde(default)]
    policy_document: Option<Value>,
}
exact!(VpcEndpointJson borrows);

#[derive(Deserialize)]
#[serde(remote = "Self", rename_all = "PascalCase", expecting = "an error (an object)")]
struct LastErrorJson<'a> {
    #[serde(borrow, default, deserialize_with = "any_text")]
    message: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "any_text")]
    code: Option<Text<'a>>,
}
exact!(LastErrorJson borrows);

/// A policy without the blanks in it: the CLI writes a text, some tools the document itself.
fn policy_text(policy: &Value) -> Option<String> {
    match policy {
        Value::String(text) => {
            serde_json::from_str(text).map_or_else(|_| Some(text.clone()), |document: Value| Some(document.to_string()))
        }
        Value::Object(_) => Some(policy.to_string()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
    }
}

checked!(ListedEndpoint, VpcEndpointJson<'_>, |json| {
    let of_name = json.service_name.as_deref().and_then(region_of_name);
    convert::same(("ServiceRegion", json.service_region.as_deref()), ("the Region of ServiceName", of_name))?;
    let ids = |list: &Option<Vec<Text<'_>>>| list.iter().flatten().map(|id| id.0.to_string()).collect::<Vec<_>>();
    let (tables, interfaces) = (ids(&json.route_table_ids), ids(&json.network_interface_ids));
    let policy = json.policy_document.as_ref().and_then(policy_text);
    let raw = RawEndpoint {
        vpc_endpoint_id: json.vpc_endpoint_id.as_deref(),
        vpc_endpoint_type: json.vpc_endpoint_type.as_deref(),
        vpc_id: json.vpc_id.as_deref(),
        owner_id: json.owner_id.as_deref(),
        service_name: json.service_name.as_deref(),
        service_region: json.service_region.as_deref(),
        state: json.state.as_deref(),
        route_table_ids: tables.iter().map(String::as_str).collect(),
        network_interface_ids: interfaces.iter().map(String::as_str).collect(),
        ip_address_type: json.ip_address_type.as_deref(),
        failure_reason: json.failure_reason.as_deref(),
        last_error: json.last_error.as_ref().and_then(|error| error.message.as_deref().or(error.code.as_deref())),
        policy_document: policy.as_deref(),
    };
    let endpoint = raw.convert()?;
    let of_another_type = match &endpoint.kind {
        EndpointType::Gateway => interfaces.first().map(|id| ("NetworkInterfaceIds", id)),
        EndpointType::Interface
        | EndpointType::GatewayLoadBalancer
        | EndpointType::Resource
        | EndpointType::ServiceNetwork
        | EndpointType::Tunnel => tables.first().map(|id| ("RouteTableIds", id)),
        EndpointType::Absent | EndpointType::Other(_) => None,
    };
    if let Some((other, id)) = of_another_type {
        let value = json.vpc_endpoint_type.as_deref().unwrap_or_default().to_owned();
        return Err(ConvertError::Contradiction { one: "VpcEndpointType", value, other, against: id.clone() });
    }
    Ok(ListedEndpoint {
        endpoint,
        subnets: json.subnet_ids.is_some().then(|| ids(&json.subnet_ids)),
        has_tables: json.route_table_ids.is_some(),
        has_interfaces: json.network_interface_ids.is_some(),
    })
});
