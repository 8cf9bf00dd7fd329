//! Where there is no rtnetlink.

use super::KernelError;
use crate::model::{HostRoute, KernelRoute};
use std::net::IpAddr;

/// A kernel that cannot be asked.
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
    pub async fn host_routes(&self) -> Result<Vec<HostRoute>, KernelError> {
        Err(KernelError::NotLinux)
    }
}

/// There is nobody to listen to.
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
