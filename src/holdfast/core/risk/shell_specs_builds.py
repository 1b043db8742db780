"""Specs of builds, compilers, test runners and checkers of other languages."""

TEXT = r"""
&cargo
    -p= -j= -F= -r --package= --workspace --all --exclude= --lib --bin= --bins --example=t
    --examples --test= --tests --bench= --benches --all-targets --features= --all-features
    --no-default-features --release --profile= --jobs= --target= --target-dir=w
    --manifest-path=l --message-format= --keep-going --ignore-rust-version --timings?
    --unit-graph --build-plan --no-run --no-fail-fast
&go-build
    -v -x -n -a -race -msan -asan -cover -trimpath -work -o=w -p= -mod= -tags= -ldflags=L
    -gcflags=G -asmflags=G -buildvcs? -buildmode= -covermode= -coverpkg= -json -modfile=l
    -overlay=l -pgo=l
&jvm
    -cp=l -classpath=l --class-path=l -jar=l. --module-path=l -p=l -m= --module= -D* -Xm* -Xs*
    -ea -esa -da -ea:* -enableassertions -XX:+Use* -XX:Max* -XX:Initial* -XX:-Use* -version
    --version -help --help -showversion --enable-preview --add-opens= --add-exports=
    --add-modules= --source= -verbose
gcc
    -c -S -E -g -v -w -s -pg -pipe -shared -static -pthread -rdynamic -nostdlib -nostdinc -ansi
    -pie -no-pie -pedantic -pedantic-errors -fsyntax-only -o=w -x= -I= -L= -l* -D* -U* -O* -W*
    -g* -std= -m* -f* -fplugin*! -fuse-ld*! -fpass-plugin*! -fdump*! -fprofile-generate*! -Wl,*!
    -Wp,*! -Wa,*! -Wl,-rpath* -Wl,--as-needed -Wl,-z* -Wl,--gc-sections -Wl,-s -Wl,-O*
    -Wl,--no-undefined -I*l -L*l -isystem=l -iquote=l -include=l -MD -MMD -MP -MF=w -MT= -M -MM
    -nostdinc++ -stdlib= -dumpversion -dumpmachine -print-* --version --help -static-libgcc
    -static-libstdc++ --target= -arch= -isysroot=r -framework= -Qunused-arguments -fsanitize*
    --coverage -save-temps @l
make
    -j? -k -n -s -B -i -q -t -p -w -d -r -R -S -h -v -f=l -C=l -I=l -l? -o= -W= -O? --jobs?
    --keep-going --dry-run --just-print --silent --quiet --always-make --question --touch
    --trace --no-print-directory --print-directory --debug? --file=l --makefile=l --directory=l
    --include-dir=l --print-data-base --ignore-errors --no-builtin-rules --output-sync?
    --load-average? --warn-undefined-variables --version --help @t
ld
    -o=w -L*l -l* -r -s -S -shared -static -T=l -e=t -m= --as-needed --gc-sections @l
as
    -o=w -I=l -g --32 --64 -W @l
ar
    -r -c -s -u -x -t -D -U -d -q -v -p -T @w
clippy-driver
    -A= -W= -D= -F= --cap-lints= @0
rustc
    -o=w -O -g -v -V -h --edition= --crate-type= --crate-name= --test --emit= --out-dir=w
    --target= --cfg= --explain= -L=l -l= -A= -W= -D= -F= --cap-lints= -C=C --version --help
    --print= @l
rustfmt
    -l -v -q --check --edition= --config=i --config-path=l --emit= --color= @l
gofmt goimports gofumpt
    -l -w -d -s -e -local= -r= -extra @l
staticcheck
    -checks= -f= -tests= -go= -tags= -explain= @l
ninja
    -C=l -f=l -j= -k= -l= -n -v -d= -w= -h --version --verbose --quiet --help @t
ctest
    -C= -R=t -E=t -L= -LE= -V -VV -j? -N -Q -O=w -I= -h --verbose --output-on-failure
    --test-dir=l --parallel? --rerun-failed --timeout= --repeat= --stop-on-failure
    --schedule-random --progress --no-tests= --output-junit=w --label-regex= --tests-regex=
    --build-config= --version --help @0
cmake
    -S=l -B=l -G= -D*K -D=K -U* -A= -T= -Wdev -Wno-dev -Werror=* -N -LA -L -LAH -j? -v -h
    --fresh --build=l --target= -t= --config= --parallel? --clean-first --verbose --preset=
    --list-presets? --log-level= --trace --debug-output --graphviz=w --version --help --warn-*
    --no-warn-* --:make @l
javac
    -d=w -cp=l -classpath=l --class-path=l -sourcepath=l --source-path=l -g -g:* -nowarn
    -verbose -Xlint* -Xmaxerrs= -Xdoclint* -source= -target= --release= -encoding= -parameters
    -Werror -proc:* -implicit:* -s=w -h=w --enable-preview -deprecation -version --version -help
    --help @l
java
    &jvm @>
kotlinc
    -d=w -cp=l -classpath=l -include-runtime -jvm-target= -nowarn -verbose -version -help @l
mvn
    -q -B -e -X -U -o -v -h -N -am -amd -ntp -T= -pl= -P= -rf= -fae -ff -fn -f=l -s=l -gs=l -D*M
    --quiet --batch-mode --offline --also-make --projects= --activate-profiles= --file=l
    --threads= --no-transfer-progress --update-snapshots --errors --debug --show-version
    --version --help -V @t
gradle
    -q -i -d -s -S -x= -w -b=l -p=l -I=l -m -t -h -v -P* -D*M --quiet --info --debug
    --stacktrace --full-stacktrace --exclude-task= --warn --build-file=l --project-dir=l
    --init-script=l --dry-run --continuous --continue --daemon --no-daemon --stop --status
    --parallel --no-parallel --offline --build-cache --no-build-cache --configuration-cache
    --no-configuration-cache --rerun-tasks --refresh-dependencies --tests=t --console=
    --warning-mode= --max-workers= --profile --configure-on-demand --write-locks --version
    --help @t
rspec
    -f= -e=t -t= -b -o=w -r=n -w -P= -h -v --format=t --example=t --tag= --fail-fast? --order=
    --seed= --backtrace --profile? --color --no-color --out=w --dry-run --only-failures
    --next-failure --bisect? --pattern= --require=n --options=l --version --help @l
rubocop
    -a -A -D -S -l -f= -o=w -c=l -L -P -h -v --auto-correct --autocorrect --autocorrect-all
    --safe-auto-correct --only=t --except= --format=t --out=w --config=l --lint --parallel
    --no-parallel --fail-level= --display-cop-names --force-exclusion --auto-gen-config
    --no-color --version --help @l
phpunit
    -c=l -v -h --configuration=l --filter=t --group= --exclude-group= --testsuite= --testdox
    --colors? --stop-on-failure --stop-on-error --coverage-html=w --coverage-text?w
    --coverage-clover=w --verbose --debug --log-junit=w --no-coverage --list-tests --order-by=
    --cache-clear --version --help @l
shellcheck
    -x -a -f= -s= -e=t -i= -S= -C? -o= -P=l -W= -V --exclude= --include= --format=t --shell=
    --severity= --enable= --color? --check-sourced --source-path=l --norc --external-sources
    --rcfile=l --version --help @l
hadolint
    -c=l -f= -t= -V -v --config=l --format=t --ignore= --failure-threshold= --no-fail
    --strict-labels --error= --warning= --info= --style= --no-color --version --help @l
clang-format
    -i -n -h --style=S -style=S --dry-run --Werror --verbose --fallback-style= --sort-includes
    --lines= --offset= --length= --assume-filename= -output-replacements-xml --files=r --version
    --help @l
clang-tidy
    -p=l -fix -fix-errors -fix-notes --fix --fix-errors -checks= --checks= -header-filter=
    --header-filter= --quiet -quiet -extra-arg* --warnings-as-errors= --format-style=S
    --config-file=l -j= --use-color --export-fixes=w --list-checks --version --help @l --:gcc
protoc
    -I*l -I=l --proto_path=l --go_out=w --go_opt= --go-grpc_out=w --go-grpc_opt= --python_out=w
    --pyi_out=w --grpc_python_out=w --cpp_out=w --java_out=w --js_out=w --ts_out=w
    --csharp_out=w --ruby_out=w --php_out=w --kotlin_out=w --rust_out=w --objc_out=w
    --descriptor_set_out=w --include_imports --include_source_info --version --help
    --experimental_allow_proto3_optional -o=w --swift_out=w --es_out=w --es_opt= --ts_opt= @l
rake
    -T? -n -q -s -v -t? -j? -m -P -D? -A -h -V -f=l --tasks? --trace? --dry-run --quiet --silent
    --verbose --jobs? --multitask --rakefile=l --all --version --help @t
just
    -l -n -q -v -f=l -d=l -s= --list --summary --dry-run --quiet --verbose --justfile=l --show=
    --working-directory=l --set= --dump --evaluate --version --help @t
task
    -l -a -n -v -s -f -p -d=l -t=l -o= --list --list-all --dry --verbose --silent --force
    --parallel --dir=l --taskfile=l --output= --status --summary --watch -w --version --help @t
actionlint
    -color -no-color -verbose -format= -ignore= -config-file=l -version @l
tokei scc cloc
    -t= -s= -e=t -f -C -o= --by-file --sort= --exclude-dir= --include-lang= --json --csv --files
    --quiet --hide= --exclude= --include-ext= --exclude-ext= --wide --no-cocomo -i= -w
    --format=t --vcs= --yaml --md --xml @l
dot
    -T* -o=w -K* -G* -N* -E* -O -q -v -V -n?t -y -x @r
hyperfine
    -w= -m= -M= -r= -P= -D= -L= -N -i -u= -n=t -h --warmup= --min-runs= --max-runs= --runs=
    --export-json=w --export-markdown=w --export-csv=w --export-asciidoc=w --style=
    --show-output --ignore-failure? --time-unit= --command-name= --shell= -S= --output=
    --version --help @t
hg svn jj >
    -v -q --verbose --quiet --version --help --no-pager
hg svn jj > status st stat log diff annotate blame cat id identify summary branches tags heads
  .. info ls list show root files parents
    -r=t -c=t -p -v -q -l= -a -m -n --limit= --stat --rev=t --patch --graph -G -s @l
hg svn jj > add commit ci update up co checkout revert resolve new describe desc mv rename copy
  .. cp rm remove forget delete
    -m=t -r=t -A -C -a -n --message=t --rev=t --all --no-backup @l
direnv >
direnv > exec
    @.
direnv > status version help
    --json @t
cargo >
    +*T -q -v -V -h -vv --quiet --verbose --color= --frozen --locked --offline --list --version
    --help
cargo > build b check c doc d bench
    &cargo --no-deps --open --document-private-items @t
cargo > test t
    &cargo --doc @t
cargo > run r
    &cargo @t
cargo > clippy
    &cargo --fix --no-deps --allow-dirty --allow-staged @0 --:clippy-driver
cargo > rustc
    &cargo @0 --:rustc
cargo > fix
    &cargo --allow-dirty --allow-staged --edition --edition-idioms @0
cargo > fmt
    -p= --all --check --package= --message-format= --manifest-path=l @0 --:rustfmt
cargo > nextest
    &cargo -E=t --retries= --test-threads= --no-capture --status-level= @t
cargo > clean fetch update tree metadata generate-lockfile verify-project pkgid
    &cargo -i= -e=t -d --invert= --edges= --depth= --duplicates --prefix= --no-deps
    --format-version= --format=t --precise= --dry-run --no-dedupe --aggressive @t
cargo > new init
    --lib --bin --name=t --edition= --vcs= @w
cargo > add remove rm
    --dev --build -F= --features= --no-default-features --optional --path=l --rename= --dry-run
    --package= -p= --registry=! --git=! @t
cargo > version help search info audit deny outdated machete llvm-cov expand tarpaulin miri
  .. locate-project
    &cargo --html --lcov --output-path=w --summary-only --out= @t
cargo > install uninstall publish login logout owner yank package vendor
    &cargo @t
go >
    -C=l
go > build install
    &go-build @l
go > run
    &go-build @>
go > test
    &go-build -run=t -count= -short -timeout= -bench=t -benchmem -benchtime= -cpu= -parallel=
    -failfast -shuffle= -list= -fullpath -vet= -skip=t -coverprofile=w -cpuprofile=w
    -memprofile=w -outputdir=w -c -fuzz= -fuzztime= -args @l
go > vet
    &go-build -fix -c= -tags= @l
go > fmt generate
    -n -x -v -run=t -skip=t -mod= @l
go > list
    &go-build -m -f= -json? -deps -test -e -u -versions -compiled -export -find @t
go > doc
    -all -short -src -u -c -cmd @t
go > env
    -json -changed -w -u @t
go > mod
    -v -e -x -json -go= -compat= -diff -reuse=r @t
go > work tool version clean get fix help bug
    -v -x -n -u -t -d -i -r -cache -testcache -modcache -m @t
golangci-lint >
    -v -h --verbose --color= --version --help
golangci-lint > run
    -c=l -E=t -D= -j= -n --config=l --enable= --disable= --fix --fast --new --new-from-rev=
    --timeout= --tests?t --build-tags= --out-format= --concurrency= --max-issues-per-linter=
    --max-same-issues= --allow-parallel-runners --enable-all --disable-all --no-config
    --output.* --path-prefix= --skip-dirs= --default= @l
golangci-lint > fmt linters version config help cache
    --diff -d @t
meson >
    -h -v --help --version
meson > setup configure
    -D* -D= --buildtype= --prefix=w --reconfigure --wipe --backend= --native-file=l
    --cross-file=l --default-library= --warnlevel= --werror --unity= --strip --optimization=
    --debug @l
meson > compile
    -C=l -j= -v --clean --verbose --jobs= @t
meson > test
    -C=l -v -q -t= --suite= --no-suite= --list --repeat= --no-rebuild --verbose
    --print-errorlogs --num-processes= --timeout-multiplier= --benchmark --maxfail= @t
meson > introspect
    -a -i --all --targets --tests --buildoptions --dependencies --projectinfo @l
meson > format init
    -i -r -c=l -q @l
dotnet >
    -h -d --info --version --list-sdks --list-runtimes --help
dotnet > build test run restore clean publish pack format watch
    -c= -f= -r= -v= -o=w -p:* --nologo --configuration= --framework= --runtime= --no-build
    --no-restore --verbosity= --output=w --filter=t --logger= --project=l --collect=
    --results-directory=w --settings=l --list-tests --blame --interactive --self-contained?
    --verify-no-changes --launch-profile= -t @l
dotnet > sln new list
    -n=t -o=w --name=t --output=w --force --outdated --vulnerable @t
dotnet > ef
    -p=l -s=l --project=l --startup-project=l --context= -o=w --no-build --verbose @t
mix >
mix > test
    --trace --failed --stale --only=t --exclude= --include= --seed= --cover --slowest=
    --max-failures= --no-compile --no-start --force @l
mix > compile format credo dialyzer deps.tree deps ecto.migrate ecto.rollback ecto.create
  .. phx.routes phx.server phx.gen.migration ecto.gen.migration help clean
    --warnings-as-errors --force --check-formatted --dry-run --strict --all --only=t @t
mix > deps.get deps.compile
    --only=t @t
swift >
swift > build test run package
    -c= -v -j= --configuration= --product= --target= --filter=t --skip= --parallel --verbose
    --enable-code-coverage --show-bin-path --package-path=l -Xswiftc=! @t
zig >
zig > build test fmt run ast-check version env build-exe build-lib
    -O= -f* -D* --summary= --check --prefix=w -p=w --release? --verbose -target= -lc @l
composer >
    -n -q -v -vv -vvv -h -V --no-interaction --quiet --verbose --no-ansi --ansi --working-dir=l
    -d=l --version --help --no-plugins --no-scripts --no-progress
composer > install update validate show outdated dump-autoload dumpautoload check-platform-reqs
  .. licenses why why-not diagnose audit
    -o -a -D -t --no-dev --prefer-dist --dry-run --strict --optimize-autoloader
    --classmap-authoritative --ignore-platform-reqs --tree --direct --prefer-source
    --no-autoloader --format=t @t
composer > test lint analyse analyze check fix format run run-script
    @t
composer > require remove exec global create-project
    --dev @t
bundle >
    -h --help --version --verbose --no-color
bundle > install check update outdated list show info platform
    -j= --jobs= --quiet --local --path=w --without= --with= --deployment --retry= --gemfile=l
    --conservative --all @t
bundle > exec
    @*
bundle > add remove config lock open clean doctor init
    @t
rails >
rails > test test:system spec
    -n=t -v -b -f -e=t --name=t @l
rails > db:migrate db:rollback db:seed db:schema:load db:create db:setup db:migrate:status
  .. routes about stats notes tmp:clear assets:precompile zeitwerk:check
    -g= -c= @t
rails > generate g destroy d new
    --skip-* --no-* --force --pretend -f -p @t
rails > server s
    -p= -b=h -e=t -d --port= --binding=h --environment= @0
buf >
    --debug --log-format= --timeout= --version --help
buf > lint build generate breaking format
    --against= --config=l --template=l -o=w -w -d --path= --error-format= @l
"""
