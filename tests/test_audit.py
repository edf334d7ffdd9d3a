"""What the code never does, read from the code: a rule here holds for every line of the package, also for those to come.

Each rule is a function from source text to the places that break it; exceptions stand in an allow list beside it, which may
hold nothing that is no longer there.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "sweepwidget"
FRONT = ROOT / "js"

Rule = Callable[[ast.AST], str]
"""What is wrong with a node; '' if nothing is."""


@functools.cache
def trees() -> list[tuple[str, ast.Module]]:
    """Every file of the package, read once."""
    paths = sorted(PACKAGE.rglob("*.py"))
    return [(path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text("utf-8"))) for path in paths]


def places(tree: ast.Module, rule: Rule) -> Iterator[tuple[str, str]]:
    """(function, what is wrong) wherever a rule is broken."""

    def look(node: ast.AST, where: str) -> Iterator[tuple[str, str]]:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            where = f"{where}.{node.name}" if where else node.name
        if wrong := rule(node):
            yield where, wrong
        for child in ast.iter_child_nodes(node):
            yield from look(child, where)

    return look(tree, "")


def found(rule: Rule) -> set[tuple[str, str, str]]:
    return {(file, where, wrong) for file, tree in trees() for where, wrong in places(tree, rule)}


def name_of(node: ast.AST) -> str:
    """`pickle.loads` of what stands before the parenthesis."""
    return ast.unparse(node) if isinstance(node, (ast.Name, ast.Attribute)) else ""


# -- nothing that came from elsewhere is run ----------------------------------------------------------------------------

LOADERS = re.compile(
    r"^_?(c?pickle|cloudpickle|dill|marshal|shelve|joblib|jsonpickle|torch)\.(loads?|open|Unpickler|_Unpickler)$"
    r"|(^|\.)Unpickler$|(^|\.)read_pickle$|^yaml\.(unsafe_|full_)?load(_all)?$|^(np|numpy)\.load$"
)


def unpickles(node: ast.AST) -> str:
    if isinstance(node, ast.ImportFrom) and node.module in ("pickle", "cloudpickle", "marshal", "shelve", "dill"):
        return f"from {node.module} import"
    name = name_of(node)
    return name if LOADERS.search(name) else ""


MAY_UNPICKLE = {
    # What the user's own executor or kernel carried to the user's own process.
    ("backends/shipping.py", "unpack", "pickle.loads"),
    ("trials/kernelchild.py", "obey", "pickle.loads"),
    # A SafeLoader.
    ("sources.py", "_parse", "yaml.load"),
}


def test_nothing_is_unpickled_but_what_the_users_own_executor_carried():
    """No file of a store, no message of a hub, no notebook: no path from there leads to a pickle."""
    assert MAY_UNPICKLE == found(unpickles)


def test_who_unpickles_is_not_reached_from_store_hub_and_wire():
    """Stores, the hub and the wire import neither pickle nor what unpickles."""
    low = ("store/", "hub/", "wire.py", "message.py", "model.py", "columns.py", "links.py", "rows.py", "media/")
    forbidden = {"pickle", "cloudpickle", "marshal", "shelve", "shipping", "kernelchild"}
    assert [] == [
        (file, name)
        for file, tree in trees()
        if file.startswith(low)
        for node in ast.walk(tree)
        for name in imported(node)
        if forbidden & set(name.split("."))
    ]


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [f"{node.module or ''}.{alias.name}" for alias in node.names]
    return []


def test_the_loader_of_sweep_files_makes_plain_values_only():
    """`!!python/object` and its kin are errors, whatever the loader is called."""
    import yaml

    from sweepwidget import sources

    assert issubclass(sources._loader(), yaml.SafeLoader)
    assert not any("python" in str(tag) for tag in sources._loader().yaml_constructors)


def runs_text(node: ast.AST) -> str:
    if not isinstance(node, ast.Call):
        return ""
    name = name_of(node.func)
    if name in ("eval", "exec", "compile", "__import__", "os.system", "os.popen", "builtins.eval", "builtins.exec"):
        return name
    if any(keyword.arg == "shell" and ast.unparse(keyword.value) != "False" for keyword in node.keywords):
        return f"{name}(shell=…)"
    return ""


def test_no_text_is_run_as_code():
    """No eval, no exec, no shell: a name or a value cannot become an order."""
    assert set() == found(runs_text)


def trusts_strangers(node: ast.AST) -> str:
    if (
        isinstance(node, ast.keyword)
        and node.arg in ("verify", "check_hostname")
        and ast.unparse(node.value) == "False"
    ):
        return f"{node.arg}=False"
    name = name_of(node)
    return name if re.search(r"_create_unverified|CERT_NONE|tempfile\.mktemp$", name) else ""


def test_certificates_are_always_checked():
    """No call turns the checks of TLS off, and no temporary name is guessed."""
    assert set() == found(trusts_strangers)


# -- SQL ----------------------------------------------------------------------------------------------------------------


def puts_sql_together(node: ast.AST) -> str:
    """What is executed is a constant, a name of statements.py, or one of them translated to another dialect."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return ""
    if (
        node.func.attr not in ("execute", "executemany", "executescript", "exec_", "send_query", "copy")
        or not node.args
    ):
        return ""
    statement = node.args[0]
    while (
        isinstance(statement, ast.Call) and name_of(statement.func) in ("translated", "_in_dialect") and statement.args
    ):
        statement = statement.args[0]
    if isinstance(statement, ast.Constant):
        return ""
    if isinstance(statement, ast.Attribute) and isinstance(statement.value, ast.Name) and statement.value.id == "sql":
        return ""
    return ast.unparse(statement)


MAY_PUT_TOGETHER = {
    # Column names from the table `_EDITABLE`, never a caller's.
    ("store/sql.py", "SqlStore.update_run", "sql.UPDATE_RUN.format(columns)"),
    # Statements of MIGRATIONS, one after another; constants of the class; what `execute` was given.
    ("store/sqlite.py", "SqliteStore._migrate", "statement"),
    ("store/postgres_schema.py", "_migrate", "statement"),
    ("store/sqlite.py", "_Transaction.__exit__", "'COMMIT' if done else 'ROLLBACK'"),
    ("store/postgres_transaction.py", "PipelinedTransaction._queue", "query"),
    # Numbers of our own, and NORMAL or FULL.
    ("store/sqlite.py", "SqliteStore._migrate", "f'PRAGMA application_id = {APPLICATION_ID}'"),
    ("store/sqlite.py", "SqliteStore._migrate", "f'PRAGMA user_version = {len(sql.MIGRATIONS)}'"),
    ("store/sqlite.py", "SqliteStore._open_to_write", "f'PRAGMA page_size = {_PAGE}'"),
    ("store/sqlite.py", "SqliteStore._open_to_write", "f'PRAGMA synchronous = {self._synchronous}'"),
    ("store/sqlite.py", "SqliteStore._open_to_write", "f'PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES * (1 if self._steers else 2)}'"),
    ("store/sqlite.py", "SqliteStore._wait_at_most", "f'PRAGMA busy_timeout = {self._wait_ms}'"),
    ("store/sqlite.py", "SqliteStore._steers_now", "f'PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}'"),
    # The schema of a store's URL: postgres_address.py lets letters, digits and '_' through.
    ("store/postgres_schema.py", "_make", "f'CREATE SCHEMA \"{schema}\"'.encode()"),
    ("store/postgres.py", "PostgresStore._open", "f'LISTEN \"{self._channel}\"'.encode()"),
}  # fmt: skip


def test_no_statement_is_built_from_a_name():
    """Names and values are parameters, always."""
    executed = {one for one in found(puts_sql_together) if one[0].startswith("store/")}
    assert MAY_PUT_TOGETHER == executed


def test_statements_hold_no_values():
    """statements.py puts only its own constants into its texts."""
    tree = ast.parse((PACKAGE / "store/statements.py").read_text("utf-8"))
    put = {
        ast.unparse(part.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in node.values
        if isinstance(part, ast.FormattedValue)
    }
    assert {"RUN_COLUMNS", "SWEEP_COLUMNS", "AGENT_COLUMNS", "', '.join('?' * (RUN_COLUMNS.count(',') + 2))"} == put


# -- secrets ------------------------------------------------------------------------------------------------------------

SECRET = re.compile(r"(^|[._])(secret|token|digest|password)$")


def compares_a_secret(node: ast.AST) -> str:
    if not isinstance(node, ast.Compare):
        return ""
    equality = [
        (left, right)
        for left, op, right in zip([node.left, *node.comparators], node.ops, node.comparators, strict=False)
        if isinstance(op, (ast.Eq, ast.NotEq))
    ]
    return next((ast.unparse(node) for pair in equality if any(SECRET.search(name_of(one)) for one in pair)), "")


def test_secrets_are_compared_in_constant_time_only():
    """No `==` on a token or a digest anywhere; `hmac.compare_digest` is the one comparison, of digests."""
    # What an artifact's files hold is no secret.
    contents = ("media/artifact.py", "_publish", "_digest(versions / f'v{numbers[-1]}') == digest")
    assert {contents} == found(compares_a_secret)
    compared = found(lambda node: name_of(node) if name_of(node).endswith("compare_digest") else "")
    assert {("hub/tokens.py", "find", "hmac.compare_digest")} == compared


def draws_lots(node: ast.AST) -> str:
    return " ".join(name for name in imported(node) if name.split(".")[0] in ("random", "uuid"))


def test_tokens_and_ids_come_from_secrets():
    """Where keys are made nothing else is random."""
    drawing = {
        file for file, _, _ in found(draws_lots) if file.startswith(("hub/", "store/", "links.py", "sharing.py"))
    }
    assert set() == drawing


# -- what is the user's ---------------------------------------------------------------------------------------------------


def draws_the_users_numbers(node: ast.AST) -> str:
    """`random.uniform()` and `np.random.rand()` take from, or seed, the generators that everybody shares."""
    name = name_of(node.func) if isinstance(node, ast.Call) else ""
    return name if re.match(r"((np|numpy)\.)?random\.(?!default_rng$)[a-z_]+$", name) else ""


def test_the_shared_random_generators_are_the_users():
    """Whoever seeds them for a training gets the numbers that follow, whatever goes on beside it."""
    assert set() == found(draws_the_users_numbers)


# -- the browser --------------------------------------------------------------------------------------------------------

MARKUP = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|dangerouslySetInnerHTML|document\.write|createContextualFragment"
    r"|\beval\s*\(|new Function|setTimeout\(\s*['\"`]|srcdoc|javascript:"
)


def test_the_dashboard_shows_text_as_text():
    """No source of the front end parses markup or runs text."""
    sources = [path for path in (FRONT / "src").rglob("*") if path.suffix in (".ts", ".tsx")]
    assert sources
    broken = {
        (path.relative_to(FRONT).as_posix(), line.strip())
        for path in sources
        for line in path.read_text("utf-8").splitlines()
        if MARKUP.search(line)
    }
    assert set() == broken


# -- the rules see what they are for --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        (unpickles, "def f(x):\n    return pickle.load(x)"),
        (unpickles, "from pickle import loads"),
        (unpickles, "class U(pickle.Unpickler): pass"),
        (unpickles, "np.load(path, allow_pickle=True)"),
        (unpickles, "torch.load(path)"),
        (runs_text, "eval(text)"),
        (runs_text, "subprocess.run(line, shell=True)"),
        (trusts_strangers, "httpx.Client(verify=False)"),
        (trusts_strangers, "context.verify_mode = ssl.CERT_NONE"),
        (puts_sql_together, "tx.execute(f'SELECT {name}')"),
        (puts_sql_together, "tx.execute('SELECT ' + name)"),
        (puts_sql_together, "tx.execute(text, (1,))"),
        (puts_sql_together, "tx.execute(translated(f'DROP {table}', schema))"),
        (compares_a_secret, "token.digest == other"),
        (compares_a_secret, "if given != self.secret: pass"),
        (draws_lots, "import random"),
        (draws_the_users_numbers, "time.sleep(random.uniform(0.5, 1.0))"),
        (draws_the_users_numbers, "np.random.seed(0)"),
    ],
)
def test_a_rule_finds_what_breaks_it(rule, code):
    """Each rule, on the code it is there against."""
    assert list(places(ast.parse(code), rule))
