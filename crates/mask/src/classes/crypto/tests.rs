//! Addresses whose checksum holds, and their neighbours.

use super::super::tests::{assert_found, found};

#[test]
fn bitcoin_addresses_hold_their_checksum_and_length() {
    assert_found(
        &[
            ("CRYPTO", "16L5yRNPTuciSgXGHqYwn9N6NeoKqopAu"),
            ("CRYPTO", "35MNGPgm2ywdvBZkC1J64ByH2jmWx9oSUw"),
            ("CRYPTO", "111GsChQR2U32pvwJcDNPoYHhGaekCCE"),
        ],
        &[
            ("CRYPTO", "16L5yRNPTuciSgXGHqYwn9N6NeoKqopAv"),
            ("CRYPTO", "16L5yRNPTuciSgXGHqYwn9N6NeoKqopAuu"),
            ("CRYPTO", "11GsChQR2U32pvwJcDNPoYHhGaekCCE"),
            ("CRYPTO", "16L5yRNPTuciSgXGHqYwn9N6NeoKqopA0"),
        ],
    );
}

#[test]
fn witness_addresses_have_the_checksum_of_their_version() {
    // The addresses of BIP 173 and BIP 350.
    assert_found(
        &[
            ("CRYPTO", "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4"),
            ("CRYPTO", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"),
            ("CRYPTO", "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0"),
        ],
        &[
            ("CRYPTO", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5"),
            ("CRYPTO", "bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"),
            ("CRYPTO", "bc1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4"),
        ],
    );
}

#[test]
fn capitals_of_an_ethereum_address_are_its_checksum() {
    // The addresses of EIP-55.
    assert_found(
        &[
            ("CRYPTO", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"),
            ("CRYPTO", "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB"),
            ("CRYPTO", "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"),
        ],
        &[("CRYPTO", "0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed")],
    );
    let transaction = format!("0x{}", "5aaeb605".repeat(8));
    assert_eq!(found("CRYPTO", &transaction), [""; 0]);
}
