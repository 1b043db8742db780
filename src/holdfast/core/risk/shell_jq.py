"""A reader of jq filters: whether everything that is called only computes on its input.

A name that is called is a function of jq that computes, or one that the filter defines. What
reads modules, the environment or the arguments is not accounted for.
"""

import re

from holdfast.core.risk.shell_rules import words
from holdfast.core.risk.shell_words import UNKNOWN

_MOST = 8_192
_TOKEN = re.compile(
    r"\s+|#[^\n]*|(?P<field>\.[A-Za-z_]\w*)|(?P<variable>\$\s*[A-Za-z_][\w:]*)"
    r"|(?P<name>[A-Za-z_]\w*(?:::\w+)*)|(?P<number>\d[\w.]*)|(?P<format>@[a-z0-9]+)"
    r"|(?P<mark>\?//=?|//=?|\|=|[-+*/%=!<>]=?|[.,:;|?()\[\]{}])"
)
_STRING = re.compile(r'(?:[^"\\\0]|\\[^(])*')
_CALLS = words(
    """
    length utf8bytelength not keys keys_unsorted has in map map_values path del to_entries
    from_entries with_entries select empty error add any all flatten range floor sqrt pow log log2
    log10 exp exp2 exp10 tostring tonumber type infinite nan isinfinite isnan isnormal isvalid sort
    sort_by group_by min max min_by max_by unique unique_by reverse contains inside startswith
    endswith combinations ltrimstr rtrimstr trimstr trim ltrim rtrim explode implode split join
    ascii ascii_downcase ascii_upcase recurse recurse_down walk transpose bsearch tojson fromjson
    todate fromdate now dateadd datesub date mktime gmtime localtime strftime strflocaltime strptime
    fromdateiso8601 todateiso8601 test match capture scan splits sub gsub limit first last nth until
    repeat while inputs input debug stderr input_line_number truncate_stream fromstream tostream
    getpath setpath paths leaf_paths delpaths pick to_array abs toarray have_literal_numbers
    have_decnum significand gamma lgamma trunc round ceil fabs index rindex indices if then elif
    else end as def reduce foreach try catch label break and or null true false values nulls
    booleans numbers strings arrays objects iterables scalars tojson ascii skip ltrimstr
    splits getpath limit halt halt_error isempty error group_by min_by IN INDEX GROUP_BY UNIQUE_BY
    tojson fromjson objects finites normals
    """
)
_NEVER_VARIABLES = words("$ENV $__prog_args $__loc__ $__prog_name")


def only_computes(filter_text: str) -> bool:
    """Whether a jq filter is known to compute on its input and nothing else."""
    if UNKNOWN in filter_text or len(filter_text) > _MOST:
        return False
    tokens = _tokens(filter_text)
    if tokens is None:
        return False
    own = {tokens[at + 1][1] for at, (_, text) in enumerate(tokens[:-1]) if text == "def"}
    own |= _parameters(tokens)
    braces: list[str] = []
    for at, (kind, text) in enumerate(tokens):
        if text in ("{", "(", "["):
            braces.append(text)
        elif text in ("}", ")", "]") and braces:
            braces.pop()
        elif (kind == "variable" and re.sub(r"\s", "", text) in _NEVER_VARIABLES) or (
            kind == "name"
            and text not in _CALLS
            and text not in own
            and not _is_key(tokens, at, braces)
        ):
            return False
    return True


def _parameters(tokens: list[tuple[str, str]]) -> set[str]:
    """Names between the brackets of a definition: what they stand for is judged where given."""
    found: set[str] = set()
    inside = False
    for at, (kind, text) in enumerate(tokens):
        if text == "(" and at > 1 and tokens[at - 2][1] == "def":
            inside = True
        elif text == ")":
            inside = False
        elif inside and kind == "name":
            found.add(text)
    return found


def _is_key(tokens: list[tuple[str, str]], at: int, braces: list[str]) -> bool:
    """``{id, name: .x}``: a key of an object, and ``label $out`` and the like not."""
    before = tokens[at - 1][1] if at else ""
    after = tokens[at + 1][1] if at + 1 < len(tokens) else ""
    return bool(braces) and braces[-1] == "{" and before in ("{", ",") and after in (":", ",", "}")


def _tokens(text: str) -> list[tuple[str, str]] | None:
    """Kinds and texts; strings are left out, but for what is interpolated in them."""
    found: list[tuple[str, str]] = []
    # How many brackets are open in each interpolation around this place.
    open_in: list[int] = []
    at = 0
    while at < len(text):
        ends = text[at] == ")" and bool(open_in) and open_in[-1] == 0
        if text[at] == '"' or ends:
            if ends:
                open_in.pop()
                found.append(("mark", ")"))
            match = _STRING.match(text, at + 1)
            at = match.end() if match is not None else len(text)
            if text.startswith("\\(", at):
                open_in.append(0)
                found.append(("mark", "("))
                at += 2
            elif text.startswith('"', at):
                found.append(("string", '""'))
                at += 1
            else:
                return None
            continue
        match = _TOKEN.match(text, at)
        if match is None:
            return None
        if open_in and text[at] in "()":
            open_in[-1] += 1 if text[at] == "(" else -1
        at = match.end()
        if match.lastgroup:
            found.append((match.lastgroup, match.group()))
    return found
