"""Mutants of what decides: a module once more, in memory, with one thing about it removed.

A *refusal's* mutant no longer gives it at one of the places where it is given. A *condition's* mutant lacks one of the
conditions that stand beside others in an `and` or an `or`, or has one comparison turned round.
"""

import ast
import copy
import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from types import FunctionType, ModuleType

import pytest

from gateway.domain import decision, offline, replay, staff, taking_back
from gateway.domain.refusal import Refusal
from rules import NoAid

MODULES = (decision, offline, replay, staff, taking_back)
"""Where the reasons are."""


@dataclass(frozen=True)
class Mutant:
    """A changed copy of a module, not yet compiled."""

    name: str
    module: ModuleType
    tree: ast.Module

    def stand_in(self, patch: pytest.MonkeyPatch) -> None:
        """Puts the mutant's functions in the place of the original's, wherever these are known by name."""
        mutated = self._compiled()
        for module in MODULES:
            for name, value in list(vars(module).items()):
                if isinstance(value, FunctionType) and value is getattr(self.module, name, None):
                    patch.setattr(module, name, getattr(mutated, name))

    def _compiled(self) -> ModuleType:
        module = ModuleType(f"{self.module.__name__}__mutant")
        # Records look their annotations up in the module they are of.
        sys.modules[module.__name__] = module
        try:
            exec(compile(ast.fix_missing_locations(self.tree), f"<{self.name}>", "exec"), module.__dict__)
        finally:
            del sys.modules[module.__name__]
        return module


def refusals() -> Iterator[tuple[Refusal, Mutant]]:
    """Every refusal with each of the mutants that no longer give it."""
    for module in MODULES:
        for place, node in enumerate(ast.walk(_tree(module))):
            for name, changed in _without_refusals(node):
                yield Refusal(name), Mutant(f"{name}@{_where(module, node)}", module, _replaced(module, place, changed))


def conditions() -> Iterator[Mutant]:
    """Every condition that stands beside others left out, every comparison turned round."""
    for module in MODULES:
        for place, node in enumerate(ast.walk(_tree(module))):
            for what, changed in _changed_conditions(node):
                yield Mutant(f"{what} in {_where(module, node)}", module, _replaced(module, place, changed))


def _without_refusals(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    match node:
        case ast.If(body=[ast.Return(value=ast.AST() as given)]) if names := set(_given(given)):
            # `if …: return Refusal.X`: the condition never holds.
            for name in names:
                yield name, _with(node, test=ast.Constant(False))
        case ast.For(iter=ast.Tuple(elts=rows)):
            # `for until, refusal in ((…, Refusal.X), …)`: a row less.
            for row in rows:
                rest = ast.Tuple([other for other in rows if other is not row], ast.Load())
                for name in _given(row):
                    yield name, _with(node, iter=rest)
        case ast.FunctionDef(body=[*before, ast.Return(value=ast.Call(func=ast.Name(id=made)) as given)]):
            # What is left when nothing else was answered: it is taken for a repeat, or for done.
            instead = ast.parse("Replay(stored.id)" if made == "Refused" else "_plain(effect)", mode="eval").body
            for name in _given(given):
                yield name, _with(node, body=[*before, ast.Return(instead)])
        case ast.If(test=ast.BoolOp(values=[ast.Attribute(attr="no_aid") as asked, *_] as values)):
            # The rules' own reasons: all but one are still listened to. Below the deductible is none.
            for reason in set(NoAid) - {NoAid.BELOW_DEDUCTIBLE}:
                other = ast.Compare(asked, [ast.NotEq()], [ast.Constant(reason.value)])
                yield reason.value, _with(node, test=ast.BoolOp(ast.And(), [*values, other]))


def _given(node: ast.AST) -> Iterator[str]:
    """Refusals that are given here; those that are only compared with are not."""
    if isinstance(node, ast.Compare):
        return
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Refusal":
        yield node.attr
    for child in ast.iter_child_nodes(node):
        yield from _given(child)


_TURNED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
"""Orders move to the other side of the limit; everything else becomes its opposite."""


def _changed_conditions(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    match node:
        case ast.BoolOp(op=op, values=values):
            for value in values:
                rest = [other for other in values if other is not value]
                left = rest[0] if len(rest) == 1 else ast.BoolOp(op, rest)
                yield f"`{ast.unparse(node)}` without `{ast.unparse(value)}`", left
        case ast.Compare(ops=operators):
            for index, operator in enumerate(operators):
                ops = [_TURNED[type(operator)]() if index == at else other for at, other in enumerate(operators)]
                turned = _with(node, ops=ops)
                yield f"`{ast.unparse(turned)}`", turned


def _tree(module: ModuleType) -> ast.Module:
    return ast.parse(inspect.getsource(module))


def _where(module: ModuleType, node: ast.AST) -> str:
    """The function a node is in: more lasting than a line."""
    name = module.__name__.rpartition(".")[2]
    line = getattr(node, "lineno", 0)
    for function in _tree(module).body:
        if isinstance(function, ast.FunctionDef) and function.lineno <= line <= (function.end_lineno or 0):
            return f"{name}.{function.name}"
    return name


def _with(node: ast.AST, **changes: object) -> ast.AST:
    changed = copy.copy(node)
    for name, value in changes.items():
        setattr(changed, name, value)
    return changed


def _replaced(module: ModuleType, place: int, changed: ast.AST) -> ast.Module:
    """The module's tree, in which the node at this place of the walk is another."""
    tree = _tree(module)
    target = list(ast.walk(tree))[place]
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is target:
                setattr(parent, name, changed)
            elif isinstance(value, list) and any(item is target for item in value):
                setattr(parent, name, [changed if item is target else item for item in value])
    return tree
