//! `vidimus login` and `vidimus logout` as a person uses them: with a browser, by a code, and what is kept.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use anyhow::{Context as _, Result};
use http::Method;
use serde_json::Value;

use crate::common::Client;
use crate::{INITIALIZE, World};

/// The redirects of a sign-in.
const MAX_REDIRECTS: usize = 10;

/// A person with a file of logins.
pub(crate) struct Person {
    home: vidimus_testkit::TempDir,
}

impl Person {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self { home: vidimus_testkit::tempdir()? })
    }

    pub(crate) fn logins(&self) -> PathBuf {
        self.home.path().join("state/vidimus/logins.json")
    }

    /// A command of the program, which knows the gateway and this home.
    pub(crate) fn command(&self, world: &World, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vidimus"));
        command
            .args(arguments)
            .env("VIDIMUS_URL", world.origin())
            .env("XDG_STATE_HOME", self.home.path().join("state"))
            .env_remove("VIDIMUS_TOKEN")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Signs in with a browser; what `vidimus login` prints.
    pub(crate) async fn signs_in(&self, world: &World, further: &[&str]) -> Result<Value> {
        let arguments = [&["login", "--no-browser", "--json"], further].concat();
        let (child, said) = self.started(world, &arguments, 2)?;
        let shown = browse(said.last().context("an address")?).await?;
        assert!(shown.contains("You are signed in"), "{shown}");
        printed(child)
    }

    /// Starts a command, and reads so many lines of what it says.
    fn started(&self, world: &World, arguments: &[&str], lines: usize) -> Result<(Child, Vec<String>)> {
        let mut child = self.command(world, arguments).spawn()?;
        let mut said = BufReader::new(child.stderr.take().context("standard error")?).lines();
        let lines: Vec<String> = said.by_ref().take(lines).collect::<Result<_, _>>()?;
        std::thread::spawn(move || said.for_each(drop));
        Ok((child, lines))
    }

    fn kept(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.logins()).unwrap()).unwrap()
    }

    fn keep(&self, kept: &Value) {
        std::fs::write(self.logins(), kept.to_string()).unwrap();
    }
}

fn printed(child: Child) -> Result<Value> {
    let Output { status, stdout, stderr } = child.wait_with_output()?;
    anyhow::ensure!(status.success(), "{status}: {}", String::from_utf8_lossy(&stderr));
    Ok(serde_json::from_slice(&stdout)?)
}

/// The person's browser: follows redirects with cookies to a page.
async fn browse(url: &str) -> Result<String> {
    let (mut url, mut cookies) = (url.to_owned(), BTreeMap::new());
    for _ in 0..MAX_REDIRECTS {
        let cookie: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let answer = Client::new(&url, "").send(Method::GET, &[("cookie", &cookie.join("; "))], "").await?;
        for set in answer.headers.get_all("set-cookie") {
            let (name, value) =
                set.to_str()?.split(';').next().context("a cookie")?.split_once('=').context("a cookie")?;
            cookies.insert(name.to_owned(), value.to_owned());
        }
        let Some(location) = answer.headers.get("location") else { return Ok(answer.text) };
        let location = location.to_str()?;
        let origin: String = url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
        url = if location.starts_with('/') { format!("{origin}{location}") } else { location.to_owned() };
    }
    anyhow::bail!("the browser was redirected too often")
}

async fn status(world: &World, path: &str, token: &Value) -> Result<u16> {
    let answer = Client::new(world.url(path), token.as_str().unwrap()).post(INITIALIZE).await?;
    Ok(answer.status.as_u16())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_by_browser_once_and_stays_signed_in() -> Result<()> {
    let (world, person) = (World::start().await?, Person::new()?);
    let resource = world.url("/mcp");
    let shown = person.signs_in(&world, &[]).await?;
    assert_eq!(
        (shown["resource"].as_str(), shown["issuer"].as_str()),
        (Some(&*resource), Some(world.provider.issuer()))
    );
    assert_eq!(shown["refreshed_by_itself"], true);
    assert_eq!(std::fs::metadata(person.logins())?.permissions().mode() & 0o777, 0o600);

    // It is for all targets, and known to nobody who sees the output.
    let first = person.kept()["logins"][&resource]["access_token"].clone();
    assert_eq!(status(&world, "/mcp/everything", &first).await?, 200);
    assert!(!shown.to_string().contains(first.as_str().unwrap()));

    // The program is registered once.
    let client = shown["client_id"].clone();
    assert_eq!(person.signs_in(&world, &[]).await?["client_id"], client);
    assert_eq!(world.provider.served("/reg").await?, 1);

    // One that is about to end is replaced by whoever uses it next.
    let mut kept = person.kept();
    kept["logins"][&resource]["expires"] = 1.into();
    let before = kept["logins"][&resource].clone();
    person.keep(&kept);
    let bridged = crate::bridge::exchanged(&person, &world, &["--target", "everything"], &[INITIALIZE])?;
    assert!(bridged[0]["result"]["serverInfo"].is_object(), "{bridged:?}");
    let after = person.kept()["logins"][&resource].clone();
    assert!(after["access_token"] != before["access_token"] && after["refresh_token"] != before["refresh_token"]);
    assert!(after["expires"].as_u64() > Some(1));

    let gone = person.command(&world, &["logout", "--json"]).spawn()?;
    let gone = printed(gone)?;
    assert_eq!(gone["logged_out"][0]["revoked"], true, "{gone}");
    assert!(person.kept()["logins"].as_object().unwrap().is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_by_a_code_for_one_target_alone() -> Result<()> {
    let (world, person) = (World::start().await?, Person::new()?);
    let arguments = ["login", "--device", "--json", "--target", "books", "--scope", "use", "--scope", "write"];
    let (child, said) = person.started(&world, &arguments, 3)?;
    let code = said.last().context("a code")?;
    let approval = format!("{}/testkit/approve?user_code={code}", world.provider.issuer());
    assert_eq!(Client::new(approval, "").send(Method::POST, &[], "").await?.status, 200);
    let shown = tokio::task::spawn_blocking(move || printed(child)).await??;
    assert_eq!(shown["scope"], "use write");
    let token = person.kept()["logins"][world.url("/mcp/books")]["access_token"].clone();
    assert_eq!(status(&world, "/mcp/books", &token).await?, 200);
    assert_eq!(status(&world, "/mcp/everything", &token).await?, 401);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_endpoint_for_all_a_token_reaches_the_targets_whose_scopes_it_has() -> Result<()> {
    let (world, person) = (World::start().await?, Person::new()?);
    let token = async |scopes: &[&str]| {
        person.signs_in(&world, scopes).await?;
        let kept = person.kept();
        kept["logins"][world.url("/mcp")]["access_token"].as_str().map(str::to_owned).context("a token for all")
    };
    let (narrow, wide) = (token(&["--scope", "use"]).await?, token(&["--scope", "use", "--scope", "write"]).await?);

    let mut client = Client::open(world.url("/mcp"), wide).await;
    let echoed = client.call(1, "books_echo", r#"{"message":"hello"}"#).await?;
    assert_eq!(echoed["result"]["content"][0]["text"], "Echo: hello", "{echoed}");

    // The same person in the same session with another token: what is open at the target is not its to use.
    client.token = narrow;
    let list = client.post(r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#).await?.text;
    assert!(list.contains(r#""everything_echo""#) && !list.contains("books_"), "{list}");
    let refused = client.call(3, "books_echo", r#"{"message":"hello"}"#).await?;
    assert!(refused["error"]["message"].as_str().is_some_and(|text| text.contains("Unknown tool")), "{refused}");
    let echoed = client.call(4, "everything_echo", r#"{"message":"hello"}"#).await?;
    assert_eq!(echoed["result"]["content"][0]["text"], "Echo: hello", "{echoed}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_cannot_sign_in_is_told_why() -> Result<()> {
    let (world, person) = (World::start().await?, Person::new()?);
    let refused = |arguments: &[&str]| {
        let output = person.command(&world, arguments).output().unwrap();
        assert!(!output.status.success() && output.stdout.is_empty(), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    for (arguments, text) in [
        (
            vec!["login", "--no-browser", "--url", "http://mcp.example.com"],
            "tokens would cross the network in the clear",
        ),
        (vec!["login", "--no-browser", "--url", "http://127.0.0.1:1"], "cannot be had from"),
        (vec!["login", "--no-browser", "--issuer", "https://evil.example"], world.provider.issuer()),
        (vec!["login", "--device", "--client-id", "no-such-client"], "the identity provider refused"),
    ] {
        let said = refused(&arguments);
        assert!(said.contains(text), "{arguments:?}: {said}");
    }
    assert!(!Path::exists(&person.logins()));
    // Another name of the same machine is not the gateway's own: the token would be for somebody else.
    let other = format!("http://localhost:{}", world.gateway.port);
    let said = refused(&["login", "--no-browser", "--url", &other]);
    assert!(said.contains(&format!("calls itself {}", world.url("/mcp"))), "{said}");
    Ok(())
}
