"""Specs of git's verbs. What a verb is worth is said in `shell_git`; here are its options."""

TEXT = r"""
&diff
    -p -u -s -U= -W -z -a -b -w -R -B? -M? -C? -D -l= -S=t -G=t -I= -0 -1* -2* -3* -4* -5* -6*
    -7* -8* -9* -X? --patch --no-patch --unified= --raw --stat? --numstat --shortstat --dirstat?
    --summary --compact-summary --name-only --name-status --patch-with-stat --no-renames
    --rename-empty --find-renames? --find-copies? --find-copies-harder --minimal --patience
    --histogram --diff-algorithm= --anchored= --color? --no-color --color-moved? --color-words?
    --word-diff? --word-diff-regex=t --check --ws-error-highlight= --full-index --binary
    --abbrev? --no-abbrev --diff-filter= --pickaxe-all --pickaxe-regex --relative? --text
    --ignore-space-at-eol --ignore-space-change --ignore-all-space --ignore-blank-lines
    --inter-hunk-context= --function-context --exit-code --quiet --no-ext-diff --no-textconv
    --ignore-submodules? --submodule? --src-prefix=t --dst-prefix=t --no-prefix --default-prefix
    --line-prefix=t --output-indicator-new= --cached --output=w --staged --merge-base --no-index
    --ours --theirs --base -3 --ita-invisible-in-index --root -r -t -m -c --cc --no-commit-id
    --stdin -v --always --pretty?t --no-relative --combined-all-paths
&log
    &diff -n= -g -i -E -F -P -L=t -q --oneline --graph --all --branches? --tags? --remotes?
    --glob=t --exclude=t --max-count= --skip= --since=t --after=t --until=t --before=t
    --author=t --committer=t --grep=t --all-match --invert-grep --regexp-ignore-case
    --basic-regexp --extended-regexp --fixed-strings --perl-regexp --merges --no-merges
    --min-parents= --max-parents= --first-parent --reverse --follow --decorate? --no-decorate
    --decorate-refs= --decorate-refs-exclude= --source --log-size --date=t --relative-date
    --parents --children --left-right --left-only --right-only --cherry --cherry-pick
    --cherry-mark --walk-reflogs --boundary --simplify-by-decoration --simplify-merges
    --full-history --dense --sparse --topo-order --date-order --author-date-order --format=t
    --abbrev-commit --no-abbrev-commit --show-signature --notes? --no-notes --show-notes?
    --encoding= --no-walk? --do-walk --count --objects --bisect --clear-decorations
    --diff-merges= --remerge-diff --expand-tabs? --no-expand-tabs --mailmap --no-mailmap
    --use-mailmap --summary --numbered --email --group= -e -w? --show-linear-break?
    --ancestry-path? --reflog --merge --header --timestamp --disk-usage? --stdin
    --ignore-missing
&merge
    -n -e -s= -X= -S?t -q -v -m=t -F=r --ff --no-ff --ff-only --squash --no-squash --commit
    --no-commit --edit --no-edit --strategy= --strategy-option= --verify-signatures
    --no-verify-signatures --gpg-sign? --no-gpg-sign --log? --no-log --signoff --stat --no-stat
    --abort --continue --quit --quiet --verbose --progress --no-progress --autostash
    --no-autostash --allow-unrelated-histories --rerere-autoupdate --no-verify --into-name=
    --message=t --file=r --overwrite-ignore
status
    -s -b -v -vv -u? -z -M? --short --branch --show-stash --porcelain? --long --verbose
    --untracked-files? --ignore-submodules? --ignored? --column? --no-column --ahead-behind
    --no-ahead-behind --renames --no-renames --find-renames? @t
log show whatchanged shortlog rev-list format-patch reflog cherry range-diff stash
    &log -o=w -k --output-directory=w --cover-letter --numbered-files --signoff
    --subject-prefix=t --rfc --start-number= --zero-commit --base= --to= --cc= --attach?
    --inline? --thread? -N -h -a --index --keep-index --include-untracked --no-include-untracked
    -k -u --message=t -m=t --no-keep-index --only-untracked --expire= --dry-run --stale-fix
    --creation-factor= --no-dual-color @t
diff diff-tree diff-index diff-files
    &diff @t
blame annotate
    -L=t -l -t -f -n -s -e -p -w -c -b -M? -C? -S=r --porcelain --line-porcelain --show-name
    --show-number --show-email --incremental --root --since=t --abbrev= --date=t --ignore-rev=
    --ignore-revs-file=r --color-lines --color-by-age --reverse --first-parent --encoding=
    --minimal --progress --score-debug --contents=r @t
grep
    -n -i -l -L -c -v -w -E -F -P -G -h -H -I -a -o -p -q -W -z -e=t -f=r -A= -B= -C= -m=t
    --cached --untracked --no-index --recurse-submodules --line-number --ignore-case
    --files-with-matches --files-without-match --count --invert-match --word-regexp
    --extended-regexp --fixed-strings --perl-regexp --and --or --not --all-match --quiet
    --max-depth= --show-function --function-context --heading --break --column --only-matching
    --color? --no-color --name-only --full-name --text --threads= --max-count=
    --exclude-standard --null @t
rev-parse
    -q --verify --abbrev-ref? --short? --show-toplevel --show-cdup --show-prefix --git-dir
    --absolute-git-dir --git-common-dir --git-path= --is-inside-* --is-bare-repository
    --is-shallow-repository --symbolic --symbolic-full-name --all --branches? --tags? --remotes?
    --sq --not --default= --show-superproject-working-tree --show-object-format? --since=t
    --until=t --path-format= --quiet --end-of-options --local-env-vars @t
ls-files
    -c -d -m -o -i -s -k -u -v -t -z -f -x= -X=r --cached --deleted --modified --others
    --ignored --stage --killed --unmerged --directory --no-empty-directory --eol --exclude=t
    --exclude-from=r --exclude-per-directory= --exclude-standard --error-unmatch --full-name
    --recurse-submodules --abbrev? --format=t --deduplicate @t
ls-tree
    -r -d -t -l -z --long --name-only --name-status --full-name --full-tree --abbrev? --format=t
    --object-only @t
cat-file
    -t -s -e -p --batch? --batch-check? --batch-all-objects --unordered --allow-unknown-type @t
describe
    --all --tags --contains --abbrev= --candidates= --exact-match --long --match=t --exclude=t
    --always --dirty? --broken? --first-parent --debug @t
name-rev merge-base show-ref for-each-ref show-branch count-objects check-ignore check-attr
  .. check-ref-format var verify-commit verify-tag version help ls-remote symbolic-ref merge-tree
  .. patch-id interpret-trailers stripspace fmt-merge-msg hash-object mktree mktag write-tree
  .. read-tree commit-tree commit-graph merge-file rerere fsck
    -a -q -v -d -s -h -l -H -n -z -m -u -p= -i --all --tags --heads --branches --refs
    --name-only --always --octopus --independent --is-ancestor --fork-point --verify --hash?
    --abbrev? --dereference --exclude-existing? --format=t --sort= --count= --points-at=
    --contains? --no-contains? --merged? --no-merged? --human-readable --verbose --non-matching
    --no-index --stdin --short --quiet --exit-code --symref --get-url --write-tree --name-status
    --messages --no-messages --trailer=t --parse --only-trailers --full --strict --lost-found
    --no-reflogs -w --color? --list --topo-order --date-order --current --more= --merge-base
    --sparse --sha1-name --no-name --remotes -r --ignore-case @t
branch
    -a -r -v -vv -q -d -D -m -M -c -C -f -t? -u= -l -i --all --remotes --list --verbose --quiet
    --delete --move --copy --force --track? --no-track --set-upstream-to= --unset-upstream
    --show-current --contains? --no-contains? --merged? --no-merged? --sort= --points-at=
    --format=t --color? --no-color --column? --no-column --abbrev? --no-abbrev --ignore-case @t
tag
    -a -s -d -l -n? -f -m=t -F=r -v -e -i -u= --annotate --sign --delete --list --force
    --message=t --file=r --sort= --contains? --no-contains? --merged? --no-merged? --points-at=
    --format=t --column? --color? --create-reflog --cleanup=t --no-sign --no-column @t
remote
    -v -t= -m=t -f -n -p --verbose --tags --no-tags --prune --dry-run --add --delete --push
    --all --auto @t
add
    -A -u -p -n -v -f -i -N -e --all --update --patch --dry-run --verbose --force --interactive
    --intent-to-add --no-all --refresh --ignore-errors --ignore-missing --renormalize --chmod=
    --sparse --pathspec-from-file=r @t
commit
    -a -m=t -F=r -C= -c= -p -q -v -s -n -e -i -o -u? -S?t -z -t=r --all --message=t --file=r
    --reuse-message= --reedit-message= --patch --quiet --verbose --signoff --no-signoff
    --no-verify --verify --edit --no-edit --amend --allow-empty --allow-empty-message --author=t
    --date=t --fixup= --squash= --reset-author --trailer=t --dry-run --short --branch
    --porcelain --status --no-status --cleanup=t --include --only --untracked-files? --gpg-sign?
    --no-gpg-sign --template=r --no-post-rewrite --pathspec-from-file=r @t
checkout switch
    -b= -B= -c= -C= -q -f -t? -d -m -p -l -2 -3 --quiet --force --track? --no-track --detach
    --orphan= --create= --force-create= --merge --conflict= --patch --guess --no-guess --ours
    --theirs --progress --no-progress --discard-changes --ignore-other-worktrees
    --recurse-submodules? --overwrite-ignore --ignore-skip-worktree-bits --pathspec-from-file=r
    @t
restore reset rm mv clean
    -s= -S -W -p -q -f -r -n -d -x -X -N -k -v -e=t -i -m -2 -3 --source= --staged --worktree
    --patch --quiet --force --soft --mixed --hard --merge --keep --cached --ignore-unmatch
    --dry-run --verbose --exclude=t --interactive --ours --theirs --overlay --no-overlay
    --refresh --no-refresh --intent-to-add --sparse --progress --no-progress
    --recurse-submodules --pathspec-from-file=r @t
merge revert cherry-pick
    &merge -x -m=t -n --mainline= --no-commit --keep-redundant-commits --allow-empty
    --allow-empty-message --empty= --skip --cleanup=t --reference @t
rebase
    &merge -i -r? -x=! -k -f -p --interactive --onto= --skip --keep-base --root --rebase-merges?
    --autosquash --no-autosquash --fork-point --no-fork-point --update-refs --no-update-refs
    --exec=! --reapply-cherry-picks --edit-todo --show-current-patch --keep-empty --empty=
    --apply --merge --force-rebase --ignore-date --committer-date-is-author-date
    --reschedule-failed-exec --whitespace= --no-rebase-merges @t
fetch pull
    &merge -a -j= -f -k -p -P -t -u -4 -6 -r? --all --append --depth= --deepen= --shallow-since=
    --unshallow --update-shallow --dry-run --force --keep --multiple --prune --prune-tags
    --no-prune --tags --no-tags --refetch --jobs= --rebase? --no-rebase --atomic
    --recurse-submodules? --no-recurse-submodules --set-upstream --update-head-ok
    --write-fetch-head --no-write-fetch-head --ipv4 --ipv6 --filter= --negotiation-tip=
    --auto-maintenance --no-auto-maintenance --show-forced-updates --no-show-forced-updates @t
push
    -u -f -d -n -q -v -o= -4 -6 --all --branches --mirror --tags --follow-tags --atomic
    --dry-run --delete --force --force-with-lease? --force-if-includes --set-upstream --quiet
    --verbose --progress --prune --no-verify --porcelain --signed? --push-option= --thin
    --no-thin --recurse-submodules= @t
clone
    -l -s -q -v -n -b= -o= -j= --local --no-hardlinks --shared --quiet --verbose --progress
    --no-checkout --bare --mirror --origin= --branch= --depth= --single-branch
    --no-single-branch --no-tags --recurse-submodules? --recursive --shallow-submodules --jobs=
    --filter= --sparse --separate-git-dir=w --dissociate @t
init
    -q -b= --quiet --bare --initial-branch= --object-format= --shared? --separate-git-dir=w @w
submodule
    -q -b= -f -N -j= --quiet --cached --all --force --init --recursive --remote --checkout
    --merge --rebase --depth= --recommend-shallow --jobs= --progress --branch= --default
    --single-branch --files --no-fetch --name= @t
worktree
    -f -b= -B= -d -q -v -z -n --force --detach --checkout --no-checkout --lock --reason=t
    --quiet --track --guess-remote --porcelain --verbose --expire= --dry-run --orphan @t
apply
    -p= -R -N -C= -v -q -3 -z --stat --numstat --summary --check --index --cached --3way
    --reverse --reject --recount --unidiff-zero --include=t --exclude=t --whitespace=
    --directory= --verbose --quiet --allow-empty --intent-to-add --apply --ignore-whitespace
    --ignore-space-change --no-add --allow-overlap --inaccurate-eof @r
am
    -s -k -u -q -i -3 -m -c -p= -C= -S?t -b --signoff --keep --keep-cr --no-keep-cr --utf8
    --3way --quiet --skip --abort --quit --continue --resolved -r --show-current-patch?
    --ignore-whitespace --ignore-space-change --whitespace= --directory= --exclude=t --include=t
    --reject --no-verify --committer-date-is-author-date --ignore-date --empty= --allow-empty
    --retry --patch-format= @r
bisect
    -q --term-new= --term-old= --term-good= --term-bad= --no-checkout --first-parent @t
archive
    -o=w -l -v -0 -1 -9 --format=t --prefix=t --output=w --list --verbose --worktree-attributes
    --mtime= --add-file=r @t
bundle
    -q --quiet --progress --all --all-progress --version= --branches? --tags? --since=t @t
gc prune repack pack-refs
    -a -A -d -f -F -l -n -q -v --all --auto --aggressive --prune? --no-prune --quiet --force
    --dry-run --verbose --expire= --keep-largest-pack --depth= --window= --write-bitmap-index @t
notes
    -f -m=t -F=r -C= -s= --ref= --force --message=t --file=r --allow-empty --stdin
    --ignore-missing @t
sparse-checkout
    --cone --no-cone --sparse-index --no-sparse-index --stdin --skip-checks @t
update-index
    -q --add --remove --refresh --really-refresh --assume-unchanged --no-assume-unchanged
    --skip-worktree --no-skip-worktree --chmod= --cacheinfo= --force-remove --stdin -z
    --renormalize --index-info --again -g @t
update-ref filter-branch filter-repo replace difftool mergetool config lfs maintenance
    @*
"""
