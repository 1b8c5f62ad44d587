//! The full tier.

use hearth_jail::{Exit, ExitCause, Layers, Signal, Tier};

use crate::bench::with;
use crate::harness::Test;

pub const TESTS: &[Test] = &[("spawn_and_exit", spawn_and_exit)];

fn spawn_and_exit() {
    with(Some(Tier::Full), Layers::ALL, |mut bench| async move {
        let mut probe = bench.probe("a").await;
        eprintln!("{:?}", probe.spawned);
        for what in [
            "pid",
            "uid",
            "list /",
            "list /run/hearth",
            "open 3",
            "nofile",
            "threads 3",
            "read /sys/devices/system/cpu/cpu0/tsc_freq_khz",
        ] {
            eprintln!("{what}: {:?}", probe.tries(what).await);
        }
        eprintln!("{:?}", probe.spawned.usage.read());
        probe.can("unix /run/hearth/bindings.sock").await;
        probe.leave();
        assert_eq!(bench.exit().await, Exit { id: "a".into(), cause: ExitCause::Exited(0), oom: false });
        assert!(!probe.dir.exists());
        let second = bench.probe("b").await;
        bench.jailer.kill(&second.id, Signal::Kill).await.unwrap();
        assert_eq!(bench.exit().await.cause, ExitCause::Signaled(9));
    });
}
