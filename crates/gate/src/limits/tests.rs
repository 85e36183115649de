//! What a rule lets through and when, by a clock of the tests' own.

use super::budget::Budget;
use super::table::Table;
use super::*;

const MINUTE: Rate = Rate { calls: 60, per: Duration::from_mins(1), burst: 60 };

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn rule(name: &str, calls: Option<Rate>, concurrent: Option<usize>) -> LimitRule {
    LimitRule {
        name: name.into(),
        groups: Vec::new(),
        kind: None,
        target: None,
        tools: Vec::new(),
        is_shared: false,
        calls,
        concurrent,
    }
}

fn principal(subject: &str) -> Principal {
    Principal {
        kind: PrincipalKind::User,
        issuer: "corp".into(),
        subject: subject.into(),
        groups: vec!["corp/support".into()],
        display: None,
        actor_chain: Vec::new(),
        amr: Vec::new(),
        client_id: None,
    }
}

fn target(name: &str) -> TargetName {
    name.parse().unwrap()
}

fn tool(name: &str) -> Action {
    Action::ToolCall(name.into())
}

/// Calls that pass of so many at one moment.
fn passing(applied: &Applied, calls: usize, now: Duration) -> usize {
    (0..calls).filter(|_| applied.take(None, false, || now).is_ok()).count()
}

#[test]
fn a_rate_is_exact_and_says_when_the_next_call_may_be() {
    let limiter = Limiter::new(vec![rule("r", Some(Rate { burst: 3, ..MINUTE }), None)]);
    let alice = limiter.of(&principal("alice"), None, ms(0));
    let start = ms(90_000);
    assert_eq!(passing(&alice, 10, start), 3);
    let refused = alice.take(None, false, || start).unwrap_err();
    assert_eq!((refused.retry_after, refused.reason), (Some(ms(1_000)), "rate"));
    assert_eq!(refused.message, "too many calls: the limit `r` is 60/min; try again in 1 s");
    let almost = start + Duration::from_nanos(999_999_999);
    assert_eq!(alice.take(None, false, || almost).unwrap_err().retry_after, Some(Duration::from_nanos(1)));
    assert_eq!(passing(&alice, 10, start + ms(1_000)), 1);
    assert_eq!(passing(&alice, 10, start + ms(3_500)), 2, "halves are kept");
    assert_eq!(passing(&alice, 10, start + ms(4_000)), 1);
    assert_eq!(passing(&alice, 10, start + Duration::from_hours(9)), 3, "a pause gives no more than the burst");
}

#[test]
fn a_rate_that_does_not_divide_its_time_drifts_by_nothing() {
    let rate = Rate { calls: 7, per: Duration::from_secs(1), burst: 1 };
    let limiter = Limiter::new(vec![rule("r", Some(rate), None)]);
    let alice = limiter.of(&principal("alice"), None, ms(0));
    let (mut now, mut passed) = (Duration::ZERO, 0_u32);
    while passed < 7_000 {
        match alice.take(None, false, || now) {
            Ok(_) => passed += 1,
            Err(refused) => now += refused.retry_after.unwrap(),
        }
    }
    let exact = Duration::from_nanos(6_999 * 1_000_000_000 / 7);
    assert!(
        (exact..exact + Duration::from_micros(7)).contains(&now),
        "{now:?}: who waits whole nanoseconds loses parts"
    );
}

#[test]
fn each_principal_has_its_own_allowance_unless_it_is_shared() {
    let shared = LimitRule { is_shared: true, ..rule("all", Some(MINUTE), None) };
    for (rule, left) in [(rule("each", Some(MINUTE), None), 60), (shared, 0)] {
        let limiter = Limiter::new(vec![rule]);
        let of = |who| limiter.of(&principal(who), None, ms(1));
        assert_eq!(passing(&of("alice"), 100, ms(1)), 60);
        assert_eq!(passing(&of("alice"), 100, ms(1)), 0, "a new session is no new allowance");
        assert_eq!(passing(&of("bob"), 100, ms(1)), left);
    }
}

#[test]
fn a_rule_applies_to_whom_and_what_it_names() {
    let one = Rate { calls: 1, per: Duration::from_hours(1), burst: 1 };
    let (crm, erp) = (target("crm"), target("erp"));
    let passes_twice = |rule: LimitRule, target: &TargetName, action: Option<&Action>| {
        let limiter = Limiter::new(vec![rule]);
        let alice = limiter.of(&principal("alice"), Some(target), ms(1));
        alice.take(action, false, || ms(1)).is_ok() && alice.take(action, false, || ms(1)).is_ok()
    };
    let plain = || rule("r", Some(one), None);
    assert!(!passes_twice(plain(), &crm, None));
    let of_target = || LimitRule { target: Some(crm.clone()), ..plain() };
    assert!(!passes_twice(of_target(), &crm, None) && passes_twice(of_target(), &erp, None));
    let of_tool = || LimitRule { tools: vec!["refund".into(), "pay".into()], ..of_target() };
    assert!(!passes_twice(of_tool(), &crm, Some(&tool("refund"))));
    assert!(passes_twice(of_tool(), &crm, Some(&tool("list"))) && passes_twice(of_tool(), &crm, None));
    let of_groups = |group: &str| LimitRule { groups: vec!["corp/x".into(), group.into()], ..plain() };
    assert!(!passes_twice(of_groups("corp/support"), &crm, None) && passes_twice(of_groups("corp/y"), &crm, None));
    let of_kind = |kind| LimitRule { kind: Some(kind), ..plain() };
    assert!(!passes_twice(of_kind(PrincipalKind::User), &crm, None));
    assert!(passes_twice(of_kind(PrincipalKind::Workload), &crm, None));
}

#[test]
fn what_one_rule_refuses_counts_for_none_and_the_longest_wait_is_said() {
    let per = Duration::from_mins(1);
    let (wide, narrow) = (Rate { calls: 10, per, burst: 10 }, Rate { calls: 2, per, burst: 2 });
    let of_tool =
        LimitRule { target: Some(target("crm")), tools: vec!["refund".into()], ..rule("narrow", Some(narrow), None) };
    let limiter = Limiter::new(vec![rule("wide", Some(wide), None), of_tool]);
    let alice = limiter.of(&principal("alice"), Some(&target("crm")), ms(1));
    let take = |name: &str| alice.take(Some(&tool(name)), false, || ms(1)).map(drop);
    for _ in 0..50 {
        drop(take("refund"));
    }
    assert_eq!((0..50).filter(|_| take("list").is_ok()).count(), 8, "refunds that were refused took nothing");
    let refused = take("refund").unwrap_err();
    assert_eq!((&*refused.limit, refused.retry_after), ("narrow", Some(Duration::from_secs(30))));
    assert_eq!(&*take("list").unwrap_err().limit, "wide");
}

#[test]
fn calls_at_once_are_free_again_when_they_end_and_cost_nothing_when_refused() {
    let rate = Rate { calls: 4, per: Duration::from_hours(1), burst: 4 };
    let limiter = Limiter::new(vec![rule("r", Some(rate), Some(2))]);
    let (one, other) = (limiter.of(&principal("alice"), None, ms(1)), limiter.of(&principal("alice"), None, ms(1)));
    let take = |applied: &Applied| applied.take(None, true, || ms(1));
    let held = [take(&one).unwrap(), take(&other).unwrap()];
    for _ in 0..10 {
        let refused = take(&one).unwrap_err();
        assert_eq!((refused.reason, refused.retry_after), ("concurrent", Some(SOON)));
    }
    assert!(one.take(None, false, || ms(1)).is_ok(), "a stream is none of those");
    drop(held);
    let last = take(&other).unwrap();
    assert_eq!(take(&one).unwrap_err().reason, "rate", "four were taken");
    drop(last);
}

#[test]
fn racing_calls_get_exactly_what_there_is() {
    let rate = Rate { calls: 500, per: Duration::from_hours(1), burst: 500 };
    let limiter = Limiter::new(vec![rule("r", Some(rate), None), rule("s", Some(Rate { burst: 400, ..rate }), None)]);
    let passed: usize = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| passing(&limiter.of(&principal("alice"), None, ms(5)), 200, ms(5))))
            .collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).sum()
    });
    assert_eq!(passed, 400);
    let (_, of_first) = &limiter.0[0];
    let first = of_first.of("corp|alice", &limiter.0[0].0, ms(5));
    let left = (0..200).filter(|_| first.calls.take(&rate, ms(5)).is_ok()).count();
    assert_eq!(left, 100, "what the second rule refused was given back to the first");
}

#[test]
fn who_has_made_up_for_everything_is_forgotten_and_nobody_else() {
    let rule = rule("r", Some(MINUTE), Some(1));
    let table = Table::default();
    let greedy = table.of("greedy", &rule, ms(0));
    while greedy.calls.take(&MINUTE, ms(0)).is_ok() {}
    drop(greedy);
    let held = table.of("held", &rule, ms(0));
    for number in 0..30_000_u32 {
        // Each takes one call, made up for after a second; a thousand come in a second.
        let now = ms(u64::from(number));
        table.of(&number.to_string(), &rule, now).calls.take(&MINUTE, now).unwrap();
    }
    assert!(table.len() < 5_000, "{}", table.len());
    assert!(Arc::ptr_eq(&held, &table.of("held", &rule, ms(30_000))));
    let greedy = table.of("greedy", &rule, ms(30_000));
    assert_eq!((0..60).filter(|_| greedy.calls.take(&MINUTE, ms(30_000)).is_ok()).count(), 30);
}

#[test]
fn a_budget_is_exact_at_its_boundary() {
    let of_calls = CallerLimits { session_calls: Some(3), ..CallerLimits::default() };
    let budget = Budget::new(&of_calls).unwrap();
    let held: Vec<_> = (0..3).map(|_| budget.take(1 << 40, false).unwrap()).collect();
    assert!(!budget.is_over());
    let refused = budget.take(0, false).unwrap_err();
    assert_eq!((&*refused.limit, refused.reason, refused.retry_after), ("session_calls", "budget", None));
    assert!(!budget.is_over(), "calls run");
    drop(held);
    assert!(budget.is_over() && budget.take(0, false).is_err());

    let of_bytes = CallerLimits { session_bytes: Some(100), ..CallerLimits::default() };
    let budget = Budget::new(&of_bytes).unwrap();
    let first = budget.take(60, false).unwrap();
    first.spend(39);
    drop(budget.take(1, false).unwrap());
    drop(first);
    assert!(!budget.is_over(), "nobody was told");
    assert_eq!(&*budget.take(1, false).unwrap_err().limit, "session_bytes");
    assert!(budget.is_over() && budget.take(0, false).is_err());
    assert!(Budget::new(&CallerLimits::default()).is_none());
}

#[test]
fn results_are_passed_in_full_and_streams_end() {
    let limits = CallerLimits { session_bytes: Some(100), ..CallerLimits::default() };
    let budget = Budget::new(&limits).unwrap();
    let call = budget.take(10, false).unwrap();
    call.spend(1_000);
    drop(call);
    assert!(!budget.is_over(), "the next request is told");
    let budget = Budget::new(&limits).unwrap();
    let stream = budget.take(0, true).unwrap();
    stream.spend(100);
    assert!(!budget.is_over());
    stream.spend(1);
    assert!(budget.is_over(), "while it is open");
}

#[test]
fn in_no_stretch_of_time_pass_more_than_the_burst_and_what_comes_back_in_it() {
    // Pauses of no rhythm, from nothing to a second (a linear congruential generator, so that each run is the same).
    let mut state = 7_u64;
    let mut pause = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Duration::from_nanos(
            (state >> 33) % [1, 1_000, 1_000_000, 1_000_000_000][usize::try_from(state >> 62).unwrap()],
        )
    };
    for rate in [Rate { burst: 1, ..MINUTE }, Rate { burst: 7, ..MINUTE }, Rate { calls: 13, per: ms(700), burst: 3 }] {
        let limiter = Limiter::new(vec![rule("r", Some(rate), None)]);
        let alice = limiter.of(&principal("alice"), None, ms(0));
        let (mut now, mut passed) = (Duration::from_hours(1), Vec::new());
        for _ in 0..5_000 {
            now += pause();
            if alice.take(None, false, || now).is_ok() {
                passed.push(now);
            }
        }
        assert!(passed.len() > 100, "{rate}: {}", passed.len());
        for (first, from) in passed.iter().enumerate() {
            for (last, to) in passed.iter().enumerate().skip(first) {
                let back = (*to).saturating_sub(*from).as_nanos() * u128::from(rate.calls) / rate.per.as_nanos();
                let calls = u128::try_from(last - first).unwrap() + 1;
                assert!(calls <= u128::from(rate.burst) + back, "{rate}: {calls} from {from:?} to {to:?}");
            }
        }
    }
}
