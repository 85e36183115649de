// A client that knows one address: the official TypeScript clients' own OAuth flow, and what it asked for on its way.
//
// It reads `{url, registration}` from standard input: `dynamic` registers itself, `document` is known by a client-ID
// metadata document, `registered` has a client id. It prints `{trace, tools}`: each request in order as
// `METHOD gateway|provider/path status`, and the tools it is shown in the end. `typescript-N/oauth.mjs` brings the SDK.

const REDIRECT = "http://127.0.0.1/callback";
const DOCUMENT = "https://app.example.com/client.json";
/** A client that is sent back to the provider again and again gives up. */
const MAX_ATTEMPTS = 4;
const MAX_REDIRECTS = 10;

/** The person's browser: follows redirects with cookies until it would come back to the client. */
async function browse(url) {
  const cookies = new Map();
  for (let hops = 0; hops < MAX_REDIRECTS; hops += 1) {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const response = await fetch(url, { redirect: "manual", headers: { cookie } });
    for (const set of response.headers.getSetCookie()) {
      const [name, value] = set.split(";")[0].split("=");
      if (value) cookies.set(name, value);
      else cookies.delete(name);
    }
    const location = response.headers.get("location");
    if (!location) throw new Error(`the browser stands at ${url}: ${response.status} ${await response.text()}`);
    url = new URL(location, url);
    if (url.href.startsWith(REDIRECT)) return url.searchParams;
  }
  throw new Error("the browser was redirected too often");
}

/** Keeps what the SDK gives it to keep. */
class Person {
  kept = {};
  redirectUrl = REDIRECT;
  clientMetadata = {
    client_name: "vidimus-test",
    application_type: "native",
    redirect_uris: [REDIRECT],
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
    token_endpoint_auth_method: "none",
  };

  constructor(registration) {
    if (registration === "registered") this.kept.client = { client_id: "app" };
    if (registration === "document") this.clientMetadataUrl = DOCUMENT;
  }

  clientInformation = () => this.kept.client;
  saveClientInformation = (client) => (this.kept.client = client);
  tokens = () => this.kept.tokens;
  saveTokens = (tokens) => (this.kept.tokens = tokens);
  codeVerifier = () => this.kept.verifier;
  saveCodeVerifier = (verifier) => (this.kept.verifier = verifier);
  redirectToAuthorization = async (url) => (this.callback = await browse(url));
}

export async function main({ newClient, newTransport, UnauthorizedError, finish }) {
  const parts = [];
  for await (const part of process.stdin) parts.push(part);
  const { url, registration } = JSON.parse(Buffer.concat(parts));
  const trace = [];
  const traced = async (asked, options) => {
    const response = await fetch(asked, options);
    const { origin, pathname } = new URL(asked);
    const side = origin === new URL(url).origin ? "gateway" : "provider";
    trace.push(`${options?.method ?? "GET"} ${side}${pathname} ${response.status}`);
    return response;
  };
  const person = new Person(registration);
  for (let attempt = 0; ; attempt += 1) {
    const transport = newTransport(new URL(url), { authProvider: person, fetch: traced });
    const client = newClient();
    try {
      await client.connect(transport);
      const { tools } = await client.listTools();
      console.log(JSON.stringify({ trace, tools: tools.map(({ name }) => name) }));
      process.exit();
    } catch (error) {
      if (!(error instanceof UnauthorizedError) || attempt === MAX_ATTEMPTS) {
        console.error(trace);
        throw error;
      }
    }
    await finish(transport, person.callback);
  }
}
