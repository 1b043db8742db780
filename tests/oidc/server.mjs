// A real identity provider for the tests: npm's oidc-provider, unmodified, with two clients.
// Whoever types a name is that person; `unverified` has an address that nobody verified.
import Provider from "oidc-provider";

const [port, redirect] = process.argv.slice(2);
const client = {
  application_type: "native",
  redirect_uris: [redirect],
  response_types: ["code"],
  grant_types: ["authorization_code", "urn:ietf:params:oauth:grant-type:device_code"],
};
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [
    { ...client, client_id: "holdfast", token_endpoint_auth_method: "none" },
    {
      ...client,
      client_id: "holdfast-secret",
      client_secret: "a secret / of tests & more",
      token_endpoint_auth_method: "client_secret_basic",
    },
  ],
  claims: { openid: ["sub"], email: ["email", "email_verified"] },
  async findAccount(_, id) {
    const email = /^[a-z]+$/.test(id) ? `${id}@acme.example` : undefined;
    const told = email ? { email, email_verified: id !== "unverified" } : {};
    return { accountId: id, claims: async () => ({ sub: id, ...told }) };
  },
  features: { devInteractions: { enabled: true }, deviceFlow: { enabled: true } },
  cookies: { keys: ["a secret of tests"] },
  ttl: { DeviceCode: 600, IdToken: 600, AccessToken: 600, Interaction: 600, Grant: 600, Session: 600 },
});
provider.listen(Number(port), "127.0.0.1", () => console.log("ready"));
