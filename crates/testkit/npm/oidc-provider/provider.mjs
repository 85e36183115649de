// A real OpenID provider on a free port of 127.0.0.1, with people who approve at once and a CI job.
//
// Run in the directory that holds node_modules. It says `issuer URL` when it listens. People get their tokens by CIBA
// (OpenID Connect Client-Initiated Backchannel Authentication, poll mode), the CI job by client credentials; both are
// JWT access tokens (RFC 9068) for the audience asked for (RFC 8707). `POST /testkit/rotate` replaces the signing
// keys of the running provider; with `?keep=1` the old ones stay published. `GET /testkit/served` counts requests.
//
// A gateway, the client `gateway`, has tokens of its own by client credentials, and gets some for people in exchange for
// theirs (RFC 8693): JWTs of the same subject for the audience asked for, with the gateway as the actor if it says so.
//
// Programs that people use take the authorization code flow with PKCE or the device flow, as the client `app`, or by
// registering themselves (RFC 7591), or by a client-ID metadata document. Alice is who sits before every browser, and says
// yes to everything; at a device she does when `POST /testkit/approve?user_code=…` says so.
import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const { Provider, errors } = await import(pathToFileURL(resolve("node_modules/oidc-provider/lib/index.js")));
const jose = await import(pathToFileURL(resolve("node_modules/jose/dist/webapi/index.js")));

const people = {
  alice: { name: "Alice", email: "alice@example.com", groups: ["support"] },
  bob: { name: "Bob", email: "bob@example.com", groups: ["finance"] },
  carol: { name: "Carol", email: "carol@example.com", groups: ["fraud"] },
};
// What a CI system says of the job that runs, beside who it is.
const job = { azp_type: "service", repository: "acme/payments", ref: "refs/heads/main", run_id: "4711" };
// Resource indicators must be URIs, audiences need not: this prefix marks an audience that is no URI.
const audiencePrefix = "urn:testkit:audience:";
// Whose document says how it is registered; only the provider ever fetches it.
const documentedClient = "https://app.example.com/client.json";
const app = {
  client_name: "app",
  application_type: "native",
  token_endpoint_auth_method: "none",
  grant_types: ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
  response_types: ["code"],
  redirect_uris: ["http://127.0.0.1/callback"],
};
const exchangeGrant = "urn:ietf:params:oauth:grant-type:token-exchange";
const accessToken = "urn:ietf:params:oauth:token-type:access_token";
const algorithms = { ES256: ["ec", { namedCurve: "P-256" }], RS256: ["rsa", { modulusLength: 2048 }] };

let generation = 0;

function newKeys() {
  generation += 1;
  return Object.entries(algorithms).map(([alg, [type, options]]) => ({
    ...generateKeyPairSync(type, options).privateKey.export({ format: "jwk" }),
    alg,
    use: "sig",
    kid: `${alg}-${generation}`,
  }));
}

/** All that a client asks for. */
async function grantFor(provider, accountId, client, { scope = "", resource = [] }) {
  const grant = new provider.Grant({ accountId, clientId: client.clientId });
  grant.addOIDCScope(scope);
  for (const each of [resource].flat()) grant.addResourceScope(each, scope);
  await grant.save();
  return grant;
}

function newProvider(issuer, keys) {
  const provider = new Provider(issuer, {
    jwks: { keys },
    clients: [
      {
        client_id: "people",
        client_secret: "people-secret",
        token_endpoint_auth_method: "client_secret_post",
        grant_types: ["urn:openid:params:grant-type:ciba"],
        backchannel_token_delivery_mode: "poll",
        redirect_uris: [],
        response_types: [],
      },
      {
        client_id: "ci-job",
        client_secret: "ci-job-secret",
        token_endpoint_auth_method: "client_secret_post",
        grant_types: ["client_credentials"],
        redirect_uris: [],
        response_types: [],
      },
      {
        client_id: "gateway",
        client_secret: "gateway-secret",
        token_endpoint_auth_method: "client_secret_basic",
        grant_types: ["client_credentials", exchangeGrant],
        redirect_uris: [],
        response_types: [],
      },
      { ...app, client_id: "app" },
    ],
    fetch: async (url, options) =>
      String(url) === documentedClient
        ? Response.json({ ...app, client_id: documentedClient })
        : Promise.reject(new Error(`${options?.method ?? "GET"} ${url}: nothing is fetched in tests`)),
    interactions: { url: (_ctx, interaction) => `/testkit/interaction/${interaction.uid}` },
    loadExistingGrant: (ctx) => {
      const { client, session, params, provider } = ctx.oidc;
      return grantFor(provider, session.accountId, client, params);
    },
    issueRefreshToken: (_ctx, client) => client.grantTypeAllowed("refresh_token"),
    scopes: ["openid", "offline_access", "use", "write"],
    cookies: { keys: ["only tests use this"] },
    findAccount: (_ctx, id) => people[id] && { accountId: id, claims: () => ({ sub: id, ...people[id] }) },
    extraTokenClaims: (_ctx, token) => (token.accountId ? people[token.accountId] : job),
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      registration: { enabled: true },
      revocation: { enabled: true },
      deviceFlow: { enabled: true },
      clientIdMetadataDocument: { enabled: true, ack: "draft-02" },
      ciba: {
        enabled: true,
        deliveryModes: ["poll"],
        processLoginHint: (_ctx, hint) => hint,
        validateRequestContext: () => {},
        validateBindingMessage: () => {},
        verifyUserCode: () => {},
        // The authentication device: the person says yes at once.
        triggerAuthenticationDevice: async (ctx, request, account, client) => {
          const grant = new ctx.oidc.provider.Grant({ accountId: account.accountId, clientId: client.clientId });
          grant.addOIDCScope("openid");
          grant.addResourceScope(ctx.oidc.params.resource, "use");
          await grant.save();
          await ctx.oidc.provider.backchannelResult(request, grant, { amr: ["pwd", "otp"] });
        },
      },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        getResourceServerInfo: (_ctx, resource, client) => ({
          scope: "use write",
          audience: resource.startsWith(audiencePrefix)
            ? decodeURIComponent(resource.slice(audiencePrefix.length))
            : resource,
          accessTokenFormat: "jwt",
          accessTokenTTL: 3600,
          // Both families of keys are in use at once, as at a provider that moves from one to the other.
          jwt: { sign: { alg: client.clientId === "ci-job" ? "ES256" : "RS256" } },
        }),
      },
    },
  });
  const parameters = ["subject_token", "subject_token_type", "actor_token", "actor_token_type", "audience", "scope"];
  provider.registerGrantType(exchangeGrant, (ctx) => exchange(ctx, issuer, keys), parameters);
  provider.on("server_error", (_ctx, error) => console.error(error));
  return provider;
}

/** A token for whom another token is, when this provider issued that and it is good still (RFC 8693 §2). */
async function exchange(ctx, issuer, keys) {
  const { client, params, provider } = ctx.oidc;
  const published = jose.createLocalJWKSet({ keys: keys.map(({ d, p, q, dp, dq, qi, ...known }) => known) });
  if (params.subject_token_type !== accessToken) throw new errors.InvalidRequest("an access token is expected");
  const { payload: subject } = await jose.jwtVerify(params.subject_token, published, { issuer }).catch(() => {
    throw new errors.InvalidGrant("the subject token is not good");
  });
  // A token that is for nothing in particular is not self-contained.
  const actor = params.actor_token && (await provider.ClientCredentials.find(params.actor_token));
  if (params.actor_token && !actor?.isValid) throw new errors.InvalidGrant("the actor token is not good");
  const key = keys.find(({ alg }) => alg === "ES256");
  const claims = { sub: subject.sub, client_id: client.clientId, ...(actor && { act: { sub: actor.clientId } }) };
  const token = await new jose.SignJWT(claims)
    .setProtectedHeader({ alg: "ES256", typ: "at+jwt", kid: key.kid })
    .setIssuer(issuer)
    .setAudience(params.audience)
    .setIssuedAt()
    .setExpirationTime("300s")
    .sign(await jose.importJWK(key, "ES256"));
  ctx.body = { access_token: token, issued_token_type: accessToken, token_type: "Bearer", expires_in: 300 };
}

/** The pages that a person would see: alice logs in and consents. */
async function interact(request, response) {
  const { prompt } = await provider.interactionDetails(request, response);
  const result = prompt.name === "login" ? { login: { accountId: "alice", amr: ["pwd", "otp"] } } : { consent: {} };
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
}

/** What a person does who was shown a code. */
async function approve(userCode, response) {
  const code = await provider.DeviceCode.findByUserCode(userCode.replaceAll("-", ""), { ignoreExpiration: true });
  const client = await provider.Client.find(code.clientId);
  const grant = await grantFor(provider, "alice", client, code.params);
  const authTime = Math.floor(Date.now() / 1000);
  const { scope, resource } = code.params;
  Object.assign(code, { accountId: "alice", grantId: grant.jti, authTime, scope, resource, amr: ["pwd", "otp"] });
  await code.save();
  response.end();
}

const served = {};
let keys = newKeys();
let provider;
let answer;

function start() {
  provider = newProvider(issuer, keys);
  answer = provider.callback();
}

const server = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url, "http://127.0.0.1");
  if (pathname === "/testkit/served") {
    response.end(JSON.stringify(served));
  } else if (pathname === "/testkit/rotate" && request.method === "POST") {
    // Providers sign with the first key that fits, so the new ones go in front.
    keys = [...newKeys(), ...(searchParams.has("keep") ? keys : [])];
    start();
    response.end();
  } else if (pathname.startsWith("/testkit/interaction/")) {
    interact(request, response).catch((error) => response.writeHead(500).end(String(error)));
  } else if (pathname === "/testkit/approve" && request.method === "POST") {
    approve(searchParams.get("user_code"), response).catch((error) => response.writeHead(500).end(String(error)));
  } else {
    served[pathname] = (served[pathname] ?? 0) + 1;
    answer(request, response);
  }
});

let issuer;
server.listen(0, "127.0.0.1", () => {
  issuer = `http://127.0.0.1:${server.address().port}`;
  start();
  console.log(`issuer ${issuer}`);
});
