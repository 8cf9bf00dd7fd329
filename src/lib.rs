//! onnet answers one question on an EC2 instance: does its DynamoDB traffic take a VPC endpoint?

pub mod judge;
pub mod model;
pub mod observe;
pub mod present;
