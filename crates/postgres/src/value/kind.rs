//! Types whose binary format is known, by their ids (`pg_type.oid`, which never change for built-in types).

/// A type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Scalar(Scalar),
    Array(Element),
}

/// What an array is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) type_id: u32,
    pub(super) scalar: Scalar,
}

/// Types that are written alike are one: all kinds of strings are `Text`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scalar {
    Bool,
    /// `"char"`: one byte.
    Char,
    Text,
    Json,
    Jsonb,
    Int2,
    Int4,
    Int8,
    /// And others that are an unsigned number.
    Oid,
    Float4,
    Float8,
    Numeric,
    Bytea,
    Uuid,
    Date,
    Time,
    Timetz,
    Timestamp,
    Timestamptz,
    Interval,
    Inet,
    Cidr,
}

/// Type, array of it, and how it is written; 0 where there is no array.
const TYPES: &[(u32, u32, Scalar)] = &[
    (16, 1000, Scalar::Bool),
    (17, 1001, Scalar::Bytea),
    (18, 1002, Scalar::Char),
    // name, text, xml, unknown, bpchar, varchar, cstring
    (19, 1003, Scalar::Text),
    (25, 1009, Scalar::Text),
    (142, 143, Scalar::Text),
    (705, 0, Scalar::Text),
    (1042, 1014, Scalar::Text),
    (1043, 1015, Scalar::Text),
    (2275, 1263, Scalar::Text),
    (20, 1016, Scalar::Int8),
    (21, 1005, Scalar::Int2),
    (23, 1007, Scalar::Int4),
    // oid, xid, cid
    (26, 1028, Scalar::Oid),
    (28, 1011, Scalar::Oid),
    (29, 1012, Scalar::Oid),
    (114, 199, Scalar::Json),
    (3802, 3807, Scalar::Jsonb),
    (650, 651, Scalar::Cidr),
    (869, 1041, Scalar::Inet),
    (700, 1021, Scalar::Float4),
    (701, 1022, Scalar::Float8),
    (1082, 1182, Scalar::Date),
    (1083, 1183, Scalar::Time),
    (1114, 1115, Scalar::Timestamp),
    (1184, 1185, Scalar::Timestamptz),
    (1186, 1187, Scalar::Interval),
    (1266, 1270, Scalar::Timetz),
    (1700, 1231, Scalar::Numeric),
    (2950, 2951, Scalar::Uuid),
];

impl Kind {
    pub(super) fn of(id: u32) -> Option<Self> {
        TYPES.iter().find_map(|(type_id, array, scalar)| match id {
            0 => None,
            _ if id == *type_id => Some(Self::Scalar(*scalar)),
            _ if id == *array => Some(Self::Array(Element { type_id: *type_id, scalar: *scalar })),
            _ => None,
        })
    }
}
