"""The schema of the store and every statement, once. `?` marks parameters; nothing here runs anything."""

# ruff: noqa: S105, S608  (no statement is a password, and only our own column lists are put together)

from __future__ import annotations

from .rows import AGENT_COLUMNS, RUN_COLUMNS, SWEEP_COLUMNS

# `n` numbers sweeps; 0 is the ledger of runs that belong to none. Chunk ids are `n << 40 | number within the sweep`, so
# that one sweep's points lie together in the order written, and no id is ever used again.
SCHEMA = (
    """CREATE TABLE sweep (
        n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, config TEXT NOT NULL, reason TEXT NOT NULL, seed INTEGER NOT NULL,
        project TEXT NOT NULL, entity TEXT NOT NULL, created_at DOUBLE PRECISION NOT NULL)""",
    # What changes often stands apart from the configuration, so that counting up rewrites a few bytes.
    """CREATE TABLE ledger (
        sweep INTEGER PRIMARY KEY, state TEXT NOT NULL, version INTEGER NOT NULL DEFAULT 0,
        changed INTEGER NOT NULL DEFAULT 0, chunks INTEGER NOT NULL DEFAULT 0, numbers INTEGER NOT NULL DEFAULT 0,
        config_version INTEGER NOT NULL DEFAULT 1, epoch INTEGER NOT NULL DEFAULT 0, owner TEXT NOT NULL DEFAULT '',
        holder TEXT, since DOUBLE PRECISION NOT NULL DEFAULT 0, until DOUBLE PRECISION NOT NULL DEFAULT 0)""",
    """CREATE TABLE run (
        id TEXT PRIMARY KEY, sweep INTEGER NOT NULL, number INTEGER NOT NULL, config TEXT NOT NULL, state TEXT NOT NULL,
        attempt INTEGER NOT NULL, name TEXT NOT NULL, agent_id TEXT, summary TEXT NOT NULL, info TEXT NOT NULL,
        seed INTEGER NOT NULL, created_at DOUBLE PRECISION NOT NULL, started_at DOUBLE PRECISION,
        ended_at DOUBLE PRECISION, exit_code INTEGER, error TEXT NOT NULL, stop_reason TEXT NOT NULL, stop_state TEXT,
        provenance TEXT NOT NULL, project TEXT NOT NULL, entity TEXT NOT NULL, run_group TEXT NOT NULL,
        job_type TEXT NOT NULL, notes TEXT NOT NULL, tags TEXT NOT NULL, deleted INTEGER NOT NULL,
        config_version INTEGER NOT NULL, version INTEGER NOT NULL, request TEXT, offsets TEXT NOT NULL DEFAULT '{}',
        turn INTEGER GENERATED ALWAYS AS
            (CASE state WHEN 'preempted' THEN 0 WHEN 'pending' THEN 1 WHEN 'running' THEN 2 END) STORED)""",
    "CREATE INDEX run_version ON run (sweep, version)",
    "CREATE INDEX run_turn ON run (sweep, turn, number) WHERE turn IS NOT NULL",
    "CREATE INDEX run_request ON run (request) WHERE request IS NOT NULL",
    """CREATE TABLE agent (
        id TEXT PRIMARY KEY, sweep INTEGER NOT NULL, process TEXT NOT NULL, backend TEXT NOT NULL,
        waiting INTEGER NOT NULL, wanted INTEGER, gone INTEGER NOT NULL, provenance TEXT NOT NULL,
        started_at DOUBLE PRECISION NOT NULL, ttl DOUBLE PRECISION NOT NULL, since DOUBLE PRECISION NOT NULL,
        until DOUBLE PRECISION NOT NULL, lost TEXT NOT NULL DEFAULT '[]', version INTEGER NOT NULL)""",
    "CREATE INDEX agent_version ON agent (sweep, version)",
    # The key names of chunks; a set of names is stored once.
    "CREATE TABLE metrics (id INTEGER PRIMARY KEY, names TEXT NOT NULL UNIQUE)",
    """CREATE TABLE chunk (
        id INTEGER PRIMARY KEY, run_id TEXT NOT NULL, attempt INTEGER NOT NULL, metrics INTEGER NOT NULL,
        first_step INTEGER NOT NULL, n INTEGER NOT NULL, steps BLOB, vals BLOB NOT NULL, records TEXT)""",
    "CREATE INDEX chunk_run ON chunk (run_id)",
    "CREATE TABLE memory (key TEXT PRIMARY KEY, content TEXT NOT NULL)",
    "INSERT INTO ledger (sweep, state) VALUES (0, 'RUNNING')",
)
SCHEMA_2 = (
    # How many runs the agents of a crew may still begin; -1: none any more, whatever is given back.
    "CREATE TABLE crew (id TEXT PRIMARY KEY, sweep INTEGER NOT NULL, allowance INTEGER NOT NULL)",
    "ALTER TABLE agent ADD COLUMN crew TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE agent ADD COLUMN leaving INTEGER NOT NULL DEFAULT 0",
    """CREATE TABLE token (
        digest TEXT PRIMARY KEY, sweep_id TEXT, scope TEXT NOT NULL, created_at DOUBLE PRECISION NOT NULL,
        expires_at DOUBLE PRECISION, label TEXT NOT NULL)""",
)
SCHEMA_3 = (
    # Runs added by hand come before those that the search chose.
    "ALTER TABLE run ADD COLUMN ahead INTEGER NOT NULL DEFAULT 0",
    "CREATE INDEX run_ahead ON run (sweep, number) WHERE ahead = 1",
    # What the configuration was before it was edited.
    """CREATE TABLE former_config (
        sweep INTEGER NOT NULL, version INTEGER NOT NULL, config TEXT NOT NULL, PRIMARY KEY (sweep, version))""",
)
SCHEMA_4 = (
    # Holds only those that wait, in the order of their turn: a claim costs the same however many wait.
    "DROP INDEX run_ahead",
    "CREATE INDEX run_ahead ON run (sweep, number) WHERE ahead = 1 AND state IN ('pending', 'preempted')",
)
MIGRATIONS = (SCHEMA, SCHEMA_2, SCHEMA_3, SCHEMA_4)
"""Statements that lead from version i to version i + 1. Never edited once released; a new version is a new entry."""
SPAN = 40
"""Bits of a chunk id that count within the sweep."""

LOCK = """UPDATE ledger SET version = version + 1, chunks = chunks + ?, numbers = numbers + ? WHERE sweep = {}
    RETURNING sweep, version, chunks, numbers, state, epoch, config_version"""
LOCK_SWEEP = LOCK.format("?")
LOCK_OF_RUN = LOCK.format("(SELECT sweep FROM run WHERE id = ?)")
LOCK_OF_AGENT = LOCK.format("(SELECT sweep FROM agent WHERE id = ? AND gone < 2)")
STATE = "UPDATE ledger SET state = ?, changed = ? WHERE sweep = ?"
CONFIG = "UPDATE ledger SET config_version = config_version + 1, changed = ? WHERE sweep = ?"
VERSION = "SELECT version, changed, chunks FROM ledger WHERE sweep = ?"
LEASE = "SELECT epoch, owner, holder, since, until FROM ledger WHERE sweep = ?"
LOCK_LEASE = """UPDATE ledger SET epoch = epoch WHERE sweep = ?
    RETURNING epoch, owner, holder, since, until"""
TAKE_LEASE = "UPDATE ledger SET epoch = ?, owner = ?, holder = ?, since = ?, until = ? WHERE sweep = ?"
DROP_LEASE = "UPDATE ledger SET holder = NULL, owner = '' WHERE sweep = ? AND epoch = ? AND owner = ?"

ADD_SWEEP = """INSERT INTO sweep (n, id, config, reason, seed, project, entity, created_at)
    VALUES ((SELECT COALESCE(MAX(n), 0) + 1 FROM sweep), ?, ?, ?, ?, ?, ?, ?) RETURNING n"""
ADD_LEDGER = "INSERT INTO ledger (sweep, state, version, changed, config_version) VALUES (?, ?, 1, 1, ?)"
SWEEPS = f"SELECT {SWEEP_COLUMNS} FROM sweep JOIN ledger ON sweep = n "
SWEEP = SWEEPS + "WHERE n = ?"
ALL_SWEEPS = SWEEPS + "ORDER BY n DESC"
SWEEP_NUMBER = "SELECT n FROM sweep WHERE id = ?"
SWEEP_IDENTITY = "SELECT id, project, entity FROM sweep WHERE n = ?"
SWEEP_IDS = "SELECT id FROM sweep"
SET_REASON = "UPDATE sweep SET reason = ? WHERE n = ?"
KEEP_CONFIG = """INSERT INTO former_config (sweep, version, config)
    SELECT n, ?, config FROM sweep WHERE n = ? AND config <> ?"""
SET_CONFIG = "UPDATE sweep SET config = ? WHERE n = ?"
FORMER_CONFIGS = "SELECT version, config FROM former_config WHERE sweep = ? ORDER BY version"

ADD_RUN = f"""INSERT INTO run ({RUN_COLUMNS}, version) VALUES ({", ".join("?" * (RUN_COLUMNS.count(",") + 2))})
    ON CONFLICT (id) DO NOTHING"""
RUNS = f"SELECT {RUN_COLUMNS} FROM run "
RUN = RUNS + "WHERE id = ?"
SWEEP_OF_RUN = "SELECT sweep FROM run WHERE id = ?"
OPEN_RUN = "SELECT state, attempt, offsets, summary, stop_state, deleted FROM run WHERE id = ?"
RUN_OF_REQUEST = RUNS + "WHERE request = ? AND agent_id = ?"
RUNS_BETWEEN = RUNS + "WHERE sweep = ? AND version > ? AND version <= ? ORDER BY version, number"
NEXT_PAGE = "SELECT version FROM run WHERE sweep = ? AND version > ? ORDER BY version LIMIT 1 OFFSET ?"
RUNS_OF_SWEEP = RUNS + "WHERE sweep = ? AND deleted = 0 ORDER BY number"
PLAIN_RUNS = RUNS + "WHERE sweep = 0 AND deleted = 0 ORDER BY number DESC"
HELD = """SELECT id, attempt, offsets, summary, stop_state, deleted FROM run
    WHERE sweep = ? AND turn = 2 AND agent_id = ?"""
TOLD = RUNS + "WHERE sweep = ? AND turn = 2 AND stop_state IS NOT NULL"
CLAIM = f"""UPDATE run SET state = 'running', agent_id = ?, started_at = ?, request = ?, version = ?, offsets = '{{}}',
    attempt = attempt + CASE WHEN state = 'preempted' THEN 1 ELSE 0 END,
    provenance = (SELECT provenance FROM agent WHERE id = ?)
    WHERE id = COALESCE((SELECT id FROM run
    WHERE sweep = ? AND ahead = 1 AND state IN ('pending', 'preempted') ORDER BY number LIMIT 1),
    (SELECT id FROM run WHERE sweep = ? AND turn < 2 ORDER BY turn, number LIMIT 1)) RETURNING {RUN_COLUMNS}"""
GO_AHEAD = "UPDATE run SET ahead = 1 WHERE id = ?"
LOGGED = "UPDATE run SET offsets = ? WHERE id = ?"
LOGGED_SUMMARY = "UPDATE run SET offsets = ?, summary = ?, version = ? WHERE id = ?"
CLOSE = f"""UPDATE run SET state = ?, exit_code = ?, error = ?, summary = ?, ended_at = ?, offsets = ?, version = ?
    WHERE id = ? RETURNING {RUN_COLUMNS}"""
WAIT_AGAIN = f"""UPDATE run SET state = 'pending', attempt = attempt + 1, agent_id = NULL, started_at = NULL,
    summary = '{{}}', offsets = '{{}}', version = ? WHERE id = ? RETURNING {RUN_COLUMNS}"""
KILL_WAITING = """UPDATE run SET state = 'killed', ended_at = ?, stop_reason = ?, version = ?
    WHERE sweep = ? AND turn < 2"""
KILL_RUNNING = """UPDATE run SET stop_state = 'killed', stop_reason = ?, version = ?
    WHERE sweep = ? AND turn = 2 AND stop_state IS NULL"""
STOP_WAITING = "UPDATE run SET state = 'killed', ended_at = ?, stop_reason = ?, version = ? WHERE id = ? AND turn < 2"
STOP_RUNNING = """UPDATE run SET stop_state = ?, stop_reason = ?, version = ?
    WHERE id = ? AND turn = 2 AND stop_state IS NULL"""
UPDATE_RUN = "UPDATE run SET {} version = ? WHERE id = ?"
WITHDRAW = """UPDATE run SET deleted = 1, state = 'killed', version = ?
    WHERE id = ? AND sweep = ? AND state = 'pending' AND attempt = 1 AND ahead = 0"""
GIVE_NUMBERS_BACK = """UPDATE ledger SET numbers = (SELECT COALESCE(MAX(number), 0) FROM run WHERE sweep = ? AND deleted = 0)
    WHERE sweep = ?"""
DELETE_RUN = "UPDATE run SET deleted = 1, version = ? WHERE id = ? AND deleted = 0"

JOIN = f"""INSERT INTO agent ({AGENT_COLUMNS}, ttl, since, until, version) VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET gone = 0, waiting = excluded.waiting, wanted = excluded.wanted, ttl = excluded.ttl,
    since = excluded.since, until = excluded.until, version = excluded.version WHERE agent.sweep = excluded.sweep"""
AGENTS = f"SELECT {AGENT_COLUMNS}, lost FROM agent "
AGENTS_BETWEEN = AGENTS + "WHERE sweep = ? AND version > ? AND version <= ? ORDER BY version"
AGENTS_OF_SWEEP = AGENTS + "WHERE sweep = ? ORDER BY started_at, id"
LIVING = "SELECT id, process, ttl, since, until FROM agent WHERE sweep = ? AND gone = 0"
CLAIMED = """UPDATE agent SET waiting = 0, wanted = ?, gone = 0, lost = '[]', since = ?, until = ttl + ?,
    version = CASE WHEN waiting = 1 OR gone = 1 OR COALESCE(wanted, -1) <> ? THEN ? ELSE version END WHERE id = ?"""
WAITS = """UPDATE agent SET waiting = 1, wanted = ?, gone = 0, since = ?, until = ttl + ?, version = ?
    WHERE id = ? AND (waiting = 0 OR gone = 1 OR COALESCE(wanted, -1) <> ?)"""
BEAT = "UPDATE agent SET ttl = ?, since = ?, until = ? WHERE id = ? AND gone < 2 RETURNING sweep, gone, lost"
REVIVE = "UPDATE agent SET gone = 0, version = ? WHERE id = ? AND gone = 1"
EXTEND = "UPDATE agent SET since = ?, until = ttl + ? WHERE id = ?"
LEAVE = "UPDATE agent SET gone = ?, waiting = 0, lost = ?, version = ? WHERE id = ? AND gone < 2"
DISMISS = "UPDATE agent SET leaving = 1, version = ? WHERE id = ? AND gone < 2 AND leaving = 0"
SWEEP_OF_AGENT = "SELECT sweep FROM agent WHERE id = ?"
ALLOWANCE = """SELECT agent.leaving, agent.crew, allowance FROM agent
    LEFT JOIN crew ON crew.id = agent.crew AND crew.sweep = agent.sweep AND crew.id <> '' WHERE agent.id = ?"""
ALLOW = """INSERT INTO crew (id, sweep, allowance) VALUES (?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET allowance = excluded.allowance WHERE crew.sweep = excluded.sweep"""
ALLOW_ALL = "DELETE FROM crew WHERE id = ? AND sweep = ?"
SPEND = "UPDATE crew SET allowance = allowance - 1 WHERE id = ?"
REFUND = """UPDATE crew SET allowance = allowance + 1
    WHERE (id, sweep) = (SELECT crew, sweep FROM agent WHERE id = ?) AND allowance >= 0"""

KEEP_TOKEN = """INSERT INTO token (digest, sweep_id, scope, created_at, expires_at, label) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (digest) DO NOTHING"""
TOKENS = "SELECT digest, sweep_id, scope, created_at, expires_at, label FROM token "
TOKEN = TOKENS + "WHERE digest = ?"
ALL_TOKENS = TOKENS + "ORDER BY created_at DESC, digest"
REVOKE = "DELETE FROM token WHERE digest = ?"

ADD_METRICS = "INSERT INTO metrics (names) VALUES (?) ON CONFLICT (names) DO NOTHING"
METRICS_ID = "SELECT id FROM metrics WHERE names = ?"
METRICS_AFTER = "SELECT id, names FROM metrics WHERE id > ?"
ADD_CHUNK = """INSERT INTO chunk (id, run_id, attempt, metrics, first_step, n, steps, vals, records)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"""
CHUNKS_BETWEEN = """SELECT id, run_id, attempt, metrics, first_step, n, steps, vals FROM chunk
    WHERE id > ? AND id <= ? ORDER BY id"""
CHUNK_AFTER_BYTES = """SELECT id FROM (SELECT id, SUM(LENGTH(vals)) OVER (ORDER BY id) AS size FROM chunk
    WHERE id > ? AND id <= ?) AS sized WHERE size >= ? ORDER BY id LIMIT 1"""
CHUNKS_OF_RUN = """SELECT metrics, first_step, n, steps, vals FROM chunk
    WHERE run_id = ? AND attempt = ? ORDER BY id"""
RECORDS_OF_RUN = """SELECT records FROM chunk WHERE run_id = ? AND attempt = ? AND records IS NOT NULL ORDER BY id"""
DROP_CHUNKS = "DELETE FROM chunk WHERE run_id = ?"

REMEMBER = "INSERT INTO memory (key, content) VALUES (?, ?) ON CONFLICT (key) DO NOTHING"
RECALL = "SELECT content FROM memory WHERE key = ?"
