"""Long commands made to be slow to judge: one piece again and again, alone or behind a program."""

from collections.abc import Iterator

_ALONE = (
    "a=(", "a=(a=(1)) ", "a|", "[[ a ]] ", "=~ ", "))", ">", "<<<", "${", "$(", "(", "`", "'", '"', "{a,", "{a,b}",
    "if a; then ", "f(){ ", "<<A ", "$x", "\\\n", "x=$x$x;", "bash -c '", "eval ", "sudo ", "case x in a) ", "*/",
    "../", "find . -exec ", "xargs ", "s/a", "b)\n", "ls\n", "x=1\n", "echo ${x%a}\n", "echo $((x+1))\n", "((i++))\n",
    "cat a > b\n", "cd a && ls; ", "rm a/b/../c\n", "curl http://a.example\n", "python -c 'x'\n", "make A=b\n",
    "git log\n", "a b c d e f g\n", "unknownprog --x=/etc/y\n", "export A=b\n", "for i in a; do ls; done\n", "read x\n",
    "x[$i]=1\n", 'echo "${x}"\n', "awk '{print}' f\n", "sed s/a/b/ f\n", "cat <<A\nx\nA\n", "a=1;", "A=$B;",
    "f() { ls; }\n", "tar xf a\n", "curl localhost:80\n", "node -e '1'\n", "~/x ", "/etc/a ", "x=a;y=$x;", "! ",
    "find . -name a -exec cat {} +\n", "ls;cd x;", "echo `a` ", "a.b.c@d.com ", "$((", "$((1+", "((a", "[[ a -eq ",
    "${a[", "declare -n x=y\n", "\\`", "-", "a=b ", "-o x ", "env a=b ", "timeout 1 ", "x=$((y));y=$x;",
)  # fmt: skip
_BEHIND = (
    "echo ", "rg ", "foo ", "python -c '", "node -e '", "awk '", "PATH=", "cd a && rm ", "git ", "docker ", "npm ",
    "curl ", "tar ", "find ", "sqlite3 a ", "printf -v ", "make ", "x=",
)  # fmt: skip
_PIECES = (
    "a ", "a/b/", "../", "{a,b}", "$x ", "'a' ", "-x ", "/etc/", "a=b ", "~/.s* ", "1+", "(", "a.b ", "a,", "=a", ":a",
    "\\",
)  # fmt: skip


def hostile(size: int) -> Iterator[tuple[str, str]]:
    """Each piece with a command of ``size`` characters made of it."""
    for unit in _ALONE:
        yield unit, (unit * (size // len(unit) + 1))[:size]
    for program in _BEHIND:
        for unit in _PIECES:
            yield program + unit, (program + unit * size)[:size]
