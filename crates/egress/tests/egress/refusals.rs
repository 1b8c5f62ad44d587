//! Spellings of loopback, over the real socket, against a listener that counts who comes.

use hearth_egress::{Config, Policy};

use crate::support::{ALL_OPEN, Rig, Setup, Upstream};

const LOOPBACK: &[&str] = &[
    "127.0.0.1",
    "2130706433",
    "0177.0.0.1",
    "0x7f.1",
    "127.0.0.1.",
    "[::ffff:127.0.0.1]",
    "localhost",
    "localhost.",
];

async fn assert_refused(rig: &Rig, upstream: &Upstream) {
    let port = upstream.address.port();
    for host in LOOPBACK {
        for target in [format!("GET http://{host}:{port}/"), format!("CONNECT {host}:{port}")] {
            assert_eq!(rig.socket.status(&format!("{target} HTTP/1.1")).await, 403, "{target}");
        }
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn loopback_is_refused_in_every_spelling() {
    let upstream = Upstream::greeting().await;
    assert_refused(&Setup { policy: "{}", ..Setup::default() }.start(), &upstream).await;
}

#[tokio::test]
async fn an_own_listener_is_refused_though_everything_is_allowed() {
    let upstream = Upstream::greeting().await;
    let config = Config { own: vec![upstream.address], ..Config::default() };
    assert_refused(&Setup { policy: ALL_OPEN, config, ..Setup::default() }.start(), &upstream).await;
}

#[tokio::test]
async fn what_a_rule_opens_is_reached_until_the_rule_is_gone() {
    let upstream = Upstream::greeting().await;
    let rig = Setup { policy: ALL_OPEN, ..Setup::default() }.start();
    let port = upstream.address.port();
    for host in LOOPBACK {
        let target = format!("GET http://{host}:{port}/ HTTP/1.1");
        assert_eq!(rig.socket.status(&target).await, 200, "{host}");
    }
    assert_eq!(rig.socket.status(&format!("CONNECT 127.0.0.1:{port} HTTP/1.1")).await, 200);
    rig.egress.set_policy(Policy::default());
    assert_eq!(rig.socket.status(&format!("GET http://127.0.0.1:{port}/ HTTP/1.1")).await, 403);
}
