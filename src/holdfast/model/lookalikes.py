"""Words whose letters are not what they look like. Not here: where they are shown (`showing`)."""

import unicodedata


def _pairs(spelled: str) -> dict[str, str]:
    """A letter by its number, and what it is drawn as."""
    return {chr(int(pair[:4], 16)): pair[4] for pair in spelled.split()}


# Letters of other alphabets that are drawn as Latin ones, and the Latin one.
_DRAWN_AS = _pairs(
    "0430a 0441c 0435e 04BBh 0456i 0458j 04CFl 043Eo 0440p 051Bq 0455s 0501d 0475v 051Dw "
    "0445x 0443y 0433r 043Ak 044Cb 043Fn 0410A 0412B 0421C 0415E 041DH 0406I 0408J 041AK "
    "041CM 041EO 0420P 0405S 0422T 0425X 0423Y 0391A 0392B 0395E 0396Z 0397H 0399I 039AK "
    "039CM 039DN 039FO 03A1P 03A4T 03A5Y 03A7X 03BFo 03BDv 03B9i 03BAk 03C1p 03C5u 03B1a "
    "03C4t 03C7x 03B3y 0578n 057Du 0585o 0570h 0581g 0584p 0566q "
)
# Letters that count as Latin and are drawn as others of it.
_ALSO_LATIN = _pairs(
    "0251a 0261g 0131i 0269i 0196l 01C3l 029Fl 1D0Fo 1D04c 1D20v 1D21w 1D22z A731s 026Ai "
)
_SHOWN = 3


def read_as(word: str) -> str:
    """What is to be said of a word, as in "`x` mixes alphabets: …"; empty for one that is plain."""
    letters = [c for c in word if c.isalpha()]
    if decoded := _punycode(word):
        return f"is the name {decoded}" + (
            f", which {inner}" if (inner := read_as(decoded)) else ""
        )
    foreign = [c for c in letters if _alphabet(c) != "LATIN"]
    if foreign and len({_alphabet(c) for c in letters}) > 1 and not _together(letters):
        return f"mixes alphabets: {_names(foreign)}"
    compatible = [c for c in word if not c.isascii() and _is_styled(c)]
    if compatible:
        return f"is read as `{unicodedata.normalize('NFKC', word)}`: {_names(compatible)}"
    drawn = "".join(_DRAWN_AS.get(c, _ALSO_LATIN.get(c, c)) for c in word)
    if drawn != word and drawn.isascii() and letters:
        alike = [c for c in word if c in _DRAWN_AS or c in _ALSO_LATIN]
        return f"looks like `{drawn}` and is not: {_names(alike)}"
    digits = [c for c in word if c.isdigit() and not c.isascii()]
    if digits and len(digits) == sum(c.isalnum() for c in word):
        spelled = "".join(str(unicodedata.digit(c, c)) for c in word)
        return f"are digits of another script: {spelled}"
    return ""


def _punycode(word: str) -> str:
    """The name as it is drawn, of one that is written for machines; empty where it is not."""
    if "xn--" not in word.lower():
        return ""
    parts = []
    for part in word.split("."):
        at = part.lower().find("xn--")
        try:
            drawn = part[at + 4 :].encode("ascii").decode("punycode") if at >= 0 else part
        except (UnicodeError, ValueError, OverflowError):
            return ""
        parts.append(part[:at] + drawn if at >= 0 else part)
    return ".".join(parts)


def _alphabet(char: str) -> str:
    """`LATIN`, `CYRILLIC`, `CJK`: how the names of its letters begin."""
    if char.isascii():
        return "LATIN"
    name = unicodedata.name(char, "UNKNOWN")
    if _is_styled(char):
        return "LATIN" if unicodedata.normalize("NFKC", char).isascii() else name.split()[0]
    return "LATIN" if "LATIN" in name else name.split()[0].split("-")[0]


_EAST_ASIAN = {"CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO", "HALFWIDTH", "IDEOGRAPHIC"}


def _together(letters: list[str]) -> bool:
    """Whether they are written in one word of a language: Chinese and others beside Latin are."""
    found = {_alphabet(c) for c in letters}
    return bool(found & _EAST_ASIAN) and found <= _EAST_ASIAN | {"LATIN"}


def _is_styled(char: str) -> bool:
    """A letter or digit in another dress: bold, wide, circled."""
    plain = unicodedata.normalize("NFKC", char)
    if plain == char or not plain.isascii() or not plain.isalnum():
        return False
    return char not in "ªº²³¹№℃℉" and "SUPERSCRIPT" not in unicodedata.name(char, "")


def _names(chars: list[str]) -> str:
    named = list(dict.fromkeys(chars))[:_SHOWN]
    return ", ".join(unicodedata.name(c, f"U+{ord(c):04X}") for c in named)
