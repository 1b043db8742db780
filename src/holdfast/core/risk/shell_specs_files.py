"""Specs of programs that read, write and pack files, of pagers, and of what runs other programs."""

TEXT = r"""
&copy
    -a -r -R -f -i -n -p -P -v -u -T -d -x -L -H -l -s -t=t -S= -b -c -C -D -m= -o= -g=t -Z
    --archive --recursive --force --interactive --no-clobber --preserve? --no-preserve=
    --parents --verbose --update? --no-target-directory --target-directory= --suffix= --backup?
    --link --symbolic-link --dereference --no-dereference --one-file-system --reflink? --sparse=
    --mode= --owner= --group= --directory --strip-trailing-slashes --attributes-only
    --remove-destination --compare --relative --symbolic --physical --logical
    --preserve-timestamps --version --help @t
cp mv install ln
    &copy
mkdir
    -p -v -m= --parents --verbose --mode= --version --help @t
touch
    -a -c -m -h -f -d=t -t=t -r=r --date=t --reference=r --time= --no-create --no-dereference @t
tee
    -a -i -p --append --ignore-interrupts --output-error? @t
truncate
    -s=t -c -o -r=r --size= --reference=r --no-create --io-blocks @t
rm
    -f -i -I -r -R -d -v -p --force --interactive? --recursive --dir --verbose --one-file-system
    --preserve-root? --no-preserve-root --parents --ignore-fail-on-non-empty --version --help @t
rename
    -n -v -f -o -s -a -i --no-act --dry-run --verbose --force @t
mktemp
    -d -u -q -t -p?w --directory --dry-run --quiet --suffix= --tmpdir?w @t
patch
    -p= -R -N -E -f -s -t -b -l -n -u -c -i=r -d=t -o=w -r=w -F=t -V= -B= -z= -Y= --strip=
    --reverse --forward --dry-run --force --silent --quiet --input=r --directory= --output=w
    --reject-file=w --fuzz= --backup --batch --unified --context --binary --verbose
    --no-backup-if-mismatch --backup-if-mismatch --ignore-whitespace --merge? --posix
    --remove-empty-files --suffix= --version --help @t
tar
    -c -x -t -r -u -d -A -z -j -J -a -v -w -k -m -p -P -O -U -h -l -S -s -f=r -C= -X=r -T=r -b=
    -N= -V= --create --extract --get --list --append --update --diff --compare --concatenate
    --file=r --directory= --gzip --gunzip --bzip2 --xz --zstd --lzma --auto-compress --verbose
    --exclude=t --exclude-from=r --exclude-vcs --exclude-vcs-ignores --exclude-caches
    --strip-components= --transform=t --xform=t --files-from=r --wildcards --no-wildcards
    --keep-old-files --overwrite --touch --preserve-permissions --same-permissions
    --no-same-owner --no-same-permissions --same-owner --owner= --group= --numeric-owner
    --mtime= --sort= --absolute-names --to-stdout --dereference --sparse --null
    --one-file-system --totals --format=t --no-recursion --anchored --show-transformed-names
    --skip-old-files --warning= --no-xattrs --xattrs --acls --selinux --remove-files
    --unlink-first --recursion --utc --one-top-level?w --index-file=w --version --help @t
zip
    -TT=! -r -q -9 -8 -7 -6 -5 -4 -3 -2 -1 -0 -j -u -f -m -d -x -i -y -X -v -T -l -o -D -n= -s=t
    -b=w -e -@ -FS --exclude --include --quiet --recurse-paths --delete --help @t
unzip
    -l -t -q -qq -o -n -d=t -v -x -j -p -c -u -f -a -C -L -X -Z -z -: @t
7z
    -o*w -y -r -t* -m* -x* -i* -ao* -bd -bb* -so -si -p* -mx* @t
cpio
    -i -o -p -d -m -v -t -u -0 -H= -F=r -D= -B --extract --create --list --make-directories
    --format=t --file=r --no-absolute-filenames --quiet @t
gzip zstd
    -k -d -c -t -l -f -v -q -r -n -N -1 -2 -3 -4 -5 -6 -7 -8 -9 -z -T= -S= -e -0 --keep
    --decompress --stdout --to-stdout --test --list --force --verbose --quiet --recursive --fast
    --best --threads= --suffix= --no-name --name --extreme --format=t --ultra --long? --rm -o=w
    -D=r --version --help @t
split
    -b= -l= -n= -C= -a= -d?t -x -t=t -e -u --bytes= --lines= --number= --line-bytes=
    --suffix-length= --numeric-suffixes? --hex-suffixes? --additional-suffix= --separator=t
    --elide-empty-files --verbose @t
csplit
    -f=t -b= -n= -k -s -z --prefix= --suffix-format= --digits= --keep-files --quiet
    --elide-empty-files @t
sponge
    -a @t
mkfifo mknod
    -m= --mode= @t
chmod chown chgrp
    -R -v -c -f -h -H -L -P --recursive --verbose --changes --silent --quiet --reference=r
    --no-dereference --dereference --preserve-root --no-preserve-root --from= @t -w* -x* -r* -X
    -s -t
setfacl
    @t
dd
    @t --version --help
sort
    -b -d -f -g -h -i -n -M -R -r -V -c -C -m -s -u -z -k=t -t=t -o=w -S= -T= --parallel=
    --numeric-sort --reverse --unique --key=t --field-separator=t --output=w
    --human-numeric-sort --version-sort --general-numeric-sort --stable --check? --merge
    --ignore-case --zero-terminated --random-sort --buffer-size= --temporary-directory= --sort=
    --batch-size= --debug --files0-from=r --month-sort --ignore-leading-blanks
    --dictionary-order --random-source=r --version --help @t
uniq
    -c -d -D -i -u -z -f=t -s=t -w= --count --repeated --all-repeated? --unique --ignore-case
    --skip-fields= --skip-chars= --check-chars= --group? --zero-terminated -1 -2 -3 @t
xxd
    -a -b -c=t -C -d -e -E -g=t -i -l= -n= -o= -p -ps -r -s=t -u -R= -len= -cols= -plain -seek=
    @t
shuf
    -e -i=t -n= -o=w -r -z --echo --input-range= --head-count= --output=w --random-source=r
    --repeat @r
pr
    -a -c -d -t -T -m -n? -l= -w= -h= -o= -s?t -i?t -e?t -f -F -J -N= -r -S? -v -W= -1 -2 -3 -4
    @r
tree
    -a -d -f -l -L= -P=t -I=t -o=w -p -h -s -u -g -D -F -q -N -Q -i -r -t -c -v -U -n -C -S -J
    -X -H= -T= -x -A --dirsfirst --filesfirst --gitignore --noreport --du --prune --matchdirs
    --ignore-case --charset= --filelimit= --timefmt=t --inodes --device --sort= --si --metafirst
    --gitfile=r --fromfile --version --help @r
file
    -b -i -k -L -h -N -n -r -s -S -z -Z -0 -v -e=t -F=t -f=r -m=r -l -E -p --brief --mime
    --mime-type --mime-encoding --no-dereference --dereference --separator=t --files-from=r
    --magic-file=r --raw --uncompress --keep-going --extension --version --help @t
date
    -d=t -f=r -I?t -R -r=r -s=t -u --date=t --file=r --iso-8601? --rfc-3339= --rfc-email
    --reference=r --set= --utc --universal --debug -v=t -j -n -z= +* --version --help @t
hostname
    -a -A -d -f -i -I -s -y --all-fqdns --fqdn --ip-address --short --long --domain @t
ss
    -l -t -u -n -a -p -x -4 -6 -e -m -o -s -r -i -w -H -O -z --listening --tcp --udp --numeric
    --all --processes --summary --unix --extended --info --no-header --oneline -f=t --family= @t
less more
    -N -S -R -r -F -X -i -I -n -m -M -E -e -f -g -s -J -K -q -x=t -p= -d -c -l -u +*N
    --quit-if-one-screen --no-init --raw-control-chars --RAW-CONTROL-CHARS --chop-long-lines
    --LINE-NUMBERS --ignore-case --pattern=t --tabs= --version --help -V -? @t
man
    -k -f -a -w -W -S= -s=t -l -K -i -I -t -T? -u -c -L= -e=t -p= -d -D -R= --apropos --whatis
    --all --where --path --sections= --no-justification --nj --no-hyphenation --nh --regex
    --wildcard --locale= -E=t --version --help @t
bat
    -n -p -pp -A -l= -r= -H= -P -d -u -S -f -L -V -h --plain? --number --show-all --language=
    --line-range= --highlight-line= --style= --theme= --color= --paging=P --decorations= --diff
    --wrap= --tabs= --file-name= --terminal-width= --list-themes --list-languages --version
    --help @t
rg
    -n -N -i -I -l -c -v -w -x -F -s -S -o -P -U -z -L -u -uu -uuu -H -h -a -q -p -0 -. -j= -A=
    -B= -C= -m= -g=t -t=t -T= -e=t -f=r -M= -r= -d=t -E=t --type= --type-not= --type-list
    --type-add= --glob=t --iglob=t --files --files-with-matches --files-without-match --hidden
    --no-hidden --no-ignore* --no-messages --count --count-matches --line-number
    --no-line-number --json --no-heading --heading --max-count= --context= --after-context=
    --before-context= --sort= --sortr= --sort-files --stats --multiline --multiline-dotall
    --fixed-strings --ignore-case --smart-case --case-sensitive --word-regexp --line-regexp
    --invert-match --only-matching --replace=t --color= --colors= --column --no-column
    --max-columns= --max-columns-preview --max-depth= --maxdepth= --max-filesize= --follow
    --pcre2 --auto-hybrid-regex --engine= --text --binary --trim --vimgrep --with-filename
    --no-filename --null --null-data --passthru --pretty --quiet --regexp=t --file=r --threads=
    --unrestricted --glob-case-insensitive --one-file-system --no-config --ignore-file=r --debug
    --trace --encoding= --crlf --byte-offset --line-buffered --block-buffered --mmap --no-mmap
    --search-zip --no-require-git --path-separator= --field-match-separator=
    --field-context-separator= --context-separator= --include-zero -V --no-unicode
    --hyperlink-format= --version --help @t
fd
    -H -I -u -s -i -g -F -a -l -L -p -0 -d=t -t=t -e=t -E=t -c=t -j= -S= -o= -1 -q -V -h
    --hidden --no-ignore* --unrestricted --case-sensitive --ignore-case --glob --regex
    --fixed-strings --absolute-path --list-details --follow --full-path --print0 --max-depth=
    --min-depth= --exact-depth= --type= --extension= --exclude=t --size= --changed-within=
    --changed-before= --color= --threads= --max-results= --quiet --base-directory=
    --search-path= --strip-cwd-prefix? --path-separator= --owner= --and= --one-file-system
    --prune --no-require-git --version --help @t
awk
    -F=t -v=t -f=l -i=l -e=t --field-separator=t --assign=t --file=l --include=l --source=t
    --re-interval --posix -P --traditional -c --csv -k --bignum -M --characters-as-bytes -b
    --non-decimal-data -n --sandbox -S --use-lc-numeric -N --lint? -L? --optimize -O
    --re-interval -r --version -V --help @.
jq
    -r -c -n -e -s -R -S -j -a -C -M -b -V -h -f=l --from-file=l --raw-output --raw-output0
    --compact-output --null-input --exit-status --slurp --raw-input --sort-keys --join-output
    --ascii-output --color-output --monochrome-output --tab --indent= --unbuffered --stream
    --stream-errors --seq --args --jsonargs --arg= --argjson= --slurpfile= --rawfile= --version
    --help @t
yq
    -r -e -n -i -c -s=t -o= -p= -P -C -M -j -N -I=t -y -Y -S --output-format= --input-format=
    --prettyPrint --raw-output --exit-status --null-input --inplace --indent= --no-doc
    --unwrapScalar? --colors --no-colors --tojson @t
sed
    -n -E -r -s -u -z -b -l= -e=t -f=l -i?t --quiet --silent --regexp-extended --separate
    --unbuffered --null-data --binary --line-length= --expression=t --file=l --in-place? --posix
    --debug --sandbox --follow-symlinks --version --help @t
sqlite3
    -header -noheader -column -csv -json -line -list -html -markdown -table -box -quote -tabs
    -readonly -batch -bail -echo -separator= -nullvalue= -newline= -ascii -interactive -safe
    -stats -version -help --header --csv --json --column --readonly --batch --safe @t
exiftool
    -a -G -s -j -h -n -r -q -json @r
code
    -r -n -w -g -d --reuse-window --new-window --wait --goto --diff --list-extensions --version
    @w
env
    -i -0 -v -u= -C= --ignore-environment --null --unset= --chdir= --debug -S=! --split-string=!
    @.
nice
    -n= --adjustment= -1* -2* -5* @.
ionice
    -c=t -n= -t --class= --classdata= --ignore @.
time
    -p -v -a -q -f=t -o=w --format=t --output=w --portability --verbose --append --quiet @.
timeout
    -s=t -k=t -v -f --signal= --kill-after= --preserve-status --foreground --verbose @.
stdbuf
    -i=t -o= -e=t --input= --output= --error= @.
xargs
    -0 -r -t -x -I=t -n= -P=t -L= -d=t -a=r -E=t -s=t -i?t -l? -e?t --null --no-run-if-empty
    --verbose --exit --replace?t --max-args= --max-procs= --max-lines? --delimiter=t
    --arg-file=r --max-chars= --eof? -p -J= @.
strace
    -f -ff -c -C -t -tt -ttt -T -q -qq -v -x -xx -y -yy -i -k -r -w -z -Z -n -Y -e=t -o=w -s=t
    -a= -S= -P=r -O= -b= --follow-forks --summary --output=w --trace= --string-limit=
    --decode-fds? --quiet? -U= @.
ltrace
    -f -c -C -t -tt -T -r -S -i -e=t -o=w -s=t -a= -n= -x=t @.
valgrind
    -q -v --leak-check= --track-origins= --show-leak-kinds= --error-exitcode= --tool= --quiet
    --suppressions=l --gen-suppressions= --log-file=w --xml= --xml-file=w --num-callers=
    --verbose --trace-children= @.
entr
    -c -d -r -n -p -z -a -x @.
parallel
    -j= -k -v -X -m -n= -N= -L= -I=t -0 -u -q -t -P=t -a=r -d=t --jobs= --keep-order --halt=
    --bar --eta --dry-run --verbose --tag --will-cite --no-notice --colsep= --joblog=w
    --results=w --timeout= --retries= --delay= --progress --line-buffer --linebuffer --ungroup
    --plus --shuf --arg-file=r --max-args= --null --resume --version --help @.
watch
    -n= -d?t -t -b -e -g -c -x -p -w -q= --interval= --differences? --no-title --beep --errexit
    --chgexit --color --exec --precise @.
flock
    -s -x -n -u -o -F -v -w= -E=t --shared --exclusive --nonblock --nb --unlock --close --wait=
    --timeout= --no-fork --verbose -c=. --command=. @.
nohup chronic caffeinate unbuffer
    -i -d -s -m -u -t=t --version --help @.
script
    -a -q -e -f -t -c=. -O=w -T=w -B=w --append --quiet --return --flush --command=. --log-out=w
    --log-timing=w --version --help @t
logger
    -t=t -p=t -i -s --tag=t --priority= --stderr --id? @t
command builtin catchsegv coproc busybox toybox dbus-run-session setarch linux32 linux64
    -v -V -p -R @.
exec
    -a=t -c -l @.
chrt taskset numactl
    -c=t -p -a -r -b -i -f -o -m= -N= -C= --cpu-list=t --physcpubind= --membind= --all-tasks @.
perf
    -e= -o=w -F= -C= -a -p= -g -d -r= -x= --call-graph= --event= --output=w --repeat= --stat @.
xvfb-run
    -a -n= -e=w -s=t -w= --auto-servernum --server-num= --server-args=t --error-file=w --wait=
    @.
faketime torsocks
    -f=t -m -q -i @.
proxychains proxychains4
    -q -f=l @.
dotenv
    -f=l -e=l --file=l --no-override --override -o @.
python
    -b -bb -B -d -E -i -I -O -OO -P -q -s -S -u -v -V -x -h -c=. -m=. -W= -X=X --version --help
    --check-hash-based-pycs= @.
ruby
    -v -w -c -W* -E=t -I=l -r=R -C=l -e=! -h --version --help --verbose --yjit --jit
    --enable=gems --disable=gems -U -K= --encoding= --external-encoding= @.
perl
    -c -w -W -T -t -v -V* -I=l -e=! -E=! -h @.
php
    -l -v -m -i -f=l -n -h -t=l -S=h -q -s -w -z=! -r=! -B=! -R=! -E=! --version --help --ini
    --rf= --rc= --re= -d=D @.
tclsh groovy jshell osascript wish sbcl ipython ghci m4 luajit lua julia guile perl5 elixir
  .. Rscript irb racket runghc fish ash rbash yash tcsh pwsh powershell mksh csh
    -v -V --version --help -c=. -e=. @.
bash sh dash zsh ksh
    -e -u -x -v -n -l -i -c=. -s -f -a -b -h -k -m -p -t -B -C -E -H -P -T -o= +o= +e +x +u -O=
    +O= +e +B --norc --noprofile --login --posix --restricted --verbose --version --help
    --rcfile=l --init-file=l --noediting -r @.
"""
