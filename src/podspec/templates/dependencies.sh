# Installs what the project in this folder asks for, with the tool that the project uses, and prints which tool and why.
# $kind is the template's kind, node or python. Dependencies of the other kind come after that, and their failure is
# only printed. Tools that the image lacks come from npm and PyPI, and stay for the user's terminal. The script may run
# again at any time. It does not use `set -e`, because the worker's own `(...) || exit` switches that off.

does() {
    printf '%s: %s\n' "$why" "$*"
    "$@"
}

# The program $1 in the version $3, from the npm package $2.
from_npm() {
    [ -n "$3" ] || ! command -v "$1" >/dev/null || return 0
    [ -z "$3" ] || [ "$(cd / && "$1" --version 2>/dev/null)" != "$3" ] || return 0
    does npm install --global --force --no-audit --no-fund --loglevel error "$2@${3:-latest}"
}

from_pypi() {
    command -v "$1" >/dev/null || does uv tool install --quiet "$1" || return
    # poetry and pipenv use certificates of their own, unless a variable names the system's.
    [ -z "${SSL_CERT_FILE:-}" ] || export REQUESTS_CA_BUNDLE="${REQUESTS_CA_BUNDLE:-$SSL_CERT_FILE}"
}

# Sets $manager, $version and $why: packageManager wins, then what pnpm has already installed here, then the lockfile.
choose_node_manager() {
    # shellcheck disable=SC2016 # JavaScript's own
    asked=$(node --print '
        const { packageManager, devEngines } = JSON.parse(fs.readFileSync("package.json", "utf8").replace(/^\uFEFF/, ""));
        const other = [devEngines?.packageManager].flat()[0];
        const text = typeof packageManager === "string" ? packageManager : `${other?.name ?? ""}@${other?.version ?? ""}`;
        const [, name, version] = /^([a-z]*)@?([\w.^~-]*)/.exec(text);
        `${name} ${version}`' 2>/dev/null)
    manager=${asked%% *} version=${asked#* } why="packageManager in package.json"
    case $manager in
        npm | pnpm | yarn | bun) return ;;
        ?*) echo "packageManager in package.json: $manager is not known here; the lockfile decides" ;;
    esac
    version=
    if [ -e node_modules/.modules.yaml ]; then manager=pnpm why='node_modules is made by pnpm'
    elif [ -e package-lock.json ]; then manager=npm why=package-lock.json
    elif [ -e npm-shrinkwrap.json ]; then manager=npm why=npm-shrinkwrap.json
    elif [ -e pnpm-lock.yaml ]; then manager=pnpm why=pnpm-lock.yaml
    elif [ -e yarn.lock ]; then manager=yarn why=yarn.lock
    elif [ -e bun.lock ]; then manager=bun why=bun.lock
    elif [ -e bun.lockb ]; then manager=bun why=bun.lockb
    else manager=pnpm why='package.json without a lockfile'
    fi
}

install_node() {
    choose_node_manager
    case $manager in
        npm)
            # npm fails on a node_modules that pnpm has linked.
            [ ! -e node_modules/.modules.yaml ] || rm -rf node_modules
            if [ -e package-lock.json ] || [ -e npm-shrinkwrap.json ]; then
                does npm ci --no-audit --no-fund && return
                why='the lockfile cannot be used'
            fi
            does npm install --no-audit --no-fund
            ;;
        pnpm) does pnpm install --config.confirmModulesPurge=false ;;
        yarn) install_with_yarn ;;
        bun)
            from_npm bun bun "$version" && does bun install
            ;;
    esac
}

# The lockfile of version 1 has another form than those of later versions.
install_with_yarn() {
    if [ -z "$version" ]; then
        case $(sed -n '/^__metadata:/,/^$/s/^  version: *//p' yarn.lock 2>/dev/null) in
            '') version=1.22.22 ;;
            [4-7]) version=3 ;;
            *) version=4 ;;
        esac
    fi
    case $version in
        1 | 1.* | [!0-9]1*) from_npm yarn yarn "$version" && does yarn install --non-interactive ;;
        *)
            # The project's own settings win over these: folders that every tool finds, and npm's own registry.
            [ -e ~/.yarnrc.yml ] || printf 'nodeLinker: node-modules\nenableTelemetry: false\nnpmRegistryServer: "%s"\n' \
                "$(npm config get registry)" >~/.yarnrc.yml
            export YARN_ENABLE_IMMUTABLE_INSTALLS=0
            from_npm yarn @yarnpkg/cli-dist "$version" && does yarn install
            ;;
    esac
}

# Sets $way and $why; $way is empty where nothing says what to install.
choose_python_way() {
    tables='' way=''
    [ ! -e pyproject.toml ] || tables=$(python3 -c '
import tomllib
try:
    file = tomllib.load(open("pyproject.toml", "rb"))
    print("poetry" * ("poetry" in file.get("tool", {})) + " " + "project" * ("project" in file))
except ValueError:
    print("project")  # uv says what is wrong with it
')
    if [ -e uv.lock ]; then way=uv why=uv.lock
    elif [ -e poetry.lock ]; then way=poetry why=poetry.lock
    else
        case $tables in
            *poetry*) way=poetry why='pyproject.toml has [tool.poetry]' ;;
            *project*) way=uv why='pyproject.toml has [project]' ;;
            *)
                if [ -e Pipfile ]; then way=pipenv why=Pipfile
                elif ls requirements*.txt >/dev/null 2>&1; then way=requirements why='no [project] in a pyproject.toml'
                elif [ -e setup.py ]; then way=setup why=setup.py
                fi
                ;;
        esac
    fi
}

install_python() {
    export UV_LINK_MODE="${UV_LINK_MODE:-copy}"
    case $way in
        uv)
            does uv sync && return
            # Many projects that declare a package can't be built as one.
            why='without the project itself'
            does uv sync --no-install-project
            ;;
        poetry)
            export POETRY_VIRTUALENVS_IN_PROJECT=true
            from_pypi poetry || return
            does poetry install --no-interaction && return
            why='without the project itself'
            does poetry install --no-interaction --no-root
            ;;
        pipenv)
            export PIPENV_VENV_IN_PROJECT=1
            from_pypi pipenv || return
            if [ -e Pipfile.lock ]; then does pipenv sync --dev; else does pipenv install --dev; fi
            ;;
        requirements)
            if [ -e requirements.txt ]; then
                set -- requirements.txt
                [ ! -e requirements-dev.txt ] || set -- "$@" requirements-dev.txt
            else
                set -- requirements*.txt
            fi
            why=$*
            # Puts the option before each file.
            for file; do
                shift
                set -- "$@" --requirements "$file"
            done
            [ -e .venv ] || does uv venv && does uv pip install "$@"
            ;;
        setup)
            [ -e .venv ] || does uv venv && does uv pip install --editable .
            ;;
    esac
}

export npm_config_update_notifier=false
choose_python_way
has_node() { [ -e package.json ]; }
has_python() { [ -n "$way" ]; }
other=node
[ "${kind:?}" != node ] || other=python
python_why=$why
install() {
    [ "$1" = node ] || why=$python_why
    "install_$1"
}
if "has_$kind"; then
    install "$kind" || exit
    if "has_$other"; then
        install "$other" || echo "this project's $other dependencies are not installed; the pod goes on without" >&2
    fi
elif "has_$other"; then
    install "$other" || exit
else
    echo 'nothing to install: there is neither a package.json, a pyproject.toml with [project] or [tool.poetry], a Pipfile, a' \
        'requirements.txt nor a setup.py'
    # For packages that are installed later.
    [ "$kind" = node ] || [ -e .venv ] || uv venv
fi
