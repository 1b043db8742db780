"""An issuer of OpenID Connect: discovery, authorization code with PKCE, device flow."""
