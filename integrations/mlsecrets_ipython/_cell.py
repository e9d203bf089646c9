"""Running the body of a cell magic as the cell it would be without the magic."""

from __future__ import annotations

import ast
from typing import Any


def run(shell: Any, body: str) -> None:
    """Run it in the user's namespace; its last expression is displayed.

    It raises what the body raises.

    Args:
        shell: IPython's.
        body: the lines below the magic.
    """
    __tracebackhide__ = True  # IPython leaves this frame out of what it shows
    source = shell.transform_cell(body)
    name = shell.compile.cache(source, shell.execution_count, raw_code=body)
    tree = shell.transform_ast(shell.compile.ast_parse(source, filename=name))
    shown: list[ast.stmt] = []
    silenced = shell.displayhook.semicolon_at_end_of_expression(body)
    if tree.body and isinstance(tree.body[-1], ast.Expr) and not silenced:
        shown.append(tree.body.pop())
    # In the same flavor of Python as the cell: its __future__ imports count.
    for code in (
        shell.compile(tree, name, "exec"),
        shell.compile(ast.Interactive(body=shown), name, "single"),
    ):
        exec(code, shell.user_global_ns, shell.user_ns)  # noqa: S102  it is their cell
