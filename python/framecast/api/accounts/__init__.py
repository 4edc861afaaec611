"""The API of accounts: logins, the caller itself, orgs, users and service tokens, as Grafana's clients know them."""
