"""How one server's requests get in, put together: its accounts, and the gate that asks about them."""

import time
from dataclasses import dataclass

from framecast.accounts.admission import Admissions
from framecast.accounts.attempts import Attempts
from framecast.accounts.clock import ForwardClock
from framecast.accounts.connected import Connected
from framecast.accounts.denials import Denials
from framecast.accounts.gate import Gate, Source, Visitors, build_gate, let_strangers_pass, open_gate
from framecast.accounts.logins import Logins
from framecast.accounts.passwords import Passwords
from framecast.accounts.rates import Rates
from framecast.accounts.register.first_start import prepare
from framecast.accounts.register.register import Register, open_register
from framecast.accounts.revocation import Revocation
from framecast.accounts.sources.table import build_sources
from framecast.accounts.tokens.verifier import TokenVerifier
from framecast.errors import ConfigurationError, Refusal
from framecast.settings import Settings
from framecast.store.database import Database


@dataclass(frozen=True, slots=True)
class Entrance:
    """Every way in. `register.run` must run beneath all connections."""

    register: Register
    passwords: Passwords
    logins: Logins
    denials: Denials
    """Where it is told whom the gate, or a room behind it, refuses something."""
    rates: Rates
    """How much those who get in may ask and push."""
    gate: Gate
    """Counts nobody, as `visitors`."""
    visitors: Visitors
    """The gate for subscribers, who may bring their token later."""
    admissions: Admissions
    """What becomes of those who do."""
    first_token: str | None
    """Made just now, for whoever started the server; nobody can tell it afterwards."""


async def open_entrance(
    settings: Settings,
    database: Database,
    connected: Connected,
    attempts: Attempts,
    *,
    verifier: TokenVerifier | None,
    grafana: Source | None,
) -> Entrance:
    """The entrance over what the database holds, with an org, and a first token if need be.

    ConfigurationError when the database cannot be read, or not be written though something is to be begun in it.
    """
    accounts, dev = settings.accounts, settings.server.dev
    register = await open_register(database, accounts, ForwardClock())
    register.announce_to(lambda revocation: _end(connected, revocation))
    try:
        first_token = await prepare(register, with_token=accounts.service_tokens and not dev)
    except Refusal as refusal:
        raise ConfigurationError(f"server.data = {settings.server.data!r} cannot be used: {refusal.message}") from None
    passwords = Passwords(accounts)
    logins = Logins(register, passwords, attempts)
    sources = build_sources(settings, register.directory, attempts, logins, verifier=verifier, grafana=grafana)
    denials = Denials(accounts)
    gate = open_gate if dev else build_gate(sources)
    visitors = let_strangers_pass(gate) if accounts.service_tokens or verifier is not None else gate
    return Entrance(
        register=register,
        passwords=passwords,
        logins=logins,
        rates=Rates(settings.rates, tell=denials.note_request),
        denials=denials,
        gate=denials.watching(gate),
        visitors=denials.watching_visitors(visitors),
        admissions=Admissions(
            verifier,
            time.time,
            directory=None if dev else register.directory,
            attempts=attempts if accounts.service_tokens else None,
        ),
        first_token=first_token,
    )


def _end(connected: Connected, revocation: Revocation) -> None:
    connected.end(revocation.hits, may_return=revocation.may_return)
