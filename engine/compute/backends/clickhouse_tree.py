"""What ClickHouse needs of a whole query, beyond the spelling of single operations."""

from __future__ import annotations

from sqlglot import exp

from engine.compute.backends.clickhouse_numbers import branches, call, common_type, is_narrow, number, string

_SHORT, _FINE, _ROOM = 18, 10, 14  # digits; digits after the point; digits that fit beside four more in an Int64
_SINGLE = (
    ("\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}", "i"),
    ("\N{GREEK CAPITAL LETTER SIGMA}", "\N{GREEK SMALL LETTER SIGMA}"),
)
_TRUTHS = (exp.Predicate, exp.Connector, exp.Not, exp.Boolean)
_TRUTH_FUNCTIONS = frozenset({"startsWith", "endsWith"})
_TYPES = {exp.DType.DATE: "toDate32", exp.DType.DOUBLE: "toFloat64", exp.DType.BOOLEAN: "toBool"}


def rewrite(query: exp.Query) -> exp.Query:
    """The same query in types that ClickHouse computes exactly with; changes the tree that it is given."""
    for make in (_names, _numbers, _truths, _memberships, _casts, _literals, _counts, _folds):
        make(query)
    return query


def _wrap(node: exp.Expr, function: str, *more: exp.Expr) -> None:
    """Put a node into a function, in its place."""
    wrapper = call(function)
    node.replace(wrapper)
    wrapper.set("expressions", [node, *more])


def _names(query: exp.Query) -> None:
    """A column of one of several tables keeps its table in its name, if it is not named."""
    for select in query.find_all(exp.Select):
        for column in select.expressions:
            if isinstance(column, exp.Column) and column.table and not isinstance(column.this, exp.Star):
                column.replace(exp.alias_(column.copy(), column.this.copy()))


def _numbers(query: exp.Query) -> None:
    """Bring the values of each CASE and coalesce to one type, and give sums and products room; all is found before any is changed."""
    chosen = [branches(node) for node in query.find_all(exp.Case, exp.Coalesce)]
    plans = [(values, kind) for values in chosen if (kind := common_type(values)) is not None]
    narrow = [
        next(filter(is_narrow, (node.left, node.right)), None) for node in query.find_all(exp.Add, exp.Sub, exp.Mul)
    ]
    for values, kind in plans:
        for value in values:
            _wrap(value, "CAST", kind.copy())
    for operand in narrow:
        if operand is not None:
            _wrap(operand, "multiply", call("toDecimal256", string("1"), number(0)))


def _truths(query: exp.Query) -> None:
    """A comparison is a number in ClickHouse: what leaves a step as a truth is made one."""
    for select in query.find_all(exp.Select):
        for column in select.expressions:
            if _is_truth(column.unalias()):
                _wrap(column.unalias(), "toBool")


def _is_truth(node: exp.Expr) -> bool:
    if isinstance(node, exp.Paren):
        return _is_truth(node.this)
    if isinstance(node, exp.Case | exp.Coalesce):
        return any(_is_truth(one) for one in branches(node))
    return isinstance(node, _TRUTHS) or (isinstance(node, exp.Anonymous) and node.name in _TRUTH_FUNCTIONS)


def _memberships(query: exp.Query) -> None:
    """A list of anything but texts is compared one by one: ClickHouse rounds a list of numbers to the type on the left."""
    for node in query.find_all(exp.In):
        if not all(isinstance(one, exp.Literal) and one.is_string for one in node.expressions):
            tests = [exp.EQ(this=node.this.copy(), expression=one) for one in node.expressions]
            node.replace(exp.paren(exp.or_(*tests, copy=False), copy=False))


def _casts(query: exp.Query) -> None:
    """Days before 1970, instants to the microsecond; as functions, which leave NULL alone."""
    for node in query.find_all(exp.Cast):
        if node.to.this is exp.DType.TIMESTAMP:
            node.replace(call("toDateTime64", node.this, number(6), string("UTC")))
        elif node.to.this in _TYPES:
            node.replace(call(_TYPES[node.to.this], node.this))


def _literals(query: exp.Query) -> None:
    """A number with a point, and one beyond a BIGINT, would be a double."""
    for node in query.find_all(exp.Literal):
        whole, _, digits = node.name.partition(".")
        if not node.is_string and (digits or len(whole) > _ROOM):
            kind = "toDecimal128" if len(whole) + len(digits) <= _SHORT and len(digits) <= _FINE else "toDecimal256"
            node.replace(call(kind, string(node.name), number(len(digits))))


def _counts(query: exp.Query) -> None:
    """By condition, which is faster than by CASE; and signed, so that a count meets any other number."""
    for node in query.find_all(exp.Count, exp.Sum):
        found = _by_condition(node)
        if isinstance(node, exp.Count) and not isinstance(found.parent, exp.Window):
            _wrap(found, "toInt64")


def _by_condition(node: exp.Expr) -> exp.Expr:
    case = node.this
    if not isinstance(case, exp.Case) or len(case.args["ifs"]) > 1 or case.args.get("default") is not None:
        return node
    when, value = case.args["ifs"][0].this, case.args["ifs"][0].args["true"]
    if isinstance(node, exp.Sum):
        return node.replace(call("sumIf", value, when))  # 0 where no row counts, as rule 5 has it
    return node.replace(call("countIf", when)) if value == number(1) else node


def _folds(query: exp.Query) -> None:
    """Letter by letter, as rule 23 says: ClickHouse knows of ς at a word's end and makes two letters of İ."""
    for node in query.find_all(exp.Lower):
        text = node.this
        for upper, lower in _SINGLE:
            text = call("replaceAll", text, string(upper), string(lower))
        node.replace(call("lowerUTF8", text))
