//! Where there is no rtnetlink.

use super::{KernelError, Wanted};
use crate::model::{KernelPaths, KernelRoute};
use std::net::IpAddr;

/// A kernel that cannot be asked.
#[derive(Debug)]
pub struct Kernel;

impl Kernel {
    /// Always [`KernelError::NotLinux`].
    pub fn open() -> Result<Self, KernelError> {
        Err(KernelError::NotLinux)
    }

    /// Always [`KernelError::NotLinux`].
    pub async fn route(&self, _to: IpAddr, _port: u16) -> Result<KernelRoute, KernelError> {
        Err(KernelError::NotLinux)
    }

    /// Always [`KernelError::NotLinux`].
    pub async fn paths(&self, _wanted: &Wanted) -> Result<KernelPaths, KernelError> {
        Err(KernelError::NotLinux)
    }
}

/// There is nothing to listen to.
#[derive(Debug)]
pub struct Changes(());

impl Changes {
    /// Always an error.
    pub fn open() -> Result<Self, KernelError> {
        Err(KernelError::NotLinux)
    }

    /// Never called, for there is no value.
    pub async fn next(&mut self) -> Option<()> {
        None
    }
}
