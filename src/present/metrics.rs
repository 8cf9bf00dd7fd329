//! stub
use crate::model::*;
/// stub
#[derive(Clone, Debug)]
pub struct Counters;
impl Counters {
    /// stub
    pub fn new() -> Result<Self, prometheus::Error> {
        Ok(Self)
    }
    /// stub
    pub fn probe(&self, _: &Probe) {}
    /// stub
    pub fn gap(&self, _: Source, _: &Gap) {}
    /// stub
    pub fn ec2_request(&self, _: &Ec2Request) {}
    /// stub
    pub fn outcome_changed(&self) {}
}
