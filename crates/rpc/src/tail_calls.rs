//! Calls that workerd reflects to the side they came from.
//!
//! When a call reaches workerd on a capability that leads back to its sender, workerd calls the sender with
//! `sendResultsTo.yourself` and returns `takeFromOtherQuestion`. capnp-rpc 0.27 accepts such a call but never runs it:
//! nothing polls it except a call pipelined on its result. So each gets one, made here under an id that no peer uses,
//! whose return stays here too. (A peer keeps one entry for each reflected call until its connection ends, as
//! capnp-rpc never tells it that such a call is done.)

use std::collections::{HashMap, VecDeque};

use capnp::message::{Builder, HeapAllocator};
use capnp_rpc::rpc_capnp::{call, message};

/// Our ids. Peers count theirs up from 0, or from 2^31 for calls made only to be pipelined on, and use free ones
/// again, so they never get here.
const OURS: std::ops::Range<u32> = 1 << 30..1 << 31;

#[derive(Default)]
pub(crate) struct TailCalls {
    /// Our pipelined call for each reflected call.
    drivers: HashMap<u32, u32>,
    made: u32,
    pub(crate) to_receive: VecDeque<Builder<HeapAllocator>>,
}

impl TailCalls {
    /// Sees each message of the peer, and queues what capnp-rpc is to receive after it.
    pub(crate) fn received(&mut self, message: message::Reader<'_>) -> capnp::Result<()> {
        match message.which() {
            Ok(message::Call(call)) => {
                let call = call?;
                if let Ok(call::send_results_to::Yourself(())) = call.get_send_results_to().which() {
                    let driver = OURS.start + self.made;
                    self.made = (self.made + 1) % OURS.start;
                    self.drivers.insert(call.get_question_id(), driver);
                    self.to_receive.push_back(pipelined(driver, call.get_question_id()));
                }
            }
            // Before the return, this cancels the call.
            Ok(message::Finish(finish)) => {
                if let Some(driver) = self.drivers.remove(&finish?.get_question_id()) {
                    self.to_receive.push_back(finish_of(driver));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether a message that capnp-rpc sends is not for the peer.
    pub(crate) fn keeps(&mut self, message: message::Reader<'_>) -> capnp::Result<bool> {
        let Ok(message::Return(ret)) = message.which() else { return Ok(false) };
        let driver = ret?.get_answer_id();
        if !OURS.contains(&driver) {
            return Ok(false);
        }
        self.drivers.retain(|_, other| *other != driver);
        self.to_receive.push_back(finish_of(driver));
        Ok(true)
    }
}

fn pipelined(driver: u32, on: u32) -> Builder<HeapAllocator> {
    let mut message = Builder::new_default();
    let mut call = message.init_root::<message::Builder<'_>>().init_call();
    call.set_question_id(driver);
    call.reborrow().init_target().init_promised_answer().set_question_id(on);
    call.reborrow().init_send_results_to().set_caller(());
    call.init_params();
    message
}

fn finish_of(driver: u32) -> Builder<HeapAllocator> {
    let mut message = Builder::new_default();
    let mut finish = message.init_root::<message::Builder<'_>>().init_finish();
    finish.set_question_id(driver);
    finish.set_release_result_caps(true);
    message
}
