//! Facts of a call, for policy: derived only where policies read them; and what results hide, for the record. What is large has a
//! thread of its own.

use bytes::Bytes;
use vidimus_core::event::Masking as Found;
use vidimus_core::operation::Arguments;
use vidimus_core::{Fact, FactSet, Facts, Operation, SqlFacts, facts as core_facts};
use vidimus_guard::Guard;

/// Arguments up to this size are read where they arrive: a millisecond or so.
const INLINE_BYTES: usize = 64 << 10;

/// The facts of an operation that are wanted. What cannot be had is not there.
pub(crate) async fn facts(guard: &Guard, operation: &Operation, found: &Found, wanted: FactSet) -> Facts {
    if wanted.is_empty() {
        return Facts::default();
    }
    // Of a statement it is known; of arguments it has to be found first.
    let is_sought = |fact: &Fact| wanted.contains(*fact) && !(*fact == Fact::Sql && operation.sql.is_some());
    let sought = Fact::ALL.into_iter().filter(is_sought).collect();
    let mut facts = if operation.wire.len() <= INLINE_BYTES {
        of(guard, operation.arguments.as_ref(), sought)
    } else {
        let (guard, arguments) = (guard.clone(), operation.arguments.clone());
        let derived = tokio::task::spawn_blocking(move || of(&guard, arguments.as_ref(), sought)).await;
        derived.unwrap_or_else(|_| {
            tracing::error!("facts of a call cannot be derived, so policies that read them deny it");
            Facts::default()
        })
    };
    if wanted.contains(Fact::Sql)
        && let Some(sql) = &operation.sql
    {
        facts.sql = Some(SqlFacts::clone(sql));
    }
    if wanted.contains(Fact::Secrets) {
        facts.secrets = Some(core_facts::secrets(found.masked.iter().map(|(class, count)| (&**class, *count))));
    }
    facts
}

/// How many texts of a result hold characters that people do not see.
pub(crate) async fn hidden_texts(result: &Bytes) -> u64 {
    if result.len() <= INLINE_BYTES {
        return vidimus_guard::hidden_texts(result);
    }
    if !vidimus_guard::may_hide(result) {
        return 0;
    }
    let result = result.clone();
    let counted = tokio::task::spawn_blocking(move || vidimus_guard::hidden_texts(&result)).await;
    counted.unwrap_or_else(|_| {
        tracing::error!("a result could not be searched for hidden characters");
        0
    })
}

fn of(guard: &Guard, arguments: Option<&Arguments>, wanted: FactSet) -> Facts {
    let value = arguments.and_then(|arguments| arguments.document.root().at(arguments.path));
    guard.facts(value, wanted)
}
