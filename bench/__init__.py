"""Framecast's measurements: each folder one question, `record/` the answers by machine and date."""
