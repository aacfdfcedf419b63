//! Reviews as they read, and decisions as they are given.

use super::*;

const ID: &str = "01940f3e-7b1c-7d20-8c3e-5a6f1b2c3d4e";
const KEY: &str = "02940f3e-7b1c-7d20-8c3e-5a6f1b2c3d4e";

fn review(state: &str) -> serde_json::Value {
    serde_json::json!({
        "id": ID, "scope": "all", "ring": null, "state": state, "items": 3, "decided": 1, "to_remove": 1,
        "population": "00".repeat(32), "opened_by": {"id": ID, "name": "otto"}, "opened_at": "2026-06-01T00:00:00Z",
        "due_at": "2026-07-01T00:00:00Z", "closed": null, "revision": 2,
    })
}

/// Of a security officer, an application and somebody whose name cannot be read.
fn page() -> ReviewPage {
    let role = serde_json::json!({"role": "security_officer"});
    let capacity = serde_json::json!({"capacity": format!("key_owner:{KEY}")});
    let grant = serde_json::json!({"grant": {
        "id": ID, "on": {"key": KEY}, "operations": ["decrypt", "encrypt"], "until": null,
        "created_at": "2026-01-01T00:00:00Z",
    }});
    let json = serde_json::json!({
        "review": review("overdue"),
        "items": [
            {
                "principal": {"id": ID, "name": "otto"}, "ring": null, "count": 2, "last_used": "2026-05-31T00:00:00Z",
                "unused": false, "inactive": false, "changed": false, "own": true, "rights": [role, capacity],
                "decided": null,
            },
            {
                "principal": {"id": KEY, "name": "shop"}, "ring": {"id": ID, "name": "orders"}, "count": 1,
                "last_used": null, "unused": true, "inactive": true, "changed": true, "own": false, "rights": [grant],
                "more": true, "decided": null,
            },
            {
                "principal": {"id": KEY}, "ring": {"id": ID}, "count": 1, "last_used": null, "unused": false,
                "inactive": false, "changed": false, "own": false, "rights": [],
                "decided": {"decision": "remove", "by": {"id": ID, "name": "ada"}, "at": "2026-06-02T00:00:00Z"},
            },
        ],
        "next": null,
        "names": {KEY: "orders/pan"},
    });
    serde_json::from_value(json).unwrap()
}

#[test]
fn items_are_named_as_they_are_decided_on() {
    let item = |principal: &str, ring: Option<&str>| {
        Ok(Item { principal: principal.to_owned(), ring: ring.map(str::to_owned) })
    };
    assert_eq!(parse_item("ada"), item("ada", None));
    assert_eq!(parse_item("shop@orders"), item("shop", Some("orders")));
    for wrong in ["", "@", "@orders", "shop@", "shop@orders@x"] {
        assert!(parse_item(wrong).is_err(), "{wrong}");
    }
    for shown in &page().items {
        assert!(parse_item(&item_text(shown)).is_ok());
    }
}

#[test]
fn what_helps_to_decide_is_shown_beside_each_item() {
    let text = shown_text(&page());
    for part in [
        "OVERDUE",
        "1 of 3 items, 1 to go",
        "role security_officer; capacity key_owner:orders/pan",
        "2026-05-31",
        "yours",
        "shop@orders",
        "decrypt encrypt on key orders/pan; and more",
        "not in 90 days",
        "unused, inactive, changed",
        "remove (by ada)",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let open: AccessReview = serde_json::from_value(review("open")).unwrap();
    assert!(!table(&open).contains("OVERDUE"));
}

#[test]
fn the_rest_stays_but_for_what_is_ones_own_and_what_is_decided() {
    let kept = rest(&page().items);
    let kept: Vec<_> = kept.iter().map(|item| (item.principal.as_str(), item.ring.as_deref())).collect();
    assert_eq!(kept, [(KEY, Some(ID))]);
}

#[test]
fn a_file_that_was_filled_in_reads_back() {
    let text = csv(&page());
    assert!(text.starts_with("principal,ring,rights,count,last_used,marks,decision\r\n"), "{text}");
    let decided = |text: &str| {
        let decisions = decisions_of(text).unwrap().into_iter();
        let decisions = decisions.map(|one| (one.principal, one.ring, one.decision.to_string()));
        decisions.collect::<Vec<_>>()
    };
    let gone = (KEY.to_owned(), Some(ID.to_owned()), "remove".to_owned());
    assert_eq!(decided(&text), std::slice::from_ref(&gone));
    // As a spreadsheet writes it: other line ends, all in quotation marks, with a mark at the beginning.
    let filled: Vec<_> = text
        .lines()
        .enumerate()
        .map(|(at, line)| if at == 2 { format!("{line}keep") } else { line.to_owned() })
        .collect();
    let filled = format!("\u{feff}{}\n\n", filled.join("\n"));
    let kept = ("shop".to_owned(), Some("orders".to_owned()), "keep".to_owned());
    assert_eq!(decided(&filled), [kept, gone]);
    let quoted = "\"decision\",\"principal\",\"ring\"\r\n\"keep\",\"ada\",\"\"\r\n\"\",\"bert\",\"\"\r\n";
    assert_eq!(decided(quoted), [("ada".to_owned(), None, "keep".to_owned())]);
}

#[test]
fn a_file_that_says_something_else_decides_nothing() {
    for wrong in [
        "",
        "principal,decision\nada,keep\n",
        "principal,ring,decision\nada,,perhaps\n",
        "principal,ring,decision\n,,keep\n",
        "principal,ring,decision\n\"ada,,keep\n",
    ] {
        assert!(decisions_of(wrong).is_err(), "{wrong}");
    }
    assert!(decisions_of("principal,ring,decision\nada,,\n").unwrap().is_empty());
    assert_eq!(rows("a,\"b \"\"c\"\", d\"\n").unwrap(), [["a", "b \"c\", d"]]);
}
