//! Addresses of machines in their spellings, and what reads like one.

use super::super::tests::{assert_found, found, in_default};

#[test]
fn ipv4_addresses_have_four_octets() {
    assert_found(
        &[("IP_ADDRESS", "203.0.113.77"), ("IP_ADDRESS", "203.0.113.0/24"), ("IP_ADDRESS", "0.0.0.0")],
        &[
            ("IP_ADDRESS", "203.0.113"),
            ("IP_ADDRESS", "203.0.113.256"),
            ("IP_ADDRESS", "203.0.113.07"),
            ("IP_ADDRESS", "203.0.113.1256"),
            ("IP_ADDRESS", "203.0.113.00"),
            ("IP_ADDRESS", "v203.0.113.7"),
            ("IP_ADDRESS", "203.0.113.7th"),
        ],
    );
    assert_eq!(found("IP_ADDRESS", "from 203.0.113.77."), ["203.0.113.77"]);
    assert_eq!(found("IP_ADDRESS", "from 203.0.113.77:443"), ["203.0.113.77"]);
    assert_eq!(found("IP_ADDRESS", "from 203.0.113.77/124"), ["203.0.113.77"]);
}

#[test]
fn versions_and_object_identifiers_are_no_addresses_unless_named() {
    assert_eq!(in_default("seen from 203.0.113.77 today"), ["IP_ADDRESS"]);
    assert_eq!(in_default("http://203.0.113.77/path and 203.0.113.77-203.0.113.99"), ["IP_ADDRESS"; 3]);
    for version in ["1.2.3.4", "120.0.0.0", "0.12.40.11", "1.3.6.1.4.1.311.20"] {
        assert_eq!(in_default(&format!("running {version} today")), [""; 0], "{version}");
    }
    assert_eq!(in_default("client ip 1.2.3.4 today"), ["IP_ADDRESS"]);
}

#[test]
fn hardware_addresses_have_one_separator_and_an_owner() {
    assert_found(
        &[
            ("MAC_ADDRESS", "00:00:5E:00:53:2f"),
            ("MAC_ADDRESS", "00-00-5E-00-53-2F"),
            ("MAC_ADDRESS", "0000.5e00.532f"),
        ],
        &[
            ("MAC_ADDRESS", "00:00-5E:00:53:2F"),
            ("MAC_ADDRESS", "00:00:00:00:00:00"),
            ("MAC_ADDRESS", "ff-ff-ff-ff-ff-ff"),
            ("MAC_ADDRESS", "00:00:5E:00:53"),
            ("MAC_ADDRESS", "00-00-5E-00-53-2F-11"),
        ],
    );
}

#[test]
fn uuids_are_found_by_name_only() {
    let uuid = "00000000-0000-4000-8000-00000000002a";
    assert_found(&[("UUID", uuid)], &[("UUID", "00000000-0000-4000-8000-00000000002")]);
    assert_eq!(in_default(uuid), [""; 0]);
}
