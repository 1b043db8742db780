"""Specs of Python's tools: test runners, linters, formatters, servers and packagers."""

TEXT = r"""
&server
    -h --reload --workers= --port= --host=h --log-level= --debug --version --help --reload-dir=l
    --reload-include= --reload-exclude= --app-dir=l --factory --loop= --http= --ws= --lifespan=
    --interface= --env-file=l --log-config=l --access-log --no-access-log --use-colors
    --no-use-colors --proxy-headers --no-proxy-headers --root-path= --limit-concurrency=
    --limit-max-requests= --timeout-keep-alive= --backlog= --no-server-header @l
pytest
    -x -q -v -s -l -h -V -r= -k=t -m=t -n= -c=l -o=i -p=n -W= -R --lf --ff --nf --sw
    --last-failed --failed-first --new-first --stepwise --stepwise-skip --exitfirst --maxfail=
    --tb= --durations= --durations-min= --cov?l --cov-report=f --cov-config=l --cov-append
    --cov-branch --no-cov --cov-fail-under= --cov-context= --junitxml=w --junit-xml=w
    --junit-prefix= --basetemp=w --rootdir=l --confcutdir=l --override-ini=i --config-file=l
    --collect-only --co --quiet --verbose --capture= --color= --code-highlight=
    --disable-warnings --disable-pytest-warnings --no-header --no-summary --show-capture=
    --full-trace --pyargs --ignore= --ignore-glob=t --deselect=t --strict-markers
    --strict-config --strict --runxfail --setup-show --setup-plan --setup-only --fixtures
    --fixtures-per-test --markers --cache-clear --cache-show? --import-mode= --keep-duplicates
    --doctest-modules --doctest-glob= --doctest-continue-on-failure
    --doctest-ignore-import-errors --log-level= --log-cli-level= --log-file=w --log-file-level=
    --log-format= --log-cli-format= --log-date-format= --log-cli-date-format= --showlocals
    --no-showlocals --pythonwarnings= --numprocesses= --dist= --maxprocesses=
    --max-worker-restart= --timeout= --timeout-method= --reuse-db --create-db --no-migrations
    --nomigrations --migrations --ds= --dc= --asyncio-mode= --benchmark-only --benchmark-skip
    --benchmark-disable --benchmark-enable --benchmark-autosave --benchmark-sort=
    --benchmark-columns= --benchmark-compare? --snapshot-update --inline-snapshot=
    --hypothesis-seed= --hypothesis-show-statistics --hypothesis-profile=
    --hypothesis-verbosity= --randomly-seed= --random-order --count= --reruns= --reruns-delay=
    --only-rerun= --forked --headed --browser= --slowmo= --tracing= --screenshot= --video=
    --html=w --self-contained-html --json-report --json-report-file=w --report-log=w --testmon
    --picked? --splits= --group= --flake-finder --flake-runs= --mypy --ruff --pdb --trace
    --no-cov-on-fail --ci --run-slow --runslow --slow --integration --e2e --record-mode=
    --vcr-record= --version --help @l
mypy
    -p= -m=t -v -V -h -O= -n --strict --package= --module= --config-file=l --python-version=
    --platform= --follow-imports= --namespace-packages --explicit-package-bases --no-incremental
    --show-error-codes --hide-error-codes --show-error-context --show-column-numbers --pretty
    --no-pretty --no-error-summary --color-output --no-color-output --show-absolute-path
    --show-error-end --show-traceback --exclude=t --exclude-gitignore --cache-dir=w
    --sqlite-cache --check-untyped-defs --disallow-* --no-implicit-* --implicit-* --warn-*
    --no-warn-* --strict-* --no-strict-* --allow-* --extra-checks --ignore-missing-imports
    --local-partial-types --enable-error-code= --disable-error-code= --always-true=
    --always-false= --skip-* --enable-incomplete-feature= --verbose --no-site-packages
    --follow-untyped-imports --output= --any-exprs-report=w --html-report=w --txt-report=w
    --xml-report=w --linecount-report=w --junit-xml=w --install-types=! --report= --stats
    --version --help --fast-module-lookup @l
black
    -l= -t= -q -v -S -C -W= -h --line-length= --target-version= --check --diff --color
    --no-color --quiet --verbose --fast --safe --preview --unstable --skip-string-normalization
    --skip-magic-trailing-comma --include=t --exclude=t --extend-exclude=t --force-exclude=
    --workers= --config=l --pyi --ipynb --required-version= --line-ranges= --version --help
    --stdin-filename= --enable-unstable-feature= --no-cache @l
sphinx-build
    -b= -M= -a -E -j= -D= -A= -t= -n -v -q -Q -W -T -N -c=l -d=w -w=w --builder= --jobs=
    --keep-going --fail-on-warning --write-all --fresh-env --nitpicky --quiet --show-traceback
    --color --no-color --version --help @w
isort
    -c -d -q -v -l= -m=t -p= -s= -e -w= -h -V --check --check-only --check-only --diff
    --profile= --quiet --verbose --line-length= --line-width= --multi-line= --skip=t
    --skip-glob= --extend-skip= --src= --settings-path=l --settings-file=l --sp=l --atomic
    --float-to-top --filter-files --force-single-line-imports --force-sort-within-sections
    --combine-as --trailing-comma --tc --skip-gitignore --known-* --stdout --color
    --only-modified --jobs= --py= --python-version= --add-import= --remove-import=
    --dont-follow-links --version --help @l
flake8
    -v -q -j= -h --max-line-length= --max-complexity= --max-doc-length= --select= --ignore=
    --extend-ignore= --extend-select= --exclude=t --extend-exclude=t --filename=
    --per-file-ignores=t --config=l --append-config=l --isolated --statistics --count
    --show-source --no-show-source --exit-zero --jobs= --format=t --output-file=w --tee
    --benchmark --diff --color= --quiet --verbose --doctests --disable-noqa --indent-size=
    --hang-closing --import-order-style= --docstring-* --application-import-names= --version
    --help @l
pylint
    -E -j= -s= -r= -f= -d= -e= -v -h --disable= --enable= --errors-only --jobs= --score=
    --reports= --output-format= --rcfile=l --load-plugins=n --ignore= --ignore-patterns=t
    --ignore-paths=t --recursive= --max-* --min-* --good-names= --bad-names= --fail-under=
    --fail-on= --exit-zero --msg-template=t --py-version= --output=w --list-msgs
    --list-msgs-enabled --help-msg= --extension-pkg-allow-list= --extension-pkg-whitelist=
    --generated-members= --verbose --version --help --source-roots= --disable-all-extensions
    --clear-cache-post-run= @l
bandit
    -r -a= -n= -c=l -p= -t= -s= -l -i -f= -o=w -v -d -q -x= -b=r -h --recursive --aggregate=
    --number= --configfile=l --profile= --tests= --skip=t --severity-level= --confidence-level=
    --format=t --msg-template=t --output=w --verbose --debug --quiet --silent --ignore-nosec
    --exclude=t --baseline=r --ini=l --exit-zero --version --help @l
tox
    -e= -c=l -r -l -a -p? -q -v -m=t -f= -s= -x= -h --recreate --notest --develop --sitepackages
    --skip-missing-interpreters? --listenvs --parallel? --quiet --verbose --conf=l --workdir=w
    --root=l --colored= --no-recreate-pkg --installpkg=l --result-json=w --skip-pkg-install
    --showconfig --exit-and-dump-after= --parallel-no-spinner --version --help @t --:pytest
nox
    -s= -e= -k=t -t= -p= -r -R -N -f=l -l -h -v --session= --sessions= --keywords= --tags=
    --pythons= --reuse-existing-virtualenvs --no-venv --reuse-venv= --noxfile=l --list
    --stop-on-first-error --no-install --install-only --envdir=w --color --nocolor --no-color
    --verbose --report=w --error-on-missing-interpreters --non-interactive --version --help @t
uvicorn
    &server --uds=w --fd= --ssl-*
hypercorn
    -b=h -w= -k=t -c=l -h --bind=h --workers= --worker-class= --config=l --reload --debug
    --log-level= --access-logfile=w --error-logfile=w --version --help @l
gunicorn
    -b=h -w= -k=t -c=l -t= -D -n= -p=w -u=! -g=! -h --bind=h --workers= --worker-class=
    --config=l --threads= --timeout= --graceful-timeout= --keep-alive= --reload --log-level=
    --log-file=w --access-logfile=w --error-logfile=w --chdir=l --preload --daemon --pid=w
    --max-requests= --max-requests-jitter= --worker-connections= --worker-tmp-dir=w --name=
    --capture-output --check-config --print-config --env=! --version --help @l
pyright
    -p=l -v -w -h --project=l --pythonversion= --pythonplatform= --outputjson --stats --watch
    --level= --warnings --skipunannotated --threads? --verbose --dependencies --version --help
    @l
pip-compile
    -o=w -q -v -U -P= -n -h --output-file=w --upgrade --upgrade-package= --generate-hashes
    --no-header --no-annotate --annotate --dry-run --quiet --verbose --resolver= --strip-extras
    --no-strip-extras --allow-unsafe --extra= --all-extras --no-emit-index-url --constraint=r
    --cache-dir=w --no-emit-* --header --rebuild --version --help @l
django-admin
    -h --version --help --settings= --pythonpath=l --verbosity= -v= @t
autopep8
    -i -r -a -d -v --in-place --recursive --aggressive --diff --max-line-length= --select=
    --ignore= --exit-code --exclude=t -j= --jobs= -p= @l
autoflake
    -i -r -c --in-place --recursive --check --remove-all-unused-imports
    --remove-unused-variables --ignore-init-module-imports --exclude=t --imports=
    --expand-star-imports --quiet -q -v --stdout -s @l
pyupgrade
    --py3-plus --py36-plus --py37-plus --py38-plus --py39-plus --py310-plus --py311-plus
    --py312-plus --keep-percent-format --exit-zero-even-if-changed @l
vulture
    --min-confidence= --exclude=t --ignore-names= --ignore-decorators= --make-whitelist
    --sort-by-size -v --config=l @l
yamllint
    -c=l -d= -f= -s --config-file=l --format=t --strict --no-warnings --list-files @l
codespell
    -w -q= -S= -L= -i= -s -f --skip=t --ignore-words-list= --ignore-words=r --write-changes
    --quiet-level= --check-filenames --builtin= --config=l @l
python-build
    -s -w -n -x -o=w -h -v --sdist --wheel --no-isolation --outdir=w --skip-dependency-check
    --version --help @l
ruff >
    -q -v -s -h --quiet --verbose --silent --config=l --isolated --version --help
ruff > check format
    -e -n -w --fix --no-fix --unsafe-fixes --no-unsafe-fixes --show-fixes --no-show-fixes --diff
    --fix-only --watch --select= --ignore= --extend-select= --extend-ignore=
    --per-file-ignores=t --fixable= --unfixable= --exclude=t --extend-exclude=t
    --respect-gitignore --no-respect-gitignore --force-exclude --no-force-exclude --no-cache
    --cache-dir=w --exit-zero --exit-non-zero-on-fix --exit-non-zero-on-format --statistics
    --show-files --show-settings --output-format= --output-file=w --target-version= --preview
    --no-preview --extension= --add-noqa? --line-length= --check --stdin-filename= --range=
    --show-source --ignore-noqa @l
ruff > rule linter config version
    --all --output-format= --preview @t
ruff > clean
    @l
coverage >
    -h --version --help
coverage > run
    -a -p -m --append --branch --parallel-mode --source=l --include=t --omit=t --rcfile=l
    --data-file=w --context= --concurrency= --timid --module @>
coverage > report html xml json lcov
    -m -i -q -d=w -o=w -a --show-missing --skip-covered --skip-empty --no-skip-covered
    --include=t --omit=t --rcfile=l --data-file=r --fail-under= --precision= --sort= --format=t
    --directory=w --title= --pretty-print --ignore-errors --contexts= --show-contexts --quiet @t
coverage > combine erase
    -a -q --append --keep --quiet --rcfile=l --data-file=w @r
coverage > annotate debug
    -d=w --rcfile=l @t
pre-commit >
    -h -V --version --help --color=
pre-commit > run
    -a -v -c=l --all-files --files --verbose --show-diff-on-failure --hook-stage= --from-ref=
    --to-ref= --source= --origin= --config=l --jobs= @t
pre-commit > validate-config
    @l
pre-commit > clean gc
    @0
mkdocs >
    -q -v -h -V --quiet --verbose --color --no-color --version --help
mkdocs > build
    -c -d=w -f=l -s -t= --clean --dirty --site-dir=w --config-file=l --strict --theme=
    --no-strict --use-directory-urls @0
mkdocs > serve
    -a=h -f=l -o -s --dev-addr=h --config-file=l --strict --livereload --no-livereload --dirty
    --dirtyreload --clean --watch=l -w=l @0
mkdocs > new
    @w
flask >
    -A= -e=l -h --app=l --debug --no-debug --env-file=l --version --help
flask > run
    -h=h -p= --host=h --port= --reload --no-reload --debug --no-debug --debugger --no-debugger
    --with-threads --extra-files=r --cert=r --key=r @0
flask > routes
    -s= --sort= --all-methods @0
flask > *
    @t
alembic >
    -c=l -n= -x= -q -h --config=l --name= --raiseerr --quiet --version --help
alembic > upgrade downgrade stamp
    --sql --tag= --purge @t
alembic > revision
    -m=t --message=t --autogenerate --sql --head= --splice --branch-label= --rev-id=
    --depends-on= --version-path=w @0
alembic > current history heads branches show check merge
    -r= -v -i -m=t --rev-range= --verbose --indicate-current --message=t --resolve-dependencies
    @t
uv >
    -q -v -n -h --quiet --verbose --offline --no-progress --no-cache --color= --directory=l
    --project=l --no-config --no-python-downloads --native-tls --version --help
uv > run
    -m -p= --module --python= --extra= --all-extras --no-extra= --group= --no-group=
    --only-group= --all-groups --dev --no-dev --only-dev --frozen --locked --no-sync --exact
    --no-editable --no-project --isolated --package= --all-packages --env-file=l --no-env-file
    --script --active @>
uv > sync lock tree export
    -U -P= -p= -o=w --all-extras --extra= --no-extra= --group= --no-group= --only-group=
    --all-groups --dev --no-dev --only-dev --frozen --locked --inexact --exact --upgrade
    --upgrade-package= --python= --package= --all-packages --check --dry-run --depth= --prune=
    --invert --outdated --no-install-project --no-editable --no-build-isolation --reinstall
    --active --no-dedupe --format=t --no-hashes --output-file=w --no-emit-project --no-header
    --no-annotate --script=l --check-exists --universal @0
uv > pip tool add remove publish
    @*
uv > venv
    -p= --python= --seed --clear --allow-existing --prompt= --system-site-packages --relocatable
    @w
uv > build
    -o=w --sdist --wheel --out-dir=w --all-packages --package= --clear @l
uv > init
    --lib --app --package --name= --python= --no-readme --bare --vcs= @w
uv > version format
    --bump= --short --dry-run --frozen --check --diff @t
uv > cache help
    @t
poetry >
    -q -v -vv -vvv -n -h -V --quiet --verbose --no-interaction --no-ansi --ansi --directory=l
    -C=l --project=l -P=l --version --help --no-cache --no-plugins
poetry > install lock check update sync
    --no-root --no-dev --with= --without= --only= --only-root --sync --all-extras --extras= -E=
    --all-groups --dry-run --lock --strict --no-update --no-directory --compile --regenerate @t
poetry > show
    -t -l -o -a --tree --latest --outdated --all --top-level --only= --with= --without= --why @t
poetry > version
    -s --short --dry-run --next-phase @t
poetry > build
    -f= -o=w --format=t --output=w --clean @0
poetry > export
    -f= -o=w --format=t --output=w --without-hashes --with= --without= --only= --all-extras
    --dev @0
poetry > env
    -p -e --path --executable --full-path --all @t
poetry > run add remove config shell publish cache new init search source about help list
    @*
pdm >
    -q -v -h -V --quiet --verbose --version --help -p=l --project=l
pdm > install sync lock update
    -G= -d --group= --dev --prod --production --no-self --check --frozen-lockfile --no-lock
    --clean --dry-run --no-editable --no-isolation --refresh -L=l --lockfile=l @t
pdm > list show info outdated
    --tree --fields= --json --freeze --graph --python --env @t
pdm > build
    -d=w --dest=w --no-sdist --no-wheel --no-clean @0
pdm > run add remove use config publish init
    @*
hatch >
    -e= -p= -q -v -h --env= --project= --quiet --verbose --no-color --color --version --help
hatch > test fmt
    -a -c -p -r -i= -x= -py= --all --cover --check --diff --randomize --parallel --linter
    --formatter @l
hatch > build
    -t= -c --target= --clean --hooks-only @w
hatch > run env shell version dep config clean new project status publish
    @*
pip >
    -q -v -V -h --quiet --verbose --isolated --no-color --disable-pip-version-check --no-input
    --version --help
pip > list show freeze check help debug inspect
    -o -u -e -l -f -q -v --outdated --uptodate --editable --local --user --format=t
    --not-required --exclude=t --files --exclude-editable --all --pre @t
pip > *
    @*
"""

# Modules of the library that may be run with `-m`.
MODULES = r"""
cProfile
    -s= -o=w -m @>
profile
    -s= -o=w -m @>
trace
    -t -l -T -c -r -m -s -g -R -C=w -f=w --trace --listfuncs --trackcalls --count --report
    --missing --summary --timing --no-report --coverdir=w --file=w --ignore-module=
    --ignore-dir= @>
pdb
    -m -h @>
json.tool
    --sort-keys --indent= --tab --no-indent --compact --no-ensure-ascii --json-lines -h @t
venv
    -h --clear --upgrade --upgrade-deps --without-pip --prompt= --system-site-packages --copies
    --symlinks @w
compileall
    -q -f -l -r= -j= -i=l -d= -s= -p= -x= -b -o= --invalidation-mode= @l
py_compile
    -q @l
tabnanny
    -v -q @l
unittest
    -v -q -f -c -b -k=t -s=l -p= -t=l -h --verbose --quiet --failfast --catch --buffer --locals
    --start-directory=l --pattern= --top-level-directory=l --durations= --help @t
ast
    -m=t -a -i= --mode= --include-attributes --indent= --no-type-comments -h @r
tokenize
    -e --exact -h @r
dis
    -C -h @r
calendar
    -L= -t= -c= @t
doctest
    -v -o= -f @l
pydoc
    -k=t @t
base64
    -e -d -u @r
gzip
    -d --fast --best @w
zipfile
    -l=r -t=r -c=w -e=r --list=r --test=r --create=w --extract=r --metadata-encoding= @w
tarfile
    -l=r -t=r -c=w -e=r -v --list=r --test=r --create=w --extract=r --verbose --filter= @w
sysconfig platform this difflib inspect quopri uu encodings
    --details @t
zoneinfo symtable keyword token
    @t
build
    -s -w -n -x -o=w -v -h --sdist --wheel --no-isolation --outdir=w --skip-dependency-check @l
"""
