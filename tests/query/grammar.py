"""The grammar of the query language as a library reads it: what the parser is held against.

It says what belongs together, not what a value may be: a term stands for its own text.
"""

from __future__ import annotations

from typing import Final

GRAMMAR: Final = r"""
start: any?                      -> whole
any: every ("OR" every)*         -> or_
every: one ("AND"? one)*         -> and_
?one: ("-" | "NOT") one          -> not_
    | "(" any ")"                -> group
    | WORD                       -> term
    | QUOTED                     -> term
    | FIELD VALUE                -> valued
    | FIELD QUOTED_VALUE         -> valued
    | FIELD GROUP_OPENS _group_value ("OR" _group_value)* ")"  -> grouped
_group_value: VALUE | QUOTED

// A term ends at a blank, at a parenthesis that closes, or with the query.
WORD: /(?!-|(AND|OR|NOT)(?=[\s()"]|$))[^\s()":]+(?=[\s)]|$)/
QUOTED: /"([^"\\]|\\["\\])*"\*?(?=[\s)]|$)/
FIELD: /(?!-)[^\s()":]+:/
VALUE: /(?<=:)[^\s()"]+(?=[\s)]|$)/
"""
