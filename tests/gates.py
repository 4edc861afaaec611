"""A gate that lets nobody in."""

from framecast.accounts.gate import build_gate

closed_gate = build_gate([])
