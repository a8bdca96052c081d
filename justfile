# Thin front over the command line and Docker Compose; `just` lists it. Which compose file: `just compose=FILE up`.
set dotenv-load := true
set positional-arguments := true

compose := env("COMPOSE_FILE", "docker-compose.yml")
gateway := if compose =~ "unified" { "api-gateway" } else if compose =~ "deploy/" { "gatehouse" } else { "mcp-gateway" }
gatehouse := env("GATEHOUSE", "npx --no-install gatehouse")

# What there is.
default:
    @just --list --unsorted

# --- run ---

# Start it, in the background.
up *args:
    docker compose -f {{ compose }} up -d "$@"

# Stop it; data stays.
down *args:
    docker compose -f {{ compose }} down "$@"

# Build anew and replace what changed, or only what is named.
rebuild *args:
    docker compose -f {{ compose }} up -d --build "$@"

# Build the images.
build *args:
    docker compose -f {{ compose }} build "$@"

# What it says: `just logs -f auth`. Names of older generations are understood.
logs *args:
    docker compose -f {{ compose }} logs $(printf '%s\n' "$@" | sed -e 's/^auth$/{{ gateway }}/')

# What runs.
status:
    docker compose -f {{ compose }} ps

# Every check of the project, or the files that are named.
test *args:
    npm test -- "$@"

# Settings, database, identity providers, clocks; then each server with a real `initialize`.
check-health *args:
    {{ gatehouse }} doctor
    {{ gatehouse }} check "$@"

# The certificate that clients see: for whom, until when.
check-ssl *args:
    {{ gatehouse }} certificate "$@"

# --- set up ---

# Ask what is needed and write gatehouse.yaml and .env.
setup *args:
    {{ gatehouse }} init "$@"

# Networks come with `up`: nothing to do. Here for scripts of the older generation.
network-create:
    @echo "networks are made by: just up"

# Volumes come with `up`: nothing to do. Here for scripts of the older generation.
volumes-create:
    @echo "volumes are made by: just up"

# The compose include list, Traefik's routers and the gateway's list, from MCP_<NAME>_ENABLED.
generate-includes:
    npm run includes

# Traefik's middlewares are part of the same.
generate-middlewares: generate-includes

# --- secrets: printed, never written ---

# What GATEWAY_JWT_SECRET was: seals what is stored.
generate-jwt-secret:
    @echo "ENCRYPTION_KEY=$(openssl rand -base64 32)"

# A key for JWT_PRIVATE_KEY_B64. Without one the gateway makes and rotates its own.
generate-rsa-keys:
    @echo "JWT_PRIVATE_KEY_B64=$(openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 2>/dev/null | openssl base64 -A)"

# For REDIS_PASSWORD.
generate-redis-password:
    @echo "REDIS_PASSWORD=$(openssl rand -hex 24)"

# Whatever a compose file here asks for.
generate-all-secrets: generate-jwt-secret generate-redis-password
    @echo "POSTGRES_PASSWORD=$(openssl rand -hex 24)"
    @echo "WEBUI_SECRET_KEY=$(openssl rand -base64 32)"
    @echo "MCP_BRIDGE_TOKEN=$(openssl rand -hex 24)"

# Sign in with your browser; commands act as you from then on.
generate-github-token *args:
    {{ gatehouse }} login "$@"

# A key for a program: `just mcp-client-token --org acme --name robot`.
mcp-client-token *args:
    {{ gatehouse }} key create "$@"

# Register a program that gets its tokens itself (client credentials).
mcp-client-token-complete *args:
    {{ gatehouse }} client create "$@"

# What to paste into a client, by name: the address is all it needs.
create-mcp-config name="gatehouse" url="${BASE_URL:-http://localhost:3000}/mcp":
    @printf '{"mcpServers":{"%s":{"type":"http","url":"%s"}}}\n' "{{ name }}" "{{ url }}"

# --- operate: `just … --url https://mcp.example.com` asks a gateway elsewhere ---

# Clients that registered themselves.
oauth-list-registrations *args:
    {{ gatehouse }} registration list "$@"

# What people let applications have; the tokens themselves are shown to nobody.
oauth-list-tokens *args:
    {{ gatehouse }} token list "$@"

# Remove a registration; its tokens end.
oauth-delete-registration *args:
    {{ gatehouse }} registration remove "$@"

# The same: nothing of it stays behind.
oauth-delete-client-complete *args:
    {{ gatehouse }} registration remove "$@"

# Take one token back, by its id in the list.
oauth-delete-token *args:
    {{ gatehouse }} token revoke "$@"

# Remove registrations that have `test` in their name.
oauth-delete-test-registrations *args:
    {{ gatehouse }} registration remove --search test "$@"

# Remove every registration: clients register anew.
oauth-delete-all-registrations *args:
    {{ gatehouse }} registration remove --all "$@"

# Take back everything that members of an organization let clients have.
oauth-delete-all-tokens *args:
    {{ gatehouse }} token revoke --all "$@"

# How much there is of everything, and the calls of the last day.
oauth-stats *args:
    {{ gatehouse }} stats "$@"

# Figures, registrations and tokens, one after the other.
oauth-show-all: oauth-stats oauth-list-registrations oauth-list-tokens

# Remove what has expired now; the gateway does it by itself, later.
oauth-purge-expired *args:
    {{ gatehouse }} purge "$@"

# Only count it.
oauth-purge-expired-dry *args:
    {{ gatehouse }} purge --dry-run "$@"

backups := env("BACKUPS", "backups")

# Everything that is in the database into one file, named by the time.
oauth-backup:
    @mkdir -p "{{ backups }}"
    {{ gatehouse }} backup "{{ backups }}/$(date -u +%Y%m%dT%H%M%SZ).gatehouse"

# Backups that are here.
oauth-backup-list:
    @ls -lt "{{ backups }}"

# What is in the newest one, or in FILE, and whether it is whole.
oauth-backup-view file=`ls -t "${BACKUPS:-backups}"/* 2>/dev/null | head -n 1 || true`:
    {{ gatehouse }} backup --show "{{ file }}"

# Put the newest one into an unused database.
oauth-restore *args:
    {{ gatehouse }} restore "$(ls -t "{{ backups }}"/* | head -n 1)" "$@"

# Put a certain one into an unused database.
oauth-restore-file *args:
    {{ gatehouse }} restore "$@"

# Put the newest one in the place of what is in the database.
oauth-restore-clear: (oauth-restore "--replace")

# Read and check the newest one, and look whether the database would take it.
oauth-restore-dry: (oauth-restore "--dry-run")

# Make or bring up to date the schema.
db-init:
    {{ gatehouse }} db init

# The trail is as it was written.
audit-verify *args:
    {{ gatehouse }} audit verify "$@"
