//! The order of PostgreSQL's messages, and names: whatever both sides send, each answer is of the first request that is not
//! answered, what fails is told once, and nothing is kept of what is gone.

#![no_main]

use std::collections::VecDeque;

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use vidimus_postgres::frontend;
use vidimus_postgres::names::{Lookup, NameLimits, Names};
use vidimus_postgres::order::{Answer, Order, Origin, RequestId, Sent};
use vidimus_postgres::{Text, backend};

const LIMITS: NameLimits = NameLimits { names: 8, bytes: 4096 };

fuzz_target!(|data: &[u8]| {
    let (mut order, mut names) = (Order::new(), Names::new(LIMITS));
    let mut waiting: VecDeque<RequestId> = VecDeque::new();
    let mut rest = data;
    while let Some(([side, length], after)) = rest.split_first_chunk::<2>() {
        let (bytes, after) = after.split_at(usize::from(*length).min(after.len()));
        rest = after;
        let framed = framed(bytes);
        if side % 2 == 0 {
            let Ok(Some((message, _))) = frontend::decode(&mut framed.clone(), &frontend::Limits::default()) else {
                continue;
            };
            if names.check(&message).is_err() {
                continue;
            }
            if let Ok(Sent::Request(request)) = order.sends(&message, Origin::Client) {
                names.sent(request, &message);
                waiting.push_back(request.id);
            }
        } else {
            let Ok(Some((message, _))) = backend::decode(&mut framed.clone(), &backend::Limits::default()) else {
                continue;
            };
            let Ok(answer) = order.receives(&message) else { continue };
            names.answered(&message, &answer);
            if let Answer::To { request, is_last, skipped } = &answer {
                // What is no longer there was sent ahead of a COPY.
                let pass = |waiting: &mut VecDeque<RequestId>, id: RequestId| {
                    while waiting.front().is_some_and(|first| *first < id) {
                        waiting.pop_front();
                    }
                };
                pass(&mut waiting, request.id);
                assert_eq!(waiting.front(), Some(&request.id));
                assert!(skipped.iter().zip(skipped.iter().skip(1)).all(|(one, next)| one.id < next.id));
                if *is_last {
                    waiting.pop_front();
                }
                for skipped in skipped {
                    pass(&mut waiting, skipped.id);
                    assert_eq!(waiting.pop_front(), Some(skipped.id));
                }
            }
        }
        assert!(order.pending() <= waiting.len());
        assert!(names.bytes() <= LIMITS.bytes);
        if order.pending() == 0 {
            for name in ["", "a", "b"].map(Text::from) {
                assert_ne!(names.statement(&name), Lookup::Unsettled);
                assert_ne!(names.portal(&name), Lookup::Unsettled);
            }
        }
    }
    // Once all is answered and forgotten, nothing is kept.
    names.forget_statements();
    names.forget_portals();
    if order.pending() == 0 {
        assert_eq!(names.bytes(), 0);
    }
});

/// The first byte as the type, the length put in.
fn framed(bytes: &[u8]) -> BytesMut {
    let mut framed = BytesMut::new();
    let Some((tag, body)) = bytes.split_first() else { return framed };
    framed.extend_from_slice(&[*tag]);
    framed.extend_from_slice(&u32::try_from(body.len() + 4).unwrap_or(4).to_be_bytes());
    framed.extend_from_slice(body);
    framed
}
