//! The customers of the demonstration: made up, every one.
//!
//! Addresses are in domains reserved for documentation (RFC 2606), phone numbers in the range kept for fiction
//! (555-0100 to 555-0199), card numbers are those card schemes publish for tests. They pass Luhn's check, so whatever
//! looks for card numbers finds them.

use serde_json::{Value, json};

/// One customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Customer {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) email: &'static str,
    pub(super) phone: &'static str,
    pub(super) card: &'static str,
    /// In whole units of money.
    pub(super) refunded: i64,
}

impl Customer {
    /// All that is known.
    pub(super) fn whole(&self) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "email": self.email,
            "phone": self.phone,
            "card": self.card,
            "refunded": self.refunded,
        })
    }

    /// What lists show.
    pub(super) fn brief(&self) -> Value {
        json!({ "id": self.id, "name": self.name, "email": self.email })
    }
}

const fn customer(
    id: &'static str,
    name: &'static str,
    email: &'static str,
    phone: &'static str,
    card: &'static str,
) -> Customer {
    Customer { id, name, email, phone, card, refunded: 0 }
}

/// Everybody.
pub(super) const CUSTOMERS: [Customer; 20] = [
    customer("c-1001", "Ada Okafor", "ada.okafor@example.com", "+1 202 555 0101", "4111111111111111"),
    customer("c-1002", "Bram de Wit", "bram@dewit.example", "+1 202 555 0102", "5555555555554444"),
    customer("c-1003", "Chiara Conti", "chiara.conti@example.org", "+1 202 555 0103", "378282246310005"),
    customer("c-1004", "Dmitri Volkov", "dvolkov@example.net", "+1 202 555 0104", "6011111111111117"),
    customer("c-1005", "Esra Yildiz", "esra.yildiz@example.com", "+1 202 555 0105", "3530111333300000"),
    customer("c-1006", "Fatou Diallo", "fatou@diallo.example", "+1 202 555 0106", "4012888888881881"),
    customer("c-1007", "Gustav Lind", "gustav.lind@example.org", "+1 202 555 0107", "5105105105105100"),
    customer("c-1008", "Hana Sato", "hana.sato@example.com", "+1 202 555 0108", "371449635398431"),
    customer("c-1009", "Inés Romero", "ines.romero@example.net", "+1 202 555 0109", "6011000990139424"),
    customer("c-1010", "Jonas Weber", "jonas@weber.example", "+1 202 555 0110", "30569309025904"),
    customer("c-1011", "Khadija Amrani", "k.amrani@example.com", "+1 202 555 0111", "4222222222222"),
    customer("c-1012", "Liam Byrne", "liam.byrne@example.org", "+1 202 555 0112", "38520000023237"),
    customer("c-1013", "Mei Chen", "mei.chen@example.com", "+1 202 555 0113", "4000056655665556"),
    customer("c-1014", "Noor Haddad", "noor@haddad.example", "+1 202 555 0114", "5200828282828210"),
    customer("c-1015", "Oskar Nowak", "oskar.nowak@example.net", "+1 202 555 0115", "2223003122003222"),
    customer("c-1016", "Priya Nair", "priya.nair@example.com", "+1 202 555 0116", "4242424242424242"),
    customer("c-1017", "Quentin Morel", "quentin@morel.example", "+1 202 555 0117", "378734493671000"),
    customer("c-1018", "Rosa Almeida", "rosa.almeida@example.org", "+1 202 555 0118", "3566002020360505"),
    customer("c-1019", "Sven Berg", "sven.berg@example.com", "+1 202 555 0119", "4000002500003155"),
    customer("c-1020", "Tala Mensah", "tala@mensah.example", "+1 202 555 0120", "5425233430109903"),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// ISO/IEC 7812-1, annex B.
    fn passes_luhn(number: &str) -> bool {
        let digits = number.bytes().rev().map(|byte| u32::from(byte - b'0'));
        let sum: u32 = digits
            .enumerate()
            .map(|(place, digit)| if place % 2 == 0 { digit } else { digit * 2 / 10 + digit * 2 % 10 })
            .sum();
        sum.is_multiple_of(10)
    }

    #[test]
    fn every_card_number_passes_luhns_check_and_every_customer_is_one() {
        assert!(!passes_luhn("4111111111111112"));
        for (place, customer) in CUSTOMERS.iter().enumerate() {
            assert!(passes_luhn(customer.card), "{}", customer.card);
            assert_eq!(customer.id, format!("c-{}", 1001 + place));
            assert!(customer.phone.starts_with("+1 202 555 01"));
            let domain = customer.email.split_once('@').unwrap().1;
            assert!(domain.starts_with("example.") || domain.ends_with(".example"), "{domain}");
        }
        let mut cards: Vec<&str> = CUSTOMERS.iter().map(|customer| customer.card).collect();
        cards.sort_unstable();
        cards.dedup();
        assert_eq!(cards.len(), CUSTOMERS.len());
    }
}
