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

# The certificate that clients see: for whom, by whom, until when.
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

# --- operate ---

# Clients that registered themselves.
oauth-list-registrations *args:
    {{ gatehouse }} registration list "$@"

# What people let clients have: `just oauth-list-tokens --org acme`.
oauth-list-tokens *args:
    {{ gatehouse }} token list "$@"

# Both, and who is signed in: `just oauth-show-all --org acme`.
oauth-show-all *args:
    {{ gatehouse }} registration list
    {{ gatehouse }} token list "$@"
    {{ gatehouse }} session list "$@"

# How much there is of everything.
oauth-stats *args:
    {{ gatehouse }} stats "$@"

# Remove a client; its tokens end.
oauth-delete-registration id:
    {{ gatehouse }} registration remove "{{ id }}"

# The same: nothing of it stays behind.
oauth-delete-client-complete id: (oauth-delete-registration id)

# Take back what a person let a client have: `just oauth-delete-token ID --org acme`.
oauth-delete-token *args:
    {{ gatehouse }} token revoke "$@"

# Remove clients with a text in their name or address.
oauth-delete-test-registrations text="test":
    {{ gatehouse }} registration remove --search "{{ text }}"

# Remove every client that registered itself: all register and sign in anew.
oauth-delete-all-registrations:
    {{ gatehouse }} registration remove --all

# Take back everything that people of an organization let clients have.
oauth-delete-all-tokens *args:
    {{ gatehouse }} token revoke --all "$@"

# Remove what has expired.
oauth-purge-expired:
    {{ gatehouse }} purge

# Count what has expired.
oauth-purge-expired-dry:
    {{ gatehouse }} purge --dry-run

# Everything in the database, as one file in backups/.
oauth-backup:
    mkdir -p -m 700 backups
    {{ gatehouse }} backup "backups/$(date -u +%Y%m%dT%H%M%SZ).backup"

# Backups that there are, the newest first.
oauth-backup-list:
    @ls -1t backups/*.backup

# What is in one.
oauth-backup-view file:
    {{ gatehouse }} backup "{{ file }}" --show

# Put the newest one into an unused database.
oauth-restore:
    {{ gatehouse }} restore "$(ls -1t backups/*.backup | head -n 1)" --verify

# Put this one into an unused database.
oauth-restore-file file:
    {{ gatehouse }} restore "{{ file }}" --verify

# The same in place of what is in the database.
oauth-restore-clear file:
    {{ gatehouse }} restore "{{ file }}" --verify --replace

# Only say what it would do.
oauth-restore-dry file:
    {{ gatehouse }} restore "{{ file }}" --dry-run

# Make or bring up to date the schema.
db-init:
    {{ gatehouse }} db init

# The trail is as it was written.
audit-verify *args:
    {{ gatehouse }} audit verify "$@"
