//! The device as the stack sees it: packets that were read wait here, those that it writes leave at once.

use std::collections::VecDeque;
use std::sync::Arc;

use hearth_jail::{DEVICE_MTU, Device};
use smoltcp::phy::{self, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;

/// One end of a tunnel.
pub(crate) struct Tunnel {
    pub device: Arc<Device>,
    pub read: VecDeque<Vec<u8>>,
}

pub(crate) struct Received(Vec<u8>);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

pub(crate) struct Sending(Arc<Device>);

impl TxToken for Sending {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, f: F) -> R {
        let mut packet = vec![0; length];
        let result = f(&mut packet);
        self.0.write(&packet);
        result
    }
}

impl phy::Device for Tunnel {
    type RxToken<'a> = Received;
    type TxToken<'a> = Sending;

    fn receive(&mut self, _now: Instant) -> Option<(Received, Sending)> {
        let packet = self.read.pop_front()?;
        Some((Received(packet), Sending(Arc::clone(&self.device))))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Sending> {
        Some(Sending(Arc::clone(&self.device)))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = DEVICE_MTU.into();
        capabilities
    }
}
