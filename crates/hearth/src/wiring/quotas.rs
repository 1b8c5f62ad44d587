//! Metadata → space, gateway, supervisor: what each account may have.

use std::collections::HashMap;
use std::sync::Arc;

use hearth_gateway::RouteTable;
use hearth_model::{AccountId, Quota, Quotas, TooMany};
use hearth_space::Space;
use hearth_store::{Store, StoreError};
use hearth_supervisor::{Allotment, Supervisor};

/// Has everybody keep to what is set now. The number of workers the metadata looks after itself.
///
/// # Errors
/// The metadata cannot be read.
pub async fn apply(
    store: &Store,
    space: &Space,
    table: &RouteTable,
    supervisor: &Supervisor,
) -> Result<(), StoreError> {
    let defaults = store.default_quotas();
    let own: HashMap<AccountId, Quotas> =
        store.all_account_quotas().await?.into_iter().map(|(id, own)| (id, own.over(&defaults))).collect();
    space.set_quotas(each(&own, |quotas| bytes(quotas, Quota::StorageMb)));
    let rate = |quotas: &Quotas| quotas.limit(Quota::RequestsPerMinute);
    table.set_rates(rate(&defaults), each(&own, rate));
    supervisor.allot(allotment(&defaults), each(&own, allotment));
    Ok(())
}

/// Counts S3's requests beside those that the gateway lets in.
pub struct Arriving(pub Arc<RouteTable>);

impl hearth_s3::Requests for Arriving {
    fn arrive(&self, account: &AccountId) -> Result<(), TooMany> {
        self.0.arrive(account)
    }
}

fn each<T>(own: &HashMap<AccountId, Quotas>, of: impl Fn(&Quotas) -> T) -> HashMap<AccountId, T> {
    own.iter().map(|(id, quotas)| (id.clone(), of(quotas))).collect()
}

fn allotment(quotas: &Quotas) -> Allotment {
    Allotment { instances: quotas.limit(Quota::Instances), memory: bytes(quotas, Quota::MemoryMb) }
}

fn bytes(quotas: &Quotas, quota: Quota) -> Option<u64> {
    quotas.limit(quota).map(|mb| mb.saturating_mul(1 << 20))
}
