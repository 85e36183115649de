//! The keys of a target that is a program which the gateway starts (`command`), and the confinement they make up.
//!
//! Such a program is code nobody here wrote: it gets what is granted here and what every program needs, never the data
//! directory nor the key.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use toml::de::{DeTable, DeValue};
use vidimus_core::TargetName;
use vidimus_stdio::{Confinement, Isolation, RunAs, Variables};

use super::document::Document;
use super::sections::one_of;
use super::table::{Table, environment_name, secret};
use super::{Database, Server, Target, keys, value};
use crate::problem::did_you_mean;
use crate::secret::{SecretError, SecretRef};

/// A program that the gateway starts for each session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    pub(crate) command: Vec<String>,
    /// Secrets in its environment.
    pub(crate) env: Vec<(String, SecretRef)>,
    /// Where other targets are, in its environment.
    pub(crate) chained: Vec<Chain>,
    /// What is no secret in its environment.
    pub(crate) variables: Vec<(String, String)>,
    pub(crate) programs: Vec<PathBuf>,
    pub(crate) read: Vec<PathBuf>,
    pub(crate) write: Vec<PathBuf>,
    pub(crate) run_as: Option<RunAs>,
    pub(crate) isolation: Isolation,
    pub(crate) network: bool,
    pub(crate) idle: Duration,
}

/// A variable that says a program where a target is that is a database, with a credential of its session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chain {
    pub(crate) variable: String,
    pub(crate) target: TargetName,
    /// Where that stands.
    place: Range<usize>,
}

/// Why a program cannot be given what it is to have.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProgramError {
    /// A secret is not to be had.
    #[error("the variable {0}: {1}")]
    Secret(String, SecretError),
    /// Not text.
    #[error("the variable {0}: the secret is not text in UTF-8")]
    NotText(String),
}

impl Program {
    /// What it may do, secrets read. `forbidden` is what no program may reach.
    pub(crate) fn confinement(&self, forbidden: impl Iterator<Item = PathBuf>) -> Result<Confinement, ProgramError> {
        let mut variables: std::collections::BTreeMap<_, _> = self.variables.iter().cloned().collect();
        for (name, reference) in &self.env {
            let secret = reference.resolve().map_err(|error| ProgramError::Secret(name.clone(), error))?;
            let text = std::str::from_utf8(secret.expose()).map_err(|_| ProgramError::NotText(name.clone()))?;
            variables.insert(name.clone(), text.to_owned());
        }
        Ok(Confinement {
            programs: self.programs.clone(),
            readable: self.read.clone(),
            writable: self.write.clone(),
            environment: Variables(variables),
            run_as: self.run_as,
            isolation: self.isolation,
            network: self.network,
            ..Confinement::new(self.command.clone(), forbidden.collect())
        })
    }
}

/// Reads the program of a target's table; `None` when there is none, or it has problems.
pub(super) fn program<'a>(document: &'a Document, table: &Table<'a>) -> Option<Program> {
    let given = table.value("command");
    let command = table.list("command", value::text);
    let env = table.table("env").map_or_else(|| Some(Default::default()), |(_, found)| env(document, found));
    let variables = table.table("variables").map_or(Some(Vec::new()), |(_, found)| texts(document, found));
    let path = |text: &str| value::text(text).map(|path| document.resolve(&path));
    let (programs, read, write) = (table.list("programs", path), table.list("read", path), table.list("write", path));
    let run_as = table.parsed("run_as", user);
    let run_as_given = table.value("run_as").is_some();
    let isolation =
        table.parsed("isolation", |text| one_of(text, &[("landlock", Isolation::Landlock), ("none", Isolation::None)]));
    let network = table.boolean("network");
    let idle = table.parsed("idle", value::duration);

    let given = given?;
    if command.as_ref().is_some_and(Vec::is_empty) {
        document.problem(given.span(), "`command` is empty: name a program".to_owned(), None);
        return None;
    }
    let (env, chained) = env?;
    Some(Program {
        command: command?,
        env,
        chained,
        variables: variables?,
        programs: programs?,
        read: read?,
        write: write?,
        run_as: if run_as_given { Some(run_as?) } else { None },
        isolation: isolation?,
        network: network?,
        idle: idle?,
    })
}

/// `UID:GID`, as numbers.
fn user(text: &str) -> Result<RunAs, String> {
    let expected = || "expected \"UID:GID\" as numbers from 1, such as \"65534:65534\"".to_owned();
    let (uid, gid) = text.split_once(':').ok_or_else(expected)?;
    match (uid.parse(), gid.parse()) {
        (Ok(uid @ 1..), Ok(gid @ 1..)) => Ok(RunAs { uid, gid }),
        _ => Err(expected()),
    }
}

/// Refuses programs that are to reach what they cannot.
pub(super) fn check(document: &Document, targets: &[Target], databases: &[Database]) {
    for target in targets {
        let Server::Program(program) = &target.server else { continue };
        for chain in &program.chained {
            let (variable, wanted) = (&chain.variable, &chain.target);
            let database = databases.iter().find(|database| database.name == *wanted);
            let names = || databases.iter().map(|database| database.name.as_str());
            let (message, help) = match database {
                Some(database) if !database.scopes.is_empty() => (
                    format!("`{variable}`: [targets.{wanted}] needs `scopes`, and a program has none"),
                    Some("leave `scopes` out there, or name a target of its own for programs".to_owned()),
                ),
                Some(_) if !program.network => (
                    format!("`{variable}`: without the network the program does not reach [targets.{wanted}]"),
                    Some("set `network = true`".to_owned()),
                ),
                Some(_) => continue,
                None if *wanted == target.name => {
                    (format!("`{variable}`: [targets.{wanted}] would reach itself; name a database"), None)
                }
                None if targets.iter().any(|other| other.name == *wanted) => (
                    format!("`{variable}`: [targets.{wanted}] is no database, and only those can be reached so"),
                    Some("name a target with `protocol = \"postgres\"`".to_owned()),
                ),
                None => {
                    (format!("`{variable}`: there is no [targets.{wanted}]"), did_you_mean(wanted.as_str(), names()))
                }
            };
            document.problem(chain.place.clone(), message, help);
        }
    }
}

/// Secrets, and where databases are.
type Env = (Vec<(String, SecretRef)>, Vec<Chain>);

fn env<'a>(document: &'a Document, table: &'a DeTable<'a>) -> Option<Env> {
    let (mut secrets, mut chained) = (Vec::new(), Vec::new());
    for (name, value) in table {
        let variable = environment_name(name.get_ref());
        if let Err(expected) = &variable {
            document.problem(name.span(), format!("`{}`: {expected}", name.get_ref()), None);
        }
        let own = value.get_ref().as_table().filter(|own| own.iter().any(|(key, _)| key.get_ref() == "target"));
        if let Some(own) = own {
            let table = Table::new(document, &keys::CHAINED, name.get_ref().to_string(), value.span(), own);
            let target = table.parsed("target", |text| text.parse::<TargetName>().map_err(|error| error.to_string()));
            table.finish();
            let chain = |(variable, target)| Chain { variable, target, place: value.span() };
            chained.push(variable.ok().zip(target).map(chain));
        } else {
            secrets.push(variable.ok().zip(secret(document, name.get_ref(), value)));
        }
    }
    let secrets = secrets.into_iter().collect::<Option<_>>();
    secrets.zip(chained.into_iter().collect::<Option<_>>())
}

fn texts<'a>(document: &'a Document, table: &'a DeTable<'a>) -> Option<Vec<(String, String)>> {
    let read = table.iter().map(|(name, value)| match (environment_name(name.get_ref()), value.get_ref()) {
        (Ok(name), DeValue::String(text)) => Some((name, text.clone().into_owned())),
        (Ok(_), _) => {
            document.strike(value.span());
            document.problem(value.span(), format!("`{}` must be text", name.get_ref()), None);
            None
        }
        (Err(expected), _) => {
            document.problem(name.span(), format!("`{}`: {expected}", name.get_ref()), None);
            None
        }
    });
    read.collect::<Vec<_>>().into_iter().collect()
}
