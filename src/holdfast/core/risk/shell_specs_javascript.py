"""Specs of JavaScript's tools: runtimes, compilers, bundlers, linters, test runners, packagers."""

TEXT = r"""
&packages
    -s -q -d -w= -D -f -h -v --silent --quiet --if-present --workspace= --workspaces --ws
    --include-workspace-root --production --omit= --include= --no-audit --no-fund --no-progress
    --prefer-offline --offline --frozen-lockfile --immutable --legacy-peer-deps --ignore-scripts
    --force --json --depth= --all --long --loglevel= --no-save --color= --no-color --help
    --version --no-update-notifier --no-package-lock --foreground-scripts --strict-peer-deps
    --dry-run --verbose
node
    -v -h -c -i --version --help --check --test --test-only --test-name-pattern=t
    --test-reporter= --test-concurrency= --test-timeout= --watch --watch-path=l --experimental-*
    --no-warnings --trace-warnings --trace-deprecation --no-deprecation --throw-deprecation
    --trace-uncaught --unhandled-rejections= --enable-source-maps --max-old-space-size=
    --max-semi-space-size= --stack-size= --expose-gc --env-file=l --env-file-if-exists=l
    --input-type= --conditions= -C= --preserve-symlinks --prof --cpu-prof --heap-prof
    --inspect?h --inspect-brk?h --stack-trace-limit= --openssl-legacy-provider -r=l --require=l
    --import=l --loader=l --experimental-loader=! -e=. -p=. -pe=. --eval=. --print=.
    --disable-warning= --permission @>
tsx
    -h -v -r=l -P=l -T --tsconfig=l --require=l --import=l --no-cache --conditions= --env-file=l
    --project=l --transpile-only --files --esm --swc --inspect?h --version --help @>
tsc
    -p=l -b -w -v -h -d -t=t -m= --project=l --build --watch? --noEmit? --pretty? --strict?
    --version --help --all --init --showConfig --listFiles --listFilesOnly --listEmittedFiles
    --explainFiles --traceResolution --diagnostics --extendedDiagnostics --incremental?
    --tsBuildInfoFile=w --force --clean --dry --verbose --target= --module= --moduleResolution=
    --jsx= --lib= --outDir=w --outFile=w --rootDir=l --baseUrl=l --declaration?
    --declarationDir=w --declarationMap? --emitDeclarationOnly? --sourceMap? --skipLibCheck?
    --esModuleInterop? --allowJs? --checkJs? --noUnused* --noImplicit* --noErrorTruncation
    --isolatedModules? --resolveJsonModule? --noEmitOnError? --preserveWatchOutput --types=
    --removeComments? --allowSyntheticDefaultImports? @l
eslint
    -c=l -f=t -o=w -h -v --ext= --fix --fix-dry-run --fix-type= --max-warnings= --quiet --cache
    --cache-location=w --cache-file=w --cache-strategy= --config=l --format= --output-file=w
    --ignore-pattern=t --ignore-path=r --no-ignore --no-eslintrc --no-config-lookup --env=
    --global= --parser-options= --plugin=n --rule=t --report-unused-disable-directives --color
    --no-color --no-error-on-unmatched-pattern --exit-on-fatal-error --debug --stdin
    --stdin-filename= --no-inline-config --print-config= --stats --no-warn-ignored
    --concurrency= --version --help @l
prettier
    -c -l -w -u -h -v --check --write --list-different --config=l --no-config --ignore-path=r
    --log-level= --loglevel= --ignore-unknown --no-editorconfig --find-config-path
    --stdin-filepath= --tab-width= --print-width= --single-quote --semi --no-semi
    --trailing-comma= --parser= --end-of-line= --prose-wrap= --cache --cache-location=w
    --with-node-modules --use-tabs --bracket-spacing --no-bracket-spacing --arrow-parens=
    --no-error-on-unmatched-pattern --file-info= --support-info --color --no-color --version
    --help @l
jest
    -t=t -i -b -c=l -w= -o -u -h -f --testNamePattern=t --runInBand --bail? --config=l
    --maxWorkers= --onlyChanged --onlyFailures --updateSnapshot --ci --coverage?
    --collectCoverageFrom=t --coverageDirectory=w --coverageReporters= --coverageProvider=
    --watch? --watchAll? --verbose? --silent? --testPathPattern=t --testPathPatterns=t
    --testPathIgnorePatterns=t --findRelatedTests --passWithNoTests --detectOpenHandles
    --forceExit --runTestsByPath --listTests --showConfig --json --outputFile=w --changedSince=
    --selectProjects= --no-cache --cache? --clearCache --testTimeout= --shard= --reporters=
    --logHeapUsage --expand --color --colors --no-coverage --env= --errorOnDeprecated --notify?
    --rootDir=l --roots=l --version --help @l
vitest
    -t=t -r=l -c=l -w -u -h -v --run --watch? --ui --root=l --config=l --dir=l --coverage?
    --coverage.* --reporter= --outputFile=w --testNamePattern=t --environment= --pool=
    --threads? --no-threads --isolate? --no-isolate --globals --dom --passWithNoTests --silent?
    --hideSkippedTests --changed? --bail? --retry= --update --mode= --project= --typecheck?
    --testTimeout= --shard= --no-file-parallelism --fileParallelism? --maxWorkers= --minWorkers=
    --sequence.* --exclude=t --allowOnly --no-color --color --logHeapUsage --clearScreen?
    --expandSnapshotDiff --version --help @l
mocha
    -g=t -f=t -i -b -t=t -R= -r=l -w -u= -s= -j= -p -h --grep=t --fgrep=t --bail --timeout=
    --reporter= --require=l --recursive --exit --watch --ui= --config=l --spec=l --extension=
    --check-leaks --parallel --jobs= --forbid-only --forbid-pending --colors --color --no-colors
    --full-trace --ignore= --retries= --slow= --sort --inline-diffs --file=l --dry-run --version
    --help @l
webpack
    -c=l -w -h --mode= --config=l --watch --env= --json?w --progress? --profile --stats=
    --devtool= --output-path=w -o=w --entry=l --no-stats --color --no-color --target= --analyze
    --name= --node-env= --fail-on-warnings --merge --hot --version --help @l
rollup
    -c?l -w -f=t -o=w -d=w -i=l -m -h --config?l --watch --format= --file=w --dir=w --input=l
    --sourcemap --name= --silent --environment= --external= --globals= --version --help @l
esbuild
    --bundle --minify --sourcemap? --outfile=w --outdir=w --platform= --target= --format=
    --external:* --loader:* --define:* --watch --splitting --metafile=w --log-level=
    --tree-shaking= --jsx= --tsconfig=l --analyze --keep-names --packages= --version --help @l
stylelint
    --fix --config=l -q --quiet --formatter= -f=t --max-warnings= --allow-empty-input
    --ignore-path=r --cache @l
markdownlint markdownlint-cli2
    -c=l -f -i= -o=w -p=r -q --config=l --fix --ignore= --output=w --disable= --enable= --json
    --dot @l
nyc c8
    --reporter= --report-dir=w --all --check-coverage --silent --lines= --branches= -r= @>
npm >
    &packages --prefix=l -C=l
npm > run run-script test t tst start stop restart rum
    @t
npm > ci install i install-test it clean-install add
    -g -E -O -P --save --save-dev --save-exact --save-optional --global --package-lock-only
    --registry=! @t
npm > ls list ll outdated view info show fund audit explain why prefix root bin ping doctor help
  .. search docs
    -a -p -l --parseable --audit-level= @t
npm > version
    --no-git-tag-version --preid= -m= @t
npm > pack
    --pack-destination=w @l
npm > init
    -y --yes @t
npm > uninstall un rm remove prune dedupe ddp rebuild update up upgrade
    --save -D @t
npm > cache
    @t
npm > config pkg publish link login logout whoami owner token access hook adduser deprecate exec
  .. x create dist-tag unpublish get set
    -y --yes --package= -p= -c=! --call=! @t
yarn >
    -s -W -T -A -p -v --silent --cwd=l --json --top-level --verbose --version --help
yarn > install add remove upgrade up dedupe outdated why info list audit config cache dlx init
  .. create publish login link unlink set plugin npm global
    &packages -D -E --dev --exact --check-files --ignore-engines --non-interactive --mode=
    --network-timeout= --pattern= @t
yarn > *
    @*
pnpm >
    -r -w -s -F=t --recursive --filter=t --workspace-root --silent --dir=l -C=l --parallel
    --stream --aggregate-output --no-bail --if-present --workspace-concurrency= --reporter=
    --loglevel= --version --help
pnpm > install i add remove rm update up upgrade ls list why outdated audit licenses prune fetch
  .. dedupe rebuild store config env dlx create init publish link unlink import deploy
    &packages -D -E -r -w -P -g --recursive --filter=t --shamefully-hoist --lockfile-only
    --ignore-workspace --save-dev --latest --interactive --reporter= --no-frozen-lockfile
    --no-lockfile @t
pnpm > *
    @*
bun >
    -v -h -b -i --version --revision --help --bun --cwd=l --silent --watch --hot --env-file=l
    --smol --if-present --filter=t -F=t --inspect?h --no-install --conditions=
bun > install i ci add a remove rm update outdated pm audit link unlink create c init publish x
  .. upgrade patch why info
    &packages -D -E -g -y --dev --global --exact --optional --latest --no-cache @t
bun > test
    -t=t -u --watch --only --todo --coverage --coverage-reporter= --coverage-dir=w --bail?
    --timeout= --test-name-pattern=t --update-snapshots --rerun-each= --preload=l --reporter=
    --reporter-outfile=w --env-file=l @l
bun > build
    --outdir=w --outfile=w --target= --format= --minify --sourcemap? --splitting --external=
    --watch --compile --entry-naming= --define= --production --packages= --root=l --public-path=
    @l
bun > *
    @*
deno >
    -q -V -h --quiet --version --help
deno > test bench check lint fmt doc info task
    -A -c=l --allow-all --allow-* --no-check? --filter= --fail-fast? --coverage? --watch?
    --check --config=l --doc --parallel --unstable-* --ignore= --fix --json --lock=r --no-lock
    --frozen --cwd=l --ext= --no-remote --cached-only @l
deno > run serve
    -A --allow-* --no-check? --check --watch? --config=l -c=l --unstable-* --env-file?l
    --no-lock --frozen --port= --host=h --import-map=l --inspect?h --cached-only --no-remote @>
deno > types
    @0
deno > eval repl install uninstall upgrade publish compile bundle cache add remove jupyter
  .. deploy
    @*
vite >
    -c=l -h -v -l= -m= -d? -f=t --config=l --base= --logLevel= --clearScreen? --debug? --filter=
    --mode= --force --host?h --port= --open? --strictPort --cors --help --version
vite > build
    -w --target= --outDir=w --assetsDir= --sourcemap? --minify? --emptyOutDir --manifest? --ssr?
    --watch @l
vite > dev serve preview optimize
    --outDir=r @l
playwright >
    -h -V --help --version
playwright > test
    -c=l -g=t -j= -x -u? --config=l --grep=t --grep-invert=t --workers= --headed --debug --ui
    --project= --reporter= --retries= --repeat-each= --shard= --timeout= --trace=
    --update-snapshots? --list --last-failed --max-failures= --forbid-only --fully-parallel
    --global-timeout= --ignore-snapshots --no-deps --pass-with-no-tests --quiet --output=w
    --only-changed? @l
playwright > show-report show-trace
    --host=h --port= @l
playwright > install
    --with-deps! --dry-run --force @t
biome >
    --colors= --verbose --config-path=l --max-diagnostics= --log-level= --version --help
biome > check format lint ci
    --write --fix --unsafe --apply --apply-unsafe --staged --changed --since=
    --diagnostic-level= --reporter= --error-on-warnings --skip= --only= --no-errors-on-unmatched
    --indent-style= --indent-width= --line-width= @l
biome > version explain
    @t
next >
    -h -v --help --version
next > build dev start lint info
    -p= -H=h --port= --hostname=h --turbo --turbopack --debug --profile --no-lint --dir=l --fix
    --quiet --max-warnings= @l
"""
