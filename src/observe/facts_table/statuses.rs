//! What instances report of themselves: each writes one item under its own ARN, and a fleet reader queries the index by VPC.

use super::{
    FactsTable,
    items::{Items, Page},
};
use crate::{
    model::{Gap, InstanceStatus, STATUS_KEPT, Timestamp, VpcId},
    observe::{
        limits::{STATUSES, over},
        seen::within,
    },
};
use aws_config::SdkConfig;
use tokio::time::Instant;

/// What the table has of a fleet.
#[derive(Debug, Default)]
pub struct Statuses {
    /// What instances reported.
    pub statuses: Vec<InstanceStatus>,
    /// DynamoDB's clock when it gave the first page.
    pub read_at: Option<Timestamp>,
    /// Items that are no status, and why not all could be read.
    pub problems: Vec<String>,
}

impl FactsTable {
    /// Writes what this instance reports of itself.
    ///
    /// # Errors
    /// Why it could not be written in time.
    pub async fn report(&self, config: &SdkConfig, status: &InstanceStatus, deadline: Instant) -> Result<(), Gap> {
        let expires = status.reported_at.plus(STATUS_KEPT).since_epoch().as_secs();
        let items = Items::new(config, self.name());
        within(deadline, items.put_status(status, expires)).await.into_result()
    }
}

/// What instances of these VPCs report, or of all where none is named.
pub async fn statuses(config: &SdkConfig, table: &str, vpcs: &[VpcId], deadline: Instant) -> Statuses {
    let items = Items::new(config, table);
    let mut found = Statuses::default();
    let of_vpcs: Vec<Option<&VpcId>> = if vpcs.is_empty() { vec![None] } else { vpcs.iter().map(Some).collect() };
    for vpc in of_vpcs {
        let before = found.statuses.len();
        let read = within(deadline, read(&items, vpc, &mut found)).await.into_result();
        if let (Ok(()), Some(vpc)) = (&read, vpc)
            && found.statuses.len() == before
        {
            found.problems.push(format!("no instance of {vpc} reports in the table {table}"));
        }
        if let Err(gap) = read {
            let of_vpc = vpc.map_or_else(|| "all VPCs".to_owned(), ToString::to_string);
            found.problems.push(format!("what instances of {of_vpc} report: {gap}"));
        }
    }
    found
}

async fn read(items: &Items, vpc: Option<&VpcId>, found: &mut Statuses) -> Result<(), Gap> {
    let mut next = None;
    loop {
        let asked = next.take();
        let Page { items: page, at, last } = items.statuses(vpc, asked.clone()).await?;
        found.read_at.get_or_insert(at);
        for item in &page {
            match super::items::status(item) {
                Ok(status) => found.statuses.push(status),
                Err(why) => found.problems.push(why),
            }
        }
        not_too_many(found.statuses.len().saturating_add(found.problems.len()))?;
        match last {
            None => return Ok(()),
            // It would go on for ever, and half of a fleet is none.
            Some(last) if Some(&last) == asked.as_ref() => {
                return Err(Gap::Malformed { detail: "dynamodb:Query: a page ends where it began".to_owned() });
            }
            Some(last) => next = Some(last),
        }
    }
}

fn not_too_many(found: usize) -> Result<(), Gap> {
    if found > STATUSES { Err(over("instances of a fleet".to_owned(), STATUSES, found)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fleet_has_a_limit() {
        assert!(not_too_many(STATUSES).is_ok() && not_too_many(STATUSES + 1).is_err());
    }
}
