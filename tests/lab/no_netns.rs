//! For systems without network namespaces: the same names without a function.

use super::world::World;
use std::{convert::Infallible, io, path::PathBuf, process::Command};

pub struct Instance(Infallible);

pub struct Forwarder(Infallible);

pub struct Files {
    pub resolv_conf: PathBuf,
    pub hosts: PathBuf,
    pub nsswitch_conf: PathBuf,
    pub ca_bundle: PathBuf,
}

pub async fn build(_world: &World) -> io::Result<(Instance, Forwarder)> {
    Err(io::ErrorKind::Unsupported.into())
}

pub fn has_ca_bundle() -> bool {
    true
}

impl Instance {
    pub fn hold(&self, _command: &mut Command, _files: &Files) -> io::Result<()> {
        match self.0 {}
    }

    pub fn hold_elsewhere(&self, _command: &mut Command, _files: &Files) -> io::Result<()> {
        match self.0 {}
    }

    pub fn hold_aws(&self, _command: &mut Command) -> io::Result<()> {
        match self.0 {}
    }
}

impl Forwarder {
    pub async fn follow(&self, _world: &World) -> io::Result<()> {
        match self.0 {}
    }
}
