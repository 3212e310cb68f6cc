"""The published list of attacks: each refused with a clear exception and without effect.

And what merely looks like one: it runs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.sqlhttp.engine import Engine, Question
from streams.sqlhttp.errors import SqlError
from streams.sqlhttp.settings import Limits
from streams.storage.chdb_store import ChdbStore
from streams.storage.migrations import migrate

EVENTS = 300

#: What must never come back: the content of a file beside the store.
SECRET = "correct horse battery staple"

#: SQL -> what the refusal says. {secret} is a file that exists, {out} one that must not come to be.
ATTACKS = {
    # statements that write, or govern the engine
    "INSERT INTO events (event_id) VALUES ('x')": "only reading",
    "INSERT INTO FUNCTION file('{out}', 'CSV', 'a String') SELECT 'x'": "only reading",
    "DROP TABLE events": "only reading",
    "TRUNCATE TABLE events": "only reading",
    "ALTER TABLE events DELETE WHERE 1": "only reading",
    "DELETE FROM events WHERE 1": "only reading",
    "UPDATE events SET org_id = 'x' WHERE 1": "only reading",
    "OPTIMIZE TABLE events FINAL": "only reading",
    "CREATE TABLE t2 (a UInt8) ENGINE = Memory": "only reading",
    "CREATE TEMPORARY TABLE t2 (a UInt8)": "only reading",
    "CREATE VIEW v AS SELECT file('{secret}')": "only reading",
    "CREATE FUNCTION f AS (x) -> file(x)": "only reading",
    "CREATE DICTIONARY d (a UInt64) PRIMARY KEY a SOURCE(FILE(path '{secret}' format 'TSV')) "
    "LAYOUT(FLAT()) LIFETIME(0)": "only reading",
    "ATTACH TABLE t2 (a UInt8) ENGINE = Memory": "only reading",
    "DETACH TABLE events": "only reading",
    "RENAME TABLE events TO gone": "only reading",
    "EXCHANGE TABLES events AND findings": "only reading",
    "SET readonly = 0": "only reading",
    "USE system": "only reading",
    "SYSTEM SHUTDOWN": "only reading",
    "SYSTEM STOP MERGES": "only reading",
    "KILL QUERY WHERE 1": "only reading",
    "BACKUP TABLE events TO File('{out}')": "only reading",
    "RESTORE TABLE events FROM File('{out}')": "only reading",
    "GRANT ALL ON *.* TO default": "only reading",
    "VALUES (1)": "only reading",
    "exit": "only reading",
    # several statements, and a second one in disguise
    "SELECT 1; DROP TABLE events": "one statement",
    "SELECT 1;;SYSTEM SHUTDOWN": "one statement",
    "SELECT 1 PARALLEL WITH SELECT 2": "ParallelWithQuery",
    "SELECT 1 PARALLEL WITH TRUNCATE TABLE events": "ParallelWithQuery",
    # files
    "SELECT file('{secret}')": "file",
    "SELECT FILE('{secret}')": "FILE",
    "SELECT `file`('{secret}')": "file",
    "SELECT \"fi\\x6ce\"('{secret}')": "reaches outside",
    "SELECT fi/* x */le('{secret}')": "",
    "SELECT file /* x */ ('{secret}')": "file",
    "SELECT file\n--\n('{secret}')": "file",
    "SELECT * FROM file('{secret}', 'LineAsString')": "file",
    "SELECT * FROM fileCluster('default', '{secret}', 'LineAsString')": "fileCluster",
    "SELECT * FROM filesystem('/etc')": "filesystem",
    "WITH file('{secret}') AS f SELECT f": "file",
    "WITH c AS (SELECT * FROM file('{secret}', 'LineAsString')) SELECT * FROM c": "file",
    "SELECT (SELECT * FROM file('{secret}', 'LineAsString'))": "file",
    "SELECT 1 WHERE '{secret}' IN (SELECT line FROM file('{secret}', 'LineAsString'))": "file",
    "SELECT arrayMap(x -> file(x), ['{secret}'])": "file",
    "SELECT * APPLY(file) FROM (SELECT '{secret}' AS a)": "APPLY file",
    "SELECT * APPLY(x -> file(x)) FROM (SELECT '{secret}' AS a)": "file",
    "SELECT * APPLY(x -> x IN system.processes) FROM (SELECT 1 AS a)": "APPLY",
    "SELECT * APPLY(x -> (SELECT count() FROM system.processes)) FROM (SELECT 1 AS a)": "APPLY",
    "SELECT * APPLY(quantiles((SELECT max(elapsed) FROM system.processes))) FROM "
    "(SELECT 1 AS a)": "APPLY",
    "SELECT COLUMNS('a') REPLACE (file('{secret}') AS a) FROM (SELECT 1 AS a)": "file",
    "SELECT sum(1) OVER (PARTITION BY file('{secret}'))": "file",
    "SELECT 1 ORDER BY file('{secret}')": "file",
    "SELECT 1 AS a ORDER BY a WITH FILL INTERPOLATE (a AS file('{secret}'))": "file",
    "SELECT 1 LIMIT length(file('{secret}'))": "file",
    "SHOW TABLES WHERE name = file('{secret}')": "file",
    "SHOW TABLES WHERE (SELECT throwIf(1))": "plain forms",
    "DESCRIBE TABLE file('{secret}', 'LineAsString')": "file",
    "EXPLAIN SYNTAX SELECT file('{secret}')": "file",
    "EXPLAIN SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')": "url",
    "SELECT * FROM (EXPLAIN AST SELECT 1)": "viewExplain",
    "SELECT * FROM view(SELECT 1)": "view",
    "SELECT * FROM values('a String', file('{secret}'))": "file",
    "SELECT * FROM numbers(length(file('{secret}')))": "file",
    "SELECT * FROM format('CSV', 'a')": "format",
    "SELECT formatRow('Template', 1)": "formatRow",
    "SELECT 1 FORMAT Template": "Unknown format",
    "SELECT 1 FORMAT Protobuf SETTINGS format_schema = '{secret}:x'": "format_schema",
    "SELECT catboostEvaluate('{secret}', 1)": "catboostEvaluate",
    "SELECT naiveBayesClassifier('x', 'y')": "naiveBayesClassifier",
    # writing
    "SELECT 1 INTO OUTFILE '{out}'": "OUTFILE",
    "SELECT 1 into/**/outfile '{out}' FORMAT CSV": "OUTFILE",
    "SELECT 1 INTO OUTFILE '{out}' TRUNCATE AND STDOUT": "OUTFILE",
    "EXPLAIN SELECT 1 INTO OUTFILE '{out}'": "OUTFILE",
    "SHOW TABLES INTO OUTFILE '{out}'": "OUTFILE",
    "(SELECT 1) UNION ALL (SELECT 2) INTO OUTFILE '{out}'": "OUTFILE",
    # the network, other engines, processes
    "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')": "url",
    "SELECT * FROM s3('http://127.0.0.1:1/b/k', 'CSV', 'a String')": "s3",
    "SELECT * FROM remote('127.0.0.1:1', system.one)": "remote",
    "SELECT * FROM remoteSecure('127.0.0.1:1', system.one)": "remoteSecure",
    "SELECT * FROM cluster('default', system.one)": "cluster",
    "SELECT * FROM clusterAllReplicas('default', system.one)": "clusterAllReplicas",
    "SELECT * FROM mysql('127.0.0.1:1', 'd', 't', 'u', 'p')": "mysql",
    "SELECT * FROM postgresql('127.0.0.1:1', 'd', 't', 'u', 'p')": "postgresql",
    "SELECT * FROM sqlite('{secret}', 't')": "sqlite",
    "SELECT * FROM mongodb('127.0.0.1:1', 'd', 'c', 'u', 'p', 'a String')": "mongodb",
    "SELECT * FROM redis('127.0.0.1:1', 'k', 'k String')": "redis",
    "SELECT * FROM jdbc('x', 't')": "jdbc",
    "SELECT * FROM odbc('x', 't')": "odbc",
    "SELECT * FROM hdfs('hdfs://127.0.0.1:1/', 'CSV', 'a String')": "hdfs",
    "SELECT * FROM azureBlobStorage('x', 'c', 'b', 'CSV')": "azureBlobStorage",
    "SELECT * FROM deltaLakeLocal('/tmp')": "deltaLakeLocal",
    "SELECT * FROM icebergLocal('/tmp')": "icebergLocal",
    "SELECT * FROM bigquery('p', 'd', 't')": "bigquery",
    "SELECT * FROM arrowFlight('127.0.0.1:1', 'x')": "arrowFlight",
    "SELECT * FROM executable('id', 'TSV', 'a String')": "executable",
    "SELECT * FROM Python(os)": "Python",
    "SELECT * FROM python('os')": "python",
    "SELECT * FROM eval('1')": "eval",
    "SELECT AIGenerate('x')": "AIGenerate",
    "SELECT aiEmbed('c', 'x')": "aiEmbed",
    "SELECT getClientHTTPHeader('Authorization')": "getClientHTTPHeader",
    # around the lists: dictionaries, joins, merges, other tables
    "SELECT dictGet('d', 'a', 1)": "dictGet",
    "SELECT * FROM dictionary('d')": "dictionary",
    "SELECT joinGet('t', 'a', 1)": "joinGet",
    "SELECT * FROM merge('system', '.*')": "merge",
    "SELECT * FROM loop(system.processes)": "loop",
    "SELECT * FROM mergeTreeIndex('default', 'events')": "mergeTreeIndex",
    "SELECT * FROM system.processes": "system.processes",
    "SELECT * FROM `system`.`users`": "system.users",
    "SELECT * FROM system.query_log": "system.query_log",
    "SELECT * FROM system.server_settings": "system.server_settings",
    "SELECT * FROM system.named_collections": "system.named_collections",
    "SELECT * FROM system.dictionaries": "system.dictionaries",
    "SELECT * FROM system.numbers": "system.numbers",
    "SELECT 'x' IN system.processes": "system.processes",
    "SELECT 'x' NOT IN (system.processes)": "system.processes",
    "SELECT * FROM events JOIN system.processes AS p ON 1": "system.processes",
    "SHOW CREATE TABLE system.processes": "system.processes",
    "DESCRIBE TABLE system.processes": "system.processes",
    "SHOW PROCESSLIST": "plain forms",
    "SHOW GRANTS": "plain forms",
    "SHOW ACCESS": "plain forms",
    # settings
    "SELECT 1 SETTINGS readonly = 0": "readonly",
    "SELECT 1 SETTINGS max_memory_usage = 0": "at most",
    "SELECT 1 SETTINGS max_execution_time = 100000": "at most",
    "SELECT 1 SETTINGS allow_introspection_functions = 1": "allow_introspection_functions",
    "SELECT 1 SETTINGS allow_experimental_analyzer = 0": "allow_experimental_analyzer",
    "SELECT * FROM (SELECT 1 SETTINGS max_threads = 64)": "at most",
    "SELECT 1 SETTINGS output_format_schema = '{out}', format_schema = 'x'": "output_format_schema",
    "SELECT 1 SETTINGS log_comment = 'unkillable'": "log_comment",
    "SELECT 1 SETTINGS additional_result_filter = 'file(1)'": "additional_result_filter",
    "SELECT 1 SETTINGS max_threads = 1, max_threads = 2": "",
    # the process, waiting, states out of text, names that feign
    "SELECT sleep(3)": "sleep",
    "SELECT sleepEachRow(1) FROM numbers(10)": "sleepEachRow",
    "SELECT addressToSymbol(1)": "addressToSymbol",
    "SELECT getServerSetting('max_connections')": "getServerSetting",
    "SELECT __getScalar('x')": "__getScalar",
    "SELECT flameGraph(1)": "flameGraph",
    "SELECT finalizeAggregation(CAST('x', 'AggregateFunction(sum, UInt8)'))": "finalizeAggregation",
    "SELECT CAST('x', 'AggregateFunction(sum, UInt8)')": "states of aggregate",
    "SELECT CAST('x', concat('Aggregate', 'Function(sum, UInt8)'))": "type must be written",
    "SELECT 1 AS `a\n Function file`": "escape",
    "SELECT arrayLevenshteinDistance(range(1000000), range(1000000))": "arrayLevenshteinDistance",
    "SELECT ‘'’, file('{secret}')": "plain quotes",
    "SELECT @@version": "globalVariable",
    "SELECT 1\0": "zero byte",
    "": "nothing to run",
    "/* nothing */ ;": "nothing to run",
}

#: Beyond the limits rather than refused.
TOO_MUCH = {
    "SELECT sum(cityHash64(number)) FROM numbers(1000000000000)": 159,
    "SELECT count() FROM numbers(10000000000) AS a, numbers(10000000000) AS b": 0,
    "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT count() FROM r": 306,
    "SELECT groupArray(number) FROM numbers(1000000000)": 0,
    "SELECT repeat('x', 1000000) FROM numbers(1000000)": 0,
    "SELECT range(100000000000)": 0,
    "SELECT number FROM numbers(100000000)": 396,
    "SELECT " + "(" * 3000 + "1" + ")" * 3000: 0,
    "SELECT " + "-" * 1 + "+".join(["1"] * 60000): 0,
}

INNOCENT = [
    "SELECT 'DROP TABLE events; INTO OUTFILE'",
    "SELECT 'file(''/etc/passwd'')' -- file('/etc/passwd')",
    "SELECT 1 /* SYSTEM SHUTDOWN */",
    "SELECT $t$ it's file('x') $t$",
    "SELECT file, url, s3, outfile FROM (SELECT 1 AS file, 2 AS url, 3 AS s3, 4 AS outfile)",
    "SELECT `into`, `outfile`, `settings` FROM (SELECT 1 AS `into`, 2 AS outfile, 3 AS settings)",
    "SELECT count() FROM events WHERE user_agent LIKE '%executable(%'",
    "SELECT account_id, count() AS file FROM events GROUP BY account_id ORDER BY file DESC LIMIT 3",
    "SELECT count() FROM default.events FINAL",
    "SELECT toStartOfInterval(ts, INTERVAL 1 minute) AS t, countIf(status >= 400) FROM events "
    "GROUP BY t ORDER BY t WITH FILL STEP 60",
    "WITH busy AS (SELECT account_id FROM events GROUP BY 1 HAVING count() > 3) "
    "SELECT count() FROM events WHERE account_id IN (SELECT account_id FROM busy)",
    "WITH busy AS (SELECT account_id FROM events) SELECT 'a1' IN busy",
    "SELECT * EXCEPT (event_id) FROM events LIMIT 1",
    "SELECT COLUMNS('tokens') APPLY(max) FROM events",
    "SELECT quantiles(0.5, 0.9)(latency_ms), uniqExactIf(account_id, status = 200), "
    "sumOrNullIf(status, 0) FROM events",
    "SELECT row_number() OVER (PARTITION BY account_id ORDER BY ts) FROM events LIMIT 2",
    "SELECT arrayMap(x -> (x + 1) * 2, [1, 2]), (SELECT max(ts) FROM events) IS NULL",
    "SELECT CASE WHEN 1 THEN 'a' ELSE 'b' END, 1 BETWEEN 0 AND 2, NOT (1 = 2), 1 IN (1, 2)",
    "SELECT CAST('1' AS UInt8), '2024-01-01'::Date, date '2024-01-01', interval 1 day, now() - 5",
    "SELECT a.account_id FROM events AS a INNER JOIN (SELECT 'a1' AS account_id) AS b "
    "USING (account_id)",
    "SELECT count() FROM events GROUP BY GROUPING SETS ((account_id), (status))",
    "SELECT status, account_id, count() FROM events GROUP BY ROLLUP(status, account_id)",
    "SELECT 1 UNION DISTINCT (SELECT 2 INTERSECT SELECT 2) EXCEPT SELECT 3",
    "SELECT sum(number) FROM numbers(10)",
    "SELECT * FROM values('a UInt8, b String', (1, 'x'), (2, 'y'))",
    "SELECT DISTINCT account_id FROM events SETTINGS max_execution_time=1",
    "SELECT 1 SETTINGS join_use_nulls = 1, output_format_json_quote_64bit_integers = 1",
    "SELECT name, type FROM system.columns WHERE database = 'default' AND table = 'events'",
    "SELECT database, name FROM system.tables ORDER BY database, name",
    "SELECT table_name FROM information_schema.tables LIMIT 1",
    "SELECT name, value, readonly FROM system.settings LIMIT 10000",
    "SELECT displayName(), version(), revision(), timezone()",
    "SELECT mapKeys(moderation) FROM events ARRAY JOIN [1, 2] AS z LIMIT 1",
    "SELECT exists(SELECT 1), tuple(1, 'a').1, [1, 2][1], map('a', 1)['a']",
    "SELECT extract('a1' , '[0-9]'), extract(YEAR FROM now()), trim(BOTH ' ' FROM ' a ')",
    "SELECT if(1, 2, 3), multiIf(1, 2, 3), position('b' IN 'abc'), substring('abc' FROM 2)",
    "SHOW TABLES",
    "SHOW DATABASES",
    "SHOW TABLES FROM default LIKE '%e%'",
    'SHOW TABLES FROM "default"',
    "SHOW CREATE TABLE events",
    'DESC TABLE "default"."events"',
    "EXISTS TABLE events",
    "EXPLAIN SELECT count() FROM events WHERE account_id = 'a1'",
    "EXPLAIN PIPELINE graph = 1 SELECT 1",
    "(SELECT 1) UNION ALL (SELECT 2)",
    "SELECT 1 FORMAT JSON;",
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("attacks")


@pytest.fixture(scope="module")
def store(place: Path) -> Iterator[ChdbStore]:
    store = ChdbStore(place / "data")
    migrate(store)
    store.command(
        "INSERT INTO events (event_id, account_id, ts, arrived_at, status) "
        "SELECT toString(number), concat('a', toString(number % 3)), now64(3), now64(3), 200 "
        f"FROM numbers({EVENTS})"
    )
    (place / "secret").write_text(SECRET + "\n")
    yield store
    store.close()


@pytest.fixture(scope="module")
def engine(store: ChdbStore) -> Iterator[Engine]:
    engine = Engine(store.directory, Limits(seconds=1.5, memory=2**28, rows=100_000, bytes=2**24))
    yield engine
    engine.close()


def state(store: ChdbStore, place: Path) -> tuple[object, ...]:
    tables = store.query("SELECT name, total_rows FROM system.tables WHERE database = 'default'")
    files = sorted(name for name in os.listdir(place) if name != "data")
    functions = store.query("SELECT count() AS n FROM system.functions WHERE origin != 'System'")
    return (sorted(map(str, tables.to_pylist())), files, functions["n"][0].as_py())


def test_the_list_is_long() -> None:
    assert len(ATTACKS) > 120


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_refused_without_effect(
    engine: Engine, store: ChdbStore, place: Path, attack: str
) -> None:
    names = {"{secret}": str(place / "secret"), "{out}": str(place / "out")}
    sql = attack
    for name, value in names.items():
        sql = sql.replace(name, value)
    before = state(store, place)
    with pytest.raises(SqlError) as refusal:
        engine.answer(Question(sql))
    assert ATTACKS[attack] in str(refusal.value)
    assert SECRET not in str(refusal.value)
    assert refusal.value.code in (497, 164, 62, 73)
    assert state(store, place) == before


@pytest.mark.parametrize("sql", TOO_MUCH, ids=lambda sql: sql[:60])
def test_what_is_too_much_ends_within_the_limits(engine: Engine, sql: str) -> None:
    with pytest.raises(SqlError) as refusal:
        engine.answer(Question(sql))
    assert TOO_MUCH[sql] in (0, refusal.value.code)
    assert refusal.value.code != 1001


@pytest.mark.parametrize("sql", INNOCENT)
def test_what_only_looks_like_an_attack_runs(engine: Engine, sql: str) -> None:
    engine.answer(Question(sql))


def test_a_parameter_cannot_smuggle_a_table_or_a_statement(engine: Engine) -> None:
    for name in ("system.processes", "`system`.`processes`"):
        with pytest.raises(SqlError):
            engine.answer(Question("SELECT * FROM {t:Identifier}", parameters={"t": name}))
    text = Question("SELECT {x:String}", parameters={"x": "'); DROP TABLE events --"})
    assert engine.answer(text).body == b"\\'); DROP TABLE events --\n"
    assert engine.answer(Question("SELECT count() FROM events")).body == f"{EVENTS}\n".encode()


def test_settings_of_a_request_are_held_to_the_caps(engine: Engine) -> None:
    asked = {"max_execution_time": "600", "max_threads": "0", "readonly": "2", "limit": "2"}
    sql = "SELECT getSetting('max_execution_time'), getSetting('max_threads') FROM numbers(9)"
    assert engine.answer(Question(sql, settings=asked)).body == b"1.5\t2\n" * 2
    for name, value in {
        "readonly": "0",
        "allow_ddl": "1",
        "max_threads": "1, readonly = 0",
        "session_timezone": "UTC', readonly = '0",
        "additional_table_filters": "{'events': '1'}",
        "nonsense": "1",
    }.items():
        with pytest.raises(SqlError):
            engine.answer(Question("SELECT 1", settings={name: value}))
