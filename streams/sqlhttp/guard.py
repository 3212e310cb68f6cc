"""What an analyst's SQL may do over HTTP: a closed list, checked on the engine's own parse.

`readonly = 1` alone lets a SELECT read files and call models, and INTO OUTFILE, KILL and SYSTEM lie
outside it. Here nothing passes that is not on a list: statements, kinds of nodes in the tree,
functions, table functions, tables of `system`, formats, settings. A query is looked at three times:
by `streams.storage.readonly` (tokens of the text), by its canonical text, and by its tree; what one
of them cannot see another does (the tree hides what stands in APPLY and in SHOW ... WHERE).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from streams.errors import UsageError
from streams.sqlhttp.errors import SqlError
from streams.sqlhttp.functions import AGGREGATES, COMBINATORS, FUNCTIONS, names
from streams.sqlhttp.parse import Node, Token, clauses, tokens, tree
from streams.sqlhttp.settings import LIMITS, Limits, clause
from streams.storage.readonly import read_only

__all__ = ["DATABASE", "FORMATS", "Checked", "Draft", "check", "draft", "formatted"]

DATABASE = "default"
TABLE_FUNCTIONS = names("numbers numbers_mt zeros zeros_mt generate_series generateseries values")
#: Tables of `system` that tell about the engine and the schema, not about queries or the machine.
SYSTEM = names(
    "one databases tables columns functions settings data_type_families formats time_zones "
    "table_functions table_engines aggregate_function_combinators build_options"
)
FORMATS = names(
    "TabSeparated TabSeparatedRaw TabSeparatedWithNames TabSeparatedWithNamesAndTypes TSV TSVRaw "
    "TSVWithNames TSVWithNamesAndTypes TSKV CSV CSVWithNames CSVWithNamesAndTypes JSON JSONStrings "
    "JSONColumns JSONColumnsWithMetadata JSONCompact JSONCompactStrings JSONCompactColumns "
    "JSONEachRow JSONStringsEachRow JSONCompactEachRow JSONCompactEachRowWithNames "
    "JSONCompactEachRowWithNamesAndTypes JSONCompactStringsEachRow JSONObjectEachRow JSONLines "
    "JSONEachRowWithProgress NDJSON Pretty PrettyNoEscapes PrettyCompact PrettyCompactNoEscapes "
    "PrettyCompactMonoBlock PrettySpace Vertical Markdown XML Values SQLInsert Native RowBinary "
    "RowBinaryWithNames RowBinaryWithNamesAndTypes Arrow ArrowStream Parquet ORC Avro MsgPack "
    "Null Prometheus Raw"
)

_SELECTS = frozenset(("SelectWithUnionQuery", "SelectIntersectExceptQuery", "SelectQuery"))
#: Kinds of nodes whose content shows in the tree or is no more than names and literals.
_KINDS = _SELECTS | names(
    "ExpressionList Identifier TableIdentifier Function Literal Asterisk QualifiedAsterisk "
    "ColumnsRegexpMatcher ColumnsListMatcher QualifiedColumnsRegexpMatcher "
    "QualifiedColumnsListMatcher ColumnsTransformerList ColumnsExceptTransformer "
    "ColumnsReplaceTransformer ColumnsReplaceTransformer::Replacement ColumnsApplyTransformer "
    "TablesInSelectQuery TablesInSelectQueryElement TableExpression TableJoin ArrayJoin Subquery "
    "WithElement OrderByElement InterpolateElement WindowDefinition WindowListElement SampleRatio "
    "Set"
)
_EXPLAINS = frozenset(("", " AST", " SYNTAX", " QUERY TREE", " PLAN", " PIPELINE", " ESTIMATE"))
_NAME = r"(?:`[\w $.@-]+`|\w+)"
_LIKE = r"(?: (?:NOT )?I?LIKE '(?:[^'\\]|\\.)*')?(?: LIMIT \d+)?"
_FORMAT = r"(?: FORMAT (?P<format>\w+))?"
#: SHOW and EXISTS hide their content in the tree; of their canonical text these forms pass.
_SHOWING = re.compile(
    r"(?:SHOW (?:DATABASES|(?:FULL )?TABLES|(?:EXTENDED )?(?:FULL )?COLUMNS)"
    rf"(?: FROM {_NAME}){{0,2}}{_LIKE}"
    rf"|(?:SHOW CREATE|EXISTS)(?: TABLE| VIEW)? (?P<table>{_NAME}(?:\.{_NAME})?)){_FORMAT}",
    re.DOTALL,
)
#: Words that canonical SQL writes before an opening parenthesis and that are no functions.
_WORDS = names(
    "ALL AND ANTI ANY ARRAY AS ASC BETWEEN BY COLUMNS CROSS CUBE DESC DESCRIBE DISTINCT ELSE "
    "EXCEPT EXISTS EXPLAIN FROM GLOBAL HAVING ILIKE IN INTERPOLATE INTERSECT INTERVAL IS JOIN LIKE "
    "LIMIT NOT OFFSET ON OR OVER PIPELINE PLAN PREWHERE QUALIFY REPLACE ROLLUP SELECT SETS SYNTAX "
    "TABLE TREE AST ESTIMATE THEN TO STEP UNION USING VALUES WHEN WHERE WITH FILTER STRICT"
)
_CASTS = names("cast _cast accuratecast accuratecastornull accuratecastordefault")
_INS = re.compile(r"(?:global)?(?:not)?(?:null)?in(?:ignoreset)?")
_CATALOGUES = ("system", "information_schema", "_temporary_and_external_tables")


@dataclass(frozen=True, slots=True)
class Draft:
    """A query that has passed the first two looks."""

    sql: str
    canonical: str
    tokens: list[Token]
    settings: dict[str, str]


@dataclass(slots=True)
class Checked:
    """A query that may run: its format (empty when it names none) and the tables it names."""

    sql: str
    format: str
    tables: set[str] = field(default_factory=set)


def draft(sql: str, canonical: Callable[[str], str], limits: Limits = LIMITS) -> Draft:
    """The first two looks at `sql`; `canonical` asks the engine and runs nothing.

    Raises:
        SqlError: it does not parse, or says what is not allowed.
    """
    if "\0" in sql:
        raise SqlError(62, "a zero byte in the query")
    try:
        text = read_only(sql)
    except UsageError as error:
        raise SqlError(497, str(error)) from None
    written = canonical(text)
    found = tokens(written)
    end = Token("other", "")
    for token, after, later in zip(found, [*found[1:], end], [*found[2:], end, end], strict=False):
        if token == Token("name", "INTO") and after.text == "OUTFILE":
            raise SqlError(497, "INTO OUTFILE is not allowed")
        called = after.text == "(" and token.kind in ("name", "quoted")
        if called and not (token.text in _WORDS or _known(token.text)):
            raise _refused_function(token.text)
        applied = token == Token("name", "APPLY")
        if applied and not (_known(after.text) and later.text not in ("(", "->", ".")):
            # The tree does not show what is applied: nothing but a plain function.
            raise SqlError(497, f"APPLY {after.text[:80]} is not allowed: a plain function is")
    settings: dict[str, str] = {}
    for one in clauses(found):
        if any(settings.get(name, value) != value for name, value in one.items()):
            raise SqlError(164, "SETTINGS: one value for each setting of a query")
        settings |= one
    return Draft(text, written, found, clause(settings, limits))


def check(query: Draft, lines: list[str]) -> Checked:
    """The third look, at the tree of `query` that the lines of EXPLAIN AST draw.

    Raises:
        SqlError: something in it is not on a list.
    """
    root = tree(lines)
    if root.kind.startswith(("Show", "Exists")):
        return _showing(query)
    checked = Checked(query.sql, "")
    if root.kind == "Explain":
        if root.rest.removeprefix("EXPLAIN") not in _EXPLAINS:
            raise SqlError(497, f"{root.rest} is not allowed")
        kinds = [child.kind for child in root.children]
        if [k for k in kinds if k not in ("Set", "Identifier")] != ["SelectWithUnionQuery"]:
            raise SqlError(497, "EXPLAIN of anything but a SELECT is not allowed")
    elif root.kind not in ("SelectWithUnionQuery", "DescribeQuery"):
        raise SqlError(497, f"{root.kind} is not allowed: only reading statements are")
    for child in root.children:
        if child.kind == "Identifier":
            checked.format = child.rest
        for node, parent in child.walk(root):
            _node(node, parent, checked)
    _counted(query, root)
    return checked


def _counted(query: Draft, root: Node) -> None:
    """What the tree hides stands in the canonical text as often as the tree has it."""
    kinds = [
        node.kind for node, parent in root.walk() if parent is None or parent.kind != "Explain"
    ]
    if len(clauses(query.tokens)) != kinds.count("Set"):
        raise SqlError(497, "these SETTINGS cannot be checked")
    applied = sum(token == Token("name", "APPLY") for token in query.tokens)
    if applied < kinds.count("ColumnsApplyTransformer"):
        raise SqlError(497, "this APPLY cannot be checked")


def _node(node: Node, parent: Node | None, checked: Checked) -> None:
    if node.kind not in _KINDS:
        raise SqlError(497, f"{node.kind} is not allowed")
    below = parent.kind if parent else ""
    if node.kind == "Literal":
        if "aggregatefunction(" in node.rest.lower():
            raise SqlError(497, "states of aggregate functions cannot be read from text")
        if below in ("SelectWithUnionQuery", "DescribeQuery", "Explain"):
            raise SqlError(497, "INTO OUTFILE is not allowed")
    elif node.kind == "TableIdentifier":
        checked.tables.add(_table(node.rest))
    elif node.kind == "Function" and below == "TableExpression":
        if node.rest.lower() not in TABLE_FUNCTIONS:
            raise SqlError(497, f"table function {node.rest[:80]}() is not allowed")
        checked.tables.add(node.rest.lower() + "()")
    elif node.kind == "Function":
        _function(node, checked)


def _function(node: Node, checked: Checked) -> None:
    name = node.rest.lower()
    if not _known(name) or name in TABLE_FUNCTIONS - FUNCTIONS:
        raise _refused_function(node.rest)
    arguments = node.children[0].children if node.children else []
    if name in _CASTS and len(arguments) > 1 and arguments[1].kind != "Literal":
        raise SqlError(497, f"{node.rest}: the type must be written out")
    if _INS.fullmatch(name) and len(arguments) > 1 and arguments[1].kind == "Identifier":
        table = arguments[1].rest
        if table.partition(".")[0].lower() in _CATALOGUES:
            checked.tables.add(_table(table))


def _known(name: str) -> bool:
    """Whether `name` is a function on the list, an aggregate with combinators included."""
    name = name.lower()
    if name in FUNCTIONS or name in TABLE_FUNCTIONS or name in AGGREGATES:
        return True
    return any(
        name.endswith(suffix) and len(name) > len(suffix) and _aggregate(name[: -len(suffix)])
        for suffix in COMBINATORS
    )


def _aggregate(name: str) -> bool:
    return name in AGGREGATES or any(
        name.endswith(suffix) and len(name) > len(suffix) and _aggregate(name[: -len(suffix)])
        for suffix in COMBINATORS
    )


def _table(name: str) -> str:
    """`name` when it may be read: anything of ours, little of the engine's."""
    database, dot, table = name.rpartition(".")
    if not dot or database == DATABASE:
        return name
    if database == "system" and table in SYSTEM:
        return name
    if database.lower() == "information_schema":
        return name
    raise SqlError(497, f"table {name[:120]} is not open to readers")


def _showing(query: Draft) -> Checked:
    form = _SHOWING.fullmatch(query.canonical)
    if form is None:
        raise SqlError(497, "of SHOW and EXISTS only the plain forms are allowed")
    if form["table"]:
        _table(form["table"].replace("`", ""))
    return Checked(query.sql, form["format"] or "")


def _refused_function(name: str) -> SqlError:
    return SqlError(497, f"function {name[:80]}() is not allowed")


def formatted(checked: Checked, default: str) -> str:
    """The format of the answer: the query's own, else the request's, else tab-separated."""
    name = checked.format or default or "TabSeparated"
    if name not in FORMATS:
        raise SqlError(73, f"Unknown format {name[:80]}")
    return name
