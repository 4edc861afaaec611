"""The rows of the table; a module for each kind of them, and `row` for what they are made of."""

from bench.rows.connecting import CONNECTING
from bench.rows.full import FULL
from bench.rows.ingestion import INGESTION
from bench.rows.row import Row
from bench.rows.stalled import STALLED_ROW
from bench.rows.steady import STEADY

ROWS: tuple[Row, ...] = (*STEADY, *FULL, *CONNECTING, STALLED_ROW, *INGESTION)
