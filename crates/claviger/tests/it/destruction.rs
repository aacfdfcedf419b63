//! A destruction that its ring blocks: whoever watches sees it until it is cancelled.

use crate::serving::{Site, eventually};

#[test]
fn destruction_that_its_ring_blocks_is_counted_until_it_is_cancelled() {
    let site = Site::set_up();
    // Jobs are done at a start.
    let blocked = |count: f64| {
        let serving = site.serve();
        let is_shown =
            eventually(|| serving.metric("claviger_destructions_blocked").total_cmp(&count).is_eq());
        assert!(is_shown, "{count} are not shown");
        serving
    };
    let relax = ["ring", "separation", "lab", "relaxed", "--reason", "test"];
    let update = |quorum| ["ring", "update", "lab", "--quorum", quorum, "--reason", "test"];
    let serving = site.serve();
    site.done("administrator", &["ring", "create", "lab"], b"");
    site.done("security_officer", &relax, b"");
    site.done("administrator", &update("0"), b"");
    site.done("administrator", &["key", "create", "lab/main"], b"");
    site.done("administrator", &["key", "destroy", "lab/main", "--in", "1", "--reason", "test"], b"");
    serving.stop();
    let serving = blocked(0.0);
    site.done("administrator", &update("2"), b"");
    serving.stop();
    let serving = blocked(1.0);
    site.done("administrator", &["key", "cancel-destroy", "lab/main", "--reason", "test"], b"");
    serving.stop();
    assert!(blocked(0.0).stop().status.success());
}
