"""What a person's own SQL may do: read. Refuses the rest before ClickHouse sees it.

`pulse sql` and the worker's socket both come through here. ClickHouse's own `readonly = 1` stands
behind it (writes, DDL, settings and table functions that reach outside are refused there); this
module closes what that setting leaves open: INTO OUTFILE, the function `file`, KILL, BACKUP, USE
and several statements in one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from streams.errors import UsageError

__all__ = ["READING", "read_only"]

#: First words of the statements that only read.
READING = ("SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "EXISTS", "EXPLAIN")

#: Functions (plain or table) through which a SELECT would read or write outside the store.
OUTSIDE = re.compile(
    r"""
      (file|url|s3|gcs|oss|cosn|hdfs|remote|remotesecure|hudi|azureblobstorage)(cluster)?
    | (iceberg|deltalake|paimon)\w*
    | executable(pool)? | python | input
    | mysql | postgresql | sqlite | mongodb | redis | odbc | jdbc | arrowflight | ytsaurus
    | catboostevaluate | naivebayesclassifier\w* | bigquery | filesystem | eval | arrowstream
    | cluster(allreplicas)? | prometheusquery(range)? | getclienthttpheader
    | ai(classify|embed|extract|filter|generate|redact|similarity|translate)
    """,
    re.VERBOSE | re.IGNORECASE,
)

#: ClickHouse takes these as quotes too; refused, so that this module and it read the same tokens.
_TYPOGRAPHIC = frozenset("‘’“”")

_TOKEN = re.compile(
    r"""
      (?P<space> \s+ | --[^\n]* | \#[!\ ][^\n]* | /\*.*?(?:\*/|\Z) )
    | (?P<string> '(?:[^'\\]|\\.|'')*(?:'|\Z) | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$ )
    | (?P<name> [A-Za-z_][\w$]* | `(?:[^`\\]|\\.|``)*(?:`|\Z) | "(?:[^"\\]|\\.|"")*(?:"|\Z) )
    | (?P<other> \d\w* | . )
    """,
    re.DOTALL | re.VERBOSE | re.ASCII,
)


def read_only(sql: str) -> str:
    """`sql` as one reading statement without a closing semicolon.

    Raises:
        UsageError: it is empty, more than one statement, or would write or reach outside.
    """
    tokens = list(_tokens(sql))
    end = len(sql)
    while tokens and tokens[-1][0] == ";":
        end = tokens.pop()[1]
    words = [text for text, _ in tokens]
    start = next((word for word in words if word != "("), "")
    if not start:
        raise UsageError("SQL: nothing to run")
    if start.upper() not in READING:
        raise UsageError(
            f"SQL: only reading statements are allowed ({', '.join(READING)}), not {start!r}"
        )
    if ";" in words:
        raise UsageError("SQL: one statement at a time")
    for i, ((word, position), after) in enumerate(zip(tokens, [*words[1:], ""], strict=True)):
        if word in _TYPOGRAPHIC:
            raise UsageError(f"SQL, position {position + 1}: use plain quotes instead of {word}")
        if word.upper() == "INTO" and after.upper() == "OUTFILE":
            raise UsageError(f"SQL, position {position + 1}: INTO OUTFILE is not allowed")
        # `APPLY(file)` and `APPLY file` call it, too.
        called = after == "(" or "APPLY" in (w.upper() for w in words[max(i - 2, 0) : i])
        if called and (OUTSIDE.fullmatch(word.strip('`"')) or "\\" in word):
            raise UsageError(
                f"SQL, position {position + 1}: {word}() reaches outside the store, not allowed"
            )
    return sql[:end].strip()


def _tokens(sql: str) -> Iterator[tuple[str, int]]:
    """Tokens that carry meaning, with their positions; strings are shortened to a quote."""
    for match in _TOKEN.finditer(sql):
        if match["string"] is not None:
            yield "'", match.start()
        elif match["space"] is None:
            yield match.group(), match.start()
