//! How to reach a person, and when: e-mail addresses, telephone numbers, dates.

mod dates;
mod phone;
mod plans;
#[cfg(test)]
mod tests;

use crate::class::{ClassSpec, Finder};

pub(super) const CLASSES: &[ClassSpec] = &[
    ClassSpec {
        name: "EMAIL_ADDRESS",
        about: "e-mail address (RFC 5321, without quoted local parts)",
        finder: Some(Finder::Email),
        checked_by: "grammar, known top-level domain",
        context: &["email", "mail", "e mail"],
        example: "jane@example.com",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "PHONE_NUMBER",
        about: "telephone number: international, or as countries write theirs",
        shapes: phone::SHAPES,
        check: Some(phone::check),
        proves: false,
        checked_by: "calling codes and lengths (ITU-T E.164), North American numbering plan",
        context: &[
            "phone",
            "telephone",
            "tel",
            "cell",
            "cellphone",
            "mobile",
            "mob",
            "call",
            "fax",
            "whatsapp",
            "sms",
            "msisdn",
            "landline",
            "hotline",
            "dial",
            "telefon",
            "telefono",
            "telefone",
            "celular",
            "movil",
            "handy",
            "portable",
            "phone number",
            "contact number",
        ],
        example: "+1 202-555-0143",
        ..ClassSpec::PERSONAL
    },
    ClassSpec {
        name: "DATE_TIME",
        about: "date, with its time if one is written",
        shapes: dates::SHAPES,
        context: &["date", "birthday", "born", "dob", "birth"],
        example: "2024-06-05T09:15:30Z",
        in_default: false,
        ..ClassSpec::PERSONAL
    },
];
