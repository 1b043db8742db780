"""Options of git that add no text of others to what a verb prints or commits.

Read by allow-list: an option that is not here is a reason to taint. `git commit -C` takes the
message of any commit, `git status -v` prints what was staged, `git add -p` what was changed.
"""

import re

from holdfast.core.risk.shell_rules import words

_DIFFS = words(
    """
    -p --patch -u --no-patch -s --stat --shortstat --numstat --dirstat --summary --name-only
    --name-status --raw -z --color --no-color --word-diff --minimal --patience --histogram -w -b
    --ignore-all-space --ignore-space-change --ignore-blank-lines -M -C --find-renames --find-copies
    --no-renames --diff-filter -S -G -R --relative --text -a --check --quiet -q --exit-code
    --no-ext-diff --unified --function-context -W --abbrev --full-index --no-prefix
    """
)
_WALKS = words(
    """
    --oneline --graph --decorate --no-decorate --all --branches --remotes --tags --reverse -n
    --max-count --skip --since --until --after --before --author --committer --grep -i -E -F
    --first-parent --merges --no-merges --topo-order --date-order --date --relative-date --format
    --pretty --abbrev-commit --no-abbrev-commit --follow --left-right --cherry-pick --cherry-mark
    --full-history --simplify-by-decoration --ancestry-path --parents --children --boundary --not
    --count --no-notes -L -m -c --cc
    """
)
_GO_BACK = words("--abort --quit")
# A repository's state decides of whom `--continue` and `--skip` take a message: not here.
_OPTIONS = {
    "status": words(
        "-s --short -b --branch --porcelain --long -u --untracked-files -uno -uall -unormal"
        " --ignored --no-renames --renames -z --ahead-behind --no-ahead-behind --show-stash"
    ),
    "add": words("-A --all -u --update -n --dry-run -v --verbose -f --force -N --intent-to-add"),
    "commit": words(
        "-m --message -a --all -q --quiet --allow-empty --amend --no-edit"
        " -n --no-verify -s --signoff --no-gpg-sign -o --only -i --include --short"
        " --dry-run --no-status"
    ),
    "mv": words("-f --force -v --verbose -n --dry-run -k"),
    "rm": words("-r -f -q -n --cached --force --quiet --dry-run --ignore-unmatch"),
    "ls-files": words(
        "-s --stage -c --cached -o --others -m --modified -d --deleted -i --ignored -u --unmerged"
        " -z -v -t --exclude-standard --error-unmatch --full-name"
    ),
    "rev-parse": words(
        "--short --verify --abbrev-ref --show-toplevel --git-dir --is-inside-work-tree -q --quiet"
        " --show-prefix --show-cdup --symbolic-full-name --absolute-git-dir --git-common-dir"
    ),
    "merge-base": words("--is-ancestor -a --all --octopus --independent"),
    "log": _DIFFS | _WALKS,
    "show": _DIFFS | _WALKS,
    "diff": _DIFFS | words("--cached --staged --merge-base"),
    "shortlog": _WALKS | words("-s -n -e --summary --numbered --email"),
    "rev-list": _WALKS,
    "blame": words(
        "-L -w -M -C -s -e -l -f -n -t -p --porcelain --line-porcelain --date --show-email"
        " --show-name --show-number --abbrev --color-lines --root"
    ),
    "ls-tree": words("-r -l -t -d -z --name-only --long --full-tree --full-name --abbrev"),
    "branch": words(
        "-a --all -r --remotes -v --verbose -l --list --show-current -d -D --delete"
        " -m -M --move -f --force --merged --no-merged --contains --no-contains --sort -q --color"
        " --no-color --column --no-column --points-at"
    ),
    "merge": _GO_BACK | words("-m --no-ff --ff --ff-only --squash --no-edit -q --no-commit --stat"),
    "cherry-pick": _GO_BACK | words("-m -n --no-commit -x -s --signoff --ff"),
    "rebase": _GO_BACK | words("--onto -q --quiet --no-autosquash --autostash --no-autostash"),
    "reset": words("--hard --soft --mixed --keep --merge -q --quiet"),
    "switch": words("-c -C --create -d --detach -f --force -q --quiet --discard-changes"),
    "checkout": words("-b -B -q --quiet -f --force --detach --ours --theirs"),
    "bisect": words("--no-checkout --first-parent"),
    "stash": words("-u -q --include-untracked --quiet --keep-index -k --index"),
    "tag": words("-a -m --annotate --message -f --force"),
    "remote": words("-v"),
    "config": frozenset(),
}
# A number or a text that stands in the same word: `-5`, `-n5`, `-U3`, `-L1,4:a.py`, `-Stext`.
_GLUED = re.compile(r"-(?:\d+|[nU]\d+|[MC]\d+%?)\Z")
_GLUED_TEXT = re.compile(r"-[LSG].")
_BUNDLE = re.compile(r"-[A-Za-z]{2,}")
_DIFFING = frozenset({"log", "show", "diff", "blame", "rev-list", "shortlog"})
_NOTED = re.compile(r"%-?[+ ]?N")


def apart(verb: str, given: list[str]) -> list[str]:
    """Words of a verb, short options that stand in one word apart: `-qam` is `-q -a -m`.

    Only where each of them is known; what takes a text takes the word that follows, as in git.
    """
    found: list[str] = []
    for word in given:
        letters = [f"-{letter}" for letter in word[1:]]
        bundled = _BUNDLE.fullmatch(word) and not is_listed(verb, word)
        bundled = bundled and _OPTIONS.get(verb, frozenset()).issuperset(letters)
        found += letters if bundled else [word]
    return found


def is_listed(verb: str, word: str) -> bool:
    """Whether a word is no option, or one that is known to add no text of others."""
    if not word.startswith("-") or word == "--":
        return True
    if verb in _DIFFING and (_GLUED.match(word) or _GLUED_TEXT.match(word)):
        return True
    return word.partition("=")[0] in _OPTIONS.get(verb, frozenset())


def shows_notes(verb: str, given: list[str]) -> bool:
    """Whether `git log` or `git show` prints notes beside the commits, where there are any."""
    if verb not in {"log", "show"} or "--no-notes" in given:
        return verb in {"log", "show"} and any(map(_NOTED.search, given))
    formats = [word for word in given if word.startswith(("--format", "--pretty", "--oneline"))]
    return not formats or any(map(_NOTED.search, formats))


def tells_message(given: list[str]) -> bool:
    """Whether the message of a commit is typed, or stays that of the commit that is amended."""
    if "--amend" in given and "--no-edit" in given:
        return True
    if "--dry-run" in given or "--short" in given:
        return True
    return "--no-edit" not in given and any(
        word == "-m" or word.startswith("--message") for word in given
    )


def leaves_message(given: list[str]) -> bool:
    """Whether the message of a commit is the one that git made of what is under way."""
    return "--no-edit" in given and not any(
        word in {"-m", "--amend"} or word.startswith("--message") for word in given
    )
