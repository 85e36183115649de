//! What policies get wrong that their compiler cannot see, and more words on what it does see.
//!
//! Issuers stand in the configuration, so a `Group::"crp/support"` is a slip only to those who know it: a policy on it
//! would never apply, and nobody would notice. Faults in arguments name the argument and its tools, found in the text
//! around the fault; where that is written in an unusual way they are left as the compiler words them.

use cedar_policy::PolicySet;
use vidimus_policy::{PolicyError, Source};

use crate::config::LOCAL_ISSUER;
use crate::problem::{Problem, did_you_mean};

/// The types of entities whose ids begin with an issuer, and what ends it there.
const NAMED_BY_ISSUER: [(&str, char); 3] = [("Group", '/'), ("User", '|'), ("Workload", '|')];

/// The compiler's words for a decimal where a whole number is due.
const DECIMAL_FAULT: &str = "expected Long but saw decimal";

const ARGUMENTS: &str = "context.arguments.";

/// The principals and groups in policies that are of no issuer this gateway knows. Files that do not parse have none:
/// the compiler refuses them.
pub(crate) fn unknown_issuers(sources: &[Source], known: &[String]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let known = || known.iter().map(String::as_str).chain([LOCAL_ISSUER]);
    for source in sources {
        let Ok(policies) = source.text.parse::<PolicySet>() else { continue };
        let mut found: Vec<(usize, Problem)> = Vec::new();
        for literal in policies.policies().flat_map(cedar_policy::Policy::entity_literals) {
            let kind = literal.type_name().to_string();
            let id = literal.id().unescaped();
            let ending = NAMED_BY_ISSUER.iter().find(|(name, _)| *name == kind).map(|(_, ending)| *ending);
            let Some((issuer, _)) = ending.and_then(|ending| id.split_once(ending)) else { continue };
            if issuer.is_empty() || known().any(|name| name == issuer) {
                continue;
            }
            let offset = source.text.find(&format!("{kind}::\"{id}\"")).unwrap_or(0);
            let problem = Problem {
                place: Some(place(source, offset)),
                message: format!("there is no issuer `{issuer}`, so `{kind}::\"{id}\"` can be nobody"),
                help: did_you_mean(issuer, known())
                    .or_else(|| Some(format!("known are {}", known().collect::<Vec<_>>().join(", ")))),
            };
            found.push((offset, problem));
        }
        found.sort_by_key(|(offset, _)| *offset);
        found.dedup();
        problems.extend(found.into_iter().map(|(_, problem)| problem));
    }
    problems
}

/// The compiler's fault, with the argument it is about and, for decimals, how they are compared.
pub(crate) fn explained(error: PolicyError, sources: &[Source]) -> Problem {
    let argument = argument_at(&error, sources);
    let mut problem = Problem::from(error);
    if problem.message.contains(DECIMAL_FAULT) && problem.help.is_none() {
        let argument =
            argument.as_ref().map_or("context.arguments.NAME".to_owned(), |(path, _)| format!("{ARGUMENTS}{path}"));
        problem.help = Some(format!(
            "a `number` is a decimal: write `{argument}.greaterThan(decimal(\"…\"))`, or another of Cedar's methods on decimals"
        ));
    }
    if let Some((path, tools)) = argument.filter(|(_, tools)| !tools.is_empty()) {
        let tools: Vec<String> = tools.iter().map(|tool| format!("`{tool}`")).collect();
        problem.message = format!("argument `{path}` of {}: {}", tools.join(", "), problem.message);
    }
    problem
}

/// The argument that stands where the fault is, and the tools its policy is about.
fn argument_at(error: &PolicyError, sources: &[Source]) -> Option<(String, Vec<String>)> {
    let place = error.place.as_ref()?;
    let text = &sources.iter().find(|source| source.name == place.file)?.text;
    let line_start: usize = text.split_inclusive('\n').take(place.line.checked_sub(1)?).map(str::len).sum();
    let line = text.get(line_start..)?;
    let (in_line, _) = line.char_indices().nth(place.column.checked_sub(1)?)?;
    let (before, here) = text.split_at_checked(line_start + in_line)?;
    let path = here.strip_prefix(ARGUMENTS)?;
    let end = path.find(|letter: char| !(letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.')));
    let (path, after) = path.split_at_checked(end.unwrap_or(path.len()))?;
    // What is called is a method of the argument.
    let path = if after.starts_with('(') { path.rsplit_once('.')?.0 } else { path };

    let scope = before.get(before.rfind("permit").max(before.rfind("forbid"))?..)?;
    let actions = scope.split("Action::\"").skip(1).filter_map(|rest| rest.split_once('"'));
    Some((path.to_owned(), actions.map(|(action, _)| action.to_owned()).collect()))
}

fn place(source: &Source, offset: usize) -> String {
    let before = source.text.get(..offset).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("{}:{line}:{column}", source.name)
}

#[cfg(test)]
mod tests {
    use vidimus_core::{Protocol, ToolAnnotations, ToolDefinition};
    use vidimus_policy::{Policies, TargetSchema};

    use super::*;

    fn source(text: &str) -> Source {
        Source { name: "a.cedar".into(), text: text.into() }
    }

    #[test]
    fn an_issuer_that_is_not_configured_is_a_problem_at_its_place() {
        let text = "// Group::\"other/x\" in a comment is nobody's business\n\
                    permit (principal in Group::\"crp/support\", action == Action::\"connect\", resource)\n\
                    when { principal != User::\"corp|a\" };\n\
                    forbid (principal == Workload::\"elsewhere|a/b\", action, resource) unless { principal in Group::\"local/owner\" };";
        let problems = unknown_issuers(&[source(text)], &["corp".to_owned(), "partners".to_owned()]);
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "a.cedar:2:22: there is no issuer `crp`, so `Group::\"crp/support\"` can be nobody; did you mean `corp`?",
                "a.cedar:4:22: there is no issuer `elsewhere`, so `Workload::\"elsewhere|a/b\"` can be nobody; \
                 known are corp, partners, local",
            ]
        );
        assert_eq!(unknown_issuers(&[source("no policy")], &[]), []);
    }

    /// The faults of a policy on a tool whose argument `amount` is of this type.
    fn faults(policy: &str, amount: &str) -> Vec<String> {
        let schema =
            format!(r#"{{"type":"object","properties":{{"amount":{{"type":"{amount}"}}}},"required":["amount"]}}"#);
        let refund = ToolDefinition {
            name: "refund".into(),
            annotations: ToolAnnotations::default(),
            input_schema: schema.into(),
            output_schema: None,
        };
        let crm = TargetSchema { name: "crm".parse().unwrap(), protocol: Protocol::Mcp, tools: Some(vec![refund]) };
        let sources = [source(policy)];
        let errors = Policies::compile(&sources, &[crm], &[]).map(drop).unwrap_err();
        errors.into_iter().map(|error| explained(error, &sources).to_string()).collect()
    }

    #[test]
    fn a_decimal_names_its_argument_and_its_methods() {
        let policy = "// é\n@id(\"large\")\nforbid (principal, action in [Action::\"crm/refund\"], resource)\n\
                      when { context.arguments.amount > 500 };";
        let [fault] = &faults(policy, "number")[..] else { panic!("one fault") };
        assert_eq!(
            fault,
            "a.cedar:4:8: argument `amount` of `crm/refund`: unexpected type: expected Long but saw decimal; a `number` is \
             a decimal: write `context.arguments.amount.greaterThan(decimal(\"…\"))`, or another of Cedar's methods on decimals"
        );
        let [fault] = &faults(policy, "string")[..] else { panic!("one fault") };
        assert!(fault.contains("saw String") && !fault.contains("decimal"), "{fault}");
        let method = policy.replace("amount > 500", "amount.greaterThan(decimal(\"500.0\"))");
        let [fault] = &faults(&method, "integer")[..] else { panic!("one fault") };
        let said = "a.cedar:4:8: argument `amount` of `crm/refund`: unexpected type: expected decimal but saw Long";
        assert_eq!(fault, said);
    }

    #[test]
    fn a_fault_elsewhere_stays_as_the_compiler_words_it() {
        let policy =
            "permit (principal, action == Action::\"crm/refund\", resource) when { context.arguments.amuont > 5 };";
        let [fault] = &faults(policy, "integer")[..] else { panic!("one fault") };
        assert!(fault.contains("did you mean `amount`?"), "{fault}");
        let parse = PolicyError { place: None, message: "m".into(), help: None };
        assert_eq!(explained(parse, &[]), Problem::new("m"));
    }
}
